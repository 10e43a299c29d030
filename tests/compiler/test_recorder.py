"""What is recorded is what happens: every operation, every way to alias memory; and what cannot be repeated is refused."""

import copy
import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as tn
from tinynet.compiler.recording import record
from tinynet.errors import RecordingError
from tinynet.rules import COMPOSED, TABLE, name_of
from tinynet.testing.strategies import cases
from tinynet.testing.strategies.operations import Operation
from tinynet.trees import leaves, mapped

# Every operation -----------------------------------------------------------------------------------------------------


def is_ours(fun):
    """Whether the operation is one of the table's own, not of another test."""
    return (getattr(fun, "__module__", None) or "numpy").partition(".")[0] in ("numpy", "tinynet", "_operator")


OPERATIONS = {name_of(fun): fun for fun in (*TABLE, *COMPOSED) if is_ours(fun)}
OF_CHANGING_SHAPE = ("np.trim_zeros", "np.polymul")  # the shape of their results depends on values
every_operation = pytest.mark.parametrize("name", OPERATIONS)
a_few = settings(max_examples=max(1, settings.default.max_examples // 5))


def other_values(x, rng):
    """Values of the same kind, in C order, in which arguments are recorded."""
    return np.array(x * (1 + 0.01 * rng.random(x.shape)), x.dtype, order="C")


def as_list(result):
    return list(result) if isinstance(result, list | tuple) else [result]


def functions(operation, rng):
    """The operation, and the gradient of a random projection of it."""
    yield operation
    results = [np.asarray(y) for y in as_list(operation(*operation.inputs))]
    weights = [rng.standard_normal(y.shape) if y.dtype.kind == "f" else None for y in results]

    def projection(*inputs):
        pairs = zip(as_list(operation(*inputs)), weights, strict=True)
        return sum((np.sum(y * w) for y, w in pairs if w is not None), start=0.0)

    if operation.inputs and any(w is not None for w in weights):
        yield tn.value_and_grad(projection, argnums=tuple(range(len(operation.inputs))))


def compare(operation, seed, assert_equal):
    rng = np.random.default_rng(seed)
    for f in functions(operation, rng):
        compiled = tn.compile(f)
        for _ in range(3):
            inputs = [other_values(x, rng) for x in operation.inputs]
            expected, found = f(*inputs), compiled(*inputs)
            for (_, a), (_, b) in zip(leaves({"": found}), leaves({"": expected}), strict=True):
                assert np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype
                assert_equal(np.asarray(a), np.asarray(b))


@pytest.fixture
def no_passes(monkeypatch):
    monkeypatch.setattr("tinynet.compiler.variant.optimized", lambda program: program)


@every_operation
@a_few
@given(data=st.data(), seed=st.integers(0, 99))
def test_an_operation_is_recorded_to_the_bit(name, data, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinynet.compiler.variant.optimized", lambda program: program)
        check(name, data, seed, np.testing.assert_array_equal)


@every_operation
@a_few
@given(data=st.data(), seed=st.integers(0, 99))
def test_passes_change_no_more_than_the_rounding(name, data, seed):
    def assert_close(a, b):
        scale = np.max(np.abs(b[np.isfinite(b)]), initial=1.0) if b.dtype.kind == "f" else 0.0
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * scale)

    check(name, data, seed, assert_close)


def check(name, data, seed, assert_equal):
    operation = Operation(OPERATIONS[name], *data.draw(cases(OPERATIONS[name])))
    with np.errstate(all="ignore"):
        if name in OF_CHANGING_SHAPE:
            with pytest.raises(RecordingError, match=r"test_recorder\.py, line"):
                compare(operation, seed, assert_equal)
        else:
            compare(operation, seed, assert_equal)


@every_operation
@a_few
@given(data=st.data())
def test_integers_as_arguments_are_recorded_or_refused(name, data):
    operation = Operation(OPERATIONS[name], *data.draw(cases(OPERATIONS[name])))
    arrays = [np.array(x, order="C") for _, x in leaves((operation.args, operation.kwargs)) if isinstance(x, np.ndarray)]

    def f(*values):
        rest = iter(values)
        args, kwargs = mapped(lambda x: next(rest) if isinstance(x, np.ndarray) else x, (operation.args, operation.kwargs))
        return operation.fun(*args, **kwargs)

    compiled = tn.compile(f)
    with np.errstate(all="ignore"):
        expected = f(*arrays)
        try:
            for _ in range(3):
                found = compiled(*arrays)
                for (_, a), (_, b) in zip(leaves({"": found}), leaves({"": expected}), strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.max(np.abs(b), initial=1.0))
        except RecordingError as error:
            assert "test_recorder.py, line" in str(error)


# Memory --------------------------------------------------------------------------------------------------------------


def assert_same(found, expected):
    for (path, a), (_, b) in zip(leaves({"": found}), leaves({"": expected}), strict=True):
        assert type(a) is type(b), path
        if isinstance(b, np.ndarray | np.generic | tn.Tensor):
            a, b = (x.data if isinstance(x, tn.Tensor) else np.asarray(x) for x in (a, b))
            np.testing.assert_array_equal(a, b, strict=True)
        else:
            assert a == b


def x3(k):
    return (np.array([1.0, -2.0, 3.0]) * (k + 1),)


def statements(*parts):
    """The last of some expressions, which are there for what they do."""
    return parts[-1]


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


# What cannot be repeated ---------------------------------------------------------------------------------------------


def counter():
    count = [0]

    def next_number():
        count[0] += 1
        return count[0]

    return next_number


def plain_velocity():
    v = np.ones(3)
    return lambda x: statements(np.multiply(v, 0.9, out=v), np.add(v, x, out=v), x * 1)


def chosen_row(choose):
    rows, next_number = np.arange(30.0).reshape(10, 3), counter()
    return lambda x: x * choose(rows, next_number())


def own_generator():
    rng = np.random.default_rng(0)
    return lambda x: x + rng.random(3)


def kept_in_a_list():
    kept = []
    return lambda x: statements(kept.append(x * 2), x)


def kept_in_an_attribute():
    layer = tn.nn.Identity()
    return lambda x: statements(setattr(layer, "last", x * 2), x)


class Thing:
    def __init__(self, x):
        self.x = x


LOOKS, SHAPE, VALUES = "looks at a value", "shape of what .* depends on the values", "needs the values themselves"
BAD = {
    "if": (lambda: lambda x: x * 2 if np.sum(x) < 1 else x, LOOKS),
    "assert": (lambda: lambda x: statements(bool(np.all(x < 100)), x), LOOKS),
    "float": (lambda: lambda x: x * float(x[0]), LOOKS),
    "int": (lambda: lambda x: x * int(x[0]), LOOKS),
    "item": (lambda: lambda x: x * x.sum().item(), LOOKS),
    "tolist": (lambda: lambda x: np.array(x.tolist()), LOOKS),
    "max of Python": (lambda: lambda x: max(x[0], x[1]), LOOKS),
    "math": (lambda: lambda x: math.sqrt(x[0] * x[0]), LOOKS),
    "a text": (lambda: lambda x: statements(f"{x[0]:.2f}", x), LOOKS),
    "a printed tensor": (lambda: lambda x: statements(str(tn.Tensor(x)), x), "gives a Python str"),
    "a text of it": (lambda: lambda x: statements(str(x), x), LOOKS),
    "allclose": (lambda: lambda x: statements(np.allclose(x, x), x), "gives a Python bool"),
    "a length": (lambda: lambda x: np.zeros(x.astype(int)[0]), "position or a length"),
    "a slice": (lambda: lambda x: x[: x.astype(int)[0]], "position or a length"),
    "a mask": (lambda: lambda x: x[x > 0], SHAPE),
    "a mask on a tensor": (lambda: lambda x: tn.Tensor(x)[x > 0], SHAPE),
    "unique": (lambda: lambda x: np.unique(x), SHAPE),
    "nonzero": (lambda: lambda x: x.nonzero(), SHAPE),
    "where": (lambda: lambda x: np.where(x > 0), SHAPE),
    "split": (lambda: lambda x: np.split(x, x.astype(int)[:1]), SHAPE),
    "np.array": (lambda: lambda x: np.array([x[0], x[1]]), VALUES),
    "vectorize": (lambda: lambda x: np.vectorize(lambda v: v * 2)(x), VALUES),
    "dot of an array": (lambda: lambda x: np.ones((2, 3)).dot(x), VALUES),
    "part of an array": (lambda: lambda x: np.arange(10.0)[x.astype(int)], VALUES),
    "assigned to an array": (lambda: lambda x: np.zeros(3).__setitem__(slice(None), x), VALUES),
    "flat": (lambda: lambda x: x.flat[0], r"\.flat"),
    "an argument in place": (lambda: lambda x: x.__iadd__(1), "argument of the step in place"),
    "an argument's element": (lambda: lambda x: statements(x.__setitem__(0, 1.0), x), "argument of the step in place"),
    "its own generator": (own_generator, "random numbers"),
    "a generator a step": (lambda: lambda x: tn.nn.Dropout(0.5, rng=0)(x), "another random generator"),
    "row by row": (lambda: chosen_row(lambda rows, i: rows[i]), "another part"),
    "rows by rows": (lambda: chosen_row(lambda rows, i: rows[[i, i + 1]]), "chosen in Python"),
    "a Python number": (lambda: (lambda number: lambda x: x * number())(counter()), "Python value 1 in one run, 2 in another"),
    "more and more calls": (
        lambda: (lambda number: lambda x: [x * 2 for _ in range(number())])(counter()), "calls of NumPy functions in one run",
    ),
    "a velocity in plain NumPy": (plain_velocity, "changed before .* by plain NumPy"),
    "kept in a list": (kept_in_a_list, "keeps 1 array"),
    "kept in an attribute": (kept_in_an_attribute, "keeps 1 array"),
    "a generator object": (lambda: lambda x: (y for y in x), "returns a generator"),
    "an object": (lambda: lambda x: Thing(x), "returns a Thing, which holds arrays"),
    "an object with a tensor": (lambda: lambda x: Thing(tn.Tensor(x)), "returns a Thing, which holds arrays"),
    "a masked array": (lambda: lambda x: x * np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0]), "means besides its numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_repeated_is_refused(name):
    make, message = BAD[name]
    step = tn.compile(make())
    with pytest.raises(RecordingError, match=message) as raised:
        for k in range(3):
            step(*x3(k))
    own_line = not any(words in message for words in ("keeps", "returns", "in one run", "gives"))
    assert not own_line or "test_recorder.py, line" in str(raised.value)


@tn.primitive
def in_memory(x):
    return np.ravel(x, order="K")


in_memory.defvjp(lambda g, out, x: np.reshape(g, np.shape(x)))


@pytest.mark.parametrize("function", [
    lambda x: np.ravel(x, order="K"), lambda x: np.ravel(x, "A"), lambda x: x.flatten("K"),
    lambda x: np.reshape(x, (3, 2), order="A"), in_memory,
])  # fmt: skip
def test_the_order_in_memory_of_an_argument_is_not_asked_for(function):
    x = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    with pytest.raises(RecordingError, match="as it lies in memory"):
        tn.compile(function)(x)
    step = tn.compile(lambda x: np.ravel(x, order="F"))
    for _ in range(3):
        np.testing.assert_array_equal(step(x), np.arange(6.0).reshape(2, 3).T.ravel())


@pytest.mark.parametrize("array", [np.ones(9), np.ones((9, 9))[::2, 1::2], np.ones((4, 3)).T])
@pytest.mark.parametrize("most", [0, 2**25])
def test_a_large_array_is_watched_too(array, most, monkeypatch):
    """By its checksum, which costs no memory."""
    monkeypatch.setattr("tinynet.compiler.watch.MOST_BYTES", most)
    before = array.copy()

    def update(x):
        array.__imul__(0.5)
        return x * np.sum(array * x)

    step = tn.compile(update)
    with pytest.raises(RecordingError, match=r"changed before .* by plain NumPy"):
        for _ in range(3):
            step(np.ones(array.shape))

    def late(x):
        y = x + array
        array.__imul__(0.5)
        return y

    with pytest.raises(RecordingError, match="changed in the step by plain NumPy"):
        tn.compile(late)(np.ones(array.shape))
    array[...] = before
    state = tn.Tensor(array)

    def recorded(x):
        with tn.no_grad():
            state.__imul__(0.5)
            state.__iadd__(x)
        return state.data * 1

    step = tn.compile(recorded)
    for k in range(4):
        before = before * 0.5 + k
        np.testing.assert_array_equal(step(np.full(array.shape, float(k))), before)


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


def test_arrays_that_share_a_part_of_such_memory_are_refused():
    memory = bytearray(8 * 4)
    a, b = tn.Tensor(np.frombuffer(memory, count=3)), tn.Tensor(np.frombuffer(memory, count=3, offset=8))
    with pytest.raises(RecordingError, match="share a part of their memory"):
        tn.compile(lambda x: a * x + b)(np.ones(3))


def test_an_error_that_an_operation_makes_is_its_own():
    """It is not run again for it."""
    calls = []

    @tn.primitive
    def broken(x):
        calls.append(1)
        raise LookupError("broken")

    broken.defvjp(lambda g, out, x: g)
    with pytest.raises(LookupError, match="broken"):
        tn.compile(lambda x: np.exp(broken(x)))(np.ones(2))
    assert len(calls) == 1


def test_a_change_that_no_call_sees_is_found_at_the_end():
    v = np.ones(3)
    step = tn.compile(lambda x: statements(y := x + v, np.multiply(v, 0.9, out=v), y))
    with pytest.raises(RecordingError, match="changed in the step by plain NumPy"):
        step(np.ones(3))


def test_an_array_replaced_between_two_calls_is_refused():
    data = {"x": np.ones(3)}
    step = tn.compile(lambda y: y * data["x"])
    step(np.ones(3))
    data["x"] = np.ones(3)
    with pytest.raises(RecordingError, match="array replaced"):
        step(np.ones(3))


@pytest.mark.parametrize("change", [
    lambda x: x.requires_grad_(), lambda x: setattr(x, "data", np.ones(3)), lambda x: setattr(x, "grad", np.ones(3)),
])  # fmt: skip
def test_what_is_done_to_an_argument_is_refused(change):
    step = tn.compile(lambda x: statements(change(x), x * 2))
    x = tn.tensor(np.ones(3))
    with pytest.raises(RecordingError, match="of an argument"):
        step(x)
    assert not x.requires_grad and x.grad is None


def test_a_weight_as_an_argument_is_refused_if_the_step_changes_it():
    w = tn.tensor(np.ones(3), requires_grad=True)

    def update(x):
        with tn.no_grad():
            w.__isub__(x)
        return x + w.data

    with pytest.raises(RecordingError, match="shares memory"):
        tn.compile(update)(w.data)
    np.testing.assert_array_equal(w.data, np.ones(3))


def test_a_refused_step_leaves_everything_as_it_was():
    model = tn.nn.Sequential(tn.nn.Linear(3, 2, rng=0), tn.nn.Dropout(0.5, rng=np.random.default_rng(0)))
    optimizer = tn.optim.Adam(model.parameters(), lr=0.1)
    scheduler = tn.optim.StepLR(optimizer, 1, 0.5)
    kept = []

    def step(x):
        loss = np.sum(model(x) ** 2)
        loss.backward()
        optimizer.step()
        scheduler.step()
        kept.append(loss)
        return loss

    gradient = np.ones((2, 3))
    model[0].weight.grad = gradient
    weights, state = model.state_dict(), optimizer.state_dict()
    generator = model[1].rng.bit_generator.state
    with pytest.raises(RecordingError, match="keeps"):
        tn.compile(step)(np.ones((4, 3)))
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(x, weights[name])
    assert model[0].weight.grad is gradient and model[0].bias.grad is None
    assert scheduler.last_epoch == 0 and optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.state_dict() == state
    assert model[1].rng.bit_generator.state == generator
    assert type(kept[0].data) is np.ndarray  # nothing that records is left anywhere
    step(np.ones((4, 3)))


def test_an_error_in_the_step_leaves_plain_arrays_behind():
    w = tn.tensor(np.ones(3), requires_grad=True)
    kept = {}

    @tn.compile
    def step(x):
        np.sum(w * x).backward()
        kept["x"] = [x * 2]
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        step(np.arange(3.0))
    np.testing.assert_array_equal(w.grad, np.arange(3.0))
    assert type(w.grad) is np.ndarray and type(kept["x"][0]) is np.ndarray


def test_two_threads_record_at_once():
    barrier = threading.Barrier(2)
    results = {}

    def work(factor):
        w = tn.tensor(np.full(3, factor), requires_grad=True)

        def step(x):
            barrier.wait()
            loss = np.sum(np.tanh(w * x))
            barrier.wait()
            loss.backward()
            return loss.data, w.grad

        compiled = tn.compile(step)
        results[factor] = [compiled(np.arange(3.0)), compiled(np.arange(3.0))]

    threads = [threading.Thread(target=work, args=(factor,)) for factor in (0.5, 2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for factor, ((loss, _), _) in results.items():
        np.testing.assert_allclose(loss, np.sum(np.tanh(factor * np.arange(3.0))), rtol=1e-12)


# How it reads --------------------------------------------------------------------------------------------------------


def test_a_program_is_printed_as_numpy_code():
    w = tn.tensor(np.ones((2, 3)), requires_grad=True)
    total = np.zeros(2)

    def step(x, rows):
        h = np.tanh(x @ w.T) * 0.5
        np.add(total, np.sum(h.data, axis=0), out=total)
        first = h.data[:, 0].astype(np.float32)
        parts = np.zeros((4, 2))
        parts[1:3, 0] += x[::2, -1]
        np.copyto(parts[3], h.data[0])
        return np.concatenate([tn.Tensor(parts)[rows], h.data * 1]), first, x[1:]

    assert str(record(step, (np.ones((4, 3)), np.array([2, 0])), {}).program).splitlines() == PRINTED.splitlines()[1:]


PRINTED = """
x0: float64[4, 3]  # argument
x1: int64[2]  # argument
p0: float64[2, 3]  # array from outside
p1: float64[2]  # array from outside
c0: float64[4, 2]  # constant
t0 = np.matmul(x0, p0.T)  # float64[4, 2]
t1 = np.tanh(t0)  # float64[4, 2]
t2 = np.multiply(t1, 0.5)  # float64[4, 2]
t3 = np.sum(t2, axis=0)  # float64[2]
np.add(p1, t3, out=p1)
t4 = t2[:, 0].astype(np.float32)  # float32[4]
t5 = c0.copy()  # float64[4, 2]
np.add(t5[1:3, 0], x0[::2, 2], out=t5[1:3, 0])
t5[3][...] = t2[0]
t6 = t5[x1]  # float64[2, 2]
t7 = np.multiply(t2, 1)  # float64[4, 2]
t8 = np.concatenate((t6, t7), axis=0)  # float64[6, 2]
return t8, t4, x0[1:]
"""


# Numbers --------------------------------------------------------------------------------------------------------------


def swapped(v):
    h = v * 1
    h[0], h[1] = h[1], h[0]
    return h


def counted_up(v):
    best = total = np.max(v)
    total += 1
    return best, total


def running_sums(v):
    sums, total = [], np.sum(v[:1])
    for i in range(1, len(v)):
        sums.append(total)
        total += np.sum(v[i : i + 1])
    return [*sums, total]


def summed_from_the_first(v):
    h = v * 2
    total, *rest = h
    for x in rest:
        total += x
    return total, h


def kept_element(v):
    h = v * 2
    old = h[0]
    h[0] = 9.0
    return old, h


def argument_summed(v):
    total = v[0]
    total += v[1]
    return total, v * 1


def less_the_first(v):
    h = v * 1
    first = h[0]
    h -= h[0]
    return first, h


def tensor_of_a_number(v):
    total = np.sum(v)
    t = tn.Tensor(total)
    with tn.no_grad():
        t += 1
    return total, t


def array_of_a_number(v):
    total = np.sum(v)
    a = total[...]
    a += 1
    return total, a


@pytest.mark.parametrize("function", [
    swapped, counted_up, running_sums, summed_from_the_first, kept_element, argument_summed, less_the_first,
    tensor_of_a_number, array_of_a_number,
])  # fmt: skip
def test_a_number_is_a_value(function):
    """Of an array that is changed NumPy's scalars keep the old element, and ``+=`` makes another scalar."""
    step = tn.compile(function)
    for seed in range(4):
        v = np.random.default_rng(seed).normal(size=4)
        for x, y in zip(leaves(function(v)), leaves(step(v)), strict=True):
            np.testing.assert_array_equal(getattr(y[1], "data", y[1]), getattr(x[1], "data", x[1]))
            assert type(x[1]) is type(y[1])


def test_an_element_of_the_state_is_the_old_one():
    count = tn.tensor([0.0, 5.0])

    def step(x):
        old = count.data[0]
        with tn.no_grad():
            count.data += np.sum(x)
        return old

    step = tn.compile(step)
    assert [float(step(np.ones(2))) for _ in range(4)] == [0.0, 2.0, 4.0, 6.0]


def test_a_number_seen_as_an_array_cannot_be_changed_unnoticed():
    def step(v):
        total = np.sum(v)
        a = np.reshape(total, 1)
        a += 1
        return total

    with pytest.raises(ValueError, match="read-only"):
        tn.compile(step)(np.ones(3))
