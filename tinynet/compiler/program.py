"""What a recorded step is: calls of NumPy functions on views of buffers, in order; and how it is printed.

A call computes arrays of arrays. Its result lies in a buffer; what NumPy gives as a view costs nothing and is no call, but
another view of the same buffer. A call may also change what a buffer holds (``out=``, ``x[i] = v``), so that a buffer's
content depends on the place in the program, and whoever moves or drops a call asks which calls write to which buffer.
"""

from collections.abc import Callable, Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinynet.compiler.text import call_text, declaration, view_text

__all__ = ["Buffer", "Call", "Program", "View", "copy_to", "is_elementwise", "is_number", "mapped_views", "views_in"]

Array = np.ndarray[Any, Any]


class Buffer:
    """The memory of an array, and of all views of it.

    Attributes
    ----------
    kind : str
        ``"input"``: an argument of the step is copied here before the calls run. ``"outside"``: an array that was there
        before the step, such as a weight, which is used where it lies. ``"constant"``: one that nothing changes.
        ``"inside"``: the result of a call.
    array : numpy.ndarray
        The array as it was recorded; of an outside one or a constant, the array itself.
    name : str
        What it is called when the program is printed.
    """

    __slots__ = ("array", "kind", "name")

    def __init__(self, kind: str, array: Array, name: str = "") -> None:
        self.kind = kind
        self.array = array
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.kind} buffer {self.name} {self.array.dtype}{list(self.array.shape)}>"

    @property
    def whole(self) -> "View":
        """The view of all of it."""
        return View(self, 0, self.array.shape, self.array.strides, self.array.dtype)


class View(NamedTuple):
    """An array as a part of a buffer; offset and strides are in bytes."""

    buffer: Buffer
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def is_whole(self) -> bool:
        """Whether it is all of its buffer, in the order in which it lies there."""
        array = self.buffer.array
        if self.offset or self.size != array.size or self.dtype != array.dtype:
            return False
        as_made = self.shape == array.shape and self.strides == array.strides
        return as_made or (self.contiguous and array.flags.c_contiguous)

    @property
    def contiguous(self) -> bool:
        """Whether its elements lie in C order without gaps."""
        expected = self.dtype.itemsize
        for length, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if length != 1:
                if stride != expected:
                    return False
                expected *= length
        return True

    def on(self, memory: Array) -> Array:
        """The array that it is of the given memory, an array that begins where the buffer does."""
        if not (memory.flags.c_contiguous or memory.flags.f_contiguous):  # without gaps, but its axes in another order
            memory = memory.transpose(sorted(range(memory.ndim), key=lambda i: -memory.strides[i]))
        return np.ndarray(self.shape, self.dtype, memory, self.offset, self.strides)


def is_number(x: "Array | View") -> bool:
    """Whether it is one number, or is seen as many of it."""
    return all(length == 1 or (length and not stride) for length, stride in zip(x.shape, x.strides, strict=True))


def is_elementwise(function: Any) -> bool:
    """Whether a function is a ufunc that goes element by element, as `numpy.matmul` does not."""
    return isinstance(function, np.ufunc) and function.signature is None


def copy_to(source: Any, out: Array) -> None:
    """The function of a call that copies, casts or broadcasts: ``out[...] = source``."""
    out[...] = source


class Call:
    """A call of a function.

    Attributes
    ----------
    function : callable
        A NumPy function, a ufunc or a method of one, `copy_to`, or any function of arrays.
    args, kwargs
        Its arguments: views where arrays stand, also within tuples, lists and dicts.
    out : tuple of View
        Where its results lie, or what it changes.
    updates : bool
        Whether what `out` held before matters: the call changes a part of it.
    in_place : bool
        Whether `out` was there before: an argument of its own in NumPy (``out=``), among `args` for other functions.
    kept : bool
        Whether it must run even if nobody uses its results.
    line : str
        Where in the person's code it was recorded.
    errors : tuple of tuple
        What an enclosing `numpy.errstate` of the step says, as ``("over", "ignore")``.
    """

    __slots__ = ("args", "errors", "function", "in_place", "kept", "kwargs", "line", "out", "updates")

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        out: tuple[View, ...],
        *,
        updates: bool = False,
        in_place: bool = False,
        kept: bool = False,
        line: str = "",
        errors: tuple[tuple[str, Any], ...] = (),
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.out = out
        self.updates = updates
        self.in_place = in_place
        self.kept = kept
        self.line = line
        self.errors = errors

    def reads(self) -> Iterator[View]:
        """The views whose content the call uses."""
        yield from views_in(self.args)
        yield from views_in(self.kwargs)
        if self.updates:
            yield from self.out

    def replaced(self, change: Callable[[View], Any]) -> "Call":
        """The same call on other views: ``change(view)`` for each that it reads or writes."""
        return Call(
            self.function, mapped_views(self.args, change), mapped_views(self.kwargs, change),
            tuple(change(view) for view in self.out),
            updates=self.updates, in_place=self.in_place, kept=self.kept, line=self.line, errors=self.errors,
        )  # fmt: skip

    def another(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        out: tuple[View, ...],
        *,
        in_place: bool = False,
    ) -> "Call":
        """A call in the place of this one, or of a part of it."""
        return Call(function, args, kwargs, out, in_place=in_place, line=self.line, errors=self.errors)

    def __repr__(self) -> str:
        state = ", ".join(f"{kind}={action!r}" for kind, action in self.errors)
        return f"with np.errstate({state}): {call_text(self)}" if state else call_text(self)


class Program:
    """Calls, and what goes in and out.

    Attributes
    ----------
    calls : list of Call
    inputs : list of Buffer
        Where the arguments are copied.
    outputs : list of View
        What must hold its value at the end.
    """

    def __init__(self, calls: list[Call], inputs: list[Buffer], outputs: list[View]) -> None:
        self.calls = calls
        self.inputs = inputs
        self.outputs = outputs

    def buffers(self) -> list[Buffer]:
        """All buffers, in the order of their first use."""
        found = dict.fromkeys(self.inputs)
        for call in self.calls:
            for view in (*call.reads(), *call.out):
                found[view.buffer] = None
        for view in self.outputs:
            found[view.buffer] = None
        return list(found)

    def writes(self) -> dict[Buffer, list[int]]:
        """For each buffer that is written to, the positions of the calls that do."""
        found: dict[Buffer, list[int]] = {}
        for i, call in enumerate(self.calls):
            for view in call.out:
                found.setdefault(view.buffer, []).append(i)
        return found

    def __str__(self) -> str:
        letters = {"input": "x", "outside": "p", "constant": "c", "inside": "t"}
        counts = dict.fromkeys(letters.values(), 0)
        lines = []
        for buffer in self.buffers():
            letter = letters[buffer.kind]
            buffer.name = f"{letter}{counts[letter]}"
            counts[letter] += 1
            if buffer.kind != "inside":
                lines.append(declaration(buffer))
        lines += map(repr, self.calls)
        lines.append(f"return {', '.join(map(view_text, self.outputs))}")
        return "\n".join(lines)


def views_in(x: Any) -> Iterator[View]:
    """The views in an argument of a call, also within tuples, lists, dicts and slices."""
    if type(x) is View:
        yield x
    elif isinstance(x, tuple | list):
        for item in x:
            yield from views_in(item)
    elif isinstance(x, dict):
        for item in x.values():
            yield from views_in(item)


def mapped_views(x: Any, change: Callable[[View], Any]) -> Any:
    """An argument with ``change(view)`` in place of each view."""
    if type(x) is View:
        return change(x)
    if type(x) in (tuple, list):
        return type(x)(mapped_views(item, change) for item in x)
    if type(x) is dict:
        return {key: mapped_views(item, change) for key, item in x.items()}
    return x
