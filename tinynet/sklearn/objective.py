"""What an estimator minimises, and its scores: of rows that count alike, or each as much as its weight says."""

from typing import Any

import numpy as np

from tinynet.nn.linear import Linear
from tinynet.nn.module import Module

__all__ = ["HalfSquaredError", "Objective", "accuracy", "r2", "subset_accuracy"]

Array = np.ndarray[Any, Any]


class HalfSquaredError(Module):
    """(prediction - target)² / 2, the loss of scikit-learn's regressors."""

    def reduced(self, prediction: Any, target: Any, reduction: str) -> Any:
        """The loss of predictions and targets of shape (n, outputs): the sum, or with "none" that of each number."""
        losses = np.square(prediction - target) / 2
        return losses if reduction == "none" else np.sum(losses)


class Objective(Module):
    """The mean loss of the rows, with the L2 term alpha · Σ w² / 2n of the weights of a network's linear maps.

    Parameters
    ----------
    loss : Module
        The loss of rows, which is summed over the outputs.
    model : Module
        The network.
    alpha : float
        The strength of the L2 term.
    """

    def __init__(self, loss: Any, model: Module, alpha: float) -> None:
        self.loss = loss
        self.weights = [layer.weight for layer in model.modules() if isinstance(layer, Linear)]
        self.alpha = alpha

    def forward(self, prediction: Any, target: Any) -> Any:
        """The objective for predictions of shape (n, outputs), and targets as the loss takes them.

        Or targets of shape (n, outputs + 1), whose last column says how much a row counts: n is the sum of it then.
        """
        target, counts = _parted(prediction, target)
        if counts is None:
            total, rows = self.loss.reduced(prediction, target, "sum"), len(target)
        else:
            losses = self.loss.reduced(prediction, target, "none")  # of shape (n,) or (n, outputs)
            total, rows = np.sum(losses.T * counts), np.sum(counts)
        squares: Any = sum(np.sum(np.square(weight)) for weight in self.weights)
        return (total + squares * (self.alpha / 2)) / rows


def accuracy(prediction: Array, target: Array) -> float:
    """The share of rows whose largest logit is that of their class, which is a number or a row of a 1 and zeros."""
    target, counts = _parted(prediction, target)
    classes = target if target.ndim == 1 else target.argmax(axis=1)
    return float(np.average(prediction.argmax(axis=1) == classes, weights=counts))


def subset_accuracy(prediction: Array, target: Array) -> float:
    """The share of rows of which each logit is above 0 where the label is 1, and below where it is 0."""
    target, counts = _parted(prediction, target)
    return float(np.average(np.all((prediction > 0) == (target > 0.5), axis=1), weights=counts))


def r2(prediction: Array, target: Array) -> float:
    """The coefficient of determination."""
    from sklearn.metrics import r2_score

    target, counts = _parted(prediction, target)
    return float(r2_score(target, prediction, sample_weight=counts))


def _parted(prediction: Any, target: Any) -> tuple[Any, Any]:
    """Targets, and how much each row counts if their last column says so."""
    if target.shape[1:] == (prediction.shape[1] + 1,):
        return target[:, :-1], target[:, -1]
    return target, None
