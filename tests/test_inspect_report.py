"""What is found out about a function of one number, against what is known of it."""

import math

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn
from tinynet.errors import ShapeError
from tinynet.inspect import report

INF = math.inf


def test_swish_has_its_minimum_where_it_is_known_to_have_it():
    found = report(nn.Swish())
    ((x, y),) = found.minima
    w = 0.2784645427610738  # W(1/e): the slope is 0 where 1 + exp(-x) (1 + x) = 0, at x = -(1 + w), and the value there is -w
    assert abs(w * math.exp(w) - 1 / math.e) < 1e-15
    assert abs(x + 1 + w) < 1e-10 and abs(y + w) < 1e-10
    np.testing.assert_allclose(found.slope_zeros, [x], atol=1e-10)
    assert found.maxima == found.kinks == found.flat == found.jumps == [] and found.monotone == "no"
    np.testing.assert_allclose(found.range, (-w, 6 / (1 + math.exp(-6))), rtol=1e-12)
    upside_down = report(lambda x: -tn.silu(x))
    assert upside_down.minima == [] and upside_down.maxima == [(x, -y)] and upside_down.range == (-found.range[1], -y)


def test_grid_and_derivatives():
    found = report(np.sin, -2.0, 3.0, 501)
    np.testing.assert_array_equal(found.x, np.linspace(-2, 3, 501))
    np.testing.assert_allclose(found.f, np.sin(found.x), atol=1e-15)
    np.testing.assert_allclose(found.slope, np.cos(found.x), atol=1e-15)
    np.testing.assert_allclose(found.curvature, -np.sin(found.x), atol=1e-15)


MONOTONE = {
    "increasing": [np.tanh, tn.sigmoid, nn.Softplus(), nn.LeakyReLU(), nn.ELU(), np.exp, lambda x: x**3],
    "decreasing": [lambda x: -np.tanh(x), np.negative],
    "non-decreasing": [tn.relu, nn.Hardtanh(), np.sign],
    "non-increasing": [lambda x: tn.relu(-x)],
    "constant": [lambda x: 0.0 * x],
    "no": [nn.Swish(), nn.GELU(), nn.Mish(), np.sin, np.square, np.abs, nn.Hardswish()],
}


@pytest.mark.parametrize("word", MONOTONE)
def test_monotone(word):
    assert [report(f).monotone for f in MONOTONE[word]] == [word] * len(MONOTONE[word])


@pytest.mark.parametrize("f, limits", [
    (tn.sigmoid, (0, 1)), (np.tanh, (-1, 1)), (nn.Swish(), (0, INF)), (tn.relu, (0, INF)), (nn.ELU(), (-1, INF)),
    (np.sin, (None, None)), (np.square, (INF, INF)), (nn.Softsign(), (-1, 1)), (np.exp, (0, INF)), (nn.GELU(), (0, INF)),
    (lambda x: x * np.sin(x), (None, None)), (lambda x: np.log(1 + x * x), (INF, INF)), (nn.Hardtanh(), (-1, 1)),
    (lambda x: -x, (INF, -INF)), (np.arctan, (-math.pi / 2, math.pi / 2)), (lambda x: np.sin(x) / (1 + x * x), (0, 0)),
    (lambda x: x**3, (-INF, INF)), (nn.LogSigmoid(), (-INF, 0)), (lambda x: 1 / np.log(3 + x * x), (None, None)),
    (lambda x: x - 10 * np.floor(x / 10), (None, None)), (lambda x: np.exp(x) * np.sin(x), (0, None)),
])  # fmt: skip
def test_limits(f, limits):
    for found, known in zip(report(f).limits, limits, strict=True):
        assert found == known if known is None or math.isinf(known) else abs(found - known) < 1e-8


def test_fixed_points():
    (sigmoid,) = report(tn.sigmoid).fixed_points
    assert abs(sigmoid.x - 1 / (1 + math.exp(-sigmoid.x))) < 1e-14 and sigmoid.kind == "attracting"
    assert abs(sigmoid.x - 0.659046068407) < 1e-10 and abs(sigmoid.slope - sigmoid.x * (1 - sigmoid.x)) < 1e-12
    for f in (np.tanh, np.sin):
        assert report(f).fixed_points == [(0.0, 1.0, "neutral")]
    zero, one = report(np.square).fixed_points
    assert (zero.x, zero.kind, one.kind) == (0, "attracting", "repelling") and abs(one.x - 1) < 1e-12
    assert report(np.negative).fixed_points == [(0, -1, "neutral")]
    assert report(nn.Softplus()).fixed_points == report(nn.Softplus()).fixed_intervals == []
    (touching,) = report(lambda x: x * x + 0.25).fixed_points  # f(x) - x does not change its sign
    assert abs(touching.x - 0.5) < 1e-7 and touching.kind == "neutral"
    cos = report(np.cos).fixed_points[0]
    assert abs(cos.x - 0.7390851332151607) < 1e-12 and cos.kind == "attracting"
    assert [point.kind for point in report(lambda x: 3 * np.sin(x)).fixed_points] == ["repelling"] * 3
    off_grid = report(lambda x: x + np.sin(x - 0.12345) * 0.5, -1.0, 2.0)
    assert [round(point.x, 10) for point in off_grid.fixed_points] == [0.12345]


@pytest.mark.parametrize("f, interval", [
    (tn.relu, (0, 6)), (nn.Hardtanh(), (-1, 1)), (nn.LeakyReLU(), (0, 6)), (np.abs, (0, 6)), (nn.Identity(), (-6, 6)),
    (nn.Hardtanh(-0.12345, 1.54321), (-0.12345, 1.54321)), (lambda x: x / 3 * 3, (-6, 6)),
])  # fmt: skip
def test_intervals_of_fixed_points(f, interval):
    found = report(f)
    np.testing.assert_allclose(found.fixed_intervals, [interval], atol=1e-14)
    assert found.fixed_points == []


@pytest.mark.parametrize("f, idempotent", [
    (tn.relu, True), (nn.Hardtanh(), True), (nn.ReLU6(), True), (np.abs, True), (nn.Identity(), True), (np.sign, True),
    (np.tanh, False), (tn.sigmoid, False), (nn.LeakyReLU(), False), (nn.Swish(), False), (np.sin, False),
    (nn.Hardtanh(1, 2), True),
])  # fmt: skip
def test_idempotent(f, idempotent):
    found = report(f)
    assert found.idempotent is idempotent
    assert (found.change_on_repeat == 0) is idempotent
    assert found.change_on_repeat == np.abs(np.asarray(f(f(found.x))) - f(found.x)).max()


def test_what_repeats_but_for_rounding_is_idempotent():
    found = report(lambda x: np.exp(np.log(np.abs(x) + 1)) - 1)
    assert found.idempotent and 0 < found.change_on_repeat < 1e-14


def test_what_cannot_be_repeated_is_not_idempotent():
    found = report(np.log, 0.1, 5.0)
    assert found.change_on_repeat == INF and not found.idempotent


@pytest.mark.parametrize("f, symmetry", [
    (np.tanh, "odd"), (np.sin, "odd"), (np.abs, "even"), (np.square, "even"), (tn.relu, "none"), (tn.sigmoid, "none"),
    (lambda x: 0 * x, "odd and even"), (np.cos, "even"), (nn.Softsign(), "odd"),
])  # fmt: skip
def test_symmetry(f, symmetry):
    assert report(f).symmetry == symmetry == report(f, -1.0, 5.0).symmetry


def test_symmetry_is_looked_for_as_far_as_the_interval_reaches():
    assert report(nn.Hardtanh(-2, 3), -1.0, 2.0).symmetry == "odd"
    assert report(nn.Hardtanh(-2, 3), -1.0, 5.0).symmetry == report(nn.Hardtanh(-2, 3), -5.0, 1.0).symmetry == "none"


@pytest.mark.parametrize("f, kinks, flat", [
    (tn.relu, [0], [(-6, 0)]), (np.abs, [0], []), (nn.Hardtanh(-0.123, 1.789), [-0.123, 1.789], [(-6, -0.123), (1.789, 6)]),
    (nn.LeakyReLU(), [0], []), (nn.ELU(), [], []), (np.tanh, [], []), (nn.Hardswish(), [-3, 3], [(-6, -3)]),
    (nn.ELU(0.5), [0], []), (nn.SELU(), [0], []), (nn.APL(1), [0], [(-6, 0)]), (nn.Sin(30), [], []),
])  # fmt: skip
def test_kinks_and_flat_stretches(f, kinks, flat):
    found = report(f)
    np.testing.assert_allclose(found.kinks, kinks, atol=1e-12)
    np.testing.assert_allclose(np.reshape(found.flat, (-1, 2)), np.reshape(flat, (-1, 2)), atol=1e-12)


def test_a_kink_at_0_is_at_0():
    assert report(tn.relu).kinks == report(tn.relu, -1.0, 2.0).kinks == [0]
    assert "range         0 to 6\n" in repr(report(lambda x: np.maximum(x, 1e-17)))


def test_a_minimum_in_a_kink_is_no_zero_of_the_slope():
    found = report(lambda x: np.abs(x - 0.3141))
    np.testing.assert_allclose(found.minima, [(0.3141, 0)], atol=1e-14)
    assert found.slope_zeros == []


def test_zeros_of_the_slope_without_a_change_of_its_sign():
    assert abs(report(lambda x: (x - 0.777) ** 3).slope_zeros[0] - 0.777) < 1e-6
    assert report(lambda x: (x - 0.777) ** 3).minima == []
    assert report(lambda x: (x - 0.777) ** 3 + 1e-8 * x).slope_zeros == []


@pytest.mark.parametrize("f, known", [
    (tn.sigmoid, 0.25), (np.tanh, 1), (np.abs, 1), (nn.Swish(), 1.0998393194498), (nn.Hardswish(), 1.5), (nn.Sin(30), 30),
    (np.sign, INF), (np.cbrt, INF), (lambda x: np.sqrt(np.abs(x)), math.nan),
])  # fmt: skip
def test_lipschitz(f, known):
    np.testing.assert_allclose(report(f).lipschitz, known, rtol=1e-9)


def test_jumps():
    found = report(lambda x: np.sign(x - 0.123) + x)
    np.testing.assert_allclose(found.jumps, [0.123], atol=1e-12)
    assert found.lipschitz == INF and "jumps         0.123" in repr(found)


def test_what_a_function_comes_to_beside_a_jump_is_in_its_range():
    found = report(lambda x: x - np.floor(x))
    np.testing.assert_allclose([found.range, *found.fixed_intervals], [(0, 1), (0, 1)], atol=1e-14)
    assert found.fixed_points == []
    np.testing.assert_allclose(report(lambda x: np.where(x < 0.1234, -x, 5 - x), 0.0, 0.5).range, (-0.1234, 4.8766), atol=1e-14)


def test_a_steep_stretch_between_grid_points_is_no_jump():
    found = report(lambda x: np.tanh(1e5 * (x - 0.00012345)))
    assert found.jumps == found.kinks == [] and 2 / 0.003 * 0.99 < found.lipschitz < 1e5


def test_the_value_in_a_jump_is_in_the_range():
    assert report(lambda x: np.heaviside(x - 0.0625, 5.0)).range == (0, 5)


def test_a_jump_from_almost_zero_is_no_zero():
    assert report(lambda x: 2 * x + (x >= 0), -1.0, 2.0).fixed_points == []
    assert report(lambda x: 2 * x - (x <= 0), -1.0, 2.0).fixed_points == []


@pytest.mark.parametrize("f, poles", [
    (np.tan, [-1.5 * math.pi, -math.pi / 2, math.pi / 2, 1.5 * math.pi]), (lambda x: 1 / (x - 0.00012345), [0.00012345]),
    (lambda x: 1 / (0.00012345 - x), [0.00012345]),
])  # fmt: skip
def test_poles_between_grid_points(f, poles):
    found = report(f)
    np.testing.assert_allclose(found.jumps, poles, atol=1e-14)
    assert found.range[0] < -1e15 and found.range[1] > 1e15 and found.lipschitz == INF
    assert all(np.abs(np.subtract(point.x, poles)).min() > 0.1 for point in found.fixed_points)


@pytest.mark.parametrize("f, points", [
    (np.floor, range(-6, 7)), (np.ceil, range(-6, 7)), (np.round, range(-6, 7)), (np.sign, (-1, 0, 1)),
])  # fmt: skip
def test_fixed_points_in_jumps(f, points):
    found = report(f)
    np.testing.assert_allclose([point.x for point in found.fixed_points], points, rtol=1e-14)
    assert found.idempotent
    assert f is np.round or [point.kind for point in found.fixed_points if abs(point.x) < 0.5] == ["neutral"]


def test_zeros_where_a_function_is_steep():
    points = [(round(point.x, 14), point.kind) for point in report(np.cbrt).fixed_points]
    assert points == [(-1, "attracting"), (0, "repelling"), (1, "attracting")]
    assert [point.x for point in report(np.sqrt, 0.0, 4.0).fixed_points] == [0, 1]
    found = report(nn.Sin(1000))
    assert len(found.slope_zeros) == len(found.minima) + len(found.maxima) == 3820
    np.testing.assert_allclose(np.cos(1000 * np.array(found.slope_zeros)), 0, atol=1e-11)


def test_a_slope_that_is_nan_at_a_point_is_no_turn():
    found = report(lambda x: np.sqrt(np.abs(x)))
    assert found.minima == [(0, 0)] and found.maxima == []


def test_a_cusp_is_a_kink_and_its_slope_of_nan_repels_nothing():
    found = report(lambda x: np.sqrt(np.abs(x)))
    assert found.kinks == [0] and found.fixed_points[0].kind == "neutral" and np.isnan(found.fixed_points[0].slope)


def test_what_is_steep_between_grid_points_is_seen_where_it_is_a_fixed_point():
    found = report(lambda x: np.clip((x - 0.1001) * 1e4, 0, 1))
    assert [point.kind for point in found.fixed_points] == ["attracting", "repelling", "attracting"]
    assert found.lipschitz == found.fixed_points[1].slope == 1e4
    assert not found.idempotent and found.change_on_repeat > 1e-6


@pytest.mark.parametrize("scale", [1e-13, 1e7])
def test_jumps_and_kinks_are_the_same_at_any_scale(scale):
    np.testing.assert_allclose(report(lambda x: scale * np.sign(x - 0.123), points=401).jumps, [0.123], atol=1e-12)
    np.testing.assert_allclose(report(lambda x: scale * tn.relu(x - 0.123), points=401).kinks, [0.123], atol=1e-12)
    assert report(lambda x: scale * ((x - 0.777) ** 3 + 1e-8 * x), points=401).slope_zeros == []
    assert report(lambda x: scale * np.tanh(x), points=401).kinks == []


def test_a_fixed_point_in_a_small_jump_is_one():
    assert report(lambda x: 1e-7 * np.sign(x)).fixed_points == [(0, 0, "neutral")]
    assert report(lambda x: np.sin(x) ** 2 + np.cos(x) ** 2).kinks == []


def test_rounding_makes_no_slope():
    found = report(lambda x: np.sin(x) ** 2 + np.cos(x) ** 2)
    assert found.monotone == "constant" and np.ptp(found.f) > 0
    assert report(lambda x: 1 + 1e-15 * x, 0.0, 1.0, 3).monotone == "increasing"


def test_a_module_is_looked_at_as_it_is_used():
    model = nn.Sequential(nn.Dropout(0.5), nn.Tanh())
    assert report(model).symmetry == "odd" and model.training and tn.is_grad_enabled()


def test_long_lists_are_cut_in_the_text_only():
    found = report(nn.Sin(30))
    text = dict(line.strip().split("  ", 1) for line in repr(found).splitlines()[1:])
    assert len(found.minima) == 57 and "and 51 more" in text["minima"] and text["minima"].count("f(") == 6
    assert "limits        none found at -∞, none found at ∞" in repr(found)


@pytest.mark.parametrize("f, options, error, message", [
    (np.tanh, (1.0, 1.0), ValueError, "4001 points from 1.0 to 1.0; it takes an interval"),
    (np.tanh, (0.0, INF), ValueError, "it takes an interval"),
    (np.tanh, (0.0, 1.0, 2), ValueError, "2 points from"),
    (np.log, (), ValueError, r"np\.log is nan at -6; choose another interval"),
    (lambda x: 1 / x, (), ValueError, "is inf at 0"),
    (nn.Softmax(), (), ValueError, r"Softmax\(axis=-1\) gives for a number depends on the others"),
    (np.cumsum, (), ValueError, r"np\.cumsum gives for a number depends on the others"),
    (np.sort, (), ValueError, r"np\.sort gives for a number depends on the others"),
    (lambda x: x / np.max(np.abs(x)), (), ValueError, "gives for a number depends on the others"),
    (lambda x: x if x > 0 else 0 * x, (), ValueError, "must work on arrays and tensors.*: The truth value of an array"),
    (lambda x: 3.0, (), ShapeError, r"<lambda> gave shape \(\) for \(4001,\); it must work element by element"),
    (lambda x: np.where(x > 0, 1.0, 0.0), (), TypeError, "must work on arrays and tensors.*leave the graph.*constant result"),
    (nn.Linear(1, 1), (), ShapeError, r"Linear\(in_features=1.*must work on arrays and tensors"),
    (np.tanh, (1.0, 1 + 1e-15), ValueError, "no 4001 different numbers from 1.0 to"),
    (np.sum, (), ShapeError, r"np\.sum gave shape \(\) for \(4001,\); it must work element by element"),
    (math.tanh, (), TypeError, "must work on arrays and tensors"),
    (np.spacing, (), TypeError, r"np\.spacing must work on arrays and tensors"),
])  # fmt: skip
def test_bad_functions(f, options, error, message):
    with pytest.raises(error, match=f"report: .*{message}"):
        report(f, *options)
