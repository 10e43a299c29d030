"""sin against ReLU: the same network fitted to the same curves from the same first weights, by either activation.

Two starts are tried: the default one, and a wide one (Sitzmann et al. 2020, "SIREN"), whose first layer's weights are up to
30, so that its units swing as fast as the fastest curve. For each seed, curve and start both networks (1-32-32-1) begin with
equal weights and take equal steps of Adam (learning rate 0.01, all 129 points at once). The error is the root mean square
between the training points. In a comparison the seeds are paired, and the winner's interval is clear of zero. As the wide start
is made for sin, and ReLU does worse from it, they are also compared each from its own better start.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import tinynet as tn
from common import CONDITION, WIDTH, Claim, start
from stats import median, paired

CLAIMS = (
    Claim(
        "B7",
        "Under the same conditions sin does worse than ReLU: it is periodic, so that many inputs share an output, and its "
        "gradient keeps changing sign, so that training swings to and fro.",
        CONDITION,
    ),
)
HALF_WAVES = (1, 2, 4, 8, 16)
CURVES: dict[str, Callable[[Any], Any]] = {
    **{f"sin {k}πx": lambda x, k=k: np.sin(k * math.pi * x) for k in HALF_WAVES},
    "|x|": np.abs,
    "step": lambda x: np.where(x > 0.2, 1.0, -1.0),
}
FAST, ACTIVATIONS, STARTS = "sin 16πx", {"sin": tn.nn.Sin, "ReLU": tn.nn.ReLU}, ("default", "wide")
X = np.linspace(-1, 1, 129)[:, None]
BETWEEN = (X[1:] + X[:-1]) / 2
Errors = dict[tuple[str, str, str], Any]  # of all seeds, by curve, start and activation


def network(activation: str, start: str, seed: int) -> tn.nn.Module:
    """A network whose weights depend on the start and the seed alone, not on the activation."""
    rng = np.random.default_rng(seed)
    layers = [tn.nn.Linear(n, m, rng=rng) for n, m in ((1, 32), (32, 32), (32, 1))]
    if start == "wide":
        tn.nn.init.uniform_(layers[0].weight, -30, 30, rng=rng)
        for layer in layers[1:]:
            tn.nn.init.siren_(layer.weight, omega=1, rng=rng)
    act = ACTIVATIONS[activation]
    return tn.nn.Sequential(layers[0], act(), layers[1], act(), layers[2])


class SignChanges(tn.training.Callback):
    """Of each member of a stack the share of gradients that have another sign than a step before, step by step."""

    def __init__(self) -> None:
        self.shares: list[Any] = []
        self._before: Any = None

    def on_backward_end(self, trainer: tn.Trainer) -> None:
        gradients = [p.grad.reshape(len(p.grad), -1) for p in trainer.model.parameters()]
        signs = np.sign(np.concatenate(gradients, axis=1))
        if self._before is not None:
            self.shares.append((signs * self._before < 0).mean(axis=1))
        self._before = signs


def fit(activation: str, start: str, curve: Any, seeds: range, epochs: int, *callbacks: Any) -> tuple[tn.nn.Module, Any]:
    """The trained network of the first seed, and the errors of all, which are trained at once."""
    models = tn.nn.ensemble(lambda seed: network(activation, start, seed), seeds)
    optimizer = tn.optim.Adam(models.parameters(), lr=0.01)
    trainer = tn.Trainer(models, tn.nn.MSELoss(), optimizer, callbacks=callbacks, rng=list(seeds))
    trainer.fit(X, curve(X), epochs=epochs, batch_size=len(X), verbose=0)
    errors = trainer.predict(BETWEEN) - curve(BETWEEN)
    return models[0], np.sqrt(np.mean(errors**2, axis=(1, 2)))


def better(errors: Errors, curve: str, activation: str) -> Any:
    """The errors from the start, one of the two, that has the smaller median."""
    return min((errors[curve, start, activation] for start in STARTS), key=np.median)


def winner(sin: Any, relu: Any) -> str:
    found = paired(sin, relu)
    return "sin" if found.high < 0 else "ReLU" if found.low > 0 else "-"


def won(winners: dict[str, str], name: str) -> str:
    curves = [curve for curve, who in winners.items() if who == name]
    return "all curves" if len(curves) == len(CURVES) else ", ".join(curves) or "none"


def picture(models: dict[tuple[str, str, str], Any], errors: Errors, shares: dict[str, Any]) -> Any:
    figure, axes = tn.plot.subplots(2, 3, size=(WIDTH / 3, 2.9))
    waves = [f"sin {k}πx" for k in HALF_WAVES]
    runs = {f"{a}, {s}": np.stack([errors[c, s, a] for c in waves], axis=1) for s in STARTS for a in ACTIVATIONS}
    ax = tn.plot.bands(runs, axes[0, 0], x=HALF_WAVES, xlabel="k of the target sin kπx", ylabel="error", log=True)
    ax.set(xscale="log", xticks=HALF_WAVES, xticklabels=HALF_WAVES, ylim=(3e-4, 20))
    ax.minorticks_off()
    ax.set_title("the faster, the harder")
    ax.legend(fontsize=7, ncols=2, loc="upper center", columnspacing=0.8, handlelength=1)
    shown = ((FAST, "default"), (FAST, "wide"), ("|x|", "default"), ("step", "default"))
    for ax, (curve, first) in zip(axes.flat[[1, 2, 4, 5]], shown, strict=True):
        fitted = {name: models[curve, first, name] for name in ACTIVATIONS}
        tn.plot.fits(fitted, X, CURVES[curve](X), ax, target=CURVES[curve], points=801, title=f"{curve}, {first} start")
        ax.lines[1].remove()  # the points, which would hide the curves
        ax.set(xlim=(-1, 1) if curve != FAST else (-0.5, 0.5), ylim=(-1.5, 2))
        ax.get_legend().remove()
    axes[0, 1].legend(fontsize=8, ncols=3, loc="upper center", columnspacing=0.8, handlelength=1)
    part = {name: share.T.reshape(share.shape[1], -1, 20).mean(axis=2) for name, share in shares.items()}
    at = 20 * np.arange(1, next(iter(part.values())).shape[1] + 1)
    tn.plot.bands(part, axes[1, 0], x=at, xlabel="step", ylabel="share of gradients")
    axes[1, 0].set_title("changes of sign")
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(20, 6), epochs=(1000, 300))
    print(f"Network 1-32-32-1, {run.args.epochs} steps, median error over {len(run.seeds)} seeds:\n")
    print("             default start             wide start                own better start")
    print("curve        sin     ReLU    winner    sin     ReLU    winner    winner")
    models, errors = {}, {}
    winners: dict[str, dict[str, str]] = {first: {} for first in (*STARTS, "better")}
    for name, curve in CURVES.items():
        line = f"{name:9}"
        for first in STARTS:
            for activation in ACTIVATIONS:
                key = name, first, activation
                models[key], errors[key] = fit(activation, first, curve, run.seeds, run.args.epochs)
                line += f"{'    ' if activation == 'sin' else '  '}{median(errors[key]).value:.4f}"
            winners[first][name] = winner(*(errors[name, first, activation] for activation in ACTIVATIONS))
            line += f"  {winners[first][name]:6}"
        winners["better"][name] = winner(*(better(errors, name, activation) for activation in ACTIVATIONS))
        print(f"{line}    {winners['better'][name]}", flush=True)

    shares = {}
    for activation in ACTIVATIONS:
        changes = SignChanges()
        fit(activation, "default", CURVES["sin 4πx"], run.seeds, 20 * max(1, run.args.epochs // 20) + 1, changes)
        shares[activation] = np.array(changes.shares)
    swings = {name: median(share.mean(axis=0)) for name, share in shares.items()}
    print("\nGradients that change sign from a step to the next, on sin 4πx from the default start:")
    print("\n".join(f"{name:4}  {found:.1%}" for name, found in swings.items()))
    sin, relu = (median(better(errors, FAST, name)).value for name in ACTIVATIONS)
    print()
    run.claim(
        "B7",
        winners["default"]["|x|"] == "ReLU" and winners["better"]["|x|"] != "sin" and winners["better"][FAST] == "sin"
        and sin < 0.05,
        f"from the default start ReLU has the smaller error on {won(winners['default'], 'ReLU')}, and sin on "
        f"{won(winners['default'], 'sin')}; from the wide one sin on {won(winners['wide'], 'sin')}; each from its own better "
        f"start sin on {won(winners['better'], 'sin')} (on {FAST} {sin:.4f} against {relu:.2f}), and ReLU on "
        f"{won(winners['better'], 'ReLU')} (medians of {len(run.seeds)} seeds, winners by 95% intervals). With sin "
        f"{swings['sin'].value:.0%} of the gradients change sign from a step to the next, with ReLU "
        f"{swings['ReLU'].value:.0%}; inputs that share an output are no matter of sin alone, as ReLU makes 0 of all below 0",
    )  # fmt: skip
    if run.plot:
        run.save(picture(models, errors, shares))
    run.end()


if __name__ == "__main__":
    main()
