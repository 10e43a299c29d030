"""One run of a step under the recorder, and what is needed to repeat it: the program, its results, and what it depends on."""

import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from tinynet.compiler.guards import Snapshot
from tinynet.compiler.program import Array, Buffer, Call, Program, View, copy_to
from tinynet.compiler.recorder import Recorded, Recorder
from tinynet.errors import RecordingError
from tinynet.mode import MODE, Mode
from tinynet.random import Draws, rewound, watched
from tinynet.tensor import Tensor, wrap
from tinynet.trees import leaves, mapped

__all__ = ["Recording", "Result", "record"]


class Result:
    """A leaf of what a step returns: the position of its value among the program's outputs, and whether it is a tensor."""

    __slots__ = ("is_tensor", "position")

    def __init__(self, position: int, is_tensor: bool) -> None:
        self.position = position
        self.is_tensor = is_tensor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and (self.position, self.is_tensor) == (other.position, other.is_tensor)

    __hash__ = None  # type: ignore[assignment]


class Recording:
    """A step as it ran once.

    Attributes
    ----------
    program : Program
        The calls.
    result
        What the step returned, with a `Result` in place of each array.
    arguments : list of Buffer
        Where the array arguments are copied, one for each leaf of the arguments that is an array.
    entering : dict
        Tensors whose gradient from before the step takes part, each with the buffer that it is copied to.
    leaving : dict
        Tensors that have another gradient after the step, each with its position among the outputs, or None.
    met : dict
        All tensors from outside that took part, and the gradient that each had when it was first used.
    owners : list of Snapshot
        What the recording holds good for.
    before : dict of Buffer to numpy.ndarray
        What arrays from outside held before the step changed them.
    draws : Draws
        The generators that were used, and the states that they were in.
    """

    def __init__(self, recorder: Recorder, draws: Draws, arguments: list[Buffer], result: Any) -> None:
        self.draws = draws
        self.arguments = arguments
        self.owners: list[Snapshot] = list(recorder.owners.values())
        self.before: dict[Buffer, Array] = recorder.before
        outputs: list[View] = []

        def taken(x: Any) -> Any:
            array = x._array if isinstance(x, Tensor) else x
            if isinstance(array, np.ndarray):
                array = recorder.lift(array)
            if type(array) is not Recorded:
                return x
            outputs.append(array.place)
            return Result(len(outputs) - 1, isinstance(x, Tensor))

        self.result = mapped(taken, result)
        self._write_back(recorder)
        self.entering: dict[Any, Buffer] = {}
        self.leaving: dict[Any, int | None] = {}
        read = {view.buffer for call in recorder.calls for view in call.reads()} | {view.buffer for view in outputs}
        written = {view.buffer for call in recorder.calls for view in call.out}
        for tensor, before in recorder.tensors.items():
            entered, now = recorder.gradients.get(tensor), tensor.grad
            if entered is not None and entered.place.buffer in read | written:
                self.entering[tensor] = entered.place.buffer
            if now is entered and now is not None and entered.place.buffer not in written:
                tensor.grad = before
            elif type(now) is Recorded:
                outputs.append(now.place)
                self.leaving[tensor] = len(outputs) - 1
                tensor.grad = np.array(now.array)
            elif now is not before:
                self.leaving[tensor] = None
        self.met = dict(recorder.tensors)
        inputs = [*arguments, *self.entering.values()]
        self.program = Program(recorder.calls, inputs, outputs)

    def _write_back(self, recorder: Recorder) -> None:
        """Values that took the place of a tensor's array are copied into the array that was there."""
        for tensor in recorder.tensors:
            value = tensor._array
            if type(value) is Recorded:
                original = recorder.owners[id(tensor)].value("_array")
                if value.shape != original.shape or value.dtype != original.dtype:
                    raise RecordingError(
                        f"the step gives a tensor of shape {original.shape} and {original.dtype} an array of shape {value.shape} "
                        f"and {value.dtype}; a compiled step keeps both"
                    )
                tensor._array = original
                recorder.copyto(original, value)

    def settle(self) -> None:
        """Know arrays that nobody else holds for constants; call this when nothing refers to the recorder any more."""
        written = self.program.writes()
        for buffer in self.program.buffers():
            if buffer.kind == "outside" and buffer not in written:
                array = buffer.array
                if not array.flags.writeable or (array.base is None and sys.getrefcount(array) <= _OWN_REFERENCES):
                    buffer.kind = "constant"

    def rewind(self) -> None:
        """Put back what the step changed: arrays from outside and generators."""
        rewind(self.before, self.met, self.draws)

    def outcome(self) -> list[Array]:
        """What was computed, as copies: the outputs, then the arrays from outside that were changed."""
        return [view.on(view.buffer.array).copy() for view in self.program.outputs] + [x.array.copy() for x in self.before]

    def compared(self, truth: list[Array], replayed: list[Array]) -> tuple[str, float]:
        """How far two outcomes differ at most, relative to the norm of each array; and the first place that differs too much."""
        names = [f"the output{path}" for path, x in leaves(self.result) if type(x) is Result]
        names += ["a gradient"] * (len(self.program.outputs) - len(names))
        names += [f"an array of shape {x.array.shape} that the step changes" for x in self.before]
        first, largest = "", 0.0
        for name, a, b in zip(names, truth, replayed, strict=True):
            deviation = _deviation(a, b)
            if deviation > _ROUNDING.get(a.dtype.char, 0.0) and not first:
                first = name
            largest = max(largest, deviation)
        return first, largest

    def forget(self) -> None:
        """Let go of the values that were computed, which the program does not need."""
        self.before = {}
        self.met = {tensor: gradient is not None for tensor, gradient in self.met.items()}
        for buffer in self.program.buffers():
            if buffer.kind in ("inside", "input"):
                buffer.array = np.empty_like(buffer.array)

    def difference(self, other: "Recording") -> str:
        """In what another run of the same step differs, as a sentence; empty if it can be repeated."""
        pairs: dict[Buffer, Buffer] = dict(zip(self.program.inputs, other.program.inputs, strict=False))
        if len(self.program.calls) != len(other.program.calls):
            return f"it made {len(self.program.calls)} calls of NumPy functions in one run and {len(other.program.calls)} in another"
        for mine, theirs in zip(self.program.calls, other.program.calls, strict=True):
            if not _same_function(mine.function, theirs.function):
                return f"{mine.line} called {_name(mine)} in one run, and {theirs.line} {_name(theirs)} in another"
            what = _difference((mine.args, mine.kwargs, mine.out), (theirs.args, theirs.kwargs, theirs.out), pairs)
            if what:
                return f"{theirs.line}, {_name(theirs)}: {what}"
        mine_out, their_out = (self.result, tuple(self.program.outputs)), (other.result, tuple(other.program.outputs))
        what = _difference(mine_out, their_out, pairs)
        return f"what it returns: {what}" if what else ""


_OWN_REFERENCES = 3  # the buffer's, the variable's, and that of the call that counts


def record(step: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Recording:
    """Run a step with recorded arrays in place of its array arguments.

    Raises
    ------
    RecordingError
        If the step does what a record of calls cannot repeat. Arrays and generators are as they were before it then.
    """
    with watched() as draws:
        recorder = Recorder(draws)
        before, met, made = recorder.before, recorder.tensors, recorder.made
        try:
            recording = _recorded(step, args, kwargs, recorder, draws)
            del recorder
            _refuse_kept([x for x in (reference() for reference in made) if x is not None])
        except RecordingError:
            rewind(before, met, draws)
            raise
    recording.settle()
    return recording


def _recorded(
    step: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], recorder: Recorder, draws: Draws
) -> Recording:
    arguments: list[Buffer] = []

    def taken(x: Any) -> Any:
        if not is_array(x):
            return x
        array = recorder.argument(x._array if isinstance(x, Tensor) else np.asarray(x))
        arguments.append(array.place.buffer)
        return wrap(array, None) if isinstance(x, Tensor) else array

    token = MODE.set(Mode(MODE.get().grad, recorder))
    try:
        return Recording(recorder, draws, arguments, step(*mapped(taken, args), **mapped(taken, kwargs)))
    finally:
        MODE.reset(token)
        _unwrap(recorder)


def rewind(before: dict[Buffer, Array], met: dict[Any, Any], draws: Draws) -> None:
    """Put back what arrays from outside held, the gradients of tensors, and the states of generators."""
    for buffer, content in before.items():
        buffer.array[...] = content
    for tensor, gradient in met.items():
        tensor.grad = gradient
    for generator, state in draws.states.items():
        generator.bit_generator.state = state


def is_array(x: Any) -> bool:
    """Whether an argument is an array whose values may differ from call to call; a tensor that requires a gradient is not."""
    return isinstance(x, np.ndarray | np.generic) or (isinstance(x, Tensor) and not x.requires_grad)


def _unwrap(recorder: Recorder) -> None:
    """Leave no recorded array in a tensor, whatever happened."""
    for tensor in recorder.tensors:
        if type(tensor.grad) is Recorded:
            tensor.grad = tensor.grad.array
        if type(tensor._array) is Recorded:
            tensor._array = tensor._array.array
    recorder.gradients.clear()


def _refuse_kept(kept: list[Recorded]) -> None:
    if kept:
        shapes = ", ".join(str(x.shape) for x in kept[:3])
        raise RecordingError(
            f"the step keeps {len(kept)} array(s) outside of itself, of shape {shapes} (a list it appends to, an attribute it "
            "sets), which a replay would not do again; return them"
        )


def _name(call: Call) -> str:
    return "copying" if call.function is copy_to else getattr(call.function, "__name__", "a function")


def _same_function(a: Any, b: Any) -> bool:
    if a == b:
        return True
    if not (isinstance(a, FunctionType) and isinstance(b, FunctionType)) or a.__code__ is not b.__code__:
        return False
    return len(a.__closure__ or ()) == len(b.__closure__ or ())


def _difference(a: Any, b: Any, pairs: dict[Buffer, Buffer]) -> str:
    """In what two arguments differ, where the buffers of the one stand for those of the other in `pairs`."""
    if type(a) is not type(b):
        return f"{a!r} in one run, {b!r} in another"
    if type(a) is View:
        if a[1:] != b[1:]:
            return f"an array of shape {a.shape} and {a.dtype} in one run, of shape {b.shape} and {b.dtype} in another"
        return _difference_of_buffers(a, b, pairs)
    if isinstance(a, tuple | list):
        if len(a) != len(b):
            return f"{len(a)} parts in one run, {len(b)} in another"
        return next((what for x, y in zip(a, b, strict=True) if (what := _difference(x, y, pairs))), "")
    if isinstance(a, dict):
        return _difference(list(a.items()), list(b.items()), pairs)
    if isinstance(a, slice):
        return _difference((a.start, a.stop, a.step), (b.start, b.stop, b.step), pairs)
    if hasattr(a, "bit_generator") and a is not b:
        return "" if hasattr(b, "bit_generator") else "no generator in another run"
    if isinstance(a, FunctionType):
        return "" if _same_function(a, b) else "another function in each run"
    if a is b or a == b or (a != a and b != b):
        return ""
    return f"the Python value {a!r} in one run, {b!r} in another; give what changes as an argument, as an array"


def _difference_of_buffers(a: View, b: View, pairs: dict[Buffer, Buffer]) -> str:
    mine, theirs = a.buffer, b.buffer
    if pairs.setdefault(mine, theirs) is not theirs:
        return "another array in each run"
    if mine.kind in ("input", "inside") or mine.array is theirs.array:
        return "" if mine.kind == theirs.kind else "an array from outside in one run, a computed one in another"
    if theirs.kind == "inside" or not _same_content(mine.array, theirs.array):
        return (
            f"an array of shape {a.shape} that was not computed from the step's arguments differs from call to call (random "
            "numbers, a part of the data chosen in Python, an array changed in place by code that the recorder does not see); "
            "give it as an argument, or compute with tensors"
        )
    return ""


_ROUNDING = {"d": 1e-8, "f": 1e-3, "e": 1e-1, "g": 1e-8}
"""By how much a replay may differ where it adds in another order, relative to the norm: rounding that Adam has enlarged."""


def _deviation(a: Array, b: Array) -> float:
    if a.tobytes() == b.tobytes():
        return 0.0
    if a.dtype.kind != "f":
        return float("inf")
    x, y = a.astype(np.float64), b.astype(np.float64)
    odd = ~np.isfinite(x)
    if not np.array_equal(x[odd], y[odd], equal_nan=True):
        return float("inf")
    x, y = x[~odd], y[~odd]
    return float(np.linalg.norm(x - y) / (np.linalg.norm(x) or 1.0))


def _same_content(a: Array, b: Array) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
