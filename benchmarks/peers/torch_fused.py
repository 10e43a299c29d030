"""PyTorch, eager, with the optimizer's update of all parameters in one call."""

from functools import partial

from benchmarks.peers.torch_eager import training
from benchmarks.tasks import Training

__all__ = ["BUILDERS", "LABEL"]

LABEL = "PyTorch, fused optimizer"

BUILDERS = {Training: partial(training, fused=True)}
