"""Threads that help with large arrays: NumPy releases the interpreter lock while it computes.

As many as the process may use processors, and no more than ``OMP_NUM_THREADS``, which NumPy's BLAS obeys too; the environment
variable ``TINYNET_THREADS`` says it for tinynet alone. They are made when they are first needed, and wait for work ever after.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any

__all__ = ["Bound", "make", "thread_count", "together"]

Bound = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function and what it is called with."""


def make(calls: Iterable[Bound]) -> None:
    """Make calls in order."""
    for function, arguments in calls:
        function(*arguments)


SHARE = 131072
"""How many elements of each array a thread must have for its work to pay."""


def thread_count(size: int) -> int:
    """How many threads share the work on arrays of so many elements, the calling one included."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = _number("TINYNET_THREADS") or min(usable, _number("OMP_NUM_THREADS") or usable)
    return max(1, min(allowed, size // SHARE))


def together(shares: Sequence[Sequence[Bound]]) -> None:
    """Make lists of calls at the same time, the first in this thread; return when all are done.

    What a call raises is raised here, and so is what interrupts it (Ctrl-C): when no thread writes to an array any more. The
    calls run under the caller's context, to which `numpy.errstate` belongs.
    """
    ends: list[BaseException | None] = []
    news: SimpleQueue[None] = SimpleQueue()
    given: list[None] = []
    _HELPERS.grow(len(shares) - 1)
    tasks = [(copy_context(), share, ends, news) for share in shares[1:]]
    try:
        given.extend(map(_HELPERS.tasks.put, tasks))  # in one call: an interruption finds all of them given, or none
        make(shares[0])
    finally:
        _wait(ends, len(given), news)
    for failure in ends:
        if failure is not None:
            raise failure


def _wait(ends: list[BaseException | None], count: int, news: SimpleQueue[None]) -> None:
    """Return when so many shares have ended, however often the waiting is interrupted.

    The ends are counted, not the news of them, of which an interruption may take one along.
    """
    try:
        while len(ends) < count:
            news.get()
    except BaseException:
        _wait(ends, count, news)
        raise


class _Helpers:
    """The threads, and the queue that they take their work from."""

    def __init__(self) -> None:
        self.tasks: SimpleQueue[Any] = SimpleQueue()
        self._count = 0

    def grow(self, count: int) -> None:
        """Be at least so many."""
        while self._count < count:
            Thread(target=_work, args=(self.tasks,), name="tinynet", daemon=True).start()
            self._count += 1


def _work(tasks: SimpleQueue[Any]) -> None:
    while True:
        context, calls, ends, news = tasks.get()
        failure = None
        try:
            context.run(make, calls)
        except BaseException as error:
            failure = error
        ends.append(failure)
        news.put(None)
        del context, calls, ends, news, failure  # they hold the memory of a program


def _number(name: str) -> int:
    """A count in an environment variable; 0 if there is none. OpenMP allows a list, of which the first counts."""
    text = os.environ.get(name, "").split(",")[0].strip()
    return int(text) if text.isdecimal() else 0


_HELPERS = _Helpers()


def _after_fork() -> None:
    """Threads do not live on in the child process."""
    global _HELPERS
    _HELPERS = _Helpers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
