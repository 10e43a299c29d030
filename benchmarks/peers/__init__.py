"""Who takes part: one module a peer.

A peer's module holds

- ``LABEL``: its name in the report;
- ``BUILDERS``: for each kind of workload (see ``tasks.py``) in which it takes part, a function ``build(workload, lr)`` that
  gives a `Contestant`.

It is imported only when it is asked for, and raises `ImportError` when its library is not installed. To add a peer: such a
module, and a row in `PEERS`. The first one, written by hand in plain NumPy, is what every other one is checked against.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.tasks import Array

__all__ = ["BASELINE", "BOUND", "COMPILED", "COMPILERS", "OWN", "PEERS", "SUBJECT", "Contestant", "Entry"]


class Contestant(NamedTuple):
    """A workload, ready to run in one library.

    Attributes
    ----------
    step : callable
        Runs one whole step and returns its loss as the library's own scalar.
    result : callable
        The arrays to be compared: the weights as they are now, or the last step's gradient.
    calls : callable
        After the first steps: how many calls of NumPy a step makes; 0 where that is not known.
    replay : callable, optional
        After the first steps: gives what a step runs once its arguments have been looked at and copied.
    """

    step: Callable[[], Any]
    result: Callable[[], list[Array]]
    calls: Callable[[], int] = lambda: 0
    replay: Callable[[], Callable[[], Any]] | None = None


class Entry(NamedTuple):
    """The module of a peer, and the library that it imports."""

    module: str
    library: str


BASELINE = "numpy"
BOUND = "tuned"
SUBJECT = "tinynet"
COMPILED = "compiled"

PEERS = {
    BASELINE: Entry("benchmarks.peers.plain_numpy", "numpy"),
    BOUND: Entry("benchmarks.peers.tuned", "numpy"),
    SUBJECT: Entry("benchmarks.peers.tinynet_eager", "tinynet"),
    COMPILED: Entry("benchmarks.peers.tinynet_compiled", "tinynet"),
    "jax": Entry("benchmarks.peers.jax_jit", "jax"),
    "jax_donated": Entry("benchmarks.peers.jax_donated", "jax"),
    "torch_compiled": Entry("benchmarks.peers.torch_compiled", "torch"),
    "torch_fused": Entry("benchmarks.peers.torch_fused", "torch"),
    "torch": Entry("benchmarks.peers.torch_eager", "torch"),
    "autograd": Entry("benchmarks.peers.hips_autograd", "autograd"),
    "mygrad": Entry("benchmarks.peers.mygrad_eager", "mygrad"),
}
COMPILERS = ("jax", "jax_donated", "torch_compiled")
"""Those that tinynet's compiler is measured against."""
OWN = (BASELINE, BOUND, SUBJECT, COMPILED)
"""Those that need nothing but NumPy and tinynet."""
