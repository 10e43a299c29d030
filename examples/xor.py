"""XOR: what no straight line can do, two ReLU units can, and training finds more often the wider the network.

A hidden layer without an activation is trained beside ReLU and tanh, with 2, 4 and 8 units and many random starts of each, on
all four points at once (binary cross-entropy, Adam with a learning rate of 0.02). That no line solves XOR needs no training:
each of the 16 ways to label the four points is either drawn by some line or contradicts what holds of every line.
"""

import itertools
from typing import Any

import numpy as np

import tinynet as tn
from common import ACTIVATIONS, DOES_NOT_HOLD, HOLDS, WIDTH, Claim, mlp, output, start
from stats import Rate, rate

CLAIMS = (
    Claim("A1", "In a drawing of XOR the filled dots, its ones, sit on the corners (0, 0) and (1, 1).", DOES_NOT_HOLD),
    Claim("A2", "No affine model does XOR: no straight line has its ones on one side and its zeros on the other.", HOLDS),
    Claim("A4", "Two hidden ReLU units do XOR, with weights set by hand: ReLU(x₁ − x₂) + ReLU(x₂ − x₁).", HOLDS),
    Claim("A6", "That a network could do XOR does not mean that training gets there.", HOLDS),
)
Array = np.ndarray[Any, Any]
X, Y = tn.data.xor()
COMPARED, WIDTHS = ("ReLU", "tanh", "linear"), (2, 4, 8)


def labellings_by_lines() -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """The labellings of the four points that some line draws, and those that none can draw; together they are all 16.

    A line is searched for among those with small weights. An affine f has f(0,0) − f(0,1) − f(1,0) + f(1,1) = 0. If all four
    terms had the same sign the sum would not be 0, so the two labellings that ask for it are nobody's.
    """
    rows = np.column_stack([X, np.ones(4)])
    lines = np.array(list(itertools.product((-1, 1), (-1, 1), (-1.5, -0.5, 0.5, 1.5)))) * 1.0
    lines = np.concatenate([lines, [[0, 0, 1], [0, 0, -1]], *([[s, 0, -s / 2], [0, s, -s / 2]] for s in (-1, 1))])
    drawn = {tuple(labels) for labels in (lines @ rows.T > 0).astype(int).tolist()}
    signs = np.array([1, -1, -1, 1])
    every = itertools.product((0, 1), repeat=4)
    refuted = [labels for labels in every if abs(np.sum(signs * np.where(labels, 1, -1))) == 4 and not (signs @ rows).any()]
    return sorted(drawn), refuted


def train(width: int, activation: str, seeds: range, steps: int) -> tn.nn.Stack:
    """A network for each seed, all trained at once; each says 1 where its output is positive."""
    models = tn.nn.ensemble(lambda seed: mlp((2, width, 1), ACTIVATIONS[activation], seed), seeds)
    trainer = tn.Trainer(models, tn.nn.BCEWithLogitsLoss(), tn.optim.Adam(models.parameters(), lr=0.02), rng=list(seeds))
    trainer.fit(X, Y[:, None], epochs=steps, batch_size=4, verbose=0)
    return models


def answers(model: tn.nn.Module, points: Array) -> Array:
    """0 or 1 for each point; of a stack for each member and point."""
    return (output(model, points)[..., 0] > 0).astype(int)


def map_lines(model: tn.nn.Module) -> list[str]:
    """The square from -0.5 to 1.5 as text: `#` where the model says 1, `.` where it says 0, the targets in their places."""
    a, b = np.meshgrid(np.linspace(-0.5, 1.5, 33), np.linspace(1.5, -0.5, 17))
    rows = np.where(answers(model, np.stack([a.ravel(), b.ravel()], axis=1)), "#", ".").reshape(a.shape)
    for (x1, x2), target in zip(X.astype(int), Y, strict=True):
        rows[12 - 8 * x2, 8 + 16 * x1] = str(target)
    return ["".join(row) for row in rows]


def drawing() -> tuple[bool, str]:
    """A1: where the ones are."""
    ones = [(a, b) for a in (0, 1) for b in (0, 1) if a ^ b]
    same = ones == [tuple(point) for point in X[Y == 1].astype(int).tolist()]
    return same and ones == [(0, 1), (1, 0)], (
        "the truth table has its ones at (0, 1) and (1, 0); filled dots on (0, 0) and (1, 1) show the opposite, XNOR"
    )


def lines(trained: Rate) -> tuple[bool, str]:
    """A2: the best of all lines, of least squares, and of training."""
    drawn, refuted = labellings_by_lines()
    best = max(np.sum(np.array(labels) == Y) for labels in drawn)
    design = np.column_stack([X, np.ones(4)])
    weights = np.linalg.lstsq(design, Y, rcond=None)[0]
    error = np.mean((design @ weights - Y) ** 2)
    shown = best == 3 and len(drawn) == 14 and len({*drawn, *refuted}) == 16 and tuple(Y.astype(int)) in refuted
    return shown and np.allclose(weights, [0, 0, 0.5]) and not trained.successes, (
        f"lines draw {len(drawn)} of the 16 labellings of the four points; XOR and XNOR are the two that they cannot draw. An "
        "affine f has f(0, 1) + f(1, 0) = f(0, 0) + f(1, 1); XOR wants the left side positive and the right side negative, "
        f"XNOR the other way round. The best line is right on {best} of 4 points. Least squares gives the constant "
        f"{weights[2]:.2f}, with a mean squared error of {error:.2f}; training without an activation gets there in {trained}"
    )


def two_units(seed: int) -> tuple[bool, str]:
    """A4: the network with weights set by hand."""
    model = tn.nn.Sequential(tn.nn.Linear(2, 2), tn.nn.ReLU(), tn.nn.Linear(2, 1))
    weights = {"0.weight": [[1, -1], [-1, 1]], "0.bias": [0, 0], "2.weight": [[1, 1]], "2.bias": [0]}
    model.load_state_dict({name: np.array(array, dtype=float) for name, array in weights.items()})
    points = np.random.default_rng(seed).normal(size=(1000, 2))
    outputs, distances = output(model, X)[:, 0], output(model, points)[:, 0]
    shown = outputs.tolist() == Y.tolist() and (distances == np.abs(points[:, 0] - points[:, 1])).all()
    return shown, (
        f"the outputs are exactly {', '.join(f'{y:g}' for y in outputs)}; the network is |x₁ − x₂|, equal to the last bit at "
        f"{len(points)} random points"
    )


def training(solved: dict[tuple[str, int], Rate]) -> tuple[bool, str]:
    """A6: how often training finds a solution."""
    few, many = solved["ReLU", 2], solved["ReLU", 8]
    said = []
    for name in ("ReLU", "tanh"):
        rates = [solved[name, width] for width in WIDTHS]
        said.append(", ".join(f"{found.value:.0%} ({found.low:.0%} to {found.high:.0%})" for found in rates) + f" with {name}")
    return few.low > 0 and few.high < many.low and solved["tanh", 8].value > 0.9, (
        f"of {few.trials} random starts, with 2, 4 and 8 hidden units, {' and '.join(said)} get there (95% intervals)"
    )


def picture(models: dict[str, tn.nn.Module], solved: dict[tuple[str, int], Rate]) -> Any:
    figure, axes = tn.plot.subplots(1, 3, size=(WIDTH / 3, 3.0))
    zero, one = tn.plot.COLORS[:2]
    for ax, (name, model) in zip(axes.flat, models.items(), strict=False):
        tn.plot.decision_boundary(model, [[-0.4, -0.4], [1.4, 1.4]], [0, 1], ax, title=name)
        for points in ax.collections[-2:]:
            points.remove()  # the corners of the window
        ax.scatter(*X[Y == 0].T, s=90, c="white", edgecolors=zero, linewidths=2, label="0")
        ax.scatter(*X[Y == 1].T, s=90, c=one, edgecolors=one, linewidths=2, label="1")
        ax.set(xticks=(0, 1), yticks=(0, 1))
    axes[0, 0].legend(title="XOR", loc="center")
    ax = axes[0, 2]
    for i, name in enumerate(COMPARED):
        rates = [solved[name, width] for width in WIDTHS]
        low, value, high = 100 * np.array([(found.low, found.value, found.high) for found in rates]).T
        ax.errorbar(WIDTHS, value, [value - low, high - value], marker="os^"[i], color=tn.plot.COLORS[i], label=name)
    ax.set(xscale="log", xticks=WIDTHS, xticklabels=WIDTHS, xlabel="hidden units", ylim=(-5, 105))
    ax.set(ylabel="starts that solve XOR, %", title="training gets there")
    ax.minorticks_off()
    ax.legend(loc="center right")
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(500, 100), steps=(3000, 3000))
    print("x1 x2  XOR")
    for (x1, x2), target in zip(X.astype(int), Y, strict=True):
        print(f"{x1:2} {x2:2}  {target:2}")

    stacks = {(name, width): train(width, name, run.seeds, run.args.steps) for name in COMPARED for width in WIDTHS}
    right = {key: (answers(stack, X) == Y).all(axis=1) for key, stack in stacks.items()}
    solved = {key: rate(int(all_four.sum()), len(all_four)) for key, all_four in right.items()}
    models = {"no activation": stacks["linear", 8][0], "8 tanh units": stacks["tanh", 8][0]}
    print("\nWhere a trained network says 1 (#) and 0 (.), with the four targets in their places:\n")
    print("   ".join(name.ljust(33) for name in models).rstrip())
    print("\n".join("   ".join(rows) for rows in zip(*map(map_lines, models.values()), strict=True)))
    print(f"\nStarts that lead to 4 of 4 points in {run.args.steps} steps:\n")
    for (name, width), found in solved.items():
        print(f"{name:6}  {width} units  {found:.1%}")
    print()
    run.claim("A1", *drawing())
    run.claim("A2", *lines(solved["linear", 8]))
    run.claim("A4", *two_units(run.args.seed))
    run.claim("A6", *training(solved))
    if run.plot:
        run.save(picture(models, solved))
    run.end()


if __name__ == "__main__":
    main()
