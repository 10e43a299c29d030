"""Operations that NumPy lacks, dispatched by NumPy's own protocol (NEP 18), so that a rule can use them like any other."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numpy as np

from tinynet.rules.table import rule

__all__ = ["Primitive", "primitive"]

_PLAIN = frozenset({np.ndarray, float, int, bool, str, tuple, type(None)})
_NO_DISPATCH = np.ndarray.__array_function__  # which subclasses of ndarray inherit


class Primitive:
    """An operation of one's own: a function of arrays that tensors (and recorders) can intercept.

    Made by `primitive`. A call with arrays runs the function; a call in which an argument has an ``__array_function__``
    of its own is handed to that argument, as ``np.sum`` would be.
    """

    __name__: str

    def __init__(self, forward: Callable[..., Any]) -> None:
        update_wrapper(self, forward)
        self.forward = forward

    def __repr__(self) -> str:
        return f"<primitive {self.__name__}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for x in (*args, *kwargs.values()) if kwargs else args:
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


def primitive(forward: Callable[..., Any]) -> Primitive:
    """Make an operation of a function of arrays, with the same rights as the built-in ones.

    Parameters
    ----------
    forward : callable
        ``forward(*operands, **params)`` computes an array from arrays with NumPy. Its first arguments are the operands, as
        many as `Primitive.defvjp` is given rules for; what follows are parameters without a derivative.

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
