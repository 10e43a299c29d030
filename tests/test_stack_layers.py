"""Layers for the members of a stack: each computes what the layer does alone, and refuses what that refuses."""

import numpy as np
import pytest

import tinynet as tn
from tests.stacks import gradients, randomised, rng_of
from tinynet import nn
from tinynet.errors import ShapeError
from tinynet.nn.memberlayers import FOR_MEMBERS
from tinynet.rules.layers import linear
from tinynet.testing import gradcheck

M, N = 5, 7
LAYERS = {
    "Linear": (lambda: nn.Linear(4, 3), (4,)),
    "Linear without bias": (lambda: nn.Linear(4, 3, bias=False), (4,)),
    "Linear to one": (lambda: nn.Linear(4, 1), (4,)),
    "Linear on sequences": (lambda: nn.Linear(4, 3), (6, 4)),
    "Identity": (nn.Identity, (4,)),
    "Flatten": (nn.Flatten, (2, 3, 4)),
    "Flatten the end": (lambda: nn.Flatten(-2, -1), (2, 3, 4)),
    "PReLU": (nn.PReLU, (4,)),
    "PReLU of channels": (lambda: nn.PReLU(4), (4,)),
    "PReLU of channels of pictures": (lambda: nn.PReLU(3), (3, 2, 2)),
    "Swish": (nn.Swish, (4,)),
    "Swish learned": (lambda: nn.Swish(learn=True), (4,)),
    "Softmax": (nn.Softmax, (4,)),
    "Softmax over the first axis": (lambda: nn.Softmax(0), (4,)),
    "LogSoftmax": (lambda: nn.LogSoftmax(1), (4, 3)),
    "Dropout": (lambda: nn.Dropout(0.4), (4,)),
    "Sequential": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), (4,)),
    "Swish of channels": (lambda: nn.Swish(learn=True, num_parameters=4), (4,)),
    "APL": (lambda: nn.APL(3), (4,)),
    "APL of channels": (lambda: nn.APL(2, 4), (4,)),
    "APL of channels of pictures": (lambda: nn.APL(2, 3), (3, 2, 2)),
    "KANLinear": (lambda: nn.KANLinear(4, 3), (4,)),
    "KANLinear on sequences": (lambda: nn.KANLinear(4, 3, grid_size=3, spline_order=2), (5, 4)),
    "LayerNorm": (lambda: nn.LayerNorm(4), (4,)),
    "LayerNorm over two axes": (lambda: nn.LayerNorm((3, 4)), (5, 3, 4)),
    "LayerNorm without parameters": (lambda: nn.LayerNorm(4, elementwise_affine=False), (6, 4)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), (4,)),
    "BatchNorm1d of channels": (lambda: nn.BatchNorm1d(3, affine=False), (3, 4)),
    "BatchNorm1d without averages": (lambda: nn.BatchNorm1d(4, track_running_stats=False), (4,)),
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3, padding=1), (2, 6)),
    "Conv1d in groups": (lambda: nn.Conv1d(4, 6, 2, stride=2, groups=2, bias=False), (4, 7)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, (2, 3), dilation=2), (2, 6, 7)),
}  # fmt: skip
ACTIVATIONS = [
    name for name in nn.__all__
    if isinstance(getattr(nn, name), type) and getattr(nn, name).__module__ == "tinynet.nn.activations"
]  # fmt: skip
LAYERS |= {name: (getattr(nn, name), (4,)) for name in ACTIVATIONS if name not in LAYERS}


@pytest.mark.parametrize("name", LAYERS)
def test_a_stacked_layer_gives_what_its_members_give(name):
    make, sample = LAYERS[name]
    models = [randomised(make(), seed) for seed in range(M)]
    stack = nn.stack(models, sample_axes=len(sample)).eval()
    own = tn.Tensor(rng_of(1).normal(size=(M, N, *sample)), requires_grad=True)
    for model in models:
        model.eval()
    np.testing.assert_allclose(stack(own).data, [model(x).data for model, x in zip(models, own, strict=True)], rtol=1e-12)
    np.testing.assert_allclose(stack(own[2]).data, [model(own[2]).data for model in models], rtol=1e-12)
    g, (dx, *dw) = gradients(stack(own), [own, *stack.parameters()])
    for k, model in enumerate(models):
        part = tn.Tensor(own.data[k], requires_grad=True)
        dx_alone, *dw_alone = tn.autograd.grad(model(part), [part, *model.parameters()], g[k])
        np.testing.assert_allclose(dx.data[k], dx_alone.data, rtol=1e-10, atol=1e-13)
        for stacked, single in zip(dw, dw_alone, strict=True):
            np.testing.assert_allclose(stacked.data[k], single.data, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", LAYERS)
def test_a_stacked_layer_is_described_as_its_members_are(name):
    make, sample = LAYERS[name]
    stack = nn.stack([make(), make()], sample_axes=len(sample))
    assert f"({make().extra_repr()})" in repr(stack)


def test_masks_of_their_own():
    rates = [0.4, 0.4, 0.1, 0.4]
    models = [nn.Dropout(p, rng=seed) for seed, p in enumerate(rates)]
    stack, x = nn.stack(models), np.ones((N, 30))
    for _ in range(2):  # pass after pass
        together = stack(x)
        np.testing.assert_array_equal(np.asarray(together), [model(x) for model in models])
    assert len({y.tobytes() for y in together}) == 4
    np.testing.assert_array_equal(stack[3](x), models[3](x))  # a member comes back with its generator as it is
    shared = rng_of(0)
    first, second = nn.stack([nn.Dropout(rng=shared), nn.Dropout(rng=shared)])(x)
    assert not np.array_equal(first, second)
    tn.manual_seed(0)
    first, second = nn.stack([nn.Dropout(), nn.Dropout()])(x)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("sample", [(3,), (3, 4)])
@pytest.mark.parametrize("options", [{}, {"momentum": None}, {"affine": False}, {"track_running_stats": False}], ids=str)
def test_batches_are_normalised_member_by_member(sample, options):
    models = [randomised(nn.BatchNorm1d(3, **options), seed) for seed in range(M)]
    models[1](rng_of(7).normal(size=(N, *sample)))  # which has seen a batch more than the others
    stack = nn.stack(models, sample_axes=len(sample))
    assert list(stack.state_dict()) == [f"members.{name}" for name in models[0].state_dict()] == list(stack.rows())
    for seed in range(3):
        x = tn.Tensor(rng_of(seed).normal(seed, 1 + seed, (M, N + seed, *sample)), requires_grad=True)
        g, (dx, *dw) = gradients(stack(x), [x, *stack.parameters()])
        for k, model in enumerate(models):
            part = tn.Tensor(x.data[k], requires_grad=True)
            dx_alone, *dw_alone = tn.autograd.grad(model(part), [part, *model.parameters()], g[k])
            np.testing.assert_allclose(dx.data[k], dx_alone.data, rtol=1e-9, atol=1e-12)
            for stacked, single in zip(dw, dw_alone, strict=True):
                np.testing.assert_allclose(stacked.data[k], single.data, rtol=1e-9, atol=1e-12)
    for back, model in zip(stack.unstack(), models, strict=True):
        for name, value in model.state_dict().items():
            np.testing.assert_allclose(back.state_dict()[name], value, rtol=1e-12)
    np.testing.assert_allclose(stack.eval()(x).data, [model.eval()(part).data for model, part in zip(models, x, strict=True)])


def test_the_batch_of_each_member_has_a_variance():
    stack = nn.stack([nn.BatchNorm1d(3), nn.BatchNorm1d(3)])
    with pytest.raises(ValueError, match=r"an input of shape \(1, 3\) has no variance, with fewer than two values"):
        stack(np.ones((1, 3)))
    assert stack.eval()(np.ones((1, 3))).shape == (2, 1, 3)


@pytest.mark.parametrize("make", [nn.PReLU, lambda: nn.PReLU(N), lambda: nn.APL(2), lambda: nn.Swish(learn=True), nn.Softmax])
def test_samples_may_be_numbers(make):
    models, x = [randomised(make(), seed) for seed in range(3)], rng_of(0).normal(size=N)
    with tn.no_grad():
        np.testing.assert_allclose(nn.stack(models, sample_axes=0)(x), [model(x) for model in models], rtol=1e-12)


class OwnActivations(nn.Module):
    """A module of a person's own that calls the functions of which layers with parameters are made."""

    def __init__(self, seed):
        rng = rng_of(seed)
        self.slopes = nn.Parameter(rng.normal(size=4))
        self.a = nn.Parameter(rng.normal(size=(3, 1)))
        self.b = nn.Parameter(rng.normal(size=(3, 4)))

    def forward(self, x):
        return nn.functional.apl(nn.functional.prelu(x, self.slopes), self.a, self.b)


@pytest.mark.parametrize("sample", [(4,), (4, 3)])
def test_functions_of_channels_know_a_stack(sample):
    models = [OwnActivations(seed) for seed in range(M)]
    stack, x = nn.stack(models, sample_axes=len(sample)), rng_of(0).normal(size=(M, N, *sample))
    assert stack(x).data.tobytes() == np.stack([model(part).data for model, part in zip(models, x, strict=True)]).tobytes()


def test_functions_of_channels_refuse_another_stack():
    x, many = np.ones((N, 4)), np.ones((M, 3, 4))
    with pytest.raises(ShapeError, match=r"prelu: weights of shape \(5, 4\) are of a stack of 5, the input of shape \(7, 4\)"):
        nn.functional.prelu(x, many[:, 0])
    with pytest.raises(ShapeError, match=r"apl: weights of shape \(3, 5, 4\) are of a stack of 5, the input of shape \(7, 4\)"):
        nn.functional.apl(x, many, many)
    with pytest.raises(ShapeError, match=r"prelu: weight has shape \(5, 3, 4\); it must be one slope"):
        nn.functional.prelu(x, many)


@pytest.mark.parametrize("make, shape, words", [
    (lambda: nn.PReLU(3), (N, 1), r"prelu: .* for an input of shape \(7, 1\)"),
    (lambda: nn.Swish(learn=True, num_parameters=3), (N, 1), r"Swish: .* for an input of shape \(7, 1\)"),
    (lambda: nn.APL(2, 3), (N, 1), r"apl: .* for an input of shape \(7, 1\)"),
    (lambda: nn.Flatten(-3), (N, 4), r"Flatten\(start_axis=-3, end_axis=-1\): an input of shape \(7, 4\)"),
    (lambda: nn.Softmax(-3), (N, 4), "axis -3 is out of bounds for array of dimension 2"),
    (lambda: nn.LogSoftmax(2), (N, 4), "axis 2 is out of bounds for array of dimension 2"),
    (lambda: nn.LayerNorm((2, N, 4)), (N, 4), r"LayerNorm\(.*has shape \(7, 4\)"),
    (lambda: nn.BatchNorm1d(3), (N, 4), r"BatchNorm1d\(.*has shape \(7, 4\); it must be \(N, 3\)"),
    (lambda: nn.Conv1d(2, 3, 3), (N, 3, 8), r"Conv1d\(.*has shape \(7, 3, 8\); it must be \(N, 2, length\)"),
    (lambda: nn.Conv2d(2, 3, 3), (N, 2, 8), r"Conv2d\(.*has shape \(7, 2, 8\).* sample_axes=3"),
    (lambda: nn.RNNCell(2, 3), (N, 3), r"RNNCell.*has shape \(7, 3\); it must be \(N, 2\)"),
], ids=lambda x: "")  # fmt: skip
def test_what_a_layer_refuses_it_refuses_in_a_stack(make, shape, words):
    with pytest.raises(ValueError, match=words):  # also where the axis of members would make it fit
        nn.stack([make(), make()], sample_axes=len(shape) - 1)(np.ones(shape))


def test_the_state_of_a_cell_has_the_shape_that_it_returned():
    cells = nn.stack([nn.RNNCell(2, 3), nn.RNNCell(2, 3)]).members
    for shape in ((2, 1, 3), (2, N, 4), (2, 3)):
        with pytest.raises(ShapeError, match="the state has shape"):
            cells(np.ones((2, N, 2)), np.ones(shape))


def test_a_state_belongs_to_as_many_members_as_the_input():
    cells = nn.stack([nn.LSTMCell(2, 3) for _ in range(3)]).members
    x, h = np.ones((3, N, 2)), np.ones((3, N, 3))
    for state in ((h, h[:1]), (h[:1], h[:1]), (h[0], h[0]), (h, np.ones(()))):
        with pytest.raises(ShapeError, match=r"the state has shape .*; it must be \(3, 7, 3\), as the cell returns it"):
            cells(x, state)


def test_cells_that_differ_take_their_state_by_name():
    cells = [nn.RNNCell(2, 3, rng=0), nn.RNNCell(2, 3, nonlinearity="relu", rng=1), nn.RNNCell(2, 3, rng=2)]
    x, h = rng_of(0).normal(size=(3, N, 2)), rng_of(1).normal(size=(3, N, 3))
    expected = [cell(*parts).data for cell, *parts in zip(cells, x, h, strict=True)]
    np.testing.assert_allclose(nn.stack(cells).members(x, hx=h).data, expected, rtol=1e-12)


def test_functions_of_connections_are_asked_of_a_member():
    stack = nn.stack([nn.KANLinear(2, 3, rng=seed) for seed in range(2)])
    x = rng_of(0).normal(size=(N, 2))
    for method, words in ((stack.members.edges, r"stack\[k\]"), (stack.members.update_grid, r"stack\.unstack\(\)")):
        with pytest.raises(TypeError, match=f"KANLinear.{method.__name__}: the layer is of a stack; .*{words}"):
            method(x)
    np.testing.assert_allclose(stack[1].edges(x).sum(axis=-1).data, stack(x).data[1], rtol=1e-12)


def test_every_layer_is_in_the_table_and_tested():
    modules = {x for name in nn.__all__ if isinstance(x := getattr(nn, name), type) and issubclass(x, nn.Module)}
    losses = {x for x in modules if x.__module__ in ("tinynet.nn.losses", "tinynet.nn.classification")}
    layers = modules - losses - {nn.Module, nn.MemberLoss, nn.Stack}
    assert layers == {kind for kind in FOR_MEMBERS if kind.__module__.startswith("tinynet.nn.")}
    assert layers - {type(make()) for make, _ in LAYERS.values()} == {nn.ModuleList, nn.LSTMCell, nn.RNNCell}


@pytest.mark.parametrize("n_out", [1, 2])
@pytest.mark.parametrize("between", [(4,), (1,), (0,), (2, 4), (2, 1, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_gradients_of_the_stacked_affine_map(between, n_out, bias):
    rng = rng_of(5)
    arrays = [rng.normal(size=shape) for shape in ((3, *between, 4), (3, n_out, 4), (3, n_out))[: 2 + bias]]
    np.testing.assert_allclose(linear(*arrays), [linear(*parts) for parts in zip(*arrays, strict=True)], rtol=1e-12)
    assert gradcheck(linear, arrays, order=2)


@pytest.mark.parametrize("shape", [(7, 4), (4,), (2, 7, 4), (3, 7, 5)])
def test_the_stacked_affine_map_refuses_other_members(shape):
    with pytest.raises(ShapeError, match=r"linear on shapes .*of a stack of k"):
        linear(np.ones(shape), tn.tensor(np.ones((3, 2, 4)), requires_grad=True), np.ones((3, 2)))
    with pytest.raises(ShapeError, match="no matrix"):
        linear(np.ones(shape), tn.tensor(np.ones(4), requires_grad=True))
