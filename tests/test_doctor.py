"""`tn.training.Doctor`: finds what is wrong, is quiet where nothing is, and changes nothing.

Many more trainings, of all activations and with several seeds: ``python -m benchmarks.doctor``.
"""

import re
from itertools import cycle

import numpy as np
import pytest

import tinynet as tn
from benchmarks.doctor import ACTIVATIONS, HEALTHY, SICK, brief, circle, looked_at, sine, xor
from tinynet import nn
from tinynet.training import Doctor, Finding
from tinynet.training.constant import constant_level
from tinynet.training.findings import bad_units

OF_DIGITS = {"digits", "autoencoder"}  # which need scikit-learn, and seconds to import it


def without_digits(names):
    return [name for name in names if name.partition(",")[0] not in OF_DIGITS]


@pytest.mark.parametrize("name", without_digits(SICK))
def test_what_is_wrong_is_found(name):
    kind, make = SICK[name]
    found, _ = looked_at(make(0))
    assert kind in {finding.kind for finding in found}
    for finding in found:
        assert re.search(r"\d", finding.text)
        assert str(finding) == finding.text
        assert (finding.layer is None) == (finding.kind.startswith("learning rate") or finding.kind == "stuck loss")


@pytest.mark.parametrize(("name", "act"), list(zip(without_digits(HEALTHY), cycle(ACTIVATIONS))))
def test_a_healthy_training_is_left_alone(name, act):
    found, good = looked_at(HEALTHY[name](act, 0))
    assert good
    assert found == []


def test_running_statistics_are_waited_for():
    found, good = looked_at(HEALTHY["deep_with_batch_norm"]("sigmoid", 0), every=1)
    assert good
    assert found == []


def test_relu_is_not_saturated_where_it_is_zero():
    model, rng = nn.Sequential(nn.Linear(2, 8, rng=0), nn.ReLU()), np.random.default_rng(0)
    model[0].weight.data[...], model[0].bias.data[...] = rng.choice([-1.0, 1.0], size=(8, 2)), -1.8
    x = rng.normal(size=(500, 2))
    assert 0.85 < np.mean(model(x).data == 0) < 0.95
    assert list(bad_units(model, x)) == []


def trained(case, *callbacks, compile="auto", **options):
    trainer = tn.Trainer(case.model, case.loss, case.optimizer, callbacks=callbacks, rng=0, compile=compile)
    history = trainer.fit(case.x, case.y, epochs=case.epochs, batch_size=case.batch_size, **options)
    return trainer, history["loss"], [p.data.tobytes() for p in case.model.parameters()]


@pytest.mark.parametrize("compile", ["auto", False])
@pytest.mark.parametrize("name", ["circle_with_batch_norm", "moons_with_dropout", "xor"])
def test_the_training_goes_on_as_without_it(name, compile):
    def case():
        return brief(HEALTHY[name]("relu", 0), 10)

    without, with_it = trained(case(), compile=compile), trained(case(), Doctor(every=1), compile=compile)
    assert with_it[1:] == without[1:]
    assert repr(with_it[0].step) == repr(without[0].step)  # compiled, and recorded no more often
    assert ("step, compiled" in repr(with_it[0].step)) == bool(compile)


def test_each_finding_is_told_once_with_its_sentence():
    told = []
    case = xor("relu", 0)
    case.model[0].bias.data -= 10
    doctor = Doctor(tell=told.append)
    trained(case, doctor)
    assert told == doctor.findings
    assert [(finding.kind, finding.layer) for finding in told] == [("dead units", "1"), ("stuck loss", None)]
    assert told[0].text == (
        "8 of the 8 units of layer 1 (ReLU) are dead: their slope is 0 at all 4 rows looked at, and nothing before them learns."
        " Lower the learning rate, start with smaller weights and biases, or take LeakyReLU or GELU."
    )
    assert told[0].figure == 1.0
    assert told[1].text.startswith("The loss stays at 0.6931, and predicting one and the same for every input costs 0.6931: ")


def test_it_prints_unless_told_otherwise(capsys):
    case = brief(xor("relu", 0), 1)
    case.model[0].bias.data -= 10
    trained(case, Doctor())
    assert capsys.readouterr().out.startswith("8 of the 8 units of layer 1 (ReLU) are dead")


def test_a_new_training_has_findings_of_its_own():
    case = brief(xor("relu", 0), 2)
    case.model[0].bias.data -= 10
    doctor = Doctor(tell=lambda finding: None)
    trainer, *_ = trained(case, doctor)
    assert len(doctor.findings) == 1
    case.model[0].bias.data += 10
    trainer.fit(case.x, case.y, epochs=2)
    assert doctor.findings == []


def test_when_it_looks(monkeypatch):
    looked = []
    monkeypatch.setattr(Doctor, "_look", lambda self, trainer: looked.append(trainer.epoch))
    trained(brief(circle("tanh", 0), 11), Doctor())
    trained(brief(circle("tanh", 0), 11), Doctor(every=3))
    assert looked == [1, 2, 4, 8, 11, 3, 6, 9, 11]


def test_a_network_that_has_learned_is_left_alone():
    case = xor("tanh", 0)
    trainer, *_ = trained(case)
    case.model[0].weight.data *= 100  # all units saturate, and the predictions stay right
    case.model[0].bias.data *= 100
    doctor = Doctor()
    trainer.callbacks.append(doctor)
    trainer.fit(case.x, case.y, epochs=3)
    assert doctor.findings == []


def test_data_of_ones_own_and_batches():
    case = brief(circle("relu", 0), 4)
    case.model[2].bias.data -= 20
    batches = [(case.x[:100], case.y[:100]), (case.x[100:], case.y[100:])]
    blind, sees = Doctor(), Doctor((case.x[:7].tolist(), case.y[:7]), tell=lambda finding: None)
    trainer = tn.Trainer(case.model, case.loss, case.optimizer, callbacks=[blind, sees])
    trainer.fit(batches, epochs=4)
    assert blind.findings == []
    assert blind.level is None
    assert "at all 7 rows" in sees.findings[0].text


def test_a_loss_that_diverges_is_seen_without_data():
    case = sine("tanh", 0)
    optimizer = tn.optim.SGD(case.model.parameters(), lr=5.0)
    doctor = Doctor(tell=lambda finding: None)
    trainer = tn.Trainer(case.model, case.loss, optimizer, callbacks=[doctor])
    with np.errstate(all="ignore"), pytest.raises(tn.training.NonFiniteError):
        trainer.fit([(case.x, case.y)], epochs=200)
    assert {finding.kind for finding in doctor.findings} == {"learning rate too high"}


def test_functions_instead_of_modules():
    class Network(nn.Module):
        def __init__(self):
            self.a, self.b = nn.Linear(2, 8, rng=0), nn.Linear(8, 1, rng=1)
            self.unused = nn.Linear(3, 3, rng=2)  # no gradient, and no vanishing one

        def forward(self, x):
            return self.b(tn.relu(self.a(x)))

    model = Network()
    doctor = Doctor(tell=lambda finding: None)
    trainer = tn.Trainer(model, nn.BCEWithLogitsLoss(), tn.optim.SGD(model.parameters(), lr=0.1), callbacks=[doctor])
    data = xor("tanh", 0).x, xor("tanh", 0).y
    trainer.fit(*data, epochs=2)
    assert doctor.findings == []
    model.a.bias.data -= 10
    trainer.fit(*data, epochs=1)
    assert [(finding.kind, finding.layer, finding.figure) for finding in doctor.findings] == [("vanishing gradient", "a", 0.0)]


def test_a_model_with_several_outputs():
    class Two(nn.Module):
        def __init__(self):
            self.inner = nn.Sequential(nn.Linear(2, 4, rng=0), nn.ReLU(), nn.Linear(4, 1, rng=1))

        def forward(self, x):
            y = self.inner(x)
            return y, y * 2

    model = Two()
    model.inner[0].bias.data -= 10
    doctor = Doctor(tell=lambda finding: None)
    optimizer = tn.optim.SGD(model.parameters(), lr=0.1)
    trainer = tn.Trainer(model, lambda pair, y: np.mean((pair[0] + pair[1] - y) ** 2), optimizer, callbacks=[doctor])
    trainer.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=1)
    assert doctor.level is None
    assert [(finding.kind, finding.layer) for finding in doctor.findings] == [("dead units", "inner.1")]


def test_what_it_cannot_do_is_said():
    stack = nn.stack([nn.Linear(2, 1, rng=seed) for seed in range(2)])
    trainer = tn.Trainer(stack, nn.MSELoss(), tn.optim.SGD(stack.parameters(), lr=0.1), callbacks=[Doctor()])
    with pytest.raises(TypeError, match=r"the model is a stack; train a member by itself \(stack.unstack\(\)\)"):
        trainer.fit(np.ones((4, 2)), np.ones((4, 1)))
    with pytest.raises(ValueError, match="every is 0"):
        Doctor(every=0)
    with pytest.raises(ValueError, match="a tuple"):
        Doctor(np.ones((4, 2)))


# What a constant prediction costs ------------------------------------------------------------------------------------


def entropy(shares):
    shares = shares[shares > 0]
    return -np.sum(shares * np.log(shares))


def test_the_level_of_a_constant_prediction():
    rng = np.random.default_rng(0)
    y = rng.exponential(size=(301, 3)) * 1000
    assert constant_level(nn.MSELoss(), y, y) == pytest.approx(y.var(axis=0).mean(), rel=1e-12)
    assert constant_level(nn.L1Loss(), y, y) == pytest.approx(np.abs(y - np.median(y, axis=0)).mean(), rel=1e-3)
    rare = (rng.random((500, 1)) < 0.02).astype(float)
    expected = entropy(np.array([rare.mean(), 1 - rare.mean()]))
    assert constant_level(nn.BCEWithLogitsLoss(), rare, rare) == pytest.approx(expected, rel=1e-4)
    assert constant_level(nn.BCELoss(), rare, rare) == pytest.approx(expected, rel=1e-4)
    k = rng.choice(10, size=500, p=[0.5, 0.2, 0.1, 0.05, 0.05, 0.04, 0.03, 0.01, 0.01, 0.01])
    level = constant_level(nn.CrossEntropyLoss(), np.zeros((500, 10)), k)
    assert level == pytest.approx(entropy(np.bincount(k, minlength=10) / 500), rel=1e-4)


def test_losses_without_such_a_level():
    y = np.ones((4, 1))
    assert constant_level(nn.MSELoss(), y, y) is None  # nothing is to be learned
    assert constant_level(lambda prediction, target: np.sum(prediction * target), y, y) is None
    assert constant_level(lambda prediction, target: prediction.nothing, y, y) is None


class Sampling(nn.Module):
    """Draws in evaluation, too, and for the loss."""

    def __init__(self):
        self.inner = nn.Sequential(nn.Linear(2, 8, rng=0), nn.Tanh(), nn.Linear(8, 1, rng=1))

    def forward(self, x):
        return self.inner(x + tn.random.as_generator(None).normal(scale=0.1, size=np.shape(x)))


class ScaledLoss(nn.Module):
    """Has a parameter that no optimizer knows, and drops out."""

    def __init__(self):
        self.scale, self.dropout = nn.Parameter([2.0]), nn.Dropout(0.5)

    def forward(self, prediction, target):
        return np.mean(np.square(self.dropout(prediction) - target)) * np.sum(self.scale)


def test_what_it_draws_and_derives_is_not_the_trainings():
    def train(*callbacks):
        tn.manual_seed(0)
        model, loss = Sampling(), ScaledLoss()
        x, y = tn.data.xor()
        trainer = tn.Trainer(model, loss, tn.optim.SGD(model.parameters(), lr=0.1), callbacks=callbacks, compile=False)
        history = trainer.fit(x, y[:, None], epochs=9)
        return history["loss"], loss.scale.grad.tolist()

    assert train(Doctor(tell=lambda finding: None)) == train()


def test_what_it_cannot_look_at_does_not_end_the_training():
    class OfFourRows(nn.Linear):
        def forward(self, x):
            if len(x) != 4:
                raise ValueError("four rows, please")
            return super().forward(x)

    model, doctor = OfFourRows(2, 1, rng=0), Doctor()
    trainer = tn.Trainer(model, nn.MSELoss(), tn.optim.SGD(model.parameters(), lr=0.1), callbacks=[doctor], rng=0)
    x = np.random.default_rng(0).normal(size=(8, 2))
    with pytest.warns(RuntimeWarning, match=r"it cannot look at this network \(ValueError: four rows, please\)"):
        assert trainer.fit(x, x[:, :1], epochs=3, batch_size=4).epochs == 3


def test_an_epoch_that_was_interrupted_is_not_what_it_judges_by():
    class Interrupts(tn.training.Callback):
        def on_batch_end(self, trainer, loss):
            if (trainer.epoch, trainer.batch) == (5, 1):
                raise KeyboardInterrupt

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(800, 1)), rng.normal(size=(800, 1))
    model = nn.Sequential(nn.Linear(1, 4, rng=0), nn.Tanh(), nn.Linear(4, 1, rng=0))
    doctor = Doctor(tell=lambda finding: None, every=50)
    optimizer = tn.optim.SGD(model.parameters(), lr=0.01)
    history = tn.Trainer(model, nn.MSELoss(), optimizer, callbacks=[Interrupts(), doctor], rng=0).fit(
        x, y, epochs=9, batch_size=4
    )
    assert history.epochs == 4
    assert [finding.kind for finding in doctor.findings] == ["stuck loss"]


@pytest.mark.parametrize("target", [np.zeros((8, 1)), np.arange(8.0)[:, None]])
def test_weights_and_losses_that_are_zero(target):
    model = nn.Linear(1, 1)
    for p in model.parameters():
        p.data[...] = 0
    doctor = Doctor(tell=lambda finding: None, every=1)
    trainer = tn.Trainer(model, nn.MSELoss(), tn.optim.SGD(model.parameters(), lr=0.01), callbacks=[doctor], rng=0)
    assert trainer.fit(np.arange(8.0)[:, None], target, epochs=30)["loss"][-1] < 0.2
    assert doctor.findings == []


def log_density(p, t):
    return np.mean(np.square(p - t)) - 10


@pytest.mark.parametrize(("lr", "high"), [(0.01, False), (1.5, True)])
def test_losses_may_be_negative(lr, high):
    x = np.random.default_rng(0).normal(size=(64, 1))
    model, doctor = nn.Linear(1, 1, rng=0), Doctor(tell=lambda finding: None)
    trainer = tn.Trainer(model, log_density, tn.optim.SGD(model.parameters(), lr=lr), callbacks=[doctor], rng=0)
    trainer.fit(x, 2 * x + 1, epochs=32)
    assert ("learning rate too high" in {finding.kind for finding in doctor.findings}) == bool(doctor.findings) == high


def test_data_that_are_not_finite_are_no_matter_of_the_learning_rate():
    model, doctor = nn.Linear(1, 1, rng=0), Doctor()
    trainer = tn.Trainer(model, nn.MSELoss(), tn.optim.SGD(model.parameters(), lr=0.1), callbacks=[doctor])
    with pytest.raises(tn.training.NonFiniteError):
        trainer.fit(np.full((4, 1), np.nan), np.ones((4, 1)))
    assert doctor.findings == []


def test_a_finding_is_a_tuple():
    assert Finding("stuck loss", None, 0.7, "The loss stays.")[:2] == ("stuck loss", None)
