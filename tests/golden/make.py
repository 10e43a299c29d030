"""Makes the checkpoints that later versions must read: ``python tests/golden/make.py``, once for each version of the format.

They have something of everything that a checkpoint can hold: a middle of an epoch, two kinds of generators, buffers; and of a
stack members that have ended and failed.
"""

import warnings
from pathlib import Path

import numpy as np

import tinynet as tn

FILES = {name: Path(__file__).with_name(f"{name}-1.npz") for name in ("checkpoint", "stack")}


class AfterBatch(tn.training.Checkpoint):
    """Saves after batch 2 of epoch 2, and no more."""

    def on_batch_end(self, trainer, loss):
        if (trainer.epoch, trainer.batch) == (2, 2):
            self.save(trainer)

    def on_epoch_end(self, trainer, record):
        pass


class Spoil(tn.training.Callback):
    """Has member 1 of a stack fail in its second batch, and ends member 2 with the first epoch."""

    def on_backward_end(self, trainer):
        if isinstance(trainer.model, tn.nn.Stack) and (trainer.epoch, trainer.batch) == (1, 2):
            next(trainer.model.parameters()).grad[1] = np.nan

    def on_epoch_end(self, trainer, record):
        if isinstance(trainer.model, tn.nn.Stack):
            trainer.stopped.setdefault(2, trainer.epoch)


def network(seed):
    """A small network."""
    return tn.nn.Sequential(
        tn.nn.Linear(2, 3, rng=seed), tn.nn.BatchNorm1d(3), tn.nn.Tanh(), tn.nn.Dropout(0.25, rng=seed),
        tn.nn.Linear(3, 1, rng=seed + 1),
    )  # fmt: skip


def trainer(name, *callbacks):
    """The trainer of a golden checkpoint."""
    tn.manual_seed(7)
    model = network(0) if name == "checkpoint" else tn.nn.stack([network(seed) for seed in range(4)])
    optimizer = tn.optim.AdamW(model.parameters(), lr=0.05, amsgrad=True)
    schedule = tn.training.Scheduler(tn.optim.ExponentialLR(optimizer, gamma=0.9), every="batch")
    stop = tn.training.EarlyStopping("val_loss", patience=3)
    order = np.random.Generator(np.random.MT19937(1)) if name == "checkpoint" else 1
    return tn.Trainer(model, tn.nn.MSELoss(), optimizer, ["r2"], [schedule, stop, Spoil(), *callbacks], rng=order)


def fit(made):
    """Its training."""
    x = np.linspace(-1, 1, 24).reshape(12, 2)
    y = np.sin(3 * x[:, :1])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "epoch 1, batch 2: .* members 1 is not finite")
        return made.fit(x, y, epochs=3, batch_size=4, validation_data=(x[::2], y[::2]))


if __name__ == "__main__":
    for name, file in FILES.items():
        if not file.exists():
            fit(trainer(name, AfterBatch(file)))
            file.with_name(f"{file.name}.previous").unlink()
            print(f"{file.name}: {file.stat().st_size} bytes")
