"""`MemberLoss`: each member's loss is what the loss gives for its own predictions."""

import numpy as np
import pytest

import tinynet as tn
from tests.stacks import gradients, own_loss, rng_of
from tinynet import nn
from tinynet.errors import ShapeError

M, N = 5, 7
LABELS = rng_of(2).integers(0, 4, (M, N))
SOME = np.where(rng_of(3).random((M, N)) < 0.3, -100, LABELS)
SOME[1] = -100
PROBABILITIES = rng_of(2).dirichlet(np.ones(4), (M, N))
CLASS_WEIGHTS = np.array([0.5, 2.0, 1.0, 0.0])
LOSSES = {
    "mse": (nn.MSELoss(), rng_of(2).normal(size=(M, N, 4))),
    "mse sum": (nn.MSELoss(reduction="sum"), rng_of(2).normal(size=(M, N, 4))),
    "l1": (nn.L1Loss(), rng_of(2).normal(size=(M, N, 4))),
    "huber": (nn.HuberLoss(0.7), rng_of(2).normal(size=(M, N, 4))),
    "smooth l1": (nn.SmoothL1Loss(0.3), rng_of(2).normal(size=(M, N, 4))),
    "bce with logits": (nn.BCEWithLogitsLoss(), LABELS[..., None] % 2 == np.ones(4)),
    "bce with weights": (nn.BCEWithLogitsLoss(CLASS_WEIGHTS, pos_weight=[3.0, 1, 1, 1]), PROBABILITIES),
    "bce": (lambda p, y: nn.BCELoss()(1 / (1 + np.exp(-p)), y), PROBABILITIES),
    "labels": (nn.CrossEntropyLoss(), LABELS),
    "labels sum": (nn.CrossEntropyLoss(reduction="sum"), LABELS),
    "labels smoothed": (nn.CrossEntropyLoss(label_smoothing=0.2), LABELS),
    "some labels": (nn.CrossEntropyLoss(), SOME),
    "labels with weights": (nn.CrossEntropyLoss(CLASS_WEIGHTS), SOME),
    "labels with weights, smoothed": (nn.CrossEntropyLoss(CLASS_WEIGHTS, label_smoothing=0.1), SOME),
    "probabilities": (nn.CrossEntropyLoss(), PROBABILITIES),
    "probabilities with weights": (nn.CrossEntropyLoss(CLASS_WEIGHTS), PROBABILITIES),
    "nll": (nn.NLLLoss(CLASS_WEIGHTS), SOME),
    "own": (own_loss, PROBABILITIES),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_a_members_loss_is_its_own(name):
    loss, target = LOSSES[name]
    p = tn.Tensor(rng_of(1).normal(size=(M, N, 4)), requires_grad=True)
    together = nn.MemberLoss(loss)(p, target)
    g, (dp,) = gradients(together, [p])
    for k in range(M):
        part = tn.Tensor(p.data[k], requires_grad=True)
        alone = loss(part, target[k])
        np.testing.assert_allclose(together.data[k], alone.data, rtol=1e-12)
        (expected,) = tn.autograd.grad(alone, [part], g[k])
        np.testing.assert_allclose(dp.data[k], expected.data, rtol=1e-10, atol=1e-15)
    if isinstance(loss, nn.CrossEntropyLoss):  # classes on the axis behind the samples'
        p4, y4 = p.data[:, :, :, None], target[..., None]
        np.testing.assert_allclose(nn.MemberLoss(loss)(p4, y4), together.data, rtol=1e-12)


def test_losses_that_give_no_number_a_member():
    with pytest.raises(ValueError, match="reduction='none'"):
        nn.MemberLoss(nn.MSELoss(reduction="none"))
    with pytest.raises(ShapeError, match=r"shape \(7, 4\); it must be one number"):
        nn.MemberLoss(lambda p, y: p - y)(np.ones((M, N, 4)), np.ones((M, N, 4)))
    for shape in ((N, 4), (M,), (M + 1, N, 4)):
        with pytest.raises(ShapeError, match="begin with members and samples"):
            nn.MemberLoss(nn.MSELoss())(np.ones((M, N, 4)), np.ones(shape))
    with pytest.raises(ShapeError, match=r"mse_loss: .*\(5, 7, 4\)"):
        nn.MemberLoss(nn.MSELoss())(np.ones((M, N, 4)), np.ones((M, N)))
    assert "MSELoss" in repr(nn.MemberLoss(nn.MSELoss())) and "own_loss" in repr(nn.MemberLoss(own_loss))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("name", LOSSES)
def test_a_members_loss_has_the_dtype_that_it_has_alone(name, dtype):
    loss, target = LOSSES[name]
    p = rng_of(1).normal(size=(M, N, 4)).astype(dtype)
    target = target.astype(dtype) if target.dtype.kind == "f" else target
    assert nn.MemberLoss(loss)(p, target).dtype == loss(p[0], target[0]).dtype


def test_lists_are_arrays():
    assert nn.MemberLoss(nn.MSELoss())([[[1.0], [2.0]]], [[[1.0], [4.0]]]).tolist() == [2.0]
    np.testing.assert_allclose(nn.MemberLoss(nn.CrossEntropyLoss())([[[0.0, 0.0]], [[9.0, 9.0]]], [[1], [0]]), np.log(2))


def test_there_is_no_mean_of_nothing():
    nothing = np.ones((M, 0, 2))
    for loss, target in ((nn.MSELoss(), nothing), (nn.CrossEntropyLoss(), nothing), (nn.NLLLoss(), np.ones((M, 0), int))):
        with pytest.raises(ValueError, match="an empty batch, of shape"):
            nn.MemberLoss(loss)(nothing, target)
    assert nn.MemberLoss(nn.MSELoss(reduction="sum"))(nothing, nothing).tolist() == [0.0] * M


def test_classes_need_an_axis():
    with pytest.raises(ShapeError, match=r"predictions have shape \(5, 7\); classes need"):
        nn.MemberLoss(nn.CrossEntropyLoss())(np.ones((M, N)), np.ones((M, N)) / N)


class Weighted(nn.Module):
    def __init__(self, requires_grad):
        self.weight = nn.Parameter(2.0, requires_grad=requires_grad)

    def forward(self, prediction, target):
        return self.weight * np.mean((prediction - target) ** 2)


def test_a_loss_that_is_trained_would_tie_the_members_together():
    with pytest.raises(ValueError, match="Weighted has parameters, which all members would train together"):
        nn.MemberLoss(Weighted(True))
    frozen = nn.MemberLoss(Weighted(False))
    np.testing.assert_allclose(frozen(np.ones((M, N, 1)), np.zeros((M, N, 1))).data, np.full(M, 2.0))
