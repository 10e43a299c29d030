"""Layers without activations collapse: however many there are, they are one affine map.

Networks that are all `Linear` layers are collapsed to one weight and bias, W·x + b. A single layer that starts as that map is
then trained beside the deep network it came from, on the same data and by the same gradient descent: the functions they can
become are the same, their ways there are not. Last, what an activation adds: many random networks are each taken at 64 points
of a line, and of how many functions all of them are mixtures is counted; without an activation these are two, x and 1.
"""

from typing import Any

import numpy as np

import tinynet as tn
from common import DOES_NOT_HOLD, HOLDS, WIDTH, Claim, Run, mlp, output, start
from stats import center, median, paired, rate

CLAIMS = (
    Claim("A3", "Linear layers, however many, are one linear layer; no function is gained, though training differs.", HOLDS),
    Claim("A8", "An activation is there to break the closure of linear maps, not to add capability.", DOES_NOT_HOLD),
)
DEPTHS, UNITS, RATE = (1, 2, 4, 8, 32), 8, 0.01
TRAINED = (2, 4, 8)  # depths
DRAWN = 20  # random networks for each seed, to count the functions that they are mixtures of
GRID = np.linspace(-1, 1, 64)[:, None]


def network(sizes: list[int], seed: int, activation: Any = tn.nn.Identity) -> tn.nn.Sequential:
    """Linear layers with an activation between them, drawn apart from the data of the seed."""
    return mlp(sizes, activation, (seed, 1))


def single(model: tn.nn.Module, inputs: int) -> tn.nn.Linear:
    """One layer that is the same function as a network of linear layers."""
    weight, bias = tn.inspect.collapse(model, np.zeros(inputs))
    layer = tn.nn.Linear(inputs, len(bias))
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def train(models: list[tn.nn.Module], x: Any, y: Any, steps: int, optimizer: Any) -> tuple[tn.nn.Stack, Any]:
    """Full-batch training of all models at once: the trained ones, and the loss before each step, of shape (models, steps)."""
    stack = tn.nn.stack(models)
    trainer = tn.Trainer(stack, tn.nn.MSELoss(), optimizer(stack.parameters()))
    history = trainer.fit(x, y, epochs=steps, batch_size=x.shape[-2], verbose=0)
    return stack, np.transpose(history["loss"])


def regression(seed: int) -> tuple[Any, Any]:
    """A linear task: 100 points of 4 numbers, a noisy target."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(100, 4))
    return x, x @ rng.normal(size=(4, 1)) + 0.1 * rng.normal(size=(100, 1))


def floor(x: Any, y: Any) -> float:
    """The least loss that an affine map can have."""
    design = np.column_stack([x, np.ones(len(x))])
    return float(np.mean((design @ np.linalg.lstsq(design, y, rcond=None)[0] - y) ** 2))


def depth_and_training(run: Run) -> dict[str, Any]:
    """A3: the same functions, trained differently; gives loss curves for the picture."""
    print("Linear layers collapsed to one weight and bias, the largest difference in the outputs:\n")
    worst = {}
    for depth in DEPTHS:
        differences = []
        for seed in run.seeds:
            model, x = network([4, *[UNITS] * (depth - 1), 3], seed), np.random.default_rng(seed).normal(size=(100, 4))
            weight, bias = tn.inspect.collapse(model, x[0])
            y = output(model, x)
            differences.append(np.abs(y - (x @ weight.T + bias)).max() / np.abs(y).max())
        worst[depth] = max(differences)
        print(f"{depth:2} layer{'s' * (depth > 1):1}  {worst[depth]:.0e} of the largest output")

    x, y = map(np.stack, zip(*map(regression, run.seeds), strict=True))
    least = np.array([floor(*data) for data in zip(x, y, strict=True)])
    print(f"\nFrom the same function by gradient descent (rate {RATE}): steps to within 1% of least squares, medians:\n")
    curves, steps = {}, {}
    for depth in TRAINED:
        deep = [network([4, *[UNITS] * (depth - 1), 1], seed) for seed in run.seeds]
        for kind, models in ((f"{depth} layers", deep), (f"1 layer like {depth}", [single(model, 4) for model in deep])):
            curves[kind] = train(models, x, y, run.args.steps, lambda parameters: tn.optim.SGD(parameters, lr=RATE))[1]
            there = curves[kind] <= 1.01 * least[:, None]
            steps[kind] = np.where(there.any(axis=1), there.argmax(axis=1), np.inf)
            print(f"{kind:14}  {median(steps[kind])}")
    deep, one = list(curves)[-2:]
    soon = min(20, run.args.steps - 1)
    left = {kind: curves[kind][:, soon] / curves[kind][:, 0] for kind in (deep, one)}
    gap = paired(left[deep], left[one])
    same = np.abs(curves[deep][:, 0] / curves[one][:, 0] - 1).max()
    arrived = rate(int(np.isfinite(list(steps.values())).all(axis=0).sum()), len(least))
    print()
    run.claim(
        "A3",
        max(worst.values()) < 1e-13 and same < 1e-12 and gap.low > 0.2 and arrived.low > 0.5,
        f"up to {DEPTHS[-1]} linear layers give what their collapsed weight and bias give, to {max(worst.values()):.0e} of the "
        f"largest output ({len(run.seeds)} random starts of each depth). Training differs: from the same function, {soon} "
        f"steps leave {center(left[deep]):.0%} of the loss with {deep} and {center(left[one]):.0%} with one (medians; more "
        f"with {deep} on {gap.more} of {len(least)} seeds). All depths come within 1% of the least loss that any affine map "
        f"has, in {run.args.steps} steps, on {arrived} seeds",
    )
    return {name: curves[name] for name in (deep, one)}


def capability(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """A8: the spaces of functions, and a fit; gives singular values and fitted networks for the picture."""
    sizes, target = [1, 16, 16, 1], np.cos(np.pi * GRID)
    spectra, fitted, found, ranks = {}, {}, {}, {}
    for kind, activation in {"no activation": tn.nn.Identity, "ReLU": tn.nn.ReLU}.items():
        drawn = [mlp(sizes, activation, (seed, 2, i)) for seed in run.seeds for i in range(DRAWN)]
        outputs = output(tn.nn.stack(drawn), GRID)[..., 0]
        spectra[kind] = np.linalg.svd(outputs, compute_uv=False)
        ranks[kind] = int(np.linalg.matrix_rank(outputs))
        models = [network(sizes, seed, activation) for seed in run.seeds]
        stack, losses = train(models, GRID, target, run.args.steps, lambda parameters: tn.optim.Adam(parameters, lr=0.01))
        fitted[kind], found[kind] = stack[0], losses[:, -1]
        print(f"{kind:13}  mixtures of {ranks[kind]:2} functions; error after training {center(found[kind])}")
    least = floor(GRID, target)
    print(f"The best affine map has the error {least:.3f}.\n")
    below = rate(int((found["ReLU"] < 0.1 * least).sum()), len(run.seeds))
    run.claim(
        "A8",
        ranks["no activation"] == 2 and ranks["ReLU"] == len(GRID)
        and found["no activation"].min() > (1 - 1e-9) * least and below.low > 0.5,
        f"to break the closure is to gain capability. {DRAWN * len(run.seeds)} random networks 1-16-16-1 without activations "
        f"are, at {len(GRID)} points of a line, all mixtures of {ranks['no activation']} functions, x and 1. With ReLU it "
        f"takes {ranks['ReLU']}, as many as there are points: mixtures of them can be anything there. Fitted to cos πx, no "
        f"linear one has an error below {least:.3f}, that of the best affine map; with ReLU it is {center(found['ReLU']):.1g}, "
        f"and less than a tenth of {least:.3f} on {below} seeds",
    )  # fmt: skip
    return spectra, fitted


def picture(curves: dict[str, Any], spectra: dict[str, Any], fitted: dict[str, Any]) -> Any:
    figure, axes = tn.plot.subplots(1, 3, size=(WIDTH / 3, 3.1))
    dynamics, spectrum, fit = axes[0]
    tn.plot.bands({name: runs[:, :400] for name, runs in curves.items()}, dynamics, xlabel="step", log=True)
    dynamics.set(title="same function at the start")
    for name, marker, color in zip(spectra, "so", tn.plot.COLORS, strict=False):
        sizes = spectra[name] / spectra[name][0]
        spectrum.plot(np.arange(1, len(sizes) + 1), sizes, marker, markersize=3, color=color, label=name)
    spectrum.set(yscale="log", xlabel="rank", ylabel="singular value", title="mixtures of 2, or of 64")
    tn.plot.fits(fitted, GRID[::7], np.cos(np.pi * GRID[::7]), fit, title="fitted to cos πx")
    spectrum.text(63, 3e-15, "rounding", ha="right")
    for ax in (dynamics, spectrum, fit):
        ax.legend(fontsize=8)
    fit.set_ylim(-1.1, 2.2)  # with room for the legend
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(50, 10), steps=(1500, 1000))
    curves = depth_and_training(run)
    print()
    spectra, fitted = capability(run)
    if run.plot:
        run.save(picture(curves, spectra, fitted))
    run.end()


if __name__ == "__main__":
    main()
