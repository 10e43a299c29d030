"""Which calls read and write which bytes of a buffer: what a pass asks before it moves, shares or drops anything.

The world around the calls takes part: it writes arguments, constants and arrays from outside before the first call, and reads
outputs and arrays from outside after the last one. Bytes are taken as a span, from the first that a view uses to its last.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator

import numpy as np

from tinynet.compiler.program import Buffer, Call, Program, View

__all__ = ["BEFORE", "Accesses", "draws", "gapless", "is_elementwise", "is_pure", "meet", "span"]

BEFORE = -1
"""The position at which the world writes; it reads at the number of calls."""


def span(view: View) -> tuple[int, int]:
    """The first byte that a view uses and the one after the last; equal ones if it has no elements."""
    first = last = view.offset
    for length, stride in zip(view.shape, view.strides, strict=True):
        if length == 0:
            return first, first
        if stride < 0:
            first += (length - 1) * stride
        else:
            last += (length - 1) * stride
    return first, last + view.dtype.itemsize


def gapless(view: View) -> bool:
    """Whether a view uses every byte of its span."""
    first, last = span(view)
    return last - first == view.size * view.dtype.itemsize and 0 not in {
        stride for length, stride in zip(view.shape, view.strides, strict=True) if length > 1
    }


def meet(a: View, b: View) -> bool:
    """Whether views of one buffer may have bytes in common."""
    (first, last), (begin, end) = span(a), span(b)
    return first < end and begin < last


def is_elementwise(call: Call) -> bool:
    """Whether each element of the result depends on one element of each operand, so that the result may lie where one did."""
    return isinstance(call.function, np.ufunc) and call.function.signature is None and not call.kwargs


def draws(call: Call) -> bool:
    """Whether a call draws random numbers."""
    return any(hasattr(x, "bit_generator") for x in (*call.args, *call.kwargs.values()))


def is_pure(call: Call) -> bool:
    """Whether a call does nothing but compute new arrays, the same ones whenever its operands are the same."""
    return not (call.kept or call.updates or call.in_place or draws(call))


class Accesses:
    """For each buffer the reads and the writes, as lists of ``(position, view)`` in order.

    Attributes
    ----------
    reads, writes : dict of Buffer to list of tuple
    end : int
        The position after the last call.
    """

    def __init__(self, program: Program) -> None:
        self.reads: dict[Buffer, list[tuple[int, View]]] = {}
        self.writes: dict[Buffer, list[tuple[int, View]]] = {}
        self.end = len(program.calls)
        for buffer in program.buffers():
            there = buffer.kind != "inside"
            self.reads[buffer] = []
            self.writes[buffer] = [(BEFORE, buffer.whole)] if there else []
        for i, call in enumerate(program.calls):
            for view in call.reads():
                self.reads[view.buffer].append((i, view))
            for view in call.out:
                self.writes[view.buffer].append((i, view))
        for view in program.outputs:
            self.reads[view.buffer].append((self.end, view))
        for buffer, reads in self.reads.items():
            if buffer.kind == "outside":
                reads.append((self.end, buffer.whole))

    def first(self, buffer: Buffer) -> int:
        """The position of the first access to a buffer."""
        return min(accesses[0][0] for accesses in (self.reads[buffer], self.writes[buffer]) if accesses)

    def last(self, buffer: Buffer) -> int:
        """The position of the last access to a buffer."""
        return max(accesses[-1][0] for accesses in (self.reads[buffer], self.writes[buffer]) if accesses)

    def reads_of(self, view: View, begin: int, end: int) -> Iterator[tuple[int, View]]:
        """The reads of any byte of a view from one position up to, not including, another."""
        return _within(self.reads[view.buffer], view, begin, end)

    def writes_to(self, view: View, begin: int, end: int) -> Iterator[tuple[int, View]]:
        """The writes to any byte of a view from one position up to, not including, another."""
        return _within(self.writes[view.buffer], view, begin, end)
