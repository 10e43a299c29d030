"""What is measured: the workloads. To add one: a row in `WORKLOADS`; the peers know how to run either kind of task."""

from functools import partial
from typing import Any

import numpy as np

from benchmarks.tasks import Array, Gradient, Training, Workload

__all__ = ["CHAIN_LENGTH", "WORKLOADS", "circle_points", "regression_points"]

CHAIN_LENGTH = 1000


def xor_points(rng: np.random.Generator) -> tuple[Array, Array]:
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    return x, x[:, :1] ^ x[:, 1:]


def circle_points(rng: np.random.Generator, n: int = 32) -> tuple[Array, Array]:
    x = rng.uniform(-1.5, 1.5, (n, 2))
    return x, np.sum(x**2, axis=1, keepdims=True) < 1


def classified_points(rng: np.random.Generator, n: int, width: int) -> tuple[Array, Array]:
    """Grey values between 0 and 1, as of small pictures, in ten classes told apart by a random linear map."""
    x = rng.integers(0, 17, (n, width)) / 16
    return x, np.argmax((x - 0.5) @ rng.normal(size=(width, 10)), axis=1)


def regression_points(rng: np.random.Generator, n: int, width: int) -> tuple[Array, Array]:
    return rng.uniform(-1, 1, (n, width)), rng.uniform(-1, 1, (n, width))


def gated(lib: Any, x: Any) -> Any:
    """swish(tanh(x) · sigmoid(x) + x)."""
    u = lib.tanh(x) * lib.sigmoid(x) + x
    return u * lib.sigmoid(u)


def chain(lib: Any, x: Any, a: Any, b: Any) -> Any:
    """``x * a``, ``x + b`` and ``tanh(x)`` in turn; a near 1 and b near 0 keep the gradient away from 0."""
    for i in range(CHAIN_LENGTH):
        if i % 3 == 0:
            x = x * a
        elif i % 3 == 1:
            x = x + b
        else:
            x = lib.tanh(x)
    return x


WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Training(
            name="xor", title="XOR", dtype="float64",
            description="a 2-8-1 tanh network on the 4 points of XOR, binary cross-entropy on logits, SGD with momentum",
            sizes=(2, 8, 1), activation="tanh", loss="bce", optimizer="sgd", options={"momentum": 0.9}, lr=0.5,
            points=xor_points,
        ),
        Training(
            name="circle", title="circle", dtype="float32",
            description="a 2-16-16-1 ReLU network on a batch of 32 points, binary cross-entropy on logits, Adam",
            sizes=(2, 16, 16, 1), activation="relu", loss="bce", optimizer="adam", lr=0.01, points=circle_points,
        ),
        Training(
            name="digits", title="digits", dtype="float32",
            description="a 64-128-64-10 ReLU network on a batch of 64 (random data of the shape of the 8×8 digits), "
            "cross-entropy, Adam",
            sizes=(64, 128, 64, 10), activation="relu", loss="cross_entropy", optimizer="adam", lr=0.001,
            points=partial(classified_points, n=64, width=64),
        ),
        Training(
            name="wide", title="wide", dtype="float32",
            description="a 784-512-512-10 ReLU network on a batch of 128 (random data), cross-entropy, Adam",
            sizes=(784, 512, 512, 10), activation="relu", loss="cross_entropy", optimizer="adam", lr=0.001,
            points=partial(classified_points, n=128, width=784),
        ),
        Gradient(
            name="gated", title="gated", dtype="float32",
            description="swish(tanh(x) · sigmoid(x) + x) of a million numbers, summed, and its gradient",
            size=10**6, function=gated,
        ),
        Gradient(
            name="chain", title="chain", dtype="float64",
            description="1,000 operations on 8 numbers one after another (multiply, add, tanh in turn), summed, and gradient",
            operations=CHAIN_LENGTH, size=8, function=chain, constants=((1, 1e-3), (0, 1e-4)),
        ),
        Training(
            name="ensemble", title="ensemble", dtype="float32",
            description="32 of the circle networks at once, each with points of its own: parameters with a leading axis, "
            "batched matmul",
            sizes=(2, 16, 16, 1), activation="relu", loss="bce", optimizer="adam", lr=0.01, points=circle_points, members=32,
        ),
        Training(
            name="deep", title="deep", dtype="float32",
            description="64 tanh layers of 32 on a batch of 32, mean squared error, SGD",
            sizes=(32,) * 65, activation="tanh", loss="mse", optimizer="sgd", lr=0.01, gain=3**0.5,
            points=partial(regression_points, n=32, width=32),
        ),
    )
}
