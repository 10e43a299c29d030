"""Calls and values as the Python text that makes them anew, with full precision."""

import operator
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from tinynet.rules import name_of
from tinynet.tensor import Tensor

__all__ = ["IMPORTS", "call_text", "is_public", "literal", "spelling"]

IMPORTS = "import numpy as np\nimport tinynet as tn"

Names = Callable[[Any], str | None]


def call_text(fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], names: Names) -> str:
    """The text of a call.

    `names` gives the name of an argument, or of something in one, that has a name; what it gives None for is written out.
    """
    if fun is operator.getitem and not kwargs:
        x, index = args
        parts = index if isinstance(index, tuple) and index else (index,)
        last = "," if isinstance(index, tuple) and len(index) == 1 else ""
        return f"{literal(x, names)}[{', '.join(_subscript(part, names) for part in parts)}{last}]"
    positional = [literal(x, names) for x in args]
    return f"{spelling(fun)}({', '.join(positional + [f'{name}={literal(x, names)}' for name, x in kwargs.items()])})"


def spelling(fun: Callable[..., Any]) -> str:
    """How a function is written where NumPy is ``np`` and tinynet ``tn``; one's own by its bare name, ``f`` if it has none."""
    if fun is operator.getitem:
        return "tn.rules.indexing.operator.getitem"
    name = getattr(fun, "__name__", "")
    module = getattr(fun, "__module__", None) or "numpy"
    for text in (name_of(fun), f"{module.replace('tinynet', 'tn', 1)}.{name}") if name else ():
        if _meaning(text) is fun:
            return text
    return name if name.isidentifier() else "f"


def is_public(fun: Callable[..., Any]) -> bool:
    """Whether a person calls the function by itself: it is NumPy's, or among the names of tinynet, or a person's own."""
    return ".rules." not in spelling(fun) or fun is operator.getitem


def _meaning(text: str) -> Any:
    """What a dotted name that begins with ``np`` or ``tn`` stands for."""
    top, *path = text.split(".")
    if top not in ("np", "tn"):
        return None
    meaning: Any = import_module({"np": "numpy", "tn": "tinynet"}[top])
    for name in path:
        meaning = getattr(meaning, name, None)
    return meaning


def literal(x: Any, names: Names = lambda x: None) -> str:
    """The text of a value, exact to the last bit."""
    name = names(x)
    if name is not None:
        return name
    match x:
        case Tensor():
            return f"tn.tensor({literal(x.data)})"
        case np.ndarray():
            return _array(x)
        case np.generic():
            return f"np.{type(x).__name__}({literal(x.item())})"
        case float():
            return repr(x) if np.isfinite(x) else f"{'-' if x < 0 else ''}np.{'nan' if np.isnan(x) else 'inf'}"
        case list():
            return f"[{', '.join(literal(part, names) for part in x)}]"
        case tuple() if hasattr(x, "_fields"):  # a named one
            return f"{spelling(type(x))}({', '.join(literal(part, names) for part in x)})"
        case tuple():
            return f"({', '.join(literal(part, names) for part in x)}{',' if len(x) == 1 else ''})"
        case dict():
            return f"{{{', '.join(f'{key!r}: {literal(value, names)}' for key, value in x.items())}}}"
        case slice():
            return f"slice({', '.join(literal(part) for part in (x.start, x.stop, x.step))})"
        case np.dtype():
            return f"np.{x!r}"
        case type():
            return f"np.{x.__name__}" if issubclass(x, np.generic) else x.__name__
    if x is Ellipsis:
        return "..."
    return spelling(x) if callable(x) else repr(x)


def _array(x: np.ndarray[Any, Any]) -> str:
    plain = x.dtype in (np.float64, np.bool_) or (x.dtype == np.int64 and np.dtype(np.intp) == np.int64)
    dtype = "" if plain and x.size else f", dtype=np.{x.dtype.name}"
    order = ', order="F"' if x.flags.f_contiguous and not x.flags.c_contiguous else ""
    if not x.size:
        return f"np.zeros({x.shape!r}{dtype})"
    return f"np.array({literal(x.tolist())}{dtype}{order})"


def _subscript(part: Any, names: Names) -> str:
    """A part of an index, as it stands between brackets."""
    if not isinstance(part, slice):
        return literal(part, names)
    edges = ["" if edge is None else literal(edge) for edge in (part.start, part.stop)]
    return ":".join(edges if part.step is None else [*edges, literal(part.step)])
