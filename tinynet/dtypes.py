"""Which arrays a tensor can hold, and the dtype that Python's own floats take."""

from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.errors import ShapeError

__all__ = ["REAL_KINDS", "as_array", "as_real", "get_default_dtype", "set_default_dtype"]

_default_dtype: ContextVar[np.dtype[Any]] = ContextVar("tinynet_default_dtype")
_FLOAT64 = np.dtype(np.float64)

REAL_KINDS = "fiub"
"""The kinds of dtype that a tensor can hold: floating, integer, unsigned, boolean."""


def get_default_dtype() -> np.dtype[Any]:
    """The dtype that Python floats, and lists of them, become in a tensor: float64 unless set otherwise.

    Returns
    -------
    numpy.dtype

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.get_default_dtype()
    dtype('float64')
    """
    return _default_dtype.get(_FLOAT64)


def set_default_dtype(dtype: npt.DTypeLike) -> None:
    """Set the dtype that Python floats, and lists of them, become in a tensor, for this thread or coroutine.

    Parameters
    ----------
    dtype : dtype
        A real floating dtype.

    Raises
    ------
    TypeError
        If `dtype` is not a real floating dtype.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.set_default_dtype("float32")
    >>> tn.tensor([1.0, 2.0]).dtype
    dtype('float32')
    >>> tn.set_default_dtype("float64")
    """
    resolved = np.dtype(dtype)
    if resolved.kind != "f":
        raise TypeError(f"set_default_dtype: {resolved} is not a real floating dtype; use float32 or float64")
    _default_dtype.set(resolved)


def as_array(data: Any, dtype: npt.DTypeLike | None = None, *, copy: bool | None = None) -> np.ndarray[Any, Any]:
    """An array that a tensor can hold, of `data`; Python floats take the default dtype, arrays keep theirs."""
    if hasattr(type(data), "records"):  # an array type that records what is done to it
        return data[...] if dtype is None and not copy else data.astype(dtype or data.dtype)  # type: ignore[no-any-return]
    array = as_real(data)
    if dtype is None and array.dtype == _FLOAT64 and not hasattr(data, "__array__"):
        dtype = get_default_dtype()
    return as_real(np.array(array, dtype=dtype, copy=copy))


def as_real(data: Any) -> np.ndarray[Any, Any]:
    """The data as a plain array of real numbers, integers or booleans; an error if it is anything else or means more."""
    if type(data) is not np.ndarray:
        _refuse_what_means_more(data)
        data = _joined(data)
    if data.dtype.kind not in REAL_KINDS:
        remedy = _REMEDIES.get(data.dtype.kind, "convert it with np.asarray(x, float)")
        raise TypeError(f"a tensor holds real numbers, integers or booleans, not {data.dtype} data; {remedy}")
    array: np.ndarray[Any, Any] = data
    return array


_REMEDIES = {
    "c": "keep real and imaginary parts apart",
    "M": "subtract a date and divide by a unit, np.timedelta64(1, 'D')",
    "m": "divide it by a unit, np.timedelta64(1, 's')",
    "V": "take its fields apart",
}


def _joined(data: Any) -> Any:
    """What NumPy makes of numbers, lists and other libraries' arrays."""
    try:
        return np.asarray(data)
    except ValueError as error:
        if "inhomogeneous" in str(error):
            raise ShapeError("rows of different lengths make no tensor; pad them, or make a tensor of each") from None
        raise


def _refuse_what_means_more(data: Any) -> None:
    """An error for the kinds of array that are more than their numbers: masked ones, matrices, those with units."""
    if isinstance(data, np.ndarray) and type(data).__array_finalize__ not in _NOTHING_MORE:
        remedy = "x.filled(value)" if hasattr(data, "mask") else "np.asarray(x)"
        raise TypeError(
            f"a tensor holds real numbers, and what a {type(data).__name__} means besides would be lost; give {remedy}"
        )
    if isinstance(data, list | tuple) and data and isinstance(data[0], np.ndarray):
        for part in data:
            _refuse_what_means_more(part)


_NOTHING_MORE = (np.ndarray.__array_finalize__, np.memmap.__array_finalize__)
"""What kinds of array define that hand nothing on to a result but the numbers."""
