"""What a network can express, and what it gets right, are two things.

One architecture, 2-64-64-1 with ReLU, and therefore one expressive power, is looked at three times on a disc and the ring round
it: as it starts, trained, and trained on the same points with their labels shuffled. Beside it stands the same network without
activations. Each seed draws 60 training points (half of them in the disc, noise 0.05), 2,000 others to test on, a start and a
shuffle.
"""

from typing import Any

import numpy as np

import tinynet as tn
from common import HOLDS, WIDTH, Claim, mlp, output, start
from stats import center, median, paired, rate

CLAIMS = (
    Claim(
        "A9",
        "Expressive power is not accuracy: that a network could be right does not make it right; an activation gives the "
        "first, the second comes of data and training.",
        HOLDS,
    ),
)
POINTS, TEST, UNITS = 60, 2000, 64
UNTRAINED, TRAINED, SHUFFLED, LINEAR = "untrained", "trained", "on shuffled labels", "trained, no activation"


def data(seed: int) -> tuple[Any, Any, Any, Any, Any]:
    """Points to train on, their labels, the labels shuffled; points to test on, and their labels."""
    rng = np.random.default_rng(seed)
    x, y = tn.data.circle(POINTS, rng=rng, majority=0.5)
    return x, y, rng.permutation(y), *tn.data.circle(TEST, rng=rng, majority=0.5)


def networks(seeds: range, activation: Any = tn.nn.ReLU) -> tn.nn.Stack:
    """A network for each seed, to be trained all at once; with the same seed they start with the same weights."""
    return tn.nn.ensemble(lambda seed: mlp((2, UNITS, UNITS, 1), activation, (seed, 1)), seeds)  # seeded apart from the data


def trained(stack: tn.nn.Stack, x: Any, y: Any, steps: int) -> tn.nn.Stack:
    """The networks after so many steps, each on all points of its own."""
    trainer = tn.Trainer(stack, tn.nn.BCEWithLogitsLoss(), tn.optim.Adam(stack.parameters(), lr=0.005))
    trainer.fit(x, y[..., None], epochs=steps, batch_size=POINTS, verbose=0)
    return stack


def accuracies(stack: tn.nn.Stack, x: Any, y: Any) -> Any:
    """The share of points that each network is right on."""
    return ((output(stack, x)[..., 0] > 0) == y).mean(axis=1)


def picture(stacks: dict[str, tn.nn.Stack], labels: dict[str, Any], x: Any, found: dict[str, tuple[Any, Any]]) -> Any:
    figure, axes = tn.plot.subplots(2, 2, size=(WIDTH / 2, 3.1))
    for name, ax in zip((UNTRAINED, TRAINED, SHUFFLED), axes.flat, strict=False):
        train, test = (100 * np.median(shares) for shares in found[name])
        title = f"{name}: {train:.0f}% of its points, {test:.0f}% of others"
        tn.plot.decision_boundary(stacks[name][0], x[0], labels[name][0], ax)
        ax.set_title(title, fontsize=10)
        ax.set(aspect="equal", xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    ax = axes[1, 1]
    for i, (label, marker) in enumerate((("its own points", "o"), ("others", "s"))):
        low, middle, high = np.quantile([100 * found[name][i] for name in stacks], (0.25, 0.5, 0.75), axis=1)
        at = np.arange(len(stacks)) + 0.2 * i - 0.1
        ax.errorbar(middle, at, xerr=[middle - low, high - middle], fmt=marker, color=tn.plot.COLORS[i], label=label)
    ax.axvline(50, color="black", linestyle=":")
    ax.set(yticks=range(len(stacks)), yticklabels=[name.replace(" ", "\n", 1) for name in stacks], ylim=(3.5, -0.5))
    ax.set(xlim=(38, 102), xlabel="accuracy, %: median, quartiles (dotted: guessing)")
    ax.legend(loc="lower right", fontsize=9)
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(30, 8), steps=(1000, 1000))
    x, y, shuffled, test_x, test_y = map(np.stack, zip(*map(data, run.seeds), strict=True))
    labels = {UNTRAINED: y, TRAINED: y, SHUFFLED: shuffled, LINEAR: y}
    stacks = {
        UNTRAINED: networks(run.seeds),
        TRAINED: trained(networks(run.seeds), x, y, run.args.steps),
        SHUFFLED: trained(networks(run.seeds), x, shuffled, run.args.steps),
        LINEAR: trained(networks(run.seeds, tn.nn.Identity), x, y, run.args.steps),
    }
    print(f"Accuracy on the training points, with the labels that were trained on, and on others; {len(run.seeds)} seeds:\n")
    found = {}
    for name, stack in stacks.items():
        found[name] = accuracies(stack, x, labels[name]), accuracies(stack, test_x, test_y)
        print(f"{name:22}  {median(found[name][0]):4.0%}   {median(found[name][1]):.1%}")

    by_heart = rate(int((found[SHUFFLED][0] == 1).sum()), len(run.seeds))
    learnt, gap, bent = (paired(found[TRAINED][1], found[other][1]) for other in (UNTRAINED, SHUFFLED, LINEAR))
    tests = {name: center(shares[1]) for name, shares in found.items()}
    print()
    run.claim(
        "A9",
        median(found[SHUFFLED][0]).value > 0.95 and tests[TRAINED].value > 0.95 and min(learnt.low, gap.low, bent.low) > 0,
        f"one and the same network is right on {tests[UNTRAINED]:.0%} of new points before training, on "
        f"{tests[TRAINED]:.1%} after it, and on {tests[SHUFFLED]:.0%} after training on shuffled labels. Yet it can express "
        f"even those: it has all {POINTS} by heart on {by_heart} seeds. With true labels it is right on {100 * gap.value:.0f} "
        f"percentage points more than with shuffled ones (95% interval {100 * gap.low:.0f} to {100 * gap.high:.0f}). Without "
        f"an activation training gets to {tests[LINEAR]:.0%}: expressive power "
        "is needed, and not enough",
    )  # fmt: skip
    if run.plot:
        run.save(picture(stacks, labels, x, found))
    run.end()


if __name__ == "__main__":
    main()
