"""RMSprop."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinynet.optim.optimizer import Array, Optimizer, Options

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton, lecture 6.5 of "Neural networks for machine learning", 2012).

    ``v = alpha * v + (1 - alpha) * g**2``, then ``p -= lr * g / (sqrt(v) + eps)``. The centered variant (Graves, "Generating
    sequences with recurrent neural networks", 2013) takes the square of the running mean of ``g`` off ``v``, which makes it a
    variance. With momentum, ``b = momentum * b + g / (sqrt(v) + eps); p -= lr * b``.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The parameters, or parameter groups; see `Optimizer`.
    lr : float
        The learning rate.
    alpha : float
        How much of the running means is kept from step to step.
    eps : float
        Keeps the quotient finite; it is added outside the root.
    weight_decay : float
        The coefficient of the L2 penalty, which is added to the gradient.
    momentum : float
        How much of the velocity ``b`` is kept from step to step.
    centered : bool
        Whether to divide by the standard deviation of the gradient in place of its root mean square.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> w = tn.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = tn.optim.RMSprop([w], lr=0.01, alpha=0.99)
    >>> np.sum(w * w).backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.9, -1.9], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum, "centered": centered,
            },
        )

    def vectors(self, options: Options) -> dict[str, float]:
        """The running means of the squared gradient and of the gradient, and the velocity."""
        names = ["square_avg", *["grad_avg"] * options["centered"], *["momentum_buffer"] * bool(options["momentum"])]
        return dict.fromkeys(names, 0.0)

    def constants(self, options: Options) -> Options:
        """The options, with what a mean takes in."""
        return {**options, "taken": 1 - options["alpha"]}

    def update(
        self, data: Array, grad: Array, scratch: Array, state: dict[str, Array], rates: list[Array], constants: Options
    ) -> None:
        """The formula of the class's head."""
        (lr,) = rates
        square = state["square_avg"]
        weight_decay, taken, momentum = constants["weight_decay"], constants["taken"], constants["momentum"]
        if weight_decay:
            grad = grad + weight_decay * data
        np.multiply(square, constants["alpha"], out=square)
        np.multiply(grad, grad, out=scratch)
        np.multiply(scratch, taken, out=scratch)
        np.add(square, scratch, out=square)
        if constants["centered"]:
            mean = state["grad_avg"]
            np.subtract(grad, mean, out=scratch)
            np.multiply(scratch, taken, out=scratch)
            np.add(mean, scratch, out=mean)
            np.multiply(mean, mean, out=scratch)
            np.subtract(square, scratch, out=scratch)
            square = scratch
        np.sqrt(square, out=scratch)
        np.add(scratch, constants["eps"], out=scratch)
        change = np.divide(grad, scratch, out=scratch)
        if momentum:
            velocity = state["momentum_buffer"]
            np.multiply(velocity, momentum, out=velocity)
            change = np.add(velocity, scratch, out=velocity)
        np.multiply(change, lr, out=scratch)
        np.subtract(data, scratch, out=data)
