"""Cases of the linear algebra: factorisations, inverses, norms, parts of matrices."""

from tinynet.testing.strategies.calls import Cases

__all__ = ["CASES"]

CASES = Cases()
