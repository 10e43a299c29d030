"""The recorder: arrays that hold true values and write down every NumPy call that is made on them.

A `Recorded` is no `numpy.ndarray`: it goes through NumPy's two dispatch protocols, and whatever would take its values in
another way (``float()``, ``if``, an array made of it unnoticed) is an error that names the person's line. What results
from a call is recorded in turn; arrays from outside that take part are referred to where they lie.
"""

import sys
from collections.abc import Callable, Iterable
from operator import getitem, setitem
from pathlib import Path
from typing import Any, NoReturn
from weakref import ref

import numpy as np

from tinynet.arraymethods import ArrayMethods
from tinynet.compiler.guards import Snapshot
from tinynet.compiler.program import Array, Buffer, Call, View, copy_to
from tinynet.errors import RecordingError
from tinynet.random import Draws, as_generator
from tinynet.rules.primitive import Primitive
from tinynet.rules.table import TABLE, name_of

__all__ = ["Recorded", "Recorder", "persons_line"]

_PACKAGE = str(Path(__file__).parent.parent)
_NUMPY = str(Path(np.__file__).parent)

ABOUT_ARRAYS = frozenset({
    np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.common_type, np.may_share_memory, np.shares_memory,
    np.isrealobj, np.iscomplexobj, np.einsum_path,
})  # fmt: skip
"""What NumPy says of arrays without looking at their values."""

OF_CHANGING_SHAPE = frozenset({
    np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.extract, np.compress, np.trim_zeros, np.setdiff1d, np.union1d,
    np.intersect1d, np.setxor1d, np.unique_values, np.unique_counts, np.unique_inverse, np.unique_all, np.delete,
})  # fmt: skip
"""Functions of which the shape of the result depends on the values."""

IN_PLACE = frozenset({np.put, np.put_along_axis, np.place, np.putmask, np.fill_diagonal})
"""Functions that change a part of their first argument; `numpy.copyto` is treated apart."""


class _ChangingShapeError(RecordingError):
    """The shape of a result depends on the values: not even calling the whole operation anew would help."""


class Recorded(ArrayMethods):
    """An array whose operations are written down while they are computed.

    Attributes
    ----------
    array : numpy.ndarray
        The values.
    place : View
        Where they lie in the recorded program.
    """

    __slots__ = ("__weakref__", "array", "place", "recorder")

    records = True
    """For code that tells such arrays from others: a tensor can be made of them."""

    def __init__(self, array: Array, place: View, recorder: "Recorder") -> None:
        self.array = array
        self.place = place
        self.recorder = recorder
        recorder.made.append(ref(self))

    shape = property(lambda self: self.array.shape)
    ndim = property(lambda self: self.array.ndim)
    size = property(lambda self: self.array.size)
    dtype = property(lambda self: self.array.dtype)
    itemsize = property(lambda self: self.array.itemsize)
    nbytes = property(lambda self: self.array.nbytes)
    strides = property(lambda self: self.array.strides)
    flags = property(lambda self: self.array.flags)
    real = property(lambda self: self)

    # Dispatch ------------------------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(_is_tensor(x) for x in inputs):
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
            return function(*_plain(args), **_plain(kwargs))
        if function in OF_CHANGING_SHAPE:
            raise _ChangingShapeError(
                f"{persons_line()}: the shape of what {name_of(function)} gives depends on the values, and a compiled step has "
                "fixed shapes; keep the shape with np.where(condition, x, 0), or do it outside the step"
            )
        if function in IN_PLACE:
            return self.recorder.change(function, args, kwargs)
        if function is np.copyto:
            return self.recorder.copyto(*args, **kwargs)
        if function is np.copy:
            return args[0].copy()
        return self.recorder.call(function, args, kwargs)

    # What an array can do besides ----------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> "Recorded":
        for part in index if isinstance(index, tuple) else (index,):
            if getattr(part, "dtype", None) == np.bool_ and isinstance(part, Recorded) and part.ndim:
                raise _ChangingShapeError(
                    f"{persons_line()}: how many elements a boolean mask selects depends on the values, and a compiled step has "
                    "fixed shapes; keep the shape with np.where(mask, x, 0)"
                )
        if _is_basic(index):
            return self._part(index)
        item: Recorded = self.recorder.call(getitem, (self, index), {})
        return item

    def _part(self, index: Any) -> "Recorded":
        """The view that a basic index gives, also of a single element."""
        parts = index if isinstance(index, tuple) else (index,)
        array = self.array[parts if Ellipsis in parts else (*parts, ...)]
        return Recorded(array, self.recorder.view(array), self.recorder)

    def __setitem__(self, index: Any, value: Any) -> None:
        if _is_basic(index):
            self.recorder.copyto(self._part(index), value, casting="unsafe")
        else:
            self.recorder.change(setitem, (self, index, value))

    def _in_place(ufunc: np.ufunc) -> Any:  # type: ignore[misc]
        def operator(self: "Recorded", other: Any) -> "Recorded":
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
        return self if not copy and self.dtype == np.dtype(dtype) else self.recorder.cast(self, np.dtype(dtype))

    def copy(self, order: str = "C") -> Any:
        """A copy."""
        return self.recorder.cast(self, self.dtype)

    def view(self, dtype: Any) -> Any:
        """The same memory in another dtype."""
        return self.recorder.call(_viewed, (self, np.dtype(dtype)), {})

    def fill(self, value: Any) -> None:
        """Set all elements to a value."""
        self[...] = value

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self.array)))

    def __repr__(self) -> str:
        return f"<array of shape {self.shape} and {self.dtype}, which is being recorded>"

    def _look(self, *_: Any, **__: Any) -> NoReturn:
        raise RecordingError(
            f"{persons_line()} looks at a value that changes from call to call, and a compiled step does the same calls "
            "each time; compute with NumPy's functions (np.where in place of if), or return the value and look outside"
        )

    __array__ = __bool__ = __int__ = __float__ = __complex__ = __index__ = __contains__ = __format__ = _look  # type: ignore
    item = tolist = tobytes = dump = tofile = _look


class Recorder:
    """Writes down the calls of one run of a step.

    Attributes
    ----------
    calls : list of Call
        So far.
    made : list of weak references
        To every recorded array.
    owners : dict
        Of each object that the record depends on, by its identity, a `Snapshot`.
    tensors : dict
        The tensors from outside that took part, each with its gradient at that time.
    gradients : dict
        The recorded arrays that stand for these gradients.
    before : dict of Buffer to numpy.ndarray
        What the arrays from outside held before the step changed them.
    """

    def __init__(self, draws: Draws) -> None:
        self.draws = draws
        self.calls: list[Call] = []
        self.made: list[ref[Recorded]] = []
        self.owners: dict[int, Snapshot] = {}
        self.tensors: dict[Any, Any] = {}
        self.gradients: dict[Any, Recorded] = {}
        self.before: dict[Buffer, Array] = {}
        self._buffers: dict[int, Buffer] = {}
        self._kept: list[Array] = []  # so that no identity is given anew

    # What the library tells ----------------------------------------------------------------------------------------------

    def lift(self, array: Any) -> Any:
        """The recorded array that stands for an array from outside."""
        return array if isinstance(array, Recorded) else Recorded(array, self.view(array), self)

    def depends(self, owner: Any, *names: str) -> None:
        """Note that the record holds good for the present values of attributes of an object."""
        if id(owner) not in self.owners:
            self.owners[id(owner)] = Snapshot(owner, names)

    def tensor(self, tensor: Any) -> Recorded:
        """The recorded array of a tensor.

        Of one from outside, the gradient too is taken for an array that changes from call to call.
        """
        array = tensor._array
        if type(array) is Recorded:
            return array
        if tensor not in self.tensors:
            self.depends(tensor, "_array", "_node", "hooks")
            self.tensors[tensor] = tensor.grad
            if isinstance(tensor.grad, np.ndarray):
                tensor.grad = self.gradients[tensor] = self.argument(tensor.grad)
        return Recorded(array, self.view(array), self)

    def effect(self, function: Callable[[], Any], writes: Iterable[Any]) -> None:
        """Call a function that is to be called at each replay."""
        out = tuple(self.view(array) for array in writes)
        for view in out:
            self._about_to_write(view)
        function()
        self._note(Call(function, (), {}, out, updates=True, in_place=True, kept=True))

    def argument(self, array: Array) -> Recorded:
        """A copy of an argument of the step."""
        copy = np.array(array)
        buffer = self._buffers[id(copy)] = Buffer("input", copy)
        return Recorded(copy, buffer.whole, self)

    # Calls ---------------------------------------------------------------------------------------------------------------

    def call(self, function: Callable[..., Any], args: Any, kwargs: dict[str, Any], kept: bool = False) -> Any:
        """Make a call of a function that returns its results, or writes them where ``out=`` says."""
        views, named = self._viewed(args), self._viewed(kwargs)
        out = named.pop("out", None)
        targets = out if type(out) is tuple else () if out is None else (out,)
        for view in targets:
            self._about_to_write(view)
        result = function(*_plain(args), **_plain(kwargs))
        if targets and all(view is not None for view in targets):
            partial = named.get("where", True) is not True
            self._note(Call(function, views, named, targets, updates=partial, in_place=True, kept=kept))
            return kwargs["out"] if type(out) is not tuple or len(out) > 1 else kwargs["out"][0]
        if targets:
            raise RecordingError(f"{persons_line()}: {name_of(function)} with out= for some of its results; give all or none")
        if result is None and kept:
            self._note(Call(function, views, named, (), kept=True))
            return None
        results = result if isinstance(result, tuple | list) else (result,)
        recorded = []
        fresh = False
        for x in results:
            if not isinstance(x, np.ndarray | np.generic):
                raise RecordingError(
                    f"{persons_line()}: {name_of(function)} gives a Python {type(x).__name__}, made of values that change from "
                    "call to call; use a function that gives an array, or do it outside the step"
                )
            array = np.asarray(x)
            known = id(_root(array)) in self._buffers
            recorded.append(Recorded(array, self.view(array, "inside"), self))
            if not known:
                fresh = True
        if fresh or kept:
            self._note(Call(function, views, named, tuple(x.place for x in recorded) if fresh else (), kept=kept))
        if result is not results:
            return recorded[0]
        return type(result)(*recorded) if hasattr(result, "_fields") else type(result)(recorded)

    def run(self, forward: Callable[..., Any], args: Any, kwargs: dict[str, Any], kept: bool = False) -> Any:
        """Run an operation of the library or of a person: its own calls are written down, or where it looks at values, itself.

        An operation is a function of its operands alone, so that it can be called anew as a whole. One that draws random
        numbers is, and one that is there to check its operands.
        """
        if _draws((*args, *kwargs.values())):
            forward = _Draw(forward) if any(x is self.draws.default for x in (*args, *kwargs.values())) else forward
        elif not kept:
            mark = len(self.calls)
            try:
                return forward(*args, **kwargs)
            except _ChangingShapeError:
                raise
            except Exception:  # it may want true arrays; what is wrong with the operands is found again by the call
                del self.calls[mark:]
        return self.call(forward, args, kwargs, kept)

    def change(self, function: Callable[..., Any], args: Any, kwargs: dict[str, Any] | None = None) -> None:
        """Make a call of a function that changes a part of its first argument."""
        target = self.view(_array(args[0]))
        self._about_to_write(target)
        kwargs = kwargs or {}
        function(*_plain(args), **_plain(kwargs))
        self._note(
            Call(function, self._viewed(args), self._viewed(kwargs), (target,), updates=True, in_place=True)
        )

    def copyto(self, target: Any, source: Any, casting: Any = "same_kind", where: Any = True) -> None:
        """`numpy.copyto`."""
        if where is not True:
            return self.change(np.copyto, (target, source), {"casting": casting, "where": where})
        view = self.view(_array(target))
        self._about_to_write(view)
        np.copyto(_array(target), _plain(source), casting=casting)
        self._note(Call(copy_to, (self._viewed(source),), {}, (view,), in_place=True))
        return None

    def cast(self, x: Recorded, dtype: np.dtype[Any]) -> Recorded:
        """A copy in another dtype."""
        array = x.array.astype(dtype)
        copy = Recorded(array, self.view(array, "inside"), self)
        self._note(Call(copy_to, (x.place,), {}, (copy.place,)))
        return copy

    def view(self, array: Array, kind: str = "outside") -> View:
        """Where an array lies, in a buffer that is known or a new one of the given kind."""
        root = _root(array)
        buffer = self._buffers.get(id(root))
        if buffer is None:
            buffer = self._buffers[id(root)] = Buffer(kind, root)
        self._kept.append(array)
        return View(buffer, _address(array) - _address(root), array.shape, array.strides, array.dtype)

    def _viewed(self, x: Any) -> Any:
        """An argument with views in place of arrays."""
        if type(x) is Recorded:
            return x.place
        if isinstance(x, np.ndarray):
            return self.view(x)
        if type(x) in (tuple, list):
            return type(x)(self._viewed(item) for item in x)
        return {key: self._viewed(item) for key, item in x.items()} if type(x) is dict else x

    def _about_to_write(self, view: View) -> None:
        buffer = view.buffer
        if buffer.kind == "input":
            raise RecordingError(
                f"{persons_line()} changes an argument of the step in place, which a replay would not do to the caller's "
                "array; compute a new array (x = x + 1 in place of x += 1), or return it"
            )
        if buffer.kind == "outside" and buffer not in self.before:
            self.before[buffer] = buffer.array.copy()

    def _note(self, call: Call) -> None:
        call.line = persons_line()
        self.calls.append(call)


def _viewed(x: Any, dtype: Any) -> Any:
    return x.view(dtype)


class _Draw:
    """A function that draws from the default generator, whichever that is when it is called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__name__ = getattr(function, "__name__", "draw")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Draw) and self.function == other.function

    def __hash__(self) -> int:
        return hash(self.function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        present = as_generator(None)
        args = tuple(present if hasattr(x, "bit_generator") else x for x in args)
        return self.function(*args, **{k: present if hasattr(x, "bit_generator") else x for k, x in kwargs.items()})


def _array(x: Any) -> Array:
    array: Array = x.array if type(x) is Recorded else x
    return array


def _plain(x: Any) -> Any:
    """An argument with true arrays in place of recorded ones."""
    if type(x) is Recorded:
        return x.array
    if type(x) in (tuple, list):
        return type(x)(_plain(item) for item in x)
    return {key: _plain(item) for key, item in x.items()} if type(x) is dict else x


def _root(array: Array) -> Array:
    """The array that owns the memory."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _is_tensor(x: Any) -> bool:
    return hasattr(type(x), "requires_grad")


def _is_basic(index: Any) -> bool:
    """Whether an index gives a view."""
    parts = index if type(index) is tuple else (index,)
    return all(part is None or part is Ellipsis or isinstance(part, int | slice | np.integer) for part in parts)


def _draws(arguments: Iterable[Any]) -> bool:
    return any(hasattr(x, "bit_generator") for x in arguments)


def persons_line() -> str:
    """Where the person's code is: the innermost frame outside of tinynet and NumPy."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith((_PACKAGE, _NUMPY, "<__array_function__")):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}, line {frame.f_lineno}"
