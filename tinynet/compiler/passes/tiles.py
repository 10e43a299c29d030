"""Elementwise calls on large arrays are made tile by tile, and the sums of their results with them.

A call on an array that is larger than the cache reads from memory what the call before wrote there. Tile by tile, in parts
that stay in the cache, a chain of calls takes less time; what the chain alone uses needs no more memory than one tile, and
threads may share the tiles (`tinynet.compiler.threads`):

    t0 = np.tanh(x0)                       in 31 tiles of 32272 along the first axis of (1000000,):
    t1 = np.multiply(t0, t0)                   u0 = np.tanh(x0[0:32272])
    t2 = np.subtract(1, t1)            →       u1 = np.multiply(u0, u0)
    t3 = np.add.reduce(t1, axis=None)          np.subtract(1, u1, out=t0[0:32272])
    return t2, t3                              np.add.reduce(u1, axis=None, out=t1[0])
                                           np.add.reduce(t1, axis=None, out=t2)
                                           return t0, t2

To bring such calls together, other calls move before or after them, as far as what they read and write allows. What is
computed for one later group alone is computed there. A vector that goes with each row is spread over a tile beforehand.

The sum of all elements becomes the sum of the tiles' sums: its rounding differs, within the error that NumPy's pairwise
summation has anyway. All else keeps its bits.
"""

from collections import Counter
from collections.abc import Iterator
from math import prod

import numpy as np

from tinynet.compiler.passes.accesses import Span, draws, meet, overlap, span
from tinynet.compiler.program import Buffer, Call, Program, View, copy_to, is_elementwise, is_number, views_in
from tinynet.compiler.threads import thread_count
from tinynet.compiler.tiled import Tiles

__all__ = ["tiles"]

LARGE = 65536
"""Arrays of so many elements stay in the cache from one call to the next; tiles are for larger ones."""

TILE = 32768
"""About how many elements a tile has: enough to make the calls' fixed cost small, few enough for a second-level cache."""

SHARED_TILE = 4 * TILE
"""The same where threads share the tiles: each call hands the interpreter lock on, which is worth while for long calls only."""

Shape = tuple[int, ...]
Place = tuple[int, int] | None
"""Where in its buffer a view of the whole shape begins and the size of an element: what equal ones share element by element."""


def tiles(program: Program) -> Program:
    """Large elementwise calls in groups, tile by tile."""
    calls = program.calls
    shapes = Counter(shape for call in calls if (shape := tiled_shape(call)) is not None)
    for shape, count in shapes.most_common():
        if count > 1:
            calls = _Grouping(calls, shape, {view.buffer for view in program.outputs}).calls()
    return Program(calls, program.inputs, program.outputs) if shapes else program


# Which calls ---------------------------------------------------------------------------------------------------------


def tiled_shape(call: Call) -> Shape | None:
    """The shape of the large arrays that a call goes through element by element; None if it cannot be cut in tiles."""
    shape: Shape
    if _is_sum(call):
        shape = call.args[0].shape
    elif call.function in (copy_to, np.where) or (is_elementwise(call.function) and call.kwargs.keys() <= {"where"}):
        shape = call.out[0].shape
        if not all(_is_full(view, shape) for view in call.out):
            return None
    else:
        return None
    views = list(_operands(call))
    if prod(shape) <= LARGE or call.kept or any(view.dtype.hasobject for view in (*views, *call.out)):
        return None
    if not all(_is_full(view, shape) or is_number(view) or _goes_by_row(view, shape) for view in views):
        return None
    return shape if all(not meet(view, out) or _is_same(view, out) for out in call.out for view in views) else None


def _operands(call: Call) -> Iterator[View]:
    yield from views_in(call.args)
    yield from views_in(call.kwargs)


def _is_sum(call: Call) -> bool:
    """Whether a call adds up all elements of an array, in numbers long enough for sums of parts."""
    if call.function != np.add.reduce or len(call.args) != 1 or not call.kwargs.keys() <= {"axis", "dtype", "keepdims"}:
        return False
    x, axis = call.args[0], call.kwargs.get("axis", 0)
    return (axis is None or (x.ndim == 1 and axis in (0, -1))) and x.contiguous and call.out[0].dtype.itemsize >= 4


def _is_full(view: View, shape: Shape) -> bool:
    return view.shape == shape and view.contiguous


def _goes_by_row(view: View, shape: Shape) -> bool:
    """Whether it is broadcast, and tiles can be made of rows."""
    return len(shape) > 1 and prod(shape[1:]) <= TILE // 4 and view.ndim <= len(shape) and view.shape != shape


def _is_same(a: View, b: View) -> bool:
    """Whether views that share bytes are the same elements in the same order."""
    return a[1:4] == b[1:4] and a.dtype.itemsize == b.dtype.itemsize


def _is_column(view: View, shape: Shape) -> bool:
    """Whether each row of the arrays needs a row of its own of a view that is not as they are."""
    return view.ndim == len(shape) and view.shape[0] == shape[0] and not _is_full(view, shape) and not is_number(view)


def _is_row(view: View, shape: Shape) -> bool:
    """Whether all rows of the arrays need all of a view that is no number."""
    return not (_is_full(view, shape) or is_number(view) or _is_column(view, shape))


def _place(view: View, shape: Shape) -> Place:
    return (view.offset, view.dtype.itemsize) if _is_full(view, shape) else None


# Bringing calls together ---------------------------------------------------------------------------------------------


class _Uses:
    """The uses of a part of a buffer so far: the latest slot of a call that reads it, and of one that writes to it."""

    __slots__ = ("read", "written")

    def __init__(self, read: int = -1, written: int = -1) -> None:
        self.read = read
        self.written = written


_Part = tuple[Span, Place, bool]
"""A part of a buffer, its place, and whether it is used by calls in tiles."""

LINE = 16
"""So many elements of float32 are a cache line, which no two threads should write to."""

PARTS = 64
"""So many parts of a buffer are told apart, so that the work is linear in the number of calls."""


class _Grouping:
    """The calls over arrays of one shape are brought together.

    Each call is given a slot: an odd one if it is to be tiled, an even one if not. Of two calls that must stay in order, the
    second has the higher slot; or the same, if neither is to be tiled, or both are and touch the same elements in the same
    order. So the calls of an odd slot are a group, and sorting all calls by slot keeps the program right.
    """

    def __init__(self, calls: list[Call], shape: Shape, lasting: set[Buffer]) -> None:
        self._shape = shape
        self._lasting = lasting
        self._uses: dict[Buffer | None, dict[_Part, _Uses]] = {}
        self._places: dict[Buffer | None, list[tuple[int, Place, bool]]] = {}
        self._last_write: dict[Buffer | None, int] = {}
        self._calls = calls
        self._slots: list[int] = []
        for call in calls:
            self._slots.append(self._earliest(call))
        for i in reversed(range(len(calls))):
            self._slots[i] = self._latest(i)

    def calls(self) -> list[Call]:
        """The calls, with groups as single ones."""
        slots: dict[int, list[Call]] = {}
        for slot, call in zip(self._slots, self._calls, strict=True):
            slots.setdefault(slot, []).append(call)
        result: list[Call] = []
        for slot, group in sorted(slots.items()):
            result += self._tiled(group, slot) if slot % 2 and len(group) > 1 else group
        return result

    def _earliest(self, call: Call) -> int:
        """The earliest slot of a call."""
        tiled = tiled_shape(call) == self._shape
        accesses = list(self._accesses(call, tiled))
        slot = int(tiled)
        for buffer, (mine, place, _), writes in accesses:
            for (used, other, among), uses in self._uses.get(buffer, {}).items():
                earlier = max(uses.written, uses.read) if writes else uses.written
                if earlier >= 0 and overlap(mine, used):
                    if tiled and among:
                        slot = max(slot, earlier if place is not None and place == other else earlier + 2)
                    else:
                        slot = max(slot, earlier + (tiled != among))
        for buffer, part, writes in accesses:
            self._places.setdefault(buffer, []).append((len(self._slots), part[1], writes))
            if writes:
                self._last_write[buffer] = len(self._slots)
            parts = self._uses.setdefault(buffer, {})
            if len(parts) > PARTS:
                self._uses[buffer] = parts = _summary(parts)
            uses = parts.setdefault(part, _Uses())
            if writes:
                uses.written = max(uses.written, slot)
            else:
                uses.read = max(uses.read, slot)
        return slot

    def _latest(self, i: int) -> int:
        """The slot of a call, or a later one where its result is used by one group alone, which need not be stored then."""
        call, slot = self._calls[i], self._slots[i]
        if slot % 2 == 0 or any(view.buffer.kind != "inside" or view.buffer in self._lasting for view in call.out):
            return slot
        uses = [use for view in call.out for use in self._places[view.buffer]]
        later = {self._slots[j] for j, _, _ in uses if j != i}
        alike = len({(place, writes) for _, place, writes in uses}) == 2 and uses[0][1] is not None
        changed = any(self._last_write.get(view.buffer, i) > i for view in call.reads())
        return max(later) if len(later) == 1 and max(later) % 2 and alike and not changed else slot

    def _accesses(self, call: Call, tiled: bool) -> Iterator[tuple[Buffer | None, _Part, bool]]:
        """What a call uses: the buffer and the part of it, and whether it writes there.

        ``None`` stands for the world: checks and random draws keep their order, and so does what is changed in arrays from
        outside before or after a check that may fail.
        """
        ordered = call.kept or draws(call)
        if ordered or any(view.buffer.kind == "outside" for view in call.out):
            yield None, ((0, 1), None, tiled), ordered
        for views, writes in ((call.reads(), False), (call.out, True)):
            for view in views:
                yield view.buffer, (span(view), _place(view, self._shape) if tiled else None, tiled), writes

    def _tiled(self, group: list[Call], slot: int) -> list[Call]:
        """A group as one call, and before it what prepares it, and after it what adds up the sums of its tiles."""
        views = [view for call in group for view in (*_operands(call), *call.out)]
        flat = not any(_is_column(view, self._shape) for view in views)
        row = prod(self._shape[1:]) if any(_is_row(view, self._shape) for view in views) else 1
        shape = (prod(self._shape),) if flat else self._shape
        step = _step(shape, row if flat else 1)
        rows: dict[View, View] = {}
        sums: dict[Buffer, Call] = {}

        def laid(view: View) -> View:
            if is_number(view):
                return View(view.buffer, view.offset, (), (), view.dtype)
            if _is_row(view, self._shape):
                if view not in rows:
                    spread = Buffer("inside", np.empty((step // row if flat else step, *self._shape[1:]), view.dtype))
                    rows[view] = spread.whole
                view = rows[view]
            return View(view.buffer, view.offset, (view.size,), (view.dtype.itemsize,), view.dtype) if flat else view

        calls: list[Call] = []
        for call in group:
            call = call.replaced(laid)
            if _is_sum(call):
                dtype = call.out[0].dtype
                partial = Buffer("inside", np.empty(-(-shape[0] // step), dtype)).whole
                how = {"axis": None, "dtype": dtype}
                sums[partial.buffer] = call.another(np.add.reduce, (partial,), how, call.out, in_place=True)
                call = call.another(np.add.reduce, call.args, how, (partial,), in_place=True)
            calls.append(call)
        temporaries = {
            view.buffer: Buffer("inside", np.empty((step, *shape[1:]), view.dtype))
            for call in calls
            for view in call.out
            if self._is_private(view.buffer, slot)
        }
        spreading = [group[0].another(copy_to, (row,), {}, (spread,)) for row, spread in rows.items()]
        repeated = frozenset(spread.buffer for spread in rows.values())
        return [*spreading, Tiles(calls, shape, step, temporaries, repeated, frozenset(sums)), *sums.values()]

    def _is_private(self, buffer: Buffer, slot: int) -> bool:
        """Whether nobody but the group of a slot uses a buffer, and it only element by element."""
        uses = self._places.get(buffer, [])  # sums of tiles are new, and everybody's
        alone = {self._slots[i] for i, _, _ in uses} == {slot} and len({place for _, place, _ in uses}) == 1
        return alone and buffer.kind == "inside" and buffer not in self._lasting


def _step(shape: Shape, unit: int) -> int:
    """How much of the first axis is a tile: some units, so that tiles are about equal, and as many for each thread."""
    size = prod(shape)
    threads = thread_count(size)
    parts = max(1, round(size / (TILE if threads == 1 else SHARED_TILE)))
    step = -(-shape[0] // (-(-parts // threads) * threads))
    if unit == 1 and len(shape) == 1:
        unit = LINE
    return -(-step // unit) * unit


def _summary(parts: dict[_Part, _Uses]) -> dict[_Part, _Uses]:
    """The uses of parts of a buffer, known as uses of what spans them."""
    summary: dict[_Part, _Uses] = {}
    for among in (False, True):
        some = {part: uses for part, uses in parts.items() if part[2] == among}
        if some:
            first, last = min(part[0][0] for part in some), max(part[0][1] for part in some)
            latest = _Uses(max(uses.read for uses in some.values()), max(uses.written for uses in some.values()))
            summary[(first, last), None, among] = latest
    return summary
