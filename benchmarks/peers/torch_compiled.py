"""PyTorch, the whole step (forward, gradient, update) compiled by one torch.compile; it needs a C++ compiler."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from benchmarks.peers import Contestant
from benchmarks.peers.torch_eager import LIBRARY
from benchmarks.tasks import Gradient, Training

__all__ = ["BUILDERS", "LABEL"]

LABEL = "PyTorch, torch.compile"
warnings.filterwarnings("ignore", "dynamo_pgo force disabled")
ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu}
LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "bce": lambda z, y: functional.binary_cross_entropy_with_logits(z, y, reduction="sum") / z.shape[-2],
    "cross_entropy": functional.cross_entropy,
    "mse": functional.mse_loss,
}
Update = Callable[[Sequence[torch.Tensor]], None]


def sgd(params: Sequence[torch.Tensor], lr: float, momentum: float = 0.0) -> Update:
    velocities = [torch.zeros_like(p) for p in params]

    def update(grads: Sequence[torch.Tensor]) -> None:
        for p, v, g in zip(params, velocities, grads, strict=True):
            p.sub_(lr * (v.mul_(momentum).add_(g) if momentum else g))

    return update


def adam(params: Sequence[torch.Tensor], lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Update:
    means = [torch.zeros_like(p) for p in params]
    squares = [torch.zeros_like(p) for p in params]
    t = torch.zeros(1, dtype=torch.float64)  # the compiler reads a 0-d tensor before it is moved

    def update(grads: Sequence[torch.Tensor]) -> None:
        t.add_(1)
        rate, root = lr / (1 - beta1**t), torch.sqrt(1 - beta2**t)
        for p, m, s, g in zip(params, means, squares, grads, strict=True):
            m.mul_(beta1).add_((1 - beta1) * g)
            s.mul_(beta2).add_((1 - beta2) * g * g)
            p.sub_(rate.to(p.dtype) * m / (torch.sqrt(s) / root.to(p.dtype) + eps))

    return update


OPTIMIZERS = {"sgd": sgd, "adam": adam}


def training(workload: Training, lr: float) -> Contestant:
    x, y = workload.data()
    params = list(map(torch.from_numpy, workload.weights()))
    activation, loss_function = ACTIVATIONS[workload.activation], LOSSES[workload.loss]
    update = OPTIMIZERS[workload.optimizer](params, lr, **workload.options)

    torch.compiler.reset()  # it gives up on a function that it has compiled several times

    @torch.compile(fullgraph=True, dynamic=False)
    def compiled(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        grads, loss = torch.func.grad_and_value(lambda params: loss_function(workload.logits(params, x, activation), y))(params)
        update(grads)
        return loss

    return Contestant(lambda: compiled(torch.from_numpy(x), torch.from_numpy(y)), lambda: [p.numpy() for p in params])


def gradient(workload: Gradient, lr: float) -> Contestant:
    arrays = workload.data()
    g = torch.zeros(workload.size)

    torch.compiler.reset()  # it gives up on a function that it has compiled several times

    @torch.compile(fullgraph=True, dynamic=False)
    def compiled(x: torch.Tensor, *constants: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.func.grad_and_value(lambda x: workload.total(LIBRARY, x, *constants))(x)

    def step() -> Any:
        nonlocal g
        g, loss = compiled(*map(torch.from_numpy, arrays))
        return loss

    return Contestant(step, lambda: [g.numpy()])


BUILDERS = {Training: training, Gradient: gradient}
