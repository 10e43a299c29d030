"""Many networks at once against one after another: ``python -m benchmarks.members`` tells how many times faster a stack is.

What it said is in `members.txt`.

The circle networks (2-16-16-1 ReLU, binary cross-entropy on logits, Adam, batches of 32, float32), with a training set and an
order of the rows that each member has alone. Both ways take turns, so that what slows the machine down slows both; the ratio
is that of the medians. At the end the members' weights are compared.
"""

import argparse
import platform
from itertools import pairwise
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import tinynet as tn
from benchmarks.report import processor
from tinynet import nn

__all__ = ["main", "measured"]

ROWS, BATCH = 256, 32


def network(seed: int) -> nn.Module:
    rng = np.random.default_rng(seed)
    sizes = (2, 16, 16, 1)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out, rng=rng, dtype="float32"), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def trainer(model: nn.Module, rng: Any, compiled: bool) -> tn.Trainer:
    optimizer = tn.optim.Adam(model.parameters(), lr=0.01)
    return tn.Trainer(model, nn.BCEWithLogitsLoss(), optimizer, rng=rng, compile=compiled)


def seconds(trainers: list[tn.Trainer], x: Any, y: Any, epochs: int) -> float:
    start = perf_counter()
    for one in trainers:
        one.fit(x, y, epochs=epochs, batch_size=BATCH, verbose=0)
    return perf_counter() - start


def measured(members: int, compiled: bool, rounds: int, epochs: int) -> tuple[float, float, float]:
    """Seconds an epoch one after another, and at once, and by how much the weights differ at most, relatively."""
    x, y = tn.data.circle(ROWS, rng=0)
    y = y.reshape(-1, 1).astype(np.float32)
    alone = [trainer(network(seed), seed, compiled) for seed in range(members)]
    stack = nn.ensemble(network, members)
    together = trainer(stack, range(members), compiled)
    times: list[tuple[float, float]] = []
    for _ in range(rounds + 1):
        times.append((seconds(alone, x, y, epochs) / epochs, seconds([together], x, y, epochs) / epochs))
    apart = 0.0
    for one, member in zip(alone, stack.unstack(), strict=True):
        for p, q in zip(one.model.parameters(), member.parameters(), strict=True):
            apart = max(apart, float(np.linalg.norm(p.data - q.data) / np.linalg.norm(p.data)))
    one_by_one, at_once = (median(column) for column in zip(*times[1:], strict=True))  # the first round records
    return one_by_one, at_once, apart


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.members", description=__doc__.partition("\n")[0])
    parser.add_argument("--members", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=4, help="in each round")
    options = parser.parse_args(argv)
    for name, value in vars(options).items():
        if value < 1:
            parser.error(f"--{name} {value}: it must be at least 1")
    for compiled in (False, True):
        one_by_one, at_once, apart = measured(options.members, compiled, options.rounds, options.epochs)
        print(
            f"{options.members} circle networks, {'compiled' if compiled else 'eager'}: {1e3 * one_by_one:.1f} ms an epoch one "
            f"after another, {1e3 * at_once:.1f} ms at once, {one_by_one / at_once:.1f} times faster; "
            f"weights differ by {apart:.0e}"
        )
    print(f"medians of {options.rounds} rounds, interleaved; {processor()}, {platform.system()}, NumPy {np.__version__}")


if __name__ == "__main__":
    main()
