"""What type checkers are told of a function that gives a tensor where it is given one, and else what NumPy gives.

Written once here, in place of two overloads at each function; when the program runs, nothing is done.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, cast, overload

if TYPE_CHECKING:
    from tinynet.tensor import Tensor

__all__ = ["OfInput", "OfX", "of_input", "of_x"]

P = ParamSpec("P")


class OfX(Protocol[P]):
    """A function of `x`, a tensor or something else, and of further arguments."""

    @overload
    def __call__(self, x: "Tensor", *args: P.args, **kwargs: P.kwargs) -> "Tensor": ...
    @overload
    def __call__(self, x: Any, *args: P.args, **kwargs: P.kwargs) -> Any: ...


class OfInput(Protocol[P]):
    """The same where PyTorch's name of the argument is `input`."""

    @overload
    def __call__(self, input: "Tensor", *args: P.args, **kwargs: P.kwargs) -> "Tensor": ...
    @overload
    def __call__(self, input: Any, *args: P.args, **kwargs: P.kwargs) -> Any: ...


def of_x(fun: Callable[Concatenate[Any, P], Any]) -> OfX[P]:
    """The function itself, as a function of `x`."""
    return cast(OfX[P], fun)


def of_input(fun: Callable[Concatenate[Any, P], Any]) -> OfInput[P]:
    """The function itself, as a function of `input`."""
    return cast(OfInput[P], fun)
