"""The trainer's compiled step: on where it is sure to be right, the same as the uncompiled one, and told about."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn
from tinynet.errors import RecordingError
from tinynet.training import Callback, Scheduler, Trainer


def data(n=40, classes=0):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2))
    return x, rng.integers(0, classes, n) if classes else x[:, :1] * x[:, 1:]


def network(out=1, dropout=0.0):
    return nn.Sequential(nn.Linear(2, 8, rng=0), nn.Tanh(), nn.Dropout(dropout, rng=1), nn.Linear(8, out, rng=2))


def trained(compile, loss=None, out=1, classes=0, epochs=4, make=tn.optim.Adam, dropout=0.0, **options):
    model = network(out, dropout)
    trainer = Trainer(model, loss or nn.MSELoss(), make(model.parameters(), lr=0.01), rng=0, compile=compile, **options)
    history = trainer.fit(*data(classes=classes), epochs=epochs, batch_size=16, validation_data=data(10, classes))
    return trainer, history


@pytest.mark.parametrize("options", [
    {}, {"dropout": 0.3}, {"make": tn.optim.SGD}, {"loss": nn.CrossEntropyLoss(), "out": 3, "classes": 3},
    {"loss": nn.HuberLoss(), "metrics": ["r2"]},
], ids=["plain", "dropout", "sgd", "labels", "metrics"])  # fmt: skip
def test_it_trains_as_the_uncompiled_one(options):
    compiled, a = trained("auto", **options)
    plain, b = trained(False, **options)
    assert "compiled: 4 runs compared" in repr(compiled.step)  # two shapes of batches, twice each
    assert "not compiled: compile=False" in repr(plain.step)
    for name in set(a) - {"seconds"}:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-9)
    for p, q in zip(compiled.model.parameters(), plain.model.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-9, atol=1e-12)


def test_a_schedule_and_a_change_of_the_rate_are_followed():
    class Slower(Callback):
        def on_epoch_end(self, trainer, record):
            trainer.optimizer.param_groups[0]["lr"] *= 0.5

    for make in (Slower, lambda: None):
        runs = []
        for compile in ("auto", False):
            model = network()
            optimizer = tn.optim.Adam(model.parameters(), lr=0.05)
            callback = make() or Scheduler(tn.optim.StepLR(optimizer, 2))
            Trainer(model, nn.MSELoss(), optimizer, rng=0, callbacks=[callback], compile=compile).fit(*data(), epochs=5)
            runs.append(model.state_dict())
        for name, x in runs[0].items():
            np.testing.assert_allclose(x, runs[1][name], rtol=1e-9)


class Own(nn.Module):
    def __init__(self, look=False):
        self.layer = network()
        self.look = look

    def forward(self, x):
        y = self.layer(x)
        return y * (2.0 if self.look and float(np.sum(y)) > 0 else 1.0)


def fit(model, compile, loss=None, epochs=2, **options):
    trainer = Trainer(model, loss or nn.MSELoss(), tn.optim.SGD(model.parameters(), lr=0.01), rng=0, compile=compile, **options)
    trainer.fit(*data(), epochs=epochs)
    return trainer


def test_a_persons_own_module_is_compiled_when_asked_for():
    assert "Own is not one of tinynet's classes; compile=True" in repr(fit(Own(), "auto").step)
    trainer = fit(Own(), True)
    assert "compiled: 4 runs" in repr(trainer.step)
    np.testing.assert_allclose(fit(Own(), False).predict(data()[0]), trainer.predict(data()[0]), rtol=1e-12)
    with pytest.raises(RecordingError, match=r"test_training_compiled\.py, line \d+ looks at a value"):
        fit(Own(look=True), True)


def test_other_code_of_a_person_is_run_as_it_is():
    class Clip(Callback):
        def on_backward_end(self, trainer):
            tn.optim.clip_grad_norm_(trainer.model.parameters(), 0.1)

    hooked = network()
    hooked[1].register_forward_hook(lambda module, args, output: None)
    assert "callback acts on the gradients" in repr(fit(network(), "auto", callbacks=[Clip()]).step)
    assert "a hook is registered on Tanh" in repr(fit(hooked, "auto").step)
    assert "no module" in repr(fit(network(), "auto", loss=lambda p, y: np.mean(np.square(p - y))).step)
    clipped = [fit(network(), compile, callbacks=[Clip()]) for compile in (True, False)]
    assert "compiled: 4" in repr(clipped[0].step)
    np.testing.assert_allclose(*(trainer.predict(data()[0]) for trainer in clipped), rtol=1e-12)


def test_a_function_among_the_options_is_run_as_it_is():
    def fitted(function):
        return repr(fit(nn.KANLinear(2, 1, base_activation=function), "auto").step)

    factor = 1.0
    for ours in (np.tanh, nn.functional.silu, nn.PReLU(2)):
        assert ", compiled: " in fitted(ours)
    for scaled in (lambda x: factor * x, partial(lambda x, y: factor * x, y=1), tn.grad(lambda x: np.sum(factor * x**2))):
        assert "not compiled: base_activation of KANLinear is " in fitted(scaled)
    trainer = fit(nn.KANLinear(2, 1, base_activation=lambda x: factor * x, rng=0), "auto")
    trainer.optimizer.param_groups[0]["lr"] = 0.0
    factor = 100.0
    x, y = data()
    np.testing.assert_allclose(trainer.fit(x, y)["loss"], trainer.evaluate(x, y)["loss"], rtol=1e-9)


class Counting(tn.optim.SGD):
    """Makes three updates, and no more."""

    count = 0

    def step(self, *args):
        self.count += 1
        if self.count <= 3:
            super().step(*args)


def own_optimizer(trainer):
    trainer.optimizer = Counting(trainer.model.parameters(), lr=0.1)


def gradient_hook(trainer):
    count = iter(range(10**6))
    handle = trainer.model[0].weight.register_hook(lambda g: g if next(count) < 3 else 0 * g)
    return handle.remove


def forward_hook(trainer):
    count = iter(range(10**6))
    handle = trainer.model[1].register_forward_hook(lambda module, args, y: y if next(count) < 3 else 0 * y)
    return handle.remove


def patched_forward(trainer):
    layer, count = trainer.model[1], iter(range(10**6))
    layer.forward = lambda x: np.tanh(x) * (1.0 if next(count) < 3 else 0.5)
    return lambda: delattr(layer, "forward")


def patched_loss(trainer):
    loss, count = trainer.loss, iter(range(10**6))
    loss.forward = lambda p, y: type(loss).forward(loss, p, y) * (1.0 if next(count) < 3 else 0.0)
    return lambda: delattr(loss, "forward")


def patched_step(trainer):
    optimizer, count = trainer.optimizer, iter(range(10**6))
    optimizer.step = lambda *args: type(optimizer).step(optimizer, *args) if next(count) < 3 else None
    return lambda: delattr(optimizer, "step")


def own_layer(trainer):
    model = trainer.model
    layer, model[1] = model[1], Own()
    model[1].layer = nn.Tanh()
    return lambda: model.__setitem__(1, layer)


OWN = {
    own_optimizer: "Counting is not one of tinynet's classes", gradient_hook: "a hook is registered on weight of Linear",
    forward_hook: "a hook is registered on Tanh", patched_forward: "forward of Tanh was replaced",
    patched_loss: "forward of MSELoss was replaced", patched_step: "step of SGD was replaced",
    own_layer: "Own is not one of tinynet's classes",
}  # fmt: skip


@pytest.mark.parametrize("own", OWN, ids=lambda own: own.__name__)
@pytest.mark.parametrize("before", [0, 1])
def test_code_of_a_person_runs_in_each_batch_whenever_it_comes(own, before):
    weights = []
    for compile in ("auto", False):
        model = network()
        trainer = Trainer(model, nn.MSELoss(), tn.optim.SGD(model.parameters(), lr=0.1), rng=0, compile=compile)
        if before:
            trainer.fit(*data(), epochs=2)
            assert ("step, compiled" in repr(trainer.step)) == bool(compile)
        remove = own(trainer)
        trainer.fit(*data(), epochs=5)
        assert not compile or f"not compiled: {OWN[own]}" in repr(trainer.step)
        if remove is not None:
            remove()
            trainer.fit(*data(), epochs=2)
            assert ("step, compiled" in repr(trainer.step)) == bool(compile)
        weights.append(model.state_dict())
    for name, x in weights[0].items():
        np.testing.assert_allclose(x, weights[1][name], rtol=1e-9, atol=1e-12)


def test_code_of_a_person_that_comes_between_two_batches():
    class Patch(Callback):
        def on_batch_end(self, trainer, loss):
            if (trainer.epoch, trainer.batch) == (3, 1):
                own(trainer)

    for own in (gradient_hook, forward_hook, patched_forward, own_layer):
        runs = [fit(network(), compile, callbacks=[Patch()], epochs=6) for compile in ("auto", False)]
        assert f"not compiled: {OWN[own]}" in repr(runs[0].step)
        np.testing.assert_allclose(*(trainer.predict(data()[0]) for trainer in runs), rtol=1e-9)


@pytest.mark.parametrize("fits", [0, 1])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("compile", ["auto", True, False])
def test_a_copy_or_pickle_goes_on_training_by_itself(copied, fits, compile):
    model = network(dropout=0.2)
    trainer = Trainer(model, nn.MSELoss(), tn.optim.Adam(model.parameters(), lr=0.01), ["r2"], rng=0, compile=compile)
    for _ in range(fits):
        trainer.fit(*data(), epochs=3)
    other = copied(trainer)
    before = trainer.model.state_dict()
    a = other.fit(*data(), epochs=3)
    for name, x in trainer.model.state_dict().items():
        np.testing.assert_array_equal(x, before[name])
    b = trainer.fit(*data(), epochs=3)
    assert ("step, compiled" in repr(other.step)) == bool(compile)
    for name in ("loss", "r2"):
        np.testing.assert_allclose(a[name], b[name], rtol=1e-9)
    with pytest.raises(tn.training.NonFiniteError):  # the copy goes back to its own weights
        weights = other.model.state_dict()
        other.fit(np.full((4, 2), np.nan), np.ones((4, 1)))
    np.testing.assert_array_equal(other.model[0].weight.data, weights["0.weight"])


class Copy(Callback):
    def on_epoch_end(self, trainer, record):
        trainer.callbacks.clear()
        self.twins = copy.deepcopy(trainer), pickle.loads(pickle.dumps(trainer))


def test_a_copy_that_a_callback_makes_is_in_no_training(tmp_path):
    copies = Copy()
    fit(network(), "auto", callbacks=[copies])
    for twin in copies.twins:
        assert twin.data is None
        twin.save(tmp_path / "twin.npz")


def test_it_falls_back_with_one_warning(monkeypatch):
    monkeypatch.setattr(nn.Tanh, "forward", lambda self, x: np.tanh(x) * (1.0 if float(np.sum(x)) < 1e9 else 2.0))
    with pytest.warns(RuntimeWarning, match="the training step is not compiled: .* looks at a value") as caught:
        trainer = fit(network(), "auto")
    assert len(caught) == 1
    assert "not compiled: " in repr(trainer.step)
    np.testing.assert_array_equal(trainer.predict(data()[0]), fit(network(), False).predict(data()[0]))


class Stepping(Callback):
    """Clears the gradients where a function of the trainer says so."""

    def __init__(self, when):
        self.when = when

    def on_backward_end(self, trainer):
        if self.when(trainer):
            for p in trainer.model.parameters():
                p.grad = p.grad * 0


@pytest.mark.parametrize("when", [lambda t: t.batch % 2, lambda t: t.epoch > 2], ids=["batch", "epoch"])
def test_a_callback_may_look_at_the_epoch_and_the_batch(when):
    compiled, plain = (trained(mode, callbacks=[Stepping(when)])[0] for mode in (True, False))
    assert "not compiled" not in repr(compiled.step)
    for p, q in zip(compiled.model.parameters(), plain.model.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-9, atol=1e-12)
    assert (compiled.epoch, compiled.batch) == (plain.epoch, plain.batch) == (4, 3)


def test_a_callback_cannot_look_at_the_loss_within_the_step():
    with pytest.raises(RecordingError, match="look at it in on_batch_end"):
        trained(True, callbacks=[Stepping(lambda t: t.step.loss > 1)])


def test_an_error_speaks_of_the_training_step():
    count = iter(range(100))
    with pytest.raises(RecordingError, match="the training step cannot be replayed"):
        trained(True, loss=lambda prediction, y: np.mean((prediction - y) ** 2) * next(count))
