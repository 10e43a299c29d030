"""Normalisations: values, gradients, running averages against torch's; what the formulas imply; shapes; errors."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ShapeError
from tinynet.nn import BatchNorm1d, LayerNorm
from tinynet.nn.functional import layer_norm
from tinynet.testing import gradcheck


def as_torch(torch, layer, *args, **keywords):
    """The layer of torch with the options and the state of ours."""
    theirs = getattr(torch.nn, type(layer).__name__)(*args, **keywords, dtype=torch.float64)
    assert list(layer.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({key: torch.from_numpy(np.asarray(x)) for key, x in layer.state_dict().items()})
    return theirs


def drawn_parameters(layer, rng):
    for x in layer.parameters():
        x.data[...] = rng.standard_normal(x.shape)


def compare(torch, ours, theirs, x, rng):
    """Value and gradients at `x`, for a random cotangent."""
    leaf, theirs_leaf = tn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = ours(leaf), theirs(theirs_leaf)
    cotangent = rng.standard_normal(x.shape)
    y.backward(cotangent)
    expected.backward(torch.from_numpy(cotangent))
    found = [y.data, leaf.grad, *(p.grad for p in ours.parameters())]
    for a, b in zip(found, [expected, theirs_leaf.grad, *(p.grad for p in theirs.parameters())], strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-10, atol=1e-10, strict=True)


# LayerNorm -------------------------------------------------------------------------------------------------------------


@given(data=st.data())
def test_layer_norm_is_torchs(data):
    torch = pytest.importorskip("torch")
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
    batch = data.draw(st.lists(st.integers(0, 3), max_size=2).map(tuple))
    keywords = {
        "eps": data.draw(st.sampled_from([1e-5, 0.1])), "elementwise_affine": data.draw(st.booleans()),
        "bias": data.draw(st.booleans()),
    }  # fmt: skip
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    normalized = shape[0] if len(shape) == 1 and data.draw(st.booleans()) else shape
    ours = LayerNorm(normalized, **keywords)
    drawn_parameters(ours, rng)
    theirs = as_torch(torch, ours, normalized, **keywords)
    assert repr(ours).partition("  #")[0] == repr(theirs)
    compare(torch, ours, theirs, rng.standard_normal(batch + shape), rng)


@pytest.mark.parametrize("shape", [(4,), (2, 3)])
def test_second_derivatives_of_layer_norm(shape):
    rng = np.random.default_rng(0)
    x, weight, bias = rng.standard_normal((2, *shape)), rng.standard_normal(shape), rng.standard_normal(shape)
    gradcheck(lambda x, weight, bias: layer_norm(x, shape, weight, bias, eps=0.1), [x, weight, bias], order=2)


def test_a_new_layer_norm_gives_mean_0_and_variance_1():
    y = LayerNorm((3, 5))(np.random.default_rng(0).standard_normal((4, 3, 5)) * 7 + 3).data
    np.testing.assert_allclose(y.mean(axis=(1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=(1, 2)), 1, atol=1e-5)


def test_layer_norm_does_not_see_scale_or_shift():
    """So it is not linear: the norm of 2x is the norm of x, not twice that."""
    x = np.random.default_rng(0).standard_normal((4, 6))
    once, twice, shifted = (layer_norm(z, 6, eps=0.0) for z in (x, 2 * x, x + 5))
    np.testing.assert_array_equal(twice, once)
    np.testing.assert_allclose(shifted, once, rtol=1e-12)


def test_a_constant_sample_is_finite():
    x = tn.tensor(np.full((2, 4), 3.0), requires_grad=True)
    y = layer_norm(x, 4)
    y.backward(np.array([[1.0, 0.0, 2.0, -1.0]] * 2))
    np.testing.assert_array_equal(y.data, 0.0)
    assert np.all(np.isfinite(x.grad))


@pytest.mark.parametrize("scale", [1e30, 1e-30])
@pytest.mark.parametrize(
    "normalise",
    [
        lambda x: layer_norm(x, 5, eps=0.0),
        lambda x: BatchNorm1d(3, eps=0.0, affine=False, track_running_stats=False)(x.swapaxes(0, 1)),
    ],
    ids=["layer_norm", "BatchNorm1d"],
)
def test_numbers_whose_squares_single_precision_lacks(normalise, scale):
    rng = np.random.default_rng(0)
    single = tn.tensor((scale * rng.standard_normal((3, 5))).astype(np.float32), requires_grad=True)
    double = tn.tensor(single.data.astype(float), requires_grad=True)
    y, expected = normalise(single), normalise(double)
    v = rng.standard_normal(y.shape).astype(np.float32)
    y.backward(v)
    expected.backward(v.astype(float))
    for a, b in ((y.data, expected.data), (single.grad, double.grad)):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6 * np.abs(b).max())


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize(
    "normalise",
    [lambda x: layer_norm(x, 4, eps=0.0), lambda x: BatchNorm1d(2, 0.0, None, False, False)(x.swapaxes(0, 1))],
    ids=["layer_norm", "BatchNorm1d"],
)
def test_nothing_divided_by_nothing_is_nothing(normalise, dtype):
    """Without an eps, the same number all over gives 0, and so is the gradient of every order."""
    x = tn.tensor(np.array([[3.0] * 4, [1.0, 2.0, 4.0, 0.0]], dtype), requires_grad=True)
    y = normalise(x)
    y = y if y.shape == x.shape else y.swapaxes(0, 1)
    v = np.array([[1.0, -3.0, 2.0, -1.0]] * 2, dtype)
    (gradient,) = tn.autograd.grad(np.sum(y * v), [x], create_graph=True)
    (second,) = tn.autograd.grad(np.sum(gradient * v[:, ::-1]), [x])
    for z in (y, gradient, second):
        assert z.dtype == dtype
        np.testing.assert_array_equal(z.data[0], 0)
        assert np.all(np.isfinite(z.data)) and np.all(z.data[1] != 0)


def test_infinity_and_nan_are_seen():
    for odd in (np.nan, np.inf):
        with np.errstate(invalid="ignore"):
            y = layer_norm(np.array([[odd, 1.0, 2.0], [0.0, 1.0, 2.0]]), 3, eps=0.0)
        assert np.isnan(y).all(axis=1).tolist() == [True, False]


def test_large_numbers_keep_their_differences():
    x = np.array([[0.0, 1.0, 2.0]], np.float32)
    np.testing.assert_allclose(layer_norm(x + np.float32(2**20), 3), layer_norm(x, 3), rtol=1e-6)


def test_integers_are_normalised_as_floats():
    np.testing.assert_array_equal(layer_norm([[1, 2, 3]], 3), layer_norm(np.array([[1.0, 2.0, 3.0]]), 3))


@pytest.mark.parametrize(
    ("x", "args", "words"),
    [
        ((2, 4), (3,), r"\(2, 4\).*normalised shape \(3,\)"),
        ((4,), ((2, 4),), r"\(4,\).*normalised shape \(2, 4\)"),
        ((), (1,), r"\(\).*normalised shape \(1,\)"),
        ((2, 4), (4, np.ones(3)), r"weight and bias \(3,\) and None"),
        ((2, 4), (4, None, np.ones((1, 4))), r"weight and bias None and \(1, 4\)"),
    ],
)
def test_shapes_that_layer_norm_refuses(x, args, words):
    with pytest.raises(ShapeError, match=f"layer_norm: .*{words}"):
        layer_norm(np.ones(x), *args)


@pytest.mark.parametrize("shape", [0, (), (2, 0), -1, 3.0, (2, 3.0), "3", None])
def test_a_normalised_shape_is_positive(shape):
    with pytest.raises(ValueError, match=r"^LayerNorm: normalized_shape=.* must be a positive length"):
        LayerNorm(shape)
    with pytest.raises(ValueError, match=r"^layer_norm: normalized_shape=.* must be a positive length"):
        layer_norm(np.ones(3), shape)


def test_lengths_of_numpy_are_integers():
    assert repr(LayerNorm([np.int64(2), 3])) == repr(LayerNorm((2, 3)))


# BatchNorm1d -----------------------------------------------------------------------------------------------------------


@given(data=st.data())
def test_batch_norm_is_torchs(data):
    torch = pytest.importorskip("torch")
    c = data.draw(st.integers(1, 4))
    keywords = {
        "eps": data.draw(st.sampled_from([1e-5, 0.1])), "momentum": data.draw(st.sampled_from([0.1, 0.7, None])),
        "affine": data.draw(st.booleans()), "track_running_stats": data.draw(st.booleans()),
    }  # fmt: skip
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    ours = BatchNorm1d(c, **keywords)
    drawn_parameters(ours, rng)
    theirs = as_torch(torch, ours, c, **keywords)
    for training in data.draw(st.lists(st.booleans(), min_size=1, max_size=4)):
        ours.train(training), theirs.train(training)
        ours.zero_grad(), theirs.zero_grad()
        length = data.draw(st.sampled_from([(), (1,), (3,)]))
        compare(torch, ours, theirs, rng.standard_normal((data.draw(st.integers(2, 5)), c, *length)) * 3 + 1, rng)
        for key, x in theirs.state_dict().items():
            np.testing.assert_allclose(ours.state_dict()[key], x.numpy(), rtol=1e-10, atol=1e-10)
            assert ours.state_dict()[key].dtype == x.numpy().dtype


@pytest.mark.parametrize("shape", [(3, 2), (2, 2, 2)])
@pytest.mark.parametrize("training", [True, False])
def test_second_derivatives_of_batch_norm(shape, training):
    rng = np.random.default_rng(0)
    layer = BatchNorm1d(2, eps=0.1).train(training)
    layer.running_mean.data[...] = [0.5, -1.0]
    gradcheck(layer.forward, rng.standard_normal(shape), order=2)


def test_batch_norm_in_evaluation_is_affine():
    rng = np.random.default_rng(0)
    layer = BatchNorm1d(3)
    drawn_parameters(layer, rng)
    for _ in range(5):
        layer(rng.standard_normal((8, 3)) * 4 - 2)
    layer.eval()
    x, y, a = rng.standard_normal((6, 3)), rng.standard_normal((6, 3)), 0.3
    between = a * layer(x) + (1 - a) * layer(y)
    np.testing.assert_allclose(layer(a * x + (1 - a) * y).data, between.data, rtol=1e-12, atol=1e-12)
    jacobian = tn.jacobian(lambda row: layer(row[None])[0])(x[0]).data
    np.testing.assert_allclose(jacobian, np.diag(layer.weight.data / np.sqrt(layer.running_var.data + 1e-5)), rtol=1e-12)


def test_evaluation_changes_no_average():
    layer = BatchNorm1d(2)
    layer(np.random.default_rng(0).standard_normal((4, 2)))
    before = layer.state_dict()
    layer.eval()(np.ones((1, 2)))
    layer(np.ones((0, 2)))
    for key, x in layer.state_dict().items():
        np.testing.assert_array_equal(x, before[key])


def test_the_averages_keep_their_dtype():
    layer = BatchNorm1d(2).astype("float32")
    layer(np.random.default_rng(0).standard_normal((4, 2)))
    assert [x.dtype for x in layer.buffers()] == [np.float32, np.float32, np.int64]


@pytest.mark.parametrize("layer", [LayerNorm, BatchNorm1d])
def test_float32_stays_whatever_the_eps(layer):
    x, v = np.random.default_rng(0).standard_normal((2, 4, 2)).astype(np.float32)
    x = tn.tensor(x, requires_grad=True)
    y = layer(2, eps=np.float64(1e-5), dtype="float32")(x)
    y.backward(v)
    assert y.dtype == x.grad.dtype == np.float32


@pytest.mark.parametrize("shape", [(2,), (2, 4), (2, 4, 3), (2, 3, 1, 1), ()])
def test_shapes_that_batch_norm_refuses(shape):
    with pytest.raises(ShapeError, match=r"BatchNorm1d\(3, .*the input has shape .*; it must be \(N, 3\) or \(N, 3, L\)"):
        BatchNorm1d(3)(np.ones(shape))


@pytest.mark.parametrize("shape", [(1, 3), (0, 3), (1, 3, 1)])
def test_a_batch_without_a_variance(shape):
    layer = BatchNorm1d(3)
    with pytest.raises(ValueError, match=r"fewer than two values a feature; use a larger batch"):
        layer(np.ones(shape))
    assert layer.num_batches_tracked.data == 0
    assert layer.eval()(np.ones(shape)).shape == shape


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((0,), "num_features=0 must be an integer of at least 1"), ((2.0,), "num_features=2.0"),
        ((3, -1e-5), "eps=-1e-05 must not be negative"), ((3, np.nan), "eps=nan"),
        ((3, 0.1, 1.5), "momentum=1.5 must lie between 0 and 1"), ((3, 0.1, -0.1), "momentum=-0.1"),
    ],
)  # fmt: skip
def test_options_that_batch_norm_refuses(args, words):
    with pytest.raises(ValueError, match=f"BatchNorm1d: {words}"):
        BatchNorm1d(*args)


def test_a_variance_needs_no_negative_eps():
    with pytest.raises(ValueError, match=r"LayerNorm: eps=-1\.0 must not be negative"):
        LayerNorm(3, eps=-1.0)
    with pytest.raises(ValueError, match=r"layer_norm: eps=-1\.0 must not be negative"):
        layer_norm(np.ones(3), 3, eps=-1.0)


@pytest.mark.parametrize("shape", [(256, 2), (64, 2, 4)])
@pytest.mark.parametrize(("dtype", "offset", "tolerance"), [("float32", 1e4, 2e-6), ("float16", 1000.0, 2e-3)])
def test_evaluation_keeps_the_differences_of_large_numbers(shape, dtype, offset, tolerance):
    rng = np.random.default_rng(0)
    x = (offset + 2 * rng.standard_normal(shape)).astype(dtype)
    layer = BatchNorm1d(2, momentum=None, dtype=dtype)
    drawn_parameters(layer, rng)
    layer(x)
    exact = copy.deepcopy(layer).astype(float)
    leaf, twin = tn.tensor(x, requires_grad=True), tn.tensor(x.astype(float), requires_grad=True)
    y, expected = layer.eval()(leaf), exact.eval()(twin)
    v = rng.standard_normal(shape).astype(dtype)
    y.backward(v)
    expected.backward(v.astype(float))
    for a, b in ((y.data, expected.data), (leaf.grad, twin.grad)):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


# Half precision --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "shift"), [(500.0, 0.0), (1.0, 100.0)])
@pytest.mark.parametrize(
    "normalise",
    [lambda x: layer_norm(x, 1000), lambda x: BatchNorm1d(3, affine=False, track_running_stats=False)(x.T)],
    ids=["layer_norm", "BatchNorm1d"],
)
def test_half_precision_is_normalised_in_single(normalise, scale, shift):
    """The squares of these numbers, or their sum over a thousand, are beyond half precision."""
    rng = np.random.default_rng(0)
    half = tn.tensor((scale * rng.standard_normal((3, 1000)) + shift).astype(np.float16), requires_grad=True)
    exact = tn.tensor(half.data.astype(float), requires_grad=True)
    y, expected = normalise(half), normalise(exact)
    v = rng.standard_normal(y.shape).astype(np.float16)
    y.backward(v)
    expected.backward(v.astype(float))
    for a, b in ((y.data, expected.data), (half.grad, exact.grad)):
        assert a.dtype == np.float16
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-3 * np.abs(b).max())


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_norm_of_single_precision_gives_half_for_half_as_torchs_does(training):
    """Its running variance holds what that of a layer of half precision does not."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x = (3000 * rng.standard_normal((64, 2))).astype(np.float16)
    ours, theirs = BatchNorm1d(2, dtype="float32"), torch.nn.BatchNorm1d(2)
    drawn_parameters(ours, rng)
    theirs.load_state_dict({key: torch.from_numpy(np.asarray(value)) for key, value in ours.state_dict().items()})
    ours(x), theirs(torch.from_numpy(x))
    leaf, twin = tn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = ours.train(training)(leaf), theirs.train(training)(twin)
    v = rng.standard_normal(x.shape).astype(np.float16)
    y.backward(v)
    expected.backward(torch.from_numpy(v))
    for a, b in ((y.data, expected), (leaf.grad, twin.grad), (ours.running_var.data, theirs.running_var)):
        b = b.detach().numpy()
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-3 * np.abs(b).max(), strict=True)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_layer_norm_of_any_precision_gives_half_for_half_as_torchs_does(dtype):
    """Weight and bias are applied before the result is rounded, once."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x = (300 * rng.standard_normal((64, 30))).astype(np.float16)
    ours, theirs = LayerNorm(30, dtype=dtype), torch.nn.LayerNorm(30, dtype=getattr(torch, dtype))
    drawn_parameters(ours, rng)
    theirs.load_state_dict({key: torch.from_numpy(np.asarray(value)) for key, value in ours.state_dict().items()})
    leaf, twin = tn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = ours(leaf), theirs(twin)
    np.testing.assert_array_max_ulp(y.data, expected.detach().numpy(), 1)
    v = rng.standard_normal(x.shape).astype(np.float16)
    y.backward(v)
    expected.backward(torch.from_numpy(v))
    for a, b in ((leaf, twin), (ours.weight, theirs.weight), (ours.bias, theirs.bias)):
        a, b = a.grad, b.grad.numpy()
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-3 * np.abs(b).max(), strict=True)
    assert y.dtype == np.float16
    exact = layer_norm(x.astype(float), 30, ours.weight.data.astype(float), ours.bias.data.astype(float))
    np.testing.assert_array_max_ulp(y.data, exact.astype(np.float16), 1)


@pytest.mark.parametrize("make", [LayerNorm, BatchNorm1d], ids=lambda kind: kind.__name__)
def test_of_half_precision_a_stack_gives_what_its_members_give(make):
    rng = np.random.default_rng(0)
    layers = [make(6, dtype="float32") for _ in range(3)]
    for layer in layers:
        drawn_parameters(layer, rng)
    x = rng.standard_normal((3, 8, 6)).astype(np.float16)
    for mode in (True, False):
        together = tn.nn.stack(layers).train(mode)(x)
        alone = [layer.train(mode)(part).data for layer, part in zip(layers, x, strict=True)]
        np.testing.assert_array_equal(together.data, alone)
        assert together.dtype == np.float16
