"""What is known of certain arrays: that one never changes, or that nobody asks for its content between steps.

A recorder makes use of it: what it computes of constants, it computes once, and it may fill scratch before a check that the
step makes first.
"""

from typing import Any
from weakref import ref

__all__ = ["constant", "is_constant", "is_scratch", "scratch"]


class _Arrays:
    """Arrays, known by identity and not kept alive."""

    def __init__(self) -> None:
        self._known: dict[int, ref[Any]] = {}

    def add(self, array: Any) -> None:
        key = id(array)
        self._known[key] = ref(array, lambda _: self._known.pop(key, None))

    def __contains__(self, array: Any) -> bool:
        known = self._known.get(id(array))
        return known is not None and known() is array


_CONSTANTS, _SCRATCH = _Arrays(), _Arrays()


def constant(array: Any) -> Any:
    """The array, which from now on is read-only: a rule's table of coefficients, say."""
    array.flags.writeable = False
    _CONSTANTS.add(array)
    return array


def is_constant(array: Any) -> bool:
    """Whether an array was declared `constant`."""
    return array in _CONSTANTS


def scratch(array: Any) -> Any:
    """The array, whose content matters within a step alone: an optimizer's gathered gradients, say."""
    _SCRATCH.add(array)
    return array


def is_scratch(array: Any) -> bool:
    """Whether an array was declared `scratch`."""
    return array in _SCRATCH
