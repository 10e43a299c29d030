"""The mode in which operations run: whether they build a graph, and who writes down the NumPy calls, if somebody does.

One context variable holds both, so that threads and coroutines do not disturb each other. A recorder is the compiler's
(`tinynet.compiler`); the rest of the library knows five things to do with it, which cost nothing where there is none:
`lifted` makes a step's own arrays visible to it, `meet` the gradients of tensors, `unrecorded` is for what happens once,
`depends` names what the record holds good for, and `effect` stands for Python code that is to run again at each replay.
Or it is a detector (`tinynet.anomaly`), which is told the same and only looks: `is_recording` tells the two apart, and
`noted` has it look after a node of the graph; who is to be told of what is no node is the `detector`.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ContextDecorator, contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

__all__ = ["MODE", "Mode", "Within", "depends", "detector", "effect", "is_recording", "lifted", "meet", "noted", "unrecorded"]

F = TypeVar("F", bound=Callable[..., Any])


class Mode(NamedTuple):
    """Whether operations on tensors are recorded in the graph, and the recorder of NumPy calls."""

    grad: bool
    recorder: Any


_EAGER = Mode(grad=True, recorder=None)
MODE: ContextVar[Mode] = ContextVar("tinynet_mode", default=_EAGER)


class Within(ContextDecorator):
    """The base of the context managers, and decorators of functions, that set the mode; other threads are not disturbed.

    A generator or a coroutine that is decorated runs in that mode, and what drives it does not.
    """

    def __init__(self) -> None:
        self._before: list[Any] = []

    def _recreate_cm(self) -> "Within":
        return type(self)()

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, *_: object) -> None:
        raise NotImplementedError

    def __call__(self, func: F) -> F:
        import inspect  # which is not needed for NumPy, and takes a while to load

        @wraps(func)
        def generator(*args: Any, **kwargs: Any) -> Any:
            return (yield from self._resumed(func(*args, **kwargs)))

        @wraps(func)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with self._recreate_cm():
                return await func(*args, **kwargs)

        if inspect.isasyncgenfunction(func):
            raise TypeError(f"{type(self).__name__} decorates no asynchronous generator; put a with block into it")
        if inspect.iscoroutinefunction(func):
            return cast(F, coroutine)
        return cast(F, generator) if inspect.isgeneratorfunction(func) else super().__call__(func)

    def _resumed(self, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """A generator each part of which runs in the mode; in between, the mode is that of who drives it."""
        resume: Callable[[], Any] = partial(next, generator)
        while True:
            with self._recreate_cm():
                try:
                    value = resume()
                except StopIteration as end:
                    return end.value
            try:
                resume = partial(generator.send, (yield value))
            except BaseException as error:
                resume = partial(generator.throw, error)


def is_recording() -> bool:
    """Whether calls are written down to be replayed, so that Python code runs now and not again."""
    recorder = MODE.get()[1]
    return recorder is not None and recorder.replays


def detector() -> Any:
    """Who looks at operations and writes nothing down, if somebody does."""
    recorder = MODE.get()[1]
    return None if recorder is None or recorder.replays else recorder


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


def noted(rule: Any, operands: Any, params: dict[str, Any], out: Any) -> Any:
    """The rule of a node that is about to be made: its own, or one that a detector put in its place."""
    recorder = MODE.get()[1]
    return rule if recorder is None else recorder.noted(rule, operands, params, out)
