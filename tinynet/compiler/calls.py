"""The cheapest NumPy call for each call of a program, with the same bits.

On small arrays a call costs what happens around its loop: looking for keywords, making arrays of Python numbers, the Python
that wraps many of NumPy's functions. So every argument is positional and every number an array of the dtype that the loop
computes in, and what NumPy offers in several ways is done in the quickest. For 4 x 8 float64 numbers, in nanoseconds:

    np.add(x, 0.5, out=t)           380      np.add(x, c, t), c of no dimension       205
    np.copyto(t, x)                 175      t.__setitem__((), x)                      95
    np.dot(x, w, t)                 290      x.dot(w, t)                              190
    np.sum(x, axis=0)              1700      np.add.reduce(x, 0, None, t)             700
    np.where(m, x, y)               720      t.__setitem__((), y); np.putmask(t, m, x) 380

A row of the table `LOWERINGS` says how a function is called. It gets a call on arrays and gives what to call with what, or None
where it does not apply; for functions without a row, and then, a call gives its result and the result is copied.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from operator import getitem
from types import MappingProxyType
from typing import Any

import numpy as np

from tinynet.compiler.checks import CHECKS
from tinynet.compiler.program import Array, Call, View, copy_to
from tinynet.compiler.scalars import Scalars
from tinynet.compiler.tiled import Tiles
from tinynet.errors import RecordingError

__all__ = ["CLIP", "Bound", "bound", "loop_dtypes", "named"]

CLIP: np.ufunc = np._core.umath.clip  # type: ignore[attr-defined]
"""The ufunc behind `numpy.clip`."""

Bound = tuple[Callable[..., Any], tuple[Any, ...]]


def bound(call: Call, array: Callable[[View], Array]) -> list[Bound]:
    """What to call with what, to do a program's call on arrays."""
    if isinstance(call, Tiles | Scalars):
        return call.bound(array, bound)
    call = call.replaced(array)  # from here on arrays stand where views stood
    return _lowering(call.function)(call) or _as_it_is(call)


Lowering = Callable[[Call], list[Bound] | None]


def _lowering(function: Any) -> Lowering:
    if function in LOWERINGS:
        return LOWERINGS[function]
    if isinstance(function, np.ufunc):
        return _ufunc
    if isinstance(getattr(function, "__self__", None), np.ufunc):
        return _METHODS.get(function.__name__, _as_it_is)
    return _as_it_is


# Any function --------------------------------------------------------------------------------------------------------


def _as_it_is(call: Call) -> list[Bound]:
    function, kwargs, out = call.function, call.kwargs, call.out
    if call.in_place and (not call.updates or "where" in kwargs) and out:
        kwargs = kwargs | {"out": out if len(out) > 1 else out[0]}
    if kwargs:
        function = partial(function, **kwargs)
    if call.in_place or not out:
        return [(function, call.args)]
    if len(out) == 1:
        return [_stored(function, call.args, out[0])]
    return [(_store_each, (function, call.args, out))]


def _stored(function: Callable[..., Any], args: tuple[Any, ...], out: Any) -> Bound:
    return _store, (function, args, out.__setitem__, out.shape)


def _store(function: Callable[..., Any], args: tuple[Any, ...], put: Callable[..., Any], shape: tuple[int, ...]) -> None:
    result = function(*args)
    if result.shape != shape:
        raise _other_shape(function, result.shape, shape)
    put((), result)


def _store_each(function: Callable[..., Any], args: tuple[Any, ...], out: tuple[Array, ...]) -> None:
    for array, x in zip(out, function(*args), strict=True):
        if x.shape != array.shape:
            raise _other_shape(function, x.shape, array.shape)
        array[()] = x


def _other_shape(function: Any, shape: tuple[int, ...], recorded: tuple[int, ...]) -> RecordingError:
    function = function.func if isinstance(function, partial) else function
    return RecordingError(
        f"{getattr(function, '__name__', function)} gave shape {shape} where it gave {recorded} when the step was recorded; "
        "the shapes in a compiled step must not depend on values"
    )


# Ufuncs --------------------------------------------------------------------------------------------------------------

_NUMBERS = (bool, int, float, complex, np.generic)


def _ufunc(call: Call) -> list[Bound]:
    """Operands and results by position, numbers as arrays without a dimension of the dtype that the loop computes in."""
    function: Any = call.function
    kwargs = call.kwargs
    loop = loop_dtypes(call, kwargs)
    args = call.args
    if loop is not None:
        if "where" not in kwargs and kwargs and loop == loop_dtypes(call):
            kwargs = {}
        args = tuple(_as_array(x, dtype) for x, dtype in zip(args, loop, strict=False))
    if function.signature is None:
        args = tuple(x[(0,) * x.ndim + (...,)] if isinstance(x, np.ndarray) and _is_number(x) else x for x in args)
    after: list[Bound] = []
    out: Any = call.out
    if len(out) == 1 and out[0].size == 1 and any(_are_same(x, out[0]) for x in args):
        (place,), out = out, (np.empty_like(out[0]),)
        after = [(place.__setitem__, ((), *out))]
    args = tuple(next((result for result in out if _are_same(x, result)), x) for x in args)
    if function in (np.maximum, np.minimum):  # which take a positional result for a mistake, and warn of it for 870 ns
        return [(partial(function, **kwargs, out=out), args), *after]
    return [(partial(function, **kwargs) if kwargs else function, (*args, *out)), *after]


def _is_number(x: Array) -> bool:
    """Whether an array is one number, or is seen as many of it."""
    return x.size == 1 or (x.size > 1 and not any(x.strides))


def _are_same(x: Any, out: Any) -> bool:
    """Whether an operand lies where the result does.

    A ufunc that finds two array objects there looks into how they overlap, for 200 ns; so it is given the result itself. With
    a single number it looks even then, for 350 ns, and a copy is quicker.
    """
    if not isinstance(x, np.ndarray) or (x.size, x.dtype) != (out.size, out.dtype):
        return False
    if x.size != 1 and (x.shape, x.strides) != (out.shape, out.strides):
        return False
    return bool(x.__array_interface__["data"] == out.__array_interface__["data"])


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


def _as_array(x: Any, dtype: np.dtype[Any]) -> Any:
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
    return [(call.function.__self__, (a.reshape(a.shape + (1,) * b.ndim), b, *call.out))]  # type: ignore[attr-defined]


_METHODS: dict[str, Lowering] = {"reduce": _reduce, "accumulate": _accumulate, "outer": _outer}


def named(call: Call, names: tuple[str, ...]) -> dict[str, Any]:
    """The arguments of a call by name; nothing where one has another name, or the call has no result."""
    given = dict(zip(names, call.args, strict=False)) | call.kwargs
    given = {name: x for name, x in given.items() if x is not np._NoValue}
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
    return [total, (np.divide, (out, np.array(count, out.dtype), out))]


_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def _argument(call: Call) -> list[Bound] | None:
    """``np.argmax`` and ``np.argmin``: the methods."""
    given = named(call, ("a", "axis"))
    return [(getattr(given["a"], call.function.__name__), (given.get("axis"), *call.out))] if given else None


# Products ------------------------------------------------------------------------------------------------------------


def _dot(call: Call) -> list[Bound] | None:
    """``np.dot``: the method, which wants a result in C order."""
    a, b = call.args
    (out,) = call.out
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray) or not out.flags.c_contiguous:  # type: ignore[attr-defined]
        return None
    return [(a.dot, (b, out))] if out.dtype == np.result_type(a, b) else None


# Copies and choices --------------------------------------------------------------------------------------------------


def _copy(call: Call) -> list[Bound]:
    """A copy: `numpy.copyto` takes twice as long."""
    return _copy_of(call.args[0], call.out[0])


def _copy_of(source: Any, out: Any) -> list[Bound]:
    source = _as_array(source, out.dtype)
    return _rows(source, out) or [(out.__setitem__, ((), source))]


def _rows(source: Any, out: Array) -> list[Bound] | None:
    """A copy of whole rows, each to several places: `numpy.take` moves a row at a time, where a copy broadcasts by elements."""
    if not isinstance(source, np.ndarray) or source.dtype != out.dtype or source.ndim > out.ndim or out.dtype.hasobject:
        return None
    source = source[tuple(slice(1 if stride == 0 else None) for stride in source.strides)]
    shape = (1,) * (out.ndim - source.ndim) + source.shape
    axes = 1 + max((i for i in range(out.ndim) if shape[i] != out.shape[i]), default=-1)  # that lead up to those of a row
    rows = prod(out.shape[:axes])
    if axes in (0, out.ndim) or not FEW_ROWS < rows < MANY_ROWS or not (source.flags.c_contiguous and out.flags.c_contiguous):
        return None
    if not out.size or np.may_share_memory(source, out):
        return None
    places = np.arange(prod(shape[:axes])).reshape(shape[:axes])
    index = np.broadcast_to(places, out.shape[:axes]).reshape(-1)
    return [(source.reshape(places.size, -1).take, (index, 0, out.reshape(rows, -1), "clip"))]


FEW_ROWS, MANY_ROWS = 8, 16384


def _copy_where(call: Call) -> list[Bound] | None:
    """`numpy.copyto` with ``where=``: `numpy.putmask`, if nothing broadcasts."""
    out, source = call.args
    mask = call.kwargs["where"]
    source = _as_array(source, out.dtype)
    fits = isinstance(source, np.ndarray) and source.dtype == out.dtype and source.shape in ((), out.shape)
    if fits and isinstance(mask, np.ndarray) and mask.shape == out.shape:
        return [(np.putmask, (out, mask, source))]
    return [(np.copyto, (out, source, call.kwargs["casting"], mask))]


def _where(call: Call) -> list[Bound] | None:
    """Three-operand `numpy.where`: the one choice is copied, the other put over it."""
    if len(call.args) != 3 or call.kwargs or call.in_place:
        return None
    (out,) = call.out
    mask, yes, no = call.args
    yes, no = _as_array(yes, out.dtype), _as_array(no, out.dtype)
    for x in (mask, yes):
        if not isinstance(x, np.ndarray) or np.may_share_memory(out, x):
            return None
    if mask.dtype != bool or mask.shape != out.shape or yes.dtype != out.dtype or yes.shape not in ((), out.shape):
        return None
    return [*_copy_of(no, out), (np.putmask, (out, mask, yes))]


def _concatenate(call: Call) -> list[Bound] | None:
    """`numpy.concatenate`: copies to the parts of the result."""
    given = named(call, JOINING)
    axis = given.get("axis", 0)
    out: Any = call.out[0]
    if not given or not _are_apart(given["arrays"], out) or (axis is None and not out.flags.c_contiguous):
        return None
    if len(given["arrays"]) > MOST_COPIES:
        return _with_out(call)
    calls: list[Bound] = []
    rest = out.reshape(-1) if axis is None else np.moveaxis(out, axis, 0)
    for x in given["arrays"]:
        n = x.size if axis is None else x.shape[axis]
        part, rest = rest[:n], rest[n:]
        calls += _copy_of(x, part.reshape(x.shape) if axis is None else np.moveaxis(part, 0, axis))
    return calls


def _stack(call: Call) -> list[Bound] | None:
    """`numpy.stack`: copies to the parts of the result."""
    given = named(call, JOINING)
    out: Any = call.out[0]
    if not given or not _are_apart(given["arrays"], out):
        return None
    if len(given["arrays"]) > MOST_COPIES:
        return _with_out(call)
    parts = np.moveaxis(out, given.get("axis", 0), 0)
    return [item for i, x in enumerate(given["arrays"]) for item in _copy_of(x, parts[i, ...])]


JOINING = ("arrays", "axis", "out", "dtype", "casting")
MOST_COPIES = 8


def _are_apart(arrays: Any, out: Array) -> bool:
    """Whether all are arrays, and none lies where the result does."""
    return all(isinstance(x, np.ndarray) and not np.may_share_memory(x, out) for x in arrays)


def _clip(call: Call) -> list[Bound] | None:
    """`numpy.clip` between two bounds: the ufunc."""
    if len(call.args) != 3 or call.kwargs or call.args[1] is None or call.args[2] is None:
        return None
    return _ufunc(Call(CLIP, call.args, {}, call.out))


def _with_out(call: Call) -> list[Bound]:
    """A function that takes ``out=``."""
    return [(partial(call.function, **call.kwargs, out=call.out[0]), call.args)]


def _take(call: Call) -> list[Bound] | None:
    """`numpy.take`: the method. Where an index may be wrong, which is an error, ``out=`` would take longer than a copy."""
    given = named(call, ("a", "indices", "axis", "out", "mode"))
    if not given or not isinstance(given["a"], np.ndarray):
        return None
    args = given["indices"], given.get("axis")
    if "mode" in given:
        return [(given["a"].take, (*args, call.out[0], given["mode"]))]
    return [_stored(given["a"].take, args, call.out[0])]


def _getitem(call: Call) -> list[Bound]:
    """Elements chosen by arrays of indices."""
    array, index = call.args
    return [_stored(array.__getitem__, (index,), call.out[0])]


LOWERINGS: dict[Any, Lowering] = {
    copy_to: _copy,
    getitem: _getitem,
    np.copyto: _copy_where,
    np.where: _where,
    np.clip: _clip,
    np.dot: _dot,
    np.take: _take,
    np.sum: _reducing(np.add, "dtype", "out"),
    np.prod: _reducing(np.multiply, "dtype", "out"),
    np.max: _reducing(np.maximum, "out"),
    np.min: _reducing(np.minimum, "out"),
    np.any: _reducing(np.logical_or, "out", dtype=bool),
    np.all: _reducing(np.logical_and, "out", dtype=bool),
    np.mean: _mean,
    np.argmax: _argument,
    np.argmin: _argument,
    np.concatenate: _concatenate,
    np.stack: _stack,
    **dict.fromkeys((np.einsum, np.cumsum, np.cumprod, np.round), _with_out),
    **CHECKS,
}
"""How each function is called."""
