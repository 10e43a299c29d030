"""Gradients in deep networks: what the activation and the initialisation make of them, layer by layer.

Networks of up to 40 layers of 64 units are looked at before any training: Gaussian inputs (a batch of 64), a random gradient
of unit length at the output, weights with a standard deviation of g/√64, and no biases. g is 1 for Xavier (Glorot & Bengio
2010) and √2 for He et al. (2015); ½ is too small, and 3 too large. What is told is the norm of the gradient by the first
layer's weights: far below 1 that layer hardly learns, far above 1 a training step throws it far off.
"""

from typing import Any

import numpy as np

import tinynet as tn
from common import ACTIVATIONS, HOLDS, WIDTH, Claim, start
from stats import Median, median, paired

CLAIMS = (
    Claim(
        "A11",
        "The sigmoid has values in (0, 1) and saturates at both ends; gradients vanish with it, so that it is not for hidden "
        "layers of deep networks.",
        HOLDS,
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
STARTS = {
    "too small": lambda weight, rng: tn.nn.init.xavier_normal_(weight, gain=0.5, rng=rng),
    "Xavier": lambda weight, rng: tn.nn.init.xavier_normal_(weight, rng=rng),
    "He": lambda weight, rng: tn.nn.init.kaiming_normal_(weight, nonlinearity="relu", rng=rng),
    "too large": lambda weight, rng: tn.nn.init.xavier_normal_(weight, gain=3.0, rng=rng),
}
Norms = dict[tuple[str, str, int], Any]


def network(activation: str, initial: str, depth: int, rng: np.random.Generator) -> tn.nn.Sequential:
    modules: list[tn.nn.Module] = []
    for _ in range(depth):
        layer = tn.nn.Linear(UNITS, UNITS, bias=False)
        STARTS[initial](layer.weight, rng)
        modules += [layer, ACTIVATIONS[activation]()]
    return tn.nn.Sequential(*modules)


def layer_norms(activation: str, initial: str, depth: int, seed: int) -> Any:
    """The norm of the gradient by each layer's weights, from the first layer to the last."""
    rng = np.random.default_rng((seed, depth))
    model, inputs, direction = network(activation, initial, depth, rng), *rng.normal(size=(2, BATCH, UNITS))
    loss = np.sum(model(inputs) * direction / np.linalg.norm(direction))
    return tn.inspect.gradient_norms(model, loss).column("gradient")


def per_layer(norms: Norms, activation: str, initial: str) -> Median:
    """By what factor the first layer's gradient changes with each further layer, between the 10th and the last."""
    deep, shallow = (norms[activation, initial, depth][:, 0] for depth in (DEPTHS[-1], 10))
    return median((deep / shallow) ** (1 / (DEPTHS[-1] - 10)))


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


def picture(norms: Norms) -> Any:
    figure, axes = tn.plot.subplots(2, 2, size=(WIDTH / 2, 2.9))
    shape, *panels = axes.flat
    x = np.linspace(-8, 8, 401)
    shape.plot(x, tn.sigmoid(x), color=tn.plot.COLORS[0], label="sigmoid")
    shape.plot(x, tn.grad(lambda x: np.sum(tn.sigmoid(x)))(x), "--", color=tn.plot.COLORS[1], label="its slope")
    shape.axhline(0.25, color="0.6", linewidth=0.8)
    shape.set(title="the sigmoid, and its slope of at most ¼", xlabel="x", yticks=(0, 0.25, 0.5, 0.75, 1))
    shape.legend(loc="upper left")
    for ax, name in zip(panels, NAMES, strict=True):
        runs = {initial: np.stack([norms[name, initial, depth][:, 0] for depth in DEPTHS], axis=1) for initial in STARTS}
        tn.plot.bands(runs, ax, x=DEPTHS, xlabel="layers", ylabel="gradient of the first layer", log=True)
        for line, marker in zip(ax.lines, "os^D", strict=True):
            line.set(marker=marker, markersize=4)
        ax.set(title=name, ylim=(1e-20, 1e16), yticks=(1e-16, 1e-8, 1, 1e8, 1e16))
        ax.legend().remove()
    panels[0].legend(fontsize=8, ncols=2, loc="upper left")
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(50, 6))
    norms = {
        (name, initial, depth): np.stack([layer_norms(name, initial, depth, seed) for seed in run.seeds])
        for name in NAMES
        for initial in STARTS
        for depth in DEPTHS
    }
    print(f"Norm of the first layer's gradient, median over {len(run.seeds)} seeds:\n")
    print("layers             " + "".join(f"{depth:9}" for depth in DEPTHS) + "   factor per layer")
    factors = {(name, initial): per_layer(norms, name, initial) for name in NAMES for initial in STARTS}
    for (name, initial), factor in factors.items():
        middles = (np.median(norms[name, initial, depth][:, 0]) for depth in DEPTHS)
        print(f"{name:7}  {initial:9} " + "".join(f"{middle:9.1e}" for middle in middles) + f"   {factor.value:.2f}")
    print(f"\nNorm of the gradient of single layers of a network of {DEPTHS[-1]}:\n")
    print("layer              " + "".join(f"{layer:9}" for layer in LAYERS))
    for name, initial in factors:
        middles = np.median(norms[name, initial, DEPTHS[-1]], axis=0)[np.array(LAYERS) - 1]
        print(f"{name:7}  {initial:9} " + "".join(f"{middle:9.1e}" for middle in middles))

    shown, figures = sigmoid_figures()
    sigmoid, tanh = (norms[name, "Xavier", 20][:, 0] for name in ("sigmoid", "tanh"))
    against = paired(np.log10(sigmoid), np.log10(tanh))
    print()
    run.claim(
        "A11",
        shown and against.high < -6 and all(factors["sigmoid", initial].value < 0.8 for initial in STARTS),
        f"{figures}; through 20 layers from Xavier's start the first layer's gradient is {median(sigmoid):.1e}, with tanh "
        f"{median(tanh):.2f} (more on {against.less} of {len(run.seeds)} seeds); even the best of the four starts keeps only "
        f"{max(factors['sigmoid', initial].value for initial in STARTS):.2f} of it a layer",
    )
    across = {pair: np.median(norms[*pair, DEPTHS[-1]][:, 0] / norms[*pair, DEPTHS[-1]][:, -1]) for pair in factors}

    def by_start(name: str) -> str:
        return ", ".join(f"{factors[name, initial].value:.2f} ({initial})" for initial in STARTS)

    run.claim(
        "B9",
        all(0.1 < across[name, "too small"] < 10 for name in ("tanh", "ReLU"))
        and across["sigmoid", "Xavier"] < 1e-10
        and all(0.9 < factors[pair].value < 1.1 for pair in (("tanh", "Xavier"), ("ReLU", "He")))
        and all(factors[name, "too small"].value < 0.6 < 1.2 < factors[name, "too large"].value for name in ("tanh", "ReLU")),
        f"each further layer multiplies the first one's gradient, with tanh, by {by_start('tanh')}; with ReLU by "
        f"{by_start('ReLU')} (medians over {len(run.seeds)} seeds, from 10 to {DEPTHS[-1]} layers). Weights that are too small "
        "make the gradients of all layers small alike; it is with the sigmoid that the first layers' are by far the smallest",
    )
    if run.plot:
        run.save(picture(norms))
    run.end()


if __name__ == "__main__":
    main()
