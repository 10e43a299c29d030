"""Operators and NumPy's array methods, for every array type that speaks NumPy's dispatch protocols.

Each operator is a ufunc handed straight to the type's own ``__array_ufunc__``, each method a NumPy function, so that
nothing here knows what the array is: a `Tensor` builds a graph.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.rules.elementwise import cast

__all__ = ["ArrayMethods", "declines"]

_FAST_POWERS = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal}  # as NumPy's own ** has it


def declines(x: Any) -> bool:
    """Whether the operators of an object are its own affair: ``__array_ufunc__ = None`` tells NumPy's functions so."""
    return getattr(type(x), "__array_ufunc__", x) is None


def _binary(ufunc: np.ufunc, symbol: str) -> Any:
    def operator(self: Any, other: Any) -> Any:
        try:
            return self.__array_ufunc__(ufunc, "__call__", self, other)
        except TypeError:
            if declines(other):
                return NotImplemented
            raise

    operator.__doc__ = f"``self {symbol} other``, which is ``np.{ufunc.__name__}(self, other)``."
    return operator


def _reflected(ufunc: np.ufunc, symbol: str) -> Any:
    def operator(self: Any, other: Any) -> Any:
        try:
            return self.__array_ufunc__(ufunc, "__call__", other, self)
        except TypeError:
            if declines(other):
                return NotImplemented
            raise

    operator.__doc__ = f"``other {symbol} self``, which is ``np.{ufunc.__name__}(other, self)``."
    return operator


_power = _binary(np.power, "**")


def _unary(ufunc: np.ufunc, symbol: str) -> Any:
    def operator(self: Any) -> Any:
        return self.__array_ufunc__(ufunc, "__call__", self)

    operator.__doc__ = f"``{symbol}``, which is ``np.{ufunc.__name__}(self)``."
    return operator


def _method(function: Callable[..., Any]) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__ = function.__name__
    method.__doc__ = f"``np.{function.__name__}(self, ...)``."
    return method


def _sizes(sizes: tuple[Any, ...]) -> Any:
    """Axes or lengths as NumPy's methods take them: ``reshape(2, 3)`` or ``reshape((2, 3))``."""
    return sizes[0] if len(sizes) == 1 else sizes


class ArrayMethods:
    """Operators and methods over ``__array_ufunc__`` and ``__array_function__``."""

    __slots__ = ()

    __add__ = _binary(np.add, "+")
    __radd__ = _reflected(np.add, "+")
    __sub__ = _binary(np.subtract, "-")
    __rsub__ = _reflected(np.subtract, "-")
    __mul__ = _binary(np.multiply, "*")
    __rmul__ = _reflected(np.multiply, "*")
    __truediv__ = _binary(np.divide, "/")
    __rtruediv__ = _reflected(np.divide, "/")
    __floordiv__ = _binary(np.floor_divide, "//")
    __rfloordiv__ = _reflected(np.floor_divide, "//")
    __mod__ = _binary(np.remainder, "%")
    __rmod__ = _reflected(np.remainder, "%")
    __divmod__ = _binary(np.divmod, "divmod")
    __rdivmod__ = _reflected(np.divmod, "divmod")
    __matmul__ = _binary(np.matmul, "@")
    __rmatmul__ = _reflected(np.matmul, "@")
    __rpow__ = _reflected(np.power, "**")
    __lt__ = _binary(np.less, "<")
    __le__ = _binary(np.less_equal, "<=")
    __gt__ = _binary(np.greater, ">")
    __ge__ = _binary(np.greater_equal, ">=")
    __eq__ = _binary(np.equal, "==")
    __ne__ = _binary(np.not_equal, "!=")
    __hash__ = object.__hash__  # by identity: equality is elementwise
    __and__ = _binary(np.bitwise_and, "&")
    __rand__ = _reflected(np.bitwise_and, "&")
    __or__ = _binary(np.bitwise_or, "|")
    __ror__ = _reflected(np.bitwise_or, "|")
    __xor__ = _binary(np.bitwise_xor, "^")
    __rxor__ = _reflected(np.bitwise_xor, "^")
    __neg__ = _unary(np.negative, "-self")
    __pos__ = _unary(np.positive, "+self")
    __abs__ = _unary(np.absolute, "abs(self)")
    __invert__ = _unary(np.invert, "~self")

    def __pow__(self: Any, exponent: Any) -> Any:
        """``self ** exponent``; like NumPy's own, the exponents 2, 1/2 and -1 take the square, root and reciprocal."""
        if type(exponent) in (int, float) and exponent in _FAST_POWERS and self.dtype.kind == "f":
            return self.__array_ufunc__(_FAST_POWERS[exponent], "__call__", self)
        return _power(self, exponent)

    all = _method(np.all)
    any = _method(np.any)
    argmax = _method(np.argmax)
    argmin = _method(np.argmin)
    argpartition = _method(np.argpartition)
    argsort = _method(np.argsort)
    choose = _method(np.choose)
    clip = _method(np.clip)
    conj = conjugate = _method(np.conjugate)
    copy = _method(np.copy)
    cumprod = _method(np.cumprod)
    cumsum = _method(np.cumsum)
    diagonal = _method(np.diagonal)
    dot = _method(np.dot)
    max = _method(np.max)
    mean = _method(np.mean)
    min = _method(np.min)
    nonzero = _method(np.nonzero)
    prod = _method(np.prod)
    ravel = _method(np.ravel)
    repeat = _method(np.repeat)
    round = _method(np.round)
    searchsorted = _method(np.searchsorted)
    squeeze = _method(np.squeeze)
    std = _method(np.std)
    sum = _method(np.sum)
    swapaxes = _method(np.swapaxes)
    take = _method(np.take)
    trace = _method(np.trace)
    var = _method(np.var)

    def astype(self: Any, dtype: Any) -> Any:
        """The same values in another dtype; the gradient comes back in this one's."""
        return cast(self, np.dtype(dtype))

    def compress(self: Any, condition: Any, axis: Any = None) -> Any:
        """``np.compress(condition, self, axis)``."""
        return np.compress(condition, self, axis)

    def flatten(self: Any, order: Any = "C") -> Any:
        """A one-dimensional copy."""
        return np.copy(np.ravel(self, order))

    def reshape(self: Any, *shape: Any, order: Any = "C") -> Any:
        """``np.reshape(self, shape)``; the lengths may be given one by one."""
        return np.reshape(self, _sizes(shape), order)

    def partition(self: Any, kth: Any, axis: int = -1) -> None:
        """``self[...] = np.partition(self, kth, axis)``: in place, as NumPy's method is."""
        self[...] = np.partition(self, kth, axis)

    def sort(self: Any, axis: int = -1, **kwargs: Any) -> None:
        """``self[...] = np.sort(self, axis)``: in place, as NumPy's method is."""
        self[...] = np.sort(self, axis, **kwargs)

    def transpose(self: Any, *axes: Any) -> Any:
        """``np.transpose(self, axes)``; the axes may be given one by one."""
        return np.transpose(self, _sizes(axes) if axes else None)

    @property
    def T(self: Any) -> Any:
        """The array with its axes reversed."""
        return np.transpose(self)

    @property
    def mT(self: Any) -> Any:
        """The array with its last two axes exchanged."""
        return np.swapaxes(self, -1, -2)
