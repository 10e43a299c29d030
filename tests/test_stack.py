"""Many networks at once: each member of a stack is, does and becomes what it would alone."""

import copy
import csv
import json
import pickle

import numpy as np
import pytest

import tinynet as tn
from benchmarks import members
from tinynet import nn
from tinynet.errors import ShapeError
from tinynet.nn.memberlayers import FOR_MEMBERS
from tinynet.rules.layers import linear
from tinynet.testing import gradcheck
from tinynet.training import BestModel, Callback, EarlyStopping, Logger, NonFiniteError, Scheduler, Trainer

M, N = 5, 7


def rng_of(seed):
    return np.random.default_rng(seed)


def mlp(seed, out=1, activation=nn.ReLU, dropout=0.0):
    rng = rng_of(seed)
    return nn.Sequential(
        nn.Linear(2, 6, rng=rng), activation(), nn.Dropout(dropout, rng=seed), nn.Linear(6, 5, rng=rng), nn.Tanh(),
        nn.Linear(5, out, rng=rng),
    )  # fmt: skip


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


# Layers --------------------------------------------------------------------------------------------------------------

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


def test_every_activation_and_simple_layer_is_in_the_table():
    assert {getattr(nn, name) for name in ACTIVATIONS} <= set(FOR_MEMBERS)
    assert {nn.APL, nn.KANLinear, nn.LayerNorm, nn.Conv1d, nn.Conv2d} <= set(FOR_MEMBERS)
    assert {nn.Linear, nn.Identity, nn.Flatten, nn.Dropout, nn.PReLU, nn.Swish} <= set(FOR_MEMBERS)


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


# What a stack is made of -----------------------------------------------------------------------------------------------


def test_members_come_back_as_they_are():
    models = [mlp(seed) for seed in range(M)]
    before = [model.state_dict() for model in models]
    stack = nn.stack(models)
    assert len(stack) == M and stack.num_parameters() == sum(model.num_parameters() for model in models)
    for p in stack.parameters():
        p.data = p.data + 1
    for k, (model, back) in enumerate(zip(models, stack.unstack(), strict=True)):
        assert repr(back) == repr(model)
        for name, x in back.state_dict().items():
            np.testing.assert_array_equal(model.state_dict()[name], before[k][name])
            np.testing.assert_array_equal(x, before[k][name] + 1)
        assert all(type(p) is nn.Parameter for p in back.parameters())
    np.testing.assert_array_equal(stack[-1][0].weight.data, stack[M - 1][0].weight.data)
    stack[0][0].weight.data[...] = 0  # a copy
    assert stack.members[0].weight.data[0].all()
    for k in (M, -M - 1):
        with pytest.raises(IndexError, match=f"member {k} of a stack of {M}"):
            stack[k]
    assert not stack.eval()[0].training and not stack[0][2].training


def test_state_goes_into_another_stack():
    stack, other = nn.ensemble(mlp, M), nn.ensemble(mlp, range(10, 10 + M))
    other.load_state_dict(stack.state_dict())
    np.testing.assert_array_equal(other[2][3].weight.data, mlp(2)[3].weight.data)
    assert list(stack.state_dict()) == [f"members.{name}" for name in mlp(0).state_dict()]
    for twin_of in (copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
        twin = twin_of(stack)
        for p in stack.parameters():
            p.data[...] += 1
        np.testing.assert_array_equal(twin[1][0].weight.data + 1, stack[1][0].weight.data)
        twin.members[0].weight.data[1] = 5.0
        assert (twin[1][0].weight.data == 5).all() and twin.members[0].weight.members == tuple(range(M))


def test_dtype_and_freezing_go_with_the_members():
    stack = nn.ensemble(mlp, M).astype("float32").requires_grad_(False)
    assert stack(np.ones((N, 2), "float32")).dtype == np.float32
    assert stack[0][0].weight.dtype == np.float32 and not stack[0][0].weight.requires_grad


def test_what_a_model_shares_within_itself_stays_shared():
    class Tied(nn.Module):
        def __init__(self, seed):
            self.layers = [nn.Linear(3, 3, rng=seed)] * 2
            self.head = nn.Linear(3, 3, rng=seed + 50)
            self.head.weight = self.layers[0].weight

        def forward(self, x):
            return self.head(np.tanh(self.layers[1](np.tanh(self.layers[0](x)))))

    stack = nn.ensemble(Tied, 3)
    assert len(list(stack.parameters())) == len(list(Tied(0).parameters())) == 3
    x = rng_of(0).normal(size=(N, 3))
    np.testing.assert_allclose(stack(x).data, [Tied(seed)(x).data for seed in range(3)], rtol=1e-12)
    back = stack[1]
    assert back.layers[0] is back.layers[1] and back.head.weight is back.layers[0].weight


def test_seeds():
    for seeds in (3, np.int64(3), [0, 1, 2], range(3), iter((0, 1, 2)), np.arange(3)):
        np.testing.assert_array_equal(nn.ensemble(mlp, seeds)[2][0].weight.data, mlp(2)[0].weight.data)
    for seeds in (0, [], -2):
        with pytest.raises(ValueError, match="at least one seed"):
            nn.ensemble(mlp, seeds)


def test_models_that_cannot_be_members():
    model = mlp(0)
    shared = nn.Sequential(model[0], nn.ReLU())
    for models, error, words in [
        ([], ValueError, "no model"),
        ([model, 3], TypeError, "model 1 is a int"),
        ([model, mlp(1), model], ValueError, "models 0 and 2 share"),
        ([nn.ReLU(), activation := nn.ReLU(), activation], ValueError, "models 1 and 2 are one object"),
        ([model, shared], ValueError, "models 0 and 1 share a parameter"),
        ([mlp(0), nn.Linear(2, 1)], ValueError, "members 0 and 1 have at the top a Sequential and a Linear"),
        ([mlp(0), mlp(1)[:2]], ValueError, "two Sequential with another length"),
        ([mlp(0), mlp(1), mlp(2, out=3)], ValueError, "members 0 and 2 have at 5 two Linear with another out_features"),
        ([mlp(0), mlp(1).astype("float32")], ValueError, "float64 in member 0 and dtype float32 in member 1"),
        ([mlp(0), mlp(1).requires_grad_(False)], ValueError, "requires_grad=True in member 0 and requires_grad=False"),
        ([nn.PReLU(), nn.PReLU(3)], ValueError, r"weight has shape \(1,\) in member 0 and shape \(3,\) in member 1"),
    ]:
        with pytest.raises(error, match=words):
            nn.stack(models)


def test_weights_are_drawn_before_they_are_stacked():
    stack = nn.ensemble(mlp, M)
    for fill in (nn.init.xavier_uniform_, nn.init.kaiming_normal_, nn.init.orthogonal_, nn.init.siren_):
        with pytest.raises(ShapeError, match=f"a weight of {M} members .* before they are stacked"):
            fill(stack.members[0].weight, rng=0)


def test_inputs_are_for_all_or_for_each():
    stack = nn.ensemble(mlp, M)
    x = rng_of(0).normal(size=(M, N, 2))
    np.testing.assert_allclose(stack(x).data[1], mlp(1)(x[1]).data, rtol=1e-12)
    np.testing.assert_allclose(stack(x[0]).data[1], mlp(1)(x[0]).data, rtol=1e-12)
    square = rng_of(0).normal(size=(M, 2))  # as many rows as members
    np.testing.assert_allclose(stack(square).data[1], mlp(1)(square).data, rtol=1e-12)
    for shape in ((2,), (M + 1, N, 2), (M, 3, N, 2)):
        with pytest.raises(ShapeError, match=rf"a stack of {M} members was given an input of shape \({shape[0]},.*sample_axes"):
            stack(np.ones(shape))
    with pytest.raises(ShapeError, match="in_features=2"):
        stack(np.ones((N, 3)))
    with pytest.raises(ValueError, match="sample_axes=-1"):
        nn.stack([mlp(0)], sample_axes=-1)


# Members that differ -----------------------------------------------------------------------------------------------------

KINDS = [nn.Tanh, nn.PReLU, lambda: nn.LeakyReLU(0.3), nn.Tanh, lambda: nn.Swish(learn=True), nn.LeakyReLU, nn.PReLU]


def mixed(seed):
    return mlp(seed, activation=KINDS[seed])


def test_members_may_differ_in_their_activation():
    stack = nn.ensemble(mixed, len(KINDS))
    x = rng_of(0).normal(size=(N, 2))
    np.testing.assert_allclose(stack(x).data, [mixed(seed)(x).data for seed in range(len(KINDS))], rtol=1e-12)
    assert {name: rows.tolist() for name, rows in stack.rows().items() if "groups" in name} == {
        "members.1.groups.1.weight": [1, 6], "members.1.groups.3.beta": [4],
    }  # fmt: skip
    together = nn.MemberLoss(nn.MSELoss())(stack(x), np.zeros((len(KINDS), N, 1)))
    together.sum().backward()
    for k, back in enumerate(stack.unstack()):
        nn.MSELoss()(back(x), np.zeros((N, 1))).backward()
        assert type(back[1]) is type(KINDS[k]())
        place = dict(stack.named_parameters())
        for name, p in back.named_parameters():
            if name.startswith("1."):
                full = "members.1.groups.1.weight" if "weight" in name else "members.1.groups.3.beta"
                row = stack.rows()[full].tolist().index(k)
                np.testing.assert_allclose(place[full].grad[row], p.grad, rtol=1e-10)
            else:
                np.testing.assert_allclose(place[f"members.{name}"].grad[k], p.grad, rtol=1e-10)


def test_layers_that_give_several_shapes_are_told():
    stack = nn.stack([nn.Sequential(nn.Linear(2, 4), nn.Identity()), nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 3))])
    with pytest.raises(ShapeError, match=r"several shapes: Identity \(7, 4\), Linear \(7, 3\)"):
        stack(np.ones((N, 2)))


# Modules of one's own ----------------------------------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self, seed):
        self.blocks = {"first": nn.Linear(2, 2, rng=seed), "rest": [nn.Linear(2, 2, rng=seed + 20), nn.PReLU()]}
        self.factor = 0.5

    def forward(self, x):
        y = self.blocks["rest"][1](self.blocks["first"](x))
        return np.concatenate([self.factor * x + self.blocks["rest"][0](y), y], axis=-1)


class OnAxisOne(Residual):
    def forward(self, x):
        y = self.blocks["first"](x)
        return np.concatenate([x, y], axis=1)


class Scale(nn.Module):
    def __init__(self, seed):
        self.factor = nn.Parameter(1.0 + seed)

    def forward(self, x):
        return self.factor * x


class Centred(nn.Module):
    def forward(self, x):
        return x - np.mean(x, axis=0)


def test_a_module_of_ones_own_is_walked_through():
    stack = nn.ensemble(Residual, 3)
    x = rng_of(0).normal(size=(N, 2))
    np.testing.assert_allclose(stack(x).data, [Residual(seed)(x).data for seed in range(3)], rtol=1e-12)
    assert "members.blocks.rest.0.weight" in stack.state_dict()


class Recurrent(nn.Module):
    def __init__(self, seed):
        self.cell = nn.LSTMCell(2, 3, rng=seed)
        self.other = nn.RNNCell(3, 2, rng=seed + 1, bias=False)

    def forward(self, x):
        state, y = None, None
        for t in range(x.shape[-2]):
            state = self.cell(x[..., t, :], state)
            y = self.other(state[0], y)
        return y


def test_recurrent_cells():
    stack = nn.ensemble(Recurrent, 3, sample_axes=2)
    x = rng_of(0).normal(size=(N, 4, 2))
    np.testing.assert_allclose(stack(x).data, [Recurrent(seed)(x).data for seed in range(3)], rtol=1e-12)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("n", [4, 7])
def test_a_layer_that_nobody_stacked_is_refused(training, n):
    stack = nn.stack([nn.Sequential(nn.Linear(2, 4, rng=seed), nn.BatchNorm1d(4)) for seed in range(4)])
    with pytest.raises(ShapeError, match=r"BatchNorm1d: forward.*stacking"):
        stack.train(training)(np.ones((n, 2)))


@pytest.mark.parametrize("make", [OnAxisOne, lambda seed: Scale(seed), lambda seed: Centred()], ids=["axis", "scale", "mean"])
@pytest.mark.parametrize("n", [1, 2, 3, 7])  # also where the shapes happen to fit
def test_a_module_that_would_compute_something_else_is_refused(make, n):
    with pytest.raises(ShapeError, match=r"(OnAxisOne|Scale|Centred): forward\(\) does not do with an axis.*stacking"):
        nn.ensemble(make, 2)(rng_of(0).normal(size=(n, 2)))


def test_what_a_layer_becomes_can_be_told():
    before = dict(FOR_MEMBERS)
    try:

        @nn.stacking(Scale)
        class Scales(Scale):
            def forward(self, x):
                return self.factor[:, None, None] * x

        stack = nn.ensemble(Scale, 3)
        np.testing.assert_array_equal(stack(np.ones((N, 2))).data[:, 0, 0], [1, 2, 3])
        assert type(stack.members) is Scales and type(stack[1]) is Scale
    finally:
        FOR_MEMBERS.clear()
        FOR_MEMBERS.update(before)


def test_a_layer_derived_from_a_known_one_is_not_taken_for_it():
    class Doubled(nn.PReLU):
        def forward(self, x):
            return 2 * super().forward(x)

    with pytest.raises(ShapeError, match=r"Doubled: forward\(\)"):
        nn.stack([randomised(Doubled(), seed) for seed in range(3)])(rng_of(0).normal(size=(N, 2)))


# Losses ------------------------------------------------------------------------------------------------------------------


def own_loss(prediction, target):
    return np.mean(np.abs(prediction - target) ** 3)


LABELS = rng_of(2).integers(0, 4, (M, N))
SOME = np.where(rng_of(3).random((M, N)) < 0.3, -100, LABELS)
SOME[1] = -100
PROBABILITIES = rng_of(2).dirichlet(np.ones(4), (M, N))
CLASS_WEIGHTS = np.array([0.5, 2.0, 1.0, 0.0])
LOSSES = {
    "mse": (nn.MSELoss(), rng_of(2).normal(size=(M, N, 4))),
    "mse sum": (nn.MSELoss(reduction="sum"), rng_of(2).normal(size=(M, N, 4))),
    "l1": (nn.L1Loss(), rng_of(2).normal(size=(M, N, 4))),
    "huber": (nn.HuberLoss(0.7), rng_of(2).normal(size=(M, N, 4))),
    "smooth l1": (nn.SmoothL1Loss(0.3), rng_of(2).normal(size=(M, N, 4))),
    "bce with logits": (nn.BCEWithLogitsLoss(), LABELS[..., None] % 2 == np.ones(4)),
    "bce with weights": (nn.BCEWithLogitsLoss(CLASS_WEIGHTS, pos_weight=[3.0, 1, 1, 1]), PROBABILITIES),
    "bce": (lambda p, y: nn.BCELoss()(1 / (1 + np.exp(-p)), y), PROBABILITIES),
    "labels": (nn.CrossEntropyLoss(), LABELS),
    "labels sum": (nn.CrossEntropyLoss(reduction="sum"), LABELS),
    "labels smoothed": (nn.CrossEntropyLoss(label_smoothing=0.2), LABELS),
    "some labels": (nn.CrossEntropyLoss(), SOME),
    "labels with weights": (nn.CrossEntropyLoss(CLASS_WEIGHTS), SOME),
    "labels with weights, smoothed": (nn.CrossEntropyLoss(CLASS_WEIGHTS, label_smoothing=0.1), SOME),
    "probabilities": (nn.CrossEntropyLoss(), PROBABILITIES),
    "probabilities with weights": (nn.CrossEntropyLoss(CLASS_WEIGHTS), PROBABILITIES),
    "nll": (nn.NLLLoss(CLASS_WEIGHTS), SOME),
    "own": (own_loss, PROBABILITIES),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_a_members_loss_is_its_own(name):
    loss, target = LOSSES[name]
    p = tn.Tensor(rng_of(1).normal(size=(M, N, 4)), requires_grad=True)
    together = nn.MemberLoss(loss)(p, target)
    g, (dp,) = gradients(together, [p])
    for k in range(M):
        part = tn.Tensor(p.data[k], requires_grad=True)
        alone = loss(part, target[k])
        np.testing.assert_allclose(together.data[k], alone.data, rtol=1e-12)
        (expected,) = tn.autograd.grad(alone, [part], g[k])
        np.testing.assert_allclose(dp.data[k], expected.data, rtol=1e-10, atol=1e-15)
    if isinstance(loss, nn.CrossEntropyLoss):  # classes on the axis behind the samples'
        p4, y4 = p.data[:, :, :, None], target[..., None]
        np.testing.assert_allclose(nn.MemberLoss(loss)(p4, y4), together.data, rtol=1e-12)


def test_losses_that_give_no_number_a_member():
    with pytest.raises(ValueError, match="reduction='none'"):
        nn.MemberLoss(nn.MSELoss(reduction="none"))
    with pytest.raises(ShapeError, match=r"shape \(7, 4\); it must be one number"):
        nn.MemberLoss(lambda p, y: p - y)(np.ones((M, N, 4)), np.ones((M, N, 4)))
    for shape in ((N, 4), (M,), (M + 1, N, 4)):
        with pytest.raises(ShapeError, match="begin with members and samples"):
            nn.MemberLoss(nn.MSELoss())(np.ones((M, N, 4)), np.ones(shape))
    with pytest.raises(ShapeError, match=r"mse_loss: .*\(5, 7, 4\)"):
        nn.MemberLoss(nn.MSELoss())(np.ones((M, N, 4)), np.ones((M, N)))
    assert "MSELoss" in repr(nn.MemberLoss(nn.MSELoss())) and "own_loss" in repr(nn.MemberLoss(own_loss))


# Training ----------------------------------------------------------------------------------------------------------------


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


def part(data, k):
    """What a member sees of data that may be for all."""
    return tuple(x[k] if data[0].ndim == 3 else x for x in data)


def assert_equal_to_each_alone(
    make, data, validation=None, epochs=4, batch_size=16, members=4, compile=False, **options
):  # fmt: skip
    """Train at once and one by one; histories, weights and predictions are the same to rounding."""
    stack = nn.ensemble(make, members)
    together = trainer_of(stack, list(range(members)), compile=compile, **options)
    history = together.fit(*data, epochs=epochs, batch_size=batch_size, validation_data=validation, verbose=0)
    found = []
    for k, back in enumerate(stack.unstack()):
        alone = trainer_of(make(k), k, **options)
        expected = alone.fit(
            *part(data, k), epochs=epochs, batch_size=batch_size, validation_data=validation and part(validation, k), verbose=0
        )
        own = history.member(k)
        for name in set(expected) - {"seconds"}:
            np.testing.assert_allclose(own[name][: expected.epochs], expected[name], rtol=1e-8, atol=1e-12, err_msg=name)
        for (name, p), q in zip(alone.model.named_parameters(), back.parameters(), strict=True):
            np.testing.assert_allclose(q.data, p.data, rtol=1e-7, atol=1e-10, err_msg=name)
        np.testing.assert_allclose(together.predict(data[0])[k], alone.predict(part(data, k)[0]), rtol=1e-7, atol=1e-10)
        for name, value in alone.evaluate(*part(data, k)).items():
            np.testing.assert_allclose(together.evaluate(*data)[name][k], value, rtol=1e-7)
        found.append(expected)
    return together, found


def labelled(n=45, members=0):
    x, _ = rings(n, members)
    return x, (x[..., 0] > 0).astype(int) + (x[..., 1] > 0)


def clipped(max_norm=0.05):
    class Clip(Callback):
        def on_backward_end(self, trainer):
            tn.optim.clip_grad_norm_(trainer.model.parameters(), max_norm)

    return Clip()


@pytest.mark.parametrize("compile", [False, "auto"], ids=["eager", "compiled"])
@pytest.mark.parametrize("case", [
    {},
    {"data": rings(members=4)},
    {"batch_size": 64},
    {"data": rings(members=4), "batch_size": 64},
    {"metrics": ["binary_accuracy"], "validation": rings(30, seed=1)},
    {"metrics": ["binary_accuracy", "r2"], "validation": rings(30, members=4, seed=1), "data": rings(members=4)},
    {"make": lambda seed: mlp(seed, dropout=0.3), "validation": rings(30, seed=1)},
    {"make": mixed, "members": 7, "options": {"weight_decay": 0.01}},
    {"make": lambda seed: mlp(seed, out=3), "data": labelled(), "loss": nn.CrossEntropyLoss(), "metrics": ["accuracy"]},
    {"make": lambda seed: mlp(seed, out=3), "data": labelled(members=4), "loss": nn.CrossEntropyLoss([1.0, 2.0, 0.5])},
    {"optimizer": tn.optim.SGD, "options": {"momentum": 0.9}, "schedule": True},
    {"optimizer": tn.optim.AdamW, "lr": 0.01},
    {"optimizer": tn.optim.RMSprop, "lr": 0.001},
    {"optimizer": tn.optim.Adagrad},
    {"loss": own_loss},
    {"make": lambda seed: Residual(seed), "loss": nn.HuberLoss(), "data": (rings()[0], np.tile(rings()[0], 2))},
    {"callback": clipped, "optimizer": tn.optim.SGD, "lr": 0.5},
    {"callback": clipped, "make": mixed, "members": 7, "optimizer": tn.optim.SGD, "lr": 0.5},
], ids=lambda case: "-".join(case) or "plain")  # fmt: skip
def test_training_at_once_is_training_each_alone(case, compile):
    case = {"make": mlp, "data": rings(), **case}
    trainer, _ = assert_equal_to_each_alone(case.pop("make"), case.pop("data"), compile=compile, **case)
    foreign = case.get("loss") is own_loss or "callback" in case or isinstance(trainer.model.members, Residual)
    assert (", compiled: " in repr(trainer.step)) == (compile == "auto" and not foreign)


def test_a_module_of_ones_own_is_compiled_when_asked_for():
    trainer, _ = assert_equal_to_each_alone(Residual, (rings()[0], np.tile(rings()[0], 2)), loss=nn.MSELoss(), compile=True)
    assert ", compiled: " in repr(trainer.step)
    trainer, _ = assert_equal_to_each_alone(mixed, rings(), callback=clipped, members=7, optimizer=tn.optim.SGD, compile=True)
    assert ", compiled: " in repr(trainer.step)


def test_pictures():
    def make(seed):
        return nn.Sequential(nn.Flatten(), nn.Linear(12, 4, rng=seed), nn.Tanh(), nn.Linear(4, 1, rng=seed + 9))

    x = rng_of(0).normal(size=(4, 3, 2, 2))  # as many pictures as members
    for data in (x, rng_of(1).normal(size=(4, 20, 3, 2, 2))):
        stack = nn.ensemble(make, 4, sample_axes=3)
        trainer = trainer_of(stack, [0, 1, 2, 3], loss=nn.MSELoss())
        y = np.zeros((*data.shape[:-3], 1))
        history = trainer.fit(data, y, epochs=2, batch_size=3)
        for k in range(4):
            alone = trainer_of(make(k), k, loss=nn.MSELoss())
            expected = alone.fit(*((data[k], y[k]) if data.ndim == 5 else (data, y)), epochs=2, batch_size=3)
            np.testing.assert_allclose(history.member(k)["loss"], expected["loss"], rtol=1e-9)


def test_a_list_of_batches_is_for_all_or_for_each():
    shared, own = rings(), rings(members=4)
    for batches, each in [
        ([tuple(x[i : i + 15] for x in shared) for i in (0, 15, 30)], lambda k, batch: batch),
        ([tuple(x[:, i : i + 15] for x in own) for i in (0, 15, 30)], lambda k, batch: (batch[0][k], batch[1][k])),
    ]:
        trainer = trainer_of(nn.ensemble(mlp, 4), 0)
        history = trainer.fit(batches, epochs=3, validation_data=batches)
        for k in range(4):
            own_batches = [each(k, batch) for batch in batches]
            alone = trainer_of(mlp(k), 0).fit(own_batches, epochs=3, validation_data=own_batches)
            for name in ("loss", "val_loss"):
                np.testing.assert_allclose(history.member(k)[name], alone[name], rtol=1e-9)


def test_orders_of_their_own():
    data = rings()

    def order(rng, members=3):
        seen = []

        class Watch(nn.Identity):
            def forward(self, x):
                seen.append(x.data.copy())
                return x

        def make(seed):
            return nn.Sequential(Watch(), nn.Linear(2, 1, rng=seed))

        nn.stacking(Watch)(Watch)
        try:
            trainer_of(nn.ensemble(make, members), rng).fit(*data, batch_size=15)
        finally:
            del FOR_MEMBERS[Watch]
        return np.concatenate(seen, axis=1)

    one = order(7)
    assert not any(np.array_equal(one[0], one[k]) for k in (1, 2))  # one seed gives each an order of its own
    for k in range(3):
        np.testing.assert_array_equal(np.sort(one[k], axis=0), np.sort(data[0], axis=0))
    np.testing.assert_array_equal(one, order(7))
    tn.manual_seed(3)
    first = order(None)
    tn.manual_seed(3)
    np.testing.assert_array_equal(first, order(None))
    for rng, model in (([0, 1], nn.ensemble(mlp, 3)), ([0], mlp(0))):
        with pytest.raises(ValueError, match=r"rng has \d generators or seeds for"):
            trainer_of(model, rng)


def test_a_step_written_by_hand():
    data = rings()
    stack, models = nn.ensemble(mlp, 4), [mlp(k) for k in range(4)]
    loss = nn.MemberLoss(nn.BCEWithLogitsLoss())
    optimizer = tn.optim.Adam(stack.parameters(), lr=0.05)
    y = np.broadcast_to(data[1], (4, *data[1].shape))

    @tn.compile
    def step(x, y):
        optimizer.zero_grad()
        losses = loss(stack(x), y)
        losses.sum().backward()
        optimizer.step()
        return losses

    values = np.array([step(data[0], y).data.copy() for _ in range(5)])
    for k, model in enumerate(models):
        alone = tn.optim.Adam(model.parameters(), lr=0.05)
        for i in range(5):
            alone.zero_grad()
            value = nn.BCEWithLogitsLoss()(model(data[0]), data[1])
            value.backward()
            alone.step()
            np.testing.assert_allclose(values[i, k], value.item(), rtol=1e-9)


# Callbacks, histories ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restore_best", [True, False])
@pytest.mark.parametrize("make", [mlp, lambda seed: mixed(seed)], ids=["alike", "mixed"])
def test_early_stopping_is_each_members_own(restore_best, make):
    stops = []

    def stopper():
        stops.append(EarlyStopping("val_loss", patience=2, min_delta=1e-3, restore_best=restore_best))
        return stops[-1]

    options = {"validation": rings(20, seed=5), "epochs": 40, "lr": 0.15, "members": 6}
    _, alone = assert_equal_to_each_alone(make, rings(), callback=stopper, **options)
    assert len({history.epochs for history in alone}) > 2  # they end at several epochs
    together, *each = stops
    assert together.best_epoch.tolist() == [one.best_epoch for one in each]
    np.testing.assert_allclose(together.best, [one.best for one in each], rtol=1e-9)
    assert together.stopped.tolist() == [history.epochs < 40 for history in alone] or together.stopped.all()


def test_the_best_model_of_each_member():
    def keep():
        return BestModel("binary_accuracy")

    assert_equal_to_each_alone(mlp, rings(), callback=keep, epochs=15, lr=0.2, metrics=["binary_accuracy"])


def never(prediction, target):
    return np.nan


def test_a_member_that_is_never_good_stays_as_it_was_last():
    assert_equal_to_each_alone(mlp, rings(), callback=lambda: BestModel("never", mode="max"), metrics=[never])


def test_gradients_are_clipped_member_by_member():
    stack = nn.ensemble(mixed, 7)
    loss = nn.MemberLoss(nn.MSELoss())(stack(rings()[0]), np.zeros((7, 45, 1)))
    scales = np.array([1, 10, 0.1, 1, 1, 100, 1])
    (loss * scales).sum().backward()
    kept = [p.grad.copy() for p in stack.parameters()]
    for order in (1.0, 2.0, 3.0, np.inf):
        for p, g in zip(stack.parameters(), kept, strict=True):
            p.grad = g.copy()
        norms = tn.optim.clip_grad_norm_(stack.parameters(), 0.5, order)
        assert norms.shape == (7,) and (norms > 0.5).any() and (norms < 0.5).any()
        for k in range(7):
            rows = [
                (g[p.members.index(k)], p.grad[p.members.index(k)])
                for p, g in zip(stack.parameters(), kept, strict=True) if k in p.members
            ]
            alone = [tn.tensor(np.zeros_like(g), requires_grad=True) for g, _ in rows]
            for p, (g, _) in zip(alone, rows, strict=True):
                p.grad = g
            np.testing.assert_allclose(norms[k], tn.optim.clip_grad_norm_(alone, 0.5, order), rtol=1e-12)
            for p, (_, clipped_row) in zip(alone, rows, strict=True):
                np.testing.assert_allclose(clipped_row, p.grad, rtol=1e-12)
    single = tn.tensor(np.ones(3), requires_grad=True)
    single.grad = np.ones(3)
    with pytest.raises(ValueError, match=r"one of shape \(3,\) is not"):
        tn.optim.clip_grad_norm_([*stack.parameters(), single], 1.0)
    stack.members[0].weight.grad[2] = np.nan
    with pytest.raises(RuntimeError, match="norm of the gradients"):
        tn.optim.clip_grad_norm_(stack.parameters(), 1.0, error_if_nonfinite=True)
    assert np.isnan(tn.optim.clip_grad_norm_(stack.parameters(), 1.0)).tolist() == [k == 2 for k in range(7)]


def test_the_history_is_told_and_saved(tmp_path):
    file, lines = tmp_path / "log.csv", []
    trainer = trainer_of(nn.ensemble(mlp, 3), 0, metrics=["binary_accuracy"])
    trainer.callbacks += [Logger(file), Logger(lines.append)]
    history = trainer.fit(*rings(), epochs=2)
    assert [x.shape for x in history["loss"]] == [(3,), (3,)] and [type(x) for x in history["lr"]] == [float, float]
    assert json.loads(json.dumps(history.to_dict()))["loss"][1] == history["loss"][1].tolist()
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert list(rows[0])[:5] == ["epoch", "loss[0]", "loss[1]", "loss[2]", "binary_accuracy[0]"]
    assert float(rows[1]["loss[2]"]) == history["loss"][1][2] and float(rows[0]["lr"]) == 0.02
    low, middle, high = np.sort(history["loss"][-1])
    assert f"loss {middle:.4g} ({low:.4g} to {high:.4g})" in repr(history) and lines[1].startswith("epoch 2  loss ")
    assert "history of 2 epochs: loss" in repr(history.member(0)).lower() and "(" not in repr(history.member(0))


# When something goes wrong -----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value):RuntimeWarning")
@pytest.mark.parametrize("compile", [False, "auto"], ids=["eager", "compiled"])
@pytest.mark.parametrize("optimizer", [tn.optim.SGD, tn.optim.Adam, tn.optim.RMSprop, tn.optim.Adagrad])
def test_a_member_that_fails_leaves_the_others_alone(compile, optimizer):
    data = rings(members=4)
    data[0][2, 20] = np.inf
    make = lambda seed: mlp(seed, dropout=0.2)  # noqa: E731
    stack = nn.ensemble(make, 4)
    trainer = trainer_of(stack, [0, 1, 2, 3], optimizer=optimizer, lr=0.01, compile=compile)
    with pytest.warns(RuntimeWarning, match=r"epoch 1, batch \d: the loss, .* of members 2 is not finite; they stay as"):
        history = trainer.fit(*data, epochs=3, batch_size=10, shuffle=False, validation_data=rings(20))
    assert trainer.failed == {2: (1, 3)}
    assert np.isnan([*history.member(2)["loss"], *history.member(2)["val_loss"]]).all()
    for k, back in enumerate(stack.unstack()):
        alone = trainer_of(make(k), k, optimizer=optimizer, lr=0.01)
        try:
            expected = alone.fit(*part(data, k), epochs=3, batch_size=10, shuffle=False, validation_data=rings(20))
            np.testing.assert_allclose(history.member(k)["val_loss"], expected["val_loss"], rtol=1e-9)
        except NonFiniteError:
            assert k == 2
        for p, q in zip(alone.model.parameters(), back.parameters(), strict=True):
            np.testing.assert_allclose(q.data, p.data, rtol=1e-8, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value):RuntimeWarning")
def test_when_the_last_member_fails_the_training_ends():
    x, y = rings()
    x[3] = np.nan
    stack = nn.ensemble(mlp, 3)
    before = stack.state_dict()
    with pytest.raises(NonFiniteError, match=r"epoch 1, batch 1: .* of members 0, 1, 2 .* no other member is left"):
        trainer_of(stack, 0).fit(x, y, shuffle=False)
    for name, value in stack.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_data_that_do_not_fit_the_members():
    trainer = trainer_of(nn.ensemble(mlp, 4), 0)
    x, y = rings(members=4)
    for data, words in [
        ((x, y[0]), r"x has shape \(4, 45, 2\), for each member its own, and y \(45, 1\)"),
        ((x[:3], y[:3]), r"x has shape \(3, 45, 2\); for a stack of 4 members.*sample_axes"),
        ((x[0], y[0][:9]), "x has 45 rows and y has 9"),
        ((x[0][:0], y[0][:0]), "the data are empty"),
        ((x[:, :0], y[:, :0]), "the data are empty"),
        (([(x[0], y)],), "batch 1 of the data: x has 45 rows and y has 4"),
    ]:
        with pytest.raises(ValueError, match=f"fit: .*{words}|^{words}"):
            trainer.fit(*data)
    with pytest.raises(ShapeError, match="predict: x has shape"):
        trainer.predict(np.ones((3, 4, 2)))


def test_a_loss_needs_a_number_for_each_member():
    class Summed(nn.MemberLoss):
        def forward(self, prediction, target):
            return prediction.sum()

    with pytest.raises(ShapeError, match=r"the loss has shape \(\); a stack of 4 members needs one number for each"):
        trainer_of(nn.ensemble(mlp, 4), 0, loss=Summed(nn.MSELoss())).fit(*rings())


# How long it takes -------------------------------------------------------------------------------------------------------


def test_the_measurement_compares_equals(capsys):
    members.main(["--members", "3", "--rounds", "1", "--epochs", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["3 circle networks, eager", "3 circle networks, compiled"]
    assert all(float(line.rpartition(" ")[2]) < 1e-5 for line in lines)
