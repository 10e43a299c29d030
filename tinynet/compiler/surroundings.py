"""What the code of a step reads from around it: global names, and the cells of functions that enclose it."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import CellType, CodeType, FunctionType
from typing import Any

import numpy as np

from tinynet.compiler.held import is_library
from tinynet.tensor import Tensor

__all__ = ["SurroundingArrays", "generator_of", "values_around"]

_Place = tuple[CellType | dict[str, Any], str]


class SurroundingArrays:
    """The tensors and arrays that stand in such places; see `Snapshot`. Their contents may change."""

    __slots__ = ("_cells", "_globals")

    is_announced = False
    owner = None

    def __init__(self, found: list[tuple[_Place, Any]]) -> None:
        self._cells = [(place, name, x) for (place, name), x in found if isinstance(place, CellType)]
        self._globals = [(place, name, x) for (place, name), x in found if isinstance(place, dict)]

    def holds(self) -> bool:
        """Whether the same ones stand there."""
        try:
            for cell, _, x in self._cells:
                if cell.cell_contents is not x:
                    return False
        except ValueError:  # it is empty
            return False
        return all(names.get(name) is x for names, name, x in self._globals)

    still_holds = holds

    def described(self) -> str:
        """What is another now, in a person's words."""
        changed = [name for cell, name, x in self._cells if _content((cell, name)) is not x]
        changed += [name for names, name, x in self._globals if _content((names, name)) is not x]
        return f"the array {' and '.join(changed)} that the step's code refers to"


def values_around(step: Callable[..., Any]) -> list[tuple[_Place, Any]]:
    """What stands in the places that the code of a step reads from, and of the functions of its module that it calls."""
    found: list[tuple[_Place, Any]] = []
    seen: set[FunctionType] = set()
    pending = [step]
    while pending:
        function: Any = pending.pop()
        function = function.func if isinstance(function, partial) else getattr(function, "__func__", function)
        if not isinstance(function, FunctionType) or function in seen:
            continue
        seen.add(function)
        for place in _places(function):
            x = _content(place)
            if isinstance(x, FunctionType | partial):
                pending.append(x)
            else:
                found.append((place, x))
    return found


def _places(function: FunctionType) -> Iterator[_Place]:
    yield from zip(function.__closure__ or (), function.__code__.co_freevars, strict=True)
    if not is_library(function):
        names = function.__globals__
        yield from ((names, name) for name in _global_names(function.__code__, names) if _is_of_interest(names, name))


def _is_of_interest(names: dict[str, Any], name: str) -> bool:
    x = names.get(name)
    if isinstance(x, FunctionType):
        return x.__globals__ is names
    return isinstance(x, Tensor | np.ndarray) or generator_of(x) is not None


def generator_of(x: Any) -> Any:
    """The random generator that an object is or that it is a method of; None for others."""
    random: Any = sys.modules.get("numpy.random")  # which nobody has a generator of before it is loaded
    owners = (x, getattr(x, "__self__", None)) if random is not None else ()
    return next((owner for owner in owners if isinstance(owner, random.Generator)), None)


def _global_names(code: CodeType, names: dict[str, Any]) -> Iterator[str]:
    """The global names that a function's code and the code in it read."""
    if any(_is_of_interest(names, name) for name in code.co_names):  # of attributes the names are there, too
        from dis import get_instructions  # 5 ms that most programs never need

        yield from dict.fromkeys(i.argval for i in get_instructions(code) if i.opname == "LOAD_GLOBAL")
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _global_names(inner, names)


def _content(place: _Place) -> Any:
    holder, name = place
    if isinstance(holder, dict):
        return holder.get(name)
    try:
        return holder.cell_contents
    except ValueError:  # it is empty
        return None
