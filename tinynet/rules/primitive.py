"""Operations that NumPy lacks, dispatched by NumPy's own protocol (NEP 18), so that a rule can use them like any other."""

from collections.abc import Callable
from functools import update_wrapper
from types import FunctionType
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from tinynet.rules.table import rule

if TYPE_CHECKING:
    from tinynet.tensor import Tensor

__all__ = ["Primitive", "primitive"]

_PLAIN = frozenset({np.ndarray, float, int, bool, str, tuple, type(None)})
_NUMPY_NUMBERS = frozenset(np.sctypeDict.values())
_NO_DISPATCH = np.ndarray.__array_function__  # which subclasses of ndarray inherit


class Primitive:
    """An operation of one's own: a function of arrays that tensors (and recorders) can intercept.

    Made by `primitive`. A call with arrays runs the function; a call in which an argument has an ``__array_function__``
    of its own is handed to that argument, as ``np.sum`` would be.

    An argument that is a Python float by default is an option. One of NumPy's numbers is taken for the Python number there:
    its dtype would decide that of the result, and make float64 of float32.
    """

    __name__: str

    def __init__(self, forward: Callable[..., Any]) -> None:
        update_wrapper(self, forward)
        self.forward = forward
        self._options = _float_options(forward)

    def __repr__(self) -> str:
        return f"<primitive {self.__name__}>"

    @overload
    def __call__(self, x: "Tensor", /, *args: Any, **kwargs: Any) -> "Tensor": ...
    @overload
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values()) if kwargs else args
        if self._options and not _NUMPY_NUMBERS.isdisjoint(map(type, given)):
            args, kwargs = _with_plain_options(self._options, args, kwargs)
        for x in given:
            kind = type(x)
            if kind not in _PLAIN:
                dispatch = getattr(kind, "__array_function__", _NO_DISPATCH)
                if dispatch is not _NO_DISPATCH:
                    return dispatch(x, self, (kind,), args, kwargs)
        return self.forward(*args, **kwargs)

    def defvjp(self, *vjps: Callable[..., Any] | None, **columns: Any) -> "Primitive":
        """Give the operation its gradient rules; the arguments are those of a row of the table.

        Parameters
        ----------
        *vjps : callable or None
            One for each operand, in order: ``vjp(g, out, *operands, **params)`` returns the cotangent of that operand, in
            NumPy operations. ``None`` for an operand without a derivative.
        **columns
            ``domain=``, ``kinks=``, ``each=`` as in `tinynet.rules.table.rule`.

        Returns
        -------
        Primitive
            The operation itself.
        """
        rule(self, *vjps, forward=self.forward, **columns)
        return self


def _float_options(forward: Callable[..., Any]) -> dict[str, int | None]:
    """The names of a function's arguments that are Python floats by default, and their positions if they have one."""
    if not isinstance(forward, FunctionType):
        return {}
    positional, defaults = forward.__code__.co_varnames[: forward.__code__.co_argcount], forward.__defaults__ or ()
    first = len(positional) - len(defaults)
    found: dict[str, int | None] = {positional[i]: i for i, x in enumerate(defaults, first) if type(x) is float}
    return found | {name: None for name, x in (forward.__kwdefaults__ or {}).items() if type(x) is float}


def _with_plain_options(options: dict[str, int | None], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    for name, i in options.items():
        if i is not None and i < len(args):
            if isinstance(args[i], np.generic):
                args = (*args[:i], args[i].item(), *args[i + 1 :])
        elif isinstance(kwargs.get(name), np.generic):
            kwargs = {**kwargs, name: kwargs[name].item()}
    return args, kwargs


def primitive(forward: Callable[..., Any]) -> Primitive:
    """Make an operation of a function of arrays, with the same rights as the built-in ones.

    Parameters
    ----------
    forward : callable
        ``forward(*operands, **params)`` computes an array from arrays with NumPy. Its first arguments are the operands, as
        many as `Primitive.defvjp` is given rules for; what follows are parameters without a derivative. A number of NumPy's
        for an argument that is a Python float by default is taken for the Python number, so that float32 stays float32.

    Returns
    -------
    Primitive
        The operation; give it its rules with `Primitive.defvjp`.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> @tn.primitive
    ... def cube(x):
    ...     return x * x * x
    >>> cube.defvjp(lambda g, out, x: 3 * g * x**2)
    <primitive cube>
    >>> float(tn.grad(cube)(2.0))
    12.0
    """
    return Primitive(forward)
