"""Rules of the activation functions. All are stable, at both ends of the number range.

Where a function has a kink the convention is PyTorch's: the slope there is that of the left side, and at the edges of
`hardtanh` it is 0. The activations that are expressions of these operations are in `tinynet.rules.compositions`.
"""

from typing import Any

import numpy as np

from tinynet.rules.primitive import primitive
from tinynet.rules.rows import floats, greatest, total, zero
from tinynet.rules.table import AT_ZERO

__all__ = [
    "elu", "hardtanh", "leaky_relu", "log_sigmoid", "log_softmax", "relu", "sigmoid", "softmax", "softplus",
    "swish",
]

# With kinks ----------------------------------------------------------------------------------------------------------


@primitive
def relu(x: Any) -> Any:
    """The rectified linear unit, max(0, x).

    Parameters
    ----------
    x : array or Tensor
        Any shape.

    Returns
    -------
    array or Tensor
        Of the shape of `x`. The derivative is 1 for x > 0, else 0.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.relu(np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 3.])
    """
    x = floats(x)
    return np.maximum(x, zero(x))


relu.defvjp(  # a product with numbers takes less time than with bools
    lambda g, out, x: g * (out > zero(out)).astype(g.dtype), kinks=AT_ZERO, at={(0.0,): (0.0,), (np.nan,): (0.0,)}
)


@primitive
def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Any:
    """x where x > 0, else negative_slope · x (Maas, Hannun & Ng 2013).

    Parameters
    ----------
    x : array or Tensor
        Any shape.
    negative_slope : float, array or Tensor
        Broadcasts against `x`. A tensor that requires a gradient gets one, Σ min(x, 0): the parametric ReLU of He et al.
        2015.

    Returns
    -------
    array or Tensor
        The derivative at 0 is `negative_slope`.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.leaky_relu(np.array([-2.0, 3.0]), 0.1)
    array([-0.2,  3. ])
    """
    x = floats(x)
    return np.where(x > 0, x, negative_slope * x)


leaky_relu.defvjp(
    lambda g, out, x, negative_slope: np.where(x > 0, g, g * negative_slope),
    lambda g, out, x, negative_slope: g * np.minimum(x, 0.0),
    kinks=lambda x, negative_slope: x,
    at={(0.0, 0.01): (0.01, 0.0)},
    remedy="the slope must broadcast against x",
)


@primitive
def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """x cut off at `min_val` and `max_val`.

    Parameters
    ----------
    x : array or Tensor
        Any shape.
    min_val, max_val : float
        The edges. Unlike `numpy.clip`, the derivative at the edges themselves is 0.

    Returns
    -------
    array or Tensor

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.hardtanh(np.array([-2.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])
    """
    return np.minimum(np.maximum(floats(x), min_val), max_val)


hardtanh.defvjp(
    lambda g, out, x, min_val=-1.0, max_val=1.0: g * ((x > min_val) & (x < max_val)),
    kinks=lambda x, min_val=-1.0, max_val=1.0: np.minimum(np.abs(x - min_val), np.abs(x - max_val)),
    at={(-1.0,): (0.0,), (1.0,): (0.0,)},
)


@primitive
def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha · (exp(x) - 1) (Clevert, Unterthiner & Hochreiter 2016).

    Parameters
    ----------
    x : array or Tensor
        Any shape.
    alpha : float
        Minus the limit at -∞.

    Returns
    -------
    array or Tensor
        The derivative at 0 is `alpha`.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.elu(np.array([-1.0, 0.0, 1.0]))
    array([-0.63212056,  0.        ,  1.        ])
    """
    x = floats(x)
    return np.maximum(x, 0.0) + alpha * np.expm1(np.minimum(x, 0.0))


elu.defvjp(
    lambda g, out, x, alpha=1.0: np.where(x > 0, g, g * (alpha * np.exp(np.minimum(x, 0.0)))),
    kinks=lambda x, alpha=1.0: x,
    at={(0.0,): (1.0,)},
)


# Smooth --------------------------------------------------------------------------------------------------------------


@primitive
def sigmoid(x: Any) -> Any:
    """The logistic function, 1 / (1 + exp(-x)).

    Parameters
    ----------
    x : array or Tensor
        Any shape.

    Returns
    -------
    array or Tensor
        Between 0 and 1, with full relative accuracy in the left tail too, down to the smallest normal number of its dtype.
        The derivative is σ(1 - σ).

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.sigmoid(np.array([-10000.0, 0.0, 10000.0]))
    array([0. , 0.5, 1. ])
    """
    x = floats(x)
    if x.dtype == np.float16:  # in whose range the exponential is not, though the sigmoid is
        return sigmoid(x.astype(np.float32)).astype(np.float16)
    minus_x = -x
    with np.errstate(over="ignore"):  # an infinite denominator is right
        e = np.exp(minus_x)
    return 1.0 / (1.0 + e)


sigmoid.defvjp(lambda g, out, x: g * (out * (1.0 - out)))


@primitive
def log_sigmoid(x: Any) -> Any:
    """log sigmoid(x) = -log(1 + exp(-x)); -1000 at -1000, where the sigmoid itself is 0.

    Parameters
    ----------
    x : array or Tensor
        Any shape.

    Returns
    -------
    array or Tensor
        The derivative is sigmoid(-x).

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.log_sigmoid(np.array([-1000.0, 0.0]))
    array([-1.00000000e+03, -6.93147181e-01])
    """
    x = floats(x)
    return np.minimum(x, zero(x)) - np.log1p(np.exp(-np.abs(x)))


log_sigmoid.defvjp(lambda g, out, x: g * sigmoid(-x))


@primitive
def softplus(x: Any, beta: float = 1.0) -> Any:
    """log(1 + exp(beta · x)) / beta, a smooth relu (Dugas et al. 2001); exact at every x, without a threshold.

    Parameters
    ----------
    x : array or Tensor
        Any shape.
    beta : float
        The sharpness.

    Returns
    -------
    array or Tensor
        The derivative is sigmoid(beta · x).

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.softplus(np.array([-1000.0, 0.0, 1000.0]))
    array([0.00000000e+00, 6.93147181e-01, 1.00000000e+03])
    """
    z = beta * floats(x)
    return (np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))) / beta


softplus.defvjp(lambda g, out, x, beta=1.0: g * sigmoid(beta * x))


@primitive
def swish(x: Any, beta: Any = 1.0) -> Any:
    """x · sigmoid(beta · x) (Ramachandran, Zoph & Le 2017, "Searching for activation functions").

    Parameters
    ----------
    x : array or Tensor
        Any shape.
    beta : float, array or Tensor
        Broadcasts against `x`; a tensor that requires a gradient gets one, Σ x²σ(1 - σ).

    Returns
    -------
    array or Tensor

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.swish(np.array([-1.0, 0.0, 1.0]), 2.0)
    array([-0.11920292,  0.        ,  0.88079708])
    """
    x = floats(x)
    return x * sigmoid(beta * x)


swish.defvjp(
    lambda g, out, x, beta: g * ((s := sigmoid(beta * x)) + beta * (out * (1.0 - s))),
    lambda g, out, x, beta: g * (x * (out * sigmoid(-beta * x))),
    remedy="beta must broadcast against x",
)


# Over an axis --------------------------------------------------------------------------------------------------------


@primitive
def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / Σ exp(x) over an axis; the largest element is subtracted first.

    Parameters
    ----------
    x : array or Tensor
        At least one axis.
    axis : int
        The axis along which the result sums to 1.

    Returns
    -------
    array or Tensor
        Of the shape of `x`. The vector-Jacobian product is out · (g - Σ g · out).

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.softmax(np.array([[1000.0, 1000.0], [0.0, -1000.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    x = floats(x)
    e = np.exp(x - greatest(x, axis))
    return e / total(e, axis)


softmax.defvjp(lambda g, out, x, axis=-1: out * (g - np.add.reduce(g * out, axis=axis, keepdims=True)))


@primitive
def log_softmax(x: Any, axis: int = -1) -> Any:
    """x - log Σ exp(x) over an axis, the logarithm of `softmax` without its underflow.

    Parameters
    ----------
    x : array or Tensor
        At least one axis.
    axis : int
        The axis along which the exponentials of the result sum to 1.

    Returns
    -------
    array or Tensor
        Of the shape of `x`. The vector-Jacobian product is g - softmax(x) · Σ g.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.log_softmax(np.array([0.0, -1000.0]))
    array([    0., -1000.])
    """
    x = floats(x)
    shifted = x - greatest(x, axis)
    return shifted - np.log(total(np.exp(shifted), axis))


log_softmax.defvjp(lambda g, out, x, axis=-1: g - np.exp(out) * np.add.reduce(g, axis=axis, keepdims=True))
