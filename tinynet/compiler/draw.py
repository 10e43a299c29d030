"""A random draw from the default generator."""

from collections.abc import Callable
from typing import Any

from tinynet.random import as_generator

__all__ = ["Draw"]


class Draw:
    """A function that draws from the default generator, whichever that is when it is called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__name__ = getattr(function, "__name__", "draw")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Draw) and self.function == other.function

    def __hash__(self) -> int:
        return hash(self.function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        present = as_generator(None)
        args = tuple(present if hasattr(x, "bit_generator") else x for x in args)
        return self.function(*args, **{k: present if hasattr(x, "bit_generator") else x for k, x in kwargs.items()})
