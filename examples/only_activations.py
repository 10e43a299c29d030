"""Activations and nothing else: can a disc be told from the ring round it without a single weight?

The activation is applied to both coordinates of a point, once or several times. Something has to make one number of the two,
and a class of the number. Here that is their sum and a threshold, the best one (and the better side of it) for half of the
points; the accuracy is that on the other half. Beside it stands what a network 2-16-1 learns of the same points. Disc and ring
do not touch; all is done again with points that have no gap between the two.
"""

from typing import Any

import numpy as np

import tinynet as tn
from common import ACTIVATIONS, CONDITION, WIDTH, Claim, Run, mlp, start
from stats import Center, center, median, paired

CLAIMS = (Claim("B11", "Only activations, without any weights, make a very inaccurate classifier.", CONDITION),)
POINTS, MAJORITY, TIMES = 1000, 0.6, (1, 2, 10)
IN_USE = ("ReLU", "sigmoid", "tanh")
EVEN = ("|x|", "square")
ALONE: dict[str, Any] = {name: ACTIVATIONS[name]() for name in (*IN_USE, "sin", "square")} | {"|x|": np.abs}


def data(seed: int, gap: bool = True) -> tuple[Any, Any, Any, Any]:
    """Points and classes of both halves: a disc of radius 1, and a ring from 1.2 on, or from 1 on if there is to be no gap."""
    x, y = tn.data.circle(POINTS, noise=0, rng=seed, majority=MAJORITY)
    if not gap:
        squared = (x[y == 0] ** 2).sum(axis=1, keepdims=True)
        x[y == 0] *= np.sqrt((squared - 0.44) / squared)  # 0.44 = 1.2² − 1²; the ring's area stays, and how evenly it is filled
    return x[::2], y[::2], x[1::2], y[1::2]


def score(name: str, x: Any, times: int) -> Any:
    """The activation of both coordinates, so many times, and then their sum."""
    with tn.no_grad():
        for _ in range(times):
            x = ALONE[name](x)
    return np.asarray(x).sum(axis=-1)


def best_threshold(scores: Any, y: Any) -> tuple[float, int]:
    """The threshold, and 1 or −1 for the class 1 above it or below, that are right most often."""
    values = np.unique(scores)
    thresholds = np.concatenate([[-np.inf], (values[1:] + values[:-1]) / 2, [np.inf]])
    right = ((scores > thresholds[:, None]) == y).mean(axis=1)
    best, worst = right.argmax(), right.argmin()
    return (thresholds[best], 1) if right[best] >= 1 - right[worst] else (thresholds[worst], -1)


def accuracy(name: str, seed: int, times: int = 1, gap: bool = True) -> float:
    x, y, held_out, classes = data(seed, gap)
    threshold, side = best_threshold(score(name, x, times), y)
    return float(((side * (score(name, held_out, times) - threshold) > 0) == classes).mean())


def networks(activation: str, run: Run) -> tuple[tn.nn.Stack, list[float]]:
    """A network for each seed, with its accuracy."""
    x, y, held_out, classes = map(np.stack, zip(*map(data, run.seeds), strict=True))
    # seeded apart from the data
    stack = tn.nn.ensemble(lambda seed: mlp((2, 16, 1), ACTIVATIONS[activation], (seed, 1)), run.seeds)
    trainer = tn.Trainer(stack, tn.nn.BCEWithLogitsLoss(), tn.optim.Adam(stack.parameters(), lr=0.05))
    trainer.fit(x, y[..., None], epochs=run.args.steps, batch_size=x.shape[1], verbose=0)
    return stack, ((trainer.predict(held_out)[..., 0] > 0) == classes).mean(axis=1).tolist()


def picture(network: tn.nn.Module, alone: dict[str, Center], learnt: Center, seed: int) -> Any:
    figure, axes = tn.plot.subplots(2, 3, size=(WIDTH / 3, 2.85))
    x, y, *_ = data(seed)
    for name, ax in zip((*IN_USE, *EVEN), axes.flat, strict=False):
        threshold, side = best_threshold(score(name, x, 1), y)

        def model(points: Any, name: str = name, threshold: float = threshold, side: int = side) -> Any:
            return side * (score(name, points, 1) - threshold)

        tn.plot.decision_boundary(model, x[:200], y[:200], ax, title=f"{name} alone: {alone[name].value:.0%}")
    title = f"2-16-1 with tanh: {learnt.value:.0%}"
    tn.plot.decision_boundary(network, x[:200], y[:200], axes[1, 2], title=title)
    for ax in axes.flat:
        ax.set_aspect("equal")
        ax.label_outer()
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(50, 10), steps=(400, 150))
    print(f"Held-out accuracy, medians of {len(run.seeds)} seeds; the larger class has {MAJORITY:.0%} of the points.\n")
    print("activation" + "".join(f"{f'{times} time' + 's' * (times > 1):>10}" for times in TIMES))
    alone, nested = {}, {}
    for name in ALONE:
        alone[name] = [accuracy(name, seed) for seed in run.seeds]
        nested[name] = [median(accuracy(name, seed, times) for seed in run.seeds).value for times in TIMES[1:]]
        print(f"{name:10}" + "".join(f"{value:10.3f}" for value in (median(alone[name]).value, *nested[name])))
    trained = {name: networks(name, run) for name in IN_USE}
    for name, (_, accuracies) in trained.items():
        print(f"network 2-16-1 with {name:10}{median(accuracies):.3f}")
    print()

    found = {name: center(values) for name, values in alone.items()}
    touching = {name: [accuracy(name, seed, gap=False) for seed in run.seeds] for name in EVEN}
    without = {name: center(values) for name, values in touching.items()}
    lost = paired(alone["|x|"], touching["|x|"])
    learnt = {name: center(accuracies) for name, (_, accuracies) in trained.items()}
    gain = paired(trained["tanh"][1], alone["tanh"])
    run.claim(
        "B11",
        all(max(found[name].value, *nested[name]) < MAJORITY + 0.1 for name in (*IN_USE, "sin")) and gain.low > 0.3
        and found["|x|"].low > max(MAJORITY, found["ReLU"].high) and found["square"].low > 0.98 and lost.low > 0
        and min(x.low for x in learnt.values()) > 0.95,
        f"true of the activations in use: with the sum of both coordinates and the best threshold ReLU is right on "
        f"{found['ReLU']:.0%} of held-out points, sigmoid on {found['sigmoid']:.0%}, tanh on {found['tanh']:.0%}, where the "
        f"larger class has {MAJORITY:.0%}, and nesting them does not help. But |x| is right on {found['|x|']:.1%}, and x² on "
        f"{found['square']:.1%}, as it sums to the squared radius. |x| draws a square that stands on a "
        f"corner, and much of its edge lies in the gap between disc and ring; without a gap it is right on "
        f"{without['|x|']:.1%}, and x² still on {without['square']:.1%}. With weights tanh is right on {learnt['tanh']:.1%} "
        f"(medians of {len(run.seeds)} seeds)",
    )  # fmt: skip
    if run.plot:
        run.save(picture(trained["tanh"][0][0], found, learnt["tanh"], run.seeds[0]))
    run.end()


if __name__ == "__main__":
    main()
