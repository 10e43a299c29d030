"""Tensor: construction, dtypes, conversions, in-place changes, dispatch and its errors."""

import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import GradientError, ShapeError
from tinynet.revision import REVISION


@pytest.fixture
def x():
    return tn.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)


# Construction and dtypes -----------------------------------------------------------------------------------------------


def test_python_floats_take_the_default_dtype_and_arrays_keep_theirs():
    assert tn.tensor([1.0]).dtype == np.float64
    tn.set_default_dtype("float32")
    try:
        assert tn.tensor([1.0]).dtype == np.float32
        assert tn.tensor(1.0).dtype == np.float32
        assert tn.tensor([1]).dtype == np.int64
        assert tn.tensor(np.ones(2)).dtype == np.float64
        assert tn.tensor(np.float64(1)).dtype == np.float64
    finally:
        tn.set_default_dtype("float64")
    with pytest.raises(TypeError, match="int64"):
        tn.set_default_dtype("int64")


def test_tensor_copies_and_Tensor_wraps():
    array = np.zeros(3)
    assert tn.Tensor(array).data is array
    assert not np.shares_memory(tn.tensor(array).data, array)


@pytest.mark.parametrize("data", [[1j], ["a"], [None], np.array([object()]), np.array(["2020-01-01"], dtype="M8[D]")])
def test_what_is_not_real_is_refused(data):
    with pytest.raises(TypeError, match="real numbers"):
        tn.tensor(data)


def test_integers_cannot_require_a_gradient():
    with pytest.raises(TypeError, match=r"int64.*astype"):
        tn.tensor([1, 2], requires_grad=True)
    counts = tn.tensor([1, 2])
    with pytest.raises(TypeError, match="int64"):
        counts.requires_grad = True
    with pytest.raises(TypeError, match="bool"):
        tn.Tensor(np.array([True]), requires_grad=True)


def test_a_tracked_tensor_is_not_made_a_constant_unnoticed(x):
    with pytest.raises(TypeError, match="detach"):
        tn.Tensor(x * 2)


def test_float32_stays_float32_beside_python_scalars():
    t = tn.tensor([1.0, 2.0], requires_grad=True, dtype="float32")
    for y in (t * 2, 2 / t, t**3, t - 1.5, np.maximum(t, 1.5), np.clip(t, 0, 1.5), np.where(t.data > 1, t, 0.0), t**2, t**0.5):
        assert y.dtype == np.float32
        t.grad = None
        y.sum().backward()
        assert t.grad.dtype == np.float32


# Conversions -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "leak",
    [
        lambda x: np.asarray(x),
        lambda x: np.array([x, x]),
        lambda x: np.zeros(2).dot(x),
        lambda x: np.zeros((2, 2)).__setitem__(slice(None), x),
        lambda x: np.arange(9.0)[x],
        lambda x: np.vectorize(abs)(x),
        lambda x: np.fromiter(x, float),
        lambda x: x.numpy(),
        lambda x: np.full_like(np.zeros((2, 2)), x),
    ],
)
def test_no_silent_way_to_an_array(x, leak):
    with pytest.raises((TypeError, ValueError), match=r"\.detach\(\)|only 0-dimensional|sequence"):
        leak(x)


def test_untracked_tensors_convert_freely():
    t = tn.tensor([1.0, 2.0])
    np.testing.assert_array_equal(np.asarray(t), [1.0, 2.0])
    assert np.asarray(t, dtype=np.float32).dtype == np.float32
    assert np.array([t, t]).shape == (2, 2)
    assert np.arange(9)[tn.tensor([1, 2])].tolist() == [1, 2]
    assert t.numpy() is not None


def test_numbers_from_one_element():
    t = tn.tensor(2.5, requires_grad=True)
    assert (t.item(), float(t), int(t), bool(t), f"{t:.2f}") == (2.5, 2.5, 2, True, "2.50")
    assert [0, 1, 2][tn.tensor(1)] == 1
    with pytest.raises(ValueError, match="ambiguous"):
        bool(tn.tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"one element|size 1"):
        tn.tensor([1.0, 2.0]).item()


def test_sequence_behaviour(x):
    assert len(x) == 2
    assert [row.shape for row in x] == [(2,), (2,)]
    assert 3.0 in x
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(TypeError, match="0-d"):
        iter(tn.tensor(1.0))


def test_repr_says_what_matters(x):
    assert repr(tn.tensor([1.0, 2.0])) == "tensor([1., 2.])"
    assert repr(tn.tensor([1.0], dtype="float32")) == "tensor([1.], dtype=float32)"
    assert repr(x[0]) == "tensor([1., 2.], from=getitem)"
    assert "requires_grad=True" in repr(x)
    assert repr(tn.tensor(np.zeros((0, 2)))) == "tensor([], shape=(0, 2))"


def test_comparisons_give_plain_booleans(x):
    for result in (x == 2, x > 1, x != x, np.isnan(x), np.isclose(x, 2.0)):
        assert type(result) is np.ndarray
        assert result.dtype == bool
    assert type(np.argmax(x)) is np.int64
    assert np.shape(x) == (2, 2)
    assert len({x, x}) == 1


# Copies ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("twin", [copy.deepcopy, copy.copy, lambda t: pickle.loads(pickle.dumps(t))])
def test_copies_of_leaves_are_independent(x, twin):
    (x * x).sum().backward()
    other = twin(x)
    assert other.requires_grad
    np.testing.assert_array_equal(other.grad, x.grad)
    other.data[0, 0] = other.grad[0, 0] = 99
    assert x.data[0, 0] == 1
    assert x.grad[0, 0] == 2


def test_computed_tensors_are_not_copied_out_of_their_graph(x):
    for attempt in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="detach"):
            attempt(x * 2)


# requires_grad, detach -------------------------------------------------------------------------------------------------


def test_detach_cuts_the_graph_and_shares_memory(x):
    y = (x * 2).detach()
    assert not y.requires_grad
    assert np.shares_memory(x.detach().data, x.data)
    assert x.requires_grad_(False) is x
    assert not (x * 2).requires_grad


def test_requires_grad_of_a_computed_tensor_cannot_be_unset(x):
    y = x * 2
    with pytest.raises(GradientError, match="detach"):
        y.requires_grad = False
    y.requires_grad = True
    assert not y.is_leaf


# In place --------------------------------------------------------------------------------------------------------------


def test_under_no_grad_the_array_itself_changes(x):
    array = x.data
    with tn.no_grad():
        x -= 1
        x *= tn.tensor(2.0)
        x[0, 0] = 9
    assert x.data is array
    np.testing.assert_array_equal(array, [[9.0, 2.0], [4.0, 6.0]])
    assert x.requires_grad


def test_in_place_on_a_leaf_that_requires_a_gradient_is_an_error(x):
    with pytest.raises(GradientError, match="no_grad"):
        x += 1
    with pytest.raises(GradientError, match="no_grad"):
        x[0] = 1
    np.testing.assert_array_equal(x.data, [[1.0, 2.0], [3.0, 4.0]])


def test_in_place_on_another_tensor_is_a_new_value_under_the_old_name(x):
    y = x * 2
    before, saved = y, np.exp(y)
    y += 1
    assert before is not y
    np.testing.assert_array_equal(before.data, x.data * 2)
    (saved.sum() + y.sum()).backward()
    np.testing.assert_allclose(x.grad, 2 * np.exp(2 * x.data) + 2)


def test_assignment_gives_gradients_to_both_and_spares_what_was_saved(x):
    v = tn.tensor([10.0, 20.0], requires_grad=True)
    y = x * 1
    squared = y * y  # saved y before the assignment
    y[0] = v
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 2, 2))
    (np.sum(a * squared) + np.sum(b * y)).backward()
    kept = b * [[0, 0], [1, 1]]
    np.testing.assert_allclose(x.grad, 2 * a * [[1.0, 2.0], [3.0, 4.0]] + kept)
    np.testing.assert_allclose(v.grad, b[0])


def test_assignment_makes_a_constant_tensor_tracked():
    v = tn.tensor(2.0, requires_grad=True)
    buffer = tn.tensor([0.0, 0.0, 0.0])
    array = buffer.data
    buffer[1] = v * v
    np.testing.assert_array_equal(array, 0)
    (buffer * np.array([1.0, 5.0, 1.0])).sum().backward()
    assert v.grad == 20.0


def test_assignment_at_repeated_positions_credits_the_last_writer():
    v = tn.tensor([1.0, 2.0, 3.0], requires_grad=True)
    t = tn.tensor(np.zeros(3))
    t[[0, 1, 0]] = v
    np.testing.assert_array_equal(t.data, [3.0, 2.0, 0.0])
    (t * np.array([7.0, 8.0, 9.0])).sum().backward()
    np.testing.assert_array_equal(v.grad, [0.0, 8.0, 7.0])


def test_assignment_errors_change_nothing():
    t = tn.tensor(np.zeros((2, 2)))
    with pytest.raises(ShapeError, match="broadcast"):
        t[0] = np.ones(3)
    with pytest.raises(IndexError, match="out of bounds"):
        t[5] = 1.0
    np.testing.assert_array_equal(t.data, 0)


# Dispatch --------------------------------------------------------------------------------------------------------------


def test_operators_of_arrays_and_tensors_mix(x):
    array = np.array([1.0, 2.0])
    for y in (array + x, array @ x, x * array, 2 - x, array / x, [1.0, 2.0] * x, np.float64(2) ** x, x.T @ array):
        assert isinstance(y, tn.Tensor)
        assert y.requires_grad


def test_out_and_in_place_on_an_array_are_errors(x):
    array = np.zeros((2, 2))
    with pytest.raises(TypeError, match=r"a = a \+ t"):
        array += x
    with pytest.raises(TypeError, match="out"):
        np.exp(x, out=array)
    with pytest.raises(TypeError, match="out"):
        np.exp(array, out=x)
    with pytest.raises(TypeError, match="out"):
        np.sum(x, out=array)
    np.testing.assert_array_equal(array, 0)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: np.linalg.eigvals(x), "np.linalg.eigvals"),
        (lambda x: np.fft.fft2(x), "np.fft.fft2"),
        (lambda x: np.roots(x[0]), "np.roots"),
        (lambda x: np.exp.at(x, 0), "np.exp.at"),
        (lambda x: np.subtract.reduce(x), "np.subtract.reduce"),
    ],
)
def test_a_function_without_a_rule_is_named_with_the_way_out(x, call, name):
    with pytest.raises(TypeError, match=name.replace(".", r"\.") + r".*(detach|primitive)"):
        call(x)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.exp(x, where=np.ones((2, 2), bool)),
        lambda x: np.mean(x, initial=1),
        lambda x: np.concatenate([x, x], casting="unsafe"),
        lambda x: np.pad(x, 1, mode="linear_ramp"),
        lambda x: np.cumsum(x, subok=True),
    ],
)
def test_an_unknown_keyword_is_an_error_never_dropped(x, call):
    with pytest.raises(TypeError):
        call(x)


def test_positional_and_keyword_calls_agree(x):
    np.testing.assert_array_equal(np.sum(x, 0).data, np.sum(a=x, axis=0).data)
    np.testing.assert_array_equal(np.sum(x, 0, None, None, True).data, np.sum(x, axis=0, keepdims=True).data)
    np.testing.assert_array_equal(np.clip(x, 2, 3).data, np.clip(x, a_min=2, a_max=3).data)
    if np.lib.NumpyVersion(np.__version__) >= "2.1.0":  # NumPy's clip has had these names since then
        np.testing.assert_array_equal(np.clip(x, min=2).data, np.maximum(x.data, 2))
    np.testing.assert_array_equal(np.reshape(x, (4,)).data, x.reshape(2, 2).reshape(-1).data)
    np.testing.assert_array_equal(np.concatenate((x, x), 1).data, np.concatenate((x, x), axis=1).data)


def test_reduce_methods_are_the_reductions(x):
    np.testing.assert_array_equal(np.add.reduce(x).data, np.add.reduce(x.data))
    np.testing.assert_array_equal(np.multiply.reduce(x, axis=1).data, np.multiply.reduce(x.data, axis=1))
    np.testing.assert_array_equal(np.maximum.reduce(x, None).data, 4.0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: x + np.ones(3), r"np\.add.*\(2, 2\).*\(3,\).*x\[:, None\]"),
        (lambda x: x @ np.ones(3), r"np\.matmul.*\(2, 2\).*\(3,\).*\.T"),
        (lambda x: x.reshape(3), r"np\.reshape.*\(2, 2\).*\(3,\)"),
        (lambda x: np.concatenate([x, np.ones((2, 3))]), r"np\.concatenate.*\(2, 2\).*\(2, 3\)"),
        (lambda x: np.einsum("ij,jk->ik", x, np.ones((3, 3))), r"np\.einsum.*\(3, 3\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named_with_the_remedy(x, call, words):
    with pytest.raises(ShapeError, match=words):
        call(x)


def test_wrong_axes_and_positions_are_index_errors(x):
    with pytest.raises(np.exceptions.AxisError, match=r"np\.sum.*axis 5"):
        x.sum(5)
    with pytest.raises(IndexError, match="out of bounds"):
        x[7]


def test_methods_are_numpys(x):
    a = x.data
    pairs = [
        (x.mean(axis=0), a.mean(axis=0)), (x.T, a.T), (x.mT, a.T), (x.reshape(4, 1), a.reshape(4, 1)), (x.flatten(), a.ravel()),
        (x.transpose(1, 0), a.T), (x.transpose((1, 0)), a.T), (x.std(ddof=1), a.std(ddof=1)), (x.var(axis=(0, 1)), a.var()),
        (x.clip(2, 3), a.clip(2, 3)), (x.dot(a), a @ a), (x.prod(), a.prod()), (x.max(1), a.max(1)), (abs(-x), a), (+x, a),
        (x.swapaxes(0, 1), a.T), (x.repeat(2, axis=0), a.repeat(2, axis=0)), (x.copy(), a), (x.round(), a),
        (x[None].squeeze(), a), (x % 2, a % 2), (x.min(), a.min()), (x.ravel(), a.ravel()),
    ]  # fmt: skip
    for ours, theirs in pairs:
        assert isinstance(ours, tn.Tensor)
        np.testing.assert_array_equal(ours.data, theirs)
    assert type(x.argmax()) is np.int64
    assert (x // 2).tolist() == (a // 2).tolist()


def test_astype_brings_the_gradient_back(x):
    y = x.astype("float32")
    assert y.dtype == np.float32
    (y * y).sum().backward()
    assert x.grad.dtype == np.float64
    np.testing.assert_allclose(x.grad, 2 * x.data)


def test_no_gradient_flows_through_integers(x):
    assert not x.astype(int).requires_grad
    counts = tn.tensor([0, 0])
    with pytest.raises(TypeError, match=r"int64.*astype"):
        counts[0] = x[0, 1]
    assert counts.tolist() == [0, 0]


def test_a_mean_of_float16_is_summed_in_float32():
    assert tn.Tensor(np.full(10_000, 10, dtype=np.float16)).mean().item() == 10


def test_logsumexp_of_nothing_but_minus_infinity():
    z = tn.tensor([-np.inf, -np.inf], requires_grad=True)
    total = tn.logsumexp(z)
    total.backward()
    assert total.item() == -np.inf
    np.testing.assert_array_equal(z.grad, 0)


# No way around the graph ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda t: tn.elu(np.ones(2), alpha=t),
        lambda t: np.pad(np.ones(2) * t, 1, constant_values=t),
        lambda t: tn.softplus(np.ones(2), t),
        lambda t: tn.nn.functional.binary_cross_entropy_with_logits(np.ones(2), np.ones(2), weight=t),
        lambda t: tn.nn.functional.cross_entropy(np.ones((1, 1)), np.zeros(1, int), weight=t[None]),
    ],
)
def test_a_parameter_that_requires_a_gradient_is_refused(call):
    with pytest.raises(TypeError, match="detach"):
        call(tn.tensor(2.0, requires_grad=True))


@pytest.mark.parametrize(
    "operand", [1j, np.ones(2) * 1j, Fraction(1, 2), np.ma.masked_array([1.0, 2.0], [True, False]), np.timedelta64(1, "s"), "a"]
)
def test_operands_that_are_not_real_numbers_are_refused(operand):
    with pytest.raises(TypeError, match="real numbers"):
        tn.tensor([1.0, 2.0], requires_grad=True) * operand


def test_subclasses_of_ndarray_become_plain_arrays(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[-1.0, 2.0]]))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert tn.relu(mapped).tolist() == [[0.0, 2.0]]
    t = tn.tensor([[1.0, 2.0]], requires_grad=True)
    for other in (mapped, np.ones((1, 2)).view(type("Sub", (np.ndarray,), {}))):
        y = t * other
        assert type(y.data) is np.ndarray
        assert np.sum(y, axis=0).shape == (2,)


def test_an_integer_result_carries_no_gradient(x):
    assert not np.sum(x, dtype=int).requires_grad


@pytest.mark.parametrize("value", [[5.0, 6.0], 3, tn.tensor([1.0])])
def test_what_is_set_as_data_becomes_an_array(value):
    t = tn.tensor([1.0, 2.0])
    t.data = value
    assert type(t.data) is np.ndarray


def test_data_of_another_kind_is_refused(x):
    with pytest.raises(TypeError, match="int64"):
        x.data = np.array([1, 2])
    x.data = x.data[0, 0] - 0.5  # NumPy makes numbers of 0-d arrays
    assert type(x.data) is np.ndarray


def test_a_primitive_that_gives_no_array_is_named():
    @tn.primitive
    def text(x):
        return "x"

    text.defvjp(lambda g, out, x: g)
    with pytest.raises(TypeError, match=r"text computed a str; .*an array"):
        text(tn.tensor([1.0], requires_grad=True))


def test_an_operation_with_several_results():
    @tn.primitive
    def parts(x, y):
        return x * y, x > 0, np.sin(x).astype(np.float32)

    parts.defvjp(lambda g, out, x, y: g[0] * y + g[2] * np.cos(x), lambda g, out, x, y: g[0] * x)
    xs = [np.array([0.3, -0.4]), np.array([[1.0], [2.0]])]
    tn.testing.gradcheck(lambda x, y: parts(x, y)[0], xs, order=2)
    product, positive, sine = parts(*(tn.tensor(x, requires_grad=True) for x in xs))
    assert (product.dtype, positive.dtype, sine.dtype) == (np.float64, np.bool_, np.float32)
    assert (product.requires_grad, positive.requires_grad, sine.requires_grad) == (True, False, True)
    x = tn.tensor(xs[0], requires_grad=True)
    parts(x, 1.0)[2].backward([1.0, 10.0])
    np.testing.assert_allclose(x.grad, np.cos(xs[0]) * [1.0, 10.0])


def test_a_vjp_may_take_any_parameters():
    @tn.primitive
    def scaled(x, factor=1.0):
        return x * factor

    scaled.defvjp(lambda g, out, x, **params: g * params["factor"])
    t = tn.tensor([1.0, 2.0], requires_grad=True)
    scaled(t, factor=3.0).sum().backward()
    np.testing.assert_array_equal(t.grad, 3.0)


@pytest.mark.parametrize("reduce", [np.sum, np.prod, np.max, np.mean])
@pytest.mark.parametrize("axis", [0, -1, None])
def test_a_single_number_reduces_to_itself(reduce, axis):
    t = tn.tensor(3.0, requires_grad=True)
    y = reduce(t, axis=axis)
    y.backward(2.0)
    assert (y.item(), t.grad.item()) == (3.0, 2.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.tensordot(x[:, :1] * np.ones((2, 3)), np.ones((3, 2)), 2),
        lambda x: np.tensordot(x, np.ones((2, 2)), ([5], [0])),
        lambda x: np.flip(x, 5),
        lambda x: np.flip(x, (0, 0)),
        lambda x: np.pad(x, {5: 1}),
        lambda x: np.pad(x, 1.5),
        lambda x: np.split(x, [1.5]),
        lambda x: np.where(x),
        lambda x: np.where(x, 1.0),
        lambda x: np.clip(x, 0, 1, min=2),
        lambda x: np.unique(x),
        lambda x: np.histogram(x),
    ],
)
def test_what_numpy_refuses_or_has_no_rule_is_refused(x, call):
    with pytest.raises((TypeError, ValueError)):
        call(x)


def test_remainder_agrees_with_floor_division():
    y = tn.tensor(0.1, requires_grad=True)
    (tn.tensor(1.0) % y).backward()
    assert y.grad == -(1.0 // 0.1)


def test_a_power_with_an_unsigned_exponent():
    t = tn.tensor([100.0, 2.0], requires_grad=True)
    (t ** np.array([0, 3], dtype=np.uint8)).sum().backward()
    np.testing.assert_array_equal(t.grad, [0.0, 12.0])


def test_masked_arrays_do_not_take_the_values_unnoticed(x):
    for call in (lambda: np.ma.exp(x), lambda: np.ma.array([[1.0, 2.0], [3.0, 4.0]], mask=False) * x):
        with pytest.raises(TypeError):
            call()


def test_a_mean_of_large_integers_does_not_overflow():
    assert np.mean(tn.tensor([2**62] * 4)).item() == 2.0**62


def test_lists_beside_a_tensor_take_the_default_dtype():
    t = tn.tensor([1.0, 2.0], dtype="float32")
    tn.set_default_dtype("float32")
    try:
        assert (t * [1.0, 2.0]).dtype == np.float32
        assert tn.nn.functional.mse_loss(t, [1.0, 2.0]).dtype == np.float32
    finally:
        tn.set_default_dtype("float64")


def test_none_is_no_value(x):
    y = x * 2
    with pytest.raises(TypeError, match="nan"):
        y[0] = None


def test_assignment_and_scatter_by_masks(x):
    y = x * 1
    mask = np.array([[True, False], [True, True]])
    v = tn.tensor([5.0, 6.0, 7.0], requires_grad=True)
    y[mask] = v
    cotangent = np.array([[1.0, 2.0], [3.0, 4.0]])
    y.backward(cotangent)
    np.testing.assert_array_equal(x.grad, cotangent * ~mask)
    np.testing.assert_array_equal(v.grad, [1.0, 3.0, 4.0])
    x.grad = None
    x[mask].backward([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(x.grad, [[1.0, 0.0], [2.0, 3.0]])


def test_arctan2_of_tiny_numbers():
    y, x = tn.tensor(1e-200, requires_grad=True), tn.tensor(1e-200, requires_grad=True)
    np.arctan2(y, x).backward()
    np.testing.assert_allclose([y.grad, x.grad], [5e199, -5e199])


def test_a_new_tensor_is_no_revision():
    before = REVISION.number
    tn.Tensor(np.ones(3)), tn.tensor([1.0])
    assert REVISION.number == before
    x = tn.tensor([1.0], requires_grad=True)
    x.requires_grad = True
    assert REVISION.number == before + 1
    x.requires_grad = False
    assert REVISION.number == before + 2
