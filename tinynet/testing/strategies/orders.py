"""Cases of the operations that sort, select, gather, window, interpolate and compute with polynomials."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib.stride_tricks import sliding_window_view

from tinynet.rules import TABLE, Interval, signals
from tinynet.testing.strategies.arrays import arrays, broadcastable_shapes, clear_of_kinks, shapes
from tinynet.testing.strategies.calls import Call, Cases, axis_of, spelled

__all__ = ["CASES"]

CASES = Cases()

# Order ---------------------------------------------------------------------------------------------------------------


def _axis_or_flat(draw: st.DrawFn, x: Any) -> tuple[dict[str, Any], int]:
    """An axis, None, or the default one, which is the last; and how many elements it has."""
    choices: list[dict[str, Any]] = [{"axis": None}, *([{}, {"axis": axis_of(draw, x.ndim)}] if x.ndim else [])]
    params = draw(st.sampled_from(choices))
    return params, x.size if params.get("axis", -1) is None else x.shape[params.get("axis", -1)]


def _apart(x: Any, params: dict[str, Any]) -> Any:
    """The array without ties."""
    return clear_of_kinks([x], lambda a: TABLE[np.sort].kinks(a, **params))[0]  # type: ignore[misc]


@CASES.of(np.sort)
def _sort(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    params, _ = _axis_or_flat(draw, x)
    options: list[dict[str, Any]] = [{}, {"kind": "stable"}, {"kind": "heapsort"}, {"stable": True}]
    return spelled(draw, {"a": _apart(x, params)} | params, **draw(st.sampled_from(options)))


@CASES.of(np.partition)
def _partition(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(max_side=4)))
    params, n = _axis_or_flat(draw, x)
    kth = draw(st.one_of(st.integers(-n, n - 1), st.lists(st.integers(-n, n - 1), min_size=1, max_size=2).map(tuple)))
    return spelled(draw, {"a": _apart(x, params), "kth": kth} | params)


# Gathering and choosing ----------------------------------------------------------------------------------------------


def _positions(several: list[int]) -> Any:
    return np.array(several, dtype=np.intp)


@CASES.of(np.take)
def _take(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    axis = draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1))) if x.ndim else None
    n = x.size if axis is None else x.shape[axis]
    mode = draw(st.sampled_from([{}, {"mode": "raise"}, {"mode": "wrap"}, {"mode": "clip"}]))
    reach = 0 if mode.get("mode", "raise") == "raise" else 3
    at = st.integers(-n - reach, n - 1 + reach)
    several = hnp.arrays(np.intp, hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3), elements=at)
    indices = st.one_of(at, st.lists(at, max_size=4).map(_positions), several)
    return spelled(draw, {"a": x, "indices": draw(indices), "axis": axis}, **mode)


@CASES.of(np.take_along_axis)
def _take_along_axis(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=1)))
    axis = draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1)))
    n = x.size if axis is None else x.shape[axis]
    shape = [draw(st.sampled_from([1, length])) for length in x.shape] if axis is not None else [0]
    shape[axis or 0] = draw(st.integers(0, 3))
    indices = draw(hnp.arrays(np.intp, tuple(shape), elements=st.integers(-n, n - 1)))
    return spelled(draw, {"arr": x, "indices": indices, "axis": axis})


@CASES.of(np.compress)
def _compress(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    axis = draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1))) if x.ndim else None
    condition = draw(hnp.arrays(bool, st.integers(0, x.size if axis is None else x.shape[axis])))
    return spelled(draw, {"condition": condition, "a": x, "axis": axis})


@CASES.of(np.extract)
def _extract(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    return spelled(draw, {"condition": draw(hnp.arrays(bool, x.shape)), "arr": x})


@CASES.of(np.choose)
def _choose(draw: st.DrawFn, fun: Any) -> Call:
    which, *choices = draw(broadcastable_shapes(draw(st.integers(2, 4))))
    mode = draw(st.sampled_from([{}, {"mode": "wrap"}, {"mode": "clip"}]))
    reach = 3 if mode else 0
    a = draw(hnp.arrays(np.intp, which, elements=st.integers(-reach, len(choices) - 1 + reach)))
    return spelled(draw, {"a": a, "choices": [draw(arrays(shape)) for shape in choices]}, **mode)


@CASES.of(np.select)
def _select(draw: st.DrawFn, fun: Any) -> Call:
    drawn = draw(broadcastable_shapes(2 * draw(st.integers(1, 2)) + 1))
    n = len(drawn) // 2
    conditions = [draw(hnp.arrays(bool, shape)) for shape in drawn[:n]]
    choices = [draw(arrays(shape)) for shape in drawn[n : 2 * n]]
    default: dict[str, Any] = draw(st.sampled_from([{}, {"default": 1.5}, {"default": draw(arrays(drawn[-1]))}]))
    return spelled(draw, {"condlist": conditions, "choicelist": choices} | default)


@CASES.of(np.piecewise)
def _piecewise(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    conditions = [draw(hnp.arrays(bool, x.shape)) for _ in range(draw(st.integers(1, 2)))]
    functions: list[Any] = [np.square, np.negative, np.sin][: len(conditions) + 1]
    if draw(st.booleans()):
        functions[0] = 2.5
    if len(functions) > 2 and draw(st.booleans()):
        functions.pop()
    return (x, conditions, functions), {}


@CASES.of(np.bincount)
def _bincount(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(hnp.arrays(np.intp, st.integers(1, 5), elements=st.integers(0, 4)))
    length = draw(st.sampled_from([{}, {"minlength": 3}, {"minlength": 7}]))
    args, kwargs = spelled(draw, {"weights": draw(arrays(x.shape))} | length)
    return (x, *args), kwargs


# Functions of slices -------------------------------------------------------------------------------------------------


@CASES.of(np.apply_along_axis)
def _apply_along_axis(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=1)))
    func1d = draw(st.sampled_from([np.sum, np.square, np.flip, np.atleast_2d, np.atleast_3d]))
    return (func1d, axis_of(draw, x.ndim), x), {}


@CASES.of(np.apply_over_axes)
def _apply_over_axes(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=1)))
    axes = draw(st.one_of(st.integers(-x.ndim, x.ndim - 1), hnp.valid_tuple_axes(x.ndim, min_size=1)))
    return (draw(st.sampled_from([np.sum, np.mean, np.cumsum])), x, axes), {}


# Signals -------------------------------------------------------------------------------------------------------------


@CASES.of(np.convolve, np.correlate)
def _convolve(draw: st.DrawFn, fun: Any) -> Call:
    operands = [draw(arrays(shapes(min_dims=1, max_dims=1, max_side=5))) for _ in range(2)]
    mode = draw(st.sampled_from([{}, {"mode": "full"}, {"mode": "same"}, {"mode": "valid"}]))
    return spelled(draw, {"a": operands[0], "v": operands[1]} | mode)


@CASES.of(sliding_window_view)
def _sliding_window_view(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=1, max_side=4)))
    axis = draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1), hnp.valid_tuple_axes(x.ndim, min_size=1)))
    if axis is None or isinstance(axis, tuple):
        window: Any = tuple(draw(st.integers(1, x.shape[i])) for i in (range(x.ndim) if axis is None else axis))
    else:
        window = draw(st.integers(1, x.shape[axis]))
        if draw(st.booleans()):  # windows of windows
            window, axis = (window, draw(st.integers(1, x.shape[axis] - window + 1))), (axis, axis)
    return spelled(draw, {"x": x, "window_shape": window, "axis": axis})


@CASES.of(signals.overlap_add)
def _overlap_add(draw: st.DrawFn, fun: Any) -> Call:
    shape = draw(shapes(min_dims=1, max_side=4))
    axes = tuple(draw(st.permutations(range(len(shape))))[: draw(st.integers(1, len(shape)))])
    window = tuple(draw(st.integers(1, shape[i])) for i in axes)
    windows = draw(arrays(sliding_window_view(np.empty(shape), window, axes).shape))
    return spelled(draw, {"windows": windows, "shape": shape, "axes": axes})


@CASES.of(np.interp, signals.interpolated)
def _interp(draw: st.DrawFn, fun: Any) -> Call:
    n = draw(st.integers(1, 4))
    xp = np.cumsum(draw(arrays((n,), domain=Interval(0.1, 1.5)))) - 2
    x, fp = draw(arrays(shapes(max_dims=2))), draw(arrays((n,)))
    outside = {"left": draw(arrays(())), "right": draw(arrays(()))}
    if fun is signals.interpolated:
        x, xp, *_ = clear_of_kinks([x, xp], lambda x, xp: TABLE[fun].kinks(x, xp, fp))  # type: ignore[misc]
        return (x, xp, fp, *outside.values()), {}
    params: dict[str, Any] = draw(st.sampled_from([{}, outside, {"left": outside["left"]}, {"right": 0.5}, {"period": 2.5}]))
    period = params.get("period")
    if period is None:
        (x,) = clear_of_kinks([x], lambda x: TABLE[signals.interpolated].kinks(x, xp, fp))  # type: ignore[misc]
    else:
        xp = 0.2 + 2.1 * (np.arange(n) + 0.4 * np.sin(fp)) / n
        x, fp = draw(st.sampled_from([0.0, 2.5, -5.0])) + xp + 0.3 / n, fp[::-1]
        order = draw(st.permutations(range(n)))
        xp, fp = xp[order], fp[order]
    return spelled(draw, {"x": x, "xp": xp, "fp": fp}, **params)


@CASES.of(np.linspace, np.logspace, np.geomspace)
def _between(draw: st.DrawFn, fun: Any) -> Call:
    domain = Interval(0.2, 3.0) if fun is np.geomspace else Interval(-2.0, 2.0)
    ends = [draw(arrays(shape, domain=domain)) for shape in draw(broadcastable_shapes(2, max_dims=2))]
    ndim = max(x.ndim for x in ends)
    options: dict[str, Any] = {"num": st.integers(1, 5), "endpoint": st.booleans(), "axis": st.integers(-ndim - 1, ndim)}
    base = {"base": draw(st.sampled_from([2.0, np.array(1.5)]))} if fun is np.logspace and draw(st.booleans()) else {}
    return spelled(draw, {"start": ends[0], "stop": ends[1]}, **base, **draw(st.fixed_dictionaries({}, optional=options)))


# Polynomials ---------------------------------------------------------------------------------------------------------


@CASES.of(np.polyval)
def _polyval(draw: st.DrawFn, fun: Any) -> Call:
    return spelled(draw, {"p": draw(arrays(shapes(min_dims=1, max_dims=1, max_side=4))), "x": draw(arrays(shapes(max_dims=2)))})


@CASES.of(np.polyadd, np.polysub, np.polymul)
def _two_polynomials(draw: st.DrawFn, fun: Any) -> Call:
    avoid = (lambda x: x) if fun is np.polymul else None  # zeros in front are left away, so that it jumps there
    shape = st.sampled_from([(), (1,), (2,), (4,)])
    return spelled(draw, {"a1": draw(arrays(shape, avoid=avoid)), "a2": draw(arrays(shape, avoid=avoid))})


@CASES.of(np.poly)
def _poly(draw: st.DrawFn, fun: Any) -> Call:
    return (draw(arrays(shapes(min_dims=1, max_dims=1))),), {}


@CASES.of(np.polyfit)
def _polyfit(draw: st.DrawFn, fun: Any) -> Call:
    n = draw(st.integers(3, 5))
    x = np.linspace(-1.0, 1.0, n) + draw(arrays((n,))) / 20
    weights = {"w": draw(arrays((n,), domain=Interval(0.5, 2.0)))} if draw(st.booleans()) else {}
    y = draw(arrays(draw(st.sampled_from([(n,), (n, 2)]))))
    return spelled(draw, {"x": x, "y": y, "deg": draw(st.integers(0, 2))}, **weights)


@CASES.of(np.polyder, np.polyint)
def _one_polynomial(draw: st.DrawFn, fun: Any) -> Call:
    m = draw(st.integers(1, 3))
    k: list[dict[str, Any]] = [{}]
    if fun is np.polyint:
        k += [{"k": draw(arrays((m,)))}, {"k": draw(arrays(()))}]
    return spelled(draw, {"p": draw(arrays((draw(st.integers(4, 5)),))), "m": m} | draw(st.sampled_from(k)))
