"""What a program's calls are when they are replayed: the cheapest form, and the same bits as NumPy's own."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tests.compiler.random_programs import SPECIAL, assert_same_outcome, outcome, program_of
from tinynet.compiler.calls import bound
from tinynet.compiler.memory import plan
from tinynet.compiler.private import CLIP
from tinynet.compiler.program import Call, copy_to
from tinynet.errors import RecordingError
from tinynet.mode import lifted
from tinynet.rules.losses import class_labels, probabilities, shares_of_labels

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 6))
Y = RNG.normal(size=(4, 6))
X[0, 0], X[1, 2], X[2, 3], X[3, 5] = np.nan, -0.0, np.inf, 0.0
F = X.astype(np.float32)
I = RNG.integers(-9, 9, (4, 6))  # noqa: E741
MASK = RNG.random((4, 6)) < 0.5


def bound_calls(program):
    memory = plan(program)
    return [item for call in program.calls for item in bound(call, memory.array)]


def name(function):
    """Of a bound function: a method's with its owner's kind, the inner one's of a partial call."""
    function = getattr(function, "func", function)
    owner = getattr(function, "__self__", None)
    if owner is None:
        return function.__name__
    return f"{owner.__name__ if isinstance(owner, np.ufunc) else 'array'}.{function.__name__}"


CASES = {
    "number in float64": (lambda x: np.add(x, 0.1), [X], ["add"]),
    "number in float32": (lambda x: np.multiply(x, 0.1), [F], ["multiply"]),
    "number in front": (lambda x: np.subtract(1, x), [F], ["subtract"]),
    "NumPy number widens": (lambda x: np.add(x, np.float64(0.1)), [F], ["add"]),
    "bool number": (lambda x: np.multiply(x, True), [F], ["multiply"]),
    "integer and number": (lambda x: np.power(x, 2), [I], ["power"]),
    "integer and float": (lambda x: np.multiply(x, 0.5), [I], ["multiply"]),
    "comparison": (lambda x: np.less(x, 0), [X], ["less"]),
    "number beyond the dtype": (lambda x: np.less(x, 300), [I.astype(np.int8)], ["less"]),
    "one element": (lambda x, b: np.add(x, b), [X, Y[:1, :1]], ["add"]),
    "number seen as many": (lambda x, b: np.add(np.broadcast_to(b, x.shape), x), [X, Y[:1, :1]], ["add"]),
    "complex": (lambda x: np.multiply(x, 2j), [X], ["multiply"]),
    "dtype": (lambda x: np.add(x, x, dtype=np.float64), [F], ["add"]),
    "casting": (lambda x: np.add(x, x, casting="no"), [F], ["add"]),
    "dtype and casting": (lambda x: np.add(x, 1.5, dtype=np.float32, casting="same_kind"), [X], ["add"]),
    "two results": (lambda x: np.modf(x)[1], [X], ["modf"]),
    "maximum": (np.maximum, [X, Y], ["maximum"]),
    "minimum with a number": (lambda x: np.minimum(x, 0.0), [F], ["minimum"]),
    "clip": (lambda x: np.clip(x, -0.5, 0.5), [F], [CLIP.__name__]),
    "clip with one bound": (lambda x: np.clip(x, None, 0.5), [F], ["_store"]),
    "reduce": (lambda x: np.add.reduce(x, axis=1), [F], ["add.reduce"]),
    "reduce of all": (lambda x: np.multiply.reduce(x, axis=None, keepdims=True), [Y], ["multiply.reduce"]),
    "reduce with where": (lambda x, m: np.add.reduce(x, axis=0, where=m, initial=2.0), [X, MASK], ["add.reduce"]),
    "reduce in another dtype": (lambda x: np.add.reduce(x, axis=0, dtype=np.float64), [F], ["add.reduce"]),
    "accumulate": (lambda x: np.add.accumulate(x, axis=1), [Y], ["add.accumulate"]),
    "outer": (lambda x, y: np.multiply.outer(x[0], y), [X, Y], ["multiply"]),
    "outer maximum": (lambda x, y: np.maximum.outer(x[0], y), [X, Y], ["maximum"]),
    "sum": (lambda x: np.sum(x, axis=0, keepdims=True), [F], ["add.reduce"]),
    "sum of integers": (lambda x: np.sum(x, axis=0), [I.astype(np.int8)], ["add.reduce"]),
    "prod": (lambda x: np.prod(x), [Y], ["multiply.reduce"]),
    "max": (lambda x: np.max(x, axis=(0, 1)), [Y], ["maximum.reduce"]),
    "min": (lambda x: np.min(x, -1, keepdims=True), [X], ["minimum.reduce"]),
    "any": (lambda x: np.any(x > 1, axis=1), [X], ["greater", "logical_or.reduce"]),
    "all of numbers": (lambda x: np.all(x, axis=0), [X], ["logical_and.reduce"]),
    "mean": (lambda x: np.mean(x, axis=0), [F], ["add.reduce", "divide"]),
    "mean of all": (lambda x: np.mean(x), [Y], ["add.reduce", "divide", "array.__setitem__"]),
    "mean in another dtype": (lambda x: np.mean(x, axis=0, dtype=np.float64), [F], ["_store"]),
    "mean of integers": (lambda x: np.mean(x, axis=1), [I], ["_store"]),
    "argmax": (lambda x: np.argmax(x, axis=1), [Y], ["array.argmax"]),
    "dot": (lambda x, y: np.dot(x, y.T), [X, Y], ["array.dot"]),
    "dot by name": (lambda x, y: np.dot(a=x, b=y.T), [X, Y], ["array.dot"]),
    "dot of vectors": (lambda x, y: np.dot(x[0], y[0]), [Y, Y], ["array.dot"]),
    "dot of two dtypes": (lambda x, y: np.dot(x, y.T), [F, Y], ["array.dot"]),
    "matmul": (lambda x, y: np.matmul(x, y.T), [X, Y], ["matmul"]),
    "where": (lambda m, x, y: np.where(m, x, y), [MASK, X, Y], ["array.__setitem__", "putmask"]),
    "where with numbers": (lambda m, x: np.where(m, 0.0, x), [MASK, X], ["array.__setitem__", "putmask"]),
    "where that broadcasts": (lambda m, x, y: np.where(m, x, y), [MASK, X, Y[:1]], ["array.fill", "putmask"]),
    "where of numbers as a mask": (lambda m, x, y: np.where(m, x, y), [I, X, Y], ["_store"]),
    "where of two dtypes": (lambda m, x, y: np.where(m, x, y), [MASK, F, Y], ["_store"]),
    "take": (lambda x, i: np.take(x, i, axis=1), [X, I[0] % 6], ["_store"]),
    "take with wrap": (lambda x, i: np.take(x, i, axis=1, mode="wrap"), [X, I[0]], ["array.take"]),
    "index arrays": (lambda x, i: x[[0, 1, 2], i[:3] % 4], [X, I[0]], ["remainder", "_store"]),
    "stack": (lambda x, y: np.stack([x, y], axis=1), [X, Y], ["array.__setitem__"] * 2),
    "stack of short rows": (lambda x, y: np.stack((x[0, :1], y[0, :1])), [X, Y], ["array.__setitem__"] * 2),
    "stack of many": (lambda x: np.stack([x] * 9, axis=-1), [X], ["stack"]),
    "concatenate": (lambda x, y: np.concatenate([x, y, x], axis=1), [X, F], ["array.__setitem__"] * 3),
    "concatenate all": (lambda x, y: np.concatenate((x, y.T), axis=None), [X, Y], ["array.__setitem__"] * 2),
    "concatenate many": (lambda x: np.concatenate([x] * 9), [X], ["concatenate"]),
    "concatenate and cast": (lambda x: np.concatenate([x], dtype="f", casting="same_kind"), [Y], ["array.__setitem__"]),
    "cumsum": (lambda x: np.cumsum(x, axis=0), [Y], ["cumsum"]),
    "einsum": (lambda x, y: np.einsum("ij,kj->ik", x, y), [Y, Y], ["einsum"]),
    "sort": (lambda x: np.sort(x, axis=0), [Y], ["_store"]),
    "several results": (lambda x: np.linalg.slogdet(x[:, :4])[1], [Y], ["_store_each"]),
    "cast": (lambda x: x.astype(np.float32), [Y], ["array.__setitem__"]),
}


@pytest.mark.parametrize("case", CASES)
@np.errstate(all="ignore")
def test_cheapest_call(case):
    function, args, names = CASES[case]
    program = program_of(function, *args)
    assert [name(f) for f, _ in bound_calls(program)] == names
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (result,), _ = outcome(program, *args)
    expected = function(*args)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)
    if np.issubdtype(result.dtype, np.floating):
        np.testing.assert_array_equal(np.signbit(result), np.signbit(expected))


def test_numbers_are_arrays_of_the_dtype_that_the_loop_computes_in():
    ((_, (_, number, out)),) = bound_calls(program_of(lambda x: np.add(x, 0.1), F))
    assert (number.shape, number.dtype, out.dtype) == ((), np.float32, np.float32)
    ((_, (_, number, _)),) = bound_calls(program_of(lambda x: np.add(x, np.float64(0.1)), F))
    assert number.dtype == np.float64


def test_keywords_that_change_nothing_are_dropped():
    ((f, _),) = bound_calls(program_of(lambda x: np.add(x, x, dtype=np.float32, casting="same_kind"), F))
    assert f is np.add
    ((f, _),) = bound_calls(program_of(lambda x: np.add(x, x, dtype=np.float64), F))
    assert f.keywords == {"dtype": np.float64}


def test_a_ufunc_in_place_sees_one_array_object():
    program = program_of(lambda x: np.exp(np.negative(x)), X)
    (_, (a, b)), (_, (c, d)) = bound_calls(program)
    assert a is not b
    assert c is d


def test_a_single_number_is_not_changed_in_place():
    """The ufunc would take three times as long."""
    total = np.zeros(())

    def step(x):
        state = lifted(total)
        np.add(state, x, out=state)
        return state * 1.0

    program = program_of(step, np.array(2.0))
    (_, (_, _, out)), (put, _), *_ = bound_calls(program)
    assert put.__self__ is total
    assert not np.may_share_memory(out, total)
    (result,), held = outcome(program, np.array(2.0), runs=3)
    assert result == held[id(total)] == 6


def test_a_single_number_is_kept_where_it_is_not_to_change():
    total = np.ones(1)

    def step(m):
        state = lifted(total)
        np.add(state, 5.0, out=state, where=m)
        return state * 1.0

    program = program_of(step, np.array([True]))
    (result,), _ = outcome(program, np.array([False]), runs=1)
    assert result == 1


def test_a_part_chosen_by_where_is_updated():
    target = np.zeros((4, 6))

    def step(m, x):
        state = lifted(target)
        np.add(state, x, out=state, where=m)
        np.copyto(state, x, where=~m)
        return state.copy()

    program = program_of(step, MASK, X)
    (result,), _ = outcome(program, MASK, X, runs=1)
    np.testing.assert_array_equal(result, X)
    assert [name(f) for f, _ in bound_calls(program)][:3] == ["add", "invert", "putmask"]


def test_a_function_with_where_and_out():
    target = np.zeros(4)

    def step(m, x):
        state = lifted(target)
        np.var(x, axis=1, out=state, where=m)
        return state * 1

    program = program_of(step, MASK, Y)
    (result,), _ = outcome(program, MASK, Y)
    np.testing.assert_array_equal(result, np.var(Y, axis=1, where=MASK))


def test_a_number_seen_as_many_is_one_number():
    ((_, (x, _, _)),) = bound_calls(program_of(lambda x, b: np.add(np.broadcast_to(b, x.shape), x), X, Y[0, 0]))
    assert x.shape == ()


def test_where_over_an_operand():
    """The result may lie where an operand does, which the memory plan does not do, but a person may."""
    x, y = X.copy(), Y.copy()
    call = Call(np.where, (MASK, x, y), {}, (x,))
    expected = np.where(MASK, x, y)
    for function, args in bound(call, lambda view: view):
        function(*args)
    np.testing.assert_array_equal(expected, x)


@pytest.mark.parametrize(
    ("source", "shape", "function"),
    [
        (X[0], (9, 6), "array.fill"),
        (X[:, None], (4, 9, 6), "array.take"),
        (X, (9, 4, 6), "array.fill"),
        (np.broadcast_to(X[:, None], (4, 9, 6)), (4, 9, 6), "array.take"),
        (X[None, :, None], (5, 4, 9, 6), "array.take"),
        (X[0], (3, 6), "array.fill"),
        (X[:1], (9, 1, 6), "array.fill"),
        (X[0, :1], (9, 1), "array.fill"),
        (X[None], (7, 4, 6), "array.fill"),
        (X[0], (2000, 6), "array.take"),
        (X[:, None], (4, 2, 6), "array.__setitem__"),
        (X[:, :1], (4, 9), "array.__setitem__"),
        (X, (4, 6), "array.__setitem__"),
        (X.T[:, None], (6, 9, 4), "array.__setitem__"),
        (F[0], (9, 6), "array.__setitem__"),
        (np.array(2.0), (9, 6), "array.__setitem__"),
        (3, (9, 6), "array.__setitem__"),
    ],
)
def test_broadcasting_copies(source, shape, function):
    out = np.empty(shape)
    ((f, args),) = bound(Call(copy_to, (source,), {}, (out,)), lambda view: view)
    assert name(f) == function
    assert function != "array.take" or args[0].flags.c_contiguous
    f(*args)
    np.testing.assert_array_equal(out, np.broadcast_to(source, shape))


def test_a_row_is_copied_as_it_is_at_the_time():
    row, out = np.arange(6.0), np.empty((9, 6))
    ((f, args),) = bound(Call(copy_to, (row,), {}, (out,)), lambda view: view)
    for value in (np.nan, -0.0, 3.0):
        row[1] = value
        f(*args)
        assert out.tobytes() == np.tile(row, (9, 1)).tobytes()


def test_a_shape_that_depends_on_values_is_an_error():
    @tn.primitive
    def positive(x, most):
        return np.array([v for v in x.tolist() if v < most] if float(x[0]) > 0 else [0.0, 0.0])

    step = tn.compile(lambda x: positive(x, 10))
    for _ in range(3):
        step(np.array([1.0, 2.0, 3.0]))
    with pytest.raises(RecordingError, match="positive gave shape"):
        step(np.array([-1.0, 2.0, 3.0]))


# Checks --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("good", [[0.0, 1.0, 0.5], [1e-40, 1.0, -0.0], [np.nan, 0.0, 1.0]])
def test_probabilities_pass(good, dtype):
    p = np.array(good, dtype)
    program = program_of(lambda p: probabilities(p, "p") * 1, p)
    assert name(bound_calls(program)[0][0]) == "_check"
    (result,), _ = outcome(program, p)
    np.testing.assert_array_equal(result, p)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("bad", [0, 1.001, -1e-6, -np.inf, np.inf, 2.0, -1.0])
def test_probabilities_raise_in_a_replay(bad, dtype):
    program = program_of(lambda p: probabilities(p, "p") * 1, np.zeros((2, 3), dtype))
    p = np.zeros((2, 3), dtype)
    p[1, 2] = bad or np.nextafter(p.dtype.type(1), p.dtype.type(2))
    with pytest.raises(ValueError, match=r"between 0 and 1, but at position \(1, 2\)"):
        outcome(program, p)


def of_labels(mean):
    return lambda labels: shares_of_labels(class_labels(labels, 3, -100, "loss"), 3, np.dtype(np.float32), mean)


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("labels", [[0, 1, 2, 2], [2, -100, 0, -100], [-100] * 4, [1, 1, 1, 1]])
def test_labels_also_others_than_were_recorded(labels, mean):
    labels = np.array(labels)
    program = program_of(of_labels(mean), np.array([0, 1, 2, -100]))
    assert "_check_and_take" in [name(f) for f, _ in bound_calls(program)]
    (result,), _ = outcome(program, labels)
    np.testing.assert_array_equal(result, of_labels(mean)(labels))


def test_an_ignored_label_that_is_also_a_class():
    def step(labels):
        return class_labels(labels, 3, 1, "loss")

    program = program_of(step, np.array([0, 1, 2]))
    (result,), _ = outcome(program, np.array([1, 1, 2]))
    np.testing.assert_array_equal(result, [-1, -1, 2])


@pytest.mark.parametrize("wrong", [3, -1, 10**12, -(10**12)])
def test_wrong_labels_raise_in_a_replay(wrong):
    program = program_of(of_labels(True), np.array([0, 1, 2]))
    with pytest.raises(IndexError, match=f"label {wrong} at position"):
        outcome(program, np.array([0, wrong, 2]))


def test_a_label_to_ignore_where_none_was_recorded():
    program = program_of(of_labels(True), np.array([0, 1, 2]))
    labels = np.array([0, -100, 2])
    (result,), _ = outcome(program, labels)
    np.testing.assert_array_equal(result, of_labels(True)(labels))


# At random -----------------------------------------------------------------------------------------------------------

UFUNCS = [np.add, np.multiply, np.maximum, np.minimum, np.divide, np.power, np.less, np.logical_and, np.copysign]
DTYPES = [np.float64, np.float32, np.float16, np.int64, np.int8, np.bool_]


@given(
    st.sampled_from(UFUNCS),
    st.sampled_from(DTYPES),
    st.sampled_from(DTYPES),
    st.sampled_from([(), (1,), (3,), (1, 3), (2, 1), (2, 3)]),
    st.lists(st.sampled_from(SPECIAL), min_size=12, max_size=12),
    st.sampled_from([None, 2, 0.5, True, np.float64(0.1), np.float32(3), np.int8(3)]),
)
@np.errstate(all="ignore")
def test_ufuncs_of_all_kinds(ufunc, dtype, other, shape, values, number):
    """The replay has the dtype, the bits and the sign of zero that NumPy's own call has."""
    x = np.array(values[:6]).reshape(2, 3)
    y = np.resize(values[6:], shape)
    x, y = (np.nan_to_num(a, posinf=9, neginf=-9).clip(-9, 9).astype(t) if np.dtype(t).kind in "ib" else a.astype(t)
            for a, t in ((x, dtype), (y, other)))  # fmt: skip

    def step(x, y):
        return ufunc(x, y if number is None else number), ufunc(y, x)

    try:
        expected = step(x, y)
    except (ValueError, TypeError):
        return
    results, _ = outcome(program_of(step, x, y), x, y)
    for result, truth in zip(results, expected, strict=True):
        assert result.dtype == truth.dtype
        np.testing.assert_array_equal(result, truth)
        if result.dtype.kind == "f":
            there = ~np.isnan(truth)
            np.testing.assert_array_equal(np.signbit(result)[there], np.signbit(truth)[there])


def test_a_replay_warns_of_nothing_that_the_step_does_not_warn_of():
    program = program_of(lambda x: np.maximum(np.minimum(x, 1.0), x * x), Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same_outcome(program, program, Y)


# In place where a keyword says so -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"copy": False}, {"copy": False, "nan": 7.0}, {"nan": 7.0}, {"copy": True}])
def test_numbers_in_place_of_nan(how):
    def step(x):
        y = x * 2
        z = np.nan_to_num(y, **how)
        return y + 1, z

    compiled, x = tn.compile(step), np.array([1.0, np.nan, np.inf])
    for _ in range(3):
        compiled(np.ones(3))
    for result, expected in zip(compiled(x), step(x), strict=True):
        np.testing.assert_array_equal(result, expected)


def test_numbers_in_place_of_nan_in_a_state():
    state = tn.Tensor(np.ones(3))

    def step(x):
        with tn.no_grad():
            data = lifted(state.data)
            data *= x
            np.nan_to_num(data, False, 5.0)

    compiled = tn.compile(step)
    for _ in range(3):
        compiled(np.ones(3))
    compiled(np.array([1.0, np.nan, 2.0]))
    np.testing.assert_array_equal(state.data, [1.0, 5.0, 2.0])


MIDDLES = {
    np.median: (), np.nanmedian: (), np.percentile: (30,), np.nanpercentile: (30,), np.quantile: (0.3,),
    np.nanquantile: ([0.3, 0.5],),
}  # fmt: skip


@pytest.mark.parametrize("function", MIDDLES)
@pytest.mark.parametrize("by_name", [False, True])
def test_an_operand_that_may_be_overwritten_is_not(function, by_name):
    where = () if by_name else (None, None, True)
    named = {"overwrite_input": True} if by_name else {}

    def step(x):
        y, z = x * 2, x * 2
        return function(y, *MIDDLES[function], *where, **named), y, z

    compiled, x = tn.compile(step), np.array([5.0, 1.0, 4.0, 2.0, 3.0])
    for _ in range(3):
        compiled(np.arange(5.0))
    middle, y, z = compiled(x)
    np.testing.assert_array_equal(middle, function(x * 2, *MIDDLES[function]))
    np.testing.assert_array_equal(y, x * 2)
    np.testing.assert_array_equal(z, x * 2)


# Error states ---------------------------------------------------------------------------------------------------------


def test_calls_under_an_error_state_that_changes_around_them():
    zero, calls = np.zeros(2), []
    call = Call(np.divide, (zero, zero), {}, (zero.copy(),), errors=(("over", "ignore"),))
    ((function, (change, inner)),) = [(f, args) for f, args in bound(call, lambda x: x)]
    inner.append((lambda: calls.append(np.geterr()), ()))
    for state in ({"all": "ignore"}, {"all": "ignore", "under": "raise"}, {"all": "ignore"}):
        for _ in range(2):
            with np.errstate(**state):
                before = np.geterr()
                function(change, inner)
                assert calls.pop() == {**before, "over": "ignore"}
                assert np.geterr() == before
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        function(change, inner)
    assert np.geterr()["over"] == "warn"


def test_a_number_in_a_column_is_read_as_it_is_at_the_time():
    step = tn.compile(lambda x: np.where(x > 0, x, offset))
    offset = tn.Tensor(np.array(0.5))
    x = np.linspace(-1, 1, 16)[:, None]
    for value in (0.5, 0.5, 3.0, 4.0):
        offset.data[...] = value
        assert np.array_equal(step(x).data, np.where(x > 0, x, value))
    assert step.recordings == 2


@pytest.mark.parametrize("bounds", [(-1, 2), (0, 300), (np.uint8(1), 2)])
def test_clip_takes_integers_that_the_dtype_cannot_hold(bounds):
    x = np.array([0, 3, 255], np.uint8)
    try:
        expected = np.clip(x, *bounds)
    except OverflowError:
        pytest.skip("nor does this NumPy's own clip")
    step = tn.compile(lambda x: np.clip(x, *bounds))
    for _ in range(3):
        assert np.array_equal(step(x), expected)
