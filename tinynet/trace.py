"""One run of a function whose arguments have an identity of their own in the graph: what every transform is made of.

A cotangent of its value can be pulled back to the arguments, v ↦ vᵀJ, and a tangent of the arguments pushed forward, t ↦ Jt.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinynet.autograd import pull_back
from tinynet.dtypes import as_array
from tinynet.errors import GradientError, ShapeError
from tinynet.graph import LEAF_NUMBER, enable_grad, is_grad_enabled
from tinynet.rules import name_of
from tinynet.rules.elementwise import identity
from tinynet.tensor import Tensor, node_of, wrap
from tinynet.trees import leaves, leaves_like, mapped

__all__ = ["Pushforward", "Trace", "Variable", "fitting"]


class Variable(Tensor):
    """The leaf that an argument of a transform comes from.

    While it is open, its function runs, or runs again in a checkpoint: what depends on it has to stay in the graph. A closed
    one, of a transform that has ended, is no reason to.
    """

    __slots__ = ("is_open",)

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad)
        self.is_open = False


class Trace:
    """A function's value at arguments of which the chosen ones are variables.

    Parameters
    ----------
    f : callable
        Takes the arguments, and returns a tensor or a container of tensors.
    args, kwargs
        What `f` is called with; the leaves of the chosen arguments are arrays or tensors of a floating dtype.
    positions : sequence of int
        Which of `args` are chosen.

    Attributes
    ----------
    name : str
        The name of `f`.
    value
        What `f` returned.
    inputs, outputs : list of Tensor
        The leaves of the chosen arguments and of the value.
    nested : bool
        Whether the value depends on something else that requires a gradient, so that derivatives have to be tensors.
    """

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], positions: Sequence[int], kwargs: dict[str, Any]) -> None:
        self.name = name_of(f)
        for position in positions:
            if not -len(args) <= position < len(args):
                raise IndexError(f"argnums={position}: {self.name} was called with {len(args)} positional arguments")
        self._chosen = [position % len(args) for position in positions]
        self._paths = [f"argument {i}{path}" for i in self._chosen for path, _ in leaves(args[i])]
        self._variables: list[Variable] = []
        recording = is_grad_enabled()
        with enable_grad():
            self._arguments = {i: mapped(self._renewed, args[i]) for i in self._chosen}
            self.inputs = [x for i in self._chosen for _, x in leaves(self._arguments[i])]
            self._nodes = [node_of(x) for x in self.inputs]  # before f runs, which may assign to its arguments
            with self._open():
                self.value = f(*(self._arguments.get(i, x) for i, x in enumerate(args)), **kwargs)
        self.outputs = [self._checked(y) for _, y in leaves(self.value)] or [self._checked(self.value)]
        given = len(self._variables) < len(self.inputs)  # an argument that requires a gradient itself
        self.nested = recording and (given or self._depends_on_others())

    def _renewed(self, x: Any) -> Tensor:
        """The argument under a node of its own: the child of the tensor that was given, or of a new variable."""
        if not (isinstance(x, Tensor) and x.requires_grad):
            x = Variable(x)
            self._variables.append(x)
        renewed: Tensor = identity(x)
        return renewed

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Within, what depends on the variables has to stay in the graph."""
        before = [variable.is_open for variable in self._variables]
        for variable in self._variables:
            variable.is_open = True
        try:
            yield
        finally:
            for variable, was_open in zip(self._variables, before, strict=True):
                variable.is_open = was_open

    def _checked(self, y: Any) -> Tensor:
        if isinstance(y, Tensor):
            return y
        raise TypeError(
            f"the derivative of {self.name}: it returned {type(y).__name__}, not a tensor; compute with NumPy's functions that "
            "have a derivative (math.exp, float(), comparisons and np.argmax leave the graph), and make a constant result with "
            "tn.tensor"
        )

    def _depends_on_others(self) -> bool:
        """Whether a leaf other than the variables of this run, and of those that have ended, leads to the value."""
        seen = set(self._nodes)
        stack = [node_of(y) for y in self.outputs if y.requires_grad]
        while stack:
            node = stack.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            if node.number == LEAF_NUMBER and (not isinstance(node, Variable) or node.is_open):
                return True
            stack.extend(node.parents)
        return False

    def pull(self, cotangents: Sequence[Any], retain: bool = True, create_graph: bool = False) -> list[Any]:
        """The cotangents of the inputs, given those of the outputs; None stands for zeros."""
        create_graph = create_graph or self.nested or _any_tracked(cotangents)
        pairs = [(y, v) for y, v in zip(self.outputs, cotangents, strict=True) if v is not None and y.requires_grad]
        with self._open():
            return _pulled([node_of(y) for y, _ in pairs], [v for _, v in pairs], self._nodes, create_graph, retain)

    def refuse_unused(self, gradients: Sequence[Any]) -> None:
        """Raise if a gradient did not arrive."""
        unused = [path for path, g in zip(self._paths, gradients, strict=True) if g is None]
        if unused:
            raise GradientError(
                f"the gradient of {self.name}: its value does not depend on {', '.join(unused)}; allow_unused=True gives zeros"
            )

    def structured(self, gradients: Sequence[Any], several: bool) -> Any:
        """Gradients in the structure of the arguments, a tuple of such if there are `several`; zeros for None."""
        pairs = zip(self.inputs, gradients, strict=True)
        rest = iter([self.zeros(x.shape, x.dtype) if g is None else g for x, g in pairs])
        trees = tuple(mapped(lambda _: next(rest), self._arguments[i]) for i in self._chosen)
        return trees if several else trees[0]

    def given_back(self, y: Tensor) -> Any:
        """An output as the caller gets it."""
        return y if self.nested else y.data

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """A derivative that is zero: a tensor where derivatives have to be."""
        zeros = np.zeros(shape, dtype)
        return wrap(zeros, None) if self.nested else zeros


class Pushforward:
    """t ↦ Jt: the pullback of a trace's own pullback v ↦ vᵀJ, which is linear in v."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._cotangents = [Variable(np.zeros_like(y.data), requires_grad=y.requires_grad) for y in trace.outputs]
        pulled = trace.pull(self._cotangents, create_graph=True)
        self._roots = [None if g is None or not g.requires_grad else node_of(g) for g in pulled]

    def __call__(self, tangents: Sequence[Any], retain: bool = False) -> list[Any]:
        """Jt, one an output; None among the tangents stands for zeros."""
        create_graph = self._trace.nested or _any_tracked(tangents)
        pairs = [(root, t) for root, t in zip(self._roots, tangents, strict=True) if root is not None and t is not None]
        pushed = _pulled([root for root, _ in pairs], [t for _, t in pairs], self._cotangents, create_graph, retain)
        return [self._trace.zeros(v.shape, v.dtype) if d is None else d for v, d in zip(self._cotangents, pushed, strict=True)]


def _pulled(roots: list[Any], seeds: list[Any], nodes: Sequence[Any], create_graph: bool, retain: bool) -> list[Any]:
    if create_graph:
        seeds = [v if isinstance(v, Tensor) else wrap(v, None) for v in seeds]
    else:
        seeds = [v.data if isinstance(v, Tensor) else v for v in seeds]
    return pull_back(roots, seeds, nodes, create_graph, retain or create_graph)


def _any_tracked(values: Sequence[Any]) -> bool:
    return any(isinstance(v, Tensor) and v.requires_grad for v in values)


def fitting(tree: Any, model: Any, what: str) -> list[Any]:
    """The leaves of a container of tangents or cotangents, each of the shape and dtype of the model's, or None for zeros."""
    fitted = []
    for (path, x), given in zip(leaves(model), leaves_like(tree, model, what), strict=True):
        if given is not None:
            array = x.data if isinstance(x, Tensor) else as_array(x)
            if np.shape(given) != array.shape:
                raise ShapeError(f"{what}{path and f' at {path}'} has shape {np.shape(given)}; it must have {array.shape}")
            given = given if isinstance(given, Tensor) else as_array(given).astype(array.dtype, copy=False)
        fitted.append(given)
    return fitted
