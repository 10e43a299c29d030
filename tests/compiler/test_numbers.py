"""NumPy's scalars in a recorded step are values, not memory."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.trees import leaves


def swapped(v):
    h = v * 1
    h[0], h[1] = h[1], h[0]
    return h


def counted_up(v):
    best = total = np.max(v)
    total += 1
    return best, total


def running_sums(v):
    sums, total = [], np.sum(v[:1])
    for i in range(1, len(v)):
        sums.append(total)
        total += np.sum(v[i : i + 1])
    return [*sums, total]


def summed_from_the_first(v):
    h = v * 2
    total, *rest = h
    for x in rest:
        total += x
    return total, h


def kept_element(v):
    h = v * 2
    old = h[0]
    h[0] = 9.0
    return old, h


def argument_summed(v):
    total = v[0]
    total += v[1]
    return total, v * 1


def less_the_first(v):
    h = v * 1
    first = h[0]
    h -= h[0]
    return first, h


def tensor_of_a_number(v):
    total = np.sum(v)
    t = tn.Tensor(total)
    with tn.no_grad():
        t += 1
    return total, t


def array_of_a_number(v):
    total = np.sum(v)
    a = total[...]
    a += 1
    return total, a


@pytest.mark.parametrize("function", [
    swapped, counted_up, running_sums, summed_from_the_first, kept_element, argument_summed, less_the_first,
    tensor_of_a_number, array_of_a_number,
])  # fmt: skip
def test_a_number_is_a_value(function):
    """Of an array that is changed NumPy's scalars keep the old element, and ``+=`` makes another scalar."""
    step = tn.compile(function)
    for seed in range(4):
        v = np.random.default_rng(seed).normal(size=4)
        for x, y in zip(leaves(function(v)), leaves(step(v)), strict=True):
            np.testing.assert_array_equal(getattr(y[1], "data", y[1]), getattr(x[1], "data", x[1]))
            assert type(x[1]) is type(y[1])


def test_an_element_of_the_state_is_the_old_one():
    count = tn.tensor([0.0, 5.0])

    def step(x):
        old = count.data[0]
        with tn.no_grad():
            count.data += np.sum(x)
        return old

    step = tn.compile(step)
    assert [float(step(np.ones(2))) for _ in range(4)] == [0.0, 2.0, 4.0, 6.0]


def test_a_number_seen_as_an_array_cannot_be_changed_unnoticed():
    def step(v):
        total = np.sum(v)
        a = np.reshape(total, 1)
        a += 1
        return total

    with pytest.raises(ValueError, match="read-only"):
        tn.compile(step)(np.ones(3))
