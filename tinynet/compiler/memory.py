"""The memory plan: where each buffer of a program lies.

The buffers that a program fills lie in one piece of memory, its arena. A buffer needs its place from the first call that
writes to it or to a view of it until the last one that uses it; then another may have the place. A ufunc may also put its
result over an operand that nobody needs any more, element over element:

    t0 = np.exp(x0)           64 bytes
    t1 = np.add(t0, 1.0)      over t0
    t2 = np.multiply(t1, x0)  over t1
    return t2

Arrays from outside and constants lie where they are.
"""

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from tinynet.compiler.program import Array, Buffer, Call, Program, View, is_elementwise

__all__ = ["Memory", "placed", "plan"]

ALIGNMENT = 64
"""A cache line, and the longest vector register."""


class Memory(dict[Buffer, Array]):
    """The array of each buffer.

    Attributes
    ----------
    count : int
        How many of the buffers share the arena.
    size, without_reuse : int
        The bytes of the arena, and what they would be if every buffer had a place of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = self.size = self.without_reuse = 0
        self._made: dict[Any, Array] = {}

    def array(self, view: View) -> Array:
        """The array that a view is; the same object for the same elements, by which a ufunc sees that it works in place."""
        root = self[view.buffer]
        key = (root.__array_interface__["data"][0] + view.offset, *view[2:])
        if key not in self._made:
            self._made[key] = root if view[1:] == (0, root.shape, root.strides, root.dtype) else view.on(root)
        return self._made[key]

    def __str__(self) -> str:
        return f"memory: {_bytes(self.size)} in {self.count} buffers, {_bytes(self.without_reuse)} without reuse"


def plan(program: Program) -> Memory:
    """For each buffer the array that it is, or that it is given; inputs and outputs keep their content after the last call."""
    buffers = program.buffers()
    lasting = {*program.inputs, *(view.buffer for view in program.outputs)}
    memory = placed(program.calls, [buffer for buffer in buffers if buffer.kind in ("input", "inside")], lasting)
    memory.update((buffer, buffer.array) for buffer in buffers if buffer.kind in ("outside", "constant"))
    return memory


def placed(calls: Sequence[Call], buffers: Iterable[Buffer], lasting: Collection[Buffer] = ()) -> Memory:
    """Give buffers arrays in an arena.

    Parameters
    ----------
    calls : sequence of Call
        What is done with them, in order.
    buffers : iterable of Buffer
        Those that are to be given a place; others in the calls are not looked at.
    lasting : collection of Buffer
        Those that are needed after the last call.
    """
    memory = Memory()
    arena = _Arena()
    sizes: dict[Buffer, int] = {}
    offsets: dict[Buffer, int] = {}
    for buffer in buffers:
        if buffer.array.dtype.hasobject:
            memory[buffer] = np.empty_like(buffer.array)
        else:
            start, stop = byte_bounds(buffer.array)
            # a gap behind each: NumPy 2.0 is slow, and rounds otherwise, where a result begins at an operand's end
            sizes[buffer] = ((stop - start) // ALIGNMENT + 1) * ALIGNMENT
            if buffer.kind == "input":
                offsets[buffer] = arena.take(sizes[buffer])
    last = {view.buffer: i for i, call in enumerate(calls) for view in (*call.reads(), *call.out)}
    last.update(dict.fromkeys(lasting, len(calls)))
    dying: dict[int, list[Buffer]] = {}
    for buffer in sizes:
        dying.setdefault(last[buffer], []).append(buffer)
    for i, call in enumerate(calls):
        inherited = set()
        for view in (*call.out, *call.reads()):
            buffer = view.buffer
            if buffer in sizes and buffer not in offsets:
                operand = _operand_to_overwrite(call, view, last, i)
                if operand in offsets and operand not in inherited:
                    offsets[buffer] = offsets[operand]
                    inherited.add(operand)
                else:
                    offsets[buffer] = arena.take(sizes[buffer])
        for buffer in dying.get(i, ()):
            if buffer not in inherited:
                arena.give(offsets[buffer], sizes[buffer])
    for buffer in sizes.keys() - offsets.keys():  # without elements, so that no call has to write them
        offsets[buffer] = arena.take(sizes[buffer])

    ground = _aligned(arena.size)
    made: dict[Any, Array] = {}
    for buffer, offset in offsets.items():
        array = buffer.array
        how = (array.shape, array.dtype, ground, offset, array.strides)
        memory[buffer] = made.setdefault((offset, array.shape, array.dtype, array.strides), np.ndarray(*how))
    memory.count, memory.size, memory.without_reuse = len(sizes), arena.size, sum(sizes.values())
    return memory


def _operand_to_overwrite(call: Call, out: View, last: dict[Buffer, int], i: int) -> Buffer | None:
    """The operand whose place a new result may take: an array just like it, which nobody uses after this call."""
    if not out.shape or not out.is_whole:  # in place, a ufunc takes thrice as long for an array of no dimension
        return None
    parts: Sequence[Call] = getattr(call, "calls", (call,))  # of calls that are made tile by tile
    first = next((k for k, part in enumerate(parts) if out in part.out), len(parts))
    for x in call.reads():
        if last[x.buffer] == i and x[1:] == out[1:] and x.is_whole:
            uses = [(k, view) for k, part in enumerate(parts) for view in part.reads() if view.buffer is x.buffer]
            written = any(view.buffer is x.buffer for part in parts for view in part.out)
            done = uses[-1][0] < first or (uses[-1][0] == first and _goes_over(parts[first]))
            if done and not written and all(view == x for _, view in uses):
                return x.buffer
    return None


def _goes_over(call: Call) -> bool:
    """Whether a call may write each element of its result over that of an operand."""
    return is_elementwise(call.function) and not call.kwargs and len(call.out) == 1


class _Arena:
    """Memory of which parts are taken and given back; it grows where nothing fits."""

    def __init__(self) -> None:
        self.size = 0
        self._free: list[tuple[int, int]] = []  # size, offset: sorted, so that the smallest that fits is found
        self._starts: dict[int, int] = {}  # the same parts by where they begin, and by where they end
        self._ends: dict[int, int] = {}

    def take(self, size: int) -> int:
        """The offset of a free part."""
        position = bisect_left(self._free, (size, 0))
        if position < len(self._free):
            length, offset = self._free[position]
            self._remove(offset, length)
            if length > size:
                self._add(offset + size, length - size)
            return offset
        offset = self._ends.get(self.size, self.size)  # what is free at the end grows
        if offset < self.size:
            self._remove(offset, self.size - offset)
        self.size = offset + size
        return offset

    def give(self, offset: int, size: int) -> None:
        """Take a part back, and join it with its free neighbours."""
        if offset in self._ends:
            before = self._ends[offset]
            self._remove(before, offset - before)
            offset, size = before, size + offset - before
        after = self._starts.get(offset + size)
        if after is not None:
            self._remove(offset + size, after)
            size += after
        if size:
            self._add(offset, size)

    def _add(self, offset: int, size: int) -> None:
        insort(self._free, (size, offset))
        self._starts[offset] = size
        self._ends[offset + size] = offset

    def _remove(self, offset: int, size: int) -> None:
        del self._free[bisect_left(self._free, (size, offset))]
        del self._starts[offset], self._ends[offset + size]


def _aligned(size: int) -> Array:
    ground = np.empty(size + ALIGNMENT, np.uint8)
    start = -ground.__array_interface__["data"][0] % ALIGNMENT
    return ground[start : start + max(size, 1)]


def _bytes(size: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"
