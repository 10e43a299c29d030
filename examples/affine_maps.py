"""What affine maps do to the plane, and the one thing that they never do.

Layers without activations are an affine map, x → W·x + b: here named ones, and random ones, made of linear layers. A disc goes
to an ellipse, or to a stretch of line, and stays inside its ring: the centre is always the middle between opposite points of
the ring, so that a straight line that leaves the whole ring on one side leaves the centre there as well.
"""

from itertools import pairwise
from typing import Any

import numpy as np

import tinynet as tn
from common import HOLDS, WIDTH, Claim, output, start
from stats import center

CLAIMS = (
    Claim(
        "B3",
        "An affine map turns, scales, shears, mirrors, projects and shifts the plane: a disc becomes an ellipse, and no line "
        "ever separates it from its ring.",
        HOLDS,
    ),
)
POINTS, MAJORITY, UNITS = 100, 0.6, 8
MAPS = {
    "disc and ring": ([[1, 0], [0, 1]], [0, 0]), "turn": ([[0.6, -0.8], [0.8, 0.6]], [0, 0]),
    "scale": ([[1.5, 0], [0, 0.5]], [0, 0]), "shear": ([[1, 0.8], [0, 1]], [0, 0]),
    "mirror and shift": ([[-1, 0], [0, 1]], [0.6, 0.8]), "project": ([[0.8, 0.4], [0.4, 0.2]], [0, 0]),
}  # fmt: skip


def network(sizes: list[int], seed: int) -> tn.nn.Module:
    """Linear layers and nothing else."""
    rng = np.random.default_rng(seed)
    return tn.nn.Sequential(*(tn.nn.Linear(m, n, rng=rng) for m, n in pairwise(sizes)))


def best_line(points: Any, y: Any) -> float:
    """The share of points that the best of all lines is right on.

    Any line can be moved, without passing a point, until it touches two; the two may then be put on either side.
    """
    i, j = np.triu_indices(len(points), 1)
    along = (points[j] - points[i])[:, None]
    away = points[None] - points[i][:, None]
    above = along[..., 0] * away[..., 1] - along[..., 1] * away[..., 0] > 0
    right = above == (y == 1)
    right[np.arange(len(i)), i] = right[np.arange(len(i)), j] = False
    count = right.sum(axis=1)
    return float((np.maximum(count, len(y) - 2 - count).max() + 2) / len(y))


def picture(x: Any, y: Any) -> Any:
    figure, axes = tn.plot.subplots(2, 3, size=(WIDTH / 3, 2.5))
    opposite = 1.4 * np.outer([-1, 0, 1], [0.6, 0.8])
    ends = np.array([-1.6, 1.6])
    for ax, (name, (weight, bias)) in zip(axes.flat, MAPS.items(), strict=True):
        for at in np.linspace(*ends, 9):
            for line in ((np.full(2, at), ends), (ends, np.full(2, at))):
                ax.plot(*(weight @ np.array(line) + np.array(bias)[:, None]), color="0.75", linewidth=0.8, zorder=0)
        for label, marker in ((0, "o"), (1, "s")):
            ax.scatter(*(x[y == label] @ np.transpose(weight) + bias).T, s=8, c=tn.plot.COLORS[label], marker=marker)
        ax.plot(*(opposite @ np.transpose(weight) + bias).T, "o-", color="black", markeredgecolor="white")
        ax.set(title=name, xlabel="$x_1$", ylabel="$x_2$", xlim=(-3, 3), ylim=(-2.5, 2.5), aspect="equal")
        ax.label_outer()
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(200, 20))
    print("map               half-axes of the ellipse  area of the disc")
    for name, (weight, _) in MAPS.items():
        print(f"{name:16}  {np.linalg.svd(weight)[1].round(3)!s:24}  {abs(np.linalg.det(weight)):.2f}π")
    angle = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    ellipse, middle, before, after = [], [], [], []
    for seed in run.seeds:
        for units in (UNITS, 1):  # through a layer with one unit the plane goes to a line
            layers = network([2, units, 2], seed)
            centre, there, opposite = (output(layers, x) for x in (np.zeros(2), circle, -circle))
            middle.append(np.abs((there + opposite) / 2 - centre).max() / np.abs(there - centre).max())
        layers = network([2, UNITS, UNITS, 2], seed)
        axes, half, _ = np.linalg.svd(tn.inspect.collapse(layers, np.zeros(2)).weight)
        off = (output(layers, circle) - output(layers, np.zeros(2))) @ axes / half
        ellipse.append(np.abs((off**2).sum(axis=1) - 1).max())
        x, y = tn.data.circle(POINTS, noise=0, rng=seed, majority=MAJORITY)
        before.append(best_line(x, y))
        after.append(best_line(output(layers, x), y))
    print()
    run.claim(
        "B3",
        max(ellipse) < 1e-9 and max(middle) < 1e-9 and before == after and max(after) < 1,
        f"under each of {len(run.seeds)} random maps (three linear layers) the circle goes to an ellipse, its half-axes the "
        f"singular values. The centre of the disc stays in the middle of opposite points of the ring (to {max(middle):.0e}, "
        f"projections as well), so that a half-plane that holds the ring holds the centre too: no line separates them. Of "
        f"{POINTS} points, {MAJORITY:.0%} in the ring, the best of all lines is right on {center(before):.0%}, as many before "
        f"each map as after it",
    )
    if run.plot:
        run.save(picture(*tn.data.circle(300, noise=0, rng=run.args.seed, majority=MAJORITY)))
    run.end()


if __name__ == "__main__":
    main()
