"""Dead and saturated units, activation statistics and gradient norms, against figures computed by hand."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn
from tinynet.errors import GradientError, ShapeError
from tinynet.inspect import Pieces, activation_statistics, dead_units, gradient_norms, register, saturation


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


def test_a_slope_as_large_as_the_threshold_is_not_below_it():
    (row,) = saturation(nn.Sequential(nn.PReLU(init=-0.25)), np.array([[-1.0], [1.0]]), 0.25)
    assert (row.rate, row.slope) == (0, 0.625)


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
    assert table[0].min < 0 == table[0].zeros
    hidden = np.maximum(model[0](X).data, 0)
    np.testing.assert_allclose(table[1][2:], [hidden.mean(), hidden.std(), hidden.min(), hidden.max(), (hidden == 0).mean()])


def test_statistics_of_low_precision_are_computed_in_float64():
    x = np.full((40_000, 1), 300.0, np.float16)
    x[::2] = -300
    (row,) = activation_statistics(nn.Sequential(nn.Identity()).astype("float16"), x)
    assert (row.mean, row.std) == (0, 300)
    model = nn.Sequential(nn.Linear(1, 1, rng=0)).astype("float32")
    with np.errstate(all="raise"):
        (row,) = activation_statistics(model, np.array([[-1e30], [1e30]]))
    np.testing.assert_allclose(row.std, abs(model[0].weight.data[0, 0]) * 1e30, rtol=1e-6)
    model[0].weight.data[...], model[0].bias.data[...] = 3e30, -4e30
    row = gradient_norms(model, np.sum(model(np.ones((1, 1), np.float32))))[0]
    np.testing.assert_allclose(row.parameters, 5e30, rtol=1e-6)
    with np.errstate(over="ignore"):
        (row,) = saturation(nn.Sequential(nn.Square(), nn.Linear(1, 1)).astype("float32"), np.array([[1e38], [1e38]]))
    np.testing.assert_allclose(row.slope, 2e38, rtol=1e-6)


def test_statistics_are_of_all_layers_that_give_an_array():
    class Net(nn.Module):
        def __init__(self):
            self.cell, self.relu, self.tanh = nn.RNNCell(3, 4, rng=0), nn.ReLU(), nn.Tanh()

        def forward(self, x):
            return self.tanh(x=self.relu(self.cell(x, np.ones((len(x), 4))).data))

    table = activation_statistics(Net(), X)
    assert [(row.layer, row.kind) for row in table] == [("cell", "RNNCell"), ("relu", "ReLU"), ("tanh", "Tanh")]
    np.testing.assert_allclose(table[2].max, np.tanh(table[1].max))
    with pytest.raises(TypeError, match=r"dead_units: layer tanh \(Tanh\) is not called with one argument"):
        dead_units(Net(), X)


def test_units_behind_registered_and_batch_norm_layers():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.ReLU(), nn.BatchNorm1d(3, track_running_stats=False), nn.Tanh())
    assert [row.layer for row in saturation(model, X)] == ["1", "3"]
    register(Ramp, lambda module: Pieces([0, 1], [0, 1, 0], [0, 0, 1]))
    (row,) = saturation(nn.Sequential(nn.Identity(), Ramp()), X)
    assert (row.layer, row.kind) == ("1", "Ramp") and row.rate == ((X <= 0) | (X >= 1)).mean()


class Ramp(nn.Module):
    def forward(self, x):
        return tn.relu(x) - tn.relu(x - 1)


def test_a_model_is_looked_at_as_it_is_used_and_left_as_it_was():
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3), nn.Tanh())
    table = activation_statistics(model, X)
    np.testing.assert_allclose(table.column("mean")[:2], [X.mean(), (X / np.sqrt(1 + 1e-5)).mean()], rtol=1e-12)
    assert saturation(model, X) == saturation(model.train(), X)
    assert model.training and not model[1].running_mean.data.any() and model[1].num_batches_tracked.data == 0


def test_figures_are_the_same_without_gradients_and_in_any_memory_order():
    model = mlp(nn.Tanh)
    expected = saturation(model, X)
    for x in (np.asfortranarray(X), X.tolist(), tn.tensor(X), tn.tensor(X, requires_grad=True), np.repeat(X, 2, axis=0)[::2]):
        with tn.no_grad():
            assert saturation(model, x) == expected
    assert saturation(model.astype("float32"), X) != expected


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


def test_gradient_norms_of_layers_without_weight():
    model = nn.Sequential(nn.Linear(3, 2, rng=0))
    for x in model.parameters():
        x.data[...] = 0
    assert gradient_norms(model, np.sum(model(X)))[0].ratio == np.inf
    assert np.isnan(gradient_norms(model, np.sum(0 * model(X)))[0].ratio)


def test_frozen_layers_have_no_gradient():
    model = mlp(nn.Tanh)
    model[0].requires_grad_(False)
    assert gradient_norms(model, np.sum(model(X)))[0].gradient == 0


def test_bad_input():
    with pytest.raises(ValueError, match=r"dead_units: there are no data, x has shape \(0, 3\)"):
        dead_units(mlp(nn.ReLU), np.zeros((0, 3)))
    with pytest.raises(ValueError, match="saturation: no activation is among the modules of Linear"):
        saturation(nn.Linear(3, 1), X)
    for function in (dead_units, saturation):
        for x in (X[0], 3.0):
            with pytest.raises(ShapeError, match=rf"{function.__name__}: x has shape \(.*it must be \(samples, \.\.\.\)"):
                function(mlp(nn.ReLU), x)
        with pytest.raises(ValueError, match=rf"{function.__name__}: layer 1 \(ReLU\) is given NaN"):
            function(mlp(nn.ReLU), X * np.nan)
    assert np.isnan(activation_statistics(mlp(nn.ReLU), X * np.nan).column("mean")).all()
    for function in (dead_units, activation_statistics, gradient_norms):
        with pytest.raises(TypeError, match=f"{function.__name__}: the model is a ufunc"):
            function(np.abs, X)
    for threshold in (0, -1, np.nan):
        with pytest.raises(ValueError, match=f"saturation: threshold={threshold} must be positive"):
            saturation(mlp(nn.ReLU), X, threshold)
    for loss in (3.0, tn.tensor(3.0)):
        with pytest.raises(GradientError, match="gradient_norms: the loss must be a tensor computed with the model"):
            gradient_norms(mlp(nn.ReLU), loss)
    with pytest.raises(GradientError, match="one number"):
        model = mlp(nn.ReLU)
        gradient_norms(model, model(X))


def test_stacks_are_refused_by_all_with_one_message():
    stack = nn.stack([mlp(nn.ReLU, seed) for seed in range(2)])
    looks = {
        "dead_units": lambda model: dead_units(model, X), "saturation": lambda model: saturation(model, X),
        "activation_statistics": lambda model: activation_statistics(model, X),
        "gradient_norms": lambda model: gradient_norms(model, np.sum(stack(X))),
        "collapse": lambda model: tn.inspect.collapse(model, X),
        "linear_segments": lambda model: tn.inspect.linear_segments(model, X[0], X[1]),
        "linear_regions": lambda model: tn.inspect.linear_regions(model, ((0, 1), (0, 1))),
    }  # fmt: skip
    for name, look in looks.items():
        with pytest.raises(TypeError, match=rf"{name}: the model is a stack of 2 models; .* stack\.unstack\(\)"):
            look(stack)
    assert len(dead_units(stack.unstack()[1], X)) == 2


def test_gradient_norms_of_huge_and_tiny_numbers():
    model = nn.Sequential(nn.Linear(2, 1, bias=False))
    for x, weight in ((1e200, 1e-200), (1e-200, 1e200)):
        model[0].weight.data[...] = [[3 * weight, 4 * weight]]
        row = gradient_norms(model, np.sum(model(np.full((1, 2), x))))[0]
        np.testing.assert_allclose([row.gradient, row.parameters], [np.sqrt(2) * x, 5 * weight], rtol=1e-12)
    model[0].weight.data[...] = np.inf
    assert gradient_norms(model, np.sum(model(np.ones((1, 2)))))[0].parameters == np.inf


def test_tables_print_in_columns():
    text = repr(dead_units(mlp(nn.ReLU), X)).splitlines()
    assert text[0].split() == ["layer", "kind", "units", "dead", "rate"] and len(text) == 3
    assert len({len(line) for line in text}) == 1
    assert repr(tn.inspect.Table([])) == "no rows"
    assert text[1].startswith("1      ReLU") and text[1].endswith(f"{dead_units(mlp(nn.ReLU), X)[0].rate:.4g}")
    with pytest.raises(KeyError, match="no column 'count'; the columns are layer, kind, units, dead, rate"):
        dead_units(mlp(nn.ReLU), X).column("count")
