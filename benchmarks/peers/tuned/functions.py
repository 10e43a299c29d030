"""The gradients of functions, as lists of calls."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.peers import Contestant
from benchmarks.peers.tuned.calls import Call, copy
from benchmarks.tasks import Array, Gradient
from benchmarks.workloads import CHAIN_LENGTH

__all__ = ["gradient"]

TILE = 131072
"""Elements of a tile: buffers of this size stay in the cache, and threads seldom wait for each other."""


def gradient(workload: Gradient, lr: float) -> Contestant:
    return FUNCTIONS[workload.name](workload)


def gated(workload: Gradient) -> Contestant:
    """Tile by tile, a share of them for each thread; x is read where it is, and the gradient put where it is wanted."""
    (x,) = workload.data()
    g = np.empty_like(x)
    threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
    pool = ThreadPoolExecutor(threads)
    starts = [range(0, x.size, TILE)[i::threads] for i in range(threads)]
    buffers = np.empty((threads, 6, TILE), x.dtype)

    def share(thread: int) -> Any:
        return sum(gated_tile(x[start : start + TILE], g[start : start + TILE], *buffers[thread]) for start in starts[thread])

    def step() -> Any:
        nonlocal g
        g = np.empty_like(x)
        others = [pool.submit(share, thread) for thread in range(1, threads)]
        return share(0) + sum(other.result() for other in others)

    return Contestant(step, lambda: [g])


def gated_tile(x: Array, g: Array, *buffers: Array) -> Any:
    """The sum over a tile; its gradient is put in g."""
    t, s, u, q, y, w = (buffer[: x.size] for buffer in buffers)
    one = np.ones((), x.dtype)
    sigmoid(x, one, s)
    np.tanh(x, t)
    np.multiply(t, s, u)
    np.add(u, x, u)
    sigmoid(u, one, q)
    np.multiply(u, q, y)
    # y' = q + y·(1 - q)
    np.subtract(one, q, w)
    np.multiply(y, w, w)
    np.add(q, w, q)
    # u' = (1 - t²)·s + t·s·(1 - s) + 1 = s·(1 - t² + t·(1 - s)) + 1
    np.subtract(one, s, w)
    np.multiply(t, w, w)
    np.square(t, t)
    np.subtract(w, t, w)
    np.add(w, one, w)
    np.multiply(w, s, w)
    np.add(w, one, w)
    np.multiply(w, q, g)
    return np.add.reduce(y)


def sigmoid(x: Array, one: Array, out: Array) -> None:
    np.negative(x, out)
    np.exp(out, out)
    np.add(out, one, out)
    np.reciprocal(out, out)


def chain(workload: Gradient) -> Contestant:
    fresh = workload.data()
    x, a, b = (np.empty_like(array) for array in fresh)
    outputs = np.empty((CHAIN_LENGTH, x.size), x.dtype)
    g, slope = np.empty((2, x.size), x.dtype)
    one, ones, loss = np.ones((), x.dtype), np.ones_like(x), np.empty((), x.dtype)

    program: list[Call] = []
    y = x
    for i, out in enumerate(outputs):
        program += [((np.multiply, (y, a, out)), (np.add, (y, b, out)), (np.tanh, (y, out)))[i % 3]]
        y = out
    program += [(ones.dot, (y, loss)), copy(ones, g)]
    for i in reversed(range(CHAIN_LENGTH)):
        if i % 3 == 0:
            program += [(np.multiply, (g, a, g))]
        elif i % 3 == 2:
            out = outputs[i]
            program += [
                (np.square, (out, slope)),
                (np.subtract, (one, slope, slope)),
                (np.multiply, (g, slope, g)),
            ]

    result = g

    def step() -> Any:
        nonlocal result
        for array, value in zip((x, a, b), fresh, strict=True):
            array[...] = value
        for f, args in program:
            f(*args)
        result = g.copy()
        return loss[()]

    return Contestant(step, lambda: [result], calls=lambda: len(program) + 5)


FUNCTIONS = {"gated": gated, "chain": chain}
