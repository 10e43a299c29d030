"""The cheapest NumPy call for each call of a program, with the same bits.

On small arrays a call costs what happens around its loop: looking for keywords, making arrays of Python numbers, the Python
that wraps many of NumPy's functions. So every argument is positional and every number an array of the dtype that the loop
computes in, and what NumPy offers in several ways is done in the quickest. For 4 x 8 float64 numbers, in nanoseconds:

    np.add(x, 0.5, out=t)               380      np.add(x, c, t)  # c has no dimension                205
    np.maximum(x, y, t)                1100      np.maximum(x, y, out=(t,))                           310
    np.copyto(t, x)                     175      t.__setitem__((), x)                                  95
    np.copyto(t, row)                   260      t.view("V64")[:, 0].fill(row.view("V64")[0, ...])     100
    np.dot(x, w, t)                     290      x.dot(w, t)                                          190
    np.sum(x, axis=0)                  1700      np.add.reduce(x, 0, None, t)                         700
    np.where(m, x, y)                   720      t.__setitem__((), y); np.putmask(t, m, x)            380
    np.concatenate([x, y], out=t)       660      t[:4].__setitem__((), x); t[4:].__setitem__((), y)   190

A row of the table `LOWERINGS` says how a function is called. It gets a call on arrays and gives what to call with what, or None
where it does not apply; for functions without a row, and then, a call gives its result and the result is copied.
"""

from collections.abc import Callable
from functools import partial
from math import prod
from operator import getitem
from typing import Any

import numpy as np

from tinynet.compiler.checks import CHECKS
from tinynet.compiler.private import CLIP, ErrorChange, under
from tinynet.compiler.program import Array, Call, View, copy_to
from tinynet.compiler.scalars import Scalars
from tinynet.compiler.threads import Bound
from tinynet.compiler.tiled import Tiles
from tinynet.compiler.ufuncs import METHODS, REDUCTIONS, Lowering, as_array, named, ufunc
from tinynet.errors import RecordingError

__all__ = ["bound"]


def bound(call: Call, array: Callable[[View], Array]) -> list[Bound]:
    """What to call with what, to do a program's call on arrays.

    For views of the same elements, `array` gives the same object: by that a ufunc sees that it works in place, and needs not
    look for 200 ns into how its arrays overlap.
    """
    if isinstance(call, Tiles | Scalars):
        calls = call.bound(array, bound)
    else:
        call = call.replaced(array)  # from here on arrays stand where views stood
        calls = _lowering(call.function)(call) or _as_it_is(call)
    return [(under, (ErrorChange(dict(call.errors)), calls))] if call.errors else calls


def _lowering(function: Any) -> Lowering:
    if function in LOWERINGS:
        return LOWERINGS[function]
    if isinstance(function, np.ufunc):
        return ufunc
    if isinstance(getattr(function, "__self__", None), np.ufunc):
        return METHODS.get(function.__name__, _as_it_is)
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


def _with_out(call: Call) -> list[Bound]:
    """A function that takes ``out=``."""
    return [(partial(call.function, **call.kwargs, out=call.out[0]), call.args)]


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


# Products ------------------------------------------------------------------------------------------------------------


def _dot(call: Call) -> list[Bound] | None:
    """``np.dot``: the method, which wants a result in C order."""
    given = named(call, ("a", "b", "out"))
    a, b = given.get("a"), given.get("b")
    out: Any = call.out[0]
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray) or not out.flags.c_contiguous:
        return None
    return [(a.dot, (b, out))] if out.dtype == np.result_type(a, b) else None


def _argument(call: Call) -> list[Bound] | None:
    """``np.argmax`` and ``np.argmin``: the methods."""
    given = named(call, ("a", "axis"))
    return [(getattr(given["a"], call.function.__name__), (given.get("axis"), *call.out))] if given else None


# Copies and choices --------------------------------------------------------------------------------------------------


def _copy(call: Call) -> list[Bound]:
    """A copy: `numpy.copyto` takes twice as long."""
    return _copy_of(call.args[0], call.out[0])


def _copy_of(source: Any, out: Any) -> list[Bound]:
    source = as_array(source, out.dtype)
    return _rows(source, out) or [(out.__setitem__, ((), source))]


def _rows(source: Any, out: Array) -> list[Bound] | None:
    """A copy of whole rows, each to several places, a row at a time, where a copy broadcasts by elements.

    A single row is an item that fills an array of such items; `numpy.take` moves several.
    """
    if not isinstance(source, np.ndarray) or source.dtype != out.dtype or source.ndim > out.ndim or out.dtype.hasobject:
        return None
    source = source[(..., *(slice(1 if stride == 0 else None) for stride in source.strides))]  # of no axes, too, a view
    shape = (1,) * (out.ndim - source.ndim) + source.shape
    axes = 1 + max((i for i in range(out.ndim) if shape[i] != out.shape[i]), default=-1)  # that lead up to those of a row
    rows = prod(out.shape[:axes])
    if axes in (0, out.ndim) or rows >= MANY_ROWS or not (source.flags.c_contiguous and out.flags.c_contiguous):
        return None
    if not out.size or np.may_share_memory(source, out):
        return None
    places = np.arange(prod(shape[:axes])).reshape(shape[:axes])
    if places.size == 1 and rows <= MANY_ITEMS:
        item = np.dtype((np.void, source.nbytes))
        return [(out.reshape(rows, -1).view(item)[:, 0].fill, (source.reshape(-1).view(item).reshape(()),))]
    if rows <= FEW_ROWS:
        return None
    index = np.broadcast_to(places, out.shape[:axes]).flatten()
    return [(source.reshape(places.size, -1).take, (index, 0, out.reshape(rows, -1), "clip"))]


FEW_ROWS, MANY_ROWS = 8, 16384
"""Between these bounds moving rows pays: fewer are copied as fast, and more take a long index."""

MANY_ITEMS = 1024
"""Up to so many copies of a single row are made by filling."""


def _copy_where(call: Call) -> list[Bound] | None:
    """`numpy.copyto` with ``where=``: `numpy.putmask`, if nothing broadcasts."""
    out, source = call.args
    mask = call.kwargs["where"]
    source = as_array(source, out.dtype)
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
    yes, no = as_array(yes, out.dtype), as_array(no, out.dtype)
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
"""More arrays are joined by NumPy."""


def _are_apart(arrays: Any, out: Array) -> bool:
    """Whether all are arrays, and none lies where the result does."""
    return all(isinstance(x, np.ndarray) and not np.may_share_memory(x, out) for x in arrays)


def _clip(call: Call) -> list[Bound] | None:
    """`numpy.clip` between two bounds: the ufunc."""
    if CLIP is None or len(call.args) != 3 or call.kwargs or call.args[1] is None or call.args[2] is None:
        return None
    x, *bounds = call.args
    if x.dtype.kind in "iu" and not all(isinstance(bound, np.ndarray) for bound in bounds):
        return None  # numpy.clip takes Python integers that the dtype cannot hold, the ufunc does not
    return ufunc(Call(CLIP, call.args, {}, call.out))


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
    np.argmax: _argument,
    np.argmin: _argument,
    np.concatenate: _concatenate,
    np.stack: _stack,
    **dict.fromkeys((np.einsum, np.cumsum, np.cumprod, np.round), _with_out),
    **REDUCTIONS,
    **CHECKS,
}
"""How each function is called."""
