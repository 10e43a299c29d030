"""Which calls read and write which bytes of a buffer: what a pass asks before it moves, shares or drops anything.

The world around the calls takes part: it writes arguments, constants and arrays from outside before the first call, and reads
outputs and arrays from outside after the last one. The bytes of a view are taken as a span, from the first to the last.
"""

from bisect import bisect_left
from collections.abc import Iterator

import numpy as np

from tinynet.compiler.program import Buffer, Call, Program, View

__all__ = ["BEFORE", "Access", "Accesses", "between", "draws", "fills", "is_gapless", "is_pure", "may_be_in_place", "span"]

BEFORE = -1
"""The position at which the world writes; it reads at the position after the last call."""

Access = tuple[int, int, int]
"""The position of a call, and the span of the bytes: the first, and the one after the last."""


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


def is_gapless(view: View) -> bool:
    """Whether a view uses every byte of its span, each once."""
    expected = view.dtype.itemsize
    for stride, length in sorted((abs(stride), n) for stride, n in zip(view.strides, view.shape, strict=True) if n != 1):
        if stride != expected:
            return False
        expected *= length
    return True


def fills(view: View, buffer: Buffer) -> bool:
    """Whether a view uses every byte of a buffer, each once."""
    return span(view) == (0, buffer.array.nbytes) and is_gapless(view)


def draws(call: Call) -> bool:
    """Whether a call draws random numbers."""
    return any(hasattr(x, "bit_generator") for x in (*call.args, *call.kwargs.values()))


def is_pure(call: Call) -> bool:
    """Whether a call does nothing but compute new arrays, the same ones whenever its operands are the same."""
    return not (call.kept or call.updates or call.in_place or draws(call))


def may_be_in_place(call: Call) -> bool:
    """Whether the results may lie where the operands do: in no byte that the call still needs when it writes it."""
    elementwise = isinstance(call.function, np.ufunc) and call.function.signature is None and not call.kwargs
    for out in call.out:
        first, last = span(out)
        for view in call.reads():
            if view.buffer is out.buffer and not (elementwise and view == out):
                begin, end = span(view)
                if begin < last and first < end:
                    return False
    return True


class Accesses:
    """For each buffer the reads and the writes in order.

    Attributes
    ----------
    reads, writes : dict of Buffer to list of Access
    end : int
        The position after the last call.
    """

    def __init__(self, program: Program) -> None:
        self.reads: dict[Buffer, list[Access]] = {}
        self.writes: dict[Buffer, list[Access]] = {}
        self.end = len(program.calls)
        for buffer in program.buffers():
            self.reads[buffer] = []
            self.writes[buffer] = [] if buffer.kind == "inside" else [(BEFORE, 0, buffer.array.nbytes)]
        for i, call in enumerate(program.calls):
            for view in call.reads():
                self.reads[view.buffer].append((i, *span(view)))
            for view in call.out:
                self.writes[view.buffer].append((i, *span(view)))
        for view in program.outputs:
            self.reads[view.buffer].append((self.end, *span(view)))
        for buffer, reads in self.reads.items():
            if buffer.kind == "outside":
                reads.append((self.end, 0, buffer.array.nbytes))

    def last(self, buffer: Buffer) -> int:
        """The position of the last access to a buffer."""
        return max((accesses[-1][0] for accesses in (self.reads[buffer], self.writes[buffer]) if accesses), default=BEFORE)


def between(accesses: list[Access], begin: int, end: int, view: View) -> Iterator[int]:
    """The positions of accesses to any byte of a view, from one position up to, not including, another."""
    first, last = span(view)
    for i in range(bisect_left(accesses, (begin,)), len(accesses)):
        position, start, stop = accesses[i]
        if position >= end:
            return
        if start < last and first < stop:
            yield position
