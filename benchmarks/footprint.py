"""What tinynet costs beside the time of a step: the time to import it, and the memory that training holds on to.

Both are measured in new interpreters, where nothing else is loaded.
"""

import gc
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import harness
from benchmarks.peers import SUBJECT
from benchmarks.workloads import WORKLOADS

__all__ = ["LAYERS", "checkpoint_kibibytes", "import_milliseconds", "memory_growth"]

ROOT = Path(__file__).parents[1]
WARM_UP = 300
LAYERS, GROUP, BATCH, WIDTH = 36, 6, 4096, 64


def import_milliseconds(rounds: int) -> dict[str, float]:
    """The median time to import numpy, and what importing tinynet after it adds, both with their bytecode cached."""
    with TemporaryDirectory() as cache:
        samples = np.array([_import_times(cache) for _ in range(rounds + 1)])[1:]  # the first compiles
    numpy, difference = np.median(samples, axis=0).tolist()
    return {"numpy": numpy, "tinynet": numpy + difference, "difference": difference}


def memory_growth(name: str, steps: int) -> int:
    """By how many KiB the peak memory of the process grows over so many steps of a workload in tinynet.

    The garbage collector is off: what is not freed by reference counts is not freed at all.
    """
    return int(_output(f"from benchmarks.footprint import _run; print(_run({name!r}, {steps}))"))


def checkpoint_kibibytes() -> dict[str, int]:
    """What a forward and a backward pass of many tanh layers add to the peak memory, for each size of checkpointed groups."""
    command = "from benchmarks.footprint import _pass; print(_pass({}))"
    return {
        "without": int(_output(command.format(LAYERS))),
        f"groups of {GROUP}": int(_output(command.format(GROUP))),
    }


def _pass(size: int) -> int:
    import tinynet as tn

    layers = [layer for i in range(LAYERS) for layer in (tn.nn.Linear(WIDTH, WIDTH, rng=i), tn.nn.Tanh())]
    groups = [tn.nn.Sequential(*layers[i : i + 2 * size]) for i in range(0, 2 * LAYERS, 2 * size)]
    y = tn.tensor(np.ones((BATCH, WIDTH)))
    before = _peak_kibibytes()
    for group in groups:
        y = group(y) if len(groups) == 1 else tn.checkpoint(group)(y)
    y.sum().backward()
    return _peak_kibibytes() - before


def _run(name: str, steps: int) -> int:
    workload = WORKLOADS[name]
    peers, _ = harness.load([SUBJECT])
    step = peers[SUBJECT].builders[name](workload, workload.timed_lr).step
    gc.disable()
    for _ in range(WARM_UP):
        step()
    before = _peak_kibibytes()
    for _ in range(steps):
        step()
    return _peak_kibibytes() - before


def _peak_kibibytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where getrusage begins with the peak of the process that started this one
        return int(status.read_text().partition("VmHWM:")[2].split()[0])
    from resource import RUSAGE_SELF, getrusage  # Unix only

    peak = getrusage(RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


def _import_times(cache: str) -> list[float]:
    code = "import time; t = [time.perf_counter()]"
    for module in ("numpy", "tinynet"):
        code += f"; import {module}; t.append(time.perf_counter())"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start, middle, end = map(float, _output(f"{code}; print(*t)", environment | {"PYTHONPYCACHEPREFIX": cache}).split())
    return [1e3 * (middle - start), 1e3 * (end - middle)]


def _output(code: str, environment: dict[str, str] | None = None) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
