"""What a step gives: what it returns, and how what a replay computed is compared with what the step itself did."""

from typing import Any, NamedTuple

import numpy as np

from tinynet.compiler.program import Array
from tinynet.tensor import Tensor, wrap

__all__ = ["Difference", "Result", "compared", "distances"]


class Result:
    """A leaf of what a step returns: the position of its value among the program's outputs, and of what type it is.

    The type is `Tensor`, `numpy.ndarray`, or `numpy.generic` for one of NumPy's scalars.
    """

    __slots__ = ("kind", "position")

    def __init__(self, position: int, kind: type) -> None:
        self.position = position
        self.kind = kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and (self.position, self.kind) == (other.position, other.kind)

    __hash__ = None  # type: ignore[assignment]

    def of(self, array: Array) -> Any:
        """The output as the caller gets it: a copy."""
        if self.kind is Tensor:
            return wrap(array.copy(), None)
        return array[()] if self.kind is np.generic else array.copy()


class Difference(NamedTuple):
    """In what two outcomes differ.

    Attributes
    ----------
    deviation : float
        By how much floating-point arrays do at most, relative to the norm of each, where they are no noise.
    fault : str
        Says which array is the first that differs by more than rounding explains, or at all if it has no floats; empty if
        there is none.
    """

    deviation: float
    fault: str


def compared(names: list[str], truth: list[Array], replayed: list[Array], noise: list[Array] | None = None) -> Difference:
    """Compare two outcomes, lists of arrays that have the given names.

    Of each element `noise` says by how much it differs of rounding alone. Where that is more than a replay may differ, the
    element is compared with its own noise, and all others as if there were none; what is infinite or NaN excuses nothing.
    """
    largest, fault = 0.0, ""
    for name, a, b, spread in zip(names, truth, replayed, noise or [np.zeros(x.shape) for x in truth], strict=True):
        if a.tobytes() == b.tobytes():
            continue
        most, difference = _ROUNDING.get(a.dtype.char, 0.0), distances(a, b)
        size = (most and _size(np.nan_to_num(a, nan=0, posinf=0, neginf=0))) or 1.0
        noisy = np.isfinite(spread) & (spread > most * size) & np.isfinite(difference)
        deviation = _size(np.where(noisy, 0, difference)) / size
        within = np.all(difference[noisy] / _EXCESS <= spread[noisy])
        if not fault and not (deviation <= most and within):
            by = f", by {_size(difference) / size:.1e} of its norm" if most else ""
            fault = f"{name} is another in the replay than in the step itself{by}"
        if most:
            largest = max(largest, deviation)
    return Difference(largest, fault)


_ROUNDING = {"d": 1e-8, "f": 1e-3, "e": 1e-1, "g": 1e-8}
"""By how much a replay may differ where it adds in another order, relative to the norm: rounding that Adam has enlarged."""

_EXCESS = 2
"""By so many times its measured noise an element may differ."""


def distances(a: Array, b: Array) -> Array:
    """By how much each element differs: infinitely where one alone is infinite or NaN, by 1 where it is no number."""
    if a.dtype.kind not in "iuf":
        return np.asarray(a != b, np.float64)
    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        apart = np.nan_to_num(np.abs(x - y), nan=np.inf, posinf=np.inf)
    if a.dtype.kind != "f":
        return np.where(a == b, 0.0, np.maximum(apart, 1.0))  # float64 does not see that large integers differ by 1
    return np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, apart)


def _size(x: Array) -> float:
    """The root of the mean square, computed so that it does not overflow."""
    x = np.abs(x.astype(np.float64))
    largest = float(np.max(x))
    return largest * float(np.mean((x / largest) ** 2)) ** 0.5 if 0 < largest < np.inf else largest
