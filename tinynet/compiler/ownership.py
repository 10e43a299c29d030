"""Whose tensors and arrays are: what only a recording refers to was made in the step, and nobody will ask for it.

Python counts the references to each object; how many there are to one that nobody else holds is counted here, once, in the
same way. That holds good only when nothing refers to the recorder any more.
"""

import sys
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from tinynet.compiler.program import Array, Buffer, Call
from tinynet.declared import is_constant

__all__ = ["settled", "unowned"]


def unowned(tensors: Iterable[Any], own: Iterable[Collection[Any]]) -> set[Any]:
    """The tensors that nobody refers to but their snapshots and these collections, `tensors` one of them."""
    found = set()
    for x in list(tensors):
        held = 2 + _holding(own, x)  # the list and the snapshot
        if sys.getrefcount(x) - held <= _UNOWNED:
            found.add(x)
    return found


def _holding(collections: Iterable[Collection[Any]], x: Any) -> int:
    """How many of the collections refer to an object."""
    return sum(x in collection for collection in collections)


def _unowned() -> int:
    """How many references there are to a variable's value that nobody holds, as they are counted."""
    for x in [object()]:
        count = sys.getrefcount(x) - 1
    return count


_UNOWNED = _unowned()


def settled(buffers: Iterable[Buffer], calls: list[Call], before: dict[Buffer, Array], known: set[int]) -> dict[Buffer, Array]:
    """Tell arrays that were made in the step from those that were there.

    Nobody else holds the former, and no earlier run used them, of whose arrays `known` are the identities. They are
    constants, or if the step writes to them, what they held is put there anew in each replay.

    Parameters
    ----------
    buffers : iterable of Buffer
        All buffers; kinds are changed.
    calls : list of Call
        What is done with them.
    before : dict of Buffer to numpy.ndarray
        What those held that the step changed; those that were made in the step are taken out.
    known : set of int
        The identities of arrays that were there before.

    Returns
    -------
    dict of Buffer to numpy.ndarray
        What those held that were made in the step and are changed by it, where it matters.
    """
    read_first = _read_first(calls)
    initial = {}
    for buffer in buffers:
        if buffer.kind != "outside":
            continue
        of_the_step = id(buffer.array) not in known and buffer.array.base is None and _references(buffer) <= _OWN_REFERENCES
        if buffer not in before:
            if of_the_step or is_constant(buffer.array):
                buffer.kind = "constant"
        elif of_the_step:
            buffer.kind = "inside"
            content = before.pop(buffer)
            if buffer in read_first:
                initial[buffer] = content
    return initial


def _references(buffer: Buffer) -> int:
    return sys.getrefcount(buffer.array)


_OWN_REFERENCES = _references(Buffer("inside", np.empty(0)))
"""How many references there are to an array that only its buffer holds."""


def _read_first(calls: list[Call]) -> set[Buffer]:
    """The buffers of which a part is read, or left as it is, by the first call that has to do with them."""
    found: dict[Buffer, bool] = {}
    for call in calls:
        for view in call.reads():
            found.setdefault(view.buffer, True)
        for view in call.out:
            found.setdefault(view.buffer, not view.is_whole)
    return {buffer for buffer, read in found.items() if read}
