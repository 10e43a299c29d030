"""`Recorded`: an array that holds true values, and tells its recorder of every NumPy call that is made on it.

It is no `numpy.ndarray`: it goes through NumPy's two dispatch protocols, and whatever would take its values in another
way (``float()``, ``if``, an array made of it unnoticed) is an error that names the person's line.
"""

from functools import cache
from inspect import signature
from itertools import takewhile
from operator import getitem, setitem
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import ref

import numpy as np

from tinynet.arraymethods import ArrayMethods
from tinynet.compiler.program import Array, View
from tinynet.errors import RecordingError
from tinynet.lines import persons_line
from tinynet.rules.indexing import is_basic
from tinynet.rules.primitive import Primitive
from tinynet.rules.table import TABLE, name_of

if TYPE_CHECKING:
    from tinynet.compiler.recorder import Recorder

__all__ = ["OF_CHANGING_SHAPE", "ChangingShapeError", "LayoutError", "Recorded", "plain"]

ABOUT_ARRAYS = frozenset({
    np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.common_type, np.may_share_memory, np.shares_memory,
    np.isrealobj, np.iscomplexobj, np.einsum_path,
})  # fmt: skip
"""What NumPy says of arrays without looking at their values."""

OF_CHANGING_SHAPE = {
    **dict.fromkeys((
        np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.trim_zeros, np.setdiff1d, np.union1d, np.intersect1d,
        np.setxor1d, np.unique_values, np.unique_counts, np.unique_inverse, np.unique_all,
    )),
    **dict.fromkeys((np.compress, np.extract), 0),
    **dict.fromkeys((np.delete, np.repeat, np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit), 1),
}  # fmt: skip
"""Functions of which the shape of the result depends on values, and the position of the argument that decides, if one does."""

IN_PLACE = frozenset({np.put, np.put_along_axis, np.place, np.putmask, np.fill_diagonal})
"""Functions that change a part of their first argument; `numpy.copyto` is treated apart."""


OVERWRITING = frozenset({np.median, np.nanmedian, np.percentile, np.nanpercentile, np.quantile, np.nanquantile})
"""Functions that may leave anything in their operand if ``overwrite_input`` allows it: in a compiled step, what was there."""


class ChangingShapeError(RecordingError):
    """The shape of a result depends on the values: not even calling the whole operation anew would help."""


class LayoutError(RecordingError):
    """The result depends on how an array lies in memory, and a replay works on a copy."""


class Recorded(ArrayMethods):
    """An array whose operations are written down while they are computed.

    Attributes
    ----------
    array : numpy.ndarray
        The values.
    place : View
        Where they lie in the recorded program.
    is_scalar : bool
        Whether NumPy would give one of its scalars in place of this array.
    """

    __slots__ = ("__weakref__", "array", "is_scalar", "place", "recorder")

    records = True
    """For code that tells such arrays from others: a tensor can be made of them."""

    def __init__(self, array: Array, place: View, recorder: "Recorder", is_scalar: bool = False) -> None:
        self.array = array
        self.place = place
        self.recorder = recorder
        self.is_scalar = is_scalar
        recorder.made.append(ref(self))

    shape = property(lambda self: self.array.shape)
    ndim = property(lambda self: self.array.ndim)
    size = property(lambda self: self.array.size)
    dtype = property(lambda self: self.array.dtype)
    itemsize = property(lambda self: self.array.itemsize)
    nbytes = property(lambda self: self.array.nbytes)
    strides = property(lambda self: self.array.strides)
    flags = property(lambda self: self.array.flags)
    real = property(lambda self: self if self.dtype.kind != "c" else np.real(self))
    imag = property(lambda self: np.imag(self))

    # Dispatch ------------------------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(map(_is_tensor, inputs)):
            return NotImplemented
        if method == "at":
            return self.recorder.change(ufunc.at, inputs)
        return self.recorder.call(ufunc if method == "__call__" else getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if isinstance(function, Primitive):
            tensor = next((x for x in (*args, *kwargs.values()) if _is_tensor(x)), None)
            if tensor is not None:
                return tensor.__array_function__(function, types, args, kwargs)
            return self.recorder.run(function.forward, args, kwargs, kept=function not in TABLE)
        if any(kind is not Recorded and hasattr(kind, "requires_grad") for kind in types):
            return NotImplemented
        if function in ABOUT_ARRAYS:
            return function(*plain(args), **plain(kwargs))
        if function in OF_CHANGING_SHAPE and _decides(OF_CHANGING_SHAPE[function], function, args, kwargs):
            raise _of_changing_shape(f"what {name_of(function)} gives")
        if function is np.where and len(args) + len(kwargs) == 1:
            raise _of_changing_shape("what np.where(condition) gives")
        if function in (np.ravel, np.reshape) and _order(function, args, kwargs) in ("K", "A"):
            raise LayoutError(
                f"{persons_line()}: {name_of(function)} with order='K' or 'A' reads an array as it lies in memory, and a "
                "replay works on a copy of each argument; use order='C' or 'F'"
            )
        if function in IN_PLACE:
            return self.recorder.change(function, args, kwargs)
        if function is np.nan_to_num and not _argument(function, "copy", True, args, kwargs):
            return self._without_nan(*args, **kwargs)
        if function in OVERWRITING and _argument(function, "overwrite_input", False, args, kwargs):
            args, kwargs = _by_name(function, "overwrite_input", args, kwargs)
            kwargs = {**kwargs, "overwrite_input": False}
        if function is np.copyto:
            return self.recorder.copyto(*args, **kwargs)
        if function is np.copy and args:
            return self.recorder.cast(args[0], args[0].dtype, *(args[1:2] or (kwargs.get("order", "K"),)))
        return self.recorder.call(function, *_with_out_by_name(function, args, kwargs))

    def _without_nan(self, x: Any, copy: bool = False, *args: Any, **kwargs: Any) -> Any:
        """`numpy.nan_to_num` without a copy."""
        self.recorder.change(np.nan_to_num, (x, False, *args), kwargs)
        return x

    # What an array can do besides ----------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> "Recorded":
        for part in index if isinstance(index, tuple) else (index,):
            if isinstance(part, Recorded) and part.dtype == np.bool_:
                raise _of_changing_shape("what a boolean mask selects")
        if not is_basic(index):
            return self.recorder.call(getitem, (self, index), {})  # type: ignore[no-any-return]
        part = self._part(index)
        if part.is_scalar or self.is_scalar:  # NumPy's scalars are values, which no later write changes
            return self.recorder.cast(part, part.dtype, "K", part.is_scalar)
        return part

    def _part(self, index: Any) -> "Recorded":
        """The view that a basic index gives, also of a single element."""
        parts = index if isinstance(index, tuple) else (index,)
        if Ellipsis in parts:
            return self.recorder.lift(self.array[parts])  # type: ignore[no-any-return]
        part = self.array[(*parts, ...)]
        return Recorded(part, self.recorder.view(part), self.recorder, is_scalar=part.ndim == 0)

    def __setitem__(self, index: Any, value: Any) -> None:
        if is_basic(index):
            self.recorder.copyto(self._part(index), value, casting="unsafe")
        else:
            self.recorder.change(setitem, (self, index, value))

    def __lshift__(self, other: Any) -> Any:
        return np.left_shift(self, other)

    def __rshift__(self, other: Any) -> Any:
        return np.right_shift(self, other)

    def _in_place(ufunc: np.ufunc) -> Any:  # type: ignore[misc]
        def operator(self: "Recorded", other: Any) -> "Recorded":
            if self.is_scalar:
                return ufunc(self, other)  # type: ignore[no-any-return]
            ufunc(self, other, out=self)
            return self

        return operator

    __iadd__ = _in_place(np.add)
    __isub__ = _in_place(np.subtract)
    __imul__ = _in_place(np.multiply)
    __itruediv__ = _in_place(np.divide)
    __ifloordiv__ = _in_place(np.floor_divide)
    __imod__ = _in_place(np.remainder)
    __ipow__ = _in_place(np.power)
    __imatmul__ = _in_place(np.matmul)
    __iand__ = _in_place(np.bitwise_and)
    __ior__ = _in_place(np.bitwise_or)
    __ixor__ = _in_place(np.bitwise_xor)

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """The same values in another dtype."""
        if not copy and self.dtype == np.dtype(dtype):
            return self
        return self.recorder.cast(self, np.dtype(dtype), "K", self.is_scalar)

    def copy(self, order: Any = "C") -> Any:
        """A copy."""
        return self.recorder.cast(self, self.dtype, order, self.is_scalar)

    def __copy__(self) -> Any:
        return self.copy("K")

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy("K")

    def view(self, dtype: Any) -> Any:
        """The same memory in another dtype."""
        return self.recorder.lift(self.array.view(np.dtype(dtype)))

    def fill(self, value: Any) -> None:
        """Set all elements to a value."""
        self[...] = value

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self.array)))

    def __repr__(self) -> str:
        return f"<array of shape {self.shape} and {self.dtype}, which is being recorded>"

    # What a replay could not do ------------------------------------------------------------------------------------------

    def _look(self, *_: Any, **__: Any) -> NoReturn:
        raise RecordingError(
            f"{persons_line()} looks at a value that changes from call to call (if, while, assert, float(), .item(), a text), "
            "and a compiled step does the same calls each time; compute with NumPy's functions (np.where in place of if), or "
            "return the value and look at it outside"
        )

    __bool__ = __int__ = __float__ = __complex__ = __contains__ = __format__ = __str__ = __round__ = __trunc__ = _look
    __reduce__ = item = tolist = tobytes = dump = tofile = _look

    def __index__(self) -> int:
        raise RecordingError(
            f"{persons_line()} uses a value that changes from call to call as a position or a length, and a compiled step has "
            "fixed ones; for an element write tn.Tensor(a)[i] in place of a[i]"
        )

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise RecordingError(
            f"{persons_line()} needs the values themselves of an array that is being recorded; write np.dot(a, x) or a @ x in "
            "place of a.dot(x), tn.Tensor(a)[x] in place of a[x], np.copyto(a, x) in place of a[:] = x, np.stack in place of "
            "np.array, and make an operation of your own function of arrays with tn.primitive"
        )

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and hasattr(np.ndarray, name):
            raise RecordingError(
                f"{persons_line()}: .{name} of an array cannot be recorded; use NumPy's functions, or do it outside the step"
            )
        raise AttributeError(name)


def plain(x: Any) -> Any:
    """An argument with true arrays in place of recorded ones."""
    if type(x) is Recorded:
        return x.array
    if type(x) in (tuple, list):
        return type(x)(map(plain, x))
    return {key: plain(item) for key, item in x.items()} if type(x) is dict else x


def _is_tensor(x: Any) -> bool:
    return hasattr(type(x), "requires_grad")


def _decides(position: int | None, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether the argument that decides on the shape is a recorded one."""
    if position is None:
        return True
    return type(args[position] if position < len(args) else kwargs.get(_names(function)[position])) is Recorded


def _order(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    position = _names(function).index("order")
    return args[position] if len(args) > position else kwargs.get("order")


def _of_changing_shape(what: str) -> RecordingError:
    return ChangingShapeError(
        f"{persons_line()}: the shape of {what} depends on the values, and a compiled step has fixed shapes; keep the shape "
        "with np.where(condition, x, 0), or do it outside the step"
    )


def _with_out_by_name(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The arguments of a call, with ``out`` by its name."""
    return (args, kwargs) if len(args) < 3 or "out" in kwargs else _by_name(function, "out", args, kwargs)


def _by_name(function: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The arguments of a call, with those from the named one on by their names."""
    names = _names(function)
    if name not in names[: len(args)]:
        return args, kwargs
    position = names.index(name)
    return args[:position], {**dict(zip(names[position:], args[position:], strict=False)), **kwargs}


def _argument(function: Any, name: str, default: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a function is given for an argument."""
    return _by_name(function, name, args, kwargs)[1].get(name, default)


@cache
def _names(function: Any) -> list[str]:
    """The names of a function's arguments; of those that NumPy 2.0 does not tell, as far as they matter."""
    try:
        parameters = signature(function).parameters.values()
    except ValueError:
        return ["a", "b", "out"] if function is np.dot else []
    return [p.name for p in takewhile(lambda p: p.kind is not p.VAR_POSITIONAL, parameters)]
