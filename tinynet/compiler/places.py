"""Where arrays lie."""

import numpy as np

from tinynet.compiler.program import Array

__all__ = ["address", "root_of"]


def root_of(array: Array) -> Array:
    """The array that owns the memory."""
    base = array.base
    while base is not None:
        if isinstance(base, np.ndarray):
            array = base
        base = getattr(base, "base", None)  # what np.lib.stride_tricks puts between is no array
    return array


def address(array: Array) -> int:
    """Of its first element."""
    first: int = array.__array_interface__["data"][0]
    return first
