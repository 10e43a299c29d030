"""Convolutions: values, gradients and second derivatives against torch's and finite differences; shapes; errors."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ShapeError
from tinynet.nn import Conv1d, Conv2d
from tinynet.nn.functional import conv1d, conv2d
from tinynet.testing import gradcheck


def per_axis(draw, n, numbers):
    """One number for all axes, or one for each."""
    return draw(numbers) if draw(st.booleans()) else tuple(draw(numbers) for _ in range(n))


@st.composite
def options(draw, n):
    """Keyword arguments of a convolution over n axes of space, sizes of kernel and input that they fit, channels."""
    kernel = tuple(draw(st.integers(1, 4)) for _ in range(n))
    dilation = per_axis(draw, n, st.integers(1, 3))
    same = draw(st.booleans())
    stride = 1 if same else per_axis(draw, n, st.integers(1, 3))
    padding = draw(st.sampled_from(["same"] if same else ["valid", None]))
    padding = per_axis(draw, n, st.integers(0, 3)) if padding is None else padding
    spans = np.broadcast_to(dilation, n) * (np.array(kernel) - 1) + 1
    around = 0 if isinstance(padding, str) else 2 * np.broadcast_to(padding, n)
    sizes = [max(int(s), 1) + draw(st.integers(0, 4)) for s in spans - around]
    if padding == "same":
        sizes = [draw(st.integers(1, 6)) for _ in range(n)]
    groups = draw(st.integers(1, 3))
    channels = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    batch = draw(st.sampled_from([(), (0,), (1,), (3,)]))
    keywords = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "bias": draw(st.booleans())}
    return keywords, kernel, (*batch, channels[0], *sizes), channels


def pulled(layer, x, cotangent):
    """The output, and the gradients of input and parameters."""
    x = tn.tensor(x, requires_grad=True)
    y = layer(x)
    y.backward(cotangent)
    return [y.data, x.grad, *(p.grad for p in layer.parameters())]


def close(found, expected, tolerance=1e-10):
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=0, atol=tolerance, strict=True)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("n", [1, 2])
@given(data=st.data())
def test_values_and_gradients_are_torchs(n, data):
    torch = pytest.importorskip("torch")
    keywords, kernel, shape, channels = data.draw(options(n))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    ours = (Conv1d, Conv2d)[n - 1](*channels, kernel, **keywords, rng=rng)
    theirs = (torch.nn.Conv1d, torch.nn.Conv2d)[n - 1](*channels, kernel, **keywords, dtype=torch.float64)
    state = {key: torch.from_numpy(x) for key, x in ours.state_dict().items()}
    assert theirs.load_state_dict(state)
    x = rng.standard_normal(shape)
    leaf = torch.tensor(x, requires_grad=True)
    expected = theirs(leaf)
    cotangent = rng.standard_normal(expected.shape)
    expected.backward(torch.from_numpy(cotangent))
    close(pulled(ours, x, cotangent), [expected, leaf.grad, *(p.grad for p in theirs.parameters())])
    back = type(ours)(*channels, kernel, **keywords)
    back.load_state_dict(theirs.state_dict())
    np.testing.assert_array_equal(back(x).data, ours(x).data)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_second_derivatives(n, groups, batch):
    rng = np.random.default_rng(n + groups)
    shapes = (*batch, 2, *(5, 4)[:n]), (4, 2 // groups, *(3, 2)[:n]), (4,)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    f = (conv1d, conv2d)[n - 1]
    gradcheck(lambda x, w, b: f(x, w, b, stride=2, padding=1, dilation=1, groups=groups), arrays, order=2)
    gradcheck(lambda x, w: f(x, w, padding="same", groups=groups), arrays[:2], order=2)


def test_a_convolution_is_a_matrix_of_its_kernel():
    """The 2 × 4 Toeplitz matrix of a kernel of three elements, times a signal of four, is what the window gives."""
    kernel, x = np.array([2.0, -1.0, 0.5]), np.array([1.0, 3.0, -2.0, 4.0])
    toeplitz = np.array([[2.0, -1.0, 0.5, 0.0], [0.0, 2.0, -1.0, 0.5]])
    found = conv1d(x[None], kernel[None, None])
    np.testing.assert_array_equal(found, [toeplitz @ x])
    np.testing.assert_array_equal(found, [np.correlate(x, kernel, "valid")])
    np.testing.assert_array_equal(tn.jacobian(lambda x: conv1d(x[None], kernel[None, None])[0])(x), toeplitz)


@pytest.mark.parametrize("layer", [Conv1d(4, 6, 3, groups=2, rng=0), Conv2d(4, 6, (3, 2), groups=2, rng=0)])
def test_the_start_is_torchs(layer):
    fan_in = 2 * math.prod(layer.kernel_size)
    for x in layer.parameters():
        assert 0.8 / math.sqrt(fan_in) < np.abs(x.data).max() <= 1 / math.sqrt(fan_in)
    same = type(layer)(4, 6, layer.kernel_size, groups=2, rng=0)
    np.testing.assert_array_equal(same.weight.data, layer.weight.data)
    twin = pickle.loads(pickle.dumps(layer))
    assert repr(twin) == repr(layer)


@pytest.mark.parametrize(
    ("name", "args", "keywords"),
    [
        ("Conv1d", (2, 4, 3), {}),
        ("Conv1d", (2, 4, 3), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2, "bias": False}),
        ("Conv2d", (2, 4, (3, 1)), {"padding": "same"}),
        ("Conv2d", (2, 4, 3), {"padding": (1, 0)}),
    ],
)
def test_the_description_is_torchs(name, args, keywords):
    torch = pytest.importorskip("torch")
    assert repr(getattr(tn.nn, name)(*args, **keywords)).partition("  #")[0] == repr(getattr(torch.nn, name)(*args, **keywords))


def test_lists_and_integers():
    np.testing.assert_array_equal(conv1d([[1, 2, 4]], [[[1, -1]]], [10]), [[9, 8]])
    assert repr(Conv2d(np.int64(1), 2, [np.int64(3), 2])) == repr(Conv2d(1, 2, (3, 2)))
    y = conv1d(np.array([[1, 2, 4]]), tn.tensor([[[1.0, -1.0]]], requires_grad=True), padding=1)
    np.testing.assert_array_equal(y.data, [[-1, -1, -2, 4]])


def test_the_input_and_the_padding_stay_as_they_are():
    layer, x = Conv2d(1, 2, 3, padding=1, rng=0), np.random.default_rng(0).standard_normal((2, 1, 4, 4))
    before = x.copy()
    first, second = layer(x).data, layer(x).data
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(first, second)


# Errors ----------------------------------------------------------------------------------------------------------------

X, W = np.ones((2, 3, 5, 5)), np.ones((4, 3, 3, 3))


@pytest.mark.parametrize(
    ("args", "keywords", "words"),
    [
        ((X[:, :2], W), {}, r"\(2, 2, 5, 5\).*\(4, 3, 3, 3\).*axis 1 must be .* = 3 long"),
        ((X, W), {"groups": 3}, r"groups=3.*= 9 long"),
        ((X, np.ones((4, 1, 3, 3))), {"groups": 3}, "and the 4 outputs a multiple of the groups"),
        ((X, W, np.ones(3)), {}, r"the bias \(3,\).*one bias each"),
        ((X[0, 0], W), {}, r"\(5, 5\).*each with 2 more axes of space"),
        ((X, W[0]), {}, r"the weight \(3, 3, 3\)"),
        ((X, np.ones((4, 3, 3, 7))), {}, "axis 3 .* is 5 long with its padding, and the kernel spans 7; pad"),
        ((X, W), {"dilation": (3, 1)}, "axis 2 .* the kernel spans 7"),
        ((X, W[:, :, :, :0]), {}, "axis 3"),
    ],
)
def test_shapes_that_do_not_fit(args, keywords, words):
    for kind in (lambda x: x, lambda x: tn.tensor(x, requires_grad=True)):
        with pytest.raises(ShapeError, match=f"conv2d: .*{words}"):
            conv2d(*map(kind, args), **keywords)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"stride": 0}, "stride=0 must be an integer of at least 1"),
        ({"stride": (1, 1, 1)}, r"stride=\(1, 1, 1\) .* a tuple of 2"),
        ({"padding": -1}, "padding=-1 .*at least 0.*'same' or 'valid'"),
        ({"padding": "full"}, "padding='full'"),
        ({"padding": 0.5}, "padding=0.5"),
        ({"padding": "same", "stride": 2}, "padding='same' .* stride of 1, not of 2"),
        ({"dilation": 0}, "dilation=0"),
        ({"groups": 0}, "groups=0 must be an integer of at least 1"),
        ({"groups": 1.0}, "groups=1.0 must be an integer"),
    ],
)
def test_options_out_of_range(keywords, words):
    with pytest.raises(ValueError, match=f"conv2d: .*{words}"):
        conv2d(X, W, **keywords)
    with pytest.raises(ValueError, match=f"Conv2d: .*{words}"):
        Conv2d(3, 4, 3, **keywords)


@pytest.mark.parametrize("args", [(0, 4, 3), (3, 0, 3), (3.0, 4, 3), (3, "4", 3), (3, 4, 0), (3, 4, (1, 2, 3)), (3, 4, 2.0)])
def test_sizes_out_of_range(args):
    with pytest.raises(ValueError, match=r"Conv2d: .* must be an integer of at least 1"):
        Conv2d(*args)


@pytest.mark.parametrize("channels", [(4, 3), (3, 4)])
def test_groups_that_do_not_divide_the_channels(channels):
    with pytest.raises(ValueError, match=r"Conv1d\(., ., groups=2\): both numbers of channels must be multiples of the groups"):
        Conv1d(*channels, 1, groups=2)


def test_a_layer_names_what_does_not_fit():
    with pytest.raises(ShapeError, match=r"input has shape \(2, 5, 3\).*= 3 long"):
        Conv1d(3, 4, 2)(np.ones((2, 5, 3)))
