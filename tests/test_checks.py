"""`check_rule` and `assert_gradients`: right operations pass every check, and each kind of fault fails the check it should."""

import numpy as np
import pytest
from hypothesis import strategies as st

import tinynet as tn
from tinynet.rules import COMPOSED, TABLE
from tinynet.rules.table import POSITIVE
from tinynet.testing import GradcheckError, assert_gradients, check_rule
from tinynet.testing.rulechecks import CHECKS, Falsified, on_every
from tinynet.testing.strategies import arrays


@pytest.fixture
def operation():
    """Makes a primitive with the given rules; its row leaves the table after the test."""
    made = []

    def make(forward, *vjps, **columns):
        fun = tn.primitive(forward)
        made.append(fun)
        return fun.defvjp(*vjps, **columns)

    yield make
    for fun in made:
        del TABLE[fun]


def message(fun, **options):
    with pytest.raises(GradcheckError) as caught:
        check_rule(fun, max_examples=20, **options)
    return str(caught.value)


def cube(x):
    return x**3


def mean_of_rows(x, scale=1.0):
    return np.mean(x, axis=1) * scale


def distance(x, y):
    return np.abs(x - y)


def right(g, out, x):
    return 3 * g * x**2


ROWS = st.tuples(st.tuples(arrays((2, 3))), st.sampled_from([{}, {"scale": 2.0}]))


# Right operations ----------------------------------------------------------------------------------------------------


def test_every_check_of_an_elementwise_operation(operation):
    report = check_rule(operation(cube, right), reference=lambda x: x * x * x, max_examples=10)
    assert report.operation == "cube"
    assert list(report.checks) == list(CHECKS)
    left_out = {name: verdict for name, verdict in report.checks.items() if verdict != "ok"}
    assert left_out == {"broadcasting": "n/a: it has one operand", "conventions": "n/a: no convention is stated"}
    assert report.examples > 30
    assert str(report).startswith(f"cube: {report.examples} calls\n  value                   ok\n")


def test_several_operands_kinks_and_conventions(operation):
    fun = operation(
        distance,
        lambda g, out, x, y: g * np.sign(x - y),
        lambda g, out, x, y: -g * np.sign(x - y),
        kinks=lambda x, y: x - y,
        at={(1.0, 1.0): (0.0, 0.0)},
    )
    report = check_rule(fun, max_examples=10)
    assert set(report.checks.values()) == {"ok", "n/a: no reference is given"}


def test_calls_of_ones_own(operation):
    fun = operation(mean_of_rows, lambda g, out, x, scale=1.0: (scale / x.shape[1]) * g[:, None] * np.ones_like(x))
    report = check_rule(fun, calls=ROWS, max_examples=10)
    assert report.checks["empty arrays"] == "n/a: not elementwise"
    assert report.checks["sensitivity"] == "ok"


def test_several_results(operation):
    fun = operation(lambda x: (np.sin(x), np.cos(x)), lambda g, out, x: g[0] * out[1] - g[1] * out[0])
    calls = arrays((3,)).map(lambda x: ((x,), {}))
    assert check_rule(fun, calls=calls, max_examples=10).checks["third derivative"] == "ok"


def test_functions_of_numpy_are_checked_likewise():
    assert check_rule(np.logaddexp, max_examples=5).checks["broadcasting"] == "ok"
    composed = check_rule(next(iter(COMPOSED)), max_examples=5)
    assert composed.checks["sensitivity"] == "n/a: composed of other operations"


def test_only_some_checks():
    report = check_rule(np.sin, max_examples=5, only=["value", "float32"])
    assert report.checks == {"value": "ok", "float32": "ok"}


def test_the_same_calls_are_drawn_each_time(operation):
    fun = operation(cube, right)
    seen = [[], []]
    for calls in seen:
        check_rule(fun, reference=lambda x: calls.append(repr(x)) or x**3, max_examples=10, only=["reference"])  # noqa: B023
    assert seen[0] == seen[1]
    assert len(set(seen[0])) > 5


# Faults --------------------------------------------------------------------------------------------------------------

FAULTS = {
    "gradient": (lambda x: x**3, lambda g, out, x: 3.01 * g * x**2, {}),
    "second derivative": (lambda x: x**3, lambda g, out, x: 3 * g * (x.detach() if isinstance(x, tn.Tensor) else x) ** 2, {}),
    "float32": (lambda x: np.sin(x), lambda g, out, x: g * np.cos(x) * np.float64(1), {}),
    "conventions": (lambda x: np.abs(x), lambda g, out, x: g * np.sign(x), {"kinks": lambda x: x, "at": {(0.0,): (1.0,)}}),
    "empty arrays": (lambda x: x * (np.max(x) > -10), lambda g, out, x: g, {}),
}


@pytest.mark.parametrize(("check", "fault"), FAULTS.items(), ids=FAULTS.keys())
def test_a_fault_fails_its_check(operation, check, fault):
    forward, vjp, columns = fault
    text = message(operation(forward, vjp, **columns))
    assert text.partition("\n")[0].endswith(f": {check}")


def test_the_smallest_call_is_told(operation):
    fun = operation(cube, lambda g, out, x: np.where(x > 1, 4, 3) * g * x**2)
    text = message(fun)
    assert text.startswith("cube: gradient\n  the gradient of input 0 is wrong at index ")
    assert "the rule of cube for operand 0 is wrong on its own" in text
    call = text.rpartition("the smallest call found: ")[2]
    namespace = {"np": np, "cube": lambda x: x}
    assert 1 < np.max(eval(call, namespace)) <= 2
    assert np.size(eval(call, namespace)) == 1


def test_a_value_that_differs_from_the_reference(operation):
    text = message(operation(cube, right), reference=lambda x: np.abs(x) ** 3)
    assert text.startswith("cube: reference\n")
    assert "the smallest call found: cube(np.array(-" in text


def test_a_rule_that_writes_to_its_operands(operation):
    def vjp(g, out, x):
        x *= 1.0
        return 3 * g * x**2

    assert "writes to an array it was given" in message(operation(cube, vjp))


def test_an_error_of_the_operation_comes_with_the_call(operation):
    def picky(x):
        if np.size(x) and np.max(x) > 2:
            raise RuntimeError("too large")
        return x**3

    text = message(operation(picky, right, domain=POSITIVE))
    assert "RuntimeError: too large" in text
    assert "the smallest call found: picky(np.array(" in text


def test_calls_that_do_not_tell_a_wrong_rule(operation):
    fun = operation(lambda x, y: x * y, lambda g, out, x, y: g * y, lambda g, out, x, y: g * x)
    blind = arrays((2,)).map(lambda x: ((x, 2.0), {}))
    text = message(fun, calls=blind)
    assert ": sensitivity\n  the calls do not tell a wrong rule for operand 1" in text


def test_an_operation_without_a_rule_or_calls(operation):
    with pytest.raises(LookupError, match="check_rule: cube has no gradient rule; give it one with"):
        check_rule(tn.primitive(cube))
    fun = operation(mean_of_rows, lambda g, out, x, scale=1.0: g[:, None] * np.ones_like(x))
    with pytest.raises(LookupError, match="mean_of_rows is not elementwise and has no case"):
        check_rule(fun)


def test_wrong_arguments():
    with pytest.raises(TypeError, match="calls must be a strategy of pairs"):
        check_rule(np.sin, calls=[((1.0,), {})])
    with pytest.raises(TypeError, match=r"a call of np.sin is a pair"):
        check_rule(np.sin, calls=arrays((3,)))
    with pytest.raises(ValueError, match="only='value'; it is a sequence of names of checks, out of value, reference"):
        check_rule(np.sin, only="value")
    assert "the call has no floating array" in message(np.sin, calls=st.just(((0.5,), {})))


def test_a_result_that_is_a_python_number(operation):
    total = operation(lambda x: float(np.sum(x * x)), lambda g, out, x: 2 * g * x)
    assert check_rule(total, calls=st.tuples(st.tuples(arrays((3,))), st.just({})), max_examples=3)


# assert_gradients ----------------------------------------------------------------------------------------------------


def test_right_gradients():
    assert_gradients(lambda x, w, b: np.tanh(x @ w + b), (4, 3), arrays((3, 2)), np.ones(2), order=2, max_examples=10)
    assert_gradients(np.exp, (), max_examples=10, modes=("vjp", "jvp"))
    assert_gradients(np.sin, tn.tensor([1.0, 2.0]), max_examples=2)


def test_wrong_gradients_come_with_the_smallest_inputs(operation):
    fun = operation(cube, lambda g, out, x: g * np.where(x > 0.5, 3.1, 3) * x**2)
    with pytest.raises(GradcheckError) as caught:
        assert_gradients(lambda x, y: fun(x) + y, (2,), (1,), order=2, max_examples=50)
    text, _, code = str(caught.value).partition("the smallest inputs found:\n")
    assert "the rule of cube for operand 0 is wrong on its own" in text
    assert code.startswith("import numpy as np\nimport tinynet as tn\ntn.testing.gradcheck(f, [np.array([")
    assert code.endswith(", order=2)")
    with pytest.raises(GradcheckError, match="the rule of cube"):
        exec(code, {"f": lambda x, y: fun(x) + y})


def test_inputs_are_asked_for():
    with pytest.raises(TypeError, match="give a shape, a strategy or an array for each argument"):
        assert_gradients(np.sin)


def test_other_errors_come_through():
    with pytest.raises(GradcheckError, match="the smallest inputs found") as caught:
        assert_gradients(lambda x: x @ x, (2, 3), max_examples=5)
    assert isinstance(caught.value.__cause__, ValueError)


# The search ----------------------------------------------------------------------------------------------------------


def test_on_every_counts_and_finds_the_smallest():
    seen = []
    assert on_every(seen.append, st.integers(), 30) == len(seen) == 30

    def small(n):
        assert n < 17

    with pytest.raises(Falsified) as caught:
        on_every(small, st.integers(), 100)
    assert caught.value.value == 17
