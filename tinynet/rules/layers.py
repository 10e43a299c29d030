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


def _rows_of_members(x: Any) -> Any:
    """The same for each member of a stack: the first axis stays."""
    return x if x.ndim == 3 else x.reshape(x.shape[0], prod(x.shape[1:-1]), x.shape[-1])


def _times(x: Any, matrix: Any) -> Any:
    """The matrix product over the last axis of `x`, whatever axes stand before it; a stack of matrices member by member."""
    if x.ndim == 2:
        return x.dot(matrix)
    if matrix.ndim == 3:
        return _times_of_members(_rows_of_members(x), matrix).reshape(*x.shape[:-1], matrix.shape[2])
    return _rows(x).dot(matrix).reshape(*x.shape[:-1], matrix.shape[1])


def _times_of_members(x: Any, matrices: Any) -> Any:
    """The product of matrices in pairs; one column times one row is an outer product, which NumPy multiplies faster."""
    return x * matrices if x.shape[2] == 1 else np.matmul(x, matrices)


def _weight_vjp(g: Any, x: Any, weight: Any) -> Any:
    if weight.ndim == 3:
        return np.matmul(_rows_of_members(g).swapaxes(1, 2), _rows_of_members(x))
    return _rows(g).T.dot(_rows(x))


def _bias_vjp(g: Any, weight: Any) -> Any:
    """The sum over all axes but the last (of a stack, and the first), as a product with ones."""
    if weight.ndim == 3:
        rows = _rows_of_members(g)
        return np.matmul(constant(rows.shape[1], 1.0, g.dtype), rows)
    rows = _rows(g)
    return rows.T.dot(constant(rows.shape[0], 1.0, g.dtype))


@primitive
def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """The affine map ``x @ weight.T + bias`` over the last axis, or that of each member of a stack.

    Parameters
    ----------
    x : array or Tensor, shape (..., n)
        The input, with any axes in front; for a stack (k, ..., n), with at least one between.
    weight : array or Tensor, shape (m, n) or (k, m, n)
        The matrix, stored as (out, in); or a stack of k matrices.
    bias : array or Tensor, shape (m,) or (k, m), optional
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
        return _linear_of_members(x, weight, bias)
    product = _times(x, weight.T)
    return product if bias is None else product + bias


def _linear_of_members(x: Any, weight: Any, bias: Any) -> Any:
    if weight.ndim != 3:
        raise ValueError("the weight is no matrix, and no stack of matrices")
    if x.ndim < 3 or x.shape[0] != weight.shape[0]:
        raise ValueError(f"x must have {weight.shape[0]} members, as the weight has")
    product = _times_of_members(_rows_of_members(x), weight.swapaxes(1, 2))
    if bias is not None:
        product = product + bias[:, None]
    return product if x.ndim == 3 else product.reshape(*x.shape[:-1], weight.shape[1])


linear.defvjp(
    lambda g, out, x, weight, bias=None: _times(g, weight),
    lambda g, out, x, weight, bias=None: _weight_vjp(g, x, weight),
    lambda g, out, x, weight, bias=None: _bias_vjp(g, weight),
    remedy="x is (..., in), the weight (out, in), the bias (out,); of a stack of k, each has an axis of length k in front",
)


@primitive
def dropout_mask(x: Any, p: float, rng: "Generator") -> Any:
    """A random mask of the shape of `x`: 0 with probability `p`, and elsewhere 1 / (1 - p), so that means stay.

    It is drawn, not computed, and has no derivative: the drop itself is a multiplication.
    """
    scale = 1 / (1 - p) if p < 1 else 0.0
    return np.multiply(rng.random(x.shape) >= p, scale, dtype=np.result_type(x.dtype, scale))
