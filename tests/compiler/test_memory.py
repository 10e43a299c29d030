"""Buffers share memory, and never while both are needed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet.compiler.calls import bound
from tinynet.compiler.memory import plan
from tinynet.compiler.program import Program
from tinynet.compiler.recording import record
from tinynet.compiler.replay import Replay

KIB = 1024


def program_of(f, *arrays):
    return record(f, arrays, {}).program


def placed(program):
    """The first byte of each buffer that was given a place, in the order of the buffers, in kibibytes from the first."""
    memory = plan(program)
    places = [memory[buffer].__array_interface__["data"][0] for buffer in program.buffers() if buffer.kind != "constant"]
    return [(place - min(places)) / KIB for place in places]


def without_reuse(program, *arrays):
    """The outputs, with a memory of its own for each buffer."""
    memory = {buffer: np.empty_like(buffer.array) for buffer in program.buffers() if buffer.kind in ("input", "inside")}
    return computed(program, memory, *arrays)


def computed(program, memory, *arrays, after=lambda position: None):
    """The outputs of a program, call by call."""

    def array(view):
        return view.on(memory.get(view.buffer, view.buffer.array))

    for buffer, x in zip(program.inputs, arrays, strict=True):
        memory[buffer][...] = x
    for i, call in enumerate(program.calls):
        for function, arguments in bound(call, array):
            function(*arguments)
        after(i)
    return [array(view).copy() for view in program.outputs]


X = np.linspace(-1, 1, KIB // 8 - 8)  # with the gap behind it a kibibyte


# Where buffers lie ---------------------------------------------------------------------------------------------------


def test_a_chain_of_ufuncs_works_in_one_place():
    program = program_of(lambda x: np.multiply(np.exp(np.tanh(x)), x), X)
    assert placed(program) == [0, 1, 1, 1]
    assert str(plan(program)) == "memory: 2 KiB in 4 buffers, 4 KiB without reuse"


def test_a_buffer_has_the_place_of_one_that_nobody_needs_any_more():
    def f(x):
        a = np.cumsum(x)
        b = np.cumsum(a)
        return np.cumsum(b)  # where a was

    assert placed(program_of(f, X)) == [0, 1, 2, 1]


def test_a_smaller_buffer_takes_a_part():
    def f(x):
        a = np.concatenate([x, x, x])
        b = np.cumsum(a)
        c = np.cumsum(x)  # where a was
        d = np.cumsum(x)  # and behind it
        return b, c, d

    assert placed(program_of(f, X)) == [0, 1, 4 - 1 / 8, 1, 2]


def test_neighbours_that_are_free_are_joined():
    def f(x):
        a, b, c, last = np.cumsum(x), np.cumsum(x), np.cumsum(x), np.cumsum(x)
        total = np.matmul(a, c) + np.matmul(b, b)  # after which all three are free
        return np.concatenate([x, x, x]), total, last

    assert placed(program_of(f, X))[-1] == 1 + 1 / 8


def test_what_is_needed_later_keeps_its_place():
    def f(x):
        a = np.exp(x)
        b = np.exp(a)
        return a + b

    assert placed(program_of(f, X)) == [0, 1, 2, 1]


def test_inputs_and_outputs_keep_their_content():
    program = program_of(lambda x: (np.exp(x), np.exp(np.exp(x))), X)
    replay = Replay(program)
    replay.inputs[0][...] = X
    for _ in range(2):
        replay()
        np.testing.assert_array_equal(replay.inputs[0], X)
        np.testing.assert_array_equal(replay.outputs, [np.exp(X), np.exp(np.exp(X))])


@pytest.mark.parametrize(
    "f",
    [
        lambda a: np.matmul(a, a),
        lambda a: np.add(a, a.T),
        lambda a: np.add(a, a[:1]),
        lambda a: np.add(a.T, 1.0),
        lambda a: np.add.reduce(a, axis=0, keepdims=True),
        lambda a: np.greater(a, 0.0),
        lambda a: np.cumsum(a, axis=0),
        lambda a: a.astype(np.int64),
        lambda a: np.where(a > 0, a, 0.0),
        lambda a: np.modf(a),
    ],
)
def test_only_elementwise_results_of_the_same_kind_take_an_operands_place(f):
    x = np.arange(16.0).reshape(4, 4)
    program = program_of(lambda x: f(np.negative(x)), x)
    memory = plan(program)
    operand, *results = [buffer for buffer in program.buffers() if buffer.kind == "inside"]
    assert not any(np.shares_memory(memory[operand], memory[result]) for result in results if result in first_results(program))
    for a, b in zip(computed(program, memory, x), without_reuse(program, x), strict=True):
        np.testing.assert_array_equal(a, b)


def first_results(program):
    """The buffers that calls write to while the first call's result is needed."""
    operand = program.calls[0].out[0].buffer
    last = max(i for i, call in enumerate(program.calls) if any(view.buffer is operand for view in call.reads()))
    return {view.buffer for call in program.calls[1 : last + 1] for view in call.out}


def test_a_view_keeps_all_of_its_buffer():
    def f(x):
        a = np.cumsum(x)
        part = a[3:7]
        b = np.cumsum(x)
        c = np.cumsum(b)
        return part * 1, c

    program = program_of(f, X)
    memory = plan(program)
    for a, b in zip(computed(program, memory, X), without_reuse(program, X), strict=True):
        np.testing.assert_array_equal(a, b)


def test_layout_and_alignment():
    def f(x):
        a = x.T + 0.0  # lies as its operand does
        return np.multiply(a, 2.0), np.cumsum(x, axis=0)[1:, ::2], np.add.reduce(x)

    x = np.arange(21.0).reshape(3, 7)
    program = program_of(f, x)
    memory = plan(program)
    for buffer, array in memory.items():
        assert (array.shape, array.strides, array.dtype) == (buffer.array.shape, buffer.array.strides, buffer.array.dtype)
        assert buffer.kind not in ("input", "inside") or array.__array_interface__["data"][0] % 64 == 0
    for a, b in zip(computed(program, memory, x), without_reuse(program, x), strict=True):
        np.testing.assert_array_equal(a, b)


def test_arrays_from_outside_lie_where_they_are():
    weight = np.ones(3)
    program = program_of(lambda x: x * weight, np.arange(3.0))
    (buffer,) = [buffer for buffer in program.buffers() if buffer.array is weight]
    assert plan(program)[buffer] is weight


@pytest.mark.parametrize("x", [np.zeros((0, 3)), np.zeros(()), np.zeros(0, np.float32), np.zeros((2, 0, 5))])
def test_empty_and_0d_arrays(x):
    program = program_of(lambda x: (np.exp(x) + x, np.cumsum(x), x), x)
    for a, b in zip(computed(program, plan(program), x), without_reuse(program, x), strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def test_a_program_without_calls():
    program = Program([], [], [])
    assert str(plan(program)) == "memory: 0 bytes in 0 buffers, 0 bytes without reuse"
    (same,) = computed(program := program_of(lambda x: x, X), plan(program), X)
    np.testing.assert_array_equal(same, X)


# Random programs -----------------------------------------------------------------------------------------------------

SHAPES = [(), (3,), (40,), (4, 3), (3, 4)]
OPERATIONS = ["ufunc", "ufunc", "ufunc", "in place", "part", "view", "function", "copy"]
UFUNCS = [np.add, np.subtract, np.multiply, np.fmin, np.copysign, np.greater]
FUNCTIONS = [np.cumsum, np.sort, lambda x: np.matmul(x, x.T) if x.ndim else x * 1, lambda x: np.add.reduce(x, axis=None)]
VIEWS = [lambda x: x.T, lambda x: x[..., ::-1], lambda x: x[:2], lambda x: x.reshape(-1), lambda x: x[..., 1:]]
numbers = st.integers(0, 100)


def step_of(operations):
    """A function that does operations on a growing list of arrays and returns some of them."""

    def f(*arrays):
        arrays = [np.multiply(x, 1.0) for x in arrays]
        for kind, which, i, j in operations:
            a, b = arrays[i % len(arrays)], arrays[j % len(arrays)]
            if a.dtype == bool or (kind in ("function", "view") and not a.ndim):
                new = np.multiply(a, 1.0)
            elif kind == "function":
                new = FUNCTIONS[which % len(FUNCTIONS)](a)
            elif kind == "view":
                new = VIEWS[which % len(VIEWS)](a)
            elif kind == "copy":
                new = a.astype([np.float32, np.float64][which % 2])
            elif kind == "part" and a.ndim:
                a[: which % 3] = np.add.reduce(b, axis=None)
                continue
            else:
                if b.dtype == bool or (b.shape != a.shape and b.ndim):
                    b = a
                new = UFUNCS[which % len(UFUNCS)](a, b)
                if kind == "in place" and new.dtype != bool:
                    np.subtract(new, b, out=new)
            arrays.append(new)
        return arrays[-3:], arrays[:1]

    return f


@given(st.lists(st.tuples(st.sampled_from(OPERATIONS), numbers, numbers, numbers), min_size=1, max_size=25))
def test_random_programs_give_the_same_with_and_without_reuse(operations):
    rng = np.random.default_rng(len(operations))
    arrays = [rng.standard_normal(shape) for shape in SHAPES]
    with np.errstate(all="ignore"):
        program = program_of(step_of(operations), *arrays)
        expected = without_reuse(program, *arrays)
        memory = plan(program)
        poisoned = computed(program, memory, *arrays, after=lambda position: poison(program, memory, position))
        shared = computed(program, memory, *arrays)
    assert memory.size <= memory.without_reuse
    for a, b, c in zip(shared, expected, poisoned, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
        np.testing.assert_array_equal(c, b, strict=True)


def poison(program, memory, position):
    """Fill the memory that no buffer needs after a call with NaN."""
    needed = {view.buffer for view in program.outputs} | set(program.inputs)
    for call in program.calls[position + 1 :]:
        needed |= {view.buffer for view in call.reads()}
    written = {view.buffer for call in program.calls[: position + 1] for view in call.out} | set(program.inputs)
    live = needed & written  # what is written in parts is whole from its first write on
    roots = [array for buffer, array in memory.items() if buffer.kind == "inside"]
    if roots:
        arena = roots[0].base
        free = np.ones(arena.size, bool)
        start = arena.__array_interface__["data"][0]
        for buffer in live:
            if buffer.kind in ("input", "inside"):
                first, last = np.lib.array_utils.byte_bounds(memory[buffer])
                free[first - start : last - start] = False
        arena[free] = 0xFF


def test_a_long_program_is_planned_in_linear_time(monkeypatch):
    def f(x):
        arrays = [x]
        for i in range(400):
            arrays.append(np.cumsum(arrays[-1]) if i % 3 else np.tanh(arrays[i // 2]))
        return arrays[-1]

    program = program_of(f, X)
    asked = []
    reads = type(program.calls[0]).reads
    monkeypatch.setattr(type(program.calls[0]), "reads", lambda call: asked.append(1) or reads(call))
    plan(program)
    assert len(asked) <= 6 * len(program.calls)
