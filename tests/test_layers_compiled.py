"""Layers in compiled training steps, in both dtypes: the same losses, parameters and running averages as step by step."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.nn import BatchNorm1d, Conv1d, Conv2d, Flatten, LayerNorm, Linear, LSTMCell, Module, ReLU, RNNCell, Sequential
from tinynet.nn.functional import mse_loss, scaled_dot_product_attention


class Recurrent(Module):
    """A cell along the second axis, and a linear map of its last state."""

    def __init__(self, cell):
        self.cell = cell
        self.readout = Linear(cell.hidden_size, 2, rng=1)

    def forward(self, x):
        state = None
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
        return self.readout(state[0] if isinstance(state, tuple) else state)


class Attention(Module):
    """Self-attention under a mask that is computed from the input."""

    def __init__(self, **options):
        self.maps = [Linear(3, 4, bias=False, rng=i) for i in range(3)]
        self.readout = Linear(4, 2, rng=3)
        self.options = options

    def forward(self, x):
        mask = {} if self.options else {"attn_mask": x[:, None, :, 0] < 0.5}
        y = scaled_dot_product_attention(*(layer(x) for layer in self.maps), **mask, **self.options)
        return self.readout(np.mean(y, axis=1))


PAST = np.where(np.tri(4, k=-1, dtype=bool), np.float32(0.5), np.float32(-np.inf))
"""A mask under which the first query sees no key."""

MODELS = {
    "Conv1d": (lambda: Sequential(Conv1d(3, 4, 3, padding="same", rng=0), ReLU(), Flatten(), Linear(20, 2, rng=1)), (3, 5)),
    "Conv2d": (
        lambda: Sequential(
            Conv2d(2, 4, 3, padding=1, rng=0), ReLU(), Conv2d(4, 4, 2, stride=2, groups=2, bias=False, rng=1), Flatten(),
            Linear(16, 2, rng=2),
        ),
        (2, 5, 4),
    ),
    "LayerNorm": (lambda: Sequential(Linear(3, 6, rng=0), LayerNorm(6), ReLU(), Linear(6, 2, rng=1)), (3,)),
    "LayerNorm of two axes": (lambda: Sequential(LayerNorm((3, 2), bias=False), Flatten(), Linear(6, 2, rng=1)), (3, 2)),
    "BatchNorm1d": (lambda: Sequential(Linear(3, 6, rng=0), BatchNorm1d(6), ReLU(), Linear(6, 2, rng=1)), (3,)),
    "BatchNorm1d of sequences": (
        lambda: Sequential(BatchNorm1d(3, momentum=None), Flatten(), Linear(12, 2, rng=1)), (3, 4),
    ),
    "RNNCell": (lambda: Recurrent(RNNCell(3, 4, rng=0)), (4, 3)),
    "LSTMCell": (lambda: Recurrent(LSTMCell(3, 4, rng=0)), (4, 3)),
    "attention": (Attention, (4, 3)),
    "causal attention": (lambda: Attention(is_causal=True), (4, 3)),
    "attention to the past": (lambda: Attention(attn_mask=PAST), (4, 3)),
    "attention to the past, its mask in double": (lambda: Attention(attn_mask=PAST.astype(float)), (4, 3)),
}  # fmt: skip


def trained(model, shape, dtype, compiled):
    """The losses of a few steps on ever new batches, and the state after them."""
    rng = np.random.default_rng(0)
    model.astype(dtype)
    optimizer = tn.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    def step(x, y):
        optimizer.zero_grad()
        loss = mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = tn.compile(step) if compiled else step
    batches = [[rng.standard_normal((6, *size)).astype(dtype) for size in (shape, (2,))] for _ in range(8)]
    losses = [run(x, y).data for x, y in batches]
    if compiled:
        assert run.recordings == 2
    return losses, model.state_dict()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("make", "shape"), MODELS.values(), ids=MODELS.keys())
def test_a_compiled_training_step_is_the_step_itself(make, shape, dtype):
    (eager, state), (losses, compiled) = (trained(make(), shape, dtype, compiled) for compiled in (False, True))
    tolerance = {"rtol": 1e-10, "atol": 1e-12} if dtype == "float64" else {"rtol": 1e-4, "atol": 1e-6}
    np.testing.assert_allclose(losses, eager, **tolerance, strict=True)
    assert losses[0].dtype == dtype
    for key, x in compiled.items():
        np.testing.assert_allclose(x, state[key], **tolerance, strict=True)


@pytest.mark.parametrize(("make", "shape"), MODELS.values(), ids=MODELS.keys())
def test_a_compiled_model_takes_other_batches(make, shape):
    model = make().eval()
    forward = tn.compile(lambda x: model(x).detach())
    for n in (3, 1, 3, 2, 3):
        x = np.random.default_rng(n).standard_normal((n, *shape))
        np.testing.assert_allclose(forward(x).data, model(x).data, rtol=1e-12, atol=1e-14)
