"""A gradient against finite differences, element by element: what is right, wrong, at a kink, or cannot be told."""

from collections.abc import Collection, Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from tinynet.testing.gradcheck.differences import LARGEST, STEP, Estimate, Line, Point, Slopes
from tinynet.testing.gradcheck.report import Element

__all__ = ["Comparison", "Scale", "Verdict", "compare", "judge", "judge_element", "widened", "within"]

Array = np.ndarray[Any, Any]

_NEARBY = 64


class Scale(NamedTuple):
    """The first step, None for the best, and what difference is taken for rounding."""

    eps: float | None
    atol: float
    rtol: float

    @property
    def step(self) -> float:
        """The step of the first quotient."""
        return STEP if self.eps is None else self.eps

    def tolerance(self, numeric: Any) -> Any:
        """How far a derivative may be from this one."""
        return self.atol + self.rtol * np.abs(numeric)


class Verdict(Enum):
    """What a comparison says of one element."""

    RIGHT = "right"
    KINK = "within the slopes of a kink"
    WRONG = "wrong"
    OUTSIDE = "outside the slopes of a kink"
    STEEP = "f jumps there, or has a vertical tangent"
    EDGE = "f is not finite close by"
    UNCLEAR = "finite differences are too inexact there"


class Comparison(NamedTuple):
    """The comparison of one operand's gradient."""

    worst: Element | None
    """The element that agrees least; its error is NaN where the first quotient agreed."""
    kinks: list[Element]
    fault: tuple[Verdict, Element] | None
    wrong: int
    """How many elements differ at the first step."""


def judge(line: Line, analytic: float, scale: Scale, name: str, index: tuple[int, ...]) -> tuple[Verdict, Element]:
    """Whether a derivative is the slope along a line, with all the exactness there is."""
    largest = LARGEST if scale.eps is None else scale.eps
    found = _judged(line, line.slopes(largest), float(analytic), scale, name, index)
    if found[0] not in (Verdict.RIGHT, Verdict.WRONG) and 0 < line.distance < largest:
        closer = _judged(line, line.slopes(line.distance / 4), float(analytic), scale, name, index)
        if closer[0] in (Verdict.RIGHT, Verdict.WRONG):
            return closer
    return found


def _judged(
    line: Line, slopes: Slopes, analytic: float, scale: Scale, name: str, index: tuple[int, ...]
) -> tuple[Verdict, Element]:
    left, right, best = slopes.left, slopes.right, slopes.best
    if slopes.steep:
        return Verdict.STEEP, Element(name, index, analytic, best.value, best.error, scale.tolerance(best.value))
    tolerance = scale.tolerance(best.value)
    if _differ(left, right, tolerance):
        if slopes.open > abs(left.value - right.value) / 2:
            return _at_kink(slopes, left.error + right.error, analytic, scale, name, index)
        best = slopes.closest  # from afar it looks like a kink, and it is a bend, or a kink close by
    elif _differ(slopes.central, min(left, right, key=lambda limit: limit.error), tolerance):
        best = slopes.closest  # between two kinks close by, one on each side: the central quotients do not see them
    tolerance = scale.tolerance(best.value)
    if best.error > tolerance:
        best = _confirmed(line.derivative(), best, line.rounding())
        tolerance = scale.tolerance(best.value)
    tolerance = tolerance + min(best.error, tolerance)
    element = Element(name, index, analytic, best.value, best.error, tolerance)
    if element.difference <= tolerance:
        return Verdict.RIGHT, element
    if not np.isfinite(best.error):
        return Verdict.EDGE, element
    wrong = not element.difference <= 4 * best.error + tolerance  # so that NaN is wrong
    return Verdict.WRONG if wrong else Verdict.UNCLEAR, element


def _differ(one: Estimate, other: Estimate, tolerance: float) -> bool:
    """Whether two limits are apart by much more than their errors."""
    return bool(abs(one.value - other.value) > max(100 * (one.error + other.error), 10 * tolerance))


def _at_kink(
    slopes: Slopes, slack: float, analytic: float, scale: Scale, name: str, index: tuple[int, ...]
) -> tuple[Verdict, Element]:
    left, right = slopes.left.value, slopes.right.value
    nearest = min(max(analytic, min(left, right)), max(left, right))
    tolerance = scale.tolerance(max(abs(left), abs(right))) + slack
    kink = Element(name, index, analytic, nearest, slack, tolerance, left, right)
    return Verdict.KINK if abs(analytic - nearest) <= tolerance else Verdict.OUTSIDE, kink


def _confirmed(exact: float, rough: Estimate, rounding: float) -> Estimate:
    """The complex-step derivative where the rough estimate confirms it: code that is not analytic gives another number."""
    return Estimate(exact, rounding) if abs(exact - rough.value) <= rough.error else rough


def judge_element(
    point: Point, i: int, index: tuple[int, ...], analytic: float, scale: Scale, name: str
) -> tuple[Verdict, Element]:
    """Whether a derivative with respect to an element is its slope."""
    direction: list[Array | None] = [None] * len(point.operands)
    unit = direction[i] = np.zeros(point.operands[i].shape)
    unit[index] = 1.0
    line = point.element(i, index)
    return widened(point, direction, line, judge(line, analytic, scale, name, index), scale)


def widened(
    point: Point, direction: Sequence[Array | None], line: Line, found: tuple[Verdict, Element], scale: Scale
) -> tuple[Verdict, Element]:
    """The verdict that was found along the line, in the direction, but for what looks wrong and may be right.

    That is a derivative between the slopes as soon as others move too, as at a tie of three; or one that agrees with the
    slope at far smaller steps, among kinks that are as close, or because f rounds: it cannot be told.
    """
    verdict, element = found
    if verdict not in (Verdict.OUTSIDE, Verdict.WRONG):
        return verdict, element
    around = [np.ones(x.shape) if getattr(x, "dtype", None) == np.float64 else None for x in point.operands]
    low, high, error = point.slopes_nearby(direction, around, _NEARBY)
    apart = high - low > 0.01 * (1 + max(abs(low), abs(high))) + 100 * error
    if apart and within(element.analytic, low, high, scale):
        return Verdict.KINK, element._replace(numeric=element.analytic, left=low, right=high)
    if verdict is Verdict.WRONG and 0 < line.distance < LARGEST:
        closer = _judged(line, line.slopes(line.distance / 4), element.analytic, scale, element.name, element.index)
        verdict = Verdict.UNCLEAR if closer[0] is Verdict.RIGHT else verdict
    return verdict, element


def compare(
    point: Point, i: int, gradient: Array, scale: Scale, name: str, skip: Collection[tuple[int, ...]] = ()
) -> Comparison:
    """Compare the gradient for operand `i` with finite differences, but for the elements to skip."""
    left, right = point.quotients(i, scale.step)
    with np.errstate(all="ignore"):
        central = (left + right) / 2
        tolerance = scale.tolerance(central)
        excess = np.array(np.abs(gradient - central) / tolerance)
        wrong = np.array(~(excess <= 1))  # so that NaN is wrong
        bent = np.array(np.abs(right - left) > 0.01 * np.maximum(np.abs(left), np.abs(right)) + 32 * scale.step)
    for index in skip:
        excess[index], wrong[index], bent[index] = -1.0, False, False
    kinks: list[Element] = []
    count = int(np.count_nonzero(wrong))
    refined: Element | None = None
    for index in _from_the_worst(excess, wrong | bent):
        verdict, element = judge_element(point, i, index, gradient[index], scale, name)
        if verdict is Verdict.KINK:
            kinks.append(element)
        elif verdict is Verdict.RIGHT or (verdict in (Verdict.UNCLEAR, Verdict.EDGE) and not wrong[index]):
            refined = max(refined or element, element, key=lambda e: e.excess)
        else:
            return Comparison(None, kinks, (verdict, element), count)
        count -= int(wrong[index])
        excess[index] = -1.0
    worst = refined
    if excess.size and np.max(excess) >= (0 if refined is None else refined.excess):
        index = tuple(int(k) for k in np.unravel_index(np.argmax(excess), excess.shape))
        worst = Element(name, index, float(gradient[index]), float(central[index]), np.nan, float(tolerance[index]))
    return Comparison(worst, kinks, None, 0)


def within(analytic: float, low: float, high: float, scale: Scale) -> bool:
    """Whether a derivative lies between slopes that were found at points close by; true if none were."""
    slack = scale.tolerance(analytic) + 1e-3 * (1 + max(abs(low), abs(high)))
    return not (analytic < low - slack or analytic > high + slack)


def _from_the_worst(excess: Array, chosen: Array) -> Iterator[tuple[int, ...]]:
    """The indices of the chosen elements, those of the largest excess first."""
    if not chosen.any():
        return
    ranked = np.where(np.isfinite(excess), excess, np.inf)
    for flat in np.argsort(-ranked, axis=None, kind="stable"):
        index = tuple(int(k) for k in np.unravel_index(flat, excess.shape))
        if chosen[index]:
            yield index
