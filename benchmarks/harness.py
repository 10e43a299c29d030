"""How a workload is measured: first every peer must get plain NumPy's numbers, then all of them run in turn.

A round gives each peer one block of steps, in an order that rotates from round to round, so that whatever slows the machine
for a while slows all of them. A block lasts about 20 ms; its steps are calibrated for each peer beforehand.
"""

from collections.abc import Mapping
from time import sleep
from typing import Any, NamedTuple, Protocol

import numpy as np

from benchmarks.peers import BASELINE
from benchmarks.runner import FIRST_STEPS, Failure
from benchmarks.tasks import Array, Workload

__all__ = ["Measurement", "disagreement", "measure", "race"]

PAUSE = 0.02
"""Seconds between two blocks, in which the threads of the one before fall asleep."""

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


class Peer(Protocol):
    """A `Runner`, or a `Process` that has one."""

    def ask(self, what: str, *arguments: Any) -> Any: ...


class Measurement(NamedTuple):
    """What came of one workload.

    Attributes
    ----------
    seconds : dict
        For each peer that ran, the seconds a step in each round.
    compiling : dict
        For each peer that ran, the seconds that its first steps took more than later ones.
    call_cost : dict
        For each peer that tells them apart, the seconds of a step that its replay does not take.
    calls : dict
        For each peer of which it is known, how many calls of NumPy a step makes.
    wrong : dict
        For each peer that was excluded because its numbers differ, in what.
    failed : dict
        For each peer that was excluded because it cannot run the workload, why.
    """

    workload: Workload
    seconds: dict[str, Array]
    compiling: dict[str, float]
    call_cost: dict[str, float]
    calls: dict[str, int]
    wrong: dict[str, str]
    failed: dict[str, str]


def measure(workload: Workload, peers: Mapping[str, Peer], rounds: int) -> Measurement:
    """Check the peers that take part in a workload against `BASELINE`, which must be among them, and time those that agree."""
    reference = peers[BASELINE].ask("numbers", workload)
    racers: dict[str, Peer] = {}
    prepared: dict[str, tuple[float, int]] = {}
    wrong, failed = {}, {}
    for name, peer in peers.items():
        if not peer.ask("takes_part", workload):
            continue
        try:
            reason = disagreement(workload, peer.ask("numbers", workload), reference)
            if reason:
                wrong[name] = reason
            else:
                prepared[name] = peer.ask("prepare", workload)
                racers[name] = peer
        except Failure as failure:
            failed[name] = str(failure)
    seconds = race(racers, rounds)
    costs = {name: peer.ask("call_cost", rounds) for name, peer in racers.items()}
    return Measurement(
        workload,
        seconds,
        compiling={name: first - FIRST_STEPS * float(np.median(seconds[name])) for name, (first, _) in prepared.items()},
        call_cost={name: cost for name, cost in costs.items() if cost is not None},
        calls={name: calls for name, (_, calls) in prepared.items() if calls},
        wrong=wrong,
        failed=failed,
    )


def disagreement(workload: Workload, mine: dict[str, Array], reference: dict[str, Array]) -> str:
    """In which numbers a peer differs from the reference, relative to the norm of the whole array; empty if in none."""
    for what, right in reference.items():
        got = mine[what]
        if got.shape != right.shape:
            return f"its {what} have shape {got.shape}, not {right.shape}"
        error = np.linalg.norm(got - right) / np.linalg.norm(right)
        if not error <= TOLERANCE[workload.dtype]:  # NaN is no agreement either
            return f"its {what} differ by {error:.1e}, more than {TOLERANCE[workload.dtype]:.0e} ({workload.dtype})"
    return ""


def race(racers: Mapping[str, Peer], rounds: int) -> dict[str, Array]:
    """Seconds a step of each racer, which has been prepared, in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in racers}
    order = list(racers)
    for _ in range(rounds):
        for name in order:
            seconds[name].append(racers[name].ask("block"))
            sleep(PAUSE)
        order.append(order.pop(0))
    return {name: np.array(values) for name, values in seconds.items()}
