"""The checks that every operation of the rule table has to pass, by name."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st

from tinynet.autograd import grad
from tinynet.graph import Node, reachable
from tinynet.rules import COMPOSED, TABLE, Rule, name_of
from tinynet.tensor import Tensor, node_of
from tinynet.testing.gradcheck import GradcheckError, gradcheck
from tinynet.testing.strategies.calls import Call
from tinynet.testing.strategies.cases import cases, is_elementwise
from tinynet.testing.strategies.operations import Operation, operations

__all__ = ["CHECKS", "Check", "Falsified", "Subject", "on_every"]

Array = np.ndarray[Any, Any]


class Subject:
    """An operation that is checked: where its calls come from, and what is known of it."""

    def __init__(
        self,
        fun: Callable[..., Any],
        calls: st.SearchStrategy[Call] | None = None,
        reference: Callable[..., Any] | None = None,
    ) -> None:
        self.fun = fun
        self.name = name_of(fun)
        self.row: Rule | None = TABLE.get(fun)
        self.reference = reference
        self.calls = operations(fun, calls=cases(fun) if calls is None else calls)
        self.elementwise = (
            self.row is not None and calls is None and is_elementwise(self.row) and None not in list(self.row.vjps)
        )


class Check(NamedTuple):
    """A check of an operation.

    Attributes
    ----------
    run : callable
        ``run(subject, max_examples)`` raises if the operation does not pass; it gives the number of calls that were drawn.
    exempt : callable
        ``exempt(subject)`` is the reason why the check says nothing of the operation; empty if it does.
    """

    run: Callable[[Subject, int], int]
    exempt: Callable[[Subject], str] = lambda subject: ""


class Falsified(Exception):
    """The smallest value found for which a test fails, and how it does."""

    def __init__(self, value: Any, error: Exception) -> None:
        super().__init__(value)
        self.value = value
        self.error = error

    @property
    def reason(self) -> str:
        """The error in words."""
        return f"{'' if self.cause is None else f'{type(self.error).__name__}: '}{self.error}"

    @property
    def cause(self) -> Exception | None:
        """The error, if its traceback tells more than its words."""
        return None if isinstance(self.error, AssertionError) else self.error


_PHASES = (Phase.explicit, Phase.generate, Phase.shrink)


def on_every(
    test: Callable[[Any], object], drawn: st.SearchStrategy[Any], max_examples: int, phases: tuple[Phase, ...] = _PHASES
) -> int:
    """Run a test on drawn values; the number of them. Raises `Falsified` if it fails."""
    count = 0
    failing: list[Any] = []

    @settings(
        max_examples=max(max_examples, 1), phases=phases, database=None, deadline=None, derandomize=True,
        verbosity=Verbosity.quiet, report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.nested_given],
    )  # fmt: skip
    @given(drawn)
    def search(value: Any) -> None:
        nonlocal count
        count += 1
        try:
            test(value)
        except Exception:
            failing[:] = [value]
            raise

    try:
        search()
    except Exception as error:
        if not failing:
            raise
        raise Falsified(failing[0], error) from error
    return count


def _drawn(name: str, test: Callable[[Subject, Operation], object], part: int = 1) -> Callable[[Subject, int], int]:
    """A check by a test of drawn calls, of a part of them if the test is slow."""

    def run(subject: Subject, max_examples: int) -> int:
        try:
            return on_every(partial(test, subject), subject.calls, -(-max_examples // part))
        except Falsified as found:
            text = f"{subject.name}: {name}\n  {found.reason}\n  the smallest call found: {found.value!r}"
            raise GradcheckError(text) from found.cause

    return run


# Values --------------------------------------------------------------------------------------------------------------


def _as_list(result: Any) -> list[Any]:
    return list(result) if isinstance(result, list | tuple) else [result]


def _tensors(inputs: list[Array]) -> list[Tensor]:
    return [Tensor(x, requires_grad=True) for x in inputs]


def _value(subject: Subject, operation: Operation) -> None:
    """On tensors the operation gives what it gives on arrays: to the last bit if it is the same code."""
    expected = [np.asarray(y) for y in _as_list(operation(*operation.inputs))]
    results = _as_list(operation(*_tensors(operation.inputs)))
    assert len(results) == len(expected), f"{len(results)} results on tensors, {len(expected)} on arrays"
    for result, value in zip(results, expected, strict=True):
        found = result.data if isinstance(result, Tensor) else np.asarray(result)
        if value.dtype.kind == "f":
            assert operation.inputs, "the call has no floating array (a number is none, np.array(x) is) to differentiate by"
            assert isinstance(result, Tensor) and result.requires_grad, "the result on tensors does not require a gradient"
        _same(found, value, exactly=subject.fun not in (*COMPOSED, np.inner, np.tensordot))  # which use BLAS otherwise


def _same(found: Array, value: Array, exactly: bool) -> None:
    if exactly or value.dtype.kind != "f":
        np.testing.assert_array_equal(found, value, strict=True)
    else:
        np.testing.assert_allclose(found, value, rtol=1e-12, atol=1e-13 * max(1.0, _largest(value)), strict=True)


def _largest(x: Array) -> float:
    finite = np.abs(x[np.isfinite(x)])
    return float(np.max(finite, initial=0.0))


def _reference(subject: Subject, operation: Operation) -> None:
    """The operation gives what another way to compute it gives."""
    assert subject.reference is not None
    expected = _as_list(subject.reference(*operation.args, **operation.kwargs))
    for result, value in zip(_as_list(operation(*operation.inputs)), expected, strict=True):
        value = np.asarray(value)
        np.testing.assert_allclose(result, value, rtol=1e-9, atol=1e-9 * max(1.0, _largest(value)), strict=True)


# Derivatives ---------------------------------------------------------------------------------------------------------


def _real(operation: Operation) -> Callable[..., Any]:
    """The floating results of the operation; an index or a count has no derivative."""

    def f(*inputs: Any) -> Any:
        results = _as_list(operation(*inputs))
        real = tuple(y for y in results if y.dtype.kind == "f")
        return real if len(results) > 1 else real[0]

    return f


def _gradient(subject: Subject, operation: Operation) -> None:
    gradcheck(_real(operation), operation.inputs)


def _second(subject: Subject, operation: Operation) -> None:
    gradcheck(_real(operation), operation.inputs, order=2)


def _third(subject: Subject, operation: Operation) -> None:
    gradcheck(_real(operation), operation.inputs, order=3, atol=1e-4, rtol=1e-4, fast=True)


def _directional(subject: Subject, operation: Operation) -> None:
    gradcheck(_real(operation), operation.inputs, modes=("jvp",))


# Dtypes --------------------------------------------------------------------------------------------------------------


def _float32(subject: Subject, operation: Operation) -> None:
    """In float32 the results have the dtype they have on arrays, and the gradients are float64's to float32's precision."""
    single = [np.where(np.abs(x) < 1e-15, 0.0, x).astype(np.float32) for x in operation.inputs]  # squares do not underflow
    results = _as_list(operation(*_tensors(single)))
    for result, value in zip(results, _as_list(operation(*single)), strict=True):
        dtype = np.asarray(value).dtype
        assert result.dtype == dtype, f"the result is {result.dtype}, on arrays it is {dtype}"
    used = [y for y in results if isinstance(y, Tensor) and y.requires_grad]
    for node in reachable(map(node_of, used)):
        if isinstance(node, Node) and node.out.dtype == np.float32:
            _check_precision(node)
    gradcheck(_real(operation), single, fast=True)


def _check_precision(node: Node) -> None:
    """A rule computes in its operands' dtype: what it returns needs no cast."""
    g = np.ones_like(node.out)
    arrays = [i for i, parent in enumerate(node.parents) if parent is not None and node.operands[i].dtype == np.float32]
    for i in arrays if 0 in arrays else []:  # a Python scalar in front makes float64 of itself
        vjp = node.rule.vjps[i]
        if vjp is not None:
            d = vjp(g, node.out, *node.operands, **node.params)
            assert d.dtype == np.float32, f"the rule of {node.rule.name} for operand {i} gives {d.dtype} in float32"


# Shapes --------------------------------------------------------------------------------------------------------------


def _only_elementwise(subject: Subject) -> str:
    return "" if subject.elementwise else "not elementwise"


def _not_broadcast(subject: Subject) -> str:
    if not subject.elementwise:
        return "not elementwise"
    assert subject.row is not None
    return "it has one operand" if subject.row.arity < 2 else ""


def _empty(subject: Subject, max_examples: int) -> int:
    """Empty operands give empty results and gradients."""
    assert subject.row is not None
    for shape in [(0,), (2, 0, 3)]:
        xs = _tensors([np.empty(shape)] * subject.row.arity)
        try:
            results = [y for y in _as_list(subject.fun(*xs)) if isinstance(y, Tensor) and y.requires_grad]
            gradients = grad(results, xs, [np.empty(y.shape) for y in results], allow_unused=True)
            assert all(g is None or g.shape == shape for g in gradients), "a gradient has another shape"
        except Exception as error:
            raise GradcheckError(f"{subject.name}: empty arrays\n  operands of shape {shape}: {error}") from error
    return 0


def _broadcasting(subject: Subject, operation: Operation) -> None:
    """Operands of which every one is stretched along an axis."""
    numbers = [np.asarray(x).reshape(-1)[:1] for x in operation.args]
    if any(x.dtype.kind != "f" for x in numbers):
        return
    shapes = [(1,) * i + (2,) + (1,) * (len(numbers) - 1 - i) for i in range(len(numbers))]
    stretched = [np.repeat(x, 2).reshape(shape) for x, shape in zip(numbers, shapes, strict=True)]
    gradcheck(_real(Operation(subject.fun, tuple(stretched), operation.kwargs)), stretched)


# Conventions ---------------------------------------------------------------------------------------------------------


def _no_conventions(subject: Subject) -> str:
    if subject.row is None:
        return "composed of other operations"
    return "" if subject.row.at else "no convention is stated"


def _conventions(subject: Subject, max_examples: int) -> int:
    """What ``at=`` says of points without a derivative is true."""
    assert subject.row is not None
    for operands, expected in subject.row.at.items():
        xs = [np.array(x, dtype=float) for x in operands]
        leaves = _tensors(xs)
        with np.errstate(all="ignore"):
            results = [y for y in _as_list(subject.fun(*leaves)) if isinstance(y, Tensor) and y.requires_grad]
            found = grad(results, leaves, [np.ones(y.shape) for y in results], allow_unused=True)
        for i, (g, value) in enumerate(zip(found, expected, strict=True)):
            if value is None:
                continue
            got = np.zeros_like(xs[i]) if g is None else g.data
            if not np.allclose(got, np.array(value, dtype=float), rtol=1e-12, atol=0, equal_nan=True):
                raise GradcheckError(
                    f"{subject.name}: conventions\n  at {operands} the gradient of operand {i} is {got.tolist()}, "
                    f"and at= says {value}"
                )
    return 0


# Sensitivity ---------------------------------------------------------------------------------------------------------


def _has_no_rule(subject: Subject) -> str:
    return "composed of other operations" if subject.row is None else ""


def _sensitivity(subject: Subject, max_examples: int) -> int:
    """The calls that are drawn tell a wrong rule from a right one: each operand's, in turn, is made a little wrong."""
    row = subject.row
    assert row is not None
    drawn = 0
    for i in range(max(row.arity, 1)):
        if row.vjps[i] is None or _FLAT.get(subject.name) == i:
            continue
        try:
            drawn += on_every(partial(_check_tampered, subject, i), subject.calls, max_examples, (Phase.generate,))
        except Falsified as found:
            if not isinstance(found.error, GradcheckError):
                raise found.error from found
            drawn += 1
        else:
            raise GradcheckError(
                f"{subject.name}: sensitivity\n  the calls do not tell a wrong rule for operand {i}: it is no array in any of "
                "them, or its gradient is 0 in all"
            )
    return drawn


def _check_tampered(subject: Subject, i: int, operation: Operation) -> None:
    """Check the operation with a rule for operand `i` that is a thousandth off."""
    f = _real(operation)

    def tampered(*inputs: Any) -> Any:
        results = f(*inputs)
        for node in reachable(node_of(y) for y in _as_list(results) if y.requires_grad):
            if isinstance(node, Node) and node.rule.fun is subject.fun and i < len(node.operands):
                vjps = [node.rule.vjps[k] for k in range(len(node.operands))]
                vjps[i] = partial(_a_little_wrong, vjps[i])
                node.rule = copy.copy(node.rule)
                node.rule.vjps = vjps
        return results

    gradcheck(tampered, operation.inputs)


def _a_little_wrong(vjp: Any, g: Any, *rest: Any, **params: Any) -> Any:
    return 1.001 * vjp(g, *rest, **params)


_FLAT = {
    "np.angle": 0, "np.around": 0, "np.ceil": 0, "np.copysign": 1, "np.fix": 0, "np.floor": 0, "np.heaviside": 0, "np.imag": 0,
    "np.nextafter": 1, "np.rint": 0, "np.round": 0, "np.sign": 0, "np.trunc": 0, "tn.order_statistics": 1,
}  # fmt: skip
"""The operands by which the derivative is 0 wherever there is one, so that no call can tell a factor."""


CHECKS: dict[str, Check] = {
    "value": Check(_drawn("value", _value)),
    "reference": Check(_drawn("reference", _reference), lambda subject: "" if subject.reference else "no reference is given"),
    "gradient": Check(_drawn("gradient", _gradient)),
    "second derivative": Check(_drawn("second derivative", _second, part=3)),
    "third derivative": Check(_drawn("third derivative", _third, part=5)),
    "directional derivative": Check(_drawn("directional derivative", _directional, part=3)),
    "float32": Check(_drawn("float32", _float32, part=3)),
    "empty arrays": Check(_empty, _only_elementwise),
    "broadcasting": Check(_drawn("broadcasting", _broadcasting, part=5), _not_broadcast),
    "conventions": Check(_conventions, _no_conventions),
    "sensitivity": Check(_sensitivity, _has_no_rule),
}
"""Every check, by its name."""
