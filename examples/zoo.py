"""The activation zoo: ReLU, what it leaves out, and why there are others.

Each is first described by its range and its slopes. Then ReLU: how many units are silent at the start, where its gradient goes
on, and when units die. For that a network 2-32-1 is trained on a disc and the ring round it (200 points, half in the disc, 500
full-batch steps of SGD with momentum 0.9), with growing learning rates, and from starts at which every bias is lowered, so that
units get what is negative. A unit is dead if its slope is zero at all the points: nothing it is given can change by training.
"""

from decimal import Decimal, localcontext
from typing import Any

import numpy as np

import tinynet as tn
from common import ACTIVATIONS, CONDITION, HOLDS, WIDTH, Claim, Run, mlp, start
from stats import Center, center, median, paired, rate

CLAIMS = (
    Claim("A10", "ReLU is sparse, half of its units are off, and its gradient is stable, as it does not saturate.", CONDITION),
    Claim("A12", "tanh is the sigmoid centred at zero: tanh(x) = 2σ(2x) − 1, with the slope 1 at 0 where σ has ¼.", HOLDS),
    Claim("A15c", "LeakyReLU, GELU and Swish go on learning where ReLU has no gradient and its units die.", CONDITION),
)
SHOWN = ("ReLU", "LeakyReLU", "GELU", "Swish", "tanh", "sigmoid")
COMPARED = SHOWN[:4]
RATES, SHIFTS, GENTLE = (0.1, 1, 3, 10), (0, 1, 2, 3, 6, 20), 0.1
SCALES, DEPTH, UNITS = (0.5, 1, 2), 20, 64


def slope(name: str, x: float) -> float:
    return float(tn.grad(ACTIVATIONS[name]())(np.array(float(x))))


def describe() -> None:
    print("On [-6, 6]  range              monotone        slope at -30       -3        0        3       30")
    for name in SHOWN:
        found = tn.inspect.report(ACTIVATIONS[name](), -6, 6)
        low, high = found.range
        slopes = "".join(f"{slope(name, x):9.2g}" for x in (-30, -3, 0, 3, 30))
        print(f"{name:10}  {low:8.4f} {high:8.4f}  {found.monotone:14}     {slopes}")


def tanh_by(x: float) -> dict[str, float]:
    """The relative error of three ways to tanh, against 60 digits; and of the identity itself, which is about 1e-59."""
    with localcontext() as context:
        context.prec = 60
        up, down = Decimal(x).exp(), Decimal(-x).exp()
        true, other = (up - down) / (up + down), 2 / (1 + Decimal(-2 * x).exp()) - 1
        with np.errstate(over="ignore", invalid="ignore"):
            up_, down_ = np.exp(x), np.exp(-x)
            textbook = (up_ - down_) / (up_ + down_)
        ways = {"textbook": textbook, "2σ(2x) − 1": 2 * tn.sigmoid(2 * x) - 1, "np.tanh": np.tanh(tn.tensor(x)).item()}
        errors = {name: float(abs(Decimal(float(y)) / true - 1)) for name, y in ways.items()}
        return errors | {"identity": float(abs(other - true))}


def sigmoids(run: Run) -> None:
    """A12."""
    errors = [tanh_by(3 * np.random.default_rng(seed).normal()) for seed in run.seeds]
    identity, ours = (max(found[name] for found in errors) for name in ("identity", "np.tanh"))
    small = tanh_by(1e-9)
    far = np.array([-1e4, 1e4])
    finite = [np.tanh(far).tolist(), tn.sigmoid(far).tolist(), [slope("tanh", 1e4), slope("sigmoid", -1e4)]]
    run.claim(
        "A12",
        identity < 1e-50 and ours < 1e-15 and np.isnan(tanh_by(720)["textbook"])
        and (slope("tanh", 0), slope("sigmoid", 0)) == (1, 0.25) and finite == [[-1, 1], [0, 1], [0, 0]],
        f"both sides agree to {identity:.0e} in arithmetic of 60 digits, at {len(errors)} random x; the slopes at 0 are "
        f"{slope('tanh', 0):g} and {slope('sigmoid', 0):g}. In float64 they differ: (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ) is NaN above 709, as "
        f"eˣ overflows, and 2σ(2x) − 1 is off by {small['2σ(2x) − 1']:.0e} of its value at x = 1e-9; tinynet's tanh by at most "
        f"{ours:.0e}, and it is right at ±10,000, as are the sigmoid and their gradients",
    )  # fmt: skip


def deep(seed: int, scale: float) -> tuple[list[float], float]:
    """A deep ReLU network at a start of He's standard deviation times a scale: zeros in each layer, the first's gradient."""
    rng = np.random.default_rng(seed)
    layers: list[tn.nn.Module] = []
    for _ in range(DEPTH):
        layers += [tn.nn.Linear(UNITS, UNITS, bias=False), tn.nn.ReLU()]
        tn.nn.init.normal_(layers[-2].weight, std=scale * (2 / UNITS) ** 0.5, rng=rng)
    model, x = tn.nn.Sequential(*layers), rng.normal(size=(100, UNITS))
    zeros = [row.zeros for row in tn.inspect.activation_statistics(model, x) if row.kind == "ReLU"]
    return zeros, tn.inspect.gradient_norms(model, np.mean(model(x)))[0].gradient


def train(name: str, seeds: range, steps: int, learning_rate: float, shift: float) -> tuple[Any, Any, Any]:
    """For each seed the share of dead units at the start and after training, and the accuracy on the points."""

    def network(seed: int) -> tn.nn.Module:
        model = mlp((2, 32, 1), ACTIVATIONS[name], (seed, 1))  # seeded apart from the data
        model[0].bias.data -= shift
        return model

    x, y = map(np.stack, zip(*(tn.data.circle(200, rng=seed, majority=0.5) for seed in seeds), strict=True))
    stack = tn.nn.ensemble(network, seeds)
    at_start = dead(stack, x)
    optimizer = tn.optim.SGD(stack.parameters(), lr=learning_rate, momentum=0.9)
    trainer = tn.Trainer(stack, tn.nn.BCEWithLogitsLoss(), optimizer)
    trainer.fit(x, y[..., None], epochs=steps, batch_size=200, verbose=0)
    return at_start, dead(stack, x), ((trainer.predict(x)[..., 0] > 0) == y).mean(axis=1)


def dead(stack: tn.nn.Stack, x: Any) -> Any:
    return np.array([tn.inspect.dead_units(model, own)[0].rate for model, own in zip(stack.unstack(), x, strict=True)])


Trained = dict[tuple[str, float, float], tuple[Any, Any, Any]]  # by name, learning rate and shift


def rectifier(run: Run, share: Center, gradients: dict[float, Center], trained: Trained) -> None:
    """A10."""
    by_rate = {r: center(trained["ReLU", r, 0][1]) for r in RATES}
    started, _, lost = (center(found) for found in trained["ReLU", GENTLE, 2])
    small, he, large = gradients.values()
    run.claim(
        "A10",
        abs(share.value - 0.5) < 0.05 and slope("ReLU", 1e6) == 1 and slope("tanh", 20) == 0 and by_rate[GENTLE].value < 0.2
        and by_rate[10].value > 0.8 and started.value == 1 and lost.value < 0.6 and 0.01 < he.value < 100
        and 1000 * small.high < he.low < he.high < large.low / 1000,
        f"at a symmetric start {share:.0%} of a network's ReLU outputs are 0, and ReLU's slope is 1 even at 1,000,000, where "
        f"tanh has 0 at 20. Left out is what silence can cost: a unit can die. After training with the learning rate {GENTLE} "
        f"{by_rate[GENTLE]:.0%} of 32 units are dead, with 3 {by_rate[3]:.0%}, with 10 {by_rate[10]:.0%}. With biases lowered "
        f"by 2 {started:.0%} are dead before training, which ends at an accuracy of {lost:.0%}, guessing. What keeps the "
        f"gradient stable is the start: through {DEPTH} layers that of the first weights is {he:.2g} with He's standard "
        f"deviation, {small:.0e} with half of it, {large:.0e} with twice (medians of {len(run.seeds)} seeds)",
    )  # fmt: skip


def successors(run: Run, trained: Trained) -> None:
    """A15c."""
    dead_at = center(trained["ReLU", 3, 0][1])
    right = {key: center(found[2]) for key, found in trained.items()}
    gelu = center(trained["GELU", 10, 0][1])
    alive = [not any(trained[name, 3, 0][1][i] for name in COMPARED[1:]) for i in range(len(run.seeds))]
    all_alive = rate(sum(alive), len(alive))
    gains = [paired(trained[name, GENTLE, 2][2], trained["ReLU", GENTLE, 2][2]) for name in COMPARED[2:]]

    def from_start(shift: float) -> str:
        found = {name: right[name, GENTLE, shift] for name in COMPARED}
        return ", ".join(f"{name} {one.value:.0%} ({one.low:.0%} to {one.high:.0%})" for name, one in found.items())

    run.claim(
        "A15c",
        dead_at.low > 0 and all_alive.low > 0.5 and min(gain.low for gain in gains) > 0
        and right["LeakyReLU", GENTLE, 2].value < 0.7 and max(right[name, GENTLE, 20].value for name in COMPARED) < 0.6,
        f"with the learning rate 3 {dead_at:.0%} of ReLU's units die; of LeakyReLU's, GELU's and Swish's none on {all_alive} "
        f"seeds (with 10 also {gelu:.0%} of GELU's). Where every unit starts on the negative side, its bias lowered by 2, the "
        f"accuracy after training is {from_start(2)} (medians, 95% intervals). LeakyReLU's units live on, but its slope of "
        f"0.01 is slow, and until some cross over the network is one linear map. GELU's and Swish's slopes fade further left, "
        f"at −30 to {slope('GELU', -30):.0e} and {slope('Swish', -30):.0e}. From biases lowered by 20 the accuracy is "
        f"{from_start(20)}",
    )  # fmt: skip


def picture(activity: dict[str, Any], trained: Trained) -> Any:
    figure, axes = tn.plot.subplots(2, 3, size=(WIDTH / 3, 2.8))
    tn.plot.activation_curves({name: ACTIVATIONS[name]() for name in SHOWN}, axes[0, :2])
    axes[0, 1].get_legend().remove()
    axes[0, 0].legend(fontsize=8)
    for ax, title in zip(axes[0], ("activations", "their slopes"), strict=False):
        ax.set_title(title)
        ax.lines[0].set_linewidth(4)  # ReLU, which LeakyReLU lies upon

    places = np.geomspace(1e-10, 1e3, 80)
    errors = [tanh_by(x) for x in places]
    formulas, silent, dying, rescued = axes[0, 2], *axes[1]
    for i, (name, marker) in enumerate((("textbook", "x"), ("2σ(2x) − 1", "."), ("np.tanh", "^"))):
        values = [max(found[name], 1e-17) for found in errors]
        formulas.plot(places, values, marker, markersize=3, color=tn.plot.COLORS[i], label=name)
    formulas.axvline(709.8, color="black", linestyle=":")
    formulas.text(500, 1e-10, "textbook: NaN", rotation=90, ha="right", va="center", fontsize=8)
    formulas.set(xscale="log", yscale="log", xlabel="$x$", ylabel="relative error", title="tanh, three ways")
    formulas.legend(fontsize=8)

    for i, (name, values) in enumerate(activity.items()):
        bins, how = np.linspace(-1.05, 3.05, 42), {"weights": np.full(values.size, 100 / values.size)}
        silent.hist(values.ravel(), bins, histtype="step", color=tn.plot.COLORS[4 * i], linewidth=1.5, label=name, **how)
    silent.set(xlabel="output of a hidden unit", ylabel="share, %", title="half of ReLU is silent")
    silent.legend(fontsize=8)

    for i, name in enumerate(COMPARED):
        for ax, at, keys, what in (
            (dying, RATES, [(name, r, 0) for r in RATES], 1),
            (rescued, range(len(SHIFTS)), [(name, GENTLE, s) for s in SHIFTS], 2),
        ):
            low, middle, high = 100 * np.quantile([trained[key][what] for key in keys], (0.25, 0.5, 0.75), axis=1)
            style = {"marker": "os^D"[i], "markersize": 4, "color": tn.plot.COLORS[i], "label": name}
            ax.errorbar(at, middle, [middle - low, high - middle], **style)
    dying.legend(fontsize=8, loc="upper left")
    dying.set(xscale="log", xlabel="learning rate", ylabel="dead units, %", title="units that die")
    rescued.set(xticks=range(len(SHIFTS)), xticklabels=SHIFTS, xlabel="biases lowered by", ylabel="accuracy, %")
    rescued.set_title("after a bad start")
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(30, 10), steps=(500, 500))
    describe()

    print(f"\nAt a start of He's standard deviation times c, {DEPTH} layers of {UNITS}; medians of {len(run.seeds)} seeds:\n")
    silent, gradients = {}, {}
    for scale in SCALES:
        zeros, norms = zip(*(deep(seed, scale) for seed in run.seeds), strict=True)
        silent[scale], gradients[scale] = center(np.mean(zeros, axis=1)), center(norms)
        print(f"c = {scale:<4}  zeros {silent[scale]:.0%}   gradient of the first weights {gradients[scale]:.1e}")

    print("\nTrained: medians of the share of dead units before and after, and of the accuracy:\n")
    trained: Trained = {}
    for learning_rate, shift in (*((r, 0) for r in RATES), *((GENTLE, s) for s in SHIFTS[1:])):
        for name in COMPARED:
            trained[name, learning_rate, shift] = found = train(name, run.seeds, run.args.steps, learning_rate, shift)
            before, after, right = (f"{median(values).value:4.0%}" for values in found)
            print(f"rate {learning_rate:<4} biases {-shift:<3}  {name:10} dead {before} {after}   accuracy {right}", flush=True)
    print()
    rectifier(run, silent[1], gradients, trained)
    sigmoids(run)
    successors(run, trained)
    if run.plot:
        rng = np.random.default_rng(run.args.seed)
        inputs = tn.nn.Linear(16, 64, rng=rng)(rng.normal(size=(200, 16)))
        run.save(picture({name: ACTIVATIONS[name]()(2 * inputs).data for name in ("ReLU", "tanh")}, trained))
    run.end()


if __name__ == "__main__":
    main()
