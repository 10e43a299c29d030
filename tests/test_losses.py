"""Losses: values and gradients against torch and finite differences, conventions at edges, stability, bad input, modules."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ShapeError
from tinynet.nn import functional as F
from tinynet.nn import losses as modules

REDUCTIONS = ["mean", "sum", "none"]
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 3)) * 2, RNG.normal(size=(6, 3)) * 2
P, T = RNG.uniform(0.01, 0.99, (6, 3)), RNG.uniform(0, 1, (6, 3))
HARD = (T > 0.5).astype(float)
LABELS = np.array([2, 0, -100, 1, 1, -100])
VALID = np.array([2, 0, 0, 1, 1, 2])
IMAGE, IMAGE_LABELS = RNG.normal(size=(2, 3, 4, 5)), RNG.integers(0, 3, (2, 4, 5))
SHARES = F.softmax(RNG.normal(size=(6, 3)) * 2)
WEIGHTS = np.array([0.5, 2.0, 1.25])


def against_torch(name, prediction, target, torch_target_gradient=True, reduction="mean", **options):
    """Compare a functional loss, and its gradients for the prediction and a floating target, with torch's."""
    torch = pytest.importorskip("torch")
    floating = target.dtype.kind == "f" and torch_target_gradient
    ours = [tn.tensor(prediction, requires_grad=True), tn.tensor(target, requires_grad=floating)]
    theirs = [torch.tensor(prediction, requires_grad=True), torch.tensor(target, requires_grad=floating)]
    found = getattr(F, name)(*ours, reduction=reduction, **options)
    options = {key: torch.tensor(value) if isinstance(value, np.ndarray) else value for key, value in options.items()}
    expected = getattr(torch.nn.functional, name)(*theirs, reduction=reduction, **options)
    assert found.shape == tuple(expected.shape)
    v = np.random.default_rng(1).normal(size=found.shape)
    found.backward(v)
    expected.backward(torch.tensor(v))
    np.testing.assert_allclose(found.data, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    for mine, other in zip(ours[: 1 + floating], theirs, strict=False):
        np.testing.assert_allclose(mine.grad, other.grad.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("name", "prediction", "target", "options"),
    [
        ("mse_loss", X, Y, {}),
        ("l1_loss", X, Y, {}),
        ("smooth_l1_loss", X, Y, {}),
        ("smooth_l1_loss", X, Y, {"beta": 2.5}),
        ("smooth_l1_loss", X, Y, {"beta": 0.0}),
        ("huber_loss", X, Y, {}),
        ("huber_loss", X, Y, {"delta": 2.5}),
        ("binary_cross_entropy", P, HARD, {}),
        ("binary_cross_entropy", P, T, {"weight": WEIGHTS}),
        ("binary_cross_entropy_with_logits", X, HARD, {}),
        ("binary_cross_entropy_with_logits", X, T, {"pos_weight": WEIGHTS}),
        ("binary_cross_entropy_with_logits", X, T, {"pos_weight": np.array(3.0), "weight": WEIGHTS}),
    ],
)
def test_elementwise_losses_are_those_of_torch(name, prediction, target, options, reduction):
    against_torch(name, prediction, target, reduction=reduction, **options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["even", "weighted"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize(
    ("prediction", "target", "options"),
    [
        (X, VALID, {}),
        (X, LABELS, {}),
        (X, VALID, {"ignore_index": 0}),
        (X[0], np.array(2), {}),
        (IMAGE, IMAGE_LABELS, {}),
        (X, SHARES, {}),
        (X[0], SHARES[0], {}),
        (IMAGE, F.softmax(IMAGE * 2, axis=1), {}),
    ],
    ids=["labels", "ignored", "ignored class", "one sample", "images", "shares", "one sample's shares", "image shares"],
)
def test_cross_entropy_is_that_of_torch(prediction, target, options, smoothing, weight, reduction):
    options = options | ({} if weight is None else {"weight": weight})
    against_torch("cross_entropy", prediction, target, reduction=reduction, label_smoothing=smoothing, **options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["even", "weighted"])
@pytest.mark.parametrize(
    ("prediction", "target", "options"),
    [
        (X, VALID, {}),
        (X, LABELS, {}),
        (X, VALID, {"ignore_index": 1}),
        (X[0], np.array(2), {}),
        (IMAGE, IMAGE_LABELS, {}),
    ],
    ids=["labels", "ignored", "ignored class", "one sample", "images"],
)
def test_nll_is_that_of_torch(prediction, target, options, weight, reduction):
    options = options | ({} if weight is None else {"weight": weight})
    against_torch("nll_loss", prediction, target, reduction=reduction, **options)


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        (lambda x, y: F.mse_loss(x, y, reduction="none"), [X, Y]),
        (lambda x, y: F.l1_loss(x, y, reduction="none"), [X, Y]),
        (lambda x, y: F.smooth_l1_loss(x, y, beta=0.7, reduction="none"), [X, Y]),
        (lambda x, y: F.huber_loss(x, y, delta=2.0, reduction="none"), [X, Y]),
        (lambda p, t: F.binary_cross_entropy(p, t, reduction="none"), [P, np.clip(T, 0.1, 0.9)]),
        (lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none"), [X, np.clip(T, 0.1, 0.9)]),
        (
            lambda x, t: F.binary_cross_entropy_with_logits(x, t, WEIGHTS, pos_weight=WEIGHTS, reduction="mean"),
            [X, np.clip(T, 0.1, 0.9)],
        ),
        (lambda x: F.cross_entropy(x, LABELS, WEIGHTS, label_smoothing=0.2), [X]),
        (lambda x, q: F.cross_entropy(x, q, WEIGHTS, label_smoothing=0.2, reduction="none"), [X, SHARES]),
        (lambda x: F.cross_entropy(x, IMAGE_LABELS, reduction="none"), [IMAGE]),
        (lambda x: F.nll_loss(x, LABELS, WEIGHTS, reduction="none"), [X]),
    ],
    ids=["mse", "l1", "smooth l1", "huber", "bce", "logits", "weighted logits", "labels", "shares", "images", "nll"],
)
def test_gradients_against_finite_differences(loss, inputs):
    assert tn.testing.gradcheck(loss, inputs, order=2)


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        (lambda x: F.binary_cross_entropy_with_logits(x, HARD[:2], reduction="sum"), [np.array([[0.0, -1.5, 2.0]] * 2)]),
        (lambda x, q: F.cross_entropy(x, q), [X[:2], SHARES[:2]]),
        (lambda x: F.cross_entropy(x, VALID[:2]), [X[:2]]),
    ],
    ids=["logits", "shares", "labels"],
)
def test_third_derivatives_against_finite_differences(loss, inputs):
    assert tn.testing.gradcheck(loss, inputs, order=3)


@pytest.mark.parametrize("classes", [2, 256, 257])
def test_cross_entropy_of_few_and_of_many_classes(classes):
    rng = np.random.default_rng(2)
    against_torch("cross_entropy", rng.normal(size=(5, classes)) * 3, rng.integers(0, classes, 5))
    against_torch("cross_entropy", rng.normal(size=(5, classes)) * 3, F.softmax(rng.normal(size=(5, classes))))


@pytest.mark.parametrize("n", [32768, 32769])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_mean_and_sum_of_many_losses(n, reduction):
    x = np.random.default_rng(3).normal(size=n)
    expected = math.fsum(np.square(x)) / (n if reduction == "mean" else 1)
    assert float(F.mse_loss(x, np.zeros(n), reduction=reduction)) == pytest.approx(expected, rel=1e-14)


# Conventions at edges ------------------------------------------------------------------------------------------------


def test_absolute_error_of_equals_has_no_slope():
    x = tn.tensor([1.0, 2.0], requires_grad=True)
    F.l1_loss(x, [1.0, 1.0], reduction="sum").backward()
    np.testing.assert_array_equal(x.grad, [0.0, 1.0])


@pytest.mark.parametrize("delta", [1.0, 2.5])
def test_the_edges_of_huber_and_smooth_l1(delta):
    x = tn.tensor([-delta, delta, -2 * delta, 2 * delta], requires_grad=True)
    loss = F.huber_loss(x, np.zeros(4), delta=delta, reduction="none")
    np.testing.assert_allclose(loss.data, delta**2 * np.array([0.5, 0.5, 1.5, 1.5]))
    loss.backward([1.0, 10.0, 100.0, 1000.0])
    np.testing.assert_allclose(x.grad, delta * np.array([-1.0, 10.0, -100.0, 1000.0]))
    smooth = F.smooth_l1_loss(x.data, np.zeros(4), beta=delta, reduction="none")
    np.testing.assert_allclose(smooth, loss.data / delta)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_clamp_of_binary_cross_entropy_is_that_of_torch(dtype):
    torch = pytest.importorskip("torch")
    p = np.array([0.0, 1.0, 0.0, 1.0, 1e-40, 1e-44, 1e-14, 1 - 1e-7], dtype)
    t = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0], dtype)
    x, tx = tn.tensor(p, requires_grad=True), torch.tensor(p, requires_grad=True)
    loss = F.binary_cross_entropy(x, t, reduction="none")
    expected = torch.nn.functional.binary_cross_entropy(tx, torch.tensor(t), reduction="none")
    v = np.arange(1.0, 9.0, dtype=dtype)
    loss.backward(v)
    expected.backward(torch.tensor(v))
    tolerance = 1e-6 if dtype == "float32" else 1e-8  # torch's least denominator is 1e-12 in single precision
    np.testing.assert_allclose(loss.data, expected.detach().numpy(), rtol=tolerance)
    np.testing.assert_allclose(x.grad, tx.grad.numpy(), rtol=tolerance)
    assert loss.dtype == x.grad.dtype == np.dtype(dtype)


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
def test_the_mean_of_ignored_labels_alone_is_zero(loss):
    x = tn.tensor(X[:2], requires_grad=True)
    found = loss(x, np.array([-100, -100]))
    found.backward()
    assert found.item() == 0.0
    np.testing.assert_array_equal(x.grad, np.zeros((2, 3)))


# The ends of the number range ----------------------------------------------------------------------------------------


@given(st.floats(-700, 700))
def test_the_gradient_of_logits_has_relative_accuracy_where_it_is_small(x):
    logit = tn.tensor(x, requires_grad=True)
    F.binary_cross_entropy_with_logits(logit, np.array(0.0)).backward()
    e = math.exp(-abs(x))
    assert float(logit.grad) == pytest.approx((1 if x >= 0 else e) / (1 + e), rel=4e-16 * (1 + abs(x)))


@given(st.floats(-700, 700), st.sampled_from([0.0, 1.0]))
def test_logits_with_hard_targets_have_relative_accuracy(x, target):
    wrong_way = -x if target else x
    exact = max(wrong_way, 0) + math.log1p(math.exp(-abs(x)))
    assert float(F.binary_cross_entropy_with_logits(np.array(x), np.array(target))) == pytest.approx(exact, rel=4e-16)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "target", "options"),
    [
        ("mse_loss", 0.0, {}),
        ("l1_loss", 0.0, {}),
        ("huber_loss", 0.0, {}),
        ("smooth_l1_loss", 0.0, {"beta": 0.5}),
        ("binary_cross_entropy_with_logits", 0.0, {}),
        ("binary_cross_entropy_with_logits", 1.0, {"pos_weight": [2.0, 3.0, 1.0, 1.0]}),
        ("cross_entropy", None, {"weight": [1.0, 2.0, 3.0, 4.0], "label_smoothing": 0.1}),
    ],
)
def test_large_inputs_are_finite_silent_and_keep_their_dtype(name, target, options, dtype):
    x = tn.tensor(np.array([[-1e4, 1e4, 0.0, 50.0], [1e4, 1e4, 1e4, -1e4]], dtype), requires_grad=True)
    target = np.array([0, 3]) if target is None else np.full(x.shape, target, dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss = getattr(F, name)(x, target, **options)
        (dx,) = tn.autograd.grad(loss, [x], create_graph=True)
        if dx.requires_grad:
            dx.backward(np.ones_like(x.data))
            assert x.grad.dtype == np.dtype(dtype)
            assert np.isfinite(x.grad).all()
    assert loss.dtype == dx.dtype == np.dtype(dtype)
    assert np.isfinite(loss.data)
    assert np.isfinite(dx.data).all()
    assert np.any(dx.data)


def test_cross_entropy_with_masked_logits():
    x = tn.tensor([[0.0, -np.inf, 0.0]], requires_grad=True)
    loss = F.cross_entropy(x, np.array([2]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    np.testing.assert_allclose(x.grad, [[0.5, 0.0, -0.5]])
    x.grad = None
    loss = F.cross_entropy(x, np.array([[0.25, 0.0, 0.75]]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    np.testing.assert_allclose(x.grad, [[0.25, 0.0, -0.25]])
    assert F.cross_entropy(x, np.array([1])).item() == np.finfo(float).max


# Bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: F.mse_loss(X, X[:, 0]), ShapeError, ["mse_loss", "(6, 3)", "(6,)", "one target"]),
        (lambda: F.mse_loss(X[:, :1], X[:, 0]), ShapeError, ["(6, 1)", "(6,)", "target.reshape(6, 1)"]),
        (lambda: F.binary_cross_entropy_with_logits(X[:, 0], HARD[:, :1]), ShapeError, ["with_logits", "reshape(6,)"]),
        (lambda: F.mse_loss(X, Y, reduction="avg"), ValueError, ["mse_loss", "'avg'", "'mean'", "'none'"]),
        (lambda: F.cross_entropy(X, VALID, reduction="avg"), ValueError, ["cross_entropy", "'avg'", "'mean'"]),
        (lambda: F.mse_loss(X[:0], Y[:0]), ValueError, ["mse_loss", "empty", "(0, 3)"]),
        (lambda: F.cross_entropy(X[:0], VALID[:0]), ValueError, ["cross_entropy", "empty"]),
        (lambda: F.huber_loss(X, Y, delta=0.0), ValueError, ["huber_loss", "delta=0.0", "positive"]),
        (lambda: F.smooth_l1_loss(X, Y, beta=-1.0), ValueError, ["smooth_l1_loss", "beta=-1.0"]),
        (lambda: F.binary_cross_entropy(X, HARD), ValueError, ["inputs", "between 0 and 1", "(0, 1)", "with_logits"]),
        (lambda: F.binary_cross_entropy(np.where(HARD, np.inf, 0.0), HARD), ValueError, ["inputs", "between 0 and 1", "inf"]),
        (lambda: F.binary_cross_entropy(P, 2 * HARD), ValueError, ["targets", "between 0 and 1", "2.0"]),
        (lambda: F.binary_cross_entropy_with_logits(X, 2 * HARD - 1), ValueError, ["targets", "-1.0"]),
        (lambda: F.cross_entropy(X, np.array([0, 1, 2, 3, 0, 7])), IndexError, ["label 3", "(3,)", "3 classes"]),
        (lambda: F.cross_entropy(X, np.array([0, -1, 2, 0, 0, 0])), IndexError, ["label -1", "(1,)"]),
        (lambda: F.nll_loss(IMAGE, IMAGE_LABELS + 1), IndexError, ["nll_loss", "label 3", "3 classes, 0 to 2"]),
        (lambda: F.cross_entropy(X, VALID.astype(float)), TypeError, ["float64", "integers", ".astype(int)"]),
        (lambda: F.cross_entropy(X, np.eye(3, dtype=int)[VALID]), TypeError, ["probabilities", "int64", ".astype(float)"]),
        (lambda: F.cross_entropy(X, VALID[:5]), ShapeError, ["(5,)", "3 classes", "(6,)"]),
        (lambda: F.cross_entropy(X, VALID[:, None]), ShapeError, ["(6, 1)", "(6,)"]),
        (lambda: F.cross_entropy(np.array(1.0), np.array(0)), ShapeError, ["()", "axis of classes"]),
        (lambda: F.cross_entropy(X, VALID, np.ones(4)), ShapeError, ["weights", "(4,)", "3 classes"]),
        (lambda: F.cross_entropy(X, VALID, label_smoothing=1.5), ValueError, ["label_smoothing=1.5"]),
        (lambda: modules.MSELoss(reduction="avg"), ValueError, ["MSELoss", "'avg'", "'mean'"]),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == []


def test_targets_may_be_lists_tensors_and_small_integers():
    assert float(F.mse_loss(np.array([1.0, 2.0]), [1, 4])) == 2.0
    assert F.cross_entropy(tn.tensor(X), tn.tensor(VALID)).item() == F.cross_entropy(X, VALID.tolist())
    small = np.where(LABELS < 0, 255, LABELS).astype(np.uint8)
    assert F.cross_entropy(X, small, ignore_index=255) == F.cross_entropy(X, LABELS)


# Modules -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "text", "function", "arguments"),
    [
        (modules.MSELoss(), "MSELoss(reduction='mean')", F.mse_loss, (X, Y)),
        (modules.L1Loss(reduction="sum"), "L1Loss(reduction='sum')", lambda x, y: F.l1_loss(x, y, reduction="sum"), (X, Y)),
        (
            modules.HuberLoss(delta=2.0),
            "HuberLoss(delta=2.0, reduction='mean')",
            lambda x, y: F.huber_loss(x, y, delta=2.0),
            (X, Y),
        ),
        (
            modules.SmoothL1Loss(0.5),
            "SmoothL1Loss(beta=0.5, reduction='mean')",
            lambda x, y: F.smooth_l1_loss(x, y, beta=0.5),
            (X, Y),
        ),
        (
            modules.BCELoss(weight=WEIGHTS),
            "BCELoss(weight=array of shape (3,), reduction='mean')",
            lambda p, t: F.binary_cross_entropy(p, t, WEIGHTS),
            (P, T),
        ),
        (
            modules.BCEWithLogitsLoss(pos_weight=WEIGHTS),
            "BCEWithLogitsLoss(pos_weight=array of shape (3,), reduction='mean')",
            lambda x, t: F.binary_cross_entropy_with_logits(x, t, pos_weight=WEIGHTS),
            (X, T),
        ),
        (
            modules.CrossEntropyLoss(WEIGHTS, ignore_index=0, label_smoothing=0.1),
            "CrossEntropyLoss(weight=array of shape (3,), ignore_index=0, label_smoothing=0.1, reduction='mean')",
            lambda x, labels: F.cross_entropy(x, labels, WEIGHTS, ignore_index=0, label_smoothing=0.1),
            (X, VALID),
        ),
        (
            modules.NLLLoss(reduction="none"),
            "NLLLoss(ignore_index=-100, reduction='none')",
            lambda x, labels: F.nll_loss(x, labels, reduction="none"),
            (X, LABELS),
        ),
    ],
    ids=["MSE", "L1", "Huber", "SmoothL1", "BCE", "BCEWithLogits", "CrossEntropy", "NLL"],
)
def test_modules_are_their_functions(module, text, function, arguments):
    for twin in (module, pickle.loads(pickle.dumps(module))):
        assert repr(twin) == text
        np.testing.assert_array_equal(twin(tn.tensor(arguments[0]), arguments[1]).data, function(*arguments))
    assert list(module.parameters()) == []


def test_weights_are_state_and_follow_the_dtype():
    loss = modules.CrossEntropyLoss([1.0, 2.0, 3.0]).astype("float32")
    assert list(loss.state_dict()) == ["weight"]
    assert loss(tn.tensor(X.astype("float32")), VALID).dtype == np.float32


@pytest.mark.parametrize("loss", [F.binary_cross_entropy_with_logits, F.mse_loss, F.l1_loss, F.huber_loss])
def test_integer_targets_leave_a_float32_model_float32(loss):
    x = tn.tensor([0.5, -1.5], requires_grad=True, dtype="float32")
    value = loss(x, np.array([1, 0]))
    assert value.dtype == np.float32
    value.backward()
    assert x.grad.dtype == np.float32
