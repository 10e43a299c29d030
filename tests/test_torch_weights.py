"""Weights travel between tinynet's modules and torch's of the same name, as `state_dict`s, in both directions."""

import inspect

import numpy as np
import pytest

from tinynet import nn

LAYERS = {
    "BatchNorm1d": (lambda nn: nn.BatchNorm1d(4), (5, 4)),
    "BatchNorm1d of sequences": (lambda nn: nn.BatchNorm1d(4, eps=1e-3, affine=False), (5, 4, 3)),
    "Conv1d": (lambda nn: nn.Conv1d(4, 6, 3, padding=2, dilation=2, groups=2), (5, 4, 8)),
    "Conv2d": (lambda nn: nn.Conv2d(2, 3, (3, 2), stride=(1, 2), bias=False), (5, 2, 6, 7)),
    "LSTMCell": (lambda nn: nn.LSTMCell(4, 3), (5, 4)),
    "LayerNorm": (lambda nn: nn.LayerNorm((3, 4)), (5, 3, 4)),
    "Linear": (lambda nn: nn.Linear(4, 3), (5, 4)),
    "PReLU": (lambda nn: nn.PReLU(4, init=0.1), (5, 4)),
    "RNNCell": (lambda nn: nn.RNNCell(4, 3, nonlinearity="relu"), (5, 4)),
    "Sequential": (
        lambda nn: nn.Sequential(
            nn.Conv1d(2, 4, 3, padding="same"), nn.BatchNorm1d(4), nn.PReLU(), nn.Flatten(),
            nn.Sequential(nn.Linear(24, 8), nn.LayerNorm(8), nn.GELU(), nn.Dropout(0.3)), nn.Linear(8, 3, bias=False),
        ),
        (5, 2, 6),
    ),
}  # fmt: skip
WITHOUT_STATE = ("Dropout", "Flatten", "Identity")  # as the activations, which test_torch_trajectories.py compares


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def made(make, torch, dtype, seed):
    """The module of both, torch's with a state like that of a trained one."""
    torch.manual_seed(seed)
    theirs = make(torch.nn).to(getattr(torch, dtype)).eval()
    for name, x in theirs.state_dict().items():
        if x.is_floating_point():
            x.uniform_(0.5, 1.5) if name.endswith("var") else x.normal_(0, 0.5)
        else:
            x += 3
    return make(nn).astype(dtype).eval(), theirs


def assert_alike(ours, theirs, torch, shape, dtype):
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    with torch.no_grad():
        results = ours(x), theirs(torch.from_numpy(x))
    tolerance = 1e-12 if dtype == "float64" else 2e-6
    for mine, other in zip(*(y if isinstance(y, tuple) else (y,) for y in results), strict=True):
        np.testing.assert_allclose(mine.data, other.numpy(), rtol=tolerance, atol=tolerance, strict=True)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", LAYERS)
def test_torchs_state_is_loaded_and_given_back(name, dtype, torch):
    make, shape = LAYERS[name]
    ours, theirs = made(make, torch, dtype, seed=0)
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])  # of torch's tensors
    assert_alike(ours, theirs, torch, shape, dtype)
    as_arrays = {key: x.numpy() for key, x in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(as_arrays)
    for key, x in ours.state_dict().items():
        np.testing.assert_array_equal(x, as_arrays[key], strict=True)

    _, other = made(make, torch, dtype, seed=1)
    other.load_state_dict({key: torch.from_numpy(x) for key, x in ours.state_dict().items()})
    assert_alike(ours, other, torch, shape, dtype)
    again = make(nn).astype(dtype).eval()
    again.load_state_dict(as_arrays)
    assert_alike(again, theirs, torch, shape, dtype)


def test_every_layer_that_both_have_is_tried(torch):
    activations = {name for name in nn.__all__ if getattr(getattr(nn, name), "__module__", "") == "tinynet.nn.activations"}
    both = {
        name for name in nn.__all__
        if inspect.isclass(getattr(nn, name)) and issubclass(getattr(nn, name), nn.Module)
        and hasattr(torch.nn, name) and not name.endswith("Loss")
    } - activations - {"Module", "ModuleList"}  # fmt: skip
    assert both - {name.partition(" ")[0] for name in LAYERS} == set(WITHOUT_STATE)


def test_a_torch_tensor_that_requires_a_gradient_is_refused_before_anything_is_done(torch):
    ours, theirs = nn.Linear(2, 3), torch.nn.Linear(2, 3).double()
    before = ours.state_dict()
    with pytest.raises(RuntimeError, match="detach"):
        ours.load_state_dict(dict(theirs.named_parameters()))
    assert all(map(np.array_equal, ours.state_dict().values(), before.values()))
