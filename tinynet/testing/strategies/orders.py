"""Cases of the operations that sort, select, gather, window and interpolate."""

from tinynet.testing.strategies.calls import Cases

__all__ = ["CASES"]

CASES = Cases()
