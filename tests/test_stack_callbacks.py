"""Stacks in training: callbacks, histories and failures are each member's own."""

import copy
import csv
import json
import pickle
import warnings

import numpy as np
import pytest

import tinynet as tn
from tests.stacks import assert_equal_to_each_alone, mixed, mlp, normalised, part, rings, rng_of, trainer_of
from tinynet import nn
from tinynet.errors import ShapeError
from tinynet.training import BestModel, Callback, EarlyStopping, Logger, NonFiniteError

# Callbacks, histories ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restore_best", [True, False])
@pytest.mark.parametrize("make", [mlp, lambda seed: mixed(seed)], ids=["alike", "mixed"])
def test_early_stopping_is_each_members_own(restore_best, make):
    stops = []

    def stopper():
        stops.append(EarlyStopping("val_loss", patience=2, min_delta=1e-3, restore_best=restore_best))
        return stops[-1]

    options = {"validation": rings(20, seed=5), "epochs": 40, "lr": 0.15, "members": 6}
    _, alone = assert_equal_to_each_alone(make, rings(), callback=stopper, **options)
    assert len({history.epochs for history in alone}) > 2  # they end at several epochs
    together, *each = stops
    assert together.best_epoch.tolist() == [one.best_epoch for one in each]
    np.testing.assert_allclose(together.best, [one.best for one in each], rtol=1e-9)
    waited = [history.epochs - one.best_epoch >= 2 for history, one in zip(alone, each, strict=True)]
    assert together.stopped.tolist() == waited


def test_the_best_model_of_each_member():
    def keep():
        return BestModel("binary_accuracy")

    assert_equal_to_each_alone(mlp, rings(), callback=keep, epochs=15, lr=0.2, metrics=["binary_accuracy"])


class Spoiled(Callback):
    """From an epoch on, NaN in the gradients of some members."""

    def __init__(self, epoch, *members):
        self.epoch, self.members = epoch, list(members)

    def on_backward_end(self, trainer):
        if trainer.epoch >= self.epoch:
            for p in trainer.model.parameters():
                p.grad[self.members] = np.nan


def number(values):
    """A metric of two members that gives for member 0, 1, 0, 1, ... one of the given numbers after another."""
    each = iter(values)
    return lambda prediction, target: float(next(each))


def stopping(values, *callbacks, epochs=8, **options):
    stopper = EarlyStopping("number", patience=2, mode="min", **options)
    metric = number(values)
    metric.__name__ = "number"
    trainer = trainer_of(nn.ensemble(mlp, 2), 0, metrics=[metric])
    trainer.callbacks += [stopper, *callbacks]
    trainer.fit(*rings(), epochs=epochs)
    return trainer, stopper


GETS_BETTER, DOES_NOT = range(100, 0, -1), [1] * 100
FIRST_GOES_ON = [x for pair in zip(GETS_BETTER, DOES_NOT, strict=True) for x in pair]


def test_a_member_that_has_ended_does_not_fail():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer, stopper = stopping(FIRST_GOES_ON, Spoiled(6, 1), restore_best=False)
    assert trainer.failed == {} and trainer.stopped == {1: 3} and stopper.stopped.tolist() == [False, True]
    assert np.isfinite(trainer.history["loss"]).all() and trainer.history.epochs == 8
    losses = trainer.evaluate(*rings())["loss"]
    short, _ = stopping(FIRST_GOES_ON, epochs=3, restore_best=False)
    trainer.callbacks.clear()
    trainer.metrics.clear()
    trainer.fit(*rings(), epochs=2)
    assert trainer.stopped == {} and (trainer.evaluate(*rings())["loss"] != losses).all()  # and they go on
    assert losses[1] == short.evaluate(*rings())["loss"][1] and losses[0] != short.evaluate(*rings())["loss"][0]


def test_the_training_ends_when_the_last_member_has_ended_or_failed():
    with pytest.warns(RuntimeWarning, match="of members 0 is not finite"):
        trainer, _ = stopping(FIRST_GOES_ON, Spoiled(5, 0))
    assert trainer.failed == {0: (5, 1)} and trainer.stopped == {1: 3} and trainer.history.epochs == 5


def test_a_member_that_has_ended_gets_no_better():
    after = [x for pair in zip(GETS_BETTER, [1, 1, 1, *[0] * 97], strict=True) for x in pair]
    keep, lowest = BestModel("number", mode="min", restore_best=False), BestModel("loss", restore_best=False)
    _, stopper = stopping(after, keep, lowest)
    assert lowest.best_epoch.tolist() == [8, 3]  # its last epoch counts
    for callback in (keep, stopper):
        assert callback.best_epoch.tolist() == [8, 1] and callback.best[1] == 1


def test_weights_are_copied_when_they_are_better(monkeypatch):
    copies = []
    state_dict = nn.Stack.state_dict
    monkeypatch.setattr(nn.Stack, "state_dict", lambda self: copies.append(1) or state_dict(self))
    stopping([1] * 200, epochs=2)
    assert len(copies) == 2  # in the first epoch, and to put them back


def never(prediction, target):
    return np.nan


def test_a_member_that_is_never_good_stays_as_it_was_last():
    assert_equal_to_each_alone(mlp, rings(), callback=lambda: BestModel("never", mode="max"), metrics=[never])


def test_gradients_are_clipped_member_by_member():
    stack = nn.ensemble(mixed, 7)
    loss = nn.MemberLoss(nn.MSELoss())(stack(rings()[0]), np.zeros((7, 45, 1)))
    scales = np.array([1, 10, 0.1, 1, 1, 100, 1])
    (loss * scales).sum().backward()
    kept = [p.grad.copy() for p in stack.parameters()]
    for order in (1.0, 2.0, 3.0, np.inf):
        for p, g in zip(stack.parameters(), kept, strict=True):
            p.grad = g.copy()
        norms = tn.optim.clip_grad_norm_(stack.parameters(), 0.5, order)
        assert norms.shape == (7,) and (norms > 0.5).any() and (norms < 0.5).any()
        for k in range(7):
            rows = [
                (g[p.members.index(k)], p.grad[p.members.index(k)])
                for p, g in zip(stack.parameters(), kept, strict=True) if k in p.members
            ]
            alone = [tn.tensor(np.zeros_like(g), requires_grad=True) for g, _ in rows]
            for p, (g, _) in zip(alone, rows, strict=True):
                p.grad = g
            np.testing.assert_allclose(norms[k], tn.optim.clip_grad_norm_(alone, 0.5, order), rtol=1e-12)
            for p, (_, clipped_row) in zip(alone, rows, strict=True):
                np.testing.assert_allclose(clipped_row, p.grad, rtol=1e-12)
    single = tn.tensor(np.ones(3), requires_grad=True)
    single.grad = np.ones(3)
    with pytest.raises(ValueError, match=r"one of shape \(3,\) is not"):
        tn.optim.clip_grad_norm_([*stack.parameters(), single], 1.0)
    stack.members[0].weight.grad[2] = np.nan
    with pytest.raises(RuntimeError, match="norm of the gradients"):
        tn.optim.clip_grad_norm_(stack.parameters(), 1.0, error_if_nonfinite=True)
    assert np.isnan(tn.optim.clip_grad_norm_(stack.parameters(), 1.0)).tolist() == [k == 2 for k in range(7)]


def test_the_norm_is_that_of_all_members_whoever_has_a_gradient():
    for kinds in ((nn.PReLU, nn.ReLU, nn.ReLU), (nn.ReLU, nn.PReLU, nn.ReLU), (nn.ReLU, nn.Tanh, nn.Tanh)):
        stack = nn.stack([nn.Sequential(nn.Linear(2, 2, rng=0).requires_grad_(False), kind()) for kind in kinds])
        if nn.PReLU in kinds:
            stack(rng_of(0).normal(size=(9, 2))).sum().backward()
        for twin in (stack, pickle.loads(pickle.dumps(stack)), copy.deepcopy(stack)):
            norms = tn.optim.clip_grad_norm_(twin.parameters(), 1.0)
            assert norms.shape == (3,) and [kind is nn.PReLU for kind in kinds] == (norms > 0).tolist()


def test_what_has_no_gradient_is_not_clipped():
    for clip in (tn.optim.clip_grad_norm_, tn.optim.clip_grad_value_):
        with pytest.raises(TypeError, match=f"{clip.__name__}: the parameters hold a float64; give tensors"):
            clip(np.ones(3), 1.0)


def test_the_history_is_told_and_saved(tmp_path):
    file, lines = tmp_path / "log.csv", []
    trainer = trainer_of(nn.ensemble(mlp, 3), 0, metrics=["binary_accuracy"])
    trainer.callbacks += [Logger(file), Logger(lines.append)]
    history = trainer.fit(*rings(), epochs=2)
    assert [x.shape for x in history["loss"]] == [(3,), (3,)] and [type(x) for x in history["lr"]] == [float, float]
    assert json.loads(json.dumps(history.to_dict()))["loss"][1] == history["loss"][1].tolist()
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert list(rows[0])[:5] == ["epoch", "loss[0]", "loss[1]", "loss[2]", "binary_accuracy[0]"]
    assert float(rows[1]["loss[2]"]) == history["loss"][1][2] and float(rows[0]["lr"]) == 0.02
    low, middle, high = np.sort(history["loss"][-1])
    assert f"loss {middle:.4g} ({low:.4g} to {high:.4g})" in repr(history) and lines[1].startswith("epoch 2  loss ")
    history["loss"].append(np.array([2.0, np.nan, 1.0]))
    history["binary_accuracy"].append(np.array([np.nan, np.nan, np.nan]))
    for name in ("lr", "seconds"):
        history[name].append(0.5)
    assert "loss 1.5 (1 to 2), binary_accuracy nan, lr 0.5, seconds 0.5, 1 of 3 failed" in repr(history)
    assert "history of 3 epochs: loss" in repr(history.member(0)).lower() and "(" not in repr(history.member(0))


def test_a_history_is_asked_for_a_member_that_it_has():
    history = trainer_of(nn.ensemble(mlp, 3), 0).fit(*rings())
    assert history.member(-1)["loss"] == history.member(np.int64(2))["loss"] == [history["loss"][0][2]]
    for k in (3, -4):
        with pytest.raises(IndexError, match=f"member {k} of the history of a stack of 3"):
            history.member(k)
    with pytest.raises(TypeError):
        history.member(1.5)
    with pytest.raises(ValueError, match="of one model"):
        trainer_of(mlp(0), 0).fit(*rings()).member(0)


# When something goes wrong -----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value):RuntimeWarning")
@pytest.mark.parametrize("compile", [False, "auto"], ids=["eager", "compiled"])
@pytest.mark.parametrize("optimizer", [tn.optim.SGD, tn.optim.Adam, tn.optim.RMSprop, tn.optim.Adagrad])
def test_a_member_that_fails_leaves_the_others_alone(compile, optimizer):
    data = rings(members=4)
    data[0][2, 20] = np.inf

    def make(seed):
        return nn.Sequential(*normalised(seed)[:3], nn.Dropout(0.2, rng=seed), nn.Linear(5, 1, rng=seed + 9))

    stack = nn.ensemble(make, 4)
    trainer = trainer_of(stack, [0, 1, 2, 3], optimizer=optimizer, lr=0.01, compile=compile)
    words = r"epoch 1, batch \d: the loss, .* of members 2 is not finite; they stay as .* Of member 2: The inputs .* row 0 the"
    with pytest.warns(RuntimeWarning, match=words):
        history = trainer.fit(*data, epochs=3, batch_size=10, shuffle=False, validation_data=rings(20))
    assert trainer.failed == {2: (1, 3)}
    assert np.isnan([*history.member(2)["loss"], *history.member(2)["val_loss"]]).all()
    for k, back in enumerate(stack.unstack()):
        alone = trainer_of(make(k), k, optimizer=optimizer, lr=0.01)
        try:
            expected = alone.fit(*part(data, k), epochs=3, batch_size=10, shuffle=False, validation_data=rings(20))
            np.testing.assert_allclose(history.member(k)["val_loss"], expected["val_loss"], rtol=1e-9)
        except NonFiniteError:
            assert k == 2
        for name, value in alone.model.state_dict().items():  # the averages of normalisations too
            np.testing.assert_allclose(back.state_dict()[name], value, rtol=1e-7, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("optimizer, options", [
    (tn.optim.SGD, {"momentum": 0.9}), (tn.optim.Adam, {}), (tn.optim.Adagrad, {}), (tn.optim.SGD, {}),
], ids=["momentum", "adam", "adagrad", "plain"])  # fmt: skip
def test_a_member_that_failed_can_be_trained_again(optimizer, options):
    spoil = Spoiled(2, 1, 2)
    stack = nn.ensemble(mlp, 4)
    trainer = trainer_of(stack, [0, 1, 2, 3], optimizer=optimizer, options=options, callback=lambda: spoil)
    with pytest.warns(RuntimeWarning, match="of members 1, 2 is not finite"):
        trainer.fit(*rings(), epochs=3, batch_size=45)
    trainer.callbacks.clear()
    history = trainer.fit(*rings(), epochs=20, batch_size=45)
    assert trainer.failed == {} and (history["loss"][-1] < history["loss"][0]).all()
    for k in (0, 3):  # of which nothing was forgotten
        alone = trainer_of(mlp(k), k, optimizer=optimizer, options=options)
        losses = alone.fit(*rings(), epochs=3, batch_size=45), alone.fit(*rings(), epochs=20, batch_size=45)
        np.testing.assert_allclose(history.member(k)["loss"], losses[1]["loss"], rtol=1e-9)


class Spoil(Callback):
    """In the second batch, NaN in the gradient of one parameter for member 6, and in that of another for member 4."""

    def on_backward_end(self, trainer):
        if trainer.batch == 2:
            self.before = [model.state_dict() for model in trainer.model.unstack()]
            parameters = dict(trainer.model.named_parameters())
            parameters["members.1.groups.1.weight"].grad[1] = np.nan  # which members 1 and 6 have
            parameters["members.3.bias"].grad[4] = np.nan


def test_members_fail_in_parameters_that_not_all_have():
    spoil, stacks = Spoil(), [nn.ensemble(mixed, 7), nn.ensemble(mixed, 7)]
    with pytest.warns(RuntimeWarning, match="of members 4, 6 is not finite"):
        spoiled = trainer_of(stacks[0], 0, callback=lambda: spoil)
        spoiled.fit(*rings(), batch_size=15)
    trainer_of(stacks[1], 0).fit(*rings(), batch_size=15)
    assert spoiled.failed == {4: (1, 2), 6: (1, 2)}
    for k, (back, other) in enumerate(zip(*(stack.unstack() for stack in stacks), strict=True)):
        expected = spoil.before[k] if k in spoiled.failed else other.state_dict()
        for name, value in expected.items():
            np.testing.assert_array_equal(back.state_dict()[name], value)


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value):RuntimeWarning")
def test_when_the_last_member_fails_the_training_ends():
    x, y = rings()
    x[3] = np.nan
    stack = nn.ensemble(mlp, 3)
    before = stack.state_dict()
    words = r"epoch 1, batch 1: .* of members 0, 1, 2 .* no other member is left\. Of member 0: The inputs of .*, row 3 the"
    with pytest.raises(NonFiniteError, match=words) as caught:
        trainer_of(stack, 0).fit(x, y, shuffle=False)
    assert caught.value.module == "0"
    for name, value in stack.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_data_that_do_not_fit_the_members():
    trainer = trainer_of(nn.ensemble(mlp, 4), 0)
    x, y = rings(members=4)
    for data, words in [
        ((x, y[0]), r"x has shape \(4, 45, 2\), for each member its own, and y \(45, 1\)"),
        ((x[:3], y[:3]), r"x has shape \(3, 45, 2\); for a stack of 4 members.*sample_axes"),
        ((x[0], y[0][:9]), "x has 45 rows and y has 9"),
        ((x[0][:0], y[0][:0]), "the data are empty"),
        ((x[:, :0], y[:, :0]), "the data are empty"),
        ((x[0], y), r"x has shape \(45, 2\), for all members, and y \(4, 45, 1\), for each its own; x must be each"),
        (([(x[0], y)],), r"batch 1 of the data: x has shape \(45, 2\), for all members, and y \(4, 45, 1\)"),
        (([(x[0], y[0][:9])],), "batch 1 of the data: x has 45 rows and y has 9"),
    ]:
        with pytest.raises(ValueError, match=f"fit: .*{words}|^{words}"):
            trainer.fit(*data)
    with pytest.raises(ShapeError, match="predict: x has shape"):
        trainer.predict(np.ones((3, 4, 2)))


def test_targets_of_as_many_columns_as_members_are_for_all():
    x, y = np.ones((4, 2)), np.ones((4, 4))
    trainer_of(nn.ensemble(lambda seed: mlp(seed, out=4), 4), 0, loss=nn.MSELoss()).fit(x, y)


def test_a_loss_needs_a_number_for_each_member():
    class Summed(nn.MemberLoss):
        def forward(self, prediction, target):
            return prediction.sum()

    with pytest.raises(ShapeError, match=r"the loss has shape \(\); a stack of 4 members needs one number for each"):
        trainer_of(nn.ensemble(mlp, 4), 0, loss=Summed(nn.MSELoss())).fit(*rings())
    for model in (mlp(0), nn.ensemble(mlp, 4)):
        with pytest.raises(TypeError, match="it must return a tensor"):
            trainer_of(model, 0, loss=lambda prediction, target: 1.0).fit(*rings())
