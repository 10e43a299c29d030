"""Rules of the losses; `tinynet.nn.functional` makes of them what a person calls.

What a loss requires of plain data is checked by operations too (`class_labels`, `probabilities`), so that whatever
intercepts operations sees the checks as it sees the rest.
"""

from typing import Any

import numpy as np

from tinynet.rules.activations import hardtanh, log_sigmoid, log_softmax, softmax
from tinynet.rules.patterns import ONE, patterns
from tinynet.rules.primitive import primitive
from tinynet.rules.rows import constant, starts, total
from tinynet.rules.table import Interval

__all__ = [
    "absolute_error", "class_labels", "huber_error", "log_loss", "logistic_loss", "nll", "probabilities", "shares_of_labels",
    "softmax_nll", "squared_error",
]

# How a loss is reduced belongs to its row, and the usual way is its default: the cotangent of the one number that comes of
# it broadcasts by itself, so that the reduction needs no operation, and no array of cotangents, of its own.

MANY = 32768
"""How many numbers a reduction sums better than a product with ones."""


def _reduced(loss: Any, reduction: str) -> Any:
    if reduction == "none":
        return loss
    share = 1 / loss.size if reduction == "mean" else 1.0
    if loss.dtype.kind != "f" or loss.size > MANY:
        return np.add.reduce(loss, axis=None) * share
    return loss.ravel().dot(constant(loss.size, share, loss.dtype))


def _shared(g: Any, x: Any, reduction: str) -> Any:
    """The cotangent of the loss of each element of `x`."""
    return g[()] / x.size if reduction == "mean" else g  # a NumPy scalar's arithmetic is quicker than a 0-d array's


LEAST_LOG = -100.0
LEAST_VARIANCE = 1e-12  # of a Bernoulli variable, in the gradient of `log_loss`; torch's number


# Regression ----------------------------------------------------------------------------------------------------------


@primitive
def squared_error(prediction: Any, target: Any, reduction: str = "mean") -> Any:
    """(prediction - target)²."""
    return _reduced(np.square(prediction - target), reduction)


squared_error.defvjp(
    lambda g, out, p, target, reduction="mean": 2.0 * _shared(g, p, reduction) * (p - target),
    lambda g, out, p, target, reduction="mean": 2.0 * _shared(g, p, reduction) * (target - p),
)


@primitive
def absolute_error(prediction: Any, target: Any, reduction: str = "mean") -> Any:
    """abs(prediction - target); the derivative where they are equal is 0."""
    return _reduced(np.abs(prediction - target), reduction)


absolute_error.defvjp(
    lambda g, out, p, target, reduction="mean": _shared(g, p, reduction) * np.sign(p - target),
    lambda g, out, p, target, reduction="mean": _shared(g, p, reduction) * np.sign(target - p),
    kinks=lambda p, target, reduction="mean": p - target,
    at={(1.0, 1.0): (0.0, 0.0)},
)


@primitive
def huber_error(prediction: Any, target: Any, delta: float = 1.0, reduction: str = "mean") -> Any:
    """d²/2 where d = prediction - target is within ±delta, else delta · (abs(d) - delta/2) (Huber 1964).

    With c = d cut off at ±delta both are c · (d - c/2), and c is the derivative.
    """
    d = prediction - target
    c = hardtanh(d, -delta, delta)
    return _reduced(c * (d - 0.5 * c), reduction)


huber_error.defvjp(
    lambda g, out, p, target, delta=1.0, reduction="mean": _shared(g, p, reduction) * hardtanh(p - target, -delta, delta),
    lambda g, out, p, target, delta=1.0, reduction="mean": _shared(g, p, reduction) * hardtanh(target - p, -delta, delta),
    kinks=lambda p, target, delta=1.0, reduction="mean": np.abs(p - target) - delta,
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
def log_loss(p: Any, target: Any, reduction: str = "mean") -> Any:
    """-target · log(p) - (1 - target) · log(1 - p) for probabilities, with logarithms clamped at -100."""
    return _reduced(-(target * _log(p) + (1 - target) * _log_of_complement(p)), reduction)


log_loss.defvjp(
    lambda g, out, p, target, reduction="mean": (
        _shared(g, p, reduction) * (p - target) / np.maximum((1 - p) * p, LEAST_VARIANCE)
    ),
    lambda g, out, p, target, reduction="mean": _shared(g, p, reduction) * (_log_of_complement(p) - _log(p)),
    domain=Interval(0.0, 1.0),
    at={(0.0, 0.0): (0.0, 100.0), (0.0, 1.0): (-1e12, 100.0), (1.0, 0.0): (1e12, -100.0), (1.0, 1.0): (0.0, -100.0)},
    source="PyTorch: logarithms clamped at -100, the variance in the denominator at 1e-12",
)


@primitive
def logistic_loss(x: Any, target: Any, reduction: str = "mean") -> Any:
    """`log_loss` of sigmoid(x): (1 - target) · x - log sigmoid(x)."""
    return _reduced((x - x * target) - log_sigmoid(x), reduction)


logistic_loss.defvjp(  # the sigmoid is made of what the loss itself is made of, which a compiler shares
    lambda g, out, x, target, reduction="mean": _shared(g, x, reduction) * (np.exp(log_sigmoid(x)) - target),
    lambda g, out, x, target, reduction="mean": -_shared(g, x, reduction) * x,
)


# Many classes ---------------------------------------------------------------------------------------------------------
# The target is a share of each class, on the last axis: 1 for the class that a label names and 0 for the others (see
# `shares_of_labels`), or any probabilities. A mean is over the samples.


def _logarithms(log_p: Any) -> Any:
    """Log-probabilities without -inf: nothing of an impossible class is nothing."""
    return np.maximum(log_p, np.finfo(log_p.dtype).min)


def _expected(log_p: Any, shares: Any, reduction: str) -> Any:
    log_p = _logarithms(log_p)
    if reduction == "none":
        return -np.add.reduce(shares * log_p, axis=-1)
    sum_of_all = -(shares.ravel().dot(log_p.ravel()))
    return sum_of_all / _samples(log_p) if reduction == "mean" else sum_of_all


def _samples(x: Any) -> Any:
    return x.size // x.shape[-1]


def _of_classes(g: Any, x: Any, reduction: str) -> Any:
    """The cotangent of the loss of each sample, to broadcast over the classes."""
    if reduction == "none":
        return g[..., None]
    return g[()] / _samples(x) if reduction == "mean" else g


@primitive
def nll(log_p: Any, shares: Any, reduction: str = "sum") -> Any:
    """Minus the log-probability that is expected under the shares, -Σ shares · log_p over the last axis."""
    return _expected(log_p, shares, reduction)


nll.defvjp(
    lambda g, out, log_p, shares, reduction="sum": -_of_classes(g, log_p, reduction) * shares,
    lambda g, out, log_p, shares, reduction="sum": -_of_classes(g, log_p, reduction) * _logarithms(log_p),
)


@primitive
def softmax_nll(x: Any, shares: Any, reduction: str = "sum") -> Any:
    """`nll` of log_softmax(x); its derivative is softmax(x) · Σ shares - shares."""
    return _expected(log_softmax(x), shares, reduction)


softmax_nll.defvjp(
    lambda g, out, x, shares, reduction="sum": (
        _of_classes(g, x, reduction) * (softmax(x) * total(shares) - shares)
    ),
    lambda g, out, x, shares, reduction="sum": -_of_classes(g, x, reduction) * _logarithms(log_softmax(x)),
)


# Plain data, of which the values are looked at -------------------------------------------------------------------------


@primitive
def shares_of_labels(labels: Any, classes: int, dtype: Any, mean: bool) -> Any:
    """1 for the class that each label names and 0 for the others, on a last axis of classes; nothing for the label -1.

    With `mean`, the shares of those samples that have any add up to 1.
    """
    named = labels.ravel()
    positions = starts(named.size, classes) + named
    there = named >= 0
    n = int(np.count_nonzero(there))
    if n < named.size:
        positions = positions[there]
    shares = np.zeros(named.size * classes, dtype if dtype.kind == "f" else np.float64)
    shares[positions] = 1 / max(n, 1) if mean else 1
    return shares.reshape(*labels.shape, classes)


@primitive
def class_labels(labels: Any, classes: int, ignore_index: int, name: str) -> Any:
    """The labels of classes as signed integers, -1 in place of `ignore_index`; `name` is the loss that an error names."""
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"{name}: the labels are {labels.dtype}, and must be integers; convert them with .astype(int), or give "
            f"probabilities, with the shape of the input"
        )
    labels = labels.astype(np.intp)  # a copy: what it is must not depend on the values
    outside = labels.view(np.uintp) >= classes  # without its sign, a negative number is a large one
    if not 0 <= ignore_index < classes and not np.count_nonzero(outside):
        return labels
    ignored = labels == ignore_index
    wrong = outside > ignored
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
    seen = patterns(p)
    if seen is not None and seen.item(seen.argmax()) <= ONE[p.dtype]:
        return p
    if np.count_nonzero(p * (p - 1.0) > 0.0):  # exactly where p < 0 or p > 1
        position = tuple(int(i) for i in np.argwhere((p < 0) | (p > 1))[0])
        raise ValueError(f"{name} must lie between 0 and 1, but at position {position} there is {p[position]}")
    return p
