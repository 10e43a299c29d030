"""Random numbers in a compiled step are drawn anew in each replay, or refused."""

import random

import numpy as np
import pytest

import tinynet as tn
from tests.compiler.networks import batch, twins
from tinynet.errors import RecordingError


def test_dropout_draws_anew_in_each_replay():
    _, _, step, plain = twins(dropout=0.5)
    x, y = batch()
    losses = [(step(x, y).item(), plain(x, y).item()) for _ in range(8)]
    for compiled, expected in losses:
        assert compiled == pytest.approx(expected, rel=1e-12)


def test_the_default_generator_is_the_one_of_the_moment():
    layer = tn.nn.Dropout(0.5)
    step = tn.compile(lambda x: layer(x))
    for seed in (0, 1, 2, 0, 1, 2):
        tn.manual_seed(seed)
        replayed = step(np.ones(20))
        tn.manual_seed(seed)
        np.testing.assert_array_equal(replayed, layer(np.ones(20)))


def test_draws_of_recorded_operations_are_no_matter():
    rng = np.random.default_rng(0)
    drop = tn.nn.Dropout(0.5, rng=rng)
    step = tn.compile(lambda x: drop(tn.tensor(x)) + tn.nn.Dropout(0.5, rng=rng)(x))
    values = [step(np.ones(9)).data for _ in range(4)]
    rng = np.random.default_rng(0)
    drop = tn.nn.Dropout(0.5, rng=rng)
    for value in values:
        np.testing.assert_array_equal(value, (drop(tn.tensor(np.ones(9))) + drop(tn.tensor(np.ones(9)))).data)


# What is refused -----------------------------------------------------------------------------------------------------


GENERATOR = np.random.default_rng(1)


@pytest.mark.parametrize("draw", [random.random, np.random.rand, GENERATOR.random, lambda: GENERATOR.integers(2)])
def test_a_draw_that_the_recorder_does_not_see_is_found_in_the_first_and_undone(draw):
    def step(x, rng):
        return x if draw() < 0.5 else x * 2  # two draws may well agree

    def states():
        return random.getstate(), str(np.random.get_state()), str(GENERATOR.bit_generator.state)

    compiled, before = tn.compile(step), states()
    with pytest.raises(RecordingError, match="random numbers by a function that is not recorded"):
        compiled(np.ones(3), GENERATOR)
    assert states() == before
    with pytest.raises(RecordingError, match="random numbers by a function that is not recorded"):
        tn.compile(lambda x: x if draw() < 0.5 else x * 2)(np.ones(3))


def test_a_generator_in_the_closure_is_found():
    rng = np.random.default_rng(0)
    with pytest.raises(RecordingError, match="random numbers by a function that is not recorded"):
        tn.compile(lambda x: x if rng.random() < 0.5 else x * 2)(np.ones(3))


@pytest.mark.parametrize("draw", [
    lambda: tn.data.circle(4)[0][:3, 0], lambda: tn.nn.Linear(1, 3).bias.data,
    lambda: tn.data.circle(3, rng=GENERATOR)[0][:, 0],
])  # fmt: skip
def test_numbers_that_the_library_draws_in_the_step_are_refused(draw):
    with pytest.raises(RecordingError, match=r"test_draws\.py, line \d+: the step draws random numbers"):
        tn.compile(lambda x: x * draw())(np.ones(3))


def test_a_seed_within_a_step_is_refused():
    def step(x):
        tn.manual_seed(0)
        return tn.nn.Dropout(0.5)(x)

    with pytest.raises(RecordingError, match="a replay would not seed anew"):
        tn.compile(step)(np.ones(3))
