"""Rules of running sums, products, extremes and log-sum-exps.

All running operations rest on one, the linear `recurrence` y[i] = b[i] + a[i]·y[i-1]: its adjoint is a recurrence again,
from the end to the start, and so is the rule of each of the others. None divides by an element, so that zeros do no harm.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.rules.elementwise import minus_log
from tinynet.rules.primitive import primitive
from tinynet.rules.table import composed, rule

__all__ = ["ACCUMULATIONS", "from_last", "logcumsumexp", "recurrence", "running_max", "running_min", "to_last"]

# The recurrence ------------------------------------------------------------------------------------------------------


@primitive
def recurrence(b: Any, a: Any) -> Any:
    """y[i] = b[i] + a[i]·y[i-1] along the last axis, y[0] = b[0]; both operands have one shape.

    By doubling: after k steps y[i] holds the terms of the last 2ᵏ elements and a[i] the product of that many factors.
    """
    y = np.array(b, np.result_type(b, a))
    factors = np.array(a, y.dtype)
    reach = 1
    while reach < y.shape[-1]:
        y[..., reach:] += factors[..., reach:] * y[..., :-reach]
        factors[..., reach:] *= factors[..., :-reach].copy()
        reach *= 2
    return y


def _adjoint(g: Any, a: Any) -> Any:
    """The recurrence from the end: d[i] = g[i] + a[i+1]·d[i+1]."""
    return recurrence(g[..., ::-1], _led_by_zero(a[..., :0:-1], a))[..., ::-1]


def _led_by_zero(x: Any, like: Any) -> Any:
    """The elements after a zero, to the length of the last axis of `like`."""
    return np.concatenate([np.zeros_like(like[..., :1]), x], axis=-1)


recurrence.defvjp(
    lambda g, out, b, a: _adjoint(g, a),
    lambda g, out, b, a: _adjoint(g, a) * _led_by_zero(out[..., :-1], out),
    source="Blelloch 1990, 'Prefix sums and their applications': a linear recurrence is a scan",
)


def to_last(x: Any, axis: int | None) -> Any:
    """The array with the axis at the end; all in one row where there is no axis."""
    return x.reshape(-1) if axis is None or x.ndim == 0 else np.moveaxis(x, axis, -1)


def from_last(d: Any, x: Any, axis: int | None) -> Any:
    """The inverse of `to_last`, for an array like `x`."""
    return d.reshape(x.shape) if axis is None or x.ndim == 0 else np.moveaxis(d, -1, axis)


# Running sums and products -------------------------------------------------------------------------------------------

rule(
    np.cumsum,
    lambda g, out, a, axis=None, dtype=None: from_last(np.cumsum(to_last(g, axis)[..., ::-1], axis=-1)[..., ::-1], a, axis),
)


def _product_rule(g: Any, x: Any) -> Any:
    """For element j the sum over i >= j of g[i] times the product of the elements up to i, but for j."""
    others_before = np.cumprod(np.concatenate([np.ones_like(x[..., :1]), x[..., :-1]], axis=-1), axis=-1)
    return others_before * _adjoint(g, x)


rule(
    np.cumprod,
    lambda g, out, a, axis=None, dtype=None: from_last(_product_rule(to_last(g, axis), to_last(a, axis)), a, axis),
    at={((2.0, 0.0, 3.0),): ((1.0, 8.0, 0.0),)},
)


def _only_axis(x: Any, axis: int | None, name: str) -> int:
    if axis is None and x.ndim > 1:
        raise ValueError(f"{name}: give axis= for an array of {x.ndim} axes")
    return 0 if axis is None else axis


def _after_initial(x: Any, axis: int, initial: float, included: bool) -> Any:
    if not included:
        return x
    shape = list(x.shape)
    shape[axis] = 1
    return np.concatenate([np.full(shape, initial, x.dtype), x], axis=axis)


if hasattr(np, "cumulative_sum"):  # NumPy 2.1

    @composed(np.cumulative_sum)
    def _cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
        """The running sum, which may start with 0."""
        axis = _only_axis(x, axis, "np.cumulative_sum")
        return _after_initial(np.cumsum(x, axis=axis, dtype=dtype), axis, 0, include_initial)

    @composed(np.cumulative_prod)
    def _cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
        """The running product, which may start with 1."""
        axis = _only_axis(x, axis, "np.cumulative_prod")
        return _after_initial(np.cumprod(x, axis=axis, dtype=dtype), axis, 1, include_initial)


@composed(np.nancumsum)
def _nancumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """The running sum, NaN counted as 0."""
    return np.cumsum(np.where(np.isnan(a), 0, a), axis=axis, dtype=dtype)


@composed(np.nancumprod)
def _nancumprod(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """The running product, NaN counted as 1."""
    return np.cumprod(np.where(np.isnan(a), 1, a), axis=axis, dtype=dtype)


# Running extremes and log-sum-exp ------------------------------------------------------------------------------------


def _share_in_runs(g: Any, out: Any, x: Any) -> Any:
    """Each cotangent shared evenly by the elements so far that attain the extreme, as `numpy.max` of them would have it."""
    attains = (x == out).astype(g.dtype)
    stays = _led_by_zero((out[..., 1:] == out[..., :-1]).astype(g.dtype), attains)
    number = recurrence(attains, stays)
    return attains * _adjoint(g / np.where(number == 0, np.nan, number), stays)  # nothing attains a NaN


def _running_lead(x: Any, axis: int = 0) -> Any:
    """The distances of each element from the extreme of those before it."""
    x = to_last(x, axis)
    return x[..., 1:] - np.maximum.accumulate(x, axis=-1)[..., :-1]


@primitive
def running_max(x: Any, axis: int = 0) -> Any:
    """The largest element so far along an axis, ``np.maximum.accumulate``."""
    return np.maximum.accumulate(x, axis=axis)


running_max.defvjp(
    lambda g, out, x, axis=0: from_last(_share_in_runs(to_last(g, axis), to_last(out, axis), to_last(x, axis)), x, axis),
    kinks=_running_lead,
    at={((2.0, 2.0),): ((1.5, 0.5),)},
)


@primitive
def running_min(x: Any, axis: int = 0) -> Any:
    """The smallest element so far along an axis, ``np.minimum.accumulate``."""
    return np.minimum.accumulate(x, axis=axis)


running_min.defvjp(
    lambda g, out, x, axis=0: from_last(_share_in_runs(to_last(g, axis), to_last(out, axis), to_last(x, axis)), x, axis),
    kinks=lambda x, axis=0: _running_lead(-x, axis),
    at={((2.0, 2.0),): ((1.5, 0.5),)},
)


def _softmax_rule(g: Any, out: Any, x: Any) -> Any:
    """For element j the sum over i >= j of g[i]·exp(x[j] - out[i]); no exponent is positive, since `out` does not fall."""
    decay = _led_by_zero(np.exp(minus_log(out[..., :-1], out[..., 1:])), out)
    return np.exp(minus_log(x, out)) * _adjoint(g, decay)


@primitive
def logcumsumexp(x: Any, axis: int = 0) -> Any:
    """The logarithm of the running sum of exponentials along an axis, ``np.logaddexp.accumulate``."""
    return np.logaddexp.accumulate(x, axis=axis)


logcumsumexp.defvjp(
    lambda g, out, x, axis=0: from_last(_softmax_rule(to_last(g, axis), to_last(out, axis), to_last(x, axis)), x, axis),
    at={((-np.inf, -np.inf),): ((0.0, 0.0),), ((1e4, -1e4),): ((2.0, 0.0),)},
)


def _as_accumulate(fun: Callable[..., Any]) -> Callable[..., Any]:
    """A running operation called as a ufunc's method is."""

    def accumulate(array: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
        return fun(array, axis=axis) if dtype is None else fun(array, axis=axis, dtype=dtype)

    return accumulate


ACCUMULATIONS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: _as_accumulate(np.cumsum),
    np.multiply: _as_accumulate(np.cumprod),
    np.maximum: _as_accumulate(running_max),
    np.minimum: _as_accumulate(running_min),
    np.logaddexp: _as_accumulate(logcumsumexp),
}
"""The function that a ufunc's ``accumulate`` method is."""
