"""The two steps of a normalisation: to subtract the mean, and to divide by the root of the mean square."""

from math import prod
from typing import Any

import numpy as np

from tinynet.rules.primitive import primitive
from tinynet.rules.rows import SHORT, constant, floats

__all__ = ["centred", "mean_over", "scaled_to_one"]

Axes = tuple[int, ...]


def mean_over(x: Any, axes: Axes) -> Any:
    """The mean over some axes, which stay with length 1."""
    n = prod(x.shape[axis] for axis in axes)
    if n <= SHORT and x.dtype.kind == "f":  # a product with ones, where that is the sum
        ones = constant(n, 1.0, x.dtype)
        if axes == tuple(range(-len(axes), 0)):
            before = x.shape[: -len(axes)]
            return (x.reshape(prod(before), n).dot(ones) / n).reshape(*before, *[1] * len(axes))
        if x.ndim == 2 and axes == (0,):
            return (np.dot(ones, x) / n)[None]
    return np.add.reduce(x, axis=axes, keepdims=True) / n


def _size(x: Any, axes: Axes, eps: float) -> Any:
    """√(mean(x²) + eps), and ∞ in place of 0: what is divided by it is 0 then, as its gradient is."""
    wide = x.astype(np.float64) if x.dtype.itemsize < 8 else x  # it holds the squares of all numbers of single precision
    square = mean_over(np.square(wide), axes) + eps
    size = np.sqrt(np.where(square == 0, np.inf, square))
    return size if wide is x else size.astype(x.dtype)


@primitive
def centred(x: Any, axes: Axes) -> Any:
    """x - mean(x) over some axes: a projection, and its own transpose."""
    x = floats(x)
    return x - mean_over(x, axes)


@primitive
def scaled_to_one(x: Any, axes: Axes, eps: float) -> Any:
    """x / √(mean(x²) + eps) over some axes: the mean square becomes 1 (Zhang & Sennrich 2019), and 0/0 is 0."""
    x = floats(x)
    return x / _size(x, axes, eps)


centred.defvjp(lambda g, out, x, axes: g - mean_over(g, axes))
scaled_to_one.defvjp(lambda g, out, x, axes, eps: (g - out * mean_over(g * out, axes)) / _size(x, axes, eps))
