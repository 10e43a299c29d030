"""The two kinds of workload, as plain data: a network to train, and a function to differentiate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

__all__ = ["Array", "Gradient", "Training", "Workload"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What every workload says of itself.

    Attributes
    ----------
    name : str
        What the command line calls it.
    title, description : str
        What the report calls it, and says of it.
    dtype : str
        Of all arrays but class labels.
    operations : int
        How many operations a step has, where the time of one is of interest; 0 otherwise.
    lr : float
        The learning rate at which the losses are compared; 0 where nothing is learned.
    """

    outcome: ClassVar[str]
    """What a peer's result shows, beside its losses."""

    name: str
    title: str
    description: str
    dtype: str
    operations: int = 0
    lr: float = 0.0

    @property
    def timed_lr(self) -> float:
        """The learning rate while the clock runs: the weights stay where they start.

        A network that trains for ten thousand timed steps has almost no gradient left: Adam's moments sink into the
        denormal numbers, whose arithmetic is many times slower, and the clock measures that instead of the library.
        """
        return 1e-12 * self.lr

    def origin(self) -> list[Array]:
        """The arrays from which the `outcome` of a run is measured."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Training(Workload):
    """One training step of a multi-layer perceptron, or of many at once: forward, loss, backward, update.

    Attributes
    ----------
    sizes : tuple of int
        Width of the input, of each hidden layer, and of the output.
    activation : str
        ``"tanh"`` or ``"relu"``, after each hidden layer.
    loss : str
        ``"bce"`` (binary cross-entropy on logits), ``"cross_entropy"`` (on logits and class numbers) or ``"mse"``; the mean
        over the batch, summed over the members of an ensemble.
    optimizer : str
        ``"sgd"`` or ``"adam"``, with torch's formulas and the `options`.
    points : callable
        Gives the points, of shape (batch, in), and their targets, of shape (batch, out) or, for class numbers, (batch,).
    gain : float
        Initial weights and biases are uniform within ± gain/√in.
    members : int
        0 for one network; otherwise every array has a leading axis of that length, and each member has points of its own.
    """

    outcome = "weight changes"

    sizes: tuple[int, ...]
    activation: str
    loss: str
    optimizer: str
    options: dict[str, float] = field(default_factory=dict)
    points: Callable[[np.random.Generator], tuple[Array, Array]]
    gain: float = 1.0
    members: int = 0

    def data(self) -> tuple[Array, Array]:
        """New arrays of the points and their targets."""
        rng = np.random.default_rng(1)
        if self.members:
            x, y = map(np.stack, zip(*(self.points(rng) for _ in range(self.members)), strict=True))
        else:
            x, y = self.points(rng)
        return x.astype(self.dtype), y.astype(np.int64 if self.loss == "cross_entropy" else self.dtype)

    def weights(self) -> list[Array]:
        """New arrays of the first weight (out, in) and bias (out,) of each layer; of an ensemble (m, out, in), (m, 1, out)."""
        rng = np.random.default_rng(0)
        arrays = []
        for fan_in, fan_out in zip(self.sizes, self.sizes[1:], strict=False):
            bound = self.gain * fan_in**-0.5
            ahead = (self.members,) if self.members else ()
            arrays += [
                rng.uniform(-bound, bound, (*ahead, fan_out, fan_in)),
                rng.uniform(-bound, bound, (*ahead, 1, fan_out) if self.members else (fan_out,)),
            ]
        return [array.astype(self.dtype) for array in arrays]

    def origin(self) -> list[Array]:
        return self.weights()

    def logits(self, params: Sequence[Any], x: Any, activation: Callable[[Any], Any]) -> Any:
        """The network as a function of any library's arrays, for the peers without modules."""
        for w, b in zip(params[:-2:2], params[1:-2:2], strict=True):
            x = activation(x @ w.swapaxes(-1, -2) + b)
        return x @ params[-2].swapaxes(-1, -2) + params[-1]


@dataclass(frozen=True, kw_only=True)
class Gradient(Workload):
    """A function of one array, summed, and its gradient.

    Attributes
    ----------
    size : int
        How many elements.
    function : callable
        ``function(lib, x, *constants)`` on any library's arrays gives an array; `lib` has ``tanh`` and ``sigmoid``.
    constants : tuple of (float, float)
        For each constant the middle of its elements, and by how much they differ from it at most.
    """

    outcome = "gradients"

    size: int
    function: Callable[..., Any]
    constants: tuple[tuple[float, float], ...] = ()

    def data(self) -> list[Array]:
        """The array x and the function's constants, of shape (size,)."""
        rng = np.random.default_rng(2)
        x = rng.uniform(-1, 1, self.size)
        constants = (middle + spread * rng.uniform(-1, 1, self.size) for middle, spread in self.constants)
        return [array.astype(self.dtype) for array in (x, *constants)]

    def total(self, lib: Any, x: Any, *constants: Any) -> Any:
        """The sum of the function's values."""
        return self.function(lib, x, *constants).sum()

    def origin(self) -> list[Array]:
        return [np.zeros(self.size, self.dtype)]
