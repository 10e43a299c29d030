"""Steps that change memory in every way, and all that NumPy and the library do with arrays, are recorded as they are."""

import copy

import numpy as np
import pytest

import tinynet as tn
from tests.compiler.small_steps import assert_same, statements, x3
from tinynet.rules import TABLE


def written_views(x):
    y = x * 1
    y[1:] *= 3
    z = y[::2]
    z[0] = 7
    z += x[:2]
    return y, z


def overlapping(x):
    y = x * 1
    y[1:] = y[:-1]
    y[:-1] += y[1:]
    y[:] = y[::-1]
    return y


def buffer_of_the_step(x):
    sums = np.zeros((2, 3))
    np.add(x, 1, out=sums[0])
    np.add(x, 2, out=sums[1])
    sums[0] += x
    return np.sum(sums * x) + 0 * x


def unfilled_buffer(x):
    out = np.empty(3)
    np.multiply(x, 2, out=out)
    return np.add(out, x, out=out)


def copied_weight():
    w = tn.tensor(np.ones(3), requires_grad=True)

    def f(x):
        before = copy.deepcopy(w)
        with tn.no_grad():
            w.__isub__(x)
        return before.data + w.data

    return f


def state_in_an_array():
    v = np.zeros(3)
    return lambda x: statements(np.add(v, x, out=v), np.copyto(v[:1], x[1:2]), v)


def state_in_a_tensor():
    v = tn.tensor(np.zeros(3))

    def f(x):
        with tn.no_grad():
            v.__imul__(0.9)
            v.__iadd__(x)
            v[0] = 5.0
        return v.data * 1

    return f


def buffer_assigned():
    mean = tn.nn.Buffer(np.zeros(3))

    def f(x):
        mean.data = 0.9 * mean.data + 0.1 * x
        return mean.data

    return f


def noise():
    rng = np.random.default_rng(3)

    @tn.primitive
    def normal(x, rng):
        return rng.standard_normal(x.shape)

    return lambda x: x + normal(x, rng)


def deep(x, n=20):
    return x if n == 0 else np.tanh(deep(x, n - 1))


@tn.custom_gradient
def gentle(x):
    return x * 2, lambda g: np.clip(g, -1, 1)


@tn.primitive
def looking(x):
    return x * x * x if x.sum() > 0 else np.asarray(x**3)


looking.defvjp(lambda g, out, x: 3 * g * x**2)
del TABLE[looking]
recomputed = tn.checkpoint(lambda x: np.tanh(np.sin(x) * x))
inner = tn.compile(lambda x: np.exp(x))
STEPS = {  # a function that makes a step, and one that makes the arguments of a call
    "written views": (lambda: written_views, x3),
    "overlapping views": (lambda: overlapping, x3),
    "a buffer of the step": (lambda: buffer_of_the_step, x3),
    "an unfilled buffer": (lambda: unfilled_buffer, x3),
    "a state in an array": (state_in_an_array, x3),
    "a state in a tensor": (state_in_a_tensor, x3),
    "a buffer that is assigned": (buffer_assigned, x3),
    "a copied weight": (copied_weight, x3),
    "returned unchanged": (lambda: lambda x: x, x3),
    "views of an argument": (lambda: lambda x: (x[1:], x[::-1], x.reshape(3, 1), x.T, x[None]), x3),
    "one result thrice": (lambda: lambda x: (y := x * 2, y, y[0]), x3),
    "one argument twice": (lambda: lambda x, y: x * y + x, lambda k: x3(k) * 2),
    "containers": (
        lambda: lambda d: {"a": [d["x"] * 2, (d["y"][0], None, "text", 3)]},
        lambda k: ({"x": np.ones(2) * k, "y": [np.arange(3) + k]},),
    ),
    "arrays and tensors": (
        lambda: lambda x, t, i, b, s: (t * x, np.take(x, i), np.where(b, x, 0), x * s, t[i], t),
        lambda k: (np.full(3, k), tn.tensor([k, k, k]), np.array([0, 2, 1]), np.array([k > 1, True, False]), np.float32(k)),
    ),
    "numbers": (lambda: lambda x: (x * 2, np.exp(x), x + np.arange(3)), lambda k: (np.array(float(k)),)),
    "empty arrays": (lambda: lambda x: (x * 2, x.sum(), np.concatenate([x, x])), lambda k: (np.zeros((0, 3)),)),
    "float16": (lambda: lambda x: (x * 2, np.exp(x)), lambda k: (np.arange(4, dtype=np.float16) + k,)),
    "booleans and integers": (
        lambda: lambda b, i: (b & (i > 1), i // 2, i % 2, ~b, i << 1, i >> 1, -i, divmod(i, 2)),
        lambda k: (np.array([True, False]), np.array([k, k + 5])),
    ),
    "complex numbers": (lambda: lambda x: (np.fft.rfft(x).real, np.fft.fft(x).imag, abs(np.fft.fft(x))), x3),
    "a read-only view": (lambda: lambda x: x * 2, lambda k: (np.broadcast_to(np.float64(k), (2, 3)),)),
    "a strided view": (lambda: lambda x: (x * 2, x[1:] - x[:-1]), lambda k: ((np.arange(12.0) + k).reshape(3, 4).T[::2],)),
    "methods": (
        lambda: lambda x: (
            np.sort(x), x.argsort(), x.argmax(), np.cumsum(x), x.clip(0, 1), x.round(1), x.astype(int), x.copy(), x.ravel(),
            x.max(), x.var(), x.dot(x), x.repeat(2), x.take([0, 2]), np.searchsorted(np.arange(5.0), x), x.view(np.int64),
        ), x3,
    ),
    "operators": (lambda: lambda x: (sum([x, x, x]), abs(x), x // 2, x @ x, 2**x, x**2, -x, x % 3, x == x, ~(x > 0)), x3),
    "in place": (lambda: lambda x: (y := x * 1, y.fill(3), y.__ipow__(2), y.sort(), y.__isub__(x), y)[-1], x3),
    "set by a mask": (lambda: lambda x: (y := x * 1, y.__setitem__(x > 0, 9.0), y)[-1], x3),
    "set by positions": (
        lambda: lambda x, i: (y := x * 1, y.__setitem__(i, 9.0), y, x[i], tn.Tensor(x)[i])[2:],
        lambda k: (np.arange(5.0) + k, np.array([k, 0])),
    ),
    "out= where": (lambda: lambda x: (y := x * 1, np.multiply(x, 2, out=y, where=x > 0), y)[-1], x3),
    "np.add.at": (lambda: lambda x: (y := x * 1, np.add.at(y, np.array([0, 0]), x[:2]), y)[-1], x3),
    "np.fill_diagonal": (lambda: lambda x: (y := np.outer(x, x), np.fill_diagonal(y, 5.0), y)[-1], x3),
    "windows": (lambda: lambda x: np.lib.stride_tricks.sliding_window_view(x, 2) * 2, x3),
    "broadcast": (lambda: lambda x: (np.broadcast_to(x, (2, 3)), np.broadcast_arrays(x, x[:, None])), x3),
    "value_and_grad": (lambda: tn.value_and_grad(lambda x: np.sum(np.sin(x))), x3),
    "grad of a number": (lambda: tn.grad(lambda x: x**3), lambda k: (np.array(k + 1.0),)),
    "the data of a tensor": (lambda: lambda x: (tn.Tensor(x).sum().data, tn.Tensor(x).sum()), x3),
    "grad": (lambda: tn.grad(lambda x: np.sum(x**3)), x3),
    "hessian": (lambda: tn.hessian(lambda x: np.sum(np.exp(x) * x[0])), x3),
    "jacobian": (lambda: tn.jacobian(lambda x: x**2 * x[0]), x3),
    "jvp": (lambda: lambda x: tn.jvp(np.tanh, (x,), (x * 2,)), x3),
    "vjp": (lambda: lambda x: tn.vjp(lambda y: y**2, x)[1](x), x3),
    "hvp": (lambda: lambda x: tn.hvp(lambda y: np.sum(y**3), (x,), (x,)), x3),
    "checkpoint": (lambda: tn.grad(lambda x: np.sum(recomputed(x) * 2)), x3),
    "custom_gradient": (lambda: tn.grad(lambda x: np.sum(gentle(x) ** 2)), x3),
    "an operation that looks at values": (lambda: lambda x: looking(x), x3),
    "random numbers by an operation": (noise, x3),
    "numbers of NumPy": (
        lambda: lambda x: (x.sum(), x[0], x.sum() * 2, x.mean().astype(np.float32), x[..., 0], x.sum()[...], np.float32(2)), x3,
    ),
    "recursion": (lambda: deep, x3),
    "a compiled step within": (lambda: lambda x: inner(x) * 2, x3),
}  # fmt: skip


@pytest.fixture
def no_passes(monkeypatch):
    monkeypatch.setattr("tinynet.compiler.variant.optimized", lambda program: program)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_recorded(name, no_passes):
    make, arguments = STEPS[name]
    plain, compiled = make(), tn.compile(make())
    for k in range(4):
        assert_same(compiled(*arguments(k)), plain(*arguments(k)))


def test_gradients_do_not_share_memory():
    both = tn.grad(lambda x, y: np.sum(x + y), argnums=(0, 1))

    def step(x, y):
        g, h = both(x, y)
        g *= 2
        return g, h

    compiled = tn.compile(step)
    for k in range(3):
        assert_same(compiled(*x3(k), *x3(k)), step(*x3(k), *x3(k)))


def test_random_numbers_that_are_drawn_again_by_a_checkpoint_are_the_same():
    def twin():
        layers = [tn.nn.Linear(3, 4, rng=0), tn.nn.Dropout(0.5, rng=np.random.default_rng(1)), tn.nn.Linear(4, 2, rng=2)]
        model = tn.nn.Sequential(*layers)
        block = tn.checkpoint(model)

        def step(x):
            model.zero_grad()
            loss = np.sum(block(x) ** 2)
            loss.backward()
            return loss.data, [p.grad for p in model.parameters()]

        return step

    plain, compiled = twin(), tn.compile(twin())
    for k in range(4):
        x = np.random.default_rng(k).normal(size=(5, 3))
        (a, gradients), (b, others) = plain(x), compiled(x)
        np.testing.assert_allclose(a, b, rtol=1e-12)
        for g, h in zip(gradients, others, strict=True):
            np.testing.assert_allclose(g, h, rtol=1e-9, atol=1e-12)


def test_a_hook_sees_what_it_would_see():
    factor = tn.tensor(np.array([1.0, 2.0]), requires_grad=True)
    w = tn.tensor(np.ones(2, np.float32), requires_grad=True)
    w.register_hook(lambda g: g * 2.0 * factor)

    def step(x):
        w.grad = None
        np.sum(w * x * w).backward()
        return w.grad

    compiled = tn.compile(step)
    for k in range(3):
        x = np.arange(2, dtype=np.float32) + k
        assert_same(compiled(x), step(x))


def test_arrays_over_memory_that_is_no_arrays_own():
    def run(compile):
        memory = bytearray(8 * 4)
        w, part = tn.Tensor(np.frombuffer(memory)), tn.Tensor(np.frombuffer(memory, offset=16))
        w.data[...] = 1.0

        def step(x):
            before = np.exp(w * x)
            with tn.no_grad():
                part[...] = part + 1
            return before, np.exp(w * x)

        step = tn.compile(step) if compile else step
        return [[y.data.tolist() for y in step(np.full(4, 0.125))] for _ in range(5)]

    assert run(True) == run(False)
