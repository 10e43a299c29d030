"""tinynet, the same step recorded by tn.compile and replayed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import tinynet as tn
from benchmarks.peers import Contestant
from benchmarks.peers.tinynet_eager import LIBRARY, learner
from benchmarks.tasks import Array, Gradient, Training

__all__ = ["BUILDERS", "LABEL"]

LABEL = "tinynet, compiled"


def training(workload: Training, lr: float) -> Contestant:
    x, y = workload.data()
    step, params = learner(workload, lr)
    compiled = tn.compile(step)
    return contestant(compiled, lambda: compiled(x, y), lambda: [p.data for p in params])


def gradient(workload: Gradient, lr: float) -> Contestant:
    x, *constants = workload.data()
    g: Array = np.zeros_like(x)
    compiled = tn.compile(tn.value_and_grad(partial(workload.total, LIBRARY)))

    def step() -> Any:
        nonlocal g
        loss, g = compiled(x, *constants)
        return loss

    return contestant(compiled, step, lambda: [g])


def contestant(compiled: Any, step: Callable[[], Any], result: Callable[[], list[Array]]) -> Contestant:
    return Contestant(step, result, calls=lambda: len(compiled.replay.calls), replay=lambda: compiled.replay)


BUILDERS = {Training: training, Gradient: gradient}
