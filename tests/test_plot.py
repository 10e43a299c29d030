"""Pictures: what is drawn, where, and without pyplot's global state."""

import builtins
import subprocess
import sys

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn, plot
from tinynet.errors import ShapeError
from tinynet.training import History, Trainer

matplotlib = pytest.importorskip("matplotlib")


def boundary(ax):
    """The points of the lines that were drawn as boundaries."""
    from matplotlib.contour import ContourSet

    sets = [c for c in ax.collections if isinstance(c, ContourSet) and not c.filled]
    return np.concatenate([path.vertices for c in sets for path in c.get_paths()]) if sets else np.empty((0, 2))


def test_the_boundary_of_a_logit_is_where_it_is_zero():
    x, y = tn.data.circle(100, rng=0)
    ax = plot.decision_boundary(lambda p: 1.1 - np.hypot(*p.T), x, y, title="circle")
    line = boundary(ax)
    assert len(line) > 50
    np.testing.assert_allclose(np.hypot(*line.T), 1.1, atol=1e-3)
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == ("circle", "$x_1$", "$x_2$")
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert left < x[:, 0].min() and right > x[:, 0].max() and bottom < x[:, 1].min() and top > x[:, 1].max()


@pytest.mark.parametrize("model", [
    lambda p: p[:, 0] - 0.5,
    lambda p: p[:, :1] - 0.5,
    lambda p: (p[:, 0] > 0.5).astype(int),
    lambda p: p[:, 0] > 0.5,
    lambda p: np.stack([0.5 - p[:, 0], p[:, 0] - 0.5], axis=1),
    lambda p: tn.Tensor(p[:, 0] - 0.5, requires_grad=True),
])
def test_each_kind_of_output_is_read(model):
    x, y = tn.data.xor()
    ax = plot.decision_boundary(model, x, y, resolution=81)
    assert len(boundary(ax)) > 50
    np.testing.assert_allclose(boundary(ax)[:, 0], 0.5, atol=0.02)
    zero, one = next(c for c in ax.collections if getattr(c, "filled", False)).get_paths()
    assert zero.contains_point((0.1, 0.5)) and one.contains_point((0.9, 0.5)) and not one.contains_point((0.1, 0.5))
    drawn = [c.get_label() for c in ax.collections]
    assert [label for label in drawn if label.startswith("class")] == ["class 0", "class 1"]


def test_a_threshold_for_probabilities_and_no_line_where_there_is_one_class():
    x, y = tn.data.xor()
    ax = plot.decision_boundary(lambda p: 1 / (1 + np.exp(-p[:, 0])), x, y, threshold=0.5)
    assert len(boundary(ax)) > 50
    np.testing.assert_allclose(boundary(ax)[:, 0], 0, atol=1e-6)
    assert len(boundary(plot.decision_boundary(lambda p: np.ones(len(p)), x, y))) == 0


def test_a_module_is_run_in_evaluation_mode_and_its_own_dtype():
    seen = set()

    class Spy(nn.Module):
        def forward(self, x):
            seen.add((x.dtype.name, self.training, tn.is_grad_enabled()))
            return x

    model = nn.Sequential(nn.Linear(2, 3, rng=0), Spy()).astype("float32")
    x, y = tn.data.gaussians(30, rng=0)
    figure, axes = plot.subplots(1, 2)
    assert plot.decision_boundary(model, x, y[:, None], axes[0, 1]) is axes[0, 1]
    assert seen == {("float32", False, False)} and model.training
    assert not axes[0, 0].collections and len(figure.axes) == 2


@pytest.mark.parametrize("x, y, output, message", [
    (np.zeros((4, 3)), np.zeros(4), None, r"x has shape \(4, 3\)"),
    (np.zeros((0, 2)), np.zeros(0), None, r"x has shape \(0, 2\)"),
    (np.zeros((4, 2)), np.zeros(3), None, r"y has shape \(3,\)"),
    (np.zeros((4, 2)), np.zeros(4), np.zeros(7), r"gave shape \(7,\)"),
    (np.zeros((4, 2)), np.zeros(4), np.zeros((7, 2)), r"gave shape \(7, 2\)"),
    (np.zeros((4, 2)), np.zeros(4), np.zeros((3, 40_000, 1)), r"a member, stack\[k\]"),
    (np.zeros((4, 2)), np.zeros(4), np.zeros((40_000, 2), dtype=int), r"gave shape \(40000, 2\).* one class each"),
])
def test_wrong_shapes_are_refused(x, y, output, message):
    with pytest.raises(ShapeError, match=message):
        plot.decision_boundary(lambda p: output, x, y)


@pytest.mark.parametrize(("x", "y", "output", "message"), [
    ([[0.0, np.nan]], [0], None, "x is not finite"),
    (np.eye(2), [-1, 1], None, "y must be classes, .* it has -1, 1"),
    (np.eye(2), [0, 0.5], None, r"it has 0\.0, 0\.5"),
    (np.eye(2), [0, 10**6], None, "whole numbers from 0 to 99; it has 0, 1000000"),
    (np.eye(2), ["a", "b"], None, "it has 'a', 'b'"),
    (np.eye(2), [0, 1], np.full(40_000, -1), "what the model gives must be classes, .* it has -1"),
])
def test_what_is_no_point_or_class_is_refused(x, y, output, message):
    with pytest.raises(ValueError, match=message):
        plot.decision_boundary(lambda p: output, x, y)


def test_curves_are_labelled_and_told_apart():
    history = {"loss": [3.0, 2.0, 1.0], "val_loss": [3.5, 3.0, 2.5], "r2": [0.1, 0.2, 0.3]}
    ax = plot.curves(history, label="tanh", log=True)
    assert plot.curves(history, ["loss"], ax, label="sin", log=True) is ax
    assert [line.get_label() for line in ax.lines] == ["tanh loss", "tanh val_loss", "sin loss"]
    assert len({line.get_color() for line in ax.lines}) == 3
    assert ax.lines[1].get_linestyle() == "--" and ax.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "loss", "log")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["tanh loss", "tanh val_loss", "sin loss"]
    mixed = plot.curves(history, ["loss", "r2"])
    assert (mixed.get_ylabel(), mixed.get_yscale()) == ("value", "linear")
    with pytest.raises(KeyError, match="accuracy"):
        plot.curves(History(["loss"]), ["accuracy"])


def test_many_curves_are_all_legible_and_told_apart():
    ax = plot.subplots()[1][0, 0]
    for seed in range(6):
        plot.curves({"loss": [1.0, 2.0], "val_loss": [2.0, 3.0]}, ax=ax, label=str(seed))
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.lines}) == 12
    assert "#F0E442" not in {line.get_color() for line in ax.lines}  # yellow is lost on white
    losses = plot.subplots()[1][0, 0]
    for _ in range(10):
        plot.curves({"loss": [1.0, 2.0]}, ax=losses)
    assert len({(line.get_color(), line.get_linestyle()) for line in losses.lines}) == 10


def test_curves_of_a_stack_are_a_median_with_a_band():
    epochs = list(np.random.default_rng(0).uniform(size=(6, 5)))  # six epochs of five members
    ax = plot.curves({"loss": epochs, "val_loss": epochs})
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.median(epochs, axis=1))
    assert [line.get_label() for line in ax.lines] == ["loss", "val_loss"] and len(ax.collections) == 2
    assert ax.lines[1].get_linestyle() == "--"
    corners = ax.collections[0].get_paths()[0].vertices.tolist()
    assert all([k, float(edge)] in corners for k, row in enumerate(epochs, 1) for edge in np.quantile(row, (0.25, 0.75)))


def test_a_history_plots_itself(tmp_path):
    model = nn.Linear(2, 1, rng=0)
    trainer = Trainer(model, nn.MSELoss(), tn.optim.SGD(model.parameters(), lr=0.1))
    history = trainer.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=3)
    history.plot(tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    history.plot(str(tmp_path / "loss.svg"))
    assert b"<svg" in (tmp_path / "loss.svg").read_bytes()
    ax = history.plot()
    assert history.plot(ax) is ax and len(ax.lines) == 2


def test_pyplot_is_never_imported():
    code = (
        "import sys, numpy as np, tinynet.plot as plot; assert 'matplotlib' not in sys.modules\n"
        "plot.decision_boundary(lambda p: p[:, 0], np.eye(2), [0, 1]).figure.savefig(__import__('io').BytesIO())\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install -e '\.\[plot\]'"):
        plot.curves({"loss": [1.0]})


def test_activations_are_drawn_with_their_slopes():
    names = {"ReLU": tn.relu, "sin": np.sin, "PReLU": nn.PReLU(), "step": np.sign}
    value, slope = plot.activation_curves(names, span=(-2, 2), points=401)
    x = value.lines[0].get_xdata()
    assert (x[0], x[-1], len(x)) == (-2, 2, 401)
    pairs = zip(value.lines, slope.lines, strict=True)
    drawn = {line.get_label(): (line.get_ydata(), other.get_ydata()) for line, other in pairs}
    expected = {
        "ReLU": (np.maximum(x, 0), x > 0),
        "sin": (np.sin(x), np.cos(x)),
        "PReLU": (np.where(x > 0, x, x / 4), np.where(x > 0, 1, 0.25)),
        "step": (np.sign(x), 0 * x),
    }
    assert list(drawn) == list(expected)
    for name, (f, derivative) in expected.items():
        np.testing.assert_allclose(drawn[name][0], f, atol=1e-15)
        np.testing.assert_allclose(drawn[name][1], derivative, atol=1e-15)
    assert [text.get_text() for text in slope.get_legend().get_texts()] == list(expected)
    assert (value.get_ylabel(), slope.get_ylabel(), slope.get_xlabel()) == ("$f(x)$", "$f\\,'(x)$", "$x$")
    _, axes = plot.subplots(1, 2)
    assert plot.activation_curves({"tanh": np.tanh}, axes[0]).tolist() == axes[0].tolist()
    with tn.no_grad():
        _, slope = plot.activation_curves({"ReLU": tn.relu, "constant": lambda x: tn.tensor(np.ones(801))})
    assert [line.get_ydata()[-1] for line in slope.lines] == [1, 0], "slopes are drawn where gradients are off"
    with pytest.raises(ShapeError, match=r"'sum' made shape \(\) of \(801,\)"):
        plot.activation_curves({"sum": np.sum})


def test_many_lines_are_told_apart():
    value, _ = plot.activation_curves({str(k): lambda x, k=k: k * x for k in range(20)})
    assert len({(line.get_color(), line.get_linestyle()) for line in value.lines}) == 20
    assert "#F0E442" not in {line.get_color() for line in value.lines}


def test_bands_go_from_quartile_to_quartile():
    runs = np.random.default_rng(0).lognormal(size=(11, 7))
    ax = plot.bands({"tanh": runs, "ReLU": 2 * runs}, log=True, xlabel="step")
    low, middle, high = np.quantile(runs, (0.25, 0.5, 0.75), axis=0)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), middle)
    assert ax.lines[0].get_xdata().tolist() == list(range(1, 8))
    corners = ax.collections[0].get_paths()[0].vertices
    for edge in (low, high):
        assert {(float(a), float(b)) for a, b in enumerate(edge, 1)} <= {(a, b) for a, b in corners.tolist()}
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("step", "loss", "log")
    assert ax.lines[0].get_color() != ax.lines[1].get_color()
    plot.bands({"sin": runs}, ax, x=[1, 2, 4, 8, 16, 32, 64])
    assert len({line.get_color() for line in ax.lines}) == 3 and ax.lines[2].get_xdata()[-1] == 64
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["tanh", "ReLU", "sin"]


def test_a_training_that_blew_up_counts_as_infinite():
    ax = plot.bands({"a": [[3.0, 2.0, 1.0], [3.0, 2.0, np.inf], [3.0, np.inf, np.inf]]})
    assert ax.lines[0].get_ydata().tolist() == [3, 2, np.inf]


@pytest.mark.parametrize(("runs", "x", "message"), [
    (np.ones(4), None, r"'a' have shape \(4,\)"),
    (np.ones((0, 4)), None, r"'a' have shape \(0, 4\)"),
    (np.ones((3, 4)), [1, 2, 3], r"x has shape \(3,\)"),
])
def test_wrong_bands_are_refused(runs, x, message):
    with pytest.raises(ShapeError, match=message):
        plot.bands({"a": runs}, x=x)


SQUARES = [[[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]] for i in range(3) for j in range(2)]


def test_regions_are_drawn_each_in_its_colour():
    ax = plot.linear_regions(SQUARES, title="six")
    [drawn] = ax.collections
    assert [path.vertices[:4].tolist() for path in drawn.get_paths()] == SQUARES
    assert len({tuple(color) for color in drawn.get_facecolors()}) == 6
    assert (ax.get_xlim(), ax.get_ylim(), ax.get_title(), ax.get_aspect()) == ((0, 3), (0, 2), "six", 1)
    triangle = np.array([[0, 0], [1, 0], [0, 1]])
    assert len(plot.linear_regions([triangle, *SQUARES]).collections[0].get_paths()) == 7  # corners may differ in number


def test_regions_that_were_found_are_drawn_as_they_are():
    found = tn.inspect.linear_regions(tn.nn.Sequential(tn.nn.Linear(2, 6, rng=0), tn.nn.ReLU()), ((-1, 1), (-1, 2)))
    ax = plot.linear_regions(found, values=found.areas)
    assert len({len(polygon) for polygon in found.polygons}) > 1
    paths = ax.collections[0].get_paths()
    assert [path.vertices[: len(polygon)].tolist() for path, polygon in zip(paths, found.polygons, strict=True)] == [
        polygon.tolist() for polygon in found.polygons
    ]


def test_regions_are_coloured_by_their_numbers():
    figure, axes = plot.subplots()
    ax = plot.linear_regions(SQUARES, axes[0, 0], values=[3, 1, 4, 1, 5, 9], label="active units")
    assert ax.collections[0].get_array().tolist() == [3, 1, 4, 1, 5, 9]
    [bar] = [other for other in figure.axes if other is not ax]
    assert bar.get_ylabel() == "active units"


@pytest.mark.parametrize(("polygons", "values", "message"), [
    ([], None, "no polygon"),
    ([[[0, 0], [1, 1]]], None, r"polygon 0 has shape \(2, 2\)"),
    ([[[0, 0, 0]] * 3], None, r"polygon 0 has shape \(3, 3\)"),
    (SQUARES, [1, 2], r"values has shape \(2,\); there are 6 polygons"),
])
def test_wrong_regions_are_refused(polygons, values, message):
    with pytest.raises(ShapeError, match=message):
        plot.linear_regions(polygons, values=values)


def network(activation, seed=0):
    return nn.Sequential(nn.Linear(2, 4, rng=seed), activation(), nn.Linear(4, 1, rng=seed + 1))


def test_directions_are_as_long_as_their_filters():
    model = network(nn.ReLU).astype("float32")
    direction = plot.filter_direction(model, rng=3)
    for name, parameter in model.named_parameters():
        assert direction[name].shape == parameter.shape and direction[name].dtype == np.float32
        if parameter.ndim == 1:
            assert not direction[name].any()
        else:
            lengths = np.linalg.norm(direction[name], axis=1)
            np.testing.assert_allclose(lengths, np.linalg.norm(parameter.data, axis=1), rtol=1e-6)
    again, other = plot.filter_direction(model, rng=3), plot.filter_direction(model, rng=4)
    assert all((again[name] == direction[name]).all() for name in direction)
    assert (other["0.weight"] != direction["0.weight"]).all()


def test_directions_of_the_same_shape_differ_in_scale_alone():
    one, other = (plot.filter_direction(network(nn.Tanh, seed), rng=3)["0.weight"] for seed in (0, 5))
    cosines = np.sum(one * other, axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    np.testing.assert_allclose(cosines, 1)


def test_scaling_a_relu_network_to_and_fro_leaves_its_landscape():
    """What the normalisation is for: 10·W₁ and W₂/10 are the same function, and the same picture."""
    model, scaled = network(nn.ReLU), network(nn.ReLU)
    for i, factor in ((0, 10.0), (2, 0.1)):
        scaled[i].weight.data[...] *= factor
    scaled[0].bias.data[...] *= 10
    x, y = tn.data.circle(50, rng=0)
    steps = np.linspace(-1, 1, 5)

    def loss(model):
        return nn.BCEWithLogitsLoss()(model(x), y[:, None])

    one, other = (
        plot.loss_grid(m, loss, (plot.filter_direction(m, 1), plot.filter_direction(m, 2)), steps) for m in (model, scaled)
    )
    np.testing.assert_allclose(one, other, rtol=1e-12)
    assert np.ptp(one) > 0.05


def test_the_loss_is_computed_where_the_directions_lead():
    model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Dropout(0.5), nn.Linear(3, 1, rng=1))
    rng = np.random.default_rng(2)
    first, second = ({name: rng.standard_normal(p.shape) for name, p in model.named_parameters()} for _ in range(2))
    del second["0.bias"]  # a direction in some of the weights
    before, arrays = {name: p.data.copy() for name, p in model.named_parameters()}, [p.data for p in model.parameters()]
    x, steps = rng.standard_normal((5, 2)), np.array([-1.0, 0.0, 0.5])
    modes = set()

    def loss(model):
        modes.add((model.training, tn.is_grad_enabled()))
        return np.mean(model(x) ** 2)

    grid = plot.loss_grid(model, loss, (first, second), steps)
    w = {name: before[name] - first[name] + 0.5 * second.get(name, 0) for name in before}  # where grid[2, 0] is
    hidden = x @ w["0.weight"].T + w["0.bias"]
    np.testing.assert_allclose(grid[2, 0], np.mean((hidden @ w["2.weight"].T + w["2.bias"]) ** 2))
    assert modes == {(False, False)} and model.training
    for (name, parameter), array in zip(model.named_parameters(), arrays, strict=True):
        assert parameter.data is array and (array == before[name]).all(), "the weights are what they were, and where"


def test_the_weights_come_back_when_the_loss_fails():
    model = network(nn.ReLU)
    before = [p.data.copy() for p in model.parameters()]
    direction = plot.filter_direction(model, rng=0)
    with pytest.raises(ZeroDivisionError):
        plot.loss_grid(model, lambda model: 1 // 0, (direction, direction), [-1.0, 1.0])
    assert all((p.data == array).all() for p, array in zip(model.parameters(), before, strict=True))


def test_wrong_directions_are_refused():
    model, steps = network(nn.ReLU), [0.0]
    good = plot.filter_direction(model, rng=0)
    with pytest.raises(KeyError, match=r"no parameter '1\.weight'"):
        plot.loss_grid(model, np.sum, (good, {"1.weight": np.ones((4, 2))}), steps)
    with pytest.raises(ShapeError, match=r"0.weight has shape \(2, 4\), not \(4, 2\)"):
        plot.loss_grid(model, np.sum, ({"0.weight": np.ones((2, 4))}, good), steps)
    with pytest.raises(ShapeError, match=r"steps has shape \(1, 1\)"):
        plot.loss_grid(model, np.sum, (good, good), [[0.0]])


def test_a_landscape_has_lines_of_equal_loss():
    from matplotlib.contour import ContourSet

    steps = np.linspace(-1, 1, 81)
    bowl = steps**2 + 4 * steps[:, None] ** 2
    ax = plot.loss_landscape(bowl, steps, levels=[0.25, 0.5, 1.0], title="bowl")
    [lines] = [c for c in ax.collections if isinstance(c, ContourSet) and not c.filled]
    for level, path in zip((0.25, 0.5, 1.0), lines.get_paths(), strict=True):
        np.testing.assert_allclose(path.vertices[:, 0] ** 2 + 4 * path.vertices[:, 1] ** 2, level, atol=2e-3)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("first direction", "second direction", "bowl")
    assert {text.get_text() for text in ax.texts} <= {"0.25", "0.5", "1"}
    labels = plot.loss_landscape(bowl, steps, levels=[0.25, 3.9]).texts
    assert [text.get_text() for text in labels] == ["0.25"], "the edge would cut off the other"
    for grid in (bowl, bowl + 1, bowl - 1):  # with and without losses that a ratio can be taken of
        [lines] = [c for c in plot.loss_landscape(grid, steps).collections if isinstance(c, ContourSet) and not c.filled]
        assert (lines.levels[0], lines.levels[-1]) == pytest.approx((grid.min(), grid.max()))


@pytest.mark.parametrize(("grid", "error", "message"), [
    (np.ones((3, 4)), ShapeError, r"\(3, 4\) for steps of shape \(3,\)"),
    (np.full((3, 3), np.nan), ValueError, "not finite"),
    (np.ones((3, 3)), ValueError, "every loss is 1"),
])
def test_wrong_landscapes_are_refused(grid, error, message):
    with pytest.raises(error, match=message):
        plot.loss_landscape(grid, [-1, 0, 1])


def test_fits_are_drawn_beside_target_and_data():
    x, y = tn.data.sine_wave(9)
    model = nn.Linear(1, 1, rng=0).astype("float32")
    shapes = []

    def half(x):
        shapes.append(x.shape)
        return tn.Tensor(x[:, 0] / 2)

    ax = plot.fits({"line": model, "half": half}, x, y, target=np.sin, span=(-2, 2), points=5, title="fits")
    target, data, line, other = ax.lines
    places = np.linspace(-2, 2, 5)
    assert [drawn.get_label() for drawn in ax.lines] == ["target", "data", "line", "half"]
    np.testing.assert_allclose(target.get_xydata(), np.stack([places, np.sin(places)], axis=1))
    np.testing.assert_array_equal(data.get_xydata(), np.concatenate([x, y], axis=1))
    np.testing.assert_allclose(line.get_ydata(), places * model.weight.item() + model.bias.item(), rtol=1e-6)
    assert other.get_ydata().tolist() == (places / 2).tolist() and shapes == [(5, 1)]
    assert len(ax.patches) == 1, "the range of the points is shaded"
    assert (ax.get_xlim(), ax.get_title(), ax.get_xlabel()) == ((-2, 2), "fits", "$x$")
    plain = plot.fits({"half": half}, x.ravel(), y.ravel())
    assert not plain.patches and plain.get_xlim() == (-1, 1)


@pytest.mark.parametrize(("x", "y", "message"), [
    (np.ones((3, 2)), np.ones(3), r"x has shape \(3, 2\)"),
    (np.ones(3), np.ones(4), r"y \(4,\)"),
    (np.ones(0), np.ones(0), r"x has shape \(0,\)"),
    (1.0, 2.0, r"x has shape \(\)"),
    (np.ones((1, 3)), np.ones((1, 3)), r"x has shape \(1, 3\)"),
    (np.ones(3), np.ones(3), r"'pair' gave shape \(401, 2\) for 401 places"),
])
def test_wrong_fits_are_refused(x, y, message):
    with pytest.raises(ShapeError, match=message):
        plot.fits({"pair": lambda x: np.concatenate([x, x], axis=1)}, x, y)
