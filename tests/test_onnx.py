"""ONNX export: every module that a Sequential can hold computes in onnxruntime what it does here, for any number of rows."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn
from tinynet.onnx.forms import FORMS

ROOT = Path(__file__).parent.parent

LAYERS = {
    "APL": (lambda: nn.APL(3), (4,)),
    "APL of channels": (lambda: nn.APL(2, 3), (3, 5)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), (4,)),
    "BatchNorm1d of sequences": (lambda: nn.BatchNorm1d(3, eps=1e-3), (3, 5)),
    "BatchNorm1d without parameters": (lambda: nn.BatchNorm1d(4, affine=False), (4,)),
    "BatchNorm1d without averages": (lambda: nn.BatchNorm1d(3, track_running_stats=False), (3, 5)),
    "BatchNorm1d with neither": (lambda: nn.BatchNorm1d(4, affine=False, track_running_stats=False), (4,)),
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3, padding=1), (2, 6)),
    "Conv1d that keeps its length": (lambda: nn.Conv1d(2, 4, 4, padding="same", dilation=3), (2, 11)),
    "Conv1d in groups": (lambda: nn.Conv1d(4, 6, 2, stride=2, groups=2, bias=False, padding="valid"), (4, 7)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, (2, 3), dilation=2, padding=(1, 2)), (2, 6, 7)),
    "Dropout": (lambda: nn.Dropout(0.4), (4,)),
    "ELU of alpha": (lambda: nn.ELU(0.3), (4,)),
    "Flatten": (nn.Flatten, (2, 3, 4)),
    "Flatten of two axes": (lambda: nn.Flatten(1, 2), (2, 3, 4)),
    "Flatten of the last": (lambda: nn.Flatten(2), (2, 3, 4)),
    "Flatten with the rows": (lambda: nn.Flatten(0, 1), (2, 3)),
    "GELU by tanh": (lambda: nn.GELU("tanh"), (4,)),
    "Hardtanh of its own edges": (lambda: nn.Hardtanh(-0.3, 0.7), (4,)),
    "Identity": (nn.Identity, (4,)),
    "KANLinear": (lambda: nn.KANLinear(4, 3), (4,)),
    "KANLinear on sequences": (lambda: nn.KANLinear(3, 2, 4, 2, (-2.0, 1.0), nn.Tanh()), (5, 3)),
    "KANLinear of steps": (lambda: nn.KANLinear(3, 2, spline_order=0, base_activation=nn.functional.relu), (3,)),
    "LSTMCell": (lambda: nn.LSTMCell(4, 3), (4,)),
    "LSTMCell without bias": (lambda: nn.LSTMCell(4, 3, bias=False), (4,)),
    "LayerNorm": (lambda: nn.LayerNorm(4), (4,)),
    "LayerNorm of two axes": (lambda: nn.LayerNorm((3, 4), bias=False), (5, 3, 4)),
    "LayerNorm without parameters": (lambda: nn.LayerNorm(4, eps=1e-3, elementwise_affine=False), (6, 4)),
    "LeakyReLU of a slope": (lambda: nn.LeakyReLU(0.2), (4,)),
    "Linear": (lambda: nn.Linear(4, 3), (4,)),
    "Linear on sequences": (lambda: nn.Linear(4, 3), (5, 4)),
    "Linear without bias": (lambda: nn.Linear(4, 3, bias=False), (4,)),
    "Linear without bias on sequences": (lambda: nn.Linear(4, 3, bias=False), (5, 4)),
    "LogSoftmax over channels": (lambda: nn.LogSoftmax(1), (3, 4)),
    "PReLU": (nn.PReLU, (4,)),
    "PReLU of channels": (lambda: nn.PReLU(3), (3, 5)),
    "RNNCell": (lambda: nn.RNNCell(4, 3), (4,)),
    "RNNCell of relu": (lambda: nn.RNNCell(4, 3, bias=False, nonlinearity="relu"), (4,)),
    "Sequential": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.Tanh(), nn.Sequential()), nn.Linear(3, 2)), (4,)),
    "Sequential of pictures": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding="same"), nn.PReLU(4), nn.Conv2d(4, 2, 2, stride=2), nn.Flatten(), nn.Linear(18, 3),
        ),
        (1, 6, 6),
    ),
    "Sin of omega": (lambda: nn.Sin(3.0), (4,)),
    "Softmax over channels": (lambda: nn.Softmax(1), (3, 4)),
    "Softplus of beta": (lambda: nn.Softplus(2.5), (4,)),
    "Stack": (lambda: nn.ensemble(lambda seed: nn.Sequential(nn.Linear(4, 3, rng=seed), nn.Tanh()), 3), (4,)),
    "Stack of stacks": (
        lambda: nn.Sequential(*(nn.stack([nn.Linear(3, 3, rng=k), nn.Linear(3, 3, rng=k + 9)]) for k in range(2))), (3,),
    ),
    "Stack of several activations": (
        lambda: nn.stack([nn.Sequential(nn.Linear(4, 3), kind()) for kind in (nn.ReLU, nn.PReLU, nn.ReLU)]), (4,),
    ),
    "Swish": (lambda: nn.Swish(1.7), (4,)),
    "Swish learned": (lambda: nn.Swish(learn=True), (4,)),
    "Swish of channels": (lambda: nn.Swish(learn=True, num_parameters=3), (3, 5)),
}  # fmt: skip
ACTIVATIONS = {kind.__name__: (kind, (4,)) for kind in FORMS if kind.__module__ == "tinynet.nn.activations"}
CASES = ACTIVATIONS | LAYERS
IN_FLOAT32 = {"Conv", "Erf"}  # operators that onnxruntime has in float32 alone
SIZES = {
    "large": 1e3, "huge": 1e30, "small": 1e-4, "tiny": 1e-30, "zero": 0.0, "negative zero": -0.0, "NaN": np.nan,
    "infinite": np.inf, "infinitely low": -np.inf,
}  # fmt: skip


def fits_a_sequential(kind):
    """Whether a class is a module that computes something of one argument."""
    if not (inspect.isclass(kind) and issubclass(kind, nn.Module)) or kind.forward is nn.Module.forward:
        return False
    _, _, *others = inspect.signature(kind.forward).parameters.values()
    return all(parameter.default is not parameter.empty for parameter in others)


def test_every_module_that_a_sequential_can_hold_has_a_form_and_a_case():
    modules = {name: getattr(nn, name) for name in nn.__all__ if fits_a_sequential(getattr(nn, name))}
    assert len(modules) > 30
    without = [name for name, kind in modules.items() if kind not in FORMS]
    assert without == [], f"{without} have no form in ONNX: add one to tinynet/onnx/forms.py"
    untested = sorted(modules.keys() - {name.partition(" ")[0] for name in CASES})
    assert untested == [], f"{untested} have no case in tests/test_onnx.py"


def randomised(model, seed=0):
    """The model with parameters and averages that are like those of a trained one."""
    rng = np.random.default_rng(seed)
    for name, x in (*model.named_parameters(), *model.named_buffers()):
        if x.dtype.kind == "f" and not name.endswith("grid"):
            x.data[...] = rng.uniform(0.5, 1.5, x.shape) if name.endswith("var") else rng.normal(0, 0.5, x.shape)
    return model


def inputs(rows, sample, dtype, seed=1):
    """Rows of usual size, zeros, and numbers at which an exponential overflows or a function is flat."""
    x = np.random.default_rng(seed).normal(size=(rows, *sample))
    x.flat[: 4 * len(EXTREMES) : 4] = EXTREMES[: len(x.flat[: 4 * len(EXTREMES) : 4])]
    return x.astype(dtype)


EXTREMES = [0.0, 0.5, -20.0, 30.0]


def exported(model, path, example):
    tn.onnx.export(model, path, example)
    onnx = pytest.importorskip("onnx")
    onnx.checker.check_model(str(path), full_check=True)
    return onnx.load(path)


def run(path, x):
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": x})


def tolerance_of(proto, dtype):
    return 1e-6 if dtype == "float32" or IN_FLOAT32 & {node.op_type for node in proto.graph.node} else 1e-12


def expected(model, x):
    with tn.no_grad():
        y = model.eval()(tn.Tensor(x))
    return [part.data for part in (y if isinstance(y, tuple) else (y,))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_onnxruntime_computes_the_same(name, dtype, tmp_path):
    pytest.importorskip("onnx")
    make, sample = CASES[name]
    model, path = randomised(make()).astype(dtype), tmp_path / "model.onnx"
    proto = exported(model, path, inputs(2, sample, dtype))
    tolerance = tolerance_of(proto, dtype)
    for rows in (1, 2, 7) if "averages" not in name and "neither" not in name else (2, 7):
        x = inputs(rows, sample, dtype)
        for ours, theirs in zip(expected(model, x), run(path, x), strict=True):
            assert theirs.dtype == dtype
            np.testing.assert_allclose(theirs, ours, rtol=tolerance, atol=tolerance, strict=True)


@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_numbers_of_any_size(name, dtype, tmp_path):
    pytest.importorskip("onnx")
    make, sample = CASES[name]
    model, path, rng = randomised(make()).astype(dtype), tmp_path / "model.onnx", np.random.default_rng(2)
    tolerance = tolerance_of(exported(model, path, inputs(2, sample, dtype)), dtype)
    for kind, size in SIZES.items():
        if "LSTM" in name and np.isinf(size):
            continue  # the forget gate may be NaN, and in ONNX there is none: the state that it forgets is 0
        x = rng.normal(size=(6, *sample))
        x = np.where(rng.random(x.shape) < 0.3, size, x).astype(dtype) if not np.isfinite(size) else (x * size).astype(dtype)
        for ours, theirs in zip(expected(model, x), run(path, x), strict=True):
            largest = max(np.max(np.abs(ours), initial=0, where=np.isfinite(ours)), min(1.0, np.nanmax(np.abs(x))))
            np.testing.assert_allclose(theirs, ours, rtol=tolerance, atol=tolerance * largest, strict=True, err_msg=kind)


def test_a_trained_network_gives_the_same_in_another_program(tmp_path):
    pytest.importorskip("onnx")
    x, y = tn.data.moons(200, rng=0)
    model = nn.Sequential(
        nn.Linear(2, 16, rng=0), nn.BatchNorm1d(16), nn.GELU(), nn.Dropout(0.2, rng=1), nn.Linear(16, 2, rng=2)
    ).astype("float32")
    tn.Trainer(model, nn.CrossEntropyLoss(), tn.optim.Adam(model.parameters(), lr=0.01), rng=0).fit(x, y, epochs=5)
    path = tmp_path / "moons.onnx"
    proto = exported(model, path, x[:1])
    assert model.training and [node.op_type for node in proto.graph.node if node.op_type == "Dropout"] == []
    assert {x.name for x in proto.graph.initializer} >= {"0.weight", "1.running_mean", "4.bias"}
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert [dim.dim_param or dim.dim_value for dim in proto.graph.output[0].type.tensor_type.shape.dim] == ["batch", 2]
    x = x.astype("float32")
    np.testing.assert_allclose(run(path, x)[0], expected(model, x)[0], rtol=1e-6, atol=1e-6)


def test_shared_layers_stay_shared(tmp_path):
    pytest.importorskip("onnx")
    layer = nn.Linear(3, 3, rng=0)
    model = nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU6(), nn.ReLU6())
    proto = exported(model, tmp_path / "model.onnx", np.zeros((1, 3)))
    assert sorted(x.name for x in proto.graph.initializer if not x.name.startswith("/constant")) == ["0.bias", "0.weight"]
    assert len(proto.graph.initializer) == 4  # and the two edges of ReLU6


def test_a_model_without_parameters_is_of_its_inputs_dtype(tmp_path):
    pytest.importorskip("onnx")
    path = tmp_path / "model.onnx"
    for dtype in ("float32", "float64"):
        tn.onnx.export(nn.Sequential(nn.Tanh()), path, np.zeros((1, 3), dtype))
        assert run(path, np.ones((2, 3), dtype))[0].dtype == dtype


class Scale(nn.Module):
    def __init__(self):
        self.factor = nn.Parameter([2.0, 3.0])

    def forward(self, x):
        return 1 - 2 / (1 + x**2) * self.factor


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(2, 3, rng=0), nn.Tanh())


class Doubled(Net):
    def forward(self, x):
        return 2 * super().forward(x)


def test_a_module_of_ones_own_needs_a_form(tmp_path):
    pytest.importorskip("onnx")
    path, x = tmp_path / "model.onnx", np.random.default_rng(0).normal(size=(5, 2))
    model = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Sequential(nn.ReLU(), Scale()))
    with pytest.raises(TypeError, match=r"Scale, 1\.1, has no form in ONNX; give it one with @tn\.onnx\.form\(Scale\)"):
        tn.onnx.export(model, path, x)
    assert list(tmp_path.iterdir()) == []

    @tn.onnx.form(Scale)
    def scale(module, x):
        return 1 - 2 / (1 + x**2) * module.factor

    try:
        proto = exported(model, path, x)
    finally:
        del FORMS[Scale]
    assert "1.1.factor" in {x.name for x in proto.graph.initializer}
    np.testing.assert_allclose(run(path, x)[0], expected(model, x)[0], rtol=1e-12)


class Shift(nn.Module):
    def __init__(self, name):
        self.name = name
        setattr(self, name, nn.Parameter([10.0, 20.0]))

    def forward(self, x):
        return (x + getattr(self, self.name)) * np.array([2.0, 3.0])


@pytest.mark.parametrize("name", ["input", "output", "output_0", "constant_0", "constant_1"])
def test_parameters_may_have_the_names_of_the_graph(name, tmp_path):
    pytest.importorskip("onnx")
    tn.onnx.form(Shift)(Shift.forward)
    try:
        exported(Shift(name), tmp_path / "model.onnx", np.ones((1, 2)))
    finally:
        del FORMS[Shift]
    np.testing.assert_array_equal(run(tmp_path / "model.onnx", np.ones((2, 2)))[0], [[22, 63]] * 2)


@pytest.mark.parametrize("kind", [3, nn.ReLU(), lambda module, x: x], ids=["number", "module", "bare"])
def test_forms_are_given_to_classes(kind):
    with pytest.raises(TypeError, match=r"is no class of modules; decorate a function with @tn.onnx.form\(MyModule\)"):
        tn.onnx.form(kind)


def test_a_form_that_gives_no_value(tmp_path):
    pytest.importorskip("onnx")
    tn.onnx.form(Scale)(lambda module, x: None)
    try:
        with pytest.raises(TypeError, match="the form of Scale, 0, gave None, which is no Value"):
            tn.onnx.export(nn.Sequential(Scale()), tmp_path / "model.onnx", np.ones((1, 2)))
    finally:
        del FORMS[Scale]
    assert list(tmp_path.iterdir()) == []


def test_a_stack_with_rows_of_each_members_own(tmp_path):
    pytest.importorskip("onnx")
    path, stack = tmp_path / "model.onnx", nn.ensemble(lambda seed: nn.Sequential(nn.Linear(4, 3, rng=seed), nn.Tanh()), 3)
    proto = exported(stack, path, np.ones((3, 2, 4)))
    assert [dim.dim_param or dim.dim_value for dim in proto.graph.output[0].type.tensor_type.shape.dim] == [3, "batch", 3]
    x = np.random.default_rng(0).normal(size=(3, 9, 4))
    np.testing.assert_allclose(run(path, x)[0], expected(stack, x)[0], rtol=1e-12, strict=True)


def test_a_sequential_of_ones_own_is_one_unless_its_forward_differs(tmp_path):
    pytest.importorskip("onnx")
    path, x = tmp_path / "model.onnx", np.ones((2, 2))
    exported(Net(), path, x)
    np.testing.assert_allclose(run(path, x)[0], expected(Net(), x)[0], rtol=1e-12)
    with pytest.raises(TypeError, match="Doubled, the model itself, has no form"):
        tn.onnx.export(Doubled(), path, x)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda model: model[0].register_forward_hook(lambda module, args, output: None), "Linear, 0, has a hook"),
        (lambda model: setattr(model[1], "forward", np.sin), r"Tanh, 1, has a hook, or another forward\(\) than its class"),
        (lambda model: model[0].astype("float32"), r"float32 and float64; model.astype\('float32'\) makes them one"),
        (lambda model: model.append(nn.KANLinear(3, 1, base_activation=np.cos)), "base_activation is .*; give KANLinear a mod"),
    ],
    ids=["hook", "forward", "dtypes", "function"],
)  # fmt: skip
def test_what_cannot_be_exported_leaves_the_file_as_it_was(spoil, message, tmp_path):
    pytest.importorskip("onnx")
    path, model = tmp_path / "model.onnx", nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh(), nn.Linear(3, 3, rng=1))
    tn.onnx.export(model, path, np.ones((1, 2)))
    before = path.read_bytes()
    spoil(model)
    with pytest.raises(TypeError, match=message):
        tn.onnx.export(model, path, np.ones((1, 2)))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("model", [None, np.tanh, nn.Tanh])
def test_what_is_no_model(model, tmp_path):
    pytest.importorskip("onnx")
    with pytest.raises(TypeError, match=r"the model is a \w+, not a tn.nn.Module"):
        tn.onnx.export(model, tmp_path / "model.onnx", np.ones((1, 2)))


@pytest.mark.parametrize("shape", [(2,), (0, 2), ()])
def test_the_example_needs_rows(shape, tmp_path):
    pytest.importorskip("onnx")
    with pytest.raises(ValueError, match=r"example_input has shape .* it needs an axis of rows in front: x\[:1\]"):
        tn.onnx.export(nn.Linear(2, 1), tmp_path / "model.onnx", np.ones(shape))


def test_the_model_stays_in_training_and_its_averages_as_they_are(tmp_path):
    pytest.importorskip("onnx")
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout())
    model[1].eval()
    before = model.state_dict()
    tn.onnx.export(model, tmp_path / "model.onnx", np.ones((3, 2)))
    assert [module.training for module in model.modules()] == [True, True, False]
    assert all(map(np.array_equal, before.values(), model.state_dict().values()))


def test_a_missing_package_is_named():
    code = """
import sys; sys.modules["onnx"] = None
import tinynet as tn
try:
    tn.onnx.export(tn.nn.Linear(2, 1), "model.onnx", [[1.0, 2.0]])
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "pip install 'tinynet-autograd[onnx]'" in done.stdout


def largest_differences():
    """By case the largest difference from onnxruntime, relative where a number is greater than 1; in both dtypes."""
    import tempfile

    for name, (make, sample) in CASES.items():
        found = []
        for dtype in ("float32", "float64"):
            with tempfile.TemporaryDirectory() as folder:
                model, path = randomised(make()).astype(dtype), Path(folder) / "model.onnx"
                tn.onnx.export(model, path, inputs(2, sample, dtype))
                x = inputs(50, sample, dtype)
                try:
                    results = zip(expected(model, x), run(path, x), strict=True)
                    found.append(max(np.max(np.abs(a - b) / np.maximum(1, np.abs(a))) for a, b in results))
                except Exception as error:
                    found.append(type(error).__name__)
        yield name, *found


if __name__ == "__main__":
    for row in largest_differences():
        print(*row)
