"""Stacks of models: each member gives what it would alone, and comes back as it is."""

import copy
import pickle

import numpy as np
import pytest

import tinynet as tn
from tests.stacks import KINDS, mixed, mlp, rng_of
from tinynet import nn
from tinynet.errors import ShapeError

M, N = 5, 7


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


def test_members_come_back_in_their_mode_and_without_gradients():
    models = [mlp(seed).eval() for seed in range(2)]
    for model in models:
        model[4].train()
        model(np.ones((N, 2))).sum().backward()
    stack = nn.stack(models)
    modes = [module.training for module in models[0].modules()]
    assert not stack.training and [module.training for module in stack[1].modules()] == modes
    stack(np.ones((N, 2))).sum().backward()
    assert all(p.grad is None for p in stack[0].parameters())
    assert all(module.training for module in stack.train()[1].modules())


def test_members_may_have_been_used_before():
    fresh, trained, hooked = mlp(0), mlp(1), mlp(2)
    trained.eval().train()
    hooked.register_forward_hook(lambda module, args, output: None).remove()
    x = rng_of(0).normal(size=(N, 2))
    stack = nn.stack([fresh, trained, hooked, nn.stack([fresh, trained])[1]])
    np.testing.assert_allclose(stack(x).data, [mlp(seed)(x).data for seed in (0, 1, 2, 1)], rtol=1e-12)


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


def test_tensors_that_are_no_parameters_are_members_own():
    class Shifted(nn.Module):
        def __init__(self, seed):
            self.shift = tn.tensor([float(seed)], requires_grad=True)

        def forward(self, x):
            return x + np.reshape(self.shift, (-1, *[1] * (np.ndim(x) - 1)))

    stack = nn.ensemble(Shifted, 3)
    stack(np.ones((N, 2))).sum().backward()
    np.testing.assert_array_equal(stack.members.shift.grad, [[2 * N]] * 3)
    assert stack[2].shift.requires_grad and stack[2].shift.data == [2]


def test_the_numbers_are_held_once():
    stack = nn.ensemble(lambda seed: nn.Linear(100, 100, rng=seed), 4)
    assert len(pickle.dumps(stack)) < 1.1 * sum(p.data.nbytes for p in stack.parameters())


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
    for seeds in (2.5, None):
        with pytest.raises(TypeError, match=f"seeds={seeds} is neither"):
            nn.ensemble(mlp, seeds)


def untied():
    return nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2))


def tied():
    model = untied()
    model[2].weight = model[0].weight
    return model


def test_models_that_cannot_be_members():
    model = mlp(0)
    shared = nn.Sequential(model[0], nn.ReLU())
    for models, error, words in [
        ([], ValueError, "no model"),
        (nn.Linear(2, 1), TypeError, "the models are a Linear; give a list"),
        (nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), TypeError, "the models are a Sequential; give a list"),
        ([nn.Linear(2, 1), nn.stack([nn.Linear(2, 1)])], ValueError, "model 1 is a stack or holds one"),
        ([mlp(0), mlp(1).eval()], ValueError, "two Sequential with another training"),
        ([tied(), untied()], ValueError, "0.weight and 2.weight are one tensor in member 0, and not in every other"),
        ([untied(), tied()], ValueError, "0.weight and 2.weight are one tensor in member 1"),
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
