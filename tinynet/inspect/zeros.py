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
"""How far beside a point, as a share of the interval, a function is looked at to see whether it jumps there."""


class Zeros(NamedTuple):
    """Single zeros, of shape (n,), and intervals on which the function is zero at every number, of shape (m, 2)."""

    points: Array
    intervals: Array


def zeros(g: Function, x: Array, slope: Function) -> Zeros:
    """The zeros of a function on a grid's interval; a change of sign in a jump is none.

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
    runs = _runs(y == 0)
    intervals = np.array([_widened(g, x, first, last) for first, last in runs if last > first]).reshape(-1, 2)
    single = x[[first for first, last in runs if last == first]]
    touching = _crossings(slope, x)
    touching = touching[np.abs(g(touching)) <= 1e-12 * max(1.0, np.abs(y).max())]
    found = np.sort(np.concatenate([single, _crossings(g, x), touching]))
    beside = NEAR * (x[-1] - x[0])
    small = 1e-6 * np.abs(y).max()
    low, high = np.maximum(found - beside, x[0]), np.minimum(found + beside, x[-1])
    found = found[(np.abs(g(low)) <= small) & (np.abs(g(high)) <= small)]
    for start, end in intervals:
        found = found[(found < start - beside) | (found > end + beside)]
    return Zeros(found[np.diff(found, prepend=-np.inf) > beside], intervals)


def jumps(g: Function, x: Array, slope: Function) -> Array:
    """Where a function jumps, on a grid's interval: between grid points whose values differ by more than the slope explains."""
    y, step = g(x), np.diff(x)
    steepest = np.abs(slope(x))
    explained = step * np.maximum(steepest[:-1], steepest[1:])
    scale = max(1.0, np.abs(y).max())
    where = np.nonzero(np.abs(np.diff(y)) > 4 * explained + NEAR * scale)[0]
    low, high = x[where], x[where + 1]
    for _ in range(60):
        middle = (low + high) / 2
        left = np.abs(g(middle) - g(low)) > np.abs(g(high) - g(middle))
        low, high = np.where(left, low, middle), np.where(left, middle, high)
    found = high[np.abs(g(high) - g(low)) > 1e-6 * scale]
    found[np.abs(found) < 1e-15 * (x[-1] - x[0])] = 0
    apart: Array = found[np.diff(found, prepend=-np.inf) > NEAR * (x[-1] - x[0])]
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
            return float(tail[-1]) if (tail == tail[-1])[-2:].all() else None
        steps = np.diff(tail)
        if np.abs(steps).max() <= 1e-9 * max(1.0, abs(tail[-1])):
            return float(tail[-1]) + 0.0
        rates = steps / np.diff(np.log(distance[-10:]))
        one_way = (np.sign(rates) == np.sign(rates[0])).all() and abs(rates[-1]) >= 0.99 * abs(rates[0])
        return float(np.copysign(np.inf, rates[0])) if one_way else None


def _runs(zero: Array) -> list[tuple[int, int]]:
    """The first and the last index of each stretch of true elements."""
    edges = np.diff(np.concatenate([[False], zero, [False]]).astype(int))
    return list(zip(np.nonzero(edges == 1)[0].tolist(), (np.nonzero(edges == -1)[0] - 1).tolist(), strict=True))


def _crossings(g: Function, x: Array) -> Array:
    """Where a function changes its sign between two neighbouring grid points."""
    sign = np.sign(g(x))
    where = np.nonzero(sign[:-1] * sign[1:] < 0)[0]
    low, high = _halved(lambda middle: np.sign(g(middle)) == sign[where], x[where], x[where + 1])
    return np.where(np.abs(g(low)) <= np.abs(g(high)), low, high)


def _widened(g: Function, x: Array, first: int, last: int) -> tuple[float, float]:
    """The interval on which a function is zero, that is zero at the grid points from the first to the last."""
    start, end = x[first : first + 1], x[last : last + 1]
    if first > 0:
        start = _halved(lambda middle: g(middle) == 0, start, x[first - 1 : first])[0]
    if last + 1 < len(x):
        end = _halved(lambda middle: g(middle) == 0, end, x[last + 1 : last + 2])[0]
    return float(start[0]), float(end[0])


def _halved(near: Callable[[Array], Array], a: Array, b: Array) -> tuple[Array, Array]:
    """Bring together what is true at `a` and false at `b`, until no number, or next to none, lies between the two."""
    for _ in range(70):
        middle = (a + b) / 2
        holds = near(middle)
        a, b = np.where(holds, middle, a), np.where(holds, b, middle)
    return a, b
