"""`tn.compile` as its users see it: when it records, what it gives, and what it is."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import tinynet as tn
from tests.compiler.networks import RNG
from tinynet.errors import RecordingError


def test_a_kind_of_arguments_is_recorded_twice_and_then_replayed():
    calls = []

    @tn.compile
    def step(x):
        calls.append(x.shape)
        return np.exp(x) * 2

    for n in (3, 3, 3, 5, 5, 5, 3):
        x = RNG.normal(size=n)
        np.testing.assert_array_equal(step(x), np.exp(x) * 2)
    assert calls == [(3,), (3,), (5,), (5,)]
    assert step.recordings == 4
    assert step.deviation == 0


@pytest.mark.parametrize("change", [
    lambda x: x.astype(np.float32), lambda x: tn.tensor(x), lambda x: x[:2], lambda x: [x],
])  # fmt: skip
def test_another_kind_is_recorded_anew(change):
    step = tn.compile(lambda x: np.sum(x[0] if isinstance(x, list) else x) * 3)
    x = RNG.normal(size=3)
    for _ in range(3):
        step(x)
    before = step.recordings
    other = change(x)
    result = step(other)
    assert step.recordings == before + 1
    expected = np.sum(other[0] if isinstance(other, list) else other) * 3
    assert type(result) is type(expected)
    assert np.asarray(result).dtype == np.asarray(expected).dtype


def test_python_values_are_part_of_what_is_recorded():
    step = tn.compile(lambda x, power, *, scale=1.0: scale * x**power)
    x = np.array([2.0, 3.0])
    for power, scale in ((2, 1.0), (3, 1.0), (2, 0.5), (3, 1.0), (2, 1.0), (2, 0.5)):
        np.testing.assert_array_equal(step(x, power, scale=scale), scale * x**power)
    assert step.recordings == 6


def test_structure_and_none_are_part_of_the_kind_of_arguments():
    x = np.arange(6.0).reshape(2, 3)
    total = tn.compile(lambda x, axis=0: np.sum(x, axis=axis))
    pick = tn.compile(lambda x, index: np.sum(x[index]))
    sign = tn.compile(lambda x, s: np.copysign(x, s))
    for _ in range(3):
        total(x), pick(x, (0, 1)), sign(x, 0.0)
    for _ in range(3):
        assert total(x, None) == total(x, axis=None) == 15.0
        assert pick(x, [0, 1]) == 15.0 and pick(x, (0, 1)) == 1.0
        assert np.signbit(sign(x, -0.0)).all()


def test_grad_mode_is_part_of_what_is_recorded():
    w = tn.tensor([1.0, 2.0], requires_grad=True)
    step = tn.compile(lambda x: np.sum(w * x).detach())
    for _ in range(3):
        step(np.ones(2))
    with tn.no_grad():
        assert step(np.ones(2)).item() == 3.0
    assert step.recordings == 3


def test_the_default_dtype_is_noticed():
    step = tn.compile(lambda x: tn.tensor([1.0, 2.0]) * x)
    x = np.ones(2, np.float32)
    for _ in range(3):
        assert step(x).dtype == np.float64
    try:
        tn.set_default_dtype("float32")
        assert step(x).dtype == np.float32
    finally:
        tn.set_default_dtype("float64")


def test_a_step_that_changes_its_kind_all_the_time_is_run_as_it_is_after_a_warning():
    step = tn.compile(lambda x, k: x * k)
    with pytest.warns(RuntimeWarning, match=r"recorded 16 times.*each Python number"):
        for k in range(18):
            np.testing.assert_array_equal(step(np.ones(2), k), np.full(2, float(k)))
    assert step.recordings == 16
    np.testing.assert_array_equal(step(np.ones(2), 3), [3.0, 3.0])


def test_the_warning_names_the_callers_line():
    step = tn.compile(lambda x: x + 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for n in range(20):
            step(np.ones(n)), step(np.ones(n))
    assert [w.filename for w in caught] == [__file__]
    assert step.recordings == 32  # sixteen kinds, each seen twice


def test_a_kind_of_arguments_that_is_not_recorded_takes_no_memory():
    step = tn.compile(lambda x, k: x * k)
    with pytest.warns(RuntimeWarning, match="recorded 16 times"):
        for k in range(60):
            step(np.ones(2), k)
    assert len(step._variants) == 16


def test_within_another_recording_it_is_a_part_of_that():
    inner = tn.compile(lambda x: np.tanh(x))
    outer = tn.compile(lambda x: inner(x) * 2)
    for _ in range(3):
        np.testing.assert_array_equal(outer(np.ones(2)), np.tanh(np.ones(2)) * 2)
    assert inner.recordings == 0
    assert "tanh" in str(outer.program)


def test_check_runs_the_step_too():
    factor = [2.0]
    calls = []

    @tn.compile(check=True)
    def step(x):
        calls.append(1)
        return {"scaled": x * factor[0], "same": x + 1}

    for _ in range(4):
        step(np.ones(3))
    assert len(calls) == 4
    factor[0] = 3.0
    with pytest.raises(RecordingError, match=r"2\.0 in one run, 3\.0 in another"):
        step(np.ones(3))


# What it takes and gives ---------------------------------------------------------------------------------------------


def test_containers_go_in_and_out():
    step = tn.compile(lambda tree: {"sum": tree["a"] + tree["b"][0], "rest": (tree["b"][1], None, "text", 3)})
    for _ in range(4):
        a, b, c = RNG.normal(size=(3, 2))
        out = step({"a": a, "b": [b, c]})
        np.testing.assert_array_equal(out["sum"], a + b)
        np.testing.assert_array_equal(out["rest"][0], c)
        assert out["rest"][1:] == (None, "text", 3)


def test_results_belong_to_the_caller():
    step = tn.compile(lambda x: (x * 2, tn.Tensor(x) * 3))
    kept = [step(np.full(3, float(k))) for k in range(5)]
    for k, (a, b) in enumerate(kept):
        np.testing.assert_array_equal(a, np.full(3, 2.0 * k))
        np.testing.assert_array_equal(b.data, np.full(3, 3.0 * k))


class OwnParameter(tn.nn.Parameter):
    def __init__(self, data, name):
        super().__init__(data, requires_grad=False)
        self.name = name


def test_a_tensor_of_another_class_arrives_as_one():
    seen = []

    def step(p):
        seen.append((type(p), p.name, p.requires_grad))
        return p * 2

    step = tn.compile(step)
    for k in range(3):
        np.testing.assert_array_equal(step(OwnParameter(np.full(2, float(k)), "weight")).data, 2.0 * k)
    assert seen == [(OwnParameter, "weight", False)] * 2


def test_derivatives_of_a_compiled_function_are_those_of_the_function():
    step = tn.compile(lambda x: np.sum(np.tanh(x) ** 2))
    x = np.array([0.5, -1.0])
    for _ in range(3):
        step(x)
    expected = 2 * np.tanh(x) * (1 - np.tanh(x) ** 2)
    np.testing.assert_allclose(tn.grad(step)(x), expected)


# What it is ----------------------------------------------------------------------------------------------------------


def test_it_says_what_it_is():
    @tn.compile
    def step(x):
        """Doubles."""
        return x * 2

    assert step.__name__ == "step" and step.__doc__ == "Doubles."
    assert "not yet recorded" in repr(step)
    with pytest.raises(RecordingError, match="not been called"):
        _ = step.program
    step(np.ones(3))
    assert repr(step) == "<compiled step: 1 NumPy calls, 1 recorded; memory: 128 bytes in 2 buffers, 128 bytes without reuse>"
    assert "multiply" in str(step.recorded)
    assert tn.compile(step) is step
    with pytest.raises(TypeError, match="a step is a function"):
        tn.compile(3)


def test_it_may_be_a_method():
    class Learner:
        def __init__(self, rate):
            self.rate = rate

        @tn.compile
        def step(self, x):
            return x * self.rate

    learners = [Learner(2.0), Learner(3.0)]
    for _ in range(3):
        assert [learner.step(np.ones(1)).item() for learner in learners] == [2.0, 3.0]
    learners[0].rate = 5.0
    assert [learner.step(np.ones(1)).item() for learner in learners] == [5.0, 3.0]


@tn.compile
def doubled(x):
    return x * 2


def test_a_decorated_function_is_pickled_by_name():
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    assert copy.deepcopy(doubled) is doubled


class Learner:
    @tn.compile
    def step(self, x):
        return x * 2


def test_a_compiled_method_is_pickled_by_name():
    assert pickle.loads(pickle.dumps(Learner.step)) is Learner.step


def test_copies_record_anew():
    step = tn.compile(np.tanh)
    for _ in range(3):
        step(np.ones(2))
    for twin in (copy.deepcopy(step), pickle.loads(pickle.dumps(step))):
        assert twin.recordings == 0
        np.testing.assert_array_equal(twin(np.ones(2)), np.tanh(np.ones(2)))
