"""How far a computation stays from where its operations have no derivative."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinynet.graph import Node, reachable
from tinynet.tensor import Tensor, node_of

__all__ = ["clearance"]


def clearance(*results: Tensor) -> float:
    """The smallest distance of the operations that the results come from to a kink, or to the edge of their domain.

    It is negative outside a domain.
    """
    nodes = reachable([node_of(y) for y in results if y.requires_grad])
    operations = [node for node in nodes if isinstance(node, Node)]
    with np.errstate(all="ignore"):
        distances = (np.asarray(x, float) for node in operations for x in _distances(node))
        return min((float(np.min(x, initial=np.inf)) for x in distances), default=np.inf)


def _distances(node: Node) -> Iterator[Any]:
    row = node.rule
    if row.kinks is not None:
        yield np.abs(row.kinks(*node.operands, **node.params))
    for i, (x, parent) in enumerate(zip(node.operands, node.parents, strict=True)):
        domain = row.domain[min(i, len(row.domain) - 1)]
        if parent is not None and (np.isfinite(domain.low) or np.isfinite(domain.high)):
            yield np.minimum(x - domain.low, domain.high - x)
