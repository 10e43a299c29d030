"""The cheapest call for each thing a network does, with its output as the last operand: figures are for small arrays."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy._core.umath import clip  # a third of np.clip's and np.maximum's fixed cost

from benchmarks.tasks import Array

__all__ = ["Call", "affine", "backward", "bias_gradient", "copy", "product", "relu", "relu_slope", "tanh", "tanh_slope"]

Call = tuple[Callable[..., Any], tuple[Any, ...]]


def copy(source: Array, target: Array) -> Call:
    """Copy, broadcasting: 110 ns, where `np.copyto` takes 210."""
    return target.__setitem__, (Ellipsis, source)


def product(a: Array, b: Array, out: Array) -> Call:
    """The matrix product: for single matrices the bound method ``dot`` has half the fixed cost of ``matmul``."""
    if a.ndim == 2:
        return a.dot, (b, out)
    return np.matmul, (a, b, out)


def affine(x: Array, w: Array, b: Array, out: Array) -> Iterator[Call]:
    """x · w + b: a ufunc that broadcasts sets up an iterator for 500 ns or more, so the bias is spread out before."""
    yield product(x, w, out)
    if b.size == 1:
        yield np.add, (out, b.reshape(()), out)
    else:
        rows = np.empty_like(out)
        yield spread(b, rows)
        yield np.add, (out, rows, out)


def spread(row: Array, out: Array) -> Call:
    """Copy one row (of each member) to all rows, each of them as one big item: 150 ns for 32 rows of 32, by elements 320."""
    item = np.dtype((np.void, row.shape[-1] * row.itemsize))
    target = out.view(item)[..., 0]
    if row.ndim == 1:
        return target.fill, (row.view(item).reshape(()),)
    return copy(row.view(item)[..., 0], target)


def backward(d: Array, w: Array, out: Array) -> Iterator[Call]:
    """d · w; where they are batches of a column and a row, both are spread out: a third of ``matmul``'s time."""
    if d.ndim > 2 and d.shape[-1] == 1:
        columns, rows = np.empty((2, *out.shape), out.dtype)
        yield copy(d, columns)
        yield spread(w, rows)
        yield np.multiply, (columns, rows, out)
    else:
        yield product(d, w, out)


def bias_gradient(d: Array, out: Array) -> Call:
    """The sum over the batch, as a product with ones: 250 ns where ``add.reduce`` takes 1200."""
    ones = np.ones((*d.shape[:-2], 1, d.shape[-2]), d.dtype)
    return product(ones, d, out) if d.ndim > 2 else (ones[0].dot, (d, out))


def tanh(z: Array) -> Iterator[Call]:
    yield np.tanh, (z, z)


def tanh_slope(d: Array, h: Array) -> Iterator[Call]:
    """d · (1 - h²), in the place of d."""
    slope = np.empty_like(h)
    yield np.square, (h, slope)
    yield np.subtract, (np.ones((), h.dtype), slope, slope)
    yield np.multiply, (d, slope, d)


def relu(z: Array) -> Iterator[Call]:
    yield clip, (z, np.zeros((), z.dtype), np.full((), np.inf, z.dtype), z)


def relu_slope(d: Array, h: Array) -> Iterator[Call]:
    """d where h > 0, in the place of d: as integers, which need no cast from bool.

    The bits of a number above 0 are those of an integer above 0, so they clip to 1, and those of 0 to 0.
    """
    integer = np.dtype(f"i{h.itemsize}")
    mask = np.empty(h.shape, integer)
    yield clip, (h.view(integer), np.zeros((), integer), np.ones((), integer), mask)
    yield np.multiply, (d.view(integer), mask, d.view(integer))
