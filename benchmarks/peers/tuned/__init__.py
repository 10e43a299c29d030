"""NumPy tuned by hand: the bound for whatever is made of NumPy calls.

A step is a flat list of calls, all of them bound beforehand and with their outputs in preallocated buffers, and nothing else is
run: ``for f, args in program: f(*args)``. What each call costs on small arrays decided which are taken. What is not done is
what takes knowledge of the whole network: no bias folded into the weights, no layers batched together.

A step copies its fresh inputs into the buffers, gives its loss out as a number, and leaves the true weights and the true state
of the optimizer behind.
"""

from benchmarks.peers.tuned.functions import gradient
from benchmarks.peers.tuned.network import training
from benchmarks.tasks import Gradient, Training

__all__ = ["BUILDERS", "LABEL"]

LABEL = "NumPy, tuned by hand"

BUILDERS = {Training: training, Gradient: gradient}
