"""Operations with several results, such as `numpy.linalg.qr`: one node in the graph for them all.

The graph knows of one array, in which the floating results lie one after another; each result is a part of it. So the
backward pass, second derivatives and the checks have nothing to learn, and a row is written as if the results were apart.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from tinynet.rules.elementwise import cast
from tinynet.rules.table import Rule

__all__ = ["Layout"]


class Layout:
    """How the results of one call lie in one flat array; what is not floating (an exponent) stays beside it as it is."""

    def __init__(self, results: Sequence[Any]) -> None:
        self._results = [(x.shape, x.dtype, None if x.dtype.kind == "f" else x) for x in results]

    def join(self, results: Sequence[Any]) -> Any:
        """The floating results in one flat array."""
        parts = zip(results, self._results, strict=True)
        return np.concatenate([np.ravel(x) for x, (_, _, beside) in parts if beside is None])

    def apart(self, flat: Any) -> tuple[Any, ...]:
        """The results of a flat array; of a flat cotangent the cotangents."""
        parts, start = [], 0
        for shape, dtype, beside in self._results:
            if beside is not None:
                parts.append(beside)
                continue
            stop = start + prod(shape)
            part = flat[start:stop].reshape(shape)
            parts.append(part if flat.dtype == dtype else cast(part, dtype))
            start = stop
        return tuple(parts)

    def rule(self, row: Rule) -> Rule:
        """The row as one of an operation whose result is the flat array."""
        return Rule(
            row.fun, _Apart(row.vjps, self.apart), lambda *operands, **params: self.join(row.forward(*operands, **params)),
            None, row.domain, row.kinks, row.remedy, row.at, row.source,
        )  # fmt: skip


class _Apart(Sequence[Any]):
    """A row's vjps, given cotangent and result apart."""

    def __init__(self, vjps: Sequence[Any], apart: Callable[[Any], tuple[Any, ...]]) -> None:
        self._vjps = vjps
        self._apart = apart

    def __len__(self) -> int:
        return len(self._vjps)

    def __getitem__(self, i: Any) -> Any:
        vjp, apart = self._vjps[i], self._apart
        if vjp is None:
            return None
        return lambda g, out, *operands, **params: vjp(apart(g), apart(out), *operands, **params)
