"""Operations of the layers: the affine map of `Linear` in one row, and the random mask of `Dropout`."""

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.rules.primitive import primitive
from tinynet.rules.rows import constant

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["dropout_mask", "linear"]


def _rows(x: Any) -> Any:
    """The array with all axes but the last merged into one, so that BLAS does a product in one call."""
    return x if x.ndim == 2 else x.reshape(prod(x.shape[:-1]), x.shape[-1])


def _times(x: Any, matrix: Any) -> Any:
    """The matrix product over the last axis of `x`, whatever axes stand before it."""
    if x.ndim == 2:
        return x.dot(matrix)
    return _rows(x).dot(matrix).reshape(*x.shape[:-1], matrix.shape[1])


@primitive
def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """The affine map ``x @ weight.T + bias`` over the last axis.

    Parameters
    ----------
    x : array or Tensor, shape (..., n)
        The input, with any axes in front.
    weight : array or Tensor, shape (m, n)
        The matrix, stored as (out, in).
    bias : array or Tensor, shape (m,), optional
        What is added.

    Returns
    -------
    array or Tensor, shape (..., m)

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet.rules.layers import linear
    >>> linear(np.ones(2), np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([10.0, 20.0]))
    array([13., 27.])
    """
    if weight.ndim != 2:
        raise ValueError("the weight is no matrix")
    product = _times(x, weight.T)
    return product if bias is None else product + bias


linear.defvjp(
    lambda g, out, x, weight, bias=None: _times(g, weight),
    lambda g, out, x, weight, bias=None: _rows(g).T.dot(_rows(x)),
    lambda g, out, x, weight, bias=None: _rows(g).T.dot(constant(_rows(g).shape[0], 1.0, g.dtype)),
    remedy="x is (..., in), the weight (out, in), the bias (out,)",
)


@primitive
def dropout_mask(x: Any, p: float, rng: "Generator") -> Any:
    """A random mask of the shape of `x`: 0 with probability `p`, and elsewhere 1 / (1 - p), so that means stay.

    It is drawn, not computed, and has no derivative: the drop itself is a multiplication.
    """
    scale = 1 / (1 - p) if p < 1 else 0.0
    return np.multiply(rng.random(x.shape) >= p, scale, dtype=np.result_type(x.dtype, scale))
