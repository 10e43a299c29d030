"""x² as an activation: what is held against it, each charge looked into.

It is flat at 0, and its slope 2x grows with x, so that a network of it with L layers is a polynomial of degree 2^L. That is
measured along a ray, and in training: a disc is to be told from its ring by networks of 1 to 5 hidden layers with plain SGD,
at the learning rate 0.3 and at a tenth of it. A training has blown up when a loss, a gradient or a weight is no longer finite;
it has solved the task when 97 points of 100 are right at the end. That x² cannot tell signs is tried on y = x. Whether not
being monotone does harm is seen from Swish, x·σ(x), which is not monotone either.
"""

import warnings
from contextlib import suppress
from itertools import pairwise, product
from typing import Any

import numpy as np

import tinynet as tn
from common import ACTIVATIONS, CONDITION, WIDTH, Claim, Run, output, start
from stats import Rate, center, median, rate

CLAIMS = (
    Claim("B8", "x² is unfit: flat at 0 and not monotone, with gradients that explode, and blind to the sign.", CONDITION),
)
DEPTHS = (1, 2, 3, 4, 5)
COMPARED, RATES = ("square", "ReLU", "Swish"), (0.3, 0.03)
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
    near, far = output(model, np.array([[1e9], [2e9]]))[:, 0]
    return float(np.log2(far / near))


def on_circle(activation: str, depth: int, learning_rate: float, run: Run) -> tuple[Any, Any]:
    """For each seed whether the training blew up, and whether it ended with 97 points of 100 right."""
    x, y = map(np.stack, zip(*(tn.data.circle(200, rng=seed) for seed in run.seeds), strict=True))
    networks = tn.nn.ensemble(lambda seed: network(activation, 2, depth, seed), run.seeds)
    trainer = tn.Trainer(networks, tn.nn.BCEWithLogitsLoss(), tn.optim.SGD(networks.parameters(), lr=learning_rate))
    with warnings.catch_warnings(), suppress(tn.training.NonFiniteError):
        warnings.simplefilter("ignore", RuntimeWarning)  # the ones that blow up are what is counted here
        trainer.fit(x, y[..., None], epochs=run.args.steps, batch_size=200, verbose=0)
    with np.errstate(over="ignore", invalid="ignore"):  # the same
        right = ((trainer.predict(x)[..., 0] > 0) == y).mean(axis=1)
    blew = np.isin(np.arange(len(networks)), list(trainer.failed))
    return blew, ~blew & (right >= 0.97)


def share(found: Any) -> Rate:
    return rate(int(found.sum()), len(found))


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


def picture(blew: dict[Any, Any], solved: dict[Any, Any], fitted: dict[str, tn.nn.Module]) -> Any:
    figure, axes = tn.plot.subplots(2, 3, size=(WIDTH / 3, 2.8))
    tn.plot.activation_curves({name: ACTIVATIONS[name]() for name in COMPARED}, axes[0, :2], span=(-3, 3))
    axes[0, 0].set(ylim=(-1, 4), title="the activations")
    axes[0, 1].set(ylim=(-4, 4), title="their slopes")
    axes[0, 0].legend(fontsize=8)
    axes[0, 1].get_legend().remove()
    tn.plot.fits(fitted, LINE[::8], LINE[::8], axes[0, 2], title="y = x by a layer of x²")
    axes[0, 2].set(xticks=(-1, 0, 1), ylim=(-1.1, 2.2))
    axes[0, 2].legend(fontsize=8, loc="upper left")
    for ax, found, learning_rate, title in zip(
        axes[1], (blew, solved, solved), (RATES[0], *RATES), ("blew up, rate", "solved, rate", "solved, rate"), strict=True
    ):
        for i, name in enumerate(COMPARED):
            rates = [share(found[name, depth, learning_rate]) for depth in DEPTHS]
            between = 100 * np.array([(x.value - x.low, x.high - x.value) for x in rates]).T
            style = {"fmt": "os^"[i] + "-", "color": tn.plot.COLORS[i], "capsize": 3, "markersize": 4}
            ax.errorbar(np.array(DEPTHS) + 0.12 * (i - 1), [100 * x.value for x in rates], between, label=name, **style)
        ax.set(xlabel="hidden layers", ylabel="trainings, %", xticks=DEPTHS, ylim=(-5, 105), title=f"{title} {learning_rate:g}")
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(40, 10), steps=(300, 250))
    seeds = f"{len(run.seeds)} seeds"
    x = np.linspace(-3, 3, 7)
    slopes = [float(tn.grad(ACTIVATIONS["square"]())(np.array(v))) for v in x]
    print("x      " + "".join(f"{v:6.1f}" for v in x) + "\nslope  " + "".join(f"{v:6.1f}" for v in slopes))

    degrees = np.array([[degree(depth, seed) for depth in DEPTHS] for seed in run.seeds])
    cases = list(product(COMPARED, DEPTHS, RATES))
    blew, solved = (
        dict(zip(cases, found, strict=True))
        for found in zip(*(on_circle(*case, run) for case in cases), strict=True)
    )
    print(f"\nDisc against ring, {run.args.steps} steps of SGD, {seeds}: how many blew up / solved it.\n")
    print("hidden layers     " + "".join(f"{depth:12}" for depth in DEPTHS))
    print("degree of x²      " + "".join(f"{d:12.3f}" for d in np.median(degrees, axis=0)))
    for learning_rate, name in product(RATES, COMPARED):
        counts = (f"{blew[name, d, learning_rate].sum()} / {solved[name, d, learning_rate].sum()}" for d in DEPTHS)
        print(f"{name:6}  rate {learning_rate:<5}" + "".join(f"{count:>12}" for count in counts))

    (without, off), (with_, exact) = on_identity(False, run), on_identity(True, run)
    lowest, dip = lowest_point(ACTIVATIONS["Swish"](), -1.0)
    print(f"\ny = x by a layer of x², largest error: {median(off)} without biases; with them {median(exact):.0e}")
    print(f"Swish is lowest at {lowest:.5f}, where it is {dip:.5f}\n")

    fast, slow = RATES
    one = {name: share(solved[name, 1, fast]) for name in COMPARED}
    ever = {
        (name, r): share(np.any([blew[name, depth, r] for depth in DEPTHS], axis=0)) for name, r in product(COMPARED, RATES)
    }  # the share of seeds on which it blew up at one depth or another
    others = max((ever[name, fast] for name in COMPARED[1:]), key=lambda x: x.value)

    def solutions(learning_rate: float) -> str:
        counts = {name: ", ".join(str(solved[name, depth, learning_rate].sum()) for depth in DEPTHS) for name in COMPARED}
        return "; ".join(f"{name.replace('square', 'x²')} {count}" for name, count in counts.items())

    run.claim(
        "B8",
        np.allclose(slopes, 2 * x) and np.allclose(degrees, 2.0 ** np.array(DEPTHS), rtol=1e-3)
        and min(one["square"].low, one["Swish"].low) > 0.5
        and ever["square", fast].low > max(others.high, ever["square", slow].high)
        and min(off) > 0.9 and median(exact).high < 1e-6 and abs(lowest + 1.27846) < 5e-6 and abs(dip + 0.27846) < 5e-6,
        f"it is flat at 0, its slope is 2x, and L layers make a polynomial of degree 2^L. One layer of it does no harm: at "
        f"the learning rate {fast:g} the disc is told from its ring in {one['square']}. With more layers training blows up, at "
        f"one depth or another on {ever['square', fast]} seeds; with ReLU and Swish on {others}. At {slow:g} x² blows up on "
        f"{ever['square', slow]} seeds. Not blowing up is not solving the task. With 1 to {DEPTHS[-1]} layers so many of "
        f"{len(run.seeds)} trainings solve it in {run.args.steps} steps: at {fast:g} {solutions(fast)}; at {slow:g} "
        f"{solutions(slow)}. x² is blind to the sign only without biases: as (x+1)² − (x−1)² = 4x, y = x is learnt to "
        f"{center(exact):.0e} with them; without them the error is {center(off):.2f}. Not being monotone disqualifies nothing: "
        f"Swish dips to {dip:.5f} at {lowest:.5f}, and one layer of it solves the task at {fast:g} in {one['Swish']}",
    )  # fmt: skip
    if run.plot:
        run.save(picture(blew, solved, {"no biases": without[0], "with biases": with_[0]}))
    run.end()


if __name__ == "__main__":
    main()
