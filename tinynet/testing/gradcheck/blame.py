"""Why a gradient is wrong: the operation that is to blame, as far as the graph tells."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from tinynet.graph import Node, reachable
from tinynet.random import as_generator
from tinynet.tensor import Tensor
from tinynet.testing.gradcheck.comparison import Scale, Verdict
from tinynet.testing.gradcheck.contract import pulled_back
from tinynet.testing.gradcheck.differences import Point
from tinynet.testing.gradcheck.evaluation import Function, Gradient, leaves_of, operations, random_cotangent
from tinynet.testing.gradcheck.projection import LARGE, compare_by_size
from tinynet.testing.gradcheck.symptoms import alone, fault

__all__ = ["ELSEWHERE", "kink_near", "reason"]

Array = np.ndarray[Any, Any]

_CLOSE = 1e-7
ELSEWHERE = 1 + 2.0**-10
"""What inputs are multiplied by to evaluate f at another point of its domain."""


def reason(
    f: Function,
    arrays: Sequence[Array],
    i: int,
    index: tuple[int, ...],
    gradient: Array,
    cotangents: Sequence[Array],
    scale: Scale,
) -> str:
    """What is to blame for a wrong gradient of input `i`, at an index."""
    leaves = leaves_of(arrays)
    outputs = f.outputs(leaves)
    again = pulled_back(outputs, cotangents, leaves, as_generator(0))[i]
    if again is not None and not np.allclose(again, gradient, rtol=1e-6, atol=0, equal_nan=True):
        return _stateful(f, arrays, operations(outputs))
    if isinstance(f, Gradient):
        blamed = _not_differentiable(f, arrays, scale)
        if blamed is not None:
            return blamed
    nodes = operations(outputs)
    if again is None:
        return _cut(nodes, leaves[i])
    for node in nodes:
        found = fault(node, scale)
        if found is not None:
            return found
    operation = kink_near(f, arrays, i, index)
    if operation:
        return (
            f"each recorded operation's rule is right on its own, but {operation} has a kink there, which in f is cancelled by "
            "another: a rule cannot see that"
        )
    return "each recorded operation's rule is right on its own: a part of f is not recorded (.data, .detach(), no_grad)"


def kink_near(f: Function, arrays: Sequence[Array], i: int, index: tuple[int, ...], step: float = _CLOSE) -> str:
    """The name of an operation that has a kink within a small step of the element; empty if none is known to."""
    point = Point(f.values, arrays, [], [])
    scale = max(1.0, abs(float(arrays[i][index])))
    moved = [point.moved(i, index, t * scale)[0] for t in (-step, 0.0, step)]
    with np.errstate(all="ignore"):
        below, here, above = (operations(f.outputs(leaves_of(operands))) for operands in moved)
        for nodes in zip(below, here, above, strict=False):
            row = nodes[1].rule
            if row.kinks is None or any(node.rule.fun is not row.fun for node in nodes):
                continue
            low, distance, high = (np.asarray(row.kinks(*node.operands, **node.params)) for node in nodes)
            reach = np.abs(low - distance) + np.abs(high - distance)
            if np.any((reach > 0) & (np.abs(distance) <= reach)):
                return row.name
        for node in here:  # one that does not declare its kinks
            if node.rule.kinks is None and _has_kink(node):
                return node.rule.name
    return ""


def _has_kink(node: Node) -> bool:
    """Whether an operation alone has slopes that differ to both sides, with respect to an element of an operand."""
    try:
        point = alone(node, random_cotangent(as_generator(0), node.out.shape))
    except NotImplementedError:  # a checkpoint
        return False
    for i, (x, parent) in enumerate(zip(node.operands, node.parents, strict=True)):
        if parent is not None and x.dtype == np.float64 and x.size <= LARGE:
            left, right = point.quotients(i, _CLOSE)
            if np.any(np.abs(left - right) > 0.01 * np.maximum(np.abs(left), np.abs(right)) + 1e-4):
                return True
    return False


def _stateful(f: Function, arrays: Sequence[Array], nodes: list[Node]) -> str:
    """Which rule gives something else when its operation has been called again."""
    seeds = [random_cotangent(as_generator(0), node.out.shape) for node in nodes]
    before = [_pulled(node, v) for node, v in zip(nodes, seeds, strict=True)]
    with np.errstate(all="ignore"), suppress(Exception):
        f.values(*(x * ELSEWHERE for x in arrays))
    after = [_pulled(node, v) for node, v in zip(nodes, seeds, strict=True)]
    changed = (
        node.rule.name for node, x, y in zip(nodes, before, after, strict=True)
        if not all(np.array_equal(d, e, equal_nan=True) for d, e in zip(x, y, strict=True))
    )  # fmt: skip
    whose = next((f"the rule of {name}" for name in changed), "a rule")
    return (
        f"{whose} uses what its operation has kept from its last call, and gives another gradient when there was one in "
        "between; it has to compute from its arguments g, out, x ..."
    )


def _pulled(node: Node, v: Array) -> list[Array]:
    vjps = [node.rule.vjps[i] for i, parent in enumerate(node.parents) if parent is not None]
    with np.errstate(all="ignore"):
        return [np.asarray(vjp(v, node.out, *node.operands, **node.params)) for vjp in vjps if vjp is not None]


def _cut(nodes: list[Node], leaf: Tensor) -> str:
    """Why no gradient reaches a leaf."""
    for node in nodes:
        for k, parent in enumerate(node.parents):
            if parent is not None and node.rule.vjps[k] is None and _leads_to(parent, leaf):
                return f"the rule of {node.rule.name} for operand {k} is None, which says that it has no derivative"
    return "no gradient reaches this input: the graph is cut on the way, by .data, .detach(), no_grad or a plain array"


def _leads_to(node: Any, leaf: Tensor) -> bool:
    return any(other is leaf for other in reachable([node]))


# Operations on their own ---------------------------------------------------------------------------------------------


def _not_differentiable(f: Gradient, arrays: Sequence[Array], scale: Scale) -> str | None:
    """The operation in a function whose rule is not right when it is differentiated again."""
    original = f
    while isinstance(original.of, Gradient):
        original = original.of
    root, n = original.of, original.n
    for node in operations(root.outputs(leaves_of(arrays[:n]))):
        operands = [x for x, parent in zip(node.operands, node.parents, strict=True) if parent is not None]
        alone: Function = Function(partial(_called, node))
        try:
            for order in range(1, f.order + 2):
                if not _agrees(alone, operands, scale):
                    if order == 1:
                        return fault(node, scale)
                    times = {2: "again", 3: "twice more"}.get(order, f"{order - 1} times more")
                    return (
                        f"the rule of {node.rule.name} is right, but wrong when it is differentiated {times}: a part of it is "
                        "not made of recorded NumPy operations (.data, .detach(), np.asarray, a saved array), or one that it "
                        "uses has a wrong rule itself"
                    )
                outputs = alone.outputs(leaves_of(operands))
                alone, operands = Gradient(alone, len(operands)), [*operands, *_cotangents(outputs)]
        except Exception:  # not every operation can be called again with its operands alone
            continue
    return None


def _called(node: Node, *tensors: Tensor) -> Any:
    """A recorded operation, called again on tensors."""
    rest = iter(tensors)
    operands = (x if parent is None else next(rest) for x, parent in zip(node.operands, node.parents, strict=True))
    return node.rule.fun(*operands, **node.params)


def _agrees(f: Function, arrays: list[Array], scale: Scale) -> bool:
    leaves = leaves_of(arrays)
    outputs = f.outputs(leaves)
    cotangents = _cotangents(outputs)
    found = pulled_back(outputs, cotangents, leaves, as_generator(0))
    point = Point(f.values, arrays, cotangents)
    gradients = [np.zeros_like(x) if g is None else g for x, g in zip(arrays, found, strict=True)]
    generator = as_generator(0)
    faults = (compare_by_size(point, i, g, scale, "", generator).fault for i, g in enumerate(gradients))
    return not any(fault is not None and fault[0] is Verdict.WRONG for fault in faults)


def _cotangents(outputs: Sequence[Tensor]) -> list[Array]:
    generator = as_generator(0)
    return [random_cotangent(generator, y.shape) for y in outputs]
