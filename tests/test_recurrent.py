"""Recurrent cells: values, gradients and second derivatives against torch's and finite differences; states; errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ShapeError
from tinynet.nn import LSTMCell, RNNCell
from tinynet.testing import gradcheck

CELLS = [(RNNCell, {}), (RNNCell, {"nonlinearity": "relu"}), (LSTMCell, {})]


def parts(state):
    return list(state) if isinstance(state, tuple) else [state]


def run(cell, inputs, states):
    """The states after a sequence of inputs; torch's and ours are called alike."""
    state = None if not states else states[0] if len(states) == 1 else tuple(states)
    for x in inputs:
        state = cell(x, state)
    return parts(state)


@pytest.mark.parametrize(("kind", "keywords"), CELLS)
@given(data=st.data())
def test_values_and_gradients_are_torchs(kind, keywords, data):
    torch = pytest.importorskip("torch")
    sizes, bias = (data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))), data.draw(st.booleans())
    batch, steps = data.draw(st.sampled_from([(), (0,), (1,), (3,)])), data.draw(st.integers(1, 4))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    ours = kind(*sizes, bias=bias, **keywords, rng=rng)
    theirs = getattr(torch.nn, kind.__name__)(*sizes, bias=bias, **keywords, dtype=torch.float64)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({key: torch.from_numpy(x) for key, x in ours.state_dict().items()})
    assert repr(ours).partition("  #")[0] == repr(theirs)
    inputs = [rng.standard_normal((*batch, sizes[0])) for _ in range(steps)]
    number = data.draw(st.sampled_from([0, 1 if kind is RNNCell else 2]))
    states = [rng.standard_normal((*batch, sizes[1])) for _ in range(number)]
    leaves = [tn.tensor(x, requires_grad=True) for x in inputs + states]
    twins = [torch.tensor(x, requires_grad=True) for x in inputs + states]
    found, expected = (run(cell, xs[:steps], xs[steps:]) for cell, xs in ((ours, leaves), (theirs, twins)))
    cotangents = [rng.standard_normal(y.shape) for y in found]
    sum(np.sum(y * g) for y, g in zip(found, cotangents, strict=True)).backward()
    torch.autograd.backward(expected, [torch.from_numpy(g) for g in cotangents])
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=0, atol=1e-12, strict=True)
    for a, b in zip((*leaves, *ours.parameters()), (*twins, *theirs.parameters()), strict=True):
        np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=0, atol=1e-10, strict=True)


@pytest.mark.parametrize(("kind", "keywords"), CELLS)
@pytest.mark.parametrize("batch", [(), (2,)])
def test_second_derivatives(kind, keywords, batch):
    rng = np.random.default_rng(1)
    cell = kind(2, 3, **keywords, rng=rng)
    x, *states = [rng.standard_normal((*batch, n)) for n in (2, *[3] * (1 if kind is RNNCell else 2))]
    gradcheck(lambda x, *states: run(cell, [x], states), [x, *states], order=2)


def test_the_gates_of_the_lstm():
    """An input gate that is shut and a forget gate that is open keep the cell state; shut, they clear it."""
    cell = LSTMCell(1, 1, rng=0)
    for x in cell.parameters():
        x.data[...] = 0.0
    state = (np.array([0.3]), np.array([2.0]))
    cell.bias_ih.data[:] = [-1000.0, 1000.0, 0.0, 1000.0]
    h, c = cell(np.array([5.0]), state)
    np.testing.assert_array_equal([c.data, h.data], [[2.0], [np.tanh(2.0)]])
    cell.bias_ih.data[:] = [-1000.0, -1000.0, 0.0, -1000.0]
    h, c = cell(np.array([5.0]), state)
    np.testing.assert_array_equal([c.data, h.data], [[0.0], [0.0]])
    cell.bias_ih.data[:] = [1000.0, -1000.0, -1000.0, 1000.0]
    assert cell(np.array([5.0]), state)[1].data == -1.0


@pytest.mark.parametrize(("kind", "keywords"), CELLS)
def test_the_start_is_torchs(kind, keywords):
    cell = kind(3, 100, **keywords, rng=0)
    for x in cell.parameters():
        assert 0.095 < np.abs(x.data).max() <= 0.1
    np.testing.assert_array_equal(kind(3, 100, **keywords, rng=0).weight_hh.data, cell.weight_hh.data)


@pytest.mark.parametrize(("kind", "keywords"), CELLS)
def test_no_state_is_zeros(kind, keywords):
    cell, x = kind(2, 3, **keywords, rng=0), np.ones((4, 2))
    zeros = tuple(np.zeros((4, 3)) for _ in range(1 if kind is RNNCell else 2))
    for found, expected in zip(parts(cell(x)), run(cell, [x], zeros), strict=True):
        np.testing.assert_array_equal(found.data, expected.data)
    np.sum(parts(cell(x))[0]).backward()
    np.testing.assert_array_equal(cell.weight_hh.grad, 0.0)


@pytest.mark.parametrize(("kind", "keywords"), CELLS)
def test_float32_stays(kind, keywords):
    cell = kind(2, 3, **keywords, rng=0, dtype="float32")
    states = run(cell, [np.ones((4, 2), np.float32)] * 2, [])
    np.sum(states[-1]).backward()
    assert {x.dtype for x in states} | {x.grad.dtype for x in cell.parameters()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("kind", [RNNCell, LSTMCell])
@pytest.mark.parametrize("shape", [(4, 3), (), (3,), (5, 4, 2)])
def test_inputs_that_do_not_fit(kind, shape):
    with pytest.raises(ShapeError, match=rf"{kind.__name__}\(2, 3\): the input has shape .*; it must be \(N, 2\) or \(2,\)"):
        kind(2, 3)(np.ones(shape))


@pytest.mark.parametrize("shape", [(3,), (4, 2), (1, 3), (3, 4)])
def test_states_that_do_not_fit(shape):
    state = np.ones(shape)
    with pytest.raises(ShapeError, match=r"RNNCell\(2, 3\): .*\(4, 2\) the state has shape .*; it must be \(4, 3\)"):
        RNNCell(2, 3)(np.ones((4, 2)), state)
    with pytest.raises(ShapeError, match=r"LSTMCell\(2, 3\): .*the state has shape \(4, 3\) and "):
        LSTMCell(2, 3)(np.ones((4, 2)), (np.ones((4, 3)), state))


def test_a_state_of_the_wrong_kind():
    with pytest.raises(TypeError, match=r"LSTMCell\(2, 3\): the state is a pair \(h, c\)"):
        LSTMCell(2, 3)(np.ones((2, 2)), np.ones((2, 3)))


def test_options_out_of_range():
    for args, option in (((0, 3), "input_size=0"), ((2, 0), "hidden_size=0"), ((2.0, 3), "input_size=2.0")):
        with pytest.raises(ValueError, match=f"LSTMCell: {option} must be an integer of at least 1"):
            LSTMCell(*args)
    with pytest.raises(ValueError, match="nonlinearity='sigmoid' is unknown; it is 'tanh' or 'relu'"):
        RNNCell(2, 3, nonlinearity="sigmoid")
