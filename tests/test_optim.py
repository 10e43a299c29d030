"""Optimizers and clipping: values worked out by hand, and everything that may happen to parameters between two steps."""

import copy
import gc
import pickle
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn

OPTIMIZERS = {
    "SGD": lambda params, **options: tn.optim.SGD(params, **{"lr": 0.05, **options}),
    "momentum": lambda params, **options: tn.optim.SGD(params, **{"lr": 0.05, "momentum": 0.9, "dampening": 0.3, **options}),
    "Adam": lambda params, **options: tn.optim.Adam(params, **{"lr": 0.05, "amsgrad": True, **options}),
    "AdamW": lambda params, **options: tn.optim.AdamW(params, **{"lr": 0.05, **options}),
    "RMSprop": lambda params, **options: tn.optim.RMSprop(params, **{"lr": 0.05, "momentum": 0.5, "centered": True, **options}),
    "Adagrad": lambda params, **options: tn.optim.Adagrad(params, **{"lr": 0.05, "initial_accumulator_value": 0.1, **options}),
}
SHAPES = [(3, 2), (3,), (1, 3), ()]

every_optimizer = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())


def parameters(seed=0, dtype="float64", shapes=SHAPES):
    rng = np.random.default_rng(seed)
    return [tn.Tensor(rng.standard_normal(shape), requires_grad=True, dtype=dtype) for shape in shapes]


def set_gradients(params, seed, mask=None):
    """Random gradients; None where the mask is false."""
    rng = np.random.default_rng(seed)
    for i, p in enumerate(params):
        g = np.asarray(rng.standard_normal(p.shape), dtype=p.dtype)
        p.grad = None if mask is not None and not mask[i] else g


def values(params):
    return np.concatenate([p.data for p in params], axis=None)


def train(optimizer, params, seeds):
    for seed in seeds:
        set_gradients(params, seed)
        optimizer.step()


# The formulas --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "options", "expected"),
    [  # one parameter that starts at 1, with the gradients 1 and 2
        ("SGD", {"lr": 0.1}, [0.9, 0.7]),
        ("SGD", {"lr": 0.1, "weight_decay": 0.5}, [0.85, 0.85 - 0.1 * 2.425]),
        ("SGD", {"lr": 0.1, "momentum": 0.5}, [0.9, 0.65]),
        ("SGD", {"lr": 0.1, "momentum": 0.5, "dampening": 0.5}, [0.9, 0.75]),
        ("SGD", {"lr": 0.1, "momentum": 0.5, "nesterov": True}, [0.85, 0.525]),
        ("Adam", {"lr": 0.1, "betas": (0.5, 0.75), "eps": 0}, [0.9, 0.9 - 0.1 * (5 / 3) / (19 / 7) ** 0.5]),
        ("Adam", {"lr": 0.1, "betas": (0.5, 0.75), "eps": 1}, [0.95, 0.95 - 0.1 * (5 / 3) / ((19 / 7) ** 0.5 + 1)]),
        ("Adam", {"lr": 0.1, "betas": (0.5, 0.75), "eps": 0, "weight_decay": 1}, [0.9, 0.9 - 0.26 / 6.52**0.5]),
        ("AdamW", {"lr": 0.1, "betas": (0.5, 0.75), "eps": 0, "weight_decay": 1}, [0.8, 0.72 - 0.5 / (3 * (19 / 7) ** 0.5)]),
        ("RMSprop", {"lr": 0.1, "alpha": 0.5, "eps": 0}, [1 - 0.1 * 2**0.5, 1 - 0.1 * (2**0.5 + 4 / 3)]),
        ("RMSprop", {"lr": 0.1, "alpha": 0.5, "eps": 0, "centered": True}, [0.8, 0.8 - 0.1 * 2 / 0.6875**0.5]),
        ("RMSprop", {"lr": 0.1, "alpha": 0.75, "eps": 0.5, "momentum": 0.5}, [0.9, 0.85 - 0.2 / (1.1875**0.5 + 0.5)]),
        ("Adagrad", {"lr": 0.1, "eps": 0}, [0.9, 0.9 - 0.2 / 5**0.5]),
        ("Adagrad", {"lr": 0.1, "eps": 0, "lr_decay": 1}, [0.9, 0.9 - 0.1 / 5**0.5]),
        ("Adagrad", {"lr": 0.1, "eps": 0, "initial_accumulator_value": 3}, [0.95, 0.95 - 0.2 / 8**0.5]),
    ],
)
def test_two_steps_by_hand(optimizer, options, expected):
    p = tn.Tensor(1.0, requires_grad=True)
    opt = getattr(tn.optim, optimizer)([p], **options)
    got = []
    for g in (1.0, 2.0):
        p.grad = np.array(g)
        opt.step()
        got.append(p.item())
    np.testing.assert_allclose(got, expected, rtol=1e-14)


def test_amsgrad_divides_by_the_largest_second_moment():
    p = tn.Tensor(0.0, requires_grad=True)
    opt = tn.optim.Adam([p], lr=1.0, betas=(0.0, 0.5), eps=0, amsgrad=True)
    for g in (2.0, 1.0):
        p.grad = np.array(g)
        opt.step()
    # the second moments are 2 and 1.5; the second step divides by sqrt(2 / 0.75)
    np.testing.assert_allclose(p.item(), -1 - 1 / (2 / 0.75) ** 0.5, rtol=1e-14)


@every_optimizer
def test_training_lowers_a_loss(make):
    x = np.random.default_rng(0).standard_normal((30, 2))
    weight, bias = parameters(shapes=[(2, 1), ()])
    optimizer = make([weight, bias])
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = np.mean(np.square(x @ weight + bias - (x.sum(axis=1, keepdims=True) + 1)))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    optimizer.zero_grad()
    assert weight.grad is bias.grad is None


def test_long_vectors_are_updated_as_short_ones_are():
    (long,) = parameters(shapes=[(70_000,)])
    short = [tn.Tensor(part.copy(), requires_grad=True) for part in np.split(long.data, 7)]
    optimizers = [tn.optim.Adam([p], lr=0.1) for p in (long, *short)]
    for seed in range(3):
        set_gradients([long], seed)
        for p, g in zip(short, np.split(long.grad, 7), strict=True):
            p.grad = g
        for optimizer in optimizers:
            optimizer.step()
    np.testing.assert_array_equal(long.data, values(short))


# Flat vectors --------------------------------------------------------------------------------------------------------


@every_optimizer
def test_parameters_and_state_lie_in_one_vector_each(make):
    params = parameters()
    optimizer = make(params)
    train(optimizer, params, range(2))
    (block,) = optimizer._blocks
    assert all(np.shares_memory(p.data, block.data) for p in params)
    assert all(x.shape == block.data.shape for x in block.state.values())
    np.testing.assert_array_equal(values(params), block.data)


@every_optimizer
def test_gradients_are_read_only_to_the_optimizer(make):
    params = parameters()
    optimizer = make(params, weight_decay=0.1)
    set_gradients(params, 1)
    before = [p.grad.copy() for p in params]
    for p in params:
        p.grad.setflags(write=False)
    optimizer.step()
    for p, g in zip(params, before, strict=True):
        np.testing.assert_array_equal(p.grad, g)
    (block,) = optimizer._blocks
    np.testing.assert_array_equal(block.grad, np.concatenate(before, axis=None))


@every_optimizer
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_narrow_parameters_stay_narrow(make, dtype):
    params, wide = parameters(dtype=dtype), parameters()
    optimizer, reference = make(params, weight_decay=0.1), make(wide, weight_decay=0.1)
    train(optimizer, params, range(5))
    train(reference, wide, range(5))
    (block,) = optimizer._blocks
    assert {x.dtype for x in (*(p.data for p in params), *block.state.values())} == {np.dtype(dtype)}
    assert block.step.dtype == np.float64
    np.testing.assert_allclose(values(params), values(wide), rtol=1e3 * np.finfo(dtype).eps, atol=1e2 * np.finfo(dtype).eps)


@every_optimizer
def test_dtypes_may_be_mixed(make):
    params, apart = parameters(), parameters()
    for narrow in (params[1], apart[1]):
        narrow.data = narrow.data.astype(np.float32)
    optimizer, (first, second) = make(params), (make(apart[:1] + apart[2:]), make(apart[1:2]))
    for seed in range(3):
        set_gradients(params, seed)
        set_gradients(apart, seed)
        optimizer.step()
        first.step()
        second.step()
    assert params[1].dtype == np.float32
    np.testing.assert_array_equal(values(params), values(apart))


# What may happen between two steps -----------------------------------------------------------------------------------


@every_optimizer
@given(masks=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=6))
def test_a_parameter_without_gradient_is_skipped(make, masks):
    """Each parameter moves as if it had an optimizer of its own that is stepped only when there is a gradient."""
    params, apart = parameters(), parameters()
    together, alone = make(params, weight_decay=0.1), [make([p], weight_decay=0.1) for p in apart]
    for seed, mask in enumerate(masks):
        set_gradients(params, seed, mask)
        set_gradients(apart, seed, mask)
        together.step()
        for optimizer, wanted in zip(alone, mask, strict=True):
            if wanted:
                optimizer.step()
    np.testing.assert_array_equal(values(params), values(apart))


@every_optimizer
def test_freezing_and_unfreezing(make):
    params = parameters()
    params[3].requires_grad = False
    frozen_at_first = params[3].data.copy()
    optimizer = make(params)
    train(optimizer, params, range(2))
    np.testing.assert_array_equal(params[3].data, frozen_at_first)
    params[0].requires_grad, params[3].requires_grad = False, True
    at_freezing = params[0].data.copy()
    train(optimizer, params, range(2, 4))  # a gradient that is still there does not count
    np.testing.assert_array_equal(params[0].data, at_freezing)
    assert not np.array_equal(params[3].data, frozen_at_first)
    params[0].requires_grad = True

    alone = parameters()
    first, last = make(alone[:1]), make(alone[3:])
    for seed in range(4):
        set_gradients(alone, seed)
        (first if seed < 2 else last).step()
    train(optimizer, params, [4])
    set_gradients(alone, 4)
    first.step()
    last.step()
    np.testing.assert_array_equal(params[0].data, alone[0].data)
    np.testing.assert_array_equal(params[3].data, alone[3].data)


@every_optimizer
def test_replaced_data_is_taken_over(make):
    params, same = parameters(), parameters()
    optimizer, reference = make(params), make(same)
    train(optimizer, params, range(2))
    train(reference, same, range(2))
    new = np.asfortranarray([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    params[0].data = new.copy(order="F")
    same[0].data[...] = new
    train(optimizer, params, range(2, 4))
    train(reference, same, range(2, 4))
    np.testing.assert_array_equal(values(params), values(same))
    assert len(optimizer._blocks) == 1


def test_values_taken_after_the_optimizer_was_made_stay_the_parameters_own():
    params = parameters()
    optimizer = tn.optim.Adam(params)
    held = params[0].data
    tn.optim.StepLR(optimizer, 3)
    optimizer.param_groups[0]["eps"] = 1e-7
    train(optimizer, params, range(2))
    assert params[0].data is held


@every_optimizer
def test_casting_the_parameters_keeps_the_state(make):
    params, same = parameters(), parameters()
    optimizer, reference = make(params), make(same)
    train(optimizer, params, range(3))
    train(reference, same, range(3))
    for p in params:
        p.data = p.data.astype(np.float32)
    train(optimizer, params, range(3, 6))
    train(reference, same, range(3, 6))
    assert {p.dtype for p in params} == {np.dtype(np.float32)}
    np.testing.assert_allclose(values(params), values(same), rtol=1e-4, atol=1e-5)
    assert [block.step.item() for block in optimizer._blocks] == [block.step.item() for block in reference._blocks]


@every_optimizer
def test_two_optimizers_for_the_same_parameters(make):
    params = parameters()
    first, second = make(params), tn.optim.SGD(params, lr=0.1)
    expected = parameters()
    reference = make(expected)
    for seed in range(4):
        set_gradients(params, seed)
        set_gradients(expected, seed)
        first.step()
        second.step()
        reference.step()
        for p in expected:
            p.data -= 0.1 * p.grad
    np.testing.assert_array_equal(values(params), values(expected))


def test_options_may_change_between_steps():
    params, same = parameters(), parameters()
    optimizer = tn.optim.SGD(params, lr=0.1)
    train(optimizer, params, range(2))
    optimizer.param_groups[0].update(lr=0.2, momentum=0.9, dampening=0.5)
    train(optimizer, params, range(2, 4))
    reference = tn.optim.SGD(same, lr=0.1)
    train(reference, same, range(2))
    reference = tn.optim.SGD(same, lr=0.2, momentum=0.9, dampening=0.5)
    train(reference, same, range(2, 4))
    np.testing.assert_array_equal(values(params), values(same))


def test_a_parameter_may_be_resized_before_its_first_step():
    params = parameters()
    optimizer = tn.optim.Adam(params)
    params[1].data = np.zeros(5)
    train(optimizer, params, range(2))
    assert params[1].shape == (5,)
    params[1].data = np.zeros(4)
    set_gradients(params, 2)
    before = values(params)
    with pytest.raises(ValueError, match=r"parameter 1 has shape \(4,\) now, its exp_avg \(5,\)"):
        optimizer.step()
    np.testing.assert_array_equal(values(params), before)


# Groups --------------------------------------------------------------------------------------------------------------


@every_optimizer
def test_groups_have_options_of_their_own(make):
    params, apart = parameters(), parameters()
    optimizer = make([{"params": params[:1], "lr": 0.3}, {"params": params[1:3]}], weight_decay=0.1)
    optimizer.add_param_group({"params": params[3], "weight_decay": 0.0})
    several = [
        make(apart[:1], lr=0.3, weight_decay=0.1), make(apart[1:3], weight_decay=0.1), make(apart[3:], weight_decay=0.0),
    ]
    for seed in range(3):
        set_gradients(params, seed)
        set_gradients(apart, seed)
        optimizer.step()
        for one in several:
            one.step()
    np.testing.assert_array_equal(values(params), values(apart))


def test_a_group_is_a_mapping():
    params = parameters()
    optimizer = tn.optim.SGD(params, lr=0.1)
    (group,) = optimizer.param_groups
    rate = group.lr
    group["lr"] *= 0.5
    group["momentum"] = 0.9
    group["momentum"] = np.float32(0)
    assert (group["lr"], type(group["lr"]), rate.item()) == (0.05, float, 0.05)
    assert group.lr is rate
    assert group["params"] == params
    assert len(group) == 6
    assert dict(group) == {
        "params": params, "lr": 0.05, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False,
    }
    assert repr(group) == (
        "ParamGroup(4 parameters, lr=0.05, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False)"
    )
    assert repr(optimizer) == f"SGD({group!r})"
    with pytest.raises(TypeError, match="cannot be deleted"):
        del group["lr"]
    with pytest.raises(TypeError, match="add_param_group"):
        group["params"] = []


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("lr", -0.1, ValueError, "lr must not be negative.*-0.1"),
        ("lr", float("nan"), ValueError, "lr must not be negative"),
        ("lr", "0.1", TypeError, "lr must be a number, got '0.1'"),
        ("momentum", -1, ValueError, "momentum"),
        ("nesterov", True, ValueError, "nesterov=True needs a momentum.*momentum=0.0"),
        ("momentun", 0.9, ValueError, "unknown option 'momentun'.*momentum, dampening"),
    ],
)
def test_a_group_refuses_a_bad_option(name, value, error, message):
    params = parameters()
    optimizer = tn.optim.SGD(params, lr=0.1)
    before = dict(optimizer.param_groups[0])
    with pytest.raises(error, match=message):
        optimizer.param_groups[0][name] = value
    assert dict(optimizer.param_groups[0]) == before
    with pytest.raises(error, match=message):
        tn.optim.SGD([{"params": params, name: value}])


# Saving, copying -----------------------------------------------------------------------------------------------------


@every_optimizer
def test_resuming_from_a_state_dict_is_exact(make):
    params, resumed = parameters(), parameters(seed=1)
    optimizer = make([{"params": params[:2]}, {"params": params[2:], "lr": 0.1}], weight_decay=0.1)
    set_gradients(params, 0, [True, False, True, False])
    optimizer.step()
    set_gradients(params, 1, [True, True, True, False])
    optimizer.step()
    state = pickle.loads(pickle.dumps(optimizer.state_dict()))
    other = make([{"params": resumed[:2]}, {"params": resumed[2:]}])
    other.load_state_dict(state)
    for p, q in zip(params, resumed, strict=True):
        q.data = p.data.copy()
    train(optimizer, params, range(2, 5))
    train(other, resumed, range(2, 5))
    np.testing.assert_array_equal(values(params), values(resumed))
    assert optimizer.state_dict()["param_groups"] == other.state_dict()["param_groups"]


def test_state_dict_has_torch_layout_and_is_a_copy():
    params = parameters()
    optimizer = tn.optim.Adam([{"params": params[:3]}, {"params": params[3:]}])
    assert optimizer.state_dict()["state"] == {}
    set_gradients(params, 0, [True, True, False, True])
    optimizer.step()
    state = optimizer.state_dict()
    assert list(state["state"]) == [0, 1, 3]
    assert [group["params"] for group in state["param_groups"]] == [[0, 1, 2], [3]]
    assert {name: x.shape for name, x in state["state"][0].items()} == {"step": (), "exp_avg": (3, 2), "exp_avg_sq": (3, 2)}
    np.testing.assert_allclose(state["state"][3]["exp_avg"], 0.1 * params[3].grad)
    kept = copy.deepcopy(state)
    train(optimizer, params, range(2))
    np.testing.assert_equal(state, kept)


def test_a_state_without_a_counter_was_stepped():
    """As in a state dict of torch's SGD, whose state may also be None."""
    params = parameters()
    optimizer = tn.optim.SGD(params, momentum=0.5, dampening=0.5, lr=1.0)
    state = optimizer.state_dict()
    state["state"] = {0: {"momentum_buffer": np.ones((3, 2))}, 1: {"momentum_buffer": None}}
    optimizer.load_state_dict(state)
    before = [p.data.copy() for p in params]
    set_gradients(params, 0)
    optimizer.step()
    np.testing.assert_allclose(params[0].data, before[0] - (0.5 + 0.5 * params[0].grad))
    np.testing.assert_allclose(params[1].data, before[1] - params[1].grad)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state["param_groups"].pop(), r"saved groups have \[2\] parameters, its own \[2, 2\]"),
        (lambda state: state["param_groups"][0]["params"].pop(), r"\[1, 2\]"),
        (lambda state: state["state"][1].update(exp_avg=np.zeros(7)), r"exp_avg of parameter 1 has shape \(7,\).*\(3,\)"),
        (lambda state: state["param_groups"][1].update(lr=-1.0), "lr must not be negative"),
        (lambda state: state["param_groups"][1].update(momentum=0.5), "saved group 1 has an unknown option 'momentum'"),
    ],
)
def test_a_state_dict_that_does_not_fit_changes_nothing(change, message):
    params = parameters()
    optimizer = tn.optim.Adam([{"params": params[:2]}, {"params": params[2:]}])
    train(optimizer, params, range(2))
    before = optimizer.state_dict()
    bad = copy.deepcopy(before)
    bad["param_groups"][0]["lr"] = 7.0
    bad["state"][0]["exp_avg"] += 1
    change(bad)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(bad)
    np.testing.assert_equal(optimizer.state_dict(), before)


@every_optimizer
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_copies_are_tied_to_their_own_parameters(make, duplicate):
    model = tn.nn.Sequential(tn.nn.Linear(2, 3), tn.nn.Tanh(), tn.nn.Linear(3, 1))
    params = list(model.parameters())
    optimizer = make(params)
    train(optimizer, params, range(2))
    before = values(params)
    twin, twin_optimizer = duplicate((model, optimizer))
    alone = duplicate(optimizer)
    twins, alones = list(twin.parameters()), alone.param_groups[0]["params"]
    for p, q, r in zip(params, twins, alones, strict=True):
        assert q is not p
        assert not np.shares_memory(q.data, p.data)
        assert not np.shares_memory(r.data, p.data)
    train(twin_optimizer, twins, range(2, 4))
    train(alone, alones, range(2, 4))
    np.testing.assert_array_equal(values(params), before)
    train(optimizer, params, range(2, 4))
    np.testing.assert_array_equal(values(twins), values(params))
    np.testing.assert_array_equal(values(alones), values(params))


# Memory --------------------------------------------------------------------------------------------------------------


@every_optimizer
def test_a_thousand_steps_do_not_grow_memory(make):
    params = parameters()
    optimizer = make(params)
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        train(optimizer, params, range(200))  # until NumPy's cache of small blocks is full
        before = tracemalloc.get_traced_memory()[0]
        for seed in range(1000):
            set_gradients(params, seed)
            optimizer.step()
            optimizer.zero_grad()
        assert tracemalloc.get_traced_memory()[0] - before < 2000
        dropped = weakref.ref(optimizer)
        del optimizer
        assert dropped() is None
    finally:
        tracemalloc.stop()
        gc.enable()


# Errors --------------------------------------------------------------------------------------------------------------


def test_unfit_parameters_are_refused():
    a, b = parameters(shapes=[(2,), (3,)])
    with pytest.raises(ValueError, match="Adam got an empty parameter list"):
        tn.optim.Adam([])
    with pytest.raises(ValueError, match="empty parameter list"):
        tn.optim.Adam([{"params": []}])
    with pytest.raises(TypeError, match="as a list of tensors or groups, not as a Tensor"):
        tn.optim.Adam(a)
    with pytest.raises(TypeError, match="not as a dict"):
        tn.optim.Adam({"params": [a]})
    with pytest.raises(TypeError, match="are a set, which has no order"):
        tn.optim.Adam([{"params": {a, b}}])
    with pytest.raises(TypeError, match="parameter 1 of group 0 is no tensor but a ndarray"):
        tn.optim.Adam([a, b.data])
    with pytest.raises(TypeError, match="group 1 must be a dict with the tensors under 'params', got a Tensor"):
        tn.optim.Adam([{"params": [a]}, b])
    with pytest.raises(ValueError, match="parameter 2 of group 0 is given twice, it is also parameter 0 of group 0"):
        tn.optim.Adam([a, b, a])
    with pytest.raises(ValueError, match="parameter 0 of group 1 is given twice, it is also parameter 1 of group 0"):
        tn.optim.Adam([{"params": [a, b]}, {"params": [b]}])
    with pytest.raises(RuntimeError, match="parameter 1 of group 0 was computed"):
        tn.optim.Adam([a, b * 2])
    optimizer = tn.optim.Adam([a])
    for group, error in (([b], TypeError), ({"params": [b, a]}, ValueError), ({"params": [b], "lr": -1}, ValueError)):
        with pytest.raises(error):
            optimizer.add_param_group(group)
    assert len(optimizer.param_groups) == len(optimizer._blocks) == 1


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("SGD", {"lr": -1e-3}, ValueError, "SGD: lr .*-0.001"),
        ("SGD", {"momentum": -0.5}, ValueError, "SGD: momentum .*-0.5"),
        ("SGD", {"nesterov": True}, ValueError, "nesterov"),
        ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, ValueError, "dampening=0.1"),
        ("Adam", {"betas": (0.9, 1.0)}, ValueError, r"Adam: betas must lie in \[0, 1\), got \(0.9, 1.0\)"),
        ("Adam", {"betas": (-0.1, 0.9)}, ValueError, "betas"),
        ("Adam", {"betas": 0.9}, TypeError, "betas must be two numbers, got 0.9"),
        ("AdamW", {"weight_decay": -0.01}, ValueError, "AdamW: weight_decay"),
        ("Adam", {"eps": -1}, ValueError, "eps"),
        ("RMSprop", {"alpha": -0.1}, ValueError, "alpha"),
        ("Adagrad", {"lr_decay": -0.1}, ValueError, "lr_decay"),
    ],
)
def test_options_out_of_range_are_refused(name, options, error, message):
    with pytest.raises(error, match=message):
        getattr(tn.optim, name)(parameters(), **options)


@every_optimizer
def test_a_gradient_of_a_wrong_shape_changes_nothing(make):
    params = parameters()
    optimizer = make([{"params": params[:2]}, {"params": params[2:]}])
    train(optimizer, params, range(2))
    before, state = values(params), optimizer.state_dict()
    set_gradients(params, 2)
    params[2].grad = params[2].grad.T
    with pytest.raises(tn.errors.ShapeError, match=r"gradient of parameter 2 has shape \(3, 1\), the parameter \(1, 3\)"):
        optimizer.step()
    np.testing.assert_array_equal(values(params), before)
    np.testing.assert_equal(optimizer.state_dict(), state)
    params[2].grad = params[2].grad.T
    optimizer.step()
    assert not np.array_equal(values(params), before)


def test_a_parameter_that_became_integer_is_refused():
    params = parameters()
    optimizer = tn.optim.SGD(params)
    set_gradients(params, 0)
    before = params[1].data
    with pytest.raises(TypeError, match="int64"):
        params[1].data = before.astype(int)
    assert params[1].data is before
    optimizer.step()


def test_an_optimizer_without_update_says_so():
    params = parameters()
    optimizer = tn.optim.Optimizer(params, {"lr": 0.1})
    set_gradients(params, 0)
    with pytest.raises(NotImplementedError, match=r"Optimizer has no update\(\)"):
        optimizer.step()


# Clipping ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3.5, np.inf])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clipping_by_norm(order, max_norm):
    params = parameters()
    set_gradients(params, 0, [True, False, True, True])
    before = np.concatenate([p.grad for p in params if p.grad is not None], axis=None)
    expected = np.linalg.norm(before, order)
    norm = tn.optim.clip_grad_norm_(iter(params), max_norm, order)
    assert isinstance(norm, np.float64)
    np.testing.assert_allclose(norm, expected, rtol=1e-14)
    after = np.concatenate([p.grad for p in params if p.grad is not None], axis=None)
    np.testing.assert_allclose(after, before * min(1, max_norm / (expected + 1e-6)), rtol=1e-14)
    assert params[1].grad is None
    assert type(params[3].grad) is np.ndarray


def test_a_norm_does_not_overflow():
    narrow, wide = parameters(dtype="float32", shapes=[(2,)])[0], parameters(shapes=[(2,)])[0]
    narrow.grad, wide.grad = np.array([3e30, 4e30], dtype=np.float32), np.array([3e200, 4e200])
    np.testing.assert_allclose(tn.optim.clip_grad_norm_(narrow, 1.0), 5e30, rtol=1e-6)
    np.testing.assert_allclose(tn.optim.clip_grad_norm_(wide, 1.0), 5e200, rtol=1e-14)
    assert narrow.grad.dtype == np.float32
    np.testing.assert_allclose(narrow.grad, [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(wide.grad, [0.6, 0.8], rtol=1e-14)


def test_one_gradient_array_of_two_parameters_is_clipped_once():
    params = parameters(shapes=[(2,), (2,)])
    params[0].grad = params[1].grad = np.array([3.0, 4.0])
    tn.optim.clip_grad_norm_(params, 1.0)
    np.testing.assert_allclose(values([tn.Tensor(p.grad) for p in params]), np.array([3, 4, 3, 4]) / 50**0.5, rtol=1e-6)


def test_clipping_what_is_not_finite():
    p, q = parameters(shapes=[(2,), (1,)])
    p.grad, q.grad = np.array([1.0, np.nan]), np.array([2.0])
    with pytest.raises(RuntimeError, match="norm of the gradients is nan"):
        tn.optim.clip_grad_norm_([p, q], 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(p.grad, [1.0, np.nan])
    assert np.isnan(tn.optim.clip_grad_norm_([p, q], 1.0))
    assert np.isnan(q.grad).all()


def test_clipping_without_gradients_or_with_zeros():
    p, q = parameters(shapes=[(2,), (0,)])
    assert tn.optim.clip_grad_norm_([p, q], 1.0) == 0.0
    p.grad, q.grad = np.zeros(2), np.zeros(0)
    assert tn.optim.clip_grad_norm_([p, q], 1.0) == 0.0
    np.testing.assert_array_equal(p.grad, [0, 0])


def test_clipping_by_value():
    params = parameters()
    set_gradients(params, 0, [True, False, True, True])
    before = [p.grad for p in params]
    tn.optim.clip_grad_value_(params, 0.3)
    for p, g in zip(params, before, strict=True):
        assert (g is None) == (p.grad is None)
        if g is not None:
            np.testing.assert_array_equal(p.grad, np.clip(g, -0.3, 0.3))
    assert type(params[3].grad) is np.ndarray


def test_clipping_refuses_bad_bounds():
    params = parameters()
    set_gradients(params, 0)
    with pytest.raises(ValueError, match="max_norm must not be negative, got -1"):
        tn.optim.clip_grad_norm_(params, -1)
    with pytest.raises(ValueError, match="norm_type must be positive, got 0"):
        tn.optim.clip_grad_norm_(params, 1, 0)
    with pytest.raises(ValueError, match="clip_value must not be negative, got -1"):
        tn.optim.clip_grad_value_(params, -1)


def test_a_state_that_fits_no_parameter_is_refused_and_changes_nothing():
    params = parameters()
    optimizer = tn.optim.Adam(params, lr=0.5)
    set_gradients(params, 0)
    optimizer.step()
    good = optimizer.state_dict()
    as_text = {**good, "state": {str(i): state for i, state in good["state"].items()}}
    with pytest.raises(ValueError, match="JSON"):
        optimizer.load_state_dict(as_text)
    complex_state = {name: x.astype(complex) if x.ndim else x for name, x in good["state"][1].items()}
    with pytest.raises(ValueError, match="complex128"):
        optimizer.load_state_dict({**good, "state": {**good["state"], 1: complex_state}})
    for i, state in optimizer.state_dict()["state"].items():
        for name, x in state.items():
            np.testing.assert_array_equal(x, good["state"][i][name])
