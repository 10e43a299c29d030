"""The results as Markdown tables, which are read in the terminal too, and as JSON."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.footprint import LAYERS, PEAK_STEPS
from benchmarks.growth import Growth
from benchmarks.harness import Measurement
from benchmarks.peers import BASELINE, BOUND, COMPILED, COMPILERS, PEERS, SUBJECT

__all__ = ["METHOD", "Results", "as_json", "markdown", "processor"]

METHOD = (
    "The same maths, initial weights, data and dtype for every library, each in processes of its own; with one thread, on one"
    " processor. A step gets its batch as NumPy arrays, as a data set gives them. Before a library is timed, its losses over "
    "20 steps and the change of its weights (its gradient, where nothing is learned) are compared with plain NumPy's. Each "
    "round gives every library a block of steps of about 20 ms, in rotating order; reported are medians over the rounds, and "
    "medians of the ratios within a round. While the clock runs the learning rate is so small that the weights stay where "
    "they start: networks that are trained to the end have gradients, and moments in Adam, among the denormal numbers, which "
    "are slow to compute with. The garbage collector is on."
)
RATIOS = (
    ("compiled ÷ tuned by hand", COMPILED, (BOUND,)),
    ("compiled ÷ best of the compilers", COMPILED, COMPILERS),
    ("eager ÷ NumPy by hand", SUBJECT, (BASELINE,)),
    ("eager ÷ PyTorch, eager", SUBJECT, ("torch",)),
    ("eager ÷ best of autograd and mygrad", SUBJECT, ("autograd", "mygrad")),
)
"""For each ratio its title, a peer, and those of which it is measured against the fastest."""


@dataclass(frozen=True)
class Results:
    """All that a run found, and how it was run."""

    command: str
    date: str | None
    rounds: int
    labels: Mapping[str, str]
    missing: Sequence[str]
    measurements: Mapping[str, Sequence[Measurement]]
    import_milliseconds: Mapping[str, float]
    peak_mebibytes: Mapping[str, float]
    leak_steps: int
    leaks: Mapping[str, Mapping[str, int]]
    checkpoint: Mapping[str, int]
    growth: Growth
    kernels: str


def as_json(results: Results) -> dict[str, Any]:
    """The figures as plain dicts and lists."""
    return {
        "command": results.command,
        "date": results.date,
        "machine": _machine(results),
        "rounds": results.rounds,
        "settings": {
            setting: {
                m.workload.name: {
                    "microseconds_per_step": {name: _spread(seconds) for name, seconds in m.seconds.items()},
                    "ratios": {title: _round(ratio) for title, ratio in _ratios(m)},
                    "compiling_milliseconds": {name: _round(1e3 * m.compiling[name]) for name in _compilers(m)},
                    "call_cost_microseconds": {name: _round(1e6 * cost) for name, cost in m.call_cost.items()},
                    "numpy_calls_per_step": m.calls,
                    "cannot_run": m.failed,
                }
                for m in measurements
            }
            for setting, measurements in results.measurements.items()
        },
        "import_milliseconds": {name: _round(value) for name, value in results.import_milliseconds.items()},
        "peak_mebibytes": {name: _round(value) for name, value in results.peak_mebibytes.items()},
        "leak_kibibytes": {"steps": results.leak_steps, **results.leaks},
        "checkpoint_kibibytes": dict(results.checkpoint),
        "growth_microseconds_per_step": {
            axis: {name: [(size, _round(1e6 * seconds)) for size, seconds in points] for name, points in lines.items()}
            for axis, lines in results.growth.items()
        },
    }


def markdown(results: Results) -> str:
    """The report: the tables, what else was measured, how, and on what machine."""
    checkpoint = ", ".join(f"{kibibytes / 1024:.0f} MiB {how}" for how, kibibytes in results.checkpoint.items())
    workloads = {m.workload.name: m.workload for each in results.measurements.values() for m in each}
    sections = ["# Benchmarks", f"Made by `{results.command}`" + (f" on {results.date}." if results.date else ".")]
    for setting, measurements in results.measurements.items():
        sections += [
            f"## {setting.capitalize()}",
            "Microseconds a step:",
            _table(["", *(m.workload.title for m in measurements)], _times(results, measurements)),
            "Ratios (where they are below 1, tinynet is the faster one):",
            _table(["", *(m.workload.title for m in measurements)], _ratio_rows(measurements)),
            "Milliseconds that the first three steps take more than later ones (compiling, recording), calls of NumPy a step, "
            "and microseconds that a compiled call takes beside its replay (looking at arguments, copying):",
            _table(["", *(m.workload.title for m in measurements)], _compilation(results, measurements)),
        ]
    sections += [
        "## Import and memory",
        f"Milliseconds to import, and the peak memory of a process that does nothing but {PEAK_STEPS} steps of the circle:",
        _table(["", "import, ms", "peak, MiB"], _footprints(results)),
        *(
            f"Growth of the peak memory of {results.labels[name]} over {results.leak_steps:,} steps with the garbage collector "
            f"off: {', '.join(f'{workload} {kibibytes} KiB' for workload, kibibytes in leaks.items())}."
            for name, leaks in results.leaks.items()
        ),
        f"Memory of one forward and backward pass of {LAYERS} tanh layers, with `tn.checkpoint` and without: {checkpoint}.",
        *(["## Growth", "![Time of a step as its network grows](growth.png)"] if results.growth else []),
        "## How",
        "\n".join(f"- {w.title}: {w.description}, in {w.dtype}" for w in workloads.values()),
        METHOD,
        "\n".join(f"- {what}: {value}" for what, value in _machine(results).items()),
    ]
    return "\n\n".join(sections) + "\n"


def _times(results: Results, measurements: Sequence[Measurement]) -> Iterator[list[str]]:
    for name, label in results.labels.items():
        yield [label, *(_figure(1e6 * np.median(m.seconds[name])) if name in m.seconds else "" for m in measurements)]


def _ratio_rows(measurements: Sequence[Measurement]) -> Iterator[list[str]]:
    found = [dict(_ratios(m)) for m in measurements]
    for title, _, _ in RATIOS:
        if any(title in ratios for ratios in found):
            yield [title, *(f"{ratios[title]:.2f}" if title in ratios else "" for ratios in found)]


def _ratios(m: Measurement) -> Iterator[tuple[str, float]]:
    for title, name, others in RATIOS:
        there = [other for other in others if other in m.seconds]
        if there and name in m.seconds:
            best = min(there, key=lambda other: np.median(m.seconds[other]))
            yield title, float(np.median(m.seconds[name] / m.seconds[best]))


def _compilation(results: Results, measurements: Sequence[Measurement]) -> Iterator[list[str]]:
    for name in (COMPILED, *COMPILERS):
        if name in results.labels:
            cells = (_figure(1e3 * m.compiling[name]) if name in m.compiling else "" for m in measurements)
            yield [f"{results.labels[name]}: compiling", *cells]
    for name in (BOUND, COMPILED):
        if name in results.labels:
            yield [f"{results.labels[name]}: calls", *(f"{m.calls[name]:,}" if name in m.calls else "" for m in measurements)]
    if COMPILED in results.labels:
        costs = (_figure(1e6 * m.call_cost[COMPILED]) if COMPILED in m.call_cost else "" for m in measurements)
        yield [f"{results.labels[COMPILED]}: cost of the call", *costs]


def _footprints(results: Results) -> Iterator[list[str]]:
    for name, label in results.labels.items():
        library = PEERS[name].library
        yield [label, _figure(results.import_milliseconds[library]), _figure(results.peak_mebibytes[name])]


def _compilers(m: Measurement) -> list[str]:
    return [name for name in (COMPILED, *COMPILERS) if name in m.compiling]


def _table(head: Sequence[str], rows: Iterator[list[str]]) -> str:
    """A Markdown table whose columns are aligned: the first to the left, the others to the right."""
    lines = [list(head), *rows]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(head))]
    lines.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    align = [str.ljust, *[str.rjust] * (len(head) - 1)]
    aligned = ([put(cell, width) for put, cell, width in zip(align, line, widths, strict=True)] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in aligned)


def _machine(results: Results) -> dict[str, str]:
    """Where the figures come from; nothing that names a particular machine."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    others = dict.fromkeys(PEERS[name].library for name in results.labels if PEERS[name].library not in ("numpy", "tinynet"))
    kernels = f", kernels for {results.kernels}" if results.kernels else ""
    return {
        "processor": f"{processor()}, {os.cpu_count()} cores; {platform.system()}",
        "Python": platform.python_version(),
        "NumPy": f"{np.__version__} with {blas['name']} {blas['version']}{kernels}",
        "libraries": ", ".join(f"{name} {version(name)}" for name in others) or "none",
        "left out": ", ".join(results.missing) or "none",
        "rounds": str(results.rounds),
    }


def processor() -> str:
    """What the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _spread(seconds: Any) -> dict[str, Any]:
    return {
        "median": _round(1e6 * np.median(seconds)),
        "quartiles": [_round(1e6 * q) for q in np.quantile(seconds, (0.25, 0.75))],
    }


def _figure(value: Any) -> str:
    """Three digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def _round(value: Any) -> float:
    return float(f"{value:.4g}")
