"""Moving, sorting, selecting, interpolating: degenerate cases, conventions and errors; what no tensor can be made of.

The generic tests of `test_rules` cover values and gradients of every function; here is what they keep away from.
"""

import datetime
import decimal
import operator

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import tinynet as tn
from tinynet.rules.signals import overlap_add
from tinynet.testing import gradcheck

ARRAY = np.array([[3.0, -1.0, 2.0], [0.5, 4.0, -2.0]])


def leaf(x=ARRAY):
    return tn.tensor(x, requires_grad=True)


def pulled(f, x, cotangent):
    """The gradient of f at x for a cotangent."""
    x = leaf(x)
    f(x).backward(cotangent)
    return x.grad


# Ties and knots ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("f", [np.sort, lambda x: np.partition(x, 1), lambda x: np.sort(x, kind="heapsort")])
def test_equal_elements_keep_their_order(f):
    assert pulled(f, [3.0, 1.0, 1.0, 2.0], [10.0, 20.0, 30.0, 40.0]).tolist() == [40.0, 10.0, 20.0, 30.0]


def test_nan_is_sorted_last_with_its_gradient():
    assert pulled(np.sort, [3.0, np.nan, 1.0, np.nan], [1.0, 2.0, 3.0, 4.0]).tolist() == [2.0, 3.0, 1.0, 4.0]


@pytest.mark.parametrize("kth", [0, 40, [3, 70], -1])
def test_partition_of_many(kth):
    x = np.random.default_rng(0).permutation(100) * 1.0
    g = np.random.default_rng(1).standard_normal(100)
    np.testing.assert_array_equal(
        pulled(lambda x: np.partition(x, kth), x, g)[np.argsort(x)], g[np.argsort(np.partition(x, kth))]
    )


@pytest.mark.parametrize("f", [np.sort, lambda x: np.sort(x, axis=None), lambda x: np.take(x, []), lambda x: np.delete(x, [])])
@pytest.mark.parametrize("shape", [(1,), (2, 1), (0,), (0, 3), (2, 0)])
def test_nothing_to_sort_or_take(f, shape):
    x = leaf(np.ones(shape))
    result = f(x)
    np.testing.assert_array_equal(result.data, f(x.data), strict=True)
    result.backward(np.ones(result.shape))
    np.testing.assert_array_equal(x.grad, np.full(shape, 0.0 if x.data.size > result.size else 1.0), strict=True)


def test_positions_may_be_tensors_and_booleans_are_read_as_numpy_does():
    x, at = np.array([1.0, 2.0, 3.0]), tn.tensor([0, 2])
    for f in (np.take, np.delete):
        assert np.array_equal(f(leaf(x), at).data, f(x, at.data)) and np.array_equal(f(x, at), f(x, at.data))
        for mask in ([True, False, False], np.array([False, True, True])):
            assert np.array_equal(f(leaf(x), mask).data, f(x, mask))
    assert np.array_equal(np.insert(leaf(x), at, 9.0).data, np.insert(x, [0, 2], 9.0))
    assert np.array_equal(np.repeat(leaf(x), tn.tensor([0, 1, 2])).data, [2.0, 3.0, 3.0])
    with pytest.raises(IndexError, match=r"np.take_along_axis: indices are integers, not bool"):
        np.take_along_axis(leaf(x), x > 1, 0)


XP, FP = np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, -2.0])


@pytest.mark.parametrize(("x", "slope"), [(0.0, 2), (0.5, 2), (1.0, -2), (2.0, -2), (3.0, -2), (-0.1, 0), (3.1, 0)], ids=str)
def test_the_slope_of_an_interpolation_is_that_to_the_right(x, slope):
    assert pulled(lambda x: np.interp(x, XP, FP), x, 1.0) == slope
    assert pulled(lambda x: np.interp(x, XP, FP, left=7.0, right=8.0), x, 1.0) == slope


def test_outside_an_interpolation_the_ends_get_the_gradient_unless_there_are_values():
    xs, (fp, left) = np.array([-1.0, 5.0, 6.0]), (leaf(FP), leaf(0.5))
    np.interp(xs, XP, fp).backward([1.0, 10.0, 100.0])
    assert fp.grad.tolist() == [1.0, 0.0, 110.0]
    fp.grad = None
    np.interp(xs, XP, fp, left=left).backward([1.0, 10.0, 100.0])
    assert (fp.grad.tolist(), left.grad.item()) == ([0.0, 0.0, 110.0], 1.0)


def test_an_interpolation_of_one_point_is_constant():
    gradcheck(lambda x, fp: np.interp(x, [1.0], fp), [np.array([0.0, 2.0]), np.array([3.0])], order=2)
    assert pulled(lambda x: np.interp(x, [1.0], [3.0]), 1.0, 1.0) == 0


def test_an_interpolation_that_jumps_has_no_slope_there():
    x, xp, fp = leaf([-1.0, 0.5, 1.0, 2.0, 3.0]), leaf([0.0, 1.0, 1.0, 2.0, 2.0]), leaf([1.0, 2.0, 4.0, 8.0, 9.0])
    y = np.interp(x, xp, fp)
    assert np.array_equal(y.data, np.interp(x.data, xp.data, fp.data))
    y.backward(np.ones(5))
    assert x.grad.tolist() == [0.0, 1.0, 4.0, 0.0, 0.0]
    assert xp.grad.tolist() == [-0.5, -0.5, -4.0, 0.0, 0.0]
    assert fp.grad.tolist() == [1.5, 0.5, 1.0, 0.0, 2.0]


def test_an_interpolation_of_unsorted_points_with_a_period():
    x, xp, fp = np.array([-3.7, 0.4, 9.1]), np.array([2.0, 0.9, -1.0, 6.5]), np.array([1.0, 5.0, -2.0, 3.0])
    assert np.array_equal(np.interp(leaf(x), xp, fp, period=-4.0).data, np.interp(x, xp, fp, period=-4.0))
    gradcheck(lambda *xs: np.interp(*xs, period=4.0), [x, xp, fp], order=2)


# Windows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "window", "axes"),
    [((7,), (6,), (0,)), ((5, 6), (2, 5), (1, 0)[::-1]), ((9,), (2, 3), (0, 0)), ((4, 3), (3,), (0,))],
)
def test_windows_add_up_where_they_overlap(shape, window, axes):
    positions = sliding_window_view(np.arange(np.prod(shape)).reshape(shape), window, axes)
    g = np.random.default_rng(0).standard_normal(positions.shape)
    expected = np.bincount(positions.ravel(), g.ravel(), np.prod(shape)).reshape(shape)
    np.testing.assert_allclose(overlap_add(g, shape, axes), expected, rtol=1e-14, atol=1e-14)


def test_a_moving_average_is_a_convolution():
    x, g = np.random.default_rng(0).standard_normal((2, 12))
    moving = pulled(lambda x: np.mean(sliding_window_view(x, 4), axis=-1), x, g[:9])
    np.testing.assert_allclose(moving, pulled(lambda x: np.convolve(x, np.full(4, 0.25), "valid"), x, g[:9]), rtol=1e-12)


def test_a_convolution_with_a_number():
    gradcheck(lambda a, v: np.convolve(a, v, "same"), [np.array(2.0), np.array([1.0, -3.0])], order=2)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 4), (5, 2), (2, 5), (4, 4), (3, 6), (6, 3)])
@pytest.mark.parametrize("f", [np.convolve, np.correlate])
def test_convolutions_of_all_lengths(f, n, m, mode):
    rng = np.random.default_rng(0)
    gradcheck(lambda a, v: f(a, v, mode), [rng.standard_normal(n), rng.standard_normal(m)], order=2)


# Choices -------------------------------------------------------------------------------------------------------------


def test_a_piece_sees_only_its_own_elements():
    x = np.array([-1.0, 0.0, 4.0])
    gradient = pulled(lambda x: np.piecewise(x, [x > 0], [np.log, lambda x: 3 * x]), x, np.ones(3))
    assert gradient.tolist() == [3.0, 3.0, 0.25]


def test_piecewise_with_one_condition_not_in_a_list_and_with_numbers():
    x = np.array([-1.0, 2.0])
    result = np.piecewise(leaf(x), x > 0, [5.0, np.negative])
    assert np.array_equal(result.data, np.piecewise(x, x > 0, [5.0, np.negative]))
    assert pulled(lambda x: np.piecewise(x, x > 9, [np.exp, 1.0]), x, np.ones(2)).tolist() == [0.0, 0.0]
    assert pulled(lambda x: np.piecewise(x, [x < 0, x >= 0], [1.0, np.square]), 3.0, 1.0) == 6.0


def test_weights_are_counted_and_counts_are_plain():
    assert pulled(lambda w: np.bincount([2, 0, 2], w), [5.0, 6.0, 7.0], [1.0, 10.0, 100.0]).tolist() == [100.0, 1.0, 100.0]
    counts = np.bincount(tn.tensor([2, 0, 2]))
    assert isinstance(counts, np.ndarray) and counts.tolist() == [1, 0, 2]
    assert np.bincount([1], leaf(np.ones(1, np.float32))).dtype == np.float64  # as NumPy has it


def test_zeros_are_trimmed():
    x = np.array([0.0, 0.0, 3.0, 0.0, 1.0, 0.0])
    for trim in ("f", "b", "fb", "B"):
        assert np.array_equal(np.trim_zeros(leaf(x), trim).data, np.trim_zeros(x, trim))
        assert np.trim_zeros(leaf(np.zeros(3)), trim).shape == (0,)
    assert pulled(np.trim_zeros, x, [1.0, 2.0, 3.0]).tolist() == [0.0, 0.0, 1.0, 2.0, 3.0, 0.0]
    assert pulled(lambda p: np.polymul(p, [2.0, 1.0]), x[1:3], [1.0, 10.0]).tolist() == [0.0, 12.0]
    assert np.array_equal(np.polymul(leaf(np.zeros(2)), [1.0, 2.0]).data, np.polymul(np.zeros(2), [1.0, 2.0]))


def test_points_of_a_polynomial_may_be_a_list():
    points, values = [0.0, 1.0, 3.0], np.array([1.0, -1.0, 2.0])
    assert np.array_equal(np.polyfit(points, leaf(values), 1).data, np.polyfit(points, values, 1))
    gradcheck(lambda y: np.polyval(np.polyfit(points, y, 2), points), values)  # which is y itself
    np.testing.assert_allclose(pulled(lambda y: np.polyval(np.polyfit(points, y, 2), points), values, values), values)


def test_full_like_is_numpys():
    like, value = np.zeros((2, 3), np.float32), leaf(2.5)
    filled = np.full_like(tn.tensor(like), value)
    assert filled.dtype == np.float32 and np.array_equal(filled.data, np.full_like(like, 2.5))
    filled.backward(np.full((2, 3), 2.0))
    assert value.grad == 12.0
    assert isinstance(np.full_like(tn.tensor(like), 2), np.ndarray)  # as zeros_like and ones_like
    assert np.full_like(tn.tensor([1, 2]), leaf(1.7)).data.tolist() == [1, 1]


@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_resizing_nothing_gives_zeros(shape):
    x = leaf(np.empty(shape))
    result = np.resize(x, (2, 2))
    assert np.array_equal(result.data, np.resize(x.data, (2, 2)))
    result.backward(np.ones((2, 2)))
    assert x.grad.shape == shape


# Methods -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("take", ([1, 0], 1)),
        ("take", ([5, -4], None)),
        ("take", ([5, -1], 0, None, "clip")),
        ("compress", ([True, False, True], 1)),
        ("cumsum", (0,)),
        ("cumprod", ()),
        ("diagonal", (1,)),
        ("transpose", (-1, 0)),
        ("trace", ()),
        ("conj", ()),
        ("conjugate", ()),
        ("argpartition", (1,)),
    ],
    ids=str,
)
def test_methods_are_those_of_arrays(name, args):
    result, expected = operator.methodcaller(name, *args)(leaf()), operator.methodcaller(name, *args)(ARRAY)
    assert np.array_equal(getattr(result, "data", result), expected)
    if isinstance(result, tn.Tensor):
        gradcheck(operator.methodcaller(name, *args), ARRAY)


@pytest.mark.parametrize("f", [lambda x: np.take(x, [0, -1], axis=-1), lambda x: np.compress([True], x, axis=0)])
def test_a_number_has_an_axis_to_take_from(f):
    assert np.array_equal(f(leaf(5.0)).data, f(np.array(5.0)))
    gradcheck(f, np.array(5.0))


def test_scattered_values_may_have_axes_of_length_1_in_front():
    gradcheck(lambda v: tn.scatter(v, (-1, slice(0, 2)), (2, 3)), np.array([[1.0, 2.0]]), order=2)


def test_the_axes_of_a_vector_may_be_a_number():
    gradcheck(lambda x: np.transpose(x, 0), np.array([1.0, 2.0]), order=2)
    gradcheck(lambda x: np.transpose(x, ()), np.array(1.0), order=2)


def test_choose_and_searchsorted_as_methods():
    assert tn.tensor([1, 0]).choose([leaf([1.0, 2.0]), leaf([3.0, 4.0])]).data.tolist() == [3.0, 2.0]
    assert leaf([1.0, 2.0, 4.0]).searchsorted([0.0, 3.0]).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("method", "function"),
    [
        (lambda x: x.sort(), np.sort),
        (lambda x: x.sort(0), lambda x: np.sort(x, 0)),
        (lambda x: x.partition(1), lambda x: np.partition(x, 1)),
    ],
    ids=["sort", "sort, axis", "partition"],
)
def test_sorting_methods_change_the_tensor_itself(method, function):
    def changed(x):
        y = 2 * x
        assert method(y) is None
        return y

    assert np.array_equal(changed(tn.tensor(ARRAY)).data, function(2 * ARRAY))
    gradcheck(changed, ARRAY, order=2)
    x = leaf()
    with pytest.raises(RuntimeError, match="on a leaf that requires a gradient"):
        method(x)
    assert np.array_equal(x.data, ARRAY)
    array = x.data
    with tn.no_grad():
        method(x)
    assert x.data is array and np.array_equal(array, function(ARRAY))


# Errors --------------------------------------------------------------------------------------------------------------

WRONG_AXIS = {
    "repeat": lambda x: np.repeat(x, 2, axis=5),
    "flip": lambda x: np.flip(x, 5),
    "rot90": lambda x: np.rot90(x, axes=(0, 5)),
    "rollaxis": lambda x: np.rollaxis(x, 5),
    "roll": lambda x: np.roll(x, 1, 5),
    "split": lambda x: np.split(x, 1, 5),
    "array_split": lambda x: np.array_split(x, 2, 5),
    "delete": lambda x: np.delete(x, 0, 5),
    "sort": lambda x: np.sort(x, 5),
    "insert": lambda x: np.insert(x, 0, 1.0, 5),
    "partition": lambda x: np.partition(x, 0, 5),
    "take": lambda x: np.take(x, 0, 5),
    "take_along_axis": lambda x: np.take_along_axis(x, np.zeros((1, 1), int), 5),
    "compress": lambda x: np.compress([True], x, 5),
    "apply_along_axis": lambda x: np.apply_along_axis(np.sum, 5, x),
    "apply_over_axes": lambda x: np.apply_over_axes(np.sum, x, 5),
    "fft.fftshift": lambda x: np.fft.fftshift(x, 5),
    "sliding_window_view": lambda x: sliding_window_view(x, 1, 5),
    "concatenate": lambda x: np.concatenate([x, x], 5),
    "stack": lambda x: np.stack([x, x], 5),
    "diff": lambda x: np.diff(x, axis=5),
    "gradient": lambda x: np.gradient(x, axis=5),
    "trapezoid": lambda x: np.trapezoid(x, axis=5),
    "median": lambda x: np.median(x, axis=5),
    "nanpercentile": lambda x: np.nanpercentile(x, 50, axis=5),
    "tensordot": lambda x: np.tensordot(x, x, (5, 0)),
}


@pytest.mark.parametrize("name", WRONG_AXIS)
def test_a_wrong_axis_is_an_error_that_names_function_and_shape(name):
    with pytest.raises(np.exceptions.AxisError, match=rf"{name}.*\(2, 3\)"):
        WRONG_AXIS[name](leaf())


REFUSED = {
    "np.put_along_axis": (lambda t: np.put_along_axis(t, np.zeros((1, 3), int), 1.0, 0), "t[index] = values"),
    "np.put": (lambda t: np.put(t, [0], 1.0), "tn.scatter"),
    "np.place": (lambda t: np.place(t, ARRAY > 0, [1.0]), "np.where"),
    "np.putmask": (lambda t: np.putmask(np.zeros((2, 3)), ARRAY > 0, t), "np.where"),
    "np.copyto": (lambda t: np.copyto(np.zeros((2, 3)), t), "np.where"),
    "np.fill_diagonal": (lambda t: np.fill_diagonal(t, 0.0), "np.eye"),
    "np.add.at": (lambda t: np.add.at(t, [0], 1.0), "tn.scatter"),
    "np.subtract.at": (lambda t: np.subtract.at(np.zeros((2, 3)), [0], t), "tn.scatter"),
    "np.unique": (np.unique, "return_index"),
    "np.histogram": (np.histogram, "np.bincount"),
    "np.fft.rfft": (np.fft.rfft, "complex.*np.convolve"),
    "np.fft.ifft2": (np.fft.ifft2, "complex"),
    "np.roots": (lambda t: np.roots(t[0]), "complex"),
    "np.polydiv": (lambda t: np.polydiv(t[0], t[1]), "t.data|u.data"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_names_what_to_use(name):
    call, instead = REFUSED[name]
    t = leaf()
    with pytest.raises(TypeError, match=f"{name} on a tensor: .*{instead}".replace("[", r"\[")):
        call(t)
    assert np.array_equal(t.data, ARRAY)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: np.split(t, 2, 1), ValueError, "3 elements on axis 1 do not divide into 2"),
        (lambda t: np.array_split(t, 0), ValueError, "0 sections"),
        (lambda t: np.dsplit(t, 1), ValueError, r"np.dsplit on shape \(2, 3\)"),
        (lambda t: np.rollaxis(t, 0, 4), ValueError, "np.rollaxis.*start=4"),
        (lambda t: np.block([t, [t]]), ValueError, "np.block"),
        (lambda t: np.block([[t], []]), ValueError, "np.block.*empty"),
        (lambda t: np.block([(t, t)]), TypeError, "np.block"),
        (lambda t: np.meshgrid(t, indexing="yx"), ValueError, "np.meshgrid.*'yx'"),
        (lambda t: np.take(t, [3], axis=1), IndexError, r"\(2, 3\)"),
        (lambda t: np.take_along_axis(t, np.array([0]), 1), ValueError, "np.take_along_axis"),
        (lambda t: np.compress([[True]], t), ValueError, "np.compress"),
        (lambda t: np.choose([0, 2], [t[0, :2], 1.0]), ValueError, "choice"),
        (lambda t: np.select([t > 0], [t, t]), ValueError, "np.select: 1 conditions for 2 choices"),
        (lambda t: np.select([np.array([1])], [t]), TypeError, "np.select.*booleans"),
        (lambda t: np.piecewise(t, [t > 0], [1, 2, 3]), ValueError, "np.piecewise: 3 functions"),
        (lambda t: np.bincount([0, 1], t[0]), ValueError, "np.bincount"),
        (lambda t: np.convolve(t, [1.0]), ValueError, r"np.convolve on shapes \(2, 3\)"),
        (lambda t: np.convolve(t[0], [1.0], "s"), ValueError, "np.convolve"),
        (lambda t: sliding_window_view(t, 9, 1), ValueError, "sliding_window_view"),
        (lambda t: np.linspace(t[0], t[1], retstep=True), TypeError, "takes no retstep="),
        (lambda t: np.sort(t, order="x"), TypeError, "takes no order="),
        (lambda t: np.take(t, [0], out=np.zeros(1)), TypeError, "np.take.*out"),
        (lambda t: np.trim_zeros(t[0], "x"), ValueError, "np.trim_zeros: trim='x'"),
        (lambda t: np.polyder(t[0], -1), ValueError, "np.polyder: m=-1"),
        (lambda t: np.polyint(t[0], 3, [1.0, 2.0]), ValueError, "np.polyint: 2 constants for m=3"),
        (lambda t: np.poly(t), TypeError, "np.poly"),
        (lambda t: np.polyfit(t[0], [1.0], 1), ValueError, "np.polyfit"),
        (lambda t: np.broadcast_arrays(t, np.ones(4)), ValueError, "np.broadcast_arrays"),
        (lambda t: np.vstack([t, np.ones(4)]), ValueError, r"\(2, 3\) and \(1, 4\)"),
        (lambda t: np.vectorize(np.sin)(t), TypeError, "graph would be lost"),
        (lambda t: np.apply_along_axis(np.sum, 1, t[:0]), ValueError, r"np.apply_along_axis on shape \(0, 3\)"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(leaf())


# Outside the domain --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (np.sqrt, -1.0),
        (np.arcsin, 2.0),
        (np.arccos, -3.0),
        (np.arccosh, 0.5),
        (lambda x: np.power(x, 0.5), -1.0),
        (np.log, -1.0),
        (np.log2, -1.0),
        (np.log10, -1.0),
        (np.log1p, -2.0),
        (np.arctanh, 2.0),
    ],
    ids=str,
)
def test_outside_its_domain_a_function_and_its_gradient_are_nan(f, x):
    t = leaf(x)
    with pytest.warns(RuntimeWarning, match="invalid value"):
        y = f(t)
    with np.errstate(invalid="ignore"):
        y.backward()
    assert np.isnan(y.data) and np.isnan(t.grad)


# What is no tensor ---------------------------------------------------------------------------------------------------


class Metres(np.ndarray):
    """An array with a unit."""

    def __array_finalize__(self, other):
        self.unit = "m"


BAD = {
    "complex number": (1j, "complex128 data; keep real and imaginary parts apart"),
    "complex array": (np.ones(3, complex), "complex128"),
    "objects": (np.array([1, 2, None]), "object data; convert it with np.asarray"),
    "numbers as objects": (np.array([1.0, 2.0, 3.0], object), "object data"),
    "None in a list": ([1.0, None, 2.0], "object data"),
    "decimal": (decimal.Decimal(1), "object data"),
    "text": (["1", "2", "3"], "U1 data"),
    "bytes": (b"abc", "S3 data"),
    "dates": (np.array(["2020-01-01"] * 3, "M8[D]"), r"datetime64\[D\] data; subtract a date"),
    "durations": (np.array([1, 2, 3], "m8[s]"), r"timedelta64\[s\] data; divide it by a unit"),
    "a date": (datetime.date(2020, 1, 1), "object data"),
    "records": (np.zeros(3, "f8,i4"), "take its fields apart"),
    "set": ({1.0, 2.0}, "object data"),
    "function": (np.sin, "object data"),
    "masked": (np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]), "MaskedArray.*filled"),
    "masked in a list": ([np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0])], "MaskedArray.*filled"),
    "with a unit": (np.ones(3).view(Metres), "Metres.*np.asarray"),
    "ragged": ([[1.0], [2.0, 3.0]], "rows of different lengths"),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("name", [*BAD, "matrix"])
def test_what_is_no_tensor(name):
    bad, message = BAD[name] if name in BAD else (np.matrix([[1.0, 2.0, 3.0]]), "matrix.*np.asarray")
    error = ValueError if name == "ragged" else TypeError
    t = leaf([1.0, 2.0, 3.0])
    for make in (tn.tensor, tn.Tensor, lambda x: tn.tensor(x, dtype=float), lambda x: tn.tensor(x, dtype=np.float32)):
        with pytest.raises(error, match=message):
            make(bad)
    for compute in (
        lambda x: t * x,
        lambda x: np.add(t, x),
        lambda x: np.where([True], t, x),
        lambda x: np.concatenate([t, x]),
    ):
        with pytest.raises(error, match=message):
            compute(bad)
    y = 2 * t
    with pytest.raises(error, match=message):
        y[:] = bad
    assert y.data.tolist() == [2.0, 4.0, 6.0]
    with pytest.raises((TypeError, ValueError)):  # whatever comes first: theirs or ours
        bad * t
    if not isinstance(bad, list | set):
        with pytest.raises(error, match=message):
            tn.grad(np.sum)(bad)


def test_a_dtype_that_is_not_real():
    for dtype in (complex, object, "M8[D]", "U3"):
        with pytest.raises(TypeError, match="a tensor holds real numbers"):
            tn.tensor([1.0, 2.0], dtype=dtype)


@pytest.mark.parametrize(
    "data",
    [memoryview(np.ones(3)), np.float32(2.0), range(3), bytearray(b"ab"), (1.0, 2.0), [np.ones(2), np.zeros(2)]],
    ids=str,
)
def test_what_numpy_reads_as_numbers_is_converted(data):
    expected = np.asarray(data)
    assert np.array_equal(tn.tensor(data).data, expected) and tn.tensor(data).dtype == expected.dtype
    assert np.array_equal((leaf(np.ones(expected.shape)) * data).data, expected)


def test_an_array_in_a_file_is_an_array(tmp_path):
    stored = np.memmap(tmp_path / "array", dtype=float, mode="w+", shape=(2, 3))
    stored[:] = ARRAY
    assert type(tn.tensor(stored).data) is np.ndarray
    gradcheck(lambda x: x * stored, ARRAY)


def test_pandas_objects_are_their_values_where_they_are_numbers():
    pd = pytest.importorskip("pandas")
    column = pd.Series([1.0, 2.0, 3.0], index=[7, 8, 9])
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    t = leaf([1.0, 1.0, 1.0])
    for data in (column, column.index, table, pd.Series([1, 2, None], dtype="Int64"), pd.Series([True, False])):
        np.testing.assert_array_equal(tn.tensor(data).data, np.asarray(data), strict=True)
    np.testing.assert_array_equal((t * column).data, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(tn.grad(lambda x: np.sum(x * x))(table), 2 * table.to_numpy())
    with pytest.raises(TypeError, match="graph would be lost"):
        column * t
    for bad in (pd.Series(["a", "b"]), pd.Series(["a"], dtype="category"), pd.DataFrame({"a": [1], "b": ["x"]})):
        with pytest.raises(TypeError, match=r"not (object|str|StringDtype|<U).* data"):
            tn.tensor(bad)
    with pytest.raises(TypeError, match="datetime64"):
        tn.tensor(pd.Series(pd.to_datetime(["2020-01-01"])))
