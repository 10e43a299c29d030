"""Activation functions that are expressions of other operations, and so need no rule of their own."""

import math
from typing import Any

import numpy as np

from tinynet.rules.activations import elu, hardtanh, softplus, swish
from tinynet.rules.rows import floats
from tinynet.rules.special import normal_cdf
from tinynet.signatures import of_x

__all__ = [
    "gelu", "hardsigmoid", "hardswish", "mish", "relu6", "selu", "silu", "softsign", "tanhshrink",
]

SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717
SQRT_8_OVER_PI = math.sqrt(8 / math.pi)


@of_x
def relu6(x: Any) -> Any:
    """min(max(0, x), 6) (Krizhevsky 2010).

    Parameters
    ----------
    x : array or Tensor
        Any shape.

    Returns
    -------
    array or Tensor
        The derivative is 0 at both edges.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.relu6(np.array([-2.0, 3.0, 8.0]))
    array([0., 3., 6.])
    """
    return hardtanh(x, 0.0, 6.0)


@of_x
def hardsigmoid(x: Any) -> Any:
    """relu6(x + 3) / 6, a piecewise linear sigmoid (Courbariaux, Bengio & David 2015).

    Parameters
    ----------
    x : array or Tensor
        Any shape.

    Returns
    -------
    array or Tensor

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.hardsigmoid(np.array([-4.0, 0.0, 4.0]))
    array([0. , 0.5, 1. ])
    """
    return relu6(floats(x) + 3.0) / 6.0


@of_x
def hardswish(x: Any) -> Any:
    """x · relu6(x + 3) / 6 (Howard et al. 2019, "Searching for MobileNetV3").

    Parameters
    ----------
    x : array or Tensor
        Any shape.

    Returns
    -------
    array or Tensor

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.hardswish(np.array([-4.0, 0.0, 4.0]))
    array([-0.,  0.,  4.])
    """
    x = floats(x)
    return x * hardsigmoid(x)


@of_x
def selu(x: Any) -> Any:
    """1.0507 · elu(x, 1.6733), which keeps mean and variance (Klambauer et al. 2017, "Self-normalizing neural networks").

    Parameters
    ----------
    x : array or Tensor
        Any shape.

    Returns
    -------
    array or Tensor

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.selu(np.array([-1.0, 0.0, 1.0]))
    array([-1.11133074,  0.        ,  1.05070099])
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


@of_x
def silu(x: Any) -> Any:
    """x · sigmoid(x), the swish with beta = 1 (Elfwing, Uchibe & Doya 2018).

    Parameters
    ----------
    x : array or Tensor
        Any shape.

    Returns
    -------
    array or Tensor

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.silu(np.array([-1.0, 0.0, 1.0]))
    array([-0.26894142,  0.        ,  0.73105858])
    """
    return swish(x, 1.0)


@of_x
def gelu(x: Any, approximate: str = "none") -> Any:
    """x · Φ(x), with the normal distribution's cumulative function (Hendrycks & Gimpel 2016).

    Parameters
    ----------
    x : array or Tensor
        Any shape.
    approximate : {"none", "tanh"}
        "none" is exact, by the error function; "tanh" is x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))).

    Returns
    -------
    array or Tensor

    Raises
    ------
    ValueError
        If `approximate` is neither.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.gelu(np.array([-1.0, 0.0, 1.0]))
    array([-0.15865525,  0.        ,  0.84134475])
    >>> tn.gelu(np.array([-1.0, 0.0, 1.0]), approximate="tanh")
    array([-0.15880801,  0.        ,  0.84119199])
    """
    x = floats(x)
    if approximate == "none":
        return x * normal_cdf(x)
    if approximate == "tanh":  # (1 + tanh(z)) / 2 is sigmoid(2z), so that this is a swish whose beta grows with x²
        return swish(x, SQRT_8_OVER_PI + 0.044715 * SQRT_8_OVER_PI * np.square(x))
    raise ValueError(f"gelu: approximate={approximate!r} is unknown; it is 'none' or 'tanh'")


@of_x
def mish(x: Any) -> Any:
    """x · tanh(softplus(x)) (Misra 2020, "Mish: a self regularized non-monotonic activation function").

    Parameters
    ----------
    x : array or Tensor
        Any shape.

    Returns
    -------
    array or Tensor

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.mish(np.array([-1.0, 0.0, 1.0]))
    array([-0.30340146,  0.        ,  0.86509839])
    """
    x = floats(x)
    return x * np.tanh(softplus(x))


@of_x
def softsign(x: Any) -> Any:
    """x / (1 + abs(x)) (Bergstra et al. 2009).

    Parameters
    ----------
    x : array or Tensor
        Any shape.

    Returns
    -------
    array or Tensor

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.softsign(np.array([-1.0, 0.0, 3.0]))
    array([-0.5 ,  0.  ,  0.75])
    """
    x = floats(x)
    return x / (1 + np.abs(x))


@of_x
def tanhshrink(x: Any) -> Any:
    """x - tanh(x).

    Parameters
    ----------
    x : array or Tensor
        Any shape.

    Returns
    -------
    array or Tensor

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.tanhshrink(np.array([-1.0, 0.0, 1.0]))
    array([-0.23840584,  0.        ,  0.23840584])
    """
    x = floats(x)
    return x - np.tanh(x)
