"""Networks to train, compiled and as they are."""

import numpy as np

import tinynet as tn

RNG = np.random.default_rng(0)


def network(dtype="float64", dropout=0.0):
    layers = [tn.nn.Linear(3, 5, rng=0), tn.nn.Tanh(), tn.nn.Dropout(dropout, rng=1), tn.nn.Linear(5, 2, rng=2)]
    return tn.nn.Sequential(*layers).astype(dtype)


def training(model, optimizer=None, compile=True):
    optimizer = optimizer or tn.optim.Adam(model.parameters(), lr=0.01)
    loss_function = tn.nn.MSELoss()

    def step(x, y):
        optimizer.zero_grad()
        loss = loss_function(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return tn.compile(step) if compile else step


def batch(n=4, dtype="float64"):
    return RNG.normal(size=(n, 3)).astype(dtype), RNG.normal(size=(n, 2)).astype(dtype)


def twins(**options):
    models = network(**options), network(**options)
    return *models, training(models[0]), training(models[1], compile=False)


def assert_same(model, twin):
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-6 if p.dtype == np.float32 else 1e-12)
