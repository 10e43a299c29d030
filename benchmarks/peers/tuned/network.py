"""A training step of a network, as a list of calls."""

from typing import Any

import numpy as np

from benchmarks.peers import Contestant
from benchmarks.peers.tuned import calls
from benchmarks.peers.tuned.losses import LOSSES
from benchmarks.peers.tuned.updates import UPDATES
from benchmarks.tasks import Array, Training

__all__ = ["training"]

ACTIVATIONS = {"tanh": (calls.tanh, calls.tanh_slope), "relu": (calls.relu, calls.relu_slope)}


def training(workload: Training, lr: float) -> Contestant:
    fresh_x, fresh_y = workload.data()
    x, y = np.empty_like(fresh_x), np.empty_like(fresh_y)
    starts = stored(workload.weights())
    flat = np.concatenate([start.reshape(-1) for start in starts])
    layers = parts(flat, starts)
    flat_gradient, update = UPDATES[workload.optimizer](flat, lr, **workload.options)
    grads = parts(flat_gradient, starts)
    activation, slope = ACTIVATIONS[workload.activation]

    loss = np.empty((), x.dtype)
    z, loss_calls, d = LOSSES[workload.loss]((*x.shape[:-1], workload.sizes[-1]), y, loss)
    values = [x, *(np.empty((*x.shape[:-1], width), x.dtype) for width in workload.sizes[1:-1]), z]

    program: list[calls.Call] = []
    for i, (w, b) in enumerate(layers):
        if i:
            program += activation(values[i])
        program += calls.affine(values[i], w, b, values[i + 1])
    program += loss_calls
    for i, (w, _) in reversed(list(enumerate(layers))):
        program += [calls.product(values[i].mT, d, grads[i][0]), calls.bias_gradient(d, grads[i][1])]
        if i:
            d, above = np.empty_like(values[i]), d
            program += calls.backward(above, w.mT, d)
            program += slope(d, values[i])
    program += update

    def step() -> Any:
        x[...] = fresh_x
        y[...] = fresh_y
        for f, args in program:
            f(*args)
        return loss[()]

    return Contestant(step, lambda: stored([array for layer in layers for array in layer]), calls=lambda: len(program) + 3)


def stored(params: list[Array]) -> list[Array]:
    """Weights as they lie in memory, (in, out): the products forward and of their gradients are the fast ones; and back."""
    return [array if i % 2 else array.mT for i, array in enumerate(params)]


def parts(flat: Array, like: list[Array]) -> list[tuple[Array, Array]]:
    """The weights and biases of the layers as views of one vector."""
    ends = np.cumsum([array.size for array in like]).tolist()
    views = [flat[end - array.size : end].reshape(array.shape) for end, array in zip(ends, like, strict=True)]
    return list(zip(views[::2], views[1::2], strict=True))
