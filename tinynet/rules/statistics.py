"""Rules of the averages: weighted means, covariances, and the sums and moments that skip NaN.

The functions that skip NaN are written as NumPy writes them, with 0 or 1 in its place, so that a NaN has the gradient 0.
"""

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinynet.rules.checks import refuse, warn
from tinynet.rules.elementwise import cast
from tinynet.rules.reductions import Axis, lead, share
from tinynet.rules.shapes import as_is
from tinynet.rules.table import composed, rule

__all__: list[str] = []

# Skipping NaN --------------------------------------------------------------------------------------------------------


def _filled(a: Any, value: float) -> Any:
    return np.where(np.isnan(a), value, a)


def _number(a: Any, axis: Axis, keepdims: bool, where: Any) -> Any:
    """How many elements are not NaN."""
    return np.sum(~np.isnan(a), axis=axis, keepdims=keepdims, where=where)


@composed(np.nansum)
def _nansum(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False, initial: Any = 0, where: Any = True
) -> Any:
    """The sum, NaN counted as 0."""
    return np.sum(_filled(a, 0), axis=axis, dtype=dtype, keepdims=keepdims, initial=initial, where=where)


@composed(np.nanprod)
def _nanprod(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False, initial: Any = 1, where: Any = True
) -> Any:
    """The product, NaN counted as 1."""
    return np.prod(_filled(a, 1), axis=axis, dtype=dtype, keepdims=keepdims, initial=initial, where=where)


@composed(np.nanmean)
def _nanmean(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False, *, where: Any = True
) -> Any:
    """The mean of the elements that are not NaN."""
    total = np.sum(_filled(a, 0), axis=axis, dtype=dtype, keepdims=keepdims, where=where)
    return total / _number(a, axis, keepdims, where).astype(total.dtype)


@composed(np.nanvar)
def _nanvar(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, ddof: int = 0, keepdims: bool = False, *, where: Any = True
) -> Any:
    """The variance of the elements that are not NaN, Σ (a - mean)² / (number - ddof)."""
    mean = np.nanmean(a, axis=axis, dtype=dtype, keepdims=True, where=where)
    squares = np.square(np.where(np.isnan(a), 0, a - mean))
    total = np.sum(squares, axis=axis, dtype=dtype, keepdims=keepdims, where=where)
    freedom = _number(a, axis, keepdims, where) - ddof
    warn(freedom <= 0, "Degrees of freedom <= 0 for slice.")
    return total / np.where(freedom <= 0, np.nan, freedom).astype(total.dtype)


@composed(np.nanstd)
def _nanstd(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, ddof: int = 0, keepdims: bool = False, *, where: Any = True
) -> Any:
    """The root of `numpy.nanvar`; the gradient of a constant is 0."""
    variance = np.nanvar(a, axis=axis, dtype=dtype, ddof=ddof, keepdims=keepdims, where=where)
    return np.where(variance == 0, 0, np.sqrt(np.where(variance == 0, 1, variance)))


rule(
    np.nanmax,
    lambda g, out, a, axis=None, keepdims=False, initial=None, where=True: share(g, out, a, axis, keepdims, initial, where),
    kinks=lambda a, axis=None, keepdims=False, initial=None, where=True: lead(
        np.where(np.isnan(a), -np.inf, a), axis, initial, where
    ),
    at={((2.0, np.nan, 2.0, 1.0),): ((0.5, 0.0, 0.5, 0.0),)},
)
rule(
    np.nanmin,
    lambda g, out, a, axis=None, keepdims=False, initial=None, where=True: share(g, out, a, axis, keepdims, initial, where),
    kinks=lambda a, axis=None, keepdims=False, initial=None, where=True: lead(
        np.where(np.isnan(a), -np.inf, -a), axis, None if initial is None else -initial, where
    ),
    at={((2.0, np.nan, 1.0, 1.0),): ((0.0, 0.0, 0.5, 0.5),)},
)

# Weighted means ------------------------------------------------------------------------------------------------------


@composed(np.average)
def _average(a: Any, axis: Axis = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    """The weighted mean, Σ w·a / Σ w; with respect to the weights too."""
    a = as_is(a)
    if weights is None:
        mean = np.mean(a, axis=axis, keepdims=keepdims)
        return (mean, np.full(mean.shape, a.size / mean.size, mean.dtype)) if returned else mean
    weights = _fitting(as_is(weights), a, axis)
    dtype = np.result_type(a.dtype, weights.dtype, *() if a.dtype.kind == "f" else (np.float64,))
    total = np.sum(weights, axis=axis, dtype=dtype, keepdims=keepdims)
    refuse(total == 0, ZeroDivisionError, "np.average: the weights sum to zero")
    mean = np.sum(a * weights, axis=axis, dtype=dtype, keepdims=keepdims) / total
    return (mean, np.broadcast_to(total, mean.shape)) if returned else mean


def _fitting(weights: Any, a: Any, axis: Axis) -> Any:
    """The weights in a shape that broadcasts against `a`."""
    if weights.shape == a.shape:
        return weights
    if axis is None:
        raise TypeError(f"np.average: weights of shape {weights.shape} for an array of shape {a.shape}; give their axis=")
    axes = normalize_axis_tuple(axis, a.ndim)
    if weights.shape != tuple(a.shape[i] for i in axes):
        raise ValueError(f"np.average: weights of shape {weights.shape} for an array of shape {a.shape} over axis {axis}")
    return np.transpose(weights, np.argsort(axes)).reshape([n if i in axes else 1 for i, n in enumerate(a.shape)])


# Covariances ---------------------------------------------------------------------------------------------------------


def _variables(m: Any, dtype: Any, rowvar: bool) -> Any:
    """The observations, a row a variable."""
    if m.ndim > 2:
        raise ValueError(f"np.cov: {m.ndim} axes; variables and observations make 2")
    rows = cast(m, np.dtype(dtype)).reshape((1,) * (2 - m.ndim) + m.shape)
    return rows if rowvar or m.ndim < 2 else rows.T


@composed(np.cov)
def _cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """The covariances of the variables, Σ w·(m - mean)·(m - mean)ᵀ / (Σ w - ddof); with respect to the weights too."""
    parts = [as_is(x) for x in (m, y) if x is not None]
    dtype = np.result_type(np.float64, *(x.dtype for x in parts)) if dtype is None else dtype
    x = np.concatenate([_variables(part, dtype, rowvar) for part in parts])
    ddof = (0 if bias else 1) if ddof is None else ddof
    fweights, aweights = (None if w is None else cast(as_is(w), np.dtype(float)) for w in (fweights, aweights))
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is not None:
            refuse(given < 0, ValueError, f"np.cov: {name} cannot be negative")
    if fweights is None and aweights is None:
        weights, freedom = None, x.shape[1] - ddof
    else:
        weights = np.multiply(1.0 if fweights is None else fweights, 1.0 if aweights is None else aweights)
        total = np.sum(weights)
        freedom = total - ddof * (1.0 if aweights is None else np.sum(weights * aweights) / total) if ddof else total
    warn(freedom <= 0, "Degrees of freedom <= 0 for slice")
    freedom = np.where(freedom <= 0, 0.0, freedom)
    centred = x - np.average(x, axis=1, weights=weights)[:, None]
    return np.squeeze(np.dot(centred, (centred if weights is None else centred * weights).T) * np.true_divide(1, freedom))


@composed(np.corrcoef)
def _corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """The correlations of the variables, the covariances over the roots of the variances."""
    c = np.cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    i = np.arange(len(c))
    deviations = np.sqrt(c[i, i])
    return np.clip(c / deviations[:, None] / deviations[None, :], -1, 1)
