"""Every operation of the table is recorded, with its gradient: to the bit, or refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as tn
from tinynet.compiler.recording import record
from tinynet.compiler.variant import Variant
from tinynet.errors import RecordingError
from tinynet.rules import COMPOSED, TABLE, name_of
from tinynet.testing.strategies import cases
from tinynet.testing.strategies.operations import Operation
from tinynet.trees import leaves, mapped


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


def replayed_as_recorded(f):
    """The function, recorded once and replayed, without the passes."""
    variants = []

    def replayed(*inputs):
        if not variants:
            recording = record(f, inputs, {})
            variants.append(Variant(recording, None, recording.program))
        return variants[0].run(list(inputs))

    return replayed


def compare(operation, seed, compile, which, assert_equal):
    rng = np.random.default_rng(seed)
    for f in list(functions(operation, rng))[which]:
        compiled = compile(f)
        for _ in range(2):
            inputs = [other_values(x, rng) for x in operation.inputs]
            expected, found = f(*inputs), compiled(*inputs)
            for (_, a), (_, b) in zip(leaves({"": found}), leaves({"": expected}), strict=True):
                assert np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype
                assert_equal(np.asarray(a), np.asarray(b))


def check(name, data, *args):
    operation = Operation(OPERATIONS[name], *data.draw(cases(OPERATIONS[name])))
    with np.errstate(all="ignore"):
        if name in OF_CHANGING_SHAPE:
            with pytest.raises(RecordingError, match=r"test_recorded_operations\.py, line"):
                compare(operation, *args)
        else:
            compare(operation, *args)


@every_operation
@a_few
@given(data=st.data(), seed=st.integers(0, 99))
def test_an_operation_is_recorded_to_the_bit(name, data, seed):
    check(name, data, seed, replayed_as_recorded, slice(None), np.testing.assert_array_equal)


@every_operation
@a_few
@given(data=st.data(), seed=st.integers(0, 99))
def test_passes_change_no_more_than_the_rounding(name, data, seed):
    """In the gradient, with the operation that it is computed of; the operation alone is compiled below."""

    def assert_close(a, b):
        scale = np.max(np.abs(b[np.isfinite(b)]), initial=1.0) if b.dtype.kind == "f" else 0.0
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * scale)

    check(name, data, seed, tn.compile, slice(-1, None), assert_close)


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
            for _ in range(2):
                found = compiled(*arrays)
                for (_, a), (_, b) in zip(leaves({"": found}), leaves({"": expected}), strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.max(np.abs(b), initial=1.0))
        except RecordingError as error:
            assert "test_recorded_operations.py, line" in str(error)
