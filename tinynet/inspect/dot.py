"""The computation graph of a tensor as DOT, the language of Graphviz."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinynet.errors import GradientError, GraphError
from tinynet.graph import LEAF_NUMBER, reachable
from tinynet.inspect.drawing import Drawing
from tinynet.nn.module import Module
from tinynet.tensor import Tensor, node_of

__all__ = ["dot"]


def dot(tensor: Tensor, model: Module | None = None) -> Drawing:
    """The graph that a tensor was computed by: what went in, the operations, and the shapes of the results.

    Operations are ellipses, tensors that require a gradient boxes, and constants are grey; arrows go the way of the
    computation. In a notebook the picture is shown where Graphviz is installed, which draws it also for ``.svg()``.

    Parameters
    ----------
    tensor : Tensor
        A tensor that requires a gradient, before its graph is freed.
    model : Module, optional
        Where the names of parameters are taken from.

    Returns
    -------
    Drawing
        The text: a str with the method `svg`.

    Raises
    ------
    GradientError
        If it is no tensor, or requires no gradient, and so has no graph.
    TypeError
        If the model is no module.
    GraphError
        If the graph was freed by `Tensor.backward`.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> layer = tn.nn.Linear(2, 1, bias=False)
    >>> print(tn.inspect.dot(np.sum(layer(np.ones((5, 2))), axis=0), layer))
    digraph {
      node [fontname="monospace"];
      n0 [label="constant\\n(5, 2)", shape=box, color=gray, fontcolor=gray];
      n1 [label="weight\\n(1, 2)", shape=box];
      n2 [label="tn.linear\\n(5, 1)"];
      n3 [label="np.sum axis=0\\n(1,)"];
      n0 -> n2 [color=gray];
      n1 -> n2;
      n2 -> n3;
    }
    """
    if not isinstance(tensor, Tensor):
        raise GradientError(f"dot: a {type(tensor).__name__} has no graph; give a tensor that was computed with gradients")
    if model is not None and not isinstance(model, Module):
        raise TypeError(f"dot: the model is a {type(model).__name__}; it must be a tn.nn.Module")
    names = {} if model is None else {id(x): name for name, x in model.named_parameters()}
    root = node_of(tensor)
    numbers: dict[int, int] = {}
    lines: list[str] = []
    arrows: list[str] = []

    def drawn(thing: Any, label: str, style: str) -> int:
        """The number of a node of the drawing, which is drawn when it is first met; a constant number at each of its uses."""
        number = len(lines) if np.isscalar(thing) else numbers.setdefault(id(thing), len(lines))
        if number == len(lines):
            lines.append(f"  n{number} [label={_quoted(label)}{style}];")
        return number

    def leaf(x: Any) -> int:
        return drawn(x, f"{names.get(id(x), 'tensor')}\n{x.shape}", ", shape=box")

    if root is tensor:
        leaf(tensor)
    for node in reversed([node for node in reachable([root]) if node.number != LEAF_NUMBER]):
        if node.operands is None:
            raise GraphError("dot: the graph was freed by backward(); draw it before, or call backward(retain_graph=True)")
        sources = []
        for x, parent in zip(node.operands, node.parents, strict=True):
            if parent is not None:
                sources.append((numbers[id(parent)] if parent.number != LEAF_NUMBER else leaf(parent), ""))
            elif x is not None:
                sources.append((drawn(x, _constant(x), ", shape=box, color=gray, fontcolor=gray"), " [color=gray]"))
        number = drawn(node, f"{_operation(node.rule.name, node.params)}\n{node.out.shape}", "")
        arrows += [f"  n{source} -> n{number}{style};" for source, style in sources]
    return Drawing("\n".join(["digraph {", '  node [fontname="monospace"];', *lines, *arrows, "}"]))


def _constant(x: Any) -> str:
    return f"constant\n{np.shape(x)}" if np.ndim(x) else f"{x}"


def _operation(name: str, params: Mapping[str, Any]) -> str:
    """The operation and its parameters, those that are written in code."""
    inner = ("hooks", "call")
    shown = {key: value for key, value in params.items() if key == "index" or (value is not None and key not in inner)}
    texts = {key: _written(value) for key, value in shown.items()}
    return " ".join([name, *(f"{key}={text if len(text) <= 24 else text[:23] + '…'}" for key, text in texts.items())])


def _written(value: Any) -> str:
    """A parameter as it is written in Python, slices as in an index."""
    if isinstance(value, np.ndarray):
        return f"array{value.shape}"
    if isinstance(value, slice):
        start, stop, step = ("" if end is None else str(end) for end in (value.start, value.stop, value.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    if type(value) is tuple:
        return f"({', '.join(map(_written, value))}{',' if len(value) == 1 else ''})"
    return "..." if value is Ellipsis else repr(value)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
