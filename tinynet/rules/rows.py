"""Sums and maxima of short rows, where NumPy's reductions take longer to start on a row than to run through it.

A product with ones is the sum in a third of the time, and the place of the largest element is found in a sixth of the time
that the element itself takes.
"""

from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["constant", "greatest", "starts", "total", "zero"]

SHORT = 256
"""The length of a row up to which the roundabout ways are quicker, and a product with ones as accurate."""


@lru_cache(maxsize=64)
def constant(n: int, value: float, dtype: Any) -> Any:
    """A vector of one number; a product with it is a sum or, with 1/n, a mean."""
    vector = np.full(n, value, dtype)
    vector.flags.writeable = False
    return vector


@lru_cache(maxsize=64)
def starts(n: int, length: int) -> Any:
    """Where each of n rows starts in a flat array of them."""
    positions = np.arange(0, n * length, length)
    positions.flags.writeable = False
    return positions


def _are_short(x: Any, axis: int) -> bool:
    return x.ndim == 2 and axis in (-1, 1) and 0 < x.shape[1] <= SHORT and x.dtype.kind == "f"


def greatest(x: Any, axis: int = -1) -> Any:
    """The largest element over the axis, which stays with length 1."""
    if not _are_short(x, axis):
        return np.maximum.reduce(x, axis=axis, keepdims=True)
    return x.reshape(-1).take(x.argmax(axis=1) + starts(*x.shape))[:, None]


def total(x: Any, axis: int = -1) -> Any:
    """The sum over the axis, which stays with length 1."""
    if not _are_short(x, axis):
        return np.add.reduce(x, axis=axis, keepdims=True)
    return x.dot(constant(x.shape[1], 1.0, x.dtype))[:, None]


ZERO = {np.dtype(f): np.zeros((), f) for f in ("f2", "f4", "f8")}
for _zero in ZERO.values():
    _zero.flags.writeable = False


def zero(x: Any) -> Any:
    """0 as NumPy compares it with `x` in least time: a 0-d array of its dtype, and in the middle range as long a one."""
    if 1024 < x.size <= 65536 and x.dtype in ZERO:
        return constant(x.size, 0.0, x.dtype).reshape(x.shape)
    return ZERO.get(x.dtype, 0.0)
