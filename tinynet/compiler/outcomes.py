"""What a step gives: what it returns, and how what a replay computed is compared with what the step itself did."""

from typing import Any, NamedTuple

import numpy as np

from tinynet.compiler.program import Array
from tinynet.tensor import Tensor, wrap

__all__ = ["Difference", "Result", "compared"]


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
        By how much floating-point arrays do at most, relative to the norm of each.
    rounded : str
        The first of them that differs by more than rounding explains; empty if there is none.
    exact : str
        The first array of integers or booleans that differs at all; empty if there is none.
    in_noise : bool
        Whether an array differs by more than that which may be rounding noise as a whole: the gradient of a bias before a
        batch normalisation is a sum that would be 0 without rounding. An optimizer may have made a step of any length of it.
    """

    deviation: float
    rounded: str
    exact: str
    in_noise: bool


def compared(names: list[str], truth: list[Array], replayed: list[Array]) -> Difference:
    """Compare two outcomes, lists of arrays that have the given names."""
    largest, rounded, exact, in_noise = 0.0, "", "", False
    for name, a, b in zip(names, truth, replayed, strict=True):
        if a.tobytes() == b.tobytes():
            continue
        if a.dtype.char not in _ROUNDING:
            exact = exact or name
            continue
        deviation = _deviation(a, b)
        if deviation > _ROUNDING[a.dtype.char]:
            if _is_noise(a, b, truth):
                in_noise = True
                continue
            rounded = rounded or name
        largest = max(largest, deviation)
    return Difference(largest, rounded, exact, in_noise)


_ROUNDING = {"d": 1e-8, "f": 1e-3, "e": 1e-1, "g": 1e-8}
"""By how much a replay may differ where it adds in another order, relative to the norm: rounding that Adam has enlarged."""

_NOISE = 256
"""By so many roundings of the largest number of the outcome an array may differ that is nothing but what rounding left."""


def _is_noise(a: Array, b: Array, truth: list[Array]) -> bool:
    """Whether two arrays differ by no more than what rounding may leave of numbers as large as those of an outcome."""
    largest = max(float(np.max(np.abs(x), where=np.isfinite(x), initial=0)) for x in truth if x.dtype.char in _ROUNDING)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.all(np.abs(a - b) <= _NOISE * np.finfo(a.dtype).eps * largest))


def _deviation(a: Array, b: Array) -> float:
    x, y = a.astype(np.float64), b.astype(np.float64)
    odd = ~(np.isfinite(x) & np.isfinite(y))
    if not np.array_equal(x[odd], y[odd], equal_nan=True):
        return float("inf")
    x, y = x[~odd], y[~odd]
    return float(np.linalg.norm(x - y) / (np.linalg.norm(x) or 1.0))
