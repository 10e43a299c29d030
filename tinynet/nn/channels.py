"""How parameters that belong to channels meet an input: `per_channel`."""

from typing import Any

import numpy as np

from tinynet.errors import ShapeError
from tinynet.nn.lossparts import as_operand

__all__ = ["per_channel"]


def per_channel(name: str, weight: Any, x: Any, of_members: bool = False) -> Any:
    """Numbers of channels, shaped so that they broadcast against an input.

    Parameters
    ----------
    name : str
        The function that an error speaks of.
    weight : array_like or Tensor, shape (), (..., 1) or (..., C)
        One number for all channels, or one for each; axes in front stay there.
    x : array or Tensor, shape (N, C, ...), (C,) or ()
        The input, with its channels on axis 1 or on its only axis.
    of_members : bool
        Whether both are of a stack of k: the input with an axis of length k in front, the numbers with one before their last.

    Returns
    -------
    array or Tensor, shape (..., 1, C, 1, ...)

    Raises
    ------
    ShapeError
        If there are several numbers, and not as many as channels; or numbers of another stack than the input.
    """
    weight, shape = as_operand(weight), np.shape(x)
    if of_members:
        if shape[:1] != weight.shape[-2:-1]:
            raise ShapeError(
                f"{name}: weights of shape {weight.shape} are of a stack of {weight.shape[-2]}, the input of shape {shape} is "
                "not; its first axis must be that of the members. For one network give one weight, or (C,)"
            )
        shape = shape[1:]
    count = weight.shape[-1:]
    aligned = [1] * len(shape)
    if count not in ((), (1,)):
        channel = min(1, len(shape) - 1)
        if count != shape[channel : channel + 1]:
            raise ShapeError(
                f"{name}: weights of shape {weight.shape} for an input of shape {shape}; give one weight, or one for each "
                "channel (axis 1, or the only axis)"
            )
        aligned[channel] = count[0]
    return np.reshape(weight, (*weight.shape[:-1], *aligned))
