"""Gradients from before a compiled step, and those that it leaves."""

import numpy as np
import pytest

import tinynet as tn
from tests.compiler.networks import batch, network
from tinynet.errors import RecordingError


def test_gradients_add_up_where_they_are_not_cleared():
    model, twin = network(), network()

    def accumulate(model):
        def step(x, y):
            loss = tn.nn.functional.mse_loss(model(x), y)
            loss.backward()
            return loss

        return step

    compiled, plain = tn.compile(accumulate(model)), accumulate(twin)
    for round in range(4):
        for _ in range(3):
            x, y = batch()
            compiled(x, y), plain(x, y)
            for p, q in zip(model.parameters(), twin.parameters(), strict=True):
                np.testing.assert_allclose(p.grad, q.grad, rtol=1e-12, atol=1e-14)
        if round % 2:
            model.zero_grad(), twin.zero_grad()


UPDATES = {
    "in place": lambda p, v: p.__isub__(0.1 * p.grad),
    "replaced": lambda p, v: setattr(p, "data", p.data - 0.1 * p.grad),
    "a velocity": lambda p, v: (v.__setitem__(..., 0.9 * v + p.grad), p.__isub__(0.1 * v)),
    "clipped first": lambda p, v: (setattr(p, "grad", np.clip(p.grad, -2, 2)), p.__isub__(0.1 * p.grad)),
    "cleared after": lambda p, v: (p.__isub__(0.1 * p.grad), setattr(p, "grad", None)),
}


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
def test_a_step_may_begin_with_a_gradient(update):
    def run(compile):
        p, v = tn.tensor([1.0, 2.0], requires_grad=True), tn.tensor([0.0, 0.0])

        def step():
            with tn.no_grad():
                update(p, v)

        step = tn.compile(step) if compile else step
        left = []
        for g in (1.0, 1.0, 1.0, 5.0, 9.0):
            p.grad = np.array([g, -g])
            step()
            left.append(None if p.grad is None else p.grad.tolist())
        return p.data.tolist(), left

    assert run(True) == run(False)


def test_gradients_that_are_cleared_in_one_run_only_stay_cleared():
    """Where there was none in the first run, nothing was seen to be cleared."""
    p = tn.tensor([1.0, 2.0], requires_grad=True)

    def step(x):
        p.grad = None
        return p.data + x

    step = tn.compile(step)
    for given in (None, np.ones(2), np.ones(2), None, np.ones(2)):
        p.grad = given
        step(np.ones(2))
        assert p.grad is None


def test_a_gradient_for_another_tensor_in_each_run_is_refused():
    p, q = (tn.tensor([1.0], requires_grad=True) for _ in range(2))
    calls = []

    def step(x):
        calls.append(1)
        p.grad = q.grad = None
        (p if len(calls) % 2 else q).grad = x * 2

    step = tn.compile(step)
    with pytest.raises(RecordingError, match=r"a tensor of shape .* has a gradient after one run"):
        for _ in range(3):
            step(np.ones(1))


def test_a_gradient_of_another_kind_is_another_kind():
    """It is not cast to that which was recorded."""

    def run(compile):
        p = tn.tensor([1.0, 2.0], requires_grad=True, dtype="float32")

        def step(x):
            np.sum(p * x).backward()

        step = tn.compile(step) if compile else step
        x, left = np.ones(2, "float32"), []
        for given in (None, None, None, np.array([1e-9, 1.0]), None, None, np.array(7.0), np.array([1.0, 2.0], "float32")):
            p.grad = p.grad if given is None else given
            step(x)
            left.append((p.grad.dtype, p.grad.tolist()))
        return left

    assert run(True) == run(False)


# After an error in a replay ------------------------------------------------------------------------------------------


def test_an_error_in_a_replay_leaves_gradients_as_an_uncompiled_step_does():
    for clear in (True, False):
        states = []
        for compile in (True, False):
            layer = tn.nn.Linear(2, 3, rng=0)

            def step(x, y, layer=layer, clear=clear):
                if clear:
                    layer.zero_grad()
                loss = tn.nn.functional.cross_entropy(layer(x), y)
                loss.backward()
                return loss

            step = tn.compile(step) if compile else step
            x = np.array([[1.0, 2.0], [3.0, -1.0]])
            for _ in range(3):
                step(x, np.array([0, 2]))
            layer.weight.grad = np.zeros((3, 2))
            with pytest.raises(IndexError):
                step(x, np.array([0, 9]))
            states.append(layer.weight.grad)
            step(x, np.array([1, 2]))
            states.append(layer.weight.grad.copy())
        assert (states[0] is None) == (states[2] is None) == clear
        if not clear:
            np.testing.assert_array_equal(states[0], states[2])
        np.testing.assert_allclose(states[1], states[3], rtol=1e-12)


def test_gradients_of_a_step_that_ended_before_them_are_none():
    """Their memory is that of the step, which has written other things there."""
    layer = tn.nn.Linear(2, 3, rng=0)

    def step(x, y):
        layer.zero_grad()
        loss = tn.nn.functional.cross_entropy(layer(x), y)
        loss.backward()
        return loss

    step = tn.compile(step)
    x = np.array([[1.0, 2.0], [3.0, -1.0]])
    for _ in range(3):
        step(x, np.array([0, 2]))
        assert layer.weight.grad is not None
    with pytest.raises(IndexError):
        step(x, np.array([0, 9]))
    assert layer.weight.grad is None and layer.bias.grad is None
    step(x, np.array([0, 1]))
    assert layer.weight.grad is not None


def test_gradients_that_add_up_are_as_before_a_step_that_ended_before_them():
    layer = tn.nn.Linear(2, 3, rng=0)

    def step(x, y):
        tn.nn.functional.cross_entropy(layer(x), y).backward()

    step = tn.compile(step)
    x = np.array([[1.0, 2.0], [3.0, -1.0]])
    for _ in range(4):
        step(x, np.array([0, 2]))
    before = layer.weight.grad.copy()
    with pytest.raises(IndexError):
        step(x, np.array([0, 9]))
    np.testing.assert_array_equal(layer.weight.grad, before)
    step(x, np.array([0, 2]))
    np.testing.assert_allclose(layer.weight.grad, before * 5 / 4)
