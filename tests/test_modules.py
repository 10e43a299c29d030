"""Modules: the walk and its names, state, modes, hooks; containers; Linear, Dropout, Flatten."""

import copy
import gc
import pickle
import weakref
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ShapeError
from tinynet.nn import Buffer, Dropout, Flatten, Identity, Linear, Module, ModuleList, Parameter, Sequential
from tinynet.rules.layers import linear
from tinynet.testing import gradcheck


def names(pairs):
    return [name for name, _ in pairs]


class Block(Module):
    """No super().__init__(), and state in every kind of place."""

    def __init__(self):
        self.inner = Linear(2, 3, rng=0)
        self.weight = Parameter([1.0, 2.0])
        self.steps = Buffer(np.array(0))
        self.layers = [Linear(1, 1, rng=1), (Identity(), Parameter([3.0]))]
        self.heads = {"left": Linear(3, 1, rng=2), "right": {"deep": Buffer([4.0])}}
        self.plain = tn.tensor([5.0], requires_grad=True)
        self.size = 3

    def forward(self, x):
        return self.inner(x) * self.weight[0]


@dataclass
class Pair(Module):
    """A dataclass has an __eq__ and no __hash__."""

    left: Module
    right: Module

    def forward(self, x):
        return self.left(x) + self.right(x)


def mlp(rng=0, dtype=None):
    generator = np.random.default_rng(rng)
    return Sequential(Linear(2, 8, rng=generator, dtype=dtype), Identity(), Linear(8, 1, rng=generator, dtype=dtype))


# The walk --------------------------------------------------------------------------------------------------------------


def test_a_modules_own_parameters_come_first_then_its_modules_in_order():
    block = Block()
    own = ["weight", "layers.1.1"]
    inner = ["inner.weight", "inner.bias", "layers.0.weight", "layers.0.bias", "heads.left.weight", "heads.left.bias"]
    assert names(block.named_parameters()) == own + inner
    assert names(block.named_buffers()) == ["steps", "heads.right.deep"]
    assert names(block.named_modules()) == ["", "inner", "layers.0", "layers.1.0", "heads.left"]
    assert names(block.named_children()) == ["inner", "layers.0", "layers.1.0", "heads.left"]
    assert list(block.state_dict()) == ["weight", "steps", "layers.1.1", "heads.right.deep", *inner]
    assert [x is y for x, (_, y) in zip(block.parameters(), block.named_parameters(), strict=True)] == [True] * 8
    assert list(block.buffers()) == [block.steps, block.heads["right"]["deep"]]
    assert list(block.modules())[1:] == list(block.children())
    assert block.num_parameters() == 2 + 1 + 9 + 2 + 4


def test_a_shared_parameter_is_one_parameter_under_all_its_names():
    first, second = Linear(3, 3, rng=0), Linear(3, 3, rng=1)
    second.weight = first.weight
    model = Sequential(first, second, first)
    assert names(model.named_parameters()) == ["0.weight", "0.bias", "1.bias"]
    assert names(model.named_modules()) == ["", "0", "1"]
    assert names(model.named_children()) == ["0", "1"]
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"]
    assert model.num_parameters() == 15
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin[1].weight is twin[0].weight is not first.weight
        assert twin[2] is twin[0]


def test_gradients_of_a_shared_parameter_add_up():
    layer = Linear(1, 1, bias=False, rng=0)
    Sequential(layer, layer)(np.array([[3.0]])).backward()
    np.testing.assert_allclose(layer.weight.grad, 2 * 3 * layer.weight.data)


def test_cycles_end():
    parent, child = Block(), Block()
    parent.child, child.parent = child, parent
    parent.itself = parent
    parent.layers.append(parent.layers)
    assert len(list(parent.modules())) == 10
    assert list(child.state_dict())[-1].startswith("parent.heads.left.")
    assert "child.weight" in parent.state_dict()
    assert not any(name.startswith(("child.parent", "itself")) for name in parent.state_dict())
    assert parent.load_state_dict(parent.state_dict()) == ([], [])
    assert "(parent): Block(...)" in repr(parent)
    assert copy.deepcopy(parent).child.parent is not parent
    seen = []
    parent.train().astype("float32").apply(seen.append)
    assert len(seen) == 10


def test_modules_without_a_hash():
    pair = Pair(Linear(2, 1, rng=0), Linear(2, 1, rng=1))
    pair.eval().requires_grad_(False).apply(id)
    assert names(pair.named_parameters()) == ["left.weight", "left.bias", "right.weight", "right.bias"]
    assert pair(np.ones((4, 2))).shape == (4, 1)


def test_apply_goes_from_the_inside_out():
    seen = []
    model = Sequential(Linear(1, 1), Sequential(Identity(), Flatten()))
    assert model.apply(lambda module: seen.append(type(module).__name__)) is model
    assert seen == ["Linear", "Identity", "Flatten", "Sequential", "Sequential"]


def test_module_without_forward():
    with pytest.raises(NotImplementedError, match=r"Sub has no forward\(\)"):
        type("Sub", (Module,), {})()(1)


# Modes, freezing, gradients ----------------------------------------------------------------------------------------------


def test_train_and_eval_reach_every_module():
    model = Sequential(Dropout(0.5), ModuleList([Dropout(0.5)]))
    assert model.training
    assert model.eval() is model
    assert [module.training for module in model.modules()] == [False] * 4
    model.train()
    assert [module.training for module in model.modules()] == [True] * 4
    assert Dropout().training


def test_frozen_parameters_get_no_gradient():
    model = mlp()
    assert model[0].requires_grad_(False) is model[0]
    np.sum(model(np.ones((3, 2)))).backward()
    assert [x.grad is None for x in model.parameters()] == [True, True, False, False]
    model.zero_grad()
    model.requires_grad_()
    np.sum(model(np.ones((3, 2)))).backward()
    assert all(x.grad is not None for x in model.parameters())
    model.zero_grad()
    assert all(x.grad is None for x in model.parameters())


def test_buffers_are_state_without_a_gradient():
    block = Block()
    assert not block.steps.requires_grad
    block.requires_grad_()
    assert not block.steps.requires_grad
    block.load_state_dict({"steps": 7}, strict=False)
    assert block.steps.data == 7


def test_astype_converts_floating_state_in_place():
    block = Block()
    weight = block.weight
    np.sum(block(np.ones((2, 2)))).backward()
    assert block.astype("float32") is block
    assert block.weight is weight
    assert {x.dtype for x in block.parameters()} == {np.dtype("float32")}
    assert weight.grad.dtype == np.float32
    assert block.steps.dtype == np.int64
    assert block.heads["right"]["deep"].dtype == np.float32
    assert block(np.ones((2, 2), dtype=np.float32)).dtype == np.float32
    with pytest.raises(TypeError, match=r"Block.astype: int32 is not a real floating dtype"):
        block.astype("int32")
    with pytest.raises(TypeError, match="complex128"):
        block.astype(complex)
    assert block.weight.dtype == np.float32


# State -------------------------------------------------------------------------------------------------------------------


def test_state_dict_gives_copies():
    model = mlp()
    state = model.state_dict()
    assert type(state["0.weight"]) is np.ndarray
    state["0.weight"][...] = 0
    assert (model[0].weight.data != 0).all()


def test_load_state_dict_writes_into_the_arrays_that_are_there():
    model, other = mlp(0, "float32"), mlp(1)
    arrays = [x.data for x in model.parameters()]
    state = other.state_dict()
    state["0.bias"] = other[0].bias  # a tensor that requires a gradient
    state["2.bias"] = state["2.bias"].tolist()
    assert model.load_state_dict(state) == ([], [])
    assert all(x.data is array for x, array in zip(model.parameters(), arrays, strict=True))
    assert {x.dtype for x in model.parameters()} == {np.dtype("float32")}
    for x, y in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(x.data, y.data.astype(np.float32))


BAD_STATES = {
    "missing": (lambda s: s.pop("2.bias"), ValueError, r"into Sequential.*missing keys 2\.bias"),
    "unexpected": (lambda s: s.update({"3.weight": 1.0, "x": 2.0}), ValueError, r"unexpected keys 3\.weight, x"),
    "shape": (lambda s: s.update({"2.weight": np.ones((8, 1))}), ShapeError, r"2\.weight has shape \(1, 8\).* and \(8, 1\)"),
    "broadcastable": (lambda s: s.update({"0.bias": 1.0}), ShapeError, r"0\.bias has shape \(8,\) in the module and \(\)"),
    "complex": (lambda s: s.update({"2.bias": np.ones(1, dtype=complex)}), ValueError, r"2\.bias has dtype float64.*complex"),
    "text": (lambda s: s.update({"2.bias": np.array(["1"])}), ValueError, r"2\.bias has dtype float64"),
}


@pytest.mark.parametrize("name", BAD_STATES)
def test_load_state_dict_is_all_or_nothing(name):
    spoil, error, message = BAD_STATES[name]
    model = mlp(0)
    before, state = model.state_dict(), mlp(1).state_dict()
    spoil(state)
    with pytest.raises(error, match=message):
        model.load_state_dict(state)
    for key, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[key])


def test_all_problems_of_a_state_are_told_at_once():
    state = mlp(1).state_dict()
    del state["0.weight"]
    state.update({"2.weight": np.ones(3), "extra": 1.0})
    with pytest.raises(ShapeError) as caught:
        mlp(0).load_state_dict(state)
    assert all(part in str(caught.value) for part in ("0.weight", "(3,)", "extra", "strict=False"))


def test_load_state_dict_without_strict():
    model = mlp(0)
    kept = model[0].weight.data.copy()
    result = model.load_state_dict({"0.bias": np.full(8, 0.5), "other": 1.0}, strict=False)
    assert result.missing_keys == ["0.weight", "2.weight", "2.bias"]
    assert result.unexpected_keys == ["other"]
    assert (model[0].bias.data == 0.5).all()
    np.testing.assert_array_equal(model[0].weight.data, kept)
    with pytest.raises(ShapeError, match=r"0\.bias"):
        model.load_state_dict({"0.bias": np.ones(7)}, strict=False)


def test_a_float_does_not_go_into_an_integer_buffer():
    block = Block()
    with pytest.raises(ValueError, match="steps has dtype int64 in the module and float64"):
        block.load_state_dict({"steps": 0.5}, strict=False)


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_and_pickles_are_independent(twin):
    model = Sequential(Block(), Dropout(0.5, rng=0)).eval()
    model[0].weight.requires_grad = False
    other = twin(model)
    assert not other.training
    assert repr(other) == repr(model)
    assert not other[0].weight.requires_grad
    assert isinstance(other[0].steps, Buffer)
    for (key, x), (_, y) in zip(model.state_dict().items(), other.state_dict().items(), strict=True):
        np.testing.assert_array_equal(x, y, err_msg=key)
    other[0].inner.weight.data[...] = 0
    assert (model[0].inner.weight.data != 0).all()
    np.testing.assert_array_equal(model.train()[1](np.ones(50)), other.train()[1](np.ones(50)))  # the generator's state too


# Hooks -------------------------------------------------------------------------------------------------------------------


def test_forward_hooks():
    layer = Linear(2, 1, rng=0)
    calls = []
    first = layer.register_forward_hook(lambda module, args, output: calls.append((module, args, output)))
    second = layer.register_forward_hook(lambda module, args, output: output * 2)
    x = np.ones((3, 2))
    doubled = layer(x)
    ((module, args, output),) = calls
    assert module is layer
    assert args == (x,)
    np.testing.assert_array_equal(doubled.data, 2 * output.data)
    second.remove()
    second.remove()
    assert layer(x).data.tolist() == output.data.tolist()
    first.remove()
    layer(x)
    assert len(calls) == 2
    assert Linear(1, 1)._forward_hooks == ()


def test_a_module_is_as_it_was_when_its_last_hook_is_gone():
    model = tn.nn.ReLU()
    before = dict(vars(model))
    handles = [model.register_forward_hook(lambda *_: None) for _ in range(2)]
    for handle in (handles[0], handles[0], handles[1], handles[1]):
        handle.remove()
    assert vars(model) == before


def test_a_hook_that_is_a_module_is_no_child():
    layer = Linear(2, 1, rng=0)
    layer.register_forward_hook(type("Watch", (Module,), {"forward": lambda self, module, args, output: None})())
    layer(np.ones(2))
    assert list(layer.modules()) == [layer]
    assert list(layer.state_dict()) == ["weight", "bias"]


# Description ---------------------------------------------------------------------------------------------------------------


def test_repr():
    class Net(Module):
        def __init__(self):
            self.body = Sequential(Linear(2, 8), Identity(), Dropout(0.25))
            self.heads = [Linear(8, 200, bias=False), Flatten()]

        def extra_repr(self):
            return "two heads"

    assert repr(Net()) == """\
Net(
  two heads
  (body): Sequential(
    (0): Linear(in_features=2, out_features=8, bias=True)  # 24
    (1): Identity()
    (2): Dropout(p=0.25)
  )  # 24
  (heads.0): Linear(in_features=8, out_features=200, bias=False)  # 1,600
  (heads.1): Flatten(start_axis=1, end_axis=-1)
)  # 1,624 parameters"""
    assert repr(Sequential(Identity())) == "Sequential(\n  (0): Identity()\n)"
    assert repr(Sequential()) == "Sequential()"


# Containers ----------------------------------------------------------------------------------------------------------------


def test_sequential_runs_in_order_and_is_a_list():
    model = mlp()
    x = np.random.default_rng(0).normal(size=(4, 2))
    expected = (x @ model[0].weight.data.T + model[0].bias.data) @ model[2].weight.data.T + model[2].bias.data
    np.testing.assert_allclose(model(x).data, expected, rtol=1e-14)
    assert len(model) == 3
    assert model[-1] is model[2] is list(model)[2]
    head = model[:2]
    assert type(head) is Sequential
    assert head[0] is model[0]
    np.testing.assert_array_equal(model[2](head(x)).data, model(x).data)
    model.append(Flatten())
    model.insert(0, Identity())
    assert list(model.state_dict()) == ["1.weight", "1.bias", "3.weight", "3.bias"]
    del model[0]
    model[1] = Dropout(0.5)
    model[2:] = [Linear(8, 5), Linear(5, 1)]
    assert [type(module) for module in model] == [Linear, Dropout, Linear, Linear]
    assert Sequential()(x) is x


def test_a_subclass_of_sequential_may_hold_more():
    class Scaled(Sequential):
        def __init__(self, *modules):
            super().__init__(*modules)
            self.scale = Parameter(2.0)

        def forward(self, x):
            return self.scale * super().forward(x)

    model = Scaled(Linear(2, 1, rng=0))
    assert names(model.named_parameters()) == ["scale", "0.weight", "0.bias"]
    np.testing.assert_allclose(model(np.ones(2)).data, 2 * model[0](np.ones(2)).data)


def test_module_list():
    layers = ModuleList([Linear(2, 3), Linear(3, 1)])
    layers.extend([Identity(), Flatten()])
    assert isinstance(layers.pop(), Flatten)
    assert list(layers.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert type(layers[1:]) is ModuleList
    assert layers[1] in layers
    assert layers.index(layers[1]) == 1

    class Net(Module):
        def __init__(self):
            self.layers = layers

    assert names(Net().named_parameters())[0] == "layers.0.weight"
    assert names(Net().named_children()) == ["layers"]
    with pytest.raises(NotImplementedError, match="ModuleList"):
        layers(1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sequential(Identity(), np.tanh), r"Sequential: item 1 is the ufunc tanh, not a Module; derive a Module"),
        (lambda: Sequential(Linear), r"item 0 is the type Linear, not a Module; make one with Linear\(\)"),
        (lambda: Sequential([Identity()]), r"item 0 is the list, not a Module; unpack it with \*"),
        (lambda: ModuleList([Identity(), None]), r"ModuleList: item 1 is the NoneType"),
        (lambda: Sequential().append(3), r"item 0 is the int"),
        (lambda: Sequential(Identity()).__setitem__(0, "x"), r"item 0 is the str"),
    ],
)
def test_containers_take_modules_only(make, message):
    with pytest.raises(TypeError, match=message):
        make()


# Linear --------------------------------------------------------------------------------------------------------------------


def test_linear_starts_uniform():
    layer = Linear(100, 400, rng=0)
    assert layer.weight.shape == (400, 100)
    assert layer.bias.shape == (400,)
    for x in (layer.weight.data, layer.bias.data):
        assert 0.09 < np.abs(x).max() <= 0.1
        assert x.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.06)
    np.testing.assert_array_equal(Linear(100, 400, rng=0).weight.data, layer.weight.data)
    assert Linear(2, 3, bias=False).bias is None
    tn.set_default_dtype("float32")
    try:
        assert Linear(2, 3).weight.dtype == np.float32
    finally:
        tn.set_default_dtype("float64")
    assert Linear(2, 3, dtype="float16").bias.dtype == np.float16


@pytest.mark.parametrize("shape", [(2, 3), (5, 2), (4, 5, 2), (2,), (), (0, 2)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_names_itself_when_the_width_is_wrong(shape, bias):
    layer = Linear(3, 4, bias=bias, rng=0)
    if shape[-1:] == (3,):
        assert layer(np.ones(shape)).shape == (*shape[:-1], 4)
        return
    with pytest.raises(ShapeError) as caught:
        layer(np.ones(shape))
    message = str(caught.value)
    assert f"Linear(in_features=3, out_features=4, bias={bias})" in message
    assert f"has shape {shape}" in message
    assert "(4, 3)" in message
    assert f"Linear({shape[-1] if shape else 1}, 4)" in message
    with pytest.raises(ShapeError, match=r"Linear\(in_features=3"):
        layer(3.0)


@pytest.mark.parametrize("sizes", [(2.0, 3), (2, "3"), (0, 3), (2, -1), (None, 3)])
def test_linear_needs_numbers_of_features(sizes):
    with pytest.raises(ValueError, match=r"Linear: (in|out)_features=.* must be an integer of at least 1"):
        Linear(*sizes)


def test_linear_of_its_own_broken_bias_is_told_by_the_operation():
    layer = Linear(3, 4, rng=0)
    layer.bias = Parameter(np.ones(5))
    with pytest.raises(ShapeError, match=r"linear on shapes \(2, 3\) and \(4, 3\) and \(5,\).*the bias \(out,\)"):
        layer(np.ones((2, 3)))


@pytest.mark.parametrize(("n_in", "n_out"), [(0, 2), (2, 0), (-1, 2)])
def test_linear_needs_features(n_in, n_out):
    with pytest.raises(ValueError, match="at least 1"):
        Linear(n_in, n_out)


@pytest.mark.parametrize("leading", [(), (4,), (1,), (0,), (3, 4), (2, 1, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_gradients_of_linear(leading, bias):
    rng = np.random.default_rng(5)
    arrays = [rng.normal(size=shape) for shape in ((*leading, 3), (2, 3), (2,))[: 2 + bias]]
    assert gradcheck(linear, arrays, order=2)


@pytest.mark.parametrize("leading", [(), (4,), (2, 3)])
def test_second_derivatives_of_linear_within_a_function(leading):
    rng = np.random.default_rng(6)
    arrays = [rng.normal(size=shape) for shape in ((*leading, 3), (2, 3), (2,))]
    assert gradcheck(lambda *arrays: np.sin(linear(*arrays)), arrays, order=2)


@given(st.lists(st.integers(1, 4), max_size=3), st.integers(1, 4), st.integers(1, 4), st.booleans(), st.integers(0, 2**32 - 1))
def test_linear_agrees_with_matmul(leading, n_in, n_out, bias, seed):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=shape) for shape in ((*leading, n_in), (n_out, n_in), (n_out,))[: 2 + bias]]
    for x in arrays:
        x.flags.writeable = False
    g = rng.normal(size=(*leading, n_out))

    def spelled_out(x, w, b=0.0):
        return np.matmul(x, w.T) + b

    np.testing.assert_allclose(linear(*arrays), spelled_out(*arrays), rtol=1e-12, atol=1e-12)
    for i in range(2 + bias):
        ours, theirs = (
            tn.grad(lambda *arrays, f=f: np.sum(f(*arrays) * g), i)(*arrays) for f in (linear, spelled_out)
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_linear_stays_in_float32():
    layer = Linear(3, 2, rng=0, dtype="float32")
    x = tn.tensor(np.ones((4, 3)), dtype="float32", requires_grad=True)
    y = layer(x)
    np.sum(y * y).backward()
    assert {a.dtype for a in (y, x.grad, layer.weight.grad, layer.bias.grad)} == {np.dtype("float32")}


def test_linear_of_a_list():
    layer = Linear(2, 1, rng=0)
    np.testing.assert_array_equal(layer([1.0, 2.0]).data, layer(np.array([1.0, 2.0])).data)


# Dropout, Flatten, Identity --------------------------------------------------------------------------------------------------


def test_dropout_keeps_the_mean_and_scales_the_gradient_alike():
    x = tn.tensor(np.ones((200, 200)), requires_grad=True)
    y = Dropout(0.3, rng=0)(x)
    kept = y.data != 0
    assert kept.mean() == pytest.approx(0.7, abs=0.01)
    np.testing.assert_allclose(y.data[kept], 1 / 0.7)
    g = np.random.default_rng(1).normal(size=x.shape)
    y.backward(g)
    np.testing.assert_allclose(x.grad, g * y.data)


def test_dropout_drops_the_gradient_where_the_input_is_zero_only_if_it_drops_the_element():
    x = tn.tensor(np.zeros(1000), requires_grad=True)
    Dropout(0.5, rng=0)(x).backward(np.ones(1000))
    assert 0.4 < np.mean(x.grad == 2) < 0.6
    assert set(np.unique(x.grad)) == {0.0, 2.0}


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_dropout_at_its_ends_and_dtypes(dtype):
    x = np.full(100, 3, dtype=dtype)
    assert (Dropout(1.0)(x) == 0).all()
    assert Dropout(0.0)(x) is x
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.5)(x).dtype == dtype
    assert Dropout(1)(tn.tensor(x)).dtype == dtype


def test_dropout_draws_anew_each_time_and_again_from_a_seed():
    x = np.ones(100)
    layer, again = Dropout(0.5, rng=4), Dropout(0.5, rng=4)
    first, second = layer(x), layer(x)
    assert (first != second).any()
    np.testing.assert_array_equal([first, second], [again(x), again(x)])
    layer = Dropout(0.5)
    tn.manual_seed(9)
    first = layer(x)
    tn.manual_seed(9)
    np.testing.assert_array_equal(layer(x), first)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_dropout_needs_a_probability(p):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Dropout(p)


def test_flatten():
    x = tn.tensor(np.arange(120.0).reshape(2, 3, 4, 5), requires_grad=True)
    assert Flatten()(x).shape == (2, 60)
    assert Flatten(0)(x).shape == (120,)
    assert Flatten(1, 2)(x).shape == (2, 12, 5)
    assert Flatten(-3, -2)(x).shape == (2, 12, 5)
    assert Flatten()(np.ones((0, 3, 2))).shape == (0, 6)
    g = np.random.default_rng(0).normal(size=(2, 60))
    Flatten()(x).backward(g)
    np.testing.assert_array_equal(x.grad, g.reshape(2, 3, 4, 5))
    for layer in (Flatten(4), Flatten(3, 1), Flatten(-5), Flatten(0, 4)):
        with pytest.raises(ShapeError, match=r"Flatten\(start_axis=.*\(2, 3, 4, 5\)"):
            layer(x)


def test_identity():
    x = object()
    assert Identity()(x) is x


# Memory --------------------------------------------------------------------------------------------------------------------


def test_a_model_and_its_graph_are_freed_without_the_garbage_collector():
    gc.disable()
    try:
        model = mlp()
        layer, weight = weakref.ref(model[0]), weakref.ref(model[0].weight)
        list(model.named_parameters())
        model.apply(lambda module: None)
        repr(model)
        np.sum(model(np.ones((3, 2)))).backward()
        del model
        assert layer() is None
        assert weight() is None
    finally:
        gc.enable()


# torch -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_weights_travel_to_and_from_torch(dtype):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Identity(), torch.nn.Linear(5, 2, bias=False)).to(
        getattr(torch, dtype)
    )
    ours = Sequential(Linear(3, 5, dtype=dtype), Identity(), Linear(5, 2, bias=False, dtype=dtype))
    x = np.random.default_rng(0).normal(size=(4, 6, 3)).astype(dtype)
    assert list(ours.state_dict()) == list(theirs.state_dict())

    ours.load_state_dict(theirs.state_dict())
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(x).data, expected, rtol=1e-12 if dtype == "float64" else 1e-5, atol=1e-6)

    back = Sequential(Linear(3, 5, rng=1, dtype=dtype), Identity(), Linear(5, 2, bias=False, rng=2, dtype=dtype))
    theirs.load_state_dict({key: torch.from_numpy(array) for key, array in back.state_dict().items()})
    np.testing.assert_allclose(
        back(x).data, theirs(torch.from_numpy(x)).detach().numpy(), rtol=1e-12 if dtype == "float64" else 1e-5, atol=1e-6
    )


def test_order_of_parameters_is_torchs():
    torch = pytest.importorskip("torch")

    def build(nn):
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.first = nn.Linear(2, 2)
                self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(2, 2)), nn.Linear(2, 2, bias=False)])
                self.last = self.blocks[1]

        return Net()

    ours, theirs = build(tn.nn), build(torch.nn)
    ours.scale, theirs.scale = Parameter(1.0), torch.nn.Parameter(torch.tensor(1.0))
    assert names(ours.named_parameters()) == names(theirs.named_parameters())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert names(ours.named_modules()) == names(theirs.named_modules())


@pytest.mark.parametrize(("shape", "weight"), [((2, 3, 0), (4, 0)), ((2, 3, 4), (0, 4)), ((0, 3, 4), (2, 4)), ((0,), (2, 0))])
def test_linear_with_empty_axes(shape, weight):
    x, w = tn.Tensor(np.ones(shape), True), tn.Tensor(np.ones(weight), True)
    y = tn.nn.functional.linear(x, w)
    assert y.shape == (*shape[:-1], weight[0])
    np.sum(y).backward()
    assert (x.grad.shape, w.grad.shape) == (shape, weight)


def test_the_weight_of_linear_is_a_matrix():
    with pytest.raises(ValueError, match=r"no matrix.*\(out, in\)"):
        tn.nn.functional.linear(tn.Tensor(np.ones((2, 3))), tn.Tensor(np.ones(3)))
