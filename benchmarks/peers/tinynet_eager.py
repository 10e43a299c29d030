"""tinynet, eager: the loop its users write."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

import tinynet as tn
from benchmarks.peers import Contestant
from benchmarks.tasks import Gradient, Training

__all__ = ["BUILDERS", "LABEL", "LIBRARY", "learner"]

LABEL = "tinynet"
ACTIVATIONS = {"tanh": tn.nn.Tanh, "relu": tn.nn.ReLU}
LOSSES = {"bce": tn.nn.BCEWithLogitsLoss, "cross_entropy": tn.nn.CrossEntropyLoss, "mse": tn.nn.MSELoss}
OPTIMIZERS = {"sgd": tn.optim.SGD, "adam": tn.optim.Adam}
LIBRARY = SimpleNamespace(tanh=np.tanh, sigmoid=tn.sigmoid)


class Ensemble(tn.nn.Module):
    """Many networks of one shape: parameters with a leading axis, and batched products."""

    def __init__(self, workload: Training) -> None:
        super().__init__()
        self.workload = workload
        self.activation = ACTIVATIONS[workload.activation]()
        self.params = [tn.nn.Parameter(array) for array in workload.weights()]

    def forward(self, x: Any) -> Any:
        return self.workload.logits(self.params, x, self.activation)


def network(workload: Training) -> tn.nn.Module:
    layers: list[tn.nn.Module] = []
    for fan_in, fan_out in zip(workload.sizes, workload.sizes[1:], strict=False):
        layers += [tn.nn.Linear(fan_in, fan_out), ACTIVATIONS[workload.activation]()]
    model = tn.nn.Sequential(*layers[:-1]).astype(workload.dtype)
    model.load_state_dict(dict(zip(model.state_dict(), workload.weights(), strict=True)))
    return model


def learner(workload: Training, lr: float) -> tuple[Callable[[Any, Any], Any], list[tn.nn.Parameter]]:
    """A training step of a batch, and the parameters that it changes."""
    model = Ensemble(workload) if workload.members else network(workload)
    options = {"reduction": "sum"} if workload.members else {}
    loss_function = LOSSES[workload.loss](**options)
    optimizer = OPTIMIZERS[workload.optimizer](model.parameters(), lr=lr, **workload.options)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_function(model(x), y)
        if workload.members:
            loss = loss / x.shape[-2]
        loss.backward()
        optimizer.step()
        return loss

    return step, list(model.parameters())


def training(workload: Training, lr: float) -> Contestant:
    x, y = workload.data()
    step, params = learner(workload, lr)
    return Contestant(lambda: step(x, y), lambda: [p.data for p in params])


def gradient(workload: Gradient, lr: float) -> Contestant:
    start, *constants = workload.data()
    x = tn.tensor(start)

    def step() -> Any:
        nonlocal x
        x = tn.tensor(start, requires_grad=True)
        loss = workload.total(LIBRARY, x, *constants)
        loss.backward()
        return loss

    return Contestant(step, lambda: [np.asarray(x.grad)])


BUILDERS = {Training: training, Gradient: gradient}
