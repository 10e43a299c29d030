"""Softmax: scores become shares of one, and compete for it.

p = softmax(z) has pᵢ = exp(zᵢ) / Σⱼ exp(zⱼ). What is said of it is checked on random vectors of three to ten scores, the
derivatives by tinynet's gradients. Whether the largest, z₁, gets more than its plain share z₁ / Σⱼ zⱼ depends on the scale of
the scores: up to 1 it cannot, as exp(zⱼ − z₁) ≥ 1 − z₁ + zⱼ ≥ zⱼ / z₁; with t·z it gets from 1/n (t → 0) to 1 (t → ∞).
"""

from typing import Any

import numpy as np

import tinynet as tn
from common import CONDITION, WIDTH, Claim, start
from stats import Rate, rate

CLAIMS = (
    Claim(
        "A13",
        "Softmax makes scores a probability distribution: it sums to 1, keeps the order, lets scores compete, and amplifies "
        "the largest.",
        CONDITION,
    ),
)
EXAMPLES = np.array([2, 1, 0.1]), np.array([0.1, 0.2, 0.3])
PLACES = np.array([0, 1, 2, 4, 5, 6])  # of the bars
SCALES = (0.3, 0.5, 1, 1.5, 2, 2.5, 3, 4, 6, 10)


def softmax(z: Any) -> Any:
    return tn.nn.functional.softmax(z, axis=-1)


def scores(seed: int) -> Any:
    """Three to ten scores, uniform between 0 and 1: positive, so that they have plain shares."""
    rng = np.random.default_rng(seed)
    return rng.uniform(size=rng.integers(3, 11))


def properties(z: Any) -> dict[str, bool]:
    p, slopes = softmax(z), tn.jacobian(softmax)(z)
    others = ~np.eye(len(z), dtype=bool)
    return {
        "sums to 1": bool(np.isclose(p.sum(), 1, rtol=1e-14) and (p > 0).all()),
        "keeps the order": np.array_equal(np.argsort(p), np.argsort(z)),
        "∂pᵢ/∂zⱼ = −pᵢpⱼ < 0": np.allclose(slopes[others], -np.outer(p, p)[others], atol=1e-15) and (slopes[others] < 0).all(),
        "z + 1000 gives the same": np.allclose(softmax(z + 1000), p, rtol=1e-9),
    }


def amplified(z: Any) -> bool:
    return bool(softmax(z).max() > z.max() / z.sum())


def picture(amplifying: list[Rate]) -> Any:
    figure, axes = tn.plot.subplots(1, 3, size=(WIDTH / 3, 3.2))
    bars, competition, rates = axes[0]
    plain, soft, *_ = tn.plot.COLORS
    bars.bar(PLACES - 0.2, np.concatenate([z / z.sum() for z in EXAMPLES]), 0.4, color=plain, label="plain share")
    bars.bar(PLACES + 0.2, np.concatenate([softmax(z) for z in EXAMPLES]), 0.4, color=soft, hatch="//", edgecolor="white",
             label="softmax")  # fmt: skip
    bars.set(xticks=PLACES, xticklabels=np.concatenate(EXAMPLES), xlabel="score", ylabel="share", ylim=(0, 0.9),
             title="two examples")  # fmt: skip

    z1 = np.linspace(-4, 6, 201)
    p = softmax(np.stack([z1, *np.broadcast_to(EXAMPLES[0][1:, None], (2, 201))], axis=1))
    for i, style in enumerate(("-", "--", "-.")):
        competition.plot(z1, p[:, i], style, color=tn.plot.COLORS[i], label=f"$p_{i + 1}$")
    competition.set(xlabel="$z_1$, with $z_2 = 1$, $z_3 = 0.1$", ylabel="share", title="competition")

    rates.plot(SCALES, [x.value for x in amplifying], "o-", color=soft)
    rates.fill_between(SCALES, [x.low for x in amplifying], [x.high for x in amplifying], color=soft, alpha=0.2)
    rates.axvline(1, color="black", linestyle=":")
    rates.text(0.95, 0.5, "up to 1: never", rotation=90, ha="right", va="center")
    rates.set(xscale="log", xlabel="the scores go up to", ylabel="share of random vectors", title="largest amplified")
    rates.set(xticks=(0.3, 1, 3, 10), xticklabels=("0.3", "1", "3", "10"))
    bars.legend(fontsize=8)
    competition.legend(fontsize=8)
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(2000, 200))
    print("scores           softmax                 plain shares")
    for z in EXAMPLES:
        print(f"{z!s:15}  {softmax(z).round(4)!s:22}  {(z / z.sum()).round(4)}")

    drawn = [scores(seed) for seed in run.seeds]
    held = [properties(z) for z in drawn]
    print(f"\nOf {len(drawn)} random vectors of 3 to 10 scores between 0 and 1:\n")
    for name in held[0]:
        print(f"{name:24}  {sum(row[name] for row in held)}")
    print("\nWhere they are multiplied by t, softmax amplifies the largest of:\n")
    amplifying = [rate(sum(amplified(t * z) for z in drawn), len(drawn)) for t in SCALES]
    for t, found in zip(SCALES, amplifying, strict=True):
        print(f"t = {t:<4}  {found:.1%}")

    as_said = np.array_equal(softmax(EXAMPLES[0]).round(3), [0.659, 0.242, 0.099])
    largest = [softmax(z).max() for z in EXAMPLES]
    plain = [z.max() / z.sum() for z in EXAMPLES]
    small, large = (amplifying[SCALES.index(t)] for t in (1, 10))
    print()
    run.claim(
        "A13",
        as_said and all(all(row.values()) for row in held) and small.successes == 0 and large.low > 0.9,
        f"softmax([2, 1, 0.1]) is [0.659, 0.242, 0.099]; sum, order, competition (∂pᵢ/∂zⱼ = −pᵢpⱼ) and the freedom to add "
        f"a constant to all scores are there in all of {len(held)} random vectors. The largest is amplified only if the scores "
        f"are large enough: of [2, 1, 0.1] it gets {largest[0]:.3f} against a plain share of {plain[0]:.3f}, but of "
        f"[0.1, 0.2, 0.3] {largest[1]:.3f} against {plain[1]:.3f}; with random scores between 0 and 1 it never is "
        f"({small.successes} of {small.trials}), between 0 and 10 in {large:.1%}",
    )  # fmt: skip
    if run.plot:
        run.save(picture(amplifying))
    run.end()


if __name__ == "__main__":
    main()
