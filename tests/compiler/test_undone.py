"""A step that is refused, or ends with an error while it is recorded, leaves everything as it was."""

import numpy as np
import pytest

import tinynet as tn
from tests.compiler.networks import batch, network
from tests.compiler.small_steps import statements
from tinynet.errors import RecordingError


def test_a_refused_step_has_changed_nothing():
    model = network()
    optimizer = tn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    @tn.compile
    def step(x, y):
        loss = tn.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return float(loss)

    before = model.state_dict()
    with pytest.raises(RecordingError):
        step(*batch())
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(x, before[name])
    assert all(p.grad is None for p in model.parameters())


def test_a_refused_step_leaves_everything_as_it_was():
    model = tn.nn.Sequential(tn.nn.Linear(3, 2, rng=0), tn.nn.Dropout(0.5, rng=np.random.default_rng(0)))
    optimizer = tn.optim.Adam(model.parameters(), lr=0.1)
    scheduler = tn.optim.StepLR(optimizer, 1, 0.5)
    kept = []

    def step(x):
        loss = np.sum(model(x) ** 2)
        loss.backward()
        optimizer.step()
        scheduler.step()
        kept.append(loss)
        return loss

    gradient = np.ones((2, 3))
    model[0].weight.grad = gradient
    weights, state = model.state_dict(), optimizer.state_dict()
    generator = model[1].rng.bit_generator.state
    with pytest.raises(RecordingError, match="keeps"):
        tn.compile(step)(np.ones((4, 3)))
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(x, weights[name])
    assert model[0].weight.grad is gradient and model[0].bias.grad is None
    assert scheduler.last_epoch == 0 and optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.state_dict() == state
    assert model[1].rng.bit_generator.state == generator
    assert type(kept[0].data) is np.ndarray  # nothing that records is left anywhere
    step(np.ones((4, 3)))


@pytest.mark.parametrize("change", [
    lambda x: x.requires_grad_(), lambda x: setattr(x, "data", np.ones(3)), lambda x: setattr(x, "grad", np.ones(3)),
])  # fmt: skip
def test_what_is_done_to_an_argument_is_refused(change):
    step = tn.compile(lambda x: statements(change(x), x * 2))
    x = tn.tensor(np.ones(3))
    with pytest.raises(RecordingError, match="of an argument"):
        step(x)
    assert not x.requires_grad and x.grad is None


def test_a_weight_as_an_argument_is_refused_if_the_step_changes_it():
    w = tn.tensor(np.ones(3), requires_grad=True)

    def update(x):
        with tn.no_grad():
            w.__isub__(x)
        return x + w.data

    with pytest.raises(RecordingError, match="shares memory"):
        tn.compile(update)(w.data)
    np.testing.assert_array_equal(w.data, np.ones(3))


# Errors of the step --------------------------------------------------------------------------------------------------


def test_an_error_of_the_step_is_the_steps_own():
    step = tn.compile(lambda x: np.ones(3) @ x)
    with pytest.raises(ValueError, match=r"mismatch|shapes"):
        step(np.ones(4))


def test_an_error_that_an_operation_makes_is_its_own():
    """It is not run again for it."""
    calls = []

    @tn.primitive
    def broken(x):
        calls.append(1)
        raise LookupError("broken")

    broken.defvjp(lambda g, out, x: g)
    with pytest.raises(LookupError, match="broken"):
        tn.compile(lambda x: np.exp(broken(x)))(np.ones(2))
    assert len(calls) == 1


def test_an_error_in_the_step_leaves_plain_arrays_behind():
    w = tn.tensor(np.ones(3), requires_grad=True)
    kept = {}

    @tn.compile
    def step(x):
        np.sum(w * x).backward()
        kept["x"] = [x * 2]
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        step(np.arange(3.0))
    np.testing.assert_array_equal(w.grad, np.arange(3.0))
    assert type(w.grad) is np.ndarray and type(kept["x"][0]) is np.ndarray
