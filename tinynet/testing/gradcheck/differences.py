"""Derivatives by finite differences, and how far they can be trusted.

The central quotient at one step is enough where it agrees with the gradient that is checked. Where it does not, the slopes to
the left and to the right and the central one are computed at steps that shrink by a factor 4, extrapolated to step zero
(Richardson's extrapolation by Neville's tableau, with the error estimate of Ridders 1982, "Accurate computation of F'(x) and
F'(x)F''(x)"; Press et al., "Numerical Recipes", 3rd ed., section 5.7), and the three limits compared.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from tinynet.random import as_generator
from tinynet.testing.gradcheck.evaluation import read_only

__all__ = ["LARGEST", "STEP", "Estimate", "Line", "Point", "Slopes"]

Array = np.ndarray[Any, Any]

STEP = 2.0 ** (-52 / 3)
"""The cube root of the machine epsilon: about where a central quotient is most exact."""

LARGEST = 2.0**-6
"""The first step of an extrapolation."""

_RATIO = 4.0
_LEVELS = 13
_ROUNDING = 2.0**-51
_NEAR = 2.0**-30
_STEP_NEARBY = 2.0**-37
_SMALL_JUMP = 1e-7  # what is smaller may as well be a kink as near as the smallest step


class Estimate(NamedTuple):
    """A number, and about how far it is from the true one."""

    value: float
    error: float


UNKNOWN = Estimate(np.nan, np.inf)


class Slopes(NamedTuple):
    """The limits of the difference quotients at a point of a line."""

    left: Estimate
    right: Estimate
    central: Estimate
    closest: Estimate
    """The central quotient at the smallest step."""
    open: float
    """How far the quotients to the left and to the right are apart at the smallest step."""
    steep: bool
    """The quotients grow without end as the step shrinks: a jump, or a vertical tangent."""

    @property
    def best(self) -> Estimate:
        """The most exact of the three."""
        return min((self.left, self.right, self.central), key=lambda limit: limit.error)


class Point:
    """The number ⟨v, f(x)⟩ near a point x: the cotangents v make one number of f's results."""

    def __init__(
        self,
        values: Callable[..., list[Array]],
        operands: Sequence[Any],
        cotangents: Sequence[Array],
        base: list[Array] | None = None,
        complex_values: Callable[..., list[Array] | None] | None = None,
    ) -> None:
        self.values = values
        self.operands = operands
        self.cotangents = cotangents
        self.base = values(*operands) if base is None else base
        self.complex_values = complex_values

    def change(self, operands: Sequence[Any]) -> float:
        """⟨v, f(operands) - f(x)⟩."""
        parts = zip(self.cotangents, self.values(*operands), self.base, strict=True)
        return float(sum(np.vdot(v, y - base) for v, y, base in parts))

    def rounding(self) -> float:
        """About the rounding error of `change`."""
        return _ROUNDING * sum(float(np.sum(np.abs(v * y))) for v, y in zip(self.cotangents, self.base, strict=True))

    def moved(self, i: int, index: tuple[int, ...], step: float) -> tuple[list[Any], float]:
        """The operands with one element of operand `i` moved by about the step, and by how much it is in truth."""
        x, moved = _moved(self.operands[i], index, step)
        return [*self.operands[:i], x, *self.operands[i + 1 :]], moved

    def element(self, i: int, index: tuple[int, ...]) -> "Line":
        """The line along which one element moves."""
        scale = max(1.0, abs(float(self.operands[i][index])))

        def at(t: float) -> tuple[float, float]:
            operands, step = self.moved(i, index, t * scale)
            return step, self.change(operands)

        def derivative() -> float:
            return self._complex_step(i, index)

        return Line(at, self.rounding, abs(float(self.operands[i][index])) / scale, derivative)

    def direction(self, directions: Sequence[Any]) -> "Line":
        """The line along which operands move together: by multiples of `directions`, None where an operand stays."""

        def at(t: float) -> tuple[float, float]:
            moved = (x if u is None else read_only(x + t * u) for x, u in zip(self.operands, directions, strict=True))
            return t, self.change(list(moved))

        return Line(at, self.rounding, min(map(_to_zero, self.operands, directions)))

    def quotients(self, i: int, step: float) -> tuple[Array, Array]:
        """The slopes to the left and to the right at one step, for every element of operand `i`."""
        x = self.operands[i]
        left, right = np.empty(x.shape), np.empty(x.shape)
        operands = list(self.operands)
        with np.errstate(all="ignore"):
            for index in np.ndindex(x.shape):
                size = step * max(1.0, abs(float(x[index])))
                for side, h in ((left, -size), (right, size)):
                    operands[i], moved = _moved(x, index, h)
                    side[index] = self.change(operands) / moved
        return left, right

    def slopes_nearby(self, direction: Sequence[Any], around: Sequence[Any], count: int) -> tuple[float, float, float]:
        """The least and greatest slope in a direction at random points close by, and about their error.

        The points are x and multiples of `around`; None is for what stays.
        """
        generator = as_generator(0)
        sizes = (np.max(np.abs(x), initial=0.0) for x, u in zip(self.operands, around, strict=True) if u is not None)
        size = max(1.0, float(max(sizes)))
        slopes = []
        with np.errstate(all="ignore"):
            for _ in range(count):
                pairs = zip(self.operands, around, strict=True)
                operands = [x if u is None else x + _NEAR * size * u * generator.uniform(-1.0, 1.0, u.shape) for x, u in pairs]
                slopes.append(Point(self.values, operands, self.cotangents).direction(direction).central(_STEP_NEARBY * size))
        finite = [slope for slope in slopes if np.isfinite(slope)]
        error = self.rounding() / (_STEP_NEARBY * size)
        return min(finite, default=np.nan), max(finite, default=np.nan), error

    def _complex_step(self, i: int, index: tuple[int, ...]) -> float:
        """The derivative as Im f(x + ih) / h, exact to rounding where f is analytic; NaN if f cannot be asked.

        Squire and Trapp 1998, "Using complex variables to estimate derivatives of real functions".
        """
        if self.complex_values is None:
            return np.nan
        x = self.operands[i].astype(complex)
        h = 1e-30
        x[index] += 1j * h
        results = self.complex_values(*self.operands[:i], x, *self.operands[i + 1 :])
        if results is None or [y.shape for y in results] != [y.shape for y in self.base]:
            return np.nan
        return sum(float(np.vdot(v, y.imag)) for v, y in zip(self.cotangents, results, strict=True)) / h


class Line:
    """How a number changes along a line: ``at(t)`` is the length of a step of about t, and the change along it.

    `distance` from zero of what moves, in units of t, is where a kink or an edge of the domain is likely; zero if not known.
    """

    def __init__(
        self,
        at: Callable[[float], tuple[float, float]],
        rounding: Callable[[], float],
        distance: float = 0.0,
        derivative: Callable[[], float] = lambda: np.nan,
    ) -> None:
        self.at = at
        self.rounding = rounding
        self.distance = distance
        self.derivative = derivative
        """The complex-step derivative, NaN where there is none."""

    def central(self, step: float) -> float:
        """The central quotient at one step."""
        (low, below), (high, above) = self.at(-step), self.at(step)
        return (above - below) / (high - low)

    def slopes(self, largest: float) -> Slopes:
        """The limits of the quotients as the step shrinks from `largest`."""
        left, right, central, noise = [], [], [], []
        rounding = self.rounding()
        sizes: list[list[float]] = []
        with np.errstate(all="ignore"):
            for level in range(_LEVELS):
                t = largest / _RATIO**level
                (low, below), (high, above) = self.at(-t), self.at(t)
                if low == 0.0 or high == 0.0:
                    break
                left.append(below / low)
                right.append(above / high)
                central.append((above - below) / (high - low))
                noise.append(rounding / min(-low, high))
                sizes.append([abs(below), abs(above)])
            steep = any(_is_steep(side, rounding) for side in zip(*sizes, strict=True))
            gap = abs(right[-1] - left[-1]) if central else np.inf
            limits = _limit(left, noise, 1), _limit(right, noise, 1), _limit(central, noise, 2)
            return Slopes(*limits, _closest(central, noise), gap, steep)


def _closest(quotients: list[float], noise: list[float]) -> Estimate:
    if len(quotients) < 2 or not np.isfinite(quotients[-2:]).all():
        return UNKNOWN
    return Estimate(quotients[-1], abs(quotients[-1] - quotients[-2]) + 2 * noise[-1])


def _is_steep(changes: Sequence[float], rounding: float) -> bool:
    """Whether changes do not shrink in proportion to the step, down to the smallest one."""
    last = [change for change in changes if np.isfinite(change)][-4:]
    if len(last) < 4 or last[-1] <= max(100 * rounding, _SMALL_JUMP):
        return False
    return all(small > 0.4 * large for large, small in pairwise(last))


def _moved(x: Array, index: tuple[int, ...], step: float) -> tuple[Array, float]:
    """A read-only copy with one element moved by about the step, and by how much it is in truth."""
    y = x.copy()
    start = y[index]
    y[index] = start + step
    moved = float(y[index] - start)
    y.flags.writeable = False
    return y, moved


def _to_zero(x: Any, u: Any) -> float:
    """The least multiple of u that brings an element of x, other than one that is zero, to zero; 0 where x stays."""
    with np.errstate(all="ignore"):
        ratios = np.zeros(1) if u is None else np.abs(x / u)
    return float(np.min(ratios, where=(ratios > 0) & np.isfinite(ratios), initial=np.inf))


def _limit(quotients: list[float], noise: list[float], order: int) -> Estimate:
    """The limit of quotients at steps that shrink by the ratio, whose error is a series in step**order."""
    best, exactness = UNKNOWN, np.inf
    before: list[float] = []
    for quotient, rounding in zip(quotients, noise, strict=True):
        if not np.isfinite(quotient):
            before = []
            continue
        row = [quotient]
        for j, older in enumerate(before, 1):
            better = row[-1] + (row[-1] - older) / (_RATIO ** (order * j) - 1)
            error = max(abs(better - row[-1]), abs(better - older)) + 2 * rounding
            row.append(better)
            if error / (1 + abs(better)) < exactness:
                best, exactness = Estimate(better, error), error / (1 + abs(better))
        before = row
    return best
