"""A disc against the ring round it: one network without an activation, and with each of many.

Without an activation two linear layers are one linear map, whose boundary is a straight line, and hardly any line does better
than calling everything the larger class. Each seed draws 1,000 points (noise 0.05, six in ten in the ring), a start for the
network 2-16-1 and the order of its mini-batches; three in ten points are held out, and the accuracies are of those.
"""

import sys
from typing import Any

import numpy as np

import tinynet as tn
from common import ACTIVATIONS, HOLDS, WIDTH, Claim, mlp, output, start
from stats import Center, center, paired

CLAIMS = (
    Claim(
        "B4",
        "A straight line cannot separate a disc from the ring round it, however an affine map moves, turns and stretches the "
        "plane; with an activation a small network separates them.",
        HOLDS,
    ),
)
POINTS, NOISE, HELD_OUT = 1000, 0.05, 300
WANTED = 0.95


def data(seeds: range) -> tuple[Any, Any]:
    """For each seed its points (seeds, n, 2) and classes (seeds, n); the first `HELD_OUT` are not for training."""
    drawn = [tn.data.circle(POINTS, noise=NOISE, rng=seed) for seed in seeds]
    return np.stack([x for x, _ in drawn]), np.stack([y for _, y in drawn])


def train(activation: Any, seeds: range, epochs: int) -> tn.nn.Stack:
    """A network for each seed, all trained at once, each on points of its own, which another generator draws."""
    models = tn.nn.ensemble(lambda seed: mlp((2, 16, 1), activation, (seed, 1)), seeds)
    x, y = data(seeds)
    trainer = tn.Trainer(models, tn.nn.BCEWithLogitsLoss(), tn.optim.Adam(models.parameters(), lr=0.02), rng=list(seeds))
    trainer.fit(x[:, HELD_OUT:], y[:, HELD_OUT:, None], epochs=epochs, batch_size=32, verbose=0)
    return models


def accuracies(models: tn.nn.Stack, seeds: range) -> Any:
    """The share of held-out points that each network is right on."""
    x, y = data(seeds)
    return ((output(models, x[:, :HELD_OUT])[..., 0] > 0) == y[:, :HELD_OUT]).mean(axis=1)


def majority(seeds: range) -> Any:
    """What calling every held-out point by the training points' larger class gets right."""
    _, y = data(seeds)
    return np.array([(own[:HELD_OUT] == np.bincount(own[HELD_OUT:]).argmax()).mean() for own in y])


def report(name: str, shares: Any) -> Center:
    found = center(shares)
    print(f"{name:10}  {found:.1%}, all from {shares.min():.1%} to {shares.max():.1%}", flush=True)
    return found


def picture(models: dict[str, tn.nn.Module], medians: dict[str, Center], seed: int) -> Any:
    rows = -(-len(models) // 4)
    figure, axes = tn.plot.subplots(rows, 4, size=(WIDTH / 4, 2.2))
    x, y = data(range(seed, seed + 1))
    for ax in axes.flat[len(models) :]:
        ax.remove()
    for ax, (name, model) in zip(axes.flat, models.items(), strict=False):
        tn.plot.decision_boundary(model, x[0, :150], y[0, :150], ax, title=f"{name}: {medians[name].value:.1%}")
        for points in ax.collections[-2:]:
            points.set_sizes([9])
        ax.set(aspect="equal", xticks=(-1, 0, 1), yticks=(-1, 0, 1))
        ax.label_outer()
    figure.suptitle("What 2-16-1 makes of the plane, and its share of held-out points (median over seeds)", fontsize=11)
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(50, 10), epochs=(40, 40), activations=ACTIVATIONS)
    others = [name for name in run.activations if name != "linear"]
    if not others:
        sys.exit("--activations linear: there is nothing to compare it with; name others as well")
    print(f"Network 2-16-1, {run.args.epochs} epochs, median held-out accuracy over {len(run.seeds)} seeds:\n")
    shares = {"(majority)": majority(run.seeds)}
    medians = {"(majority)": report("(majority)", shares["(majority)"])}
    first = {}
    for name in ("linear", *others):
        models = train(ACTIVATIONS[name], run.seeds, run.args.epochs)
        first[name], shares[name] = models[0], accuracies(models, run.seeds)
        medians[name] = report(name, shares[name])

    gap = paired(shares["linear"], shares["(majority)"])
    worst, best = (choose(others, key=lambda name: medians[name].value) for choose in (min, max))
    print()
    run.claim(
        "B4",
        max(-gap.low, gap.high) <= 0.03 and medians[worst].low >= WANTED,
        f"without an activation the accuracy is {medians['linear'].value:.0%} against {medians['(majority)'].value:.0%} for "
        f"calling everything the larger class (difference {gap.value:.1%}, 95% interval {gap.low:.1%} to {gap.high:.1%}). With "
        f"one it is from {medians[worst]:.1%} with {worst} to {medians[best]:.1%} with {best} (medians of {len(run.seeds)} "
        f"seeds, {len(others)} activations)",
    )
    if run.plot:
        run.save(picture(first, medians, run.args.seed))
    run.end()


if __name__ == "__main__":
    main()
