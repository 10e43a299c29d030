"""The losses: the calls that turn logits into the loss, and into the loss's slope.

Each function gives ``logits, calls, slope``: the buffer in which it wants the logits, and the one where it leaves the slope.
`loss` is the 0-d array in which the loss is put, y the buffer of the targets. The sum of everything in the loss is one product
of two vectors; arithmetic on 0-d arrays or on one element would cost three times as much as on eight.
"""

import math
from typing import Any

import numpy as np
from numpy._core.umath import clip

from benchmarks.peers.tuned.calls import Call, copy
from benchmarks.tasks import Array

__all__ = ["LOSSES"]

FEW = 64
"""Up to so many elements the one call of ``logaddexp``, which is not vectorised, beats several that are."""


def bce(shape: tuple[int, ...], y: Array, loss: Array) -> tuple[Array, list[Call], Array]:
    """The sum of (softplus(z) - y·z)/n."""
    n, size, dtype = shape[-2], math.prod(shape), loss.dtype
    terms, factors = np.empty((2, 2, size), dtype)
    factors[:] = 1 / n
    softplus, z = terms
    negative_y = factors[1]
    slope = np.empty(size, dtype)
    zero, minus_one, inf, inverse_n, minus_inverse_n = constants(dtype, 0, -1, np.inf, 1 / n, -1 / n)
    if size <= FEW:
        calls: list[Call] = [(np.logaddexp, (zero, z, softplus))]
    else:
        calls = [
            (np.copysign, (z, minus_one, slope)),
            (np.exp, (slope, slope)),
            (np.log1p, (slope, slope)),
            (clip, (z, zero, inf, softplus)),
            (np.add, (softplus, slope, softplus)),
        ]
    calls += [
        (np.subtract, (z, softplus, slope)),
        (np.exp, (slope, slope)),  # the sigmoid
        (np.multiply, (slope, inverse_n, slope)),
        (np.multiply, (y.reshape(-1), minus_inverse_n, negative_y)),
        (np.add, (slope, negative_y, slope)),
        (factors.reshape(-1).dot, (terms.reshape(-1), loss)),
    ]
    return z.reshape(shape), calls, slope.reshape(shape)


def cross_entropy(shape: tuple[int, ...], y: Array, loss: Array) -> tuple[Array, list[Call], Array]:
    """The sum of (log(total) - z[y])/n, where total is the sum of exp(z) and the greatest z was taken off beforehand."""
    n, classes = shape
    dtype = loss.dtype
    terms, factors = np.empty((2, n * (classes + 1)), dtype)
    factors[:n] = 1 / n
    mean, log_total, z = factors[:n], terms[:n], terms[n:].reshape(shape)
    negative_one_hot = factors[n:].reshape(shape)
    one_hots = (-np.eye(classes) / n).astype(dtype)
    transposed, top, total = np.empty((classes, n), dtype), np.empty(n, dtype), np.empty(n, dtype)
    column, slope = np.empty((2, *shape), dtype)
    calls = [
        copy(z.T, transposed),
        (np.maximum.reduce, (transposed, 0, None, top)),  # 1.1 µs for 64 × 10, along the rows 3.6
        copy(top.reshape(n, 1), column),
        (np.subtract, (z, column, z)),
        (np.exp, (z, slope)),
        (slope.dot, (np.ones(classes, dtype), total)),
        (np.log, (total, log_total)),
        (one_hots.take, (y, 0, negative_one_hot, "clip")),
        (factors.dot, (terms, loss)),
        (np.divide, (mean, total, total)),
        copy(total.reshape(n, 1), column),
        (np.multiply, (slope, column, slope)),
        (np.add, (slope, negative_one_hot, slope)),
    ]
    return z, calls, slope


def mse(shape: tuple[int, ...], y: Array, loss: Array) -> tuple[Array, list[Call], Array]:
    z, slope = np.empty((2, *shape), loss.dtype)
    (inverse_size,) = constants(loss.dtype, 1 / z.size)
    calls = [
        (np.subtract, (z, y, z)),
        (np.multiply, (z, inverse_size, slope)),
        (z.reshape(-1).dot, (slope.reshape(-1), loss)),
        (np.add, (slope, slope, slope)),
    ]
    return z, calls, slope


def constants(dtype: np.dtype[Any], *values: float) -> list[Array]:
    """0-d arrays, which a ufunc takes in 200 ns where a Python number takes 350."""
    return [np.array(value, dtype) for value in values]


LOSSES = {"bce": bce, "cross_entropy": cross_entropy, "mse": mse}
