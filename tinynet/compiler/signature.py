"""What two calls of a step must have in common to share a recording: structure, kinds of arrays, and all Python values."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinynet.compiler.attributes import has_attributes
from tinynet.errors import RecordingError
from tinynet.tensor import Tensor

__all__ = ["SHARED_ARGUMENT", "arrays_in", "in_graph", "is_array", "objects_in", "signature"]

SHARED_ARGUMENT = (
    "an argument of the step shares memory with an array that the step changes (a weight, a state), and a replay "
    "works on a copy of each argument; let the step use that array itself, or give it a copy"
)
"""What is wrong with an argument of which a copy would not do."""


def is_array(x: Any) -> bool:
    """Whether an argument is an array whose values may differ from call to call; a tensor that requires a gradient is not."""
    return isinstance(x, np.ndarray | np.generic) or (isinstance(x, Tensor) and not x.requires_grad)


def in_graph(x: Any) -> bool:
    """Whether a tensor among the arguments was computed from others that require a gradient."""
    return any(isinstance(leaf, Tensor) and not leaf.is_leaf for leaf in _leaves(x))


def signature(x: Any) -> Any:
    """A key of an argument, or of a container of arguments."""
    if is_array(x):
        return type(x), x.shape, x.dtype
    if isinstance(x, list | tuple):
        return type(x), tuple(map(signature, x))
    if isinstance(x, dict):
        return type(x), tuple((signature(key), signature(item)) for key, item in x.items())
    if isinstance(x, frozenset):
        return type(x), frozenset(map(signature, x))
    if isinstance(x, float):
        return type(x), x.hex()  # which tells -0.0 from 0.0
    if isinstance(x, complex):
        return type(x), x.real.hex(), x.imag.hex()
    if _is_object(x):
        return type(x), id(x)
    try:
        hash(x)
    except TypeError:
        raise RecordingError(
            f"an argument of a compiled step is a {type(x).__name__}, of which nobody can tell whether it changed; give "
            "arrays, tensors, numbers, texts, and containers of them"
        ) from None
    return type(x), x


def _is_object(x: Any) -> bool:
    """Whether it is known by its identity, and may have attributes that change."""
    if isinstance(x, Tensor) or hasattr(x, "__dict__"):
        return not isinstance(x, type)
    hashed: Any = type(x).__hash__
    return has_attributes(x) and (hashed is None or hashed is object.__hash__)  # others are known by what they hold


def _leaves(x: Any) -> Iterator[Any]:
    if isinstance(x, list | tuple):
        for item in x:
            yield from _leaves(item)
    elif isinstance(x, dict):
        for item in x.values():
            yield from _leaves(item)
    else:
        yield x


def arrays_in(x: Any) -> list[Any]:
    """The arrays among arguments of any structure, in order."""
    return [leaf._array if isinstance(leaf, Tensor) else leaf for leaf in _leaves(x) if is_array(leaf)]


def objects_in(x: Any) -> list[Any]:
    """The objects among arguments that are known by their identity."""
    return [leaf for leaf in _leaves(x) if not is_array(leaf) and _is_object(leaf) and not isinstance(leaf, Tensor)]
