"""Where the person's code is while the library runs."""

import os
import sys
import warnings
from functools import cache
from os.path import basename, dirname
from types import FrameType

import numpy as np

__all__ = ["persons_frame", "persons_line", "warn"]

_BESIDE = dirname(dirname(np.__file__)) + os.sep  # where the libraries lie that call a person's functions and tinynet's
_STANDARD = dirname(os.__file__) + os.sep
_LIBRARIES = (
    dirname(__file__) + os.sep,
    *(_BESIDE + name + os.sep for name in ("numpy", "sklearn", "joblib", "dask", "distributed")),
    "<__array_function__",
    "<frozen ",
)


def persons_frame() -> FrameType:
    """The innermost frame that is neither tinynet's nor NumPy's, nor of the standard library or what runs searches."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_library(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def persons_line() -> str:
    """The line that this frame is at, such as ``train.py, line 12``."""
    frame = persons_frame()
    return f"{_short(frame.f_code.co_filename)}, line {frame.f_lineno}"


def warn(message: str, category: type[Warning] = RuntimeWarning) -> None:
    """A warning at the person's line, however deep in the library the cause is."""
    frame = persons_frame()
    known, module = frame.f_globals.setdefault("__warningregistry__", {}), frame.f_globals.get("__name__")
    warnings.warn_explicit(message, category, frame.f_code.co_filename, frame.f_lineno, module, known)


@cache
def _is_library(filename: str) -> bool:
    is_standard = filename.startswith(_STANDARD) and "-packages" not in filename  # where a person's own may lie
    return is_standard or filename.startswith(_LIBRARIES)


@cache
def _short(filename: str) -> str:
    return basename(filename)
