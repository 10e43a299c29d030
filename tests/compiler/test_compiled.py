"""`tn.compile` as its users see it: what is recorded when, what is noticed, and what is refused."""

import copy
import os
import pickle
import random
import threading
import time
import warnings

import numpy as np
import pytest

import tinynet as tn
from tinynet.compiler.outcomes import compared
from tinynet.errors import RecordingError

RNG = np.random.default_rng(0)
GENERATOR = np.random.default_rng(1)


def network(dtype="float64", dropout=0.0):
    layers = [tn.nn.Linear(3, 5, rng=0), tn.nn.Tanh(), tn.nn.Dropout(dropout, rng=1), tn.nn.Linear(5, 2, rng=2)]
    return tn.nn.Sequential(*layers).astype(dtype)


def training(model, optimizer=None, compile=True):
    optimizer = optimizer or tn.optim.Adam(model.parameters(), lr=0.01)
    loss_function = tn.nn.MSELoss()

    def step(x, y):
        optimizer.zero_grad()
        loss = loss_function(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return tn.compile(step) if compile else step


def batch(n=4, dtype="float64"):
    return RNG.normal(size=(n, 3)).astype(dtype), RNG.normal(size=(n, 2)).astype(dtype)


def twins(**options):
    models = network(**options), network(**options)
    return *models, training(models[0]), training(models[1], compile=False)


def assert_same(model, twin):
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-6 if p.dtype == np.float32 else 1e-12)


# When it records -----------------------------------------------------------------------------------------------------


def test_a_kind_of_arguments_is_recorded_twice_and_then_replayed():
    calls = []

    @tn.compile
    def step(x):
        calls.append(x.shape)
        return np.exp(x) * 2

    for n in (3, 3, 3, 5, 5, 5, 3):
        x = RNG.normal(size=n)
        np.testing.assert_array_equal(step(x), np.exp(x) * 2)
    assert calls == [(3,), (3,), (5,), (5,)]
    assert step.recordings == 4
    assert step.deviation == 0


@pytest.mark.parametrize("change", [
    lambda x: x.astype(np.float32), lambda x: tn.tensor(x), lambda x: x[:2], lambda x: [x],
])  # fmt: skip
def test_another_kind_is_recorded_anew(change):
    step = tn.compile(lambda x: np.sum(x[0] if isinstance(x, list) else x) * 3)
    x = RNG.normal(size=3)
    for _ in range(3):
        step(x)
    before = step.recordings
    other = change(x)
    result = step(other)
    assert step.recordings == before + 1
    expected = np.sum(other[0] if isinstance(other, list) else other) * 3
    assert type(result) is type(expected)
    assert np.asarray(result).dtype == np.asarray(expected).dtype


def test_python_values_are_part_of_what_is_recorded():
    step = tn.compile(lambda x, power, *, scale=1.0: scale * x**power)
    x = np.array([2.0, 3.0])
    for power, scale in ((2, 1.0), (3, 1.0), (2, 0.5), (3, 1.0), (2, 1.0), (2, 0.5)):
        np.testing.assert_array_equal(step(x, power, scale=scale), scale * x**power)
    assert step.recordings == 6


def test_containers_go_in_and_out():
    step = tn.compile(lambda tree: {"sum": tree["a"] + tree["b"][0], "rest": (tree["b"][1], None, "text", 3)})
    for _ in range(4):
        a, b, c = RNG.normal(size=(3, 2))
        out = step({"a": a, "b": [b, c]})
        np.testing.assert_array_equal(out["sum"], a + b)
        np.testing.assert_array_equal(out["rest"][0], c)
        assert out["rest"][1:] == (None, "text", 3)


def test_a_step_that_changes_its_kind_all_the_time_is_run_as_it_is_after_a_warning():
    step = tn.compile(lambda x, k: x * k)
    with pytest.warns(RuntimeWarning, match=r"recorded 16 times.*each Python number"):
        for k in range(18):
            np.testing.assert_array_equal(step(np.ones(2), k), np.full(2, float(k)))
    assert step.recordings == 16
    np.testing.assert_array_equal(step(np.ones(2), 3), [3.0, 3.0])


def test_within_another_recording_it_is_a_part_of_that():
    inner = tn.compile(lambda x: np.tanh(x))
    outer = tn.compile(lambda x: inner(x) * 2)
    for _ in range(3):
        np.testing.assert_array_equal(outer(np.ones(2)), np.tanh(np.ones(2)) * 2)
    assert inner.recordings == 0
    assert "tanh" in str(outer.program)


def test_it_says_what_it_is():
    @tn.compile
    def step(x):
        """Doubles."""
        return x * 2

    assert step.__name__ == "step" and step.__doc__ == "Doubles."
    assert "not yet recorded" in repr(step)
    with pytest.raises(RecordingError, match="not been called"):
        _ = step.program
    step(np.ones(3))
    assert repr(step) == "<compiled step: 1 NumPy calls, 1 recorded; memory: 128 bytes in 2 buffers, 128 bytes without reuse>"
    assert "multiply" in str(step.recorded)
    assert tn.compile(step) is step
    with pytest.raises(TypeError, match="a step is a function"):
        tn.compile(3)


# What is noticed -----------------------------------------------------------------------------------------------------


def test_a_training_step_is_the_uncompiled_one():
    model, twin, step, plain = twins()
    for n in (4, 4, 4, 7, 4, 7, 7):
        x, y = batch(n)
        loss = step(x, y)
        assert isinstance(loss, tn.Tensor) and not loss.requires_grad
        assert loss.item() == pytest.approx(plain(x, y).item(), rel=1e-12)
        assert_same(model, twin)
        for p, q in zip(model.parameters(), twin.parameters(), strict=True):
            np.testing.assert_allclose(p.grad, q.grad, rtol=1e-10, atol=1e-15)
    assert step.recordings == 4


CHANGES = {
    "loaded": lambda model: model.load_state_dict({k: v * 2 for k, v in model.state_dict().items()}),
    "frozen": lambda model: model[0].requires_grad_(False),
    "replaced array": lambda model: setattr(model[0].weight, "data", model[0].weight.data * 3),
    "written in place": lambda model: model[0].weight.data.__imul__(3),
    "another layer": lambda model: model.__setitem__(1, tn.nn.ReLU()),
    "one layer more": lambda model: model.append(tn.nn.Tanh()),
    "evaluation": lambda model: model.eval(),
    "another probability": lambda model: setattr(model[2], "p", 0.75),
    "a forward hook": lambda model: model[1].register_forward_hook(lambda module, args, output: output * 2),
    "a gradient hook": lambda model: model[0].weight.register_hook(lambda g: g * 2),
    "a gradient given": lambda model: setattr(model[0].bias, "grad", np.ones(5)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_the_model_is_noticed(change):
    model, twin, step, plain = twins(dropout=0.5)
    x, y = batch()
    for f in (step, plain):
        for _ in range(3):
            f(x, y)
    change(model)
    change(twin)
    for _ in range(4):
        assert step(x, y).item() == pytest.approx(plain(x, y).item(), rel=1e-12)
        assert_same(model, twin)


def test_a_cast_of_the_model_is_noticed():
    model, twin, step, plain = twins()
    x, y = batch()
    for f in (step, plain):
        f(x, y), f(x, y), f(x, y)
    model.astype("float32"), twin.astype("float32")
    x, y = batch(dtype="float32")
    for _ in range(4):
        assert step(x, y).dtype == np.float32
        plain(x, y)
        assert_same(model, twin)


OPTIMIZER_CHANGES = {
    "lr": lambda o: o.param_groups[0].__setitem__("lr", 0.5),
    "betas": lambda o: o.param_groups[0].__setitem__("betas", (0.5, 0.6)),
    "weight decay": lambda o: o.param_groups[0].__setitem__("weight_decay", 0.1),
    "state": lambda o: o.load_state_dict(o.state_dict()),
    "a group": lambda o: o.add_param_group({"params": [tn.tensor([1.0], requires_grad=True)]}),
}


@pytest.mark.parametrize("change", OPTIMIZER_CHANGES.values(), ids=OPTIMIZER_CHANGES)
def test_a_change_of_the_optimizer_is_noticed(change):
    models = network(), network()
    optimizers = [tn.optim.Adam(model.parameters(), lr=0.01) for model in models]
    step, plain = training(models[0], optimizers[0]), training(models[1], optimizers[1], compile=False)
    x, y = batch()
    for _ in range(3):
        step(x, y), plain(x, y)
    for optimizer in optimizers:
        change(optimizer)
    for _ in range(4):
        step(x, y), plain(x, y)
        assert_same(*models)


def test_gradients_add_up_where_they_are_not_cleared():
    model, twin = network(), network()

    def accumulate(model):
        def step(x, y):
            loss = tn.nn.functional.mse_loss(model(x), y)
            loss.backward()
            return loss

        return step

    compiled, plain = tn.compile(accumulate(model)), accumulate(twin)
    for round in range(4):
        for _ in range(3):
            x, y = batch()
            compiled(x, y), plain(x, y)
            for p, q in zip(model.parameters(), twin.parameters(), strict=True):
                np.testing.assert_allclose(p.grad, q.grad, rtol=1e-12, atol=1e-14)
        if round % 2:
            model.zero_grad(), twin.zero_grad()


def test_dropout_draws_anew_in_each_replay():
    _, _, step, plain = twins(dropout=0.5)
    x, y = batch()
    losses = [(step(x, y).item(), plain(x, y).item()) for _ in range(8)]
    for compiled, expected in losses:
        assert compiled == pytest.approx(expected, rel=1e-12)


def test_the_default_generator_is_the_one_of_the_moment():
    layer = tn.nn.Dropout(0.5)
    step = tn.compile(lambda x: layer(x))
    for seed in (0, 1, 2, 0, 1, 2):
        tn.manual_seed(seed)
        replayed = step(np.ones(20))
        tn.manual_seed(seed)
        np.testing.assert_array_equal(replayed, layer(np.ones(20)))


def test_results_belong_to_the_caller():
    step = tn.compile(lambda x: (x * 2, tn.Tensor(x) * 3))
    kept = [step(np.full(3, float(k))) for k in range(5)]
    for k, (a, b) in enumerate(kept):
        np.testing.assert_array_equal(a, np.full(3, 2.0 * k))
        np.testing.assert_array_equal(b.data, np.full(3, 3.0 * k))


def test_grad_mode_is_part_of_what_is_recorded():
    w = tn.tensor([1.0, 2.0], requires_grad=True)
    step = tn.compile(lambda x: np.sum(w * x).detach())
    for _ in range(3):
        step(np.ones(2))
    with tn.no_grad():
        assert step(np.ones(2)).item() == 3.0
    assert step.recordings == 3


def test_a_step_whose_surroundings_change_all_the_time_is_told_what_does():
    layer = tn.nn.Dropout(0.5, rng=0)
    step = tn.compile(lambda x: layer(x))
    with pytest.warns(RuntimeWarning, match="p of Dropout"):
        for k in range(1, 20):
            layer.p = k / 20
            step(np.ones(3))


def test_structure_and_none_are_part_of_the_kind_of_arguments():
    x = np.arange(6.0).reshape(2, 3)
    total = tn.compile(lambda x, axis=0: np.sum(x, axis=axis))
    pick = tn.compile(lambda x, index: np.sum(x[index]))
    sign = tn.compile(lambda x, s: np.copysign(x, s))
    for _ in range(3):
        total(x), pick(x, (0, 1)), sign(x, 0.0)
    for _ in range(3):
        assert total(x, None) == total(x, axis=None) == 15.0
        assert pick(x, [0, 1]) == 15.0 and pick(x, (0, 1)) == 1.0
        assert np.signbit(sign(x, -0.0)).all()


class Config:
    def __init__(self, scale):
        self.scale = scale


class Scaled(tn.nn.Module):
    def __init__(self):
        self.options = {"scale": 2.0}
        self.scales = [3.0]

    def forward(self, x):
        return x * self.options["scale"] * self.scales[0]


def test_attributes_of_arguments_and_items_of_a_modules_containers_are_looked_at():
    config, module, x = Config(2.0), Scaled(), np.ones(3)
    by_argument, by_module = tn.compile(lambda x, c: x * c.scale), tn.compile(lambda x: module(x))
    for _ in range(3):
        by_argument(x, config), by_module(x)
    config.scale, module.options["scale"], module.scales[0] = 5.0, 7.0, 11.0
    np.testing.assert_array_equal(by_argument(x, config), x * 5)
    np.testing.assert_array_equal(by_module(x), x * 77)


def test_a_tensor_as_an_index_or_parameter_is_used_as_it_is():
    index, x = tn.tensor([0, 1]), tn.tensor(np.arange(6.0))
    step = tn.compile(lambda x: x[index] * 2)
    for _ in range(3):
        step(x)
    index.data[...] = [4, 5]
    np.testing.assert_array_equal(step(x).data, [8.0, 10.0])


def test_a_plain_array_from_outside_in_a_tensor_is_used_as_it_is():
    mask = np.ones(3)
    step = tn.compile(lambda x: tn.tensor(mask) * 2 * x)
    for _ in range(3):
        step(np.ones(3))
    mask[1] = 5.0
    np.testing.assert_array_equal(step(np.ones(3)).data, [2.0, 10.0, 2.0])


def test_a_read_only_array_may_change():
    weights = np.ones(3)
    weights.flags.writeable = False
    step = tn.compile(lambda x: x * weights)
    for _ in range(3):
        step(np.ones(3))
    weights.flags.writeable = True
    weights[...] = 4.0
    np.testing.assert_array_equal(step(np.ones(3)), np.full(3, 4.0))


def test_the_default_dtype_is_noticed():
    step = tn.compile(lambda x: tn.tensor([1.0, 2.0]) * x)
    x = np.ones(2, np.float32)
    for _ in range(3):
        assert step(x).dtype == np.float64
    try:
        tn.set_default_dtype("float32")
        assert step(x).dtype == np.float32
    finally:
        tn.set_default_dtype("float64")


def test_an_argument_that_is_a_weight_is_refused_in_a_replay_too():
    w = tn.tensor(np.ones(2), requires_grad=True)

    @tn.compile
    def step(x):
        with tn.no_grad():
            w.data[...] = w.data + 1
        return x + w.data

    for _ in range(3):
        step(np.ones(2))
    with pytest.raises(RecordingError, match="shares memory"):
        step(w.data)


def test_derivatives_of_a_compiled_function_are_those_of_the_function():
    step = tn.compile(lambda x: np.sum(np.tanh(x) ** 2))
    x = np.array([0.5, -1.0])
    for _ in range(3):
        step(x)
    expected = 2 * np.tanh(x) * (1 - np.tanh(x) ** 2)
    np.testing.assert_allclose(tn.grad(step)(x), expected)


def test_it_may_be_a_method():
    class Learner:
        def __init__(self, rate):
            self.rate = rate

        @tn.compile
        def step(self, x):
            return x * self.rate

    learners = [Learner(2.0), Learner(3.0)]
    for _ in range(3):
        assert [learner.step(np.ones(1)).item() for learner in learners] == [2.0, 3.0]
    learners[0].rate = 5.0
    assert [learner.step(np.ones(1)).item() for learner in learners] == [5.0, 3.0]


def test_an_error_in_a_replay_leaves_gradients_as_an_uncompiled_step_does():
    for clear in (True, False):
        states = []
        for compile in (True, False):
            layer = tn.nn.Linear(2, 3, rng=0)

            def step(x, y, layer=layer, clear=clear):
                if clear:
                    layer.zero_grad()
                loss = tn.nn.functional.cross_entropy(layer(x), y)
                loss.backward()
                return loss

            step = tn.compile(step) if compile else step
            x = np.array([[1.0, 2.0], [3.0, -1.0]])
            for _ in range(3):
                step(x, np.array([0, 2]))
            layer.weight.grad = np.zeros((3, 2))
            with pytest.raises(IndexError):
                step(x, np.array([0, 9]))
            states.append(layer.weight.grad)
            step(x, np.array([1, 2]))
            states.append(layer.weight.grad.copy())
        assert (states[0] is None) == (states[2] is None) == clear
        if not clear:
            np.testing.assert_array_equal(states[0], states[2])
        np.testing.assert_allclose(states[1], states[3], rtol=1e-12)


@tn.compile
def doubled(x):
    return x * 2


def test_a_decorated_function_is_pickled_by_name():
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    assert copy.deepcopy(doubled) is doubled


def test_copies_record_anew():
    step = tn.compile(np.tanh)
    for _ in range(3):
        step(np.ones(2))
    for twin in (copy.deepcopy(step), pickle.loads(pickle.dumps(step))):
        assert twin.recordings == 0
        np.testing.assert_array_equal(twin(np.ones(2)), np.tanh(np.ones(2)))


# Gradients before and after ------------------------------------------------------------------------------------------

UPDATES = {
    "in place": lambda p, v: p.__isub__(0.1 * p.grad),
    "replaced": lambda p, v: setattr(p, "data", p.data - 0.1 * p.grad),
    "a velocity": lambda p, v: (v.__setitem__(..., 0.9 * v + p.grad), p.__isub__(0.1 * v)),
    "clipped first": lambda p, v: (setattr(p, "grad", np.clip(p.grad, -2, 2)), p.__isub__(0.1 * p.grad)),
    "cleared after": lambda p, v: (p.__isub__(0.1 * p.grad), setattr(p, "grad", None)),
}


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
def test_a_step_may_begin_with_a_gradient(update):
    def run(compile):
        p, v = tn.tensor([1.0, 2.0], requires_grad=True), tn.tensor([0.0, 0.0])

        def step():
            with tn.no_grad():
                update(p, v)

        step = tn.compile(step) if compile else step
        left = []
        for g in (1.0, 1.0, 1.0, 5.0, 9.0):
            p.grad = np.array([g, -g])
            step()
            left.append(None if p.grad is None else p.grad.tolist())
        return p.data.tolist(), left

    assert run(True) == run(False)


def test_gradients_that_are_cleared_in_one_run_only_stay_cleared():
    """Where there was none in the first run, nothing was seen to be cleared."""
    p = tn.tensor([1.0, 2.0], requires_grad=True)

    def step(x):
        p.grad = None
        return p.data + x

    step = tn.compile(step)
    for given in (None, np.ones(2), np.ones(2), None, np.ones(2)):
        p.grad = given
        step(np.ones(2))
        assert p.grad is None


def test_a_gradient_for_another_tensor_in_each_run_is_refused():
    p, q = (tn.tensor([1.0], requires_grad=True) for _ in range(2))
    calls = []

    def step(x):
        calls.append(1)
        p.grad = q.grad = None
        (p if len(calls) % 2 else q).grad = x * 2

    step = tn.compile(step)
    with pytest.raises(RecordingError, match=r"a tensor of shape .* has a gradient after one run"):
        for _ in range(3):
            step(np.ones(1))


def test_a_gradient_of_another_kind_is_another_kind():
    """It is not cast to that which was recorded."""

    def run(compile):
        p = tn.tensor([1.0, 2.0], requires_grad=True, dtype="float32")

        def step(x):
            np.sum(p * x).backward()

        step = tn.compile(step) if compile else step
        x, left = np.ones(2, "float32"), []
        for given in (None, None, None, np.array([1e-9, 1.0]), None, None, np.array(7.0), np.array([1.0, 2.0], "float32")):
            p.grad = p.grad if given is None else given
            step(x)
            left.append((p.grad.dtype, p.grad.tolist()))
        return left

    assert run(True) == run(False)


def test_gradients_of_a_step_that_ended_before_them_are_none():
    """Their memory is that of the step, which has written other things there."""
    layer = tn.nn.Linear(2, 3, rng=0)

    def step(x, y):
        layer.zero_grad()
        loss = tn.nn.functional.cross_entropy(layer(x), y)
        loss.backward()
        return loss

    step = tn.compile(step)
    x = np.array([[1.0, 2.0], [3.0, -1.0]])
    for _ in range(3):
        step(x, np.array([0, 2]))
        assert layer.weight.grad is not None
    with pytest.raises(IndexError):
        step(x, np.array([0, 9]))
    assert layer.weight.grad is None and layer.bias.grad is None
    step(x, np.array([0, 1]))
    assert layer.weight.grad is not None


def test_gradients_that_add_up_are_as_before_a_step_that_ended_before_them():
    layer = tn.nn.Linear(2, 3, rng=0)

    def step(x, y):
        tn.nn.functional.cross_entropy(layer(x), y).backward()

    step = tn.compile(step)
    x = np.array([[1.0, 2.0], [3.0, -1.0]])
    for _ in range(4):
        step(x, np.array([0, 2]))
    before = layer.weight.grad.copy()
    with pytest.raises(IndexError):
        step(x, np.array([0, 9]))
    np.testing.assert_array_equal(layer.weight.grad, before)
    step(x, np.array([0, 2]))
    np.testing.assert_allclose(layer.weight.grad, before * 5 / 4)


# What it is used with ------------------------------------------------------------------------------------------------


def test_integers_that_come_of_rounded_numbers_may_be_others():
    """Rows of equal numbers, whose mean is above or below them by rounding alone: a replay may count otherwise."""
    for seed in range(10):
        x = np.tile(np.random.default_rng(seed).normal(size=(64, 1)), (1, 10)).astype("float32")
        step = tn.compile(lambda x: np.sum(x > np.mean(x, axis=1, keepdims=True)))
        for _ in range(3):
            assert 0 <= step(x) <= x.size


def test_integers_that_a_replay_does_not_give_are_found():
    hidden = iter(range(100))

    @tn.primitive
    def stateful(x):
        return np.asarray(x).astype(int) + next(hidden)

    with pytest.raises(RecordingError, match="the output is another in the replay than in the step itself; does"):
        tn.compile(lambda x: stateful(x))(np.ones(2))


def test_what_was_refused_once_is_not_replayed():
    hidden = iter([0, 0, 0, 1, 1, 1, 1])

    @tn.primitive
    def stateful(x):
        return x + next(hidden)

    step = tn.compile(lambda x: stateful(x))
    step(np.ones(2))
    with pytest.raises(RecordingError, match="is another in the replay"):
        step(np.ones(2))
    np.testing.assert_array_equal(step(np.ones(2)), 2.0)
    assert step.recordings == 3


class OwnParameter(tn.nn.Parameter):
    def __init__(self, data, name):
        super().__init__(data, requires_grad=False)
        self.name = name


def test_a_tensor_of_another_class_arrives_as_one():
    seen = []

    def step(p):
        seen.append((type(p), p.name, p.requires_grad))
        return p * 2

    step = tn.compile(step)
    for k in range(3):
        np.testing.assert_array_equal(step(OwnParameter(np.full(2, float(k)), "weight")).data, 2.0 * k)
    assert seen == [(OwnParameter, "weight", False)] * 2


class Learner:
    @tn.compile
    def step(self, x):
        return x * 2


def test_a_compiled_method_is_pickled_by_name():
    assert pickle.loads(pickle.dumps(Learner.step)) is Learner.step


def test_the_warning_names_the_callers_line():
    step = tn.compile(lambda x: x + 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for n in range(20):
            step(np.ones(n)), step(np.ones(n))
    assert [w.filename for w in caught] == [__file__]
    assert step.recordings == 32  # sixteen kinds, each seen twice


def test_a_seed_within_a_step_is_refused():
    def step(x):
        tn.manual_seed(0)
        return tn.nn.Dropout(0.5)(x)

    with pytest.raises(RecordingError, match="a replay would not seed anew"):
        tn.compile(step)(np.ones(3))


# What is refused -----------------------------------------------------------------------------------------------------

BAD = {
    "if": lambda x: x * 2 if np.sum(x) > 0 else x,
    "float": lambda x: x * float(np.sum(x)),
    "item": lambda x: x * np.sum(x).item(),
    "mask": lambda x: x[x > 0],
    "nonzero": lambda x: np.nonzero(x)[0],
    "asarray": lambda x: np.asarray(x),
    "math": lambda x: __import__("math").sqrt(np.sum(x * x)),
    "in place": lambda x: np.add(x, 1, out=x),
}


@pytest.mark.parametrize("function", BAD.values(), ids=BAD)
@pytest.mark.parametrize("make", [lambda x: x, tn.tensor], ids=["array", "tensor"])
def test_what_cannot_be_replayed_is_refused_with_the_line(function, make):
    step = tn.compile(lambda x: function(x))
    with pytest.raises((RecordingError, TypeError), match=r"test_compiled\.py, line \d+|out="):
        step(make(np.array([1.0, -2.0])))


def test_what_changes_from_call_to_call_is_found_in_the_second():
    rows = iter([np.ones(3), np.zeros(3)])
    step = tn.compile(lambda x: x * next(rows))
    step(np.ones(3))
    with pytest.raises(RecordingError, match="random numbers, a part of the data"):
        step(np.ones(3))


@pytest.mark.parametrize("draw", [random.random, np.random.rand, GENERATOR.random, lambda: GENERATOR.integers(2)])
def test_a_draw_that_the_recorder_does_not_see_is_found_in_the_first_and_undone(draw):
    def step(x, rng):
        return x if draw() < 0.5 else x * 2  # two draws may well agree

    def states():
        return random.getstate(), str(np.random.get_state()), str(GENERATOR.bit_generator.state)

    compiled, before = tn.compile(step), states()
    with pytest.raises(RecordingError, match="random numbers by a function that is not recorded"):
        compiled(np.ones(3), GENERATOR)
    assert states() == before
    with pytest.raises(RecordingError, match="random numbers by a function that is not recorded"):
        tn.compile(lambda x: x if draw() < 0.5 else x * 2)(np.ones(3))


def test_a_generator_in_the_closure_is_found():
    rng = np.random.default_rng(0)
    with pytest.raises(RecordingError, match="random numbers by a function that is not recorded"):
        tn.compile(lambda x: x if rng.random() < 0.5 else x * 2)(np.ones(3))


def test_draws_of_recorded_operations_are_no_matter():
    rng = np.random.default_rng(0)
    drop = tn.nn.Dropout(0.5, rng=rng)
    step = tn.compile(lambda x: drop(tn.tensor(x)) + tn.nn.Dropout(0.5, rng=rng)(x))
    values = [step(np.ones(9)).data for _ in range(4)]
    rng = np.random.default_rng(0)
    drop = tn.nn.Dropout(0.5, rng=rng)
    for value in values:
        np.testing.assert_array_equal(value, (drop(tn.tensor(np.ones(9))) + drop(tn.tensor(np.ones(9)))).data)


# Rounding noise ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("make", [lambda p: tn.optim.SGD(p, lr=0.1), lambda p: tn.optim.Adam(p, lr=0.01)])
def test_a_gradient_that_is_rounding_noise_may_be_another(dtype, make):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 5)).astype(dtype), rng.integers(0, 3, 12)
    first, last = tn.nn.Linear(5, 8, rng=0).astype(dtype), tn.nn.Linear(8, 3, rng=1).astype(dtype)
    shift = tn.tensor(np.array(0.5, dtype), requires_grad=True)
    optimizer = make([*first.parameters(), *last.parameters(), shift])

    def step(x, y):
        optimizer.zero_grad()
        h = first(x)  # its bias is subtracted with the mean
        h = np.tanh((h - np.mean(h, 0)) / np.sqrt(np.var(h, 0) + 1e-5))
        loss = tn.nn.functional.cross_entropy(last(h) + shift, y)  # which does not see a shift of all logits
        loss.backward()
        optimizer.step()
        return loss

    step = tn.compile(step)
    for _ in range(3):
        step(x, y)
    assert np.max(np.abs(first.bias.grad)) < 1e-5 * np.max(np.abs(first.weight.grad))
    assert step.recordings == 2


def test_a_wrong_array_is_no_noise():
    truth = [np.array([1.0, 2.0]), np.array([1e-17, -2e-17])]
    assert compared(["a", "b"], truth, [truth[0], np.array([3e-17, 1e-17])]) == (0.0, "", "", True)
    assert compared(["a", "b"], truth, [truth[0], np.array([1e-10, 0.0])]).rounded == "b"
    assert compared(["a", "b"], truth, [truth[0] * 1.001, truth[1]]).rounded == "a"
    assert compared(["a", "b"], truth, [truth[0], np.array([np.nan, 0.0])]).rounded == "b"


def test_a_counter_is_found_in_the_second_call():
    count = iter(range(100))
    step = tn.compile(lambda x: x * next(count))
    step(np.ones(3))
    with pytest.raises(RecordingError, match="Python value 0 in one run, 1 in another"):
        step(np.ones(3))


@pytest.mark.parametrize("draw", [
    lambda: tn.data.circle(4)[0][:3, 0], lambda: tn.nn.Linear(1, 3).bias.data,
    lambda: tn.data.circle(3, rng=GENERATOR)[0][:, 0],
])  # fmt: skip
def test_numbers_that_the_library_draws_in_the_step_are_refused(draw):
    with pytest.raises(RecordingError, match=r"test_compiled\.py, line \d+: the step draws random numbers"):
        tn.compile(lambda x: x * draw())(np.ones(3))


def test_a_result_with_a_graph_is_refused():
    layer = tn.nn.Linear(2, 1)
    with pytest.raises(RecordingError, match=r"tensor with a graph.*detach"):
        tn.compile(lambda x: layer(x))(np.ones((3, 2)))


def test_what_is_kept_is_refused():
    kept = []
    step = tn.compile(lambda x: kept.append(x * 2))
    with pytest.raises(RecordingError, match="keeps 1 array"):
        step(np.ones(3))


def test_a_refused_step_has_changed_nothing():
    model = network()
    optimizer = tn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    @tn.compile
    def step(x, y):
        loss = tn.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return float(loss)

    before = model.state_dict()
    with pytest.raises(RecordingError):
        step(*batch())
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(x, before[name])
    assert all(p.grad is None for p in model.parameters())


def test_check_runs_the_step_too():
    factor = [2.0]
    calls = []

    @tn.compile(check=True)
    def step(x):
        calls.append(1)
        return {"scaled": x * factor[0], "same": x + 1}

    for _ in range(4):
        step(np.ones(3))
    assert len(calls) == 4
    factor[0] = 3.0
    with pytest.raises(RecordingError, match=r"2\.0 in one run, 3\.0 in another"):
        step(np.ones(3))


def test_unhashable_arguments_are_refused():
    with pytest.raises(RecordingError, match="set"):
        tn.compile(lambda x, y: x)(np.ones(2), {1, 2})


def test_an_error_of_the_step_is_the_steps_own():
    step = tn.compile(lambda x: np.ones(3) @ x)
    with pytest.raises(ValueError, match=r"mismatch|shapes"):
        step(np.ones(4))


def test_bad_labels_are_an_error_in_a_replay_too():
    step = tn.compile(lambda x, y: tn.nn.functional.cross_entropy(x, y))
    x = RNG.normal(size=(4, 3))
    for _ in range(3):
        step(tn.tensor(x), np.array([0, 1, 2, 0]))
    with pytest.raises(IndexError, match="label 7 at position"):
        step(tn.tensor(x), np.array([0, 1, 7, 0]))


def test_a_kind_of_arguments_that_is_not_recorded_takes_no_memory():
    step = tn.compile(lambda x, k: x * k)
    with pytest.warns(RuntimeWarning, match="recorded 16 times"):
        for k in range(60):
            step(np.ones(2), k)
    assert len(step._variants) == 16


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_child_that_is_forked_while_another_thread_runs_the_step_does_not_hang():
    step = tn.compile(lambda x: np.sum(np.tanh(x)))
    x = np.ones(50000)
    for _ in range(3):
        step(x)
    stop = threading.Event()

    def work():
        while not stop.is_set():
            step(x)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
            child = os.fork()
        if child == 0:
            step(x)
            os._exit(0)
        for _ in range(200):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            time.sleep(0.05)
        else:
            os.kill(child, 9)
            os.waitpid(child, 0)
        assert done and status == 0
    finally:
        stop.set()
        thread.join()


# Threads, memory -----------------------------------------------------------------------------------------------------


def test_threads_take_turns():
    step = tn.compile(lambda x: np.sum(np.tanh(x) * 2))
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(200):
            x = rng.normal(size=50)
            if not np.isclose(step(x), np.sum(np.tanh(x) * 2), rtol=1e-12):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_replays_grow_no_memory():
    import tracemalloc

    model = network()
    step = training(model)
    x, y = batch()
    for _ in range(200):
        step(x, y)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(5000):
            step(x, y)
        assert tracemalloc.get_traced_memory()[0] - before < 2000
    finally:
        tracemalloc.stop()
