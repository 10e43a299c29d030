"""vjp, jvp, jacobian, hessian and hvp: shapes, structures, nesting, agreement with each other and with jax, errors."""

import math
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import GradientError, ShapeError

RNG = np.random.default_rng(0)
Pair = namedtuple("Pair", "left right")


def rosenbrock(x, m=np):
    return m.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def mlp(parameters, x, m=np):
    for layer in parameters:
        x = m.tanh(x @ layer["weight"].T + layer["bias"])
    return x


PARAMETERS = [
    {"weight": RNG.standard_normal((4, 3)), "bias": RNG.standard_normal(4)},
    {"weight": RNG.standard_normal((2, 4)), "bias": RNG.standard_normal(2)},
]
X = RNG.standard_normal((5, 3))


def difference(f, x, t, h=1e-5):
    """The directional derivative by central differences, extrapolated once (Richardson)."""
    wide, narrow = ((f(x + s * t) - f(x - s * t)) / (2 * s) for s in (2 * h, h))
    return (4 * narrow - wide) / 3


# Shapes and structures -----------------------------------------------------------------------------------------------

SHAPES = st.sampled_from([(), (1,), (3,), (2, 3), (2, 1, 2), (0,), (2, 0)])


@given(SHAPES, SHAPES, st.integers(0, 99))
def test_jacobian_of_any_shapes(out, inner, seed):
    rng = np.random.default_rng(seed)
    x, matrix = rng.standard_normal(inner), rng.standard_normal((*out, *inner))
    f = lambda x: np.tensordot(matrix, np.sin(x), len(inner)) if inner else matrix * np.sin(x)  # noqa: E731
    jacobian = tn.jacobian(f)(x)
    np.testing.assert_allclose(jacobian, matrix * np.cos(x), rtol=1e-13, strict=True)
    v, t = rng.standard_normal(out), rng.standard_normal(inner)
    value, pullback = tn.vjp(f, x)
    np.testing.assert_allclose(value, f(x), rtol=1e-13, atol=1e-13)
    pulled, pushed = pullback(v)[0], tn.jvp(f, (x,), (t,))[1]
    np.testing.assert_allclose(pulled, np.tensordot(v, jacobian, len(out)), atol=1e-12, strict=True)
    np.testing.assert_allclose(pushed, np.tensordot(jacobian, t, len(inner)), atol=1e-12, strict=True)


def test_containers_of_every_kind():
    p = {"a": 2.0, "b": [np.array([1.0, 3.0]), (np.array([[5.0]]), None)], "c": Pair(1.0, 4.0), "d": OrderedDict(z=2.0)}
    f = lambda p: p["a"] * np.sum(p["b"][0] ** 2) * p["b"][1][0][0, 0] + p["c"].left * p["d"]["z"]  # noqa: E731
    g = tn.grad(f)(p)
    assert g["a"] == 50.0
    np.testing.assert_array_equal(g["b"][0], [20.0, 60.0])
    assert g["b"][1][0].shape == (1, 1)
    assert g["b"][1][1] is None
    assert (g["c"].left, g["c"].right) == (2.0, 0.0)
    assert type(g["c"]) is Pair
    assert type(g["d"]) is OrderedDict
    hessian = tn.hessian(f)(p)
    np.testing.assert_array_equal(hessian["a"]["b"][0], [10.0, 30.0])
    assert hessian["c"].left["d"]["z"] == 1.0


def test_outputs_in_containers():
    f = lambda x, y: {"product": x * y, "sums": (np.sum(x), [np.sum(y)])}  # noqa: E731
    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    value, pullback = tn.vjp(f, x, y)
    assert type(value["product"]) is np.ndarray
    gx, gy = pullback({"product": np.array([1.0, 10.0]), "sums": (100.0, [np.array(1000.0)])})
    np.testing.assert_array_equal(gx, [103.0, 140.0])
    np.testing.assert_array_equal(gy, [1001.0, 1020.0])
    tangent = tn.jvp(f, (x, y), (np.ones(2), np.zeros(2)))[1]
    np.testing.assert_array_equal(tangent["product"], y)
    assert (tangent["sums"][0], tangent["sums"][1][0]) == (2.0, 0.0)
    jacobian = tn.jacobian(f, (0, 1))(x, y)
    np.testing.assert_array_equal(jacobian["product"][1], np.diag(x))
    np.testing.assert_array_equal(jacobian["sums"][1][0][0], np.zeros(2))


def test_dtypes_are_those_of_the_arguments():
    x, y = np.float32([1.0, 2.0]), np.array([3.0, 4.0])
    f = lambda x, y: np.concatenate([x * y, x])  # noqa: E731
    for block, argument in zip(tn.jacobian(f, (0, 1))(x, y), (x, y), strict=True):
        assert block.dtype == argument.dtype
    wide = tn.jacobian(lambda x: np.outer(x, x))(x)  # by columns
    assert wide.dtype == np.float32
    assert tn.jvp(np.sin, (x,), (np.ones(2),))[1].dtype == np.float32
    assert tn.hvp(lambda x: np.sum(x**3), (x,), ([1.0, 2.0],))[0].dtype == np.float32


def test_rows_and_columns_agree():
    matrix = RNG.standard_normal((6, 2))
    f = lambda x: np.tanh(matrix @ x) ** 2  # noqa: E731
    x = np.array([0.3, -0.2])
    by_columns = tn.jacobian(f)(x)
    by_rows = np.stack([tn.grad(lambda x, i=i: f(x)[i])(x) for i in range(6)])
    np.testing.assert_allclose(by_columns, by_rows, rtol=1e-13)


def test_results_are_arrays_of_the_callers_own():
    _, pullback = tn.vjp(lambda x: (x, x + 0), np.ones(2))
    cotangent = np.array([1.0, 2.0])
    (pulled,) = pullback((cotangent, np.zeros(2)))
    pulled += 1
    np.testing.assert_array_equal(cotangent, [1.0, 2.0])
    np.testing.assert_array_equal(pullback((cotangent, np.ones(2)))[0], [2.0, 3.0])  # once more
    for result in (tn.jacobian(np.sin)(np.ones(2)), tn.hessian(np.sum)(np.ones(2)), tn.jvp(np.sin, (1.0,), (1.0,))[1]):
        assert type(result) is np.ndarray
        assert result.flags.writeable


# Values --------------------------------------------------------------------------------------------------------------


def test_hessian_of_rosenbrock():
    x, t = RNG.standard_normal(5), RNG.standard_normal(5)
    hessian = tn.hessian(rosenbrock)(x)
    np.testing.assert_array_equal(hessian, hessian.T)
    np.testing.assert_allclose(hessian @ t, difference(tn.grad(rosenbrock), x, t), rtol=1e-8)
    np.testing.assert_allclose(tn.hvp(rosenbrock, (x,), (t,))[0], hessian @ t, rtol=1e-12)


@pytest.mark.parametrize("f", [rosenbrock, lambda x: tn.jvp(rosenbrock, (x,), (x,))[1]])
def test_third_derivatives_by_any_composition(f):
    x, t = np.array([0.5, -1.0, 2.0]), np.array([1.0, 2.0, -1.0])
    third = tn.jacobian(tn.hessian(f))(x)
    np.testing.assert_allclose(third, np.transpose(third, (2, 0, 1)), rtol=1e-10, atol=1e-8)
    along = tn.jvp(lambda x: tn.hvp(f, (x,), (t,))[0], (x,), (t,))[1]
    np.testing.assert_allclose(np.einsum("ijk,j,k->i", third, t, t), along, rtol=1e-10)
    backwards = tn.grad(lambda x: np.sum(tn.vjp(tn.grad(f), x)[1](t)[0] * t))(x)
    np.testing.assert_allclose(backwards, along, rtol=1e-10)


def test_agreement_with_jax():
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    jax.config.update("jax_enable_x64", True)

    def close(ours, theirs):
        a, b = (np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]) for tree in (ours, theirs))
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * np.abs(b).max())

    x, t = RNG.standard_normal(6), RNG.standard_normal(6)
    theirs = jax.hessian(lambda x: rosenbrock(x, jnp))(x)
    close(tn.hessian(rosenbrock)(x), theirs)
    close(tn.hvp(rosenbrock, (x,), (t,)), theirs @ t)
    loss = lambda p, m=np: m.mean(mlp(p, X, m) ** 2)  # noqa: E731
    directions = jax.tree.map(lambda a: RNG.standard_normal(a.shape), PARAMETERS)
    close(tn.hessian(loss)(PARAMETERS), jax.hessian(lambda p: loss(p, jnp))(PARAMETERS))
    their_hvp = jax.jvp(jax.grad(lambda p: loss(p, jnp)), (PARAMETERS,), (directions,))[1]
    close(tn.hvp(loss, (PARAMETERS,), (directions,))[0], their_hvp)
    close(tn.jacobian(mlp, (0, 1))(PARAMETERS, X), jax.jacobian(lambda p, x: mlp(p, x, jnp), (0, 1))(PARAMETERS, X))
    close(tn.jvp(mlp, (PARAMETERS, X), (directions, X)), jax.jvp(lambda p, x: mlp(p, x, jnp), (PARAMETERS, X), (directions, X)))


def test_a_model_that_is_closed_over():
    model = tn.nn.Sequential(tn.nn.Linear(3, 4, rng=0), tn.nn.Tanh(), tn.nn.Linear(4, 1, rng=1))
    hessian = tn.hessian(lambda x: np.sum(model(x)))(X[0])
    assert isinstance(hessian, tn.Tensor)  # it depends on the parameters, which require a gradient
    np.sum(hessian**2).backward()
    assert model[0].weight.grad.shape == (4, 3)


# Nesting -------------------------------------------------------------------------------------------------------------


def test_a_pullback_differentiates_by_its_cotangent():
    x = np.array([1.0, 2.0])
    _, pullback = tn.vjp(lambda x: x**3, x)
    by_cotangent = tn.jacobian(lambda v: pullback(v)[0])(np.ones(2))
    np.testing.assert_array_equal(by_cotangent, np.diag(3 * x**2))


def test_a_pushforward_differentiates_by_its_tangent():
    x = np.array([1.0, 2.0])
    by_tangent = tn.jacobian(lambda t: tn.jvp(lambda x: x**3, (x,), (t,))[1])(np.ones(2))
    np.testing.assert_array_equal(by_tangent, np.diag(3 * x**2))


def test_third_derivatives_where_a_block_is_zero():
    third = tn.jacobian(tn.hessian(lambda x, y: x**3 + y**3, (0, 1)), (0, 1))(1.0, 1.0)
    assert third[0][0][0] == 6.0
    assert third[0][1][0] == 0.0
    p = {"a": np.ones(2), "b": np.ones(1)}
    blocks = tn.jacobian(tn.hessian(lambda p: np.sum(p["a"] ** 3) + np.sum(p["b"])))(p)
    assert blocks["a"]["b"]["a"].shape == (2, 1, 2)
    np.testing.assert_array_equal(tn.jacobian(tn.hessian(lambda y: np.sum(y * 2)))(np.ones(2)), np.zeros((2, 2, 2)))
    assert tn.jvp(lambda x: tn.jvp(np.floor, (x,), (1.0,))[1], (1.5,), (1.0,))[1] == 0.0


def test_an_error_in_the_function_leaves_nothing_open():
    kept = []

    def fails(x):
        kept.append(x)
        raise KeyError

    with pytest.raises(KeyError):
        tn.grad(fails)(1.0)
    assert type(tn.grad(lambda y: y * kept[0])(2.0)) is np.ndarray


def test_cotangents_of_several_results_may_be_plain_and_none_stands_for_zeros():
    _, pullback = tn.vjp(np.linalg.qr, np.array([[2.0, 1.0], [0.0, 3.0]]))
    np.testing.assert_allclose(pullback((np.zeros((2, 2)), np.eye(2)))[0], pullback((None, np.eye(2)))[0])
    assert tn.jvp(lambda x, y: x * y, (2.0, 3.0), (None, 1.0))[1] == 2.0
    assert tn.hvp(lambda x, y: x * x * y, (2.0, 3.0), (None, 1.0)) == (4.0, 0.0)


def test_results_are_not_shared():
    x, t = np.ones(2), np.array([1.0, 2.0])
    assert tn.jvp(lambda x: x, (x,), (t,))[1] is not t
    assert tn.vjp(lambda x: x, x)[1](t)[0] is not t
    first, second = tn.autograd.grad(np.sum((y := tn.tensor(x, requires_grad=True)) * 2), [y, y])
    assert not np.shares_memory(first.data, second.data)


def test_what_does_not_depend_on_the_arguments_has_zeros():
    x = np.ones(2)
    np.testing.assert_array_equal(tn.hessian(lambda x: tn.tensor(7.0))(x), np.zeros((2, 2)))
    np.testing.assert_array_equal(tn.hessian(lambda x: np.sum(3 * x))(x), np.zeros((2, 2)))
    np.testing.assert_array_equal(tn.hvp(lambda x: tn.tensor(1.0), (x,), (x,))[0], np.zeros(2))
    np.testing.assert_array_equal(tn.jvp(lambda x: tn.tensor([1.0, 2.0, 3.0]), (x,), (x,))[1], np.zeros(3))
    np.testing.assert_array_equal(tn.vjp(lambda x, y: y, x, x)[1](x)[0], np.zeros(2))
    np.testing.assert_array_equal(tn.jacobian(np.floor)(x), np.zeros((2, 2)))


def test_an_unused_argument_is_an_error_when_asked():
    f = lambda x, p: np.sum(x) * p["used"]  # noqa: E731
    arguments = np.ones(2), {"used": 1.0, "not": [2.0]}
    assert tn.grad(f, 1)(*arguments)["not"][0] == 0.0
    with pytest.raises(GradientError, match=r"does not depend on argument 1\['not'\]\[0\]; allow_unused=True gives zeros"):
        tn.grad(f, (0, 1), allow_unused=False)(*arguments)
    assert tn.grad(f, 0, allow_unused=False)(*arguments).tolist() == [1.0, 1.0]


# Errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tn.grad(lambda x: x)(np.ones(2)), GradientError, r"of one number.*shape \(2,\).*use tn\.jacobian"),
        (lambda: tn.hessian(lambda x: x)(np.ones(2)), GradientError, r"use tn\.jacobian"),
        (lambda: tn.grad(lambda x: (x, x))(1.0), TypeError, r"returned a tuple; use tn\.jacobian"),
        (lambda: tn.jacobian(lambda x: math.sin(x))(1.0), TypeError, r"returned float, not a tensor.*math"),
        (lambda: tn.vjp(lambda x: None, 1.0), TypeError, "returned NoneType, not a tensor"),
        (lambda: tn.jacobian(lambda x: ())(1.0), TypeError, "returned tuple, not a tensor"),
        (lambda: tn.jvp(np.sin, (np.ones(2),), (np.ones(3),)), ShapeError, r"tangent at \[0\] has shape \(3,\).*\(2,\)"),
        (lambda: tn.jvp(np.sin, (np.ones(2),), ()), TypeError, "got a tuple of 0, wanted a tuple of 1"),
        (lambda: tn.jvp(np.sin, np.ones(2), np.ones(2)), TypeError, r"primals must be a tuple.*\(x,\)"),
        (lambda: tn.hvp(np.sin, (1.0,), 1.0), TypeError, r"tangents must be a tuple"),
        (lambda: tn.vjp(np.sin, np.ones(2))[1](1.0), ShapeError, r"cotangent has shape \(\); it must have \(2,\)"),
        (lambda: tn.vjp(lambda x: {"a": x}, 1.0)[1](1.0), TypeError, r"got float, wanted a dict with the keys \['a'\]"),
        (lambda: tn.vjp(lambda x: {"a": x}, 1.0)[1]({"b": 1.0}), TypeError, r"got a dict with the keys \['b'\]"),
        (lambda: tn.jacobian(np.sin, 1)(1.0), IndexError, "argnums=1: np.sin was called with 1"),
        (lambda: tn.jacobian(np.sin, -2)(1.0), IndexError, "argnums=-2"),
        (lambda: tn.grad(np.sin, "x"), TypeError, "argnums='x'.*position"),
        (lambda: tn.jacobian(np.sin)(1j), TypeError, "complex"),
        (lambda: tn.grad(3), TypeError, "takes a function, not int"),
        (lambda: tn.grad(np.sin, True), TypeError, "argnums=True"),
        (lambda: tn.grad(np.argmax)(np.ones(2)), TypeError, "returned int64, not a tensor.*np.argmax"),
        (lambda: tn.grad(lambda x: np.sum(x.astype(int)))(np.ones(2)), TypeError, "its result is of int64"),
        (lambda: tn.grad(tn.grad(np.sum))(np.ones(2)), GradientError, r"the gradient of tn\.grad\(np\.sum\) is of one number"),
        (lambda: tn.hessian(np.sum)(np.ones(2, int)), TypeError, "int64"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("transform", [tn.grad, tn.jacobian, tn.hessian])
def test_no_argument_is_chosen(transform):
    with pytest.raises(TypeError, match=r"argnums=\(\)"):
        transform(np.sin, ())


@pytest.mark.parametrize("given", [np.ones(2), [np.ones(2)], None, 1.0, {"x": 1.0}])
def test_gradients_of_and_by_what_is_no_tensor(given):
    x = tn.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"autograd\.grad: outputs must be a tensor or a sequence of them"):
        tn.autograd.grad(given, x)
    with pytest.raises(TypeError, match=r"autograd\.grad: inputs must be a tensor or a sequence of them"):
        tn.autograd.grad(np.sum(x), given)
