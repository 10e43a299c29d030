"""Large elementwise calls run tile by tile, and what they compute stays the same."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.compiler import threads
from tinynet.compiler.passes.dead import dead
from tinynet.compiler.passes.tiles import tiles
from tinynet.compiler.program import copy_to
from tinynet.compiler.recording import record
from tinynet.compiler.replay import Replay
from tinynet.compiler.threads import thread_count, together
from tinynet.compiler.tiled import Tiles

N = 1000
module = sys.modules[tiles.__module__]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Tiles small enough for small tests."""
    monkeypatch.setattr(module, "LARGE", 40)
    monkeypatch.setattr(module, "TILE", 100)
    monkeypatch.setattr(module, "SHARED_TILE", 250)
    monkeypatch.setattr(threads, "SHARE", 100)
    monkeypatch.setenv("TINYNET_THREADS", "1")


def run(program, *arrays):
    """The values of a program's outputs."""
    replay = Replay(program)
    for memory, x in zip(replay.inputs, arrays, strict=True):
        memory[...] = x
    replay()
    return [output.copy() for output in replay.outputs]


def both(f, *arrays):
    """A function's recorded program and the tiled one, after a look at whether they give the same bits."""
    program = record(f, arrays, {}).program
    tiled = tiles(program)
    for plain, other in zip(run(program, *arrays), run(tiled, *arrays), strict=True):
        assert plain.dtype == other.dtype
        np.testing.assert_array_equal(plain, other, strict=True)
        np.testing.assert_array_equal(np.signbit(plain), np.signbit(other))
    return program, tiled


def groups(program):
    return [call for call in program.calls if isinstance(call, Tiles)]


def numbers(n=N, dtype=np.float64):
    """Numbers of which sums are exact."""
    return np.random.default_rng(n).integers(-9, 9, n).astype(dtype)


# What becomes of a program -------------------------------------------------------------------------------------------


def test_a_chain_is_one_group_whose_own_values_need_no_more_than_a_tile():
    def f(x):
        h = np.tanh(x)
        return h * h - 1

    program, tiled = both(f, numbers())
    (group,) = tiled.calls
    assert [call.function for call in group.calls] == [call.function for call in program.calls]
    assert {buffer.array.shape for buffer in group.temporaries.values()} == {(112,)}
    assert [view.buffer.kind for view in (*group.reads(), *group.out)] == ["input", "inside"]
    assert str(tiled).splitlines()[1:] == [
        "in 9 tiles of 112 along the first axis of (1000,):",
        "    u0 = np.tanh(x0[0:112])  # float64[112]",
        "    u1 = np.multiply(u0, u0)  # float64[112]",
        "    np.subtract(u1, 1, out=t0[0:112])",
        "return t0",
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("axis", [None, 0])
def test_a_sum_is_the_sum_of_the_sums_of_tiles(dtype, axis):
    _, tiled = both(lambda x: (np.add.reduce(x * x, axis=axis), x + 1), numbers(dtype=dtype))
    assert [type(call) for call in tiled.calls[:1]] == [Tiles]
    assert tiled.calls[1].function == np.add.reduce and tiled.calls[1].args[0].shape == (9,)
    assert len(tiled.calls) == 2


def test_a_sum_is_as_exact_as_numpys():
    x = np.random.default_rng(0).standard_normal(10**5).astype(np.float32)
    program = record(lambda x: np.add.reduce(np.exp(x)), (x,), {}).program
    (total,) = run(tiles(program), x)
    exact = np.exp(x).astype(np.float64).sum()
    assert abs(total - exact) <= 4 * np.finfo(np.float32).eps * exact


def test_sums_keep_their_shape_and_dtype():
    both(lambda x: np.add.reduce(np.abs(x), axis=None, keepdims=True), numbers().reshape(10, 100))
    both(lambda x: np.add.reduce(x > 0, axis=None), numbers())
    both(lambda x: np.add.reduce(np.abs(x), axis=None, dtype=np.float64), numbers(dtype=np.float32))


def test_sums_of_short_numbers_and_along_axes_are_left_alone():
    for f in (lambda x: np.add.reduce(np.add(x, x), axis=0), lambda x: np.add.reduce(np.add(x, x), axis=1)):
        _, tiled = both(f, numbers().reshape(10, 100))
        assert not groups(tiled)
    _, tiled = both(lambda x: np.add.reduce(np.add(x, x)), numbers(dtype=np.float16))
    assert not groups(tiled)


def test_calls_are_brought_together_around_others():
    def f(x):
        a = np.exp(x)
        b = np.cumsum(x)  # has nothing to do with a
        c = a * 2
        d = np.cumsum(c)  # must wait for c
        return a + c, b, d

    _, tiled = both(f, numbers())
    assert [call.function for call in tiled.calls] == [np.cumsum, Tiles, np.cumsum]
    assert [call.function for call in groups(tiled)[0].calls] == [np.exp, np.multiply, np.add]


def test_what_needs_the_whole_array_ends_a_group():
    def f(x):
        a = np.exp(x) * 2
        total = np.add.reduce(a)
        return (a / total) * 3

    _, tiled = both(f, np.zeros(N))
    assert [call.function for call in tiled.calls] == [Tiles, np.add.reduce, Tiles]
    _, tiled = both(lambda x: np.multiply(np.cumsum(np.negative(np.exp(x))), 2) + 1, np.zeros(N))
    assert [call.function for call in tiled.calls] == [Tiles, np.cumsum, Tiles]


def test_a_vector_that_is_added_to_each_row_is_spread_over_a_tile_beforehand():
    rng = np.random.default_rng(0)
    x, row = rng.standard_normal((333, 20)), rng.standard_normal(20)
    _, tiled = both(lambda x, row: np.maximum(x + row, 0) - row, x, row)
    spread, group = tiled.calls
    assert spread.function is copy_to and spread.out[0].shape == (5, 20)
    assert group.shape == (6660,) and group.step == 100
    _, tiled = both(lambda x, row: np.tanh(x + row), x.reshape(3, 111, 20), row)
    assert not groups(tiled)  # what goes with one index of the first axis is larger than a tile


def test_rows_are_kept_whole_where_each_has_a_number_of_its_own():
    rng = np.random.default_rng(0)
    x, row, column = rng.standard_normal((333, 20)), rng.standard_normal(20), rng.standard_normal((333, 1))
    _, tiled = both(lambda x, row, column: np.maximum((x + row) * column, 0) - row, x, row, column)
    (group,) = groups(tiled)
    assert group.shape == (333, 20) and 1 < group.step < 10


def test_what_one_later_group_alone_needs_is_computed_there():
    def f(x):
        a = np.exp(x)
        slope = np.square(a) * 2  # not for the result below
        total = np.cumsum(a * 3)
        return total * slope + 1

    _, tiled = both(f, np.linspace(-1, 1, N))
    first, second = groups(tiled)
    assert [call.function for call in first.calls] == [np.exp, np.multiply]
    assert [call.function for call in second.calls] == [np.square, np.multiply, np.multiply, np.add]
    assert len(second.temporaries) == 3 and len(first.out) == 2


def test_copies_casts_and_where_take_part():
    def f(x):
        y = x.astype(np.float32)
        return np.where(y > 0, y, 0.5), y * y

    _, tiled = both(f, numbers())
    assert len(groups(tiled)[0].calls) == len(tiled.calls[0].calls) == 4


def test_each_shape_has_its_groups():
    _, tiled = both(lambda x, y: (np.exp(x) + x, np.exp(y) * y), np.zeros(500), np.ones((30, 20)))
    assert sorted(group.shape for group in groups(tiled)) == [(500,), (600,)]


def test_one_number_and_what_is_made_of_it():
    _, tiled = both(lambda x, a: (x * a + np.broadcast_to(a, x.shape)) * 2, numbers(), np.array(3.0))
    assert len(groups(tiled)[0].calls) == 3


@pytest.mark.parametrize(
    "x", [np.zeros(0), np.array(1.0), np.zeros(39), np.zeros((20, 30)).T, np.zeros(200)[::2], np.zeros((5, 0, 3))]
)
def test_small_empty_and_strided_arrays_are_left_alone(x):
    # arguments are copied: their layout is that of what is computed of them
    program, tiled = both(lambda x, y: (np.add(x, y.T) * 2, x - 1), x, x.T)
    assert not [call for group in groups(tiled) for call in group.calls if call.args[0].buffer is program.inputs[1]]


def test_special_values():
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324, -1.5, 1e308])
    with np.errstate(all="ignore"):
        for dtype in (np.float32, np.float64):
            x = np.resize(special, N).astype(dtype)
            both(lambda x: (np.maximum(x, -0.0) * 1, np.where(x > 0, x, -0.0), np.sqrt(-x) + x, np.copysign(x, -1) - 0.0), x)


# The order of what is read and written -------------------------------------------------------------------------------


def test_arrays_from_outside_are_changed_as_before():
    def make():
        p = np.arange(float(N))
        m = np.zeros(N)

        def f(g):
            from tinynet.mode import lifted

            p_, m_ = lifted(p), lifted(m)
            old = p_ * 1
            np.multiply(m_, 0.9, out=m_)
            np.add(m_, g, out=m_)
            np.subtract(p_, m_ * 0.1, out=p_)
            return old - p_, p_ * 2

        return f, p, m

    g = numbers()
    f, p, m = make()
    recording = record(f, (g,), {})
    recording.undo.rewind()
    plain = run(recording.program, g)
    expected = p.copy(), m.copy()
    recording.undo.rewind()
    tiled = tiles(recording.program)
    assert len(tiled.calls) == 1
    for a, b in zip(run(tiled, g), plain, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal((p, m), expected)


def test_shifted_views_are_not_the_same_elements():
    def f(x):
        y = x * 1
        np.add(y[1:], y[:-1], out=y[1:])  # NumPy reads all before it writes
        z = y * 2
        np.multiply(z[:-1], y[1:], out=z[:-1])
        return y, z, z + y

    both(f, numbers(101))


def test_halves_of_a_buffer_are_not_one_tile():
    def f(x):
        y = np.empty_like(np.concatenate([x, x]))
        np.exp(x, out=y[:N])
        np.negative(x, out=y[N:])
        return y[:N] * y[N:]

    x = np.linspace(-1, 1, N)
    program = dead(record(f, (x,), {}).program)
    assert len(program.calls) == 3
    np.testing.assert_array_equal(run(tiles(program), x), [np.exp(x) * -x])


def test_a_result_does_not_take_the_place_of_what_the_group_still_writes():
    def f(x):
        a = np.cumsum(x)
        b = np.exp(a)
        a[...] = 0.0
        return b * 2, b

    both(f, np.linspace(-1, 1, N))


def test_a_check_stays_before_what_is_changed_after_it():
    p = np.zeros(N)

    @tn.primitive
    def checked(x):
        if not np.all(x < 5):
            raise FloatingPointError("large")
        return x

    def f(x):
        from tinynet.mode import lifted

        y = x * 2
        checked(y)
        p_ = lifted(p)
        np.add(p_, 1, out=p_)
        np.add(p_, y, out=p_)
        return p_

    recording = record(f, (np.ones(N),), {})
    recording.undo.rewind()
    tiled = tiles(recording.program)
    assert len(groups(tiled)[-1].calls) == 2
    with pytest.raises(FloatingPointError):
        run(tiled, np.full(N, 9.0))
    assert not p.any()


UNARY = [np.negative, np.absolute, np.sign, np.copy, lambda x: x.astype(np.float32), lambda x: x > 0, lambda x: x.astype(float)]
BINARY = [
    np.add, np.subtract, np.maximum, np.fmin, np.equal, lambda a, b: np.remainder(a * b, 7.0),
    lambda a, b: np.where(a > 1, b, a),
]  # fmt: skip
WHOLE = [np.cumsum, lambda x: x[::-1], lambda x: np.add.reduce(x, axis=None), np.sort, lambda x: np.roll(x, 3), np.ravel]


@st.composite
def steps(draw):
    """A list of operations on a growing list of arrays: what to do, and the numbers of its operands."""
    operations = []
    for length in range(2, draw(st.integers(4, 16))):
        kind = draw(st.sampled_from(["unary", "binary", "binary", "in place", "whole", "part"]))
        operations.append((kind, draw(st.integers(0, 6)), draw(st.integers(0, length - 1)), draw(st.integers(0, length - 1))))
    return operations


def step_of(operations):
    """The function that does these operations; its numbers stay small integers, so that sums are exact."""

    def f(x, y):
        arrays = [np.multiply(x, 1), np.multiply(y, 1)]
        for kind, which, i, j in operations:
            a, b = arrays[i], arrays[j]
            if not a.ndim or (b.ndim and b.shape != a.shape):
                a = b if b.ndim else arrays[0]
                b = arrays[i] if not arrays[i].ndim else a
            if kind == "unary":
                new = UNARY[which](a * 1.0)
            elif kind == "binary":
                new = np.remainder(BINARY[which](a * 1, b * 1.0), 50.0)
            elif kind == "whole":
                new = np.remainder(WHOLE[which % len(WHOLE)](a * 1), 50.0)
            elif kind == "part" and a.ndim and a.dtype != bool:
                a[5:50] = np.remainder(b[..., 5:50] if b.ndim else b, 9.0)
                new = a * 2.0
            else:
                new = np.remainder(a, 20.0)
                np.add(new, b, out=new)
            arrays.append(new)
        return arrays

    return f


@pytest.mark.parametrize("count", ["1", "2"])
@given(steps())
def test_random_programs(count, operations):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SHARED_TILE", 30)
        patch.setattr(module, "LINE", 1)
        patch.setenv("TINYNET_THREADS", count)
        both(step_of(operations), numbers(203), numbers(203)[::-1].copy())


def test_a_long_program_takes_linear_time(monkeypatch):
    data = np.zeros(100 * N)

    def f(x):
        from tinynet.mode import lifted

        p = lifted(data)
        for i in range(500):
            part = p[100 * i : 100 * i + 100]
            np.subtract(part, x, out=part)
            x = np.tanh(x)
        return x

    monkeypatch.setattr(module, "PARTS", 8)
    recording = record(f, (np.ones(100),), {})
    recording.undo.rewind()
    run(recording.program, np.ones(100))
    expected = data.copy()
    recording.undo.rewind()
    counted = []
    spans = module.span
    monkeypatch.setattr(module, "span", lambda view: counted.append(1) or spans(view))
    run(tiles(recording.program), np.ones(100))
    np.testing.assert_array_equal(data, expected)
    assert len(counted) < 10 * len(recording.program.calls)


# Threads -------------------------------------------------------------------------------------------------------------


def test_threads_share_the_tiles(monkeypatch):
    x = np.random.default_rng(0).standard_normal(5000)

    def f(x):
        h = np.tanh(x) * x
        return h + 1, np.add.reduce(h)

    program = record(f, (x,), {}).program
    results = []
    for count in ("1", "2", "3"):
        monkeypatch.setenv("TINYNET_THREADS", count)
        tiled = tiles(program)
        assert len(Replay(tiled).calls) == (2 if count != "1" else 4 * groups(tiled)[0].count + 1)
        results.append(run(tiled, x))
    for other in results[1:]:
        np.testing.assert_array_equal(other[0], results[0][0])
        np.testing.assert_allclose(other[1], results[0][1], rtol=1e-14)


def test_how_many_threads(monkeypatch):
    monkeypatch.delenv("TINYNET_THREADS")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert thread_count(10**9) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "100000,2")
    assert 1 <= thread_count(10**9) < 100000
    monkeypatch.setenv("TINYNET_THREADS", "3")
    assert [thread_count(size) for size in (0, 199, 299, 300, 1000)] == [1, 1, 2, 3, 3]


def test_errors_in_threads_are_the_callers():
    def fail():
        raise ZeroDivisionError

    for place in (0, 1):
        shares = [[], []]
        shares[place] = [(fail, ())]
        with pytest.raises(ZeroDivisionError):
            together(shares)
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        together([[], [(np.divide, (np.ones(3), np.zeros(3)))]])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_threads_are_made_anew_after_a_fork():
    code = """
import os, warnings
warnings.simplefilter("ignore")
from tinynet.compiler.threads import together
together([[], []])
child = os.fork()
together([[], [], []])
os._exit(0) if child == 0 else None
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
