"""sin against ReLU: the same network fitted to the same curves from the same first weights, by either activation.

Two starts are tried: the default one, and a wide one (Sitzmann et al. 2020, "SIREN"), whose first layer's weights are up to
30, so that its units swing as fast as the fastest curve. For each seed, curve and start both networks (1-32-32-1) begin with
equal weights and take equal steps of Adam (learning rate 0.01, all 129 points at once). The error is the root mean square
between the training points. In a comparison the seeds are paired, and the winner's interval is clear of zero. As the wide start
is made for sin, and ReLU does worse from it, they are also compared each from its own better start. Changes of sign are counted
from one step to the next, among the gradients that are not zero at either: half of ReLU's are zero and can change nothing.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import tinynet as tn
from common import ACTIVATIONS, CONDITION, WIDTH, Claim, mlp, output, start
from stats import center, paired

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
FAST, WATCHED, NAMES, STARTS = "sin 16πx", "sin 4πx", ("sin", "ReLU"), ("default", "wide")
X = np.linspace(-1, 1, 129)[:, None]
BETWEEN = (X[1:] + X[:-1]) / 2
Errors = dict[tuple[str, str, str], Any]  # of all seeds, by curve, start and activation


def network(activation: str, first: str, seed: int) -> tn.nn.Module:
    """A network whose weights depend on the start and the seed alone, not on the activation."""
    rng = np.random.default_rng(seed)
    model = mlp((1, 32, 32, 1), ACTIVATIONS[activation], rng)
    if first == "wide":
        tn.nn.init.uniform_(model[0].weight, -30, 30, rng=rng)
        for layer in (model[2], model[4]):
            tn.nn.init.siren_(layer.weight, omega=1, rng=rng)
    return model


class SignChanges(tn.training.Callback):
    """Of each member of a stack the share of nonzero gradients that have another sign than a step before, step by step."""

    def __init__(self) -> None:
        self.shares: list[Any] = []
        self._before: Any = None

    def on_backward_end(self, trainer: tn.Trainer) -> None:
        gradients = [p.grad.reshape(len(p.grad), -1) for p in trainer.model.parameters()]
        signs = np.sign(np.concatenate(gradients, axis=1))
        if self._before is not None:
            product = signs * self._before
            self.shares.append((product < 0).sum(axis=1) / np.maximum(1, (product != 0).sum(axis=1)))
        self._before = signs


def fit(activation: str, first: str, curve: Any, seeds: range, steps: int, *callbacks: Any) -> tuple[tn.nn.Module, Any]:
    """The trained network of the first seed, and the errors of all, which are trained at once."""
    models = tn.nn.ensemble(lambda seed: network(activation, first, seed), seeds)
    optimizer = tn.optim.Adam(models.parameters(), lr=0.01)
    trainer = tn.Trainer(models, tn.nn.MSELoss(), optimizer, callbacks=callbacks, rng=list(seeds))
    trainer.fit(X, curve(X), epochs=steps, batch_size=len(X), verbose=0)
    errors = trainer.predict(BETWEEN) - curve(BETWEEN)
    return models[0], np.sqrt(np.mean(errors**2, axis=(1, 2)))


def better(errors: Errors, curve: str, activation: str) -> Any:
    """The errors from the start, one of the two, that has the smaller median."""
    return min((errors[curve, first, activation] for first in STARTS), key=np.median)


def winner(sin: Any, relu: Any) -> str:
    found = paired(sin, relu)
    return "sin" if found.high < 0 else "ReLU" if found.low > 0 else "-"


def tally(winners: dict[str, str]) -> str:
    sin, relu = ([curve for curve, who in winners.items() if who == name] for name in NAMES)
    return f"sin on {len(sin)} of {len(winners)} curves, ReLU on {len(relu)}" + f" ({', '.join(relu)})" * bool(relu)


def changes_of_sign(seeds: range, steps: int) -> dict[str, Any]:
    """For each activation the shares of gradients that change sign while it learns one of the curves, (steps, seeds)."""
    shares = {}
    for name in NAMES:
        changes = SignChanges()
        fit(name, "default", CURVES[WATCHED], seeds, steps, changes)
        shares[name] = np.array(changes.shares)
    return shares


def sharing(activation: str) -> float:
    """The share of inputs from −4π to 4π whose output another one has as well."""
    x = np.arange(-400, 401) * math.pi / 100
    _, which, counts = np.unique(output(ACTIVATIONS[activation](), x).round(9), return_inverse=True, return_counts=True)
    return float((counts[which] > 1).mean())


def picture(models: dict[tuple[str, str, str], Any], errors: Errors, shares: dict[str, Any]) -> Any:
    figure, axes = tn.plot.subplots(2, 3, size=(WIDTH / 3, 2.9))
    waves = [f"sin {k}πx" for k in HALF_WAVES]
    runs = {f"{a}, {s}": np.stack([errors[c, s, a] for c in waves], axis=1) for s in STARTS for a in NAMES}
    ax = tn.plot.bands(runs, axes[0, 0], x=HALF_WAVES, xlabel="k of the target sin kπx", ylabel="error", log=True)
    ax.set(xscale="log", xticks=HALF_WAVES, xticklabels=HALF_WAVES, ylim=(3e-4, 20))
    ax.minorticks_off()
    ax.set_title("the faster, the harder")
    ax.legend(fontsize=7, ncols=2, loc="upper center", columnspacing=0.8, handlelength=1)
    shown = ((FAST, "default"), (FAST, "wide"), ("|x|", "default"), ("step", "default"))
    for ax, (curve, first) in zip(axes.flat[[1, 2, 4, 5]], shown, strict=True):
        fitted = {name: models[curve, first, name] for name in NAMES}
        tn.plot.fits(fitted, X, CURVES[curve](X), ax, target=CURVES[curve], points=801, title=f"{curve}, {first} start")
        ax.lines[1].remove()  # the points, which would hide the curves
        ax.set(xlim=(-1, 1) if curve != FAST else (-0.5, 0.5), ylim=(-1.5, 2))
        ax.get_legend().remove()
    axes[0, 1].legend(fontsize=8, ncols=3, loc="upper center", columnspacing=0.8, handlelength=1)
    steps = len(shares["sin"]) // 20 * 20
    part = {name: share[:steps].T.reshape(share.shape[1], -1, 20).mean(axis=2) for name, share in shares.items()}
    at = 20 * np.arange(1, steps // 20 + 1)
    ax = tn.plot.bands(part, axes[1, 0], x=at, xlabel="step", ylabel="share of nonzero gradients")
    ax.set(title=f"changes of sign ({WATCHED})", ylim=(0, 1))
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(20, 6), steps=(1000, 300))
    print(f"Network 1-32-32-1, {run.args.steps} steps, median error over {len(run.seeds)} seeds:\n")
    print("             default start             wide start                own better start")
    print("curve        sin     ReLU    winner    sin     ReLU    winner    winner")
    models, errors = {}, {}
    winners: dict[str, dict[str, str]] = {first: {} for first in (*STARTS, "better")}
    for curve, target in CURVES.items():
        line = f"{curve:9}"
        for first in STARTS:
            for name in NAMES:
                key = curve, first, name
                models[key], errors[key] = fit(name, first, target, run.seeds, run.args.steps)
                line += f"{'    ' if name == 'sin' else '  '}{np.median(errors[key]):.4f}"
            winners[first][curve] = winner(*(errors[curve, first, name] for name in NAMES))
            line += f"  {winners[first][curve]:6}"
        winners["better"][curve] = winner(*(better(errors, curve, name) for name in NAMES))
        print(f"{line}    {winners['better'][curve]}", flush=True)

    shares = changes_of_sign(run.seeds, max(21, run.args.steps))  # the picture shows means of 20 changes
    fifth = max(1, run.args.steps // 5)
    parts = {"all steps": slice(None), "the first fifth": slice(fifth), "the last fifth": slice(-fifth, None)}
    print(f"\nNonzero gradients that change sign from a step to the next, on {WATCHED} from the default start:\n")
    swings = {part: [center(shares[name][steps].mean(axis=0)) for name in NAMES] for part, steps in parts.items()}
    for part, found in swings.items():
        print("\n".join(f"{part:15}  {name:4}  {share:.0%}" for name, share in zip(NAMES, found, strict=True)))
    whole, early, late = swings.values()
    gap = paired(*(shares[name].mean(axis=0) for name in NAMES))
    sin, relu = (center(better(errors, FAST, name)) for name in NAMES)
    shared = {name: sharing(name) for name in NAMES}
    print()
    run.claim(
        "B7",
        winners["default"]["|x|"] == "ReLU" and winners["better"]["|x|"] != "sin" and winners["better"][FAST] == "sin"
        and sin.high < 0.05 and gap.high < 0 and shared["sin"] == 1 and shared["ReLU"] > 0.5,
        "it depends on the curve and the start. Who has the smaller error? From the default start "
        f"{tally(winners['default'])}; from the wide one {tally(winners['wide'])}; each from its own better start "
        f"{tally(winners['better'])} (medians of {len(run.seeds)} seeds, winners by 95% intervals): on {FAST} {sin:.2g} with "
        f"sin, {relu:.2g} with ReLU. What is held against sin is true of ReLU too. Signs: on {WATCHED} {whole[0]:.0%} of sin's "
        f"nonzero gradients change sign from a step to the next, but {whole[1]:.0%} of ReLU's (in the first fifth of the steps "
        f"{early[0].value:.0%} and {early[1].value:.0%}, in the last {late[0].value:.0%} and {late[1].value:.0%}). Shared "
        f"outputs: from −4π to 4π all inputs of sin share theirs with others, and {shared['ReLU']:.0%} of ReLU's, which all "
        "give 0",
    )  # fmt: skip
    if run.plot:
        run.save(picture(models, errors, shares))
    run.end()


if __name__ == "__main__":
    main()
