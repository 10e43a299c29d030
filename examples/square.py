"""x² as an activation: what is held against it, each charge looked into.

It is flat at 0, and its slope 2x grows with x, so that a network of it with L layers is a polynomial of degree 2^L. That is
measured along a ray, and in training: a disc is to be told from its ring by networks of 1 to 5 hidden layers with plain SGD,
at the learning rate 0.3 and at a tenth of it, and a training has blown up when a loss, a gradient or a weight is no longer
finite. That x² cannot tell signs is tried on y = x. Whether not being monotone does harm is seen from Swish, x·σ(x), which is
not monotone either.
"""

import warnings
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np

import tinynet as tn
from common import ACTIVATIONS, CONDITION, WIDTH, Claim, Run, start
from stats import Rate, median, rate

CLAIMS = (
    Claim("B8", "x² is unfit: flat at 0 and not monotone, with gradients that explode, and blind to the sign.", CONDITION),
)
DEPTHS = (1, 2, 3, 4, 5)
COMPARED = ("square", "ReLU", "Swish")
LINE = np.linspace(-1, 1, 65)[:, None]


def network(activation: str, inputs: int, depth: int, seed: int, bias: bool = True) -> tn.nn.Module:
    """So many hidden layers of 16, and one output."""
    rng, widths = np.random.default_rng((seed, 1)), [inputs, *[16] * depth]  # apart from the generator of the data
    layers: list[tn.nn.Module] = []
    for n, m in pairwise(widths):
        layers += [tn.nn.Linear(n, m, bias, rng=rng), ACTIVATIONS[activation]()]
    return tn.nn.Sequential(*layers, tn.nn.Linear(16, 1, bias, rng=rng))


def degree(depth: int, seed: int) -> float:
    """Of the polynomial that a network of x² is: far out, doubling x makes it 2^degree times as large."""
    model = network("square", 1, depth, seed)
    with tn.no_grad():
        near, far = model(np.array([[1e6], [2e6]])).data[:, 0]
    return float(np.log2(far / near))


def on_circle(activation: str, depth: int, run: Run, learning_rate: float = 0.3) -> tuple[Rate, Rate]:
    """How many trainings blew up, and how many ended with 97 points of 100 right."""
    x, y = map(np.stack, zip(*(tn.data.circle(200, rng=seed) for seed in run.seeds), strict=True))
    networks = tn.nn.ensemble(lambda seed: network(activation, 2, depth, seed), run.seeds)
    trainer = tn.Trainer(networks, tn.nn.BCEWithLogitsLoss(), tn.optim.SGD(networks.parameters(), lr=learning_rate))
    with warnings.catch_warnings(), suppress(tn.training.NonFiniteError):
        warnings.simplefilter("ignore", RuntimeWarning)  # the ones that blow up are what is counted here
        trainer.fit(x, y[..., None], epochs=run.args.steps, batch_size=200, verbose=0)
    with np.errstate(over="ignore", invalid="ignore"):  # the same
        right = ((trainer.predict(x)[..., 0] > 0) == y).mean(axis=1)
    right[list(trainer.failed)] = 0
    return rate(len(trainer.failed), len(networks)), rate(int((right >= 0.97).sum()), len(networks))


def on_identity(bias: bool, run: Run) -> tuple[tn.nn.Stack, list[float]]:
    """Networks with one hidden layer of x², trained on y = x, and their largest errors."""
    networks = tn.nn.ensemble(lambda seed: network("square", 1, 1, seed, bias), run.seeds)
    trainer = tn.Trainer(networks, tn.nn.MSELoss(), tn.optim.Adam(networks.parameters(), lr=0.02))
    trainer.fit(LINE, LINE, epochs=3 * run.args.steps, batch_size=len(LINE), verbose=0)
    return networks, np.abs(trainer.predict(LINE) - LINE).max(axis=(1, 2)).tolist()


def lowest_point(f: Any, x: float) -> tuple[float, float]:
    """Where the slope is 0, by Newton's method, and the value there."""
    for _ in range(20):
        slope, curvature = tn.value_and_grad(tn.grad(f))(np.array(x))
        x -= float(slope / curvature)
    return x, float(f(np.array(x)))


def picture(circle: dict[str, Any], fitted: dict[str, tn.nn.Module]) -> Any:
    figure, axes = tn.plot.subplots(2, 2, size=(WIDTH / 2, 3.2))
    tn.plot.activation_curves({name: ACTIVATIONS[name]() for name in COMPARED}, axes[0], span=(-3, 3))
    axes[0, 0].set(ylim=(-1, 4), title="the activations")
    axes[0, 1].set(ylim=(-4, 4), title="their slopes")
    axes[0, 1].legend(loc="upper left")
    for i, (name, found) in enumerate(circle.items()):
        blown = [blew for blew, _ in found]
        between = [x.value - x.low for x in blown], [x.high - x.value for x in blown]
        at = np.array(DEPTHS) + 0.12 * (i - 1)
        style = {"fmt": "os^"[i] + "-", "color": tn.plot.COLORS[i], "capsize": 3}
        axes[1, 0].errorbar(at, [x.value for x in blown], between, label=name, **style)
    axes[1, 0].set(xlabel="hidden layers", ylabel="share that blew up", xticks=DEPTHS, title="trainings, learning rate 0.3")
    axes[1, 0].legend()
    tn.plot.fits(fitted, LINE[::8], LINE[::8], axes[1, 1], title="y = x by one layer of x² (first seed)")
    axes[1, 1].set_xticks(np.linspace(-1, 1, 5))
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(40, 8), steps=(300, 250))
    seeds = f"{len(run.seeds)} seeds"
    x = np.linspace(-3, 3, 7)
    slopes = [float(tn.grad(ACTIVATIONS["square"]())(np.array(v))) for v in x]
    print("x      " + "".join(f"{v:6.1f}" for v in x) + "\nslope  " + "".join(f"{v:6.1f}" for v in slopes))

    degrees = np.array([[degree(depth, seed) for depth in DEPTHS] for seed in run.seeds])
    circle = {name: [on_circle(name, depth, run) for depth in DEPTHS] for name in COMPARED}
    print(f"\nDisc against ring, {run.args.steps} steps of SGD, {seeds}: how many blew up / solved it.\n")
    gently = [on_circle("square", depth, run, 0.03)[0].successes for depth in DEPTHS]
    print("hidden layers" + "".join(f"{depth:14}" for depth in DEPTHS))
    print("degree of x² " + "".join(f"{d:14.3f}" for d in np.median(degrees, axis=0)))
    for name, found in circle.items():
        print(f"{name:13}" + "".join(f"{f'{blew.successes} / {solved.successes}':>14}" for blew, solved in found))
    print(f"At a tenth of the learning rate {sum(gently)} trainings with x² blew up.")

    (without, off), (with_, exact) = on_identity(False, run), on_identity(True, run)
    lowest, dip = lowest_point(ACTIVATIONS["Swish"](), -1.0)
    print(f"\ny = x by a layer of x², largest error: {median(off)} without biases; with them {median(exact):.0e}")
    print(f"Swish is lowest at {lowest:.5f}, where it is {dip:.5f}\n")

    (_, one), (_, dipping) = circle["square"][0], circle["Swish"][0]
    worst = max((blew for blew, _ in circle["square"]), key=lambda x: x.value)
    others = [blew for name in COMPARED[1:] for blew, _ in circle[name]]
    run.claim(
        "B8",
        np.allclose(slopes, 2 * x) and np.allclose(degrees, 2.0 ** np.array(DEPTHS), rtol=1e-3)
        and min(one.value, dipping.value) >= 0.9 and worst.low > max(x.high for x in others)
        and not any(x.successes for x in others) and not any(gently)
        and min(off) > 0.9 and median(exact).high < 1e-6 and abs(lowest + 1.27846) < 5e-6 and abs(dip + 0.27846) < 5e-6,
        f"it is flat at 0, its slope is 2x, and L layers make a polynomial of degree 2^L. One layer of it does no harm (the "
        f"disc is told from its ring in {one.successes} of {one.trials} trainings); with more of them training blows up at the "
        f"learning rate 0.3, at worst {worst}, where no ReLU and no Swish does, but at 0.03 never. It is blind to the sign "
        f"only without biases: as (x+1)² − (x−1)² = 4x, y = x is learnt to {median(exact).value:.0e} with them, and without "
        f"them not at all. Not being monotone disqualifies nothing: Swish dips to {dip:.5f} at {lowest:.5f}, and one layer of "
        f"it tells the disc in {dipping.successes} of {dipping.trials}",
    )  # fmt: skip
    if run.plot:
        run.save(picture(circle, {"no biases": without[0], "with biases": with_[0]}))
    run.end()


if __name__ == "__main__":
    main()
