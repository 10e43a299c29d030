"""Whole random networks against finite differences: with respect to the input and to every parameter."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinynet as tn
from tinynet.nn import activations, learnable
from tinynet.testing import gradcheck, strategies
from tinynet.testing.strategies.clearance import clearance

FEWER = settings(max_examples=max(1, settings.default.max_examples // 3))


@given(strategies.networks())
def test_gradients(network):
    f, inputs = network
    gradcheck(f, inputs)


@FEWER
@given(strategies.networks(max_depth=2, max_width=3))
def test_second_derivatives(network):
    f, inputs = network
    gradcheck(f, inputs, order=2, rtol=1e-5)


# Networks of modules -------------------------------------------------------------------------------------------------

LAYERS = {name: getattr(tn.nn, name) for name in (*activations.__all__, *learnable.__all__)}
LAYERS |= {
    "PReLU of channels": lambda: tn.nn.PReLU(4),
    "Swish that learns": lambda: tn.nn.Swish(beta=0.7, learn=True, num_parameters=4),
    "APL of channels": lambda: tn.nn.APL(3, 4),
    "KANLinear": lambda: tn.nn.KANLinear(4, 4, rng=0),
    "GELU by tanh": lambda: tn.nn.GELU(approximate="tanh"),
    "Softplus(3)": lambda: tn.nn.Softplus(beta=3.0),
    "Identity": tn.nn.Identity,
    "Dropout when not training": tn.nn.Dropout,
}


def real(rng, shape):
    return rng.standard_normal(shape)


def zero_or_one(rng, shape):
    return rng.integers(0, 2, shape).astype(float)


def label(rng, shape):
    return rng.integers(0, shape[-1], shape[0])


LOSSES = {
    "MSELoss": (tn.nn.MSELoss, [], real),
    "L1Loss": (tn.nn.L1Loss, [], real),
    "HuberLoss": (tn.nn.HuberLoss, [], real),
    "SmoothL1Loss": (tn.nn.SmoothL1Loss, [], real),
    "BCELoss": (tn.nn.BCELoss, [tn.nn.Sigmoid], zero_or_one),
    "BCEWithLogitsLoss": (tn.nn.BCEWithLogitsLoss, [], zero_or_one),
    "CrossEntropyLoss": (tn.nn.CrossEntropyLoss, [], label),
    "NLLLoss": (tn.nn.NLLLoss, [tn.nn.LogSoftmax], label),
}


def slots(module):
    """Where the parameters are: pairs of a module and an attribute."""
    return [(m, name) for m in module.modules() for name, x in vars(m).items() if isinstance(x, tn.nn.Parameter)]


def as_function(model, loss, target):
    """The loss as a function of the input and of the parameters."""
    places = slots(model)

    def f(x, *values):
        for (module, name), value in zip(places, values, strict=True):
            setattr(module, name, value)
        return loss(model(x), target)

    return f, [getattr(module, name) for module, name in places]


@st.composite
def problems(draw, layer=None, loss=None):
    """A drawn network of modules with its loss, as a function of the input and the parameters, and where to check it."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    tn.manual_seed(seed)
    width = 4
    widths = [draw(st.integers(1, width)), *[width] * draw(st.integers(1, 3)), draw(st.integers(2, 3))]
    modules = [tn.nn.Linear(widths[0], widths[1])]
    for n, m in pairwise(widths[1:]):
        modules += [LAYERS[layer or draw(st.sampled_from(sorted(LAYERS)))](), tn.nn.Linear(n, m)]
    make_loss, last, make_target = LOSSES[loss or draw(st.sampled_from(sorted(LOSSES)))]
    model = tn.nn.Sequential(*modules, *(make() for make in last)).eval()
    shape = (draw(st.integers(1, 4)), widths[-1])
    f, parameters = as_function(model, make_loss(), make_target(rng, shape))
    inputs = [rng.standard_normal((shape[0], widths[0])), *(p.data for p in parameters)]
    assume(clearance(f(*(tn.Tensor(x, requires_grad=True) for x in inputs))) > 1e-3)
    return f, inputs


@pytest.mark.parametrize("layer", LAYERS)
@FEWER
@given(data=st.data())
def test_every_activation(layer, data):
    gradcheck(*data.draw(problems(layer=layer)))


@pytest.mark.parametrize("loss", LOSSES)
@FEWER
@given(data=st.data())
def test_every_loss(loss, data):
    gradcheck(*data.draw(problems(loss=loss)))


@given(problems())
def test_backward_gives_what_the_functional_gradient_gives(problem):
    f, inputs = problem
    leaves = [tn.tensor(x, requires_grad=True) for x in inputs]
    f(*leaves).backward()
    gradients = tn.grad(f, argnums=tuple(range(len(inputs))))(*inputs)
    for leaf, gradient in zip(leaves, gradients, strict=True):
        np.testing.assert_array_equal(leaf.grad, gradient)
