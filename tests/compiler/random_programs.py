"""Programs drawn at random, for the tests of the passes: what a pass makes of them computes the same, bit by bit."""

from contextlib import suppress

import numpy as np
from hypothesis import strategies as st

import tinynet as tn
from tinynet.compiler.recording import record
from tinynet.compiler.replay import Replay
from tinynet.declared import is_scratch
from tinynet.mode import lifted

SHAPE = 3, 4
SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.5, -3.25, 1e-310, 1e308, np.inf, -np.inf, np.nan]
NUMBERS = [0.0, -0.0, 1, 1.0, -1.0, 4.0, 3.0, True]
UNARY = [np.negative, np.abs, np.tanh, np.negative, np.zeros_like, np.ones_like, np.positive]
BINARY = [np.add, np.subtract, np.multiply, np.divide, np.maximum]


def program_of(step, *args):
    """The program of a step that was run once; arrays from outside hold again what they did before."""
    recording = record(step, args, {})
    recording.undo.rewind()
    return recording.program


class Stopped(Exception):
    """A check ended the step."""


@tn.primitive
def check(x):
    """Ends the step where it is the one that is told to."""
    check.left -= 1
    if not check.left:
        raise Stopped


check.left = 0


def outcome(program, *args, runs=2, stop=0):
    """Copies of the outputs, and of what arrays from outside hold, after the program ran; they are put back.

    If the program has so many checks, the one at `stop` (1 is the first) ends the second run.
    """
    outside = [buffer.array for buffer in program.buffers() if buffer.kind == "outside"]
    before = [array.copy() for array in outside]
    replay = Replay(program)
    with np.errstate(all="ignore"), suppress(Stopped):
        for run in range(runs):
            for memory, x in zip(replay.inputs, args, strict=True):
                memory[...] = x
            check.left = stop if run else 0
            replay()
    check.left = 0
    results = [x.copy() for x in replay.outputs]
    held = {id(array): array.copy() for array in outside if not (stop and is_scratch(array))}
    for array, content in zip(outside, before, strict=True):
        array[...] = content
    return results, held


def assert_same_outcome(program, other, *args):
    """Two programs compute the same, to the sign of a zero; an array that only one of them knows is not changed by any.

    Where a check ends them, arrays from outside hold the same.
    """
    checks = sum(call.kept for call in program.calls)
    for stop in range(checks + 1):
        (results, held), (others, also_held) = outcome(program, *args, stop=stop), outcome(other, *args, stop=stop)
        pairs = [(array, also_held[key]) for key, array in held.items() if key in also_held]
        if not stop:
            pairs += zip(results, others, strict=True)
        for x, y in pairs:
            np.testing.assert_array_equal(x, y)
            np.testing.assert_array_equal(np.signbit(x) & ~np.isnan(x), np.signbit(y) & ~np.isnan(y))


class Step:
    """A random step: instructions that each make a value of earlier ones, or change one."""

    def __init__(self, instructions, returned):
        self.instructions = instructions
        self.returned = returned
        self.weight = np.arange(12.0).reshape(SHAPE) - 5
        self.flat = np.arange(24.0)

    def __repr__(self):
        return f"Step({self.instructions}, {self.returned})"

    def __call__(self, x, y):
        weight, flat = lifted((self.weight, self.flat))
        values = [x, y, weight, flat[:12].reshape(SHAPE)]
        own = [weight, flat[12:].reshape(SHAPE)]
        for kind, i, j, k in self.instructions:
            a, b = values[-1 - i % len(values)], values[-1 - j % len(values)]
            mine, number = own[-1 - j % len(own)], NUMBERS[k % len(NUMBERS)]
            if kind == "unary":
                values.append(UNARY[k % len(UNARY)](a))
            elif kind == "binary":
                values.append(BINARY[k % len(BINARY)](a, b))
            elif kind == "number":
                values.append(BINARY[i % len(BINARY)](b, number))
            elif kind == "copy":
                own.append(a.copy())
                values.append(own[-1])
            elif kind == "row copy":
                row = a[i % 3].copy()
                mine[k % 3] = b[j % 3]
                row[k % 4 :] = b[0, k % 4 :]
                values.append(np.multiply(row, b))
            elif kind == "full":
                own.append(np.full_like(a, number, dtype=float))
                values.append(own[-1])
            elif kind == "transposed copy":
                values.append(a.T.copy().T)
            elif kind == "turned copy":
                flat[12:].reshape(SHAPE[::-1])[...] = np.copy(a.T)
            elif kind == "check":
                check(a)
            elif kind == "product":
                values.append(np.dot(np.dot(a, b.T), a))
            elif kind == "sum":
                values.append(np.multiply(np.add.reduce(a, axis=0), b))
            elif kind == "reversed":
                values.append(a[::-1])
            elif kind == "joined":
                values.append(np.concatenate([a, b])[k % 3 : k % 3 + 3])
            elif kind == "gather":
                np.concatenate([a, b], axis=None, out=flat)
            elif kind == "in place":
                BINARY[k % len(BINARY)](mine, a, out=mine)
            elif kind == "store":
                mine[...] = a
            elif kind == "column":
                mine[:, k % 4] = a[i % 3, j % 4]
            else:
                mine[k % 3 : k % 3 + 2] = a[i % 3]
        return [np.positive(values[-1 - i % len(values)]) if i % 2 else values[-1 - i % len(values)] for i in self.returned]


KINDS = [
    "unary", "binary", "number", "copy", "row copy", "full", "transposed copy", "product", "sum", "reversed", "joined",
    "gather", "in place", "store", "column", "rows", "turned copy", "check",
]  # fmt: skip


def arrays():
    numbers = st.sampled_from(SPECIAL) | st.floats(-4, 4, width=16)
    return st.lists(numbers, min_size=12, max_size=12).map(lambda x: np.array(x).reshape(SHAPE))


def steps():
    """Steps that take two arrays, use two from outside and change some."""
    index = st.integers(0, 3) | st.integers(0, 30)
    instructions = st.lists(st.tuples(st.sampled_from(KINDS), index, index, index), min_size=1, max_size=20)
    return st.builds(Step, instructions, st.lists(index, min_size=1, max_size=8))
