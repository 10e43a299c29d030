"""Gradients at kinks, where several elements meet in one: a tie must be shared out, not given to each in full.

At a kink of one element the gradient has to lie between the slopes to the left and to the right. That is not enough where
several elements have a kink together: of `max` at a tie each share may be anything from 0 to 1, but their sum is 1. So along
any direction u of elements that interact, ⟨g, u⟩ has to lie between the least and the greatest slope close by: the condition
that g is in Clarke's subdifferential (Clarke 1990, "Optimization and Nonsmooth Analysis", section 2.1).
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from tinynet.testing.gradcheck.comparison import Scale, within
from tinynet.testing.gradcheck.differences import Line, Point

__all__ = ["outside_together"]

Array = np.ndarray[Any, Any]
Place = tuple[int, tuple[int, ...]]

_MOST = 12
_NEAR = 2.0**-14


def outside_together(
    point: Point, gradients: Sequence[Array], places: Sequence[Place], scale: Scale
) -> tuple[list[Place], float, float, float] | None:
    """The elements that are wrong together, ⟨g, u⟩ along a direction, and the least and greatest slope; None if none are.

    The directions are u = 1 for each, and u = ±1 as the gradient has it, since a tie may be of x and -y. `places` are the
    operands and indices of the elements that have a kink each, of which the first dozen are looked at.
    """
    for group in _groups(point, list(places)[:_MOST]):
        shares = np.array([float(gradients[i][index]) for i, index in group])
        for steps in np.unique([np.ones(len(group)), np.where(shares < 0, -1.0, 1.0)], axis=0):
            u = _direction(point, group, steps)
            low, high, error = point.slopes_nearby(u, u, 32 + 8 * len(group))
            if not within(analytic := float(shares @ steps), low - error, high + error, scale):
                return group, analytic, low, high
    return None


def _groups(point: Point, places: list[Place]) -> list[list[Place]]:
    """The places that interact: moving two of them changes f otherwise than moving each."""
    groups = [[place] for place in places]
    for a, b in combinations(places, 2):
        mine, other = (next(group for group in groups if place in group) for place in (a, b))
        if mine is not other and (_interact(point, a, b, 1.0) or _interact(point, a, b, -1.0)):
            mine += other
            groups.remove(other)
    return [group for group in groups if len(group) > 1]


def _interact(point: Point, a: Place, b: Place, sign: float) -> bool:
    def change(places: list[Place], steps: list[float]) -> float:
        return _along(point, places, steps).at(_NEAR)[1]

    one, other, both = change([a], [1.0]), change([b], [sign]), change([a, b], [1.0, sign])
    return abs(both - one - other) > 0.01 * (abs(one) + abs(other) + abs(both)) + 10 * point.rounding()


def _along(point: Point, places: list[Place], steps: list[float]) -> Line:
    return point.direction(_direction(point, places, np.array(steps)))


def _direction(point: Point, places: Sequence[Place], steps: Array) -> list[Array | None]:
    """An array an operand that is zero but for the steps at the places; None for an operand without one."""
    arrays: list[Array | None] = [None] * len(point.operands)
    for (i, index), step in zip(places, steps, strict=True):
        array = arrays[i]
        if array is None:
            array = arrays[i] = np.zeros(point.operands[i].shape)
        array[index] += step
    return arrays
