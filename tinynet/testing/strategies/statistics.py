"""Cases of the statistics and the running sums: quantiles, moments that skip NaN, differences, accumulations."""

from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinynet.rules import TABLE, Interval, accumulations, quantiles
from tinynet.testing.strategies.arrays import arrays, clear_of_kinks, shapes
from tinynet.testing.strategies.calls import Call, Cases, axes_of, axis_of, spelled, spelled_after

__all__ = ["CASES"]

CASES = Cases()

# Running sums and products -------------------------------------------------------------------------------------------


@CASES.of(accumulations.recurrence)
def _recurrence(draw: st.DrawFn, fun: Any) -> Call:
    shape = draw(shapes(min_dims=1, max_side=5))
    return spelled(draw, {"b": draw(arrays(shape)), "a": draw(arrays(shape))})


@CASES.of(np.cumsum, np.cumprod, np.nancumsum, np.nancumprod)
def _running(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(max_side=4)))
    params: dict[str, Any] = {"axis": draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1))) if x.ndim else None}
    return spelled(draw, {"a": x} | params | draw(st.sampled_from([{}, {"dtype": np.float64}])))


if hasattr(np, "cumulative_sum"):  # NumPy 2.1

    @CASES.of(np.cumulative_sum, np.cumulative_prod)
    def _cumulative(draw: st.DrawFn, fun: Any) -> Call:
        x = draw(arrays(shapes(min_dims=1, max_side=4)))
        axis: dict[str, Any] = {} if x.ndim == 1 and draw(st.booleans()) else {"axis": axis_of(draw, x.ndim)}
        return (x,), axis | draw(st.sampled_from([{}, {"include_initial": True}, {"dtype": np.float64}]))


@CASES.of(accumulations.running_max, accumulations.running_min, accumulations.logcumsumexp)
def _running_extreme(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=1, max_side=4)))
    params: dict[str, Any] = draw(st.sampled_from([{}, {"axis": axis_of(draw, x.ndim)}]))
    kinks = TABLE[fun].kinks
    if kinks is not None:
        (x,) = clear_of_kinks([x], lambda a: kinks(a, **{"axis": 0} | params))
    return spelled(draw, {"x": x} | params)


# Differences ---------------------------------------------------------------------------------------------------------


@CASES.of(np.diff)
def _diff(draw: st.DrawFn, fun: Any) -> Call:
    shape = draw(shapes(min_dims=1, min_side=2, max_side=4))
    axis = axis_of(draw, len(shape))
    ends = {}
    for name in ("prepend", "append"):
        if draw(st.booleans()):
            edge = list(shape)
            edge[axis] = draw(st.integers(1, 2))
            ends[name] = draw(arrays(draw(st.sampled_from([(), tuple(edge)]))))
    return spelled(draw, {"a": draw(arrays(shape)), "n": draw(st.integers(1, 2)), "axis": axis}, **ends)


@CASES.of(np.ediff1d)
def _ediff1d(draw: st.DrawFn, fun: Any) -> Call:
    ends = {name: draw(arrays(shapes(max_dims=1))) for name in ("to_end", "to_begin") if draw(st.booleans())}
    return spelled_after(draw, draw(arrays(shapes(max_dims=2, min_side=2))), ends)


def _increasing(draw: st.DrawFn, shape: tuple[int, ...], axis: int = 0) -> Any:
    """Numbers in ascending order, none of the steps like another."""
    steps = draw(arrays(shape, domain=Interval(0.2, 1.5)))
    steps = steps + 0.01 * np.arange(steps.size).reshape(shape)
    return np.cumsum(steps, axis=axis)


@CASES.of(np.trapezoid)
def _trapezoid(draw: st.DrawFn, fun: Any) -> Call:
    y = draw(arrays(shapes(min_dims=1, max_side=4)))
    axis = axis_of(draw, y.ndim)
    spacing: dict[str, Any] = draw(st.sampled_from([{}, {"dx": 0.5}, {"dx": np.array(0.7)}, {"x": 1}, {"x": y.ndim}]))
    if "x" in spacing:
        spacing = {"x": _increasing(draw, (y.shape[axis],) if spacing["x"] == 1 else y.shape, 0 if spacing["x"] == 1 else axis)}
    return (y,), spacing | {"axis": axis}


@CASES.of(np.gradient)
def _gradient(draw: st.DrawFn, fun: Any) -> Call:
    edge_order = draw(st.sampled_from([1, 2]))
    f = draw(arrays(shapes(min_dims=1, max_dims=2, min_side=3, max_side=4)))
    axis = draw(st.one_of(st.none(), st.integers(-f.ndim, f.ndim - 1), hnp.valid_tuple_axes(f.ndim, min_size=1)))
    axes = range(f.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    each = [np.array(0.7) if draw(st.booleans()) else _increasing(draw, (f.shape[i],)) for i in axes]
    spacings = draw(st.sampled_from([[], [np.array(0.5)], each]))
    return (f, *spacings), {"axis": axis, "edge_order": edge_order}


@CASES.of(np.unwrap)
def _unwrap(draw: st.DrawFn, fun: Any) -> Call:
    p = draw(arrays(shapes(min_dims=1, max_side=4), domain=Interval(-9.0, 9.0)))
    params = draw(st.sampled_from([{}, {"period": 2.0}, {"discont": 4.0}])) | {"axis": axis_of(draw, p.ndim)}
    (p,) = clear_of_kinks([p], lambda p: TABLE[np.unwrap].kinks(p, **params))  # type: ignore[misc]
    return (p,), params


# Quantiles -----------------------------------------------------------------------------------------------------------

_METHODS = (
    "linear", "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen",
    "weibull", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest",
)  # fmt: skip


def _apart(x: Any) -> Any:
    """The array, changed so that no two elements are close together."""
    return clear_of_kinks([x], lambda x: np.diff(np.sort(x, axis=None)))[0]


def _levels(draw: st.DrawFn, n: int, method: str, shape: tuple[int, ...]) -> Any:
    """Quantiles of n elements that are not near a place where the method turns or jumps."""
    q = draw(arrays(shape, domain=Interval(-0.05, 1.05)))
    below, at, above = (np.ravel(quantiles.rank(np.ravel(q) + step, n, method)) for step in (-0.002, 0.0, 0.002))
    even = np.abs(above - 2 * at + below) < 1e-9
    assume(np.all(even & (np.floor(below) == np.floor(above)) & (np.abs(above - below) < 0.5)))
    assume(method != "linear" or np.all(at != np.rint(at)))
    return q


@CASES.of(quantiles.order_statistics)
def _order_statistics(draw: st.DrawFn, fun: Any) -> Call:
    x = _apart(draw(arrays(shapes(min_dims=1, max_side=4))))
    k = draw(hnp.arrays(np.intp, draw(st.integers(1, 3)), elements=st.integers(0, x.shape[-1] - 1)))
    k = draw(st.sampled_from([k, k + 0.5]))  # at a fraction the place does not jump
    return spelled(draw, {"x": x, "k": k} | draw(st.sampled_from([{}, {"skip_nan": True}])))


@CASES.of(quantiles.rank)
def _rank(draw: st.DrawFn, fun: Any) -> Call:
    method = draw(st.sampled_from(["linear", "hazen", "weibull", "median_unbiased", "normal_unbiased"]))
    n = draw(st.sampled_from([2, 5]))
    q = draw(arrays((draw(st.integers(1, 3)),), domain=Interval(0.2, 0.8)))
    return spelled(draw, {"q": q, "n": draw(st.sampled_from([n, np.array([n, n + 1])])), "method": method})


@CASES.of(np.median, np.nanmedian)
def _median(draw: st.DrawFn, fun: Any) -> Call:
    x = _apart(draw(arrays(shapes(max_side=4))))
    return spelled(draw, {"a": x, "axis": axes_of(draw, x.ndim)}, **draw(st.sampled_from([{}, {"keepdims": True}])))


@CASES.of(np.quantile, np.percentile, np.nanquantile, np.nanpercentile)
def _quantile(draw: st.DrawFn, fun: Any) -> Call:
    x = _apart(draw(arrays(shapes(max_side=4))))
    axis = axes_of(draw, x.ndim)
    n = x.size // max(np.max(x, axis=axis).size, 1)
    method = draw(st.sampled_from(_METHODS))
    q = _levels(draw, n, method, draw(st.sampled_from([(), (1,), (2,)])))
    q = np.asarray(q * 100) if fun in (np.percentile, np.nanpercentile) else q
    q = q.item() if q.ndim == 0 and draw(st.booleans()) else q
    keywords = {"method": method} if method != "linear" or draw(st.booleans()) else {}
    return spelled(draw, {"a": x, "q": q, "axis": axis}, **keywords | draw(st.sampled_from([{}, {"keepdims": True}])))


# Moments and extremes that skip NaN ----------------------------------------------------------------------------------


@CASES.of(np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd, np.nanmax, np.nanmin, np.ptp)
def _skipping(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    params: dict[str, Any] = {"axis": axes_of(draw, x.ndim, fewest=1)}
    keywords: dict[str, Any] = draw(st.sampled_from([{}, {"keepdims": True}]))
    kinks = {np.nanstd: np.std, np.nanmax: np.max, np.nanmin: np.min, np.ptp: None}.get(fun)
    if kinks is not None:
        (x,) = clear_of_kinks([x], lambda a: TABLE[kinks].kinks(a, **params))  # type: ignore[misc]
    elif fun is np.ptp:
        x = _apart(x)
    return spelled(draw, {"a": x} | params, **keywords)


# Weighted means and covariances --------------------------------------------------------------------------------------


@CASES.of(np.average)
def _average(draw: st.DrawFn, fun: Any) -> Call:
    a = draw(arrays(shapes(min_dims=1)))
    axis = axes_of(draw, a.ndim, fewest=1)
    keepdims: dict[str, Any] = draw(st.sampled_from([{}, {"keepdims": True}]))
    if draw(st.booleans()):
        return spelled(draw, {"a": a, "axis": axis}, **keepdims)
    axes = () if axis is None else axis if isinstance(axis, tuple) else (axis,)
    shape = draw(st.sampled_from([a.shape, tuple(a.shape[i] for i in axes) if axes else a.shape]))
    weights = draw(arrays(shape, domain=Interval(0.2, 2.0)))
    returned = draw(st.booleans())
    return spelled(draw, {"a": a, "axis": axis, "weights": weights, "returned": returned}, **keepdims)


@CASES.of(np.cov)
def _cov(draw: st.DrawFn, fun: Any) -> Call:
    m = draw(arrays(shapes(min_dims=1, max_dims=2, min_side=2)))
    rowvar = draw(st.booleans())
    n = m.shape[-1] if rowvar or m.ndim == 1 else m.shape[0]
    second: dict[str, Any] = {"y": draw(arrays(draw(st.sampled_from([m.shape, (n,)]))))} if draw(st.booleans()) else {}
    weights = {
        "fweights": draw(hnp.arrays(np.int64, n, elements=st.integers(1, 3))),
        "aweights": draw(arrays((n,), domain=Interval(0.2, 2.0))),
    }
    some = draw(st.sampled_from([(), ("fweights",), ("aweights",), ("fweights", "aweights")]))
    degrees: dict[str, Any] = draw(st.sampled_from([{}, {"bias": True}, {"ddof": 0}]))
    return (m,), second | {"rowvar": rowvar} | degrees | {name: weights[name] for name in some}


@CASES.of(np.corrcoef)
def _corrcoef(draw: st.DrawFn, fun: Any) -> Call:
    rows, n = draw(st.integers(2, 3)), draw(st.integers(3, 4))
    x = draw(arrays((rows, n)))
    noise = np.sin(np.arange(rows * n) ** 2.0).reshape(rows, n)
    rowvar = draw(st.booleans())
    return ((x + 3 * noise) if rowvar else (x + 3 * noise).T,), {"rowvar": rowvar}
