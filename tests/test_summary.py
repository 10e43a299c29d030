"""`Module.summary`: what its rows are, and that the model stays as it was."""

import copy
import pickle
import threading
from xml.etree import ElementTree

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn


class Residual(nn.Module):
    def __init__(self, *layers):
        self.inner = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.inner(x)


def rows(model, *shapes):
    return [tuple(row) for row in model.summary(*shapes)]


def test_layers_in_the_order_of_their_calls():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
    table = model.summary((1, 8, 8))
    assert [tuple(row) for row in table] == [
        ("0", "Conv2d", "(n, 4, 6, 6)", 40), ("1", "ReLU", "(n, 4, 6, 6)", 0), ("2", "Flatten", "(n, 144)", 0),
        ("3", "Linear", "(n, 10)", 1450),
    ]  # fmt: skip
    assert (table.model, table.total, table.trainable, table.buffers) == ("Sequential", 1490, 1490, 0)
    assert repr(table) == (
        "layer  kind     output        parameters\n"
        "0      Conv2d   (n, 4, 6, 6)          40\n"
        "1      ReLU     (n, 4, 6, 6)           0\n"
        "2      Flatten  (n, 144)               0\n"
        "3      Linear   (n, 10)            1,450\n"
        "Sequential: 1,490 parameters, 1,490 trainable; 0 numbers in buffers"
    )
    assert "1,450</td>" in table._repr_html_() and table._repr_html_().endswith("numbers in buffers</p>")
    assert table.column("parameters").tolist() == [40, 0, 0, 1450]


def test_modules_within_modules_and_one_called_twice():
    shared = nn.Linear(8, 8)
    model = nn.Sequential(nn.Linear(2, 8), Residual(shared, nn.Tanh(), shared), nn.BatchNorm1d(8))
    model[0].requires_grad_(False)
    table = model.summary((2,))
    assert [row[:2] for row in table] == [
        ("0", "Linear"), ("1", "Residual"), ("1.inner", "Sequential"), ("1.inner.0", "Linear"), ("1.inner.1", "Tanh"),
        ("1.inner.0", "Linear (again)"), ("2", "BatchNorm1d"),
    ]  # fmt: skip
    assert table.column("parameters").tolist() == [24, 0, 0, 72, 0, 0, 16]
    assert (table.total, table.trainable, table.buffers) == (112, 88, 17)


def test_a_module_in_two_places_is_shown_in_both():
    shared = nn.Sequential(nn.Linear(2, 2))
    shown = ElementTree.fromstring(f"<div>{nn.Sequential(shared, nn.ReLU(), shared)._repr_html_()}</div>")
    cells = [[td.text for td in row.iter("td")] for row in shown.iter("tr")][1:]
    assert [(layer, kind, count) for layer, kind, _, count in cells] == [
        ("0", "Sequential", "0"), ("0.0", "Linear", "6"), ("1", "ReLU", "0"),
        ("2", "Sequential (again)", "0"), ("2.0", "Linear (again)", "0"),
    ]  # fmt: skip


def test_a_parameter_in_two_modules_is_counted_once():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    table = nn.Sequential(first, second).summary((3,))
    assert table.column("parameters").tolist() == [12, 3] and table.total == 15


def test_several_inputs_and_outputs_and_a_layer_that_is_not_called():
    class Two(nn.Module):
        def __init__(self):
            self.a, self.b, self.spare = nn.Linear(2, 3), nn.Linear(4, 3, bias=False), nn.Linear(5, 5)
            self.scale = nn.Parameter(np.ones(3))

        def forward(self, x, y):
            both = np.concatenate([self.a(x), self.b(y)]) * self.scale
            return {"both": both, "sum": both.sum(), "one more": np.concatenate([x, np.zeros((1, 2))])}

    assert rows(Two(), (2,), [4]) == [
        ("", "Two", "(2n, 3), (), (n+1, 2)", 3), ("a", "Linear", "(n, 3)", 9), ("b", "Linear", "(n, 3)", 12),
        ("spare", "Linear", "not called", 30),
    ]  # fmt: skip


def test_lengths_that_are_no_multiple_of_the_number_of_samples():
    class Odd(nn.Module):
        def forward(self, x):
            return [x[::2], np.zeros(len(x) ** 2), np.concatenate([x, x, x])[1:]]

    class Listed(nn.Module):
        def forward(self, x):
            return list(x)

    class Dimensional(nn.Module):
        def forward(self, x):
            return np.zeros((1,) * len(x))

    assert rows(Odd(), ()) == [("", "Odd", "(?,), (?,), (3n-1,)", 0)]
    assert rows(Listed(), (2,)) == [("", "Listed", "?", 0)] and rows(Dimensional(), (2,)) == [("", "Dimensional", "?", 0)]


def test_a_single_layer_a_stack_and_samples_that_are_numbers():
    assert rows(nn.Linear(2, 3), (2,)) == [("", "Linear", "(n, 3)", 9)]
    assert rows(nn.ReLU(), ()) == [("", "ReLU", "(n,)", 0)]
    models = [nn.Sequential(nn.Linear(2, 8, rng=k), nn.Tanh()) for k in range(3)]
    assert rows(nn.stack(models), (2,)) == [
        ("members", "Sequential", "(3, n, 8)", 0), ("members.0", "Linear", "(3, n, 8)", 72),
        ("members.1", "Tanh", "(3, n, 8)", 0),
    ]  # fmt: skip


class Noisy(nn.Module):
    """All that a call could leave behind."""

    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.calls = nn.Buffer(np.zeros(1))
        self.last = None

    def forward(self, x):
        self.calls.data[...] += 1
        self.last = x
        return x + self.rng.normal(size=x.shape) + tn.random.as_generator(None).normal(size=x.shape)


def test_the_model_stays_as_it_was():
    seen = []
    model = nn.Sequential(nn.Linear(2, 4, rng=0), nn.BatchNorm1d(4), nn.Dropout(0.5, rng=1), Noisy())
    model[1].eval()
    model[0].register_forward_hook(lambda module, args, output: seen.append(output))
    before = pickle.dumps({name: x.copy() for name, x in model.state_dict().items()})
    generators = [copy.deepcopy(x.rng.bit_generator.state) for x in (model[2], model[3])]
    tn.manual_seed(0)
    model.summary((2,))
    assert pickle.dumps(model.state_dict()) == before
    assert [x.rng.bit_generator.state for x in (model[2], model[3])] == generators
    assert tn.random.as_generator(None).random() == np.random.default_rng(0).random()
    assert [x.training for x in model] == [True, False, True, True] and model.training
    assert seen == [] and model[3].last is None and "forward" not in vars(model[0])
    assert model[0].weight.grad is None
    model(np.ones((2, 2)))
    assert len(seen) == 1


def test_the_copy_is_called_in_evaluation_mode():
    class Longer(nn.Module):
        def forward(self, x):
            return np.zeros((len(x), 2 if self.training else 3))

    assert rows(Longer(), (1,)) == [("", "Longer", "(n, 3)", 0)]


def test_the_input_has_the_dtype_of_the_parameters():
    class Strict(nn.Linear):
        def forward(self, x):
            assert x.dtype == self.weight.dtype
            return super().forward(x)

    assert rows(Strict(2, 1).astype("float32"), (2,)) == [("", "Strict", "(n, 1)", 3)]


def test_errors():
    model = nn.Sequential(nn.Linear(2, 8))
    with pytest.raises(tn.errors.ShapeError, match="the weight") as caught:
        model.summary((3,))
    assert caught.value.__notes__ == ["summary called the model with inputs of the shapes (2, 3)"]
    for shape in (2, (None, 2), ("a",), (-2,)):
        with pytest.raises((TypeError, ValueError), match="it must be the shape of one sample"):
            model.summary(shape)
    model.lock = threading.Lock()
    with pytest.raises(TypeError) as caught:
        model.summary((2,))
    assert caught.value.__notes__ == ["summary calls a copy of the model, and it cannot be copied"]

    class Moody(nn.Module):
        def __init__(self):
            self.even = nn.Identity()

        def forward(self, x):
            return self.even(x) if len(x) % 2 == 0 else x

    with pytest.raises(ValueError, match="calls other modules for 2 samples than for 3"):
        Moody().summary((2,))


def test_one_parameter_is_one():
    assert repr(nn.PReLU()).endswith("# 1 parameter")
    assert repr(nn.PReLU().summary((2,))).endswith("PReLU: 1 parameter, 1 trainable; 0 numbers in buffers")


def test_a_summary_can_be_copied_and_pickled():
    table = nn.Linear(2, 3).summary((2,))
    for twin in (copy.deepcopy(table), pickle.loads(pickle.dumps(table))):
        assert twin == table and repr(twin) == repr(table) and twin.total == 9
