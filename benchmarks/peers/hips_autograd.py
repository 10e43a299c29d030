"""HIPS autograd, with the update in plain NumPy."""

from types import SimpleNamespace
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np

from benchmarks.peers import Contestant, updates
from benchmarks.tasks import Array, Gradient, Training

__all__ = ["BUILDERS", "LABEL"]

LABEL = "autograd"
ACTIVATIONS = {"tanh": anp.tanh, "relu": lambda a: anp.maximum(a, 0)}


def cross_entropy(z: Any, y: Any) -> Any:
    z = z - anp.max(z, axis=1, keepdims=True)
    return anp.mean(anp.log(anp.sum(anp.exp(z), axis=1)) - z[np.arange(len(y)), y])


LOSSES = {
    "bce": lambda z, y: anp.sum(anp.logaddexp(0, z) - y * z) / z.shape[-2],
    "cross_entropy": cross_entropy,
    "mse": lambda z, y: anp.mean((z - y) ** 2),
}
LIBRARY = SimpleNamespace(tanh=anp.tanh, sigmoid=lambda a: 1 / (1 + anp.exp(-a)))


def training(workload: Training, lr: float) -> Contestant:
    x, y = workload.data()
    params = workload.weights()
    activation, loss_function = ACTIVATIONS[workload.activation], LOSSES[workload.loss]
    update = updates.BY_NAME[workload.optimizer](params, lr, **workload.options)
    loss_and_grads = autograd.value_and_grad(lambda params: loss_function(workload.logits(params, x, activation), y))

    def step() -> Any:
        loss, grads = loss_and_grads(params)
        update(grads)
        return loss

    return Contestant(step, lambda: params)


def gradient(workload: Gradient, lr: float) -> Contestant:
    x, *constants = workload.data()
    g: Array = np.zeros_like(x)
    loss_and_grad = autograd.value_and_grad(lambda x: workload.total(LIBRARY, x, *constants))

    def step() -> Any:
        nonlocal g
        loss, g = loss_and_grad(x)
        return loss

    return Contestant(step, lambda: [g])


BUILDERS = {Training: training, Gradient: gradient}
