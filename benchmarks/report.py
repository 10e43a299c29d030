"""The results as a Markdown table, which is read in the terminal too, and as JSON."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.footprint import LAYERS
from benchmarks.harness import Measurement, Peer
from benchmarks.peers import BASELINE, SUBJECT

__all__ = ["METHOD", "Results", "as_json", "markdown"]

METHOD = (
    "The same maths, initial weights, data and dtype for every library, one thread each. Before a library is timed, its losses "
    "over 20 steps and the change of its weights (its gradient, for the chain) are compared with plain NumPy's. Each round "
    "gives every library a block of steps of about 20 ms, in rotating order; reported are the median over the rounds, the "
    "quartiles, and the median of the ratios within a round. While the clock runs the learning rate is so small that the "
    "weights stay where they start: networks that are trained to the end have gradients, and moments in Adam, among the "
    "denormal numbers, which are slow to compute with. The garbage collector is on."
)


@dataclass(frozen=True)
class Results:
    """All that a run found, and how it was run."""

    command: str
    date: str | None
    rounds: int
    peers: Mapping[str, Peer]
    missing: Sequence[str]
    measurements: Sequence[Measurement]
    growth_steps: int
    growth: Mapping[str, int]
    import_milliseconds: Mapping[str, float]
    checkpoint: Mapping[str, int]


def as_json(results: Results) -> dict[str, Any]:
    """The figures as plain dicts and lists."""
    return {
        "command": results.command,
        "date": results.date,
        "machine": _machine(results),
        "rounds": results.rounds,
        "workloads": {
            m.workload.name: {
                "title": m.workload.title,
                "description": m.workload.description,
                "dtype": m.workload.dtype,
                "microseconds_per_step": {
                    name: {
                        "median": _round(1e6 * np.median(seconds)),
                        "quartiles": [_round(1e6 * q) for q in np.quantile(seconds, (0.25, 0.75))],
                        "tinynet_over_this": _ratio(m, name),
                        "rounds": [_round(1e6 * s) for s in seconds],
                    }
                    for name, seconds in m.seconds.items()
                },
            }
            for m in results.measurements
        },
        "import_milliseconds": {name: _round(value) for name, value in results.import_milliseconds.items()},
        "memory_growth_kibibytes": {"steps": results.growth_steps, **results.growth},
        "checkpoint_kibibytes": dict(results.checkpoint),
    }


def markdown(results: Results) -> str:
    """The report: a table, what else was measured, how, and on what machine."""
    workloads = "\n".join(
        f"- {m.workload.title}: {m.workload.description}, in {m.workload.dtype}" for m in results.measurements
    )
    machine = "\n".join(f"- {what}: {value}" for what, value in _machine(results).items())
    imports = results.import_milliseconds
    growth = ", ".join(f"{name} {kibibytes} KiB" for name, kibibytes in results.growth.items())
    checkpoint = ", ".join(f"{kibibytes / 1024:.0f} MiB {how}" for how, kibibytes in results.checkpoint.items())
    sections = [
        "# Benchmarks",
        f"Made by `{results.command}`" + (f" on {results.date}." if results.date else "."),
        _table(results),
        workloads,
        f"`import tinynet` takes {imports['tinynet']:.0f} ms, {imports['difference']:.1f} ms more than `import numpy`.",
        f"Growth of tinynet's peak memory over {results.growth_steps:,} steps with the garbage collector off: {growth}.",
        f"Memory of one forward and backward pass of {LAYERS} tanh layers, with `tn.checkpoint` and without: {checkpoint}.",
        METHOD,
        machine,
    ]
    return "\n\n".join(sections) + "\n"


def _table(results: Results) -> str:
    head = ["workload", "library", "µs a step", "quartiles", "tinynet's time ÷ its"]
    rows = []
    for m in results.measurements:
        title = m.workload.title
        for name, seconds in m.seconds.items():
            median = 1e6 * np.median(seconds)
            low, high = (_figure(1e6 * q) for q in np.quantile(seconds, (0.25, 0.75)))
            each = f" ({_figure(median / m.workload.operations)} an operation)" if m.workload.operations else ""
            ratio = _ratio(m, name)
            ratio_shown = "" if ratio is None or name == SUBJECT else f"{ratio:.2f}"
            rows.append([title, results.peers[name].label, _figure(median) + each, f"{low} to {high}", ratio_shown])
            title = ""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    rule = ["-" * widths[0], "-" * widths[1], *("-" * (width - 1) + ":" for width in widths[2:])]
    align = [str.ljust, str.ljust, str.rjust, str.rjust, str.rjust]
    lines = ([put(cell, width) for put, cell, width in zip(align, row, widths, strict=True)] for row in [head, rule, *rows])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ratio(measurement: Measurement, name: str) -> float | None:
    """tinynet's time over that of a library: the median of the ratios within each round; None if tinynet did not run."""
    if SUBJECT not in measurement.seconds:
        return None
    return _round(np.median(measurement.seconds[SUBJECT] / measurement.seconds[name]))


def _machine(results: Results) -> dict[str, str]:
    """Where the figures come from; nothing that names a particular machine."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    others = [f"{name} {version(name)}" for name in results.peers if name not in (BASELINE, SUBJECT)]
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores; {platform.system()}",
        "Python": platform.python_version(),
        "NumPy": f"{np.__version__} with {blas['name']} {blas['version']}",
        "libraries": ", ".join(others) or "none",
        "not installed": ", ".join(results.missing) or "none",
        "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
        "rounds": str(results.rounds),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _figure(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def _round(value: Any) -> float:
    return float(f"{value:.4g}")
