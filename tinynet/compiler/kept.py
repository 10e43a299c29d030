"""What a step keeps outside of itself of the arrays that were recorded, and how true arrays are put in their place."""

import gc
from collections.abc import Iterator
from types import CellType
from typing import Any

from tinynet.compiler.recorded import Recorded, plain

__all__ = ["released"]


def released(kept: list[Recorded]) -> None:
    """Put true arrays in the place of recorded ones: in lists, dicts, closures and attributes."""
    wanted = {id(x) for x in kept}
    for holder in gc.get_referrers(*kept):
        if holder is kept:
            continue
        if isinstance(holder, dict):
            for key, x in list(holder.items()):
                if id(x) in wanted:
                    holder[key] = x.array
        elif isinstance(holder, list):
            holder[:] = [x.array if id(x) in wanted else x for x in holder]
        elif isinstance(holder, CellType):
            holder.cell_contents = plain(holder.cell_contents)
        else:
            for name in _slots(holder):
                x = getattr(holder, name, None)
                if id(x) in wanted:
                    setattr(holder, name, plain(x))


def _slots(holder: Any) -> Iterator[str]:
    for kind in type(holder).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots
