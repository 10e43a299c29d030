"""What the recorder cannot repeat is refused with the line that does it: values looked at, arrays changed by plain NumPy."""

import math

import numpy as np
import pytest

import tinynet as tn
from tests.compiler.small_steps import statements, x3
from tinynet.errors import RecordingError


def counter():
    count = [0]

    def next_number():
        count[0] += 1
        return count[0]

    return next_number


def plain_velocity():
    v = np.ones(3)
    return lambda x: statements(np.multiply(v, 0.9, out=v), np.add(v, x, out=v), x * 1)


def chosen_row(choose):
    rows, next_number = np.arange(30.0).reshape(10, 3), counter()
    return lambda x: x * choose(rows, next_number())


def own_generator():
    rng = np.random.default_rng(0)
    return lambda x: x + rng.random(3)


def kept_in_a_list():
    kept = []
    return lambda x: statements(kept.append(x * 2), x)


def kept_in_an_attribute():
    layer = tn.nn.Identity()
    return lambda x: statements(setattr(layer, "last", x * 2), x)


class Thing:
    def __init__(self, x):
        self.x = x


LOOKS, SHAPE, VALUES = "looks at a value", "shape of what .* depends on the values", "needs the values themselves"
BAD = {
    "if": (lambda: lambda x: x * 2 if np.sum(x) < 1 else x, LOOKS),
    "assert": (lambda: lambda x: statements(bool(np.all(x < 100)), x), LOOKS),
    "float": (lambda: lambda x: x * float(x[0]), LOOKS),
    "int": (lambda: lambda x: x * int(x[0]), LOOKS),
    "item": (lambda: lambda x: x * x.sum().item(), LOOKS),
    "tolist": (lambda: lambda x: np.array(x.tolist()), LOOKS),
    "max of Python": (lambda: lambda x: max(x[0], x[1]), LOOKS),
    "math": (lambda: lambda x: math.sqrt(x[0] * x[0]), LOOKS),
    "a text": (lambda: lambda x: statements(f"{x[0]:.2f}", x), LOOKS),
    "a printed tensor": (lambda: lambda x: statements(str(tn.Tensor(x)), x), "gives a Python str"),
    "a text of it": (lambda: lambda x: statements(str(x), x), LOOKS),
    "allclose": (lambda: lambda x: statements(np.allclose(x, x), x), "gives a Python bool"),
    "a length": (lambda: lambda x: np.zeros(x.astype(int)[0]), "position or a length"),
    "a slice": (lambda: lambda x: x[: x.astype(int)[0]], "position or a length"),
    "a mask": (lambda: lambda x: x[x > 0], SHAPE),
    "a mask on a tensor": (lambda: lambda x: tn.Tensor(x)[x > 0], SHAPE),
    "unique": (lambda: lambda x: np.unique(x), SHAPE),
    "nonzero": (lambda: lambda x: x.nonzero(), SHAPE),
    "where": (lambda: lambda x: np.where(x > 0), SHAPE),
    "split": (lambda: lambda x: np.split(x, x.astype(int)[:1]), SHAPE),
    "np.array": (lambda: lambda x: np.array([x[0], x[1]]), VALUES),
    "vectorize": (lambda: lambda x: np.vectorize(lambda v: v * 2)(x), VALUES),
    "dot of an array": (lambda: lambda x: np.ones((2, 3)).dot(x), VALUES),
    "part of an array": (lambda: lambda x: np.arange(10.0)[x.astype(int)], VALUES),
    "assigned to an array": (lambda: lambda x: np.zeros(3).__setitem__(slice(None), x), VALUES),
    "flat": (lambda: lambda x: x.flat[0], r"\.flat"),
    "an argument in place": (lambda: lambda x: x.__iadd__(1), "argument of the step in place"),
    "an argument's element": (lambda: lambda x: statements(x.__setitem__(0, 1.0), x), "argument of the step in place"),
    "its own generator": (own_generator, "random numbers"),
    "a generator a step": (lambda: lambda x: tn.nn.Dropout(0.5, rng=0)(x), "another random generator"),
    "row by row": (lambda: chosen_row(lambda rows, i: rows[i]), "another part"),
    "rows by rows": (lambda: chosen_row(lambda rows, i: rows[[i, i + 1]]), "chosen in Python"),
    "a Python number": (lambda: (lambda number: lambda x: x * number())(counter()), "Python value 1 in one run, 2 in another"),
    "more and more calls": (
        lambda: (lambda number: lambda x: [x * 2 for _ in range(number())])(counter()), "calls of NumPy functions in one run",
    ),
    "a velocity in plain NumPy": (plain_velocity, "changed before .* by plain NumPy"),
    "kept in a list": (kept_in_a_list, "keeps 1 array"),
    "kept in an attribute": (kept_in_an_attribute, "keeps 1 array"),
    "a generator object": (lambda: lambda x: (y for y in x), "returns a generator"),
    "an object": (lambda: lambda x: Thing(x), "returns a Thing, which holds arrays"),
    "an object with a tensor": (lambda: lambda x: Thing(tn.Tensor(x)), "returns a Thing, which holds arrays"),
    "a masked array": (lambda: lambda x: x * np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0]), "means besides its numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_repeated_is_refused(name):
    make, message = BAD[name]
    step = tn.compile(make())
    with pytest.raises(RecordingError, match=message) as raised:
        for k in range(3):
            step(*x3(k))
    own_line = not any(words in message for words in ("keeps", "returns", "in one run", "gives"))
    assert not own_line or "test_unrepeatable.py, line" in str(raised.value)


@tn.primitive
def in_memory(x):
    return np.ravel(x, order="K")


in_memory.defvjp(lambda g, out, x: np.reshape(g, np.shape(x)))


@pytest.mark.parametrize("function", [
    lambda x: np.ravel(x, order="K"), lambda x: np.ravel(x, "A"), lambda x: x.flatten("K"),
    lambda x: np.reshape(x, (3, 2), order="A"), in_memory,
])  # fmt: skip
def test_the_order_in_memory_of_an_argument_is_not_asked_for(function):
    x = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    with pytest.raises(RecordingError, match="as it lies in memory"):
        tn.compile(function)(x)
    step = tn.compile(lambda x: np.ravel(x, order="F"))
    for _ in range(3):
        np.testing.assert_array_equal(step(x), np.arange(6.0).reshape(2, 3).T.ravel())


# Arrays from outside -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("array", [np.ones(9), np.ones((9, 9))[::2, 1::2], np.ones((4, 3)).T])
@pytest.mark.parametrize("most", [0, 2**25])
def test_a_large_array_is_watched_too(array, most, monkeypatch):
    """By its checksum, which costs no memory."""
    monkeypatch.setattr("tinynet.compiler.watch.MOST_BYTES", most)
    before = array.copy()

    def update(x):
        array.__imul__(0.5)
        return x * np.sum(array * x)

    step = tn.compile(update)
    with pytest.raises(RecordingError, match=r"changed before .* by plain NumPy"):
        for _ in range(3):
            step(np.ones(array.shape))

    def late(x):
        y = x + array
        array.__imul__(0.5)
        return y

    with pytest.raises(RecordingError, match="changed in the step by plain NumPy"):
        tn.compile(late)(np.ones(array.shape))
    array[...] = before
    state = tn.Tensor(array)

    def recorded(x):
        with tn.no_grad():
            state.__imul__(0.5)
            state.__iadd__(x)
        return state.data * 1

    step = tn.compile(recorded)
    for k in range(4):
        before = before * 0.5 + k
        np.testing.assert_array_equal(step(np.full(array.shape, float(k))), before)


def test_a_change_that_no_call_sees_is_found_at_the_end():
    v = np.ones(3)
    step = tn.compile(lambda x: statements(y := x + v, np.multiply(v, 0.9, out=v), y))
    with pytest.raises(RecordingError, match="changed in the step by plain NumPy"):
        step(np.ones(3))


def test_an_array_replaced_between_two_calls_is_refused():
    data = {"x": np.ones(3)}
    step = tn.compile(lambda y: y * data["x"])
    step(np.ones(3))
    data["x"] = np.ones(3)
    with pytest.raises(RecordingError, match="array replaced"):
        step(np.ones(3))


def test_arrays_that_share_a_part_of_such_memory_are_refused():
    memory = bytearray(8 * 4)
    a, b = tn.Tensor(np.frombuffer(memory, count=3)), tn.Tensor(np.frombuffer(memory, count=3, offset=8))
    with pytest.raises(RecordingError, match="share a part of their memory"):
        tn.compile(lambda x: a * x + b)(np.ones(3))
