"""What many seeds say: a rate with its interval, a median with its interval or quartiles, two methods compared seed by seed.

Each prints as part of a sentence: ``f"solved by {rate(33, 50)}"``, ``f"error {median(errors):.3f}"``,
``f"sin beats ReLU: {paired(relu, sin):.3f}"``. Plain NumPy, nothing of tinynet.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import comb, inf, sqrt
from statistics import NormalDist

import numpy as np

__all__ = ["Center", "Median", "Paired", "Rate", "center", "median", "paired", "rate", "ratio"]


@dataclass(frozen=True)
class Rate:
    """So many successes of so many, the share that is, and the interval that the true rate lies in."""

    successes: int
    trials: int
    value: float
    low: float
    high: float
    confidence: float

    def __format__(self, spec: str) -> str:
        """Percentages, ``.0%`` unless told: ``33 of 50, 66% (95% interval 52% to 78%)``."""
        value, low, high = (format(x, spec or ".0%") for x in (self.value, self.low, self.high))
        return f"{self.successes} of {self.trials}, {value} ({self.confidence:.0%} interval {low} to {high})"

    def __str__(self) -> str:
        return format(self)


@dataclass(frozen=True)
class Center:
    """The middle of some values, and the interval that the true median lies in."""

    value: float
    low: float
    high: float
    confidence: float

    def __format__(self, spec: str) -> str:
        """Numbers, ``.3g`` unless told: ``0.12 (95% interval 0.1 to 0.15)``."""
        value, low, high = (format(x, spec or ".3g") for x in (self.value, self.low, self.high))
        return f"{value} ({self.confidence:.0%} interval {low} to {high})"

    def __str__(self) -> str:
        return format(self)


@dataclass(frozen=True)
class Median:
    """The middle of some values, and the middles of their lower and upper half."""

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        """Numbers, ``.3g`` unless told: ``0.12 (quartiles 0.1 to 0.15)``."""
        value, low, high = (format(x, spec or ".3g") for x in (self.value, self.low, self.high))
        return f"{value} (quartiles {low} to {high})"

    def __str__(self) -> str:
        return format(self)


@dataclass(frozen=True)
class Paired:
    """How the first of two methods compares with the second on the same seeds.

    Attributes
    ----------
    value, low, high : float
        The median of the differences first − second, and the interval of that median.
    less, more, equal : int
        On how many seeds the first is below, above and level with the second.
    p : float
        The sign test: how probable so lopsided a count is if either may as well be below the other.
    """

    value: float
    low: float
    high: float
    confidence: float
    less: int
    more: int
    equal: int
    p: float

    def __format__(self, spec: str) -> str:
        """``.3g`` unless told: ``-0.2 in the median (95% interval -0.3 to -0.1), below on 8 of 8 seeds, p = 0.008``"""
        value, low, high = (format(x, spec or ".3g") for x in (self.value, self.low, self.high))
        most, word = max((self.less, "below"), (self.more, "above"))
        seeds = self.less + self.more + self.equal
        interval = f"{self.confidence:.0%} interval {low} to {high}"
        return f"{value} in the median ({interval}), {word} on {most} of {seeds} seeds, p = {self.p:.2g}"

    def __str__(self) -> str:
        return format(self)


def rate(successes: int, trials: int, confidence: float = 0.95) -> Rate:
    """A rate and its interval by Wilson (1927), "Probable inference": no nonsense at 0 and at 1, where √(p(1−p)/n) is 0.

    With z the normal quantile: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n).

    >>> print(rate(0, 50))
    0 of 50, 0% (95% interval 0% to 7%)
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"rate: {successes} successes of {trials} trials cannot be")
    z, p = NormalDist().inv_cdf((1 + confidence) / 2), successes / trials
    middle, spread = p + z * z / (2 * trials), z * sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    low = 0.0 if successes == 0 else (middle - spread) / scale  # exactly, where rounding would leave 1e-18
    high = 1.0 if successes == trials else (middle + spread) / scale
    return Rate(successes, trials, p, low, high, confidence)


def median(values: Iterable[float]) -> Median:
    """The median and the quartiles, interpolated as NumPy does; infinite values (a training that blew up) count as such.

    >>> print(median([1, 2, 3, 4, 100]))
    3 (quartiles 2 to 4)
    """
    array = _finite_or_infinite("median", values)
    if np.isinf(array).any():  # inf − inf in an interpolation would be NaN
        low, value, high = np.quantile(array, (0.25, 0.5, 0.75), method="nearest")
    else:
        low, value, high = np.quantile(array, (0.25, 0.5, 0.75))
    return Median(float(value), float(low), float(high))


def center(values: Iterable[float], confidence: float = 0.95) -> Center:
    """The median and its interval, which assumes nothing of how the values are distributed.

    It goes from the k-th smallest to the k-th largest value, with the largest k for which P(Binomial(n, ½) < k) ≤
    (1 − confidence)/2. With so few values that there is no such k (fewer than 6 at 95 %) it is everything. The middle of −∞
    and ∞ is 0.

    >>> print(center([1, 2, 3, 4, 5, 6, 7, 8, 100]))
    5 (95% interval 2 to 8)
    """
    ordered = np.sort(_finite_or_infinite("center", values))
    n = len(ordered)
    below, above = float(ordered[(n - 1) // 2]), float(ordered[n // 2])
    value = 0.0 if below == -above else (below + above) / 2
    k = sum(_below(i, n) <= (1 - confidence) / 2 for i in range(1, n // 2 + 1))
    low, high = (float(ordered[k - 1]), float(ordered[n - k])) if k else (-inf, inf)
    return Center(value, low, high, confidence)


def paired(first: Iterable[float], second: Iterable[float], confidence: float = 0.95) -> Paired:
    """Compare two methods that were run with the same seeds, by the differences alone.

    The sign test assumes nothing of how the differences are distributed, and neither does the interval, which is that of
    `center`: with fewer than 6 seeds it is everything.

    >>> print(paired([1, 2, 3, 4, 5, 6], [2, 4, 6, 8, 10, 12]))
    -3.5 in the median (95% interval -6 to -1), below on 6 of 6 seeds, p = 0.031
    """
    a, b = _finite_or_infinite("paired", first), _finite_or_infinite("paired", second)
    if len(a) != len(b):
        raise ValueError(f"paired: {len(a)} and {len(b)} values; there must be one of each for each seed")
    with np.errstate(invalid="ignore"):
        differences = np.where(a == b, 0.0, a - b)
    middle, less, more = center(differences, confidence), int((differences < 0).sum()), int((differences > 0).sum())
    p = min(1.0, 2 * _below(min(less, more) + 1, less + more))
    return Paired(middle.value, middle.low, middle.high, confidence, less, more, len(differences) - less - more, p)


def ratio(first: Iterable[float], second: Iterable[float], confidence: float = 0.95) -> Paired:
    """How many times the second the first is, seed by seed, of two positive quantities: `paired` of their logarithms.

    >>> print(ratio([1, 1, 2, 1, 1, 1], [2, 2, 4, 2, 2, 2]))
    0.5 in the median (95% interval 0.5 to 0.5), below on 6 of 6 seeds, p = 0.031
    """
    a, b = (_finite_or_infinite("ratio", values) for values in (first, second))
    if (a <= 0).any() or (b <= 0).any():
        raise ValueError("ratio: a value is not positive; compare differences instead, with paired")
    found = paired(np.log(a), np.log(b), confidence)
    value, low, high = np.exp([found.value, found.low, found.high]).tolist()
    return replace(found, value=value, low=low, high=high)


def _below(k: int, n: int) -> float:
    """P(Binomial(n, ½) < k)."""
    return sum(comb(n, i) for i in range(k)) / 2**n


def _finite_or_infinite(name: str, values: Iterable[float]) -> "np.ndarray":
    array = np.asarray(list(values), dtype=np.float64)
    if array.size == 0 or np.isnan(array).any():
        raise ValueError(f"{name}: {'no values' if array.size == 0 else 'a value is NaN'}; each seed has to give a number")
    return array
