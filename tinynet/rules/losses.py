"""Rules of the losses; `tinynet.nn.functional` makes of them what a person calls.

What a loss requires of plain data is checked by operations too (`class_labels`, `probabilities`), so that whatever
intercepts operations sees the checks as it sees the rest.
"""

from typing import Any

import numpy as np

from tinynet.rules.activations import hardtanh
from tinynet.rules.primitive import primitive
from tinynet.rules.table import Interval

__all__ = [
    "absolute_error", "class_labels", "huber_error", "log_loss", "logistic_loss", "nll", "probabilities", "squared_error",
]

# How an elementwise loss is reduced belongs to its row: the cotangent of the one number that comes of it broadcasts by
# itself, so that the reduction needs no operation, and no array of cotangents, of its own.


def _reduced(loss: Any, reduction: str) -> Any:
    if reduction == "none":
        return loss
    total = np.add.reduce(loss, axis=None)
    return total / loss.size if reduction == "mean" else total


def _shared(g: Any, x: Any, reduction: str) -> Any:
    """The cotangent of the loss of each element of `x`."""
    return g / x.size if reduction == "mean" else g


LEAST_LOG = -100.0
LEAST_VARIANCE = 1e-12  # of a Bernoulli variable, in the gradient of `log_loss`; torch's number


# Regression ----------------------------------------------------------------------------------------------------------


@primitive
def squared_error(prediction: Any, target: Any, reduction: str = "none") -> Any:
    """(prediction - target)²."""
    return _reduced(np.square(prediction - target), reduction)


squared_error.defvjp(
    lambda g, out, p, target, reduction="none": _shared(g, p, reduction) * (2 * (p - target)),
    lambda g, out, p, target, reduction="none": _shared(g, p, reduction) * (2 * (target - p)),
)


@primitive
def absolute_error(prediction: Any, target: Any, reduction: str = "none") -> Any:
    """abs(prediction - target); the derivative where they are equal is 0."""
    return _reduced(np.abs(prediction - target), reduction)


absolute_error.defvjp(
    lambda g, out, p, target, reduction="none": _shared(g, p, reduction) * np.sign(p - target),
    lambda g, out, p, target, reduction="none": _shared(g, p, reduction) * np.sign(target - p),
    kinks=lambda p, target, reduction="none": p - target,
    at={(1.0, 1.0): (0.0, 0.0)},
)


@primitive
def huber_error(prediction: Any, target: Any, delta: float = 1.0, reduction: str = "none") -> Any:
    """d²/2 where d = prediction - target is within ±delta, else delta · (abs(d) - delta/2) (Huber 1964).

    With c = d cut off at ±delta both are c · (d - c/2), and c is the derivative.
    """
    d = prediction - target
    c = hardtanh(d, -delta, delta)
    return _reduced(c * (d - 0.5 * c), reduction)


huber_error.defvjp(
    lambda g, out, p, target, delta=1.0, reduction="none": _shared(g, p, reduction) * hardtanh(p - target, -delta, delta),
    lambda g, out, p, target, delta=1.0, reduction="none": _shared(g, p, reduction) * hardtanh(target - p, -delta, delta),
    kinks=lambda p, target, delta=1.0, reduction="none": np.abs(p - target) - delta,
    at={(1.0, 0.0): (1.0, -1.0), (-1.0, 0.0): (-1.0, 1.0)},
)


# Two classes ---------------------------------------------------------------------------------------------------------


def _log(p: Any) -> Any:
    """log(p), and never less than -100."""
    return np.maximum(np.log(np.maximum(p, 1e-45)), LEAST_LOG)  # 1e-45: positive in float32 too, its log is below -100


def _log_of_complement(p: Any) -> Any:
    """log(1 - p), and -100 at p = 1; any other p has a logarithm far above -100."""
    return np.where(p == 1, LEAST_LOG, np.log1p(-p * (p != 1)))


@primitive
def log_loss(p: Any, target: Any, reduction: str = "none") -> Any:
    """-target · log(p) - (1 - target) · log(1 - p) for probabilities, with logarithms clamped at -100."""
    return _reduced(-(target * _log(p) + (1 - target) * _log_of_complement(p)), reduction)


log_loss.defvjp(
    lambda g, out, p, target, reduction="none": (
        _shared(g, p, reduction) * (p - target) / np.maximum((1 - p) * p, LEAST_VARIANCE)
    ),
    lambda g, out, p, target, reduction="none": _shared(g, p, reduction) * (_log_of_complement(p) - _log(p)),
    domain=Interval(0.0, 1.0),
    at={(0.0, 0.0): (0.0, 100.0), (0.0, 1.0): (-1e12, 100.0), (1.0, 0.0): (1e12, -100.0), (1.0, 1.0): (0.0, -100.0)},
    source="PyTorch: logarithms clamped at -100, the variance in the denominator at 1e-12",
)


@primitive
def logistic_loss(x: Any, target: Any, reduction: str = "none") -> Any:
    """`log_loss` of sigmoid(x); for targets 0 and 1 without cancellation at either end."""
    return _reduced(np.maximum(x, 0.0) - x * target + np.log1p(np.exp(-np.abs(x))), reduction)


logistic_loss.defvjp(  # exp(-log(1 + exp(-x))) is the sigmoid in four calls instead of seven: logits are few, calls count
    lambda g, out, x, target, reduction="none": _shared(g, x, reduction) * (np.exp(-np.logaddexp(0.0, -x)) - target),
    lambda g, out, x, target, reduction="none": -_shared(g, x, reduction) * x,
)


# Many classes --------------------------------------------------------------------------------------------------------


@primitive
def nll(log_p: Any, labels: Any) -> Any:
    """Minus the log-probability of the labelled class, on the last axis; 0 for the label -1.

    Parameters
    ----------
    log_p : array or Tensor, shape (..., C)
    labels : array of int, shape (...)

    Returns
    -------
    array or Tensor, shape (...)
    """
    rows = log_p.reshape(-1, log_p.shape[-1])
    picked = rows[np.arange(len(rows)), labels.reshape(-1)].reshape(labels.shape)
    return np.where(labels < 0, 0.0, -picked)


nll.defvjp(
    lambda g, out, log_p, labels: np.where(labels[..., None] == np.arange(log_p.shape[-1]), -g[..., None], 0.0),
    None,
)


# Checks --------------------------------------------------------------------------------------------------------------


@primitive
def class_labels(labels: Any, classes: int, ignore_index: int, name: str) -> Any:
    """The labels of classes as signed integers, -1 in place of `ignore_index`; `name` is the loss that an error names."""
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"{name}: the labels are {labels.dtype}, and must be integers; convert them with .astype(int), or give "
            f"probabilities, with the shape of the input"
        )
    labels = labels.astype(np.intp, copy=False)
    ignored = labels == ignore_index
    wrong = ((labels < 0) | (labels >= classes)) > ignored
    if np.count_nonzero(wrong):
        position = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise IndexError(
            f"{name}: label {labels[position]} at position {position} is none of the {classes} classes, 0 to {classes - 1}; "
            f"samples to leave out are labelled ignore_index, here {ignore_index}"
        )
    return np.where(ignored, -1, labels)


@primitive
def probabilities(p: Any, name: str) -> Any:
    """The probabilities as they are; `name` says what an error names them."""
    if np.count_nonzero(p * p > p):  # p² > p exactly where p < 0 or p > 1
        position = tuple(int(i) for i in np.argwhere((p < 0) | (p > 1))[0])
        raise ValueError(f"{name} must lie between 0 and 1, but at position {position} there is {p[position]}")
    return p
