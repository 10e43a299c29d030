"""How a case is entered, and the parts that the cases of many operations draw: how a call is spelled, axes."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tinynet.testing.strategies.axes import axes

__all__ = ["Build", "Call", "Cases", "axes_of", "axis_of", "spelled", "spelled_after"]

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""The positional and the keyword arguments of a call."""

Build = Callable[[st.DrawFn, Callable[..., Any]], Call]


class Cases(dict[Callable[..., Any], st.SearchStrategy[Call]]):
    """Functions, and for each the strategy of its calls."""

    def of(self, *functions: Callable[..., Any]) -> Callable[[Build], Build]:
        """Enter the decorated function as the case of each of the functions: given the one it is for, it draws a call."""

        def enter(build: Build) -> Build:
            for fun in functions:
                self[fun] = st.composite(build)(fun)
            return build

        return enter


def spelled(draw: st.DrawFn, arguments: dict[str, Any], /, **keywords: Any) -> Call:
    """The arguments, a drawn number of them by position and the others by keyword."""
    names = list(arguments)
    n = draw(st.integers(0, len(names)))
    return tuple(arguments[name] for name in names[:n]), {name: arguments[name] for name in names[n:]} | keywords


def spelled_after(draw: st.DrawFn, first: Any, params: dict[str, Any]) -> Call:
    """As `spelled`, with a first argument that is always positional."""
    args, kwargs = spelled(draw, params)
    return (first, *args), kwargs


def axis_of(draw: st.DrawFn, ndim: int) -> int:
    """An axis, counted from either end."""
    return draw(st.integers(-ndim, ndim - 1))


def axes_of(draw: st.DrawFn, ndim: int, fewest: int = 0) -> Any:
    """None, an axis, or a tuple of axes, counted from either end."""
    return draw(axes((1,) * ndim, min_size=fewest))
