"""Stochastic gradient descent, with momentum."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinynet.optim.optimizer import Array, Optimizer, Options

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent: ``p -= lr * g``, or with momentum ``v = momentum * v + (1 - dampening) * g; p -= lr * v``.

    The first step takes ``v = g``. Nesterov's variant steps by ``g + momentum * v`` (Sutskever et al., "On the importance of
    initialization and momentum in deep learning", 2013). Weight decay adds ``weight_decay * p`` to the gradient.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The parameters, or parameter groups; see `Optimizer`.
    lr : float
        The learning rate.
    momentum : float
        How much of the velocity ``v`` is kept from step to step.
    dampening : float
        How much less than fully a gradient enters the velocity.
    weight_decay : float
        The coefficient of the L2 penalty.
    nesterov : bool
        Whether to look ahead; it needs a momentum and no dampening.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> w = tn.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = tn.optim.SGD([w], lr=0.25)
    >>> np.sum(w * w).backward()
    >>> optimizer.step()
    >>> w
    tensor([0.5, 1. ], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(params, options)

    @classmethod
    def validate(cls, options: Options) -> Options:
        """As for every optimizer; Nesterov's variant needs a momentum and no dampening."""
        options = super().validate(options)
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov=True needs a momentum above 0 and no dampening, got momentum={options['momentum']} and "
                f"dampening={options['dampening']}"
            )
        return options

    def vectors(self, options: Options) -> dict[str, float]:
        """The velocity."""
        return {"momentum_buffer": 0.0} if options["momentum"] else {}

    def rates(self, step: Array, lr: Array, options: Options) -> tuple[Any, ...]:
        """The learning rate, and with dampening the share of the gradient that enters the velocity: all of it at first."""
        return (lr, 1 - options["dampening"] * (step > 1)) if options["dampening"] else (lr,)

    def update(
        self, data: Array, grad: Array, scratch: Array, state: dict[str, Array], rates: list[Array], constants: Options
    ) -> None:
        """The formula of the class's head."""
        lr, *share = rates
        momentum, weight_decay = constants["momentum"], constants["weight_decay"]
        if weight_decay:
            grad = grad + weight_decay * data
        change = grad
        if momentum:
            velocity = state["momentum_buffer"]
            np.multiply(velocity, momentum, out=velocity)
            np.add(velocity, np.multiply(grad, share[0], out=scratch) if share else grad, out=velocity)
            change = velocity
            if constants["nesterov"]:
                np.multiply(velocity, momentum, out=scratch)
                change = np.add(grad, scratch, out=scratch)
        np.multiply(change, lr, out=scratch)
        np.subtract(data, scratch, out=data)
