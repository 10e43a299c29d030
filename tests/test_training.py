"""The trainer: what it computes and records, metrics, callbacks."""

import copy
import json
from functools import partial

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn
from tinynet.errors import ShapeError
from tinynet.training import BestModel, Callback, EarlyStopping, History, Logger, Scheduler, Trainer, metrics


def mse(prediction, target):
    return np.mean(np.square(prediction - target))


def mlp(seed=0, dtype="float64", inputs=2, outputs=1):
    rng = np.random.default_rng(seed)
    return nn.Sequential(nn.Linear(inputs, 8, rng=rng), nn.Tanh(), nn.Linear(8, outputs, rng=rng)).astype(dtype)


def regression(n=50, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    return x, np.sin(x[:, :1]) + x[:, 1:]


def make(model=None, loss=mse, lr=0.05, **kwargs):
    model = mlp() if model is None else model
    return Trainer(model, loss, tn.optim.SGD(model.parameters(), lr=lr, momentum=0.9), **{"rng": 0, **kwargs})


class Calls(Callback):
    """Writes down which events come."""

    def __init__(self, name="", log=None):
        self.name, self.log = name, [] if log is None else log

    def on_fit_begin(self, trainer):
        self.log.append((self.name, "begin", trainer.history.epochs))

    def on_backward_end(self, trainer):
        self.log.append((self.name, "backward", trainer.batch))

    def on_batch_end(self, trainer, loss):
        self.log.append((self.name, "batch", trainer.batch))

    def on_epoch_end(self, trainer, record):
        self.log.append((self.name, "epoch", trainer.epoch))

    def on_fit_end(self, trainer):
        self.log.append((self.name, "end", trainer.history.epochs))


# What it computes ----------------------------------------------------------------------------------------------------


def test_a_fit_is_the_loop_one_would_write():
    x, y = regression(50)
    trainer = make(model := mlp())
    twin = copy.deepcopy(model)
    history = trainer.fit(x, y, epochs=3, batch_size=16)
    optimizer, rng, losses = tn.optim.SGD(twin.parameters(), lr=0.05, momentum=0.9), np.random.default_rng(0), []
    for _ in range(3):
        order, total = rng.permutation(50), 0.0
        for start in range(0, 50, 16):
            rows = order[start : start + 16]
            optimizer.zero_grad()
            loss = mse(twin(tn.Tensor(x[rows])), y[rows])
            loss.backward()
            optimizer.step()
            total += float(loss) * len(rows)
        losses.append(total / 50)
    assert history["loss"] == losses
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        assert np.array_equal(a.data, b.data)


def test_the_same_seed_gives_the_same_numbers_to_the_last_digit():
    def run(rng, seed=None):
        if seed is not None:
            tn.manual_seed(seed)
        model = mlp()
        history = make(model, rng=rng).fit(*regression(), epochs=4, batch_size=7)
        return history["loss"], model.state_dict()["0.weight"].tolist()

    assert run(3) == run(3) == run(np.random.default_rng(3))
    assert run(3) != run(4)
    assert run(None, seed=5) == run(None, seed=5) != run(None, seed=6)


def test_other_draws_do_not_change_the_trainers_order():
    def run(draw):
        tn.manual_seed(0)
        trainer = make(rng=None)
        if draw:
            tn.random.as_generator().random(10)
        return trainer.fit(*regression(), epochs=2, batch_size=10)["loss"]

    assert run(True) == run(False)


def test_xor_is_learnt_with_labels_as_a_column():
    x, y = tn.data.xor()
    model = mlp()
    trainer = Trainer(model, nn.BCEWithLogitsLoss(), tn.optim.Adam(model.parameters(), lr=0.05), metrics=["binary_accuracy"])
    history = trainer.fit(x, y[:, None], epochs=300)
    assert history["binary_accuracy"][-1] == 1
    assert np.array_equal(trainer.predict(x)[:, 0] > 0, y == 1)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ShapeError, match=r"reshape\(4, 1\)"):
        trainer.fit(x, y)
    assert all(np.array_equal(model.state_dict()[name], array) for name, array in before.items())


def test_several_classes():
    x, y = tn.data.gaussians(150, rng=0)
    model = mlp(outputs=3)
    trainer = Trainer(model, nn.CrossEntropyLoss(), tn.optim.Adam(model.parameters(), lr=0.05), metrics=["accuracy"], rng=0)
    history = trainer.fit(x, y, epochs=15, validation_data=tn.data.gaussians(90, rng=1))
    assert history["val_accuracy"][-1] > 0.9
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds"]
    with pytest.raises(IndexError, match="label 4"):
        trainer.fit(x, np.full(150, 4))


def test_evaluate_predict_and_validation_agree_with_the_model():
    x, y = regression(50)
    vx, vy = regression(33, seed=1)
    trainer = make(metrics=["r2"])
    history = trainer.fit(x, y, epochs=2, validation_data=(vx, vy))
    figures = trainer.evaluate(vx, vy, batch_size=10)
    output = trainer.predict(vx, batch_size=7)
    assert isinstance(output, np.ndarray) and output.shape == (33, 1)
    np.testing.assert_allclose(output, trainer.model(vx).data)
    assert figures["loss"] == pytest.approx(np.mean((output - vy) ** 2))
    assert figures["r2"] == pytest.approx(metrics.r2(output, vy))  # over all rows, not averaged over batches
    assert figures == pytest.approx({"loss": history["val_loss"][-1], "r2": history["val_r2"][-1]})


def test_modes_are_set_and_put_back():
    seen = []

    class Spy(nn.Module):
        def forward(self, x):
            seen.append((self.training, tn.is_grad_enabled()))
            return x

    model = nn.Sequential(nn.Linear(2, 1, rng=0), Spy())
    model[1].eval()
    trainer = make(model)
    trainer.fit(*regression(4), validation_data=regression(4))
    assert seen == [(True, True), (False, False)]
    assert (model.training, model[0].training, model[1].training) == (True, True, False)
    seen.clear()
    model.eval()
    trainer.fit(*regression(4), epochs=1)
    trainer.predict(np.zeros((3, 2)))
    assert seen == [(True, True), (False, False)]
    assert not model.training
    with pytest.raises(ShapeError):
        make(model, loss=lambda prediction, target: prediction).fit(*regression(4))
    assert not model.training


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_data_are_cast_to_the_models_dtype_and_labels_stay(dtype):
    seen = set()

    def loss(prediction, target):
        seen.add((prediction.dtype.name, target.dtype.name))
        return mse(prediction, target.astype(prediction.dtype))

    trainer = make(mlp(dtype=dtype), loss)
    x, y = regression(8)
    trainer.fit(x, y)
    trainer.fit(x.astype("float32"), y.astype("float32"))
    trainer.fit([[1, 2], [3, 4]], [[0.5], [1.5]])
    trainer.fit([(tn.Tensor(x), tn.Tensor(y))])
    assert seen == {(dtype, dtype)}
    assert trainer.predict(np.array([[1, 2]])).dtype == dtype
    assert all(p.dtype == dtype and p.grad.dtype == dtype for p in trainer.model.parameters())
    seen.clear()
    trainer.fit(x, y > 0)
    trainer.fit(x, np.ones((8, 1), dtype="uint8"))
    assert seen == {(dtype, "bool"), (dtype, "uint8")}


def test_iterables_of_batches():
    x, y = regression(48)
    cut = [(x[i : i + 20], y[i : i + 20]) for i in (0, 20, 40)]

    class Loader:
        def __iter__(self):
            return iter(cut)

    expected = make().fit(x, y, epochs=3, batch_size=20, shuffle=False)["loss"]
    assert make().fit(cut, epochs=3, batch_size=1)["loss"] == expected
    history = make().fit(Loader(), epochs=3, validation_data=Loader())
    assert history["loss"] == expected and len(history["val_loss"]) == 3
    assert make().fit(iter(cut))["loss"] == expected[:1]
    assert make().evaluate(Loader()) == pytest.approx(make().evaluate(x, y))


def test_weights_move_only_in_fit_and_zero_epochs_are_nothing():
    trainer = make()
    before = trainer.model.state_dict()
    history = trainer.fit(*regression(), epochs=0)
    trainer.evaluate(*regression())
    assert history.epochs == 0 and history["loss"] == []
    assert all(np.array_equal(array, trainer.model.state_dict()[name]) for name, array in before.items())
    assert all(p.grad is None for p in trainer.model.parameters())


# Metrics and history -------------------------------------------------------------------------------------------------


def test_accuracy_takes_indices_one_hot_rows_and_further_axes():
    scores = np.random.default_rng(0).normal(size=(20, 3))
    best = scores.argmax(axis=1)
    target = np.where(np.arange(20) < 15, best, (best + 1) % 3)
    assert metrics.accuracy(scores, target) == metrics.accuracy(scores, np.eye(3)[target]) == 0.75
    pixels = np.random.default_rng(0).normal(size=(4, 3, 5, 5))
    assert metrics.accuracy(pixels, pixels.argmax(axis=1)) == 1
    for prediction, labels in [(scores, target[:, None]), (scores[:, :1], target), (scores, target[:10])]:
        with pytest.raises(ShapeError, match="accuracy"):
            metrics.accuracy(prediction, labels)


def test_binary_accuracy_of_logits_and_of_probabilities():
    logits, target = np.array([[-1.0], [0.2], [2.0], [0.7]]), np.array([[0], [1], [1], [0]])
    assert metrics.binary_accuracy(logits, target) == 0.75
    assert metrics.binary_accuracy(logits, target, threshold=0.5) == 0.5
    assert metrics.binary_accuracy(logits, target == 1) == 0.75
    with pytest.raises(ShapeError, match="column"):
        metrics.binary_accuracy(logits, target[:, 0])


def test_r2_is_scikit_learns():
    r2_score = pytest.importorskip("sklearn.metrics").r2_score
    rng = np.random.default_rng(0)
    y = rng.normal(size=(30, 3))
    p = y + rng.normal(size=(30, 3))
    p[:, 2], y[:, 2] = 1.0, 2.0
    assert metrics.r2(p, y) == pytest.approx(r2_score(y, p))
    assert metrics.r2(y, y) == 1 == r2_score(y, y)
    assert metrics.r2(p[:, 0], y[:, 0]) == pytest.approx(r2_score(y[:, 0], p[:, 0]))


def test_metrics_go_by_name():
    def worst(prediction, target):
        return np.abs(prediction - target).max()

    trainer = make(metrics=["r2", worst, partial(metrics.binary_accuracy, threshold=0.5)])
    history = trainer.fit(*regression())
    assert list(history) == ["loss", "r2", "worst", "binary_accuracy", "lr", "seconds"]
    for bad, error, message in [
        (["auc"], ValueError, "unknown metric 'auc'; known are accuracy, binary_accuracy, r2"),
        (["r2", metrics.r2], ValueError, "two columns"),
        ("r2", TypeError, "single name"),
        ([3], TypeError, "not 3"),
    ]:
        with pytest.raises(error, match=message):
            make(metrics=bad)


def test_history_is_plain_data():
    history = make().fit(*regression(), epochs=2)
    plain = json.loads(json.dumps(history.to_dict()))
    assert plain == history.to_dict() == dict(history)
    assert all(type(value) is float for column in plain.values() for value in column)
    history.to_dict()["loss"].append(0.0)
    assert history.epochs == len(history["loss"]) == 2 and history["lr"] == [0.05, 0.05]
    assert repr(history).startswith("History of 2 epochs: loss ") and "lr 0.05" in repr(history)
    assert repr(History(["loss"])) == "History of 0 epochs"
    with pytest.raises(KeyError, match="no column 'val_loss'; it has loss, lr, seconds"):
        history["val_loss"]


# Callbacks -----------------------------------------------------------------------------------------------------------


def test_callbacks_come_in_order():
    log = []
    make(callbacks=[Calls("a", log), Calls("b", log)]).fit(*regression(4), epochs=2, batch_size=2)
    step = [(name, event) for event in ("backward", "batch") for name in "ab"]
    epoch = [*step, *step, ("a", "epoch"), ("b", "epoch")]
    assert [entry[:2] for entry in log] == [("a", "begin"), ("b", "begin"), *epoch, *epoch, ("a", "end"), ("b", "end")]
    assert [entry[2] for entry in log if entry[:2] == ("a", "batch")] == [1, 2, 1, 2]
    assert [entry[2] for entry in log if entry[:2] == ("b", "epoch")] == [1, 2]
    with pytest.raises(TypeError, match="instance"):
        make(callbacks=[Calls])


class Script(Callback):
    """Replaces the validation loss by given numbers, and shifts a weight so that each epoch's weights are known."""

    def __init__(self, losses):
        self.losses = losses

    def on_epoch_end(self, trainer, record):
        record["val_loss"] = self.losses[trainer.epoch - 1]
        trainer.model[0].bias.data[:] = trainer.epoch


@pytest.mark.parametrize("losses, options, stopped, best", [
    ([3, 2, 1, 1, 1, 0], {"patience": 2}, 5, 3),
    ([3, 2, 1.95, 1.92, 0], {"patience": 2, "min_delta": 0.1}, 4, 2),
    ([1, 2, 3, 2, 1, 9], {"patience": 2, "mode": "max"}, 5, 3),
    ([float("nan"), 2, float("nan"), float("nan"), 0], {"patience": 2}, 4, 2),
    ([float("nan")] * 9, {"patience": 3}, 3, None),
    ([1, 2, 3, 4, 5], {"patience": 2, "restore_best": False}, 3, None),
    ([4, 3, 2, 1], {"patience": 5}, 4, 4),
])
def test_early_stopping_restores_the_best_weights(losses, options, stopped, best):
    stopper = EarlyStopping(**options)
    trainer = make(callbacks=[Script(losses), stopper])
    history = trainer.fit(*regression(8), epochs=len(losses), validation_data=regression(8))
    assert history.epochs == stopped
    assert np.all(trainer.model[0].bias.data == (best or stopped))
    if best:
        assert (stopper.best_epoch, stopper.best) == (best, losses[best - 1])


def test_best_model_keeps_and_forgets_with_the_next_fit():
    keeper = BestModel()
    trainer = make(callbacks=[Script([2, 1, 3]), keeper])
    data = {"validation_data": regression(8)}
    trainer.fit(*regression(8), epochs=3, **data)
    assert keeper.best_epoch == 2 and np.all(trainer.model[0].bias.data == 2)
    assert np.array_equal(keeper.best_weights["0.bias"], trainer.model[0].bias.data)
    trainer.fit(*regression(8), epochs=1, **data)
    assert (keeper.best_epoch, keeper.best) == (1, 2)
    assert BestModel("val_r2").mode == BestModel("accuracy").mode == "max"


def test_monitors_and_options_are_checked():
    log = []
    trainer = make(callbacks=[Calls(log=log), EarlyStopping("val_loss")])
    with pytest.raises(ValueError, match="'val_loss' to monitor; there are loss, lr, seconds; val_ columns need val"):
        trainer.fit(*regression())
    assert [event for _, event, _ in log] == ["begin", "end"]
    for build, message in [
        (lambda: EarlyStopping("val_auc"), "give mode"),
        (lambda: EarlyStopping(mode="best"), "mode is 'best'"),
        (lambda: EarlyStopping(patience=0), "patience is 0"),
        (lambda: BestModel(min_delta=-1), "min_delta is -1"),
        (lambda: Scheduler(None, every="step"), "every is 'step'"),
    ]:
        with pytest.raises(ValueError, match=message):
            build()


class Rates(Callback):
    """Writes down the learning rate that each update was made with."""

    def __init__(self):
        self.rates = []

    def on_backward_end(self, trainer):
        self.rates.append(float(trainer.optimizer.param_groups[0]["lr"]))


@pytest.mark.parametrize("every, rates, recorded", [
    ("epoch", [0.8, 0.8, 0.4, 0.4], [0.8, 0.4]),
    ("batch", [0.8, 0.4, 0.2, 0.1], [0.2, 0.05]),
])
def test_a_scheduler_is_stepped(every, rates, recorded):
    model = mlp()
    optimizer = tn.optim.SGD(model.parameters(), lr=0.8)
    callbacks = [Scheduler(tn.optim.StepLR(optimizer, 1, 0.5), every), watch := Rates()]
    history = Trainer(model, mse, optimizer, callbacks=callbacks).fit(*regression(4), epochs=2, batch_size=2)
    assert watch.rates == pytest.approx(rates) and history["lr"] == pytest.approx(recorded)


def test_a_logger_writes_lines_and_csv(tmp_path):
    lines, path = [], tmp_path / "run.csv"
    trainer = make(metrics=["r2"], callbacks=[Logger(lines.append), Logger(path)])
    for _ in range(2):  # the file is written anew
        history = trainer.fit(*regression(), epochs=3)
    assert len(lines) == 6 and lines[-1].startswith("epoch 3  loss ")
    header, *rows = [line.split(",") for line in path.read_text().splitlines()]
    assert header == ["epoch", "loss", "r2", "lr", "seconds"]
    assert [float(row[1]) for row in rows] == history["loss"] and [row[0] for row in rows] == ["1", "2", "3"]


def test_gradients_can_be_clipped_before_the_update():
    class Clip(Callback):
        def on_backward_end(self, trainer):
            norms.append(tn.optim.clip_grad_norm_(trainer.model.parameters(), 1e-3))

    norms = []
    trainer = make(callbacks=[Clip()], lr=1.0)
    before = trainer.model.state_dict()
    trainer.fit(*regression(8))
    change = sum(np.sum((before[name] - array) ** 2) for name, array in trainer.model.state_dict().items()) ** 0.5
    assert norms[0] > 0.1 and change == pytest.approx(1e-3, rel=1e-2)
