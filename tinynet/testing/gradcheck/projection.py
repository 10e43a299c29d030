"""A large gradient against finite differences along a few random directions, in place of one by one.

Two evaluations of f a direction u are enough to compare ⟨g, u⟩ with the slope along u, in which every wrong element shows. It
is then found by halving: of two halves of the elements, the one along which the slopes differ more has it.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.testing.gradcheck.comparison import Comparison, Scale, Verdict, compare, judge_element
from tinynet.testing.gradcheck.differences import Line, Point
from tinynet.testing.gradcheck.evaluation import random_cotangent
from tinynet.testing.gradcheck.report import Element

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["LARGE", "compare_by_size"]

Array = np.ndarray[Any, Any]

LARGE = 1000
"""How many elements are compared one by one, unless told."""

_DIRECTIONS = 4
_KINKS = 20


def compare_by_size(
    point: Point,
    i: int,
    gradient: Array,
    scale: Scale,
    name: str,
    generator: "Generator",
    skip: Collection[tuple[int, ...]] = (),
    fast: bool | None = None,
) -> Comparison:
    """Compare the gradient for operand `i` with finite differences, but for the elements to skip.

    It is done along random directions if `fast`, or if that is not given and the operand is large; each kink costs a search.
    """
    if not fast and (fast is not None or gradient.size <= LARGE):
        return compare(point, i, gradient, scale, name, skip)
    x = point.operands[i]
    free = np.ones(x.shape)
    for index in skip:
        free[index] = 0.0
    kinks: list[Element] = []
    along: list[tuple[Element, Array]] = []
    while len(along) < _DIRECTIONS:
        u = random_cotangent(generator, x.shape) * np.maximum(1.0, np.abs(x)) * free
        element = _along(point, i, u, gradient, scale, name)
        if element.difference <= element.tolerance:
            along.append((element, u))
            continue
        index = _located(point, i, u, gradient, scale)
        verdict, element = judge_element(point, i, index, gradient[index], scale, name)
        if verdict is Verdict.KINK:
            kinks.append(element)
            free[index] = 0.0
        elif verdict is not Verdict.RIGHT:
            return Comparison(None, kinks, (verdict, element), 0)
        if verdict is Verdict.RIGHT or len(kinks) > _KINKS:  # a sum of many small errors, or of many kinks
            return compare(point, i, gradient, scale, name, skip)
    worst, u = max(along, key=lambda pair: pair[0].excess)
    if np.isnan(worst.error):
        worst = worst._replace(error=abs(worst.numeric - _line(point, i, u).central(2 * scale.step)))
    return Comparison(worst, kinks, None, 0)


def _along(point: Point, i: int, u: Array, gradient: Array, scale: Scale, name: str) -> Element:
    """The slope along u by the gradient and by finite differences; the error is not known where the first quotient agrees."""
    analytic = float(np.vdot(gradient, u))
    tolerance = scale.atol * np.sqrt(max(u.size, 1)) + scale.rtol * float(np.linalg.norm(gradient * u))
    line = _line(point, i, u)
    with np.errstate(all="ignore"):
        numeric, error = line.central(scale.step), np.nan
    if not abs(analytic - numeric) <= tolerance:
        numeric, error = line.slopes(scale.step).central  # the slope to one side would hide a kink or jump
        tolerance += min(error, tolerance)
    return Element(f"{name} along a random direction", (), analytic, numeric, error, tolerance)


def _located(point: Point, i: int, u: Array, gradient: Array, scale: Scale) -> tuple[int, ...]:
    """The index of an element that makes the slopes along u differ."""
    flat = np.arange(u.size)

    def mismatch(chosen: Array) -> float:
        part = np.zeros(u.size)
        part[chosen] = u.reshape(-1)[chosen]
        with np.errstate(all="ignore"):
            numeric = _line(point, i, part.reshape(u.shape)).central(scale.step)
        difference = abs(float(np.vdot(gradient.reshape(-1)[chosen], part[chosen])) - numeric)
        return difference if np.isfinite(difference) else np.inf

    while len(flat) > 1:
        halves = np.array_split(flat, 2)
        flat = max(halves, key=mismatch)
    return tuple(int(k) for k in np.unravel_index(flat[0], u.shape))


def _line(point: Point, i: int, u: Array) -> Line:
    return point.direction([u if k == i else None for k in range(len(point.operands))])
