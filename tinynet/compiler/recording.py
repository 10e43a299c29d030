"""One run of a step under the recorder, and what is needed to repeat it: the program, its results, and what it depends on."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tinynet.compiler.guards import Snapshot
from tinynet.compiler.kept import released
from tinynet.compiler.program import Array, Buffer, Call, Program, View, copy_to
from tinynet.compiler.recorded import Recorded
from tinynet.compiler.recorder import Recorder, root_of
from tinynet.compiler.repeats import difference
from tinynet.compiler.signature import is_array, objects_in
from tinynet.errors import RecordingError
from tinynet.mode import MODE, Mode, is_constant
from tinynet.random import Draws, watched
from tinynet.tensor import Tensor, wrap
from tinynet.trees import leaves, mapped

__all__ = ["Recording", "Result", "record"]


class Result:
    """A leaf of what a step returns: the position of its value among the program's outputs, and of what type it is.

    The type is `Tensor`, `numpy.ndarray`, or `numpy.generic` for one of NumPy's scalars.
    """

    __slots__ = ("kind", "position")

    def __init__(self, position: int, kind: type) -> None:
        self.position = position
        self.kind = kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and (self.position, self.kind) == (other.position, other.kind)

    __hash__ = None  # type: ignore[assignment]

    def of(self, array: Array) -> Any:
        """The output as the caller gets it: a copy."""
        if self.kind is np.generic:
            return array[()]
        return wrap(array.copy(), None) if self.kind is Tensor else array.copy()


class HandOver:
    """Gives tensors their gradients, which lie among the outputs from a position on."""

    __name__ = "hand_over_gradients"

    def __init__(self, leaving: dict[Any, int | None], first: int) -> None:
        self._leaving = leaving
        self._first = first

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HandOver)  # what it hands over are its arguments

    def __hash__(self) -> int:
        return hash(HandOver)

    def __call__(self, *gradients: Array) -> None:
        for tensor, position in self._leaving.items():
            if position is not None:
                tensor.grad = gradients[position - self._first]


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
    met : dict
        All tensors from outside that took part, each with the gradient that it had when it was first used; when this
        recording has been told to `forget`, with whether it had one.
    before : dict of Buffer to numpy.ndarray
        What arrays from outside held before the step changed them.
    initial : dict of Buffer to numpy.ndarray
        The same of arrays that were made in the step by plain NumPy, where it matters.
    changes : set of int
        The identities of the arrays from outside that the step changes.
    draws : Draws
        The generators that were used, and the states that they were in.
    """

    def __init__(self, recorder: Recorder, arguments: list[Buffer], result: Any) -> None:
        self.draws: Draws = recorder.draws
        self.arguments = arguments
        self.calls: list[Call] = recorder.calls
        self._owners: dict[int, Snapshot] = recorder.owners
        self.before: dict[Buffer, Array] = recorder.before
        self.initial: dict[Buffer, Array] = {}
        self._actors = recorder.actors
        outputs: list[View] = []

        def taken(x: Any) -> Any:
            if isinstance(x, Iterator):
                raise RecordingError(
                    f"the step returns a {type(x).__name__}, which goes on running after it; a compiled step returns arrays, "
                    "tensors, numbers, and containers of them"
                )
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
            if type(array) is not Recorded:
                return x
            outputs.append(array.place)
            return Result(len(outputs) - 1, kind)

        self.result = mapped(taken, result)
        self._write_back(recorder)
        self.entering: dict[Any, Buffer] = {}
        self.leaving: dict[Any, int | None] = {}
        self._gather_gradients(recorder, outputs)
        self._hand_over(outputs)
        self.met = dict(recorder.tensors)
        self.program = Program(self.calls, [*arguments, *self.entering.values()], outputs)

    @property
    def results(self) -> Any:
        """What is returned, and where it lies."""
        return self.result, tuple(self.program.outputs)

    def _gather_gradients(self, recorder: Recorder, outputs: list[View]) -> None:
        """Find which gradients the step uses and leaves, and put true arrays in their place."""
        read = {view.buffer for call in self.calls for view in call.reads()} | {view.buffer for view in outputs}
        written = {view.buffer for call in self.calls for view in call.out}
        for tensor, before in recorder.tensors.items():
            entered, now = recorder.gradients.get(tensor), tensor.grad
            if entered is not None and entered.place.buffer in read | written:
                self.entering[tensor] = entered.place.buffer
            if now is entered and now is not None and entered.place.buffer not in written:
                tensor.grad = before
            elif now is None:
                if before is not None:
                    self.leaving[tensor] = None
            elif now is not before:
                outputs.append(recorder.lift(now).place)
                self.leaving[tensor] = len(outputs) - 1
                tensor.grad = np.array(recorder.lift(now).array)

    def _hand_over(self, outputs: list[View]) -> None:
        """Have the gradients that the step leaves given to their tensors as soon as they are computed."""
        positions = [position for position in self.leaving.values() if position is not None]
        if positions:
            views = tuple(outputs[position] for position in positions)
            buffers = {view.buffer for view in views}
            writes = [i for i, call in enumerate(self.calls) for view in call.out if view.buffer in buffers]
            call = Call(HandOver(self.leaving, positions[0]), views, {}, (), kept=True, line="the gradients")
            self.calls.insert(max(writes, default=-1) + 1, call)

    def _write_back(self, recorder: Recorder) -> None:
        """Values that took the place of a tensor's array are copied into the array that was there."""
        for tensor in recorder.tensors:
            value = tensor._array
            if type(value) is Recorded:
                original = recorder.owners[id(tensor)].value("_array")
                if value.shape != original.shape or value.dtype != original.dtype:
                    raise RecordingError(
                        f"the step gives a tensor of shape {original.shape} and {original.dtype} an array of shape "
                        f"{value.shape} and {value.dtype}; a compiled step keeps both"
                    )
                tensor._array = original
                recorder.copyto(original, value)

    @property
    def owners(self) -> list[Snapshot]:
        """What the recording holds good for."""
        return list(self._owners.values())

    def forget_tensors_of_the_step(self) -> None:
        """Let go of tensors that were made in the step; call this when nothing refers to the recorder."""
        for x in list(self.met):
            own = 3 + (x in self.leaving) + (x in self.entering)  # the list's, in `met`, and that of the snapshot
            if sys.getrefcount(x) - own <= _UNOWNED:
                del self.met[x], self._owners[id(x)]
                self.leaving.pop(x, None)

    def settle(self, known: set[int]) -> None:
        """Tell arrays that were made in the step from those that were there; call this when nothing refers to the recorder.

        Nobody else holds the former, and no earlier run used them, of whose arrays `known` are the identities. They are
        constants, or if the step writes to them, what they held is put there anew in each replay.
        """
        read_first = _read_first(self.calls)
        for buffer in self.program.buffers():
            if buffer.kind != "outside":
                continue
            of_the_step = id(buffer.array) not in known and buffer.array.base is None and _references(buffer) <= _OWN_REFERENCES
            if buffer not in self.before:
                if of_the_step or is_constant(buffer.array):
                    buffer.kind = "constant"
            elif of_the_step:
                buffer.kind = "inside"
                content = self.before.pop(buffer)
                if buffer in read_first:
                    self.initial[buffer] = content
        self.changes = {id(buffer.array) for buffer in self.before}
        self.program = Program(self._filling_first(), self.program.inputs, self.program.outputs)

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

    def rewind(self) -> None:
        """Put back what the step changed: arrays from outside, gradients, and generators."""
        rewind(self.before, self.met, self._actors, self.draws)

    def difference(self, other: "Recording") -> str:
        """In what another run of the same step differs, as a sentence; empty if it can be repeated."""
        return difference(self, other)

    def outcome(self) -> list[Array]:
        """What was computed, as copies: the outputs, then the arrays from outside that were changed."""
        return [view.on(view.buffer.array).copy() for view in self.program.outputs] + [x.array.copy() for x in self.before]

    def compared(self, truth: list[Array], replayed: list[Array]) -> tuple[str, float]:
        """How far two outcomes differ at most, relative to the norm of each array, and the first place that does too much."""
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
        recorder = Recorder(draws, known)
        before, met, actors, made = recorder.before, recorder.tensors, recorder.actors, recorder.made
        try:
            recording = _recorded(step, args, kwargs, recorder)
            del recorder
            _refuse_kept(made)
        except RecordingError:
            rewind(before, met, actors, draws)
            raise
    del met
    recording.forget_tensors_of_the_step()
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
        tensors.append((wrap(array, None), array))
        return tensors[-1][0]

    for owner in objects_in((args, kwargs)):
        recorder.depends(owner)
    token = MODE.set(Mode(MODE.get().grad, recorder))
    try:
        result = step(*mapped(taken, args), **mapped(taken, kwargs))
        if any(x._array is not array or x._node is not None or x.grad is not None for x, array in tensors):
            raise RecordingError(
                "the step sets requires_grad, .grad or .data of an argument, which a replay would not do to the caller's "
                "tensor; make a tensor of your own of it with .detach()"
            )
        if any(buffer.array is root for buffer in recorder.before for root in roots):
            raise RecordingError(
                "an argument of the step shares memory with an array that the step changes (a weight, a state), and a replay "
                "works on a copy of each argument; let the step use that array itself, or give it a copy"
            )
        recorder.watch.check_all()
        recorder.refuse_other_draws()
        return Recording(recorder, arguments, result)
    except BaseException:
        released([x for x in (reference() for reference in recorder.made) if x is not None])
        raise
    finally:
        MODE.reset(token)
        _unwrap(recorder)


def rewind(before: dict[Buffer, Array], met: dict[Any, Any], actors: dict[int, Any], draws: Draws) -> None:
    """Put back what arrays from outside held, the gradients of tensors, attributes, and the states of generators."""
    for buffer, content in before.items():
        buffer.array[...] = content
    for tensor, gradient in met.items():
        tensor.grad = gradient
    for actor, attributes in actors.values():
        vars(actor).update(attributes)
    for generator, state in draws.states.items():
        generator.bit_generator.state = state


def _unwrap(recorder: Recorder) -> None:
    """Leave no recorded array in a tensor, whatever happened."""
    for tensor in recorder.tensors:
        if type(tensor.grad) is Recorded:
            tensor.grad = tensor.grad.array
        if type(tensor._array) is Recorded:
            tensor._array = tensor._array.array
    recorder.gradients.clear()


def _refuse_kept(made: list[Any]) -> None:
    kept = [x for x in (reference() for reference in made) if x is not None]
    if kept:
        shapes = ", ".join(str(x.shape) for x in kept[:3])
        released(kept)
        raise RecordingError(
            f"the step keeps {len(kept)} array(s) outside of itself, of shape {shapes} (a list it appends to, an attribute it "
            "sets), which a replay would not do again; return them"
        )


def _read_first(calls: list[Call]) -> set[Buffer]:
    """The buffers of which a part is read, or left as it is, by the first call that has to do with them."""
    found: dict[Buffer, bool] = {}
    for call in calls:
        for view in call.reads():
            found.setdefault(view.buffer, True)
        for view in call.out:
            found.setdefault(view.buffer, not view.is_whole)
    return {buffer for buffer, read in found.items() if read}


def _unowned() -> int:
    """How many references there are to a variable's value that nobody holds, as they are counted."""
    for x in [object()]:
        count = sys.getrefcount(x) - 1
    return count


_UNOWNED = _unowned()


def _references(buffer: Buffer) -> int:
    return sys.getrefcount(buffer.array)


_OWN_REFERENCES = _references(Buffer("inside", np.empty(0)))
"""How many references there are to an array that only its buffer holds."""


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
