"""A step that a replay would not repeat is refused by `tn.compile`, in the first call or the second."""

import numpy as np
import pytest

import tinynet as tn
from tests.compiler.networks import RNG
from tinynet.errors import RecordingError

BAD = {
    "if": lambda x: x * 2 if np.sum(x) > 0 else x,
    "float": lambda x: x * float(np.sum(x)),
    "item": lambda x: x * np.sum(x).item(),
    "mask": lambda x: x[x > 0],
    "nonzero": lambda x: np.nonzero(x)[0],
    "asarray": lambda x: np.asarray(x),
    "math": lambda x: __import__("math").sqrt(np.sum(x * x)),
    "in place": lambda x: np.add(x, 1, out=x),
}


@pytest.mark.parametrize("function", BAD.values(), ids=BAD)
@pytest.mark.parametrize("make", [lambda x: x, tn.tensor], ids=["array", "tensor"])
def test_what_cannot_be_replayed_is_refused_with_the_line(function, make):
    step = tn.compile(lambda x: function(x))
    with pytest.raises((RecordingError, TypeError), match=r"test_refused\.py, line \d+|out="):
        step(make(np.array([1.0, -2.0])))


def test_a_result_with_a_graph_is_refused():
    layer = tn.nn.Linear(2, 1)
    with pytest.raises(RecordingError, match=r"tensor with a graph.*detach"):
        tn.compile(lambda x: layer(x))(np.ones((3, 2)))


def test_what_is_kept_is_refused():
    kept = []
    step = tn.compile(lambda x: kept.append(x * 2))
    with pytest.raises(RecordingError, match="keeps 1 array"):
        step(np.ones(3))


def test_unhashable_arguments_are_refused():
    with pytest.raises(RecordingError, match="set"):
        tn.compile(lambda x, y: x)(np.ones(2), {1, 2})


# What two calls show -------------------------------------------------------------------------------------------------


def test_what_changes_from_call_to_call_is_found_in_the_second():
    rows = iter([np.ones(3), np.zeros(3)])
    step = tn.compile(lambda x: x * next(rows))
    step(np.ones(3))
    with pytest.raises(RecordingError, match="random numbers, a part of the data"):
        step(np.ones(3))


def test_a_counter_is_found_in_the_second_call():
    count = iter(range(100))
    step = tn.compile(lambda x: x * next(count))
    step(np.ones(3))
    with pytest.raises(RecordingError, match="Python value 0 in one run, 1 in another"):
        step(np.ones(3))


def test_integers_that_a_replay_does_not_give_are_found():
    hidden = iter(range(100))

    @tn.primitive
    def stateful(x):
        return np.asarray(x).astype(int) + next(hidden)

    with pytest.raises(RecordingError, match="the output is another in the replay than in the step itself; does"):
        tn.compile(lambda x: stateful(x))(np.ones(2))


def test_what_was_refused_once_is_not_replayed():
    hidden = iter([0, 0, 0, 1, 1, 1, 1])

    @tn.primitive
    def stateful(x):
        return x + next(hidden)

    step = tn.compile(lambda x: stateful(x))
    step(np.ones(2))
    with pytest.raises(RecordingError, match="is another in the replay"):
        step(np.ones(2))
    np.testing.assert_array_equal(step(np.ones(2)), 2.0)
    assert step.recordings == 3


# In a replay ---------------------------------------------------------------------------------------------------------


def test_an_argument_that_is_a_weight_is_refused_in_a_replay_too():
    w = tn.tensor(np.ones(2), requires_grad=True)

    @tn.compile
    def step(x):
        with tn.no_grad():
            w.data[...] = w.data + 1
        return x + w.data

    for _ in range(3):
        step(np.ones(2))
    with pytest.raises(RecordingError, match="shares memory"):
        step(w.data)


def test_bad_labels_are_an_error_in_a_replay_too():
    step = tn.compile(lambda x, y: tn.nn.functional.cross_entropy(x, y))
    x = RNG.normal(size=(4, 3))
    for _ in range(3):
        step(tn.tensor(x), np.array([0, 1, 2, 0]))
    with pytest.raises(IndexError, match="label 7 at position"):
        step(tn.tensor(x), np.array([0, 1, 7, 0]))
