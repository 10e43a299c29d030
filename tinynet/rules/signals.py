"""Signals: convolutions, windows that slide, interpolation, and points between two ends."""

from math import prod
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple
from numpy.lib.stride_tricks import sliding_window_view

from tinynet.rules.indexing import scatter
from tinynet.rules.primitive import primitive
from tinynet.rules.table import composed, rule

__all__ = ["interpolated", "overlap_add"]

# Convolutions --------------------------------------------------------------------------------------------------------


def _in_full(g: Any, a: Any, v: Any, mode: str, late: bool) -> Any:
    """A cotangent of a convolution as one of its mode "full", of which the other modes are the middle.

    Of an even number of elements that "same" leaves out on both sides together as many go on either, of an odd number one
    more on the right; on the left if it is `late`, which a correlation with a longer second operand is.
    """
    left_out = min(np.size(a), np.size(v)) - 1
    before = {"full": 0, "same": (left_out + late) // 2, "valid": left_out}[mode]
    return np.pad(g, (before, np.size(a) + np.size(v) - 1 - g.size - before))


def _named(mode: Any) -> Any:
    """The mode of a convolution, by its full name: numbers and abbreviations are older than the names."""
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"mode={mode!r} is unknown")
    return mode


_REMEDY = "both operands have one axis and an element or more; mode is 'full', 'same' or 'valid'"

rule(
    np.convolve,
    lambda g, out, a, v, mode="full": np.correlate(_in_full(g, a, v, mode, False), np.ravel(v), "valid").reshape(a.shape),
    lambda g, out, a, v, mode="full": np.correlate(_in_full(g, a, v, mode, False), np.ravel(a), "valid").reshape(v.shape),
    forward=lambda a, v, mode="full": np.convolve(a, v, _named(mode)),
    remedy=_REMEDY,
)
rule(
    np.correlate,
    lambda g, out, a, v, mode="valid": np.convolve(_in_full(g, a, v, mode, np.size(v) > np.size(a)), v, "valid"),
    lambda g, out, a, v, mode="valid": np.flip(np.correlate(_in_full(g, a, v, mode, np.size(v) > np.size(a)), a, "valid")),
    forward=lambda a, v, mode="valid": np.correlate(a, v, _named(mode)),
    remedy=_REMEDY,
)

# Sliding windows -----------------------------------------------------------------------------------------------------


def _window_axes(x: Any, axis: Any) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim, allow_duplicate=True)


@primitive
def overlap_add(windows: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """Windows added up where they overlap: the transpose of `numpy.lib.stride_tricks.sliding_window_view`.

    An element of a window at a time for all positions of the window at once, or the other way round if those are fewer: where
    a window lies and where an element lies in it are added up, and can change places.
    """
    out = np.zeros(shape, windows.dtype)
    ndim = len(shape)
    if len(set(axes)) == len(axes) and prod(windows.shape[i] for i in axes) < prod(windows.shape[ndim:]):
        for trailing, axis in enumerate(axes, ndim):
            windows = windows.swapaxes(axis, trailing)
    for place in np.ndindex(windows.shape[ndim:]):
        start = [0] * ndim
        for axis, i in zip(axes, place, strict=True):
            start[axis] += i
        out[tuple(slice(i, i + n) for i, n in zip(start, windows.shape, strict=False))] += windows[(..., *place)]
    return out


overlap_add.defvjp(lambda g, out, windows, shape, axes: sliding_window_view(g, windows.shape[len(shape) :], axes))
rule(
    sliding_window_view,
    lambda g, out, x, window_shape, axis=None: overlap_add(g, x.shape, _window_axes(x, axis)),
    unpack=lambda x, window_shape, axis=None: ((x,), {"window_shape": window_shape, "axis": axis}),
    remedy="a window is no longer than the axis it slides along",
)

# Interpolation -------------------------------------------------------------------------------------------------------


def _piece(x: Any, xp: Any) -> tuple[Any, Any]:
    """The knots at both ends of the piece that each `x` lies in; a knot belongs to the piece on its right, the last one not."""
    start = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, max(xp.size - 2, 0))
    return start, np.minimum(start + 1, xp.size - 1)


def _slope(x: Any, xp: Any, fp: Any) -> Any:
    i, j = _piece(x, xp)
    rises = (x >= xp[0]) & (x <= xp[-1]) & (xp[i] != xp[j])
    return rises * (fp[j] - fp[i]) / np.where(rises, xp[j] - xp[i], 1)


def _to_knots(g: Any, x: Any, xp: Any) -> Any:
    """The cotangent of each `x` parted between the two knots beside it, by nearness."""
    i, j = _piece(x, xp)
    jumps = xp[i] == xp[j]
    share = np.where(jumps, x >= xp[i], np.clip((x - xp[i]) / np.where(jumps, 1, xp[j] - xp[i]), 0, 1))
    return scatter(g * (1 - share), i, xp.shape) + scatter(g * share, j, xp.shape)


def _of_the_knots(g: Any, x: Any, xp: Any, left: Any, right: Any) -> Any:
    """The cotangent where the value comes from `fp`, not from the values given for what lies outside."""
    return g * ~(((x < xp[0]) & (left is not None)) | ((x > xp[-1]) & (right is not None)))


@primitive
def interpolated(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None) -> Any:
    """The piecewise linear function through the points (xp, fp), at `x`; `xp` increases."""
    return np.interp(x, xp, fp, left, right)


interpolated.defvjp(
    lambda g, out, x, xp, fp, left, right: g * _slope(x, xp, fp),
    lambda g, out, x, xp, fp, left, right: -_to_knots(g * _slope(x, xp, fp), x, xp),
    lambda g, out, x, xp, fp, left, right: _to_knots(_of_the_knots(g, x, xp, left, right), x, xp),
    lambda g, out, x, xp, fp, left, right: g * (x < xp[0]),
    lambda g, out, x, xp, fp, left, right: g * (x > xp[-1]),
    kinks=lambda x, xp, fp, left=None, right=None: np.minimum(
        np.min(np.abs(np.subtract.outer(x, xp)), axis=-1), np.maximum(np.min(np.diff(xp), initial=np.inf), 0)
    ),
    at={(1.0, (0.0, 1.0, 2.0), (0.0, 1.0, 4.0), 5.0, 5.0): (3.0, (0.0, -3.0, 0.0), (0.0, 1.0, 0.0), 0.0, 0.0)},
)


@composed(np.interp)
def _interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """The piecewise linear function through the points (xp, fp), at `x`; periodic if a period is given."""
    if period is None:
        return interpolated(x, xp, fp, left, right)
    period = np.abs(period)
    x, xp = np.remainder(x, period), np.remainder(xp, period)
    order = np.argsort(xp)
    xp, fp = xp[order], np.take(fp, order)
    xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
    return interpolated(x, xp, np.concatenate([fp[-1:], fp, fp[:1]]))


# Points between two ends ---------------------------------------------------------------------------------------------


def _shares(g: Any, num: int, endpoint: bool, axis: int, *, stop: bool) -> Any:
    """What part of each point is the stop (or the start), on the axis that the points lie on."""
    share = np.arange(num) / max(num - 1 if endpoint else num, 1)
    return (share if stop else 1 - share).astype(g.dtype).reshape((-1,) + (1,) * (g.ndim - 1 - axis % g.ndim))


rule(
    np.linspace,
    lambda g, out, start, stop, num=50, endpoint=True, dtype=None, axis=0: np.sum(
        g * _shares(g, num, endpoint, axis, stop=False), axis=axis
    ),
    lambda g, out, start, stop, num=50, endpoint=True, dtype=None, axis=0: np.sum(
        g * _shares(g, num, endpoint, axis, stop=True), axis=axis
    ),
)
rule(
    np.geomspace,  # start^(1 - share) · stop^share
    lambda g, out, start, stop, num=50, endpoint=True, dtype=None, axis=0: (
        np.sum(g * out * _shares(g, num, endpoint, axis, stop=False), axis=axis) / start
    ),
    lambda g, out, start, stop, num=50, endpoint=True, dtype=None, axis=0: (
        np.sum(g * out * _shares(g, num, endpoint, axis, stop=True), axis=axis) / stop
    ),
)


@composed(np.logspace)
def _logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """The base to the powers of `numpy.linspace`."""
    if np.ndim(base):
        ndim = max(map(np.ndim, (start, stop, base)))
        start, stop, base = (np.reshape(x, (1,) * (ndim - np.ndim(x)) + np.shape(x)) for x in (start, stop, base))
        base = np.expand_dims(base, axis)
    points = np.power(base, np.linspace(start, stop, num, endpoint, axis=axis))
    return points if dtype is None else points.astype(dtype)
