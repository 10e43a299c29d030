"""mygrad, its memory guard off as its documentation advises for speed, and the update in plain NumPy."""

from types import SimpleNamespace
from typing import Any

import mygrad as mg
from mygrad.nnet.activations import relu, sigmoid
from mygrad.nnet.losses import softmax_crossentropy

from benchmarks.peers import Contestant, updates
from benchmarks.tasks import Gradient, Training

__all__ = ["BUILDERS", "LABEL"]

LABEL = "mygrad"
ACTIVATIONS = {"tanh": mg.tanh, "relu": relu}
LOSSES = {
    "bce": lambda z, y: mg.sum(mg.logaddexp(0, z) - y * z) / z.shape[-2],
    "cross_entropy": softmax_crossentropy,
    "mse": lambda z, y: mg.mean((z - y) ** 2),
}
LIBRARY = SimpleNamespace(tanh=mg.tanh, sigmoid=sigmoid)

mg.turn_memory_guarding_off()


def training(workload: Training, lr: float) -> Contestant:
    x, y = workload.data()
    arrays = workload.weights()
    params = [mg.tensor(array, copy=False) for array in arrays]
    activation, loss_function = ACTIVATIONS[workload.activation], LOSSES[workload.loss]
    update = updates.BY_NAME[workload.optimizer](arrays, lr, **workload.options)

    def step() -> Any:
        loss = loss_function(workload.logits(params, x, activation), y)
        loss.backward()
        update([p.grad for p in params])
        return loss

    return Contestant(step, lambda: arrays)


def gradient(workload: Gradient, lr: float) -> Contestant:
    start, *constants = workload.data()
    x = mg.tensor(start)

    def step() -> Any:
        loss = workload.total(LIBRARY, x, *constants)
        loss.backward()
        return loss

    return Contestant(step, lambda: [x.grad])


BUILDERS = {Training: training, Gradient: gradient}
