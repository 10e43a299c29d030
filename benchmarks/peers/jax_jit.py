"""JAX, the whole step (forward, gradient, update) compiled by one jax.jit."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers import Contestant
from benchmarks.tasks import Gradient, Training

__all__ = ["BUILDERS", "LABEL", "training"]

LABEL = "JAX, jit"
ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu}
LOSSES = {
    "bce": lambda z, y: jnp.sum(jnp.logaddexp(0, z) - y * z) / z.shape[-2],
    "cross_entropy": lambda z, y: -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1)),
    "mse": lambda z, y: jnp.mean((z - y) ** 2),
}
LIBRARY = SimpleNamespace(tanh=jnp.tanh, sigmoid=jax.nn.sigmoid)

jax.config.update("jax_enable_x64", True)


def sgd(params: Any, velocities: Any, grads: Any, lr: float, momentum: float = 0.0) -> Any:
    if momentum:
        grads = velocities = jax.tree.map(lambda v, g: momentum * v + g, velocities, grads)
    return jax.tree.map(lambda p, g: p - lr * g, params, grads), velocities


def adam(params: Any, state: Any, grads: Any, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Any:
    t, means, squares = state
    t = t + 1
    means = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, means, grads)
    squares = jax.tree.map(lambda s, g: beta2 * s + (1 - beta2) * g * g, squares, grads)
    unbias1, unbias2 = 1 / (1 - beta1**t), 1 / (1 - beta2**t)

    def update(p: Any, m: Any, s: Any) -> Any:
        return p - lr * (m * unbias1.astype(m.dtype)) / (jnp.sqrt(s * unbias2.astype(s.dtype)) + eps)

    return jax.tree.map(update, params, means, squares), (t, means, squares)


def training(workload: Training, lr: float, **options: Any) -> Contestant:
    """A step that gives new weights for old; `options` are further ones of jax.jit."""
    x, y = workload.data()
    params = [jnp.asarray(array) for array in workload.weights()]
    means, squares = ([jnp.zeros_like(p) for p in params] for _ in range(2))
    update, state = {"sgd": (sgd, means), "adam": (adam, (jnp.asarray(0.0), means, squares))}[workload.optimizer]
    activation, loss_function = ACTIVATIONS[workload.activation], LOSSES[workload.loss]

    def learn(params: Any, state: Any, x: Any, y: Any) -> Any:
        loss, grads = jax.value_and_grad(lambda params: loss_function(workload.logits(params, x, activation), y))(params)
        return loss, *update(params, state, grads, lr, **workload.options)

    compiled = jax.jit(learn, **options)

    def step() -> Any:
        nonlocal params, state
        loss, params, state = compiled(params, state, x, y)
        return loss

    return Contestant(step, lambda: [np.asarray(p) for p in params])


def gradient(workload: Gradient, lr: float) -> Contestant:
    x, *constants = workload.data()
    g: Any = jnp.zeros_like(x)
    compiled = jax.jit(jax.value_and_grad(partial(workload.total, LIBRARY)))

    def step() -> Any:
        nonlocal g
        loss, g = compiled(x, *constants)
        return loss

    return Contestant(step, lambda: [np.asarray(g)])


BUILDERS = {Training: training, Gradient: gradient}
