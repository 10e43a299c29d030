"""Calls on large arrays that are made tile by tile, so that what one call leaves in the cache the next one finds there."""

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import pairwise
from math import prod

from tinynet.compiler.memory import placed
from tinynet.compiler.private import joined
from tinynet.compiler.program import Array, Buffer, Call, View
from tinynet.compiler.threads import Bound, thread_count, together

__all__ = ["Tiles"]


class Tiles(Call):
    """Calls that are all made for the first tile of their arrays, then for the second, and so on.

    A tile of a view that is as long as the arrays is a slice along the first axis; numbers are the same for all tiles.

    Attributes
    ----------
    calls : list of Call
        The calls, on whole arrays.
    shape : tuple of int
        The shape of the arrays.
    step : int
        How much of the first axis is a tile.
    temporaries : dict of Buffer to Buffer
        The buffers that nobody else uses, and those of a tile's size that take their place.
    repeated : collection of Buffer
        The buffers that are as long as a tile and the same for all tiles.
    sums : collection of Buffer
        The buffers that have an element for each tile.
    """

    __slots__ = ("calls", "repeated", "shape", "step", "sums", "temporaries")

    def __init__(
        self,
        calls: list[Call],
        shape: tuple[int, ...],
        step: int,
        temporaries: Mapping[Buffer, Buffer],
        repeated: Collection[Buffer] = (),
        sums: Collection[Buffer] = (),
    ) -> None:
        self.calls = calls
        self.shape = shape
        self.step = step
        self.temporaries = temporaries
        self.repeated = repeated
        self.sums = sums
        reads: dict[View, None] = {}
        out: dict[View, None] = {}
        for call in calls:
            reads.update((view, None) for view in call.reads() if view.buffer not in temporaries and view not in out)
            out.update((view, None) for view in call.out if view.buffer not in temporaries)
        super().__init__(Tiles, tuple(reads), {}, tuple(out), in_place=True, line=calls[0].line)

    @property
    def count(self) -> int:
        """How many tiles there are."""
        return -(-self.shape[0] // self.step)

    def tile(self, i: int) -> Iterator[Call]:
        """The calls for one tile."""
        start = i * self.step
        rows = min(self.step, self.shape[0] - start)

        def part(view: View) -> View:
            if view.buffer in self.sums:
                return View(view.buffer, view.offset + i * view.strides[0], (), (), view.dtype)
            if not view.shape:
                return view
            shape = (rows, *view.shape[1:])
            if view.buffer in self.repeated:
                return View(view.buffer, view.offset, shape, view.strides, view.dtype)
            if view.buffer in self.temporaries:
                return View(self.temporaries[view.buffer], 0, shape, view.strides, view.dtype)
            return View(view.buffer, view.offset + start * view.strides[0], shape, view.strides, view.dtype)

        for call in self.calls:
            yield call.replaced(part)

    def bound(self, array: Callable[[View], Array], bound: Callable[..., list[Bound]]) -> list[Bound]:
        """What to call with what; `bound` tells it of a call."""
        threads = min(thread_count(prod(self.shape)), self.count)
        ends = [self.count * i // threads for i in range(threads + 1)]
        shares = [self._share(range(*part), array, bound) for part in pairwise(ends)]
        return shares[0] if threads == 1 else [(together, (shares,))]

    def _share(self, tiles: range, array: Callable[[View], Array], bound: Callable[..., list[Bound]]) -> list[Bound]:
        """The calls for some of the tiles, with temporaries of their own."""
        memory = placed(list(self.tile(0)), self.temporaries.values())

        def found(view: View) -> Array:
            return memory.array(view) if view.buffer in memory else array(view)

        return joined(item for i in tiles for call in self.tile(i) for item in bound(call, found))

    def __repr__(self) -> str:
        for i, buffer in enumerate(self.temporaries.values()):
            buffer.name = f"u{i}"
        calls = "".join(f"\n    {call}" for call in self.tile(0))
        return f"in {self.count} tiles of {self.step} along the first axis of {self.shape}:{calls}"
