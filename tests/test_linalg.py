"""Linear algebra where the generic tests do not reach: larger matrices, degenerate spectra, singular matrices, errors, jax."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.testing import gradcheck

linalg = np.linalg
RNG = np.random.default_rng(0)
SQUARE = RNG.standard_normal((2, 3, 3))
WIDE = RNG.standard_normal((2, 2, 4))
TALL = WIDE.mT.copy()
POSITIVE = SQUARE @ SQUARE.mT + np.eye(3)
VECTORS = RNG.standard_normal((2, 3, 2))


def gradient(f, x):
    return tn.grad(f)(np.asarray(x, float))


# Against jax, batched ------------------------------------------------------------------------------------------------
# The signs of vectors are each library's own choice, so they are squared; symmetric matrices are made of any matrix.


def symmetric(x):
    return (x + np.swapaxes(x, -1, -2)) / 2


def squares(xp, results):
    return [xp.square(x) for x in results]


AS_JAX = {
    "inv": (lambda xp, a: xp.linalg.inv(a), SQUARE),
    "pinv, wide": (lambda xp, a: xp.linalg.pinv(a), WIDE),
    "pinv, tall": (lambda xp, a: xp.linalg.pinv(a), TALL),
    "solve": (lambda xp, a, b: xp.linalg.solve(a, b), SQUARE, VECTORS),
    "solve, one vector": (lambda xp, a, b: xp.linalg.solve(a, b), SQUARE, VECTORS[0, :, 0]),
    "lstsq, tall": (lambda xp, a, b: list(xp.linalg.lstsq(a, b)[:2]), TALL[0], VECTORS[:, 0].reshape(4, 1)),
    "det": (lambda xp, a: xp.linalg.det(a), SQUARE),
    "slogdet": (lambda xp, a: xp.linalg.slogdet(a)[1], SQUARE),
    "cholesky": (lambda xp, a: xp.linalg.cholesky(symmetric(a)), POSITIVE),
    "cholesky, upper": (lambda xp, a: xp.linalg.cholesky(symmetric(a), upper=True), POSITIVE),
    "qr, tall": (lambda xp, a: squares(xp, xp.linalg.qr(a)), TALL),
    "qr, square": (lambda xp, a: squares(xp, xp.linalg.qr(a)), SQUARE),
    "qr, R alone": (lambda xp, a: xp.square(xp.linalg.qr(a, mode="r")), TALL),
    "eigh": (lambda xp, a: squares(xp, xp.linalg.eigh(symmetric(a))), SQUARE),
    "eigh, upper": (lambda xp, a: squares(xp, xp.linalg.eigh(symmetric(a), UPLO="U")), SQUARE),
    "eigvalsh": (lambda xp, a: xp.linalg.eigvalsh(symmetric(a)), SQUARE),
    "svd, tall": (lambda xp, a: squares(xp, xp.linalg.svd(a, full_matrices=False)), TALL),
    "svd, wide": (lambda xp, a: squares(xp, xp.linalg.svd(a, full_matrices=False)), WIDE),
    "svd, square": (lambda xp, a: squares(xp, xp.linalg.svd(a)), SQUARE),
    "svdvals": (lambda xp, a: xp.linalg.svdvals(a), TALL),
    "nuclear norm": (lambda xp, a: xp.linalg.matrix_norm(a, ord="nuc"), WIDE),
    "spectral norm": (lambda xp, a: xp.linalg.norm(a, 2, axis=(0, 1)), TALL),
    "p-norm": (lambda xp, a: xp.linalg.norm(a, 2.5, axis=1), TALL),
    "cond": (lambda xp, a: xp.linalg.cond(a), SQUARE),
    "matrix_power": (lambda xp, a: xp.linalg.matrix_power(a, -3), SQUARE),
    "multi_dot": (lambda xp, a, b: xp.linalg.multi_dot([a[0], b[0], a[1], b[1]]), SQUARE, SQUARE[::-1]),
    "tensorsolve": (lambda xp, a, b: xp.linalg.tensorsolve(a.reshape(2, 2, 4), b), WIDE.reshape(4, 4), WIDE[0, :, :2]),
}


@pytest.mark.parametrize(("f", "arguments"), [(f, xs) for f, *xs in AS_JAX.values()], ids=AS_JAX.keys())
def test_value_and_gradient_are_those_of_jax(f, arguments):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    tensors = [tn.tensor(x, requires_grad=True) for x in arguments]
    ours = f(np, *tensors)
    theirs, pullback = jax.vjp(lambda *xs: f(jax.numpy, *xs), *arguments)
    ours = ours if isinstance(ours, list) else [ours]
    theirs = theirs if isinstance(theirs, list) else [theirs]
    rng = np.random.default_rng(1)
    cotangents = [rng.standard_normal(y.shape) for y in ours]
    for y, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(y.data, reference, rtol=1e-10, atol=1e-10)
    expected = pullback(cotangents if len(cotangents) > 1 else cotangents[0])
    for g, reference in zip(tn.autograd.grad(ours, tensors, cotangents), expected, strict=True):
        np.testing.assert_allclose(g.data, reference, rtol=1e-9, atol=1e-9)


# Matrices of a size that is used -------------------------------------------------------------------------------------

N = 24
GENERAL = RNG.standard_normal((N, N))
LARGE = {
    "det": (linalg.det, GENERAL / 3),
    "slogdet": (lambda a: linalg.slogdet(a)[1], GENERAL),
    "inv": (linalg.inv, GENERAL + 9 * np.eye(N)),
    "pinv": (linalg.pinv, GENERAL[:9]),
    "cholesky": (linalg.cholesky, GENERAL @ GENERAL.T + np.eye(N)),
    "qr": (linalg.qr, GENERAL[:, :9]),
    "qr of a wide one": (linalg.qr, GENERAL[:9] + 3 * np.eye(9, N)),
    "eigh": (linalg.eigh, GENERAL),
    "svd": (lambda a: linalg.svd(a, full_matrices=False), GENERAL[:, :9]),
    "nuclear norm": (lambda a: linalg.norm(a, "nuc"), GENERAL),
}


@pytest.mark.parametrize(("f", "a"), LARGE.values(), ids=LARGE.keys())
def test_directional_derivative_of_a_larger_matrix(f, a):
    rng = np.random.default_rng(2)
    values = f(a)
    values = list(values) if isinstance(values, tuple) else [values]
    weights = [rng.standard_normal(np.shape(y)) for y in values]

    def weighted(a):
        ys = f(a)
        return sum(np.sum(w * y) for w, y in zip(weights, list(ys) if isinstance(ys, tuple) else [ys], strict=True))

    direction, h = rng.standard_normal(a.shape), 1e-5  # so small that LAPACK keeps its signs
    steps = {k: weighted(a + k * h * direction) for k in (-2, -1, 1, 2)}
    numeric = (8 * (steps[1] - steps[-1]) - (steps[2] - steps[-2])) / (12 * h)
    np.testing.assert_allclose(np.vdot(gradient(weighted, a), direction), numeric, rtol=1e-5)


# The determinant of singular matrices --------------------------------------------------------------------------------


def _of_rank(rank):
    rng = np.random.default_rng(rank)
    return rng.standard_normal((4, rank)) @ rng.standard_normal((rank, 4))


@pytest.mark.parametrize("rank", range(5))
def test_det_of_any_rank_has_its_derivatives(rank):
    gradcheck(linalg.det, _of_rank(rank), order=3, atol=1e-5, rtol=1e-5)


def test_cofactors_of_a_singular_matrix():
    a = np.array([[1.0, 2.0], [2.0, 4.0]])
    np.testing.assert_allclose(gradient(linalg.det, a), [[4.0, -2.0], [-2.0, 1.0]], atol=1e-14)


def test_det_where_singular_values_are_equal():
    second = tn.hessian(linalg.det)(np.eye(2))
    expected = np.zeros((2, 2, 2, 2))
    expected[0, 0, 1, 1] = expected[1, 1, 0, 0] = 1
    expected[0, 1, 1, 0] = expected[1, 0, 0, 1] = -1
    np.testing.assert_allclose(np.asarray(second), expected, atol=1e-14)


def test_det_of_a_stack_with_nan_is_nan_there_alone():
    a = np.stack([np.eye(2), np.full((2, 2), np.nan)])
    with np.errstate(invalid="ignore"):
        d = gradient(lambda a: np.sum(linalg.det(a)), a)
    np.testing.assert_array_equal(np.isnan(d), np.isnan(a))
    np.testing.assert_allclose(d[0], np.eye(2))


# Equal eigenvalues and singular values -------------------------------------------------------------------------------

TURN = linalg.qr(RNG.standard_normal((3, 3)))[0]
PAIR = TURN @ np.diag([1.0, 1.0, 3.0]) @ TURN.T


@pytest.mark.parametrize("a", [np.eye(3), PAIR, np.zeros((3, 3))], ids=["identity", "a pair", "zero"])
def test_a_function_that_treats_eigenvalues_alike_has_its_gradient(a):
    d = gradient(lambda a: np.sum(linalg.eigvalsh(a) ** 3), a)
    np.testing.assert_allclose(d + d.T, 6 * a @ a, atol=1e-13)  # of trace(A³) for A = (X + Xᵀ)/2, twice


def test_the_projection_on_a_common_space_has_its_gradient():
    weights = RNG.standard_normal((3, 3))

    def weighted(x):
        v = linalg.eigh((x + x.mT) / 2)[1][:, :2]
        return np.sum(weights * (v @ v.mT))

    gradcheck(weighted, PAIR, atol=1e-5, rtol=1e-5)


def test_vectors_of_equal_values_turn_by_nothing():
    d = gradient(lambda a: np.sum(linalg.eigh(a)[1] * RNG.standard_normal((3, 3))), np.eye(3))
    np.testing.assert_array_equal(d, np.zeros((3, 3)))
    d = gradient(lambda a: np.sum(linalg.svd(a)[0] * RNG.standard_normal((3, 3))), np.zeros((3, 3)))
    np.testing.assert_array_equal(d, np.zeros((3, 3)))


def test_equal_singular_values_share_the_spectral_norm():
    np.testing.assert_allclose(gradient(lambda a: linalg.norm(a, 2), np.eye(4)), np.eye(4) / 4, atol=1e-15)
    np.testing.assert_allclose(gradient(lambda a: linalg.norm(a, "nuc"), 2 * np.eye(4)), np.eye(4), atol=1e-15)


def test_product_of_the_factors_gives_the_cotangent_back():
    weights = RNG.standard_normal((2, 4, 2))

    def remade(a):
        u, s, vh = linalg.svd(a, full_matrices=False)
        return np.sum(weights * (u * s[..., None, :] @ vh))

    np.testing.assert_allclose(gradient(remade, TALL), weights, atol=1e-12)
    np.testing.assert_allclose(gradient(lambda a: np.sum(weights * np.matmul(*linalg.qr(a))), TALL), weights, atol=1e-12)


@pytest.mark.parametrize("lower", [True, False])
def test_the_gradient_stands_in_the_triangle_that_is_read(lower):
    unread = np.triu_indices(3, 1) if lower else np.tril_indices(3, -1)
    for f in (
        lambda a: linalg.cholesky(a, upper=not lower),
        lambda a: linalg.eigh(a, "L" if lower else "U")[1],
        lambda a: linalg.eigvalsh(a, "L" if lower else "U"),
    ):
        d = gradient(lambda a: np.sum(f(a) * np.arange(1.0, 4.0)), POSITIVE[0])  # noqa: B023
        assert not d[unread].any()
        assert d.T[unread].all()


# Norms at zero, and where nothing is -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [None, 1, 2, 3, 2.5, 0, np.inf, -np.inf])
def test_the_gradient_of_a_vectors_norm_at_zero_is_zero(order):
    x = np.zeros((2, 3))
    x[1] = 1.0, -2.0, 0.0
    d = gradient(lambda x: np.sum(linalg.norm(x, order, axis=1)), x)
    assert not d[0].any()
    assert np.isfinite(d).all()
    assert d[1, 2] == 0


@pytest.mark.parametrize("order", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_the_gradient_of_a_matrix_norm_at_zero_is_zero(order):
    np.testing.assert_array_equal(gradient(lambda a: linalg.norm(a, order), np.zeros((2, 3))), np.zeros((2, 3)))


@pytest.mark.parametrize("p", [None, 2, -2, "fro", 1, -np.inf])
def test_the_condition_of_a_singular_matrix_is_infinite_and_the_others_keep_theirs(p):
    a = np.stack([np.ones((2, 2)), np.array([[2.0, 1.0], [0.0, 3.0]])])
    t = tn.tensor(a, requires_grad=True)
    conditions = linalg.cond(t, p)
    np.testing.assert_allclose(conditions.data, linalg.cond(a, p), rtol=1e-14)
    conditions[1].backward()
    np.testing.assert_allclose(t.grad[1], tn.grad(lambda a: linalg.cond(a, p))(a[1]), rtol=1e-12)


def test_second_derivative_of_a_norm_at_zero_is_zero():
    np.testing.assert_array_equal(tn.hessian(lambda x: linalg.norm(x, 3))(np.zeros(2)), np.zeros((2, 2)))
    np.testing.assert_array_equal(tn.hessian(linalg.norm)(np.zeros(2)), np.zeros((2, 2)))


def test_a_zero_makes_a_norm_of_negative_power_zero_and_flat():
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(gradient(lambda x: linalg.norm(x, -1), [0.0, 2.0, -3.0]), np.zeros(3))


def test_tied_extremes_share_a_norm():
    np.testing.assert_array_equal(gradient(lambda x: linalg.norm(x, np.inf), [-2.0, 1.0, 2.0]), [-0.5, 0.0, 0.5])
    np.testing.assert_array_equal(gradient(lambda x: linalg.norm(x, 1), [[1.0, 3.0], [-2.0, 0.0]]), [[0.5, 0.5], [-0.5, 0.0]])


EMPTY = {
    "inv": linalg.inv,
    "det": linalg.det,
    "slogdet": linalg.slogdet,
    "solve": lambda a: linalg.solve(a, a),
    "pinv": linalg.pinv,
    "cholesky": linalg.cholesky,
    "qr": linalg.qr,
    "eigh": linalg.eigh,
    "svd": linalg.svd,
    "norm": linalg.norm,
    "spectral norm": lambda a: linalg.matrix_norm(a, ord=2),
    "matrix_power": lambda a: linalg.matrix_power(a, 3),
    "trace": np.trace,
    "tril": np.tril,
    "kron": lambda a: np.kron(a, a),
}


@pytest.mark.parametrize("f", EMPTY.values(), ids=EMPTY.keys())
@pytest.mark.parametrize("shape", [(0, 2, 2), (0, 0), (2, 0, 0)])
def test_empty_matrices(f, shape):
    gradcheck(f, np.ones(shape), order=2)


# Several results, names and forms ------------------------------------------------------------------------------------


def test_results_keep_their_names_and_one_of_them_may_be_used():
    a = tn.tensor(POSITIVE, requires_grad=True)
    result = linalg.eigh(a)
    assert type(result).__name__ == "EighResult"
    result.eigenvalues.sum().backward()
    np.testing.assert_allclose(a.grad, np.broadcast_to(np.eye(3), (2, 3, 3)), atol=1e-14)


def test_rank_and_singular_values_of_least_squares():
    a = tn.tensor(TALL[0], requires_grad=True)
    x, squares, rank, s = linalg.lstsq(a, VECTORS[:, 0].reshape(4, 1))
    assert rank.item() == 2
    assert not rank.requires_grad
    np.testing.assert_allclose(s.data, linalg.svdvals(TALL[0]))
    assert (x.shape, squares.shape) == ((2, 1), (1,))


def test_least_squares_is_the_pseudo_inverse_also_of_wide_and_deficient_matrices():
    b = RNG.standard_normal(2)
    for a in (WIDE[0], np.outer([1.0, 2.0], [3.0, 1.0, 2.0])):
        ours = gradient(lambda a: np.sum(np.square(linalg.lstsq(a, b)[0])), a)
        theirs = gradient(lambda a: np.sum(np.square(linalg.pinv(a) @ b)), a)
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_a_gufuncs_axis():
    x, y = tn.tensor(TALL, requires_grad=True), tn.tensor(TALL[0], requires_grad=True)
    result = np.vecdot(x, y, axis=-2)
    np.testing.assert_allclose(result.data, (TALL * TALL[0]).sum(-2))
    result.sum().backward()
    np.testing.assert_allclose(y.grad, TALL.sum(0))
    with pytest.raises(TypeError, match=r"np.vecdot on a tensor takes no dtype="):
        np.vecdot(x, y, dtype=float)


def test_a_gufuncs_axis_is_counted_in_each_operand():
    gradcheck(lambda x, y: np.vecdot(x, y, axis=1), [RNG.standard_normal((2, 3, 1)), RNG.standard_normal((4, 3))], order=2)


@pytest.mark.parametrize("shapes", [((), ()), ((), (2, 2)), ((2, 3), (2, 3, 1))])
def test_a_chain_of_two_is_a_dot(shapes):
    gradcheck(lambda *xs: linalg.multi_dot(xs), [RNG.standard_normal(shape) for shape in shapes], order=2)


def test_the_rank_of_a_tensor_is_a_number():
    assert linalg.matrix_rank(tn.tensor(np.ones((3, 2)), requires_grad=True)) == 1


# Errors --------------------------------------------------------------------------------------------------------------

ONES = np.ones((2, 2))
REFUSED = {
    "inv of a singular one": (linalg.inv, ONES, linalg.LinAlgError, r"np.linalg.inv on shape \(2, 2\): Singular matrix .*pinv"),
    "solve of a singular one": (
        lambda a: linalg.solve(a, a), ONES, linalg.LinAlgError, r"np.linalg.solve on shapes \(2, 2\) and \(2, 2\): Singular"
    ),
    "solve by a wrong length": (lambda a: linalg.solve(a, np.ones(3)), np.eye(2), tn.errors.ShapeError, r"\(2, 2\) and \(3,\)"),
    "inv of a rectangle": (linalg.inv, np.ones((2, 3)), linalg.LinAlgError, r"np.linalg.inv on shape \(2, 3\).*square"),
    "slogdet of a singular one": (
        lambda a: linalg.slogdet(a)[1], ONES, linalg.LinAlgError, r"np.linalg.slogdet on shape \(2, 2\): Singular.*-inf"
    ),
    "cholesky": (linalg.cholesky, -ONES, linalg.LinAlgError, r"np.linalg.cholesky on shape \(2, 2\).*positive definite"),
    "qr of dependent columns": (
        lambda a: linalg.qr(a)[0], np.ones((3, 2)), linalg.LinAlgError, r"np.linalg.qr on shape \(3, 2\).*independent columns"
    ),
    "qr of a vector": (lambda a: linalg.qr(a)[0], np.ones(3), linalg.LinAlgError, r"np.linalg.qr on shape \(3,\)"),
    "complete qr": (lambda a: linalg.qr(a, "complete"), np.ones((3, 2)), TypeError, "complete.*use mode='reduced'"),
    "raw qr": (lambda a: linalg.qr(a, "raw"), ONES, TypeError, "raw.*use mode='reduced'"),
    "full svd": (linalg.svd, np.ones((3, 2)), TypeError, "full_matrices=False"),
    "eig": (linalg.eig, ONES, TypeError, "complex.*np.linalg.eigh"),
    "eigvals": (linalg.eigvals, ONES, TypeError, "complex.*np.linalg.eigh"),
    "cross of pairs": (lambda a: np.cross(a, a), ONES, tn.errors.ShapeError, "length 3, not 2 and 2"),
    "outer of matrices": (lambda a: linalg.outer(a, a), ONES, tn.errors.ShapeError, "np.outer ravels"),
    "diag of a stack": (np.diag, np.ones((1, 2, 2)), tn.errors.ShapeError, "np.diagonal takes stacks"),
    "transpose of a vector": (np.matrix_transpose, np.ones(2), tn.errors.ShapeError, "takes matrices"),
    "power of a rectangle": (lambda a: linalg.matrix_power(a, 2), np.ones((2, 3)), linalg.LinAlgError, "matrix_power.*square"),
    "norm of three axes": (lambda a: linalg.norm(a, 1), np.ones((1, 2, 2)), ValueError, "np.linalg.vector_norm takes any"),
    "order of a vector": (lambda a: linalg.norm(a, "nuc"), np.ones(2), ValueError, "a vector has no norm of order 'nuc'"),
    "order of a matrix": (lambda a: linalg.norm(a, 3), ONES, ValueError, "a matrix has no norm of order 3; it has 1, 2, inf"),
    "axis of a norm": (lambda a: linalg.norm(a, axis=2), ONES, np.exceptions.AxisError, "np.linalg.norm: axis 2 is out of"),
    "tensorsolve": (
        lambda a: linalg.tensorsolve(a, np.ones(2)), np.ones((2, 3)), linalg.LinAlgError, "tensorsolve on shapes .* as many"
    ),
    "tensorinv": (lambda a: linalg.tensorinv(a, 0), ONES, ValueError, "ind=0 must be positive"),
}  # fmt: skip


@pytest.mark.parametrize(("f", "a", "kind", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_is_said_with_operation_shape_and_remedy(f, a, kind, message):
    with pytest.raises(kind, match=message) as caught:
        np.sum(f(tn.tensor(a, requires_grad=True))).backward()
    assert caught.type is kind
