"""Faults made on purpose, and what is lost in each: ``python -m benchmarks.faults`` prints the table.

In each case a training of four epochs meets with a fault. What is asked is that whoever runs it is told, that no file is half
written and nothing loaded by halves, and that the same script, run again without the fault, ends with the bits of a training
that met with none.
"""

import errno
import os
import re
import resource
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import tinynet as tn
from benchmarks import killed
from tinynet import archive
from tinynet.errors import FileFormatError
from tinynet.files import previous

__all__ = ["FAULTS", "main"]

FAULTS: dict[str, Callable[[Path], str]] = {}
"""What happens, by fault: a function of an empty folder, which fails where something is lost."""

EPOCHS = 4


def main() -> int:
    """Print the table; the number of faults in which something was lost."""
    lost = 0
    for fault, meet in FAULTS.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                what, loss = meet(Path(folder)).replace(folder + os.sep, ""), "nothing"
            except AssertionError as error:
                what, loss = "", f"LOST: {error}"
                lost += 1
        print(f"{fault:<44} lost: {loss}\n    {what}", flush=True)
    return lost


def fault(name: str) -> Callable[[Callable[[Path], str]], Callable[[Path], str]]:
    """Enter a fault in the table; a decorator."""

    def enter(meet: Callable[[Path], str]) -> Callable[[Path], str]:
        FAULTS[name] = meet
        return meet

    return enter


# The training ------------------------------------------------------------------------------------------------------------


def _data() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 3))
    return x, np.sum(np.sin(x), axis=1, keepdims=True)


def _trainer(path: Path | None, *callbacks: tn.training.Callback, width: int = 8) -> tn.Trainer:
    rng = np.random.default_rng(1)
    model = tn.nn.Sequential(
        tn.nn.Linear(3, width, rng=rng), tn.nn.Tanh(), tn.nn.Dropout(0.2, rng=rng), tn.nn.Linear(width, 1, rng=rng)
    )
    optimizer = tn.optim.Adam(model.parameters(), lr=0.01)
    kept = [] if path is None else [tn.training.Checkpoint(path, every_batches=1)]
    return tn.Trainer(model, tn.nn.MSELoss(), optimizer, callbacks=[*callbacks, *kept], rng=2)


def _trained(path: Path | None, *callbacks: tn.training.Callback, x: Any = None, epochs: int = EPOCHS) -> str:
    """Train to the end; the digest of the result."""
    trainer = _trainer(path, *callbacks)
    inputs, y = _data()
    return killed.digest(trainer, trainer.fit(inputs if x is None else x, y, epochs=epochs, batch_size=8))


def _unharmed() -> str:
    return _trained(None)


def _check_goes_on(path: Path) -> None:
    assert _trained(path) == _unharmed(), "the training ended with other bits"
    left = sorted(x.name for x in path.parent.iterdir())
    assert left == sorted([path.name, previous(path).name]), f"there are the files {left}"


def _raised(kind: type[Exception], function: Callable[[], Any]) -> str:
    """The message of the error that a function must raise."""
    try:
        function()
    except kind as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError(f"no {kind.__name__} was raised")


class _At(tn.training.Callback):
    """Does something at the end of a backward pass or of an epoch, once."""

    def __init__(self, epoch: int, act: Callable[[tn.Trainer], object], event: str) -> None:
        self.epoch, self.act, self.event = epoch, act, event

    def on_backward_end(self, trainer: tn.Trainer) -> None:
        if self.event == "backward" and trainer.epoch == self.epoch:
            self.act(trainer)

    def on_epoch_end(self, trainer: tn.Trainer, record: Any) -> None:
        if self.event == "epoch" and trainer.epoch == self.epoch:
            self.act(trainer)


# The disk ----------------------------------------------------------------------------------------------------------------


@contextmanager
def _small_disk() -> Iterator[None]:
    """No file may become larger than a thousand bytes."""
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def _full_disk() -> Iterator[None]:
    """What is written does not get to the disk."""
    fsync = os.fsync

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    os.fsync = full
    try:
        yield
    finally:
        os.fsync = fsync


@fault("disk full when the training begins")
def _full_at_first(folder: Path) -> str:
    path = folder / "training.npz"
    with _full_disk():
        told = _raised(OSError, lambda: _trained(path))
    assert not list(folder.iterdir()), "something was left"
    _check_goes_on(path)
    return told


@fault("disk full while it trains")
def _full_later(folder: Path) -> str:
    path = folder / "training.npz"
    _trained(path, epochs=1)
    before = path.read_bytes()
    with _full_disk(), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert _trained(path) == _unharmed(), "the training ended with other bits"
    assert path.read_bytes() == before, "the checkpoint was changed"
    assert len(told) == 12, f"{len(told)} warnings"
    _check_goes_on(path)
    return f"{told[0].category.__name__}: {told[0].message}"


@fault("file too large (a limit of the system's)")
def _too_large(folder: Path) -> str:
    path = folder / "training.npz"
    with _small_disk():
        told = _raised(OSError, lambda: _trained(path))
    assert not list(folder.iterdir()), "something was left"
    _check_goes_on(path)
    return told


@contextmanager
def _without_rights() -> Iterator[None]:
    """Be nobody, if one is root, whom no folder is read-only for."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@fault("folder read-only")
def _read_only(folder: Path) -> str:
    path = folder / "training.npz"
    _trained(path, epochs=1)
    before = path.read_bytes()
    _trainer(None).load(path)  # imports what it needs, which without rights may not be found
    folder.chmod(0o555)
    try:
        with _without_rights(), warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert _trained(path) == _unharmed(), "the training ended with other bits"
            new = _raised(OSError, lambda: _trained(folder / "new.npz"))
    finally:
        folder.chmod(0o755)
    assert path.read_bytes() == before, "the checkpoint was changed"
    _check_goes_on(path)
    return f"a new training: {new}\n    one that has begun: {told[0].category.__name__}: {told[0].message}"


@fault("no such folder")
def _no_folder(folder: Path) -> str:
    return _raised(OSError, lambda: _trained(folder / "none" / "training.npz"))


# Processes ---------------------------------------------------------------------------------------------------------------


@fault("process killed, training or saving")
def _killed(folder: Path) -> str:
    command = [sys.executable, "-m", "benchmarks.killed", "--kills", "3", "--epochs", "5"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1] + " (python -m benchmarks.killed: fifty times)"


@fault("Ctrl-C while it saves")
def _interrupted(folder: Path) -> str:
    path = folder / "training.npz"
    ends = 0
    for call in ("fsync", "link", "replace"):
        with _ctrl_c_after(call):
            trainer = _trainer(path)
            interrupted = trainer.fit(*_data(), epochs=EPOCHS, batch_size=8).interrupted
        assert interrupted, "the training went on"
        archive.read_archive(path, "checkpoint", 1)
        ends += 1
    _check_goes_on(path)
    return f"{ends} trainings ended in the middle of saving, each with a whole file"


@contextmanager
def _ctrl_c_after(call: str) -> Iterator[None]:
    """Ctrl-C falls behind the fifth call of a function of the system's."""
    real, calls = getattr(os, call), 0

    def interrupted(*arguments: Any) -> None:
        nonlocal calls
        real(*arguments)
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt

    setattr(os, call, interrupted)
    try:
        yield
    finally:
        setattr(os, call, real)


_SAVES = """
import sys
import numpy as np
from tinynet.archive import write_archive
for i in range(60):
    write_archive(sys.argv[1], "example", 1, {"by": sys.argv[2], "number": np.full(5000, i)}, keep_previous=True)
"""


@fault("two processes save to one path")
def _two_writers(folder: Path) -> str:
    path = folder / "shared.npz"
    writers = [subprocess.Popen([sys.executable, "-c", _SAVES, path, name]) for name in ("one", "two")]
    seen = set()
    reads = 0
    while any(writer.poll() is None for writer in writers):
        for file in (path, previous(path)):
            if file.exists():
                content = archive.read_archive(file, "example", 1)
                assert np.ptp(content["number"]) == 0, "a file of both"
                seen.add(content["by"])
                reads += 1
    assert [writer.returncode for writer in writers] == [0, 0], "a writer failed"
    assert sorted(x.name for x in folder.iterdir()) == [path.name, previous(path).name], "something was left"
    last = archive.read_archive(path, "example", 1)
    assert last["number"][0] == 59, "the last save is not there"
    return f"{reads} reads meanwhile found a whole file of {' or '.join(sorted(seen))}; the last that was saved stays"


# Files -------------------------------------------------------------------------------------------------------------------


def _refused(folder: Path, spoil: Callable[[Path], object]) -> str:
    """Load a spoiled checkpoint, alone and with the previous one beside it."""
    path = folder / "training.npz"
    _trained(path, epochs=2)
    spoil(path)
    trainer = _trainer(None)
    before = killed.digest(trainer, trainer.history)
    told = _raised(FileFormatError, lambda: trainer.load(path))
    assert killed.digest(trainer, trainer.history) == before, "the trainer was changed"
    assert path.name in told, "the message does not name the file"
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        _check_goes_on(path)
    assert "previous" in str(warned[0].message), "no word of the previous checkpoint"
    return told.replace(str(folder) + os.sep, "") + "; the callback goes on from the previous one"


@fault("checkpoint truncated")
def _truncated(folder: Path) -> str:
    return _refused(folder, lambda path: os.truncate(path, path.stat().st_size // 2))


@fault("checkpoint with one bit flipped")
def _flipped(folder: Path) -> str:
    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 16
        path.write_bytes(data)

    return _refused(folder, flip)


@fault("empty file in its place")
def _empty(folder: Path) -> str:
    return _refused(folder, lambda path: path.write_bytes(b""))


@fault("pickle in its place")
def _pickle(folder: Path) -> str:
    return _refused(folder, lambda path: np.array([print], object).dump(path))


@fault("another program's .npz in its place")
def _foreign(folder: Path) -> str:
    return _refused(folder, lambda path: np.savez(path, a=np.ones(3)))


@fault("checkpoint of a later version")
def _later(folder: Path) -> str:
    path = folder / "training.npz"
    _trained(path, epochs=2)
    before = path.read_bytes()
    archive.write_archive(path, "checkpoint", 99, {}, keep_previous=True)
    later = path.read_bytes()
    told = _raised(FileFormatError, lambda: _trained(path))
    assert path.read_bytes() == later, "the file was changed"
    path.write_bytes(before)
    _check_goes_on(path)
    return told


@fault("checkpoint of another model")
def _other_model(folder: Path) -> str:
    path = folder / "training.npz"
    _trained(path, epochs=2)
    trainer = _trainer(None, width=9)
    before = killed.digest(trainer, trainer.history)
    told = _raised(ValueError, lambda: trainer.load(path))
    assert killed.digest(trainer, trainer.history) == before, "the trainer was changed"
    _check_goes_on(path)
    return re.sub(r"; .*", "; ...", told)


# Numbers -----------------------------------------------------------------------------------------------------------------


@fault("NaN in the data")
def _nan_in_data(folder: Path) -> str:
    path = folder / "training.npz"
    x = _data()[0]
    x[17] = np.nan
    told = _raised(tn.training.NonFiniteError, lambda: _trained(path, x=x))
    _check_goes_on(path)  # with the data mended: batches before the bad one are kept
    return told


@fault("NaN in the weights (set by a callback)")
def _nan_in_weights(folder: Path) -> str:
    path = folder / "training.npz"

    def spoil(trainer: tn.Trainer) -> None:
        next(trainer.model.parameters()).data[0, 0] = np.nan

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        told = _raised(tn.training.NonFiniteError, lambda: _trained(path, _At(2, spoil, "epoch")))
    assert "not finite" in str(warned[0].message), "no word of it"
    _check_goes_on(path)
    return f"{warned[0].category.__name__}: {warned[0].message}\n    {told}"


@fault("NaN in a gradient")
def _nan_in_gradient(folder: Path) -> str:
    path = folder / "training.npz"

    def spoil(trainer: tn.Trainer) -> None:
        next(trainer.model.parameters()).grad[0, 0] = np.nan  # type: ignore[index]

    told = _raised(tn.training.NonFiniteError, lambda: _trained(path, _At(3, spoil, "backward")))
    _check_goes_on(path)
    return told


if __name__ == "__main__":
    sys.exit(main())
