"""`Saved`: what a node of the graph keeps for the backward pass, with checksums that tell whether it is as it was."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from zlib import crc32

import numpy as np

from tinynet.tensor import Tensor
from tinynet.trees import leaves, mapped

__all__ = ["Place", "Saved", "arrays_in"]

Place = tuple[str, Any]
"""The result ``("result", None)``, an operand ``("operand", 1)``, or another argument ``("argument", "axis")``."""


class Saved:
    """The result, the operands and the other arguments of an operation."""

    def __init__(self, out: Any, operands: Sequence[Any], params: dict[str, Any]) -> None:
        self._parts: dict[Place, Any] = {("result", None): out}
        self._parts.update((("operand", i), x) for i, x in enumerate(operands))
        self._parts.update((("argument", name), x) for name, x in params.items())

    def __getitem__(self, place: Place) -> Any:
        return self._parts[place]

    def checksums(self) -> dict[Place, int]:
        """The checksum of what is at each place."""
        return {place: _checksum(part) for place, part in self._parts.items()}

    def matters(self, place: Place, vjp: Callable[..., Any], g: Any) -> bool:
        """Whether a gradient rule looks at the values at a place: not if it asks for their shape alone.

        It is run with others in their stead, to see whether it gives something else.
        """
        # numbers that occur, too: the gradient of a maximum is NaN at all that is not equal to it
        fills = [*_FILLS, *(x for x in arrays_in(list(self._parts.values())) if x.dtype.kind == "f" and x.size)]
        with np.errstate(all="ignore"):
            try:
                d = self._run(vjp, g, self._parts)
                others = [self._run(vjp, g, {**self._parts, place: _filled(self._parts[place], fill)}) for fill in fills]
            except Exception:  # a matrix without an inverse, no index, whatever a rule of one's own finds wrong
                return True
        return not all(np.array_equal(d, other, equal_nan=True) for other in others)

    @staticmethod
    def _run(vjp: Callable[..., Any], g: Any, parts: dict[Place, Any]) -> Any:
        plain = {place: mapped(_array, part) for place, part in parts.items()}
        operands = [part for (kind, _), part in plain.items() if kind == "operand"]
        params = {name: part for (kind, name), part in plain.items() if kind == "argument"}
        return vjp(mapped(_array, g), plain["result", None], *operands, **params)


_MIXED = np.array([3.0, 1.0, 4.0, -1.0, 5.0, 9.0, -2.0, 6.0, -5.0, 3.5, -8.0])  # in an order that is no order
_FILLS = (np.nan, 1e30, -1e30, _MIXED, -_MIXED)


def _filled(part: Any, fill: Any) -> Any:
    """Arrays of other values: those of a number or an array where they are floating, ones or zeros where they are not."""

    def filled(x: Any) -> Any:
        x = _array(x)
        if not isinstance(x, np.ndarray | np.generic):
            return x
        return np.resize(fill if x.dtype.kind == "f" else np.greater(fill, 0), x.shape).astype(x.dtype)

    return mapped(filled, part)


def _checksum(part: Any) -> int:
    total = 0
    for x in arrays_in(part):
        total = crc32(x.tobytes(), total)
    return total


def arrays_in(part: Any) -> Iterator[Any]:
    """The arrays, tensors' among them, in a container or by themselves."""
    for _, x in leaves(part):
        x = _array(x)
        if isinstance(x, np.ndarray | np.generic):
            yield x


def _array(x: Any) -> Any:
    return x._array if isinstance(x, Tensor) else x
