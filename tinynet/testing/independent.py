"""A hypothesis backend that draws every example independently, by a generator of its own.

Hypothesis itself also tries the simplest example, small ones and variations of those it has seen, which is what finds an
error soon. Where many different examples are wanted, independent draws are better. What fails is shrunk by hypothesis as ever.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import numpy as np
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, PrimitiveProvider

__all__ = ["BACKEND", "seeded"]

BACKEND = "tinynet-independent"

_random = Random(0)
_FAR = 1e6


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it, examples are drawn with this seed."""
    _random.seed(seed)
    yield


class Independent(PrimitiveProvider):
    """Uniform draws; of a float, now and then one of the simple numbers."""

    def draw_boolean(self, p: float = 0.5) -> bool:
        return _random.random() < p

    def draw_integer(
        self, min_value: int | None = None, max_value: int | None = None, *, weights: Any = None, shrink_towards: int = 0
    ) -> int:
        low = min_value if min_value is not None else (max_value or 0) - 100
        return _random.randint(low, max_value if max_value is not None else low + 200)

    def draw_float(
        self,
        *,
        min_value: float = -np.inf,
        max_value: float = np.inf,
        allow_nan: bool = True,
        smallest_nonzero_magnitude: float,
    ) -> float:
        low = min_value if min_value > -_FAR else min(-1e3, max_value)
        high = max_value if max_value < _FAR else max(1e3, min_value)
        simple = [x for x in (0.0, 1.0, -1.0, 0.5, low, high) if low <= x <= high]
        return _random.choice(simple) if _random.random() < 0.05 else _random.uniform(low, high)

    def draw_string(self, intervals: Any, *, min_size: int = 0, max_size: int = 8) -> str:
        n = _random.randint(min_size, min(max_size, min_size + 8))
        return "".join(chr(intervals[_random.randrange(len(intervals))]) for _ in range(n))

    def draw_bytes(self, min_size: int = 0, max_size: int = 8) -> bytes:
        return _random.randbytes(_random.randint(min_size, min(max_size, min_size + 8)))


AVAILABLE_PROVIDERS[BACKEND] = f"{__name__}.Independent"
