"""Adam, and AdamW, which is Adam with its weight decay decoupled."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinynet.optim.optimizer import Array, Optimizer, Options

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam (Kingma and Ba, "Adam: a method for stochastic optimization", 2015).

    With the gradient ``g`` and the step count ``t``::

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        p -= lr / (1 - beta1**t) * m / (sqrt(v) / sqrt(1 - beta2**t) + eps)

    which is computed as the paper proposes, with the two corrections, in float64, taken into the learning rate and eps.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The parameters, or parameter groups; see `Optimizer`.
    lr : float
        The learning rate.
    betas : tuple of float
        How much of the running means of the gradient and of its square is kept from step to step.
    eps : float
        Keeps the quotient finite.
    weight_decay : float
        The coefficient of the L2 penalty, which is added to the gradient.
    amsgrad : bool
        Whether to divide by the largest ``v`` so far (Reddi et al., "On the convergence of Adam and beyond", 2018).

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> w = tn.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = tn.optim.Adam([w], lr=0.1)
    >>> np.sum(w * w).backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.9, -1.9], requires_grad=True)
    """

    _decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad})

    def vectors(self, options: Options) -> dict[str, float]:
        """The running means of the gradient and of its square, and the largest of the latter."""
        names = ["exp_avg", "exp_avg_sq", *["max_exp_avg_sq"] * options["amsgrad"]]
        return dict.fromkeys(names, 0.0)

    def constants(self, options: Options) -> Options:
        """The options, with what each mean keeps and takes in."""
        beta1, beta2 = options["betas"]
        return {**options, "taken1": 1 - beta1, "kept2": beta2, "taken2": 1 - beta2}

    def rates(self, step: Array, lr: Array, options: Options) -> tuple[Any, ...]:
        """Learning rate and eps, corrected for the means' start at zero; and what a decoupled decay leaves of a parameter."""
        beta1, beta2 = options["betas"]
        lr, step = lr[()], step[()]  # NumPy scalars, whose arithmetic is quick
        root = np.sqrt(1 - beta2**step)
        corrected = root * lr / (1 - beta1**step), root * options["eps"]
        return (*corrected, 1 - lr * options["weight_decay"]) if self._decoupled else corrected

    def update(
        self, data: Array, grad: Array, scratch: Array, state: dict[str, Array], rates: list[Array], constants: Options
    ) -> None:
        """The formula of the class's head."""
        lr, eps, *left = rates
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        weight_decay = constants["weight_decay"]
        if left:
            np.multiply(data, left[0], out=data)
        elif weight_decay:
            grad = grad + weight_decay * data
        np.subtract(grad, mean, out=scratch)
        np.multiply(scratch, constants["taken1"], out=scratch)
        np.add(mean, scratch, out=mean)
        np.multiply(grad, grad, out=scratch)
        np.multiply(scratch, constants["taken2"], out=scratch)
        np.multiply(square, constants["kept2"], out=square)
        np.add(square, scratch, out=square)
        if constants["amsgrad"]:
            square = np.maximum(state["max_exp_avg_sq"], square, out=state["max_exp_avg_sq"])
        np.sqrt(square, out=scratch)
        np.add(scratch, eps, out=scratch)
        np.divide(mean, scratch, out=scratch)
        np.multiply(scratch, lr, out=scratch)
        np.subtract(data, scratch, out=data)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019).

    Each step begins with ``p *= 1 - lr * weight_decay``; the gradient is left alone.

    Parameters
    ----------
    params, lr, betas, eps, amsgrad
        As for `Adam`.
    weight_decay : float
        The coefficient of the decay.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> w = tn.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = tn.optim.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> np.sum(w * w).backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.85, -1.8 ], requires_grad=True)
    """

    _decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad)
