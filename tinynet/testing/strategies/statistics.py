"""Cases of the statistics and the running sums: quantiles, moments that skip NaN, differences, accumulations."""

from tinynet.testing.strategies.calls import Cases

__all__ = ["CASES"]

CASES = Cases()
