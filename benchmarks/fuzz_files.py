"""Damaged and malicious files for the loaders: ``python -m benchmarks.fuzz_files --files 1000000 --seed 0``.

Good files are mutated: bits flipped, bytes overwritten, parts cut out, doubled and taken from another file, numbers replaced;
in four ways:

- *raw*: a checkpoint's bytes. Nothing of it may load, unless its bytes are those of the good file.
- *sealed*: the same, with the right checksum for what came of it, as somebody who means harm would give it.
- *entries*: the JSON or an array of it, in a sound zip file with right checksums; it goes on to `Trainer.load`, which may load
  it or not, but must be as it was if it does not.
- *safetensors*: the bytes or the header of a safetensors file, where the package is installed.

A loader may raise the errors that it documents, and no other; what it loads is never larger than the file. A file that takes
more than ten seconds, or more than half a gibibyte of memory, counts as a failure as well. The last file is kept.
"""

import argparse
import io
import json
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import tinynet as tn
from tinynet import archive
from tinynet.errors import FileFormatError
from tinynet.training.state import gather

__all__ = ["main"]

SECONDS = 10
MEMORY = 1 << 29
NUMBERS = [0, 1, 2, 127, 128, 255, 256, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 32, (1 << 63) - 1, (1 << 64) - 1]
TEXTS = ["-1", "1e999", "NaN", "null", "[]", "{}", '""', "99999999999999999999", "true", '{"$array": "x"}', "[" * 2000, "0.5"]


class Hang(Exception):
    """A loader that does not come to an end."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Mutate and load; the number of failures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz_files", description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="the folder for files that failed")
    options = parser.parse_args(arguments)
    rng = random.Random(options.seed)
    memory = Path("/dev/shm")
    handler = signal.signal(signal.SIGALRM, _hang)
    try:
        with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _limited_memory():
                return _fuzz(Path(folder), options, rng)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


@contextmanager
def _limited_memory() -> Iterator[None]:
    """Half a gibibyte more than now, where the system tells how much that is."""
    status = Path("/proc/self/statm")
    _, hard = before = resource.getrlimit(resource.RLIMIT_AS)
    if status.exists():
        used = int(status.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _hang(*_: Any) -> None:
    raise Hang(f"it took more than {SECONDS} s")


def _fuzz(folder: Path, options: argparse.Namespace, rng: random.Random) -> int:
    path = folder / "file"
    ways: list[_Way] = [_Raw(folder), _Sealed(folder), _Entries(folder)]
    if find_spec("safetensors"):
        ways.append(_Safetensors(folder))
    outcomes: Counter[str] = Counter()
    failures = 0
    start = time.perf_counter()
    for _ in range(options.files):
        way = rng.choices(ways, [4, 3, 1, 2][: len(ways)])[0]
        data = way.mutated(rng)
        path.write_bytes(data)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            outcome = way.load(path, data)
        except Exception:
            outcome = "FAILED"
            way.start()
            failures += 1
            if failures <= 10:
                traceback.print_exc()
            if options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{failures}-{way.name}").write_bytes(data)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        outcomes[f"{way.name}: {outcome}"] += 1
    seconds = time.perf_counter() - start
    print(f"seed {options.seed}, {options.files} files, {seconds:.0f} s, {failures} failures")
    for name, count in sorted(outcomes.items()):
        print(f"{count:9}  {name}")
    return failures


# Mutations of bytes and of JSON ------------------------------------------------------------------------------------------


def _bytes_mutated(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """One to four random changes."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        rng.choice(_CHANGES)(changed, other, rng)
    return bytes(changed)


def _flip(data: bytearray, other: bytes, rng: random.Random) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, other: bytes, rng: random.Random) -> None:
    i, n = rng.randrange(len(data) + 1), rng.randrange(1, 9)
    data[i : i + n] = rng.choice([rng.randbytes(n), bytes(n), b"\xff" * n])


def _number(data: bytearray, other: bytes, rng: random.Random) -> None:
    n = rng.choice([1, 2, 4, 8])
    i = rng.randrange(max(len(data) - n, 1))
    data[i : i + n] = (rng.choice(NUMBERS) % (1 << 8 * n)).to_bytes(n, rng.choice(["little", "big"]))


def _digit(data: bytearray, other: bytes, rng: random.Random) -> None:
    places = [i for i in range(len(data)) if 48 <= data[i] < 58]
    if places:
        i = rng.choice(places)
        data[i : i + 1] = rng.choice([b"9", b"0", b"-1", b"99999999999", str(rng.choice(NUMBERS)).encode()])


def _cut(data: bytearray, other: bytes, rng: random.Random) -> None:
    i = rng.randrange(len(data) + 1)
    del data[i : rng.choice([len(data), i + rng.randrange(1, 64)])]


def _double(data: bytearray, other: bytes, rng: random.Random) -> None:
    i, n = rng.randrange(len(data) + 1), rng.randrange(1, 200)
    j = rng.choice([i, rng.randrange(len(data) + 1)])
    data[j:j] = data[i : i + n]


def _splice(data: bytearray, other: bytes, rng: random.Random) -> None:
    i, j, n = rng.randrange(len(data) + 1), rng.randrange(len(other)), rng.randrange(1, 400)
    data[i : i + rng.choice([0, n])] = other[j : j + n]


_CHANGES: list[Callable[[bytearray, bytes, random.Random], None]] = [
    _flip, _flip, _overwrite, _number, _number, _digit, _cut, _double, _splice,
]  # fmt: skip


def _json_mutated(text: bytes, rng: random.Random) -> bytes:
    """JSON with a value replaced, removed or doubled."""
    tree = json.loads(text)
    containers = [x for x in _nodes(tree) if isinstance(x, dict | list) and x]
    for _ in range(rng.choice([1, 1, 2])):
        node = rng.choice(containers)
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        change = rng.randrange(4)
        if change == 0:
            del node[key]
            containers = [x for x in containers if x]
        elif change == 1:
            node[key] = rng.choice([x for x in _nodes(tree) if not isinstance(x, dict | list)])
        else:
            node[key] = rng.choice(["MARK", -1, 0, 10**30, 1.5, [], {}, None, "x", [[]], True])
        if not containers:
            break
    return json.dumps(tree).replace('"MARK"', rng.choice(TEXTS)).encode()


def _nodes(tree: Any) -> list[Any]:
    children = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return [tree, *(x for child in children for x in _nodes(child))]


# The loaders -------------------------------------------------------------------------------------------------------------


def _trainer() -> tn.Trainer:
    """One whose checkpoint has something of everything."""
    rng = np.random.default_rng(0)
    model = tn.nn.Sequential(
        tn.nn.Linear(2, 3, rng=rng), tn.nn.Dropout(0.5, rng=np.random.Generator(np.random.MT19937(1))), tn.nn.BatchNorm1d(3),
        tn.nn.Linear(3, 1, rng=rng),
    )  # fmt: skip
    optimizer = tn.optim.Adam(model.parameters())
    callbacks = [tn.training.EarlyStopping("loss"), tn.training.Scheduler(tn.optim.ExponentialLR(optimizer, gamma=0.9))]
    return tn.Trainer(
        model, tn.nn.MSELoss(), optimizer, ["r2"], callbacks, np.random.Generator(np.random.Philox(2)), compile=False
    )


class _Way:
    """A way of mutating, and the loader that it is for."""

    name: str

    def start(self) -> None:
        """Have nothing of the last file."""

    def mutated(self, rng: random.Random) -> bytes:
        """A mutated file."""
        raise NotImplementedError

    def load(self, path: Path, data: bytes) -> str:
        """What came of loading it; an error if it is none that should."""
        raise NotImplementedError


class _Archive(_Way):
    """What the ways of mutating a checkpoint share."""

    def __init__(self, folder: Path) -> None:
        path, other = folder / "good.npz", folder / "other.npz"
        trainer = _trainer()
        trainer.fit(np.ones((6, 2)), np.ones((6, 1)), epochs=2, batch_size=2)
        trainer.save(path)
        archive.write_archive(other, "example", 1, {"a": np.arange(40), "b": [np.ones((2, 3)), "x" * 100]})
        self.good, self.other = path.read_bytes(), other.read_bytes()

    def load(self, path: Path, data: bytes) -> str:
        try:
            content = archive.read_archive(path, "checkpoint", 1)
        except FileFormatError:
            return "refused"
        size = sum(x.nbytes for x in _nodes(content) if isinstance(x, np.ndarray))
        assert size <= len(data), f"{size} bytes loaded from a file of {len(data)}"
        return "loaded"


class _Raw(_Archive):
    name = "raw"

    def mutated(self, rng: random.Random) -> bytes:
        return _bytes_mutated(self.good, self.other, rng)

    def load(self, path: Path, data: bytes) -> str:
        outcome = super().load(path, data)
        assert outcome == "refused" or data == self.good, "a change was not seen"
        return outcome


class _Sealed(_Archive):
    name = "sealed"

    def mutated(self, rng: random.Random) -> bytes:
        data = _bytes_mutated(self.good[: -archive.SEALED], self.other, rng)
        return data + archive.seal(io.BytesIO(data), len(data))


class _Entries(_Archive):
    name = "entries"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        with zipfile.ZipFile(io.BytesIO(self.good)) as good:
            self.entries = {name: good.read(name) for name in good.namelist()}
        self.start()

    def start(self) -> None:
        self.trainer = _trainer()
        self.before = self._state()

    def _state(self) -> str:
        return repr(gather(self.trainer))

    def mutated(self, rng: random.Random) -> bytes:
        entries = dict(self.entries)
        name = rng.choice([archive.CONTENT] * 400 + list(entries))
        if name == archive.CONTENT and rng.random() < 0.8:
            entries[name] = _json_mutated(entries[name], rng)
        else:
            entries[name] = _bytes_mutated(entries[name], self.other, rng)
        if rng.random() < 0.05:
            del entries[rng.choice(list(entries))]
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as made:
            for name, data in entries.items():
                made.writestr(zipfile.ZipInfo(name), data)
            made.comment = bytes(archive.SEALED)
        data = file.getvalue()[: -archive.SEALED]
        return data + archive.seal(io.BytesIO(data), len(data))

    def load(self, path: Path, data: bytes) -> str:
        try:
            self.trainer.load(path)
        except FileFormatError:
            outcome = "refused"
        except ValueError:
            outcome = "does not fit"
        else:
            self.start()
            return "loaded"
        assert self._state() == self.before, "it changed the trainer"
        return outcome


class _Safetensors(_Way):
    name = "safetensors"

    def __init__(self, folder: Path) -> None:
        path = folder / "good.safetensors"
        arrays = {"a.weight": np.ones((3, 4), np.float32), "b": np.arange(5), "c": np.array(2.5), "d": np.array([True, False])}
        tn.save_safetensors(path, arrays, {"made": "for mutation"})
        self.good = path.read_bytes()

    def mutated(self, rng: random.Random) -> bytes:
        if rng.random() < 0.5:
            return _bytes_mutated(self.good, self.good, rng)
        length = int.from_bytes(self.good[:8], "little")
        head = _json_mutated(self.good[8 : 8 + length], rng)
        return len(head).to_bytes(8, "little") + head + self.good[8 + length :]

    def load(self, path: Path, data: bytes) -> str:
        try:
            arrays = tn.load_safetensors(path)
        except FileFormatError:
            return "refused"
        assert sum(x.nbytes for x in arrays.values()) <= len(data)
        return "loaded"


if __name__ == "__main__":
    sys.exit(min(main(), 255))
