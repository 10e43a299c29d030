"""Adagrad."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinynet.optim.optimizer import Array, Optimizer, Options

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Adagrad (Duchi et al., "Adaptive subgradient methods for online learning and stochastic optimization", 2011).

    ``s += g**2``, then ``p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)`` at step ``t``.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The parameters, or parameter groups; see `Optimizer`.
    lr : float
        The learning rate.
    lr_decay : float
        How fast the learning rate falls.
    weight_decay : float
        The coefficient of the L2 penalty, which is added to the gradient.
    initial_accumulator_value : float
        What ``s`` starts from.
    eps : float
        Keeps the quotient finite.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> w = tn.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = tn.optim.Adagrad([w], lr=0.1)
    >>> np.sum(w * w).backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.9, -1.9], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value, "eps": eps,
            },
        )

    def vectors(self, options: Options) -> dict[str, float]:
        """The sum of the squared gradients."""
        return {"sum": options["initial_accumulator_value"]}

    def rates(self, step: Array, lr: Array, options: Options) -> tuple[Any, ...]:
        """The decayed learning rate."""
        return (lr / (1 + (step - 1) * options["lr_decay"]),)

    def update(
        self, data: Array, grad: Array, scratch: Array, state: dict[str, Array], rates: list[Array], constants: Options
    ) -> None:
        """The formula of the class's head."""
        (rate,) = rates
        total, weight_decay = state["sum"], constants["weight_decay"]
        if weight_decay:
            grad = grad + weight_decay * data
        np.multiply(grad, grad, out=scratch)
        np.add(total, scratch, out=total)
        np.sqrt(total, out=scratch)
        np.add(scratch, constants["eps"], out=scratch)
        np.divide(grad, scratch, out=scratch)
        np.multiply(scratch, rate, out=scratch)
        np.subtract(data, scratch, out=data)
