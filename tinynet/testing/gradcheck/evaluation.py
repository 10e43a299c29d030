"""A function as `gradcheck` sees it: arrays in, a list of arrays out; and its gradient as such a function again."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.autograd import grad
from tinynet.graph import Node, reachable
from tinynet.tensor import Tensor, node_of
from tinynet.testing.gradcheck.report import GradcheckError

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["Function", "Gradient", "leaves_of", "operations", "random_cotangent", "read_only"]

Array = np.ndarray[Any, Any]


class Function:
    """A person's function."""

    order = 0
    """How often it is differentiated."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f

    def outputs(self, leaves: Sequence[Tensor]) -> list[Tensor]:
        """The results on tensors, recorded."""
        try:
            result = self.f(*leaves)
        except ValueError as error:
            if "read-only" in str(error):
                raise GradcheckError(f"f, or an operation in it, writes to its input: {error}") from error
            raise
        results = result if isinstance(result, tuple | list) else [result]
        if any(y is None or isinstance(y, dict) for y in results):
            raise TypeError(f"gradcheck: f returned {type(result).__name__}; it returns a tensor, or a tuple of them")
        return [y if isinstance(y, Tensor) else Tensor(y) for y in results]

    def values(self, *arrays: Array) -> list[Array]:
        """The results on arrays."""
        return [y.data for y in self.outputs(leaves_of(arrays))]

    def complex_values(self, *arrays: Array) -> list[Array] | None:
        """The results of the code itself on complex arrays, without a tensor; None where it cannot compute with them."""
        try:
            with np.errstate(all="ignore"):
                result = self.f(*arrays)
        except Exception:  # whatever a person's code raises on numbers it was not written for
            return None
        results = [np.asarray(y) for y in (result if isinstance(result, tuple | list) else [result])]
        return results if all(y.dtype.kind in "fc" for y in results) else None


class Gradient(Function):
    """The gradient of a function of `n` inputs, as a function of these inputs and the cotangents of its outputs."""

    def __init__(self, of: Function, n: int) -> None:
        self.of = of
        self.n = n
        self.order = of.order + 1

    def outputs(self, leaves: Sequence[Tensor]) -> list[Tensor]:
        return self._gradients(leaves, create_graph=True)

    def values(self, *arrays: Array) -> list[Array]:
        tensors = [*leaves_of(arrays[: self.n]), *(Tensor(x) for x in arrays[self.n :])]
        return [y.data for y in self._gradients(tensors, create_graph=False)]

    def complex_values(self, *arrays: Array) -> None:
        return None

    def _gradients(self, tensors: Sequence[Tensor], create_graph: bool) -> list[Tensor]:
        inputs = tensors[: self.n]
        outputs = self.of.outputs(inputs)
        used = [(y, v) for y, v in zip(outputs, tensors[self.n :], strict=True) if y.requires_grad]
        found = grad([y for y, _ in used], inputs, [v for _, v in used], create_graph=create_graph, allow_unused=True)
        return [Tensor(np.zeros_like(x.data)) if g is None else g for x, g in zip(inputs, found, strict=True)]


def leaves_of(arrays: Iterable[Array]) -> list[Tensor]:
    """New leaves that hold the arrays."""
    return [Tensor(x, requires_grad=True) for x in arrays]


def read_only(x: Array) -> Array:
    """The array seen through a view that cannot be written to."""
    view = np.asarray(x).view()  # 0-d results of NumPy are no arrays
    view.flags.writeable = False
    return view


def operations(outputs: Iterable[Tensor]) -> list[Node]:
    """The recorded operations that the outputs come from, newest first."""
    nodes = reachable(node_of(y) for y in outputs if y.requires_grad)
    return [node for node in nodes if isinstance(node, Node) and node.operands is not None]


def random_cotangent(generator: "Generator", shape: tuple[int, ...]) -> Array:
    """Random numbers of both signs, none near zero, so that no element's error hides."""
    return np.asarray(generator.uniform(0.5, 1.5, shape) * generator.choice([-1.0, 1.0], shape))
