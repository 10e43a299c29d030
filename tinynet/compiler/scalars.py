"""Calls on single numbers, made as one Python function on Python floats."""

from collections.abc import Callable
from math import isfinite, pow, sqrt
from typing import Any

import numpy as np

from tinynet.compiler.program import Array, Buffer, Call, View, copy_to
from tinynet.compiler.threads import Bound, make

__all__ = ["FORMULAS", "Scalars", "place"]

FORMULAS: dict[Any, str] = {
    np.add: "{} + {}", np.subtract: "{} - {}", np.multiply: "{} * {}", np.divide: "{} / {}", np.power: "pow({}, {})",
    np.negative: "-{}", np.positive: "{}", np.square: "{0} * {0}", np.sqrt: "sqrt({})", np.reciprocal: "1.0 / {}",
    copy_to: "{}",
}  # fmt: skip
"""The functions of single numbers, as Python writes them."""

SEEN_THROUGH: dict[Any, int] = {np.divide: 1, np.power: 0, np.reciprocal: 0}
"""How many of a function's operands are finite wherever its result is: all of them, but for these functions."""


def place(view: View) -> tuple[Buffer, int]:
    """Where a single number lies."""
    return view.buffer, view.offset


class Scalars(Call):
    """Calls on single numbers of float64, in order; a result may also be stored in float32.

    Attributes
    ----------
    calls : list of Call
        The calls, under an equal error state.
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
        super().__init__(Scalars, tuple(reads.values()), {}, kept, in_place=True, line=calls[0].line, errors=calls[0].errors)

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
        finite: dict[str, str] = {}  # how to see that numbers are finite; the others are where these are
        for i, call in enumerate(self.calls):
            operands = [names[place(x)] if isinstance(x, View) else repr(float(x)) for x in call.args]
            for operand in operands[: SEEN_THROUGH.get(call.function)]:
                finite.pop(operand, None)
            (out,) = call.out
            names[place(out)] = result = f"t{i}"
            most = float(np.finfo(out.dtype).max)
            finite[result] = f"isfinite({result})" if out.dtype == "float64" else f"{-most} < {result} < {most}"
            lines.append(f"{result} = {FORMULAS[call.function].format(*operands)}")
        lines.append(f"if not ({' and '.join(finite.values())}): raise OverflowError")
        lines += [f"y{i}[()] = {names[place(view)]}" for i, view in enumerate(self.out)]
        return "def scalars():\n    " + "\n    ".join(lines)

    def bound(self, array: Callable[[View], Array], bound: Callable[..., list[Bound]]) -> list[Bound]:
        """What to call with what; `bound` tells it of a call.

        Where a number is not finite (after a division by zero, the root of a negative number, an overflow), NumPy makes the
        calls, and warns as it does. Of an underflow nobody is told.
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
    return memoryview(array.reshape(()))  # type: ignore[arg-type, unused-ignore]  # by the version of Python


def _computed(function: Callable[[], None], calls: list[Bound]) -> None:
    try:
        function()
    except (ArithmeticError, ValueError, TypeError):
        make(calls)
