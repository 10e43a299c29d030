"""custom_gradient, checkpoint, stop_gradient and gradient hooks."""

import gc
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import GradientError, GraphError, RuleError, ShapeError
from tinynet.graph import Node
from tinynet.rules import TABLE
from tinynet.testing import gradcheck

X = np.array([[0.3, -0.7], [1.2, 0.1]])

# stop_gradient -------------------------------------------------------------------------------------------------------


def test_stop_gradient_makes_a_constant():
    assert tn.grad(lambda x: x * tn.stop_gradient(x) ** 2)(3.0) == 9.0
    assert tn.hessian(lambda x: np.sum(tn.stop_gradient(x) * x))(X).any() == False  # noqa: E712
    stopped = tn.stop_gradient({"a": tn.tensor(1.0, requires_grad=True), "b": [X]})
    assert not stopped["a"].requires_grad
    assert stopped["b"][0] is X


# custom_gradient -----------------------------------------------------------------------------------------------------


@tn.custom_gradient
def log1pexp(x):
    e = np.exp(x)
    return np.log1p(e), lambda g: g * (1 - 1 / (1 + e))


def test_a_right_gradient_of_ones_own_has_every_order():
    assert gradcheck(log1pexp, X, order=3, atol=1e-5)
    np.testing.assert_allclose(tn.jvp(log1pexp, (X,), (X,))[1], X / (1 + np.exp(-X)))
    np.testing.assert_allclose(log1pexp(X), np.log1p(np.exp(X)))  # arrays in, arrays out
    assert type(log1pexp(X)) is np.ndarray
    assert log1pexp.__name__ == "log1pexp"


def test_the_gradient_is_the_given_one():
    @tn.custom_gradient
    def doubled(x, y):
        return x * y, lambda g: (2 * g * y, None)

    x, y = tn.tensor(X, requires_grad=True), tn.tensor(X + 1, requires_grad=True)
    np.sum(doubled(x, y) * X).backward()
    np.testing.assert_allclose(x.grad, 2 * X * (X + 1))
    np.testing.assert_array_equal(y.grad, np.zeros((2, 2)))
    mixed = tn.jacobian(tn.grad(lambda x, y: np.sum(doubled(x, y))), 1)(X, X)
    np.testing.assert_array_equal(mixed.reshape(4, 4), 2 * np.eye(4))


def test_containers_and_keywords():
    @tn.custom_gradient
    def scaled(p, n, *, shift=0.0):
        return {"w": p["w"] * n + shift, "n": n}, lambda g: ({"w": g["w"] * n * 10, "unused": None}, None)

    f = lambda p: np.sum(scaled(p, 3, shift=1.0)["w"])  # noqa: E731
    value, gradient = tn.value_and_grad(f)({"w": np.ones(2), "unused": 5.0})
    assert value == 8.0
    np.testing.assert_array_equal(gradient["w"], [30.0, 30.0])
    assert gradient["unused"] == 0.0


def test_the_pullback_runs_once_a_pass():
    calls = []

    @tn.custom_gradient
    def f(x, y, z):
        def pullback(g):
            calls.append(1)
            return g * y * z, g * x * z, g * x * y

        return x * y * z, pullback

    tn.grad(lambda *xs: np.sum(f(*xs)), (0, 1, 2))(X, X, X)
    assert len(calls) == 1


def test_errors_of_custom_gradient():
    @tn.custom_gradient
    def f(x, y):
        return x * y, lambda g: g

    with pytest.raises(TypeError, match=r"f: what its pullback returns must have the structure.*wanted a tuple of 2"):
        tn.grad(lambda x: np.sum(f(x, x)))(X)
    wrong = tn.custom_gradient(lambda x: (np.sum(x), lambda g: g * np.ones((5, 2, 2))))  # does not broadcast: it is no row
    with pytest.raises(ShapeError, match=r"pullback returns at \[0\] has shape \(5, 2, 2\); it must have \(2, 2\)"):
        tn.grad(wrong)(X)
    with pytest.raises(TypeError, match=r"returns \(value, pullback\), not Tensor"):
        tn.grad(tn.custom_gradient(lambda x: x * 2))(1.0)
    with pytest.raises(TypeError, match="float, which has none"):
        tn.grad(tn.custom_gradient(lambda x: (x.item(), lambda g: g)))(1.0)
    keyword = tn.custom_gradient(lambda x, *, k: (x * k, lambda g: g * k))
    with pytest.raises(TypeError, match=r"no gradient flows to its keyword \['k'\]; give it by position"):
        tn.grad(lambda k: keyword(3.0, k=k))(2.0)


def test_without_tracking_nothing_is_recorded():
    x = tn.tensor(X, requires_grad=True)
    with tn.no_grad():
        assert not log1pexp(x).requires_grad
    assert not log1pexp(tn.tensor(X)).requires_grad


# checkpoint ----------------------------------------------------------------------------------------------------------


def make_net(use, rng=7):
    layers = [tn.nn.Linear(2, 2, rng=i) for i in range(4)]
    own = tn.nn.Dropout(0.5, rng=rng)
    default = tn.nn.Dropout(0.25)

    def net(x):
        for i in (0, 2):
            block = lambda x, i=i: default(np.tanh(layers[i + 1](own(np.sin(layers[i](x))))))  # noqa: E731
            x = (tn.checkpoint(block) if use else block)(x)
        return x

    return net, [p for layer in layers for p in layer.parameters()]


def test_gradients_are_bit_for_bit_those_without_even_with_dropout():
    results = []
    for use in (False, True):
        net, parameters = make_net(use)
        tn.manual_seed(3)
        x = tn.tensor(X, requires_grad=True)
        y = net(x)
        np.sum(y * X).backward()
        drawn = tn.random.as_generator().random() if hasattr(tn, "random") else 0
        results.append([y.data, x.grad, *(p.grad for p in parameters), drawn])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_derivatives_of_every_order_go_through():
    f = tn.checkpoint(lambda x, y: np.sin(x) * np.tanh(y))
    assert gradcheck(lambda x, y: f(x, y) * f(y, x), [X, X + 1], order=3, atol=1e-5)
    t = np.array([[1.0, 2.0], [-1.0, 0.5]])
    np.testing.assert_allclose(tn.jvp(f, (X, X), (t, t))[1], tn.jvp(lambda x, y: np.sin(x) * np.tanh(y), (X, X), (t, t))[1])


def test_transforms_and_checkpoints_within_a_checkpoint():
    f = tn.checkpoint(lambda x: x * tn.grad(lambda y: y * y * x)(1.0))  # 2x²
    assert tn.grad(f)(3.0) == 12.0
    assert tn.hessian(f)(3.0) == 4.0
    w = tn.tensor(2.0, requires_grad=True)
    inner = tn.checkpoint(lambda x: w * x * x)
    outer = tn.checkpoint(lambda x: x + inner(x))
    for slope in (tn.grad(outer)(3.0), tn.jvp(outer, (3.0,), (1.0,))[1], tn.jacobian(outer)(3.0)):
        assert slope.item() == 13.0
    drop = tn.nn.Dropout(0.5)
    block = tn.checkpoint(drop)
    x = tn.tensor(np.ones(50), requires_grad=True)
    y = tn.checkpoint(lambda x: block(block(x)))(x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, y.data)  # ones times the masks


def test_a_checkpoint_runs_again_in_another_thread_with_the_same_draws():
    tn.manual_seed(5)
    x = tn.tensor(np.ones(50), requires_grad=True)
    y = tn.checkpoint(tn.nn.Dropout(0.5))(x)
    thread = threading.Thread(target=lambda: y.sum().backward())
    thread.start()
    thread.join()
    np.testing.assert_array_equal(x.grad, y.data)


def test_what_a_pullback_closes_over_is_freed_with_the_graph():
    held = []

    @tn.custom_gradient
    def scaled(x):
        factor = np.full(10, 2.0)
        held.append(weakref.ref(factor))
        return x * 2, lambda g: g * factor[0]

    x = tn.tensor(1.0, requires_grad=True)
    loss = scaled(x)
    assert held[0]() is not None
    loss.backward()
    assert held[0]() is None  # though the loss is still there
    assert x.grad == 2.0


def test_a_graph_through_a_custom_gradient_is_freed_by_reference_counts():
    product = tn.custom_gradient(lambda x, w: (x * w, lambda g: (g * w, g * x)))
    x, w = tn.tensor(X, requires_grad=True), tn.tensor(X, requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        for f in (product, tn.checkpoint(lambda x, w: x * w)):
            y = f(x, w)
            grads = tn.autograd.grad((y * y).sum(), x, create_graph=True)
            del y, grads
            assert not [o for o in gc.get_objects() if type(o) is Node]
    finally:
        gc.enable()


def test_an_argument_may_be_assigned_to():
    def f(x):
        x[0] = 5.0
        return np.sum(x**2)

    for transform in (f, tn.checkpoint(f)):
        np.testing.assert_array_equal(tn.grad(transform)(np.ones(2)), [0.0, 2.0])
        np.testing.assert_array_equal(tn.grad(transform)(tn.tensor(np.ones(2), requires_grad=True)).data, [0.0, 2.0])
        np.testing.assert_array_equal(tn.hessian(transform)(np.ones(2)), [[0.0, 0.0], [0.0, 2.0]])
        value, gradient = tn.value_and_grad(lambda z: np.sum(tn.grad(transform)(z)))(np.ones(2))  # noqa: B023
        assert value == 2.0
        np.testing.assert_array_equal(gradient, [0.0, 2.0])
    w = tn.tensor(np.ones(2), requires_grad=True)
    tn.checkpoint(f)(w * 1.0).backward()
    np.testing.assert_array_equal(w.grad, [0.0, 2.0])


def test_a_constant_among_the_results_stays_one():
    x = tn.tensor(X, requires_grad=True)
    double, constant = tn.checkpoint(lambda x: (x * 2, tn.tensor(3.0)))(x)
    assert double.requires_grad
    assert not constant.requires_grad


def test_hooks_run_once_through_a_checkpoint():
    v = tn.tensor(3.0, requires_grad=True)
    v.register_hook(lambda g: 2 * g)
    tn.checkpoint(lambda x: x * v)(5.0).backward()
    assert v.grad == 10.0


def test_what_is_closed_over_gets_its_gradient_once():
    a = tn.tensor([1.0, 2.0], requires_grad=True)
    b = a * 2
    np.sum(tn.checkpoint(lambda: a * b * b)()).backward()  # b depends on a outside: its part must not be counted twice
    np.testing.assert_array_equal(a.grad, 12 * a.data**2)
    np.testing.assert_allclose(tn.grad(lambda x: np.sum(tn.checkpoint(lambda: x**3)()))(X), 3 * X**2)
    np.testing.assert_allclose(tn.jvp(lambda x: tn.checkpoint(lambda: x**3)(), (X,), (X,))[1], 3 * X**3)


def test_containers_through_a_checkpoint():
    f = tn.checkpoint(lambda p, flag: ({"y": p["x"] * p["w"], "flag": flag}, np.sum(p["w"])))

    def loss(p):
        out, total = f(p, "on")
        assert out["flag"] == "on"
        return np.sum(out["y"]) * total

    g = tn.grad(loss)({"x": np.array([1.0, 2.0]), "w": np.array([3.0, 4.0])})
    np.testing.assert_array_equal(g["x"], [21.0, 28.0])
    np.testing.assert_array_equal(g["w"], [11 + 7, 11 + 14])


def test_a_function_that_changes_is_found_out():
    rng = np.random.default_rng(0)
    noisy = tn.checkpoint(lambda x: x * rng.random())
    with pytest.raises(GradientError, match=r"checkpoint: .*computed something else when it ran again"):
        np.sum(noisy(tn.tensor(X, requires_grad=True))).backward()
    weights = [tn.tensor(1.0, requires_grad=True), tn.tensor(1.0, requires_grad=True)]
    alternating = tn.checkpoint(lambda: weights.pop() * 2)
    with pytest.raises(GradientError, match="computed something else"):
        alternating().backward()


def test_a_checkpoint_keeps_little():
    weights = [tn.tensor(np.eye(20) * 0.9, requires_grad=True) for _ in range(16)]

    def block(ws):
        def run(x):
            for w in ws:
                x = np.tanh(x @ w)
            return x

        return run

    def peak(step):
        tracemalloc.start()
        y = tn.tensor(np.ones((2000, 20)), requires_grad=True)
        for i in range(0, 16, step):
            y = tn.checkpoint(block(weights[i : i + step]))(y) if step < 16 else block(weights)(y)
        y.sum().backward()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(4) < 0.6 * peak(16)


def test_gradcheck_tells_what_is_behind_a_checkpoint():
    @tn.primitive
    def cube(x):
        return x**3

    cube.defvjp(lambda g, out, x: g * x**2)
    try:
        with pytest.raises(tn.testing.GradcheckError, match=r"is behind a checkpoint.*check it without"):
            gradcheck(lambda x: np.sin(tn.checkpoint(cube)(x)), X)
    finally:
        del TABLE[cube]
    wrong = tn.custom_gradient(lambda x: (x**3, lambda g: g * x**2))
    with pytest.raises(tn.testing.GradcheckError, match=r"is wrong on its own: it is 0\.333333 times"):
        gradcheck(wrong, X)


def test_without_a_graph_a_checkpoint_is_a_call():
    f = tn.checkpoint(np.sin)
    assert type(f(X)) is np.ndarray
    x = tn.tensor(X, requires_grad=True)
    with tn.no_grad():
        assert not f(x).requires_grad
    y = f(x).sum()
    y.backward()
    with pytest.raises(GraphError, match="freed"):
        y.backward()


# Hooks ---------------------------------------------------------------------------------------------------------------


def test_a_hook_sees_and_changes_the_whole_gradient():
    x = tn.tensor([1.0, 2.0], requires_grad=True)
    h = np.exp(x)
    early = h * 3  # computed before the hook was there
    seen = []
    handle = h.register_hook(lambda g: seen.append(np.array(g)) or 2 * g)
    np.sum((early + h) * np.array([1.0, 10.0])).backward(retain_graph=True)
    np.testing.assert_array_equal(seen, [[4.0, 40.0]])
    np.testing.assert_allclose(x.grad, 2 * np.array([4.0, 40.0]) * h.data)
    handle.remove()
    handle.remove()
    x.grad = None
    np.sum(early + h).backward()
    np.testing.assert_allclose(x.grad, 4 * h.data)
    assert len(seen) == 1


def test_a_hook_on_a_leaf_runs_before_the_gradient_is_added():
    x = tn.tensor([1.0, 2.0], requires_grad=True)
    handle = x.register_hook(lambda g: np.clip(g, -1, 1))
    for _ in range(2):
        np.sum(x * np.array([0.5, 7.0])).backward()
    np.testing.assert_array_equal(x.grad, [1.0, 2.0])
    np.testing.assert_array_equal(tn.autograd.grad(np.sum(x * 5), x)[0].data, [1.0, 1.0])
    handle.remove()
    np.testing.assert_array_equal(tn.autograd.grad(np.sum(x * 5), x)[0].data, [5.0, 5.0])


def test_hooks_run_in_order_and_none_leaves_the_gradient():
    x = tn.tensor(2.0, requires_grad=True)
    y = x * 3
    y.register_hook(lambda g: g + 1)
    y.register_hook(lambda g: None)
    y.register_hook(lambda g: g * 10)
    y.backward()
    assert x.grad == 60.0


def test_a_gradient_with_respect_to_a_hooked_tensor_is_what_the_hook_returned():
    x = tn.tensor([1.0, 2.0], requires_grad=True)
    h = x * x
    h.register_hook(lambda g: g * 2)
    gh, gx = tn.autograd.grad(np.sum(h * 3), [h, x])
    np.testing.assert_array_equal(gh.data, [6.0, 6.0])
    np.testing.assert_array_equal(gx.data, [12.0, 24.0])


def test_hooks_are_differentiated():
    def f(x):
        h = x * x
        h.register_hook(lambda g: g * g)
        return h * x

    x = 1.5
    assert tn.grad(f)(x) == x**2 + x**2 * 2 * x  # through the product directly, and through h with g = x squared
    np.testing.assert_allclose(tn.grad(tn.grad(f))(x), 2 * x + 6 * x**2)


def test_a_hook_on_an_argument_is_seen_by_every_transform():
    def f(x):
        x.register_hook(lambda g: 10 * g)
        return x**3

    assert tn.grad(f)(1.0) == 30.0
    value, gradient = tn.value_and_grad(lambda z: tn.grad(f)(z))(1.0)
    assert (value, gradient) == (30.0, 600.0)  # the gradient of 30 x² flows through the hook as well


def test_hooks_stay_when_a_leaf_is_frozen_and_thawed():
    x = tn.tensor(1.0, requires_grad=True)
    x.register_hook(lambda g: 10 * g)
    x.requires_grad_(True)
    x.requires_grad = False
    x.requires_grad = True
    (x * 1.0).backward()
    assert x.grad == 10.0


@pytest.mark.parametrize("make", [lambda x: x, lambda x: x * 1], ids=["leaf", "computed"])
def test_what_a_hook_gets_and_returns_has_the_tensors_dtype(make):
    x = tn.tensor(np.float32(3.0), requires_grad=True)
    seen = []
    y = make(x)
    y.register_hook(lambda g: seen.append(g) or 2.0)
    (y * y).backward()
    assert type(seen[0]) is np.ndarray
    assert not seen[0].flags.writeable
    assert x.grad.dtype == np.float32
    assert x.grad == 2.0


def test_a_hook_computes_with_tensors_that_require_a_gradient():
    x = tn.tensor([1.0, 2.0], requires_grad=True)
    y = np.exp(x)
    y.register_hook(lambda g: g * x)
    np.sum(y).backward()
    assert np.array_equal(x.grad, x.data * np.exp(x.data))


@pytest.mark.parametrize("make", [tn.checkpoint, tn.custom_gradient])
def test_what_is_no_function_is_refused(make):
    with pytest.raises(TypeError, match="take a function, not float"):
        make(3.0)


def test_a_hook_does_not_change_what_is_freed():
    w = tn.tensor(2.0, requires_grad=True)
    h = w * 1.0
    h.register_hook(lambda g: None)
    a, b = h * 3, h * 4
    tn.autograd.grad(a, h)
    assert tn.autograd.grad(b, w)[0].item() == 4.0
    assert repr(h) == "tensor(2., from=np.multiply)"


def test_a_hook_cannot_do_harm():
    x = tn.tensor([1.0, 2.0], requires_grad=True)

    def writes(g):
        g *= 2

    handle = x.register_hook(writes)
    with pytest.raises(ValueError, match="read-only"):
        np.sum(x * 2).backward()
    handle.remove()
    x.register_hook(lambda g: g[:1])
    with pytest.raises(RuleError, match=r"hook returned shape \(1,\) for a gradient of shape \(2,\)"):
        np.sum(x * 2).backward()
    with pytest.raises(GradientError, match="requires no gradient"):
        tn.tensor(1.0).register_hook(print)
    with pytest.raises(TypeError, match="a gradient hook is a function of the gradient, not int"):
        x.register_hook(3)
    x.hooks.clear()
    x.register_hook(lambda g: g * 1j)
    with pytest.raises(TypeError, match="Cannot cast"):
        np.sum(x * 2).backward()
    h = np.exp(x)
    freed = np.sum(h * h)
    x.hooks.clear()
    freed.backward()
    with pytest.raises(GraphError, match="freed"):
        h.register_hook(print)
