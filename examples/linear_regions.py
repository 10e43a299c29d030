"""Linear regions: the pieces of the plane on which a ReLU network is one affine map, counted exactly.

They are polygons, found by cutting the plane along the line of each unit, layer by layer; no pixels are counted. First those of
the hand-built network of XOR, then those of random networks, and how their number grows with depth.
"""

from typing import Any

import numpy as np

import tinynet as tn
from common import CONDITION, DOES_NOT_HOLD, HOLDS, WIDTH, Claim, mlp, output, start
from stats import Center, center, rate

CLAIMS = (
    Claim(
        "A5", "The two ReLU units that do XOR fold the plane along two diagonals into four regions, and the boundary is an X.",
        DOES_NOT_HOLD,
    ),
    Claim("A7", "A ReLU network is piecewise linear: one affine map, weights and all, on each of its regions.", HOLDS),
    Claim("A15a", "The deeper a network, the more linear regions: exponentially many.", CONDITION),
)  # fmt: skip
Array = np.ndarray[Any, Any]
XOR_WINDOW, WINDOW = ((-0.5, 1.5), (-0.5, 1.5)), ((-5.0, 5.0), (-5.0, 5.0))
DEPTHS, WIDE = range(1, 11), 16
SHAPES = ((2, 48, 1), (2, 24, 24, 1), (2, 16, 16, 16, 1), (2, 8, 8, 8, 8, 8, 8, 1))


def xor_network() -> tn.nn.Module:
    """ReLU(x₁ − x₂) + ReLU(x₂ − x₁)."""
    model = tn.nn.Sequential(tn.nn.Linear(2, 2, bias=False), tn.nn.ReLU(), tn.nn.Linear(2, 1, bias=False))
    model.load_state_dict({"0.weight": np.array([[1.0, -1.0], [-1.0, 1.0]]), "2.weight": np.array([[1.0, 1.0]])})
    return model


def tent() -> tn.nn.Module:
    """Two ReLU units that fold [0, 1] in the middle: 2x up to ½, and 2 − 2x after it."""
    model = tn.nn.Sequential(tn.nn.Linear(1, 2), tn.nn.ReLU(), tn.nn.Linear(2, 1))
    weights = {"0.weight": [[1], [1]], "0.bias": [0, -0.5], "2.weight": [[2, -4]], "2.bias": [0]}
    model.load_state_dict({name: np.array(array, dtype=float) for name, array in weights.items()})
    return model


def boundary(regions: tn.inspect.LinearRegions, level: float) -> Array:
    """The stretches of line on which the network is at a level, one for each region that has it: shape (stretches, 2, 2)."""
    found = []
    for polygon, weight, bias, _, _ in regions:
        height = polygon @ weight[0] + bias[0] - level
        following, ahead = np.roll(polygon, -1, axis=0), np.roll(height, -1)
        cut = np.sign(height) * np.sign(ahead) < 0
        share = (height[cut] / (height[cut] - ahead[cut]))[:, None]
        if cut.any():
            found.append(polygon[cut] + share * (following[cut] - polygon[cut]))
    return np.array(found)


def two_diagonals(regions: tn.inspect.LinearRegions, lines: Array, seeds: range) -> tuple[bool, str]:
    """A5: the regions of the network of XOR, and where it says ½."""
    (a, b), (c, d) = lines
    parallel = len(lines) == 2 and abs(np.linalg.det([b - a, d - c])) < 1e-12
    gap = abs(np.diff(lines[:, 0] @ [1.0, -1.0])[0])
    wide = ((-1e4, 1e4), (-1e4, 1e4))
    crossing = sum(len(tn.inspect.linear_regions(mlp((2, 2, 1), tn.nn.ReLU, seed), wide)) == 4 for seed in seeds)
    return len(regions) == 2 and parallel and gap == 1 and crossing > 0.9 * len(seeds), (
        f"x₁ − x₂ = 0 and x₂ − x₁ = 0 are the same line, so that there are {len(regions)} regions, and ½ is reached on two "
        f"parallel lines, x₁ − x₂ = ±{gap / 2:g}, which do not cross; two lines of random weights do cross and make four "
        f"regions, for {rate(crossing, len(seeds))}"
    )


def slopes(model: tn.nn.Module, points: Array) -> Array:
    """The gradient of the output at each point."""
    return np.asarray(tn.grad(lambda x: np.sum(model.requires_grad_(False)(x)))(points))


def within_regions(seeds: range) -> tuple[bool, str]:
    """A7: at random points of every region, the slope that automatic differentiation finds and the one of the region."""
    wrong, count = 0.0, 0
    changes: dict[str, list[float]] = {"GELU": [], "Swish": []}
    for seed in seeds:
        sizes, rng = (2, 16, 16, 1), np.random.default_rng(seed)
        model = mlp(sizes, tn.nn.ReLU, seed)
        regions = tn.inspect.linear_regions(model, WINDOW)
        points = np.stack([rng.dirichlet(np.ones(len(p)), 5) @ p for p in regions.polygons], axis=1)  # 5 of each region
        values = output(model, points)
        maps = np.sum(points * regions.weight[:, 0], axis=-1) + regions.bias[:, 0]
        wrong = max(wrong, np.abs(values[..., 0] - maps).max(), np.abs(slopes(model, points) - regions.weight[:, 0]).max())
        count += len(regions)
        for name, change in changes.items():
            found = slopes(mlp(sizes, getattr(tn.nn, name), seed), points)
            change.append(np.linalg.norm(np.ptp(found, axis=0), axis=-1).mean() / np.linalg.norm(found, axis=-1).mean())
    smooth = {name: center(change) for name, change in changes.items()}
    return wrong < 1e-12 and min(found.low for found in smooth.values()) > 1e-3, (
        f"in the {count:,} regions of {len(seeds)} random networks 2-16-16-1 the affine map of a region gives the network's "
        f"values and slopes to within {wrong:.0e}, at 5 points of each. It does not extend to smooth activations: with the "
        f"same weights and points the slope changes within a region by {smooth['GELU']:.0%} of its size for GELU, and by "
        f"{smooth['Swish']:.0%} for Swish"
    )


def random_tents(depth: int, seed: int) -> tn.nn.Module:
    """A network of the sawtooth's shape with random weights."""
    return tn.nn.Sequential(*(mlp((1, 2, 1), tn.nn.ReLU, 1000 * seed + layer) for layer in range(depth)))


def pieces(model: tn.nn.Module, low: float, high: float) -> int:
    """How many linear pieces a function of one number has."""
    return int(tn.inspect.linear_segments(model, low, high).pieces[-1]) + 1


def growth(sawtooth: list[int], same: list[Center], wide: list[Center], plane: list[Center], seeds: int) -> tuple[bool, str]:
    """A15: what depth can do, and what it does with random weights."""
    deepest, units = DEPTHS[-1], WIDE * DEPTHS[-1]
    shown = sawtooth == [2**depth for depth in DEPTHS] and same[-1].high <= 8 and wide[-1].high < units
    return shown and plane[-1].high < plane[0].low, (
        f"it can be so, with weights made for it: {deepest} layers of two ReLU units that fold [0, 1] in the middle make "
        f"{sawtooth[-1]:,} pieces, 2 to the power of {deepest}. Random weights do not: on [-100, 100] the same shape has "
        f"{same[-1]:.0f}, and {deepest} layers of {WIDE} have {wide[-1]:.0f}, fewer than their {units} units; in the plane 48 "
        f"units make {plane[0]:.0f} regions in one layer, and {plane[-1]:.0f} in six (medians of {seeds} random starts)"
    )


def picture(xor: tn.inspect.LinearRegions, lines: Array, counts: dict[str, Any], seed: int) -> Any:
    figure, axes = tn.plot.subplots(1, 3, size=(WIDTH / 3, 3.1))
    left, middle, right = axes[0]
    tn.plot.linear_regions(xor.polygons, left, title=f"XOR: {len(xor)} regions")
    for line in lines:
        left.plot(*line.T, "k--")
        left.text(*line.mean(axis=0), "y = ½", rotation=45, ha="center", va="center", backgroundcolor="white", fontsize="small")
    for point, target in zip(*tn.data.xor(), strict=True):
        dot, digit = ("black", "white") if target else ("white", "black")
        left.scatter(*point, s=160, c=dot, edgecolors="black", zorder=3)
        left.text(*point, str(target), color=digit, ha="center", va="center", fontsize="small", zorder=4)
    left.set(xticks=(0, 1), yticks=(0, 1))

    regions = tn.inspect.linear_regions(mlp((2, 16, 16, 1), tn.nn.ReLU, seed), WINDOW)
    steepness = np.linalg.norm(regions.weight[:, 0], axis=1)
    title = f"random: {len(regions)} regions"
    tn.plot.linear_regions(regions.polygons, middle, values=steepness, label="slope of the region", title=title)
    middle.set(xticks=range(-4, 5, 2))

    for i, (name, found) in enumerate(counts.items()):
        style = {"color": tn.plot.COLORS[i], "marker": "os^"[i], "markersize": 4}
        right.plot(DEPTHS, [x.value for x in found] if i else found, label=name, **style)
        if i:
            right.fill_between(DEPTHS, [x.low for x in found], [x.high for x in found], color=style["color"], alpha=0.25)
    right.set(yscale="log", xlabel="hidden layers", ylabel="linear pieces on a line", title="growth with depth")
    right.set(xticks=range(2, 11, 2), ylim=(0.7, 3e5))
    right.legend(fontsize="small", loc="upper left")
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(100, 20))
    xor = tn.inspect.linear_regions(xor_network(), XOR_WINDOW)
    lines = boundary(xor, 0.5)
    sawtooth = [pieces(tn.nn.Sequential(*[tent()] * depth), 0, 1) for depth in DEPTHS]
    same = [center(pieces(random_tents(depth, seed), -100, 100) for seed in run.seeds) for depth in DEPTHS]
    wide = [
        center(pieces(mlp((1, *[WIDE] * depth, 1), tn.nn.ReLU, seed), -100, 100) for seed in run.seeds) for depth in DEPTHS
    ]
    plane = [
        center(len(tn.inspect.linear_regions(mlp(sizes, tn.nn.ReLU, seed), WINDOW)) for seed in run.seeds) for sizes in SHAPES
    ]
    print("Linear pieces of the sawtooth network on [0, 1], and of random networks on [-100, 100] in the median\n")
    print(f"hidden layers  sawtooth  same shape  {WIDE} units a layer")
    for depth, folded, alike, wider in zip(DEPTHS, sawtooth, same, wide, strict=True):
        print(f"{depth:13}  {folded:8}  {alike.value:10.0f}  {wider.value:16.0f}")
    print("\nActivation regions of random networks with 48 hidden units in a window of the plane, in the median\n")
    for sizes, found in zip(SHAPES, plane, strict=True):
        print(f"{'-'.join(map(str, sizes)):15}  {found.value:6.0f}")
    print()

    run.claim("A5", *two_diagonals(xor, lines, run.seeds))
    run.claim("A7", *within_regions(run.seeds[:20]))
    run.claim("A15a", *growth(sawtooth, same, wide, plane, len(run.seeds)))
    if run.plot:
        counts = {"sawtooth": sawtooth, f"random, {WIDE} a layer": wide, "random, same shape": same}
        run.save(picture(xor, lines, counts, run.args.seed))
    run.end()


if __name__ == "__main__":
    main()
