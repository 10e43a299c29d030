"""Gradients in deep networks: what the activation and the initialisation make of them, layer by layer.

Networks of up to 40 layers of 64 units are looked at before any training: Gaussian inputs (a batch of 64), a random gradient
of unit length at the output, weights with a standard deviation of g/√64, and no biases. g is 1 for Xavier (Glorot & Bengio
2010) and √2 for He et al. (2015); ½ is too small, and 3 too large. What is told is the norm of the gradient by the first
layer's weights: far below 1 that layer hardly learns, far above 1 a training step throws it far off. For the sigmoid g goes on
up to 13: is there a start from which nothing vanishes, and what does it cost?
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinynet as tn
from common import ACTIVATIONS, CONDITION, HOLDS, WIDTH, Claim, start
from stats import Center, center, paired

CLAIMS = (
    Claim(
        "A11",
        "The sigmoid has values in (0, 1) and saturates at both ends; gradients vanish with it, so that it is not for hidden "
        "layers of deep networks.",
        CONDITION,
    ),
    Claim(
        "B9",
        "With depth, gradients vanish or explode exponentially unless the initialisation suits the activation: Xavier's suits "
        "tanh, He's suits ReLU.",
        HOLDS,
    ),
)
UNITS, BATCH, DEPTHS = 64, 64, (1, 2, 5, 10, 20, 30, 40)
LAYERS = (1, 10, 20, 30, 40)
NAMES = ("sigmoid", "tanh", "ReLU")
Initialise = Callable[[tn.nn.Parameter, np.random.Generator], Any]


def with_gain(g: float) -> Initialise:
    return lambda weight, rng: tn.nn.init.xavier_normal_(weight, gain=g, rng=rng)


STARTS: dict[str, Initialise] = {
    "too small": with_gain(0.5), "Xavier": with_gain(1),
    "He": lambda weight, rng: tn.nn.init.kaiming_normal_(weight, nonlinearity="relu", rng=rng), "too large": with_gain(3),
}  # fmt: skip
GAINS, FLAT = (1, 3, 5, 7, 9, 11, 13), 0.01
Norms = dict[tuple[str, str, int], Any]


def network(activation: str, initialise: Initialise, depth: int, rng: np.random.Generator) -> tn.nn.Sequential:
    modules: list[tn.nn.Module] = []
    for _ in range(depth):
        layer = tn.nn.Linear(UNITS, UNITS, bias=False)
        initialise(layer.weight, rng)
        modules += [layer, ACTIVATIONS[activation]()]
    return tn.nn.Sequential(*modules)


def layer_norms(activation: str, initialise: Initialise, depth: int, seed: int) -> Any:
    """The norm of the gradient by each layer's weights, from the first layer to the last."""
    rng = np.random.default_rng((seed, depth))
    model, inputs, direction = network(activation, initialise, depth, rng), *rng.normal(size=(2, BATCH, UNITS))
    loss = np.sum(model(inputs) * direction / np.linalg.norm(direction))
    return tn.inspect.gradient_norms(model, loss).column("gradient")


def per_layer(shallow: Any, deep: Any) -> Center:
    """By what factor the first layer's gradient changes with each further layer, from 10 layers to the deepest network."""
    return center((deep / shallow) ** (1 / (DEPTHS[-1] - 10)))


def flat_units(initialise: Initialise, seed: int) -> float:
    """The share of a sigmoid network's units, over all layers and inputs, whose slope is nearly 0."""
    rng = np.random.default_rng((seed, 10))
    model = network("sigmoid", initialise, 10, rng)
    return float(tn.inspect.saturation(model, rng.normal(size=(BATCH, UNITS)), FLAT).column("rate").mean())


def sigmoid_figures() -> tuple[bool, str]:
    """A11 without networks: the range, the slope and where it saturates."""
    found = tn.inspect.report(tn.sigmoid)
    x = np.linspace(-30, 30, 60_001)
    values, slopes = tn.sigmoid(x), tn.grad(lambda x: np.sum(tn.sigmoid(x)))(x)
    flat = float(np.abs(x[slopes >= 0.01]).max())
    shown = found.limits == (0, 1) and found.monotone == "increasing" and values.min() > 0 and values.max() < 1
    return shown and slopes.max() == slopes[np.abs(x).argmin()] == 0.25, (
        f"the values lie between 0 and 1, and the slope is at most {slopes.max():g}, at 0, and below 0.01 beyond ±{flat:.1f}"
    )


def picture(norms: Norms, kept: dict[int, Center], flat: dict[int, Any]) -> Any:
    figure, axes = tn.plot.subplots(2, 3, size=(WIDTH / 3, 2.9))
    shape, factor, cost = axes[0]
    x = np.linspace(-8, 8, 401)
    shape.plot(x, tn.sigmoid(x), color=tn.plot.COLORS[0], label="sigmoid")
    shape.plot(x, tn.grad(lambda x: np.sum(tn.sigmoid(x)))(x), "--", color=tn.plot.COLORS[1], label="its slope")
    shape.axhline(0.25, color="0.6", linewidth=0.8)
    shape.set(title="the sigmoid", xlabel="$x$", ylabel="value, slope", yticks=(0, 0.25, 0.5, 0.75, 1))
    shape.legend(loc="upper left", fontsize=8)
    factor.plot(GAINS, [one.value for one in kept.values()], "o-", color=tn.plot.COLORS[0])
    factor.axhline(1, color="0.6", linewidth=0.8)
    factor.set(title="sigmoid, larger starts", ylabel="gradient kept per layer", ylim=(0, 1.2))
    cost.plot(GAINS, [100 * one.value for one in flat.values()], "s-", color=tn.plot.COLORS[1])
    cost.set(title="and what they cost", ylabel=f"units of slope < {FLAT}, %", ylim=(0, 100))
    for ax in (factor, cost):
        ax.set(xlabel="g, of weights g/√64", xticks=GAINS)
    for ax, name in zip(axes[1], NAMES, strict=True):
        runs = {initial: np.stack([norms[name, initial, depth][:, 0] for depth in DEPTHS], axis=1) for initial in STARTS}
        tn.plot.bands(runs, ax, x=DEPTHS, xlabel="layers", ylabel="gradient of the first layer", log=True)
        for line, marker in zip(ax.lines, "os^D", strict=True):
            line.set(marker=marker, markersize=4)
        ax.set(title=name, ylim=(1e-20, 1e16), yticks=(1e-16, 1e-8, 1, 1e8, 1e16))
        ax.legend().remove()
    axes[1, 0].legend(fontsize=8, ncols=2, loc="upper left")
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(50, 6))
    norms = {
        (name, initial, depth): np.stack([layer_norms(name, STARTS[initial], depth, seed) for seed in run.seeds])
        for name in NAMES
        for initial in STARTS
        for depth in DEPTHS
    }
    print(f"Norm of the first layer's gradient, median over {len(run.seeds)} seeds:\n")
    print("layers             " + "".join(f"{depth:9}" for depth in DEPTHS) + "   factor per layer")
    factors = {
        (name, initial): per_layer(*(norms[name, initial, depth][:, 0] for depth in (10, DEPTHS[-1])))
        for name in NAMES
        for initial in STARTS
    }
    for (name, initial), factor in factors.items():
        middles = (np.median(norms[name, initial, depth][:, 0]) for depth in DEPTHS)
        print(f"{name:7}  {initial:9} " + "".join(f"{middle:9.1e}" for middle in middles) + f"   {factor.value:.2f}")
    print(f"\nNorm of the gradient of single layers of a network of {DEPTHS[-1]}:\n")
    print("layer              " + "".join(f"{layer:9}" for layer in LAYERS))
    for name, initial in factors:
        middles = np.median(norms[name, initial, DEPTHS[-1]], axis=0)[np.array(LAYERS) - 1]
        print(f"{name:7}  {initial:9} " + "".join(f"{middle:9.1e}" for middle in middles))

    kept, shares = {}, {}
    print(f"\nThe sigmoid from larger starts: factor per layer, and the share of units with a slope below {FLAT}:\n")
    for g in GAINS:
        ends = ([layer_norms("sigmoid", with_gain(g), depth, seed)[0] for seed in run.seeds] for depth in (10, DEPTHS[-1]))
        kept[g] = per_layer(*map(np.array, ends))
        shares[g] = [flat_units(with_gain(g), seed) for seed in run.seeds]
        print(f"g = {g:<3} {kept[g]:.2f}   {center(shares[g]):.0%}")
    flat = {g: center(found) for g, found in shares.items()}

    shown, figures = sigmoid_figures()
    sigmoid, tanh = (norms[name, "Xavier", 20][:, 0] for name in ("sigmoid", "tanh"))
    against = paired(np.log10(sigmoid), np.log10(tanh))
    usual = max((factors["sigmoid", initial] for initial in STARTS), key=lambda factor: factor.value)
    least = min(GAINS, key=lambda g: abs(np.log(kept[g].value)))  # the start that changes the gradient least
    print()
    run.claim(
        "A11",
        shown and against.high < -6 and usual.high < 0.8 and 0.9 < kept[least].value < 1.1
        and paired(shares[least], shares[1]).low > 0,
        f"{figures}. From usual starts gradients do vanish: through 20 layers from Xavier's the first layer's is "
        f"{center(sigmoid):.1e}, with tanh {center(tanh):.2f}, and the best of the four starts keeps {usual:.2f} a layer. "
        f"That is the start's doing. Weights g/√64 with g = {least} keep {kept[least]:.2f} a layer. The price is saturation: "
        f"{flat[least]:.0%} of the units then have a slope below {FLAT}, from Xavier's start {flat[1].value:.0%} (medians over "
        f"{len(run.seeds)} seeds)",
    )  # fmt: skip
    across = {pair: np.median(norms[*pair, DEPTHS[-1]][:, 0] / norms[*pair, DEPTHS[-1]][:, -1]) for pair in factors}

    def by_start(name: str, suited: str) -> str:
        others = ", ".join(f"{factors[name, other].value:.2f} ({other})" for other in STARTS if other != suited)
        return f"{factors[name, suited]:.2f} from {suited}'s start, from the others by {others}"

    run.claim(
        "B9",
        all(0.1 < across[name, "too small"] < 10 for name in ("tanh", "ReLU"))
        and across["sigmoid", "Xavier"] < 1e-10
        and all(0.9 < factors[pair].value < 1.1 for pair in (("tanh", "Xavier"), ("ReLU", "He")))
        and all(factors[name, "too small"].value < 0.6 < 1.2 < factors[name, "too large"].value for name in ("tanh", "ReLU")),
        f"each further layer multiplies the first one's gradient, with tanh by {by_start('tanh', 'Xavier')}; with ReLU by "
        f"{by_start('ReLU', 'He')} (medians over {len(run.seeds)} seeds, from 10 to {DEPTHS[-1]} layers). Too small weights "
        "make the gradients of all layers small alike; it is with the sigmoid that the first layers' are by far the smallest",
    )
    if run.plot:
        run.save(picture(norms, kept, flat))
    run.end()


if __name__ == "__main__":
    main()
