"""What a value held at one time: the items of containers at any depth, and the attributes of an object.

Numbers, texts and arrays stand for themselves, as do the library's and NumPy's objects, which are known by their identity.
"""

from collections import deque
from typing import Any

from tinynet.compiler.attributes import attributes, has_attributes

__all__ = ["held", "is_fixed", "is_library", "is_still"]

_VALUES = (bool, int, float, str, bytes, frozenset)
_LIBRARY = __name__.partition(".")[0]


class _Items:
    """A list, tuple or deque."""

    __slots__ = ("_items",)

    def __init__(self, x: Any, follow: bool) -> None:
        self._items = [held(item, follow) for item in x]

    def holds(self, x: Any) -> bool:
        return isinstance(x, list | tuple | deque) and len(x) == len(self._items) and all(map(is_still, self._items, x))


class _Pairs:
    """A dict."""

    __slots__ = ("_items",)

    def __init__(self, x: Any, follow: bool) -> None:
        self._items = {key: held(item, follow) for key, item in x.items()}

    def holds(self, x: Any) -> bool:
        items = self._items
        return isinstance(x, dict) and list(x) == list(items) and all(map(is_still, items.values(), x.values()))


class _Members:
    """A set."""

    __slots__ = ("_members",)

    def __init__(self, x: Any) -> None:
        self._members = frozenset(x)

    def holds(self, x: Any) -> bool:
        return bool(x == self._members)


class _Attributes:
    """An object with attributes, of which those that it holds in turn are known by their identity."""

    __slots__ = ("_attributes", "_object")

    def __init__(self, x: Any) -> None:
        self._object = x
        self._attributes = _Pairs(attributes(x), follow=False)

    def holds(self, x: Any) -> bool:
        return x is self._object and self._attributes.holds(attributes(x))


def held(x: Any, follow: bool) -> Any:
    """What a value holds now; `follow` says whether the attributes of an object belong to it."""
    if isinstance(x, list | tuple | deque):
        return _Items(x, follow)
    if isinstance(x, dict):
        return _Pairs(x, follow)
    if isinstance(x, set):
        return _Members(x)
    return _Attributes(x) if follow and _is_open(x) else x


def is_still(before: Any, now: Any) -> bool:
    """Whether a value is what it was: the same object still, or an equal number or text; containers item by item."""
    if before is now:
        return True
    if isinstance(before, _Items | _Pairs | _Members | _Attributes):
        return before.holds(now)
    return type(before) is type(now) and isinstance(before, _VALUES) and bool(before == now)


def is_fixed(x: Any) -> bool:
    """Whether what a value holds cannot change."""
    if isinstance(x, tuple | frozenset):
        return all(map(is_fixed, x))
    return not isinstance(x, list | deque | dict | set) and not _is_open(x)


def is_library(x: Any) -> bool:
    """Whether a class or a function is the library's own."""
    return (x.__module__ or "").partition(".")[0] == _LIBRARY


def _is_open(x: Any) -> bool:
    """Whether an object is no more than its attributes: a person's, and no code."""
    if type(x).__module__ == "builtins" or isinstance(x, type) or not has_attributes(x):  # numbers, functions, modules, classes
        return False
    return not any(is_library(kind) or kind.__module__.startswith("numpy") for kind in type(x).__mro__)
