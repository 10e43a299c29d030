"""Calls that others take the place of: which, and that the results are the same, to the bit where that is promised."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given

from tests.compiler.random_programs import SPECIAL, arrays, assert_same_outcome, outcome, program_of, steps
from tinynet.compiler.passes.cheaper import MANY, REWRITES, SHORT, SMALL, cheaper
from tinynet.compiler.program import copy_to
from tinynet.declared import constant
from tinynet.mode import lifted

RNG = np.random.default_rng(0)


def values(*shape, dtype="float32"):
    return RNG.normal(size=shape).astype(dtype)


def special(*shape, dtype="float32"):
    """Values among which there are NaN, infinities and zeros of both signs."""
    with np.errstate(all="ignore"):
        return RNG.choice(SPECIAL, shape).astype(dtype)


def functions(program):
    return [getattr(call.function, "__name__", "") for call in program.calls]


def names(*of):
    return [getattr(function, "__name__", "") for function in of]


def turned(x, w):
    """Products with transposed matrices."""
    return np.matmul(x, w.swapaxes(-1, -2))


CHOICE = [copy_to, np.bitwise_xor, np.multiply, np.bitwise_xor]

ZEROS = constant(np.zeros(6, np.float32))

SAME_BITS = {
    "row": (lambda x, b: x + b, [special(4, 6), special(6)], [copy_to, np.add]),
    "row in front": (lambda x, b: b - x, [special(4, 6), special(6)], [copy_to, np.subtract]),
    "column": (lambda x, b: x / b, [special(4, 6), special(4, 1)], [copy_to, np.divide]),
    "row of a larger dtype": (lambda x, b: x * b, [special(4, 6), special(6, dtype="float64")], [copy_to] * 2 + [np.multiply]),
    "row seen as many": (lambda x, b: x + np.broadcast_to(b, x.shape), [special(4, 6), special(6)], [copy_to, np.add]),
    "number seen as many": (lambda x, b: x + np.broadcast_to(b, x.shape), [special(4, 6), special(1)], [np.add]),
    "mask": (lambda x, y: x * (y > 0), [special(4, 6), special(4, 6)], [np.greater, copy_to, np.multiply]),
    "integers": (lambda x, i: x * i, [special(4, 6), np.arange(24).reshape(4, 6)], [copy_to, copy_to, np.multiply]),
    "one element": (lambda x, b: x + b, [special(4, 6), special(1, 1)], [np.add]),
    "number": (lambda x: x + 1, [special(4, 6)], [np.add]),
    "both broadcast": (lambda x, b: x + b, [special(4, 1), special(6)], [copy_to, copy_to, np.add]),
    "as it is": (lambda x, y: x + y, [special(4, 6), special(4, 6)], [np.add]),
    "large": (lambda x, b: x + b, [special(SMALL // 4, 8), special(8)], [np.add]),
    "maximum": (lambda x: np.maximum(x, 0.0), [special(4, 6)], [np.maximum]),
    "maximum with -0.0": (lambda x: np.maximum(x, -0.0), [special(4, 6)], [np.maximum]),
    "maximum with both zeros": (
        lambda x: np.copysign(1, np.maximum(x, 0.0)) - np.copysign(1, np.maximum(x, -0.0)),
        [special(4, 6)],
        [np.maximum, np.copysign, np.maximum, np.copysign, np.subtract],
    ),
    "minimum": (lambda x: np.minimum(x, -1), [special(4, 6, dtype="float64")], [np.minimum]),
    "maximum with a row of a number": (lambda x: np.maximum(x, lifted(ZEROS)), [special(4, 6)], [np.maximum]),
    "maximum with a whole array of a number": (lambda x: np.maximum(x, lifted(ZEROS)), [special(6)], [np.maximum]),
    "maximum with an argument": (np.maximum, [special(30, 30), np.array(0.0, "float32")], [copy_to, np.maximum]),
    "maximum with an argument, small": (np.maximum, [special(3, 4), np.array(0.0, "float32")], [np.maximum]),
    "large maximum": (lambda x: np.maximum(x, 0.0), [special(SMALL, 2)], ["clip", np.add]),
    "large minimum": (lambda x: np.minimum(x, 0.0), [special(SMALL, 2)], ["clip", np.add]),
    "large maximum with 1": (lambda x: np.maximum(x, 1.0), [special(SMALL, 2)], ["clip"]),
    "large maximum with -0.0": (lambda x: np.maximum(x, -0.0), [special(SMALL, 2)], [np.maximum]),
    "large maximum with NaN": (lambda x: np.maximum(x, np.nan), [special(SMALL, 2)], [np.maximum]),
    "maximum with NaN": (lambda x: np.maximum(x, np.nan), [special(4, 6)], [np.maximum]),
    "where": (lambda x, y: np.where(x > 0, x, y), [special(MANY), special(MANY)], [np.greater, *CHOICE]),
    "where in float64": (
        lambda x, y: np.where(x, x.astype("d"), y),
        [special(MANY) > 0, special(MANY, dtype="float64")],
        [copy_to, *CHOICE],
    ),
    "where with a number": (lambda x: np.where(x > 0, x, -0.0), [special(2, MANY)], [np.greater, *CHOICE]),
    "where with numbers": (lambda x: np.where(x > 0, 1, 0.5), [special(2, MANY)], [np.greater, *CHOICE]),
    "where of numbers": (lambda x, y: np.where(x, x, y), [special(MANY), special(MANY)], [np.where]),
    "where of two dtypes": (lambda m, x: np.where(m, m, x), [special(MANY) > 0, special(MANY)], [np.where]),
    "where that broadcasts": (lambda x, y: np.where(x > 0, x, y), [special(2, MANY), special(MANY)], [np.greater, np.where]),
    "where of few": (lambda x, y: np.where(x > 0, x, y), [special(9), special(9)], [np.greater, np.where]),
}


@pytest.mark.parametrize("case", SAME_BITS)
@np.errstate(all="ignore")
def test_same_bits(case):
    function, args, expected = SAME_BITS[case]
    program = program_of(function, *args)
    after = cheaper(program)
    assert functions(after) == [x if isinstance(x, str) else x.__name__ for x in expected]
    assert_same_outcome(program, after, *args)
    (result,), _ = outcome(after, *args)
    np.testing.assert_array_equal(result, function(*args))


def test_a_broadcast_constant_is_no_copy():
    x = values(4, 6)
    program = cheaper(program_of(lambda x: x + np.arange(6, dtype=np.float32), x))
    assert functions(program) == ["add"]
    assert program.calls[0].args[1].shape == (4, 6)
    np.testing.assert_array_equal(outcome(program, x)[0][0], x + np.arange(6, dtype=np.float32))


def test_equal_constants_are_one():
    program = cheaper(program_of(lambda x: np.maximum(x, 0.0) + np.maximum(-x, 0.0), values(4, 6)))
    assert sum(buffer.kind == "constant" for buffer in program.buffers()) == 1


def test_in_place():
    state = values(4, 6)

    def step(b):
        x = lifted(state)
        np.add(x, b, out=x)
        np.maximum(x, 0.0, out=x)
        np.add(x, x[0], out=x)
        return x * 2

    b = values(6)
    program = program_of(step, b)
    after = cheaper(program)
    assert functions(after) == ["copy_to", "add", "maximum", "copy_to", "add", "multiply"]
    assert_same_outcome(program, after, b)


@pytest.mark.parametrize("reduce", [np.add.reduce, np.maximum.reduce])
def test_a_result_in_the_operand(reduce):
    state = values(4, 6)

    def step(b):
        x = lifted(state)
        reduce(x, axis=1, out=x[0, :4])
        return x + b

    b = values(4, 6)
    program = program_of(step, b)
    after = cheaper(program)
    assert functions(after) == ["reduce", "add"]
    assert_same_outcome(program, after, b)


def test_a_sum_in_another_dtype_than_its_place():
    state = values(6)

    def step(x):
        np.add.reduce(x, axis=0, dtype=np.float64, out=lifted(state))

    program = program_of(step, values(4, 6))
    assert functions(cheaper(program)) == ["reduce"]


TO_ROUNDING = {
    "square": (lambda x: x**2, [values(4, 6)], [np.square]),
    "third power": (lambda x: np.power(x, 3), [values(4, 6)], [np.power]),
    "power of integers": (lambda x: np.power(x, 2), [np.arange(4)], [np.power]),
    "sum": (np.sum, [values(4, 6)], [np.dot]),
    "sum of a vector": (lambda x: np.add.reduce(x), [values(8)], [np.dot]),
    "sum over the first axis": (lambda x: np.add.reduce(x), [values(4, 6)], [np.dot]),
    "sum over the last axis": (lambda x: np.sum(x, axis=-1), [values(4, 5, 6)], [np.dot]),
    "sum over two axes": (lambda x: np.sum(x, axis=(0, 1), keepdims=True), [values(4, 5, 6)], [np.dot]),
    "sum over the middle axis": (lambda x: np.sum(x, axis=1), [values(4, 5, 6)], [np.matmul]),
    "sum over the middle axis, kept": (lambda x: np.sum(x, axis=1, keepdims=True), [values(4, 5, 6)], [np.matmul]),
    "sum over axes apart": (lambda x: np.sum(x, axis=(0, 2)), [values(4, 5, 6)], [np.sum]),
    "sum in another dtype": (lambda x: np.sum(x, dtype=np.float64), [values(4, 6)], [np.sum]),
    "sum of integers": (np.sum, [np.arange(6)], [np.sum]),
    "sum with initial": (lambda x: np.sum(x, initial=1.0), [values(4, 6)], [np.sum]),
    "sum of a transposed array": (lambda x: np.sum(x.T, axis=0), [values(4, 6)], [np.sum]),
    "long sum": (np.sum, [values(SHORT + 1)], [np.sum]),
    "mean": (np.mean, [values(4, 6, dtype="float64")], [np.dot]),
    "mean over an axis": (lambda x: np.mean(x, axis=0), [values(4, 6)], [np.dot]),
    "product of matrices": (np.matmul, [values(4, 6), values(6, 3)], [np.dot]),
    "product with a vector": (np.matmul, [values(4, 6), values(6)], [np.dot]),
    "product of vectors": (np.matmul, [values(6), values(6)], [np.dot]),
    "product of transposed matrices": (lambda x, y: x.T @ y.T, [values(6, 4), values(3, 6)], [np.dot]),
    "product of many matrices with one": (np.matmul, [values(2, 4, 6), values(6, 3)], [np.dot]),
    "product of many matrices with a vector": (np.matmul, [values(2, 4, 6), values(6)], [np.dot]),
    "products of matrices": (np.matmul, [values(2, 4, 6), values(2, 6, 3)], [np.matmul]),
    "products with transposed matrices": (turned, [values(2, 8, 6), values(2, 3, 6)], [copy_to, np.matmul]),
    "products with the same, transposed": (turned, [values(2, 8, 6), values(1, 3, 6)], [np.matmul]),
    "products of few rows with transposed matrices": (turned, [values(2, 5, 6), values(2, 3, 6)], [np.matmul]),
    "products with large transposed matrices": (turned, [values(2, 8, 99), values(2, 3, 99)], [np.matmul]),
    "products with transposed columns": (turned, [values(2, 8, 6), values(2, 1, 6)], [np.matmul]),
    "products of columns and rows": (np.matmul, [values(2, 4, 1), values(2, 1, 3)], [copy_to, copy_to, np.multiply]),
    "product of two dtypes": (np.matmul, [values(4, 6), values(6, 3, dtype="float64")], [np.matmul]),
    "product of integers": (np.matmul, [np.arange(4).reshape(2, 2), np.arange(2)], [np.matmul]),
}


@pytest.mark.parametrize("case", TO_ROUNDING)
def test_to_rounding(case):
    function, args, expected = TO_ROUNDING[case]
    after = cheaper(program_of(function, *args))
    assert functions(after) == names(*expected)
    (result,), _ = outcome(after, *args)
    truth = function(*args)
    assert (result.shape, result.dtype) == (np.shape(truth), truth.dtype)
    np.testing.assert_allclose(result, truth, rtol=10 * np.finfo(np.float32).eps, atol=1e-6)


def test_a_sum_as_a_product_is_as_accurate():
    """Against the sum in float64: the largest error of the product is not much larger than that of NumPy's own sum."""
    errors = []
    for _ in range(300):
        x = RNG.exponential(size=SHORT).astype(np.float32)
        truth = np.sum(x, dtype=np.float64)
        (result,), _ = outcome(cheaper(program_of(np.sum, x)), x, runs=1)
        errors.append((abs(result - truth), abs(np.sum(x) - truth)))
    ours, numpys = np.max(errors, axis=0)
    assert ours <= 2 * numpys


@pytest.mark.parametrize(
    ("function", "find"),
    [(np.max, "argmax"), (np.min, "argmin"), (np.maximum.reduce, "argmax"), (np.minimum.reduce, "argmin")],
)
@pytest.mark.parametrize("axis", [-1, None, (1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_greatest(function, find, axis, keepdims):
    x = special(3, 4, 5)
    after = cheaper(program_of(lambda x: function(x, axis=axis, keepdims=keepdims), x))
    assert functions(after) == [find, "add", "take"]
    (result,), _ = outcome(after, x)
    truth = function(x, axis=axis, keepdims=keepdims)
    assert (result.shape, result.dtype) == (np.shape(truth), truth.dtype)
    np.testing.assert_array_equal(result, truth)
    for shift in range(10):
        other = np.roll(x.reshape(-1), shift).reshape(x.shape)
        np.testing.assert_array_equal(outcome(after, other)[0][0], function(other, axis=axis, keepdims=keepdims))


@pytest.mark.parametrize("axis", [0, 1, (0, 2)])
def test_greatest_over_other_axes(axis):
    program = program_of(lambda x: np.max(x, axis=axis), values(3, 4, 5))
    assert functions(cheaper(program)) == functions(program)


@given(steps(), arrays(), arrays())
@np.errstate(all="ignore")
def test_random_programs(step, x, y):
    """All keep their bits, if no sum becomes a product."""
    program = program_of(step, x, y)
    with patch.dict(REWRITES):
        del REWRITES[np.add.reduce]
        after = cheaper(program)
    assert_same_outcome(program, after, x, y)
