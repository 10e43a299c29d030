"""The affine collapse at a point, activation patterns, and the registry of what modules are made of."""

from itertools import pairwise

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn
from tinynet.errors import ShapeError
from tinynet.inspect import AffineMap, Pieces, activation_patterns, collapse, register

PIECEWISE_LINEAR = {
    "ReLU": nn.ReLU, "LeakyReLU": nn.LeakyReLU, "PReLU": nn.PReLU, "PReLU a channel": lambda: nn.PReLU(7),
    "ReLU6": nn.ReLU6, "Hardtanh": lambda: nn.Hardtanh(-0.5, 0.75), "Hardsigmoid": nn.Hardsigmoid,
    "APL": lambda: nn.APL(3), "APL a channel": lambda: nn.APL(2, 7), "Dropout": nn.Dropout, "Identity": nn.Identity,
    "BatchNorm1d": lambda: nn.BatchNorm1d(7), "BatchNorm1d plain": lambda: nn.BatchNorm1d(7, affine=False),
}  # fmt: skip


def network(activation, seed=0, sizes=(5, 7, 7, 3)):
    rng = np.random.default_rng(seed)
    layers = [layer for m, n in pairwise(sizes) for layer in (nn.Linear(m, n, rng=rng), activation())]
    model = nn.Sequential(*layers[:-1])
    for x in model.parameters():
        x.data += rng.normal(size=x.shape)
    for layer in model:
        if isinstance(layer, nn.BatchNorm1d):
            layer.running_mean.data[...], layer.running_var.data[...] = rng.normal(size=7), rng.uniform(0.1, 2, size=7)
    return model.eval()


@pytest.mark.parametrize("name", PIECEWISE_LINEAR)
def test_collapse_is_value_and_jacobian(name):
    model = network(PIECEWISE_LINEAR[name])
    points = np.random.default_rng(1).normal(size=(40, 5)) * 2
    weight, bias = collapse(model, points)
    assert weight.shape == (40, 3, 5) and bias.shape == (40, 3)
    np.testing.assert_allclose(np.einsum("poi,pi->po", weight, points) + bias, model(points).data, rtol=1e-11, atol=1e-11)
    jacobian = tn.jacobian(lambda x: model(x[None])[0])
    np.testing.assert_allclose(weight, [jacobian(x).data for x in points], rtol=1e-11, atol=1e-11)
    one = collapse(model, points[0])
    np.testing.assert_allclose(one.weight, weight[0], rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(one.bias, bias[0], rtol=1e-11, atol=1e-12)


def test_linear_layers_collapse_to_their_product_everywhere():
    model = network(nn.Identity, sizes=(4, 6, 5, 6, 2))
    layers = [layer for layer in model if isinstance(layer, nn.Linear)]
    weight, bias = layers[0].weight.data, layers[0].bias.data
    for layer in layers[1:]:
        weight, bias = layer.weight.data @ weight, layer.weight.data @ bias + layer.bias.data
    for x in np.random.default_rng(0).normal(size=(3, 4)) * 100:
        collapsed = collapse(model, x)
        np.testing.assert_allclose(collapsed.weight, weight, rtol=1e-12)
        np.testing.assert_allclose(collapsed.bias, bias, rtol=1e-12)
    assert collapse(model, np.zeros((2, 3, 4))).weight.shape == (2, 3, 2, 4)
    plain = nn.Linear(3, 2, bias=False)
    np.testing.assert_array_equal(collapse(plain, np.ones(3)).weight, plain.weight.data)
    np.testing.assert_array_equal(collapse(plain, np.ones(3)).bias, 0)


def test_float32_networks_collapse_in_float64():
    model = network(nn.ReLU).astype("float32")
    x = np.random.default_rng(2).normal(size=5)
    weight, bias = collapse(model, x)
    assert weight.dtype == bias.dtype == np.float64
    np.testing.assert_allclose(weight @ x + bias, model(x.astype("float32")).data, rtol=1e-5)


@pytest.mark.parametrize("module, x, pattern", [
    (nn.ReLU(), [-1, 0, 2], [0, 0, 1]),
    (nn.LeakyReLU(), [-1, 0, 2], [0, 0, 1]),
    (nn.Hardtanh(), [-2, -1, 0, 1, 3], [0, 0, 1, 1, 2]),
    (nn.ReLU6(), [-2, 3, 7], [0, 1, 2]),
    (nn.APL(2), [-2, -0.25, 0.25, 2], [0, 1, 2, 3]),
])  # fmt: skip
def test_patterns_count_the_breakpoints_on_the_left(module, x, pattern):
    assert activation_patterns(nn.Sequential(module), x)["0"].tolist() == pattern


def test_patterns_have_the_names_of_the_layers():
    model = nn.Sequential(nn.Linear(2, 4, rng=0), nn.Sequential(nn.Hardtanh(), nn.Linear(4, 3, rng=1)), nn.ReLU())
    x = np.random.default_rng(0).normal(size=(6, 5, 2)) * 3
    patterns = activation_patterns(model, x)
    assert {name: pattern.shape for name, pattern in patterns.items()} == {"1.0": (6, 5, 4), "2": (6, 5, 3)}
    hidden = model[0](x).data
    np.testing.assert_array_equal(patterns["1.0"], np.digitize(hidden, [-1, 1], right=True))
    np.testing.assert_array_equal(patterns["2"], model[1](hidden).data > 0)


def test_patterns_are_of_layers_with_breakpoints():
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(2), nn.ReLU(), nn.Identity())
    assert {name: x.tolist() for name, x in activation_patterns(model, [-1.0, 1.0]).items()} == {"2": [0, 1]}


def test_training_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Dropout(0.5), nn.ReLU())
    weight, bias = collapse(model, [1.0, 2.0])
    assert model.training and all(module.training for module in model)
    np.testing.assert_allclose(weight @ [1.0, 2.0] + bias, model.eval()([1.0, 2.0]).data)


class Staircase(nn.Module):
    """A function with a breakpoint more for each unit, and jumps."""

    def forward(self, x):
        return np.floor(x) * [1.0, 2.0]


class Doubled(nn.Module):
    def __init__(self):
        self.inner = nn.Linear(2, 2, rng=0)

    def forward(self, x):
        return 2 * self.inner(x)


def test_registered_modules():
    register(Staircase, lambda module: Pieces([[0, 0], [1, 1]], [0, 0, 0], [[-1, -2], [0, 0], [1, 2]]))
    weight, bias = collapse(Staircase(), [0.5, 1.5])
    np.testing.assert_array_equal(weight, np.zeros((2, 2)))
    np.testing.assert_array_equal(bias, [0, 2])
    register(Doubled, lambda module: AffineMap(2 * module.inner.weight.data, 2 * module.inner.bias.data))
    model = nn.Sequential(Doubled(), nn.ReLU(), Doubled())
    weight, bias = collapse(model, [0.5, 1.5])
    np.testing.assert_allclose(weight @ [0.5, 1.5] + bias, model(np.array([0.5, 1.5])).data)
    with pytest.raises(ShapeError, match=r"layer 0 .* takes 2 numbers and is given 3"):
        collapse(nn.Sequential(Staircase()), [0.5, 1.5, 2.5])


def test_a_class_with_a_forward_of_its_own_is_not_what_it_is_derived_from():
    class Scaled(nn.Sequential):
        def forward(self, x):
            return 2 * super().forward(x)

    class Named(nn.Sequential):
        pass

    with pytest.raises(TypeError, match="collapse: layer 0 is Scaled"):
        collapse(nn.Sequential(Scaled(nn.ReLU())), [1.0])
    assert collapse(Named(nn.ReLU()), [1.0]).weight.tolist() == [[1.0]]


@pytest.mark.parametrize("activation", [nn.GELU, nn.Swish, nn.Tanh, nn.Sigmoid, nn.ELU, nn.Square, nn.Softmax])
def test_what_is_not_piecewise_linear_is_refused(activation):
    model = nn.Sequential(nn.Sequential(nn.Linear(5, 2), activation()), nn.Linear(2, 1))
    with pytest.raises(TypeError, match=r"collapse: layer 0\.1 is .*not known to be piecewise linear.*tn\.jacobian\(model\)"):
        collapse(model, np.ones(5))


def test_numbers_that_overflow_are_told():
    model = network(nn.ReLU)
    for layer in (model[0], model[2]):
        layer.weight.data *= 1e200
    for function in (collapse, activation_patterns):
        with pytest.raises(ValueError, match=f"{function.__name__}: numbers within the network are too large for a float64"):
            function(model, np.ones(5))
    with pytest.raises(ValueError, match="collapse: numbers within"):
        collapse(nn.Sequential(*model[:2], nn.Linear(7, 7, bias=False), model[2]), np.zeros(5))


def test_flatten_leaves_points_as_they_are():
    model = network(nn.ReLU)
    x = np.random.default_rng(5).normal(size=(4, 5))
    for flatten in (nn.Flatten(), nn.Flatten(-1)):
        weight, bias = collapse(nn.Sequential(flatten, *model), x)
        np.testing.assert_array_equal(weight, collapse(model, x).weight)
        np.testing.assert_array_equal(bias, collapse(model, x).bias)
    with pytest.raises(TypeError, match=r"layer 0 is Flatten\(start_axis=0.*not known to be piecewise linear"):
        collapse(nn.Sequential(nn.Flatten(0), *model), x)


def test_batch_norm_that_uses_the_batch_is_no_affine_map():
    with pytest.raises(TypeError, match=r"layer 0 is BatchNorm1d.*not known to be piecewise linear"):
        collapse(nn.Sequential(nn.BatchNorm1d(2, track_running_stats=False)), np.ones(2))


@pytest.mark.parametrize("model", [np.abs, None, nn.ReLU, [nn.ReLU()]])
def test_only_modules_collapse(model):
    with pytest.raises(TypeError, match=f"collapse: the model is a {type(model).__name__}; it must be a tn.nn.Module"):
        collapse(model, [1.0])


def test_a_model_that_is_one_layer_is_named_as_the_model():
    with pytest.raises(TypeError, match=r"collapse: the model is GELU\(approximate='none'\), which is not known"):
        collapse(nn.GELU(), [1.0])
    with pytest.raises(ShapeError, match=r"collapse: PReLU\(num_parameters=5\) takes 5 numbers and is given 2"):
        collapse(nn.PReLU(5), [1.0, 2.0])


BAD_PIECES = {
    "units": (Pieces([[0, 0]], [[0, 0, 0], [1, 1, 1]], [0, 0]), r"of the shapes \(1, 2\), \(2, 3\), \(2,\)"),
    "no axis": (Pieces(0, [0, 1], [0, 0]), r"of the shapes \(\), \(2,\), \(2,\)"),
    "shapes": (AffineMap([[1.0]], [0.0, 0.0]), r"a weight of shape \(1, 1\) and a bias of shape \(2,\)"),
    "one axis": (AffineMap([1.0], 0.0), r"a weight of shape \(1,\) and a bias of shape \(\)"),
    "counts": (Pieces([0], [0, 1], [0]), "1 breakpoints, 2 slopes and 1 intercepts"),
    "order": (Pieces([1, 0], [0, 1, 0], [0, 0, 1]), r"breakpoints \[1, 0\]; they must be in ascending order"),
    "finite": (Pieces([0], [0, np.inf], [0, 0]), "not finite"),
}


@pytest.mark.parametrize("name", BAD_PIECES)
def test_bad_pieces(name):
    pieces, message = BAD_PIECES[name]
    register(Bad, lambda module: pieces)
    with pytest.raises(ValueError, match=message):
        collapse(Bad(), [1.0])


class Bad(nn.Module):
    pass


@pytest.mark.parametrize("parts, message", [
    (3, r"Bad\(\) is registered as 3; it must be Pieces, an AffineMap or modules"), ([np.abs], "layer 0 is a ufunc"),
])  # fmt: skip
def test_bad_parts(parts, message):
    register(Bad, lambda module: parts)
    with pytest.raises(TypeError, match=message):
        collapse(Bad(), [1.0])


@pytest.mark.parametrize("x, error, message", [
    (3.0, ShapeError, "x is a number"),
    (np.ones(4), ShapeError, r"layer 0 \(Linear\(in_features=5.* takes 5 numbers and is given 4"),
    (np.full(5, np.nan), ValueError, "x is not finite"),
])  # fmt: skip
def test_bad_points(x, error, message):
    for function in (collapse, activation_patterns):
        with pytest.raises(error, match=f"{function.__name__}: .*{message}"):
            function(network(nn.ReLU), x)


def test_register_takes_classes_of_modules():
    with pytest.raises(TypeError, match=r"register: .* is not a class of modules"):
        register(np.abs, lambda module: Pieces([], [1], [0]))
