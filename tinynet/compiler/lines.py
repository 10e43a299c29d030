"""Where the person's code is while the library runs."""

import os
import sys
from functools import cache
from pathlib import Path

import numpy as np

__all__ = ["persons_line"]

_LIBRARIES = (str(Path(__file__).parent.parent) + os.sep, str(Path(np.__file__).parent) + os.sep, "<__array_function__")


def persons_line() -> str:
    """The innermost line that is neither tinynet's nor NumPy's, such as ``train.py, line 12``."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_library(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{_short(frame.f_code.co_filename)}, line {frame.f_lineno}"


@cache
def _is_library(filename: str) -> bool:
    return filename.startswith(_LIBRARIES)


@cache
def _short(filename: str) -> str:
    return Path(filename).name
