"""The statistics of the examples, against SciPy 1.17's figures (scipy.stats) and against what has to be true of them."""

import numpy as np
import pytest

from examples.stats import center, median, paired, rate, ratio

# binomtest(k, n).proportion_ci(confidence, method="wilson")
WILSON = [
    (0, 50, 0.95, 0.0, 0.07134759913335872),
    (33, 50, 0.95, 0.521538260502326, 0.7756305077749992),
    (50, 50, 0.95, 0.9286524008666412, 1.0),
    (1, 3, 0.95, 0.06149194472039626, 0.7923403991979523),
    (329, 500, 0.95, 0.6153562150800094, 0.6982344933341402),
    (7, 20, 0.99, 0.14639344137693885, 0.6283381789526872),
]

FIRST = [0.13, -0.13, 0.64, 0.1, -0.54, 0.36, 1.3, 0.95, -0.7, -1.27,
         -0.62, 0.04, -2.33, -0.22, -1.25, -0.73, -0.54, -0.32, 0.41, 1.04]  # fmt: skip
SECOND = [0.35, 0.99, 0.54, 0.61, 0.3, 0.72, 1.15, 0.7, -0.67, -0.84,
          -0.93, 0.21, -2.13, 0.4, -0.82, -0.22, -0.63, -0.1, 1.18, 2.24]  # fmt: skip


@pytest.mark.parametrize(("successes", "trials", "confidence", "low", "high"), WILSON)
def test_rates_have_wilsons_interval(successes, trials, confidence, low, high):
    found = rate(successes, trials, confidence)
    assert found.value == successes / trials
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9, abs=1e-15)


def test_the_interval_of_a_rate_covers_it_as_often_as_it_says():
    rng = np.random.default_rng(0)
    for p in (0.05, 0.5, 0.9):
        found = [rate(int(k), 60) for k in rng.binomial(60, p, 2000)]
        assert 0.92 <= np.mean([r.low <= p <= r.high for r in found]) <= 0.98


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 5), (6, 5), (0, 0)])
def test_impossible_rates_are_refused(successes, trials):
    with pytest.raises(ValueError, match=f"{successes} successes of {trials}"):
        rate(successes, trials)


def test_medians_and_quartiles_are_numpys():
    values = np.random.default_rng(0).standard_normal(51)
    found = median(values)
    assert (found.low, found.value, found.high) == tuple(np.quantile(values, (0.25, 0.5, 0.75)))
    assert median([7.0]) == median([7.0, 7.0]) and median([1.0, 2.0]).value == 1.5


def test_a_training_that_blew_up_counts_as_infinite():
    found = median([1.0, 2.0, 3.0, np.inf, np.inf])
    assert (found.low, found.value, found.high) == (2.0, 3.0, np.inf)
    assert median([1.0, np.inf, np.inf, np.inf]).value == np.inf
    assert median([1.0, 2.0, 3.0, 4.0, 5.0, np.inf]).high == 5.0


@pytest.mark.parametrize("values", [[], [1.0, np.nan]])
def test_missing_values_are_refused(values):
    for use in (median, center, lambda values: paired(values, values), lambda values: ratio(values, values)):
        with pytest.raises(ValueError, match="each seed has to give a number"):
            use(values)


def test_pairs_are_compared_by_the_sign_test():
    found = paired(FIRST, SECOND)
    differences = np.subtract(FIRST, SECOND)
    assert (found.less, found.more, found.equal) == (15, 5, 0)
    assert found.value == np.median(differences)
    assert found.p == pytest.approx(0.04138946533203125, rel=1e-12)  # binomtest(15, 20).pvalue
    assert (found.low, found.high) == pytest.approx((-0.51, -0.03))  # quantile_test(differences).confidence_interval(0.95)


def test_a_comparison_the_other_way_round_is_the_same():
    one, other = paired(FIRST, SECOND), paired(SECOND, FIRST)
    assert (one.value, one.low, one.high) == (-other.value, -other.high, -other.low)
    assert (one.less, one.more, one.p) == (other.more, other.less, other.p)


def test_a_median_has_the_interval_of_the_sign_test():
    differences = np.subtract(FIRST, SECOND)
    found = center(differences)
    assert found.value == np.median(differences)
    assert (found.low, found.high) == pytest.approx((-0.51, -0.03))  # quantile_test(differences).confidence_interval(0.95)
    assert (center(differences, 0.5).low, center(differences, 0.5).high) == tuple(np.sort(differences)[[7, 12]])
    assert center([7.0]).value == 7.0 and (center([7.0]).low, center([7.0]).high) == (-np.inf, np.inf)


def test_middles_between_infinities_are_numbers():
    assert center([-np.inf, np.inf]).value == 0.0 and center([-np.inf, 3.0]).value == -np.inf
    one, other = [np.inf] * 3 + [1.0] * 3, [1.0] * 3 + [np.inf] * 3
    assert (paired(one, other).value, paired(one, other).less, paired(one, other).more) == (0.0, 3, 3)


def test_ratios_are_of_pairs():
    first, second = np.exp(FIRST), np.exp(SECOND)
    found, logs = ratio(first, second), paired(FIRST, SECOND)
    assert (found.value, found.low, found.high) == pytest.approx(np.exp([logs.value, logs.low, logs.high]))
    assert (found.less, found.more, found.p) == (logs.less, logs.more, logs.p)
    assert ratio([2.0] * 5, [1.0] * 5).low == 0.0 and ratio([2.0] * 5, [1.0] * 5).high == np.inf
    for values in ([1.0, 0.0], [1.0, -1.0]):
        with pytest.raises(ValueError, match="not positive"):
            ratio(values, [1.0, 1.0])
    with pytest.raises(ValueError, match="1 and 2 values"):
        ratio([1.0], [1.0, 1.0])


def test_ties_tell_nothing():
    found = paired([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert (found.equal, found.p, found.value) == (3, 1.0, 0.0)
    assert paired([0.0, 0.0, 1.0], [0.0, 0.0, 0.0]).p == 1.0


def test_few_seeds_bound_nothing_and_infinities_are_compared():
    found = paired([1.0] * 5, [2.0] * 5)
    assert (found.low, found.high, found.p) == (-np.inf, np.inf, 1 / 16)
    found = paired([np.inf] * 6, [np.inf, 1, 1, 1, 1, 1])
    assert (found.equal, found.more, found.value) == (1, 5, np.inf)


def test_the_interval_of_the_median_difference_covers_it():
    rng = np.random.default_rng(0)
    draws = rng.exponential(size=(1000, 25))  # lopsided: the sign test does not mind
    found = [paired(row, np.zeros(25)) for row in draws]
    assert 0.95 <= np.mean([r.low <= np.log(2) <= r.high for r in found]) <= 0.98


def test_pairs_need_the_same_seeds():
    with pytest.raises(ValueError, match="3 and 2 values"):
        paired([1, 2, 3], [1, 2])


def test_they_print_as_parts_of_sentences():
    assert f"{rate(33, 50)}" == "33 of 50, 66% (95% interval 52% to 78%)"
    assert f"{rate(33, 50):.1%}" == "33 of 50, 66.0% (95% interval 52.2% to 77.6%)"
    assert f"{median([1, 2, 3, 4, 100])}" == "3 (quartiles 2 to 4)"
    assert f"{median([0.5, 0.5]):.0%}" == "50% (quartiles 50% to 50%)"
    assert f"{center([1, 2, 3, 4, 5, 60]):.1f}" == "3.5 (95% interval 1.0 to 60.0)"
    words = "-0.29 in the median (95% interval -0.51 to -0.03), below on 15 of 20 seeds, p = 0.041"
    assert f"{paired(FIRST, SECOND):.2f}" == words
    assert str(paired([2.0] * 8, [1.0] * 8)) == "1 in the median (95% interval 1 to 1), above on 8 of 8 seeds, p = 0.0078"
