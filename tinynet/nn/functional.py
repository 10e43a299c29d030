"""Activations and losses as functions, under PyTorch's names.

The losses compare a prediction (`input`, as in PyTorch) with a target and share the argument `reduction`: "mean", "sum", or
"none" for the loss of every element or sample.
"""

from typing import Any

import numpy as np

from tinynet.errors import ShapeError
from tinynet.nn.attention import scaled_dot_product_attention
from tinynet.nn.channels import per_channel
from tinynet.nn.classification import cross_entropy, nll_loss
from tinynet.nn.convolution import conv1d, conv2d
from tinynet.nn.lossparts import elementwise, pair, reduced, values, weights
from tinynet.nn.normalization import layer_norm
from tinynet.nn.options import number
from tinynet.rules.activations import (
    elu,
    hardtanh,
    leaky_relu,
    log_softmax,
    relu,
    sigmoid,
    softmax,
    softplus,
    swish,
)
from tinynet.rules.activations import log_sigmoid as logsigmoid
from tinynet.rules.compositions import (
    gelu,
    hardsigmoid,
    hardswish,
    mish,
    relu6,
    selu,
    silu,
    softsign,
    tanhshrink,
)
from tinynet.rules.layers import linear
from tinynet.rules.losses import (
    absolute_error,
    huber_error,
    log_loss,
    logistic_loss,
    probabilities,
    squared_error,
)
from tinynet.signatures import of_input, of_x

__all__ = [
    "apl", "binary_cross_entropy", "binary_cross_entropy_with_logits", "conv1d", "conv2d", "cross_entropy", "elu",
    "gelu", "hardsigmoid", "hardswish", "hardtanh", "huber_loss", "l1_loss", "layer_norm", "leaky_relu", "linear",
    "log_softmax", "logsigmoid", "mish", "mse_loss", "nll_loss", "prelu", "relu", "relu6",
    "scaled_dot_product_attention", "selu", "sigmoid", "silu", "smooth_l1_loss", "softmax", "softplus", "softsign",
    "swish", "tanhshrink",
]


# Activations ---------------------------------------------------------------------------------------------------------


@of_x
def prelu(x: Any, weight: Any) -> Any:
    """x where x > 0, else weight · x, with one weight or one a channel (He et al. 2015, "Delving deep into rectifiers").

    Parameters
    ----------
    x : array or Tensor, shape (N, C, ...) or (C,)
        The input; of a stack of k with an axis of length k in front.
    weight : array or Tensor, shape (1,) or (C,), of a stack (k, 1) or (k, C)
        The slopes.

    Returns
    -------
    array or Tensor
        Of the shape of `x`.

    Raises
    ------
    ShapeError
        If `weight` has more axes, or there are several slopes, and not as many as channels.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.functional.prelu(np.array([[-1.0, -1.0]]), np.array([0.1, 0.2]))
    array([[-0.1, -0.2]])
    """
    if np.ndim(weight) > 2:
        raise ShapeError(f"prelu: weight has shape {np.shape(weight)}; it must be one slope, or (C,); of a stack (k, C)")
    return leaky_relu(x, per_channel("prelu", weight, x, of_members=np.ndim(weight) == 2))


@of_x
def apl(x: Any, a: Any, b: Any) -> Any:
    """max(0, x) + Σₛ aₛ · max(0, bₛ - x), an adaptive piecewise linear function.

    Agostinelli et al. 2015, "Learning activation functions to improve deep neural networks".

    Parameters
    ----------
    x : array or Tensor, shape (N, C, ...) or (C,)
        The input; of a stack of k with an axis of length k in front.
    a, b : array or Tensor, shape (S, 1) or (S, C), of a stack (k, S, 1) or (k, S, C)
        What the slope loses left of each hinge, and the hinges, S of them for all channels or for each.

    Returns
    -------
    array or Tensor
        Of the shape of `x`. The derivative at 0 and at the hinges is that without the term which bends there.

    Raises
    ------
    ShapeError
        If `a` or `b` has other axes, they differ in hinges, or there are several functions, and not as many as channels.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.functional.apl(np.array([-3.0, 0.0, 2.0]), np.array([[0.5], [-1.0]]), np.array([[0.0], [1.0]]))
    array([-2.5, -1. ,  2. ])
    """
    if not np.ndim(a) == np.ndim(b) in (2, 3) or np.shape(a)[:-1] != np.shape(b)[:-1]:
        raise ShapeError(
            f"apl: a of shape {np.shape(a)}, b of shape {np.shape(b)}; each is (hinges, 1) or (hinges, channels), with as "
            "many hinges; of a stack, an axis of members in front"
        )
    of_members = np.ndim(a) == 3
    if of_members:
        a, b = np.swapaxes(a, 0, 1), np.swapaxes(b, 0, 1)
    bends = per_channel("apl", a, x, of_members) * relu(per_channel("apl", b, x, of_members) - x)
    return relu(x) + np.sum(bends, axis=0)


# Regression losses ---------------------------------------------------------------------------------------------------


@of_input
def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """The squared error, (input - target)².

    Parameters
    ----------
    input, target : array or Tensor
        The predictions and what they should be, of one shape.
    reduction : {"mean", "sum", "none"}
        What becomes of the elements' losses.

    Returns
    -------
    array or Tensor

    Raises
    ------
    ShapeError
        If the shapes differ.
    ValueError
        If `reduction` is unknown, or the mean is one of an empty batch.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> float(tn.nn.functional.mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    """
    return elementwise("mse_loss", squared_error, *pair("mse_loss", input, target), reduction)


@of_input
def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """The absolute error, abs(input - target); its derivative is 0 where they are equal.

    Parameters
    ----------
    input, target : array or Tensor
        The predictions and what they should be, of one shape.
    reduction : {"mean", "sum", "none"}
        What becomes of the elements' losses.

    Returns
    -------
    array or Tensor

    Raises
    ------
    ShapeError
        If the shapes differ.
    ValueError
        If `reduction` is unknown, or the mean is one of an empty batch.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> float(tn.nn.functional.l1_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    1.0
    """
    return elementwise("l1_loss", absolute_error, *pair("l1_loss", input, target), reduction)


@of_input
def huber_loss(input: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean") -> Any:
    """With d = input - target, d²/2 where abs(d) <= delta, else delta · (abs(d) - delta/2) (Huber 1964).

    Parameters
    ----------
    input, target : array or Tensor
        The predictions and what they should be, of one shape.
    delta : float
        Where the parabola goes over into lines; positive.
    reduction : {"mean", "sum", "none"}
        What becomes of the elements' losses.

    Returns
    -------
    array or Tensor

    Raises
    ------
    ShapeError
        If the shapes differ.
    ValueError
        If `delta` is not positive, `reduction` is unknown, or the mean is one of an empty batch.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.functional.huber_loss(np.array([0.5, 3.0]), np.zeros(2), delta=2.0, reduction="none")
    array([0.125, 4.   ])
    """
    if not delta > 0:
        raise ValueError(f"huber_loss: delta={delta} must be positive")
    return elementwise("huber_loss", huber_error, *pair("huber_loss", input, target), reduction, delta=delta)


@of_input
def smooth_l1_loss(input: Any, target: Any, *, beta: float = 1.0, reduction: str = "mean") -> Any:
    """With d = input - target, d²/(2 beta) where abs(d) < beta, else abs(d) - beta/2 (Girshick 2015, "Fast R-CNN").

    Parameters
    ----------
    input, target : array or Tensor
        The predictions and what they should be, of one shape.
    beta : float
        Where the parabola goes over into lines; 0 makes it `l1_loss`. The loss is `huber_loss` with this delta, over beta.
    reduction : {"mean", "sum", "none"}
        What becomes of the elements' losses.

    Returns
    -------
    array or Tensor

    Raises
    ------
    ShapeError
        If the shapes differ.
    ValueError
        If `beta` is negative, `reduction` is unknown, or the mean is one of an empty batch.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.functional.smooth_l1_loss(np.array([0.5, 3.0]), np.zeros(2), beta=2.0, reduction="none")
    array([0.0625, 2.    ])
    """
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta={beta} must not be negative")
    beta = number(beta)
    input, target = pair("smooth_l1_loss", input, target)
    if beta == 0:
        return elementwise("smooth_l1_loss", absolute_error, input, target, reduction)
    return elementwise("smooth_l1_loss", huber_error, input, target, reduction, delta=beta) / beta


# Classification losses -----------------------------------------------------------------------------------------------


@of_input
def binary_cross_entropy(input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> Any:
    """-target · log(input) - (1 - target) · log(1 - input), for probabilities.

    The logarithms are clamped at -100. Prefer `binary_cross_entropy_with_logits`, which needs no clamp: near probabilities 0
    and 1 the gradient here is bounded, as torch's is, by a denominator of at least 10⁻¹².

    Parameters
    ----------
    input : array or Tensor
        The probabilities of class 1.
    target : array or Tensor
        Classes 0 and 1 or probabilities, of the shape of `input`.
    weight : array_like, optional
        A factor for each element's loss.
    reduction : {"mean", "sum", "none"}
        What becomes of the elements' losses.

    Returns
    -------
    array or Tensor

    Raises
    ------
    ShapeError
        If the shapes differ.
    ValueError
        If an input or a target lies outside [0, 1], `reduction` is unknown, or the mean is one of an empty batch.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.functional.binary_cross_entropy(np.array([0.0, 0.5]), np.array([1.0, 1.0]), reduction="none")
    array([100.        ,   0.69314718])
    """
    name = "binary_cross_entropy"
    p, target = pair(name, input, target)
    probabilities(values(p), f"{name}: the inputs (probabilities; there is a loss for logits, {name}_with_logits)")
    probabilities(values(target), f"{name}: the targets")
    if weight is None:
        return elementwise(name, log_loss, p, target, reduction)
    loss = log_loss(p, target, reduction="none")
    return reduced(name, loss * weights(weight, loss), reduction)


@of_input
def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, *, pos_weight: Any = None, reduction: str = "mean"
) -> Any:
    """`binary_cross_entropy` of sigmoid(input), computed without overflow, underflow or cancellation.

    The loss is max(x, 0) - x · target + log(1 + exp(-abs(x))), its derivative sigmoid(x) - target.

    Parameters
    ----------
    input : array or Tensor
        The logits of class 1, any real numbers.
    target : array or Tensor
        Classes 0 and 1 or probabilities, of the shape of `input`.
    weight : array_like, optional
        A factor for each element's loss.
    pos_weight : array_like, optional
        A factor for the loss of class 1, -target · log sigmoid(input).
    reduction : {"mean", "sum", "none"}
        What becomes of the elements' losses.

    Returns
    -------
    array or Tensor

    Raises
    ------
    ShapeError
        If the shapes differ.
    ValueError
        If a target lies outside [0, 1], `reduction` is unknown, or the mean is one of an empty batch.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> logits, targets = np.array([-1000.0, 0.0]), np.array([1.0, 1.0])
    >>> tn.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    array([1.00000000e+03, 6.93147181e-01])
    """
    name = "binary_cross_entropy_with_logits"
    x, target = pair(name, input, target)
    probabilities(values(target), f"{name}: the targets")
    if weight is None and pos_weight is None:
        return elementwise(name, logistic_loss, x, target, reduction)
    loss = logistic_loss(x, target, reduction="none")
    if pos_weight is not None:
        loss = loss - (weights(pos_weight, loss) - 1) * target * logsigmoid(x)
    return reduced(name, loss if weight is None else loss * weights(weight, loss), reduction)
