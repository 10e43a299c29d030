"""The mode in which operations run: whether they build a graph, and who writes down the NumPy calls, if somebody does.

One context variable holds both, so that threads and coroutines do not disturb each other. A recorder is the compiler's
(`tinynet.compiler`); the rest of the library knows five things to do with it, which cost nothing where there is none:
`lifted` makes a step's own arrays visible to it, `meet` the gradients of tensors, `unrecorded` is for what happens once,
`depends` names what the record holds good for, and `effect` stands for Python code that is to run again at each replay.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

__all__ = ["MODE", "Mode", "depends", "effect", "lifted", "meet", "unrecorded"]


class Mode(NamedTuple):
    """Whether operations on tensors are recorded in the graph, and the recorder of NumPy calls."""

    grad: bool
    recorder: Any


_EAGER = Mode(grad=True, recorder=None)
MODE: ContextVar[Mode] = ContextVar("tinynet_mode", default=_EAGER)


def lifted(arrays: Any) -> Any:
    """An array, or arrays in tuples, lists and dicts: as they are, or as the recorder's arrays that stand for them.

    Calls on arrays that the recorder does not see are not replayed; what keeps arrays of its own between steps (an
    optimizer its vectors) lifts them at each step.
    """
    recorder = MODE.get()[1]
    return arrays if recorder is None else _lifted(arrays, recorder)


def _lifted(x: Any, recorder: Any) -> Any:
    if isinstance(x, np.ndarray | np.generic):
        return recorder.lift(np.asarray(x))
    if type(x) in (tuple, list):
        return type(x)(_lifted(item, recorder) for item in x)
    return {key: _lifted(item, recorder) for key, item in x.items()} if type(x) is dict else x


def meet(tensors: Iterable[Any]) -> None:
    """Tell the recorder of tensors, before their gradients are used or cleared."""
    recorder = MODE.get()[1]
    if recorder is not None:
        for tensor in tensors:
            recorder.tensor(tensor)


@contextmanager
def unrecorded() -> Iterator[None]:
    """Within, calls are not written down: what is arranged here once is there when a replay comes."""
    token = MODE.set(Mode(MODE.get().grad, None))
    try:
        yield
    finally:
        MODE.reset(token)


def depends(owner: Any, *names: str) -> None:
    """Tell the recorder that what is recorded holds good for the present values of attributes, all of them unless named.

    Whoever changes one of them calls `tinynet.revision.revised`.
    """
    recorder = MODE.get()[1]
    if recorder is not None:
        recorder.depends(owner, *names)


def effect(function: Callable[[], Any], writes: Iterable[Any]) -> None:
    """Call a function now and at each replay; `writes` are the arrays that it changes."""
    recorder = MODE.get()[1]
    if recorder is None:
        function()
    else:
        recorder.effect(function, writes)
