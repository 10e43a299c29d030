"""PyTorch, eager, with torch.optim: the loop its users write."""

from types import SimpleNamespace
from typing import Any

import torch

from benchmarks.peers import Contestant
from benchmarks.tasks import Gradient, Training

__all__ = ["ACTIVATIONS", "BUILDERS", "LABEL", "LIBRARY", "gradient", "training"]

LABEL = "PyTorch, eager"
ACTIVATIONS = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}
LOSSES = {"bce": torch.nn.BCEWithLogitsLoss, "cross_entropy": torch.nn.CrossEntropyLoss, "mse": torch.nn.MSELoss}
OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
LIBRARY = SimpleNamespace(tanh=torch.tanh, sigmoid=torch.sigmoid)


class Ensemble(torch.nn.Module):
    """Many networks of one shape: parameters with a leading axis, and batched products."""

    def __init__(self, workload: Training) -> None:
        super().__init__()
        self.workload = workload
        self.activation = ACTIVATIONS[workload.activation]()
        self.params = torch.nn.ParameterList(map(torch.from_numpy, workload.weights()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.workload.logits(list(self.params), x, self.activation)


def network(workload: Training) -> torch.nn.Module:
    layers: list[torch.nn.Module] = []
    for fan_in, fan_out in zip(workload.sizes, workload.sizes[1:], strict=False):
        layers += [torch.nn.Linear(fan_in, fan_out), ACTIVATIONS[workload.activation]()]
    weights = list(map(torch.from_numpy, workload.weights()))
    model = torch.nn.Sequential(*layers[:-1]).to(weights[0].dtype)
    model.load_state_dict(dict(zip(model.state_dict(), weights, strict=True)))
    return model


def training(workload: Training, lr: float, **options: Any) -> Contestant:
    """A step with a module and an optimizer; `options` are further ones of the optimizer."""
    x, y = workload.data()
    model = Ensemble(workload) if workload.members else network(workload)
    loss_function = LOSSES[workload.loss](reduction="sum" if workload.members else "mean")
    optimizer = OPTIMIZERS[workload.optimizer](model.parameters(), lr=lr, **workload.options, **options)

    def step() -> Any:
        optimizer.zero_grad()
        loss = loss_function(model(torch.from_numpy(x)), torch.from_numpy(y))
        if workload.members:
            loss = loss / x.shape[-2]
        loss.backward()
        optimizer.step()
        return loss

    return Contestant(step, lambda: [p.detach().numpy() for p in model.parameters()])


def gradient(workload: Gradient, lr: float) -> Contestant:
    start, *constants = workload.data()
    x = torch.from_numpy(start)

    def step() -> Any:
        nonlocal x
        x = torch.from_numpy(start).requires_grad_()
        loss = workload.total(LIBRARY, x, *map(torch.from_numpy, constants))
        loss.backward()
        return loss

    return Contestant(step, lambda: [x.grad.numpy()])


BUILDERS = {Training: training, Gradient: gradient}
