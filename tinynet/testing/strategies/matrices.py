"""Cases of the linear algebra: factorisations, inverses, norms, parts of matrices.

The matrices have singular values (eigenvalues) at a distance from zero and from one another, and no direction along an axis:
so the derivatives are moderate, and LAPACK's choice of signs does not change within a step.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinynet.rules import determinants, matrixparts, norms
from tinynet.rules.table import AT_ZERO
from tinynet.testing.strategies.arrays import arrays, broadcastable_shapes, shapes
from tinynet.testing.strategies.calls import Call, Cases, axes_of, axis_of, spelled

__all__ = ["CASES"]

CASES = Cases()

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

# Matrices ------------------------------------------------------------------------------------------------------------

_SIDES = st.integers(1, 3)
_BATCHES = shapes(max_dims=2, max_side=2)


def _mirror(n: int, start: int = 2) -> Array:
    """An orthogonal matrix whose elements are all irrational."""
    normal = np.sqrt(np.arange(start, start + n))
    return np.asarray(np.eye(n) - 2 * np.outer(normal, normal) / normal.dot(normal))


def _diagonal(draw: st.DrawFn, m: int, n: int, signs: bool) -> Array:
    values = 1.0 + 1.5 * np.arange(min(m, n))
    if signs:
        values = values * _signs(draw, values.shape)
    return np.eye(m, n) * np.pad(values, (0, n - len(values)))


def _signs(draw: st.DrawFn, shape: Shape) -> Array:
    return np.where(draw(hnp.arrays(bool, shape)), -1, 1)


def matrix(draw: st.DrawFn, batch: Shape, m: int, n: int) -> Array:
    """Matrices of singular values about 1, 2.5 and 4."""
    near = _diagonal(draw, m, n, signs=True) + 0.05 * draw(arrays((*batch, m, n)))
    return _mirror(m) @ near @ _mirror(n, start=3)


def _square(draw: st.DrawFn) -> Array:
    n = draw(_SIDES)
    return matrix(draw, draw(_BATCHES), n, n)


def _any_shape(draw: st.DrawFn) -> Array:
    return matrix(draw, draw(_BATCHES), draw(_SIDES), draw(_SIDES))


def _symmetric(draw: st.DrawFn, lower: bool, positive: bool = False) -> Array:
    """Symmetric matrices of such eigenvalues, with anything in the triangle that is not read."""
    batch, n = draw(_BATCHES), draw(_SIDES)
    x = 0.025 * draw(arrays((*batch, n, n)))
    x = _mirror(n) @ (_diagonal(draw, n, n, signs=not positive) + x + x.mT) @ _mirror(n)
    other = draw(st.sampled_from([x, np.zeros_like(x), np.full_like(x, 7.0)]))
    return np.tril(x) + np.triu(other, 1) if lower else np.triu(x) + np.tril(other, -1)


# Inverses and equations ----------------------------------------------------------------------------------------------


@CASES.of(np.linalg.inv, np.linalg.slogdet)
def _of_a_square(draw: st.DrawFn, fun: Any) -> Call:
    return spelled(draw, {"a": _square(draw)})


@CASES.of(np.linalg.det)
def _det(draw: st.DrawFn, fun: Any) -> Call:
    n = draw(_SIDES)
    singular = np.ones((n, n)) if draw(st.booleans()) else np.zeros((n, n))
    return spelled(draw, {"a": draw(st.sampled_from([matrix(draw, draw(_BATCHES), n, n), singular]))})


@CASES.of(determinants.cofactors)
def _cofactors(draw: st.DrawFn, fun: Any) -> Call:
    a = _square(draw)
    return (a, *(draw(arrays(a.shape)) for _ in range(draw(st.integers(0, 2))))), {}


@CASES.of(np.linalg.matrix_power)
def _matrix_power(draw: st.DrawFn, fun: Any) -> Call:
    return spelled(draw, {"a": _square(draw), "n": draw(st.integers(-3, 5))})


@CASES.of(np.linalg.solve)
def _solve(draw: st.DrawFn, fun: Any) -> Call:
    n, (left, right) = draw(_SIDES), draw(broadcastable_shapes(2, max_dims=2, max_side=2))
    b = draw(st.sampled_from([(n,), (*right, n, 1), (*right, n, 2)]))
    return spelled(draw, {"a": matrix(draw, left, n, n), "b": draw(arrays(b))})


@CASES.of(np.linalg.pinv)
def _pinv(draw: st.DrawFn, fun: Any) -> Call:
    if draw(st.booleans()):
        return spelled(draw, {"a": _symmetric(draw, lower=True)}, hermitian=True)
    return spelled(draw, {"a": _any_shape(draw)} | draw(st.sampled_from([{}, {"rcond": 1e-9}])))


@CASES.of(np.linalg.lstsq)
def _lstsq(draw: st.DrawFn, fun: Any) -> Call:
    a = matrix(draw, (), draw(_SIDES), draw(_SIDES))
    b = draw(arrays(draw(st.sampled_from([a.shape[:1], (len(a), 2)]))))
    return spelled(draw, {"a": a, "b": b} | draw(st.sampled_from([{}, {"rcond": None}, {"rcond": 1e-9}])))


@CASES.of(np.linalg.tensorinv)
def _tensorinv(draw: st.DrawFn, fun: Any) -> Call:
    shape, params = draw(st.sampled_from([
        ((2, 2, 2, 2), {}), ((2, 2, 4), {"ind": 2}), ((4, 2, 2), {"ind": 1}), ((4, 4), {"ind": 1})
    ]))  # fmt: skip
    return spelled(draw, {"a": matrix(draw, (), 4, 4).reshape(shape)} | params)


@CASES.of(np.linalg.tensorsolve)
def _tensorsolve(draw: st.DrawFn, fun: Any) -> Call:
    shape = draw(st.sampled_from([(2, 2, 2, 2), (2, 2, 4), (4, 2, 2)]))
    a, b = matrix(draw, (), 4, 4).reshape(shape), draw(arrays(shape[: 1 if shape[0] == 4 else 2]))
    axes = draw(st.sampled_from([None, (), (0,), (1, 0)]))
    order = [i for i in range(a.ndim) if i not in (axes or ())] + list(axes or ())
    return spelled(draw, {"a": np.transpose(a, np.argsort(order)), "b": b} | ({} if axes is None else {"axes": axes}))


# Factorisations ------------------------------------------------------------------------------------------------------


@CASES.of(np.linalg.cholesky)
def _cholesky(draw: st.DrawFn, fun: Any) -> Call:
    params = draw(st.sampled_from([{}, {"upper": False}, {"upper": True}]))
    return (_symmetric(draw, lower=not params.get("upper"), positive=True),), params


@CASES.of(np.linalg.qr)
def _qr(draw: st.DrawFn, fun: Any) -> Call:
    a = _any_shape(draw)
    modes = ["reduced", "r"] + (["complete"] if a.shape[-2] <= a.shape[-1] else [])
    return spelled(draw, {"a": a} | draw(st.sampled_from([{}, *({"mode": mode} for mode in modes)])))


@CASES.of(np.linalg.eigh, np.linalg.eigvalsh)
def _eigh(draw: st.DrawFn, fun: Any) -> Call:
    triangle: dict[str, str] = draw(st.sampled_from([{}, {"UPLO": "L"}, {"UPLO": "U"}]))
    return spelled(draw, {"a": _symmetric(draw, triangle.get("UPLO") != "U")} | triangle)


@CASES.of(np.linalg.svd)
def _svd(draw: st.DrawFn, fun: Any) -> Call:
    vectors: dict[str, bool] = draw(st.sampled_from([{}, {"compute_uv": True}, {"compute_uv": False}]))
    if draw(st.booleans()):
        return spelled(draw, {"a": _symmetric(draw, lower=True)}, hermitian=True, **vectors)
    a = _any_shape(draw)
    square = a.shape[-2] == a.shape[-1] or vectors.get("compute_uv") is False
    return spelled(draw, {"a": a, "full_matrices": draw(st.booleans()) if square else False} | vectors)


@CASES.of(np.linalg.svdvals)
def _svdvals(draw: st.DrawFn, fun: Any) -> Call:
    return (_any_shape(draw),), {}


# Norms ---------------------------------------------------------------------------------------------------------------

_POWERS = (0, 1, 3, 2.5, 0.5, -1, -2)
_VECTOR_ORDERS = (None, 2, np.inf, -np.inf, *_POWERS)
_MATRIX_ORDERS = (None, "fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf)


def _uneven(draw: st.DrawFn, shape: Shape) -> Array:
    """An array whose elements are not zero, of different magnitudes, and sum to different numbers along each axis."""
    size = np.prod(shape, dtype=int)
    order = np.array(draw(st.permutations(range(size))))
    magnitudes = (0.5 + order**1.3 / 2).reshape(shape)
    return np.asarray(_signs(draw, shape) * magnitudes + 0.01 * draw(arrays(shape)))


@CASES.of(np.linalg.norm)
def _norm(draw: st.DrawFn, fun: Any) -> Call:
    keywords: dict[str, Any] = {"keepdims": draw(st.booleans())} if draw(st.booleans()) else {}
    kind = draw(st.sampled_from(["all", "vectors", "matrices"]))
    if kind == "all":
        x = _uneven(draw, draw(shapes()))
        orders: Any = {1: _VECTOR_ORDERS, 2: _MATRIX_ORDERS[:2]}.get(x.ndim, (None,))
        return spelled(draw, {"x": x, "ord": draw(st.sampled_from(orders))}, **keywords)
    if kind == "vectors":
        x = _uneven(draw, draw(shapes(min_dims=1)))
        return spelled(draw, {"x": x, "ord": draw(st.sampled_from(_VECTOR_ORDERS)), "axis": axis_of(draw, x.ndim)}, **keywords)
    order, x = draw(st.sampled_from(_MATRIX_ORDERS)), _any_shape(draw)
    if order in (1, -1, np.inf, -np.inf):
        x = _uneven_sums(draw, x.shape)
    axes = draw(st.permutations(range(x.ndim)))[:2]
    x = np.moveaxis(x, (-2, -1), axes)
    given = tuple(i - x.ndim if draw(st.booleans()) else i for i in axes)
    return spelled(draw, {"x": x, "ord": order, "axis": given}, **keywords)


def _uneven_sums(draw: st.DrawFn, shape: Shape) -> Array:
    """Matrices whose rows, and whose columns, have sums of magnitudes that lie apart."""
    rows, columns = np.ogrid[: shape[-2], : shape[-1]]
    size = (1 + rows) * (1.0 + 1.5 * columns)
    return np.asarray(_signs(draw, (*shape[:-2], 1, shape[-1])) * size + 0.02 * draw(arrays(shape)))


@CASES.of(np.linalg.vector_norm)
def _vector_norm(draw: st.DrawFn, fun: Any) -> Call:
    x = _uneven(draw, draw(shapes(max_dims=3)))
    params: Any = {"axis": axes_of(draw, x.ndim, fewest=1), "keepdims": draw(st.booleans())}
    order = {"ord": draw(st.sampled_from(_VECTOR_ORDERS[1:]))} if draw(st.booleans()) else {}
    return (x,), params | order


@CASES.of(np.linalg.matrix_norm)
def _matrix_norm(draw: st.DrawFn, fun: Any) -> Call:
    order, x = draw(st.sampled_from(_MATRIX_ORDERS)), _any_shape(draw)
    if order in (1, -1, np.inf, -np.inf):
        x = _uneven_sums(draw, x.shape)
    return (x,), {"ord": order} | draw(st.sampled_from([{}, {"keepdims": True}]))


@CASES.of(np.linalg.cond)
def _cond(draw: st.DrawFn, fun: Any) -> Call:
    p = draw(st.sampled_from(_MATRIX_ORDERS))
    if p in (None, 2, -2):
        return spelled(draw, {"x": _any_shape(draw), "p": p})
    n = draw(_SIDES)
    near = 0.02 * draw(arrays((*draw(_BATCHES), n, n), avoid=AT_ZERO))
    return spelled(draw, {"x": np.diag(3.0 ** np.arange(n)) + near, "p": p})


@CASES.of(norms.euclidean_norm)
def _euclidean_norm(draw: st.DrawFn, fun: Any) -> Call:
    x = _uneven(draw, draw(shapes(max_dims=2)))
    return spelled(draw, {"x": x, "axis": axes_of(draw, x.ndim, fewest=1) or None}, keepdims=draw(st.booleans()))


@CASES.of(norms.power_norm)
def _power_norm(draw: st.DrawFn, fun: Any) -> Call:
    x = _uneven(draw, draw(shapes(min_dims=1)))
    p = draw(st.sampled_from([p for p in _POWERS if p not in (0, 1)]))
    return spelled(draw, {"x": x, "p": p, "axis": axis_of(draw, x.ndim)}, keepdims=draw(st.booleans()))


# Parts of matrices ---------------------------------------------------------------------------------------------------


def _two_axes(draw: st.DrawFn, ndim: int) -> dict[str, int]:
    first, second = draw(st.permutations(range(ndim)))[:2]
    return {"axis1": first - ndim if draw(st.booleans()) else first, "axis2": second}


@CASES.of(np.diagonal, np.trace)
def _diagonal_of(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=2)))
    if draw(st.booleans()):
        return spelled(draw, {"a": x})
    return spelled(draw, {"a": x, "offset": draw(st.integers(-1, 1))} | _two_axes(draw, x.ndim))


@CASES.of(np.linalg.diagonal, np.linalg.trace)
def _linalg_diagonal(draw: st.DrawFn, fun: Any) -> Call:
    return (draw(arrays(shapes(min_dims=2))),), draw(st.sampled_from([{}, {"offset": -1}, {"offset": 1}]))


@CASES.of(matrixparts.on_diagonal)
def _on_diagonal(draw: st.DrawFn, fun: Any) -> Call:
    shape, axes, offset = draw(shapes(min_dims=2)), {}, draw(st.integers(-1, 1))
    if draw(st.booleans()):
        axes = _two_axes(draw, len(shape))
    diagonal = np.diagonal(np.empty(shape), offset, *axes.values()).shape
    return spelled(draw, {"x": draw(arrays(diagonal)), "shape": shape, "offset": offset} | axes)


@CASES.of(np.diag, np.diagflat)
def _diag(draw: st.DrawFn, fun: Any) -> Call:
    shape = shapes(min_dims=1, max_dims=2) if fun is np.diag else shapes(max_dims=2)
    return spelled(draw, {"v": draw(arrays(shape))} | draw(st.sampled_from([{}, {"k": -1}, {"k": 0}, {"k": 2}])))


@CASES.of(np.tril, np.triu)
def _triangle(draw: st.DrawFn, fun: Any) -> Call:
    return spelled(draw, {"m": draw(arrays(shapes(min_dims=1)))} | draw(st.sampled_from([{}, {"k": -1}, {"k": 1}])))


@CASES.of(np.matrix_transpose, np.linalg.matrix_transpose)
def _matrix_transpose(draw: st.DrawFn, fun: Any) -> Call:
    return (draw(arrays(shapes(min_dims=2))),), {}


@CASES.of(np.vander)
def _vander(draw: st.DrawFn, fun: Any) -> Call:
    params: list[dict[str, Any]] = [{}, {"N": 1}, {"N": 4}, {"N": None, "increasing": True}, {"N": 3, "increasing": True}]
    return spelled(draw, {"x": draw(arrays(shapes(min_dims=1, max_dims=1)))} | draw(st.sampled_from(params)))


# Products ------------------------------------------------------------------------------------------------------------


@CASES.of(np.kron)
def _kron(draw: st.DrawFn, fun: Any) -> Call:
    return spelled(draw, {"a": draw(arrays(shapes(max_side=2))), "b": draw(arrays(shapes(max_side=2)))})


@CASES.of(np.cross)
def _cross(draw: st.DrawFn, fun: Any) -> Call:
    left, right = draw(broadcastable_shapes(2, max_dims=2))
    if len(left) == len(right) and draw(st.booleans()):
        axis = axis_of(draw, len(left) + 1)
        a, b = (np.moveaxis(draw(arrays((*shape, 3))), -1, axis) for shape in (left, right))
        return (a, b), {"axis": axis}
    ndims = {"axisa": len(left), "axisb": len(right), "axisc": max(len(left), len(right))}
    axes = {name: axis_of(draw, ndim + 1) for name, ndim in ndims.items()}
    a, b = (np.moveaxis(draw(arrays((*shape, 3))), -1, axes[name]) for shape, name in ((left, "axisa"), (right, "axisb")))
    return spelled(draw, {"a": a, "b": b} | axes)


@CASES.of(np.linalg.cross, np.vecdot, np.linalg.vecdot)
def _of_vectors(draw: st.DrawFn, fun: Any) -> Call:
    shape, other = draw(shapes(min_dims=1)), draw(st.booleans())
    axis = axis_of(draw, len(shape))
    sides = list(shape)
    sides[axis] = 3
    ones = [1 if other and i != axis % len(shape) else n for i, n in enumerate(sides)]
    if other and 0 < axis % len(shape) < len(shape) - 1:  # with an axis less, which is counted from each operand's beginning
        return (draw(arrays(tuple(sides))), draw(arrays(tuple(ones[:-1])))), {"axis": axis % len(shape)}
    pair = draw(arrays(tuple(sides))), draw(arrays(tuple(ones)))
    return pair, {} if axis in (-1, len(shape) - 1) and draw(st.booleans()) else {"axis": axis}


@CASES.of(np.linalg.matmul)
def _linalg_matmul(draw: st.DrawFn, fun: Any) -> Call:
    (left, right), m, n, k = draw(broadcastable_shapes(2, max_dims=1)), draw(_SIDES), draw(_SIDES), draw(_SIDES)
    return (draw(arrays((*left, m, n))), draw(arrays((*right, n, k)))), {}


@CASES.of(np.linalg.outer)
def _linalg_outer(draw: st.DrawFn, fun: Any) -> Call:
    return (draw(arrays((draw(_SIDES),))), draw(arrays((draw(_SIDES),)))), {}


@CASES.of(np.linalg.tensordot)
def _linalg_tensordot(draw: st.DrawFn, fun: Any) -> Call:
    m, n = draw(_SIDES), draw(_SIDES)
    choices: list[Any] = [({}, (m, n, 2)), ({"axes": 1}, (n, 2)), ({"axes": ((0, -1), (1, 0))}, (n, m))]
    axes, other = draw(st.sampled_from(choices))
    return (draw(arrays((m, n))), draw(arrays(other))), axes


if hasattr(np, "matvec"):  # NumPy 2.2

    @CASES.of(np.matvec, np.vecmat)
    def _matvec(draw: st.DrawFn, fun: Any) -> Call:
        (left, right), m, n = draw(broadcastable_shapes(2, max_dims=2)), draw(_SIDES), draw(_SIDES)
        vector, stack = draw(arrays((*left, n))), draw(arrays((*right, m, n)))
        return ((stack, vector) if fun is np.matvec else (vector, stack.mT)), {}


@CASES.of(np.linalg.multi_dot)
def _multi_dot(draw: st.DrawFn, fun: Any) -> Call:
    sides = draw(st.lists(_SIDES, min_size=3, max_size=5))
    chain = list(pairwise(sides))
    first = chain[0][1:] if draw(st.booleans()) else chain[0]
    last = chain[-1][:1] if draw(st.booleans()) else chain[-1]
    return spelled(draw, {"arrays": [draw(arrays(shape)) for shape in (first, *chain[1:-1], last)]})
