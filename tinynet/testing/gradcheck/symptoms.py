"""What is wrong with the rule of one operation: in words, by trying out what people get wrong."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinynet.graph import Node, unbroadcast
from tinynet.random import as_generator
from tinynet.testing.gradcheck.comparison import Scale, Verdict
from tinynet.testing.gradcheck.differences import STEP, Point
from tinynet.testing.gradcheck.evaluation import random_cotangent
from tinynet.testing.gradcheck.projection import LARGE, compare_by_size

__all__ = ["alone", "fault"]

Array = np.ndarray[Any, Any]


def fault(node: Node, scale: Scale) -> str | None:
    """What is wrong with an operation's rules, on their own."""
    row, operands = node.rule, node.operands
    if node.out.dtype != np.float64:
        return None
    generator = as_generator(0)
    v = random_cotangent(generator, node.out.shape)
    try:
        point = alone(node, v)
    except NotImplementedError:
        return f"{row.name} is behind a checkpoint, which hides what it is made of: check it without tn.checkpoint"
    for i, (x, parent) in enumerate(zip(operands, node.parents, strict=True)):
        if parent is None or x.dtype != np.float64:
            continue
        vjp = row.vjps[i]
        with np.errstate(all="ignore"):
            found = np.zeros_like(x)
            if vjp is not None:
                found = unbroadcast(np.asarray(vjp(v, node.out, *operands, **node.params)), x.shape)
            outcome = compare_by_size(point, i, found, scale, "", generator).fault
        if outcome is not None and outcome[0] is Verdict.OUTSIDE:
            return f"the rule of {row.name} for operand {i} gives, at its kink, what is not between its slopes"
        if outcome is not None and outcome[0] is Verdict.WRONG:
            text = f"the rule of {row.name} for operand {i} is wrong on its own"
            if vjp is None:
                return f"{text}: it is None, which says that it has no derivative"
            if x.size > LARGE:
                return f"{text}, at index {outcome[1].index}"
            case = _Case(node, i, v, np.asarray(found), _slopes(point, i))
            for symptom in _SYMPTOMS:
                try:
                    said = symptom(case)
                except Exception:  # a wrong rule may break in any way on other arguments
                    continue
                if said:
                    return f"{text}: {said}"
            return text
    return None


def alone(node: Node, cotangent: Array) -> Point:
    """A recorded operation as a function of its own."""

    def values(*operands: Any) -> list[Array]:
        return [np.asarray(node.rule.forward(*operands, **node.params))]

    return Point(values, node.operands, [cotangent])


def _slopes(point: Point, i: int) -> Array:
    left, right = point.quotients(i, STEP)
    return np.asarray((left + right) / 2)


class _Case(NamedTuple):
    """A rule's result beside what finite differences of its operation give."""

    node: Node
    i: int
    cotangent: Array
    found: Array
    numeric: Array

    def pulled(self, cotangent: Array) -> Array:
        """What the rule gives for another cotangent."""
        node = self.node
        vjp: Any = node.rule.vjps[self.i]
        return np.asarray(unbroadcast(np.asarray(vjp(cotangent, node.out, *node.operands, **node.params)), self.found.shape))

    def slopes(self, cotangent: Array, i: int | None = None) -> Array:
        """What finite differences give for another cotangent, or for another operand."""
        return _slopes(alone(self.node, cotangent), self.i if i is None else i)


def _close(a: Any, b: Any) -> bool:
    size = max(1.0, float(np.max(np.abs(b), initial=0.0)))
    return bool(np.shape(a) == np.shape(b) and np.all(np.abs(a - b) <= 1e-5 * size))


def _not_finite(case: _Case) -> str | None:
    return None if np.isfinite(case.found).all() else "it is not finite"


def _zero(case: _Case) -> str | None:
    return "it is zero" if not case.found.any() else None


def _factor(case: _Case) -> str | None:
    large = np.abs(case.numeric) > 1e-3 * np.max(np.abs(case.numeric), initial=1e-6)
    if large.sum() < min(2, case.found.size):
        return None
    ratio = float(np.median(case.found[large] / case.numeric[large]))
    if not _close(case.found, ratio * case.numeric) or abs(ratio) < 1e-6:
        return None
    digits = 6 if abs(ratio - 1) > 1e-4 else 10
    return "its sign is wrong" if abs(ratio + 1) < 1e-5 else f"it is {ratio:.{digits}g} times what it should be"


def _transposed(case: _Case) -> str | None:
    turned = case.found.ndim == 2 and case.found.shape == case.numeric.T.shape and _close(case.found.T, case.numeric)
    return "it is transposed" if turned else None


def _of_another_operand(case: _Case) -> str | None:
    for k, x in enumerate(case.node.operands):
        alike = k != case.i and np.shape(x) == case.found.shape and getattr(x, "dtype", None) == np.float64
        if alike and _close(case.found, case.slopes(case.cotangent, k)):
            return f"it is that of operand {k}"
    return None


def _cotangent_unused(case: _Case) -> str | None:
    other = random_cotangent(as_generator(1), case.cotangent.shape)
    return "it does not depend on the cotangent g" if np.array_equal(case.pulled(other), case.found) else None


def _right_for_ones(case: _Case) -> str | None:
    ones = np.ones_like(case.cotangent)
    if ones.size > 1 and _close(case.pulled(ones), case.slopes(ones)):
        return "it is right for a cotangent of ones alone, and does not use the elements of g as they are"
    return None


def _one_parameter_ignored(case: _Case) -> str | None:
    node = case.node
    vjp: Any = node.rule.vjps[case.i]
    for name in node.params:
        rest = {key: value for key, value in node.params.items() if key != name}
        found = np.asarray(unbroadcast(np.asarray(vjp(case.cotangent, node.out, *node.operands, **rest)), case.found.shape))
        forward = np.asarray(node.rule.forward(*node.operands, **rest))
        if _close(found, case.found) and not _close(forward, node.out):
            return f"it is the same without {name}={node.params[name]!r}, which the value depends on"
    return None


def _shifted(case: _Case) -> str | None:
    for axis, n in enumerate(case.found.shape):
        for shift in (1, -1):
            inside = tuple(slice(1, -1) if k == axis else slice(None) for k in range(case.found.ndim))
            rolled = np.roll(case.found, shift, axis)
            if n > 3 and _close(rolled[inside], case.numeric[inside]) and np.ptp(case.numeric[inside]) > 1e-3:
                return f"it is shifted by one along axis {axis}"
    return None


def _reversed(case: _Case) -> str | None:
    for axis, n in enumerate(case.found.shape):
        if n > 1 and _close(np.flip(case.found, axis), case.numeric):
            return f"it is reversed along axis {axis}"
    return None


def _some_elements(case: _Case) -> str | None:
    wrong = ~(np.abs(case.found - case.numeric) <= 1e-5 * np.maximum(1.0, np.abs(case.numeric)))
    count, size = int(np.count_nonzero(wrong)), wrong.size
    if count == 0 or count == size:
        return None
    x = case.node.operands[case.i]
    for what, chosen in (("negative", x < 0), ("positive", x > 0)):
        if np.array_equal(wrong, chosen) and count > 1:
            return f"where the operand is {what}"
    index = tuple(int(k) for k in np.argwhere(wrong)[0])
    return f"at {count} of its {size} elements, first at index {index}" if count > 1 else f"at index {index} alone"


_SYMPTOMS: Sequence[Callable[[_Case], str | None]] = (
    _not_finite, _zero, _factor, _transposed, _of_another_operand, _cotangent_unused, _right_for_ones, _one_parameter_ignored,
    _reversed, _shifted, _some_elements,
)  # fmt: skip
