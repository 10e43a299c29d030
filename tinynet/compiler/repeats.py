"""Whether a step that ran twice did the same: only then can a record of its calls stand for it."""

from types import FunctionType
from typing import Any

from tinynet.compiler.draw import Draw
from tinynet.compiler.program import Array, Buffer, Call, View, copy_to
from tinynet.compiler.recording import Recording

__all__ = ["difference"]


def difference(first: Recording, second: Recording) -> str:
    """In what the second run of a step differs from the first, as a sentence; empty if it does not."""
    return _Comparison(first, second).sentence()


class _Comparison:
    """Goes through two recordings side by side, and learns which buffers of the one stand for which of the other."""

    def __init__(self, first: Recording, second: Recording) -> None:
        self._first = first
        self._second = second
        self._draws_from_default = False
        self._pairs: dict[Buffer, Buffer] = dict(zip(first.program.inputs, second.program.inputs, strict=False))

    def sentence(self) -> str:
        first, second = self._first.calls, self._second.calls
        for a, b in zip(first, second, strict=False):
            if not _same_function(a.function, b.function):
                return f"{a.line} called {_name(a)} in one run, and {b.line} {_name(b)} in another"
            self._draws_from_default = isinstance(a.function, Draw)
            what = self._of((a.args, a.kwargs, a.out, a.errors), (b.args, b.kwargs, b.out, b.errors))
            if what:
                return f"{b.line}, {_name(b)}: {what}"
        if len(first) != len(second):
            return f"it made {len(first)} calls of NumPy functions in one run and {len(second)} in another"
        what = self._of(self._first.results, self._second.results)
        return f"what it returns: {what}" if what else self._of_gradients()

    def _of_gradients(self) -> str:
        """In what the gradients differ that are left; whether there was one to be cleared may."""
        mine, theirs = self._first.leaving, self._second.leaving
        for tensor in {**mine, **theirs}:
            if mine.get(tensor) != theirs.get(tensor):
                return f"a tensor of shape {tensor.shape} has a gradient after one run that it does not have after another"
        return ""

    def _of(self, a: Any, b: Any) -> str:
        """In what two arguments differ."""
        if type(a) is not type(b):
            return f"{a!r} in one run, {b!r} in another"
        if type(a) is View:
            return self._of_views(a, b)
        if isinstance(a, tuple | list):
            if len(a) != len(b):
                return f"{len(a)} parts in one run, {len(b)} in another"
            return next((what for x, y in zip(a, b, strict=True) if (what := self._of(x, y))), "")
        if isinstance(a, dict):
            return self._of(list(a.items()), list(b.items()))
        if isinstance(a, slice):
            return self._of((a.start, a.stop, a.step), (b.start, b.stop, b.step))
        if hasattr(a, "bit_generator"):
            if a is b or self._draws_from_default:
                return ""
            return "another random generator in each run; make it once, outside of the step"
        if isinstance(a, FunctionType):
            return "" if _same_function(a, b) else f"another function {_spoken(a)} in each run"
        if _equal(a, b):
            return ""
        if getattr(type(a), "__eq__", None) is object.__eq__:
            return f"another {type(a).__name__} in each run; make it once, outside of the step"
        return f"the Python value {a!r} in one run, {b!r} in another; give what changes as an argument, as an array"

    def _of_views(self, a: View, b: View) -> str:
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return f"an array of shape {a.shape} and {a.dtype} in one run, of shape {b.shape} and {b.dtype} in another"
        mine, theirs = a.buffer, b.buffer
        if (a.offset, a.strides) != (b.offset, b.strides) or self._pairs.setdefault(mine, theirs) is not theirs:
            return (
                f"another array, or another part of one, of shape {a.shape} in each run; give what is chosen in Python as an "
                "argument"
            )
        if mine.array is theirs.array or mine.kind == theirs.kind == "input":
            return ""
        if mine in self._first.initial and theirs in self._second.initial:
            same = _same_content(self._first.initial[mine], self._second.initial[theirs])
        elif mine.kind == theirs.kind == "inside":
            return ""
        else:
            same = mine.kind == theirs.kind == "constant" and _same_content(mine.array, theirs.array)
        return "" if same else (
            f"an array of shape {a.shape} that was not computed from the step's arguments differs from call to call (random "
            "numbers, a part of the data chosen in Python, an array replaced or changed by code that the recorder does not "
            "see); give it as an argument, or compute with tensors"
        )  # fmt: skip


def _name(call: Call) -> str:
    return "copying" if call.function is copy_to else _spoken(call.function)


def _spoken(function: Any) -> str:
    return getattr(function, "__name__", "a function")


def _same_function(a: Any, b: Any) -> bool:
    if a is b or _equal(a, b):
        return True
    if not (isinstance(a, FunctionType) and isinstance(b, FunctionType)) or a.__code__ is not b.__code__:
        return False
    mine, theirs = a.__closure__ or (), b.__closure__ or ()
    return all(map(_same_contents, mine, theirs))


def _same_contents(a: Any, b: Any) -> bool:
    """Whether two cells of closures hold the same, as far as numbers and texts go; arrays are compared where they are used."""
    x, y = a.cell_contents, b.cell_contents
    return not isinstance(x, bool | int | float | str) or x == y


def _equal(a: Any, b: Any) -> bool:
    if a is b:
        return True
    try:
        return bool(a == b) or bool(a != a and b != b)
    except (TypeError, ValueError):  # of what is compared element by element
        return False


def _same_content(a: Array, b: Array) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
