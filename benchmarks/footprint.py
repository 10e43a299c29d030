"""What a library costs beside the time of a step: the time to import it, and the memory that training takes and holds on to.

Everything is measured in new interpreters, where nothing else is loaded, on one thread.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks import settings
from benchmarks.peers import SUBJECT
from benchmarks.runner import Process
from benchmarks.workloads import WORKLOADS

__all__ = ["LAYERS", "PEAK_STEPS", "checkpoint_kibibytes", "import_milliseconds", "kernels", "memory_growth", "peak_mebibytes"]

ROOT = Path(__file__).parents[1]
PEAK_STEPS = 200
LAYERS, GROUP, BATCH, WIDTH = 36, 6, 4096, 64


def import_milliseconds(libraries: Sequence[str], rounds: int) -> dict[str, float]:
    """The median time to import each library, with its bytecode cached."""
    with TemporaryDirectory() as cache:
        samples = [[_import_time(library, cache) for library in libraries] for _ in range(rounds + 1)][1:]  # the first compiles
    return dict(zip(libraries, np.median(samples, axis=0).tolist(), strict=True))


def peak_mebibytes(peer: str) -> float:
    """The peak memory of a process that does nothing but some steps of the circle."""
    _, peak = _alone(peer, "peak_after", WORKLOADS["circle"], PEAK_STEPS)
    return float(peak / 1024)


def memory_growth(name: str, steps: int, peer: str = SUBJECT) -> int:
    """By how many KiB the peak memory grows over so many steps of a workload, once a third as many have been run.

    The garbage collector is off: what is not freed by reference counts is not freed at all.
    """
    before, after = _alone(peer, "peak_after", WORKLOADS[name], steps, steps // 3)
    return int(after - before)


def kernels() -> str:
    """The processor for which OpenBLAS computes in the processes that are measured; "" where another library does."""
    name: str = _alone(SUBJECT, "kernels")
    return name


def _alone(peer: str, what: str, *arguments: Any) -> Any:
    """What a new process of the peer answers."""
    process = Process(peer, settings.ONE)
    try:
        return process.ask(what, *arguments)
    finally:
        process.close()


def checkpoint_kibibytes() -> dict[str, int]:
    """What a forward and a backward pass of many tanh layers add to the peak memory, for each size of checkpointed groups."""
    command = "from benchmarks.footprint import _pass; print(_pass({}))"
    return {
        "without": int(_output(command.format(LAYERS))),
        f"in groups of {GROUP}": int(_output(command.format(GROUP))),
    }


def _pass(size: int) -> int:
    import tinynet as tn
    from benchmarks.runner import peak_kibibytes

    layers = [layer for i in range(LAYERS) for layer in (tn.nn.Linear(WIDTH, WIDTH, rng=i), tn.nn.Tanh())]
    groups = [tn.nn.Sequential(*layers[i : i + 2 * size]) for i in range(0, 2 * LAYERS, 2 * size)]
    y = tn.tensor(np.ones((BATCH, WIDTH)))
    before = peak_kibibytes()
    for group in groups:
        y = group(y) if len(groups) == 1 else tn.checkpoint(group)(y)
    y.sum().backward()
    return peak_kibibytes() - before


def _import_time(library: str, cache: str) -> float:
    code = f"import time; begin = time.perf_counter(); import {library}; print(1e3 * (time.perf_counter() - begin))"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return float(_output(code, environment | {"PYTHONPYCACHEPREFIX": cache}))


def _output(code: str, environment: dict[str, str] | None = None) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
