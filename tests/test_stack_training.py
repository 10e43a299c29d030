"""Training many networks at once: each member of a stack becomes what it would alone."""

import numpy as np
import pytest

import tinynet as tn
from benchmarks import members
from tests.stacks import (
    Recurrent,
    Residual,
    assert_equal_to_each_alone,
    mixed,
    mlp,
    normalised,
    own_loss,
    rings,
    rng_of,
    trainer_of,
)
from tinynet import nn
from tinynet.nn.memberlayers import FOR_MEMBERS
from tinynet.training import Callback


def labelled(n=45, members=0):
    x, _ = rings(n, members)
    return x, (x[..., 0] > 0).astype(int) + (x[..., 1] > 0)


def splines(seed):
    rng = rng_of(seed)
    return nn.Sequential(nn.KANLinear(2, 3, rng=rng), nn.APL(2, 3), nn.KANLinear(3, 1, rng=rng))


def tied(seed):
    rng = rng_of(seed)
    layer = nn.Linear(2, 2, rng=rng)
    return nn.Sequential(layer, nn.Sequential(nn.Tanh(), nn.Sequential(layer, nn.Swish(learn=True))), nn.Linear(2, 1, rng=rng))


def convolved(seed):
    rng = rng_of(seed)
    return nn.Sequential(
        nn.Conv1d(3, 4, 2, rng=rng), nn.BatchNorm1d(4), nn.PReLU(4), nn.Conv1d(4, 2, 3, padding=1, groups=2, rng=rng),
        nn.Flatten(), nn.Dropout(0.2, rng=seed), nn.Linear(2, 1, rng=rng),
    )  # fmt: skip


class Attending(nn.Module):
    def __init__(self, seed):
        rng = rng_of(seed)
        self.query, self.key, self.value = (nn.Linear(2, 2, rng=rng) for _ in range(3))

    def forward(self, x):
        return nn.functional.scaled_dot_product_attention(self.query(x), self.key(x), self.value(x), is_causal=True)


SEQUENCES = rng_of(4).normal(size=(4, 20, 3, 2))  # for each of four members twenty, with three steps of two features


def clipped(max_norm=0.05):
    class Clip(Callback):
        def on_backward_end(self, trainer):
            tn.optim.clip_grad_norm_(trainer.model.parameters(), max_norm)

    return Clip()


@pytest.mark.parametrize("compile", [False, "auto"], ids=["eager", "compiled"])
@pytest.mark.parametrize("case", [
    {},
    {"data": rings(members=4)},
    {"batch_size": 64},
    {"data": rings(members=4), "batch_size": 64},
    {"metrics": ["binary_accuracy"], "validation": rings(30, seed=1)},
    {"metrics": ["binary_accuracy", "r2"], "validation": rings(30, members=4, seed=1), "data": rings(members=4)},
    {"make": lambda seed: mlp(seed, dropout=0.3), "validation": rings(30, seed=1)},
    {"make": lambda seed: mlp(seed, dropout=0.3), "batch_size": 45},
    {"make": mixed, "members": 7, "options": {"weight_decay": 0.01}},
    {"make": lambda seed: mlp(seed, out=3), "data": labelled(), "loss": nn.CrossEntropyLoss(), "metrics": ["accuracy"]},
    {"make": lambda seed: mlp(seed, out=3), "data": labelled(members=4), "loss": nn.CrossEntropyLoss([1.0, 2.0, 0.5])},
    {"optimizer": tn.optim.SGD, "options": {"momentum": 0.9}, "schedule": True},
    {"optimizer": tn.optim.AdamW, "lr": 0.01},
    {"optimizer": tn.optim.RMSprop, "lr": 0.001},
    {"optimizer": tn.optim.Adagrad},
    {"loss": own_loss},
    {"make": lambda seed: Residual(seed), "loss": nn.HuberLoss(), "data": (rings()[0], np.tile(rings()[0], 2))},
    {"make": normalised, "optimizer": tn.optim.SGD, "validation": rings(30, seed=1), "batch_size": 15},
    {"make": splines, "members": 1},
    {"make": tied, "loss": nn.BCEWithLogitsLoss(reduction="sum"), "optimizer": tn.optim.SGD},
    {"make": convolved, "data": (SEQUENCES[0], SEQUENCES[1, :, 0, :1] > 0), "sample_axes": 2, "optimizer": tn.optim.SGD},
    {"make": Recurrent, "data": (SEQUENCES, SEQUENCES[:, :, 0]), "sample_axes": 2, "loss": nn.L1Loss()},
    {"make": Attending, "data": (SEQUENCES[0], SEQUENCES[1]), "sample_axes": 2, "loss": nn.MSELoss()},
    {"callback": clipped, "optimizer": tn.optim.SGD, "lr": 0.5},
    {"callback": clipped, "make": mixed, "members": 7, "optimizer": tn.optim.SGD, "lr": 0.5},
], ids=lambda case: "-".join(case) or "plain")  # fmt: skip
def test_training_at_once_is_training_each_alone(case, compile):
    case = {"make": mlp, "data": rings(), **case}
    trainer, _ = assert_equal_to_each_alone(case.pop("make"), case.pop("data"), compile=compile, **case)
    foreign = case.get("loss") is own_loss or "callback" in case or type(trainer.model.members) is not nn.Sequential
    assert (", compiled: " in repr(trainer.step)) == (compile == "auto" and not foreign)


def test_a_module_of_ones_own_is_compiled_when_asked_for():
    trainer, _ = assert_equal_to_each_alone(Residual, (rings()[0], np.tile(rings()[0], 2)), loss=nn.MSELoss(), compile=True)
    assert ", compiled: " in repr(trainer.step)
    trainer, _ = assert_equal_to_each_alone(mixed, rings(), callback=clipped, members=7, optimizer=tn.optim.SGD, compile=True)
    assert ", compiled: " in repr(trainer.step)


def test_pictures():
    def make(seed):
        return nn.Sequential(nn.Flatten(), nn.Linear(12, 4, rng=seed), nn.Tanh(), nn.Linear(4, 1, rng=seed + 9))

    x = rng_of(0).normal(size=(4, 3, 2, 2))  # as many pictures as members
    for data in (x, rng_of(1).normal(size=(4, 20, 3, 2, 2))):
        stack = nn.ensemble(make, 4, sample_axes=3)
        trainer = trainer_of(stack, [0, 1, 2, 3], loss=nn.MSELoss())
        y = np.zeros((*data.shape[:-3], 1))
        history = trainer.fit(data, y, epochs=2, batch_size=3)
        for k in range(4):
            alone = trainer_of(make(k), k, loss=nn.MSELoss())
            expected = alone.fit(*((data[k], y[k]) if data.ndim == 5 else (data, y)), epochs=2, batch_size=3)
            np.testing.assert_allclose(history.member(k)["loss"], expected["loss"], rtol=1e-9)


def test_a_list_of_batches_is_for_all_or_for_each():
    shared, own = rings(), rings(members=4)
    for batches, each in [
        ([tuple(x[i : i + 15] for x in shared) for i in (0, 15, 30)], lambda k, batch: batch),
        ([tuple(x[:, i : i + 15] for x in own) for i in (0, 15, 30)], lambda k, batch: (batch[0][k], batch[1][k])),
    ]:
        trainer = trainer_of(nn.ensemble(mlp, 4), 0)
        history = trainer.fit(batches, epochs=3, validation_data=batches)
        for k in range(4):
            own_batches = [each(k, batch) for batch in batches]
            alone = trainer_of(mlp(k), 0).fit(own_batches, epochs=3, validation_data=own_batches)
            for name in ("loss", "val_loss"):
                np.testing.assert_allclose(history.member(k)[name], alone[name], rtol=1e-9)


def test_orders_of_their_own():
    data = rings()

    def order(rng, members=3, epochs=1):
        seen = []

        class Watch(nn.Identity):
            def forward(self, x):
                seen.append(x.data.copy())
                return x

        def make(seed):
            return nn.Sequential(Watch(), nn.Linear(2, 1, rng=seed))

        nn.stacking(Watch)(Watch)
        try:
            trainer_of(nn.ensemble(make, members), rng).fit(*data, batch_size=15, epochs=epochs)
        finally:
            del FOR_MEMBERS[Watch]
        return np.concatenate(seen, axis=1)

    one = order(7)
    np.testing.assert_array_equal(order(7, epochs=2)[:2], order(7, members=2, epochs=2))  # whatever others there are
    assert not any(np.array_equal(one[0], one[k]) for k in (1, 2))  # one seed gives each an order of its own
    for k in range(3):
        np.testing.assert_array_equal(np.sort(one[k], axis=0), np.sort(data[0], axis=0))
    np.testing.assert_array_equal(one, order(7))
    tn.manual_seed(3)
    first = order(None)
    tn.manual_seed(3)
    np.testing.assert_array_equal(first, order(None))
    for rng, model in (([0, 1], nn.ensemble(mlp, 3)), ([0], mlp(0))):
        with pytest.raises(ValueError, match=r"rng has \d generators or seeds for"):
            trainer_of(model, rng)


def test_a_step_written_by_hand():
    data = rings()
    stack, models = nn.ensemble(mlp, 4), [mlp(k) for k in range(4)]
    loss = nn.MemberLoss(nn.BCEWithLogitsLoss())
    optimizer = tn.optim.Adam(stack.parameters(), lr=0.05)
    y = np.broadcast_to(data[1], (4, *data[1].shape))

    @tn.compile
    def step(x, y):
        optimizer.zero_grad()
        losses = loss(stack(x), y)
        losses.sum().backward()
        optimizer.step()
        return losses

    values = np.array([step(data[0], y).data.copy() for _ in range(5)])
    for k, model in enumerate(models):
        alone = tn.optim.Adam(model.parameters(), lr=0.05)
        for i in range(5):
            alone.zero_grad()
            value = nn.BCEWithLogitsLoss()(model(data[0]), data[1])
            value.backward()
            alone.step()
            np.testing.assert_allclose(values[i, k], value.item(), rtol=1e-9)


def test_the_measurement_compares_equals(capsys):
    members.main(["--members", "3", "--rounds", "1", "--epochs", "1"])
    *lines, circumstances = capsys.readouterr().out.splitlines()
    assert circumstances.startswith("medians of 1 rounds")
    assert [line.split(":")[0] for line in lines] == ["3 circle networks, eager", "3 circle networks, compiled"]
    assert all(float(line.rpartition(" ")[2]) < 1e-5 for line in lines)
    with pytest.raises(SystemExit):
        members.main(["--rounds", "0"])
    assert "--rounds 0: it must be at least 1" in capsys.readouterr().err
