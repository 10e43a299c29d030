"""The cheapest NumPy call for each call of a program."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.compiler.program import Array, Call, View, copy_to, mapped_views
from tinynet.errors import RecordingError

__all__ = ["Bound", "bound"]

Bound = tuple[Callable[..., Any], tuple[Any, ...]]


def bound(call: Call, array: Callable[[View], Array]) -> list[Bound]:
    """What to call with what, to do a program's call on arrays."""
    args = mapped_views(call.args, array)
    kwargs = mapped_views(call.kwargs, array)
    out = tuple(array(view) for view in call.out)
    function = call.function
    if function is copy_to:
        return [(np.copyto, (out[0], args[0], "unsafe"))]
    if isinstance(function, np.ufunc) and not kwargs:
        return [(function, (*args, *out))]
    if call.in_place and not call.updates and out:
        return [(_with_out, (function, args, kwargs, out if len(out) > 1 else out[0]))]
    if call.updates and "where" in kwargs and call.out:
        return [(_with_out, (function, args, kwargs, out if len(out) > 1 else out[0]))]
    if call.in_place or not out:
        return [(_called, (function, args, kwargs))]
    return [(_stored, (function, args, kwargs, out))]


def _with_out(function: Any, args: Any, kwargs: Any, out: Any) -> None:
    function(*args, **kwargs, out=out)


def _called(function: Any, args: Any, kwargs: Any) -> None:
    function(*args, **kwargs)


def _stored(function: Any, args: Any, kwargs: Any, out: tuple[Array, ...]) -> None:
    result = function(*args, **kwargs)
    for array, x in zip(out, result if isinstance(result, tuple | list) else (result,), strict=True):
        if np.shape(x) != array.shape:
            raise RecordingError(
                f"{getattr(function, '__name__', function)} gave shape {np.shape(x)} where it gave {array.shape} when the step was "
                "recorded; the shapes in a compiled step must not depend on values"
            )
        array[...] = x
