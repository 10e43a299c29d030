"""Calls on single numbers, made as one Python function on Python floats."""

from collections.abc import Callable
from itertools import count
from math import isfinite, pow, sqrt
from typing import Any

import numpy as np

from tinynet.compiler.program import Array, Buffer, Call, View, copy_to
from tinynet.compiler.threads import Bound

__all__ = ["FORMULAS", "Scalars", "place"]

FORMULAS: dict[Any, str] = {
    np.add: "{} + {}", np.subtract: "{} - {}", np.multiply: "{} * {}", np.divide: "{} / {}", np.power: "pow({}, {})",
    np.negative: "-{}", np.positive: "{}", np.square: "{0} * {0}", np.sqrt: "sqrt({})", np.reciprocal: "1.0 / {}",
    copy_to: "{}",
}  # fmt: skip
"""The functions of single numbers, as Python writes them."""


def place(view: View) -> tuple[Buffer, int]:
    """Where a single number lies."""
    return view.buffer, view.offset


class Scalars(Call):
    """Calls on single numbers of float64, in order; a result may also be stored in float32.

    Attributes
    ----------
    calls : list of Call
        The calls.
    """

    __slots__ = ("_private", "calls")

    def __init__(self, calls: list[Call], private: dict[Buffer, None]) -> None:
        self.calls = calls
        self._private = private
        reads: dict[tuple[Buffer, int], View] = {}
        out: dict[tuple[Buffer, int], View] = {}
        for call in calls:
            reads.update((place(view), view) for view in call.reads() if place(view) not in out)
            out.update((place(view), view) for view in call.out)
        kept = tuple(view for view in out.values() if view.buffer not in private)
        super().__init__(Scalars, tuple(reads.values()), {}, kept, in_place=True, line=calls[0].line)

    def __repr__(self) -> str:
        for i, buffer in enumerate(self._private):
            buffer.name = f"s{i}"
        return "with Python floats:" + "".join(f"\n    {call}" for call in self.calls)

    def source(self) -> str:
        """The function in Python: it reads, computes and then writes, so that an error leaves everything as it was.

        ``x0``, ``x1``, ... are views of the memory of the operands, ``y0``, ``y1``, ... of the results.
        """
        names: dict[tuple[Buffer, int], str] = {place(view): f"a{i}" for i, view in enumerate(self.reads())}
        lines = [f"{name} = x{i}[()]" for i, name in enumerate(names.values())]
        new = count()
        for call in self.calls:
            operands = [names[place(x)] if isinstance(x, View) else repr(float(x)) for x in call.args]
            result = f"t{next(new)}"
            lines.append(f"{result} = {FORMULAS[call.function].format(*operands)}")
            names[place(call.out[0])] = result
        results = [names[place(view)] for view in self.out]
        lines.append(f"if not ({' and '.join(f'isfinite({name})' for name in results)}): raise OverflowError")
        lines += [f"y{i}[()] = {name}" for i, name in enumerate(results)]
        return "def scalars():\n    " + "\n    ".join(lines)

    def bound(self, array: Callable[[View], Array], bound: Callable[..., list[Bound]]) -> list[Bound]:
        """What to call with what; `bound` tells it of a call.

        Where a result is not finite (after a division by zero, the root of a negative number, an overflow), NumPy makes the
        calls, and warns as it does.
        """
        memory: dict[str, Any] = {f"x{i}": _number(array(view)) for i, view in enumerate(self.reads())}
        memory |= {f"y{i}": _number(array(view)) for i, view in enumerate(self.out)}
        exec(self.source(), memory | {"isfinite": isfinite, "pow": pow, "sqrt": sqrt, "inf": np.inf, "nan": np.nan}, memory)
        own = {buffer: np.empty_like(buffer.array) for buffer in self._private}
        calls = [
            item
            for call in self.calls
            for item in bound(call, lambda view: view.on(own[view.buffer]) if view.buffer in own else array(view))
        ]
        return [(_computed, (memory["scalars"], calls))]


def _number(array: Array) -> memoryview:
    """The memory of a single number: it gives and takes a Python float in half the time of an array."""
    return memoryview(array.reshape(()))  # type: ignore[arg-type]


def _computed(function: Callable[[], None], calls: list[Bound]) -> None:
    try:
        function()
    except (ArithmeticError, ValueError, TypeError):
        for numpy_function, arguments in calls:
            numpy_function(*arguments)
