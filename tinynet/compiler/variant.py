"""A recording for one kind of arguments, ready to be run with other values."""

from typing import Any

import numpy as np

from tinynet.compiler.outcomes import Result
from tinynet.compiler.passes import optimized
from tinynet.compiler.places import root_of
from tinynet.compiler.program import Array, Program
from tinynet.compiler.recording import Recording
from tinynet.compiler.replay import Replay
from tinynet.compiler.signature import SHARED_ARGUMENT
from tinynet.dtypes import get_default_dtype
from tinynet.errors import RecordingError
from tinynet.mode import MODE
from tinynet.revision import REVISION
from tinynet.tensor import Tensor
from tinynet.trees import mapped

__all__ = ["Variant", "entering_kinds"]


class Variant:
    """A recording, its replay, and what must hold for it to be used.

    Parameters
    ----------
    recording : Recording
        What is replayed.
    args : tuple, optional
        The positional arguments, where there were no others.
    program : Program, optional
        What is replayed in place of the optimised program.

    Attributes
    ----------
    grad : bool
        Whether graphs were built.
    dtype : numpy.dtype
        The default dtype.
    ready : bool
        Whether the step was seen to repeat itself.
    period : int
        When it was used last; see `Compiled.renew`.
    """

    def __init__(self, recording: Recording, args: tuple[Any, ...] | None, program: Program | None = None) -> None:
        self.recording = recording
        self.grad = MODE.get().grad
        self.dtype = get_default_dtype()
        self.ready = False
        self.period = -1
        self.replay = Replay(program or optimized(recording.program))
        flat = args is not None and all(type(x) in (np.ndarray, Tensor) for x in args) and len(args) == len(recording.arguments)
        self._expected = [(type(x), x.shape, x.dtype) for x in args or ()] if flat else None
        self._changes = recording.changes
        self._unannounced = [guard for guard in recording.guards if not guard.is_announced]
        self._revision = -1
        self._without = list(recording.without)  # these must have no gradient before the step
        count = len(recording.arguments)
        self._places = self.replay.inputs[:count]
        self._entering = list(zip(recording.entering, self.replay.inputs[count:], strict=True))
        self._cleared = [tensor for tensor, position in recording.leaving.items() if position is None]
        self._hand_over = recording.hand_over
        self._result = recording.result
        self._outputs = self.replay.outputs

    def arrays(self, args: tuple[Any, ...]) -> list[Any] | None:
        """The arrays of arguments that are plain arrays and tensors of the kind that was recorded; None for others."""
        expected = self._expected
        if expected is None or len(args) != len(expected):
            return None
        arrays = []
        for x, (kind, shape, dtype) in zip(args, expected):  # noqa: B905
            if type(x) is not kind:
                return None
            if kind is Tensor:
                if x._node is not None:
                    return None
                x = x._array
            if x.shape != shape or x.dtype is not dtype:
                return None
            arrays.append(x)
        return arrays

    def confirm(self, recording: Recording, had: set[Any]) -> None:
        """Another run of the step did the same, although, or because, these tensors had a gradient before it."""
        indifferent = had - recording.entering.keys()
        self._cleared += [x for x in self._without if x in indifferent and x._grad is None]
        self._without = [x for x in self._without if x not in indifferent]

    def holds(self) -> bool:
        """Whether it may be run: what the recording depends on is as it was, gradients from before the step among it."""
        if not self.ready or ((self._revision != REVISION.number or self._unannounced) and not self.stands()):
            return False
        if self._without and any(x._grad is not None for x in self._without):
            return False
        return not self._entering or all(_is_like(x._grad, place) for x, place in self._entering)

    def stands(self) -> bool:
        """Whether what the recording depends on is as it was, but for gradients."""
        revision = REVISION.number  # read first: what changes meanwhile is looked at the next time
        if self._revision == revision:
            return all(guard.still_holds() for guard in self._unannounced)
        if not all(guard.holds() for guard in self.recording.guards):
            return False
        self._revision = revision
        return True

    def changed(self) -> str:
        """What the recording depends on and is another now."""
        return ", ".join(guard.described() for guard in self.recording.guards if not guard.holds())

    def run(self, arrays: list[Any]) -> Any:
        """Replay with new arguments, one for each that is an array."""
        changes = self._changes
        for place, x in zip(self._places, arrays):  # noqa: B905
            if changes and id(x if x.base is None else root_of(x)) in changes:
                raise RecordingError(SHARED_ARGUMENT)
            place[()] = x
        for tensor, place in self._entering:
            place[()] = tensor._grad
        for tensor in self._cleared:
            tensor._grad = None
        hand_over = self._hand_over
        hand_over.pending = True
        try:
            self.replay()
        except BaseException:
            if hand_over.pending:
                self._take_back()
            raise
        result = self._result
        return result.of(self._outputs[result.position]) if type(result) is Result else mapped(self._leaf, result)

    def _take_back(self) -> None:
        """Have no tensor keep a gradient of the run before, which is half overwritten: where one entered, put that back."""
        entered = dict(self._entering)
        for tensor in self._hand_over.tensors:
            if tensor not in entered:
                tensor._grad = None
            elif any(tensor._grad is array for array in self.replay.outputs):
                tensor._grad = entered[tensor].copy()

    def _leaf(self, x: Any) -> Any:
        return x.of(self._outputs[x.position]) if type(x) is Result else x

    def outcome(self, recording: Recording) -> list[Array]:
        """What the last run computed, in the order of the `Recording.outcome` of an equal recording."""
        return [x.copy() for x in self.replay.outputs] + [buffer.array.copy() for buffer in recording.undo.arrays]


def entering_kinds(recording: Recording) -> dict[Any, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Of each gradient from before the step that takes part the shape and the dtype."""
    return {tensor: (buffer.array.shape, buffer.array.dtype) for tensor, buffer in recording.entering.items()}


def _is_like(gradient: Any, place: Array) -> bool:
    return gradient is not None and gradient.shape == place.shape and gradient.dtype == place.dtype
