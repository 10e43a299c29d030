"""The scikit-learn estimators: scikit-learn's own checks, its networks' arithmetic, and its pipelines and searches."""

import functools
import inspect
import os
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn

ROOT = Path(__file__).parent.parent
NAMES = ("Classifier", "Regressor")

pytestmark = pytest.mark.filterwarnings("ignore:Classifier. after max_iter", "ignore:Regressor. after max_iter")


@pytest.fixture(autouse=True)
def needs_sklearn():
    pytest.importorskip("sklearn")


def estimator(name, *args, **options):
    return getattr(tn.sklearn, name)(*args, **options)


def data(name, rows=60, outputs=1):
    """Rows, with three classes as strings or with numbers."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 4))
    y = np.tanh(x[:, :outputs] + x[:, 1:2] * x[:, 2:3])
    return x, np.array(["low", "middle", "top"])[np.digitize(y[:, 0], [-0.3, 0.3])] if name == "Classifier" else y.squeeze()


def weights(model):
    return {name: array.tolist() for name, array in model.model_.state_dict().items()}


# scikit-learn's own checks ----------------------------------------------------------------------------------------------


HELD_OUT = {"check_sample_weight_equivalence_on_dense_data": "other rows are held out where rows are left out or repeated"}
SKIPPED = ("SCIPY_ARRAY_API is not set", "pandas is not installed", "does not have a decision_function")


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, {}), ({"early_stopping": True, "validation_fraction": 0.2}, HELD_OUT)],
    ids=["usual", "early stopping"],
)
@pytest.mark.parametrize("name", NAMES)
def test_scikit_learns_checks_pass(name, options, expected):
    from sklearn.utils.estimator_checks import check_estimator

    model = estimator(name, max_iter=100, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(model, on_skip=None, on_fail=None, expected_failed_checks=expected)
    assert len(results) > 50
    by_status = {status: [x for x in results if x["status"] == status] for status in ("passed", "skipped", "xfail")}
    assert sum(map(len, by_status.values())) == len(results), [x for x in results if x["status"] == "failed"]
    assert {x["check_name"] for x in by_status["xfail"]} <= expected.keys()
    assert all(any(reason in str(x["exception"]) for reason in SKIPPED) for x in by_status["skipped"])


# The same arithmetic as scikit-learn's networks -----------------------------------------------------------------------------


TASKS = ("two classes", "three classes", "labels", "numbers", "two numbers")
DIFFERENT = (("three classes", True), ("two numbers", False))


def task_data(task, rows=60):
    """The estimator for a task, scikit-learn's, and rows."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    name = "Regressor" if "numbers" in task else "Classifier"
    x, y = data(name, rows, outputs=2 if task == "two numbers" else 1)
    y = y == "top" if task == "two classes" else (x[:, :3] > 0.2).astype(int) if task == "labels" else y
    return name, MLPRegressor if name == "Regressor" else MLPClassifier, x, y


def started_as(ours, theirs):
    """A class of scikit-learn's networks that start from the weights that one of ours has now."""
    start = iter([(layer.weight.data.T.copy(), layer.bias.data.copy()) for layer in linear_maps(ours)])
    return type("Started", (theirs,), {"_init_coef": lambda self, fan_in, fan_out, dtype: next(start)})


def weights_for(theirs, x):
    if "sample_weight" not in inspect.signature(theirs.fit).parameters:
        pytest.skip("scikit-learn's networks know no weights before 1.7")
    return {"sample_weight": np.random.default_rng(1).uniform(0.1, 3, len(x))}


def linear_maps(model):
    return [layer for layer in model.model_ if isinstance(layer, tn.nn.Linear)]


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("task", TASKS)
def test_training_is_that_of_scikit_learns_network(task, solver, weighted):
    name, theirs, x, y = task_data(task)
    options = {
        "hidden_layer_sizes": (7, 5), "activation": "tanh", "solver": solver, "alpha": 0.3, "batch_size": 20, "shuffle": False,
        "learning_rate_init": 0.05, "tol": 0.0, "n_iter_no_change": 1000, "random_state": 0,
    }  # fmt: skip
    weight = weights_for(theirs, x) if weighted else {}
    ours = estimator(name, max_iter=1, warm_start=True, **options).fit(x, y, **weight)
    other = started_as(ours, theirs)(max_iter=10, **({"epsilon": 1e-14} if solver == "adam" else {}), **options)
    if solver == "adam":  # which adds its epsilon at another place
        ours.set_params(solver=functools.partial(tn.optim.Adam, eps=1e-14))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other.fit(x, y, **weight)
        ours.set_params(max_iter=10).fit(x, y, **weight)
    for layer, weights, biases in zip(linear_maps(ours), other.coefs_, other.intercepts_, strict=True):
        np.testing.assert_allclose(layer.weight.data.T, weights, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(layer.bias.data, biases, rtol=1e-7, atol=1e-9)
    if task != "two numbers":  # of which theirs tells the mean, and goes by the sum
        np.testing.assert_allclose(ours.loss_curve_[1:], other.loss_curve_, rtol=1e-7)
    for method in ("predict_proba", "predict_log_proba") if name == "Classifier" else ("predict",):
        np.testing.assert_allclose(getattr(ours, method)(x), getattr(other, method)(x), rtol=1e-7, atol=1e-9)
    if name == "Classifier":
        np.testing.assert_array_equal(ours.predict(x), other.predict(x), strict=task != "two classes")


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize(
    ("task", "early_stopping"),  # theirs holds other rows out of three classes, and tells another loss of two numbers
    [(task, early) for task in TASKS for early in (False, True) if (task, early) not in DIFFERENT],
)
def test_it_ends_in_the_epoch_in_which_scikit_learns_network_does(task, early_stopping, weighted):
    name, theirs, x, y = task_data(task, rows=100)
    weight = weights_for(theirs, x) if weighted else {}
    options = {
        "hidden_layer_sizes": (8,), "solver": "sgd", "shuffle": False, "learning_rate_init": 0.03, "n_iter_no_change": 4,
        "random_state": 0, "tol": 0.004, "early_stopping": early_stopping, "validation_fraction": 0.3,
    }  # fmt: skip
    ours = estimator(name, max_iter=1, warm_start=True, **options).fit(x, y, **weight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = started_as(ours, theirs)(max_iter=200, **options).fit(x, y, **weight)
        ours.set_params(max_iter=200).fit(x, y, **weight)
    assert ours.history_.epochs == other.n_iter_ < 200
    if early_stopping:
        (name,) = (name for name in ours.history_ if name.startswith("val_") and name != "val_loss")
        np.testing.assert_allclose(ours.history_[name], other.validation_scores_, rtol=1e-7)
        np.testing.assert_allclose(linear_maps(ours)[0].weight.data.T, other.coefs_[0], rtol=1e-7, atol=1e-9)


# Training ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_is_a_training(name):
    x, y = data(name)
    first, second, other = (estimator(name, (8,), max_iter=5, random_state=seed).fit(x, y) for seed in (0, 0, 1))
    assert weights(first) == weights(second) != weights(other)
    np.random.seed(0)
    third = estimator(name, (8,), max_iter=5).fit(x, y)
    np.random.seed(0)
    assert weights(estimator(name, (8,), max_iter=5).fit(x, y)) == weights(third)


@pytest.mark.parametrize("name", NAMES)
def test_parts_make_the_whole(name):
    x, y = data(name)
    whole = estimator(name, (8,), max_iter=4, random_state=0).fit(x, y)
    parts = estimator(name, (8,), random_state=0)
    classes = {"classes": np.unique(y)} if name == "Classifier" else {}
    for _ in range(4):
        parts = pickle.loads(pickle.dumps(parts.partial_fit(x, y, **classes)))  # the optimizer's state comes along
    assert weights(parts) == weights(whole)
    assert parts.loss_curve_ == whole.loss_curve_ and parts.n_iter_ == whole.n_iter_ == 4
    assert whole.partial_fit(x, y).n_iter_ == 5 and len(whole.history_["loss"]) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_warm_start_goes_on(name):
    x, y = data(name)
    model = estimator(name, (8,), max_iter=3, warm_start=True, random_state=0).fit(x, y)
    first, loss = weights(model), model.loss_curve_[-1]
    model.set_params(max_iter=5).fit(x, y)
    assert model.n_iter_ == 8 and len(model.loss_curve_) == 8
    assert model.loss_curve_[3] < loss and weights(model) != first
    assert model.set_params(warm_start=False).fit(x, y).n_iter_ == 5
    with pytest.raises(ValueError, match=r"warm_start=True goes on with the network that is there, of the widths \[4, 8, .\]"):
        model.set_params(warm_start=True, hidden_layer_sizes=(9,)).fit(x, y)


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize("task", TASKS)
def test_early_stopping_ends_with_the_best_weights(task, weighted):
    from sklearn.model_selection import train_test_split

    name, _, x, y = task_data(task, rows=100)
    y = np.random.default_rng(6).permutation(y)  # nothing to learn but the rows themselves
    weight = np.random.default_rng(2).uniform(0.1, 3, len(x)) if weighted else np.ones(len(x))
    model = estimator(
        name, (32,), learning_rate_init=0.02, early_stopping=True, validation_fraction=0.25, n_iter_no_change=5, random_state=3
    ).fit(x, y, weight if weighted else None)
    (column,) = (column for column in model.history_ if column.startswith("val_") and column != "val_loss")
    scores = model.history_[column]
    assert len(scores) == model.n_iter_ < 200
    by_class = y if "classes" in task else None
    _, out = train_test_split(np.arange(100), test_size=0.25, random_state=3, stratify=by_class)
    assert model.score(x[out], y[out], weight[out]) == pytest.approx(max(scores))
    assert max(scores) > scores[-1]


@pytest.mark.parametrize("name", NAMES)
def test_rows_without_weight_are_as_if_not_there(name):
    x, y = data(name)
    weight = np.random.default_rng(1).uniform(0, 1, len(x)).round()
    fewer = estimator(name, (8,), max_iter=5, batch_size=10, random_state=0).fit(x[weight > 0], y[weight > 0])
    model = estimator(name, (8,), max_iter=5, batch_size=10, random_state=0)
    np.testing.assert_allclose(model.fit(x, y, weight).loss_curve_, fewer.loss_curve_, rtol=1e-9)
    again = model.partial_fit(x, y, weight).partial_fit(x, y)  # with weights and without, one after the other
    assert again.n_iter_ == 7 and np.isfinite(again.loss_curve_).all()
    with pytest.raises(ValueError, match=r"sample_weight is 0 for all of the 60 rows|at least one non-zero"):
        model.fit(x, y, np.zeros(60))
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        model.fit(x, y, weight - 0.5)


class Noisy(tn.nn.Module):
    """Draws from the default generator."""

    def __init__(self):
        self.dropout = tn.nn.Dropout(0.5)
        self.shift = tn.nn.Parameter(tn.random.as_generator(None).normal(size=1))

    def forward(self, x):
        return self.dropout(np.tanh(x + self.shift))


@pytest.mark.parametrize("name", NAMES)
def test_the_random_state_is_that_of_all_that_is_drawn(name):
    x, y = data(name)
    once, again = (estimator(name, (8,), activation=Noisy, max_iter=5, random_state=0).fit(x, y) for _ in range(2))
    other = estimator(name, (8,), activation=Noisy, max_iter=5, random_state=1).fit(x, y)
    assert once.loss_curve_ == again.loss_curve_ == once.fit(x, y).loss_curve_ != other.loss_curve_
    parts = [model.partial_fit(x, y).partial_fit(x, y).loss_curve_ for model in (once, again)]
    assert parts[0] == parts[1]


@pytest.mark.parametrize("name", NAMES)
def test_going_on_with_other_parameters(name):
    x, y = data(name)
    model = estimator(name, (8,), max_iter=3, random_state=0).fit(x, y)
    before = weights(model)
    model.set_params(learning_rate_init=1e-12, alpha=7.0).partial_fit(x, y)
    assert model.loss_curve_[-1] > model.loss_curve_[-2]  # with a larger L2 term
    for key, array in weights(model).items():
        np.testing.assert_allclose(array, before[key], atol=1e-9)
    for changed in ({"activation": "tanh"}, {"hidden_layer_sizes": (9,)}, {"solver": "sgd"}):
        wrong = estimator(name, (8,), max_iter=3, random_state=0).fit(x, y).set_params(**changed)
        with pytest.raises(ValueError, match=f"partial_fit goes on with {next(iter(changed))}=.*; fit\\(\\) trains anew"):
            wrong.partial_fit(x, y)
    model.set_params(warm_start=True, activation="tanh")
    with pytest.raises(ValueError, match="warm_start=True goes on with activation='relu', and it is 'tanh'"):
        model.fit(x, y)


def test_classes_to_come_are_several():
    x, y = data("Classifier")
    with pytest.raises(ValueError, match="classes= has one class alone, top; there must be at least two"):
        estimator("Classifier").partial_fit(x, y, classes=["top"])


@pytest.mark.parametrize("name", NAMES)
def test_a_fit_that_fails_leaves_what_was_fitted(name):
    from sklearn.exceptions import NotFittedError

    x, y = data(name)
    model = estimator(name, (8,), max_iter=3, random_state=0)
    with pytest.raises(ValueError, match="alpha=-1"):
        model.set_params(alpha=-1).fit(x, y)
    with pytest.raises(NotFittedError):
        model.predict(x)
    before = vars(model.set_params(alpha=0).fit(x, y)).copy()
    for spoiled in ({"alpha": -1}, {"activation": "square", "solver": "sgd", "learning_rate_init": 1e300}):
        with np.errstate(all="ignore"), pytest.raises((ValueError, tn.training.NonFiniteError)):
            model.set_params(**spoiled).fit(x[:, :2], y[::-1] if name == "Regressor" else y == "top")
        assert vars(model.set_params(**{name: before[name] for name in spoiled})) == before
    model = estimator(name, (8,))
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(x * np.nan, y, **({"classes": ["a", "b"]} if name == "Classifier" else {}))
    assert not hasattr(model, "n_features_in_") and not hasattr(model, "classes_")


def test_labels_that_a_row_may_have_several_of():
    from sklearn.model_selection import cross_val_score

    _, _, x, y = task_data("labels", rows=200)
    model = estimator("Classifier", (16,), learning_rate_init=0.05, max_iter=60, random_state=0).fit(x, y)
    assert model.predict(x).shape == model.predict_proba(x).shape == y.shape and list(model.classes_) == [0, 1, 2]
    assert model.score(x, y) == np.mean(np.all(model.predict(x) == y, axis=1)) > 0.9
    assert cross_val_score(model, x, y, scoring="roc_auc", cv=3).min() > 0.9
    parts = estimator("Classifier", (16,), random_state=0).partial_fit(x, y)
    with pytest.raises(ValueError, match=r"the first call had labels for y, and this one has classes"):
        parts.partial_fit(x, y[:, 0])
    with pytest.raises(ValueError, match=r"y holds \[3\], which are not among the classes \[0 1 2\]"):
        parts.partial_fit(x, y[:, [0, 1, 2, 0]])
    with pytest.raises(ValueError, match="the first call had classes for y, and this one has labels"):
        estimator("Classifier").partial_fit(x, y[:, 0], classes=[0, 1]).partial_fit(x, y)
    with pytest.raises(ValueError, match=r"y holds \[2\]; whether a row has a label is 0 or 1"):
        model.fit(x, y[:, :2] * 2)


def test_logarithms_of_probabilities_that_are_zero():
    x = np.array([[-1.0], [1.0]])
    model = estimator("Classifier", (), max_iter=1).fit(x, ["a", "b"])
    model.model_[0].weight.data[...], model.model_[0].bias.data[...] = 1000, 0
    np.testing.assert_array_equal(model.predict_log_proba(x), [[0, -1000], [-1000, 0]])
    np.testing.assert_array_equal(model.predict_proba(x), [[1, 0], [0, 1]])


@pytest.mark.parametrize("name", NAMES)
def test_a_training_cut_short_is_said(name):
    from sklearn.exceptions import ConvergenceWarning

    x, y = data(name)
    with pytest.warns(ConvergenceWarning, match=f"{name}: after max_iter=2 epochs the training was still getting better"):
        estimator(name, (8,), max_iter=2, random_state=0).fit(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator(name, (8,), tol=0.1, random_state=0).fit(x, y)


def test_the_step_is_compiled_and_float32_stays():
    x, y = data("Classifier")
    model = estimator("Classifier", (8,), "swish", max_iter=3, random_state=0).fit(x.astype("float32"), y)
    assert "compiled: 2 runs" in repr(model._trainer.step)
    assert {array.dtype for array in model.model_.state_dict().values()} == {np.dtype("float32")}
    assert model.predict_proba(x.astype("float32")).dtype == "float32"


def test_no_hidden_layer_is_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    x, y = data("Classifier")
    ours = estimator("Classifier", (), solver="sgd", alpha=1.0, batch_size=60, learning_rate_init=0.5, n_iter_no_change=500)
    theirs = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(x, y)
    np.testing.assert_allclose(ours.fit(x, y).predict_proba(x), theirs.predict_proba(x), atol=1e-6)
    assert [type(layer).__name__ for layer in ours.model_] == ["Linear"]


# Parameters -------------------------------------------------------------------------------------------------------------


def test_activations_and_solvers_go_by_name_or_are_made():
    from tinynet.sklearn.networks import ACTIVATIONS, SOLVERS

    x, y = data("Classifier")
    assert {"relu", "gelu", "tanh", "sin", "silu", "square", "prelu", "swish", "logistic", "identity"} <= set(ACTIVATIONS)
    for name, kind in ACTIVATIONS.items():
        model = estimator("Classifier", (6, 5), name, max_iter=1).fit(x, y).model_
        assert [type(layer) for layer in model] == [tn.nn.Linear, kind, tn.nn.Linear, kind, tn.nn.Linear]
        assert model[1] is not model[3]
    for solver in (*SOLVERS, tn.optim.AdamW, functools.partial(tn.optim.SGD, momentum=0.5)):
        model = estimator("Classifier", 6, functools.partial(tn.nn.LeakyReLU, 0.3), solver=solver, alpha=0.5, max_iter=2)
        model.fit(x, y)
        assert model.loss_curve_[1] < model.loss_curve_[0] and model.model_[1].negative_slope == 0.3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "relo"}, "activation='relo' is neither a name nor a callable that makes a module"),
        ({"activation": tn.nn.ReLU()}, "is neither a name nor a callable"),
        ({"solver": "lbfgs"}, "solver='lbfgs' is neither a name nor a callable that makes an optimizer"),
        ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes=(8, 0) must be a positive whole number, or a tuple of them"),
        ({"hidden_layer_sizes": ((8,),)}, "hidden_layer_sizes=((8,),) must be"),
        ({"batch_size": "all"}, "batch_size='all' must be a positive whole number"),
        ({"max_iter": 2.5}, "max_iter=2.5 must be a positive whole number"),
        ({"n_iter_no_change": True}, "n_iter_no_change=True must be"),
        ({"alpha": -1}, "alpha=-1 must be a number of at least 0"),
        ({"tol": None}, "tol=None must be a number of at least 0"),
        ({"learning_rate_init": 0}, "learning_rate_init=0 must be a positive number"),
        ({"early_stopping": True, "validation_fraction": 1}, "validation_fraction=1 must be a number between 0 and 1"),
        ({"early_stopping": True, "validation_fraction": 0.01}, "holds 1 rows out, too few to judge by; raise validation_"),
        ({"early_stopping": True, "validation_fraction": 0.999}, "cannot hold validation_fraction=0.999 of 60 rows out: "),
        ({"shuffle": "no"}, "shuffle='no' must be True or False"),
        ({"warm_start": None}, "warm_start=None must be True or False"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_parameters_that_make_no_sense(options, message):
    x, y = data("Regressor")
    with pytest.raises(ValueError, match=re.escape(message)):
        estimator("Regressor", **options).fit(x, y)


def test_what_makes_an_activation_must_make_a_module():
    x, y = data("Regressor")
    with pytest.raises(TypeError, match=r"is called without arguments and must make a module, such as tn.nn.GELU"):
        estimator("Regressor", activation=tn.nn.functional.relu).fit(x, y)
    with pytest.raises(TypeError, match="made 3, which is no module"):
        estimator("Regressor", activation=lambda: 3).fit(x, y)


def test_data_that_make_no_sense():
    x, y = data("Classifier")
    model = estimator("Classifier", (4,), max_iter=1, warm_start=True)
    with pytest.raises(ValueError, match=r"the first call of partial_fit needs classes="):
        model.partial_fit(x, y)
    with pytest.raises(ValueError, match=r"y holds one class alone, a; there must be at least two"):
        model.fit(x, ["a"] * len(x))
    model.fit(x, y)
    with pytest.raises(ValueError, match=r"warm_start=True goes on with the classes \['low' 'middle' 'top'\], and y holds"):
        model.fit(x, np.where(y == "top", "best", y))
    with pytest.raises(ValueError, match=r"y holds \['best'\], which are not among the classes"):
        model.partial_fit(x, np.where(y == "top", "best", y))
    with pytest.raises(ValueError, match=r"classes=\['a', 'b'\] are not those of the first call"):
        model.partial_fit(x, y, classes=["a", "b"])
    with pytest.raises(AttributeError) as caught:
        model.set_params(early_stopping=True).partial_fit(x, y)
    assert "partial_fit goes through the data once, and does no early_stopping=True" in str(caught.value.__cause__)
    with pytest.raises(ValueError, match="y holds 2 numbers for each row, and the first call 1"):
        estimator("Regressor", (4,)).partial_fit(x, x[:, 0]).partial_fit(x, x[:, :2])
    with np.errstate(all="ignore"), pytest.raises(tn.training.NonFiniteError, match=r"epoch \d+, batch"):
        estimator("Regressor", (4,), "square", solver="sgd", learning_rate_init=1e6).fit(x, x[:, 0])


# In scikit-learn --------------------------------------------------------------------------------------------------------


def test_in_a_search_over_a_pipeline_of_frames():
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    pandas = pytest.importorskip("pandas")
    x, y = data("Classifier", rows=150)
    x = pandas.DataFrame(x, columns=list("abcd"))
    pipeline = Pipeline([("scale", StandardScaler().set_output(transform="pandas")),
                         ("net", estimator("Classifier", max_iter=20, learning_rate_init=0.02, random_state=0))])  # fmt: skip
    grid = {"net__activation": ["identity", tn.nn.GELU], "net__hidden_layer_sizes": [(4,), (16,)]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(x, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all() and search.best_score_ > 0.6
    best = pickle.loads(pickle.dumps(search)).best_estimator_
    assert list(best["net"].feature_names_in_) == list("abcd") and best["net"].n_features_in_ == 4
    assert list(best.classes_) == ["low", "middle", "top"] and set(best.predict(x)) <= set(best.classes_)
    np.testing.assert_allclose(best.predict_proba(x).sum(axis=1), 1)
    with pytest.raises(ValueError, match="feature names"):
        best["net"].predict(x.rename(columns={"a": "z"}))


def test_clones_are_unfitted_and_alike():
    from sklearn.base import clone

    x, y = data("Regressor", outputs=2)
    model = estimator("Regressor", (6,), tn.nn.SiLU, max_iter=4, random_state=0).fit(x, y)
    twin = clone(model)
    assert twin.get_params() == model.get_params() and not hasattr(twin, "model_")
    assert weights(twin.fit(x, y)) == weights(model)
    assert model.predict(x).shape == (60, 2) and model.n_outputs_ == 2
    assert "Regressor" in repr(model) and "hidden_layer_sizes=(6,)" in repr(model)


def test_cross_validated_with_scores_of_two_classes():
    from sklearn.model_selection import cross_val_score

    x, y = tn.data.moons(200, noise=0.1, rng=0)
    model = estimator("Classifier", (16,), "gelu", learning_rate_init=0.05, max_iter=60, random_state=0)
    assert cross_val_score(model, x, y, scoring="roc_auc", cv=3).min() > 0.95
    assert cross_val_score(model, x, y, scoring="neg_log_loss", cv=3).min() > -0.4


def test_the_network_goes_on_to_other_tools():
    x, y = data("Classifier")
    model = estimator("Classifier", (8,), max_iter=2, random_state=0).fit(x, y)
    logits = model.model_.eval()(x).data
    np.testing.assert_array_equal(model.classes_[logits.argmax(axis=1)], model.predict(x))


def run_search(*args, **environment):
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / "search.py"), *args]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)


def test_a_search_goes_on_in_the_processes_of_a_dask_cluster(tmp_path):
    pytest.importorskip("distributed")
    done = run_search("--quick", "--folds", "2", "--activations", "linear,ReLU")
    assert done.returncode == 0, done.stdout + done.stderr
    first, *_, head, linear, relu, _, best, _, last = done.stdout.splitlines()
    assert first == "8 trainings on 2 workers; 1348 pictures, 2 folds, seed 0"
    assert head.split() == ["width", "8", "64"] and linear.startswith("linear  ") and relu.startswith("ReLU  ")
    assert best.startswith("the best: ") and last.startswith("PASS: ")
    assert done.stderr == ""


def test_the_search_names_a_missing_package(tmp_path):
    (tmp_path / "distributed.py").write_text("raise ImportError('hidden by the test')", encoding="utf-8")
    done = run_search("--quick", PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]))
    assert done.returncode == 1 and done.stdout == ""
    assert "pip install -e '.[examples]'" in done.stderr and "Traceback" not in done.stderr


def test_a_missing_package_is_named():
    code = """
import sys; sys.modules["sklearn"] = None
import tinynet as tn
try:
    tn.sklearn.Classifier
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "pip install 'tinynet-autograd[sklearn]'" in done.stdout
    with pytest.raises(AttributeError, match=r"no attribute 'MLPClassifier'"):
        tn.sklearn.MLPClassifier  # noqa: B018
