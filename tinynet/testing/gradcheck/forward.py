"""Derivatives along a direction, by `jvp`, against the directional differences of f itself."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.testing.gradcheck.blame import reason
from tinynet.testing.gradcheck.comparison import Scale, Verdict, judge, widened
from tinynet.testing.gradcheck.contract import pulled_back
from tinynet.testing.gradcheck.differences import Point
from tinynet.testing.gradcheck.evaluation import Function, leaves_of, read_only
from tinynet.testing.gradcheck.projection import compare_by_size
from tinynet.testing.gradcheck.report import Element, GradcheckError, InconclusiveError
from tinynet.transforms import jvp

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["compare_pushed"]

Array = np.ndarray[Any, Any]


def compare_pushed(
    f: Function,
    arrays: Sequence[Array],
    values: Sequence[Array],
    direction: Sequence[Array],
    scale: Scale,
    generator: "Generator",
) -> list[Element]:
    """Compare every element of every output's derivative along a direction; the kinks, or an error.

    `values` are the outputs of f at the arrays.
    """
    h = scale.step
    with np.errstate(all="ignore"):
        _, pushed = jvp(lambda *xs: tuple(f.outputs(xs)), tuple(arrays), tuple(direction))
        low, high = (f.values(*(read_only(x + t * u) for x, u in zip(arrays, direction, strict=True))) for t in (-h, h))
        numeric = [(above - below) / (2 * h) for below, above in zip(low, high, strict=True)]
    kinks = []
    for k, (d, slope) in enumerate(zip(pushed, numeric, strict=True)):
        unlike = ~(np.abs(d - slope) <= scale.tolerance(slope))
        for index in map(tuple, np.argwhere(unlike).tolist()):
            chosen = _chosen(values, k, index)
            point = Point(f.values, arrays, chosen, list(values))
            name = f"the directional derivative of output {k}"
            line = point.direction(direction)
            found = judge(line, np.asarray(d)[index], scale, name, index)
            verdict, element = widened(point, direction, line, found, scale)
            if verdict is Verdict.KINK:
                kinks.append(element)
            elif verdict in (Verdict.WRONG, Verdict.OUTSIDE):
                raise GradcheckError(
                    f"{element.name} by jvp is wrong at index {index}\n"
                    f"  analytic {element.analytic:.10g}, numeric {element.numeric:.10g} ± {element.error:.1g}: "
                    f"difference {element.difference:.2g}, tolerance {element.tolerance:.2g}\n"
                    f"  {_reason(f, arrays, chosen, scale, generator)}"
                )
            elif verdict is not Verdict.RIGHT:
                raise InconclusiveError(f"{element.name} cannot be checked at index {index}: {verdict.value}")
    return kinks


def _chosen(values: Sequence[Array], k: int, index: tuple[int, ...]) -> list[Array]:
    """The cotangents that choose one element of one output."""
    chosen = [np.zeros(y.shape) for y in values]
    chosen[k][index] = 1.0
    return chosen


def _reason(f: Function, arrays: Sequence[Array], chosen: list[Array], scale: Scale, generator: "Generator") -> str:
    """Why a directional derivative is wrong: a gradient that is, or the way from the one to the other."""
    leaves = leaves_of(arrays)
    point = Point(f.values, arrays, chosen)
    for i, g in enumerate(pulled_back(f.outputs(leaves), chosen, leaves, generator)):
        gradient = np.zeros_like(arrays[i]) if g is None else g
        fault = compare_by_size(point, i, gradient, scale, "", generator).fault
        if fault is not None:
            return reason(f, arrays, i, fault[1].index, gradient, chosen, scale)
    return (
        "the gradients are right: jvp pulls the tangent back through the rules themselves, one of which does not record what "
        "it does with its cotangent (.data, .detach(), np.asarray)"
    )
