"""The checker itself: wrong rules of every kind are rejected, with a message that points at the fault; right ones pass."""

import re

import numpy as np
import pytest

import tinynet as tn
from tinynet.rules import TABLE
from tinynet.tensor import node_of
from tinynet.testing import GradcheckError, InconclusiveError, gradcheck

X = np.array([[0.5, -1.25, 2.0], [1.5, 0.75, -0.5]])


@pytest.fixture
def operation():
    """Makes a primitive with the given rules; its row leaves the table after the test."""
    made = []

    def make(forward, *vjps, **columns):
        fun = tn.primitive(forward)
        fun.defvjp(*vjps, **columns)
        made.append(fun)
        return fun

    yield make
    for fun in made:
        del TABLE[fun]


def message(f, inputs, **options):
    with pytest.raises(GradcheckError) as caught:
        gradcheck(f, inputs, **options)
    return str(caught.value)


# Messages ------------------------------------------------------------------------------------------------------------


def cube(x):
    return x**3


def scaled(x, y):
    return x * y


def bend(x):
    return np.sqrt(x**2 + 1e-14)


def test_the_worst_element_is_named_with_both_values_and_the_cause(operation):
    spikes = np.array([[1.01, 1.0, 1.0], [1.0, 1.0, 6.0]])
    fun = operation(cube, lambda g, out, x: 3 * g * x**2 * spikes)
    text = message(lambda x: np.sin(fun(x * 1.0)), X)
    assert text.startswith("the gradient of input 0 is wrong at index (1, 2), at 2 of 6 elements in all\n")
    assert re.search(r"analytic \S+, numeric \S+ ± \S+: difference \S+, tolerance \S+\n", text)
    assert text.endswith("the rule of cube for operand 0 is wrong on its own: at 2 of its 6 elements, first at index (0, 0)")


def test_the_wrong_operand_is_named(operation):
    fun = operation(scaled, lambda g, out, x, y: g * y, lambda g, out, x, y: g * y)
    text = message(lambda a, b, c: a + fun(b, c), [X, X + 1, X - 2])
    assert text.startswith("the gradient of input 2 is wrong")
    assert text.endswith("the rule of scaled for operand 1 is wrong on its own: it is that of operand 0")


@pytest.mark.parametrize("victim", ["g", "out", "x"])
def test_a_rule_that_writes_to_its_arguments_is_rejected_wherever_it_stands(operation, victim):
    def vjp(g, out, x):
        d = 3 * g * x**2
        changed = {"g": g, "out": out, "x": x}[victim]
        changed *= 1.0
        return d

    fun = operation(cube, vjp)
    assert "the gradient rule of cube for operand 0 writes to an array it was given" in message(fun, X)
    assert "the gradient rule of cube for operand 0 writes to an array" in message(lambda x: np.exp(fun(np.sin(x))), X)


def test_rounding_is_not_taken_for_a_rule_that_is_not_linear(operation):
    assert gradcheck(operation(cube, lambda g, out, x: (3 * g * x**2 + 3e9 * g) - 3e9 * g), X)


def test_derivatives_of_a_derivative_are_named(operation):
    def cut(x):
        return x.detach() if isinstance(x, tn.Tensor) else x

    fun = operation(cube, lambda g, out, x: 3 * g * cut(x) ** 2)
    assert gradcheck(fun, X)
    assert message(fun, X, order=2).startswith("the gradient of the gradient of input 0 is wrong")
    nonlinear = operation(cube, lambda g, out, x: 3 * cut(g) * x**2)
    assert "of the cotangent of output 0 is wrong" in message(nonlinear, X, order=2)


# The report ----------------------------------------------------------------------------------------------------------


def test_the_report_is_true_and_tells_the_worst_element():
    report = gradcheck(lambda x: np.exp(x) * x, X)
    assert report
    assert report.elements == 6
    assert report.kinks == ()
    worst = report.worst
    assert worst.name == "input 0"
    assert worst.difference <= worst.tolerance
    assert 0 < worst.error < 1e-8
    assert worst.analytic == pytest.approx(worst.numeric, rel=1e-6)
    assert repr(report).startswith("gradcheck: 6 derivatives are right\n  the worst, input 0 at index")


def test_the_report_counts_every_order_and_mode():
    assert gradcheck(np.sin, X, order=2).elements == 6 + 12
    assert gradcheck(np.sin, X, modes=("jvp",)).elements == 2 * 6
    assert gradcheck(np.sin, X, order=2, modes=("vjp", "jvp")).elements == 6 + 2 * 6 + 12 + 2 * 6
    assert gradcheck(np.sin, np.empty(0)).worst is None


def test_a_long_report_is_cut_short():
    report = gradcheck(np.abs, np.zeros(10))
    assert len(report.kinks) == 10
    assert repr(report).endswith("and 7 more")


# Kinks ---------------------------------------------------------------------------------------------------------------


def kinks(f, inputs, **options):
    return [(kink.name, kink.index, kink.operation) for kink in gradcheck(f, inputs, **options).kinks]


def test_a_value_between_the_slopes_of_a_kink_is_accepted_and_reported():
    assert kinks(np.abs, np.array([1.0, 0.0, -2.0])) == [("input 0", (1,), "np.absolute")]
    assert kinks(tn.relu, np.array([[1.0, 0.0]])) == [("input 0", (0, 1), "tn.relu")]
    assert kinks(np.max, np.array([1.0, 3.0, 3.0])) == [("input 0", (1,), "np.max"), ("input 0", (2,), "np.max")]
    ties = kinks(np.maximum, [np.array([1.0, 2.0]), np.array([1.0, 0.0])])
    assert ties == [("input 0", (0,), "np.maximum"), ("input 1", (0,), "np.maximum")]
    assert len(kinks(np.clip, [np.array([0.0, 1.0, 0.5]), np.array(0.0), np.array(1.0)])) == 4
    (kink,) = gradcheck(lambda x: 3 * np.abs(x), 0.0).kinks
    assert -kink.left == kink.right
    assert abs(kink.right) == pytest.approx(3 * abs(gradcheck(np.abs, 0.0).kinks[0].right))


def test_a_tie_of_three_between_which_the_cotangent_changes():
    assert len(kinks(np.sort, np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 2.0]]))) == 5
    assert len(kinks(np.sort, np.zeros(3), modes=("jvp",))) > 1
    assert len(kinks(np.median, np.zeros(3))) == 3


CONVENTIONS = [(fun, operands) for fun, row in TABLE.items() for operands in row.at]
EDGES = {((0.0, 0.0), "log_loss"), ((1.0, 1.0), "log_loss"), (((0.0,), 5.0), "rank")}  # of a domain
JUMPS = "jumps there, or has a vertical tangent|is not finite|f is not finite close by"


@pytest.mark.parametrize(("fun", "operands"), CONVENTIONS, ids=lambda x: getattr(x, "__name__", str(x)))
def test_a_convention_lies_between_the_slopes_or_there_are_none(fun, operands):
    if (operands, fun.__name__) in EDGES:
        pytest.skip("one side alone has a slope, and the convention is zero, or the other side an error")
    inputs = [i for i, x in enumerate(operands) if TABLE[fun].vjps[i] is not None]

    def f(*xs):
        given = dict(zip(inputs, xs, strict=True))
        results = fun(*(given.get(i, x) for i, x in enumerate(operands)))
        return tuple(y for y in (results if isinstance(results, tuple) else (results,)) if y.dtype == float)

    with np.errstate(all="ignore"):
        try:
            assert gradcheck(f, [np.array(operands[i], float) for i in inputs])
        except InconclusiveError as error:
            assert re.search(JUMPS, str(error))


def test_many_kinks_that_do_not_meet():
    assert len(kinks(tn.relu, np.zeros((3, 4)), order=2, modes=("vjp", "jvp"))) == 12
    assert len(kinks(lambda x: np.clip(x, 0.0, 1.0), np.tile([0.0, 1.0], 10))) == 20


def test_the_second_derivative_at_a_kink_is_not_asked_for():
    report = gradcheck(tn.relu, np.array([1.0, 0.0]), order=2)
    assert report.elements == 2 + 3
    assert kinks(lambda x: x * np.abs(x), np.array([1.0, 0.0]), order=2)[0][:2] == ("input 0", (1,))


@pytest.mark.parametrize("distance", [1e-3, 1e-5, 1e-7, 1e-9, 1e-12])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_kink_nearby_is_no_hindrance(distance, sign):
    x = np.array([1.0, sign * distance, -3.0])
    report = gradcheck(lambda x: np.abs(x * 2), x, modes=("vjp", "jvp"))
    assert report.kinks == ()
    report = gradcheck(lambda x, y: np.exp(np.maximum(x, y)), [np.ones(2), 1 + x[1] * np.ones(2)])
    assert bool(report.kinks) == (distance < 1e-9)  # as near as that it cannot be told from a tie


@pytest.mark.parametrize("distance", [1e-5, 1e-7, 5e-9])
def test_a_value_between_the_slopes_is_wrong_beside_a_kink(operation, distance):
    fun = operation(np.fabs, lambda g, out, x: g * np.where(np.abs(x) < 0.1, 0.0, np.sign(x)))
    assert "is wrong at index (0,)" in message(lambda x: fun(x - 1), np.array([1 + distance, 3.0]))
    assert gradcheck(lambda x: fun(x - 1), np.array([1.0, 3.0])).kinks


def test_a_bend_is_no_kink(operation):
    fun = operation(bend, lambda g, out, x: g * x / out)
    assert gradcheck(fun, np.array([0.0, 1e-7, 1.0])).kinks == ()
    wrong = operation(bend, lambda g, out, x: g * (x + 5e-8) / out)
    with pytest.raises(GradcheckError):
        gradcheck(wrong, np.array(0.0))


def test_a_kink_elsewhere_is_not_blamed(operation):
    fun = operation(cube, lambda g, out, x: g * x**2)
    text = message(lambda x: fun(x) + np.abs(np.zeros(3)) + np.abs(x), np.array([1.0, 2.0, 3.0]))
    assert "the rule of cube for operand 0 is wrong on its own" in text


def test_points_without_a_slope_are_inconclusive():
    for f, x in ((np.floor, 2.0), (np.sign, 0.0), (np.sqrt, 0.0), (np.cbrt, 0.0)):
        with pytest.raises(InconclusiveError, match=r"cannot be checked at index .*: f jumps there, or has a vertical tangent"):
            gradcheck(f, np.array([1.5, x]))
    with pytest.raises(InconclusiveError, match=r"np\.sign has a kink or jump close by"):
        gradcheck(np.sign, np.array([1.5, 0.0]))


def test_a_point_where_f_is_not_finite_is_inconclusive():
    with np.errstate(all="ignore"):
        for f, x in ((np.log, -1.0), (np.exp, 1e3), (lambda x: x / x, 0.0)):
            with pytest.raises(InconclusiveError, match=r"where it is not finite: output 0 is \w+ at index \(1,\)"):
                gradcheck(f, np.array([0.5, x]))


def test_kinks_that_cancel_are_named():
    text = message(lambda x: tn.relu(x) - tn.relu(-x), np.array([1.0, 0.0]))
    assert "tn.relu has a kink there, which in f is cancelled by another" in text


# Exactness -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [1e-3, 1e-6, 1e-9, 1e-12, 1e-100])
def test_the_edge_of_a_domain_nearby_is_no_hindrance(x):
    assert gradcheck(np.log, np.array([1.0, x]))
    assert gradcheck(np.sqrt, np.array([x]))


def test_strong_curvature_is_extrapolated_away():
    assert gradcheck(lambda x: np.sin(1e3 * x), np.array([0.1, 0.7]))
    assert gradcheck(lambda x: np.exp(30 * x), np.array([0.5, 1.0]))
    assert gradcheck(np.exp, X, eps=0.1)


def test_a_small_part_of_a_large_number():
    assert gradcheck(lambda x: 1e10 + np.sin(x), np.array([0.3, 0.4]))  # by the complex step

    def real(x):
        return np.float64(1e10) + np.sin(x) * (1.0 if isinstance(x, tn.Tensor) else float("nan"))

    with pytest.raises(InconclusiveError, match="finite differences are too inexact there"):
        gradcheck(real, np.array([0.3, 0.4]))


def test_the_complex_step_is_not_believed_where_code_is_not_analytic(operation):
    fun = operation(cube, lambda g, out, x: 3.1 * g * x**2)

    def f(x):
        return 1e10 + fun(x) if isinstance(x, tn.Tensor) else 1e10 + np.real(x) ** 3 + 3.1j * np.imag(x) * np.real(x) ** 2

    with pytest.raises(GradcheckError):
        gradcheck(f, np.array([1.5, 2.0]))


@pytest.mark.parametrize("seed", [7, 10, 13])
def test_kinks_close_by_on_both_sides_that_central_quotients_do_not_see(seed):
    x = np.random.default_rng(seed).normal(size=1500)
    assert gradcheck(np.sort, x, modes=("jvp",), rng=seed)


def test_among_kinks_closer_than_the_smallest_step_it_cannot_be_told():
    x = np.array([-5.472232948296175e-09, -2.4332361511601533e-09, 6.090923961728935e-09])
    with pytest.raises(InconclusiveError, match="finite differences are too inexact"):
        gradcheck(np.median, x, modes=("jvp",), rng=32)


# Float32 -------------------------------------------------------------------------------------------------------------


def test_float32_is_checked_in_float32_too(operation):
    single = X.astype(np.float32)
    seen = []

    def vjp(g, out, x):
        seen.append(x.dtype)
        return 3 * g * x**2

    fun = operation(cube, vjp)
    assert gradcheck(fun, single, order=2)
    assert {np.dtype(np.float32), np.dtype(np.float64)} <= set(seen)
    seen.clear()
    assert gradcheck(fun, X)
    assert set(seen) == {np.dtype(np.float64)}
    assert gradcheck(lambda x, y: x * y, [single, X])  # mixed: float64 results of a float32 operand
    assert gradcheck(lambda x, y: np.exp(x) * y, [single, X])  # the gradient of y has float32's precision
    assert gradcheck(lambda x: 2.0 * x + 2.0**x, single)


def test_cancellation_in_float32_is_found():
    text = message(lambda x: np.log(1 + np.exp(x) - 1), np.array([-15.0, 1.0], np.float32))
    assert "loses precision in float32, at index (0,)" in text


# Large inputs --------------------------------------------------------------------------------------------------------


def counting(f):
    def counted(*xs):
        counted.calls += 1
        return f(*xs)

    counted.calls = 0
    return counted


def test_large_inputs_are_checked_along_directions():
    f = counting(lambda x: np.tanh(x) * np.sum(x**2))
    report = gradcheck(f, np.linspace(-1, 1, 20_000))
    assert report.elements == 20_000
    assert "along a random direction" in str(report)
    assert f.calls < 50
    small = np.linspace(-1, 1, 50)
    slow, quick = counting(np.sin), counting(np.sin)
    gradcheck(slow, small)
    gradcheck(quick, small, fast=True, order=2)
    assert quick.calls < 60 < slow.calls


def test_a_kink_along_a_direction_is_not_hidden_by_the_slope_to_one_side(operation):
    fun = operation(np.max, lambda g, out, x: g * np.zeros_like(x))
    assert "is wrong at a tie" in message(fun, np.array([1.0, 1.0, 0.0]), fast=True)
    jump = operation(lambda x: np.where(x > 0, 1.0, 0.0) + x, lambda g, out, x: g)
    with pytest.raises(InconclusiveError, match="jumps"):
        gradcheck(jump, np.array([0.0, 1.0]), fast=True)


@pytest.mark.parametrize("options", [{"eps": 0.0}, {"eps": np.nan}, {"eps": 1e-18}, {"atol": -1.0}, {"rtol": np.nan}])
def test_steps_and_tolerances_out_of_range(options):
    with pytest.raises(ValueError, match=f"gradcheck: .*{next(iter(options))}="):
        gradcheck(np.sin, X, **options)


@pytest.mark.parametrize("wrong", [1.001, -1.0, 0.0, np.nan])
def test_one_wrong_element_of_many_is_found_and_named(operation, wrong):
    fun = operation(cube, lambda g, out, x: 3 * g * x**2 * np.where(np.arange(x.size) == 4321, wrong, 1.0))
    text = message(fun, np.linspace(1, 2, 10_000))
    assert text.startswith("the gradient of input 0 is wrong at index (4321,)\n")
    assert "for operand 0 is wrong on its own" in text


def test_kinks_of_a_large_input():
    x = np.linspace(-1, 1, 5000)
    x[1234] = 0.0
    assert kinks(tn.relu, x) == [("input 0", (1234,), "tn.relu")]
    assert len(kinks(tn.relu, np.zeros(1200))) == 1200


# Forward mode --------------------------------------------------------------------------------------------------------


def test_forward_mode():
    assert gradcheck(lambda x, w: (np.tanh(x @ w), np.sum(x)), [X, X.T], order=2, modes=("jvp",))
    assert gradcheck(lambda x: 3.0, X, modes=("jvp",))
    assert gradcheck(lambda x, y: np.sin(y), [X, X], modes=("vjp", "jvp"), order=2)


def test_a_wrong_rule_is_wrong_in_forward_mode(operation):
    fun = operation(scaled, lambda g, out, x, y: g * y, lambda g, out, x, y: -g * x)
    text = message(lambda x, y: np.sin(fun(x, y)), [X, X + 1], modes=("jvp",))
    assert text.startswith("the directional derivative of output 0 by jvp is wrong at index (")
    assert text.endswith("the rule of scaled for operand 1 is wrong on its own: its sign is wrong")


# Functions -----------------------------------------------------------------------------------------------------------


def test_a_cut_graph_is_named():
    assert "no gradient reaches this input: the graph is cut" in message(lambda x: np.exp(x.data), X)
    assert "no gradient reaches this input: the graph is cut" in message(lambda x: np.exp(x.detach()) * tn.tensor(1.0, True), X)
    assert "a part of f is not recorded" in message(lambda x: x * x.data, X)


def test_an_input_without_influence_has_gradient_zero():
    assert gradcheck(lambda x, y: np.sin(x), [X, X], order=2)
    assert gradcheck(lambda x: tn.tensor([1.0, 2.0]), X, order=2)
    assert gradcheck(lambda x: 3.0, X)
    assert gradcheck(np.floor, X + 0.1, order=2)


def test_several_outputs():
    assert gradcheck(lambda x, y: (x * y, np.sum(np.exp(x)), y), [X, X + 1], order=2)
    assert gradcheck(lambda x: [x, x], X)  # an input itself, twice
    text = message(lambda x, y: (x + y, x * y.data), [X, X + 1])
    assert text.startswith("the gradient of input 1")


def test_third_order():
    assert gradcheck(lambda x: np.tanh(x) * x, np.array([0.3, -0.7]), order=3, atol=1e-5)


def test_a_random_function_is_rejected():
    rng = np.random.default_rng(0)
    assert "f is not deterministic: a second call" in message(lambda x: x * (rng.random(X.shape) > 0.5), X)


def test_a_function_that_writes_to_its_input_is_rejected(operation):
    def doubling(x):
        x *= 2
        return x

    def through_data(x):
        x.data[0] = 1.0
        return x * 2

    x = X.copy()
    fun = operation(doubling, lambda g, out, x: 2 * g)
    assert "writes to its input" in message(fun, x)
    assert "writes to its input" in message(through_data, x)
    np.testing.assert_array_equal(x, X)


def test_inputs_of_every_kind():
    assert gradcheck(np.sin, 0.5)
    assert gradcheck(np.sin, tn.tensor([0.5]))
    assert gradcheck(np.multiply, (tn.tensor([0.5], requires_grad=True), np.float64(2.0)))
    assert gradcheck(np.sin, np.empty((0, 3)))
    with pytest.raises(TypeError, match="input 1 has dtype int64, which has no derivative; close over it"):
        gradcheck(lambda x, i: x[i], [X, np.array([0, 1])])
    with pytest.raises(TypeError, match=r"input 0 is complex; .* give its \.real and \.imag"):
        gradcheck(np.sin, np.array([1j]))
    with pytest.raises(TypeError, match="input 0 has dtype object"):
        gradcheck(np.sin, np.array([None, 1.0]))
    with pytest.raises(TypeError, match="input 0 is a MaskedArray"):
        gradcheck(np.sin, np.ma.masked_array([1.0, 2.0], [True, False]))
    with pytest.raises(ValueError, match="no inputs"):
        gradcheck(lambda: 1.0, [])
    with pytest.raises(ValueError, match="order=0 checks nothing"):
        gradcheck(np.sin, 0.5, order=0)
    for modes in ("vjp", (), ("vjp", "fwd")):
        with pytest.raises(ValueError, match=r'it takes "vjp", "jvp" or both'):
            gradcheck(np.sin, 0.5, modes=modes)


def test_outputs_of_other_dtypes_are_refused():
    with pytest.raises(TypeError, match="output 1 of f has dtype float32; finite differences need float64"):
        gradcheck(lambda x: (x, x.astype(np.float32)), X)
    with pytest.raises(TypeError, match="output 0 of f has dtype int64"):
        gradcheck(np.argmax, X)


def test_other_errors_of_f_come_through():
    with pytest.raises(ValueError, match=r"np\.matmul"):
        gradcheck(lambda x: x @ x, X)


def test_tolerances_and_step_are_what_was_asked(operation):
    near = operation(cube, lambda g, out, x: 3.003 * g * x**2)
    assert gradcheck(near, X, rtol=2e-3)
    assert gradcheck(near, X, rtol=0, atol=0.1)
    assert "tolerance 1e-09" in message(near, X, rtol=0, atol=1e-9)


def test_cotangents_are_random_and_reproducible(operation):
    seen = []

    def vjp(g, out, x):
        seen.append(np.array(g))
        return 3 * g * x**2

    fun = operation(cube, vjp)
    for rng in (0, 0, 1, np.random.default_rng(1)):
        gradcheck(fun, X, rng=rng)
    seen = seen[::3]  # each is followed by the two that linearity is checked with
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[2], seen[3])
    assert np.all(seen[0] != seen[2])
    assert len(np.unique(np.abs(seen[0]))) == X.size
    assert np.abs(seen[0]).min() >= 0.5


def test_closed_over_tensors_are_left_alone():
    weight = tn.tensor(np.ones((3, 2)), requires_grad=True)
    assert gradcheck(lambda x: x @ weight, X)
    assert weight.grad is None
    assert weight.data.flags.writeable


def test_what_f_closes_over_keeps_its_rules():
    w = tn.tensor([1.0, 2.0], requires_grad=True)
    h = np.exp(w)
    rule = node_of(h).rule
    assert gradcheck(lambda x: x * h, np.array([3.0, 4.0]))
    assert node_of(h).rule is rule
    h.backward([1.0, 10.0])
    np.testing.assert_allclose(w.grad, np.exp([1.0, 2.0]) * [1.0, 10.0])
