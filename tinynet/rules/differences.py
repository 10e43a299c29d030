"""Rules of differences and what is made of them: `numpy.diff`, `numpy.gradient`, `numpy.trapezoid`, `numpy.unwrap`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinynet.rules.accumulations import from_last, to_last
from tinynet.rules.choices import NEAR_INTEGER
from tinynet.rules.elementwise import cast
from tinynet.rules.shapes import as_is, axes_in, axis_in
from tinynet.rules.table import composed, rule

__all__: list[str] = []


def _steps(x: Any, axis: int) -> Any:
    """Each element less the one before it."""
    before = (slice(None),) * axis
    return x[(*before, slice(1, None))] - x[(*before, slice(None, -1))]


@composed(np.diff)
def _diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The n-th differences, a[i+1] - a[i] taken n times."""
    a = as_is(a)
    if n < 0 or a.ndim == 0:
        raise ValueError(f"np.diff: n={n} of an array of {a.ndim} axes; it takes n >= 0 and at least one axis")
    if n == 0:
        return a
    axis = axis_in(np.diff, a, axis)
    edge = (*a.shape[:axis], 1, *a.shape[axis + 1 :])
    parts = [end if np.ndim(end) else np.broadcast_to(end, edge) for end in (prepend, a, append) if end is not None]
    if len(parts) > 1:
        a = np.concatenate(parts, axis=axis)
    for _ in range(n):
        a = _steps(a, axis)
    return a


@composed(np.ediff1d)
def _ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """The differences of all elements in a row, between `to_begin` and `to_end`."""
    steps = _steps(np.ravel(as_is(ary)), 0)
    parts = [end if end is steps else np.ravel(as_is(end)) for end in (to_begin, steps, to_end) if end is not None]
    for part in parts:
        if not np.can_cast(part.dtype, steps.dtype, "same_kind"):
            raise TypeError(f"np.ediff1d: ends of {part.dtype} for differences of {steps.dtype}; convert them with .astype")
    return np.concatenate([part if part.dtype == steps.dtype else part.astype(steps.dtype) for part in parts])


@composed(np.trapezoid)
def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral by the trapezoidal rule, Σ dx·(y[i] + y[i+1]) / 2."""
    y = as_is(y)
    before = (slice(None),) * axis_in(np.trapezoid, y, axis)
    if x is not None:
        x = as_is(x)
        dx = _steps(x, 0).reshape((-1,) + (1,) * (y.ndim - len(before) - 1)) if x.ndim == 1 else np.diff(x, axis=axis)
    return np.sum(dx * (y[(*before, slice(1, None))] + y[(*before, slice(None, -1))]) / 2.0, axis=axis)


@composed(np.gradient)
def _gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences of second order within, one-sided ones at the edges; with respect to spacings or coordinates too.

    Unlike NumPy it does not look whether coordinates happen to be evenly spaced, which would give them another derivative.
    """
    f = as_is(f)
    f = f if f.dtype.kind == "f" else f.astype(float)
    axes = range(f.ndim) if axis is None else axes_in(np.gradient, f, axis)
    spacings: Sequence[Any] = [as_is(h) for h in varargs] or [1.0]
    if len(spacings) == 1 and np.ndim(spacings[0]) == 0:
        spacings = list(spacings) * len(axes)
    if len(spacings) != len(axes):
        raise TypeError(f"np.gradient: {len(varargs)} spacings for {len(axes)} axes; give one, or one an axis")
    if edge_order not in (1, 2):
        raise ValueError(f"np.gradient: edge_order={edge_order}; it is 1 or 2")
    slopes = [from_last(_slope(to_last(f, i), h, edge_order, i), f, i) for i, h in zip(axes, spacings, strict=True)]
    slopes = [slope if slope.dtype == f.dtype else cast(slope, f.dtype) for slope in slopes]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _slope(f: Any, h: Any, edge_order: int, axis: int) -> Any:
    """The derivative along the last axis."""
    n = f.shape[-1]
    if n < edge_order + 1:
        raise ValueError(f"np.gradient: axis {axis} has {n} elements, edge_order={edge_order} needs {edge_order + 1}")
    even = np.ndim(h) == 0
    if not even and h.shape != (n,):
        raise ValueError(f"np.gradient: coordinates of shape {h.shape} for the {n} elements of axis {axis}")
    d: Any = None if even else _steps(h, 0)
    if even:
        within = (f[..., 2:] - f[..., :-2]) / (2.0 * h)
    else:
        p, q = d[:-1], d[1:]
        within = -q / (p * (p + q)) * f[..., :-2] + (q - p) / (p * q) * f[..., 1:-1] + p / (q * (p + q)) * f[..., 2:]
    if edge_order == 1:
        first = (f[..., 1:2] - f[..., :1]) / (h if even else d[0])
        last = (f[..., -1:] - f[..., -2:-1]) / (h if even else d[-1])
    else:
        (a, b, c), (u, v, w) = _edge_weights(h) if even else _uneven_edge_weights(d[0], d[1], d[-2], d[-1])
        first = a * f[..., :1] + b * f[..., 1:2] + c * f[..., 2:3]
        last = u * f[..., -3:-2] + v * f[..., -2:-1] + w * f[..., -1:]
    return np.concatenate([first, within, last], axis=-1)


def _edge_weights(h: Any) -> Any:
    return (-1.5 / h, 2.0 / h, -0.5 / h), (0.5 / h, -2.0 / h, 1.5 / h)


def _uneven_edge_weights(p: Any, q: Any, r: Any, s: Any) -> Any:
    first = (-(2.0 * p + q) / (p * (p + q)), (p + q) / (p * q), -p / (q * (p + q)))
    last = (s / (r * (r + s)), -(s + r) / (r * s), (2.0 * s + r) / (s * (r + s)))
    return first, last


def _turns(p: Any, discont: float | None = None, axis: int = -1, period: float = 2 * np.pi) -> Any:
    """How far the steps are from where another number of periods is taken off them."""
    steps = np.diff(p, axis=axis)
    distance = np.abs(NEAR_INTEGER(steps / period + 0.5))
    return distance if discont is None else np.minimum(distance, np.abs(np.abs(steps) - discont))


rule(
    np.unwrap,  # whole periods are taken off
    lambda g, out, p, discont=None, axis=-1, period=2 * np.pi: g,
    kinks=_turns,
    at={((0.0, np.pi),): ((1.0, 1.0),)},
)
