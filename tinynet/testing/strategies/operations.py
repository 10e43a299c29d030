"""A strategy for single calls of the operations of the rule table, with fitting arguments."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinynet.rules import COMPOSED, TABLE, name_of
from tinynet.testing.strategies.calls import Call
from tinynet.testing.strategies.cases import cases
from tinynet.testing.strategies.code import call_text, spelling
from tinynet.trees import leaves, mapped

__all__ = ["Operation", "is_input", "operations", "supported"]

Array = np.ndarray[Any, Any]


class Operation:
    """A call of an operation: a function of its floating operands, printed as NumPy code.

    Attributes
    ----------
    fun : callable
        The operation.
    args, kwargs : tuple, dict
        What it is called with.
    """

    def __init__(self, fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.fun = fun
        self.args = args
        self.kwargs = kwargs

    @property
    def name(self) -> str:
        """The name a person knows the operation by, such as ``np.add``."""
        return name_of(self.fun)

    @property
    def inputs(self) -> list[Array]:
        """The floating arrays among the arguments, also those in lists and tuples."""
        return [x for _, x in leaves((self.args, self.kwargs)) if is_input(x)]

    def __call__(self, *values: Any) -> Any:
        """The operation with other values (arrays or tensors) in the places of `inputs`."""
        rest = iter(values)
        args, kwargs = mapped(lambda x: next(rest) if is_input(x) else x, (self.args, self.kwargs))
        return self.fun(*args, **kwargs)

    def __repr__(self) -> str:
        return call_text(self.fun, self.args, self.kwargs, lambda x: None)


def is_input(x: Any) -> bool:
    """Whether an argument is one to differentiate with respect to: a floating array."""
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def supported() -> tuple[Callable[..., Any], ...]:
    """The operations of NumPy and tinynet that there are cases for: rows of the table, then composed functions."""
    found = []
    for fun in (*TABLE, *COMPOSED):
        if "." not in spelling(fun):
            continue  # a person's own
        try:
            cases(fun)
        except LookupError:
            continue
        found.append(fun)
    return tuple(found)


def operations(*functions: Callable[..., Any], calls: st.SearchStrategy[Call] | None = None) -> st.SearchStrategy[Operation]:
    """Calls of operations of the rule table, with operands in their domains and away from their kinks.

    Parameters
    ----------
    *functions : callable
        The operations to draw from, all of NumPy's and tinynet's that tensors support unless given.
    calls : SearchStrategy, optional
        Of pairs ``(args, kwargs)`` to call the one given function with, in place of `cases`.

    Returns
    -------
    SearchStrategy
        Of `Operation` objects: with the attributes ``name``, ``fun``, ``args``, ``kwargs`` and ``inputs`` (the floating
        arrays among the arguments); a call with as many values runs the operation on them, so that
        ``gradcheck(operation, operation.inputs)`` checks it; `repr` is the call as NumPy code.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=20)
    ... @given(tn.testing.strategies.operations())
    ... def check(operation):
    ...     assert tn.testing.gradcheck(operation, operation.inputs)
    >>> check()
    >>> from hypothesis import find
    >>> find(tn.testing.strategies.operations(np.sum), lambda operation: True)
    np.sum(a=np.array(0.0), axis=None)
    """
    if calls is not None:
        (fun,) = functions
        return calls.map(partial(_operation, fun))
    return st.deferred(lambda: _any_of(functions or supported()))


@cache
def _any_of(functions: tuple[Callable[..., Any], ...]) -> st.SearchStrategy[Operation]:
    """Kept, since hypothesis takes longer to prepare a strategy than to draw from it."""
    prepared = {fun: cases(fun).map(partial(_operation, fun)) for fun in functions}
    return st.sampled_from(functions).flatmap(prepared.__getitem__)


def _operation(fun: Callable[..., Any], call: Call) -> Operation:
    if not (isinstance(call, tuple) and list(map(type, call)) == [tuple, dict]):
        raise TypeError(f"a call of {name_of(fun)} is a pair (args, kwargs) of a tuple and a dict, not {call!r}")
    return Operation(fun, *call)
