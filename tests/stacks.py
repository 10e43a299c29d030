"""Models, data and a loss for the tests of stacks, and the comparison with training each member alone."""

import numpy as np

import tinynet as tn
from tinynet import nn
from tinynet.training import Scheduler, Trainer


def rng_of(seed):
    return np.random.default_rng(seed)


def mlp(seed, out=1, activation=nn.ReLU, dropout=0.0):
    rng = rng_of(seed)
    return nn.Sequential(
        nn.Linear(2, 6, rng=rng), activation(), nn.Dropout(dropout, rng=seed), nn.Linear(6, 5, rng=rng), nn.Tanh(),
        nn.Linear(5, out, rng=rng),
    )  # fmt: skip


KINDS = [nn.Tanh, nn.PReLU, lambda: nn.LeakyReLU(0.3), nn.Tanh, lambda: nn.Swish(learn=True), nn.LeakyReLU, nn.PReLU]


def mixed(seed):
    """A network whose activation others have not."""
    return mlp(seed, activation=KINDS[seed])


def normalised(seed):
    rng = rng_of(seed)
    return nn.Sequential(
        nn.Linear(2, 5, bias=False, rng=rng), nn.BatchNorm1d(5), nn.ReLU(), nn.LayerNorm(5), nn.Linear(5, 1, rng=rng)
    )


class Residual(nn.Module):
    """A module of a person's own that stacks well."""

    def __init__(self, seed):
        self.blocks = {"first": nn.Linear(2, 2, rng=seed), "rest": [nn.Linear(2, 2, rng=seed + 20), nn.PReLU()]}
        self.factor = 0.5

    def forward(self, x):
        y = self.blocks["rest"][1](self.blocks["first"](x))
        return np.concatenate([self.factor * x + self.blocks["rest"][0](y), y], axis=-1)


class Recurrent(nn.Module):
    """Two cells over a sequence; the options are those of the second."""

    def __init__(self, seed, **options):
        self.cell = nn.LSTMCell(2, 3, rng=seed)
        self.other = nn.RNNCell(3, 2, rng=seed + 1, **options)

    def forward(self, x):
        state, y = None, None
        for t in range(x.shape[-2]):
            state = self.cell(x[..., t, :], state)
            y = self.other(state[0], y)
        return y


def randomised(layer, seed):
    """The layer with parameters of its own."""
    rng = rng_of(seed)
    for x in layer.parameters():
        x.data = x.data + 0.3 * rng.normal(size=x.shape).astype(x.dtype)
    return layer


def gradients(output, tensors, seed=3):
    """The gradients for a random cotangent, and the cotangent."""
    g = rng_of(seed).normal(size=output.shape)
    return g, tn.autograd.grad(output, tensors, g)


def own_loss(prediction, target):
    """A loss that knows nothing of members."""
    return np.mean(np.abs(prediction - target) ** 3)


def rings(n=45, members=0, seed=0):
    x = rng_of(seed).uniform(-1.5, 1.5, ((members, n, 2) if members else (n, 2)))
    return x, (np.sum(x**2, axis=-1, keepdims=True) < 1).astype(float)


def trainer_of(
    model, rng, optimizer=tn.optim.Adam, loss=None, lr=0.02, options=None, schedule=False, callback=None, compile=False,
    **kwargs,
):  # fmt: skip
    updates = optimizer(model.parameters(), lr=lr, **(options or {}))
    callbacks = [Scheduler(tn.optim.StepLR(updates, 2, 0.5))] if schedule else []
    callbacks += [callback()] if callback else []
    loss = loss or nn.BCEWithLogitsLoss()
    return Trainer(model, loss, updates, rng=rng, callbacks=callbacks, compile=compile, **kwargs)


def part(data, k, sample_axes=1):
    """What a member sees of data that may be for all."""
    return tuple(x[k] if data[0].ndim == sample_axes + 2 else x for x in data)


def assert_equal_to_each_alone(
    make, data, validation=None, epochs=4, batch_size=16, members=4, sample_axes=1, compile=False, **options
):  # fmt: skip
    """Train at once and one by one; histories, weights and predictions are the same to rounding."""
    stack = nn.ensemble(make, members, sample_axes)
    together = trainer_of(stack, list(range(members)), compile=compile, **options)
    history = together.fit(*data, epochs=epochs, batch_size=batch_size, validation_data=validation, verbose=0)
    found = []
    for k, back in enumerate(stack.unstack()):
        alone = trainer_of(make(k), k, **options)
        expected = alone.fit(
            *part(data, k, sample_axes), epochs=epochs, batch_size=batch_size, verbose=0,
            validation_data=validation and part(validation, k, sample_axes),
        )  # fmt: skip
        own = history.member(k)
        for name in set(expected) - {"seconds"}:
            np.testing.assert_allclose(own[name][: expected.epochs], expected[name], rtol=1e-8, atol=1e-12, err_msg=name)
        assert back.state_dict().keys() == alone.model.state_dict().keys()
        for name, value in alone.model.state_dict().items():
            np.testing.assert_allclose(back.state_dict()[name], value, rtol=1e-7, atol=1e-10, err_msg=name)
        own_data = part(data, k, sample_axes)
        predicted = together.predict(data[0], batch_size=7)[k]
        np.testing.assert_allclose(predicted, alone.predict(own_data[0]), rtol=1e-7, atol=1e-10)
        for name, value in alone.evaluate(*own_data).items():
            np.testing.assert_allclose(together.evaluate(*data)[name][k], value, rtol=1e-7)
        found.append(expected)
    return together, found
