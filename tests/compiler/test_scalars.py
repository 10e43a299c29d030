"""Calls on single numbers become Python floats, with the same results also where Python raises an error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.compiler.scalars import FORMULAS, Scalars


def compiled(function, *args):
    step = tn.compile(function)
    with np.errstate(all="ignore"):
        for _ in range(3):
            step(*args)
    return step


def groups(step):
    return [call for call in step.program.calls if isinstance(call, Scalars)]


def correction(step, lr):
    return np.sqrt(1 - 0.999**step) * lr / (1 - 0.9**step)


def test_a_chain_of_numbers_is_one_call():
    step = compiled(correction, np.array(3.0), np.array(0.1))
    assert len(step.recorded.calls) == 7
    assert len(step.program.calls) == 1
    assert "with Python floats" in str(step.program)
    for k in range(1, 50):
        np.testing.assert_allclose(step(np.array(float(k)), np.array(0.1)), correction(float(k), 0.1), rtol=1e-14)


def test_it_is_called_where_the_first_of_its_numbers_is_needed():
    def function(x, a):
        b = a * 2 + 1
        y = np.exp(x)
        c = b * b
        return y * c, b

    x, a = np.arange(3.0), np.array(0.5)
    step = compiled(function, x, a)
    kinds = [isinstance(call, Scalars) for call in step.program.calls]
    assert kinds == [False, True, False]
    for result, expected in zip(step(x, np.array(0.25)), function(x, np.array(0.25)), strict=True):
        np.testing.assert_array_equal(result, expected)


def test_a_result_in_float32_is_rounded_before_it_is_used():
    def function(x, a):
        b = (a / 3 + 1).astype(np.float32)
        return x * b, b.astype(np.float64) * 3

    x, a = np.ones(3, np.float32), np.array(1.0)
    step = compiled(function, x, a)
    assert groups(step)
    for result, expected in zip(step(x, np.array(0.7)), function(x, np.array(0.7)), strict=True):
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("value", [0.0, -1.0, 1e200, np.inf, -np.inf, np.nan, -0.0])
def test_where_python_raises_numpy_computes(value):
    def function(a):
        return np.sqrt(a) + 1, (1 / a) * 2, a**1.5 - 1, (a * 1e300) * 1e300, a**3.0 * 2

    step = compiled(function, np.array(2.0))
    assert groups(step)
    with np.errstate(all="ignore"):
        for result, expected in zip(step(np.array(value)), function(np.array(value)), strict=True):
            np.testing.assert_array_equal(result, expected)


def test_numbers_from_outside_are_written_after_a_check():
    count = tn.tensor(0.0)

    @tn.primitive
    def positive(x):
        if float(x) <= 0:
            raise ValueError("not positive")
        return x

    def function(x):
        with tn.no_grad():
            positive(x)
            count.data += 1
            count.data *= 2
        return x

    step = tn.compile(function)
    for expected in (2, 6, 14, 30):
        step(np.array(1.0))
        assert count.item() == expected
    with pytest.raises(ValueError, match="not positive"):
        step(np.array(-1.0))
    assert count.item() == 30


def test_an_overflow_is_told_as_numpy_tells_it():
    step = tn.compile(lambda a: a * 1e300 * 1e5)
    for _ in range(3):
        step(np.array(1.0))
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        step(np.array(1e5))


@pytest.mark.parametrize(
    "function",
    [lambda a: 1 / (a * 1e308 * 10) + 1, lambda a: (a * 1e308 * 10) ** -1.0, lambda a: np.reciprocal(a * 1e308 * 10) * 2],
)
def test_an_overflow_that_the_results_do_not_show_is_told(function):
    step = compiled(function, np.array(1e-300))
    assert groups(step)
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        step(np.array(1.0))
    assert np.isfinite(step(np.array(1e-300)))


def test_a_number_that_float32_cannot_hold_is_told():
    step = compiled(lambda a: (a * 2).astype(np.float32), np.array(1.0))
    assert groups(step)
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        step(np.array(1e300))
    most = np.finfo(np.float32).max
    assert step(np.array(float(most) / 2)) == most


def test_a_number_that_python_would_make_complex_is_written_once():
    count, root = tn.Tensor(np.array(0.0)), tn.Tensor(np.array(1.0))

    def function(x):
        with tn.no_grad():
            count.data[...] = count.data + 1
            root.data[...] = np.power(4.5 - count.data, 0.3)
        return x

    step = tn.compile(function)
    with np.errstate(all="ignore"):
        for k in range(1, 8):
            step(np.ones(2))
            assert count.item() == k
    assert np.isnan(root.item())


BINARY = [f for f, formula in FORMULAS.items() if isinstance(f, np.ufunc) and f.nin == 2 and f is not np.power]
UNARY = [f for f in FORMULAS if isinstance(f, np.ufunc) and f.nin == 1]
NUMBER = st.floats(-1e3, 1e3)


@given(
    st.lists(st.tuples(st.sampled_from(BINARY + UNARY), st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=12),
    st.lists(NUMBER, min_size=2, max_size=2), st.lists(NUMBER, min_size=2, max_size=2),
)
def test_random_chains_keep_their_bits(plan, first, second):
    def function(a, b):
        values = [a, b]
        for ufunc, i, j in plan:
            x, y = values[i % len(values)], values[j % len(values)]
            values.append(ufunc(x, y) if ufunc.nin == 2 else ufunc(x))
        return values[2:]

    with np.errstate(all="ignore"):
        step = compiled(function, *map(np.array, first))
        for result, expected in zip(step(*map(np.array, second)), function(*map(np.array, second)), strict=True):
            np.testing.assert_array_equal(result, expected)
