"""Rules of the reductions: sums, products, moments and extremes over any axes.

A cotangent of a reduction is brought back to the operand's axes by `restore` and broadcasts from there. Tied extremes
share their gradient evenly; the gradient of `numpy.prod` is right with zeros among the factors. Elements that `where=` leaves
out have the gradient 0, even if they are NaN.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from tinynet.rules.elementwise import LN2
from tinynet.rules.primitive import primitive
from tinynet.rules.rows import floats, greatest, total
from tinynet.rules.table import composed, rule

__all__ = ["REDUCTIONS", "Axis", "lead", "logsumexp", "reduced_last", "restore", "share"]

Axis = int | tuple[int, ...] | None


def restore(g: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """Give a reduction's result or cotangent the reduced axes back, with length 1; a single number broadcasts as it is."""
    return g if keepdims or axis is None or x.ndim == 0 else np.expand_dims(g, axis)


def spread(g: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """A reduction's cotangent broadcast to the operand's shape."""
    return filled(g, x.shape) if axis is None else np.broadcast_to(restore(g, x, axis, keepdims), x.shape)


@primitive
def filled(g: Any, shape: tuple[int, ...]) -> Any:
    """One number seen as an array of it; `numpy.broadcast_to` takes ten times as long to make the view."""
    view: Any = np.ndarray(shape, g.dtype, g, strides=(0,) * len(shape))
    view.flags.writeable = False
    return view


filled.defvjp(lambda g, out, x, shape: g)


def count(x: Any, axis: Axis) -> int:
    """How many elements are reduced into one."""
    if axis is None or x.ndim == 0:
        return x.size  # type: ignore[no-any-return]
    return prod(x.shape[i] for i in (axis if isinstance(axis, tuple) else (axis,)))


def included(d: Any, where: Any) -> Any:
    """A cotangent without what belongs to elements that were left out."""
    return d if where is True else np.where(where, d, 0)


def how_many(g: Any, x: Any, axis: Axis, keepdims: bool, where: Any) -> Any:
    """How many elements are reduced into each result, as far as they are not left out."""
    if where is True:
        return max(count(x, axis), 1)
    return np.sum(np.broadcast_to(where, x.shape), axis=axis, dtype=g.dtype.type, keepdims=keepdims)


_SUMMED_AS_THEY_ARE = (np.dtype(np.float64), np.dtype(np.float32))


def _sum(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True) -> Any:
    if initial is None and where is True:
        return np.add.reduce(a, axis=axis, dtype=dtype, keepdims=keepdims)
    return np.sum(a, axis=axis, dtype=dtype, keepdims=keepdims, initial=0 if initial is None else initial, where=where)


def _mean(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False, where: Any = True) -> Any:
    if where is not True or a.dtype not in _SUMMED_AS_THEY_ARE:  # NumPy sums float16 in float32, and integers in float64
        return np.mean(a, axis=axis, dtype=dtype, keepdims=keepdims, where=where)
    return np.add.reduce(a, axis=axis, dtype=dtype, keepdims=keepdims) / count(a, axis)


# These forwards are what NumPy's functions come to, without the 1 to 2 µs that those take to get there.

rule(
    np.sum,
    lambda g, out, a, axis=None, dtype=None, keepdims=False, initial=None, where=True: (
        spread(g, a, axis, keepdims) if where is True else included(spread(g, a, axis, keepdims), where)
    ),
    forward=_sum,
)
rule(
    np.mean,
    lambda g, out, a, axis=None, dtype=None, keepdims=False, where=True: (
        spread(g / max(count(a, axis), 1), a, axis, keepdims)
        if where is True
        else included(spread(g / how_many(g, a, axis, keepdims, where), a, axis, keepdims), where)
    ),
    forward=_mean,
)


def _centred(x: Any, axis: Axis, where: Any) -> Any:
    return included(x - np.mean(x, axis=axis, keepdims=True, where=where), where)


rule(
    np.var,
    lambda g, out, a, axis=None, dtype=None, ddof=0, keepdims=False, where=True: (
        restore(2 * g / (how_many(g, a, axis, keepdims, where) - ddof), a, axis, keepdims) * _centred(a, axis, where)
    ),
)


def _zero_where_zero(numerator: Any, denominator: Any) -> Any:
    """The quotient, and 0 where the denominator is 0: the gradient of a norm at its tip."""
    return numerator / np.where(denominator == 0, np.inf, denominator)


rule(
    np.std,
    lambda g, out, a, axis=None, dtype=None, ddof=0, keepdims=False, where=True: (
        _zero_where_zero(
            restore(g / (how_many(g, a, axis, keepdims, where) - ddof), a, axis, keepdims), restore(out, a, axis, keepdims)
        )
        * _centred(a, axis, where)
    ),
    kinks=lambda a, axis=None, dtype=None, ddof=0, keepdims=False, where=True: np.std(a, axis=axis, where=where),
    at={((2.0, 2.0, 2.0),): ((0.0, 0.0, 0.0),), ((2.0,),): ((0.0,),)},
)


def share(g: Any, out: Any, x: Any, axis: Axis, keepdims: bool, initial: Any, where: Any) -> Any:
    """The cotangent of an extreme, split evenly among the elements that attain it (and the initial value, if it does)."""
    extreme = restore(out, x, axis, keepdims)
    ties = x == extreme if where is True else (x == extreme) & where
    n = np.add.reduce(ties, axis=axis, dtype=g.dtype.type, keepdims=True)  # a ufunc takes no dtype of foreign byte order
    n = n if initial is None else n + (extreme == initial)
    return restore(g, x, axis, keepdims) * ties / np.where(n == 0, np.nan, n)  # nothing attains a NaN


def reduced_last(x: Any, axis: Axis) -> Any:
    """The array with the reduced axes moved to the end and merged into one."""
    if axis is None or x.ndim == 0:
        return x.reshape(-1)
    axes = [i % x.ndim for i in (axis if isinstance(axis, tuple) else (axis,))]
    kept = [i for i in range(x.ndim) if i not in axes]
    return np.transpose(x, kept + axes).reshape([x.shape[i] for i in kept] + [count(x, axis)])


def reduced_back(d: Any, x: Any, axis: Axis) -> Any:
    """The inverse of `reduced_last`: split the last axis and move it back to where it came from."""
    if axis is None or x.ndim == 0:
        return d.reshape(x.shape)
    axes = [i % x.ndim for i in (axis if isinstance(axis, tuple) else (axis,))]
    order = [i for i in range(x.ndim) if i not in axes] + axes
    return np.transpose(d.reshape([x.shape[i] for i in order]), np.argsort(order))


def lead(x: Any, axis: Axis, initial: Any = None, where: Any = True) -> Any:
    """How far the largest element over the axes is ahead of the next one."""
    flat = reduced_last(x if where is True else np.where(where, x, -np.inf), axis)
    if initial is not None:
        flat = np.concatenate([flat, np.full((*flat.shape[:-1], 1), initial)], axis=-1)
    if flat.shape[-1] < 2:
        return np.full(flat.shape[:-1], np.inf)
    top = np.partition(flat, -2, axis=-1)
    return top[..., -1] - top[..., -2]


for largest in (np.max, np.amax):
    rule(
        largest,
        lambda g, out, a, axis=None, keepdims=False, initial=None, where=True: share(g, out, a, axis, keepdims, initial, where),
        kinks=lambda a, axis=None, keepdims=False, initial=None, where=True: lead(a, axis, initial, where),
        at={((2.0, 2.0, 1.0),): ((0.5, 0.5, 0.0),)},
    )
for smallest in (np.min, np.amin):
    rule(
        smallest,
        lambda g, out, a, axis=None, keepdims=False, initial=None, where=True: share(g, out, a, axis, keepdims, initial, where),
        kinks=lambda a, axis=None, keepdims=False, initial=None, where=True: lead(
            -a, axis, None if initial is None else -initial, where
        ),
        at={((2.0, 1.0, 1.0),): ((0.0, 0.5, 0.5),)},
    )


@composed(np.ptp)
def _ptp(a: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
    """Peak to peak: the largest element less the smallest."""
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


@primitive
def product_of_others(x: Any) -> Any:
    """For each element the product of the others on the last axis; without a division, so that zeros do no harm."""
    one = np.ones_like(x[..., :1])
    before = np.cumprod(np.concatenate([one, x[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([one, x[..., :0:-1]], axis=-1), axis=-1)
    return before * after[..., ::-1]


def _products_of_other_pairs(g: Any, x: Any) -> Any:
    same = np.eye(x.shape[-1], dtype=bool)
    without_one = np.where(same, 1, x[..., None, :])  # row i: the factors of result i
    return np.sum(np.where(same, 0, g[..., :, None] * product_of_others(without_one)), axis=-2)


product_of_others.defvjp(lambda g, out, x: _products_of_other_pairs(g, x))


def _other_factors(x: Any, axis: Axis, where: Any) -> Any:
    factors = x if where is True else np.where(where, x, 1)
    return included(reduced_back(product_of_others(reduced_last(factors, axis)), x, axis), where)


rule(
    np.prod,
    lambda g, out, a, axis=None, dtype=None, keepdims=False, initial=None, where=True: (
        restore(g if initial is None else g * initial, a, axis, keepdims) * _other_factors(a, axis, where)
    ),
    at={((2.0, 0.0, 3.0),): ((0.0, 6.0, 0.0),), ((0.0, 0.0, 3.0),): ((0.0, 0.0, 0.0),)},
)


@primitive
def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The logarithm of the sum of exponentials, log Σ exp(x), without overflow.

    Parameters
    ----------
    x : array or Tensor
        The exponents, of any shape.
    axis : int or tuple of int, optional
        The axes to sum over, all unless given.
    keepdims : bool
        Keep the reduced axes with length 1.

    Returns
    -------
    array or Tensor
        Reduced over `axis`; the gradient is ``softmax(x)``. The largest element is subtracted first (Blanchard, Higham &
        Higham 2021, "Accurately computing the log-sum-exp and softmax functions").

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.logsumexp(np.array([1000.0, 1000.0])).item() == 1000 + np.log(2).item()
    True
    """
    x = floats(x)
    top = greatest(x, axis)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):  # the logarithm of no probability at all is -inf
        result = np.log(total(np.exp(x - top), axis)) + top
    return result if keepdims else np.squeeze(result, axis=axis)


def _softmax(x: Any, out: Any, axis: Axis, keepdims: bool) -> Any:
    """exp(x - out), set against its sum, since of large numbers `out` is rounded; 0 where all are -inf."""
    p = np.exp(x - restore(np.where(out == -np.inf, 0, out), x, axis, keepdims))
    whole = np.sum(p, axis=axis, keepdims=True)
    return p / np.where(whole == 0, 1, whole)


logsumexp.defvjp(
    lambda g, out, x, axis=None, keepdims=False: restore(g, x, axis, keepdims) * _softmax(x, out, axis, keepdims),
    at={((-np.inf, -np.inf),): ((0.0, 0.0),), ((1e4, -1e4),): ((1.0, 0.0),)},
)

# The reduce method of ufuncs -----------------------------------------------------------------------------------------


def _as_reduce(fun: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction called as a ufunc's method is."""

    def reduce(array: Any, axis: Any = 0, dtype: Any = None, out: None = None, keepdims: bool = False, **options: Any) -> Any:
        if dtype is not None:
            options["dtype"] = dtype
        return fun(array, axis=axis, keepdims=keepdims, **options)

    return reduce


def _logsumexp2(array: Any, axis: Axis, keepdims: bool) -> Any:
    return logsumexp(array * LN2, axis, keepdims) / LN2


REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: _as_reduce(np.sum),
    np.multiply: _as_reduce(np.prod),
    np.maximum: _as_reduce(np.max),
    np.minimum: _as_reduce(np.min),
    np.fmax: _as_reduce(np.nanmax),
    np.fmin: _as_reduce(np.nanmin),
    np.hypot: _as_reduce(np.linalg.norm),
    np.logaddexp: _as_reduce(logsumexp),
    np.logaddexp2: _as_reduce(_logsumexp2),
}
"""The function that a ufunc's ``reduce`` method is."""
