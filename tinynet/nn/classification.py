"""The losses of many classes: `cross_entropy` and `nll_loss`, with labels or probabilities as the target."""

from typing import Any

import numpy as np

from tinynet.errors import ShapeError
from tinynet.nn.lossparts import as_operand, check_reduction, values, weights
from tinynet.nn.options import number
from tinynet.rules.losses import class_labels, nll, shares_of_labels, softmax_nll
from tinynet.signatures import of_input

__all__ = ["cross_entropy", "nll_loss"]


@of_input
def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Any:
    """-Σ q · log softmax(input) over the classes, with q the target's probabilities, or 1 for its label.

    A logit of -inf rules its class out; where the target is such a class, the loss is the largest finite number.

    Parameters
    ----------
    input : array or Tensor, shape (C,), (N, C) or (N, C, d1, ...)
        The logits of C classes.
    target : array or Tensor
        Labels, integers of the shape () or (N,) or (N, d1, ...); or probabilities, floats of the shape of `input`.
    weight : array_like, shape (C,), optional
        A factor for each class. The mean over labels divides by the sum of their weights, the mean over probabilities by
        their number.
    ignore_index : int
        The label of samples to leave out. Where all are, the mean is 0.
    label_smoothing : float
        How much of the target, from 0 to 1, is spread evenly over the classes (Szegedy et al. 2016).
    reduction : {"mean", "sum", "none"}
        What becomes of the samples' losses.

    Returns
    -------
    array or Tensor

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    TypeError
        If labels are not integers.
    IndexError
        If a label is no class.
    ValueError
        If `reduction` is unknown, `label_smoothing` is not within [0, 1], or the mean is one of an empty batch.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> logits = np.array([[1000.0, 0.0], [0.0, 0.0]])
    >>> tn.nn.functional.cross_entropy(logits, np.array([1, 0]), reduction="none")
    array([1.00000000e+03, 6.93147181e-01])
    """
    name = "cross_entropy"
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{name}: label_smoothing={label_smoothing} must lie between 0 and 1")
    label_smoothing = number(label_smoothing)
    x, target = as_operand(input), as_operand(target)
    logits = _classes_last(name, x)
    if target.shape != x.shape:
        return _loss_of_labels(name, softmax_nll, logits, target, weight, ignore_index, label_smoothing, reduction)
    if target.dtype.kind != "f":
        raise TypeError(
            f"{name}: a target of the input's shape {x.shape} is probabilities, which must be floats, not {target.dtype}; "
            f"convert it with .astype(float), or give labels, of shape {logits.shape[:-1]}"
        )
    shares = _classes_last(name, target)
    if label_smoothing:
        shares = (1 - label_smoothing) * shares + label_smoothing / logits.shape[-1]
    if weight is not None:
        shares = shares * _class_weights(name, logits, weight)
    check_reduction(name, reduction, logits)
    return softmax_nll(logits, shares, reduction=reduction)


@of_input
def nll_loss(
    input: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    """Minus the log-probability of the labelled class: `cross_entropy` of what `log_softmax` gives.

    Parameters
    ----------
    input : array or Tensor, shape (C,), (N, C) or (N, C, d1, ...)
        The log-probabilities of C classes.
    target : array or Tensor, shape (), (N,) or (N, d1, ...)
        Labels, integers.
    weight : array_like, shape (C,), optional
        A factor for each class; the mean divides by the sum of the labels' weights.
    ignore_index : int
        The label of samples to leave out. Where all are, the mean is 0.
    reduction : {"mean", "sum", "none"}
        What becomes of the samples' losses.

    Returns
    -------
    array or Tensor

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    TypeError
        If labels are not integers.
    IndexError
        If a label is no class.
    ValueError
        If `reduction` is unknown, or the mean is one of an empty batch.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> float(tn.nn.functional.nll_loss(np.array([[-0.5, -0.9], [-0.1, -2.5]]), np.array([0, 1])))
    1.5
    """
    log_p = _classes_last("nll_loss", as_operand(input))
    return _loss_of_labels("nll_loss", nll, log_p, as_operand(target), weight, ignore_index, 0.0, reduction)


def _loss_of_labels(
    name: str,
    operation: Any,
    x: Any,
    target: Any,
    weight: Any,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
) -> Any:
    """The loss of labels by an operation that takes the share of each class; the shares in a mean add up to 1."""
    *shape, classes = x.shape
    if target.shape != tuple(shape):
        raise ShapeError(
            f"{name}: the target has shape {target.shape}, the input {classes} classes on its class axis and else the shape "
            f"{tuple(shape)}; labels must be integers of that shape"
        )
    check_reduction(name, reduction, target)
    mean = reduction == "mean"
    labels = class_labels(values(target), classes, ignore_index, name)
    shares = named = shares_of_labels(labels, classes, x.dtype, mean and weight is None)
    if weight is not None:
        weight = _class_weights(name, x, weight)
        if mean:
            total = np.sum(named * weight)
            weight = weight / (total + (total == 0))
        shares = named * weight
    if label_smoothing:
        kept = np.add.reduce(named, axis=-1, keepdims=True)
        shares = (1 - label_smoothing) * shares + (label_smoothing / classes) * (kept if weight is None else kept * weight)
    return operation(x, shares, reduction="none") if reduction == "none" else operation(x, shares)


def _classes_last(name: str, x: Any) -> Any:
    """The input with its class axis, the second or only one, moved to the end."""
    if x.ndim == 0:
        raise ShapeError(f"{name}: the input has shape (); it needs an axis of classes: (C,), (N, C) or (N, C, d1, ...)")
    return x if x.ndim <= 2 else np.moveaxis(x, 1, -1)


def _class_weights(name: str, x: Any, weight: Any) -> Any:
    """The weights of the classes as an array of the input's dtype."""
    weight = weights(weight, x)
    if weight.shape != x.shape[-1:]:
        raise ShapeError(f"{name}: the weights have shape {weight.shape}; each of the {x.shape[-1]} classes needs one")
    return weight
