"""A training that is saved and goes on elsewhere ends with the bits of one that was never interrupted."""

import importlib.util
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn
from benchmarks import killed
from tinynet.archive import read_archive, write_archive
from tinynet.compiler import compiled
from tinynet.errors import FileFormatError
from tinynet.files import previous
from tinynet.training import BestModel, Callback, Checkpoint, EarlyStopping, Logger, NonFiniteError, Scheduler
from tinynet.training.state import gather, own

RNG = np.random.default_rng(1)
X = RNG.normal(size=(21, 4))
Y = (X[:, :1] * X[:, 1:2] > 0).astype(float)
EPOCHS = 4


class Copies(Checkpoint):
    """Keeps a copy of every checkpoint."""

    def __init__(self, path):
        super().__init__(path, every_batches=1)
        self.files = []

    def save(self, trainer):
        super().save(trainer)
        self.files.append(shutil.copy(self.path, f"{self.path}.{len(self.files)}"))


class Clip(Callback):
    def on_backward_end(self, trainer):
        tn.optim.clip_grad_norm_(trainer.model.parameters(), 0.5)


class Noise(Callback):
    """Has a generator and a count, changes weights and options, and freezes a layer."""

    def __init__(self):
        self.rng = np.random.default_rng(5)
        self.calls = np.zeros(())

    def on_fit_begin(self, trainer):
        self.calls[...] = 0  # in place
        trainer.optimizer.param_groups[0]["weight_decay"] = 0.5

    def on_epoch_end(self, trainer, record):
        self.calls += 1
        w = trainer.model[0].weight
        w.data[...] += 0.01 * self.calls * self.rng.normal(size=w.shape)
        trainer.optimizer.param_groups[0]["weight_decay"] = 0.01 * self.calls
        trainer.model[3].requires_grad_(self.calls != 2)

    def state_dict(self):
        return {"calls": self.calls}

    def load_state_dict(self, state_dict):
        self.calls = state_dict["calls"]


def network(seed, shared=True):
    rng = np.random.default_rng(seed)
    return tn.nn.Sequential(
        tn.nn.Linear(4, 8, rng=rng), tn.nn.Dropout(0.3, rng=rng if shared else None), tn.nn.Tanh(), tn.nn.Linear(8, 1, rng=rng)
    )


def schedule(optimizer):
    return Scheduler(tn.optim.CosineAnnealingLR(optimizer, T_max=16), every="batch")


def plain(compile):
    model = network(0)
    optimizer = tn.optim.AdamW(model.parameters(), lr=0.05, amsgrad=True)
    callbacks = [EarlyStopping("val_loss", patience=2), schedule(optimizer), BestModel("val_r2")]
    return tn.Trainer(model, tn.nn.BCEWithLogitsLoss(), optimizer, ["binary_accuracy", "r2"], callbacks, compile=compile)


def default_generator(compile):
    model = network(0, shared=False)
    optimizer = tn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    return tn.Trainer(model, tn.nn.BCEWithLogitsLoss(), optimizer, callbacks=[schedule(optimizer)], rng=3, compile=compile)


def normalized(compile):
    model = tn.nn.Sequential(
        tn.nn.Linear(4, 8, rng=0), tn.nn.BatchNorm1d(8), tn.nn.ReLU(), tn.nn.Linear(8, 1, rng=1)
    ).astype("float32")
    groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": [*model[1].parameters(), *model[3].parameters()]}]
    optimizer = tn.optim.RMSprop(groups, lr=0.01, momentum=0.5, centered=True)
    return tn.Trainer(model, tn.nn.MSELoss(), optimizer, callbacks=[Clip()], compile=compile)


def noisy(compile):
    model = network(2)
    optimizer = tn.optim.Adam(model.parameters(), lr=0.05)
    order = np.random.Generator(np.random.MT19937(4))
    return tn.Trainer(model, tn.nn.MSELoss(), optimizer, callbacks=[Noise(), schedule(optimizer)], rng=order, compile=compile)


def stacked(compile):
    model = tn.nn.stack([network(seed) for seed in range(3)])
    optimizer = tn.optim.Adam(model.parameters(), lr=0.2)
    callbacks = [EarlyStopping("val_loss", patience=1), schedule(optimizer)]
    return tn.Trainer(model, tn.nn.BCEWithLogitsLoss(), optimizer, ["r2"], callbacks, compile=compile)


def fit(trainer, epochs=EPOCHS, **changed):
    arguments = {"batch_size": 8, "validation_data": (X[::2], Y[::2])} | changed
    return trainer.fit(X, Y, epochs=epochs, **arguments)


def made(make, compile, path=None):
    tn.manual_seed(3)
    trainer = make(compile)
    if path is not None:
        trainer.callbacks.insert(0, Copies(path))  # it acts after all others nevertheless
    return trainer


@pytest.mark.parametrize("compile", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("make", [plain, default_generator, normalized, noisy, stacked])
def test_from_every_checkpoint_it_ends_with_the_same_bits(make, compile, tmp_path):
    uninterrupted = made(make, compile)
    expected = killed.digest(uninterrupted, fit(uninterrupted))
    trainer = made(make, compile, tmp_path / "training.npz")
    assert killed.digest(trainer, fit(trainer)) == expected  # saving changes nothing
    files = trainer.callbacks[0].files
    assert len(files) == 4 * uninterrupted.history.epochs
    for file in [*files[:4], files[6]] if compile else files[:-1]:
        resumed = made(make, compile)
        resumed.load(file)
        assert killed.digest(resumed, fit(resumed)) == expected, file


def test_early_stopping_and_its_weights_survive(tmp_path):
    uninterrupted = made(stacked, False)
    fit(uninterrupted, epochs=20)
    stopper = uninterrupted.callbacks[0]
    assert stopper.stopped.all()
    assert len(set(stopper.best_epoch)) > 1
    trainer = made(stacked, False, tmp_path / "training.npz")
    fit(trainer, epochs=20)
    for file in trainer.callbacks[0].files[3::4]:
        resumed = made(stacked, False)
        resumed.load(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if file == trainer.callbacks[0].files[-1] else "error")
            fit(resumed, epochs=20)
        assert killed.digest(resumed, resumed.history) == killed.digest(uninterrupted, uninterrupted.history)
        np.testing.assert_array_equal(resumed.callbacks[0].best_epoch, stopper.best_epoch)
        np.testing.assert_array_equal(resumed.callbacks[0].stopped, stopper.stopped)


# Stacks whose members end and fail ---------------------------------------------------------------------------------------


class Spoil(Callback):
    """NaN in the gradients of members: (epoch, batch, member)."""

    def __init__(self, *moments):
        self.moments = moments

    def on_backward_end(self, trainer):
        for epoch, batch, k in self.moments:
            if (epoch, batch) == (trainer.epoch, trainer.batch):
                for p in trainer.model.parameters():
                    p.grad[[row for row, member in enumerate(p.members) if member == k]] = np.nan


class End(Callback):
    """Ends members: (epoch, batch, member)."""

    def __init__(self, *moments):
        self.moments = moments

    def on_batch_end(self, trainer, loss):
        for epoch, batch, k in self.moments:
            if (epoch, batch) == (trainer.epoch, trainer.batch):
                trainer.stopped[k] = epoch


def member(seed, layer, activation, **dropout):
    rng = np.random.default_rng(seed)
    return tn.nn.Sequential(
        tn.nn.Linear(4, 6, rng=rng), layer(6), activation(), tn.nn.Dropout(0.3, **dropout), tn.nn.Linear(6, 1, rng=rng)
    )


def stopping():
    """Members of several kinds that early stopping ends."""
    kinds = [tn.nn.Tanh, tn.nn.PReLU, tn.nn.ReLU, lambda: tn.nn.Swish(learn=True)]
    model = tn.nn.stack([member(seed, tn.nn.LayerNorm, kind, rng=seed) for seed, kind in enumerate(kinds)])
    optimizer = tn.optim.Adam(model.parameters(), lr=0.2)
    return model, optimizer, [EarlyStopping("loss", patience=1, restore_best=False), BestModel("val_r2"), schedule(optimizer)]


def failing():
    """Averages in float32, masks of the default generator, members that fail and that are stopped."""
    model = tn.nn.stack([member(seed, tn.nn.BatchNorm1d, tn.nn.Tanh) for seed in range(4)]).astype("float32")
    optimizer = tn.optim.RMSprop(model.parameters(), lr=0.05, centered=True, momentum=0.4)
    steps = Scheduler(tn.optim.SequentialLR(optimizer, [tn.optim.LinearLR(optimizer), tn.optim.StepLR(optimizer, 1)], [2]))
    return model, optimizer, [Spoil((1, 3, 1), (3, 1, 3)), EarlyStopping("val_loss", patience=1), BestModel("r2"), steps]


def ending():
    """Members that a callback ends in the middle of epochs; with the last, which fails, the training is over."""
    model = tn.nn.stack([member(seed, tn.nn.BatchNorm1d, tn.nn.SiLU, rng=seed) for seed in range(4)])
    optimizer = tn.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    return model, optimizer, [End((1, 2, 0), (1, 2, 3), (2, 1, 1)), Spoil((2, 3, 2)), BestModel("loss"), schedule(optimizer)]


def bits(value):
    """What tells values apart to the last bit."""
    if isinstance(value, dict):
        return {key: bits(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return [bits(x) for x in value]
    return (value.dtype.str, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else repr(value)


def outcome(trainer):
    """Everything that a training has come to, but for the seconds."""
    state = gather(trainer)
    del state["history"]["seconds"]
    return bits([state, [vars(callback).get("best_weights") for callback in trainer.callbacks], trainer.evaluate(X, Y)])


@pytest.mark.filterwarnings("ignore:epoch .* is not finite; they stay", "ignore:the training has .* nothing is left to do")
@pytest.mark.parametrize("compile", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("parts", [stopping, failing, ending])
def test_a_stack_whose_members_end_or_fail_goes_on(parts, compile, tmp_path):
    def make(compile, *before):
        tn.manual_seed(3)
        model, optimizer, callbacks = parts()
        return tn.Trainer(model, tn.nn.BCEWithLogitsLoss(), optimizer, ["r2"], [*before, *callbacks], compile=compile)

    whole, keep = make(compile), Copies(tmp_path / "training.npz")
    epochs = fit(whole).epochs
    expected = outcome(whole)
    saving = make(compile, keep)
    fit(saving)
    saving.callbacks.remove(keep)
    assert outcome(saving) == expected
    assert len(keep.files) == 4 * epochs
    for file in keep.files[1::4] + keep.files[-2:] if compile else keep.files:
        resumed = make(compile)
        resumed.load(file)
        fit(resumed)
        assert outcome(resumed) == expected, file
    assert parts is stopping or (whole.failed and whole.stopped)
    assert len(set(whole.stopped.values())) > 1
    assert epochs == (2 if parts is ending else EPOCHS)


class NoisySGD(tn.optim.SGD):
    """Has a generator of its own."""

    def __init__(self, params):
        super().__init__(params, lr=0.1)
        self.rng = np.random.default_rng(0)

    def step(self, inspect=None):
        super().step(inspect)
        for group in self.param_groups:
            for p in group.params:
                p.data[...] += 0.01 * self.rng.normal(size=p.shape)


def test_a_generator_of_the_optimizer(tmp_path):
    trainer = made(lambda compile: trainer_of(optimizer=NoisySGD), False, tmp_path / "training.npz")
    expected = killed.digest(trainer, fit(trainer))
    resumed = trainer_of(optimizer=NoisySGD)
    resumed.load(trainer.callbacks[0].files[5])
    assert killed.digest(resumed, fit(resumed)) == expected


class Loader:
    """Batches that shuffle themselves."""

    def __init__(self, seed=None):
        self.own = None if seed is None else [np.random.default_rng(seed)]

    def __iter__(self):
        order = (tn.random.as_generator(None) if self.own is None else self.own[0]).permutation(len(X))
        for rows in np.array_split(order, 3):
            yield X[rows], Y[rows]


@pytest.mark.parametrize("seed", [None, 6], ids=["default generator", "own generator"])
def test_batches_of_a_loader(seed, tmp_path):
    def run(trainer):
        return killed.digest(trainer, trainer.fit(Loader(seed), epochs=EPOCHS, validation_data=Loader(8)))

    trainer = made(plain, False, tmp_path / "training.npz")
    expected = run(trainer)
    for file in trainer.callbacks[0].files[:-1]:
        resumed = made(plain, False)
        resumed.load(file)
        assert run(resumed) == expected, file


def test_a_list_of_batches_and_one_that_got_shorter(tmp_path):
    batches = [(X[i : i + 5], Y[i : i + 5]) for i in range(0, 20, 5)]
    trainer = made(default_generator, False, tmp_path / "training.npz")
    expected = killed.digest(trainer, trainer.fit(batches, epochs=2))
    resumed = made(default_generator, False)
    resumed.load(trainer.callbacks[0].files[6])
    with pytest.raises(ValueError, match="is from after batch 2 of an epoch, and the data give 1 batches"):
        resumed.fit(batches[:1], epochs=2)
    resumed = made(default_generator, False)
    resumed.load(trainer.callbacks[0].files[6])
    assert killed.digest(resumed, resumed.fit(batches, epochs=2)) == expected


class OtherSizes:
    """Batches of many sizes."""

    def __init__(self):
        self.rng = np.random.default_rng(9)

    def __iter__(self):
        for _ in range(5):
            n = 3 + int(self.rng.integers(9))
            yield self.rng.normal(size=(n, 40)), self.rng.normal(size=(n, 1))


def test_a_step_that_is_not_compiled_for_all_kinds_of_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled, "MOST_KINDS", 3)  # others run as they are, which may round otherwise

    def make(compile):
        model = tn.nn.Sequential(tn.nn.Linear(40, 24), tn.nn.GELU(), tn.nn.LayerNorm(24), tn.nn.Softplus(), tn.nn.Linear(24, 1))
        return tn.Trainer(model, tn.nn.MSELoss(), tn.optim.Adam(model.parameters(), lr=0.01), compile=compile)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the training step was recorded")
        trainer = made(make, True, tmp_path / "training.npz")
        trainer.callbacks[0].every_batches = 4
        expected = killed.digest(trainer, trainer.fit(OtherSizes(), epochs=6))
        for file in trainer.callbacks[0].files[:-1:2]:
            place = tmp_path / "again.npz"
            place.unlink(missing_ok=True)
            resumed = made(make, True, place)
            resumed.callbacks[0].every_batches = 4
            resumed.load(file)
            assert killed.digest(resumed, resumed.fit(OtherSizes(), epochs=6)) == expected, file


def test_a_member_that_failed_stays_out(tmp_path):
    def make(compile):
        model = tn.nn.stack([network(seed) for seed in range(3)])
        model.members[3].weight.data[1] = np.nan
        optimizer = tn.optim.SGD(model.parameters(), lr=0.1)
        return tn.Trainer(model, tn.nn.MSELoss(), optimizer, compile=compile)

    trainer = made(make, True, tmp_path / "training.npz")
    with pytest.warns(RuntimeWarning, match="members 1 is not finite"):
        expected = killed.digest(trainer, fit(trainer))
    assert list(trainer.failed) == [1]
    for file in trainer.callbacks[0].files[:-1]:
        resumed = made(make, True)
        resumed.load(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert killed.digest(resumed, fit(resumed)) == expected
        assert resumed.failed == trainer.failed


# The callback ------------------------------------------------------------------------------------------------------------


def test_a_script_that_is_run_again_goes_on(tmp_path):
    path, log = tmp_path / "training.npz", tmp_path / "log.csv"
    whole = made(plain, False)
    whole.callbacks.append(Logger(tmp_path / "whole.csv"))
    expected = killed.digest(whole, fit(whole))

    class Crash(Callback):
        def on_batch_end(self, trainer, loss):
            if (trainer.epoch, trainer.batch) == crash:
                raise KeyError

    for crash in [(1, 2), (2, 1), (3, 3), None]:
        trainer = made(plain, False)
        trainer.callbacks += [Checkpoint(path, every_batches=2), Logger(log), Crash()]
        if crash:
            with pytest.raises(KeyError):
                fit(trainer)
        else:
            assert killed.digest(trainer, fit(trainer)) == expected
    lines = [[line.split(",")[:-1] for line in file.read_text().splitlines()] for file in (log, tmp_path / "whole.csv")]
    assert lines[0] == lines[1]  # but for the seconds
    assert len(lines[0]) == 1 + EPOCHS


def test_the_file_stays_where_it_was_when_the_script_goes_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    keep = Checkpoint("training.npz")
    monkeypatch.chdir("elsewhere")
    fit(trainer_of(callbacks=[keep]))
    assert {path.name for path in tmp_path.iterdir()} == {"elsewhere", "training.npz", "training.npz.previous"}


def test_a_finished_training_is_taken_up_as_it_ended(tmp_path):
    path = tmp_path / "training.npz"
    first = made(plain, False)
    first.callbacks.append(Checkpoint(path))
    expected = killed.digest(first, fit(first))
    again = made(plain, False)
    again.callbacks.append(Checkpoint(path))
    with pytest.warns(RuntimeWarning, match="has 4 epochs, and fit was asked for 4 in all: nothing is left to do"):
        assert killed.digest(again, fit(again)) == expected
    with pytest.warns(RuntimeWarning, match="nothing is left"):
        fit(again, epochs=2)
    assert again.history.epochs == EPOCHS


def test_further_epochs_of_a_finished_training(tmp_path):
    whole = made(default_generator, False)
    expected = killed.digest(whole, fit(whole, epochs=6))
    trainer = made(default_generator, False)
    trainer.callbacks.append(Checkpoint(tmp_path / "training.npz"))
    fit(trainer, epochs=2)
    assert killed.digest(trainer, fit(trainer, epochs=6)) == expected


def test_saved_outside_of_fit(tmp_path):
    path = tmp_path / "training.npz"
    whole = made(default_generator, False)
    expected = killed.digest(whole, fit(whole))
    trainer = made(default_generator, False)
    trainer.save(path)  # before any epoch
    for epochs in (2, EPOCHS):
        trainer = made(default_generator, False)
        trainer.load(path)
        trainer.save(path)  # what was loaded and not yet gone on with
        trainer = made(default_generator, False)
        trainer.load(path)
        digest = killed.digest(trainer, fit(trainer, epochs=epochs))
        trainer.save(path)
    assert digest == expected


def test_loaded_and_saved_again_in_the_middle_of_an_epoch(tmp_path):
    trainer = made(plain, False, tmp_path / "training.npz")
    expected = killed.digest(trainer, fit(trainer))
    copy = made(plain, False)
    copy.load(trainer.callbacks[0].files[4])
    assert (copy.epoch, copy.batch) == (2, 1)
    copy.save(tmp_path / "copy.npz")
    resumed = made(plain, False)
    resumed.load(tmp_path / "copy.npz")
    assert killed.digest(resumed, fit(resumed)) == expected


def test_what_was_loaded_comes_before_the_file_of_a_checkpoint(tmp_path):
    trainer = made(default_generator, False)
    fit(trainer, epochs=1)
    trainer.save(tmp_path / "first.npz")
    trainer.callbacks.append(Checkpoint(tmp_path / "training.npz"))
    expected = killed.digest(trainer, fit(trainer, epochs=3))
    fit(trainer, epochs=4)  # which goes on from the file
    back = made(default_generator, False)
    back.callbacks.append(Checkpoint(tmp_path / "training.npz"))
    back.load(tmp_path / "first.npz")
    found = killed.digest(back, fit(back, epochs=3))
    whole = made(default_generator, False)
    assert found == killed.digest(whole, fit(whole, epochs=3)) != expected


def test_what_is_changed_between_load_and_fit_stays_changed(tmp_path):
    trainer = made(default_generator, False)
    trainer.callbacks.clear()
    fit(trainer, epochs=1)
    trainer.save(tmp_path / "training.npz")
    resumed = made(default_generator, False)
    resumed.callbacks.clear()
    resumed.load(tmp_path / "training.npz")
    resumed.optimizer.param_groups[0]["lr"] = 1e-3
    assert fit(resumed, epochs=2)["lr"] == [0.1, 1e-3]


def test_without_a_checkpoint_each_fit_is_a_training_of_its_own(tmp_path):
    trainer = made(default_generator, False)
    fit(trainer, epochs=2)
    assert fit(trainer, epochs=3).epochs == 3


def test_frozen_parameters_and_a_loss_with_parameters(tmp_path):
    class Weighted(tn.nn.Module):
        def __init__(self):
            self.log_scale = tn.nn.Parameter(np.zeros(1))

        def forward(self, prediction, target):
            return np.mean((prediction - target) ** 2 * np.exp(-self.log_scale) + self.log_scale)

    def make(compile):
        model, loss = network(0), Weighted()
        return tn.Trainer(model, loss, tn.optim.Adam([*model.parameters(), *loss.parameters()]), compile=compile)

    trainer = made(make, False)
    trainer.model[0].requires_grad_(False)
    fit(trainer, epochs=2)
    trainer.save(tmp_path / "training.npz")
    resumed = made(make, False)
    with pytest.warns(RuntimeWarning, match=r"0\.bias of the model is frozen \(here trained\); 0\.weight of the model is fr"):
        resumed.load(tmp_path / "training.npz")
    assert [x.requires_grad for x in resumed.model.parameters()] == [False, False, True, True]
    assert resumed.loss.log_scale.data == trainer.loss.log_scale.data != 0


# What does not fit -------------------------------------------------------------------------------------------------------


def trainer_of(model=None, optimizer=tn.optim.Adam, callbacks=(), loss=None, metrics=(), rng=0):
    model = network(0) if model is None else model
    loss = tn.nn.MSELoss() if loss is None else loss
    return tn.Trainer(model, loss, optimizer(model.parameters()), metrics, callbacks, rng, compile=False)


def one_group_more(params):
    optimizer = tn.optim.Adam(params)
    optimizer.add_param_group({"params": [tn.nn.Parameter(np.ones(2))]})
    return optimizer


@pytest.mark.parametrize(
    ("other", "match"),
    [
        (lambda: trainer_of(tn.nn.Sequential(tn.nn.Linear(4, 9), *network(0)[1:])), r"0.weight of the model has shape \(8, 4"),
        (lambda: trainer_of(network(0).astype("float32")), "dtype float64 in it, .* and float32 in the trainer"),
        (lambda: trainer_of(tn.nn.Sequential(*network(0), tn.nn.BatchNorm1d(1))), "the model has 4.bias, .* in the trainer"),
        (lambda: trainer_of(tn.nn.Sequential(*network(0)[:2])), "the model has 3.bias, 3.weight in it alone"),
        (lambda: trainer_of(optimizer=tn.optim.AdamW), "its optimizer is a Adam, the trainer's a AdamW"),
        (lambda: trainer_of(optimizer=one_group_more), r"have \[4\] parameters, those of the trainer's \[4, 1\]"),
        (lambda: trainer_of(callbacks=[BestModel("loss")]), "callbacks with a state are EarlyStopping in it, .* BestModel"),
        (lambda: trainer_of(callbacks=[EarlyStopping("r2")]), "EarlyStopping watched the min of loss, .* the max of r2"),
        (lambda: trainer_of(network(0, shared=False)), "it has the generators default, order, model.1.rng, and here are"),
        (lambda: trainer_of(rng=np.random.Generator(np.random.SFC64())), "generator order is a PCG64 in it and a SFC64 here"),
        (lambda: trainer_of(rng=network(0)[1].rng), None),
        (lambda: trainer_of(loss=lambda a, b: np.mean((a - b) ** 2)), "the loss is a module in it alone"),
    ],
)  # fmt: skip
def test_a_checkpoint_of_another_training_is_refused(other, match, tmp_path):
    trainer = trainer_of(callbacks=[EarlyStopping("loss")])
    fit(trainer, epochs=2)
    trainer.save(tmp_path / "training.npz")
    other = other()
    if match is None:
        other = trainer_of(callbacks=[EarlyStopping("loss")])
        other.rng = other.model[1].rng
        match = "of the generators .* others are one and the same"
    elif not other.callbacks:
        other.callbacks = [EarlyStopping("loss")]
    before = str(gather(other))
    if "watched" in match:  # which the callback sees, when it has begun
        keep, other.callbacks[:] = other.callbacks[0], [*other.callbacks, Checkpoint(tmp_path / "training.npz")]
        keep.on_fit_begin = lambda trainer: None  # it has no such column
    with pytest.raises(ValueError, match=match) as error:
        other.load(tmp_path / "training.npz") if len(other.callbacks) == 1 else fit(other)
    assert "is no checkpoint of this training, which is as it was" in str(error.value)
    assert "Make model, optimizer, callbacks and data as they were; to train anew," in str(error.value)
    assert str(gather(other)) == before


@pytest.mark.parametrize(
    ("bits", "spoil"),
    [
        (np.random.MT19937(1), lambda state: state["state"].update(pos=10**6)),
        (np.random.Philox(1), lambda state: state.update(buffer_pos=-3)),
        (np.random.PCG64(1), lambda state: state.update(state=3)),
        (np.random.SFC64(1), lambda state: state["state"].update(state=np.ones(2, np.uint64))),
    ],
)
def test_states_in_which_no_generator_can_be_are_refused(bits, spoil, tmp_path):
    path = tmp_path / "training.npz"
    trainer = trainer_of(rng=np.random.Generator(bits))
    trainer.save(path)
    trainer.load(path)
    content = read_archive(path, "checkpoint", 1)
    spoil(next(x for x in content["generators"]["states"] if x["bit_generator"] == type(bits).__name__))
    write_archive(path, "checkpoint", 1, content)
    before = str(gather(trainer))
    with pytest.raises(ValueError, match="is no checkpoint of this training, which is as it was"):
        trainer.load(path)
    assert str(gather(trainer)) == before


@pytest.mark.parametrize("how", ["load", "file"])
@pytest.mark.parametrize("error", [ZeroDivisionError, ValueError, KeyboardInterrupt])
def test_a_callback_that_cannot_load_leaves_all_as_it_was(error, how, tmp_path):
    events = []

    class Broken(Callback):
        def on_fit_begin(self, trainer):
            events.append("begin")

        def on_fit_end(self, trainer):
            events.append("end")

        def state_dict(self):
            return {"a": 1}

        def load_state_dict(self, state_dict):
            events.append("load")
            raise error("no")

    class NeverBegun(Broken):
        def on_fit_begin(self, trainer):
            raise error("not yet")

    path = tmp_path / "training.npz"
    trainer = trainer_of(callbacks=[BestModel("loss"), Broken(), Checkpoint(path)])
    fit(trainer, epochs=2)
    events.clear()
    other = trainer_of(callbacks=[BestModel("loss"), Broken()])
    other.batch = 7
    if how == "load":
        other.load(path)
    else:
        other.callbacks.append(Checkpoint(path))
    history, place = other.history, (other.epoch, other.batch)
    before = bits(own(other))
    with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else ValueError, match="no"):
        fit(other)
    assert events == ["begin", "load", "end"]
    assert bits(own(other)) == before  # and no best weights of the file in the model
    assert (other.history, other.epoch, other.batch) == (history, *place)
    Broken.load_state_dict = lambda self, state_dict: None
    assert fit(other, epochs=3).epochs == 3
    trainer = trainer_of(callbacks=[Broken(), NeverBegun()])
    events.clear()
    with pytest.raises(error, match="not yet"):
        fit(trainer)
    assert events == ["begin", "end"]


def test_callbacks_have_begun_before_they_are_asked_for_their_state(tmp_path):
    class Log(Callback):
        def on_fit_begin(self, trainer):
            self.log = {}

        def on_epoch_end(self, trainer, record):
            self.log[str(trainer.epoch)] = record["loss"]

        def state_dict(self):
            return {"log": self.log}

        def load_state_dict(self, state_dict):
            self.log.update(state_dict["log"])

    def make(*callbacks):
        return trainer_of(callbacks=[Log(), *callbacks])

    path = tmp_path / "training.npz"
    fit(make(Checkpoint(path)), epochs=2)
    again = make(Checkpoint(path))
    assert list(again.callbacks[0].log if fit(again, epochs=3) else ()) == ["1", "2", "3"]
    loaded = make()
    loaded.load(path)
    loaded.save(tmp_path / "copy.npz")  # what the callbacks have not taken up yet
    loaded = make()
    loaded.load(tmp_path / "copy.npz")
    fit(loaded, epochs=4)
    assert loaded.callbacks[0].log == dict(zip("1234", loaded.history["loss"], strict=True))


@pytest.mark.parametrize("how", ["load", "file"])
def test_a_refused_fit_leaves_what_was_there(how, tmp_path):
    path = tmp_path / "training.npz"
    fit(trainer_of(callbacks=[Checkpoint(path)]), epochs=2)
    other = trainer_of(metrics=["r2"])
    if how == "load":
        other.load(path)
    else:
        other.callbacks.append(Checkpoint(path))
    before = bits(own(other))
    with pytest.raises(ValueError, match="columns loss, val_loss, lr, seconds, and would have loss, r2"):
        fit(other)
    assert bits(own(other)) == before
    if how == "file":
        path.unlink()
        assert fit(other, epochs=1).epochs == 1
    else:
        other.metrics.clear()
        assert fit(other, epochs=3).epochs == 3


def test_a_callback_that_is_added_after_loading_is_refused(tmp_path):
    trainer = trainer_of()
    fit(trainer, epochs=1)
    trainer.save(tmp_path / "training.npz")
    other = trainer_of()
    other.load(tmp_path / "training.npz")
    other.callbacks.append(EarlyStopping("loss"))
    with pytest.raises(ValueError, match="callbacks with a state are none in it, of the trainer EarlyStopping"):
        fit(other)
    other.callbacks.clear()
    assert fit(other, epochs=2).epochs == 2


@pytest.mark.parametrize("before", ["loaded", "first of two"])
def test_files_of_other_trainings_are_never_overwritten(before, tmp_path):
    first, second = tmp_path / "first.npz", tmp_path / "second.npz"
    fit(trainer_of(callbacks=[Checkpoint(first)]), epochs=1)
    fit(trainer_of(tn.nn.Linear(4, 1), callbacks=[Checkpoint(second)]), epochs=1)
    content = second.read_bytes()
    trainer = trainer_of(callbacks=[Checkpoint(second)])
    if before == "loaded":
        trainer.load(first)
    else:
        trainer.callbacks.insert(0, Checkpoint(first))
    with pytest.raises(ValueError, match=r"second\.npz is no checkpoint of this training"):
        fit(trainer)
    assert second.read_bytes() == content


def test_of_two_files_the_furthest_is_gone_on_with(tmp_path):
    class Crash(Callback):
        def on_batch_end(self, trainer, loss):
            seen.append((trainer.epoch, trainer.batch))
            if crash and len(seen) == 5:
                raise KeyError

    def make():
        files = [Checkpoint(tmp_path / "epoch.npz"), Checkpoint(tmp_path / "batch.npz", every_batches=1)]
        return trainer_of(callbacks=[Crash(), *files])

    seen, crash = [], True
    with pytest.raises(KeyError):
        fit(make())
    crash = False
    fit(make())
    assert seen[4:6] == [(2, 2), (2, 2)]  # batch 2 was the one that was lost


def test_what_the_script_sets_and_the_file_overrides_is_told(tmp_path):
    path = tmp_path / "training.npz"

    def make(lr=0.1, frozen=False):
        trainer = trainer_of(optimizer=lambda params: tn.optim.SGD(params, lr=lr), callbacks=[Checkpoint(path)])
        trainer.callbacks.append(Scheduler(tn.optim.StepLR(trainer.optimizer, 1, 0.5)))
        trainer.model[0].requires_grad_(not frozen)
        return trainer

    trainer = make()
    fit(trainer, epochs=2)
    fit(trainer, epochs=3)  # what the training itself changed is nothing to tell of
    assert fit(make(), epochs=4)["lr"] == [0.1, 0.05, 0.025, 0.0125]
    with pytest.warns(RuntimeWarning, match=r"lr of group 0 is 0\.00\d+ \(here 0\.001\)\. To change them, set them b"):
        fit(make(lr=0.001), epochs=5)
    with pytest.warns(RuntimeWarning, match=r"here: 0\.bias of the model is trained \(here frozen\)"):
        fit(make(frozen=True), epochs=6)
    other = make()
    with pytest.warns(RuntimeWarning, match="rows of data is 13, and was 21; batch_size of data is 4, and was 8; to tra"):
        other.fit(X[:13], Y[:13], epochs=7, batch_size=4, validation_data=(X[::2], Y[::2]))


def test_a_schedule_in_a_callback_without_a_state_is_told_of(tmp_path):
    class Steps(Callback):
        def __init__(self, optimizer):
            self.schedule = tn.optim.StepLR(optimizer, 1)

    trainer = trainer_of()
    trainer.callbacks.append(Steps(trainer.optimizer))
    fit(trainer, epochs=1)
    trainer.callbacks.append(Checkpoint(tmp_path / "training.npz"))
    with pytest.warns(RuntimeWarning, match=r"Steps\.schedule is a StepLR, and Steps defines no state_dict\(\)"):
        fit(trainer, epochs=1)


class Noisy(tn.nn.Module):
    """Draws from a generator that lies in an object of its own."""

    def __init__(self, make):
        self.linear = tn.nn.Linear(4, 1, rng=0)
        self.source = type("Source", (), {})()
        self.source.rng, self.source.itself = make(3), self.source

    def forward(self, x):
        return self.linear(x) + self.source.rng.normal(size=(len(x.data), 1))


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_generators_deep_in_objects(make, tmp_path):
    def trainer(*callbacks):
        return trainer_of(Noisy(make), callbacks=callbacks)

    keep, whole = Copies(tmp_path / "training.npz"), trainer()
    expected = killed.digest(whole, fit(whole))
    saving = trainer(keep)
    fit(saving)
    for file in keep.files[:-1:3]:
        resumed = trainer()
        resumed.load(file)
        assert killed.digest(resumed, fit(resumed)) == expected
    other = trainer_of(Noisy(lambda seed: np.random.Generator(np.random.MT19937(seed))))
    kinds = r"is a (PCG64|MT19937 of a RandomState) in it and a MT19937"
    with pytest.raises(ValueError, match=rf"generator model\.source\.rng {kinds} here"):
        other.load(keep.files[0])


def test_a_damaged_file_does_not_replace_the_one_before(tmp_path):
    path = tmp_path / "training.npz"
    fit(trainer_of(callbacks=[Checkpoint(path)]), epochs=2)
    path.write_bytes(path.read_bytes()[:-200])
    whole = previous(path).read_bytes()
    with pytest.warns(RuntimeWarning, match="does not end with its checksum.* the training goes on from"):
        assert fit(trainer_of(callbacks=[Checkpoint(path)]), epochs=2).epochs == 2
    assert previous(path).read_bytes() == whole
    fit(trainer_of(callbacks=[Checkpoint(path)]), epochs=3)
    assert previous(path).read_bytes() != whole


def test_a_file_of_a_later_version_is_not_passed_over(tmp_path):
    path = tmp_path / "training.npz"
    fit(trainer_of(callbacks=[Checkpoint(path)]), epochs=2)
    write_archive(path, "checkpoint", 2, read_archive(path, "checkpoint", 1))
    content = path.read_bytes()
    with pytest.raises(FileFormatError, match="a later one needs a later tinynet"):
        fit(trainer_of(callbacks=[Checkpoint(path)]))
    assert path.read_bytes() == content


def test_a_callback_may_hold_the_trainer(tmp_path):
    class Holds(Callback):
        def on_fit_begin(self, trainer):
            self.trainer = trainer

    path = tmp_path / "training.npz"
    for epochs in (1, 2):
        trainer = trainer_of(callbacks=[Holds(), Checkpoint(path)])
        assert trainer.fit(Loader(6), epochs=epochs).epochs == epochs


def test_where_the_file_cannot_be_written_the_callbacks_are_told_of_the_end(tmp_path):
    events = []

    class Events(Callback):
        def on_fit_begin(self, trainer):
            events.append("begin")

        def on_fit_end(self, trainer):
            events.append("end")

    with pytest.raises(OSError, match="There is no folder"):
        fit(trainer_of(callbacks=[Events(), Checkpoint(tmp_path / "nowhere" / "training.npz")]))
    assert events == ["begin", "end"]


def test_an_early_end_can_be_gone_on_from(tmp_path):
    path = tmp_path / "training.npz"

    def make(patience):
        return trainer_of(callbacks=[EarlyStopping("loss", patience, min_delta=10.0), Checkpoint(path)])

    assert fit(make(1)).epochs == 2
    again = make(2)
    with pytest.warns(RuntimeWarning, match="a callback ended it: nothing is left to do; to go on, set trainer.stop_tr"):
        fit(again)
    again.load(path)
    again.stop_training = False
    assert fit(again).epochs == 3


@pytest.mark.parametrize(
    ("at", "changed", "match"),
    [
        (4, {"validation_data": None}, "columns loss, r2, val_loss, val_r2, lr, seconds, and would have loss, r2, lr"),
        (2, {"batch_size": 7}, "from the middle of an epoch, over other data: batch_size was 8, and is 7"),
        (2, {"shuffle": False}, "shuffle was True, and is False"),
        (4, {"validation_data": Loader(1)}, "it has the generators none, and here are validation.source.own.0"),
    ],
)
def test_data_that_do_not_fit_are_refused_by_fit(at, changed, match, tmp_path):
    def make(compile):
        return trainer_of(metrics=["r2"])

    trainer = made(make, False, tmp_path / "training.npz")
    fit(trainer, epochs=2)
    other = made(make, False)
    other.load(trainer.callbacks[0].files[at - 1])
    before = str(gather(other))
    with pytest.raises(ValueError, match=match):
        fit(other, **changed)
    assert str(gather(other)) == before
    fit(other, epochs=2)  # with the right ones it goes on
    assert killed.digest(other, other.history) == killed.digest(trainer, trainer.history)


def test_in_the_middle_of_a_training_only_the_callback_saves(tmp_path):
    class Saves(Callback):
        def on_epoch_end(self, trainer, record):
            getattr(trainer, self.what)(tmp_path / "training.npz")

    trainer = trainer_of(callbacks=[Saves()])
    for Saves.what in ("save", "load"):
        with pytest.raises(RuntimeError, match=rf"{Saves.what}: not while fit\(\) runs; tn.training.Checkpoint"):
            fit(trainer)
    assert list(tmp_path.iterdir()) == []
    trainer.callbacks.clear()
    trainer.save(tmp_path / "training.npz")


def test_a_state_that_no_file_can_hold(tmp_path):
    class Odd(Callback):
        def state_dict(self):
            return {"where": tmp_path}

    class Stepped:
        def step(self):
            pass

    with pytest.raises(TypeError, match=r"^/callbacks/Odd/where is a PosixPath"):
        trainer_of(callbacks=[Odd()]).save(tmp_path / "training.npz")
    Odd.state_dict = lambda self: {"a": [np.longdouble(1)]}
    with pytest.raises(TypeError, match=r"^/callbacks/Odd/a/0 is a longdouble; a file can hold"):
        trainer_of(callbacks=[Odd()]).save(tmp_path / "training.npz")
    with pytest.raises(TypeError, match=r"Scheduler: a Stepped has no state_dict\(\)"):
        fit(trainer_of(callbacks=[Scheduler(Stepped()), Checkpoint(tmp_path / "training.npz")]))
    assert list(tmp_path.iterdir()) == []


def test_the_warnings_stand_at_the_persons_line(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    trainer = trainer_of(callbacks=[Checkpoint(tmp_path / "training.npz", every_batches=2)])
    fit(trainer, epochs=1)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(RuntimeWarning, match="No space left on device: .*/training.npz'; the training goes on") as told:
        fit(trainer, epochs=2)
    assert [x.filename for x in told] == [__file__] * 2  # after batch 2, and at the end of the epoch


def test_a_damaged_checkpoint_without_an_earlier_one(tmp_path):
    path = tmp_path / "training.npz"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(FileFormatError, match=r"training\.npz does not end with its checksum"):
        fit(trainer_of(callbacks=[Checkpoint(path)]))
    assert not previous(path).exists()
    with pytest.raises(ValueError, match="every_batches is 0"):
        Checkpoint(path, every_batches=0)
    with pytest.raises(TypeError, match="float"):
        Checkpoint(path, every_batches=1.5)


def test_after_a_nan_it_goes_on_where_it_was(tmp_path):
    path = tmp_path / "training.npz"
    whole = made(default_generator, False)
    expected = killed.digest(whole, fit(whole))

    class Spoil(Callback):
        def on_backward_end(self, trainer):
            if trainer.epoch == 2:
                trainer.model[0].weight.grad[0] = np.nan

    trainer = made(default_generator, False)
    trainer.callbacks += [Spoil(), Checkpoint(path)]
    with pytest.raises(NonFiniteError):
        fit(trainer)
    again = made(default_generator, False)
    again.callbacks.append(Checkpoint(path))
    assert killed.digest(again, fit(again)) == expected


# The format --------------------------------------------------------------------------------------------------------------


def golden():
    place = Path(__file__).with_name("golden") / "make.py"
    spec = importlib.util.spec_from_file_location("golden_make", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["checkpoint", "stack"])
def test_a_checkpoint_of_the_first_version_is_read(name):
    make = golden()
    whole = make.trainer(name)
    make.fit(whole)
    resumed = make.trainer(name)
    resumed.load(make.FILES[name])
    assert (resumed.failed, resumed.stopped) == (({}, {}) if name == "checkpoint" else ({1: (1, 2)}, {2: 1}))
    assert (resumed.epoch, resumed.batch, resumed.history.epochs) == (2, 2, 1)
    make.fit(resumed)
    for name, x in whole.model.state_dict().items():  # another machine may round otherwise
        np.testing.assert_allclose(resumed.model.state_dict()[name], x, rtol=1e-9, atol=1e-12)
    for name in resumed.history.keys() - {"seconds"}:
        np.testing.assert_allclose(resumed.history[name], whole.history[name], rtol=1e-9)
    np.testing.assert_array_equal(resumed.callbacks[1].best_epoch, whole.callbacks[1].best_epoch)


def test_the_layout_of_a_checkpoint(tmp_path):
    trainer = trainer_of(callbacks=[EarlyStopping("loss")])
    fit(trainer, epochs=1)
    trainer.save(tmp_path / "training.npz")
    with np.load(tmp_path / "training.npz") as arrays:
        np.testing.assert_array_equal(arrays["model/arrays/0.weight"], trainer.model[0].weight.data)
        assert set(arrays) >= {"content.json", "optimizer/state/0/1/exp_avg", "history/loss"}


# Killed and hurt ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "kills"), [("network", "2"), ("stack", "1")])
def test_killed_and_run_again(model, kills, capsys):
    assert killed.main(["--kills", kills, "--epochs", "3", "--seed", "1", "--model", model]) == 0
    assert "1 trainings finished, 1 with the bits of the uninterrupted one" in capsys.readouterr().out
