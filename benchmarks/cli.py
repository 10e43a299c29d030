"""The command line: which workloads, which peers, how many rounds, and where the results go."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks import footprint, growth, report, settings
from benchmarks.harness import Measurement, measure
from benchmarks.peers import COMPILED, OWN, PEERS, SUBJECT
from benchmarks.runner import Missing, Process
from benchmarks.workloads import WORKLOADS

__all__ = ["main"]

RESULTS = Path(__file__).with_name("results.md")
ROUNDS, QUICK_ROUNDS = 30, 3
IMPORT_ROUNDS, QUICK_IMPORT_ROUNDS = 10, 2
LEAK_STEPS, QUICK_LEAK_STEPS = 1000, 50


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks; 1 if a peer computes other numbers than plain NumPy, or tinynet fails, 0 if all is well."""
    options = _parser().parse_args(arguments)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    leak_steps = QUICK_LEAK_STEPS if options.quick else LEAK_STEPS
    names = [name for name in PEERS if options.peers is None or name in (*OWN, *options.peers)]
    workloads = options.only or list(WORKLOADS)
    everything = not (options.quick or options.only or options.threads) and options.peers is None
    out = options.out or (RESULTS if everything else None)

    labels: dict[str, str] = {}
    missing: dict[str, str] = {}
    measurements = {
        setting: _measure(setting, names, workloads, rounds, labels, missing)
        for setting in options.threads or settings.SETTINGS
    }
    for name, reason in missing.items():
        _say(f"{name} is left out: {reason}")
    _say("import time and memory ...")
    results = report.Results(
        command=_command(arguments),
        date=options.date,
        rounds=rounds,
        labels=labels,
        missing=list(missing),
        measurements=measurements,
        import_milliseconds=footprint.import_milliseconds(
            sorted({PEERS[name].library for name in labels}), QUICK_IMPORT_ROUNDS if options.quick else IMPORT_ROUNDS
        ),
        peak_mebibytes={name: footprint.peak_mebibytes(name) for name in labels},
        leak_steps=leak_steps,
        leaks={
            name: {workload: footprint.memory_growth(workload, leak_steps, name) for workload in workloads}
            for name in (SUBJECT, COMPILED)
            if name in labels
        },
        checkpoint=footprint.checkpoint_kibibytes(),
        growth=growth.measure(_say) if everything else {},
        kernels=footprint.kernels(),
    )
    print(report.markdown(results))
    complaints = [f"{name} has to be there" for name in missing if name in OWN] + list(_complaints(measurements))
    for line in complaints:
        _say(line)
    if out is not None and not complaints:
        out.write_text(report.markdown(results), encoding="utf-8")
        out.with_suffix(".json").write_text(json.dumps(report.as_json(results), indent=1) + "\n", encoding="utf-8")
        _say(f"written: {out.name} and {out.with_suffix('.json').name}")
        if results.growth:
            _say(_drawn(results.growth, out.with_name(growth.PICTURE.name)))
    return 1 if complaints else 0


def _measure(
    setting: str, names: Sequence[str], workloads: Sequence[str], rounds: int, labels: dict[str, str], missing: dict[str, str]
) -> list[Measurement]:
    """The measurements in one setting; the peers that are there are entered in `labels`, the others in `missing`."""
    peers = {}
    for name in names:
        try:
            peers[name] = Process(name, setting)
        except Missing as error:
            missing[name] = str(error)
        else:
            labels[name] = peers[name].label
    measurements = []
    for workload in workloads:
        _say(f"{workload}, {setting} ...")
        measurements.append(measure(WORKLOADS[workload], peers, rounds))
    for peer in peers.values():
        peer.close()
    return measurements


def _drawn(points: growth.Growth, picture: Path) -> str:
    try:
        growth.plot(points, picture)
    except ModuleNotFoundError as error:
        return f"no picture: {error}"
    return f"written: {picture.name}"


def _complaints(measurements: dict[str, list[Measurement]]) -> Iterator[str]:
    for setting, each in measurements.items():
        for m in each:
            for name, reason in m.wrong.items():
                yield f"{name} is excluded from {m.workload.name} ({setting}): {reason}"
            for name, reason in m.failed.items():
                if name in OWN:
                    yield f"{name} fails in {m.workload.name} ({setting}): {reason}"
                else:
                    _say(f"{name} cannot run {m.workload.name} ({setting}): {reason}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=report.METHOD)
    parser.add_argument("--quick", action="store_true", help="few rounds, no growth, no file unless --out")
    parser.add_argument("--rounds", type=int, help=f"how often every peer runs ({ROUNDS}; {QUICK_ROUNDS} if --quick)")
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, metavar="NAME", help=f"workloads: {', '.join(WORKLOADS)}")
    others = [name for name in PEERS if name not in OWN]
    parser.add_argument("--peers", nargs="*", choices=others, metavar="PEER", help=f"beside our own: {', '.join(others)}")
    parser.add_argument("--threads", nargs="+", choices=settings.SETTINGS, metavar="SETTING",
                        help=f"settings: {', '.join(map(repr, settings.SETTINGS))}")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="where to write the tables, and FILE.json beside them; "
                        f"benchmarks/{RESULTS.name} for a run of everything, nowhere otherwise")  # fmt: skip
    parser.add_argument("--date", help="a date to put in the results")
    return parser


def _command(arguments: Sequence[str]) -> str:
    """The command that was given, without the path of the results."""
    shown = [word for before, word in pairwise(["", *arguments]) if "--out" not in (before, word.partition("=")[0])]
    return " ".join(["python -m benchmarks", *shown])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
