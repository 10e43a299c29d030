"""One peer, and what can be asked of it: in this process, or in one of its own."""

import ctypes
import gc
import multiprocessing
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.peers import PEERS, Contestant
from benchmarks.settings import environment
from benchmarks.tasks import Array, Workload

__all__ = ["FIRST_STEPS", "Failure", "Missing", "Process", "Runner", "peak_kibibytes"]

BLOCK = 0.02
CHECKED_STEPS = 20
FIRST_STEPS = 3
"""In which a compiler compiles, and tinynet's records and records once more."""

Build = Callable[[Any, float], Contestant]


class Missing(Exception):
    """The peer's library is not installed."""


class Failure(Exception):
    """The peer's library cannot run the workload."""


class Runner:
    """A peer in this process.

    Parameters
    ----------
    label : str
        Its name in the report.
    builders : mapping
        For each kind of workload how it is built.
    """

    def __init__(self, label: str, builders: Mapping[type[Workload], Build]) -> None:
        self.label = label
        self.builders = builders

    @classmethod
    def load(cls, peer: str) -> "Runner":
        try:
            module = import_module(PEERS[peer].module)
        except ImportError as error:
            raise Missing(str(error)) from error
        return cls(module.LABEL, module.BUILDERS)

    def ask(self, what: str, *arguments: Any) -> Any:
        """What the method of that name gives."""
        return getattr(self, what)(*arguments)

    def takes_part(self, workload: Workload) -> bool:
        return type(workload) in self.builders

    def numbers(self, workload: Workload) -> dict[str, Array]:
        """The losses of the first steps and how far they moved the weights (or, where nothing moves, the gradient)."""
        contestant = self._build(workload, workload.lr)
        losses = np.array([contestant.step().item() for _ in range(CHECKED_STEPS)])
        moved = [np.ravel(now - start) for now, start in zip(contestant.result(), workload.origin(), strict=True)]
        return {"losses": losses, workload.outcome: np.concatenate(moved)}

    def prepare(self, workload: Workload) -> tuple[float, int]:
        """Get ready for `block`: the seconds of the first steps, and the calls of NumPy in a step, where known.

        The garbage collector is on, as it is for a user; but what exists beforehand is set aside.
        """
        contestant = self._build(workload, workload.timed_lr)
        begin = perf_counter()
        for _ in range(FIRST_STEPS):
            contestant.step().item()
        first = perf_counter() - begin
        gc.collect()
        gc.freeze()
        self._contestant, self._steps = contestant, 1
        while (elapsed := self._elapsed()) < BLOCK:
            self._steps *= 2
        self._steps = max(1, round(self._steps * BLOCK / elapsed))
        return first, contestant.calls()

    def block(self) -> float:
        """Seconds a step, over about `BLOCK` seconds."""
        self._contestant.step()  # what slept wakes up
        return self._elapsed() / self._steps

    def call_cost(self, rounds: int) -> float | None:
        """The seconds of a step that its replay does not take; None for a peer that does not tell them apart."""
        if self._contestant.replay is None:
            return None
        replay = self._contestant.replay()
        costs = []
        for _ in range(rounds):
            begin = perf_counter()
            for _ in range(self._steps):
                replay()
            alone = (perf_counter() - begin) / self._steps
            costs.append(self.block() - alone)
        return float(np.median(costs))

    def peak_after(self, workload: Workload, steps: int, warm_up: int = 0) -> tuple[int, int]:
        """The peak memory of this process in KiB, after the first steps and after so many more; without garbage collector."""
        contestant = self._build(workload, workload.timed_lr)
        gc.disable()
        for _ in range(warm_up):
            contestant.step()
        before = peak_kibibytes()
        for _ in range(steps):
            contestant.step()
        return before, peak_kibibytes()

    def kernels(self) -> str:
        """The processor for which NumPy's OpenBLAS computes in this process; "" where it has another BLAS."""
        name = getattr(ctypes.CDLL(np._core._multiarray_umath.__file__), "scipy_openblas_get_corename64_", None)
        if name is None:
            return ""
        name.restype = ctypes.c_char_p
        return str(name().decode())

    def _build(self, workload: Workload, lr: float) -> Contestant:
        return self.builders[type(workload)](workload, lr)

    def _elapsed(self) -> float:
        step = self._contestant.step
        begin = perf_counter()
        for _ in range(self._steps):
            loss = step()
        loss.item()  # waits for a library that computes behind the caller's back
        return perf_counter() - begin


class Process:
    """A peer in a process of its own, where nothing else is loaded, with the threads of a setting."""

    def __init__(self, peer: str, setting: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, peer), daemon=True)
        with environment(setting):
            self.process.start()
        theirs.close()
        self.label: str = self._answer()

    def ask(self, what: str, *arguments: Any) -> Any:
        self.connection.send((what, arguments))
        return self._answer()

    def close(self) -> None:
        self.connection.close()
        self.process.join()

    def _answer(self) -> Any:
        answer = self.connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(connection: Connection, peer: str) -> None:
    """Answer until nobody asks any more."""
    try:
        runner = Runner.load(peer)
    except Missing as error:
        connection.send(error)
        return
    connection.send(runner.label)
    while True:
        try:
            what, arguments = connection.recv()
        except EOFError:
            return
        try:
            connection.send(runner.ask(what, *arguments))
        except Exception as error:
            connection.send(Failure(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"))


def peak_kibibytes() -> int:
    """The peak memory of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where getrusage begins with the peak of the process that started this one
        return int(status.read_text().partition("VmHWM:")[2].split()[0])
    from resource import RUSAGE_SELF, getrusage  # Unix only

    peak = getrusage(RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak
