"""Calls are dropped whose results nobody needs: nobody reads them, or all of it is written anew before anybody does.

    t0[8] = np.exp(x0[8])
    t1[8] = np.zeros_like(t0[8])      →   t1[8] = np.add(x0[8], x0[8])
    t1[8] = np.add(x0[8], x0[8])          return t1[8]
    return t1[8]

Outputs are needed, and so is what arrays from outside hold at the end, or where a check may end the step.
"""

from tinynet.compiler.passes.accesses import Span, is_gapless, overlap, span
from tinynet.compiler.program import Buffer, Program, View
from tinynet.declared import is_scratch

__all__ = ["dead"]


def dead(program: Program) -> Program:
    """The program without the calls that nobody needs."""
    needed: dict[Buffer, _Bytes] = {}

    def of(view: View) -> _Bytes:
        buffer = view.buffer
        if buffer not in needed:
            needed[buffer] = _Bytes([(0, buffer.array.nbytes)] if buffer.kind == "outside" else [])
        return needed[buffer]

    lasting = {view.buffer for view in program.outputs if not view.size}
    for view in program.outputs:
        of(view).add(span(view))
    calls = []
    for call in reversed(program.calls):
        if call.kept:
            for buffer, found in needed.items():
                if buffer.kind == "outside" and not is_scratch(buffer.array):
                    found.add((0, buffer.array.nbytes))
        if call.kept or any(view.buffer in lasting or of(view).meet(span(view)) for view in call.out):
            calls.append(call)
            for view in filter(is_gapless, call.out):
                of(view).remove(span(view))
            for view in call.reads():  # also what the call changes in places only
                of(view).add(span(view))
    return Program(calls[::-1], program.inputs, program.outputs)


class _Bytes:
    """A set of bytes of a buffer, as spans without common bytes."""

    def __init__(self, spans: list[Span]) -> None:
        self._spans = spans

    def meet(self, other: Span) -> bool:
        """Whether some of the bytes of a span are in the set."""
        return any(overlap(mine, other) for mine in self._spans)

    def add(self, other: Span) -> None:
        """Put the bytes of a span in."""
        if not any(begin <= other[0] and other[1] <= end for begin, end in self._spans):
            self.remove(other)
            self._spans.append(other)

    def remove(self, other: Span) -> None:
        """Take the bytes of a span out."""
        if self.meet(other):
            first, last = other
            parts = [part for begin, end in self._spans for part in ((begin, min(end, first)), (max(begin, last), end))]
            self._spans = [(begin, end) for begin, end in parts if begin < end]
