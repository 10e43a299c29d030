"""Rules of the operations that move elements without changing them: reshaping, broadcasting, repeating, turning, padding."""

from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinynet.errors import ShapeError
from tinynet.rules.primitive import primitive
from tinynet.rules.table import composed, name_of, rule

__all__ = ["along", "as_is", "as_plain", "as_positions", "axes_in", "axis_in", "pad_constant"]


def as_is(x: Any) -> Any:
    """The array, of whatever type, or what NumPy makes of numbers and lists."""
    return x if hasattr(x, "shape") else np.asarray(x)


def as_plain(x: Any) -> Any:
    """The array without a graph, for where no gradient flows, such as positions; one that records what is done to it stays."""
    return x if hasattr(x, "records") else np.asarray(x)


def as_positions(obj: Any) -> Any:
    """`as_plain` of an array; lists and slices stay what they are."""
    return as_plain(obj) if hasattr(obj, "shape") else obj


def axis_in(fun: Callable[..., Any], x: Any, axis: Any) -> int:
    """The axis counted from the front; an error that names the function and the shape if there is no such axis."""
    return normalize_axis_index(axis, np.ndim(x), f"{name_of(fun)} on shape {np.shape(x)}")


def axes_in(fun: Callable[..., Any], x: Any, axes: Any) -> tuple[int, ...]:
    """As `axis_in`, of one axis or several."""
    return normalize_axis_tuple(axes, np.ndim(x), f"{name_of(fun)} on shape {np.shape(x)}")


def along(axis: int, i: Any) -> tuple[Any, ...]:
    """The index that is `i` on one axis, counted from the front, and everything on the others."""
    return (slice(None),) * axis + (i,)


# Axes ----------------------------------------------------------------------------------------------------------------


def _fixed(order: Any) -> Any:
    """The order of elements, if it does not depend on how an array happens to lie in memory."""
    if order not in ("C", "F"):
        raise TypeError(f"takes no order={order!r}, which depends on how the array lies in memory; use 'C' or 'F'")
    return order


rule(
    np.reshape,
    lambda g, out, a, shape, order="C": np.reshape(g, a.shape, order=order),
    forward=lambda a, shape, order="C": np.reshape(a, shape, order=_fixed(order)),
    unpack=lambda a, shape, order="C": ((a,), {"shape": shape, "order": order}),
    remedy="the new shape must have as many elements; one length may be -1",
)
rule(
    np.ravel,
    lambda g, out, a, order="C": np.reshape(g, a.shape, order=order),
    forward=lambda a, order="C": np.ravel(a, order=_fixed(order)),
)
rule(
    np.transpose,
    lambda g, out, a, axes=None: np.transpose(g, None if axes is None else np.argsort(np.atleast_1d(axes) % a.ndim)),
)
rule(np.swapaxes, lambda g, out, a, axis1, axis2: np.swapaxes(g, axis1, axis2))
rule(np.moveaxis, lambda g, out, a, source, destination: np.moveaxis(g, destination, source))
rule(np.expand_dims, lambda g, out, a, axis: g.reshape(a.shape))
rule(np.squeeze, lambda g, out, a, axis=None: g.reshape(a.shape))
rule(np.broadcast_to, lambda g, out, array, shape: g)
rule(np.copy, lambda g, out, a, order="K": g)


@composed(np.rollaxis)
def _rollaxis(a: Any, axis: Any, start: int = 0) -> Any:
    """The axis moved to where another one starts."""
    axis = axis_in(np.rollaxis, a, axis)
    stop = start + a.ndim if start < 0 else start
    if not 0 <= stop <= a.ndim:
        raise np.exceptions.AxisError(f"np.rollaxis on shape {a.shape}: start={start} is not within -{a.ndim} to {a.ndim}")
    return np.moveaxis(a, axis, stop - (axis < stop))


def _each(several: tuple[Any, ...], one: Callable[[Any], Any]) -> Any:
    """The function's value, of one argument as it is, of several as a tuple."""
    return one(several[0]) if len(several) == 1 else tuple(map(one, several))


@composed(np.atleast_1d)
def _atleast_1d(*arys: Any) -> Any:
    """A number becomes an array of shape (1,)."""
    return _each(arys, lambda x: x if np.ndim(x) else np.reshape(x, 1))


@composed(np.atleast_2d)
def _atleast_2d(*arys: Any) -> Any:
    """A vector becomes a row."""
    return _each(arys, lambda x: x if np.ndim(x) > 1 else np.reshape(x, (1, -1)))


@composed(np.atleast_3d)
def _atleast_3d(*arys: Any) -> Any:
    """A matrix gets a third axis, a vector one on either side."""
    return _each(arys, lambda x: x if np.ndim(x) > 2 else np.reshape(x, (1, -1, 1) if np.ndim(x) < 2 else (*np.shape(x), 1)))


# Broadcasting --------------------------------------------------------------------------------------------------------


@composed(np.broadcast_arrays)
def _broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    """Each array broadcast to the shape that all have in common."""
    try:
        shape = np.broadcast_shapes(*map(np.shape, args))
    except ValueError as error:
        raise ShapeError(f"np.broadcast_arrays: {error}") from None
    return tuple(np.broadcast_to(x, shape) for x in args)


@composed(np.meshgrid)
def _meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """The coordinates of the points of a grid: each vector along an axis of its own, broadcast along the others."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"np.meshgrid: indexing={indexing!r} is unknown; it is 'xy' or 'ij'")
    n = len(xi)
    axes = [1, 0, *range(2, n)] if indexing == "xy" and n > 1 else list(range(n))
    grids = tuple(np.reshape(x, (1,) * axis + (-1,) + (1,) * (n - 1 - axis)) for axis, x in zip(axes, xi, strict=True))
    grids = grids if sparse else np.broadcast_arrays(*grids)
    return tuple(map(np.copy, grids)) if copy else grids


@composed(np.full_like)
def _full_like(a: Any, fill_value: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None) -> Any:
    """The value broadcast to the array's shape, in its dtype."""
    value = as_is(fill_value).astype(a.dtype if dtype is None else dtype)
    return np.copy(np.broadcast_to(value, a.shape if shape is None else shape))


if hasattr(np, "astype"):  # NumPy 2.1

    @composed(np.astype)
    def _astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
        """The same values in another dtype."""
        return x.astype(dtype)


# Repeating, turning and padding --------------------------------------------------------------------------------------


@composed(np.repeat)
def _repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    if axis is None or a.ndim == 0:
        a, axis = np.ravel(a), 0
    axis = axis_in(np.repeat, a, axis)
    return a[along(axis, np.repeat(np.arange(a.shape[axis]), repeats))]


@composed(np.resize)
def _resize(a: Any, new_shape: Any) -> Any:
    """The elements, over again from the first as often as the shape needs them."""
    a = as_is(a)
    count = np.empty(new_shape, bool).size
    positions = np.arange(count).reshape(new_shape)
    return np.ravel(a)[positions % a.size] if a.size else np.broadcast_to(np.sum(a, dtype=a.dtype), positions.shape)


@composed(np.tile)
def _tile(A: Any, reps: Any) -> Any:
    times = (reps,) if np.ndim(reps) == 0 else tuple(reps)
    ndim = max(len(times), A.ndim)
    times = (1,) * (ndim - len(times)) + times
    shape = (1,) * (ndim - A.ndim) + A.shape
    apart = [length for n in shape for length in (1, n)]
    spread = [length for r, n in zip(times, shape, strict=True) for length in (r, n)]
    return np.broadcast_to(A.reshape(apart), spread).reshape([r * n for r, n in zip(times, shape, strict=True)])


@composed(np.flip)
def _flip(m: Any, axis: Any = None) -> Any:
    axes = range(m.ndim) if axis is None else axes_in(np.flip, m, axis)
    return m[tuple(slice(None, None, -1 if i in axes else None) for i in range(m.ndim))]


@composed(np.fliplr)
def _fliplr(m: Any) -> Any:
    """The second axis reversed."""
    return np.flip(m, axes_in(np.fliplr, m, 1))


@composed(np.flipud)
def _flipud(m: Any) -> Any:
    """The first axis reversed."""
    return np.flip(m, axes_in(np.flipud, m, 0))


@composed(np.rot90)
def _rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """A quarter turn from the first axis towards the second, `k` times: a reversal and an exchange of axes."""
    first, second = axes_in(np.rot90, m, axes)
    turned = np.flip(m, {1: (second,), 3: (first,)}.get(k % 4, (first, second) if k % 4 else ()))
    return np.swapaxes(turned, first, second) if k % 2 else turned


rule(np.roll, lambda g, out, a, shift, axis=None: np.roll(g, np.negative(shift), axis))


def _centred(fun: Callable[..., Any], x: Any, axes: Any, sign: int) -> Any:
    """The axes rolled by half their lengths."""
    chosen = tuple(range(np.ndim(x))) if axes is None else axes_in(fun, x, axes)
    return np.roll(x, [sign * (np.shape(x)[i] // 2) for i in chosen], chosen)


@composed(np.fft.fftshift)
def _fftshift(x: Any, axes: Any = None) -> Any:
    """The axes rolled forwards by half their lengths, so that what was first is in the middle."""
    return _centred(np.fft.fftshift, x, axes, 1)


@composed(np.fft.ifftshift)
def _ifftshift(x: Any, axes: Any = None) -> Any:
    """The inverse of `numpy.fft.fftshift`."""
    return _centred(np.fft.ifftshift, x, axes, -1)


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """(before, after) for each axis, of the forms that np.pad takes."""
    if isinstance(pad_width, dict):
        given = {normalize_axis_index(axis, ndim): width for axis, width in pad_width.items()}
        pad_width = [np.broadcast_to(given.get(axis, 0), 2) for axis in range(ndim)]
    return [(index(before), index(after)) for before, after in np.broadcast_to(pad_width, (ndim, 2))]


@primitive
def pad_constant(x: Any, widths: Any, value: Any = 0) -> Any:
    """The array with constant borders."""
    return np.pad(x, widths, constant_values=value) if x.ndim else x


pad_constant.defvjp(
    lambda g, out, x, widths, value=0: g[tuple(slice(i, i + n) for (i, _), n in zip(widths, x.shape, strict=True))]
)


@composed(np.pad)
def _pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0, reflect_type: str = "even") -> Any:
    widths = _widths(pad_width, array.ndim)
    if mode == "constant":
        return pad_constant(array, widths, constant_values)
    if mode not in ("edge", "reflect", "symmetric", "wrap") or reflect_type != "even":
        raise TypeError(
            f"np.pad on a tensor: mode {mode!r} ({reflect_type}) has no gradient rule; use constant, edge, symmetric, wrap or "
            "reflect (even)"
        )
    for axis, width in enumerate(widths):  # each of these modes repeats elements: it is an indexing
        positions = np.pad(np.arange(array.shape[axis]), width, mode=mode)  # type: ignore[call-overload]
        array = array[along(axis, positions)]
    return array
