"""Copies are left out: their source serves in their place, or it is computed where the copy would lie.

    t0[8, 2] = np.dot(...)                                p0@0[8, 2] = np.dot(...)
    t1[8] = np.dot(...)                                   p0@128[8] = np.dot(...)
    t2[8, 2] = copy(t0[8, 2])                         →   return p0@0[8, 2]
    p0[24] = np.concatenate([t2[8, 2], t1[8]], axis=None)
    return t2[8, 2]

A copy and its source may be one array where neither is written while the old content of the other is still needed, and where
they have the same layout, so that no call adds up in another order. An array from outside is not written before a check that
the step makes first and that may end it, unless it was declared `tinynet.declared.scratch`.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from tinynet.compiler.passes.accesses import Accesses, between, fills, may_be_in_place
from tinynet.compiler.program import Buffer, Call, Program, View, copy_to
from tinynet.declared import is_scratch

__all__ = ["copies"]

WORTH_A_CALL = 4096
"""About how many bytes are copied in the time that a further call costs."""

Moves = dict[Buffer, tuple[Buffer, int]]
"""For buffers that lie in others, these and the offsets there."""


def copies(program: Program) -> Program:
    """The program without the copies that it can do without."""
    places = _Places(program)
    calls: list[Call] = []
    for i, call in enumerate(program.calls):
        if call.function is copy_to and isinstance(call.args[0], View):
            source, copy = places.of(call.args[0]), places.of(call.out[0])
            if source != copy and not places.move(places.shared(i, source, copy) or places.computed_there(i, [(source, copy)])):
                calls.append(call)
        elif call.function is np.concatenate:
            calls += _joined(i, call, places)
        else:
            calls.append(call)
    return Program([places.settled(call) for call in calls], program.inputs, [places.of(x) for x in program.outputs])


def _joined(i: int, call: Call, places: "_Places") -> list[Call]:
    """The calls that remain of a concatenation when some of its parts are computed where they go."""
    parts, out = call.args[0], places.of(call.out[0])
    axis = call.kwargs.get("axis", call.args[1] if len(call.args) > 1 else 0)
    if axis not in (0, None) or not out.contiguous or not all(isinstance(part, View) for part in parts):
        return [call]
    pairs = list(zip(map(places.of, parts), _consecutive(out, [part.shape for part in parts]), strict=True))
    if any(source.buffer is out.buffer for source, _ in pairs):
        return [call]  # it reads what it writes, in an order of its own
    moves = places.computed_there(i, pairs)
    done = [moves.get(source.buffer) == (out.buffer, region.offset - source.offset) for source, region in pairs]
    groups = groupby(zip(done, pairs, strict=True), itemgetter(0))
    rest = [[pair for _, pair in group] for is_done, group in groups if not is_done]
    saved = sum(source.size for is_done, (source, _) in zip(done, pairs, strict=True) if is_done) * out.dtype.itemsize
    if saved <= WORTH_A_CALL * (len(rest) - 1):
        return [call]
    places.move(moves)
    return [_part_of(call, group, axis) for group in rest]


def _consecutive(out: View, shapes: Sequence[tuple[int, ...]]) -> Iterator[View]:
    """Views of the given shapes one after another in the memory of a contiguous view."""
    offset = out.offset
    for shape in shapes:
        strides = [out.dtype.itemsize]
        for length in reversed(shape[1:]):
            strides.append(strides[-1] * length)
        view = View(out.buffer, offset, shape, tuple(reversed(strides)) if shape else (), out.dtype)
        offset += view.size * out.dtype.itemsize
        yield view


def _part_of(call: Call, pairs: Sequence[tuple[View, View]], axis: Any) -> Call:
    """A concatenation of some of the parts, which lie one after another."""
    if len(pairs) == 1:
        return call.another(copy_to, (pairs[0][0],), {}, (pairs[0][1],), in_place=True)
    parts, regions = zip(*pairs, strict=True)
    shape = (sum(x.size for x in regions),) if axis is None else (sum(x.shape[0] for x in regions), *regions[0].shape[1:])
    (out,) = _consecutive(regions[0], [shape])
    return call.another(call.function, (list(parts), *call.args[1:]), call.kwargs, (out,), in_place=True)


class _Places:
    """Where the buffers of a program lie: some of them in others."""

    def __init__(self, program: Program) -> None:
        self._calls = program.calls
        self._accesses = Accesses(program)
        self._outputs = {view.buffer for view in program.outputs}
        self._kept = [i for i, call in enumerate(program.calls) if call.kept]
        self._moves: Moves = {}

    def of(self, view: View) -> View:
        """A view where it lies now."""
        while view.buffer in self._moves:
            buffer, offset = self._moves[view.buffer]
            view = view._replace(buffer=buffer, offset=view.offset + offset)
        return view

    def settled(self, call: Call) -> Call:
        """A call on the arrays where they lie now."""
        is_touched = any(view.buffer in self._moves for view in (*call.out, *call.reads()))
        return call.replaced(self.of) if is_touched else call

    def move(self, moves: Moves) -> bool:
        """Let buffers lie in others from now on; tell whether there are any."""
        for buffer, (target, offset) in moves.items():
            for accesses in (self._accesses.reads, self._accesses.writes):
                accesses[target] += [(i, (first + offset, last + offset)) for i, (first, last) in accesses.pop(buffer)]
            if buffer in self._outputs:
                self._outputs.add(target)
        for target in {target for target, _ in moves.values()}:
            self._accesses.reads[target].sort()
            self._accesses.writes[target].sort()
        self._moves |= moves
        return bool(moves)

    def shared(self, i: int, source: View, copy: View) -> Moves:
        """The move that lets a copy, made by call `i`, be its source itself, if it can."""
        reads, writes, end = self._accesses.reads, self._accesses.writes, self._accesses.end
        buffer = copy.buffer
        if buffer.kind != "inside" or buffer is source.buffer or not _alike(source, copy) or not fills(copy, buffer):
            return {}
        if writes[buffer][0][0] < i:
            return {}
        if buffer in self._outputs and (source.buffer.kind != "inside" or source.buffer in self._outputs):
            return {}  # the caller would get one array twice, or one that is not his
        moves = {buffer: (source.buffer, source.offset - copy.offset)}
        if len(writes[buffer]) > 1:
            change = writes[buffer][1][0]
            may = (
                source.buffer.kind == "inside"
                and next(between(writes[source.buffer], i + 1, end, source), None) is None
                and self._only_in_place(between(reads[source.buffer], change, end + 1, source), change, moves)
            )
        else:
            last = self._accesses.last(buffer)
            may = self._only_in_place(between(writes[source.buffer], i + 1, last + 1, source), last, moves)
        if may:
            del writes[buffer][0]
        return moves if may else {}

    def computed_there(self, i: int, pairs: Iterable[tuple[View, View]]) -> Moves:
        """The moves that let sources be computed where the copies lie that call `i` makes of them, if they can."""
        moves: Moves = {}
        for source, copy in pairs:
            move = {source.buffer: (copy.buffer, copy.offset - source.offset)}
            if self._may_be_computed_there(i, source, copy, move):
                moves |= move
        return moves

    def _may_be_computed_there(self, i: int, source: View, copy: View, move: Moves) -> bool:
        reads, writes = self._accesses.reads, self._accesses.writes
        buffer, target = source.buffer, copy.buffer
        if buffer.kind != "inside" or buffer is target or not _alike(source, copy) or not fills(source, buffer):
            return False
        first, last = writes[buffer][0][0], self._accesses.last(buffer)
        if writes[buffer][-1][0] > i or reads[buffer][0][0] <= first:
            return False
        if target.kind == "inside":
            if buffer in self._outputs and target in self._outputs:
                return False  # the caller would get one array twice
        elif not is_scratch(target.array) and any(first < k < i for k in self._kept):
            return False  # what was there would be lost if a check ended the step
        return (
            next(between(writes[target], first, i, copy), None) is None
            and self._only_in_place(between(reads[target], first, i, copy), first, move)
            and self._only_in_place(between(writes[target], i + 1, last + 1, copy), last, move)
        )

    def _only_in_place(self, positions: Iterable[int], position: int, moves: Moves) -> bool:
        """Whether of some accesses all are at one position, and the call there may be made in place after the moves."""

        def moved(view: View) -> View:
            view = self.of(view)
            buffer, offset = moves.get(view.buffer, (view.buffer, 0))
            return view._replace(buffer=buffer, offset=view.offset + offset)

        return all(i == position and may_be_in_place(self._calls[i].replaced(moved)) for i in positions)


def _alike(source: View, copy: View) -> bool:
    """Whether the elements lie in the same way in both."""
    if source.dtype != copy.dtype or source.size != copy.size or not source.size:
        return False
    if source.contiguous and copy.contiguous:
        return True
    return source.shape == copy.shape and all(
        n == 1 or a == b for n, a, b in zip(source.shape, source.strides, copy.strides, strict=True)
    )
