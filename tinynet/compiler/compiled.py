"""`tn.compile`: a step that is recorded once for each kind of arguments, and replayed."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numpy as np

from tinynet.compiler.passes import optimized
from tinynet.compiler.recording import Recording, Result, is_array, record
from tinynet.compiler.replay import Replay
from tinynet.dtypes import get_default_dtype
from tinynet.errors import RecordingError
from tinynet.mode import MODE, REVISION
from tinynet.tensor import Tensor, wrap
from tinynet.trees import leaves, mapped

__all__ = ["Compiled", "compile"]


class Variant:
    """A recording for one kind of arguments, and its replay."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.replay = Replay(optimized(recording.program))
        self.confirmed = False
        self._revision = -1
        self.holds()

    def holds(self) -> bool:
        """Whether what it depends on is as it was."""
        if self._revision != REVISION.number:
            if not all(snapshot.holds() for snapshot in self.recording.owners):
                return False
            self._revision = REVISION.number
        return True

    def run(self, arrays: list[Any]) -> Any:
        """Replay with new arguments."""
        replay = self.replay
        entering = [tensor.grad for tensor in self.recording.entering]
        for memory, x in zip(replay.inputs, (*arrays, *entering), strict=True):
            memory[...] = x
        replay()
        for tensor, position in self.recording.leaving.items():
            tensor.grad = None if position is None else replay.outputs[position]
        return mapped(self._result, self.recording.result)

    def _result(self, x: Any) -> Any:
        if type(x) is not Result:
            return x
        value = self.replay.outputs[x.position].copy()
        return wrap(value, None) if x.is_tensor else value


class Compiled:
    """What `compile` returns."""

    def __init__(self, step: Callable[..., Any]) -> None:
        update_wrapper(self, step)
        self._step = step
        self._variants: dict[Any, list[Variant]] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if MODE.get().recorder is not None:
            return self._step(*args, **kwargs)
        found = [x for _, x in leaves((args, kwargs))]
        arrays = [x._array if isinstance(x, Tensor) else x for x in found if is_array(x)]
        key = (
            tuple((type(x), x.shape, x.dtype) if is_array(x) else (type(x), x) for x in found),
            tuple(kwargs), MODE.get().grad, get_default_dtype(),
        )
        variants = self._variants.setdefault(key, [])
        for variant in variants:
            if variant.holds():
                if variant.confirmed:
                    return variant.run(arrays)
                break
        else:
            variant = None
        recording = record(self._step, args, kwargs)
        if variant is not None:
            what = variant.recording.difference(recording)
            if what:
                raise RecordingError(f"the step {self.__name__} cannot be repeated as it was recorded: {what}")
            variants.remove(variant)
        new = Variant(recording)
        new.confirmed = variant is not None
        variants.append(new)
        recording.rewind()
        return new.run(arrays)


def compile(step: Callable[..., Any]) -> Compiled:
    """Compile a step."""
    return Compiled(step)
