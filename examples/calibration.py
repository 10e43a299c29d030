"""Is what a sigmoid gives a probability? Of the points that get 0.8, eight in ten should be of class 1.

The same network 2-16-1 with a sigmoid at its end starts from the same weights and is trained on the same points (four clouds
labelled by XOR, which overlap) with one loss or another: log-loss, squared error, absolute error. One more is not trained, and
one has log-loss but only 40 points, few enough to learn by heart. The error of calibration is how far what is said is from what
is so (Guo et al. 2017, ECE): |mean probability − share of class 1|, its mean over 10,000 new points, which go into ten bins.
"""

from typing import Any

import numpy as np

import tinynet as tn
from common import CONDITION, WIDTH, Claim, Run, mlp, output, start
from stats import Center, center, paired

CLAIMS = (Claim("B12", "What a sigmoid gives is a probability.", CONDITION),)
FEW, LEARN, NEW, NOISE, BINS = 40, 2000, 10_000, 0.4, 10
LOG_LOSS, SQUARED, ABSOLUTE, UNTRAINED = "log-loss", "squared error", "absolute error", "not trained"
FEW_POINTS = f"log-loss, {FEW} points"
WAYS: dict[str, tuple[Any, int]] = {
    LOG_LOSS: (tn.nn.BCELoss(), LEARN),
    SQUARED: (tn.nn.MSELoss(), LEARN),
    ABSOLUTE: (tn.nn.L1Loss(), LEARN),
    FEW_POINTS: (tn.nn.BCELoss(), FEW),
    UNTRAINED: (None, LEARN),
}
DRAWN = (LOG_LOSS, ABSOLUTE, FEW_POINTS)
FARTHEST = 0.5  # to which an interval is drawn, that of few seeds is everything


def network(seed: int) -> tn.nn.Module:
    return tn.nn.Sequential(*mlp((2, 16, 1), tn.nn.Tanh, (seed, 1)), tn.nn.Sigmoid())  # seeded apart from the data


def data(seed: int) -> tuple[Any, Any]:
    """The points to learn and then the new ones, and their classes as a column."""
    x, y = tn.data.xor_cloud(LEARN + NEW, NOISE, rng=seed)
    return x, y[:, None]


def probabilities(way: str, x: Any, y: Any, run: Run) -> Any:
    """What networks trained in one of the ways say of all points, the new ones last; shape (seeds, LEARN + NEW)."""
    loss, points = WAYS[way]
    networks = tn.nn.ensemble(network, run.seeds)
    if loss is not None:
        trainer = tn.Trainer(networks, loss, tn.optim.Adam(networks.parameters(), lr=0.02))
        trainer.fit(x[:, :points], y[:, :points], epochs=run.args.steps, batch_size=points, verbose=0)
    return output(networks, x)[..., 0]


def reliability(p: Any, y: Any) -> tuple[Any, Any, Any]:
    """For each bin of [0, 1] the mean probability said in it, the share of class 1, and the share of all points in it."""
    bins = np.minimum((p * BINS).astype(int), BINS - 1)
    n = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):  # an empty bin is NaN
        return np.bincount(bins, p, BINS) / n, np.bincount(bins, y, BINS) / n, n / len(p)


def calibration_error(p: Any, y: Any) -> float:
    said, so, share = reliability(p, y)
    return float(np.nansum(share * np.abs(said - so)))


def picture(shares: dict[str, Any], errors: dict[str, Center], accuracies: dict[str, Center]) -> Any:
    figure, axes = tn.plot.subplots(1, 2, size=(WIDTH / 2, 3.9))
    said, bars = axes[0]
    middles = (np.arange(BINS) + 0.5) / BINS
    tn.plot.bands({way: shares[way] for way in DRAWN}, said, x=middles, xlabel="probability said", ylabel="share of class 1")
    said.plot([0, 1], [0, 1], color="black", linewidth=5, alpha=0.2, zorder=0)
    said.set(title="Reliability: is it so when it is said?", aspect="equal")
    for i, (way, error) in enumerate(errors.items()):
        low, high = max(error.low, 0), min(error.high, FARTHEST)
        color = tn.plot.COLORS[DRAWN.index(way)] if way in DRAWN else "0.6"
        bars.barh(i, error.value, xerr=[[error.value - low], [high - error.value]], color=color, capsize=3)
        bars.text(high + 0.008, i, f"{accuracies[way].value:.0%} right", va="center")
    bars.set(yticks=range(len(errors)), yticklabels=[way.replace(", ", ",\n") for way in errors])
    bars.set(xlim=(0, 0.1 + max(min(error.high, FARTHEST) for error in errors.values())), xlabel="error of calibration")
    bars.set_title("Right answers, wrong probabilities")
    bars.invert_yaxis()
    return figure


def main() -> None:
    run = start(__doc__, CLAIMS, seeds=(20, 12), steps=(600, 600))
    x, y = map(np.stack, zip(*map(data, run.seeds), strict=True))
    new = y[:, LEARN:, 0]
    shares, errors, right = {}, {}, {}
    print(f"{run.args.steps} steps of Adam on {LEARN} points; medians of {len(run.seeds)} seeds.\n")
    print("trained with            accuracy  error of calibration")
    for way in WAYS:
        said = probabilities(way, x, y, run)
        p = said[:, LEARN:]
        shares[way] = np.array([reliability(*pair)[1] for pair in zip(p, new, strict=True)])
        errors[way] = [calibration_error(*pair) for pair in zip(p, new, strict=True)]
        right[way] = ((p > 0.5) == new).mean(axis=1)
        print(f"{way:22}  {np.median(right[way]):8.3f}  {center(errors[way]):.3f}")
        if way == FEW_POINTS:
            own = ((said[:, :FEW] > 0.5) == y[:, :FEW, 0]).mean(axis=1)
    print()

    found = {way: center(values) for way, values in errors.items()}
    worse = {way: paired(values, errors[LOG_LOSS]) for way, values in errors.items()}
    less_right = paired(right[ABSOLUTE], right[LOG_LOSS])
    run.claim(
        "B12",
        max(found[LOG_LOSS].high, found[SQUARED].high) < 0.03
        and all(worse[way].low > 0 for way in (ABSOLUTE, FEW_POINTS, UNTRAINED)) and paired(own, right[FEW_POINTS]).low > 0,
        f"after training with log-loss on {LEARN} points what is said is off by {found[LOG_LOSS]:.3f}. With squared error, "
        f"which rewards the true probability as well, it is off by {found[SQUARED]:.3f}; with absolute error by "
        f"{found[ABSOLUTE]:.3f}. Of the classes {np.median(right[ABSOLUTE]):.0%} are right with absolute error and "
        f"{np.median(right[LOG_LOSS]):.0%} with log-loss (difference {100 * less_right.value:.1f} percentage points, 95% "
        f"interval {100 * less_right.low:.1f} to {100 * less_right.high:.1f}). With log-loss on {FEW} points, of which then "
        f"{center(own):.0%} are right and {np.median(right[FEW_POINTS]):.0%} of others, it is off by "
        f"{found[FEW_POINTS]:.3f}; untrained by {found[UNTRAINED]:.3f} (medians of {len(run.seeds)} seeds)",
    )  # fmt: skip
    if run.plot:
        run.save(picture(shares, found, {way: center(values) for way, values in right.items()}))
    run.end()


if __name__ == "__main__":
    main()
