"""Initialisers, with torch's names: each fills a parameter's own array in place and returns the parameter."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from tinynet.errors import ShapeError
from tinynet.nn.parameter import StackedParameter
from tinynet.random import as_generator
from tinynet.tensor import Tensor

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = [
    "calculate_gain", "constant_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_", "orthogonal_", "siren_",
    "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]

T = TypeVar("T", bound=Tensor)

_GAINS: dict[str, Callable[[float], float]] = {
    "linear": lambda a: 1.0,
    "sigmoid": lambda a: 1.0,
    "tanh": lambda a: 5 / 3,
    "relu": lambda a: math.sqrt(2),
    "leaky_relu": lambda a: math.sqrt(2 / (1 + a * a)),
    "selu": lambda a: 3 / 4,
}


def calculate_gain(nonlinearity: str, a: float = 0.01) -> float:
    """The factor on a layer's initial weights that makes up for what the nonlinearity after it does to the variance.

    Parameters
    ----------
    nonlinearity : str
        ``"linear"`` and ``"sigmoid"`` (1), ``"tanh"`` (5/3), ``"relu"`` (√2), ``"leaky_relu"`` (√(2 / (1 + a²))) or
        ``"selu"`` (3/4).
    a : float
        The slope of the leaky ReLU for negative numbers.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the nonlinearity is not one of these.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.nn.init.calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity not in _GAINS:
        raise ValueError(f"calculate_gain: no gain is known for {nonlinearity!r}; it knows {', '.join(_GAINS)}")
    return _GAINS[nonlinearity](a)


def constant_(tensor: T, val: float) -> T:
    """Fill with one number.

    Parameters
    ----------
    tensor : Tensor
        The tensor to fill.
    val : float
        The number.

    Returns
    -------
    Tensor
        The tensor itself.
    """
    return _fill(tensor, val)


def zeros_(tensor: T) -> T:
    """Fill with zeros; returns the tensor itself."""
    return _fill(tensor, 0)


def ones_(tensor: T) -> T:
    """Fill with ones; returns the tensor itself."""
    return _fill(tensor, 1)


def uniform_(tensor: T, a: float = 0.0, b: float = 1.0, *, rng: "int | Generator | None" = None) -> T:
    """Fill from the uniform distribution on [a, b).

    Parameters
    ----------
    tensor : Tensor
        The tensor to fill.
    a, b : float
        The ends of the interval.
    rng : int, numpy.random.Generator or None
        What is drawn from; None means the default generator.

    Returns
    -------
    Tensor
        The tensor itself.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> w = tn.nn.Parameter(np.empty((2, 3)))
    >>> bool(np.abs(tn.nn.init.uniform_(w, -0.5, 0.5, rng=0).data).max() <= 0.5)
    True
    """
    return _fill(tensor, as_generator(rng).uniform(a, b, tensor.shape))


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0, *, rng: "int | Generator | None" = None) -> T:
    """Fill from the normal distribution.

    Parameters
    ----------
    tensor : Tensor
        The tensor to fill.
    mean, std : float
        The distribution's mean and standard deviation.
    rng : int, numpy.random.Generator or None
        What is drawn from; None means the default generator.

    Returns
    -------
    Tensor
        The tensor itself.
    """
    return _fill(tensor, as_generator(rng).normal(mean, std, tensor.shape))


def xavier_uniform_(tensor: T, gain: float = 1.0, *, rng: "int | Generator | None" = None) -> T:
    """Fill from the uniform distribution on ±gain·√(6 / (fan_in + fan_out)).

    Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".

    Parameters
    ----------
    tensor : Tensor, shape (out, in, ...)
        The weight to fill; axes after the second multiply both fans.
    gain : float
        A factor, see `calculate_gain`.
    rng : int, numpy.random.Generator or None
        What is drawn from; None means the default generator.

    Returns
    -------
    Tensor
        The tensor itself.

    Raises
    ------
    ShapeError
        If the tensor has fewer than two axes.
    """
    bound = gain * math.sqrt(6 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound, rng=rng)


def xavier_normal_(tensor: T, gain: float = 1.0, *, rng: "int | Generator | None" = None) -> T:
    """Fill from the normal distribution of standard deviation gain·√(2 / (fan_in + fan_out)).

    The arguments, the source and the errors are those of `xavier_uniform_`.
    """
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor))), rng=rng)


def kaiming_uniform_(
    tensor: T,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: "int | Generator | None" = None,
) -> T:
    """Fill from the uniform distribution on ±gain·√(3 / fan).

    He et al. 2015, "Delving deep into rectifiers: surpassing human-level performance on ImageNet classification".

    Parameters
    ----------
    tensor : Tensor, shape (out, in, ...)
        The weight to fill; axes after the second multiply both fans.
    a : float
        The slope of the leaky ReLU for negative numbers; 0 for a ReLU.
    mode : str
        ``"fan_in"`` keeps the variance on the way forward, ``"fan_out"`` on the way back.
    nonlinearity : str
        What follows the layer, see `calculate_gain`.
    rng : int, numpy.random.Generator or None
        What is drawn from; None means the default generator.

    Returns
    -------
    Tensor
        The tensor itself.

    Raises
    ------
    ShapeError
        If the tensor has fewer than two axes.
    ValueError
        If the mode or the nonlinearity is unknown.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> layer = tn.nn.Linear(6, 2)
    >>> weight = tn.nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    >>> bool(np.abs(weight.data).max() <= 1)
    True
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, rng=rng)


def kaiming_normal_(
    tensor: T,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: "int | Generator | None" = None,
) -> T:
    """Fill from the normal distribution of standard deviation gain / √fan.

    The arguments, the source and the errors are those of `kaiming_uniform_`.
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), rng=rng)


def siren_(tensor: T, omega: float = 30.0, first: bool = False, *, rng: "int | Generator | None" = None) -> T:
    """Fill the weight of a layer that is followed by sin(omega · x), so that activations keep their distribution.

    The first layer's weights are uniform on ±1 / fan_in, the others' on ±√(6 / fan_in) / omega. Sitzmann et al. 2020,
    "Implicit neural representations with periodic activation functions".

    Parameters
    ----------
    tensor : Tensor, shape (out, in, ...)
        The weight to fill.
    omega : float
        The frequency in the sine.
    first : bool
        Whether this is the network's first layer.
    rng : int, numpy.random.Generator or None
        What is drawn from; None means the default generator.

    Returns
    -------
    Tensor
        The tensor itself.

    Raises
    ------
    ShapeError
        If the tensor has fewer than two axes.
    """
    fan_in, _ = _fans(tensor)
    bound = 1 / fan_in if first else math.sqrt(6 / fan_in) / omega
    return uniform_(tensor, -bound, bound, rng=rng)


def orthogonal_(tensor: T, gain: float = 1.0, *, rng: "int | Generator | None" = None) -> T:
    """Fill with gain times a matrix of orthonormal rows (or columns, where those are fewer), drawn uniformly.

    Saxe et al. 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks".

    Parameters
    ----------
    tensor : Tensor, shape (out, in, ...)
        The weight to fill; axes after the second count as columns.
    gain : float
        A factor, see `calculate_gain`.
    rng : int, numpy.random.Generator or None
        What is drawn from; None means the default generator.

    Returns
    -------
    Tensor
        The tensor itself.

    Raises
    ------
    ShapeError
        If the tensor has fewer than two axes.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> w = tn.nn.init.orthogonal_(tn.nn.Parameter(np.empty((2, 5))), rng=0).data
    >>> bool(np.allclose(w @ w.T, np.eye(2)))
    True
    """
    fan_in, _ = _fans(tensor)
    rows, columns = sorted((tensor.shape[0], fan_in), reverse=True)
    q, r = np.linalg.qr(as_generator(rng).normal(size=(rows, columns)))
    q = q * np.where(np.diag(r) < 0, -gain, gain)  # QR's own choice of signs would not be uniform
    return _fill(tensor, (q if tensor.shape[0] == rows else q.T).reshape(tensor.shape))


def _fill(tensor: T, values: npt.ArrayLike) -> T:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"an initialiser fills a tensor or parameter in place, not a {type(tensor).__name__}")
    np.copyto(tensor.data, values)
    return tensor


def _fans(tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output of the layer has, and how many outputs an input."""
    if tensor.ndim < 2:
        raise ShapeError(f"a tensor of shape {tensor.shape} has no fans: a weight is (out, in, ...); for a bias take uniform_")
    if isinstance(tensor, StackedParameter):
        raise ShapeError(f"a weight of {tensor.shape[0]} members has no fans; initialise the models before they are stacked")
    n_out, n_in, *field = tensor.shape
    return n_in * math.prod(field), n_out * math.prod(field)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming: the mode is 'fan_in' or 'fan_out', not {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(_fans(tensor)[mode == "fan_out"])
