"""What is nothing but rounding may be another in a replay; a mistake of a pass in any other number is found."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.compiler import variant
from tinynet.compiler.noise import Terms
from tinynet.compiler.outcomes import compared, distances
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
    """Half of the rows are of equal numbers, whose mean is above them or not by rounding alone: a replay may say otherwise."""

    def above(x):
        return np.sum(x > np.mean(x, axis=1, keepdims=True), axis=1)

    for seed in range(10):
        rng = np.random.default_rng(seed)
        equal, others = np.tile(rng.normal(size=(64, 1)), (1, 10)), rng.normal(size=(64, 10))
        x = np.concatenate([equal, others]).astype("float32")
        step = tn.compile(above)
        for _ in range(3):
            found = step(x)
            np.testing.assert_array_equal(found[64:], above(x)[64:])
            assert np.all((found[:64] == 0) | (found[:64] == 10))


def test_two_steps_of_noise_in_one():
    """The gradients of the first are gone at the end; what the optimizer made of them is not."""
    step, batch, parameters = noisy_training("Adam of signs")
    plain, _, expected = noisy_training("Adam of signs")
    start = {name: p.data.copy() for name, p in parameters.items()}
    twice = tn.compile(lambda x, y: (step(x, y), step(x, y)))
    for calls in range(1, 4):
        found, truth = twice(*batch), (plain(*batch), plain(*batch))
        np.testing.assert_allclose([loss.item() for loss, _ in found], [loss.item() for loss, _ in truth], rtol=1e-9)
        assert [right for _, right in found] == [right for _, right in truth]
        for name in ("first.weight", "last.weight"):
            np.testing.assert_allclose(parameters[name].data, expected[name].data, rtol=1e-9, err_msg=name)
        for name in ("first.bias", "shift"):  # a step is no longer than about the learning rate
            assert np.all(np.abs(parameters[name].data - start[name]) <= 0.011 * 2 * calls)
    assert twice.recordings == 2


def vanishing(x):
    """For each row a number that is 0 but for rounding."""
    return np.sum(x - np.mean(x, axis=1, keepdims=True), axis=1)


def of_unit_length(x):
    return x / np.sqrt(np.sum(x * x))


SATURATED = {  # of these any rounding makes another number, so that in few runs it may happen to be nearly the same
    "count": lambda x: np.sum(vanishing(x) > 0),
    "order": lambda x: np.argsort(vanishing(x)),
    "direction": lambda x: of_unit_length(vanishing(x)),
    "phase": lambda x: np.sin(vanishing(x) * 1e17),
}


@pytest.mark.parametrize("name", SATURATED)
def test_noise_that_few_runs_underestimate_is_noise(name, monkeypatch):
    """The replay has other roundings in all of its sums."""
    terms = Terms()
    terms.size = 2
    monkeypatch.setattr(variant, "optimized", terms.of_sums)
    for seed in range(10, 30):
        terms.rng = np.random.default_rng(0)
        x = np.random.default_rng(seed).normal(size=(6, 9))
        step = tn.compile(SATURATED[name])
        for _ in range(2):
            step(x)
        assert step.recordings == 2


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


@pytest.mark.parametrize(
    "change, is_right",
    [
        ([0, 0.1, 0, 0], True),
        ([0, 0.1, 0, 1e-6], True),
        ([0, 1.0, 0, 0], False),
        ([0, 0, 0, 1e-4], False),  # less than what is noise in another element
        ([0, 0, 0, 0.05], False),
        ([1e-6, 0, 0, 0], False),
        ([1e-12, 0, 0, 0], True),
        ([0, np.nan, 0, 0], False),
        ([0, np.inf, 0, 0], False),
    ],
)
def test_each_element_is_compared_with_its_own_noise(change, is_right):
    truth, noise = np.array([3.0, 1.0, 2.0, 4.0]), np.array([0.0, 0.1, 0.0, 1e-6])
    assert (compared(["a"], [truth], [truth + change], [noise]).fault == "") == is_right


@pytest.mark.parametrize("odd", [np.inf, np.nan])
def test_noise_that_is_no_number_excuses_nothing(odd):
    truth, noise = np.array([3.0, 1.0, 2.0]), np.array([odd, 0.1, 0.0])
    for change, is_right in (([0, 0.1, 0], True), ([0, 77.0, 0], False), ([1e-6, 0, 0], False), ([np.nan, 0, 0], False)):
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


@pytest.mark.parametrize("dtype", ["int64", "uint64", "int8"])
def test_integers_are_compared_with_the_size_of_their_noise(dtype):
    truth, noise = np.array([100, 5, 0], dtype), np.array([1.0, 3.0, 0.0])
    for replayed in ([102, 5, 0], [98, 5, 0], [99, 11, 0]):
        assert compared(["n"], [truth], [np.array(replayed, dtype)], [noise]).fault == ""
    for replayed in ([103, 5, 0], [97, 5, 0], [0, 5, 0], [100, 12, 0], [100, 5, 1]):
        assert compared(["n"], [truth], [np.array(replayed, dtype)], [noise]).fault


def test_large_integers_that_differ_by_one_differ():
    truth, replayed = np.array([2**62, 2**63 - 1]), np.array([2**62 + 1, 2**63 - 1])
    assert distances(truth, replayed).tolist() == [1.0, 0.0]
    assert compared(["n"], [truth], [replayed]).fault


@pytest.mark.parametrize("by, is_right", [(1e-9, True), (77.0, False), (np.nan, False), (np.inf, False)])
def test_a_run_in_which_an_element_is_no_number_excuses_nothing(by, is_right, monkeypatch):
    """A root of what is 0 but for rounding: where terms are smaller it is NaN, where they are larger 1e-7."""
    plant(monkeypatch, lambda program: program.outputs[0], np.add, by)
    step, x = tn.compile(lambda x: np.sqrt(np.sum(x) - 6.0 + 1e-20)), np.array([1.0, 2.0, 3.0])
    if is_right:
        assert step(x) == pytest.approx(1e-10 + by)
    else:
        with pytest.raises(RecordingError, match=r"the output is another .* please report"):
            step(x)


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
