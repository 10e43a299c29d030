"""Dead and saturated units, activation statistics and gradient norms, against figures computed by hand."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn
from tinynet.errors import GradientError
from tinynet.inspect import activation_statistics, dead_units, gradient_norms, saturation


def mlp(activation, seed=0):
    rng = np.random.default_rng(seed)
    first, second, last = (nn.Linear(m, n, rng=rng) for m, n in ((3, 6), (6, 4), (4, 1)))
    return nn.Sequential(first, activation(), second, activation(), last)


X = np.random.default_rng(9).normal(size=(64, 3))


def test_dead_units_are_those_that_no_data_make_pass():
    model = mlp(nn.ReLU)
    model[0].bias.data[[1, 4]] = -100
    model[2].bias.data[2] = -100
    before = model[0](X).data
    before[:, [1, 4]] = -1
    table = dead_units(model, X)
    assert [(row.layer, row.kind, row.units) for row in table] == [("1", "ReLU", 6), ("3", "ReLU", 4)]
    assert table[0].dead == 2 == (before <= 0).all(axis=0).sum() and table[0].rate == 2 / 6
    assert table[1].dead >= 1
    assert not dead_units(mlp(nn.LeakyReLU), X).column("dead").any()
    np.sum(model(X)).backward()
    np.testing.assert_array_equal(model[0].weight.grad[[1, 4]], 0)


def test_a_unit_of_an_image_is_one_of_its_elements():
    model = nn.Sequential(nn.ReLU(), nn.Softmax())
    x = np.ones((5, 2, 3))
    x[:, 1, 2] = -1
    (row,) = dead_units(model, x)
    assert (row.units, row.dead) == (6, 1)


@pytest.mark.parametrize("threshold", [0.01, 0.2])
def test_saturation_is_the_share_of_small_slopes(threshold):
    model = mlp(nn.Tanh, seed=1)
    model[0].weight.data *= 10
    table = saturation(model, X, threshold)
    hidden = model[0](X).data
    slope = 1 - np.tanh(hidden) ** 2
    assert table[0].rate == (slope < threshold).mean() > 0.3
    np.testing.assert_allclose(table[0].slope, slope.mean(), rtol=1e-12)
    deep = 1 - model[3](model[2](np.tanh(hidden))).data ** 2
    np.testing.assert_allclose(table[1].slope, deep.mean(), rtol=1e-12)
    assert list(table.column("units")) == [6, 4]


@pytest.mark.parametrize("activation, slope", [
    (nn.Sigmoid, lambda y: y * (1 - y)),
    (nn.Hardtanh, lambda y: np.abs(y) < 1),
    (lambda: nn.PReLU(3), lambda y: np.where(y > 0, 1, 0.25)),
    (lambda: nn.Swish(learn=True), None),
])  # fmt: skip
def test_slopes_of_learned_and_unlearned_activations(activation, slope):
    module = activation()
    (row,) = saturation(nn.Sequential(module), X * 2)
    if slope is None:
        expected = tn.grad(lambda x: np.sum(nn.SiLU()(x)))(X * 2)
    else:
        output = module(X * 2)
        expected = slope(output.data if isinstance(output, tn.Tensor) else output)
    np.testing.assert_allclose(row.slope, np.abs(expected).mean(), rtol=1e-12)


def test_statistics_of_each_layer():
    model = mlp(nn.ReLU)
    table = activation_statistics(model, X)
    assert [(row.layer, row.kind) for row in table] == [(str(i), type(layer).__name__) for i, layer in enumerate(model)]
    hidden = np.maximum(model[0](X).data, 0)
    np.testing.assert_allclose(table[1][2:], [hidden.mean(), hidden.std(), hidden.min(), hidden.max(), (hidden == 0).mean()])


def test_a_module_that_runs_twice_has_two_rows_and_hooks_are_gone():
    relu = nn.ReLU()
    model = nn.Sequential(nn.Linear(3, 3, rng=0), relu, nn.Linear(3, 3, rng=1), relu).train()
    assert [row.layer for row in dead_units(model, X)] == ["1", "1"]
    assert all(module._forward_hooks == () and module.training for module in model.modules())
    with pytest.raises(ValueError):
        dead_units(model, np.ones((4, 7)))
    assert all(module._forward_hooks == () for module in model.modules())


def test_gradient_norms_of_each_layer():
    model = mlp(nn.Tanh)
    loss = nn.MSELoss()(model(X), np.ones((64, 1)))
    table = gradient_norms(model, loss)
    assert all(x.grad is None for x in model.parameters())
    loss.backward()  # the graph is still there
    for row, layer in zip(table, (model[0], model[2], model[4]), strict=True):
        gradient = np.concatenate([layer.weight.grad.ravel(), layer.bias.grad])
        size = np.linalg.norm(np.concatenate([layer.weight.data.ravel(), layer.bias.data]))
        np.testing.assert_allclose(row[2:], [np.linalg.norm(gradient), size, np.linalg.norm(gradient) / size], rtol=1e-12)
    assert [row.layer for row in table] == ["0", "2", "4"]


def test_gradient_norms_tell_own_parameters_from_those_of_inner_modules():
    class Net(nn.Module):
        def __init__(self):
            self.scales = [nn.Parameter(2.0), nn.Parameter(3.0)]
            self.body = nn.Linear(3, 1, rng=0)

        def forward(self, x):
            return self.scales[0] * self.body(x)

    model = Net()
    table = gradient_norms(model, np.sum(model(X)))
    assert [(row.layer, row.kind) for row in table] == [("", "Net"), ("body", "Linear")]
    np.testing.assert_allclose(table[0].gradient, abs(np.sum(model.body(X).data)))
    np.testing.assert_allclose(table[0].parameters, np.sqrt(13))


def test_frozen_layers_have_no_gradient():
    model = mlp(nn.Tanh)
    model[0].requires_grad_(False)
    assert gradient_norms(model, np.sum(model(X)))[0].gradient == 0


def test_bad_input():
    with pytest.raises(ValueError, match=r"dead_units: there are no data, x has shape \(0, 3\)"):
        dead_units(mlp(nn.ReLU), np.zeros((0, 3)))
    with pytest.raises(ValueError, match="saturation: no activation is among the modules of Linear"):
        saturation(nn.Linear(3, 1), X)
    for loss in (3.0, tn.tensor(3.0)):
        with pytest.raises(GradientError, match="gradient_norms: the loss must be a tensor computed with the model"):
            gradient_norms(mlp(nn.ReLU), loss)
    with pytest.raises(GradientError, match="one number"):
        model = mlp(nn.ReLU)
        gradient_norms(model, model(X))


def test_tables_print_in_columns():
    text = repr(dead_units(mlp(nn.ReLU), X)).splitlines()
    assert text[0].split() == ["layer", "kind", "units", "dead", "rate"] and len(text) == 3
    assert len({len(line) for line in text}) == 1
    assert repr(tn.inspect.Table([])) == "no rows"
