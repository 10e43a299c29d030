"""The public strategies: what they draw is what they say, and what fails shrinks to something a person can read."""

import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import tinynet as tn
from tinynet.rules import TABLE
from tinynet.rules.table import POSITIVE, Interval
from tinynet.testing import GradcheckError, gradcheck, strategies
from tinynet.testing.strategies.code import literal


@given(st.data())
def test_arrays_stay_in_their_domain_and_away_from_kinks(data):
    domain = data.draw(st.sampled_from([POSITIVE, Interval(-1.0, 1.0), Interval(-np.inf, 4.0), Interval(-np.inf, np.inf)]))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    x = data.draw(strategies.arrays((2, 3), dtype, domain))
    assert (x.shape, x.dtype) == ((2, 3), dtype)
    assert np.all((x > domain.low) & (x < domain.high))
    y = data.draw(strategies.arrays(st.sampled_from([(), (3,)]), avoid=np.sin))
    assert np.all(np.abs(np.sin(y)) >= 0.1)


@given(strategies.broadcastable(3, np.float32, max_dims=2, min_side=0, max_side=2))
def test_broadcastable_arrays_broadcast(several):
    assert [x.dtype for x in several] == [np.float32] * 3
    assert np.broadcast_arrays(*several)[0].ndim <= 2
    assert all(n <= 2 for x in several for n in x.shape)


@given(strategies.broadcastable(2, avoid=np.subtract))
def test_broadcastable_arrays_avoid_together(pair):
    assert np.all(np.abs(np.subtract(*pair)) >= 0.1)


@given(strategies.tensors((2,), np.float32, POSITIVE))
def test_tensors_are_leaves(x):
    assert x.requires_grad
    assert x.is_leaf
    assert (x.shape, x.dtype) == ((2,), np.float32)
    assert np.all(x.data > 0)


def drawn(strategy, n=200):
    """Many values of a strategy."""
    found = []

    @settings(max_examples=n, phases=[Phase.generate])
    @given(strategy)
    def draw(value):
        found.append(value)

    draw()
    return found


def test_axes_have_every_form():
    found = drawn(strategies.axes((2, 3)))
    assert {None, 0, 1, -1, -2, ()} <= set(found)
    assert {(0, 1), (1, 0), (-1,), (0, -1)} & set(found)
    for axis in found:
        np.sum(np.ones((2, 3)), axis=axis)
    assert set(drawn(strategies.axes(()))) == {None, ()}


def test_indices_have_every_form():
    x = np.arange(6.0).reshape(2, 3)
    found = drawn(strategies.indices(x.shape), 400)
    for index in found:
        x[index]
    parts = [part for index in found for part in (index if isinstance(index, tuple) else (index,))]
    assert {type(None), type(Ellipsis), slice, int, list, np.ndarray} <= set(map(type, parts))
    assert any(isinstance(part, np.ndarray) and part.dtype == bool for part in parts)
    assert {np.zeros(())[index].size for index in drawn(strategies.indices(()))} == {0, 1}


# Operations ----------------------------------------------------------------------------------------------------------


def ran(code):
    """The names that pasted code leaves."""
    names = {}
    exec(code, names)
    return names


def same(x, y):
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(as_list(x), as_list(y), strict=True))


def as_list(result):
    return list(result) if isinstance(result, tuple | list) else [result]


@given(strategies.operations())
def test_an_operation_prints_as_code(operation):
    value = ran(f"import numpy as np, tinynet as tn\nvalue = {operation!r}")["value"]
    assert same(value, operation(*operation.inputs))


def test_operations_may_be_chosen():
    names = {operation.name for operation in drawn(strategies.operations(np.exp, np.matmul), 50)}
    assert names == {"np.exp", "np.matmul"}


def test_operations_take_calls_of_ones_own():
    calls = st.tuples(st.tuples(strategies.arrays((2,)), st.just(3)), st.just({"axis": 0}))
    operation = find(strategies.operations(np.repeat, calls=calls), lambda operation: True)
    assert repr(operation) == "np.repeat(np.array([0.0, 0.0]), 3, axis=0)"
    assert operation(np.array([1.0, 2.0])).tolist() == [1, 1, 1, 2, 2, 2]


def test_many_different_operations_are_drawn():
    names = {operation.name for operation in drawn(strategies.operations(), 1000)}
    assert len(names) > 100


def test_the_smallest_operation_is_simple():
    assert repr(find(strategies.operations(np.matmul), lambda operation: True)) == "np.matmul(np.array([0.0]), np.array([0.0]))"


@pytest.mark.parametrize(
    "x",
    [
        np.array([[0.1, -0.0], [1e-300, np.pi]]), np.array([np.nan, np.inf, -np.inf]), np.zeros((0, 3)), np.float32(0.1),
        np.array([0.1, 0.2], np.float32), np.array(3), np.array([True, False]), np.array([], dtype=bool), np.int16(3),
        np.arange(6.0).reshape(2, 3).T, [1, (2.5,), {"a": slice(None, 3)}], (..., None, slice(1, None, -1)), np.float64,
        np.dtype("f4"), float("nan"), -np.inf, "text", np.exp, tn.relu, tn.rules.shapes.pad_constant, range(3), True,
        tn.rules.convolutions.Sliding((1,), ((0, 0),), (1,), 1),
    ],
    ids=repr,
)  # fmt: skip
def test_a_literal_is_the_value(x):
    value = ran(f"import numpy as np, tinynet as tn\nx = {literal(x)}")["x"]
    if isinstance(x, np.ndarray | np.generic):
        np.testing.assert_array_equal(value, x, strict=True)
        assert value.tobytes() == x.tobytes()
        assert np.asarray(value).flags.f_contiguous == np.asarray(x).flags.f_contiguous
    else:
        assert value == x or (x != x and value != value)
    assert type(value) is type(x)


# Expressions ---------------------------------------------------------------------------------------------------------


@given(strategies.expressions())
def test_an_expression_prints_as_code_that_gives_its_value(f):
    names = ran(repr(f))
    value = f(*f.inputs)
    assert same(names["value"], value)
    assert same(f(*names["inputs"]), value)


@given(strategies.expressions(max_ops=4))
def test_gradients_of_expressions(f):
    assert gradcheck(f, f.inputs, rtol=1e-5, fast=True, modes=("vjp", "jvp"))


def test_expressions_use_results_again_and_several_inputs():
    found = drawn(strategies.expressions(max_ops=6), 300)
    assert max(len(f.steps) for f in found) >= 6
    assert max(len(f.inputs) for f in found) >= 3
    assert any(count > 1 for f in found for count in Counter(i for step in f.steps for i in step.refs()).values())
    assert len({name for f in found for name in f.operations}) > 80


def test_expressions_may_be_limited():
    for f in drawn(strategies.expressions(max_ops=1, functions=[np.sin, np.sum]), 30):
        assert f.operations in (["np.sin"], ["np.sum"])


def test_a_failing_expression_shrinks_to_the_operation_at_fault():
    drawn_from = strategies.expressions(functions=[np.sin, np.multiply, np.concatenate, np.cumsum, np.sum])
    f = find(drawn_from, lambda f: "np.cumsum" in f.operations and any(x.size > 1 for x in f.inputs))
    assert f.operations[-1] == "np.cumsum"
    assert len(f.operations) <= 6  # 1 or 2 by the newest hypothesis


def test_an_expression_is_cut_down_to_the_steps_that_fail():
    def fails(f):
        return "np.cumsum" in f.operations

    functions = [np.cumsum, np.sin, np.sum, np.reshape]
    found = drawn(strategies.expressions(functions=functions))
    long = next(f for f in found if fails(f) and len(f.steps) > 3 and f.operations[-1] != "np.cumsum")
    cut = long.smallest(fails)
    assert cut.operations == ["np.cumsum"]
    assert ran(repr(cut))["value"].shape == np.shape(cut(*cut.inputs))


def test_an_operation_that_does_not_take_tensors_is_shown_by_an_expression():
    @tn.primitive
    def broken(x):
        return np.exp(x)

    def vjp(g, out, x):
        raise RuntimeError("not written yet")

    broken.defvjp(vjp)
    try:
        f = find(strategies.expressions(functions=[np.sin, broken]), lambda f: "broken" in f.operations)
        with pytest.raises(GradcheckError, match=r"the gradient rule of broken.*not written yet"):
            gradcheck(f, f.inputs)
    finally:
        del TABLE[broken]


# The package ---------------------------------------------------------------------------------------------------------


def test_strategies_say_what_they_need(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "tinynet.testing.strategies")
    monkeypatch.delattr(tn.testing, "strategies")
    with pytest.raises(ImportError, match=r"strategies needs hypothesis: pip install"):
        tn.testing.strategies  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'strategy'"):
        tn.testing.strategy  # noqa: B018
