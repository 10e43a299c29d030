"""What a step keeps outside of itself of the arrays that were recorded, and how true arrays are put in their place."""

import gc
from collections import deque
from types import CellType

from tinynet.compiler.attributes import attributes
from tinynet.compiler.recorded import Recorded, plain

__all__ = ["released"]


def released(kept: list[Recorded]) -> None:
    """Put true arrays in the place of recorded ones: in lists, deques, dicts, closures and attributes.

    They stay in what cannot be changed or cannot hold an array: tuples, sets, dict keys, running generators.
    """
    wanted = {id(x) for x in kept}
    for holder in gc.get_referrers(*kept):
        if holder is kept:
            continue
        if isinstance(holder, dict):
            for key, x in list(holder.items()):
                if id(x) in wanted:
                    holder[key] = x.array
        elif isinstance(holder, list | deque):
            for i, x in enumerate(tuple(holder)):
                if id(x) in wanted:
                    holder[i] = x.array
        elif isinstance(holder, CellType):
            holder.cell_contents = plain(holder.cell_contents)
        else:
            for name, x in attributes(holder).items():
                if id(x) in wanted:
                    object.__setattr__(holder, name, plain(x))  # also where a class forbids it (a frozen dataclass)
