"""The trainer when something goes wrong (NaN, Ctrl-C, bad input), and what it prints."""

import builtins
import io
import pickle
import sys
import warnings

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn
from tinynet.errors import ShapeError
from tinynet.training import BestModel, Callback, NonFiniteError, Trainer

pytestmark = pytest.mark.filterwarnings("ignore:.*(overflow|invalid value|divide by zero):RuntimeWarning")


def mse(prediction, target):
    return np.mean(np.square(prediction - target))


def mlp(dtype="float64"):
    return nn.Sequential(nn.Linear(2, 8, rng=0), nn.Tanh(), nn.Linear(8, 1, rng=1)).astype(dtype)


def make(model=None, loss=mse, optimizer=tn.optim.Adam, lr=0.01, **kwargs):
    model = mlp() if model is None else model
    return Trainer(model, loss, optimizer(model.parameters(), lr=lr), rng=0, **kwargs)


def data(n=40):
    x = np.random.default_rng(0).normal(size=(n, 2))
    return x, x[:, :1] * x[:, 1:]


class Recorder(Callback):
    """Keeps the weights after each update, and runs an action at a given one (counted through all epochs)."""

    def __init__(self, at=0, before_update=None, after_update=None):
        self.at, self.before, self.after = at, before_update, after_update
        self.weights, self.ended = [], 0

    def on_fit_begin(self, trainer):
        self.weights = [trainer.model.state_dict()]

    def on_backward_end(self, trainer):
        if self.before is not None and len(self.weights) == self.at:
            self.before(trainer)

    def on_batch_end(self, trainer, loss):
        self.weights.append(trainer.model.state_dict())
        if self.after is not None and len(self.weights) == self.at + 1:
            self.after(trainer)

    def on_fit_end(self, trainer):
        self.ended += 1


def same(state, other):
    return all(np.array_equal(state[name], other[name]) for name in state)


def is_finite(trainer):
    state = trainer.optimizer.state_dict()["state"]
    arrays = [*trainer.model.state_dict().values(), *(x for moments in state.values() for x in moments.values())]
    return all(np.isfinite(array).all() for array in arrays)


# NaN and infinity ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bad_inputs_stop_the_training_with_the_last_finite_weights(value):
    x, y = data()
    x[25, 1] = value
    model = nn.Sequential(nn.Linear(2, 8, rng=0), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1, rng=1))
    trainer = make(model, callbacks=[seen := Recorder()])
    with pytest.raises(NonFiniteError, match=r"epoch 1, batch 3: the loss is (nan|inf)") as caught:
        trainer.fit(x, y, batch_size=10, shuffle=False)
    error = caught.value
    assert (error.epoch, error.batch, error.module) == (1, 3, "0")
    assert "inputs of the batch are not finite, row 5" in str(error) and "is 0 (Linear)" in str(error)
    assert len(seen.weights) == 3 and same(seen.weights[-1], model.state_dict()) and is_finite(trainer)
    assert seen.ended == 1 and model.training
    assert not any(module._forward_hooks for module in model.modules())
    trainer.fit(*data())  # and it can go on


def test_bad_targets_leave_every_module_finite():
    x, y = data()
    y[3] = np.nan
    with pytest.raises(NonFiniteError, match=r"targets .* row 3 .* every module is finite") as caught:
        make().fit(x, y, shuffle=False)
    assert caught.value.module is None


def test_the_first_module_is_named_by_its_path():
    class Root(nn.Module):
        def forward(self, x):
            return np.sqrt(x)

    class Net(nn.Module):
        def __init__(self):
            self.blocks = nn.ModuleList([nn.Linear(2, 2, rng=0), nn.Sequential(nn.Linear(2, 1, rng=1), Root())])

        def forward(self, x):
            return self.blocks[1](self.blocks[0](x))

    model = Net()
    model.blocks[1][0].bias.data[:] = -100.0
    with pytest.raises(NonFiniteError, match=r"is blocks\.1\.1 \(Root\)") as caught:
        make(model).fit(*data())
    assert caught.value.module == "blocks.1.1"


def test_parameters_that_were_bad_before_are_named():
    trainer = make()
    trainer.model[2].weight.data[0, 0] = np.inf
    with pytest.raises(NonFiniteError, match=r"parameters were not finite before the batch: 2\.weight.*is 2 \(Linear\)"):
        trainer.fit(*data())


@pytest.mark.parametrize("optimizer", [tn.optim.SGD, tn.optim.Adam, tn.optim.RMSprop, tn.optim.Adagrad])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_bad_gradient_spoils_neither_weights_nor_moments(optimizer, value):
    def poison(trainer):
        trainer.model[0].bias.grad[2] = value

    seen = Recorder(7, before_update=poison)
    trainer = make(optimizer=optimizer, callbacks=[seen])
    message = r"epoch 2, batch 3: the loss is .*, but the gradient of 0\.bias is not finite"
    with pytest.raises(NonFiniteError, match=message) as caught:
        trainer.fit(*data(), epochs=5, batch_size=10)
    assert same(seen.weights[6], trainer.model.state_dict()) and is_finite(trainer)
    assert caught.value.history is trainer.history and trainer.history.epochs == 1
    seen.before = None
    assert np.isfinite(trainer.fit(*data(), epochs=3)["loss"]).all()


def test_a_gradient_that_is_infinite_by_itself():
    def loss(prediction, target):
        return np.mean(np.sqrt(np.square(prediction - target)))

    x, y = data(4)
    model = nn.Sequential(nn.Linear(2, 1, rng=0))
    model[0].weight.data[:] = model[0].bias.data[:] = 0.0
    with pytest.raises(NonFiniteError, match=r"gradient of 0\.weight, 0\.bias"):
        make(model, loss).fit(x, 0 * y)
    assert np.all(model[0].weight.data == 0)


def test_many_bad_parameters_are_counted():
    def poison(trainer):
        for parameter in trainer.model.parameters():
            parameter.grad[...] = np.nan

    model = nn.Sequential(*(nn.Linear(2, 2, rng=0) for _ in range(3)), nn.Linear(2, 1, rng=0))
    with pytest.raises(NonFiniteError, match=r"gradient of 0\.weight, 0\.bias, 1\.weight, 1\.bias and 4 more is"):
        make(model, callbacks=[Recorder(1, before_update=poison)]).fit(*data())


@pytest.mark.parametrize("dtype, scale", [("float32", 1e30), ("float64", 1e150)])
def test_an_update_that_overflows_is_undone(dtype, scale):
    def raise_rate(trainer):
        trainer.optimizer.param_groups[0]["lr"] = 1e200

    seen = Recorder(4, before_update=raise_rate)
    trainer = make(mlp(dtype), lambda p, t: mse(p, t) * scale, tn.optim.SGD, lr=1e-3 / scale, callbacks=[seen])
    with pytest.raises(NonFiniteError, match=r"batch 4: the update made .* overflow") as caught:
        trainer.fit(*data(), batch_size=10)
    assert same(seen.weights[3], trainer.model.state_dict())
    assert caught.value.module is None and trainer.history.epochs == 0


def test_divergence_keeps_the_history():
    trainer = make(nn.Sequential(nn.Linear(2, 1, rng=0)), optimizer=tn.optim.SGD, lr=30.0)
    with pytest.raises(NonFiniteError) as caught:
        trainer.fit(*data(), epochs=1000)
    history = caught.value.history
    assert 0 < history.epochs == caught.value.epoch - 1 and np.isfinite(history["loss"]).all()
    assert np.isfinite(trainer.model[0].weight.data).all()


def test_gradients_whose_squares_overflow_are_no_error():
    trainer = make(nn.Sequential(nn.Linear(2, 1, rng=0)), lambda p, t: mse(p, t) * 1e250, tn.optim.SGD, 1e-260)
    assert np.isfinite(trainer.fit(*data(), epochs=3)["loss"]).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_weights_whose_squares_overflow_are_no_error(dtype):
    huge = np.finfo(dtype).max / 32
    model = nn.Sequential(nn.Linear(2, 1, rng=0)).astype(dtype)
    model[0].weight.data[...] = huge
    trainer = make(model, lambda p, t: np.mean(p / huge), tn.optim.SGD, 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(trainer.fit(np.ones((6, 2)), np.ones((6, 1)), epochs=3)["loss"]).all()


def test_the_error_survives_a_process_boundary():
    x, y = data()
    with pytest.raises(NonFiniteError) as caught:
        make().fit(x * np.nan, y)
    error = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(error, FloatingPointError) and error.module == "0" and error.history.epochs == 0


# Ctrl-C and other interruptions --------------------------------------------------------------------------------------


def interrupt(*_):
    raise KeyboardInterrupt


def test_ctrl_c_between_batches_ends_the_training():
    seen = Recorder(7, after_update=interrupt)
    trainer = make(callbacks=[seen])
    history = trainer.fit(*data(), epochs=50, batch_size=10)
    assert history.interrupted and history.epochs == 1 and "1 epoch, interrupted" in repr(history)
    assert same(seen.weights[7], trainer.model.state_dict()) and seen.ended == 1
    assert not trainer.fit(*data(4)).interrupted


def test_ctrl_c_within_a_batch_takes_that_batch_back():
    def half_an_update(trainer):
        trainer.model[0].weight.data[:] = 7.0
        raise KeyboardInterrupt

    seen = Recorder(6, before_update=half_an_update)
    trainer = make(callbacks=[seen])
    assert trainer.fit(*data(), epochs=9, batch_size=10).interrupted
    assert same(seen.weights[5], trainer.model.state_dict()) and is_finite(trainer)


def test_ctrl_c_in_the_loss_and_the_best_weights():
    calls = []

    def loss(prediction, target):
        calls.append(1)
        return mse(prediction, target) if len(calls) < 30 else interrupt()

    keeper = BestModel("loss")
    trainer = make(loss=loss, callbacks=[keeper])
    history = trainer.fit(*data(), epochs=50, batch_size=10)
    assert history.interrupted and history.epochs == 7
    assert same(keeper.best_weights, trainer.model.state_dict())


def test_an_error_in_the_model_leaves_buffers_and_weights():
    class Counter(nn.Module):
        def __init__(self):
            self.calls = nn.Buffer(np.zeros(()))

        def forward(self, x):
            self.calls.data += 1
            if self.calls.data > 2:
                raise RuntimeError("third call")
            return x

    model = nn.Sequential(nn.Linear(2, 1, rng=0), Counter()).eval()
    seen = Recorder()
    with pytest.raises(RuntimeError, match="third call"):
        make(model, callbacks=[seen]).fit(*data(), batch_size=10)
    assert same(seen.weights[2], model.state_dict()) and model[1].calls.data == 2
    assert seen.ended == 1 and not model.training


# Bad input -----------------------------------------------------------------------------------------------------------


def pairs(n=3):
    return list(zip(*(np.split(a[: 10 * n], n) for a in data()), strict=True))


@pytest.mark.parametrize("arguments, options, error, message", [
    ((np.zeros((0, 2)), np.zeros((0, 1))), {}, ValueError, "fit: the data are empty"),
    ((np.zeros((4, 2)), np.zeros((3, 1))), {}, ValueError, "fit: x has 4 rows and y has 3"),
    ((*data(), -1), {}, ValueError, "epochs is -1"),
    ((*data(), 2.5), {}, ValueError, "epochs is 2.5; it must be a whole number"),
    ((*data(), 1, 0), {}, ValueError, "batch_size is 0"),
    (data(), {"verbose": 3}, ValueError, "verbose is 3"),
    (data(), {"validation_data": (*data(), 1)}, ValueError, "validation_data has 3 parts"),
    (data(), {"validation_data": (data()[0], data()[1][:5])}, ValueError, "validation_data: x has 40 rows and y has 5"),
    ((data()[0],), {}, TypeError, "x is an array and y is missing"),
    ((3,), {}, TypeError, "iterable of"),
    ((np.array(["a"]), np.zeros(1)), {}, TypeError, "x is a ndarray of dtype <U1"),
    ((np.zeros(1, complex), np.zeros(1)), {}, TypeError, "complex128"),
    ((iter(pairs()),), {"epochs": 2}, ValueError, "a list_iterator lasts for one pass, and there are 2 epochs"),
    (([],), {}, ValueError, "gave no batches"),
    (([data()[0]],), {}, ValueError, "batch 1 of the data is a ndarray; it must be a pair"),
    (([(np.zeros((0, 2)), np.zeros((0, 1)))],), {}, ValueError, "at least one"),
    (([(np.zeros((4, 2)), np.zeros((3, 1)))],), {}, ValueError, r"x has shape \(4, 2\) and y \(3, 1\)"),
])
def test_bad_input_is_refused_and_changes_nothing(arguments, options, error, message):
    trainer = make()
    before = trainer.model.state_dict()
    with pytest.raises(error, match=message):
        trainer.fit(*arguments, **options)
    assert same(before, trainer.model.state_dict()) and trainer.model.training


def test_a_source_that_can_be_gone_through_once_in_disguise():
    class Once:
        def __init__(self):
            self.items = iter(pairs())

        def __iter__(self):
            return self.items

    trainer = make()
    with pytest.raises(ValueError, match=r"gave no batches.*starts a new pass"):
        trainer.fit(Once(), epochs=2)
    assert trainer.history.epochs == 1


def test_a_trainer_is_made_of_what_belongs_together():
    model = mlp()
    with pytest.raises(ValueError, match="none of the model's parameters"):
        Trainer(mlp(), mse, tn.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(TypeError, match="model is a function"):
        Trainer(lambda x: x, mse, tn.optim.SGD(model.parameters(), lr=0.1))
    for compile in (None, "always"):
        with pytest.raises(ValueError, match=f"compile is {compile!r}; it must be"):
            make(model, compile=compile)
    with pytest.raises(ShapeError, match=r"loss has shape \(32, 1\)"):
        make(model, loss=lambda prediction, target: prediction - target).fit(*data())
    with pytest.raises(TypeError, match="loss function returned a float"):
        make(model, loss=lambda prediction, target: 1.0).fit(*data())
    Trainer(model, mse, tn.optim.SGD(model[2].parameters(), lr=0.1)).fit(*data())  # a part of the model is enough


def test_metrics_and_predict_need_one_tensor():
    class Two(nn.Linear):
        def forward(self, x):
            return super().forward(x), x

    trainer = make(Two(2, 1, rng=0), loss=lambda prediction, target: mse(prediction[0], target))
    trainer.fit(*data())
    with pytest.raises(TypeError, match="returned a tuple"):
        trainer.predict(data()[0])


# What is shown -------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(monkeypatch, stream, **options):
    monkeypatch.setattr(sys, "stderr", stream)
    trainer = make()
    trainer.fit(*data(), **options)
    return stream.getvalue() if stream is not None else ""


@pytest.fixture
def no_tqdm(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] == "tqdm":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)


def test_nothing_is_shown_without_a_terminal(monkeypatch, capsys):
    assert shown(monkeypatch, io.StringIO(), epochs=3) == ""
    assert shown(monkeypatch, Terminal(), epochs=3, verbose=0) == ""
    assert shown(monkeypatch, Terminal(), epochs=0) == ""
    assert shown(monkeypatch, None, epochs=1) == ""
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("epochs, lines", [(1, [1]), (7, [1, 2, 3, 4, 5, 6, 7]), (25, [3, 5, 8, 10, 13, 15, 18, 20, 23, 25])])
def test_plain_lines_without_tqdm(monkeypatch, no_tqdm, epochs, lines):
    text = shown(monkeypatch, Terminal(), epochs=epochs, validation_data=data())
    assert [line.split()[1] for line in text.splitlines()] == [f"{epoch}/{epochs}" for epoch in lines]
    assert all("loss" in line and "val_loss" in line and "seconds" not in line for line in text.splitlines())


def test_a_bar_with_tqdm(monkeypatch):
    pytest.importorskip("tqdm")
    text = shown(monkeypatch, Terminal(), epochs=5)
    assert "5/5" in text and "loss" in text


def test_parameters_that_a_callback_unfreezes_are_guarded_too():
    model = nn.Sequential(nn.Linear(1, 1, rng=0), nn.Linear(1, 1, rng=1))
    optimizer = tn.optim.SGD(model[0].parameters(), lr=0.1)

    class Unfreeze(Callback):
        def on_epoch_end(self, trainer, record):
            if trainer.epoch == 1:
                trainer.optimizer.add_param_group({"params": list(model[1].parameters()), "lr": 1e300})

    trainer = Trainer(model, nn.MSELoss(), optimizer, callbacks=[Unfreeze()])
    with pytest.raises(NonFiniteError, match=r"1\.weight"):
        trainer.fit(np.full((4, 1), 1e10), np.zeros((4, 1)), epochs=3)
    assert all(np.isfinite(p.data).all() for p in model.parameters())


def test_a_frozen_parameter_may_be_infinite():
    class Masked(nn.Module):
        def __init__(self):
            self.linear = nn.Linear(1, 2, rng=0)
            self.mask = nn.Parameter([0.0, -np.inf], requires_grad=False)

        def forward(self, x):
            return tn.softmax(self.linear(x) + self.mask)

    model = Masked()
    history = Trainer(model, nn.MSELoss(), tn.optim.SGD(model.parameters(), lr=0.1)).fit(np.ones((4, 1)), np.ones((4, 2)))
    assert history.epochs == 1
