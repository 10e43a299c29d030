"""The optimizers in plain NumPy, for the peers that have none of their own and for the baseline."""

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.tasks import Array

__all__ = ["BY_NAME"]

Update = Callable[[Sequence[Array]], None]


def sgd(params: Sequence[Array], lr: float, momentum: float = 0.0) -> Update:
    velocities = [np.zeros_like(p) for p in params]

    def update(grads: Sequence[Array]) -> None:
        for p, v, g in zip(params, velocities, grads, strict=True):
            if momentum:
                v *= momentum
                v += g
                p -= lr * v
            else:
                p -= lr * g

    return update


def adam(params: Sequence[Array], lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Update:
    means = [np.zeros_like(p) for p in params]
    squares = [np.zeros_like(p) for p in params]
    t = 0

    def update(grads: Sequence[Array]) -> None:
        nonlocal t
        t += 1
        for p, m, s, g in zip(params, means, squares, grads, strict=True):
            m *= beta1
            m += (1 - beta1) * g
            s *= beta2
            s += (1 - beta2) * g * g
            p -= lr * (m / (1 - beta1**t)) / (np.sqrt(s / (1 - beta2**t)) + eps)

    return update


BY_NAME: dict[str, Callable[..., Update]] = {"sgd": sgd, "adam": adam}
