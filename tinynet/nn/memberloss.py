"""`MemberLoss`: the loss of each member of a stack."""

import math
from typing import Any

import numpy as np

from tinynet.errors import ShapeError
from tinynet.nn.losses import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from tinynet.nn.lossparts import as_operand, check_reduction, values
from tinynet.nn.module import Module
from tinynet.rules.rows import constant

__all__ = ["MemberLoss"]

_OF_ELEMENTS = (BCELoss, BCEWithLogitsLoss, HuberLoss, L1Loss, MSELoss, SmoothL1Loss)
_OF_CLASSES = (CrossEntropyLoss, NLLLoss)


class MemberLoss(Module):
    """The loss of each member of a stack, reduced over the member's samples as the loss itself says.

    The sum of it is what to differentiate: each member's parameters then have the gradient that they would have alone.

    Parameters
    ----------
    loss : Module or callable
        ``loss(prediction, target)`` gives one number. tinynet's own losses are computed for all members at once, any other
        is called for one member after another.

    Raises
    ------
    ValueError
        If the loss is one with ``reduction="none"``, or has parameters that are trained, which members would share; when
        called, if it is the mean of an empty batch.
    ShapeError
        When called, if prediction and target have not the same members and samples, or the loss is not one number a member.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> loss = tn.nn.MemberLoss(tn.nn.MSELoss())
    >>> loss(np.array([[[1.0], [2.0]], [[3.0], [5.0]]]), np.ones((2, 2, 1)))
    array([ 0.5, 10. ])
    """

    def __init__(self, loss: Any) -> None:
        if getattr(loss, "reduction", "mean") == "none":
            raise ValueError(f"MemberLoss: a {type(loss).__name__} with reduction='none' gives no number; take 'mean' or 'sum'")
        if isinstance(loss, Module) and any(x.requires_grad for x in loss.parameters()):
            raise ValueError(
                f"MemberLoss: the {type(loss).__name__} has parameters, which all members would train together; make them a "
                "part of each member"
            )
        self.loss = loss

    def forward(self, prediction: Any, target: Any) -> Any:
        """The losses, (m,), of predictions of shape (m, n, ...) for targets that are each member's own, (m, n, ...)."""
        prediction, target = as_operand(prediction), as_operand(target)
        if prediction.shape[:2] != target.shape[:2] or target.ndim < 2:
            raise ShapeError(
                f"MemberLoss: the predictions have shape {prediction.shape} and the targets {target.shape}; both begin "
                "with members and samples (np.broadcast_to gives all members the same targets)"
            )
        if type(self.loss) in _OF_ELEMENTS:
            return self._reduced(self.loss.reduced(prediction, target, "none"))
        if type(self.loss) in _OF_CLASSES:
            return self._of_classes(prediction, target)
        return np.stack([_one_number(self.loss(prediction[k], target[k])) for k in range(prediction.shape[0])])

    def _reduced(self, losses: Any, total: Any = None) -> Any:
        """Sums over each member's losses, divided for a mean by their number, or by a total for each member."""
        check_reduction("MemberLoss", self.loss.reduction, losses)
        rows = losses.reshape(losses.shape[0], math.prod(losses.shape[1:]))
        share = 1.0 if self.loss.reduction == "sum" or total is not None else 1 / rows.shape[1]
        sums = np.matmul(rows, constant(rows.shape[1], share, rows.dtype))
        return sums if total is None or self.loss.reduction == "sum" else sums / total.astype(sums.dtype)

    def _of_classes(self, prediction: Any, target: Any) -> Any:
        """The losses where the classes are the axis after the samples', the members' samples in one batch."""
        if prediction.ndim < 3:
            raise ShapeError(f"MemberLoss: the predictions have shape {prediction.shape}; classes need (m, n, classes, ...)")
        m, n = prediction.shape[:2]
        losses = self.loss.reduced(
            prediction.reshape(m * n, *prediction.shape[2:]), target.reshape(m * n, *target.shape[2:]), "none"
        )
        return self._reduced(losses.reshape(m, n, *losses.shape[1:]), self._weights(target, prediction.ndim))

    def _weights(self, target: Any, ndim: int) -> Any:
        """What a mean over labels divides by: the sum of the weights of those that are not ignored, or 1 if it is 0."""
        if target.ndim == ndim:  # probabilities
            return None
        weight = self.loss.weight
        labels = values(target).reshape(target.shape[0], math.prod(target.shape[1:]))
        counted = labels != self.loss.ignore_index
        if weight is None:
            total = np.add.reduce(counted, axis=1, dtype=np.float64)
        else:
            total = np.add.reduce(np.where(counted, np.take(values(weight), np.where(counted, labels, 0)), 0), axis=1)
        return total + (total == 0)

    def extra_repr(self) -> str:
        """The loss, if it is no module."""
        return "" if isinstance(self.loss, Module) else repr(self.loss)


def _one_number(loss: Any) -> Any:
    shape = np.shape(loss)
    if math.prod(shape) != 1:
        raise ShapeError(f"MemberLoss: a member's loss has shape {shape}; it must be one number: reduce it with .mean()")
    return np.reshape(loss, ())
