"""Normalisations: `layer_norm` and `LayerNorm` over the features of each sample, `BatchNorm1d` over the samples of a batch."""

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.dtypes import get_default_dtype
from tinynet.errors import ShapeError
from tinynet.graph import no_grad
from tinynet.nn.lossparts import as_operand, values
from tinynet.nn.oftensors import OfTensors
from tinynet.nn.options import counts, number
from tinynet.nn.parameter import Buffer, Parameter
from tinynet.rules.normalization import centred, mean_over, scaled_to_one
from tinynet.signatures import of_input

__all__ = ["BatchNorm1d", "LayerNorm", "layer_norm", "over_features"]


@of_input
def layer_norm(
    input: Any, normalized_shape: int | tuple[int, ...], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """(x - mean) / √(variance + eps) · weight + bias, with the mean and variance of the last axes.

    Ba, Kiros & Hinton 2016, "Layer normalization". It is not linear: scaling the input leaves the result as it is, but for
    `eps`. Where all elements equal the mean as computed, they become 0 with the gradient 0, for `eps` 0 too. Numbers beyond
    1e154, whose squares float64 does not hold, become 0 as well.

    An input of half precision is computed in single and gives half precision, whatever the dtype of the weight, as in torch.
    Otherwise the dtype of the result is NumPy's promotion of the three.

    Parameters
    ----------
    input : array or Tensor, shape (..., *normalized_shape)
        The input.
    normalized_shape : int or tuple of int
        The lengths of the last axes, over which mean and variance are taken.
    weight, bias : array or Tensor, shape normalized_shape, optional
        What the normalised elements are multiplied by, and what is added then.
    eps : float
        What is added to the variance.

    Returns
    -------
    array or Tensor
        Of the shape of `input`.

    Raises
    ------
    ShapeError
        If the last axes of the input, the weight or the bias do not have the normalised shape.
    ValueError
        If `normalized_shape` is empty or holds anything but positive integers, or `eps` is negative.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> x = np.array([1.0, 2.0, 3.0])
    >>> tn.nn.functional.layer_norm(x, 3).round(4), tn.nn.functional.layer_norm(100 * x, 3).round(4)
    (array([-1.2247,  0.    ,  1.2247]), array([-1.2247,  0.    ,  1.2247]))
    """
    shape, eps = _checked_shape("layer_norm", normalized_shape), _checked_eps("layer_norm", eps)
    x = as_operand(input)
    if x.shape[max(x.ndim - len(shape), 0) :] != shape or any(np.shape(y) != shape for y in (weight, bias) if y is not None):
        given = [None if y is None else np.shape(y) for y in (weight, bias)]
        raise ShapeError(
            f"layer_norm: the input has shape {x.shape}, weight and bias {given[0]} and {given[1]}; the input's last axes, the "
            f"weight and the bias must have the normalised shape {shape}"
        )
    return over_features(x, shape, weight, bias, eps)


def over_features(x: Any, shape: tuple[int, ...], weight: Any, bias: Any, eps: float) -> Any:
    """What `layer_norm` computes, with a weight and a bias of any shape that broadcasts against the input."""
    axes = tuple(range(-len(shape), 0))
    return _as_given(_affine(scaled_to_one(centred(_widened(x), axes), axes, eps), weight, bias), x)


def _widened(x: Any) -> Any:
    """Half precision as single, for the sums of its numbers overflow; `_as_given` takes the result back."""
    return x.astype(np.float32) if x.dtype == np.float16 else x


def _as_given(y: Any, x: Any) -> Any:
    return y.astype(np.float16) if x.dtype == np.float16 else y


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    """``x * weight + bias``, where either may be None."""
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _checked_shape(name: str, lengths: int | tuple[int, ...]) -> tuple[int, ...]:
    shape = tuple(lengths) if isinstance(lengths, tuple | list) else (lengths,)
    if not shape or not all(isinstance(n, int | np.integer) and n >= 1 for n in shape):
        raise ValueError(f"{name}: normalized_shape={lengths!r} must be a positive length, or a tuple of such")
    return tuple(map(int, shape))


def _checked_eps(name: str, eps: float) -> float:
    if not eps >= 0:
        raise ValueError(f"{name}: eps={eps} must not be negative")
    return float(eps)  # one of NumPy's would make float64 of float32


class LayerNorm(OfTensors):
    """Normalise each sample over its features; see `tinynet.nn.functional.layer_norm` for what is computed.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The lengths of the input's last axes, over which mean and variance are taken.
    eps : float
        What is added to the variance.
    elementwise_affine : bool
        Whether there are a weight, which starts as ones, and a bias, which starts as zeros.
    bias : bool
        Whether there is a bias, if there is a weight.
    dtype : dtype, optional
        The parameters' floating dtype, the default dtype unless given.

    Attributes
    ----------
    weight, bias : Parameter or None, shape normalized_shape

    Raises
    ------
    ValueError
        If `normalized_shape` is empty or holds anything but positive integers, or `eps` is negative.
    ShapeError
        When called, if the input's last axes do not have the normalised shape.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> layer = tn.nn.LayerNorm(4)
    >>> layer
    LayerNorm((4,), eps=1e-05, elementwise_affine=True, bias=True)  # 8 parameters
    >>> bool(np.allclose(layer(np.arange(12.0).reshape(3, 4)).data.mean(axis=-1), 0))
    True
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        dtype = get_default_dtype() if dtype is None else dtype
        self.normalized_shape: tuple[int, ...] = _checked_shape("LayerNorm", normalized_shape)
        self.eps: float = _checked_eps("LayerNorm", eps)
        self.weight: Parameter | None = Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None
        has_bias = elementwise_affine and bias
        self.bias: Parameter | None = Parameter(np.zeros(self.normalized_shape, dtype)) if has_bias else None

    def forward(self, x: Any) -> Any:
        """The input, of shape (..., *normalized_shape), normalised."""
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The options."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None}, "
            f"bias={self.bias is not None}"
        )


class BatchNorm1d(OfTensors):
    """Normalise each feature over the batch: (x - mean) / √(variance + eps) · weight + bias.

    In training, mean and variance are those of the batch, and running averages are kept: ``running = (1 - momentum) ·
    running + momentum · batch``, with the unbiased variance. In evaluation (after ``model.eval()``) the running ones are
    used, and the layer is an affine map. Ioffe & Szegedy 2015, "Batch normalization: accelerating deep network training by
    reducing internal covariate shift".

    An input of half precision is computed in single and gives half precision, whatever the layer's dtype, as in torch. A layer
    of half precision cannot keep a running variance beyond 65504: it becomes infinite, and the feature is 0 in evaluation; a
    layer with ``dtype="float32"`` can.

    Parameters
    ----------
    num_features : int
        The number C of features.
    eps : float
        What is added to the variance.
    momentum : float or None
        The share of the new batch in the running averages; None for the plain average of all batches.
    affine : bool
        Whether there are a weight, which starts as ones, and a bias, which starts as zeros.
    track_running_stats : bool
        False for a layer without running averages, which uses those of the batch in evaluation too.
    dtype : dtype, optional
        The parameters' and averages' floating dtype, the default dtype unless given.

    Attributes
    ----------
    weight, bias : Parameter or None, shape (C,)
    running_mean, running_var : Buffer or None, shape (C,)
    num_batches_tracked : Buffer or None, shape ()

    Raises
    ------
    ValueError
        If `num_features` is less than one, `eps` is negative, or `momentum` does not lie between 0 and 1; when called, if the
        batch's own mean and variance are to be used, and there is but one value a feature.
    ShapeError
        When called, if the input has another number of features, or of axes.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> layer = tn.nn.BatchNorm1d(2)
    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> layer(x).data.round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> layer.running_mean.data, layer.running_var.data
    (array([0.2, 2. ]), array([ 1.1, 20.9]))
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        (num_features,) = counts("BatchNorm1d", num_features=num_features)
        eps = _checked_eps("BatchNorm1d", eps)
        if momentum is not None and not 0 <= momentum <= 1:
            raise ValueError(f"BatchNorm1d: momentum={momentum} must lie between 0 and 1, or be None")
        dtype = get_default_dtype() if dtype is None else dtype
        self.num_features = num_features
        self.eps = eps
        self.momentum = number(momentum)
        self.weight: Parameter | None = Parameter(np.ones(num_features, dtype)) if affine else None
        self.bias: Parameter | None = Parameter(np.zeros(num_features, dtype)) if affine else None
        self.running_mean: Buffer | None = Buffer(np.zeros(num_features, dtype)) if track_running_stats else None
        self.running_var: Buffer | None = Buffer(np.ones(num_features, dtype)) if track_running_stats else None
        self.num_batches_tracked: Buffer | None = Buffer(np.zeros((), np.int64)) if track_running_stats else None

    def forward(self, x: Any) -> Any:
        """The input, of shape (N, C) or (N, C, L), normalised."""
        x = as_operand(x)
        front = self._in_front
        shape = x.shape[front:]
        if len(shape) not in (2, 3) or shape[1] != self.num_features:
            raise ShapeError(
                f"BatchNorm1d({self.extra_repr()}): the input has shape {shape}; it must be (N, {self.num_features}) or "
                f"(N, {self.num_features}, L): make it so, or the layer BatchNorm1d({shape[1] if len(shape) > 1 else 1})"
            )
        across = (*x.shape[:front], 1, self.num_features, *[1] * (len(shape) - 2))  # the features' numbers beside the input
        weight, bias = (None if y is None else y.reshape(across) for y in (self.weight, self.bias))
        if not self.training and self.running_mean is not None and self.running_var is not None:
            mean, variance = (_widened(y.reshape(across)) for y in (self.running_mean, self.running_var))
            scale = 1 / np.sqrt(variance + self.eps)
            return _as_given(_affine(_widened(x) - mean, scale if weight is None else scale * weight, bias), x)
        axes = (front, front + 2)[: len(shape) - 1]
        count = prod(x.shape[axis] for axis in axes)
        if count < 2:
            raise ValueError(
                f"BatchNorm1d({self.extra_repr()}): an input of shape {shape} has no variance, with fewer than two values a "
                "feature; use a larger batch (drop_last=True leaves out a small last one), or running averages and model.eval()"
            )
        wide = _widened(x)
        centre = centred(wide, axes)
        self._track(values(wide), values(centre), axes, count / (count - 1))
        return _as_given(_affine(scaled_to_one(centre, axes, self.eps), weight, bias), x)

    _in_front = 0  # how many axes the input has in front of that of the samples

    def _track(self, x: Any, centre: Any, axes: tuple[int, ...], unbiased: float) -> None:
        """Take the batch into the running averages."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        tracked = self.num_batches_tracked
        with no_grad():
            tracked += 1
            share = 1 / tracked.data[..., None] if self.momentum is None else self.momentum
            for running, batch in (
                (self.running_mean, mean_over(x, axes)),
                (self.running_var, mean_over(np.square(centre), axes) * unbiased),
            ):
                running += share * (batch.reshape(running.shape) - running.data)

    def extra_repr(self) -> str:
        """The options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.weight is not None}, "
            f"track_running_stats={self.running_mean is not None}"
        )
