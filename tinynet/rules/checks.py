"""Checks of values, as operations: whoever intercepts operations sees the checks as it sees the rest."""

import warnings
from typing import Any

import numpy as np

from tinynet.rules.primitive import primitive

__all__ = ["refuse", "warn"]


@primitive
def refuse(wrong: Any, kind: type[Exception], message: str) -> None:
    """Raise an error if one of the booleans `wrong` is true."""
    if np.any(wrong):
        raise kind(message)


@primitive
def warn(doubtful: Any, message: str) -> None:
    """Warn whoever called the NumPy function that is composed of this, if one of the booleans `doubtful` is true."""
    if np.any(doubtful):
        warnings.warn(message, RuntimeWarning, stacklevel=6)
