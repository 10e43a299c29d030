"""Activations that are learned: PReLU, Swish, APL and the layer of functions, KANLinear."""

import copy
import pickle

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ShapeError
from tinynet.nn import APL, KANLinear, Linear, PReLU, Sequential, Swish
from tinynet.nn import functional as F
from tinynet.testing import gradcheck

SHAPES = [(4,), (3,), (2, 3), (2, 3, 4), (2, 3, 4, 3), (0, 3)]


def channels_of(shape):
    return shape[1] if len(shape) > 1 else shape[0]


def of_channels(shapes=SHAPES):
    """One parameter for all and one for each channel, of inputs with one to four axes."""
    pairs = [(1, ()), *((count, shape) for shape in shapes for count in sorted({1, channels_of(shape)}))]
    return pytest.mark.parametrize(("channels", "shape"), pairs)


def run(module, x, v):
    """The value of a module, and the gradient of the input and of each parameter."""
    x = tn.tensor(x, requires_grad=True)
    y = module(x)
    y.backward(v)
    return y.data, x.grad, *(p.grad for p in module.parameters())


def run_torch(function, x, v, *parameters):
    torch = pytest.importorskip("torch")
    leaves = [torch.tensor(np.asarray(p), requires_grad=True) for p in (x, *parameters)]
    y = function(*leaves)
    y.backward(torch.tensor(np.asarray(v)))
    return [y.detach().numpy(), *(leaf.grad.numpy() for leaf in leaves)]


def assert_same(found, expected, rtol=1e-12, atol=1e-13):
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol, strict=True)


def on_channels(parameter, x):
    """A parameter of torch, (..., C), as it broadcasts against (N, C, ...)."""
    axes = [1] * x.ndim
    if x.ndim:
        axes[min(1, x.ndim - 1)] = parameter.shape[-1]
    return parameter.reshape((*parameter.shape[:-1], *axes))


# PReLU ---------------------------------------------------------------------------------------------------------------


@of_channels()
def test_prelu_is_that_of_torch(channels, shape):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(7)
    x, v = (np.asarray(rng.normal(size=shape)) for _ in range(2))
    module = PReLU(channels, init=0.3)
    prelu = torch.nn.functional.prelu
    if len(shape) == 1:  # of one axis torch takes none for the channels
        prelu = lambda x, weight: torch.nn.functional.prelu(x[None], weight)[0]  # noqa: E731
    assert_same(run(module, x, v), run_torch(prelu, x, v, module.weight.data))


def test_prelu_of_one_axis_takes_it_for_the_channels():
    module = PReLU(2)
    module.weight.data[:] = [0.1, 0.2]
    np.testing.assert_allclose(module(np.array([-1.0, -1.0])).data, [-0.1, -0.2])
    assert repr(module) == "PReLU(num_parameters=2)  # 2 parameters"
    assert repr(pickle.loads(pickle.dumps(module)).weight) == repr(module.weight)


def test_prelu_of_slope_one_is_linear_and_its_derivative_at_zero_is_its_slope():
    x = np.linspace(-5, 5, 101)
    np.testing.assert_array_equal(PReLU(init=1.0)(x).data, x)
    for slope in (-0.5, 0.25, 1.0, 3.0):
        assert tn.grad(lambda x: F.prelu(x, np.array([slope])))(np.array(0.0)) == slope  # noqa: B023


# Swish ---------------------------------------------------------------------------------------------------------------


@of_channels()
def test_learned_swish_is_that_of_torch(channels, shape):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(6)
    x, v = (np.asarray(rng.normal(size=shape)) for _ in range(2))
    module = Swish(beta=1.5, learn=True, num_parameters=channels)
    module.beta.data[:] += rng.normal(size=channels)
    expected = run_torch(lambda x, beta: x * torch.sigmoid(on_channels(beta, x) * x), x, v, module.beta.data)
    assert_same(run(module, x, v), expected)


def test_what_a_swish_says():
    assert repr(Swish(2.0)) == "Swish(beta=2, learn=False)"
    assert repr(Swish(beta=1.5, learn=True)) == "Swish(beta=1.5, learn=True)  # 1 parameter"
    several = Swish(learn=True, num_parameters=3)
    several.beta.data[:] = [0.0, 1.0, 3.5]
    assert repr(several) == "Swish(beta=1.5, learn=True, num_parameters=3)  # 3 parameters"
    for module in (Swish(2.0), several):
        twin = pickle.loads(pickle.dumps(module))
        assert repr(twin) == repr(module)
        x = np.random.default_rng(5).normal(size=(2, 3))
        np.testing.assert_array_equal(np.asarray(twin(tn.tensor(x)).data), module(tn.tensor(x)).data)
    assert list(Swish(2.0).parameters()) == []


def test_swish_lies_between_half_the_identity_and_the_relu():
    x = np.linspace(-5, 5, 101)
    np.testing.assert_array_equal(Swish(beta=0.0)(x), x / 2)
    np.testing.assert_array_equal(Swish(beta=1.0)(x), F.silu(x))
    for beta in (1e2, 1e4, 1e6, 1e300):
        np.testing.assert_allclose(Swish(beta)(x), F.relu(x), rtol=0, atol=0.2785 / beta)  # Swish's minimum is -0.27846 / beta
        assert tn.grad(lambda x: F.swish(x, beta))(np.array(0.0)) == 0.5  # noqa: B023


# APL -----------------------------------------------------------------------------------------------------------------


def drawn_apl(pieces, channels, seed=0):
    rng = np.random.default_rng(seed)
    module = APL(pieces, channels)
    module.a.data[:] = rng.normal(size=(pieces, channels))
    module.b.data[:] = rng.normal(size=(pieces, channels))
    return module


@of_channels()
@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_apl_is_its_formula_in_torch(pieces, channels, shape):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(8)
    x, v = (np.asarray(rng.normal(size=shape)) for _ in range(2))
    module = drawn_apl(pieces, channels)

    def formula(x, a, b):
        relu = torch.nn.functional.relu
        return relu(x) + sum(on_channels(a[s], x) * relu(on_channels(b[s], x) - x) for s in range(pieces))

    assert_same(run(module, x, v), run_torch(formula, x, v, module.a.data, module.b.data))


@pytest.mark.parametrize("pieces", [1, 2, 3, 5])
def test_apl_starts_as_the_relu_with_its_hinges_spread_evenly(pieces):
    module = APL(pieces, num_parameters=3)
    x = np.random.default_rng(0).normal(size=(4, 3)) * 10
    np.testing.assert_array_equal(module(x).data, F.relu(x))
    hinges = module.b.data
    edges = [-1.0, *hinges[:, 0], 1.0]
    np.testing.assert_allclose(np.diff(edges), [1 / pieces, *[2 / pieces] * (pieces - 1), 1 / pieces], rtol=1e-12)
    np.testing.assert_array_equal(hinges, hinges[:, :1].repeat(3, axis=1))
    assert repr(module) == f"APL(pieces={pieces}, num_parameters=3)  # {6 * pieces} parameters"


def test_apl_at_its_kinks():
    a, b = np.array([[0.5], [-2.0]]), np.array([[-1.0], [1.0]])
    x = tn.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    F.apl(x, a, b).backward([1.0, 1.0, 1.0])
    assert x.grad.tolist() == [2.0, 2.0, 1.0]


def test_apl_can_be_any_of_its_kin():
    x = np.linspace(-5, 5, 101)
    leaky = F.apl(x, np.array([[-0.1]]), np.array([[0.0]]))
    np.testing.assert_allclose(leaky, F.leaky_relu(x, 0.1), rtol=1e-15)
    np.testing.assert_allclose(F.apl(x, np.array([[1.0]]), np.array([[0.0]])), np.abs(x), rtol=1e-15)


def test_derivatives_of_apl():
    rng = np.random.default_rng(9)
    module = drawn_apl(3, 4)
    x = rng.normal(size=(5, 4))
    x = np.where(np.abs(x - np.concatenate([module.b.data, np.zeros((1, 4))])[:, None]).min(axis=0) < 1e-3, x + 5e-3, x)
    gradcheck(F.apl, [x, module.a.data, module.b.data], order=2)


def test_a_regression_finds_a_shape():
    """|x| - 0.5·max(0, -1 - x), of which an APL is capable and a relu not."""
    x = np.random.default_rng(0).uniform(-3, 3, (200, 1))
    target = np.abs(x) - 0.5 * np.maximum(0, -1 - x)
    module = APL(3)
    optimizer = tn.optim.Adam(module.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        loss = np.mean((module(x) - target) ** 2)
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-3


# KANLinear -----------------------------------------------------------------------------------------------------------


def torch_basis(x, grid, order):
    """The recursion of Cox and de Boor on (N, in) and a grid (in, m): (N, in, m - order - 1)."""
    x = x[..., None]
    basis = ((x >= grid[:, :-1]) & (x < grid[:, 1:])).to(x.dtype)
    for k in range(1, order + 1):
        left = (x - grid[:, : -k - 1]) / (grid[:, k:-1] - grid[:, : -k - 1])
        right = (grid[:, k + 1 :] - x) / (grid[:, k + 1 :] - grid[:, 1:-k])
        basis = left * basis[..., :-1] + right * basis[..., 1:]
    return basis


def in_torch(layer):
    torch = pytest.importorskip("torch")
    grid = torch.tensor(layer.grid.data)

    def formula(x, base, spline):
        columns = x.reshape(-1, layer.in_features)
        basis = torch_basis(columns, grid, layer.spline_order)
        y = torch.nn.functional.silu(columns) @ base.T + torch.einsum("nik,jik->nj", basis, spline)
        return y.reshape(*x.shape[:-1], layer.out_features)

    return formula


@pytest.mark.parametrize("shape", [(3,), (1, 3), (17, 3), (2, 5, 3), (0, 3)])
@pytest.mark.parametrize(
    "options",
    [{}, {"grid_size": 1}, {"grid_size": 8, "spline_order": 2}, {"spline_order": 1}, {"spline_order": 0, "grid_range": (0, 2)}],
)
def test_kan_is_its_formula_in_torch(shape, options):
    rng = np.random.default_rng(0)
    layer = KANLinear(3, 4, **options, rng=1)
    x = rng.normal(size=shape)
    v = rng.normal(size=(*shape[:-1], 4))
    assert_same(run(layer, x, v), run_torch(in_torch(layer), x, v, *(p.data for p in layer.parameters())))


def test_a_network_of_functions_is_that_of_torch():
    first, second = KANLinear(2, 5, rng=0), KANLinear(5, 1, rng=1)
    rng = np.random.default_rng(2)
    x, v = rng.uniform(-1, 1, (50, 2)), rng.normal(size=(50, 1))

    def formula(x, *parameters):
        return in_torch(second)(in_torch(first)(x, *parameters[:2]), *parameters[2:])

    model = Sequential(first, second)
    assert_same(run(model, x, v), run_torch(formula, x, v, *(p.data for p in model.parameters())))


def test_second_derivatives_of_kan():
    layer = KANLinear(2, 3, grid_size=3, rng=0)
    x = np.random.default_rng(3).uniform(-1, 1, (4, 2))

    def f(x, base, spline):
        layer.base_weight, layer.spline_weight = base, spline
        return layer(x)

    gradcheck(f, [x, layer.base_weight.data, layer.spline_weight.data], order=2)


def test_how_kan_starts():
    layer = KANLinear(40, 50, rng=0)
    assert [tuple(p.shape) for p in layer.parameters()] == [(50, 40), (50, 40, 8)]
    assert np.abs(layer.base_weight.data).max() <= (6 / 90) ** 0.5
    assert layer.spline_weight.data.std() == pytest.approx(0.1, rel=0.02)
    np.testing.assert_allclose(layer.grid.data, np.tile(np.linspace(-2.2, 2.2, 12), (40, 1)))
    np.testing.assert_array_equal(KANLinear(2, 3, rng=5).spline_weight.data, KANLinear(2, 3, rng=5).spline_weight.data)
    assert list(layer.state_dict()) == ["base_weight", "spline_weight", "grid"]


def test_the_edges_sum_to_the_layer():
    layer = KANLinear(3, 4, rng=0)
    x = np.random.default_rng(1).normal(size=(2, 5, 3))
    edges = layer.edges(tn.tensor(x))
    assert edges.shape == (2, 5, 4, 3)
    np.testing.assert_allclose(edges.data.sum(axis=-1), layer(x).data, rtol=1e-12, atol=1e-14)


def test_the_edges_on_points_for_all_inputs():
    layer = KANLinear(3, 4, rng=0)
    points = np.linspace(-2, 2, 9)
    curves = layer.edges(points[:, None]).data
    assert curves.shape == (9, 4, 3)
    np.testing.assert_allclose(curves, layer.edges(np.repeat(points[:, None], 3, axis=1)).data)
    only = np.zeros(3)
    for i in range(3):  # the functions of input i alone: the others' constant part taken away
        x = np.tile(only, (9, 1))
        x[:, i] = points
        difference = layer(x).data - layer(only).data
        np.testing.assert_allclose(curves[:, :, i] - layer.edges(only[:1]).data[:, i], difference, atol=1e-12)


def test_outside_the_grid_the_base_is_left():
    layer = KANLinear(2, 3, rng=0)
    x = np.array([[1e30, -1e30], [2.3, -2.3], [-700.0, 55.0]])
    np.testing.assert_allclose(layer(x).data, F.silu(x) @ layer.base_weight.data.T, rtol=1e-12)


@pytest.mark.parametrize("base", [np.tanh, tn.nn.Tanh(), PReLU(init=0.5)])
def test_another_base(base):
    layer = KANLinear(2, 3, base_activation=base, rng=0)
    layer.spline_weight.data[:] = 0
    x = np.random.default_rng(1).normal(size=(5, 2))
    np.testing.assert_allclose(layer(x).data, np.asarray(base(tn.tensor(x)).data) @ layer.base_weight.data.T, rtol=1e-12)
    np.testing.assert_allclose(layer.edges(x).data.sum(axis=-1), layer(x).data, rtol=1e-12)
    assert ("base_activation.weight" in layer.state_dict()) == isinstance(base, PReLU)
    assert repr(pickle.loads(pickle.dumps(layer))) == repr(layer)


@pytest.mark.parametrize("n", [3, 5])
def test_a_base_with_numbers_for_each_input(n):
    """A slope for each input, whatever the number of samples: against the formula in torch."""
    torch = pytest.importorskip("torch")
    layer = KANLinear(3, 2, base_activation=PReLU(3), rng=0)
    layer.base_activation.weight.data[:] = [0.1, -0.5, 3.0]
    rng = np.random.default_rng(1)
    x, v = rng.uniform(-1, 1, (n, 3)), rng.normal(size=(n, 2))
    grid = torch.tensor(layer.grid.data)

    def formula(x, base, spline, slopes):
        return torch.nn.functional.prelu(x, slopes) @ base.T + torch.einsum("nik,jik->nj", torch_basis(x, grid, 3), spline)

    assert_same(run(layer, x, v), run_torch(formula, x, v, *(p.data for p in layer.parameters())))
    np.testing.assert_allclose(layer.edges(x).data.sum(axis=-1), layer(x).data, rtol=1e-12, atol=1e-14)
    gradcheck(layer.forward, x, order=2)


def test_a_base_is_given_the_input_as_it_is():
    layer = KANLinear(3, 2, base_activation=tn.nn.Softmax(-1), rng=0)
    x = np.random.default_rng(1).normal(size=(2, 5, 3))
    np.testing.assert_allclose(layer.edges(x).data.sum(axis=-1), layer(x).data, rtol=1e-12, atol=1e-14)


def test_the_edges_of_a_base_with_numbers_for_each_input_on_points_for_all():
    layer = KANLinear(3, 2, base_activation=PReLU(3), rng=0)
    layer.base_activation.weight.data[:] = [0.1, -0.5, 3.0]
    points = np.linspace(-2, 2, 9)[:, None]
    np.testing.assert_array_equal(layer.edges(points).data, layer.edges(np.tile(points, 3)).data)


@pytest.mark.parametrize("data", ["float64", "float32", "float16"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_the_new_grid_of_steps_holds_all_inputs(dtype, data):
    """The smallest and the largest among them too, however they and the knots were rounded."""
    x = np.random.default_rng(1).uniform([-1, 1, -7], [1, 3, -5], (60, 3)).astype(data)
    layer = KANLinear(3, 2, spline_order=0, base_activation=np.zeros_like, rng=0, dtype=dtype)
    layer.update_grid(x)
    layer.spline_weight.data[:] = 1
    for given in (x, x.astype(dtype)):
        np.testing.assert_array_equal(layer.edges(given).data, 1)
    np.testing.assert_allclose(layer.grid.data[:, [0, -1]].T, [x.min(axis=0), x.max(axis=0)], rtol=4e-3)


def test_updating_the_grid_keeps_functions_that_the_new_grid_can_be():
    """A cubic spline of one interval is a cubic polynomial, wherever its interval lies."""
    layer = KANLinear(2, 3, grid_size=1, grid_range=(-4, 4), rng=0)
    x = np.random.default_rng(1).uniform([-1, 0], [2, 3], (60, 2))
    before = layer(x).data
    layer.update_grid(x)
    np.testing.assert_allclose(layer(x).data, before, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(layer.grid.data[:, 3], x.min(axis=0))
    np.testing.assert_allclose(layer.grid.data[:, 4], x.max(axis=0))


def test_updating_the_grid_keeps_other_functions_nearly():
    layer = KANLinear(2, 3, grid_size=12, rng=0)
    x = np.random.default_rng(1).uniform(-0.5, 0.7, (500, 2))
    before = layer(tn.tensor(x)).data
    layer.update_grid(tn.tensor(x))
    assert np.abs(layer(x).data - before).max() < 0.02 * before.std()
    assert np.all((layer.grid.data[:, 3] >= -0.5) & (layer.grid.data[:, 15] <= 0.7))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.25])
def test_a_grid_that_cannot_be_updated_stays(bad):
    layer = KANLinear(2, 3, rng=0)
    before = {name: x.copy() for name, x in layer.state_dict().items()}
    x = np.random.default_rng(1).normal(size=(9, 2))
    x[:, 1] = np.where(bad == 0.25, bad, x[:, 1])
    x[3, 1] = bad
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=r"update_grid.*must vary, and be finite"):
        layer.update_grid(x)
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    with pytest.raises(ValueError, match="update_grid"):
        layer.update_grid(np.empty((0, 2)))


def test_a_range_in_which_the_knots_coincide_is_refused():
    with pytest.raises(ValueError, match=r"float32 cannot tell apart the knots of 5 intervals.*centre"):
        KANLinear(2, 3, grid_range=(1, 1 + 2e-7), dtype="float32")
    with pytest.raises(ValueError, match="float32 cannot tell apart the knots"):
        KANLinear(2, 3, spline_order=1, grid_range=(-3e38, 3e38), dtype="float32")
    layer = KANLinear(2, 3, rng=0)
    before = layer.state_dict()
    with pytest.raises(ValueError, match="float64 cannot tell apart the knots"):
        layer.update_grid(np.array([[1e10, 0.0], [1e10 + 4e-6, 1.0]]))
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_grid_of_single_precision_is_fitted_as_it_is_kept():
    """The coefficients belong to the knots as they were rounded."""
    layer = KANLinear(1, 3, grid_size=1, grid_range=(9996, 10004), base_activation=np.zeros_like, rng=0, dtype="float32")
    x = np.random.default_rng(1).uniform(9999.3, 10000.9, (60, 1))
    before = copy.deepcopy(layer).astype("float64")(x).data
    layer.update_grid(x)
    np.testing.assert_allclose(layer.astype("float64")(x).data, before, rtol=0, atol=1e-6 * np.abs(before).max())


def test_a_kan_learns_a_product():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (200, 2))
    target = x[:, :1] * x[:, 1:]
    model = Sequential(KANLinear(2, 4, rng=1), KANLinear(4, 1, rng=2))
    optimizer = tn.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        loss = np.mean((model(x) - target) ** 2)
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-3 * target.var()


# All of them ---------------------------------------------------------------------------------------------------------

LAYERS = {
    "PReLU": lambda: PReLU(5),
    "Swish": lambda: Swish(learn=True, num_parameters=5),
    "APL": lambda: drawn_apl(3, 5),
    "APL, one for all": lambda: drawn_apl(2, 1),
    "KANLinear": lambda: KANLinear(5, 5, rng=3),
    "KANLinear, order 1": lambda: KANLinear(5, 5, spline_order=1, grid_size=3, rng=3),
}
over_layers = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


@over_layers
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_compiled_is_training(make, dtype):
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(7, 5)).astype(dtype), rng.normal(size=(7, 5)).astype(dtype)

    def trained(run):
        model = Sequential(Linear(5, 5, rng=1), make(), Linear(5, 5, rng=2)).astype(dtype)
        optimizer = tn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x, target):
            optimizer.zero_grad()
            loss = np.mean((model(x) - target) ** 2)
            loss.backward()
            optimizer.step()
            return loss

        step = run(step)
        losses = [float(step(x, target)) for _ in range(20)]
        assert losses[-1] < losses[0]
        return [p.data for p in model.parameters()]

    tolerance = {"rtol": 1e-9, "atol": 1e-12} if dtype == "float64" else {"rtol": 1e-3, "atol": 1e-5}
    for eager, compiled in zip(trained(lambda step: step), trained(tn.compile), strict=True):
        assert eager.dtype == compiled.dtype == dtype
        np.testing.assert_allclose(compiled, eager, **tolerance)


@over_layers
def test_float32_stays(make):
    rng = np.random.default_rng(0)
    x, v = rng.normal(size=(7, 5)), rng.normal(size=(7, 5))
    single = run(make().astype("float32"), x.astype(np.float32), v.astype(np.float32))
    assert {part.dtype for part in single} == {np.dtype("float32")}
    for ours, exact in zip(single, run(make(), x, v), strict=True):
        np.testing.assert_allclose(ours, exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "options"),
    [(PReLU, {}), (Swish, {"learn": True}), (APL, {}), (KANLinear, {"in_features": 2, "out_features": 2})],
)
def test_a_layer_is_made_of_the_dtype(kind, options):
    module = kind(**options, dtype="float32")
    assert {p.dtype for p in [*module.parameters(), *module.buffers()]} == {np.dtype("float32")}
    assert module(np.ones((3, 2), np.float32)).dtype == np.float32


def test_numbers_and_lists():
    np.testing.assert_allclose(F.prelu([[-1.0, -1.0]], [0.1, 0.2]), [[-0.1, -0.2]])
    np.testing.assert_allclose(F.prelu([[-1.0, 1.0]], 0.1), [[-0.1, 1.0]])
    assert Swish(np.float64(2.0))(np.ones(2, np.float32)).dtype == np.float32
    np.testing.assert_allclose(tn.nn.Sin(omega=2)([0.5, 1.0]), np.sin([1.0, 2.0]))


@over_layers
def test_nan_stays_in_its_row_and_large_numbers_are_silent(make):
    module = make()
    x = np.random.default_rng(0).normal(size=(4, 5))
    x[1, 2], x[2, 3], x[3, 1] = np.nan, 1e30, -1e30
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y = module(tn.tensor(x, requires_grad=True))
    assert np.isnan(y.data[1]).any()
    assert np.isfinite(y.data[[0, 2, 3]]).all()
    y[[0, 2, 3]].sum().backward()


@over_layers
def test_pickles(make):
    module = make()
    twin = pickle.loads(pickle.dumps(module))
    x = np.random.default_rng(0).normal(size=(4, 5))
    np.testing.assert_array_equal(twin(x).data, module(x).data)
    assert repr(twin) == repr(module)
    other = make()
    other.load_state_dict(module.state_dict())
    np.testing.assert_array_equal(other(x).data, module(x).data)


@over_layers
@pytest.mark.parametrize("shape", [(4, 5), (0, 5), (3, 4, 5)])
def test_a_stack_computes_as_its_members_do(make, shape):
    rng = np.random.default_rng(0)
    models = [make() for _ in range(3)]
    for model in models:
        for parameter in model.parameters():
            parameter.data += 0.1 * rng.normal(size=parameter.shape)
    x, v = rng.normal(size=shape), rng.normal(size=(3, *shape))
    if len(shape) == 3 and not isinstance(models[0], KANLinear):  # the channels are on axis 1
        x, v = np.swapaxes(x, 1, 2), np.swapaxes(v, 2, 3)
    stack = tn.nn.stack(models, sample_axes=x.ndim - 1)
    y = stack(x)
    y.backward(v)
    for k, model in enumerate(models):
        alone = model(x)
        alone.backward(v[k])
        np.testing.assert_allclose(y.data[k], alone.data, rtol=1e-12, atol=1e-13)
        for own, stacked in zip(model.parameters(), stack.parameters(), strict=True):
            np.testing.assert_allclose(stacked.grad[k], own.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: PReLU(3)(np.ones((2, 4))), ShapeError, ["prelu", "(3,)", "(2, 4)", "channel"]),
        (lambda: PReLU(3)(np.ones((4, 4, 3))), ShapeError, ["prelu", "(3,)", "(4, 4, 3)"]),
        (lambda: PReLU(3)(np.array(1.0)), ShapeError, ["prelu", "(3,)", "()"]),
        (lambda: PReLU(0), ValueError, ["PReLU", "num_parameters=0", "integer of at least 1"]),
        (lambda: Swish(learn=True, num_parameters=3)(np.ones((2, 4))), ShapeError, ["Swish", "(3,)", "(2, 4)", "channel"]),
        (lambda: Swish(learn=True, num_parameters=0), ValueError, ["Swish", "num_parameters=0"]),
        (lambda: Swish(num_parameters=3), ValueError, ["Swish", "num_parameters=3", "learn=True"]),
        (lambda: PReLU(2.0), ValueError, ["PReLU", "num_parameters=2.0", "integer"]),
        (lambda: PReLU(init=None), TypeError, ["NoneType"]),
        (lambda: Swish(np.ones(2)), TypeError, []),
        (lambda: APL(0), ValueError, ["APL", "pieces=0"]),
        (lambda: APL(1.5), ValueError, ["APL", "pieces=1.5", "integer"]),
        (lambda: APL(2, 0), ValueError, ["APL", "num_parameters=0"]),
        (lambda: APL(2, 3)(np.ones((2, 4))), ShapeError, ["apl", "(2, 3)", "(2, 4)", "channel"]),
        (lambda: F.apl(np.ones(2), np.ones(2), np.ones(2)), ShapeError, ["apl", "(2,)", "(hinges, channels)"]),
        (lambda: KANLinear(0, 3), ValueError, ["KANLinear: in_features=0", "at least 1"]),
        (lambda: KANLinear(3, 0), ValueError, ["KANLinear: out_features=0", "at least 1"]),
        (lambda: KANLinear(3, 3, grid_size=0), ValueError, ["grid_size=0"]),
        (lambda: KANLinear(3, 3, spline_order=-1), ValueError, ["spline_order=-1"]),
        (lambda: KANLinear(3, 3, spline_order=1.0), TypeError, ["integer"]),
        (lambda: KANLinear(3, 3, base_activation="relu"), TypeError, ["base_activation='relu'", "function or a module"]),
        (lambda: KANLinear(3, 3, grid_range=(1, 2, 3)), ValueError, ["grid_range=(1, 2, 3)", "two finite numbers"]),
        (lambda: KANLinear(3, 3, grid_range=2), ValueError, ["grid_range=2", "two finite numbers"]),
        (lambda: KANLinear(3, 3, grid_range=(1, 1)), ValueError, ["grid_range=(1, 1)"]),
        (lambda: KANLinear(3, 3, grid_range=(1, -1)), ValueError, ["grid_range=(1, -1)"]),
        (lambda: KANLinear(3, 3, grid_range=(0, np.inf)), ValueError, ["grid_range=(0, inf)"]),
        (lambda: KANLinear(3, 3, grid_range=(0, np.nan)), ValueError, ["grid_range=(0, nan)"]),
        (lambda: KANLinear(3, 3)(np.ones((2, 4))), ShapeError, ["KANLinear(", "(2, 4)", "3 long", "KANLinear(4, 3)"]),
        (lambda: KANLinear(3, 3)(np.array(1.0)), ShapeError, ["KANLinear(", "()", "3 long"]),
        (lambda: KANLinear(3, 3).edges(np.ones((2, 4))), ShapeError, ["KANLinear(", "(2, 4)", "3 or 1 long", "x[..., None]"]),
        (lambda: KANLinear(3, 3).update_grid(np.ones((2, 1))), ShapeError, ["KANLinear(", "(2, 1)", "3 long"]),
        (lambda: F.prelu(np.ones((4, 3)), np.ones((2, 3))), ShapeError, ["prelu", "(2, 3)", "(C,)"]),
        (lambda: F.prelu(np.ones((4, 3)), np.ones((1, 1, 3))), ShapeError, ["prelu", "(1, 1, 3)", "(C,)"]),
        (lambda: F.apl([1.0], [[0.5], [1.0]], [[0.0]]), ShapeError, ["apl", "(2, 1)", "(1, 1)", "as many hinges"]),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == []
