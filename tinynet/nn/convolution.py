"""Convolutions in one and two dimensions: `conv1d`, `conv2d`, and the layers `Conv1d` and `Conv2d`.

What the field calls a convolution is a cross-correlation: the kernel is not reversed. It is a linear map, whose matrix holds
each element of the kernel many times.
"""

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinynet.dtypes import get_default_dtype
from tinynet.errors import ShapeError
from tinynet.nn.init import uniform_
from tinynet.nn.lossparts import as_operand
from tinynet.nn.module import Module, Parameter
from tinynet.nn.options import counts
from tinynet.random import as_generator
from tinynet.rules.convolutions import Sliding, correlation
from tinynet.signatures import of_input
from tinynet.tensor import Tensor

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["Conv1d", "Conv2d", "conv1d", "conv2d"]

Lengths = int | tuple[int, ...]


# Functions -----------------------------------------------------------------------------------------------------------


@of_input
def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Lengths = 1,
    padding: Lengths | str = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Any:
    """out[o, i] = bias[o] + Σ weight[o, c, k] · input[c, stride · i + dilation · k - padding], over c and k.

    Parameters
    ----------
    input : array or Tensor, shape (N, C, L) or (C, L)
        The signals, of C channels each.
    weight : array or Tensor, shape (O, C / groups, K)
        The kernels.
    bias : array or Tensor, shape (O,), optional
        What is added to each channel of the output.
    stride : int
        How far the kernel moves from one place to the next.
    padding : int, "same" or "valid"
        How many zeros go on either side; as many as leave the length as it is with a stride of 1, one of an odd number more
        at the end; or none.
    dilation : int
        How far apart the elements are that the kernel sees at a place.
    groups : int
        Into how many groups the channels of input and output are divided; each output sees the inputs of its group.

    Returns
    -------
    array or Tensor, shape (N, O, M) or (O, M)
        Of length M = (L + 2 padding - dilation · (K - 1) - 1) // stride + 1.

    Raises
    ------
    ShapeError
        If the channels do not fit, or the kernel is longer than the padded input.
    ValueError
        If an option is out of its range.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> x, kernel = np.array([[1.0, 2.0, 4.0, 8.0]]), np.array([[[-1.0, 1.0]]])
    >>> tn.nn.functional.conv1d(x, kernel)
    array([[1., 2., 4.]])
    """
    return _convolved("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@of_input
def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Lengths = 1,
    padding: Lengths | str = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Any:
    """As `conv1d`, in two dimensions: the sums run over channels, rows and columns.

    Parameters
    ----------
    input : array or Tensor, shape (N, C, H, W) or (C, H, W)
        The images, of C channels each.
    weight : array or Tensor, shape (O, C / groups, K, L)
        The kernels.
    bias : array or Tensor, shape (O,), optional
        What is added to each channel of the output.
    stride, padding, dilation : int or tuple of int
        As for `conv1d`; a tuple tells rows and columns apart.
    groups : int
        As for `conv1d`.

    Returns
    -------
    array or Tensor, shape (N, O, ...) or (O, ...)

    Raises
    ------
    ShapeError
        If the channels do not fit, or the kernel is larger than the padded input.
    ValueError
        If an option is out of its range.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> x, kernel = np.arange(9.0).reshape(1, 3, 3), np.ones((1, 1, 2, 2))
    >>> tn.nn.functional.conv2d(x, kernel)
    array([[[ 8., 12.],
            [20., 24.]]])
    """
    return _convolved("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def _convolved(
    name: str, n: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    x, weight, bias = as_operand(x), as_operand(weight), None if bias is None else as_operand(bias)
    if weight.ndim != n + 2 or x.ndim not in (n + 1, n + 2):
        raise ShapeError(
            f"{name}: the input has shape {x.shape}, the weight {weight.shape}; the weight must be (O, C / groups) and the "
            f"input (N, C) or (C,), each with {n} more ax{'es' if n > 1 else 'is'} of space: x[:, None] inserts a channel axis"
        )
    if x.ndim == n + 1:
        return _convolved(name, n, x[None], weight, bias, stride, padding, dilation, groups)[0]
    how = _sliding(name, weight.shape[2:], stride, padding, dilation, groups)
    _check(name, x.shape, weight.shape, None if bias is None else bias.shape, how)
    return correlation(x, weight, bias, how=how)


def _check(name: str, x: tuple[int, ...], weight: tuple[int, ...], bias: tuple[int, ...] | None, how: Sliding) -> None:
    """Raise a ShapeError if the shapes do not fit."""
    outputs, channels = weight[0], weight[1] * how.groups
    if x[1] != channels or outputs % how.groups or bias not in (None, (outputs,)):
        raise ShapeError(
            f"{name}: the input has shape {x}, the weight {weight}, the bias {bias}, and groups={how.groups}; the input's axis "
            f"1 must be weight.shape[1] · groups = {channels} long, and the {outputs} outputs a multiple of the groups, with "
            "one bias each"
        )
    for axis, around, dilation in zip(range(2, len(x)), how.padding, how.dilation, strict=True):
        length, span = x[axis] + sum(around), dilation * (weight[axis] - 1) + 1
        if not 0 < span <= length:
            raise ShapeError(
                f"{name}: axis {axis} of the input, of shape {x}, is {length} long with its padding, and the kernel spans "
                f"{span}; pad the input (padding='same' keeps its length), or take another kernel"
            )


def _sliding(name: str, kernel: tuple[int, ...], stride: Any, padding: Any, dilation: Any, groups: int) -> Sliding:
    """The options as the operation takes them."""
    n = len(kernel)
    strides, dilations = _lengths(name, "stride", stride, n), _lengths(name, "dilation", dilation, n)
    (groups,) = counts(name, groups=groups)
    if padding == "same":
        if set(strides) != {1}:
            raise ValueError(f"{name}: padding='same' keeps the length with a stride of 1, not of {stride}; give the padding")
        extra = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
        return Sliding(strides, tuple((total // 2, total - total // 2) for total in extra), dilations, groups)
    zeros = (0,) * n if padding == "valid" else _lengths(name, "padding", padding, n, least=0)
    return Sliding(strides, tuple((p, p) for p in zeros), dilations, groups)


def _lengths(name: str, what: str, value: Any, n: int, least: int = 1) -> tuple[int, ...]:
    """A number for each axis of space, of one number or as many."""
    lengths = tuple(value) if isinstance(value, tuple | list) else (value,) * n
    if len(lengths) != n or not all(isinstance(x, int | np.integer) and x >= least for x in lengths):
        words = "; or 'same' or 'valid'" if what == "padding" else ""
        raise ValueError(f"{name}: {what}={value!r} must be an integer of at least {least}, or a tuple of {n}{words}")
    return tuple(map(int, lengths))


# Layers --------------------------------------------------------------------------------------------------------------


class _Conv(Module):
    """What the layers have in common."""

    _function: Any
    _space: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Lengths,
        stride: Lengths = 1,
        padding: Lengths | str = 0,
        dilation: Lengths = 1,
        groups: int = 1,
        bias: bool = True,
        rng: "int | Generator | None" = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        name, n = type(self).__name__, self._space
        kernel = _lengths(name, "kernel_size", kernel_size, n)
        in_channels, out_channels = counts(name, in_channels=in_channels, out_channels=out_channels)
        groups = _sliding(name, kernel, stride, padding, dilation, groups).groups
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}({in_channels}, {out_channels}, groups={groups}): both numbers of channels must be multiples of the "
                "groups"
            )
        rng = as_generator(rng)
        dtype = get_default_dtype() if dtype is None else dtype
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel
        self.stride: tuple[int, ...] = _lengths(name, "stride", stride, n)
        around = padding if isinstance(padding, str) else _lengths(name, "padding", padding, n, least=0)
        self.padding: str | tuple[int, ...] = around
        self.dilation: tuple[int, ...] = _lengths(name, "dilation", dilation, n)
        self.groups = groups
        self.weight: Parameter = Parameter(np.empty((out_channels, in_channels // groups, *kernel), dtype))
        self.bias: Parameter | None = Parameter(np.empty(out_channels, dtype)) if bias else None
        bound = (in_channels // groups * prod(kernel)) ** -0.5
        uniform_(self.weight, -bound, bound, rng=rng)
        if self.bias is not None:
            uniform_(self.bias, -bound, bound, rng=rng)

    def forward(self, x: Any) -> Tensor:
        """The convolution of `x`, of shape (N, in_channels, ...) or without N."""
        function = type(self)._function
        y: Tensor = function(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        return y

    def extra_repr(self) -> str:
        """The layer's sizes, and the options that are not the default."""
        usual = {"padding": (0,) * self._space, "dilation": (1,) * self._space, "groups": 1}
        told = "".join(f", {name}={getattr(self, name)}" for name in usual if getattr(self, name) != usual[name])
        sizes = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        return sizes + told + ("" if self.bias is not None else ", bias=False")


class Conv1d(_Conv):
    """Kernels slid along signals; see `tinynet.nn.functional.conv1d` for what is computed.

    Weight and bias start from the uniform distribution on ±1/√(K · in_channels / groups), as torch's do.

    Parameters
    ----------
    in_channels, out_channels : int
        The number of channels of the input, and of the output.
    kernel_size : int
        The length K of the kernels.
    stride, padding, dilation, groups
        As in `tinynet.nn.functional.conv1d`.
    bias : bool
        Whether a bias is added; without, `bias` is None.
    rng : int, numpy.random.Generator or None
        What the parameters are drawn from; None means the default generator.
    dtype : dtype, optional
        The parameters' floating dtype, the default dtype unless given.

    Attributes
    ----------
    weight : Parameter, shape (out_channels, in_channels / groups, K)
    bias : Parameter or None, shape (out_channels,)

    Raises
    ------
    ValueError
        If an option is out of its range, or the groups do not divide the channels.
    ShapeError
        When called, if the input does not fit.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> layer = tn.nn.Conv1d(2, 4, 3, padding="same", rng=0)
    >>> layer
    Conv1d(2, 4, kernel_size=(3,), stride=(1,), padding=same)  # 28 parameters
    >>> layer(np.ones((5, 2, 10))).shape
    (5, 4, 10)
    """

    _function = staticmethod(conv1d)
    _space = 1


class Conv2d(_Conv):
    """Kernels slid over images; see `tinynet.nn.functional.conv2d` for what is computed.

    Weight and bias start from the uniform distribution on ±1/√(K · L · in_channels / groups), as torch's do.

    Parameters
    ----------
    in_channels, out_channels : int
        The number of channels of the input, and of the output.
    kernel_size : int or tuple of int
        The height K and the width L of the kernels.
    stride, padding, dilation, groups
        As in `tinynet.nn.functional.conv2d`.
    bias : bool
        Whether a bias is added; without, `bias` is None.
    rng : int, numpy.random.Generator or None
        What the parameters are drawn from; None means the default generator.
    dtype : dtype, optional
        The parameters' floating dtype, the default dtype unless given.

    Attributes
    ----------
    weight : Parameter, shape (out_channels, in_channels / groups, K, L)
    bias : Parameter or None, shape (out_channels,)

    Raises
    ------
    ValueError
        If an option is out of its range, or the groups do not divide the channels.
    ShapeError
        When called, if the input does not fit.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> layer = tn.nn.Conv2d(1, 8, 3, stride=2, rng=0)
    >>> layer
    Conv2d(1, 8, kernel_size=(3, 3), stride=(2, 2))  # 80 parameters
    >>> layer(np.ones((5, 1, 9, 7))).shape
    (5, 8, 4, 3)
    """

    _function = staticmethod(conv2d)
    _space = 2
