"""What a refused step kept is given back as true arrays, wherever it was put."""

import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import RecordingError


class Plain:
    pass


class Slotted:
    __slots__ = ("last",)


@dataclass(frozen=True)
class Frozen:
    last: Any


def attribute(kind):
    def keep(place, y):
        place.append(kind())
        place[0].last = y

    return keep, lambda place: place[0].last


KEEP = {
    "an attribute": attribute(Plain),
    "a slot": attribute(Slotted),
    "a frozen dataclass": (lambda place, y: place.append(Frozen(y)), lambda place: place[0].last),
    "a list": (lambda place, y: place.append([1, y]), lambda place: place[0][1]),
    "a deque": (lambda place, y: place.append(deque([1, y], 2)), lambda place: place[0][1]),
    "a dict": (lambda place, y: place.append({"last": y}), lambda place: place[0]["last"]),
    "a closure": (lambda place, y: place.append(lambda: y), lambda place: place[0]()),
}


@pytest.mark.parametrize("name", KEEP)
def test_what_is_kept_becomes_a_true_array(name):
    keep, kept = KEEP[name]
    place = []
    step = tn.compile(lambda x: keep(place, x * 2))
    with pytest.raises(RecordingError, match="keeps 1 array"):
        step(np.arange(3.0))
    assert type(kept(place)) is np.ndarray
    np.testing.assert_array_equal(kept(place), 2 * np.arange(3.0))


def test_what_a_profiler_looks_at_is_not_kept():
    def look(frame):
        time.sleep(0.02)

    @tn.compile
    def step(x):
        y = x * 2
        threading.Thread(target=look, args=(sys._getframe(),)).start()  # and with the frame it holds y
        return y + 1

    for _ in range(2):
        np.testing.assert_array_equal(step(np.arange(3.0)), 2 * np.arange(3.0) + 1)
