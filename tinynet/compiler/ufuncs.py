"""Calls of ufuncs, of their methods, and of the functions that come to a reduction: in the form that takes least time.

The results are the last operands, which costs half of what ``out=`` does. A number is an array without a dimension, of the
dtype that the loop computes in: of a Python number a ufunc makes one at each call.
"""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature
from types import MappingProxyType
from typing import Any

import numpy as np

from tinynet.compiler.program import Array, Call, View, is_elementwise, is_number
from tinynet.compiler.threads import Bound

__all__ = ["METHODS", "REDUCTIONS", "Lowering", "as_array", "loop_dtypes", "named", "ufunc"]

Lowering = Callable[[Call], list[Bound] | None]
"""What to call with what for a call on arrays; None where a lowering does not apply."""

_NUMBERS = (bool, int, float, complex, np.generic)


def ufunc(call: Call) -> list[Bound]:
    """Operands and results by position, numbers as arrays without a dimension of the dtype that the loop computes in."""
    function: Any = call.function
    kwargs = call.kwargs
    loop = loop_dtypes(call, kwargs)
    args = call.args
    if loop is not None:
        if "where" not in kwargs and kwargs and loop == loop_dtypes(call):
            kwargs = {}
        args = tuple(as_array(x, dtype) for x, dtype in zip(args, loop, strict=False))
    if is_elementwise(function):
        args = tuple(x[(0,) * x.ndim + (...,)] if isinstance(x, np.ndarray) and is_number(x) else x for x in args)
    after: list[Bound] = []
    out: Any = call.out
    if len(out) == 1 and out[0].size == 1 and "where" not in kwargs and any(_begin_together(x, out[0]) for x in args):
        # A single number that is changed in place passes for an overlap, which is looked into for 350 ns.
        (place,), out = out, (np.empty_like(out[0]),)
        after = [(place.__setitem__, ((), *out))]
    if function in (np.maximum, np.minimum):  # which take a positional result for a mistake, and warn of it for 870 ns
        return [(partial(function, **kwargs, out=out), args), *after]
    return [(partial(function, **kwargs) if kwargs else function, (*args, *out)), *after]


def _begin_together(x: Any, y: Array) -> bool:
    return isinstance(x, np.ndarray) and bool(x.__array_interface__["data"] == y.__array_interface__["data"])


def loop_dtypes(call: Call, kwargs: Mapping[str, Any] = MappingProxyType({})) -> tuple[np.dtype[Any], ...] | None:
    """The dtypes that a ufunc computes in with such keywords; None if it does not say."""
    function: Any = call.function
    if kwargs.keys() - {"dtype", "casting", "where", "order", "subok"}:
        return None
    operands = (*map(_dtype_or_type, call.args), *(out.dtype for out in call.out))
    if any(x is None for x in operands) or len(operands) != function.nargs:
        return None
    signature = (None,) * function.nin + (kwargs.get("dtype"),) * function.nout
    try:
        return tuple(function.resolve_dtypes(operands, signature=signature, casting=kwargs.get("casting", "same_kind")))
    except TypeError:  # so with these keywords it is none of its loops
        return None


def _dtype_or_type(x: Any) -> Any:
    """What `numpy.ufunc.resolve_dtypes` wants to know of an operand; None of what is neither an array nor a number."""
    if isinstance(x, np.ndarray | np.generic | View):
        return x.dtype
    return type(x) if type(x) in (int, float, complex) else np.dtype(bool) if type(x) is bool else None


def as_array(x: Any, dtype: np.dtype[Any]) -> Any:
    """A number as an array without a dimension, if the dtype can hold it; anything else as it is."""
    if not isinstance(x, _NUMBERS) or dtype.hasobject:
        return x
    try:
        with np.errstate(all="ignore"):
            return np.array(x, dtype)
    except OverflowError:  # NumPy compares with integers that its own cannot hold
        return x


def _reduce(call: Call) -> list[Bound] | None:
    """``ufunc.reduce``, positional."""
    return _reduction(call.function, call, ("array", "axis", "dtype", "out", "keepdims", "initial", "where"), axis=0)


def _accumulate(call: Call) -> list[Bound] | None:
    """``ufunc.accumulate``, positional."""
    given = named(call, ("array", "axis", "dtype"))
    return [(call.function, (given["array"], given.get("axis", 0), given.get("dtype"), call.out[0]))] if given else None


def _outer(call: Call) -> list[Bound] | None:
    """``ufunc.outer``, as the ufunc on operands that broadcast."""
    a, b = call.args
    if call.kwargs or not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        return None
    return ufunc(Call(call.function.__self__, (a.reshape(a.shape + (1,) * b.ndim), b), {}, call.out))  # type: ignore[attr-defined]


METHODS: dict[str, Lowering] = {"reduce": _reduce, "accumulate": _accumulate, "outer": _outer}
"""How a ufunc's methods are called."""


NOT_GIVEN = signature(np.sum).parameters["initial"].default
"""What NumPy's functions have for an argument that is not given."""


def named(call: Call, names: tuple[str, ...]) -> dict[str, Any]:
    """The arguments of a call by name; nothing where one has another name, or the call has no result."""
    given = dict(zip(names, call.args, strict=False)) | call.kwargs
    given = {name: x for name, x in given.items() if x is not NOT_GIVEN}
    return given if call.out and len(call.args) <= len(names) and given.keys() <= set(names) else {}


# Reductions ----------------------------------------------------------------------------------------------------------


def _reduction(
    reduce: Callable[..., Any], call: Call, names: tuple[str, ...], axis: Any = None, dtype: Any = None
) -> list[Bound] | None:
    """A call of ``ufunc.reduce`` for one of a function with these parameters; `axis` and `dtype` are their defaults."""
    given = named(call, names)
    if not given or not isinstance(given["array"], np.ndarray):
        return None
    rare = {name: given[name] for name in ("initial", "where") if name in given}
    args = (given["array"], given.get("axis", axis), given.get("dtype", dtype), call.out[0])
    return [(partial(reduce, **rare) if rare else reduce, (*args, True) if given.get("keepdims") else args)]


def _reducing(ufunc: np.ufunc, *names: str, dtype: Any = None) -> Lowering:
    """A function of NumPy's that comes to a reduction."""
    return lambda call: _reduction(ufunc.reduce, call, ("array", "axis", *names, "keepdims", "initial", "where"), dtype=dtype)


def _mean(call: Call) -> list[Bound] | None:
    """Sum and division. NumPy divides in float64 and rounds, which gives what a float32 division gives."""
    given = named(call, ("a", "axis", "dtype", "out", "keepdims"))
    if not given:
        return None
    (out,) = call.out
    x, count = given["a"], given["a"].size // max(out.size, 1)
    if x.dtype != out.dtype or out.dtype not in _FLOATS or not 0 < count < 2**24 or given.get("dtype", x.dtype) != x.dtype:
        return None
    args = (x, given.get("axis"), None, out)
    total = (np.add.reduce, (*args, True) if given.get("keepdims") else args)
    return [total, *ufunc(Call(np.divide, (out, count), {}, (out,)))]


_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

REDUCTIONS: dict[Any, Lowering] = {
    np.sum: _reducing(np.add, "dtype", "out"),
    np.prod: _reducing(np.multiply, "dtype", "out"),
    np.max: _reducing(np.maximum, "out"),
    np.min: _reducing(np.minimum, "out"),
    np.any: _reducing(np.logical_or, "out", dtype=bool),
    np.all: _reducing(np.logical_and, "out", dtype=bool),
    np.mean: _mean,
}
"""How functions that come to a reduction are called."""
