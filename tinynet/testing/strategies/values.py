"""Cases of the operations that compute: those with parameters or several operands, reductions, products."""

from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinynet.rules import TABLE, Interval, activations, elementwise, layers, losses, reductions, special, splines
from tinynet.rules.table import REAL
from tinynet.testing.strategies.arrays import arrays, broadcastable_shapes, clear_of_kinks, shapes
from tinynet.testing.strategies.calls import Call, Cases, axes_of, axis_of, spelled

__all__ = ["CASES"]

CASES = Cases()

# Element by element --------------------------------------------------------------------------------------------------


@CASES.of(np.where)
def _where(draw: st.DrawFn, fun: Any) -> Call:
    condition, x, y = draw(broadcastable_shapes(3))
    return (draw(hnp.arrays(bool, condition)), draw(arrays(x)), draw(st.one_of(arrays(y), st.just(0.5)))), {}


@CASES.of(np.clip)
def _clip(draw: st.DrawFn, fun: Any) -> Call:
    shape, *edges = draw(broadcastable_shapes(3))
    x, low = draw(arrays(shape)), draw(arrays(edges[0]))
    high = low + draw(arrays(edges[1], domain=Interval(0.2, 2.0)))
    x, low, high = clear_of_kinks([x, low, high], TABLE[np.clip].kinks)  # type: ignore[arg-type]
    low, high = draw(st.sampled_from([(low, high), (None, high), (low, None)]))
    return spelled(draw, {"a": x, "a_min": low, "a_max": high})


@CASES.of(elementwise.cast)
def _cast(draw: st.DrawFn, fun: Any) -> Call:
    return spelled(draw, {"x": draw(arrays(shapes())), "dtype": np.float64})


@CASES.of(np.real, np.imag, np.real_if_close, np.angle, np.fix, np.sinc, np.i0, np.nan_to_num)
def _of_one_array(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(), avoid=TABLE[fun].kinks))
    choices: dict[Any, Any] = {np.angle: {"deg": True}, np.nan_to_num: {"nan": 1.0, "posinf": 2.0}}
    return (x,), draw(st.sampled_from([{}, choices.get(fun, {})]))


@CASES.of(special.sinc_derivative, special.i0_derivative)
def _of_an_order(draw: st.DrawFn, fun: Any) -> Call:
    return spelled(draw, {"x": draw(arrays(shapes())), "order": draw(st.integers(0, 4))})


@CASES.of(splines.bspline_basis)
def _bspline_basis(draw: st.DrawFn, fun: Any) -> Call:
    order, shape = draw(st.integers(0, 3)), draw(shapes())
    gaps = draw(arrays((order + draw(st.integers(2, 5)), *draw(st.sampled_from([(), shape[-1:]]))), domain=Interval(0.4, 1.6)))
    knots = np.cumsum(gaps, axis=0) - 3.0
    x = draw(arrays(shape, avoid=partial(TABLE[fun].kinks, knots=knots, order=order)))  # type: ignore[misc,arg-type]
    return spelled(draw, {"x": x, "knots": knots.tolist()} | ({} if order == 3 and draw(st.booleans()) else {"order": order}))


@CASES.of(np.heaviside)
def _heaviside(draw: st.DrawFn, fun: Any) -> Call:
    x, y = draw(broadcastable_shapes(2))
    steps = draw(hnp.arrays(np.int64, x, elements=st.integers(-1, 1)))  # at 0 the function depends on its second operand
    return (draw(st.sampled_from([steps, draw(arrays(x, avoid=lambda x: x))])), draw(arrays(y))), {}


@CASES.of(np.ldexp)
def _ldexp(draw: st.DrawFn, fun: Any) -> Call:
    x, n = draw(broadcastable_shapes(2))
    return (draw(arrays(x)), draw(st.one_of(hnp.arrays(np.intc, n, elements=st.integers(-3, 3)), st.just(2)))), {}


@CASES.of(np.round, np.around)
def _round(draw: st.DrawFn, fun: Any) -> Call:
    decimals = draw(st.sampled_from([{}, {"decimals": 0}, {"decimals": 1}]))
    (x,) = clear_of_kinks([draw(arrays(shapes()))], lambda a: 0.3 * TABLE[np.round].kinks(a, **decimals))  # type: ignore[misc]
    return spelled(draw, {"a": x} | decimals)


@CASES.of(activations.elu, activations.softplus, activations.hardtanh)
def _with_parameters(draw: st.DrawFn, fun: Any) -> Call:
    row = TABLE[fun]
    operands = [draw(arrays(shape)) for shape in draw(broadcastable_shapes(row.arity))]
    params: dict[str, float] = draw(st.sampled_from({
        activations.elu: [{}, {"alpha": 0.5}],
        activations.softplus: [{}, {"beta": 2.0}, {"beta": -1.0}],
        activations.hardtanh: [{}, {"min_val": 0.0, "max_val": 1.5}],
    }[fun]))
    if row.kinks is not None:
        operands = clear_of_kinks(operands, partial(row.kinks, **params))
    return tuple(operands), params


@CASES.of(losses.squared_error, losses.absolute_error, losses.huber_error, losses.logistic_loss, losses.log_loss)
def _of_elements(draw: st.DrawFn, fun: Any) -> Call:
    row = TABLE[fun]
    reduction = draw(st.sampled_from(["mean", "sum", "none"]))
    domain = Interval(0.0, 1.0) if fun is losses.log_loss else REAL
    both = draw(broadcastable_shapes(2)) if reduction == "none" else [draw(shapes())] * 2
    operands = [draw(arrays(shape, domain=domain)) for shape in both]
    params = draw(st.sampled_from([{}, {"delta": 0.5}])) if fun is losses.huber_error else {}
    if row.kinks is not None:
        operands = clear_of_kinks(operands, partial(row.kinks, **params))
    return tuple(operands), params | {"reduction": reduction}


@CASES.of(activations.softmax, activations.log_softmax)
def _over_an_axis(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=1)))
    return spelled(draw, {"x": x} | draw(st.sampled_from([{}, {"axis": axis_of(draw, x.ndim)}])))


@CASES.of(losses.nll, losses.softmax_nll)
def _of_classes(draw: st.DrawFn, fun: Any) -> Call:
    shape = draw(shapes(min_dims=1))
    return (draw(arrays(shape)), draw(arrays(shape))), draw(st.sampled_from([{}, {"reduction": "mean"}, {"reduction": "none"}]))


# Reductions ----------------------------------------------------------------------------------------------------------


@CASES.of(np.sum, np.mean, np.prod, np.max, np.amax, np.min, np.amin, np.var, np.std, reductions.logsumexp)
def _reduction(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    params: dict[str, Any] = {"axis": axes_of(draw, x.ndim)}
    keywords: dict[str, Any] = {"keepdims": True} if draw(st.booleans()) else {}
    if fun in (np.var, np.std):
        n = reductions.count(x, params["axis"])
        keywords |= {"ddof": draw(st.integers(0, min(2, n - 1)))} if draw(st.booleans()) else {}
    if fun in (np.sum, np.mean, np.prod, np.var, np.std) and draw(st.booleans()):
        params["dtype"] = np.float64
    if fun is not reductions.logsumexp and draw(st.booleans()):
        keywords |= _left_out(draw, fun, x, params["axis"], keywords.get("ddof", 0))
    kinks = TABLE[fun].kinks
    if kinks is not None:
        (x,) = clear_of_kinks([x], lambda a: kinks(a, **params | keywords))
    return spelled(draw, {"x" if fun is reductions.logsumexp else "a": x} | params, **keywords)


def _left_out(draw: st.DrawFn, fun: Any, x: Any, axis: Any, ddof: int) -> dict[str, Any]:
    """Elements that are left out, but for as many as the reduction needs, and what it starts from."""
    keywords: dict[str, Any] = {}
    if fun not in (np.mean, np.var, np.std):
        keywords["initial"] = draw(st.sampled_from([-0.5, 2.0]))
    if draw(st.booleans()):
        where = draw(hnp.arrays(bool, x.shape))
        keywords["where"] = where | (np.sum(where, axis=axis, keepdims=True) <= ddof)
    return keywords


@CASES.of(reductions.product_of_others)
def _product_of_others(draw: st.DrawFn, fun: Any) -> Call:
    return (draw(arrays(shapes(min_dims=1))),), {}


# Products ------------------------------------------------------------------------------------------------------------


@CASES.of(np.matmul)
def _matmul(draw: st.DrawFn, fun: Any) -> Call:
    drawn = hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, max_side=3)
    return tuple(draw(arrays(shape)) for shape in draw(drawn).input_shapes), {}


@CASES.of(np.dot)
def _dot(draw: st.DrawFn, fun: Any) -> Call:
    left, right, length = draw(shapes(max_dims=2)), draw(shapes(max_dims=3)), draw(st.integers(1, 3))
    right = (*right[:-1], length, *right[-1:])
    pair = draw(st.sampled_from([((*left, length), right), ((), right), (left, ())]))
    return tuple(draw(arrays(shape)) for shape in pair), {}


@CASES.of(np.inner)
def _inner(draw: st.DrawFn, fun: Any) -> Call:
    left, right, length = draw(shapes(max_dims=2)), draw(shapes(max_dims=2)), draw(st.integers(1, 3))
    pair = draw(st.sampled_from([((*left, length), (*right, length)), ((), right), (left, ())]))
    return tuple(draw(arrays(shape)) for shape in pair), {}


@CASES.of(np.outer)
def _outer(draw: st.DrawFn, fun: Any) -> Call:
    return spelled(draw, {"a": draw(arrays(shapes(max_dims=2))), "b": draw(arrays(shapes(max_dims=2)))})


@CASES.of(np.vdot)
def _vdot(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    shape = draw(st.sampled_from([x.shape, (x.size,), x.shape[::-1]]))
    return (x, draw(arrays(shape))), {}


@CASES.of(np.tensordot)
def _tensordot(draw: st.DrawFn, fun: Any) -> Call:
    summed, left, right = draw(shapes(max_dims=2)), draw(shapes(max_dims=2)), draw(shapes(max_dims=1))
    if draw(st.booleans()):
        a, b, axes = (*left, *summed), (*summed, *right), len(summed)
        return spelled(draw, {"a": draw(arrays(a)), "b": draw(arrays(b)), "axes": axes})
    axes_a = draw(st.permutations(range(len(left + summed))))[: len(summed)]
    axes_b = draw(st.permutations(range(len(right + summed))))[: len(summed)]
    a, b = _placed(left, summed, axes_a), _placed(right, summed, axes_b)
    axes_a = [i - len(a) if draw(st.booleans()) else i for i in axes_a]
    pair: Any = (axes_a[0], axes_b[0]) if len(summed) == 1 and draw(st.booleans()) else (axes_a, axes_b)
    return spelled(draw, {"a": draw(arrays(a)), "b": draw(arrays(b)), "axes": pair})


def _placed(kept: tuple[int, ...], summed: tuple[int, ...], axes: list[int]) -> tuple[int, ...]:
    """A shape in which the lengths `summed` stand at `axes` and those `kept` fill the rest."""
    rest = iter(kept)
    at = dict(zip(axes, summed, strict=True))
    return tuple(at[i] if i in at else next(rest) for i in range(len(kept) + len(summed)))


_SUBSCRIPTS = (
    "ij,jk->ik", "ij,jk", "ba,cb", "i,i->", "i,i", "i,j->ij", "ij->ji", "ij", "ji", "ij->", "ij->j", "ii", "ii->i", "iij->j",
    "iji->ij", "iii->i", "ii,i->i", "ii,jj->ij", "ijk,ikl->ijl", "ij,ij,j->i", "ij,jk,kl->il", ",ij->ij", "i,->i", "ij,kl->",
    "ij,k", "...ij,...jk->...ik", "...ij,...jk", "i...->...i", "...i,i", "...,...", "...i->...", "...ii->...i", "i j , j -> i",
)  # fmt: skip


@CASES.of(np.einsum)
def _einsum(draw: st.DrawFn, fun: Any) -> Call:
    subscripts = draw(st.sampled_from(_SUBSCRIPTS))
    terms = subscripts.replace(" ", "").partition("->")[0].split(",")
    lengths = {label: draw(st.integers(1, 3)) for label in "abcijkl"}
    dots = draw(broadcastable_shapes(len(terms), max_dims=2, max_side=2))
    operands = []
    for term, batch in zip(terms, dots, strict=True):
        before, ellipsis, after = term.partition("...")
        sides = [tuple(lengths[label] for label in part) for part in (before, after)]
        operands.append(draw(arrays(sides[0] + (batch if ellipsis else ()) + sides[1])))
    keywords: dict[str, Any] = draw(st.sampled_from([{}, {"optimize": True}]))
    if "..." not in subscripts and "->" in subscripts and draw(st.booleans()):
        inputs, _, result = subscripts.replace(" ", "").partition("->")
        lists = [["abcijkl".index(label) for label in term] for term in inputs.split(",")]
        pairs = [part for pair in zip(operands, lists, strict=True) for part in pair]
        return (*pairs, ["abcijkl".index(label) for label in result]), keywords
    return (subscripts, *operands), keywords


@CASES.of(layers.linear)
def _linear(draw: st.DrawFn, fun: Any) -> Call:
    batch, n, m = draw(shapes(max_dims=2)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    bias = {"bias": draw(arrays((m,)))} if draw(st.booleans()) else {}
    return spelled(draw, {"x": draw(arrays((*batch, n))), "weight": draw(arrays((m, n)))} | bias)
