"""A recording for one kind of arguments, ready to be run with other values."""

from typing import Any

import numpy as np

from tinynet.compiler.passes import optimized
from tinynet.compiler.recorder import root_of
from tinynet.compiler.recording import Recording, Result
from tinynet.compiler.replay import Replay
from tinynet.dtypes import get_default_dtype
from tinynet.errors import RecordingError
from tinynet.mode import MODE, REVISION
from tinynet.tensor import Tensor
from tinynet.trees import mapped

__all__ = ["Variant"]


class Variant:
    """A recording, its replay, and what must hold for it to be used.

    Parameters
    ----------
    recording : Recording
        What is replayed.
    args : tuple, optional
        The positional arguments, where there were no others.

    Attributes
    ----------
    grad : bool
        Whether graphs were built.
    dtype : numpy.dtype
        The default dtype.
    ready : bool
        Whether the step was seen to repeat itself.
    """

    def __init__(self, recording: Recording, args: tuple[Any, ...] | None) -> None:
        self.recording = recording
        self.grad = MODE.get().grad
        self.dtype = get_default_dtype()
        self.ready = False
        self._without = [x for x, gradient in recording.met.items() if gradient is None]  # these must have none before the step
        self.replay = Replay(optimized(recording.program))
        self._fill = [array.__setitem__ for array in self.replay.inputs]
        flat = args is not None and all(type(x) in (np.ndarray, Tensor) for x in args) and len(args) == len(recording.arguments)
        self._expected = [(type(x), x.shape, x.dtype) for x in args or ()] if flat else None
        leaving, entering = recording.leaving, recording.entering
        self._cleared = [tensor for tensor, position in leaving.items() if position is None or tensor not in entering]
        self._unannounced = [snapshot for snapshot in recording.owners if not snapshot.is_announced]
        self._single = recording.result if type(recording.result) is Result else None
        self._revision = -1

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
        return self.apart(arrays)

    def apart(self, arrays: list[Any]) -> list[Any]:
        """The arrays, if the step changes none of them: it works on copies."""
        for x in arrays:
            if id(x if x.base is None else root_of(x)) in self.recording.changes:
                raise RecordingError(
                    "an argument of the step shares memory with an array that the step changes (a weight, a state), and a "
                    "replay works on a copy of each argument; let the step use that array itself, or give it a copy"
                )
        return arrays

    def confirm(self, had: set[Any], ready: bool) -> None:
        """The step was seen to repeat itself, whether or not these tensors had a gradient before it."""
        self._cleared += [x for x in self._without if x in had and x.grad is None]
        self._without = [x for x in self._without if x not in had]
        self.ready = ready

    def holds(self) -> bool:
        """Whether what the recording depends on is as it was, gradients from before the step among it."""
        recording = self.recording
        revision = REVISION.number  # read first: what changes meanwhile is looked at the next time
        if self._revision != revision:
            if not all(snapshot.holds() for snapshot in recording.owners):
                return False
            self._revision = revision
        if self._unannounced and not all(snapshot.holds() for snapshot in self._unannounced):
            return False
        if not self.ready:
            return True
        if self._without and any(x.grad is not None for x in self._without):
            return False
        return not recording.entering or all(x.grad is not None for x in recording.entering)

    def changed(self) -> str:
        """What the recording depends on and is another now."""
        return ", ".join(x.described() for x in self.recording.owners if not x.holds())

    def run(self, arrays: list[Any]) -> Any:
        """Replay with new arguments, one for each that is an array."""
        entering = self.recording.entering
        if entering:
            arrays = [*arrays, *(tensor.grad for tensor in entering)]
        for fill, x in zip(self._fill, arrays):  # noqa: B905
            fill((), x)
        for tensor in self._cleared:
            tensor.grad = None  # until the program hands over the new one
        self.replay()
        return self._result(self._single) if self._single is not None else mapped(self._result, self.recording.result)

    def _result(self, x: Any) -> Any:
        return x.of(self.replay.outputs[x.position]) if type(x) is Result else x

    def outcome(self, recording: Recording) -> list[Any]:
        """What the last run computed, in the order of the `Recording.outcome` of an equal recording."""
        return [x.copy() for x in self.replay.outputs] + [buffer.array.copy() for buffer in recording.before]
