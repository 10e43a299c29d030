"""Activations whose shape is learned: PReLU, Swish and APL for each unit, and a function for each connection (KAN).

All networks have one hidden layer and about as many parameters, so that those which spend some on their activations have
fewer units. SiLU is Swish with β fixed at 1. The networks are fitted to surfaces over the square: two that are made of curves
of one coordinate each, and a fold across the diagonal. Each seed draws 400 points and the first weights; then come equal steps
of Adam (learning rate 0.02, all points at once). The error is the root mean square on a grid of other points, as a share of the
surface's standard deviation.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

import tinynet as tn
from common import CONDITION, WIDTH, Claim, mlp, start
from stats import Paired, median, ratio

CLAIMS = (
    Claim(
        "B13",
        "An activation's shape can be learned like any weight (PReLU, Swish with its β, APL, the curves of a KAN), and that is "
        "better than spending as many parameters on more units with a fixed shape.",
        CONDITION,
    ),
)
POINTS, EVERY = 400, 10
SURFACES: dict[str, Callable[[Any], Any]] = {
    "exp(sin πx₁ + x₂²)": lambda x: np.exp(np.sin(np.pi * x[..., :1]) + x[..., 1:] ** 2),
    "x₂ sin 2πx₁": lambda x: x[..., 1:] * np.sin(2 * np.pi * x[..., :1]),
    "|x₁ + x₂ − 0.3|": lambda x: np.abs(x[..., :1] + x[..., 1:] - 0.3),
}
CURVES, PRODUCT, FOLD = SURFACES
UNITS: dict[str, tuple[int, Callable[[int], tn.nn.Module]]] = {
    "ReLU": (34, lambda units: tn.nn.ReLU()),
    "tanh": (34, lambda units: tn.nn.Tanh()),
    "SiLU": (34, lambda units: tn.nn.SiLU()),
    "PReLU": (27, lambda units: tn.nn.PReLU(units)),
    "Swish": (27, lambda units: tn.nn.Swish(learn=True, num_parameters=units)),
    "APL": (17, lambda units: tn.nn.APL(2, units)),
}
FIXED_KIN = {"PReLU": "ReLU", "Swish": "SiLU", "APL": "ReLU"}
FIXED, LEARNED = ("ReLU", "tanh", "SiLU"), ("PReLU", "Swish", "APL", "KAN")
NAMES = FIXED + LEARNED
GRID = np.stack(np.meshgrid(np.linspace(-1, 1, 31), np.linspace(-1, 1, 31)), axis=-1).reshape(-1, 2)


def network(name: str, seed: int) -> tn.nn.Sequential:
    if name == "KAN":
        rng = np.random.default_rng(seed)
        return tn.nn.Sequential(tn.nn.KANLinear(2, 5, rng=rng), tn.nn.KANLinear(5, 1, rng=rng))
    units, activation = UNITS[name]
    return mlp((2, units, 1), lambda: activation(units), seed)


class Path(tn.training.Callback):
    """The first parameter of all members' activations, (records, members, ...): at the start and after every few steps."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    def on_fit_begin(self, trainer: tn.Trainer) -> None:
        self._keep(trainer)

    def on_epoch_end(self, trainer: tn.Trainer, record: Mapping[str, Any]) -> None:
        if trainer.epoch % EVERY == 0:
            self._keep(trainer)

    def _keep(self, trainer: tn.Trainer) -> None:
        self.records.append(next(trainer.model.members[1].parameters()).data.copy())


def fit(name: str, surface: Callable[[Any], Any], seeds: range, steps: int, *callbacks: Any) -> tuple[tn.nn.Stack, Any]:
    """The networks of all seeds, trained at once, and their errors."""
    x = np.stack([np.random.default_rng((seed, 1)).uniform(-1, 1, (POINTS, 2)) for seed in seeds])
    models = tn.nn.ensemble(lambda seed: network(name, seed), seeds)
    optimizer = tn.optim.Adam(models.parameters(), lr=0.02)
    trainer = tn.Trainer(models, tn.nn.MSELoss(), optimizer, callbacks=callbacks, rng=list(seeds))
    trainer.fit(x, surface(x), epochs=steps, batch_size=POINTS, verbose=0)
    rest = trainer.predict(GRID) - surface(GRID)
    return models, np.sqrt(np.mean(rest**2, axis=(1, 2))) / surface(GRID).std()


def best_fixed(errors: dict[tuple[str, str], Any], surface: str) -> Any:
    """The errors of the fixed activation that has the least in the median."""
    return min((errors[surface, name] for name in FIXED), key=np.median)


def special_cases() -> tuple[bool, float]:
    """Whether all special cases but one are exact, to the last bit; and how far Swish with β = 10⁴ is from ReLU."""
    x = np.linspace(-5, 5, 1001)
    exact = (
        (tn.nn.PReLU(init=1.0)(x).data == x).all()
        and all(tn.grad(lambda x, a=a: tn.nn.functional.prelu(x, np.array([a])))(np.array(0.0)) == a for a in (0.25, 1.0, 3.0))
        and (tn.nn.Swish(beta=0.0)(x) == x / 2).all()
        and (tn.nn.APL(2)(x).data == tn.relu(x)).all()
    )
    x /= 1000  # where the two differ most
    return bool(exact), float(np.abs(tn.nn.Swish(beta=1e4)(x) - tn.relu(x)).max())


def draw_units(model: tn.nn.Sequential, name: str, ax: Any) -> None:
    """What each unit's activation was, and what it has become."""
    x, units = np.linspace(-3, 3, 301), UNITS[name][0]
    before = UNITS[name][1](units)(np.repeat(x[:, None], units, axis=1)).data[:, 0]
    lines = ax.plot(x, model[1](np.repeat(x[:, None], units, axis=1)).data, color=tn.plot.COLORS[0], linewidth=0.8)
    lines[0].set_label("after")
    ax.plot(x, before, "--", color="black", linewidth=1.8, label="before")
    ax.legend(fontsize=8, loc="lower right")
    ax.set(title=f"{name}: {units} units", xlabel="$x$", ylabel="activation", xlim=(-3, 3), ylim=(-3, 3.5))


def draw_connections(model: tn.nn.Sequential, seed: int, ax: Any) -> None:
    """The functions of the connections from both inputs, without their constants."""
    x = np.linspace(-1, 1, 201)
    for i, name in enumerate(("x₁", "x₂")):
        before, after = (layer.edges(x[:, None]).data[:, :, i] for layer in (network("KAN", seed)[0], model[0]))
        ax.plot(x, before - before.mean(axis=0), "--", color=tn.plot.COLORS[i], linewidth=0.6)
        lines = ax.plot(x, after - after.mean(axis=0), color=tn.plot.COLORS[i], linewidth=1.4)
        lines[0].set_label(f"from {name}")
    ax.set(title="KAN: 10 connections", xlabel="input", ylabel="function − its mean", xlim=(-1, 1))
    ax.legend(fontsize=8, ncols=2, loc="upper center")
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom, top + 0.2 * (top - bottom))


def draw_errors(errors: dict[tuple[str, str], Any], ax: Any) -> None:
    """The median of the seeds and the quartiles, of every network on every surface."""
    for i, surface in enumerate(SURFACES):
        found = [median(errors[surface, name]) for name in NAMES]
        value, low, high = np.array([(one.value, one.low, one.high) for one in found]).T
        places = np.arange(len(NAMES)) + 0.2 * (i - 1)
        ax.errorbar(value, places, xerr=[value - low, high - value], fmt="os^"[i], color=tn.plot.COLORS[i],
                    markersize=4, label=surface)  # fmt: skip
    ax.set(title="≈ 136 parameters each", xscale="log", xlabel="error", yticks=range(len(NAMES)), yticklabels=NAMES)
    ax.set_ylim(len(NAMES) - 0.5, -3.4)  # with room for the legend
    ax.grid(axis="x", alpha=0.4)
    ax.legend(fontsize=8, loc="upper center")


def picture(models: dict[tuple[str, str], Any], paths: dict[str, Path], errors: dict[tuple[str, str], Any], seed: int) -> Any:
    figure, axes = tn.plot.subplots(2, 3, size=(WIDTH / 3, 2.9))
    for ax, name in zip(axes[0], ("PReLU", "Swish", "APL"), strict=True):
        draw_units(models[CURVES, name], name, ax)
    runs = {}
    for name, letter in (("PReLU", "a of PReLU"), ("Swish", "β of Swish")):
        runs[letter] = np.stack(paths[name].records, axis=-1).reshape(-1, len(paths[name].records))
    at = EVERY * np.arange(len(paths["PReLU"].records))
    tn.plot.bands(runs, axes[1, 0], x=at, xlabel="step", ylabel="value, all units and seeds")
    axes[1, 0].set_title("the path of the parameters")
    draw_connections(models[CURVES, "KAN"], seed, axes[1, 1])
    draw_errors(errors, axes[1, 2])
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(20, 12), steps=(1000, 300))
    print(f"Error after {run.args.steps} steps, median over {len(run.seeds)} seeds:\n")
    print(f"{'':7}parameters" + "".join(f"{surface:>22}" for surface in SURFACES))
    models, errors, paths = {}, {}, {name: Path() for name in LEARNED if name != "KAN"}
    for name in NAMES:
        line = f"{name:7}{network(name, 0).num_parameters():10}"
        for surface, f in SURFACES.items():
            callbacks = [paths[name]] if surface == CURVES and name in paths else []
            stack, errors[surface, name] = fit(name, f, run.seeds, run.args.steps, *callbacks)
            models[surface, name] = stack[0]
            line += f"{median(errors[surface, name]).value:22.4f}"
        print(line, flush=True)

    print(f"\nWhat the units learn on {CURVES}: quartiles over units and seeds, after 0, 10, 50 and 100% of the steps:\n")
    for name, letter in (("PReLU", "a"), ("Swish", "β"), ("APL", "a")):
        records = paths[name].records
        moments = [np.quantile(records[round(share * (len(records) - 1))], (0.25, 0.5, 0.75)) for share in (0, 0.1, 0.5, 1)]
        print(f"{letter} of {name:6}" + "   ".join(" ".join(f"{value:6.2f}" for value in quartiles) for quartiles in moments))

    kan = {surface: ratio(errors[surface, "KAN"], best_fixed(errors, surface)) for surface in SURFACES}
    units = {
        name: {surface: ratio(errors[surface, name], errors[surface, fixed]) for surface in SURFACES}
        for name, fixed in FIXED_KIN.items()
    }
    exact, off = special_cases()

    def times(found: Iterable[Paired]) -> str:
        return ", ".join(f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})" for one in found)

    print()
    run.claim(
        "B13",
        max(kan[CURVES].high, kan[PRODUCT].high, units["APL"][CURVES].high) < 1 < kan[FOLD].low and exact and off < 3e-5,
        f"it depends on what is learned. The three surfaces are {CURVES} and {PRODUCT}, which are made of curves of one "
        f"coordinate, and the fold {FOLD}, which lies across. On these the KAN has {times(kan.values())} times the error of "
        "the best fixed activation. With a shape for each unit "
        + "; ".join(f"{name} has {times(found.values())} times {FIXED_KIN[name]}'s error" for name, found in units.items())
        + f" (medians of {len(run.seeds)} seeds, 95% intervals; SiLU is Swish with β = 1). PReLU with a = 1 is linear, "
        f"and its slope at 0 is a, not 1. Swish is x/2 at β = 0, and ReLU, to {off:.0e}, at β = 10⁴",
    )
    if run.plot:
        run.save(picture(models, paths, errors, run.args.seed))
    run.end()


if __name__ == "__main__":
    main()
