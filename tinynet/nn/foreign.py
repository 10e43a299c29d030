"""Code of a person's own in a module or an optimizer, of which nobody else can tell what it does."""

from typing import Any

from tinynet.nn.module import Module
from tinynet.tensor import Tensor

__all__ = ["added_code", "foreign_code"]

_OURS = __name__.partition(".")[0]


def foreign_code(part: Any) -> str:
    """What in a module or an optimizer, without the modules in it, is not tinynet's.

    Parameters
    ----------
    part : Module or Optimizer

    Returns
    -------
    str
        The first thing found, in a person's words; nothing if all is tinynet's.
    """
    kind = type(part)
    if not kind.__module__.startswith(f"{_OURS}."):
        return f"{kind.__name__} is not one of tinynet's classes"
    return added_code(part)


def added_code(part: Any) -> str:
    """What was added to a module or an optimizer, whatever its class: hooks, methods replaced, functions among its options.

    Parameters
    ----------
    part : Module or Optimizer

    Returns
    -------
    str
        As of `foreign_code`.
    """
    kind = type(part)
    if getattr(part, "_forward_hooks", ()):
        return f"a hook is registered on {kind.__name__}"
    for name, x in vars(part).items():
        if callable(getattr(kind, name, None)):
            return f"{name} of {kind.__name__} was replaced"
        if isinstance(x, Tensor) and getattr(x, "hooks", None):
            return f"a hook is registered on {name} of {kind.__name__}"
        if _is_foreign(x):
            return f"{name} of {kind.__name__} is {getattr(x, '__qualname__', repr(x))}"
    return ""


def _is_foreign(x: Any) -> bool:
    """Whether something is a function, or wraps one, that is neither NumPy's nor tinynet's; modules speak for themselves."""
    if not callable(x) or isinstance(x, Module):
        return False
    home = (getattr(x, "__module__", None) or type(x).__module__).partition(".")[0]  # a ufunc may have none of its own
    return home not in ("numpy", _OURS) or _is_foreign(getattr(x, "__wrapped__", None))
