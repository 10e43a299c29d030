"""Activation functions: values, derivatives, conventions at special points, the ends of the number range, modules."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ShapeError
from tinynet.nn import activations as modules
from tinynet.nn import functional as F
from tinynet.rules import activations, compositions
from tinynet.rules.special import erf, normal_cdf

SELU_SLOPE = 1.0507009873554804934 * 1.6732632423543772848

# name: (our function, its torch counterpart given torch.nn.functional)
ACTIVATIONS = {
    "relu": (F.relu, lambda f: f.relu),
    "relu6": (F.relu6, lambda f: f.relu6),
    "leaky_relu": (F.leaky_relu, lambda f: f.leaky_relu),
    "leaky_relu 0.3": (lambda x: F.leaky_relu(x, 0.3), lambda f: lambda x: f.leaky_relu(x, 0.3)),
    "leaky_relu 2": (lambda x: F.leaky_relu(x, negative_slope=2.0), lambda f: lambda x: f.leaky_relu(x, 2.0)),
    "elu": (F.elu, lambda f: f.elu),
    "elu 1.7": (lambda x: F.elu(x, 1.7), lambda f: lambda x: f.elu(x, 1.7)),
    "selu": (F.selu, lambda f: f.selu),
    "gelu": (F.gelu, lambda f: f.gelu),
    "gelu tanh": (lambda x: F.gelu(x, "tanh"), lambda f: lambda x: f.gelu(x, approximate="tanh")),
    "silu": (F.silu, lambda f: f.silu),
    "swish": (F.swish, lambda f: f.silu),
    "mish": (F.mish, lambda f: f.mish),
    "softplus": (F.softplus, lambda f: f.softplus),
    "softplus 2.5": (lambda x: F.softplus(x, 2.5), lambda f: lambda x: f.softplus(x, 2.5, threshold=1e3)),
    "sigmoid": (F.sigmoid, lambda f: f.sigmoid),
    "logsigmoid": (F.logsigmoid, lambda f: f.logsigmoid),
    "tanh": (np.tanh, lambda f: f.tanh),
    "tanhshrink": (F.tanhshrink, lambda f: f.tanhshrink),
    "softsign": (F.softsign, lambda f: f.softsign),
    "hardtanh": (F.hardtanh, lambda f: f.hardtanh),
    "hardtanh wide": (lambda x: F.hardtanh(x, -2.0, 0.5), lambda f: lambda x: f.hardtanh(x, -2.0, 0.5)),
    "hardsigmoid": (F.hardsigmoid, lambda f: lambda x: f.relu6(x + 3) / 6),  # torch's own rounds 1/6 to single precision
    "hardswish": (F.hardswish, lambda f: f.hardswish),
    "softmax": (F.softmax, lambda f: lambda x: f.softmax(x, -1)),
    "softmax 0": (lambda x: F.softmax(x, 0), lambda f: lambda x: f.softmax(x, 0)),
    "log_softmax": (F.log_softmax, lambda f: lambda x: f.log_softmax(x, -1)),
    "log_softmax 0": (lambda x: F.log_softmax(x, axis=0), lambda f: lambda x: f.log_softmax(x, 0)),
    "erf": (erf, lambda f: pytest.importorskip("torch").erf),
    "normal_cdf": (normal_cdf, lambda f: pytest.importorskip("torch").special.ndtr),
}
KINKS = {0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 0.5, -2.0}

SPECIAL_POINTS = [
    # (function, x, value, derivative): conventions that stand in no row of the rule table, and known values
    ("leaky_relu 0.3", 0.0, 0.0, 0.3),
    ("elu 1.7", 0.0, 0.0, 1.7),
    ("selu", 0.0, 0.0, SELU_SLOPE),
    ("gelu", 0.0, 0.0, 0.5),
    ("gelu", 1.0, 0.84134474606854294859, 1.0833154705876862984),
    ("gelu tanh", 0.0, 0.0, 0.5),
    ("gelu tanh", 1.0, 0.84119199060827670478, 1.0829640838457825551),
    ("silu", 0.0, 0.0, 0.5),
    ("silu", 1.0, 0.73105857863000487925, 0.92767051187148673179),
    ("mish", 0.0, 0.0, 0.6),
    ("relu6", 0.0, 0.0, 0.0),
    ("relu6", 6.0, 6.0, 0.0),
    ("hardsigmoid", -3.0, 0.0, 0.0),
    ("hardsigmoid", 3.0, 1.0, 0.0),
    ("hardswish", -3.0, 0.0, 0.0),
    ("hardswish", 3.0, 3.0, 1.0),
    ("softplus", 0.0, math.log(2), 0.5),
    ("softplus", 40.0, 40.0 + math.exp(-40), 1.0),
    ("softplus", -40.0, math.exp(-40), math.exp(-40)),
    ("softsign", 0.0, 0.0, 1.0),
    ("tanhshrink", 0.0, 0.0, 0.0),
    ("sigmoid", 0.0, 0.5, 0.25),
    ("tanh", 0.0, 0.0, 1.0),
    ("logsigmoid", 0.0, -math.log(2), 0.5),
    ("logsigmoid", -1000.0, -1000.0, 1.0),
]
SECOND_DERIVATIVES_AT_0 = {"relu": 0.0, "silu": 0.5, "gelu": math.sqrt(2 / math.pi), "softplus": 0.25, "mish": 0.64}


@pytest.mark.parametrize(("name", "x", "value", "derivative"), SPECIAL_POINTS)
def test_special_points(name, x, value, derivative):
    found = tn.value_and_grad(ACTIVATIONS[name][0])(np.array(x))
    np.testing.assert_allclose([float(part) for part in found], [value, derivative], rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(("name", "expected"), SECOND_DERIVATIVES_AT_0.items())
def test_second_derivatives_at_zero(name, expected):
    assert float(tn.grad(tn.grad(ACTIVATIONS[name][0]))(np.array(0.0))) == pytest.approx(expected, abs=1e-15)


def derivatives(f, x, v, w):
    """The value of an activation, its gradient with cotangent v, and the gradient of that with cotangent w."""
    x = tn.tensor(x, requires_grad=True)
    y = f(x)
    (dx,) = tn.autograd.grad(y, [x], v, create_graph=True)
    if not dx.requires_grad:
        return y.data, dx.data, np.zeros(x.shape)
    (ddx,) = tn.autograd.grad(dx, [x], w)
    return y.data, dx.data, ddx.data


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_and_two_derivatives_are_those_of_torch(name):
    torch = pytest.importorskip("torch")
    ours, theirs = ACTIVATIONS[name]
    rng = np.random.default_rng(0)
    x, v, w = (rng.normal(size=(7, 5)) * 3 for _ in range(3))
    found = derivatives(ours, x, v, w)
    tx = torch.tensor(x, requires_grad=True)
    ty = theirs(torch.nn.functional)(tx)
    (tdx,) = torch.autograd.grad(ty, tx, torch.tensor(v), create_graph=True)
    tddx = torch.zeros_like(tx)
    if tdx.requires_grad:
        (gradient,) = torch.autograd.grad(tdx, tx, torch.tensor(w), allow_unused=True)
        tddx = tddx if gradient is None else gradient
    for mine, other in zip(found, (ty, tdx, tddx), strict=True):
        np.testing.assert_allclose(mine, other.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if "softmax" not in name])
def test_derivatives_are_those_of_torch_at_the_kinks_too(name):
    torch = pytest.importorskip("torch")
    ours, theirs = ACTIVATIONS[name]
    x = tn.tensor(sorted(KINKS), requires_grad=True)
    ours(x).backward(np.arange(1.0, 1 + x.size))
    tx = torch.tensor(sorted(KINKS), requires_grad=True, dtype=torch.float64)
    theirs(torch.nn.functional)(tx).backward(torch.arange(1.0, 1 + x.size, dtype=torch.float64))
    np.testing.assert_allclose(x.grad, tx.grad.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_against_finite_differences(name):
    rng = np.random.default_rng(1)
    x = rng.uniform(-4, 4, (3, 4))
    x = np.where(np.abs(x - np.round(2 * x) / 2) < 1e-3, x + 0.01, x)  # away from every kink, all multiples of 1/2
    assert tn.testing.gradcheck(ACTIVATIONS[name][0], [x], order=2)


def test_leaky_relu_has_a_gradient_for_a_slope_that_broadcasts():
    x = tn.tensor([[-2.0, 3.0], [-5.0, -7.0]], requires_grad=True)
    slope = tn.tensor([0.1, 0.2], requires_grad=True)
    F.leaky_relu(x, slope).backward([[1.0, 10.0], [100.0, 1000.0]])
    np.testing.assert_allclose(slope.grad, [-2.0 - 500.0, -7000.0])
    np.testing.assert_allclose(x.grad, [[0.1, 10.0], [10.0, 200.0]])
    rng = np.random.default_rng(2)
    assert tn.testing.gradcheck(F.leaky_relu, [rng.normal(size=(4, 3)), rng.normal(size=3)], order=2)


def test_swish_has_a_gradient_for_beta():
    rng = np.random.default_rng(3)
    assert tn.testing.gradcheck(F.swish, [rng.normal(size=(4, 3)), np.array(1.3)], order=2)
    assert tn.testing.gradcheck(F.swish, [rng.normal(size=(4, 3)), rng.normal(size=3)])
    x, beta = tn.tensor([1.5], requires_grad=True), tn.tensor(0.7, requires_grad=True)
    F.swish(x, beta).backward()
    s = 1 / (1 + math.exp(-0.7 * 1.5))
    assert beta.grad == pytest.approx(1.5**2 * s * (1 - s), rel=1e-15)


# Plain operands ------------------------------------------------------------------------------------------------------

EVERY = [*activations.__all__, *compositions.__all__]
OVER_AN_AXIS = ("softmax", "log_softmax")
CANCELLING = ("elu", "gelu", "log_softmax", "selu", "tanhshrink")
every_activation = pytest.mark.parametrize("name", EVERY)


@every_activation
@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8", "bool"])
def test_integers_are_taken_for_float64(name, dtype):
    low = {"u": 0, "b": 0}.get(np.dtype(dtype).kind, -128)  # has no negative counterpart in int8
    x = np.array([low, 1, 2, 0], dtype)
    f = getattr(tn, name)
    for y in (f(x), f(tn.Tensor(x)).data):
        assert y.dtype == np.float64
        np.testing.assert_array_equal(y, f(x.astype(np.float64)))


@every_activation
def test_lists_and_numbers_are_arrays(name):
    f = getattr(tn, name)
    np.testing.assert_array_equal(f([-1.5, 2.0]), f(np.array([-1.5, 2.0])))
    np.testing.assert_array_equal(f([[True, 3], [2, -1]]), f(np.array([[1.0, 3.0], [2.0, -1.0]])))
    if name not in OVER_AN_AXIS:
        for x in (-1.5, 2, True, np.float64(0.5), np.int8(-128)):
            assert f(x) == f(np.array([x], np.float64))[0]
            assert f(x).dtype == np.float64
        assert f(np.float32(0.5)).dtype == np.float32


@every_activation
def test_half_precision(name):
    """As the same in float64, to the rounding of the result, or of the terms where they cancel."""
    x = np.concatenate([np.linspace(-12, 12, 193), [-3e4, 3e4]]).astype(np.float16)
    y = getattr(tn, name)(x[:, None] * np.array([1, 0], np.float16))
    truth = getattr(tn, name)(x[:, None].astype(np.float64) * [1.0, 0.0])
    assert y.dtype == np.float16
    np.testing.assert_allclose(y, truth, rtol=4e-3, atol=5e-3 if name in CANCELLING else 1e-6)


# The ends of the number range ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_inputs_are_finite_silent_and_keep_their_dtype(name, dtype):
    x = tn.tensor(np.array([[-1e4, -800.0, -90.0, -20.0, 0.0, 20.0, 90.0, 800.0, 1e4]], dtype), requires_grad=True)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y = ACTIVATIONS[name][0](x)
        (dx,) = tn.autograd.grad(y, [x], np.ones_like(x.data), create_graph=True)
        if dx.requires_grad:
            dx.backward(np.ones_like(x.data))
            assert x.grad.dtype == dtype
            assert np.isfinite(x.grad).all()
    assert y.dtype == dx.dtype == dtype
    assert np.isfinite(y.data).all()
    assert np.isfinite(dx.data).all()


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "logsigmoid", "gelu", "silu", "mish", "elu"])
def test_limits(name):
    left, right = (float(ACTIVATIONS[name][0](np.array(x, np.float32))) for x in (-1e4, 1e4))
    expected = {"sigmoid": (0, 1), "logsigmoid": (-1e4, 0), "elu": (-1, 1e4)}.get(name, (0, 1e4))
    assert (left, right) == expected


@pytest.mark.parametrize(("name", "expected"), {"sigmoid": (0, 1), "logsigmoid": (-np.inf, 0), "relu": (0, np.inf)}.items())
def test_values_and_slopes_at_infinity(name, expected):
    x = tn.tensor([-np.inf, np.inf], requires_grad=True)
    y = ACTIVATIONS[name][0](x)
    y.backward([1.0, 10.0])
    np.testing.assert_array_equal(y.data, expected)
    np.testing.assert_array_equal(x.grad, {"sigmoid": [0, 0], "logsigmoid": [1, 0], "relu": [0, 10]}[name])


@pytest.mark.parametrize("n", [1024, 1025, 65537])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relu_of_any_size(n, dtype):
    x = tn.tensor(np.random.default_rng(4).normal(size=n).astype(dtype), requires_grad=True)
    x.data[:3] = [0.0, np.inf, -np.inf]
    v = np.random.default_rng(5).normal(size=n).astype(dtype)
    y = F.relu(x)
    y.backward(v)
    np.testing.assert_array_equal(y.data, np.where(x.data > 0, x.data, 0))
    np.testing.assert_array_equal(x.grad, np.where(x.data > 0, v, 0))


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if "softmax" not in name])
def test_nan_stays_nan(name):
    y = ACTIVATIONS[name][0](np.array([np.nan, 1.0]))
    assert np.isnan(y[0])
    assert np.isfinite(y[1])


@pytest.mark.parametrize("n", [1, 1024, 1025, 70000])
@pytest.mark.parametrize("run", [lambda f: f, tn.compile])
def test_the_slope_of_relu_at_nan(n, run):
    slope = run(tn.grad(lambda x: np.sum(F.relu(x))))
    for _ in range(3):
        np.testing.assert_array_equal(slope(np.full(n, np.nan)), 0.0)


@given(st.floats(-700, 700))
def test_sigmoid_and_softplus_have_relative_accuracy_in_the_tails(x):
    e = math.exp(-abs(x))
    assert float(F.sigmoid(np.array(x))) == pytest.approx((1 if x >= 0 else e) / (1 + e), rel=4e-16)
    assert float(F.softplus(np.array(x))) == pytest.approx(max(x, 0) + math.log1p(e), rel=4e-16)
    assert float(F.logsigmoid(np.array(x))) == pytest.approx(-max(-x, 0) - math.log1p(e), rel=4e-16)


def test_softmax_of_rows_far_apart():
    x = np.array([[1e4, 1e4, -1e4], [-1e4, -1e4, -1e4]], np.float32)
    np.testing.assert_allclose(F.softmax(x), [[0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-6)
    np.testing.assert_allclose(F.log_softmax(x), [[-np.log(2), -np.log(2), -2e4 - np.log(2)], [-np.log(3)] * 3], rtol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 1), (2, 0, 5), (1, 2, 1024), (1, 2, 1025)])
@pytest.mark.parametrize("function", [F.softmax, F.log_softmax, tn.logsumexp])
def test_rows_under_several_axes_are_those_of_a_matrix(function, shape):
    """To the last bit, wherever the rows lie in memory; but for the longest, which are added up in NumPy's order."""
    rng = np.random.default_rng(0)
    for x in (rng.normal(size=shape), rng.normal(size=shape[::-1]).T, rng.normal(size=shape).astype(np.float32)):
        for axis in (-1, x.ndim - 1):
            expected = function(x.reshape(-1, shape[-1]), axis=-1)
            np.testing.assert_array_equal(function(x, axis=axis).reshape(expected.shape), expected, strict=True)


def test_softmax_ignores_masked_logits():
    x = tn.tensor([[0.0, -np.inf, 1.0]], requires_grad=True)
    F.softmax(x).backward([[1.0, 5.0, 2.0]])
    s = 1 / (1 + math.e)
    np.testing.assert_allclose(x.grad, [[-s * (1 - s), 0.0, s * (1 - s)]], rtol=1e-14)


def test_erf_is_that_of_the_mathematical_library():
    rng = np.random.default_rng(4)
    x = np.concatenate([
        rng.normal(size=40_000) * 2,
        rng.uniform(-1, 1, 30_000),
        rng.choice([-1, 1], 30_000) * 10.0 ** rng.uniform(-320, 300, 30_000),
        np.arange(-6144, 6145) / 1024,
        [0.0, -0.0, np.inf, -np.inf, 5e-324, -5e-324, 1.7e308, 6.0, np.nextafter(6, 0)],
    ])
    expected = np.array([math.erf(value) for value in x.tolist()])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = erf(x)
        single = erf(x[np.abs(x) < 1e38].astype(np.float32))
    assert np.max(np.abs(found - expected) / np.spacing(np.abs(expected))) <= 2
    assert np.array_equal(np.signbit(found), np.signbit(expected))
    assert np.isnan(erf(np.array([np.nan]))).all()
    assert single.dtype == np.float32
    exact = np.array([math.erf(value) for value in x[np.abs(x) < 1e38].astype(np.float32).tolist()])
    assert np.max(np.abs(single - exact) / np.spacing(np.abs(exact).astype(np.float32))) <= 2


# Modules -------------------------------------------------------------------------------------------------------------

MODULES = [
    (modules.ReLU(), "ReLU()", F.relu),
    (modules.ReLU6(), "ReLU6()", F.relu6),
    (modules.LeakyReLU(0.2), "LeakyReLU(negative_slope=0.2)", lambda x: F.leaky_relu(x, 0.2)),
    (modules.ELU(2.0), "ELU(alpha=2.0)", lambda x: F.elu(x, 2.0)),
    (modules.SELU(), "SELU()", F.selu),
    (modules.GELU(), "GELU(approximate='none')", F.gelu),
    (modules.GELU(approximate="tanh"), "GELU(approximate='tanh')", lambda x: F.gelu(x, "tanh")),
    (modules.SiLU(), "SiLU()", F.silu),
    (modules.Mish(), "Mish()", F.mish),
    (modules.Softplus(3.0), "Softplus(beta=3.0)", lambda x: F.softplus(x, 3.0)),
    (modules.Sigmoid(), "Sigmoid()", F.sigmoid),
    (modules.LogSigmoid(), "LogSigmoid()", F.logsigmoid),
    (modules.Tanh(), "Tanh()", np.tanh),
    (modules.Tanhshrink(), "Tanhshrink()", F.tanhshrink),
    (modules.Softmax(axis=0), "Softmax(axis=0)", lambda x: F.softmax(x, 0)),
    (modules.LogSoftmax(), "LogSoftmax(axis=-1)", F.log_softmax),
    (modules.Hardtanh(-2.0, 0.5), "Hardtanh(min_val=-2.0, max_val=0.5)", lambda x: F.hardtanh(x, -2.0, 0.5)),
    (modules.Hardsigmoid(), "Hardsigmoid()", F.hardsigmoid),
    (modules.Hardswish(), "Hardswish()", F.hardswish),
    (modules.Softsign(), "Softsign()", F.softsign),
    (modules.Sin(omega=30.0), "Sin(omega=30.0)", lambda x: np.sin(30 * x)),
    (modules.Square(), "Square()", np.square),
]


@pytest.mark.parametrize(("module", "text", "function"), MODULES, ids=[text for _, text, _ in MODULES])
def test_modules_are_their_functions(module, text, function):
    x = tn.tensor(np.random.default_rng(5).normal(size=(3, 4)), requires_grad=True)
    assert repr(module) == text
    for twin in (module, pickle.loads(pickle.dumps(module))):
        assert repr(twin) == text
        np.testing.assert_array_equal(twin(x).data, function(x).data)
    assert list(module.parameters()) == []


def test_every_module_is_tested():
    tested = {type(module).__name__ for module, _, _ in MODULES}
    assert tested == set(modules.__all__)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: modules.GELU("erf"), ValueError, ["'erf'", "'tanh'"]),
        (lambda: F.gelu(np.ones(2), approximate="erf"), ValueError, ["'erf'", "'tanh'"]),
        (lambda: modules.Hardtanh(1.0, -1.0), ValueError, ["min_val=1.0", "max_val=-1.0"]),
        (lambda: F.leaky_relu(tn.tensor(np.ones(3)), np.ones(2)), ShapeError, ["leaky_relu", "(3,)", "(2,)", "slope"]),
        (lambda: F.swish(tn.tensor(np.ones(3)), np.ones(2)), ShapeError, ["swish", "(3,)", "(2,)", "beta"]),
        (lambda: F.softmax(tn.tensor(np.ones(3)), axis=1), IndexError, ["softmax", "axis 1"]),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize("x", [-5.0, -15.0, -20.0, -80.0])
def test_the_slope_of_elu_is_accurate_in_the_tail(x):
    t = tn.tensor([x], requires_grad=True, dtype="float32")
    tn.elu(t).sum().backward()
    np.testing.assert_allclose(t.grad, np.exp(np.float32(x)), rtol=1e-6)
