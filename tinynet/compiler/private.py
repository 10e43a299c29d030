"""What NumPy has for itself and a compiled step can do without: each name with what takes its place where NumPy lacks it."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinynet.compiler.threads import Bound, make

__all__ = ["CLIP", "ErrorChange", "error_state", "joined", "under"]

try:
    from numpy._core.umath import clip as _clip  # type: ignore[attr-defined]
except ImportError:
    _clip = None

CLIP: np.ufunc | None = _clip
"""The ufunc behind `numpy.clip`. Without it `numpy.clip` is called as it is."""


class ErrorChange:
    """What ``numpy.errstate(**errors)`` makes of the error state around it.

    Attributes
    ----------
    errors : Mapping
        The keywords.
    made : tuple
        The latest state around it, and what became of that: the next one is most often the same object.
    """

    __slots__ = ("errors", "made")

    def __init__(self, errors: Mapping[str, Any]) -> None:
        self.errors = errors
        self.made: tuple[Any, Any] = None, None


try:
    from numpy._core.umath import _extobj_contextvar as _state
    from numpy._core.umath import _make_extobj as _changed
except ImportError:

    def error_state() -> Any:
        """NumPy's present error state, which is the same as another if it is the same object."""
        return object()

    def under(change: ErrorChange, calls: list[Bound]) -> None:
        """Make calls under a changed error state."""
        with np.errstate(**change.errors):
            make(calls)

else:  # what numpy.errstate is made of: by itself it would take as long as three calls
    error_state = _state.get

    error_state = _state.get

    def under(change: ErrorChange, calls: list[Bound]) -> None:
        """Make calls under a changed error state."""
        around = _state.get()
        outer, inner = change.made
        if around is not outer:
            inner = _changed(**change.errors)
            change.made = around, inner
        token = _state.set(inner)
        try:
            make(calls)
        finally:
            _state.reset(token)


def joined(calls: Iterable[Bound]) -> list[Bound]:
    """The calls, neighbours under an equal change of the error state as one."""
    result: list[Bound] = []
    for function, arguments in calls:
        if function is not under:
            result.append((function, arguments))
        elif result and result[-1][0] is under and result[-1][1][0].errors == arguments[0].errors:
            result[-1][1][1].extend(arguments[1])
        else:
            result.append((under, (arguments[0], list(arguments[1]))))
    return result
