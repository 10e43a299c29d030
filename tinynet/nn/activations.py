"""Activation functions as modules, under PyTorch's names; the functions are in `tinynet.nn.functional`.

Those whose shape is learned are in `tinynet.nn.learnable`.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from tinynet.nn import functional
from tinynet.nn.oftensors import OfTensors
from tinynet.nn.options import number

__all__ = [
    "ELU", "GELU", "SELU", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid", "LogSoftmax", "Mish", "ReLU",
    "ReLU6", "SiLU", "Sigmoid", "Sin", "Softmax", "Softplus", "Softsign", "Square", "Tanh", "Tanhshrink",
]


class _Activation(OfTensors):
    """A function of the input and of the attributes named in `options`, in the order of its arguments."""

    function: ClassVar[Callable[..., Any]]
    options: ClassVar[tuple[str, ...]] = ()

    def forward(self, x: Any) -> Any:
        """The function of `x`, an array or Tensor."""
        return type(self).function(x, *[getattr(self, name) for name in self.options])

    def extra_repr(self) -> str:
        """The options."""
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.options)


# Without options -----------------------------------------------------------------------------------------------------


class ReLU(_Activation):
    """max(0, x); the derivative at 0 is 0 (Nair & Hinton 2010, "Rectified linear units improve restricted Boltzmann machines").

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    function = functional.relu


class ReLU6(_Activation):
    """min(max(0, x), 6) (Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10").

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.ReLU6()(np.array([-1.0, 8.0]))
    array([0., 6.])
    """

    function = functional.relu6


class SELU(_Activation):
    """1.0507 · elu(x, 1.6733) (Klambauer et al. 2017, "Self-normalizing neural networks").

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.SELU()(np.array([-1.0, 1.0]))
    array([-1.11133074,  1.05070099])
    """

    function = functional.selu


class SiLU(_Activation):
    """x · sigmoid(x), `Swish` with beta 1 (Elfwing, Uchibe & Doya 2018, "Sigmoid-weighted linear units").

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.SiLU()(np.array([-1.0, 1.0]))
    array([-0.26894142,  0.73105858])
    """

    function = functional.silu


class Mish(_Activation):
    """x · tanh(softplus(x)) (Misra 2020, "Mish: a self regularized non-monotonic activation function").

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.Mish()(np.array([-1.0, 1.0]))
    array([-0.30340146,  0.86509839])
    """

    function = functional.mish


class Sigmoid(_Activation):
    """1 / (1 + exp(-x)), between 0 and 1.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.Sigmoid()(np.array([-1000.0, 0.0]))
    array([0. , 0.5])
    """

    function = functional.sigmoid


class LogSigmoid(_Activation):
    """-log(1 + exp(-x)), the logarithm of the sigmoid without its underflow.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.LogSigmoid()(np.array([-1000.0, 0.0]))
    array([-1.00000000e+03, -6.93147181e-01])
    """

    function = functional.logsigmoid


class Tanh(_Activation):
    """The hyperbolic tangent, between -1 and 1.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.Tanh()(np.array([-1.0, 0.0]))
    array([-0.76159416,  0.        ])
    """

    function = np.tanh


class Tanhshrink(_Activation):
    """x - tanh(x).

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.Tanhshrink()(np.array([-1.0, 0.0]))
    array([-0.23840584,  0.        ])
    """

    function = functional.tanhshrink


class Softsign(_Activation):
    """x / (1 + abs(x)), between -1 and 1 (Bergstra et al. 2009).

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.Softsign()(np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])
    """

    function = functional.softsign


class Hardsigmoid(_Activation):
    """relu6(x + 3) / 6, between 0 and 1 (Courbariaux, Bengio & David 2015, "BinaryConnect").

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.Hardsigmoid()(np.array([-4.0, 0.0]))
    array([0. , 0.5])
    """

    function = functional.hardsigmoid


class Hardswish(_Activation):
    """x · relu6(x + 3) / 6 (Howard et al. 2019, "Searching for MobileNetV3").

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.Hardswish()(np.array([-1.0, 4.0]))
    array([-0.33333333,  4.        ])
    """

    function = functional.hardswish


class Square(_Activation):
    """x².

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.Square()(np.array([-2.0, 3.0]))
    array([4., 9.])
    """

    function = np.square


# With options --------------------------------------------------------------------------------------------------------


class LeakyReLU(_Activation):
    """x where x > 0, else negative_slope · x (Maas, Hannun & Ng 2013, "Rectifier nonlinearities improve acoustic models").

    Parameters
    ----------
    negative_slope : float
        The slope on the left, and at 0.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.LeakyReLU(0.1)(np.array([-1.0, 2.0]))
    array([-0.1,  2. ])
    """

    function = functional.leaky_relu
    options = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = number(negative_slope)


class ELU(_Activation):
    """x where x > 0, else alpha · (exp(x) - 1) (Clevert, Unterthiner & Hochreiter 2016).

    Parameters
    ----------
    alpha : float
        Minus the limit at -∞.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.ELU()(np.array([-1.0, 2.0]))
    array([-0.63212056,  2.        ])
    """

    function = functional.elu
    options = ("alpha",)

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = number(alpha)


class GELU(_Activation):
    """x · Φ(x), with the normal distribution's cumulative function (Hendrycks & Gimpel 2016).

    Parameters
    ----------
    approximate : {"none", "tanh"}
        "none" is exact; "tanh" is x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))).

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.GELU()(np.array([-1.0, 1.0]))
    array([-0.15865525,  0.84134475])
    """

    function = functional.gelu
    options = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU: approximate={approximate!r} is unknown; it is 'none' or 'tanh'")
        self.approximate = approximate


class Softplus(_Activation):
    """log(1 + exp(beta · x)) / beta, exact at every x (Dugas et al. 2001).

    Parameters
    ----------
    beta : float
        The sharpness.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.Softplus()(np.array([0.0, 1000.0]))
    array([6.93147181e-01, 1.00000000e+03])
    """

    function = functional.softplus
    options = ("beta",)

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = number(beta)


class Hardtanh(_Activation):
    """x cut off at `min_val` and `max_val`; the derivative at both edges is 0.

    Parameters
    ----------
    min_val, max_val : float
        The edges.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.Hardtanh()(np.array([-2.0, 0.5]))
    array([-1. ,  0.5])
    """

    function = functional.hardtanh
    options = ("min_val", "max_val")

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        if not min_val < max_val:
            raise ValueError(f"Hardtanh: min_val={min_val} must be less than max_val={max_val}")
        self.min_val = number(min_val)
        self.max_val = number(max_val)


class Sin(_Activation):
    """sin(omega · x), the activation of SIREN (Sitzmann et al. 2020, "Implicit neural representations").

    Parameters
    ----------
    omega : float
        The frequency; SIREN takes 30, with the weights of `tinynet.nn.init.siren_`.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.Sin(omega=2.0)(np.array([0.0, np.pi / 4]))
    array([0., 1.])
    """

    options = ("omega",)

    def __init__(self, omega: float = 1.0) -> None:
        self.omega = number(omega)

    @staticmethod
    def function(x: Any, omega: float) -> Any:
        """sin(omega · x)."""
        return np.sin(np.multiply(omega, x))


class Softmax(_Activation):
    """exp(x) / Σ exp(x) over an axis.

    Parameters
    ----------
    axis : int
        The axis along which the outputs sum to 1.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.Softmax()(np.array([[1.0, 1.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """

    function = functional.softmax
    options = ("axis",)

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis


class LogSoftmax(_Activation):
    """x - log Σ exp(x) over an axis, the logarithm of the softmax without its underflow.

    Parameters
    ----------
    axis : int
        The axis along which the exponentials of the outputs sum to 1.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.LogSoftmax()(np.array([0.0, -1000.0]))
    array([    0., -1000.])
    """

    function = functional.log_softmax
    options = ("axis",)

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis
