"""The optimizers, each on the one flat vector of all weights; in chunks where it is longer than the cache likes."""

from collections.abc import Callable, Iterator
from math import sqrt
from typing import Any

import numpy as np

from benchmarks.peers.tuned.calls import Call
from benchmarks.tasks import Array

__all__ = ["UPDATES"]

CHUNK = 65536
FEW = 8192
"""Up to so many weights both moments of Adam are kept in one vector, for the sake of fewer calls."""


def sgd(params: Array, lr: float, momentum: float = 0.0) -> tuple[Array, list[Call]]:
    """The vector in which the gradient is expected, and the calls of an update."""
    gradient, velocity = np.zeros((2, params.size), params.dtype)
    work = np.empty(CHUNK, params.dtype)
    lr_, momentum_ = np.array(lr, params.dtype), np.array(momentum, params.dtype)
    calls: list[Call] = []
    for p, v, g in chunks(params, velocity, gradient):
        t = work[: p.size]
        if momentum:
            calls += [(np.multiply, (v, momentum_, v)), (np.add, (v, g, v)), (np.multiply, (v, lr_, t))]
        else:
            calls += [(np.multiply, (g, lr_, t))]
        calls += [(np.subtract, (p, t, p))]
    return gradient, calls


def adam(params: Array, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> tuple[Array, list[Call]]:
    """p -= lr·√c₂/c₁ · m / (√s + eps·√c₂), where the c are the bias corrections; m and s are moved towards g and g²."""
    n, dtype = params.size, params.dtype
    gradients, state = np.zeros((2, 2, n), dtype)  # g and g², their means
    small, rate = np.empty((), dtype), np.empty((), dtype)
    power1 = power2 = 1.0

    def advance() -> None:
        nonlocal power1, power2
        power1 *= beta1
        power2 *= beta2
        root = sqrt(1 - power2)
        small[()] = eps * root
        rate[()] = lr * root / (1 - power1)

    calls: list[Call] = [(advance, ())]
    towards = [np.array(1 - beta, dtype) for beta in (beta1, beta2)]
    if n <= FEW:
        calls += [(np.square, tuple(gradients))]
        calls += moved(state.reshape(-1), gradients.reshape(-1), np.repeat(towards, n), np.empty(2 * n, dtype))
    work = np.empty(CHUNK, dtype)
    for p, g, m, s in chunks(params, gradients[0], *state):
        w = work[: p.size]
        if n > FEW:
            calls += moved(m, g, towards[0], w)
            calls += [(np.square, (g, w))]
            calls += moved(s, w, towards[1], w)
        calls += [
            (np.sqrt, (s, w)),
            (np.add, (w, small, w)),
            (np.divide, (m, w, w)),
            (np.multiply, (w, rate, w)),
            (np.subtract, (p, w, p)),
        ]
    return gradients[0], calls


def moved(mean: Array, value: Array, weight: Array, work: Array) -> list[Call]:
    """mean += weight · (value - mean)."""
    return [
        (np.subtract, (value, mean, work)),
        (np.multiply, (work, weight, work)),
        (np.add, (mean, work, mean)),
    ]


def chunks(*vectors: Array) -> Iterator[Any]:
    """The vectors cut in step with each other."""
    for start in range(0, vectors[0].size, CHUNK):
        yield tuple(vector[start : start + CHUNK] for vector in vectors)


UPDATES: dict[str, Callable[..., tuple[Array, list[Call]]]] = {"sgd": sgd, "adam": adam}
