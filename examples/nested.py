"""Activations applied to their own output, again and again: does the second time change anything?

Each is applied a thousand times to random starting values (normal, standard deviation 3). An idempotent one is done after the
first time; the others are followed: whether they settle, where, and how quickly. A limit c is approached like rⁿ, r = f'(c),
unless r = 1, as for tanh and sin: f(x) ≈ x − kx³ near 0, and what is left of a large x after n times is about 1/√(2kn).
"""

from typing import Any

import numpy as np

import tinynet as tn
from common import ACTIVATIONS, DOES_NOT_HOLD, WIDTH, Claim, start

CLAIMS = (
    Claim(
        "B10",
        "Nesting an activation is much the same as applying it once: it is idempotent, or quickly converges to a limit.",
        DOES_NOT_HOLD,
    ),
)
NESTED: dict[str, Any] = {
    "Hardtanh": tn.nn.Hardtanh(),
    **{name: ACTIVATIONS[name]() for name in ("ReLU", "LeakyReLU", "sigmoid", "tanh", "sin", "Softplus")},
}
TIMES = (1, 2, 10, 100, 1000)
SLOWLY = {"tanh": 1 / 3, "sin": 1 / 6}  # the k of x − kx³


def nested(f: Any, x: Any, times: int = TIMES[-1]) -> Any:
    """x, f(x), f(f(x)), ...: arrays of shape (1 + times, values)."""
    with tn.no_grad():
        values = [tn.tensor(x)]
        for _ in range(times):
            values.append(f(values[-1]))
    return np.array([value.data for value in values])


def fixed_point(f: Any, x: float) -> float:
    """Where f(x) = x, by Newton's method."""
    for _ in range(20):
        value, slope = tn.value_and_grad(f)(np.array(x))
        x -= float((value - x) / (slope - 1))
    return x


def slope_of_nested(f: Any, x: float, times: int) -> float:
    def applied(y: Any) -> Any:
        for _ in range(times):
            y = f(y)
        return y

    return float(tn.grad(applied)(np.array(x)))


def picture(limit: float) -> Any:
    figure, axes = tn.plot.subplots(2, 3, size=(WIDTH / 3, 2.7))
    x = np.linspace(-4, 4, 401)
    for name, ax in zip(("ReLU", "sigmoid", "Softplus", "tanh", "sin"), axes.flat, strict=False):
        values = nested(NESTED[name], x, 100)
        for times, color, style in zip((1, 2, 10, 100), tn.plot.COLORS, ("-", "--", "-.", ":"), strict=False):
            ax.plot(x, values[times], style, color=color, linewidth=2, label=f"{times}")
        ax.set(title=name, xlabel="$x$", ylabel="output")
        ax.grid(color="0.9")
    axes[0, 0].legend(title="times nested", fontsize=8, title_fontsize=8)
    for name, color in zip(("tanh", "sin", "sigmoid", "LeakyReLU"), tn.plot.COLORS, strict=False):
        values = nested(NESTED[name], np.array([-1.0]), 40)[:, 0]
        axes[1, 2].plot(np.abs(values - (limit if name == "sigmoid" else 0)), "-", color=color, linewidth=2, label=name)
    axes[1, 2].set(yscale="log", ylim=(1e-13, 10), title="from −1: the way to go", xlabel="times", ylabel="distance from limit")
    axes[1, 2].grid(color="0.9")
    axes[1, 2].legend(fontsize=8, loc="lower right")
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(1000, 100))
    x = np.array([3 * np.random.default_rng(seed).standard_normal() for seed in run.seeds])
    values = {name: nested(f, x) for name, f in NESTED.items()}
    print(f"{len(x)} starting values. From the lowest to the highest after so many times:\n")
    print("activation" + "".join(f"{times:>18}" for times in TIMES))
    for name, rows in values.items():
        print(f"{name:10}" + "".join(f"{rows[n].min():9.4f} {rows[n].max():8.4f}" for n in TIMES))

    done = [name for name, rows in values.items() if np.array_equal(rows[1], rows[2])]
    print(f"\nIdempotent, to the last bit: {', '.join(done)}.")

    limit = fixed_point(NESTED["sigmoid"], 0.5)
    slope = slope_of_nested(NESTED["sigmoid"], limit, 1)
    distance = np.abs(values["sigmoid"] - limit)
    factor = np.median((distance[12] / distance[4]) ** (1 / 8))
    print(f"sigmoid is {factor:.4f} times as far from {limit:.6f} after each time; its slope there is {slope:.4f}.")
    slopes = [slope_of_nested(NESTED["LeakyReLU"], -1.0, n) for n in TIMES[:3]]
    print(f"LeakyReLU has at −1 the slope {', '.join(f'{s:.0e}' for s in slopes)} after 1, 2 and 10 times.")

    left = {name: np.abs(values[name]).max(axis=1)[[100, 1000]] for name in SLOWLY}
    predicted = {name: 1 / np.sqrt(2 * k * np.array([100, 1000])) for name, k in SLOWLY.items()}
    for name in SLOWLY:
        (a, b), (p, q) = left[name], predicted[name]
        print(f"{name} is at most {a:.4f} after 100 times and {b:.4f} after 1000; 1/√(2kn) is {p:.4f} and {q:.4f}.")
    grown = np.abs(values["Softplus"] - np.log(np.exp(x) + np.arange(TIMES[-1] + 1)[:, None])).max()
    print(f"Softplus is ln(eˣ + n) after n times (to {grown:.0e}), which has no limit.\n")

    run.claim(
        "B10",
        done == ["Hardtanh", "ReLU"]
        and np.isclose(factor, slope, rtol=1e-3) and np.allclose(slopes, 0.01 ** np.array(TIMES[:3]), rtol=1e-9, atol=0)
        and all(np.allclose(left[name], predicted[name], rtol=0.03) for name in SLOWLY) and grown < 1e-9,
        f"of {len(values)} activations {' and '.join(done)} are idempotent, as clips are. sigmoid forgets its input: it tends "
        f"to {limit:.6f}, quickly (a factor {factor:.4f} each time). tanh and sin go to 0 slowly, like √(3/2n) and √(3/n): "
        f"still {left['tanh'][0]:.2f} and {left['sin'][0]:.2f} after 100 times. Softplus grows without end, like ln n. "
        f"LeakyReLU of slope a has the slope aⁿ on the left: with a = 0.01 it is quickly the ReLU",
    )  # fmt: skip
    if run.plot:
        run.save(picture(limit))
    run.end()


if __name__ == "__main__":
    main()
