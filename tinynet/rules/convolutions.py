"""The map of the convolution layers, in any number of dimensions: cross-correlation, a product of windows and a kernel.

It is linear in the input x and in the kernel w, so that with a cotangent g of the result there is one number,

    ⟨g, correlation(x, w)⟩ = ⟨x, to_input(g, w)⟩ = ⟨w, to_weight(x, g)⟩,

linear in all three. Each of the three maps has the two others for its rules, and so derivatives of every order.
"""

from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinynet.rules.indexing import scatter
from tinynet.rules.primitive import primitive

__all__ = ["Sliding", "correlation", "to_input", "to_weight"]


class Sliding(NamedTuple):
    """How a kernel slides over its input: for each axis of space its steps, the zeros around the input, its gaps."""

    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int = 1


def _padded_shape(shape: tuple[int, ...], how: Sliding) -> tuple[int, ...]:
    return (*shape[:2], *(n + before + after for n, (before, after) in zip(shape[2:], how.padding, strict=True)))


def _inside(shape: tuple[int, ...], how: Sliding) -> Any:
    """Where in the padded array an array of the given shape lies."""
    return (..., *(slice(before, before + n) for n, (before, _) in zip(shape[2:], how.padding, strict=True)))


def _columns(x: Any, kernel: tuple[int, ...], how: Sliding) -> Any:
    """A copy of each window of the input, of shape (N, groups, elements of a window, windows)."""
    if any(map(any, how.padding)):
        x = scatter(x, _inside(x.shape, how), _padded_shape(x.shape, how))
    space = range(2, x.ndim)
    spans = tuple(d * (k - 1) + 1 for d, k in zip(how.dilation, kernel, strict=True))
    windows = sliding_window_view(x, spans, tuple(space))
    if {*how.stride, *how.dilation} != {1}:
        steps: Any = (..., *(slice(None, None, step) for step in how.stride + how.dilation))
        windows = windows[steps]
    windows = windows.transpose(0, 1, *range(x.ndim, windows.ndim), *space)
    size = x.shape[1] // how.groups * prod(kernel)
    return windows.reshape(x.shape[0], how.groups, size, prod(windows.shape[x.ndim :]))


def _in_groups(x: Any, groups: int) -> Any:
    """An array of shape (N, C, ...) as one of shape (N, groups, C / groups, windows)."""
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, prod(x.shape[2:]))


def _matrices(weight: Any, groups: int) -> Any:
    """The kernels of each group as the rows of a matrix."""
    return weight.reshape(groups, weight.shape[0] // groups, prod(weight.shape[1:]))


@primitive
def correlation(x: Any, weight: Any, bias: Any = None, *, how: Sliding) -> Any:
    """At each place the sum over a window of the input times the kernel: x (N, C, ...), weight (O, C / groups, ...)."""
    padded = _padded_shape(x.shape, how)
    places = [
        (n - d * (k - 1) - 1) // step + 1
        for n, k, d, step in zip(padded[2:], weight.shape[2:], how.dilation, how.stride, strict=True)
    ]
    out = np.matmul(_matrices(weight, how.groups), _columns(x, weight.shape[2:], how))
    out = out.reshape(x.shape[0], weight.shape[0], *places)
    return out if bias is None else out + bias.reshape(-1, *[1] * len(places))


@primitive
def to_input(g: Any, weight: Any, shape: tuple[int, ...], how: Sliding) -> Any:
    """The transpose of `correlation` as a map of its input, of the given shape: each place gives g times the kernel."""
    kernel, places = weight.shape[2:], g.shape[2:]
    windows = np.matmul(_matrices(weight, how.groups).swapaxes(1, 2), _in_groups(g, how.groups))
    windows = windows.reshape(*shape[:2], *kernel, *places)
    # Elsewhere no rule fills by index. Here the windows overlap, and a sum by slices runs along memory; the slices follow from
    # the shapes alone, so that a record replays them; and the map has rules of its own, no derivative sees the filling.
    x = np.zeros(_padded_shape(shape, how), windows.dtype)
    for element in np.ndindex(*kernel):  # of all windows at once
        starts = (d * i for d, i in zip(how.dilation, element, strict=True))
        ranges = zip(starts, how.stride, places, strict=True)
        where: Any = (..., *(slice(i, i + step * (n - 1) + 1, step) for i, step, n in ranges))
        x[where] += windows[(slice(None), slice(None), *element)]
    return x[_inside(shape, how)]


@primitive
def to_weight(x: Any, g: Any, shape: tuple[int, ...], how: Sliding) -> Any:
    """The transpose of `correlation` as a map of its kernel, of the given shape: the sum of all windows, each times its g."""
    columns = _columns(x, shape[2:], how)
    return np.add.reduce(np.matmul(_in_groups(g, how.groups), columns.swapaxes(2, 3)), axis=0).reshape(shape)


correlation.defvjp(
    lambda g, out, x, weight, bias=None, *, how: to_input(g, weight, x.shape, how),
    lambda g, out, x, weight, bias=None, *, how: to_weight(x, g, weight.shape, how),
    lambda g, out, x, weight, bias=None, *, how: np.add.reduce(g, axis=(0, *range(2, g.ndim))),
)
to_input.defvjp(
    lambda d, out, g, weight, shape, how: correlation(d, weight, how=how),
    lambda d, out, g, weight, shape, how: to_weight(d, g, weight.shape, how),
)
to_weight.defvjp(
    lambda d, out, x, g, shape, how: to_input(g, d, x.shape, how),
    lambda d, out, x, g, shape, how: correlation(x, d, how=how),
)
