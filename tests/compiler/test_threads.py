"""Threads that share work: an interruption is raised when none of them computes any more."""

import signal
import threading

import pytest

from tinynet.compiler import threads
from tinynet.compiler.threads import together

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill") or threading.current_thread() is not threading.main_thread(), reason="needs signals"
)


class Stop(Exception):
    pass


@pytest.fixture
def interrupt():
    """A function that interrupts the main thread from another one."""

    def stop(number, frame):
        raise Stop

    before = signal.signal(signal.SIGUSR1, stop)
    yield lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("times", [1, 3])
def test_an_interruption_waits_for_the_helpers(interrupt, times):
    ended = []

    def work(end):
        for _ in range(times):
            interrupt()
            threading.Event().wait(0.05)  # until the signal was handled
        ended.append(end)

    with pytest.raises(Stop):
        together([[], [(work, (1,))], [(threading.Event().wait, (0.3,)), (ended.append, (2,))]])
    assert sorted(ended) == [1, 2]
    together([[], [(ended.append, (3,))]])
    assert ended[-1] == 3


def test_an_interruption_of_the_callers_own_share_waits_too(interrupt):
    begun, ended = threading.Event(), []

    def interrupted():
        begun.wait()
        interrupt()
        threading.Event().wait(5)

    with pytest.raises(Stop):
        together([[(interrupted, ())], [(begun.set, ()), (threading.Event().wait, (0.1,)), (ended.append, (1,))]])
    assert ended == [1]


def test_an_interruption_that_takes_the_news_of_an_end_along(monkeypatch):
    class Queue(threads.SimpleQueue):
        taken = 0

        def get(self, *args):
            item = super().get(*args)
            if item is None:
                Queue.taken += 1
                if Queue.taken == 1:
                    raise Stop
            return item

    monkeypatch.setattr(threads, "SimpleQueue", Queue)
    ended = []
    with pytest.raises(Stop):
        together([[], [(int, ())], [(threading.Event().wait, (0.05,)), (ended.append, (1,))]])
    assert ended == [1] and Queue.taken >= 1
