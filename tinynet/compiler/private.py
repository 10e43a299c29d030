"""What NumPy has for itself and a compiled step can do without: each name with what takes its place where NumPy lacks it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinynet.compiler.threads import Bound

__all__ = ["CLIP", "joined", "under"]

try:
    from numpy._core.umath import clip as _clip  # type: ignore[attr-defined]
except ImportError:
    _clip = None

CLIP: np.ufunc | None = _clip
"""The ufunc behind `numpy.clip`. Without it `numpy.clip` is called as it is."""

try:
    from numpy._core.umath import _extobj_contextvar as _state
    from numpy._core.umath import _make_extobj as _changed
except ImportError:

    def under(errors: Mapping[str, Any], calls: Sequence[Bound]) -> None:
        """Make calls under ``numpy.errstate(**errors)``."""
        with np.errstate(**errors):
            for function, arguments in calls:
                function(*arguments)

else:  # what numpy.errstate is made of: by itself it would take as long as three calls

    def under(errors: Mapping[str, Any], calls: Sequence[Bound]) -> None:
        """Make calls under ``numpy.errstate(**errors)``."""
        token = _state.set(_changed(**errors))
        try:
            for function, arguments in calls:
                function(*arguments)
        finally:
            _state.reset(token)


def joined(calls: Iterable[Bound]) -> list[Bound]:
    """The calls, neighbours under an equal `numpy.errstate` as one."""
    result: list[Bound] = []
    for function, arguments in calls:
        if function is under and result and result[-1][0] is under and result[-1][1][0] == arguments[0]:
            result[-1][1][1].extend(arguments[1])
        else:
            result.append((under, (arguments[0], list(arguments[1]))) if function is under else (function, arguments))
    return result
