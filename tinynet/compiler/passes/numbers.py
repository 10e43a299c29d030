"""What is known of the numbers that take part in a program."""

from math import isnan
from typing import Any

import numpy as np

from tinynet.compiler.program import View

__all__ = ["known_number"]

UNIFORM = 1024
"""Up to so many elements of a constant are looked at, whether they are all the same."""


def known_number(x: Any) -> float | None:
    """The number that an operand is, or of which all its elements are, whenever the program runs; None also for NaN."""
    if isinstance(x, View):
        if x.buffer.kind != "constant" or x.dtype.kind not in "fiu" or not x.size:
            return None
        array = x.on(x.buffer.array)[tuple(slice(1 if stride == 0 else None) for stride in x.strides)]
        if array.size > UNIFORM or array.tobytes() != array.flat[0].tobytes() * array.size:
            return None
        x = array.flat[0]
    if isinstance(x, np.integer | np.floating):
        x = x.item()
    if type(x) is int and abs(x) < 2**53:
        x = float(x)
    return x if type(x) is float and not isnan(x) else None
