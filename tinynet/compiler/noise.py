"""Where a step gives nothing but what rounding left, and how much that may be.

The gradient of a bias before a batch normalisation is a sum that is 0 but for rounding. A pass that adds in another order gives
another such number, and an optimizer that divides by the size of a gradient, as Adam does, may have made a step of any length
of it; an integer may be another, too, which counts or compares such numbers. So what rounding may do to each element is
measured: the program is run as it was recorded, but with the terms of all sums off by some roundings.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from tinynet.compiler.outcomes import distances
from tinynet.compiler.program import Array, Call, Program
from tinynet.compiler.recording import Recording
from tinynet.compiler.variant import Variant

__all__ = ["Terms", "measured"]

SUMS = frozenset({np.add.reduce, np.sum, np.mean, np.matmul, np.dot, np.vdot, np.vecdot, np.inner, np.tensordot, np.einsum})
"""Where a pass, or BLAS on memory that lies otherwise, may add in another order."""

ROUNDINGS = (256, 32, 4) * 8
"""By so many roundings terms are off in each pair of runs: too large in the first, too small in the second.

By far more than an order matters first, so that noise goes through zero; then by less, for what is divided by noise.
"""


def measured(recording: Recording, arrays: list[Any], truth: list[Array]) -> Iterator[list[Array]]:
    """By how much each element of the outcome differs at most, after each pair of runs in which more of it may show.

    Noise that was divided by its own size is another number in each run, and in few of them it may happen to differ little: a
    step is at fault only if all runs together do not excuse it. What it changes is left as the last run left it. A run says
    nothing of elements that are infinite or NaN in it alone; where one fails, as of a matrix that is singular then, it is the
    last.
    """
    terms = Terms()
    run = Variant(recording, None, terms.of_sums(recording.program))
    most = [np.zeros(x.shape) for x in truth]
    for seed, roundings in enumerate(ROUNDINGS):
        for size in (roundings, -roundings):
            recording.undo.rewind()
            terms.size, terms.rng = size, np.random.default_rng(seed)
            try:
                with np.errstate(all="ignore"):
                    run.run(arrays)
            except Exception:
                return
            apart = [distances(a, b) for a, b in zip(truth, run.outcome(recording), strict=True)]
            most = [np.maximum(x, np.where(np.isfinite(y), y, 0)) for x, y in zip(most, apart, strict=True)]
        yield most


class Terms:
    """Terms that are off by up to `size` roundings."""

    size: int
    rng: np.random.Generator

    def of_sums(self, program: Program) -> Program:
        """The program with such terms in its sums."""
        return Program([self._in(call) for call in program.calls], program.inputs, program.outputs)

    def _in(self, call: Call) -> Call:
        if call.function not in SUMS:
            return call
        return call.another(partial(self._summed, call.function), call.args, call.kwargs, call.out, in_place=call.in_place)

    def _summed(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(*map(self._shaken, args), **kwargs)

    def _shaken(self, x: Any) -> Any:
        if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
            return x
        return x * (1 + self.size * np.finfo(x.dtype).eps * self.rng.uniform(-1, 1, x.shape)).astype(x.dtype)
