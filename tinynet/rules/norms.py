"""Norms of vectors and matrices, and the condition number: expressions of sums, extremes and singular values.

Two operations have rules of their own, for the sake of their gradient at zero, which is zero: the Euclidean norm (Frobenius
norm of matrices), and the norm of any other power.
"""

from math import prod
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinynet.rules.primitive import primitive
from tinynet.rules.reductions import restore
from tinynet.rules.table import composed

__all__ = ["euclidean_norm", "power_norm"]

Axis = int | tuple[int, ...] | None


@primitive
def euclidean_norm(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """√Σ x² over one axis, two or all."""
    return np.linalg.norm(x, None, axis, keepdims)


euclidean_norm.defvjp(
    lambda g, out, x, axis=None, keepdims=False: (
        restore(g, x, axis, keepdims) * (x / restore(np.where(out == 0, np.inf, out), x, axis, keepdims))
    ),
    kinks=lambda x, axis=None, keepdims=False: np.linalg.norm(x, None, axis),
    at={((0.0, 0.0),): ((0.0, 0.0),)},
)


@primitive
def power_norm(x: Any, p: float = 3.0, axis: int = -1, keepdims: bool = False) -> Any:
    """(Σ abs(x)ᵖ) to the power 1/p, over one axis."""
    return np.linalg.norm(x, p, axis, keepdims)


def _power_norm_vjp(g: Any, out: Any, x: Any, p: float = 3.0, axis: int = -1, keepdims: bool = False) -> Any:
    """sign(x) · (abs(x) / norm)ᵖ⁻¹, and 0 where x or the norm is 0, also where the power is negative."""
    g, norm = restore(g, x, axis, keepdims), restore(out, x, axis, keepdims)
    share = np.where((x == 0) | (norm == 0), 1, np.abs(x) / np.where(norm == 0, 1, norm))
    return g * np.sign(x) * np.sign(norm) * np.power(share, p - 1.0)


power_norm.defvjp(
    _power_norm_vjp,
    kinks=lambda x, p=3.0, axis=-1, keepdims=False: x,
    at={((0.0, 2.0),): ((0.0, 1.0),), ((0.0, 0.0),): ((0.0, 0.0),)},
)


@composed(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """Of a vector (one axis) (Σ abs(x)ᵖ) to the power 1/p; of a matrix (two axes) by sums or singular values."""
    x = x if x.dtype.kind == "f" else x.astype(float)
    if axis is None and (ord is None or (ord in ("f", "fro") and x.ndim == 2) or (ord == 2 and x.ndim == 1)):
        return euclidean_norm(x, None, keepdims)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim, "np.linalg.norm")
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) == 2:
        return _matrix_norm(x, ord, axes, keepdims)
    raise ValueError(f"np.linalg.norm: {len(axes)} axes have no norm of order {ord}; np.linalg.vector_norm takes any number")


def _vector_norm(x: Any, ord: Any, axis: int, keepdims: bool) -> Any:
    if ord is None or ord == 2:
        return euclidean_norm(x, axis, keepdims)
    if isinstance(ord, str):
        raise ValueError(f"np.linalg.norm: a vector has no norm of order {ord!r}; one axis makes vectors, two make matrices")
    if ord == np.inf:
        return np.max(np.abs(x), axis=axis, keepdims=keepdims, initial=0)
    if ord == -np.inf:
        return np.min(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:  # how many are not zero
        return np.sum(np.abs(np.sign(x)), axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    return power_norm(x, ord, axis, keepdims)


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    row, column = axes
    if ord in (None, "f", "fro"):
        return euclidean_norm(x, axes, keepdims)
    if ord in (1, -1, np.inf, -np.inf):
        along, across = (row, column) if abs(ord) == 1 else (column, row)
        sums = np.sum(np.abs(x), axis=along, keepdims=True)
        norm = np.max(sums, across, keepdims=True, initial=0) if ord > 0 else np.min(sums, across, keepdims=True)
        return norm if keepdims else np.squeeze(norm, axes)
    if ord not in (2, -2, "nuc"):
        raise ValueError(
            f"np.linalg.norm: a matrix has no norm of order {ord!r}; it has 1, 2, inf, their negatives, 'fro' and 'nuc'"
        )
    values = np.linalg.svdvals(np.moveaxis(x, axes, (-2, -1)))
    result = np.sum(values, -1) if ord == "nuc" else np.max(values, -1, initial=0) if ord == 2 else np.min(values, -1)
    return np.expand_dims(result, axes) if keepdims else result


@composed(np.linalg.vector_norm)
def _linalg_vector_norm(x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """The norm of the elements along any number of axes as one vector."""
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim, "np.linalg.vector_norm")
    kept = [i for i in range(x.ndim) if i not in axes]
    flat = np.transpose(x, (*axes, *kept)).reshape([prod(x.shape[i] for i in axes)] + [x.shape[i] for i in kept])
    norm: Any = np.linalg.norm(flat, ord, 0)
    return np.expand_dims(norm, axes) if keepdims else norm


@composed(np.linalg.matrix_norm)
def _linalg_matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norms of a stack of matrices."""
    return np.linalg.norm(x, ord, (-2, -1), keepdims)


@composed(np.linalg.cond)
def _cond(x: Any, p: Any = None) -> Any:
    """The largest singular value over the smallest; for other norms that of x times that of its inverse; else infinite."""
    ratio: Any
    with np.errstate(all="ignore"):
        if p is None or p in (2, -2):
            s = np.linalg.svdvals(x)
            of, to = (-1, 0) if p == -2 else (0, -1)
            ratio = s[..., of] / np.where(s[..., to] == 0, np.nan, s[..., to])
        else:
            singular = (np.linalg.slogdet(x)[0] == 0)[..., None, None]
            inverse = np.linalg.inv(np.where(singular, np.eye(x.shape[-1], dtype=x.dtype), x))
            ratio = np.linalg.matrix_norm(x, ord=p) * np.linalg.matrix_norm(np.where(singular, np.nan, inverse), ord=p)
    return np.where(np.isnan(ratio) & ~np.isnan(x).any(axis=(-2, -1)), np.inf, ratio)
