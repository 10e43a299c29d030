"""How the time of a step grows with its network and its batch: ``python -m benchmarks.growth`` draws it.

Every point is a network of its own, timed as the workloads are (interleaved, in processes of their own, on one thread).
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import harness, settings
from benchmarks.peers import BOUND, COMPILED, SUBJECT
from benchmarks.runner import Failure, Missing, Process
from benchmarks.tasks import Training
from benchmarks.workloads import circle_points, classified_points, regression_points

__all__ = ["AXES", "LINES", "PICTURE", "Growth", "measure", "plot"]

PICTURE = Path(__file__).with_name("growth.png")
ROUNDS = 7

Growth = Mapping[str, Mapping[str, Sequence[tuple[int, float]]]]
"""For each axis and peer the points of its line: a size, and the seconds of a step."""


class Axis(NamedTuple):
    """What grows.

    Attributes
    ----------
    title : str
        What the picture says of the network.
    unit : str
        What is counted.
    sizes : tuple of int
        How many of them.
    network : callable
        The training for one such number.
    """

    title: str
    unit: str
    sizes: tuple[int, ...]
    network: Callable[[int], Training]


def _disc(n: int = 32, width: int = 16, members: int = 0) -> Training:
    return Training(
        name="growth", title="", description="", dtype="float32", sizes=(2, width, width, 1), activation="relu", loss="bce",
        optimizer="adam", lr=0.01, points=partial(circle_points, n=n), members=members,
    )  # fmt: skip


def _deep(layers: int) -> Training:
    return Training(
        name="growth", title="", description="", dtype="float32", sizes=(32,) * (layers + 1), activation="tanh", loss="mse",
        optimizer="sgd", lr=0.01, gain=3**0.5, points=partial(regression_points, n=32, width=32),
    )  # fmt: skip


def _linear(parameters: int) -> Training:
    inputs = parameters // 10 - 1
    return Training(
        name="growth", title="", description="", dtype="float32", sizes=(inputs, 10), activation="relu", loss="cross_entropy",
        optimizer="adam", lr=0.001, points=partial(classified_points, n=8, width=inputs),
    )  # fmt: skip


AXES = {
    "batch": Axis("batch (2-64-64-1, Adam)", "points", (1, 4, 16, 64, 256, 1024, 4096, 16384), partial(_disc, width=64)),
    "width": Axis("width (2-w-w-1, 32 points, Adam)", "units", (4, 16, 64, 256, 1024), lambda width: _disc(width=width)),
    "depth": Axis("depth (layers of 32, 32 points, SGD)", "layers", (1, 3, 10, 30, 100, 300, 1000), _deep),
    "parameters": Axis("parameters (linear, 8 points, Adam)", "parameters", tuple(10**k for k in range(2, 8)), _linear),
    "ensemble": Axis("ensemble (of 2-16-16-1, Adam)", "members", (1, 4, 16, 64, 256, 1024), lambda m: _disc(members=m)),
}
LINES = {
    SUBJECT: ("tinynet, eager", "#0072B2", "o", "-"),
    COMPILED: ("tinynet, compiled", "#D55E00", "s", "-"),
    BOUND: ("NumPy, tuned by hand", "#000000", "x", ":"),
    "jax": ("JAX, jit", "#009E73", "^", "--"),
    "torch": ("PyTorch, eager", "#CC79A7", "v", "--"),
}
"""The peers that are shown, each with its name, colour (told apart by the colour-blind too), marker and line."""


def measure(say: Callable[[str], None], rounds: int = ROUNDS) -> Growth:
    """The points of every line."""
    processes = {}
    for name in LINES:
        try:
            processes[name] = Process(name, settings.ONE)
        except Missing as missing:
            say(f"{name} is left out: {missing}")
    growth: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for axis_name, axis in AXES.items():
        growth[axis_name] = {name: [] for name in processes}
        for size in axis.sizes:
            say(f"growth: {size:,} {axis.unit} ...")
            ready = {}
            for name, process in processes.items():
                try:
                    process.ask("prepare", axis.network(size))
                    ready[name] = process
                except Failure as failure:
                    say(f"{name} is left out: {failure}")
            for name, seconds in harness.race(ready, rounds).items():
                growth[axis_name][name].append((size, float(np.median(seconds))))
    for process in processes.values():
        process.close()
    return growth


def plot(growth: Growth, path: Path) -> None:
    """One panel an axis, both scales logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter
    from PIL import Image  # comes with matplotlib

    with pyplot.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure, panels = pyplot.subplots(2, 3, figsize=(11, 6.4), layout="constrained")
        *panels, key = panels.ravel()
        for panel, (name, lines) in zip(panels, growth.items(), strict=True):
            for peer, points in lines.items():
                label, colour, marker, line = LINES[peer]
                sizes, seconds = np.reshape(points, (-1, 2)).T
                panel.loglog(sizes, 1e6 * seconds, color=colour, marker=marker, linestyle=line, markersize=5, label=label)
            panel.set_title(AXES[name].title, fontsize=11)
            panel.set_xlabel(AXES[name].unit)
            panel.grid(alpha=0.3, which="major")
            panel.yaxis.set_major_formatter(FuncFormatter(_duration))
        for panel in panels[::3]:
            panel.set_ylabel("time of a step")
        key.axis("off")
        key.legend(*panels[0].get_legend_handles_labels(), loc="center", frameon=False, fontsize=12)
        drawn = BytesIO()
        figure.savefig(drawn, dpi=90)
        pyplot.close(figure)
    Image.open(drawn).convert("RGB").quantize(64).save(path, optimize=True)  # a third of the size


def _duration(microseconds: float, _: Any) -> str:
    for factor, unit in ((1e6, "s"), (1e3, "ms")):
        if microseconds >= factor:
            return f"{microseconds / factor:g} {unit}"
    return f"{microseconds:g} µs"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often every peer runs at each point ({ROUNDS})")
    parser.add_argument("--out", type=Path, default=PICTURE, metavar="FILE.png", help=f"benchmarks/{PICTURE.name}")
    options = parser.parse_args(arguments)
    plot(measure(lambda line: print(line, file=sys.stderr, flush=True), options.rounds), options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
