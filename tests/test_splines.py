"""B-splines: the textbook recursion, knots, grids of all kinds, derivatives, the ends of the number range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinynet as tn
from tinynet.errors import ShapeError
from tinynet.testing import gradcheck

ORDERS = range(6)
RNG = np.random.default_rng(0)
UNIFORM = np.linspace(-2.0, 2.5, 10)
UNEVEN = np.sort(RNG.normal(size=9))
CLAMPED = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0])
GRIDS = {"uniform": UNIFORM, "uneven": UNEVEN, "clamped": CLAMPED}
over_grids = pytest.mark.parametrize("knots", GRIDS.values(), ids=GRIDS)


def textbook(i, k, knots, x):
    """Bᵢ,ₖ(x) as de Boor has it."""
    if k == 0:
        return 1.0 if knots[i] <= x < knots[i + 1] else 0.0
    left, right = knots[i + k] - knots[i], knots[i + k + 1] - knots[i + 1]
    value = 0.0
    if left:
        value += (x - knots[i]) / left * textbook(i, k - 1, knots, x)
    if right:
        value += (knots[i + k + 1] - x) / right * textbook(i + 1, k - 1, knots, x)
    return value


def textbook_basis(x, knots, order):
    splines = range(len(knots) - order - 1)
    return np.array([[textbook(i, order, knots.tolist(), value) for value in x.tolist()] for i in splines])


def textbook_slopes(x, knots, order):
    splines = range(len(knots) - order - 1)
    found = np.zeros((len(splines), x.size))
    for i in splines if order else []:
        left, right = knots[i + order] - knots[i], knots[i + order + 1] - knots[i + 1]
        for n, value in enumerate(x.tolist()):
            lower = [textbook(j, order - 1, knots.tolist(), value) for j in (i, i + 1)]
            found[i, n] = order * ((lower[0] / left if left else 0) - (lower[1] / right if right else 0))
    return found


@over_grids
@pytest.mark.parametrize("order", ORDERS)
def test_the_basis_is_that_of_the_textbook(knots, order):
    outside = [knots[0] - 1e-9, knots[0] - 100, knots[-1] + 1e-9, 1e300, -1e300]
    x = np.concatenate([RNG.uniform(knots[0], knots[-1], 40), knots, np.nextafter(knots, -np.inf), outside])
    found = tn.bspline_basis(x, knots, order)
    np.testing.assert_allclose(found, textbook_basis(x, knots, order), rtol=1e-12, atol=1e-15)
    assert np.all(found >= 0)


@over_grids
@pytest.mark.parametrize("order", ORDERS)
def test_the_slopes_are_those_of_the_textbook_also_at_the_knots(knots, order):
    x = np.concatenate([RNG.uniform(knots[0] - 1, knots[-1] + 1, 40), knots])
    v = RNG.normal(size=(len(knots) - order - 1, x.size))
    leaf = tn.tensor(x, requires_grad=True)
    tn.bspline_basis(leaf, knots, order).backward(v)
    np.testing.assert_allclose(leaf.grad, np.sum(v * textbook_slopes(x, knots, order), axis=0), rtol=1e-11, atol=1e-12)


@given(
    order=st.integers(0, 5),
    gaps=hnp.arrays(float, 12, elements=st.floats(0.0, 2.0)),
    places=hnp.arrays(float, 7, elements=st.floats(0.0, 1.0, exclude_max=True)),
)
def test_within_the_inner_knots_the_splines_sum_to_one(order, gaps, places):
    knots = np.cumsum(gaps)
    low, high = knots[order], knots[-order - 1]
    x = low + places * (high - low)
    x = x[x < high]
    np.testing.assert_allclose(tn.bspline_basis(x, knots, order).sum(axis=0), 1.0, rtol=1e-12)


def test_the_last_knot_lies_outside():
    assert tn.bspline_basis(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 0).tolist() == [[1.0, 0.0]]
    assert tn.bspline_basis(CLAMPED[-1], CLAMPED, 3).tolist() == [0.0] * 7


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_outside_all_is_zero_and_nan_stays_nan(order, dtype):
    x = tn.tensor(np.array([-np.inf, np.inf, np.finfo(dtype).max, -np.finfo(dtype).max, np.nan], dtype), requires_grad=True)
    with np.errstate(all="raise"):
        y = tn.bspline_basis(x, UNIFORM, order)
        y.backward(RNG.normal(size=y.shape))
    assert y.dtype == x.grad.dtype == dtype
    assert np.all(y.data[:, :4] == 0)
    assert np.all(np.isnan(y.data[:, 4]))
    assert np.all(x.grad[:4] == 0)


@over_grids
def test_float32_to_its_own_precision(knots):
    x = RNG.uniform(knots[0], knots[-1], 200)
    single = tn.bspline_basis(x.astype(np.float32), knots, 3)
    assert single.dtype == np.float32
    exact = tn.bspline_basis(x.astype(np.float32).astype(float), knots.astype(np.float32).astype(float), 3)
    np.testing.assert_allclose(single, exact, rtol=0, atol=1e-6)


def test_numbers_lists_and_integers():
    assert tn.bspline_basis(1, [0, 1, 2, 3], 1).tolist() == [1.0, 0.0]
    assert tn.bspline_basis([1, 2], range(4), order=1).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert tn.bspline_basis(np.empty((0, 3)), UNIFORM, 3).shape == (6, 0, 3)


@pytest.mark.parametrize("shape", [(), (3,), (5, 3), (2, 5, 3), (3, 0, 3)])
def test_each_place_may_have_knots_of_its_own(shape):
    x = RNG.uniform(-2, 2, shape)
    knots = np.sort(RNG.normal(size=(9, 3)), axis=0)
    found = tn.bspline_basis(x, knots, 2)
    assert found.shape == (6, *np.broadcast_shapes(shape, (3,)))
    for i in range(3):
        own = x[..., i] if shape else x
        np.testing.assert_array_equal(found[..., i], tn.bspline_basis(own, knots[:, i], 2))


def test_the_values_do_not_depend_on_the_order_in_memory():
    x = RNG.uniform(-2, 2, (4, 5))
    found = tn.bspline_basis(np.asfortranarray(x), UNIFORM, 3)
    np.testing.assert_array_equal(found, tn.bspline_basis(x, UNIFORM, 3))
    assert found.flags.c_contiguous


@over_grids
@pytest.mark.parametrize("order", [2, 3, 4])
def test_second_derivatives(knots, order):
    x = RNG.uniform(knots[0] - 0.5, knots[-1] + 0.5, (3, 4))
    x = np.where(np.abs(x[..., None] - knots).min(axis=-1) < 1e-3, x + 5e-3, x)
    gradcheck(lambda x: tn.bspline_basis(x, knots, order), [x], order=2)


def test_derivatives_of_any_order_end_at_zero():
    f = lambda x: np.sum(tn.bspline_basis(x, UNIFORM, 2) * np.arange(7.0) ** 2)  # noqa: E731
    assert tn.grad(tn.grad(f))(0.3) != 0
    assert tn.grad(tn.grad(tn.grad(f)))(0.3) == 0
    assert tn.grad(tn.grad(tn.grad(tn.grad(f))))(0.3) == 0


def test_knots_get_no_gradient():
    x, knots = tn.tensor([0.3], requires_grad=True), tn.tensor(UNIFORM, requires_grad=True)
    tn.bspline_basis(x, knots, 3).sum().backward()
    assert x.grad is not None
    assert knots.grad is None


def test_a_recorded_basis_follows_its_knots():
    knots = tn.nn.Buffer(UNIFORM.copy())
    compiled = tn.compile(lambda x: tn.grad(lambda x: np.sum(tn.bspline_basis(x, knots, 3) * np.arange(6.0)[:, None]))(x))
    for shift in (0.0, 0.0, 0.25, -0.5):
        knots.data[...] = UNIFORM + shift
        x = RNG.uniform(-3, 3, 17)
        expected = np.arange(6.0) @ textbook_slopes(x, knots.data, 3)
        np.testing.assert_allclose(compiled(x), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("knots", "order", "words"),
    [
        (UNIFORM, -1, ["(10,)", "order -1", "order + 2"]),
        (UNIFORM, 9, ["(10,)", "order 9", "order + 2"]),
        (np.array(1.0), 0, ["()", "order 0"]),
        (UNIFORM[::-1], 3, ["ascend", "sort"]),
        (np.array([[0.0, 1.0], [1.0, 0.0]]), 0, ["ascend", "sort"]),
        (np.array([0.0, np.nan, 2.0]), 1, ["finite"]),
        (np.array([0.0, 1.0, np.inf]), 1, ["finite"]),
        (np.array([-np.inf, 0.0, 1.0]), 1, ["finite"]),
    ],
)
@pytest.mark.parametrize("make", [np.array, tn.tensor])
def test_bad_input(knots, order, words, make):
    with pytest.raises(ValueError) as caught:
        tn.bspline_basis(make([0.5, 1.0]), knots, order)
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize("order", [1.0, "1", None])
def test_an_order_is_an_integer(order):
    with pytest.raises(TypeError, match="integer"):
        tn.bspline_basis(0.5, UNIFORM, order)


def test_grids_that_do_not_fit_the_places():
    with pytest.raises(ShapeError, match=r"bspline_basis.*\(4,\).*\(9, 3\).*knots\[0\] must broadcast"):
        tn.bspline_basis(tn.tensor(np.ones(4)), np.sort(RNG.normal(size=(9, 3)), axis=0), 3)
