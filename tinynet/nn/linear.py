"""`Linear`, and the layers without parameters that change shapes only: `Identity` and `Flatten`."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinynet.dtypes import get_default_dtype
from tinynet.errors import ShapeError
from tinynet.nn.init import uniform_
from tinynet.nn.module import Module, Parameter
from tinynet.nn.oftensors import OfTensors
from tinynet.nn.options import counts
from tinynet.random import as_generator
from tinynet.rules.layers import linear
from tinynet.tensor import Tensor

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["Flatten", "Identity", "Linear"]


class Linear(Module):
    """The affine map ``x @ weight.T + bias`` over the last axis.

    Weight and bias start from the uniform distribution on ±1/√in_features, as torch's do.

    Parameters
    ----------
    in_features, out_features : int
        The length of the last axis of the input, and of the output.
    bias : bool
        Whether a bias is added; without, `bias` is None.
    rng : int, numpy.random.Generator or None
        What the parameters are drawn from; None means the default generator.
    dtype : dtype, optional
        The parameters' floating dtype, the default dtype unless given.

    Attributes
    ----------
    weight : Parameter, shape (out_features, in_features)
    bias : Parameter or None, shape (out_features,)

    Raises
    ------
    ValueError
        If a number of features is no integer, or less than one.
    ShapeError
        When called, if the input's last axis is not `in_features` long.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> layer = tn.nn.Linear(2, 8, rng=0)
    >>> layer
    Linear(in_features=2, out_features=8, bias=True)  # 24 parameters
    >>> layer(np.ones((5, 2))).shape
    (5, 8)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        rng: "int | Generator | None" = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        in_features, out_features = counts("Linear", in_features=in_features, out_features=out_features)
        rng = as_generator(rng)
        dtype = get_default_dtype() if dtype is None else dtype
        bound = in_features**-0.5
        self.in_features = in_features
        self.out_features = out_features
        self.weight: Parameter = Parameter(np.empty((out_features, in_features), dtype))
        self.bias: Parameter | None = Parameter(np.empty(out_features, dtype)) if bias else None
        uniform_(self.weight, -bound, bound, rng=rng)
        if self.bias is not None:
            uniform_(self.bias, -bound, bound, rng=rng)

    def forward(self, x: Any) -> Tensor:
        """The affine map of `x`, of shape (..., in_features), to shape (..., out_features)."""
        try:
            y: Tensor = linear(x, self.weight, self.bias)
            return y
        except (ShapeError, IndexError, AttributeError) as error:
            shape = np.shape(x)
            if shape[-1:] == (self.in_features,):
                raise
            raise ShapeError(
                f"Linear({self.extra_repr()}): the input has shape {shape}, the weight {self.weight.shape}; the input's last "
                f"axis must be {self.in_features} long: make the layer Linear({shape[-1] if shape else 1}, "
                f"{self.out_features}), or reshape the input"
            ) from error

    def extra_repr(self) -> str:
        """The layer's sizes."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Identity(OfTensors):
    """The layer that gives back what it is given.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.nn.Identity()(3)
    3
    """

    def forward(self, x: Any) -> Any:
        """The argument itself."""
        return x


class Flatten(OfTensors):
    """Merge neighbouring axes into one.

    Parameters
    ----------
    start_axis, end_axis : int
        The first and the last of the axes to merge; all but the batch axis unless told.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.Flatten()(np.ones((5, 8, 8))).shape
    (5, 64)
    """

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        self.start_axis = start_axis
        self.end_axis = end_axis

    def forward(self, x: Any) -> Any:
        """The input with the axes merged."""
        shape = np.shape(x)
        start, end = (axis + len(shape) if axis < 0 else axis for axis in (self.start_axis, self.end_axis))
        if not 0 <= start <= end < len(shape):
            raise ShapeError(
                f"Flatten({self.extra_repr()}): an input of shape {shape} does not have these axes, in this order"
            )
        return np.reshape(x, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))

    def extra_repr(self) -> str:
        """The axes."""
        return f"start_axis={self.start_axis}, end_axis={self.end_axis}"
