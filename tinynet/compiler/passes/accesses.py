"""Which calls read and write which bytes of a buffer: what a pass asks before it moves, shares or drops anything.

The world around the calls takes part: it writes arguments, constants and arrays from outside before the first call, and reads
outputs and arrays from outside after the last one. The bytes of a view are taken as a span, from the first to the last.
"""

from bisect import bisect_left
from collections.abc import Iterator
from operator import itemgetter

from tinynet.compiler.program import Buffer, Call, Program, View, is_elementwise

__all__ = [
    "BEFORE", "Access", "Accesses", "Span", "between", "draws", "fills", "is_gapless", "is_pure", "may_be_in_place", "meet",
    "overlap", "span",
]  # fmt: skip

BEFORE = -1
"""The position at which the world writes; it reads at the position after the last call."""

Span = tuple[int, int]
"""The first of some bytes of a buffer, and the one after the last; equal ones if there are none."""

Access = tuple[int, Span]
"""The position of a call, and the bytes that it reads or writes."""


def span(view: View) -> Span:
    """The bytes that a view uses, and those between them."""
    first = last = view.offset
    for length, stride in zip(view.shape, view.strides, strict=True):
        if length == 0:
            return first, first
        if stride < 0:
            first += (length - 1) * stride
        else:
            last += (length - 1) * stride
    return first, last + view.dtype.itemsize


def overlap(a: Span, b: Span) -> bool:
    """Whether two spans of one buffer have bytes in common."""
    return a[0] < b[1] and b[0] < a[1]


def meet(a: View, b: View) -> bool:
    """Whether two views may have bytes in common."""
    return a.buffer is b.buffer and overlap(span(a), span(b))


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
    elementwise = is_elementwise(call.function) and not call.kwargs
    return not any(meet(view, out) and not (elementwise and view == out) for out in call.out for view in call.reads())


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
            self.writes[buffer] = [] if buffer.kind == "inside" else [(BEFORE, (0, buffer.array.nbytes))]
        for i, call in enumerate(program.calls):
            for view in call.reads():
                self.reads[view.buffer].append((i, span(view)))
            for view in call.out:
                self.writes[view.buffer].append((i, span(view)))
        for view in program.outputs:
            self.reads[view.buffer].append((self.end, span(view)))
        for buffer, reads in self.reads.items():
            if buffer.kind == "outside":
                reads.append((self.end, (0, buffer.array.nbytes)))

    def last(self, buffer: Buffer) -> int:
        """The position of the last access to a buffer."""
        return max((accesses[-1][0] for accesses in (self.reads[buffer], self.writes[buffer]) if accesses), default=BEFORE)


def between(accesses: list[Access], begin: int, end: int, view: View) -> Iterator[int]:
    """The positions of accesses to any byte of a view, from one position up to, not including, another."""
    wanted = span(view)
    for i in range(bisect_left(accesses, begin, key=itemgetter(0)), len(accesses)):
        position, used = accesses[i]
        if position >= end:
            return
        if overlap(used, wanted):
            yield position
