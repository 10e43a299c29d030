"""What an activation assumes: the landscape of the loss round a solution, and how a network goes on where there were no data.

Networks 1-32-1 with ReLU, tanh or sin start from the same weights and learn the same 41 points on [−3, 3]: of a trend with a
kink, of a step, and of a wave (1,500 steps of Adam, learning rate 0.01, all points at once). Then the weights are moved in a
plane, along the same two random directions, each scaled to the weights, filter by filter (Li et al. 2018): the loss is told as
a share of the target's variance. And the networks are asked for what they never saw, up to ±9: the errors are root mean
squares, as shares of the target's standard deviation.
"""

from dataclasses import replace
from typing import Any

import numpy as np

import tinynet as tn
from common import ACTIVATIONS, CONDITION, HOLDS, WIDTH, Claim, start
from stats import Paired, median, paired

CLAIMS = (
    Claim("A15b", "The activation shapes the landscape of the loss: the same network has other walls around it.", CONDITION),
    Claim(
        "A15d",
        "An activation is an inductive bias: outside the training data ReLU goes on linearly, tanh flattens, and sin repeats.",
        HOLDS,
    ),
)
Array = np.ndarray[Any, Any]
NAMES = ("ReLU", "tanh", "sin")
TARGETS = {"trend": lambda x: x / 2 + np.abs(x) / 4, "step": lambda x: np.tanh(2 * x), "wave": lambda x: np.sin(2 * x)}
AKIN = {"trend": "ReLU", "wave": "sin"}
SEEN = np.linspace(-3, 3, 41)[:, None]
UNSEEN = np.linspace(3, 9, 121)[1:, None] * np.array([[-1.0, 1.0]])
UNSEEN = UNSEEN.reshape(-1, 1)
FAR = np.linspace(50, 100, 1001)[:, None]
STEPS = np.linspace(-1, 1, 17)


def train(activation: str, target: Any, seeds: range, steps: int) -> tn.nn.Stack:
    """A network for each seed, all trained at once."""

    def network(seed: int) -> tn.nn.Module:
        rng = np.random.default_rng(seed)
        return tn.nn.Sequential(tn.nn.Linear(1, 32, rng=rng), ACTIVATIONS[activation](), tn.nn.Linear(32, 1, rng=rng))

    models = tn.nn.ensemble(network, seeds)
    trainer = tn.Trainer(models, tn.nn.MSELoss(), tn.optim.Adam(models.parameters(), lr=0.01), rng=list(seeds))
    trainer.fit(SEEN, target(SEEN), epochs=steps, batch_size=len(SEEN), verbose=0)
    return models


def outputs(models: tn.nn.Module, x: Array) -> Array:
    with tn.no_grad():
        return models(x).data[..., 0]


def errors(models: tn.nn.Stack, target: Any, x: Array) -> Array:
    """Each network's error, as a share of the deviation of the target where it was learned."""
    return np.sqrt(np.mean((outputs(models, x) - target(x)[:, 0]) ** 2, axis=1)) / target(SEEN).std()


def landscape(model: tn.nn.Module, target: Any, seed: int) -> Array:
    """The loss, as a share of the target's variance, in a plane through the weights that the seed determines."""
    rng = np.random.default_rng((seed, 1))
    first, second = (tn.plot.filter_direction(model, rng) for _ in range(2))
    loss, y = tn.nn.MSELoss(), target(SEEN)
    return tn.plot.loss_grid(model, lambda model: loss(model(SEEN), y).data / y.var(), (first, second), STEPS)


def ratio(first: Array, second: Array) -> Paired:
    """How many times the second the first is, seed by seed."""
    found = paired(np.log(first), np.log(second))
    return replace(found, value=np.exp(found.value), low=np.exp(found.low), high=np.exp(found.high))


def beyond(models: tn.nn.Stack) -> tuple[Array, Array]:
    """From 50 to 100, for each network: the slope of the straight line from end to end, and how far the output is from it."""
    y = outputs(models, FAR)
    first, last = y[:, :1], y[:, -1:]
    return np.abs(last - first)[:, 0] / 50, np.abs(y - first - (last - first) * (FAR[:, 0] - 50) / 50).max(axis=1)


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
    for ax in axes[:, 1:].flat:
        ax.set_ylabel("")
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
    ratios = [ratio(outside[akin, of], outside[name, of]) for of, akin in AKIN.items() for name in NAMES if name != akin]
    slopes, strays = ({name: median(beyond(models[name, "wave"])[i]) for name in NAMES} for i in range(2))
    run.claim(
        "A15d",
        all(one.high < 1 for one in ratios)
        and slopes["ReLU"].low > 0.1 and strays["ReLU"].high < 1e-9
        and slopes["tanh"].high < 1e-3 and strays["tanh"].high < 1e-2
        and slopes["sin"].high < 0.1 and strays["sin"].low > 0.5,
        f"taught the wave, from 50 to 100 ReLU goes on along a straight line (slope {slopes['ReLU'].value:.2f}), tanh is flat "
        f"(slope {slopes['tanh'].value:.0e}), and sin goes to and fro (by {strays['sin'].value:.1f}). From 3 to 9 the errors "
        f"with {', '.join(NAMES)} are "
        + "; ".join(
            f"for the {of} " + ", ".join(f"{median(outside[name, of]).value:.2f}" for name in NAMES) for of in TARGETS
        )
        + f" (medians over {len(run.seeds)} seeds): ReLU's the least for the trend and sin's for the wave (paired, all 95% "
        "intervals), yet sin repeats with frequencies of its own and hardly follows the wave",
    )  # fmt: skip
    if run.plot:
        run.save(picture({name: grids[name, "wave"] for name in NAMES}, {pair: stack[0] for pair, stack in models.items()}))
    run.end()


if __name__ == "__main__":
    main()
