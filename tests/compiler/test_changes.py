"""What changes between the calls of a compiled step is noticed: the model, the optimizer, arrays and values around it."""

import numpy as np
import pytest

import tinynet as tn
from tests.compiler.networks import assert_same, batch, network, training, twins


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


def test_a_step_whose_surroundings_change_all_the_time_is_told_what_does():
    layer = tn.nn.Dropout(0.5, rng=0)
    step = tn.compile(lambda x: layer(x))
    with pytest.warns(RuntimeWarning, match="p of Dropout"):
        for k in range(1, 20):
            layer.p = k / 20
            step(np.ones(3))
