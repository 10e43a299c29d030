"""Where a function of one number is zero, jumps, or tends to: found by looking at a grid, then between two of its points.

Functions here take and give arrays. What lies between two grid points without a sign of it at either is not seen.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Zeros", "jumps", "limit", "zeros"]

Array = np.ndarray[Any, Any]
Function = Callable[[Array], Array]

NEAR = 1e-9
"""What is nearer to each other than this share of the interval is one."""


class Zeros(NamedTuple):
    """Single zeros, of shape (n,), and intervals on which the function is zero at every number, of shape (m, 2)."""

    points: Array
    intervals: Array


def zeros(g: Function, x: Array, slope: Function) -> Zeros:
    """The zeros of a function on a grid's interval; a change of sign in a jump is none, nor is a zero with jumps on its sides.

    Parameters
    ----------
    g : callable
        The function.
    x : ndarray, shape (n,)
        The grid, ascending.
    slope : callable
        The function's derivative, to find zeros at which it does not change its sign.
    """
    y = g(x)
    first, last = _runs(y == 0)
    single = x[first[first == last]]
    first, last = first[first < last], last[first < last]
    start, _ = _halved(lambda middle: g(middle) == 0, x[first], x[np.maximum(first - 1, 0)])
    end, _ = _halved(lambda middle: g(middle) == 0, x[last], x[np.minimum(last + 1, len(x) - 1)])
    touching = _crossings(slope, x)
    touching = touching[np.abs(g(touching)) <= 1e-12 * np.abs(y).max()]
    found = np.sort(np.concatenate([single, _crossings(g, x), touching]))
    near = NEAR * (x[-1] - x[0])
    beside = 4 * np.spacing(np.abs(found)) + 1e-20 * (x[-1] - x[0])  # so near that only a jump makes a difference
    small = 1e-6 * np.abs(y).max()
    low, high = np.maximum(found - beside, x[0]), np.minimum(found + beside, x[-1])
    found = found[(np.abs(g(low)) <= small) & (np.abs(g(high)) <= small)]
    found = found[((found[:, None] < start - near) | (found[:, None] > end + near)).all(axis=1)]
    return Zeros(found[np.diff(found, prepend=-np.inf) > near], np.stack([start, end], axis=1))


def jumps(g: Function, x: Array, slope: Function, height: float) -> Array:
    """Where a function jumps, on a grid's interval: the last number before each jump, and the first after it.

    It is looked for where two neighbouring values differ by more than the slope explains, and where they differ the other way
    than it goes, as on the two sides of a pole. Where the function is NaN it is passed over.

    Parameters
    ----------
    g, x, slope
        As for `zeros`.
    height : float
        How much the function differs as a whole; what is much smaller is rounding.

    Returns
    -------
    ndarray, shape (jumps, 2)
    """
    x = x[~np.isnan(g(x))]
    y, step, dy = g(x), np.diff(x), slope(x)
    explained = step * np.maximum(np.abs(dy[:-1]), np.abs(dy[1:]))
    against = (dy[:-1] * np.diff(y) < 0) & (dy[1:] * np.diff(y) < 0)
    where = np.nonzero((np.abs(np.diff(y)) > 4 * explained + NEAR * height) | against)[0]
    if not len(where):
        return np.zeros((0, 2))
    low, high, y_low, y_high = x[where], x[where + 1], y[where], y[where + 1]
    for _ in range(60):
        middle = (low + high) / 2
        middle = np.where(np.isnan(g(middle)), np.nextafter(middle, high), middle)
        y_middle, between = g(middle), (low < middle) & (middle < high)
        left = np.abs(y_middle - y_low) > np.abs(y_high - y_middle)
        low, y_low = np.where(between & ~left, [middle, y_middle], [low, y_low])
        high, y_high = np.where(between & left, [middle, y_middle], [high, y_high])
    found = np.stack([low, high], axis=1)[np.abs(y_high - y_low) > 1e-6 * height]
    apart: Array = found[np.diff(found[:, 1], prepend=-np.inf) > NEAR * (x[-1] - x[0])]
    return apart


def limit(f: Function, sign: float) -> float | None:
    """What a function tends to at ±∞, as far as numbers can tell; None where they do not settle.

    It is looked at from 10 to 10¹⁵, at distances that roughly double: there it must settle, or go one way at least as fast as
    the logarithm does. What comes more slowly, as 1 / log x does, is not found.
    """
    k = np.arange(47)
    distance = 10 * 2.0**k * (1 + k * 0.6180339887498949 % 1 / 4)  # in no step with any period
    with np.errstate(all="ignore"):
        y = f(sign * distance)
        tail = y[-10:]
        if np.isnan(tail).any():
            return None
        if np.isinf(tail[-1]):
            infinite = tail[np.isinf(tail)]
            return float(tail[-1]) if len(infinite) > 1 and (infinite == tail[-1]).all() else None
        steps = np.diff(tail)
        if np.abs(steps).max() <= 1e-9 * max(1.0, abs(tail[-1])):
            return float(tail[-1]) + 0.0
        rates = steps / np.diff(np.log(distance[-10:]))
        one_way = (np.sign(rates) == np.sign(rates[0])).all() and abs(rates[-1]) >= 0.99 * abs(rates[0])
        return float(np.copysign(np.inf, rates[0])) if one_way else None


def _runs(zero: Array) -> tuple[Array, Array]:
    """The first and the last index of each stretch of true elements."""
    edges = np.diff(np.concatenate([[False], zero, [False]]).astype(int))
    return np.nonzero(edges == 1)[0], np.nonzero(edges == -1)[0] - 1


def _crossings(g: Function, x: Array) -> Array:
    """Where a function changes its sign between two neighbouring grid points."""
    sign = np.sign(g(x))
    where = np.nonzero(sign[:-1] * sign[1:] < 0)[0]
    low, high = _halved(lambda middle: np.sign(g(middle)) == sign[where], x[where], x[where + 1])
    return np.where(np.abs(g(low)) <= np.abs(g(high)), low, high)


def _halved(near: Callable[[Array], Array], a: Array, b: Array) -> tuple[Array, Array]:
    """Bring together what is true at `a` and false at `b`, until no number, or next to none, lies between the two."""
    for _ in range(70 if len(a) else 0):
        middle = (a + b) / 2
        holds = near(middle)
        a, b = np.where(holds, middle, a), np.where(holds, b, middle)
    return a, b
