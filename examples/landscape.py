"""What an activation assumes: the landscape of the loss round a solution, and how a network goes on where there were no data.

Networks 1-32-1 with ReLU, tanh or sin start from the same weights and learn the same 41 points on [−3, 3]: of a trend with a
kink, of a step, and of a wave (1,500 steps of Adam, learning rate 0.01, all points at once). Then the weights are moved in a
plane, along the same two random directions, each scaled to the weights, filter by filter (Li et al. 2018): the loss is told as
a share of the target's variance. And the networks are asked for what they never saw, from ±3 to ±9: the errors are root mean
squares, as shares of the target's standard deviation. How they go on far from the data is seen from 50 to 200.
"""

from typing import Any

import numpy as np

import tinynet as tn
from common import ACTIVATIONS, CONDITION, WIDTH, Claim, mlp, output, start
from stats import center, median, ratio

CLAIMS = (
    Claim("A15b", "The activation shapes the landscape of the loss: the same network has other walls around it.", CONDITION),
    Claim(
        "A15d",
        "An activation is an inductive bias: outside the training data ReLU goes on linearly, tanh flattens, and sin repeats.",
        CONDITION,
    ),
)
Array = np.ndarray[Any, Any]
NAMES = ("ReLU", "tanh", "sin")
TARGETS = {"trend": lambda x: x / 2 + np.abs(x) / 4, "step": lambda x: np.tanh(2 * x), "wave": lambda x: np.sin(2 * x)}
AKIN = {"trend": "ReLU", "wave": "sin"}
SEEN = np.linspace(-3, 3, 41)[:, None]
UNSEEN = np.linspace(3, 9, 121)[1:, None] * np.array([[-1.0, 1.0]])
UNSEEN = UNSEEN.reshape(-1, 1)
FAR = np.linspace(50, 200, 3001)[:, None]
STRETCH = 1001  # of these points: 50 to 100
STEPS = np.linspace(-1, 1, 17)


def train(activation: str, target: Any, seeds: range, steps: int) -> tn.nn.Stack:
    """A network for each seed, all trained at once."""
    models = tn.nn.ensemble(lambda seed: mlp((1, 32, 1), ACTIVATIONS[activation], seed), seeds)
    trainer = tn.Trainer(models, tn.nn.MSELoss(), tn.optim.Adam(models.parameters(), lr=0.01), rng=list(seeds))
    trainer.fit(SEEN, target(SEEN), epochs=steps, batch_size=len(SEEN), verbose=0)
    return models


def errors(models: tn.nn.Stack, target: Any, x: Array) -> Array:
    """Each network's error, as a share of the deviation of the target where it was learned."""
    return np.sqrt(np.mean((output(models, x) - target(x)) ** 2, axis=(1, 2))) / target(SEEN).std()


def landscape(model: tn.nn.Module, target: Any, seed: int) -> Array:
    """The loss, as a share of the target's variance, in a plane through the weights that the seed determines."""
    rng = np.random.default_rng((seed, 1))
    first, second = (tn.plot.filter_direction(model, rng) for _ in range(2))
    loss, y = tn.nn.MSELoss(), target(SEEN)
    return tn.plot.loss_grid(model, lambda model: loss(model(SEEN), y).data / y.var(), (first, second), STEPS)


def off_line(y: Array) -> tuple[Array, Array]:
    """From 50 to 100, for each row: the slope of the straight line from end to end, and how far the output is from it."""
    y, x = y[:, :STRETCH], FAR[:STRETCH, 0]
    first, last = y[:, :1], y[:, -1:]
    return np.abs(last - first)[:, 0] / 50, np.abs(y - first - (last - first) * (x - 50) / 50).max(axis=1)


def unlike_itself(row: Array) -> float:
    """How far the output from 50 to 100 is from that further on, at the best of all shifts from 4 to 100.

    A root mean square, as a share of the output's standard deviation. What repeats has about 0, noise √2. (Less than 4, which
    is more than a period of the wave, would be hardly any shift.)
    """
    later = np.lib.stride_tricks.sliding_window_view(row, STRETCH)[80:]
    return float(np.sqrt(np.mean((later - row[:STRETCH]) ** 2, axis=1)).min() / row[:STRETCH].std())


def picture(grids: dict[str, Array], models: dict[tuple[str, str], tn.nn.Module]) -> Any:
    figure, axes = tn.plot.subplots(2, 3, size=(WIDTH / 3, 2.9))
    for ax, (name, grid) in zip(axes[0], grids.items(), strict=True):
        tn.plot.loss_landscape(grid, STEPS, ax, levels=(0.03, 0.1, 0.3, 1, 3, 10, 30, 90), title=f"wave: loss with {name}")
    for ax, (name, target) in zip(axes[1], TARGETS.items(), strict=True):
        drawn = {other: models[other, name] for other in NAMES}
        tn.plot.fits(drawn, SEEN[::2], target(SEEN[::2]), ax, target=target, span=(-9, 9), title=f"{name} (shaded: seen)")
        low, high = target(UNSEEN).min(), target(UNSEEN).max()
        ax.set(ylim=(low - 0.4 * (high - low), high + 0.8 * (high - low)))
        ax.legend().remove()
    axes[1, 0].legend(fontsize=8, ncols=2, loc="upper left")
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(50, 20), steps=(1500, 1500))
    models = {(name, of): train(name, target, run.seeds, run.args.steps) for of, target in TARGETS.items() for name in NAMES}
    grids, heights, outside = {}, {}, {}
    print(f"Errors on the data and outside, losses in the plane round the solution, medians of {len(run.seeds)} seeds:\n")
    print("                  seen   unseen           middle loss             highest")
    for (name, of), stack in models.items():
        members = zip(stack.unstack(), run.seeds, strict=True)
        planes = np.stack([landscape(model, TARGETS[of], seed) for model, seed in members])
        grids[name, of], heights[name, of] = planes[0], np.median(planes, axis=(1, 2))
        outside[name, of] = errors(stack, TARGETS[of], UNSEEN)
        seen, highest = median(errors(stack, TARGETS[of], SEEN)), median(planes.max(axis=(1, 2)))
        middle, unseen = median(heights[name, of]), median(outside[name, of])
        print(f"{of:6} {name:5}  {seen.value:9.4f} {unseen.value:8.2f} {middle.value:21.2f} {highest.value:19.1f}", flush=True)

    print()
    rises = {of: [ratio(heights[name, of], heights["sin", of]) for name in ("ReLU", "tanh")] for of in TARGETS}
    run.claim(
        "A15b",
        all(rise.low > 2 for rise in rises["wave"]) and all(rise.high < 4 for rise in rises["trend"]),
        "how high the walls are, and whose are higher, is up to the target: the median of the losses in the plane, as "
        "multiples of that with sin, is "
        + "; ".join(
            f"for the {of} {relu.value:.1f} ({relu.low:.1f} to {relu.high:.1f}) with ReLU and {tanh.value:.1f} "
            f"({tanh.low:.1f} to {tanh.high:.1f}) with tanh"
            for of, (relu, tanh) in rises.items()
        )
        + f" (medians of paired ratios over {len(run.seeds)} seeds, 95% intervals)",
    )
    far = {name: output(models[name, "wave"], FAR)[..., 0] for name in NAMES}
    slopes, strays = ({name: center(off_line(y)[i]) for name, y in far.items()} for i in range(2))
    unlike = center(unlike_itself(row) for row in far["sin"])
    swings = ratio(np.ptp(far["sin"][:, -STRETCH:], axis=1), np.ptp(far["sin"][:, :STRETCH], axis=1))
    best = {
        of: {name: ratio(outside[akin, of], outside[name, of]) for name in NAMES if name != akin} for of, akin in AKIN.items()
    }
    run.claim(
        "A15d",
        all(one.high < 1 for ratios in best.values() for one in ratios.values())
        and slopes["ReLU"].low > 0.1 and strays["ReLU"].high < 1e-9
        and slopes["tanh"].high < 1e-3 and strays["tanh"].high < 1e-2
        and slopes["sin"].high < 0.1 and strays["sin"].low > 0.5 and unlike.low > 0.1,
        f"ReLU and tanh do as is said, sin only in part. Taught the wave, from 50 to 100 ReLU goes on along a straight line "
        f"(slope {slopes['ReLU']:.2f}), and tanh is flat (slope {slopes['tanh'].value:.0e}). Sin swings on, as widely from 150 "
        f"to 200 as from 50 to 100 ({swings.value:.2f} times, 95% interval {swings.low:.2f} to {swings.high:.2f}). But it does "
        f"not repeat, as its units have frequencies of their own: moved by up to 100 it is off by at least {unlike:.2f} "
        "of its standard deviation. From ±3 to ±9 "
        + "; and ".join(
            f"{AKIN[of]}'s error for the {of} is "
            + " and ".join(f"{one.value:.2f} times {name}'s ({one.low:.2f} to {one.high:.2f})" for name, one in ratios.items())
            for of, ratios in best.items()
        )
        + f" (medians over {len(run.seeds)} seeds)",
    )  # fmt: skip
    if run.plot:
        run.save(picture({name: grids[name, "wave"] for name in NAMES}, {pair: stack[0] for pair, stack in models.items()}))
    run.end()


if __name__ == "__main__":
    main()
