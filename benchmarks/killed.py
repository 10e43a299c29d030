"""A training that is killed at random moments and run again: ``python -m benchmarks.killed --kills 50 --seed 0``.

Trains once without interruption. Then runs the same script in processes of its own, each of which is killed (SIGKILL) at a
random moment, while it starts, loads its checkpoint, trains or saves, until the training is finished, and again from the
beginning until there were enough kills. Every finished training must have the bits of the first: weights, optimizer, history.
"""

import argparse
import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import tinynet as tn
from tinynet.archive import read_archive

__all__ = ["main"]

CHECKPOINT = "training.npz"
MODELS = ("network", "stack")


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill and compare; the number of trainings that ended with other bits."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.killed", description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the moments; the training has its own")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--model", choices=MODELS, default="network")
    parser.add_argument("--train", type=Path, metavar="FOLDER", help="only train, with the checkpoint in this folder")
    options = parser.parse_args(arguments)
    if options.train:
        print(digest(*train(options.train, options.epochs, options.model)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return _compare(Path(folder), options)


def train(folder: Path, epochs: int, model: str) -> tuple[tn.Trainer, tn.History]:
    """The training; that it can be killed takes nothing but the checkpoint among its callbacks."""
    tn.manual_seed(0)
    x, y = tn.data.moons(200, noise=0.2, rng=0)
    members = [
        tn.nn.Sequential(
            tn.nn.Linear(2, 16, rng=seed), tn.nn.BatchNorm1d(16) if model == "network" else tn.nn.LayerNorm(16), tn.nn.SiLU(),
            tn.nn.Dropout(0.2, rng=seed),
            tn.nn.Linear(16, 16, rng=seed), tn.nn.Tanh(),
            tn.nn.Dropout(0.1, rng=None if model == "network" else seed + 9), tn.nn.Linear(16, 2, rng=seed),
        ) for seed in range(1 if model == "network" else 3)
    ]  # fmt: skip
    trained = members[0] if model == "network" else tn.nn.stack(members)
    optimizer = tn.optim.AdamW(trained.parameters(), lr=0.01)
    callbacks = [
        Started(),
        tn.training.Scheduler(tn.optim.CosineAnnealingLR(optimizer, T_max=epochs * 10), every="batch"),
        tn.training.EarlyStopping("val_loss", patience=epochs),
        tn.training.Checkpoint(folder / CHECKPOINT, every_batches=1),
    ]
    trainer = tn.Trainer(trained, tn.nn.CrossEntropyLoss(), optimizer, metrics=["accuracy"], callbacks=callbacks)
    history = trainer.fit(x[:150], y[:150], epochs=epochs, batch_size=16, validation_data=(x[150:], y[150:]))
    return trainer, history


class Started(tn.training.Callback):
    """Tells the process that will kill this one that the training begins."""

    def on_fit_begin(self, trainer: tn.Trainer) -> None:
        print("started", flush=True)


def digest(trainer: tn.Trainer, history: tn.History) -> str:
    """A digest of all bits that a training comes to, but for the seconds it took."""
    optimizer = trainer.optimizer.state_dict()
    arrays: dict[str, Any] = {f"model {name}": x for name, x in trainer.model.state_dict().items()}
    arrays |= {f"state {i} {name}": x for i, state in optimizer["state"].items() for name, x in state.items()}
    arrays |= {f"history {name}": x for name, x in history.items() if name != "seconds"}
    sha = hashlib.sha256()
    for name, x in arrays.items():
        array = np.asarray(x)
        sha.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
    return sha.hexdigest()


def _compare(folder: Path, options: argparse.Namespace) -> int:
    moments = random.Random(options.seed)
    start = time.perf_counter()
    expected = _run(folder / "uninterrupted", options)[0]
    seconds = time.perf_counter() - start
    print(f"uninterrupted: {expected}, {seconds:.1f} s", flush=True)
    kills = trainings = wrong = while_writing = 0
    while kills < options.kills:
        trainings += 1
        place = folder / str(trainings)
        found = None
        while found is None:
            enough = kills >= options.kills
            # one in five is killed from its start on, the others from where they train
            limit = None if enough else (moments.random() < 0.2, moments.uniform(0, seconds / 4))
            found, before = _run(place, options, limit)
            if found is None:
                kills += 1
                leftovers = [path for path in place.iterdir() if path.suffix == ".tmp"]
                while_writing += bool(leftovers)
                unfinished = ", in the middle of saving" if leftovers else ""
                print(f"kill {kills}: {before}{unfinished}; {_position(place / CHECKPOINT)}", flush=True)
                for path in leftovers:
                    path.unlink()  # so that each is counted once; the training does not mind them
        same = found == expected
        wrong += not same
        print(f"finished: {found}, {'the same bits' if same else 'OTHER BITS'}", flush=True)
    print(
        f"{kills} kills, {while_writing} of them while a file was written; {trainings} trainings finished, "
        f"{trainings - wrong} with the bits of the uninterrupted one"
    )
    return wrong


def _position(path: Path) -> str:
    if not path.exists():
        return "nothing is saved yet"
    state = read_archive(path, "checkpoint", 1)
    epochs, epoch = len(state["history"]["loss"]), state["epoch"]
    return f"saved are {epochs} epochs" + (f" and {epoch['done']} batches" if epoch else "")


def _run(folder: Path, options: argparse.Namespace, limit: tuple[bool, float] | None = None) -> tuple[str | None, str]:
    """Run the training until it ends, or to the limit; its digest, if it ended, and how far it was."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.killed", "--train", str(folder), "--epochs", str(options.epochs)]
    with subprocess.Popen([*command, "--model", options.model], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        at_once, seconds = limit or (False, 0.0)
        started = "" if at_once else process.stdout.readline()
        if limit is not None:
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
        lines = (started + process.stdout.read()).split()
    if process.returncode == 0 and lines[-1] != "started":
        return lines[-1], "finished"
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError(f"the training failed with {process.returncode}")
    return None, f"killed {seconds:.2f} s after {'the process' if at_once else 'the training'} began"


if __name__ == "__main__":
    sys.exit(main())
