"""`check_rule` and `assert_gradients`: property tests by one call, for an operation and for any function of arrays."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from tinynet.rules import COMPOSED, TABLE, name_of
from tinynet.tensor import Tensor
from tinynet.testing.gradcheck import GradcheckError, gradcheck
from tinynet.testing.rulechecks import CHECKS, Falsified, Subject, on_every
from tinynet.testing.strategies.arrays import arrays
from tinynet.testing.strategies.calls import Call
from tinynet.testing.strategies.code import IMPORTS, literal, spelling

__all__ = ["RuleReport", "assert_gradients", "check_rule"]


class RuleReport(NamedTuple):
    """What `check_rule` has checked.

    Attributes
    ----------
    operation : str
        The operation's name.
    checks : dict
        For each check by name "ok", or "n/a: " and the reason why it says nothing of this operation.
    examples : int
        How many calls were drawn in all.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> print(tn.testing.check_rule(np.sin, max_examples=3, only=["value", "gradient", "broadcasting"]))
    np.sin: 6 calls
      value         ok
      gradient      ok
      broadcasting  n/a: it has one operand
    """

    operation: str
    checks: dict[str, str]
    examples: int

    def __str__(self) -> str:
        width = max(map(len, self.checks), default=0) + 2
        return "\n".join([f"{self.operation}: {self.examples} calls", *(f"  {k:{width}}{v}" for k, v in self.checks.items())])


def check_rule(
    operation: Callable[..., Any],
    *,
    calls: st.SearchStrategy[Call] | None = None,
    reference: Callable[..., Any] | None = None,
    max_examples: int | None = None,
    only: Sequence[str] | None = None,
) -> RuleReport:
    """Test an operation of one's own, or one of tinynet's, in the ways that the built-in ones are tested.

    Random calls are drawn, and the operation is checked on each: its value on tensors is that on arrays (and `reference`'s),
    the first three derivatives and the directional derivatives agree with finite differences, its rules compute in float32
    where the operands are, hold to their contract (shape, dtype, no writing, deterministic, linear in the cotangent), bear
    empty arrays and broadcasting, the conventions of the row's ``at=`` are true; and the drawn calls suffice to tell a rule
    that is wrong by a thousandth.

    Parameters
    ----------
    operation : callable
        A `tn.primitive` with its rules, or a NumPy function that tensors support.
    calls : SearchStrategy, optional
        Of pairs ``(args, kwargs)`` to call the operation with, where it is not elementwise: operands are float64 arrays, away
        from kinks. An elementwise operation is called with arrays in its domain that broadcast together.
    reference : callable, optional
        Computes the same value in another way, from the same arguments.
    max_examples : int, optional
        How many calls are drawn for a check; hypothesis's own setting unless given. The slow checks take a part of them.
    only : sequence of str, optional
        The names of the checks to make, all unless given.

    Returns
    -------
    RuleReport
        What was checked; printed, it is a table.

    Raises
    ------
    GradcheckError
        If a check fails. The message names the check, the reason, and the smallest call that fails, to be pasted.
    LookupError
        If the operation has no row, or is not elementwise and there are no `calls` for it.
    TypeError, ValueError
        If `calls` is no strategy of pairs, or `only` has a name that is no check's.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> @tn.primitive
    ... def gaussian(x, width=1.0):
    ...     return np.exp(-((x / width) ** 2))
    >>> rule = gaussian.defvjp(lambda g, out, x, width=1.0: -2 * g * out * x / width**2)
    >>> report = tn.testing.check_rule(gaussian, max_examples=10)
    >>> report.checks["second derivative"]
    'ok'
    >>> from hypothesis import strategies as st
    >>> from tinynet.testing.strategies import arrays
    >>> wide = st.tuples(st.tuples(arrays((3,))), st.fixed_dictionaries({"width": st.sampled_from([0.5, 2.0])}))
    >>> report = tn.testing.check_rule(gaussian, calls=wide, reference=lambda x, width: np.exp(-np.square(x / width)))
    """
    if operation not in TABLE and operation not in COMPOSED:
        raise LookupError(f"check_rule: {name_of(operation)} has no gradient rule; give it one with .defvjp(...)")
    if calls is not None and not isinstance(calls, st.SearchStrategy):
        raise TypeError(f"check_rule: calls must be a strategy of pairs (args, kwargs), not {type(calls).__name__}")
    if not set(CHECKS).issuperset(only or ()):
        raise ValueError(f"check_rule: only={only!r}; it is a sequence of names of checks, out of {', '.join(CHECKS)}")
    subject = Subject(operation, calls, reference)
    n = _default_examples() if max_examples is None else max_examples
    found, drawn = {}, 0
    for name in CHECKS if only is None else only:
        reason = CHECKS[name].exempt(subject)
        if not reason:
            drawn += CHECKS[name].run(subject, n)
        found[name] = f"n/a: {reason}" if reason else "ok"
    return RuleReport(subject.name, found, drawn)


def assert_gradients(
    f: Callable[..., Any], *inputs: Any, order: int = 1, max_examples: int | None = None, **options: Any
) -> None:
    """Assert that the gradients of a function are right, at random inputs.

    Parameters
    ----------
    f : callable
        Takes as many arrays (or tensors) as there are inputs and returns an array, or a tuple of arrays; as `gradcheck` has it.
    *inputs : tuple of int, SearchStrategy, or array
        For each argument of `f` the shape to draw moderate random numbers in; or a strategy of arrays, such as
        ``strategies.arrays((2, 3), avoid=kinks)``; or the array itself.
    order : int
        How many derivatives are checked.
    max_examples : int, optional
        How many inputs are drawn; hypothesis's own setting unless given.
    **options
        Of `gradcheck`: ``modes=``, ``atol=``, ``rtol=`` ...

    Raises
    ------
    GradcheckError
        If a gradient is wrong somewhere. The message has the smallest inputs where it is, as code that can be pasted.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.testing.assert_gradients(lambda x, w: np.tanh(x @ w), (4, 3), (3, 2), order=2, max_examples=10)
    >>> from tinynet.testing.strategies import arrays
    >>> tn.testing.assert_gradients(lambda x: np.abs(x) * 2, arrays((3,), avoid=lambda x: x), max_examples=10)
    >>> tn.testing.assert_gradients(lambda x: np.exp(x) * x.data, (2,), max_examples=10)
    Traceback (most recent call last):
    ...
    tinynet.testing.gradcheck.report.GradcheckError: the gradient of input 0 is wrong at index (0,), at 2 of 2 elements in all
      analytic ..., numeric ... ± ...: difference ..., tolerance ...
      each recorded operation's rule is right on its own: a part of f is not recorded (.data, .detach(), no_grad)
    the smallest inputs found:
    import numpy as np
    import tinynet as tn
    tn.testing.gradcheck(f, [np.array([0.0, 0.0])])
    """
    if not inputs:
        raise TypeError("assert_gradients: give a shape, a strategy or an array for each argument of the function")
    drawn = st.tuples(*map(_strategy, inputs))
    n = _default_examples() if max_examples is None else max_examples
    given = {"order": order, **options} if order != 1 else options
    spelled = "".join(f", {name}={literal(value)}" for name, value in given.items())
    try:
        on_every(lambda arrays: gradcheck(f, arrays, order=order, **options), drawn, n)
    except Falsified as found:
        code = f"{IMPORTS}\ntn.testing.gradcheck({spelling(f)}, {literal(list(found.value))}{spelled})"
        raise GradcheckError(f"{found.reason}\nthe smallest inputs found:\n{code}") from found.cause


def _strategy(x: Any) -> st.SearchStrategy[Any]:
    if isinstance(x, st.SearchStrategy):
        return x
    if isinstance(x, tuple) and all(isinstance(n, int | np.integer) for n in x):
        return arrays(x)
    if isinstance(x, np.ndarray | Tensor):  # of a dtype of its own
        return st.just(np.asarray(x.data if isinstance(x, Tensor) else x))
    return st.just(np.asarray(x, float))


def _default_examples() -> int:
    profile = settings.default
    assert profile is not None
    return profile.max_examples
