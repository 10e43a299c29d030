"""Rules of the median and the quantiles: elements of the sorted order, and interpolation between two of them.

Where equal elements stand at a place of the order, they share its gradient evenly.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.rules.checks import refuse
from tinynet.rules.elementwise import cast
from tinynet.rules.primitive import primitive
from tinynet.rules.reductions import Axis, reduced_last
from tinynet.rules.shapes import as_is, as_plain, axes_in
from tinynet.rules.table import Interval, composed, name_of

__all__ = ["order_statistics", "rank"]

# Elements of the order -----------------------------------------------------------------------------------------------


@primitive
def order_statistics(x: Any, k: Any, skip_nan: bool = False) -> Any:
    """The elements at the places k (m numbers, from 0) of the sorted order along the last axis: (..., n) → (..., m).

    A fraction of a place is dropped. All NaN where there is a NaN, unless they are skipped: they are last in the order.
    """
    ordered = np.sort(x, axis=-1)
    k = np.clip(k, 0, x.shape[-1] - 1).astype(np.intp)
    taken = np.take_along_axis(ordered, np.broadcast_to(k, (*x.shape[:-1], k.shape[-1])), axis=-1)
    return taken if skip_nan else np.where(np.isnan(ordered[..., -1:]), np.nan, taken).astype(x.dtype)


def _shared(g: Any, out: Any, x: Any) -> Any:
    ties = x[..., :, None] == out[..., None, :]
    number = np.add.reduce(ties, axis=-2, dtype=g.dtype.type)
    shares = g / np.where(number == 0, np.nan, number)  # nothing is equal to a NaN
    return np.sum(ties * shares[..., None, :], axis=-1)


order_statistics.defvjp(
    lambda g, out, x, k, skip_nan=False: _shared(g, out, x),
    lambda g, out, x, k, skip_nan=False: np.zeros_like(g),
    kinks=lambda x, k, skip_nan=False: np.diff(np.sort(x, axis=-1), axis=-1),
    at={((2.0, 1.0, 2.0), (1.0,)): ((0.5, 0.0, 0.5), (0.0,))},
)

# Places in the order -------------------------------------------------------------------------------------------------

_SLOPES = {
    "linear": -1.0, "hazen": 0.0, "interpolated_inverted_cdf": 0.0, "weibull": 1.0, "median_unbiased": 1 / 3,
    "normal_unbiased": 1 / 4,
}  # fmt: skip
"""By method, what the number of elements is to be increased by to have the slope of the place; all others jump."""

_WHOLE = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")
"""The methods whose places are whole numbers: nothing is interpolated."""


@primitive
def rank(q: Any, n: Any, method: Any = "linear") -> Any:
    """The place, from 0 to n - 1, of the quantiles q (m of them) in the sorted order of n elements: n.shape + (m,).

    A place between two whole numbers stands for the interpolation between two elements. The quantiles of 0, 1 ... n - 1
    are the places, so that NumPy itself says what each method means.
    """
    counts, inverse = np.unique(n, return_inverse=True)
    places = [np.quantile(np.arange(max(count, 1)), q, method=method) for count in counts]
    return np.stack(places)[inverse.reshape(np.shape(n))].astype(q.dtype)


def _slope(out: Any, n: Any, method: str) -> Any:
    n = as_plain(n)[..., None]
    return np.where((out > 0) & (out < n - 1), n + _SLOPES.get(method, -n), 0)


rank.defvjp(
    lambda g, out, q, n, method="linear": g * _slope(out, n, method).astype(g.dtype),
    None,
    domain=Interval(0.0, 1.0),
    kinks=lambda q, n, method="linear": (place := rank(q, n, method)) - np.rint(place),
    at={((0.0,), 5.0): ((0.0,), None)},
    source="Hyndman & Fan 1996, 'Sample quantiles in statistical packages'",
)

# Medians and quantiles -----------------------------------------------------------------------------------------------


def _kept(fun: Callable[..., Any], a: Any, axis: Axis, keepdims: bool) -> tuple[int, ...]:
    """The shape of the array reduced by a function."""
    axes = range(a.ndim) if axis is None else axes_in(fun, a, axis)
    return tuple(1 if i in axes else n for i, n in enumerate(a.shape) if keepdims or i not in axes)


@composed(np.median)
def _median(a: Any, axis: Axis = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """The middle element of the order, or the mean of the two in the middle, which have half of the gradient each."""
    kept, x = _kept(np.median, a, axis, keepdims), reduced_last(a, axis)
    n = x.shape[-1]
    if n:
        x = order_statistics(x, np.array([n // 2] if n % 2 else [n // 2 - 1, n // 2]))
    return np.mean(x, axis=-1).reshape(kept)  # of nothing it is NumPy's NaN, with its warning


@composed(np.nanmedian)
def _nanmedian(a: Any, axis: Axis = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """The median of the elements that are not NaN."""
    kept, x = _kept(np.nanmedian, a, axis, keepdims), reduced_last(a, axis)
    if x.shape[-1]:
        n = np.sum(~np.isnan(x), axis=-1, keepdims=True)
        x = order_statistics(x, np.concatenate([(n - 1) // 2, n // 2], axis=-1), skip_nan=True)
    return np.mean(x, axis=-1).reshape(kept)


def _quantiles(
    fun: Callable[..., Any], a: Any, q: Any, axis: Axis, method: str, keepdims: bool, skip_nan: bool, unit: int
) -> Any:
    a = as_is(a)
    same_dtype = type(q) in (int, float)
    q = (q if hasattr(q, "dtype") and q.dtype.kind == "f" else np.asarray(q, float)) / unit
    refuse(~((q >= 0) & (q <= 1)), ValueError, f"{name_of(fun)}: q is out of its range, 0 to {unit}")
    kept, x = _kept(fun, a, axis, keepdims), reduced_last(a, axis)
    if x.shape[-1] == 0:
        raise ValueError(f"{name_of(fun)}: a quantile of no elements: an array of shape {a.shape} over axis {axis}")
    n = np.sum(~np.isnan(x), axis=-1) if skip_nan else np.asarray(x.shape[-1])
    place = rank(np.ravel(q), n, method)
    below = np.floor(place)
    quantiles = order_statistics(x, below, skip_nan)
    if method not in _WHOLE:
        low, high = quantiles, order_statistics(x, np.minimum(below + 1, n[..., None] - 1), skip_nan)
        t = cast(place - below, x.dtype) if same_dtype else place - below
        quantiles = np.where(t >= 0.5, high - (high - low) * (1 - t), low + (high - low) * t)
    return np.moveaxis(quantiles, -1, 0).reshape(q.shape + kept)


def _entered(fun: Callable[..., Any], told: str, skip_nan: bool, unit: int) -> None:
    """Enter one of NumPy's four functions."""

    @composed(fun)
    def quantiles(
        a: Any, q: Any, axis: Axis = None, out: None = None, overwrite_input: bool = False, method: str = "linear",
        keepdims: bool = False,
    ) -> Any:  # fmt: skip
        return _quantiles(fun, a, q, axis, method, keepdims, skip_nan, unit)

    quantiles.__doc__ = told


_entered(np.quantile, "The interpolation between two elements of the order, by all of NumPy's methods; by q too.", False, 1)
_entered(np.percentile, "The quantiles of q / 100.", False, 100)
_entered(np.nanquantile, "The quantiles of the elements that are not NaN.", True, 1)
_entered(np.nanpercentile, "The quantiles of q / 100 of the elements that are not NaN.", True, 100)
