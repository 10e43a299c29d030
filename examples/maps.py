"""Which layers are linear maps: convolution, embedding and projections are; normalisation and attention are not.

A map f is affine if f(x + y) + f(0) = f(x) + f(y) for all x and y, and linear if f(0) = 0 as well. Each seed draws a layer's
weights and two inputs; how far the two sides are apart, as a share of the largest number in them, tells an affine map (1e-15,
which is rounding) from any other. An embedding looks words up in a table by their numbers, `table[words]`: it is linear if that
is the table times vectors with a single one, at the word's number, in its values and in its gradients.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinynet as tn
from common import DOES_NOT_HOLD, HOLDS, WIDTH, Claim, output, start
from stats import Center, center

CLAIMS = (
    Claim("B1", "A convolution is a linear map: a matrix that has the kernel in each row, one place further on.", HOLDS),
    Claim("B2", "Normalisation is linear at heart, as are embeddings and the projections to Q, K and V.", DOES_NOT_HOLD),
)
Array = np.ndarray[Any, Any]
Map = Callable[[Array], Array]
TOKENS, FEATURES = 6, 8
ROUNDING = 1e-12


def toeplitz(kernel: Array, length: int) -> Array:
    """The kernel in each row, one place further on: with three weights and a length of 4 a 2×4 matrix."""
    rows = length - len(kernel) + 1
    matrix = np.zeros((rows, length))
    for i in range(rows):
        matrix[i, i : i + len(kernel)] = kernel
    return matrix


def convolution(kernel: Array) -> Map:
    """`nn.Conv1d` with one channel and a given kernel, of signals without axes of samples and channels."""
    layer = tn.nn.Conv1d(1, 1, len(kernel), bias=False)
    layer.weight.data[...] = kernel
    return lambda x: layer(x[None])[0]


def same_values(seed: int, show: bool) -> bool:
    """B1 for small whole numbers, with which computers make no rounding errors, so that all must be equal to the last bit."""
    rng = np.random.default_rng(seed)
    kernel, x = rng.integers(1, 10, 3).astype(float), rng.integers(-9, 10, 4).astype(float)
    matrix, layer = toeplitz(kernel, len(x)), convolution(kernel)
    ways = {
        "matrix · x": matrix @ x,
        "sliding window": np.array([kernel @ x[i : i + 3] for i in range(2)]),
        "nn.Conv1d": layer(x).data,
        "textbook convolution, kernel reversed": np.convolve(x, kernel[::-1], mode="valid"),
    }
    if show:
        print(f"x = {x.astype(int)}, kernel = {kernel.astype(int)}, and the matrix\n\n{matrix.astype(int)}\n")
        for name, value in ways.items():
            print(f"{name:38} {value.astype(int)}")
    return all((value == matrix @ x).all() for value in ways.values()) and bool((tn.jacobian(layer)(x).data == matrix).all())


def layers(seed: int) -> dict[str, Map]:
    """Maps of arrays of shape (tokens, features), with random weights."""
    rng = np.random.default_rng(seed)
    kernels = tn.nn.Conv1d(TOKENS, 4, 3, rng=rng)
    query, key, value = (tn.nn.Linear(FEATURES, FEATURES, bias=False, rng=rng) for _ in range(3))
    batch_norm, layer_norm = tn.nn.BatchNorm1d(FEATURES), tn.nn.LayerNorm(FEATURES)
    batch_norm(rng.normal(1, 3, (100, FEATURES)))  # a training step, which moves the running mean and variance
    trained = tn.nn.BatchNorm1d(FEATURES)
    trained.load_state_dict(batch_norm.state_dict())
    attention = tn.nn.functional.scaled_dot_product_attention
    return {
        "convolution": kernels,
        "projections to Q, K, V": lambda x: np.concatenate([query(x), key(x), value(x)]),
        "BatchNorm, inference": trained.eval(),
        "BatchNorm, training": batch_norm,
        "LayerNorm": layer_norm,
        "softmax": lambda x: tn.nn.functional.softmax(x, axis=-1),
        "attention": lambda x: attention(query(x), key(x), value(x)),
    }  # fmt: skip


def looked_up(seed: int) -> bool:
    """Whether an embedding is the table times vectors with a single one, and its gradient by the table is that product's."""
    rng = np.random.default_rng((seed, 2))
    table, words, g = rng.normal(size=(FEATURES, 5)), rng.integers(FEATURES, size=TOKENS), rng.normal(size=(TOKENS, 5))
    ones = np.eye(FEATURES)[words]
    embedded, pullback = tn.vjp(lambda table: table[words], table)
    return np.array_equal(embedded, ones @ table) and np.allclose(pullback(g)[0], ones.T @ g, rtol=0, atol=1e-12)


AFFINE = ("convolution", "projections to Q, K, V", "BatchNorm, inference")


def unevenness(f: Map, x: Array, y: Array) -> float:
    """How far f(x + y) + f(0) is from f(x) + f(y), as a share of the largest number in it."""
    whole, parts = output(f, x + y) + output(f, 0 * x), output(f, x) + output(f, y)
    return float(np.abs(whole - parts).max() / np.abs(np.stack([whole, parts])).max())


def doubled(seed: int) -> tuple[float, bool]:
    """How much LayerNorm of 2x differs from that of x; and whether it is equal to the last bit when its ε is 0."""
    x = np.random.default_rng(seed).normal(size=(TOKENS, FEATURES))
    usual, exact = tn.nn.LayerNorm(FEATURES), tn.nn.LayerNorm(FEATURES, eps=0.0)
    difference = np.abs(output(usual, 2 * x) - output(usual, x)).max()
    return float(difference), np.array_equal(output(exact, 2 * x), output(exact, x))


def picture(first: dict[str, Map], found: dict[str, Center], x: Array) -> Any:
    figure, axes = tn.plot.subplots(1, 3, size=(WIDTH / 3, 3.4))
    matrix, line, bars = axes[0]
    image = matrix.imshow(toeplitz(np.array([1, 2, 3]), 10), cmap="cividis")
    figure.colorbar(image, ax=matrix, location="bottom", label="element", ticks=range(4))
    matrix.set(title="the matrix of Conv1d", xlabel="input", ylabel="output", yticks=range(0, 8, 2), xticks=range(0, 10, 2))
    scales = np.linspace(-2, 2, 201)
    for i, name in enumerate(("convolution", "BatchNorm, inference", "LayerNorm", "attention")):
        y = np.array([output(first[name], scale * x).flat[0] for scale in scales])
        line.plot(scales, y / np.abs(y).max(), color=tn.plot.COLORS[i], linestyle=("-", "--", "-", "-.")[i], label=name)
    line.set(title="first output for t · x", xlabel="t", ylabel="output / its largest", ylim=(-1.1, 2.4), yticks=(-1, 0, 1))
    line.legend(fontsize=8, loc="upper center")
    values = [max(one.value, 1e-17) for one in found.values()]
    colors = [tn.plot.COLORS[0] if name in AFFINE else tn.plot.COLORS[1] for name in found]
    bars.barh(list(found), values, left=1e-18, color=colors)
    bars.set(title="how far from affine", xlabel="share of the output", xscale="log", xticks=(1e-16, 1e-8, 1))
    bars.set_xlim(1e-18, 10)
    bars.invert_yaxis()
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(200, 50))
    same = [same_values(seed, show=seed == run.args.seed) for seed in run.seeds]
    inputs = [np.random.default_rng((seed, 1)).normal(size=(2, TOKENS, FEATURES)) for seed in run.seeds]
    drawn = [layers(seed) for seed in run.seeds]
    uneven = {name: [unevenness(maps[name], *xy) for maps, xy in zip(drawn, inputs, strict=True)] for name in drawn[0]}
    found = {name: center(values) for name, values in uneven.items()}
    print(f"\nHow far from affine, a share of the output, over {len(run.seeds)} seeds:\n")
    for name, one in found.items():
        print(f"{name:22} {one.value:7.1g}, at most {max(uneven[name]):.1g}")
    differences, equal = zip(*map(doubled, run.seeds), strict=True)
    print()
    run.claim(
        "B1",
        all(same),
        "the matrix times x, the sliding window and nn.Conv1d give the same values to the last bit, and the layer's Jacobian "
        f"is the matrix, for {sum(same)} of {len(same)} kernels and signals of small whole numbers; strictly it is a "
        "cross-correlation, as a convolution reverses the kernel",
    )
    affine = max(max(uneven[name]) for name in AFFINE)
    same_words = [looked_up(seed) for seed in run.seeds]
    others = {name: found[name] for name in found if name not in AFFINE}
    run.claim(
        "B2",
        affine < ROUNDING and all(same_words) and all(one.low > 0.01 for one in others.values())
        and all(equal) and max(differences) < 1e-3,
        f"LayerNorm(2x) is LayerNorm(x), not its double: to the last bit with ε = 0 for {sum(equal)} of {len(equal)} inputs, "
        f"and to {max(differences):.1g} with the usual ε = 1e-5. From an affine map, as a share of the output, LayerNorm is "
        f"off by {others['LayerNorm']:.2f}, BatchNorm in training by {others['BatchNorm, training']:.2f}, attention by "
        f"{others['attention']:.2f} (medians). BatchNorm at inference and the projections are affine (off by less than "
        f"{ROUNDING:.0e}). An embedding gives what its table times vectors with a single one gives, to the last bit, and the "
        f"same gradient, for {sum(same_words)} of {len(same_words)} tables",
    )  # fmt: skip
    if run.plot:
        run.save(picture(drawn[0], found, inputs[0][0]))
    run.end()


if __name__ == "__main__":
    main()
