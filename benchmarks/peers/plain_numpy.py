"""Plain NumPy with the gradients derived by hand, as a person writes them down, and not tuned: the baseline."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers import Contestant, updates
from benchmarks.tasks import Array, Gradient, Training
from benchmarks.workloads import CHAIN_LENGTH

__all__ = ["BUILDERS", "LABEL"]

LABEL = "NumPy by hand"


def bce(z: Array, y: Array) -> tuple[Any, Array]:
    """The loss and its slope, summed over the members of an ensemble."""
    n = z.shape[-2]
    return np.sum(np.logaddexp(0, z) - y * z) / n, (1 / (1 + np.exp(-z)) - y) / n


def cross_entropy(z: Array, y: Array) -> tuple[Any, Array]:
    rows = np.arange(len(y))
    z = z - z.max(axis=1, keepdims=True)
    p = np.exp(z)
    total = p.sum(axis=1, keepdims=True)
    loss = np.mean(np.log(total[:, 0]) - z[rows, y])
    p /= total
    p[rows, y] -= 1
    return loss, p / len(y)


def mse(z: Array, y: Array) -> tuple[Any, Array]:
    d = z - y
    return np.mean(d * d), 2 * d / d.size


LOSSES = {"bce": bce, "cross_entropy": cross_entropy, "mse": mse}
ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "tanh": (np.tanh, lambda h: 1 - h * h),
    "relu": (lambda z: np.maximum(z, 0), lambda h: h > 0),
}
"""For each activation its values, and its slope in terms of them."""


def training(workload: Training, lr: float) -> Contestant:
    x, y = workload.data()
    params = workload.weights()
    layers = list(zip(params[::2], params[1::2], strict=True))
    activation, slope = ACTIVATIONS[workload.activation]
    loss_and_slope = LOSSES[workload.loss]
    update = updates.BY_NAME[workload.optimizer](params, lr, **workload.options)

    def step() -> Any:
        inputs = [x]
        for w, b in layers[:-1]:
            inputs.append(activation(inputs[-1] @ w.mT + b))
        w, b = layers[-1]
        loss, d = loss_and_slope(inputs[-1] @ w.mT + b, y)

        grads: list[Array] = []
        for i in reversed(range(len(layers))):
            w, b = layers[i]
            grads += [d.sum(axis=-2).reshape(b.shape), d.mT @ inputs[i]]
            if i:
                d = (d @ w) * slope(inputs[i])
        update(grads[::-1])
        return loss

    return Contestant(step, lambda: params)


def gradient(workload: Gradient, lr: float) -> Contestant:
    x, *constants = workload.data()
    g: Array = np.zeros_like(x)
    function = FUNCTIONS[workload.name]

    def step() -> Any:
        nonlocal g
        loss, g = function(x, *constants)
        return loss

    return Contestant(step, lambda: [g])


def gated(x: Array) -> tuple[Any, Array]:
    t = np.tanh(x)
    s = 1 / (1 + np.exp(-x))
    u = t * s + x
    q = 1 / (1 + np.exp(-u))
    y = u * q
    return y.sum(), (q + y * (1 - q)) * ((1 - t * t) * s + t * s * (1 - s) + 1)


def chain(x: Array, a: Array, b: Array) -> tuple[Any, Array]:
    y = x
    outputs = []
    for i in range(CHAIN_LENGTH):
        if i % 3 == 0:
            y = y * a
        elif i % 3 == 1:
            y = y + b
        else:
            y = np.tanh(y)
        outputs.append(y)
    g = np.ones_like(y)
    for i in reversed(range(CHAIN_LENGTH)):
        if i % 3 == 0:
            g = g * a
        elif i % 3 == 2:
            g = g * (1 - outputs[i] * outputs[i])
    return y.sum(), g


FUNCTIONS: dict[str, Callable[..., tuple[Any, Array]]] = {"gated": gated, "chain": chain}

BUILDERS = {Training: training, Gradient: gradient}
