"""The command line: which workloads, which peers, how many rounds, and where the results go."""

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks import footprint, harness, report
from benchmarks.peers import BASELINE, PEERS, SUBJECT
from benchmarks.workloads import WORKLOADS

__all__ = ["main"]

RESULTS = Path(__file__).with_name("results.md")
ROUNDS = 50
QUICK_ROUNDS = 5
GROWTH_STEPS = 1000
QUICK_GROWTH_STEPS = 100


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks; 1 if a peer computes other numbers than plain NumPy, 0 if all agree."""
    options = _parser().parse_args(arguments)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    growth_steps = QUICK_GROWTH_STEPS if options.quick else GROWTH_STEPS
    out = options.out
    if out is None and not (options.quick or options.only) and options.peers is None:
        out = RESULTS

    wanted = PEERS if options.peers is None else (BASELINE, SUBJECT, *options.peers)
    peers, missing = harness.load([name for name in PEERS if name in wanted])
    for name in missing:
        _say(f"{name} is not installed: skipped")

    measurements = []
    growth = {}
    for name in options.only or WORKLOADS:
        _say(f"{WORKLOADS[name].title} ...")
        measurements.append(harness.measure(WORKLOADS[name], peers, rounds))
        growth[name] = footprint.memory_growth(name, growth_steps)
    _say("import time ...")
    results = report.Results(
        command=_command(arguments),
        date=options.date,
        rounds=rounds,
        peers=peers,
        missing=missing,
        measurements=measurements,
        growth_steps=growth_steps,
        growth=growth,
        import_milliseconds=footprint.import_milliseconds(rounds),
        checkpoint=footprint.checkpoint_kibibytes(),
    )
    print(report.markdown(results))
    wrong = [f"{name} is excluded from {m.workload.name}: {reason}" for m in measurements for name, reason in m.wrong.items()]
    for line in wrong:
        _say(line)
    if out is not None and not wrong:
        out.write_text(report.markdown(results), encoding="utf-8")
        out.with_suffix(".json").write_text(json.dumps(report.as_json(results), indent=1) + "\n", encoding="utf-8")
        _say(f"written: {out.name} and {out.with_suffix('.json').name}")
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=report.METHOD)
    parser.add_argument("--quick", action="store_true", help="few rounds, under 30 seconds, no file written unless --out")
    parser.add_argument("--rounds", type=int, help=f"how often every peer runs ({ROUNDS}; {QUICK_ROUNDS} if --quick)")
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, metavar="NAME", help=f"workloads: {', '.join(WORKLOADS)}")
    others = [name for name in PEERS if name not in (BASELINE, SUBJECT)]
    parser.add_argument("--peers", nargs="*", choices=others, metavar="PEER", help=f"beside NumPy: {', '.join(others)}")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="where to write the table, and FILE.json beside it; "
                        f"benchmarks/{RESULTS.name} for a run of everything, nowhere otherwise")
    parser.add_argument("--date", help="a date to put in the results")
    return parser


def _command(arguments: Sequence[str]) -> str:
    """The command that was given, without the path of the results."""
    shown = [word for before, word in pairwise(["", *arguments]) if "--out" not in (before, word.partition("=")[0])]
    return " ".join(["python -m benchmarks", *shown])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
