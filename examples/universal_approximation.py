"""One hidden layer, wider and wider: what it could fit, what training finds, and what x² never fits.

A layer of n ReLU units can be written down that joins n + 1 points of a curve by straight lines: if the curve is continuous,
the error goes to 0 as n grows. The same layer is also trained, from many random starts, and so is one of tanh. Then |x| is to
be fitted, by a layer of x² too, which makes a quadratic of x however wide it is. The error is the largest one on [-1, 1].
A wide layer can do all that a narrow one can: where its error is larger, training is the limit and not what it could fit.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinynet as tn
from common import ACTIVATIONS, DOES_NOT_HOLD, HOLDS, WIDTH, Claim, Run, mlp, output, start
from stats import center, paired

CLAIMS = (
    Claim("B5", "One hidden layer comes as near as wanted to any continuous function, if it is wide enough.", HOLDS),
    Claim("B6", "Any activation that is not strictly linear will do.", DOES_NOT_HOLD),
)
WIDTHS = (2, 4, 8, 16, 32, 64, 128)
SHOWN = 16  # the width of the fits in the picture
X = np.linspace(-1, 1, 129)[:, None]
EVERYWHERE = np.linspace(-1, 1, 2001)[:, None]
BEST_QUADRATIC = 1 / 8  # of |x|: x² + ⅛ is off by ⅛ at 0, ±½ and ±1, with signs in turn, so that none is nearer (Chebyshev)


def wave(x: Any) -> Any:
    return np.sin(2 * np.pi * x)


def interpolant(curve: Callable[[Any], Any], width: int) -> tn.nn.Module:
    """Straight lines between width + 1 points: unit k adds at its knot what the slope changes there."""
    knots = np.linspace(-1, 1, width + 1)
    slopes = np.diff(curve(knots)) / np.diff(knots)
    model = tn.nn.Sequential(tn.nn.Linear(1, width), tn.nn.ReLU(), tn.nn.Linear(width, 1))
    first, _, last = model
    first.weight.data, first.bias.data = np.ones((width, 1)), -knots[:-1]
    last.weight.data, last.bias.data = np.diff(slopes, prepend=0)[None], curve(knots[:1])
    return model


def train(curve: Callable[[Any], Any], activation: str, width: int, run: Run) -> tn.nn.Stack:
    """A network 1-width-1 for each seed."""
    networks = tn.nn.ensemble(lambda seed: mlp((1, width, 1), ACTIVATIONS[activation], seed), run.seeds)
    trainer = tn.Trainer(networks, tn.nn.MSELoss(), tn.optim.Adam(networks.parameters(), lr=0.01), rng=list(run.seeds))
    trainer.fit(X, curve(X), epochs=run.args.steps, batch_size=len(X), verbose=0)
    return networks


def largest_error(curve: Callable[[Any], Any], model: tn.nn.Module) -> Any:
    """On [-1, 1]; of a stack that of each network."""
    return np.abs(output(model, EVERYWHERE) - curve(EVERYWHERE)).max(axis=(-2, -1))


def not_quadratic(networks: tn.nn.Stack) -> float:
    """How far the outputs are from the parabolas nearest to them, relative to their size."""
    outputs = output(networks, EVERYWHERE)[..., 0].T
    parabolas = np.polynomial.polynomial.polyfit(EVERYWHERE[:, 0], outputs, 2)
    rest = outputs - np.polynomial.polynomial.polyval(EVERYWHERE[:, 0], parabolas).T
    return float(np.abs(rest).max() / np.abs(outputs).max())


def table(title: str, errors: dict[str, list[Any]]) -> None:
    print(f"{title}\n\n{'width':22}" + "".join(f"{width:10}" for width in WIDTHS))
    for name, row in errors.items():
        print(f"{name:22}" + "".join(f"{np.median(error):10.5f}" for error in row))
    print()


def picture(on_wave: dict[str, Any], on_kink: dict[str, Any], waves: dict[str, Any], kinks: dict[str, Any]) -> Any:
    figure, axes = tn.plot.subplots(2, 2, size=(WIDTH / 2, 3.2))
    knots = X[:: (len(X) - 1) // SHOWN]
    tn.plot.fits(on_wave, knots, wave(knots), axes[0, 0], target=wave, title=f"sin 2πx, ReLU of width {SHOWN} (first seed)")
    tn.plot.fits(on_kink, knots, np.abs(knots), axes[0, 1], target=np.abs, title=f"|x|, width {WIDTHS[-1]} (first seed)")
    for ax, runs, title in zip(axes[1], (waves, kinks), ("sin 2πx: existing and found", "|x|: x² stays behind"), strict=True):
        tn.plot.bands({name: np.reshape(errors, (len(WIDTHS), -1)).T for name, errors in runs.items()}, ax, x=WIDTHS,
                      xlabel="width of the hidden layer", ylabel="largest error", log=True)  # fmt: skip
        ax.set_xscale("log", base=2)
        ax.set(title=title, xticks=WIDTHS, xticklabels=WIDTHS)
    axes[1, 1].axhline(BEST_QUADRATIC, color="black", linestyle=":", label="best quadratic, ⅛")
    axes[1, 1].set_ylim(top=50)  # with room for the legend
    axes[1, 1].legend(ncols=2, loc="upper center")
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(20, 8), steps=(3000, 800))
    print(f"Networks 1-width-1, {run.args.steps} steps of Adam on {len(X)} points, {len(run.seeds)} seeds.\n")

    written = [interpolant(wave, width) for width in WIDTHS]
    trained = {name: [train(wave, name, width, run) for width in WIDTHS] for name in ("ReLU", "tanh")}
    waves = {"ReLU, written down": [largest_error(wave, model) for model in written]}
    waves |= {f"{name}, trained": [largest_error(wave, model) for model in row] for name, row in trained.items()}
    table("Largest error on sin 2πx, median", waves)
    kinked = {name: [train(np.abs, name, width, run) for width in WIDTHS] for name in ("square", "ReLU", "tanh")}
    kinks = {name: [largest_error(np.abs, model) for model in row] for name, row in kinked.items()}
    table("Largest error on |x|, median", kinks)

    exact, found = np.array(waves["ReLU, written down"]), waves["ReLU, trained"]
    behind = paired(found[-1], np.full(len(run.seeds), exact[-1]))
    bound = 4 * np.pi**2 / 8 * np.square(2 / np.array(WIDTHS))  # of lines between knots h apart: h²/8 max |f''|
    run.claim(
        "B5", np.all(exact <= bound) and behind.low > 0,
        f"ReLU weights written down are off by {exact[-1]:.5f} at width {WIDTHS[-1]}, {exact[-2] / exact[-1]:.1f} times less "
        f"than at half the width. That they exist does not mean that training finds them: {run.args.steps} steps of Adam end "
        f"at {center(found[-1]):.3f}, worse on {behind.more} of {len(run.seeds)} seeds",
    )  # fmt: skip
    bent = max(not_quadratic(networks) for networks in kinked["square"])
    square, tanh, relu = (dict(zip(WIDTHS, map(center, kinks[name]), strict=True)) for name in ("square", "tanh", "ReLU"))
    first, last, nearest = WIDTHS[0], WIDTHS[-1], min(WIDTHS, key=lambda width: relu[width].value)
    gain = paired(kinks["tanh"][0], kinks["tanh"][-1])
    alike = max(abs(found.value - square[first].value) for found in square.values())
    run.claim(
        "B6", bent < 1e-9 and np.min(kinks["square"]) >= BEST_QUADRATIC and alike < 0.01 and gain.low > 0
        and max(tanh[last].high, relu[last].high) < BEST_QUADRATIC and largest_error(np.abs, interpolant(np.abs, 2)) == 0,
        f"x² is not linear, but a polynomial, and a layer of it is a quadratic of x (to {bent:.0e}), off by at least 1/8 on "
        f"|x| somewhere. From width {first} to {last} its median error stays at {square[last].value:.3f}. tanh goes on "
        f"improving, from {tanh[first]:.3f} to {tanh[last]:.3f}. ReLU is off by {relu[first]:.2g} at width {first}, by "
        f"{relu[nearest]:.2g} at its nearest, {nearest}, and by {relu[last]:.2g} at {last}: training is the limit there, as 2 "
        "units can give |x| exactly. What is needed is to be no polynomial",
    )  # fmt: skip
    if run.plot:
        shown = WIDTHS.index(SHOWN)
        on_wave = {"written down": written[shown], "trained": trained["ReLU"][shown][0]}
        on_kink = {name: row[-1][0] for name, row in kinked.items()}
        run.save(picture(on_wave, on_kink, waves, kinks))
    run.end()


if __name__ == "__main__":
    main()
