"""What is nothing but rounding may be another in a replay; a mistake of a pass in any other number is found."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.compiler import variant
from tinynet.compiler.outcomes import compared
from tinynet.compiler.passes import optimized
from tinynet.compiler.program import Call, Program, View
from tinynet.errors import RecordingError

OPTIMIZERS = {
    "SGD": lambda p: tn.optim.SGD(p, lr=0.1),
    "Adam": lambda p: tn.optim.Adam(p, lr=0.01),
    "Adam of signs": lambda p: tn.optim.Adam(p, lr=0.01, eps=1e-30),  # a whole step, whichever way the noise points
}


def noisy_training(optimizer, dtype="float64"):
    """A training step of which two gradients would be 0 without rounding, its arguments, and its parameters by name."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 5)).astype(dtype), rng.integers(0, 3, 12)
    first, last = tn.nn.Linear(5, 8, rng=0).astype(dtype), tn.nn.Linear(8, 3, rng=1).astype(dtype)
    shift = tn.tensor(np.array(0.5, dtype), requires_grad=True)
    optimizer = OPTIMIZERS[optimizer]([*first.parameters(), *last.parameters(), shift])

    def step(x, y):
        optimizer.zero_grad()
        h = first(x)  # its bias is subtracted with the mean
        h = np.tanh((h - np.mean(h, 0)) / np.sqrt(np.var(h, 0) + 1e-5))
        logits = last(h) + shift  # which the loss does not see in all of them
        loss = tn.nn.functional.cross_entropy(logits, y)
        loss.backward()
        optimizer.step()
        return loss, np.sum(np.argmax(logits.data, 1) == y)

    parameters = {"first.weight": first.weight, "first.bias": first.bias, "last.weight": last.weight, "shift": shift}
    return step, (x, y), parameters


# What is noise -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_gradient_that_is_rounding_noise_may_be_another(dtype, optimizer):
    step, batch, parameters = noisy_training(optimizer, dtype)
    plain, step = noisy_training(optimizer, dtype)[0], tn.compile(step)
    for _ in range(3):
        loss, right = step(*batch)
        expected = plain(*batch)
        assert loss.item() == pytest.approx(expected[0].item(), rel=1e-9 if dtype == "float64" else 1e-4)
        assert right == expected[1]
    for name in ("first.bias", "shift"):
        assert np.max(np.abs(parameters[name].grad)) < 1e-5 * np.max(np.abs(parameters["first.weight"].grad))
    assert step.recordings == 2
    assert step.deviation < (1e-10 if dtype == "float64" else 1e-4)  # of all that is no noise


def test_a_gradient_that_is_returned_may_be_noise():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 3)), rng.integers(0, 3, 12)
    step = tn.compile(tn.value_and_grad(lambda shift: tn.nn.functional.cross_entropy(tn.tensor(x) * 3 + shift, y)))
    for _ in range(3):
        loss, gradient = step(np.array(0.5))
        assert loss > 0.1 and abs(gradient) < 1e-14


def test_integers_that_come_of_rounded_numbers_may_be_others():
    """Rows of equal numbers, whose mean is above or below them by rounding alone: a replay may count otherwise."""
    for seed in range(10):
        x = np.tile(np.random.default_rng(seed).normal(size=(64, 1)), (1, 10)).astype("float32")
        step = tn.compile(lambda x: np.sum(x > np.mean(x, axis=1, keepdims=True)))
        for _ in range(3):
            assert 0 <= step(x) <= x.size


def test_two_steps_of_noise_in_one():
    """The gradients of the first are gone at the end; what the optimizer made of them is not."""
    step, batch, _ = noisy_training("Adam of signs")
    twice = tn.compile(lambda x, y: (step(x, y), step(x, y)))
    for _ in range(3):
        twice(*batch)
    assert twice.recordings == 2


# What is a mistake ---------------------------------------------------------------------------------------------------


def plant(monkeypatch, choose, function, number):
    """Have the passes make a mistake: a last call that changes the view ``choose(program)``."""

    def mistaken(program):
        program = optimized(program)
        view = choose(program)
        call = Call(function, (view, number), {}, (view,), in_place=True)
        return Program([*program.calls, call], program.inputs, program.outputs)

    monkeypatch.setattr(variant, "optimized", mistaken)


def gradient(shape):
    return lambda program: next(view for view in program.outputs[2:] if view.shape == shape)


def first_element(array):
    """The view of an element of an array from outside."""

    def choose(program):
        buffers = (x for x in program.buffers() if x.kind == "outside" and np.may_share_memory(x.array, array))
        buffer = next(buffers)
        return View(buffer, array.ctypes.data - buffer.array.ctypes.data, (), (), array.dtype)

    return choose


MISTAKES = {
    "the loss": (lambda _: lambda program: program.outputs[0], np.multiply, 1 + 1e-6, "output"),
    "a count": (lambda _: lambda program: program.outputs[1], np.add, 1, "output"),
    "a gradient": (lambda _: gradient((3, 8)), np.multiply, 1 + 1e-6, "a gradient"),
    "a gradient that is noise": (lambda _: gradient(()), np.add, 1e-9, "a gradient"),
    "one weight": (lambda p: first_element(p["first.weight"].data), np.multiply, 1 + 1e-4, r"shape \(\d+,\) that the step"),
    "one weight that noise changes": (lambda p: first_element(p["first.bias"].data), np.add, 1.0, "that the step"),
}


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_mistake_of_a_pass_is_found_beside_noise(name, optimizer, monkeypatch):
    choose, function, number, where = MISTAKES[name]
    step, batch, parameters = noisy_training(optimizer)
    step(*batch)  # the optimizer has the parameters in its vector now
    before = {name: p.data.copy() for name, p in parameters.items()}
    plant(monkeypatch, choose(parameters), function, number)
    with pytest.raises(RecordingError, match=rf"{where}.* is another in the replay .*please report this mistake of a pass"):
        tn.compile(step)(*batch)
    for name, p in parameters.items():
        np.testing.assert_array_equal(p.data, before[name])


@pytest.mark.parametrize("huge", [1e12, 1e300])
def test_small_numbers_are_compared_tightly_beside_huge_ones(huge, monkeypatch):
    def step(x):
        total = np.sum(np.exp(x), axis=0)
        return total * huge, total * 1e-9

    tn.compile(step)(np.ones((3, 2)))
    plant(monkeypatch, lambda program: program.outputs[1], np.multiply, 1 + 1e-6)
    with pytest.raises(RecordingError, match=r"the output\[1\] is another in the replay .* by 1\.0e-06 of its norm, though"):
        tn.compile(step)(np.ones((3, 2)))


def test_each_array_is_compared_with_its_own_noise():
    large, vanishing = np.array([1e9, 2e9]), np.array([1e-17, -2e-17])
    noise = [np.zeros(2), np.array([1e-15, 1e-15])]

    def fault(a, b, noise=noise):
        return compared(["a", "b"], [large, vanishing], [a, np.array(b)], noise).fault[:1]

    assert fault(large, [3e-17, 1e-17]) == ""
    assert fault(large, [3e-17, 1e-17], noise=None) == "b"
    assert fault(large, [1e-13, 0.0]) == "b"
    assert fault(large, [np.nan, 0.0]) == "b"
    assert fault(large * 1.001, vanishing) == "a"


def test_each_element_is_compared_with_its_own_noise():
    truth, noise = np.array([3.0, 1.0, 2.0]), np.array([0.0, 0.1, 0.0])
    for change, is_right in (([0, 0.1, 0], True), ([0, 1.0, 0], False), ([1e-6, 0, 0], False), ([1e-12, 0, 0], True)):
        assert (compared(["a"], [truth], [truth + change], [noise]).fault == "") == is_right


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
@pytest.mark.parametrize("odd", [0.0, np.nan, np.inf])
def test_a_deviation_is_relative_to_the_norm_of_what_is_finite(scale, odd):
    truth = np.array([odd, 3.0, 4.0]) * scale
    by = np.array([0.0, 0.0, 5.0]) * scale
    assert compared(["a"], [truth], [truth + 1e-10 * by]) == (pytest.approx(1e-10, rel=1e-4), "")
    assert compared(["a"], [truth], [truth + 1e-6 * by]).fault.endswith("by 1.0e-06 of its norm")
    assert compared(["a"], [truth], [np.array([1.0, 3.0, 4.0]) * scale]).fault


def test_integers_that_rounding_does_not_change_are_compared_exactly():
    truth, replayed = [np.array([1, 2, 3])], [np.array([1, 2, 4])]
    assert compared(["n"], truth, replayed, [np.array([0.0, 0.0, 1.0])]) == (0.0, "")
    found = compared(["n"], truth, replayed, [np.array([0.0, 1.0, 0.0])])
    assert found == (0.0, "n is another in the replay than in the step itself")


@pytest.mark.parametrize("fails", [lambda x: x > 6.0, lambda x: x < 6.0])
def test_where_other_rounding_is_an_error_nothing_is_noise(fails, monkeypatch):
    @tn.primitive
    def checked(x):
        if fails(x):
            raise ValueError("not 6")
        return x - 6.0

    plant(monkeypatch, lambda program: program.outputs[0], np.add, 1e-17)
    with pytest.raises(RecordingError, match=r"the output is another .* please report"):
        tn.compile(lambda x: checked(np.sum(x)) + 1e-17)(np.array([1.0, 2.0, 3.0]))
