"""Running sums, differences, quantiles, and what skips NaN: remarkable points, ties, NaN, empty arrays, and bad input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.rules import accumulations, special
from tinynet.testing import gradcheck
from tinynet.testing.strategies import arrays

nan, inf = np.nan, np.inf


def gradient(f, x):
    """The gradient of the sum of f's result."""
    x = tn.tensor(x, requires_grad=True)
    np.sum(f(x)).backward()
    return x.grad


# Conventions ---------------------------------------------------------------------------------------------------------

CONVENTIONS = {
    "median of an even count": (np.median, [4.0, 1.0, 3.0, 2.0], [0, 0, 0.5, 0.5]),
    "median among ties": (np.median, [2.0, 1.0, 2.0, 3.0], [0.5, 0, 0.5, 0]),
    "median between ties": (np.median, [1.0, 2.0, 1.0, 2.0], [0.25, 0.25, 0.25, 0.25]),
    "median without NaN": (np.nanmedian, [nan, 1.0, 5.0, 2.0], [0, 0, 0, 1]),
    "quantile": (lambda x: np.quantile(x, 0.25), [3.0, 1.0, 2.0], [0, 0.5, 0.5]),
    "quantile of nothing but ties": (lambda x: np.quantile(x, 0.3), [2.0, 2.0], [0.5, 0.5]),
    "percentile at an element": (lambda x: np.percentile(x, 50), [3.0, 1.0, 2.0], [0, 0, 1]),
    "quantile by rows of different counts": (
        lambda x: np.nanquantile(x, 0.5, axis=1), [[1.0, nan, 3.0], [3.0, 1.0, 2.0]], [[0.5, 0, 0.5], [0, 0, 1]],
    ),
    "sum without NaN": (np.nansum, [1.0, nan], [1, 0]),
    "product without NaN": (np.nanprod, [2.0, nan, 0.0], [0, 0, 2]),
    "mean without NaN": (np.nanmean, [1.0, nan, 3.0], [0.5, 0, 0.5]),
    "variance without NaN": (np.nanvar, [1.0, nan, 3.0], [-1, 0, 1]),
    "deviation without NaN of a constant": (np.nanstd, [2.0, nan, 2.0], [0, 0, 0]),
    "running sum without NaN": (np.nancumsum, [1.0, nan, 3.0], [3, 0, 1]),
    "running product without NaN": (np.nancumprod, [2.0, nan, 3.0], [5, 0, 2]),
    "running product through zeros": (np.cumprod, [0.0, 2.0, 0.0, 3.0], [3, 0, 0, 0]),
    "running maximum": (np.maximum.accumulate, [1.0, 3.0, 2.0, 3.0], [1, 2.5, 0, 0.5]),
    "running minimum": (np.minimum.accumulate, [1.0, 3.0, 1.0], [2.5, 0, 0.5]),
    "running log-sum-exp of nothing": (np.logaddexp.accumulate, [-inf, -inf, 0.0], [0, 0, 1]),
    "running log-sum-exp far apart": (np.logaddexp.accumulate, [1e4, -1e4, 2e4], [2, 0, 1]),
    "fmax": (np.fmax.reduce, [nan, 2.0, 2.0, 1.0], [0, 0.5, 0.5, 0]),
    "fmin": (np.fmin.reduce, [nan, 2.0, 1.0, 1.0], [0, 0, 0.5, 0.5]),
    "peak to peak": (np.ptp, [1.0, 3.0, 3.0], [-1, 0.5, 0.5]),
    "peak to peak of a constant": (np.ptp, [2.0, 2.0], [0, 0]),
    "NaN replaced": (np.nan_to_num, [nan, 1.0, inf, -inf], [0, 1, 0, 0]),
    "sinc": (np.sinc, [0.0], [0]),
    "average": (lambda x: np.average(x, weights=[1.0, 3.0]), [5.0, 7.0], [0.25, 0.75]),
}  # fmt: skip


@pytest.mark.parametrize(("f", "x", "expected"), CONVENTIONS.values(), ids=CONVENTIONS.keys())
def test_conventions(f, x, expected):
    np.testing.assert_allclose(gradient(f, x), expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    "f", [np.median, lambda x: np.quantile(x, 0.4), lambda x: np.nanmedian(x * nan), lambda x: np.nanquantile(x * nan, 0.4)]
)
def test_a_nan_that_is_not_skipped_is_in_the_gradient_too(f):
    x = tn.tensor([1.0, nan, 2.0], requires_grad=True)
    with np.errstate(all="ignore"):
        y = f(x)
        y.backward()
    assert np.isnan(y.data)
    assert np.isnan(x.grad).all()


def test_an_empty_mean_is_numpys_nan_with_a_warning():
    for f in (np.median, np.nanmedian):
        with np.errstate(all="ignore"):
            assert np.isnan(f(tn.tensor(np.ones((2, 0)), requires_grad=True), axis=1).data).all()
    with pytest.warns(RuntimeWarning, match="Degrees of freedom"), np.errstate(all="ignore"):
        assert np.isnan(np.nanvar(tn.tensor([nan, 1.0], requires_grad=True), ddof=1).data)


# Values of what NumPy has under another name, or not at all ----------------------------------------------------------


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(arrays((2, n)), arrays((2, n)))))
def test_recurrence_is_the_loop_over_the_elements(pair):
    b, a = pair
    y = np.zeros(2)
    for i, result in enumerate(np.moveaxis(accumulations.recurrence(b, a), -1, 0)):
        y = b[:, i] + a[:, i] * y
        np.testing.assert_allclose(result, y, rtol=1e-12, atol=1e-12 * np.prod(1 + np.abs(a), axis=-1).max())


@given(arrays((3, 4)), st.sampled_from([0, 1, -1]))
def test_ufunc_methods_have_the_values_of_numpy(x, axis):
    for ufunc in (np.add, np.multiply, np.maximum, np.minimum, np.logaddexp):
        np.testing.assert_array_equal(ufunc.accumulate(tn.tensor(x), axis).data, ufunc.accumulate(x, axis))
        gradcheck(lambda x: ufunc.accumulate(x, axis=axis), np.cumsum(np.abs(x) + 0.2).reshape(x.shape))  # noqa: B023
    gradcheck(lambda x: np.add.accumulate(x, axis, np.float64), x)
    for ufunc in (np.add, np.multiply, np.maximum, np.minimum, np.fmax, np.fmin, np.hypot, np.logaddexp, np.logaddexp2):
        for params in ({}, {"axis": axis}, {"axis": axis, "keepdims": True}):
            result = ufunc.reduce(tn.tensor(x), **params)
            np.testing.assert_allclose(result.data, ufunc.reduce(x, **params), rtol=1e-14, atol=1e-14, strict=True)


def test_arguments_of_reduce_have_their_own_places():
    x = np.array([[1.0, -2.0], [0.5, 4.0]])
    for ufunc in (np.add, np.multiply, np.maximum, np.minimum):
        expected = ufunc.reduce(x, 1, None, None, True, 0.75, [True, False])
        np.testing.assert_array_equal(ufunc.reduce(tn.tensor(x), 1, None, None, True, 0.75, [True, False]).data, expected)


METHODS = (
    "linear", "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen",
    "weibull", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest",
)  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_quantiles_have_the_values_of_numpy_everywhere(method):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 7))
    x[1, 2] = x[2, 1] = x[2, 5] = nan
    q = np.concatenate([np.linspace(0, 1, 43), rng.uniform(size=20)])
    for fun, levels in ((np.quantile, q), (np.nanquantile, q), (np.nanpercentile, 100 * q)):
        result = fun(tn.tensor(x, requires_grad=True), levels, axis=1, method=method)
        np.testing.assert_array_equal(result.data, fun(x, levels, axis=1, method=method), strict=True)


@pytest.mark.parametrize("q", [0.3, np.float32(0.3), np.float64(0.3), [0.3]])
def test_quantiles_have_the_dtype_of_numpy(q):
    x = np.array([1.0, 2.0, 4.0], np.float32)
    if np.lib.NumpyVersion(np.__version__) < "2.3.0" and isinstance(q, float):
        pytest.skip("NumPy took another dtype then")
    assert np.quantile(tn.tensor(x, requires_grad=True), q).dtype == np.quantile(x, q).dtype


def test_the_slope_of_a_quantile_in_its_level():
    x = np.array([0.0, 1.0, 10.0])
    level = tn.grad(lambda q: np.quantile(x, q))
    assert level(0.25) == pytest.approx(2.0)
    assert level(0.75) == pytest.approx(18.0)
    assert tn.grad(lambda q: np.quantile(x, q, method="weibull"))(0.01) == 0.0  # below the smallest element
    assert tn.grad(lambda q: np.quantile(x, q, method="nearest"))(0.3) == 0.0


def test_a_long_quantile_does_not_lose_its_fraction_in_float32():
    x = np.arange(100_001, dtype=np.float32)
    assert np.quantile(tn.tensor(x, requires_grad=True), 0.123456).data == np.float32(12345.6)


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
def test_derivatives_of_sinc_are_continuous_where_their_formula_changes(order):
    edge = (order + 1) / np.pi
    near, far = special.sinc_derivative(np.array([edge * (1 - 1e-15), edge * (1 + 1e-15)]), order)
    assert near == pytest.approx(far, rel=1e-12, abs=1e-12)


def test_i0_from_small_to_large():
    x = np.array([-3.0, -1e-9, 0.0, 0.5, 40.0, 700.0])
    np.testing.assert_allclose(special.i0_derivative(x, 0), np.i0(x), rtol=1e-13)


def test_derivatives_of_sinc_at_zero():
    slopes = [special.sinc_derivative(np.zeros(1), n).item() for n in range(6)]
    np.testing.assert_allclose(slopes, [1, 0, -(np.pi**2) / 3, 0, np.pi**4 / 5, 0], rtol=1e-14)


def test_frexp_gives_the_exponent_as_an_array():
    mantissa, exponent = np.frexp(tn.tensor([6.0, -0.3], requires_grad=True))
    expected = np.frexp([6.0, -0.3])
    assert mantissa.requires_grad and not exponent.requires_grad
    np.testing.assert_array_equal(exponent.data, expected[1], strict=True)
    mantissa.backward([1.0, 1.0])


@pytest.mark.parametrize("fun", [np.remainder, np.fmod, lambda x, y: np.divmod(x, y)[1]])
def test_remainders_of_negative_divisors(fun):
    gradcheck(fun, [np.array([5.3, -5.3, 2.0, -2.0]), np.array([-2.0, -2.1, -0.7, 0.7])])


def test_average_without_weights_tells_the_count():
    mean, count = np.average(tn.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True), axis=0, returned=True)
    np.testing.assert_array_equal(mean.data, [2.0, 3.0])
    np.testing.assert_array_equal(count, [2.0, 2.0])


def test_gradient_of_evenly_spaced_coordinates_sees_each_of_them():
    f, x = np.array([1.0, 2.0, 4.0, 3.0]), np.arange(4.0)
    np.testing.assert_allclose(np.gradient(tn.tensor(f), x).data, np.gradient(f, x), rtol=1e-15)
    gradcheck(lambda f, x: np.gradient(f, x, edge_order=2), [f, x], order=2)


LARGE = {
    "logaddexp": (lambda x: np.logaddexp(x[0], x[1]), [1e17, 1e17], [0.5, 0.5]),
    "logaddexp2": (lambda x: np.logaddexp2(x[0], x[1]), [1e17, 1e17], [0.5, 0.5]),
    "logaddexp of nothing": (lambda x: np.logaddexp(x[0], x[1]), [-inf, 3.0], [0, 1]),
    "logsumexp": (tn.logsumexp, [1e17, 1e17, -inf], [0.5, 0.5, 0]),
    "hypot": (lambda x: np.hypot(x[0], x[1]) * 1e10, [3e299, 4e299], [6e9, 8e9]),
    "arctan": (np.arctan, [1e200], [0]),
    "arccosh": (np.arccosh, [1e200], [1e-200]),
    "swish": (lambda beta: tn.swish(np.array([1e200]), beta), [1.0], [0]),
}


@pytest.mark.parametrize(("f", "x", "expected"), LARGE.values(), ids=LARGE.keys())
def test_large_numbers_do_not_overflow_in_a_rule(f, x, expected):
    x = tn.tensor(x, requires_grad=True)
    with np.errstate(over="ignore"):
        y = np.sum(f(x))
    y.backward()
    np.testing.assert_allclose(x.grad, expected, rtol=1e-14, atol=0)


def test_a_large_sum_of_exponentials_in_float32_has_a_gradient_that_sums_to_one():
    x = tn.tensor([1e6, 1e6, 1e6 - 1], requires_grad=True, dtype="float32")
    tn.logsumexp(x).backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_allclose(x.grad, tn.softmax(x.data), rtol=1e-6)


def test_below_its_domain_arccosh_has_no_gradient():
    with np.errstate(invalid="ignore"):
        assert np.isnan(gradient(np.arccosh, [-2.0])).all()


# What NumPy's functions take besides ---------------------------------------------------------------------------------


SINGLE, HALF = np.array([1.0, 2.0, 4.0, 8.0], np.float32), np.array([1.0, 2.0, 4.0, 8.0], np.float16)
DTYPES = {
    "ediff1d": (np.ediff1d, (SINGLE, np.array([9.0]), 5.0)),
    "gradient": (np.gradient, (SINGLE, np.array(0.5))),
    "gradient by coordinates": (np.gradient, (HALF, np.arange(4.0))),
    "average": (lambda a, w: np.average(a, weights=w), (SINGLE.astype(float) / 3, SINGLE)),
    "cov": (lambda a, w: np.cov(a, aweights=w), (SINGLE.astype(float), SINGLE / 3)),
    "average of integers": (lambda a, w: np.average(a, weights=w), (np.arange(4), SINGLE)),
    "poly": (np.poly, (HALF,)),
    "average of foreign byte order": (np.median, (SINGLE.astype(">f8"),)),
    "largest of foreign byte order": (np.max, (SINGLE.astype(">f8"),)),
    "running sum of a number": (lambda x: np.cumulative_sum(x, include_initial=True), (np.array(5.0),)),
    "running product of a number": (lambda x: np.cumulative_prod(x, axis=-1), (np.array(5.0),)),
}


@pytest.mark.skipif(not hasattr(np, "cumulative_sum"), reason="NumPy 2.1")
@pytest.mark.parametrize(("f", "args"), DTYPES.values(), ids=DTYPES.keys())
def test_dtype_and_value_are_numpys_in_mixed_dtypes(f, args):
    tensors = [tn.tensor(x, requires_grad=np.asarray(x).dtype.kind == "f") for x in args]
    result, expected = f(*tensors), np.asarray(f(*args))
    np.testing.assert_array_equal(result.data, expected)
    assert (result.dtype, result.shape) == (expected.dtype.newbyteorder("="), expected.shape)
    np.sum(result).backward()
    assert all(x.grad.dtype == x.dtype for x in tensors if x.requires_grad)


def test_the_roots_of_a_polynomial_may_be_a_list():
    gradcheck(lambda a, b: np.poly([a, 2.0, b]), [np.array(3.0), np.array(-1.0)], order=2)


OUT = {
    "nansum": (np.nansum, (None, None)),
    "nanmean": (np.nanmean, (None, None)),
    "nanstd": (np.nanstd, (None, None)),
    "nancumsum": (np.nancumsum, (None, None)),
    "median": (np.median, (None,)),
    "nanmedian": (np.nanmedian, (None,)),
    "quantile": (np.quantile, (0.5, None)),
    "ptp": (np.ptp, (None,)),
    "trace": (np.trace, (0, 0, 1, None)),
    "take": (np.take, ([0], None)),
    "outer": (np.outer, (np.ones(2),)),
}


@pytest.mark.parametrize(("fun", "rest"), OUT.values(), ids=OUT.keys())
def test_an_array_to_write_to_is_refused_and_none_is_none(fun, rest):
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    t, out = tn.tensor(x, requires_grad=True), np.zeros_like(fun(x, *rest))
    expected = fun(x, *rest)
    for result in (fun(t, *rest, None), fun(t, *rest, out=None)):
        np.testing.assert_array_equal(result.data, expected)
    for write in (lambda: fun(t, *rest, out), lambda: fun(t, *rest, out=out)):
        with pytest.raises(TypeError, match=f"np.{fun.__name__} on a tensor takes no out=; assign the result"):
            write()


# Empty arrays and bad input ------------------------------------------------------------------------------------------

EMPTY = {
    "cumsum": np.cumsum,
    "cumprod": lambda x: np.cumprod(x, axis=1),
    "maximum.accumulate": lambda x: np.maximum.accumulate(x, axis=1),
    "logaddexp.accumulate": lambda x: np.logaddexp.accumulate(x, axis=1),
    "diff": np.diff,
    "ediff1d": np.ediff1d,
    "trapezoid": np.trapezoid,
    "nansum": lambda x: np.nansum(x, axis=1),
}


@pytest.mark.parametrize("f", EMPTY.values(), ids=EMPTY.keys())
def test_empty_arrays(f):
    x = np.ones((2, 0))
    np.testing.assert_array_equal(f(tn.tensor(x)).data, f(x), strict=True)
    gradcheck(f, x, order=2)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: np.quantile(x, 1.5), ValueError, "range"),
        (lambda x: np.quantile(x, 0.5, method="best"), ValueError, "best"),
        (lambda x: np.quantile(x, 0.5, weights=np.ones(3)), TypeError, "weights"),
        (lambda x: np.quantile(x[:0], 0.5), ValueError, "no elements"),
        (lambda x: np.average(x, weights=[1.0, 2.0]), TypeError, "give their axis="),
        (lambda x: np.average(x, axis=0, weights=[1.0, 2.0]), ValueError, "weights of shape"),
        (lambda x: np.average(x, weights=[1.0, -1.0, 0.0]), ZeroDivisionError, "sum to zero"),
        (lambda x: np.diff(x, n=-1), ValueError, "n >= 0"),
        (lambda x: np.gradient(x, 1.0, 2.0), TypeError, "2 spacings for 1 axes"),
        (lambda x: np.gradient(x, np.arange(2.0)), ValueError, "coordinates of shape"),
        (lambda x: np.gradient(x[:1]), ValueError, "has 1 elements"),
        (lambda x: np.cov(np.reshape(x, (1, 1, 3))), ValueError, "np.cov"),
        (lambda x: np.cov(x, aweights=[1.0, -1.0, 1.0]), ValueError, "np.cov: aweights cannot be negative"),
        (lambda x: np.nan_to_num(x, copy=False), TypeError, "copy"),
        (lambda x: np.sum(x, initial=x[0]), TypeError, "initial"),
        (lambda x: np.percentile(x, 150.0), ValueError, "np.percentile: q is out of its range, 0 to 100"),
        (lambda x: np.nanquantile(x[:0], 0.5), ValueError, "np.nanquantile: a quantile of no elements"),
        (lambda x: np.ediff1d(np.arange(3), to_end=x), TypeError, "np.ediff1d: ends of float64 for differences of int64"),
    ],
)
def test_bad_input(call, error, match):
    with pytest.raises(error, match=match):
        call(tn.tensor([1.0, 2.0, 4.0], requires_grad=True))


@pytest.mark.parametrize("f", [np.max, np.min, lambda x: np.max(x, initial=0.0), np.maximum.accumulate, np.median])
def test_nothing_attains_an_extreme_that_is_nan(f):
    assert np.isnan(gradient(f, [1.0, nan, 2.0])).all()
