"""A strategy for whole networks: depth, widths and activations are drawn."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from tinynet.rules.activations import elu, leaky_relu, relu, sigmoid, softplus, swish
from tinynet.tensor import Tensor
from tinynet.testing.strategies.clearance import clearance

__all__ = ["networks"]

Array = np.ndarray[Any, Any]

_ACTIVATIONS = (np.tanh, np.sin, np.square, np.abs, relu, leaky_relu, elu, sigmoid, softplus, swish)
_CLEARANCE = 1e-3


@st.composite
def networks(
    draw: st.DrawFn, max_depth: int = 3, max_width: int = 4, activations: Sequence[Callable[..., Any]] = _ACTIVATIONS
) -> tuple[Callable[..., Any], list[Array]]:
    """Small fully connected networks, as functions of their input, weights and biases.

    Parameters
    ----------
    max_depth : int
        The largest number of affine layers; an activation follows each but the last.
    max_width : int
        The largest number of units of a layer, and of rows of the input.
    activations : sequence of callables
        Elementwise operations to draw from.

    Returns
    -------
    SearchStrategy
        Of pairs ``(f, inputs)``, fit for ``gradcheck(f, inputs)``: `f` takes ``x, weight, bias, weight, bias, ...`` and
        computes ``x @ weight.T + bias`` and an activation, layer by layer. No activation is near a kink.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5)
    ... @given(tn.testing.strategies.networks())
    ... def check(network):
    ...     f, inputs = network
    ...     assert tn.testing.gradcheck(f, inputs)
    >>> check()
    """
    widths = draw(st.lists(st.integers(1, max_width), min_size=2, max_size=max_depth + 1))
    chosen = [*(draw(st.sampled_from(activations)) for _ in widths[2:]), np.positive]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs = [rng.standard_normal((draw(st.integers(1, max_width)), widths[0]))]
    for n, m in pairwise(widths):
        inputs += [rng.standard_normal((m, n)) / np.sqrt(n), rng.standard_normal(m)]

    def network(x: Any, *parameters: Any) -> Any:
        for activation, weight, bias in zip(chosen, parameters[::2], parameters[1::2], strict=True):
            x = activation(x @ weight.T + bias)
        return x

    assume(clearance(network(*(Tensor(x, requires_grad=True) for x in inputs))) > _CLEARANCE)
    return network, inputs
