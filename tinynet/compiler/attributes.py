"""The attributes of an object, wherever it keeps them."""

from typing import Any

__all__ = ["attributes", "has_attributes"]


def attributes(x: Any) -> dict[str, Any]:
    """The attributes that an object itself has, by name: those in its dict, and those in slots as far as they are set."""
    found = dict(getattr(x, "__dict__", ()))  # Python may keep an object's attributes without a dict
    return found | {name: getattr(x, name) for name in _slots(type(x)) if hasattr(x, name)}


def has_attributes(x: Any) -> bool:
    """Whether an object may have attributes of its own."""
    return hasattr(x, "__dict__") or bool(_slots(type(x)))


def _slots(kind: type) -> tuple[str, ...]:
    found = []
    for parent in kind.__mro__:
        slots = vars(parent).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if not name.endswith("__"):
                found.append(f"_{parent.__name__.lstrip('_')}{name}" if name.startswith("__") else name)
    return tuple(found)
