"""Every row of the rule table, and every composed function, in calls of every form, against NumPy and finite differences.

A row that is entered later is tested because it is in the table; one without a case fails the suite.
"""

import itertools
import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as tn
from tinynet.rules import COMPOSED, TABLE, name_of, reductions
from tinynet.rules import shapes as moves
from tinynet.testing import gradcheck
from tinynet.testing.rulechecks import CHECKS, Subject
from tinynet.testing.strategies import cases


def is_ours(fun):
    """Whether the operation is one of the table's own, not of another test."""
    return (getattr(fun, "__module__", None) or "numpy").partition(".")[0] in ("numpy", "tinynet", "_operator")


ROWS = {row.name: fun for fun, row in TABLE.items() if is_ours(fun)}
OPERATIONS = ROWS | {name_of(fun): fun for fun in COMPOSED}
UFUNCS = {  # element by element, of real numbers of any dtype
    name: fun
    for name, fun in ROWS.items()
    if isinstance(fun, np.ufunc) and fun.signature is None and f"{fun.nin * 'f'}->f" in fun.types
}


def over(functions):
    return pytest.mark.parametrize("fun", functions.values(), ids=functions.keys())


def as_list(result):
    return list(result) if isinstance(result, list | tuple) else [result]


def leaves(arrays, dtype=None):
    return [tn.tensor(x, requires_grad=True, dtype=dtype) for x in arrays]


def applicable(check):
    """The operations that a check says something of; one without a case is left to fail."""
    for name, fun in OPERATIONS.items():
        try:
            reason = CHECKS[check].exempt(Subject(fun))
        except LookupError:
            reason = ""
        if not reason:
            yield pytest.param(fun, check, id=f"{name}-{check}")


@pytest.mark.parametrize(("fun", "check"), [param for check in CHECKS for param in applicable(check)])
def test_operation(fun, check):
    CHECKS[check].run(Subject(fun), settings.default.max_examples)


def test_a_row_without_a_case_fails():
    @tn.primitive
    def backwards(x, axis):
        return np.flip(x, axis)

    backwards.defvjp(lambda g, out, x, axis: np.flip(g, axis))
    try:
        with pytest.raises(LookupError, match="backwards is not elementwise and has no case"):
            cases(backwards)
    finally:
        del TABLE[backwards]
    with pytest.raises(LookupError, match="not in the rule table"):
        cases(np.unique)


# Values --------------------------------------------------------------------------------------------------------------

REFERENCES = {
    reductions.logsumexp: lambda x, axis=None, keepdims=False: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)),
    reductions.product_of_others: lambda x: np.stack(
        [np.prod(np.delete(x, i, axis=-1), axis=-1) for i in range(x.shape[-1])], axis=-1
    ),
    moves.pad_constant: lambda x, widths, value=0: np.pad(x, widths, constant_values=value),
}


@pytest.mark.parametrize("fun", REFERENCES, ids=lambda fun: fun.__name__)
@given(data=st.data())
def test_value_of_a_primitive(fun, data):
    args, kwargs = data.draw(cases(fun))
    np.testing.assert_allclose(fun(*args, **kwargs), REFERENCES[fun](*args, **kwargs), rtol=1e-12, atol=1e-12, strict=True)


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.5, 1e300, -1e300, 5e-324])


@over(UFUNCS)
def test_nan_and_infinity_are_numpys(fun):
    operands = [np.array(column) for column in zip(*itertools.product(SPECIAL, repeat=fun.nin), strict=True)]
    with np.errstate(all="ignore"):
        xs = leaves(operands)
        result = fun(*xs)
        np.testing.assert_array_equal(result.data, fun(*operands), strict=True)
        result.backward(np.ones_like(result.data))
    assert all(x.grad.shape == x.shape for x in xs)


# Shapes and dtypes at the edge ---------------------------------------------------------------------------------------


@over(UFUNCS)
@pytest.mark.parametrize("shape", [(0,), (2, 0, 3)])
def test_empty_operands(fun, shape):
    xs = leaves([np.empty(shape)] * fun.nin)
    fun(*xs).backward(np.empty(shape))
    assert [x.grad.shape for x in xs] == [shape] * fun.nin


EMPTY = {
    "sum": (np.sum, (0, 2)),
    "mean": (lambda x: np.mean(x, axis=1), (0, 2)),
    "prod": (lambda x: np.prod(x, axis=0), (0, 2)),
    "var": (lambda x: np.var(x, axis=1), (0, 2)),
    "max": (lambda x: np.max(x, axis=1), (0, 2)),
    "logsumexp": (lambda x: tn.logsumexp(x, axis=1), (0, 2)),
    "matmul": (lambda x: x @ x.T, (2, 0)),
    "dot": (lambda x: np.dot(x, np.ones((2, 0, 3))), (2, 0)),
    "tensordot": (lambda x: np.tensordot(x, np.ones((0, 3)), 1), (2, 0)),
    "einsum": (lambda x: np.einsum("ij,kj->ik", x, x), (2, 0)),
    "reshape": (lambda x: np.reshape(x, (2, -1)), (0, 2)),
    "concatenate": (lambda x: np.concatenate([x, np.ones((1, 2)), x]), (0, 2)),
    "split": (lambda x: np.split(x, [0, 0]), (0, 2)),
    "tile": (lambda x: np.tile(x, (2, 2)), (0, 2)),
    "repeat": (lambda x: np.repeat(x, 0), (2,)),
    "pad": (lambda x: np.pad(x, 1), (0, 2)),
    "roll": (lambda x: np.roll(x, 1), (0, 2)),
    "slice": (lambda x: x[5:], (2,)),
    "no positions": (lambda x: x[[]], (2,)),
    "no mask": (lambda x: x[np.zeros(2, bool)], (2,)),
}


@pytest.mark.parametrize(("f", "shape"), EMPTY.values(), ids=EMPTY.keys())
def test_empty_arrays(f, shape):
    x = np.ones(shape)
    for result, expected in zip(as_list(f(tn.tensor(x))), as_list(f(x)), strict=True):
        np.testing.assert_allclose(result.data, expected, strict=True)
    gradcheck(f, x, order=2)


@over({name: fun for name, fun in UFUNCS.items() if fun.nin == 2})
@pytest.mark.parametrize("scalar", [2, 0.75])
def test_a_python_scalar_leaves_float32(fun, scalar):
    array = np.array([0.25, 1.5], np.float32)
    for operands in ([array, scalar], [scalar, array]):
        (x,) = xs = leaves([array])
        result = fun(*[xs[0] if operand is array else operand for operand in operands])
        np.testing.assert_array_equal(result.data, fun(*operands), strict=True)
        assert result.dtype == np.float32
        result.backward([1.0, -2.0])
        assert x.grad.dtype == np.float32


def test_mixed_dtypes_promote_and_gradients_come_back_in_the_arguments():
    x, y = tn.tensor([1.0, 2.0], True, np.float32), tn.tensor([3.0, 4.0], True, np.float64)
    product = x * y * np.array([2, 3]) * np.array([True, False])
    assert product.dtype == np.float64
    product.backward([1.0, 1.0])
    assert (x.grad.dtype, y.grad.dtype) == (np.float32, np.float64)
    assert x.grad.tolist() == [6.0, 0.0]


# Conventions where there is no derivative ----------------------------------------------------------------------------

CONVENTIONS = {  # beside those that the rows themselves tell
    "clip from below": (lambda x: np.clip(x, 0.0, None), [-1.0, 0.0, 2.0], [0, 1, 1]),
    "min over axes": (lambda x: np.min(x, axis=(0, 1)), [[2.0, 1.0], [1.0, 5.0]], [[0, 0.5], [0.5, 0]]),
    "max that is the initial value": (lambda x: np.max(x, initial=3.0), [1.0, 2.0], [0, 0]),
    "max that ties with the initial value": (lambda x: np.max(x, initial=3.0), [3.0, 3.0], [1 / 3, 1 / 3]),
    "0 to several powers": (lambda y: np.power(0.0, y), [0.0, 2.0], [0, 0]),
    "left out though NaN": (lambda x: np.var(x, where=~np.isnan(x)), [1.0, np.nan, 3.0], [-1, 0, 1]),
}


@pytest.mark.parametrize(("f", "x", "expected"), CONVENTIONS.values(), ids=CONVENTIONS.keys())
def test_conventions(f, x, expected):
    x = tn.tensor(x, requires_grad=True)
    np.sum(f(x)).backward()
    np.testing.assert_array_equal(x.grad, expected)


def test_second_derivatives_at_zero():
    second = tn.grad(tn.grad(lambda x: x**2.0))
    assert second(0.0) == 2.0
    assert tn.grad(tn.grad(lambda x: np.power(x, 1.0)))(0.0) == 0.0
    assert tn.grad(tn.grad(lambda x: np.power(x, 3.0)))(0.0) == 0.0


# Special cases of single rows ----------------------------------------------------------------------------------------


def test_the_last_value_at_a_repeated_position_stays():
    x, v = leaves([np.zeros(3), np.array([1.0, 2.0, 3.0])])
    y = x * 1.0
    y[[0, 2, 0]] = v
    assert y.data.tolist() == [3.0, 0.0, 2.0]
    y.backward([1.0, 10.0, 100.0])
    assert x.grad.tolist() == [0.0, 10.0, 0.0]
    assert v.grad.tolist() == [0.0, 100.0, 1.0]


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,ij->j", [(2, 3), (1, 3)]),
        ("ij,jk->ik", [(2, 1), (3, 2)]),
        ("...i,...i", [(2, 1, 3), (1, 4, 1)]),
        ("ii,i", [(1, 1), (3,)]),
    ],
)
def test_einsum_broadcasts_length_one(subscripts, shapes):
    rng = np.random.default_rng(0)
    gradcheck(lambda *xs: np.einsum(subscripts, *xs), [rng.standard_normal(shape) for shape in shapes], order=2)


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="NumPy 2.0 has no such names")
def test_clip_by_the_names_min_and_max():
    x = np.array([-1.0, 0.3, 2.0])
    gradcheck(lambda x: tn.Tensor.clip(x, min=0.0, max=1.0), x)


@pytest.mark.parametrize("fun", [np.ravel, lambda x, order: np.reshape(x, 4, order=order)])
@pytest.mark.parametrize("order", ["A", "K"])
def test_an_order_that_depends_on_memory_is_refused(fun, order):
    with pytest.raises(TypeError, match=f"takes no order='{order}'.*use 'C' or 'F'"):
        fun(tn.tensor(np.ones((2, 2))), order=order)


def test_pad_leaves_a_number_alone():
    gradcheck(lambda x: np.pad(x, 2), 1.5)


def test_variance_without_degrees_of_freedom_is_numpys_nan():
    x = tn.tensor([2.0], requires_grad=True)
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="Degrees of freedom"):
        y = np.var(x, ddof=1)
    with np.errstate(all="ignore"):
        y.backward()
    assert np.isnan(y.data)
    assert np.isnan(x.grad)


def test_reducing_ufuncs_are_their_reductions():
    x = np.array([[1.0, -2.0], [0.5, 4.0]])
    for ufunc in (np.add, np.multiply, np.maximum, np.minimum):
        gradcheck(ufunc.reduce, x)
        gradcheck(lambda x: ufunc.reduce(x, axis=(0, 1), keepdims=True), x)  # noqa: B023
        np.testing.assert_array_equal(ufunc.reduce(tn.tensor(x), 1).data, ufunc.reduce(x, 1))


def test_indices_may_be_tensors():
    x = np.array([1.0, 2.0, 3.0])
    gradcheck(lambda x: operator.getitem(x, tn.tensor([0, 2, 0])), x)
    gradcheck(lambda x: x[x > 1.5], x)
