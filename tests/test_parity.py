"""Conventions that are those of other libraries: gradients where there is no derivative, defaults, first weights.

The conventions of single operations stand in the rows of the rule table and are tested with them, those of activations
and losses beyond that in their own tests; here is what belongs to no row.
"""

import inspect
import math

import numpy as np
import pytest

import tinynet as tn
from tinynet.rules import COMPOSED, TABLE, name_of
from tinynet.testing import coverage
from tinynet.testing.peers import NOT_DIFFERENTIABLE, PEERS, WHY_NOT, missing

ROWS = {row.name: row for row in TABLE.values() if row.name.startswith(("np.", "tn."))}
OPERATIONS = [name_of(fun) for fun in (*TABLE, *COMPOSED)]
nan, inf = np.nan, np.inf


def gradients(f, *operands):
    """The gradient of the sum of f's result for each operand."""
    xs = [tn.tensor(x, requires_grad=True) for x in operands]
    with np.errstate(all="ignore"):
        np.sum(f(*xs)).backward()
    return [x.grad for x in xs]


def test_a_row_with_kinks_has_a_convention_for_them():
    assert [name for name, row in ROWS.items() if row.kinks is not None and not row.at] == []


# Conventions of operations that have no row, or of several together --------------------------------------------------

ELSEWHERE = {
    "maximum of itself": (lambda x: np.maximum(x, x), [0.0, 1.0], [1, 1]),
    "max over an axis": (lambda x: np.max(x, axis=0), [[2.0, 1.0], [2.0, 5.0]], [[0.5, 0], [0.5, 1]]),
    "repeated positions": (lambda x: x[[0, 0, 2, 0]], [5.0, 6.0, 7.0], [3, 0, 1]),
    "norm of zeros": (np.linalg.norm, [0.0, 0.0], [0, 0]),
    "where with an infinite branch": (lambda x: np.where(x > 0, np.log(x), 0.0), [0.0, 1.0], [nan, 1]),
    "where made safe": (lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0), [0.0, 1.0], [0, 1]),
}


@pytest.mark.parametrize(("f", "x", "expected"), ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_conventions_elsewhere(f, x, expected):
    np.testing.assert_array_equal(gradients(f, x), [expected])


def test_the_slope_of_prelu_sees_the_negative_inputs():
    x, slope = gradients(tn.nn.functional.prelu, [-2.0, 0.0, 3.0, -5.0], [0.25])
    np.testing.assert_array_equal(x, [0.25, 0.25, 1.0, 0.25])
    np.testing.assert_array_equal(slope, [-7.0])


# Defaults ------------------------------------------------------------------------------------------------------------

OPTIMIZERS = {
    "SGD": {"lr": 0.001, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False},
    "Adam": {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False},
    "AdamW": {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01, "amsgrad": False},
    "RMSprop": {"lr": 0.01, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0, "centered": False},
    "Adagrad": {"lr": 0.01, "lr_decay": 0.0, "weight_decay": 0.0, "initial_accumulator_value": 0.0, "eps": 1e-10},
}
MODULES = {
    "LeakyReLU": {"negative_slope": 0.01},
    "PReLU": {"num_parameters": 1, "init": 0.25},
    "ELU": {"alpha": 1.0},
    "GELU": {"approximate": "none"},
    "Hardtanh": {"min_val": -1.0, "max_val": 1.0},
    "Softplus": {"beta": 1.0},
    "SmoothL1Loss": {"reduction": "mean", "beta": 1.0},
    "HuberLoss": {"reduction": "mean", "delta": 1.0},
    "BCELoss": {"weight": None, "reduction": "mean"},
    "BCEWithLogitsLoss": {"weight": None, "reduction": "mean", "pos_weight": None},
    "CrossEntropyLoss": {"weight": None, "ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0},
    "NLLLoss": {"weight": None, "ignore_index": -100, "reduction": "mean"},
    "Linear": {"bias": True},
}
EXPECTED = {("optim", name): values for name, values in OPTIMIZERS.items()} | {
    ("nn", name): values for name, values in MODULES.items()
}
over_defaults = pytest.mark.parametrize(
    ("package", "name", "expected"), [(*key, values) for key, values in EXPECTED.items()], ids=[name for _, name in EXPECTED]
)


def defaults(function):
    """A function's parameters that have a default, and those defaults."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


@over_defaults
def test_defaults(package, name, expected):
    found = defaults(getattr(getattr(tn, package), name))
    assert {key: found[key] for key in expected} == expected


@over_defaults
def test_defaults_are_those_of_torch(package, name, expected):
    torch = pytest.importorskip("torch")
    theirs = defaults(getattr(getattr(torch, package), name))
    assert {key: theirs[key] for key in expected} == expected


def test_linear_starts_uniform_in_weight_and_bias():
    layer = tn.nn.Linear(25, 2000, rng=0)
    for parameter in (layer.weight.data, layer.bias.data):
        assert 0.99 / 5 < np.max(np.abs(parameter)) <= 1 / 5
        assert np.std(parameter) == pytest.approx(1 / 5 / math.sqrt(3), rel=0.05)


# Completeness --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", PEERS)
def test_what_another_library_differentiates_is_here_or_has_a_reason(library):
    pytest.importorskip({"HIPS autograd": "autograd", "MyGrad": "mygrad", "jax.numpy": "jax"}[library])
    names = PEERS[library]()
    assert len(names - NOT_DIFFERENTIABLE) >= 100
    assert [name for name in missing(names) if name not in WHY_NOT] == []


def test_the_reasons_are_of_functions_that_are_not_here():
    here = {name.removeprefix("np.") for name in OPERATIONS}
    assert here & (WHY_NOT.keys() | NOT_DIFFERENTIABLE) == set()


def test_the_table_of_coverage_has_a_tick_or_a_reason_in_each_cell(capsys):
    assert coverage.main(["--only", r"^np\.(max|sin|vstack)$|^getitem$", "--examples", "2"]) == 0
    head, *lines = capsys.readouterr().out.partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in lines] == ["np.max", "np.sin", "np.vstack", "getitem"]
    assert {len(line.split()) for line in lines} == {1 + len(head.split())}
    assert all(line.split()[1:7] == ["✓"] * 6 for line in lines)
