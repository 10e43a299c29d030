"""An ONNX graph in the making: `Graph` collects its nodes, and a `Value` is what flows between them."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.tensor import Tensor

if TYPE_CHECKING:
    from tinynet.nn.module import Module

__all__ = ["OPSET", "Graph", "Value"]

Array = np.ndarray[Any, Any]

OPSET = 18
"""The version of ONNX's operators: the lowest with all that is needed here, so that old programs read it too."""


_OF_THE_GRAPH = re.compile(r"input|output(_\d+)?")  # all others that it makes have a slash, which no parameter's has


class Graph:
    """The nodes and the initializers of a graph.

    Parameters
    ----------
    model : Module
        The model; its parameters and buffers go by their names in the `state_dict`, those of a stack, of which there is one
        for each member, aside. One that would be called as the graph's own inputs and outputs are has ``.value`` behind it.
    dtype : dtype
        What is computed in.
    """

    def __init__(self, model: "Module", dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.place = ""  # of the module that nodes are added for
        tensors = (*model.named_parameters(), *model.named_buffers())
        self._names = {id(x): f"{name}.value" if _OF_THE_GRAPH.fullmatch(name) else name for name, x in tensors}
        self._known: dict[Any, tuple[str, Any]] = {}  # with what an identity belongs to, so that it stays alive

    def node(self, operator: str, inputs: list[str], outputs: int, attributes: dict[str, Any]) -> list[str]:
        """Add a node, and return the names of its outputs."""
        from onnx import helper

        name = f"{self.place}/{operator}_{len(self.nodes)}"
        names = [name, *(f"{name}_{i}" for i in range(1, outputs))]
        self.nodes.append(helper.make_node(operator, inputs, names, name=name, **attributes))
        return names

    def constant(self, data: Any) -> str:
        """The name of a tensor, under which it stands in the file once, or of a number or an array."""
        array = data.data if isinstance(data, Tensor) else np.asarray(data)
        if not (array.dtype.kind in "iu" and isinstance(data, np.ndarray)):  # which counts, and says no number of the model's
            array = array.astype(self.dtype)
        key = id(data) if isinstance(data, Tensor) else (array.dtype, array.shape, array.tobytes())
        if key not in self._known:
            from onnx import numpy_helper

            name = self._names.get(id(data), f"/constant_{len(self.initializers)}")
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
            self._known[key] = name, data
        return self._known[key][0]


class Value:
    """What a node of the graph gives: arithmetic on it, and `node`, add further nodes.

    Beside it may stand parameters and buffers, on its right, and arrays and numbers. They become constants of the model's
    dtype, but for arrays of integers, which stay so.

    Parameters
    ----------
    graph : Graph
        Where the nodes go.
    name : str
        What it is called there.
    example : ndarray, optional
        Of a module's input: its value for the rows of the example, whose number is no part of the graph.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> class Gaussian(tn.nn.Module):
    ...     def __init__(self):
    ...         self.width = tn.nn.Parameter(2.0)
    ...     def forward(self, x):
    ...         return np.exp(-((x / self.width) ** 2))
    >>> @tn.onnx.form(Gaussian)
    ... def gaussian(module, x):
    ...     return (-((x / module.width) ** 2)).node("Exp")
    """

    __array_ufunc__ = None  # an array on the left leaves the arithmetic to the value

    def __init__(self, graph: Graph, name: str, example: Any = None) -> None:
        self.graph = graph
        self.name = name
        self.example = example

    def node(self, operator: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node whose first input this is.

        Parameters
        ----------
        operator : str
            The name of one of ONNX's operators.
        *inputs : Value, Tensor, array_like
            Its other inputs.
        outputs : int
            How many it has.
        **attributes
            Its attributes.

        Returns
        -------
        Value
            Its output, or a tuple of several.
        """
        names = [self.name, *(self.constant(x).name for x in inputs)]
        values = tuple(Value(self.graph, name) for name in self.graph.node(operator, names, outputs, attributes))
        return values if outputs > 1 else values[0]

    def constant(self, x: Any) -> "Value":
        """A tensor, an array or a number as a value of the same graph.

        Parameters
        ----------
        x : Tensor, array_like or Value
            A value stays as it is.

        Returns
        -------
        Value
        """
        return x if isinstance(x, Value) else Value(self.graph, self.graph.constant(x))

    def __neg__(self) -> Any:
        return self.node("Neg")

    def __add__(self, other: Any) -> Any:
        return self.node("Add", other)

    def __radd__(self, other: Any) -> Any:
        return self.constant(other).node("Add", self)

    def __sub__(self, other: Any) -> Any:
        return self.node("Sub", other)

    def __rsub__(self, other: Any) -> Any:
        return self.constant(other).node("Sub", self)

    def __mul__(self, other: Any) -> Any:
        return self.node("Mul", other)

    def __rmul__(self, other: Any) -> Any:
        return self.constant(other).node("Mul", self)

    def __truediv__(self, other: Any) -> Any:
        return self.node("Div", other)

    def __rtruediv__(self, other: Any) -> Any:
        return self.constant(other).node("Div", self)

    def __pow__(self, other: Any) -> Any:
        return self.node("Pow", other)

    def __matmul__(self, other: Any) -> Any:
        return self.node("MatMul", other)

    def __gt__(self, other: Any) -> Any:
        return self.node("Greater", other)

    def __ge__(self, other: Any) -> Any:
        return self.node("GreaterOrEqual", other)
