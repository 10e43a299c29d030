"""One run of a step under the recorder, and what is needed to repeat it: the program, its results, and what it depends on."""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from time import sleep
from typing import Any

import numpy as np

from tinynet.compiler.attributes import attributes
from tinynet.compiler.guards import Guard
from tinynet.compiler.kept import released
from tinynet.compiler.outcomes import Result
from tinynet.compiler.ownership import settled, unowned
from tinynet.compiler.places import root_of
from tinynet.compiler.program import Array, Buffer, Call, Program, View, copy_to
from tinynet.compiler.recorded import Recorded
from tinynet.compiler.recorder import Recorder
from tinynet.compiler.signature import SHARED_ARGUMENT, is_array, objects_in
from tinynet.compiler.surroundings import SurroundingArrays, generator_of, values_around
from tinynet.compiler.undo import Undo
from tinynet.errors import RecordingError
from tinynet.mode import MODE, Mode
from tinynet.random import watched
from tinynet.tensor import Tensor
from tinynet.trees import leaves, mapped

__all__ = ["HandOver", "Recording", "record"]


class HandOver:
    """Gives tensors their gradients.

    Attributes
    ----------
    tensors : list of Tensor
        The tensors, in the order of the arguments.
    pending : bool
        Whether it has yet to be called in a run, for whoever sets it before.
    """

    __name__ = "hand_over_gradients"

    def __init__(self, tensors: list[Any]) -> None:
        self.tensors = tensors
        self.pending = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HandOver)  # what it hands over are its arguments

    def __hash__(self) -> int:
        return hash(HandOver)

    def __call__(self, *gradients: Array) -> None:
        self.pending = False
        for tensor, gradient in zip(self.tensors, gradients):  # noqa: B905
            tensor._grad = gradient


class Recording:
    """A step as it ran once.

    Attributes
    ----------
    program : Program
        The calls, ready to be repeated.
    calls : list of Call
        The calls as they were made.
    result
        What the step returned, with a `Result` in place of each array.
    arguments : list of Buffer
        Where the array arguments are copied, one for each leaf of the arguments that is an array.
    entering : dict
        Tensors whose gradient from before the step takes part, each with the buffer that it is copied to.
    leaving : dict
        Tensors that have another gradient after the step, each with its position among the outputs, or None.
    hand_over : HandOver
        What gives them their gradients, as soon as these are computed.
    without : set of Tensor
        Those that took part and had no gradient before the step.
    undo : Undo
        What the step changed; good until the recording is told to `forget`.
    initial : dict of Buffer to numpy.ndarray
        What arrays that were made in the step by plain NumPy held before recorded calls changed them, where it matters.
    changes : set of int
        The identities of the arrays from outside that the step changes.
    """

    def __init__(self, recorder: Recorder, arguments: list[Buffer], result: Any) -> None:
        self.arguments = arguments
        self.calls: list[Call] = recorder.calls
        self.undo: Undo = recorder.undo
        self.initial: dict[Buffer, Array] = {}
        self.changes: set[int] = set()
        self.hand_over = HandOver([])
        self._guards: dict[Any, Guard] = recorder.guards
        outputs: list[View] = []
        self.result = mapped(lambda x: _result(x, recorder, outputs), result)
        self._write_back(recorder)
        self.entering: dict[Any, Buffer] = {}
        self.leaving: dict[Any, int | None] = {}
        self._gather_gradients(recorder, outputs)
        self.without = {x for x, gradient in self.undo.gradients.items() if gradient is None}
        self.program = Program(self.calls, [*arguments, *self.entering.values()], outputs)

    @property
    def results(self) -> Any:
        """What is returned, and where it lies."""
        return self.result, tuple(self.program.outputs)

    @property
    def guards(self) -> list[Guard]:
        """What the recording holds good for."""
        return list(self._guards.values())

    def _write_back(self, recorder: Recorder) -> None:
        """Values that took the place of a tensor's array are copied into the array that was there."""
        for tensor in self.undo.gradients:
            value = tensor._array
            if type(value) is Recorded:
                original = recorder.original(tensor)
                if value.shape != original.shape or value.dtype != original.dtype:
                    raise RecordingError(
                        f"the step gives a tensor of shape {original.shape} and {original.dtype} an array of shape "
                        f"{value.shape} and {value.dtype}; a compiled step keeps both"
                    )
                tensor._array = original
                recorder.copyto(original, value)

    def _gather_gradients(self, recorder: Recorder, outputs: list[View]) -> None:
        """Find which gradients the step uses and leaves, and put true arrays in their place."""
        read = {view.buffer for call in self.calls for view in call.reads()} | {view.buffer for view in outputs}
        written = {view.buffer for call in self.calls for view in call.out}
        for tensor, before in self.undo.gradients.items():
            entered, now = recorder.entered.get(tensor), tensor._grad
            if entered is not None and entered.place.buffer in read | written:
                self.entering[tensor] = entered.place.buffer
            if now is entered and now is not None and entered.place.buffer not in written:
                tensor._grad = before
            elif now is None:
                if before is not None:
                    self.leaving[tensor] = None
            elif now is not before:
                outputs.append(recorder.lift(now).place)
                self.leaving[tensor] = len(outputs) - 1
                tensor._grad = np.array(recorder.lift(now).array)

    def settle(self, known: set[int]) -> None:
        """Let go of tensors and arrays that were made in the step; call this when nothing refers to the recorder.

        Of arrays that earlier runs used `known` are the identities.
        """
        self._forget_tensors_of_the_step()
        self._hand_over()
        self.initial = settled(self.program.buffers(), self.calls, self.undo.arrays, known)
        self.changes = {id(buffer.array) for buffer in self.undo.arrays}
        self.program = Program(self._filling_first(), self.program.inputs, self.program.outputs)

    def _forget_tensors_of_the_step(self) -> None:
        gradients = self.undo.gradients
        for x in unowned(gradients, (gradients, self.leaving, self.entering, self.without)):
            del gradients[x]
            self._guards = {key: guard for key, guard in self._guards.items() if guard.owner is not x}
            self.leaving.pop(x, None)
            self.without.discard(x)

    def _hand_over(self) -> None:
        """Have the gradients that the step leaves given to their tensors as soon as they are computed."""
        leaving = {tensor: self.program.outputs[i] for tensor, i in self.leaving.items() if i is not None}
        if leaving:
            self.hand_over = HandOver(list(leaving))
            buffers = {view.buffer for view in leaving.values()}
            writes = [i for i, call in enumerate(self.calls) for view in call.out if view.buffer in buffers]
            call = Call(self.hand_over, tuple(leaving.values()), {}, (), kept=True, line="the gradients")
            self.calls.insert(max(writes, default=-1) + 1, call)

    def _filling_first(self) -> list[Call]:
        """The calls, and what arrays of the step held at first is put there before they are used."""
        missing = {
            buffer: Call(copy_to, (Buffer("constant", content).whole,), {}, (buffer.whole,))
            for buffer, content in self.initial.items()
        }
        calls = []
        for call in self.calls:
            for view in (*call.reads(), *call.out) if missing else ():
                if view.buffer in missing:
                    calls.append(missing.pop(view.buffer))
            calls.append(call)
        return calls

    def outcome(self) -> list[Array]:
        """What was computed, as copies: the outputs, then the arrays from outside that were changed."""
        outputs = [view.on(view.buffer.array).copy() for view in self.program.outputs]
        return outputs + [buffer.array.copy() for buffer in self.undo.arrays]

    def names(self) -> list[str]:
        """What the arrays of the outcome are, in a person's words."""
        names = [f"the output{path}" for path, x in leaves(self.result) if type(x) is Result]
        names += ["a gradient"] * (len(self.program.outputs) - len(names))
        return names + [f"an array of shape {buffer.array.shape} that the step changes" for buffer in self.undo.arrays]

    def forget(self) -> None:
        """Let go of the values that were computed, which the program does not need."""
        self.undo.forget()
        for buffer in self.program.buffers():
            if buffer.kind in ("inside", "input"):
                buffer.array = np.empty_like(buffer.array)


def _result(x: Any, recorder: Recorder, outputs: list[View]) -> Any:
    """A leaf of what a step returns: an array becomes one of the outputs."""
    if isinstance(x, Iterator):
        raise RecordingError(
            f"the step returns a {type(x).__name__}, which goes on running after it; a compiled step returns arrays, "
            "tensors, numbers, and containers of them"
        )
    if isinstance(x, Coroutine):
        x.close()
        raise RecordingError("the step is an async function, which has not run when it returns; compile what it awaits")
    array = x._array if isinstance(x, Tensor) else x
    if isinstance(x, Tensor) and x.requires_grad and x.is_leaf:
        return x
    if isinstance(x, Tensor) and getattr(x._node, "operands", None) is not None:
        raise RecordingError(
            "the step returns a tensor with a graph, which a replay does not build; return t.detach(), call backward() "
            "within the step, or compile the step under tn.no_grad()"
        )
    kind: type = Tensor if isinstance(x, Tensor) else np.ndarray
    if isinstance(array, np.generic) or (array is x and getattr(array, "is_scalar", False)):
        kind = np.generic
    if isinstance(array, np.ndarray | np.generic):
        array = recorder.lift(np.asarray(array))
    if type(array) is Recorded:
        outputs.append(array.place)
        return Result(len(outputs) - 1, kind)
    if any(type(getattr(value, "_array", value)) is Recorded for _, value in leaves(attributes(x))):
        raise RecordingError(
            f"the step returns a {type(x).__name__}, which holds arrays, and a replay would not make another one; return "
            "arrays, tensors and numbers, singly or in tuples, lists and dicts"
        )
    return x


def record(
    step: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], earlier: Iterable[Recording] = ()
) -> Recording:
    """Run a step with recorded arrays in place of its array arguments.

    Parameters
    ----------
    step : callable
        The step.
    args, kwargs
        What it is called with.
    earlier : iterable of Recording
        Of runs with the same kind of arguments, so that arrays which change without being seen are found out.

    Raises
    ------
    RecordingError
        If the step does what a record of calls cannot repeat. Arrays, gradients and generators are as they were before it then.
    """
    known = [buffer.array for recording in earlier for buffer in recording.program.buffers() if buffer.kind == "outside"]
    with watched() as draws:
        undo = Undo(draws)
        recorder = Recorder(undo, known)
        made = recorder.made
        try:
            recording = _recorded(step, args, kwargs, recorder)
            del recorder
            _refuse_kept(made)
        except RecordingError:
            undo.rewind()
            undo.others.rewind()
            raise
    recording.settle(set(map(id, known)))
    return recording


def _recorded(step: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], recorder: Recorder) -> Recording:
    arguments: list[Buffer] = []
    tensors: list[tuple[Tensor, Any]] = []
    roots: list[Array] = []

    def taken(x: Any) -> Any:
        if not is_array(x):
            return x
        true = x._array if isinstance(x, Tensor) else x if isinstance(x, np.ndarray) else np.asarray(x)
        array = recorder.argument(true)
        arguments.append(array.place.buffer)
        roots.append(root_of(true))
        if not isinstance(x, Tensor):
            return array
        tensors.append((_twin(x, array), array))
        return tensors[-1][0]

    for owner in objects_in((args, kwargs)):
        recorder.depends(owner)
    _look_around(step, args, kwargs, recorder)
    token = MODE.set(Mode(MODE.get().grad, recorder))
    try:
        result = step(*mapped(taken, args), **mapped(taken, kwargs))
        if any(x._array is not array or x._node is not None or x._grad is not None for x, array in tensors):
            raise RecordingError(
                "the step sets requires_grad, .grad or .data of an argument, which a replay would not do to the caller's "
                "tensor; make a tensor of your own of it with .detach()"
            )
        if any(buffer.array is root for buffer in recorder.undo.arrays for root in roots):
            raise RecordingError(SHARED_ARGUMENT)
        recorder.watch.check_all()
        recorder.refuse_any_other_draws()
        return Recording(recorder, arguments, result)
    except BaseException:
        released([x for x in (reference() for reference in recorder.made) if x is not None])
        raise
    finally:
        MODE.reset(token)
        _unwrap(recorder)


def _look_around(step: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], recorder: Recorder) -> None:
    """Have the recorder know of the arrays that the code of a step refers to, and of generators that it may draw from."""
    around = values_around(step)
    arrays = [(place, x) for place, x in around if isinstance(x, Tensor | np.ndarray)]
    if arrays:
        recorder.guards[SurroundingArrays] = SurroundingArrays(arrays)
    for _, x in (*around, *leaves((args, kwargs))):
        generator = generator_of(x)
        if generator is not None:
            recorder.undo.draws.note(generator, is_default=False)


def _twin(x: Tensor, array: Any) -> Tensor:
    """A tensor of the same class with another array."""
    twin = object.__new__(type(x))
    for name, value in attributes(x).items():
        object.__setattr__(twin, name, value)
    twin._array, twin._grad = array, None
    return twin


def _unwrap(recorder: Recorder) -> None:
    """Leave no recorded array in a tensor, whatever happened."""
    for tensor in recorder.undo.gradients:
        if type(tensor._grad) is Recorded:
            tensor._grad = tensor._grad.array
        if type(tensor._array) is Recorded:
            tensor._array = tensor._array.array
    recorder.entered.clear()


def _refuse_kept(made: list[Any]) -> None:
    for pause in (0.001, 0.01, 0.1):  # a thread that looks at this one's frames, as a profiler does, holds what was in them
        if all(reference() is None for reference in made):
            return
        sleep(pause)
    kept = [x for x in (reference() for reference in made) if x is not None]
    if kept:
        shapes = ", ".join(str(x.shape) for x in kept[:3])
        released(kept)
        raise RecordingError(
            f"the step keeps {len(kept)} array(s) outside of itself, of shape {shapes} (a list it appends to, an attribute it "
            "sets), which a replay would not do again; return them"
        )
