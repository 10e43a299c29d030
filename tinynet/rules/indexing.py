"""Rules of indexing: the gradient of a gather is a scatter, and the other way round."""

import operator
from math import prod
from typing import Any

import numpy as np

from tinynet.rules.primitive import primitive
from tinynet.rules.table import Rule, rule

__all__ = ["getitem", "is_basic", "scatter", "setitem"]


def is_basic(index: Any) -> bool:
    """Whether an index is made of single integers, slices, None and Ellipsis, so that it gives a view."""
    return all(map(_is_basic_part, index if isinstance(index, tuple) else (index,)))


def _is_basic_part(i: Any) -> bool:
    return i is None or i is Ellipsis or (isinstance(i, slice | int | np.integer) and type(i) is not bool)


def _names_once(index: Any) -> bool:
    """Whether an index is made of what a basic one is made of and of masks: it names each position at most once."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(_is_basic_part(i) or type(i) is bool or getattr(i, "dtype", None) == np.bool_ for i in parts)


@primitive
def scatter(values: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of the given shape with the values added at an index; values at a repeated position are summed.

    Parameters
    ----------
    values : array or Tensor
        What to add, of the shape that ``x[index]`` has.
    index : index
        Anything that indexes an array of `shape`.
    shape : tuple of int
        The shape of the result.

    Returns
    -------
    array or Tensor

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.scatter(np.array([1.0, 2.0, 3.0]), [0, 2, 0], (4,))
    array([4., 0., 2., 0.])
    """
    out = np.zeros(shape, dtype=values.dtype)
    if is_basic(index):
        parts = index if isinstance(index, tuple) else (index,)
        np.copyto(out[parts if Ellipsis in parts else (*parts, ...)], values)  # of a single element too this is a view
    elif _names_once(index):
        out[index] = values
    else:
        np.add.at(out, index, values)
    return out


def _like(d: Any, v: Any) -> Any:
    """The cotangent of assigned values, with the axes of length 1 in front that they may have."""
    return d.reshape((1,) * (v.ndim - d.ndim) + d.shape) if v.ndim > d.ndim else d


scatter.defvjp(lambda g, out, values, index, shape: _like(g[index], values))

getitem: Rule = rule(
    operator.getitem,
    lambda g, out, x, index: scatter(g, index, x.shape),
    forward=lambda x, index: x[index],
)


def _last_writer(index: Any, x: Any, v: Any) -> Any:
    """Which of the assigned values stay: at a position that is named twice only the last one does."""
    if _names_once(index):
        return True
    winner = np.full(x.shape, -1)
    shape = winner[index].shape
    order = np.arange(prod(shape)).reshape(shape)
    winner[index] = order
    return winner[index] == order


def _assigned(g: Any, index: Any, x: Any, v: Any) -> Any:
    return _like(g[index] * _last_writer(index, x, v), v)


@primitive
def with_values(x: Any, v: Any, index: Any) -> Any:
    """A copy of `x` with ``x[index] = v``."""
    out = np.array(x)
    out[index] = v
    return out


setitem: Rule = rule(
    with_values,
    lambda g, out, x, v, index: with_values(g, 0, index),
    lambda g, out, x, v, index: _assigned(g, index, x, v),
    remedy="the value must broadcast to the shape of x[index]",
)
