"""JAX, the whole step compiled by one jax.jit that may write the new weights and state over the old ones."""

from functools import partial

from benchmarks.peers.jax_jit import training
from benchmarks.tasks import Training

__all__ = ["BUILDERS", "LABEL"]

LABEL = "JAX, jit, donated"

BUILDERS = {Training: partial(training, donate_argnums=(0, 1))}
