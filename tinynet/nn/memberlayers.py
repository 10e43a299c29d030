"""How layers compute for the members of a stack (see `tinynet.nn.ensembles`): a table, and tinynet's own layers in it.

Most do as they are: they work element by element, or over axes counted from the end.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from tinynet.nn import activations
from tinynet.nn.activations import LogSoftmax, Softmax
from tinynet.nn.containers import ModuleList, Sequential
from tinynet.nn.convolution import Conv1d, Conv2d
from tinynet.nn.dropout import Dropout
from tinynet.nn.functional import leaky_relu, relu, swish
from tinynet.nn.kan import KANLinear
from tinynet.nn.learnable import APL, PReLU, Swish
from tinynet.nn.linear import Flatten, Identity, Linear
from tinynet.nn.lossparts import as_operand, values
from tinynet.nn.module import Module
from tinynet.nn.normalization import LayerNorm, layer_norm
from tinynet.nn.parameter import Parameter
from tinynet.nn.recurrent import LSTMCell, RNNCell
from tinynet.rules.layers import dropout_mask

__all__ = ["FOR_MEMBERS", "stacking"]

Kind = TypeVar("Kind", bound=type[Module])

FOR_MEMBERS: dict[type[Module], type[Module]] = {}
"""For a kind of layer the class that computes for all members in its place."""


def stacking(kind: type[Module]) -> Callable[[Kind], Kind]:
    """Say which class computes for all members of a stack in place of a kind of layer; a decorator of that class.

    The class need not be made: it is given the attributes of the layers that it stands for, tensors with an axis of members
    in front, a tuple of all members' generators, and what is alike in all members as it is. Its `forward` is given inputs
    with the axis of members in front of those that the layer itself would be given.

    A kind of layer that nobody spoke for computes by its own `forward`, and each shape of input that such a stack sees for the
    first time is tried out: what the stack gives must be what its members give one by one.

    Parameters
    ----------
    kind : type
        The layer's class; a class derived from it is another kind.

    Returns
    -------
    callable
        Takes the class and gives it back. ``stacking(Layer)(Layer)`` says that the layer's own `forward` does.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> class Scale(tn.nn.Module):
    ...     def __init__(self, factor):
    ...         self.factor = tn.nn.Parameter(factor)
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> @tn.nn.stacking(Scale)
    ... class Scales(Scale):
    ...     def forward(self, x):
    ...         return self.factor[:, None, None] * x
    >>> tn.nn.stack([Scale(2.0), Scale(3.0)])(np.ones((1, 2))).data
    array([[[2., 2.]],
    <BLANKLINE>
           [[3., 3.]]])
    """

    def enter(for_members: Kind) -> Kind:
        FOR_MEMBERS[kind] = for_members
        return for_members

    return enter


# As they are ---------------------------------------------------------------------------------------------------------

for _kind in (
    Sequential, ModuleList, Linear, KANLinear, Identity, activations.ELU, activations.GELU, activations.Hardsigmoid,
    activations.Hardswish, activations.Hardtanh, activations.LeakyReLU, activations.LogSigmoid, activations.Mish,
    activations.ReLU, activations.ReLU6, activations.SELU, activations.SiLU, activations.Sigmoid, activations.Sin,
    activations.Softplus, activations.Softsign, activations.Square, activations.Tanh, activations.Tanhshrink,
):  # fmt: skip
    stacking(_kind)(_kind)


# With the axis of members --------------------------------------------------------------------------------------------


def _shifted(axis: int) -> int:
    """The same axis when one stands in front."""
    return axis + (axis >= 0)


def _per_member(parameter: Any, x: Any) -> Any:
    """Numbers of members and channels, (..., m, 1) or (..., m, c), as they broadcast against (m, n, c, ...)."""
    return np.reshape(parameter, (*parameter.shape[:-1], 1, parameter.shape[-1], *[1] * (x.ndim - 3)))


@stacking(Flatten)
class Flattens(Flatten):
    """`Flatten`, its axes counted behind that of the members."""

    def forward(self, x: Any) -> Any:
        """The input with the axes merged."""
        return Flatten(_shifted(self.start_axis), _shifted(self.end_axis))(x)


@stacking(Softmax)
class Softmaxes(Softmax):
    """`Softmax`, its axis counted behind that of the members."""

    def forward(self, x: Any) -> Any:
        """The probabilities."""
        return type(self).function(x, _shifted(self.axis))


@stacking(LogSoftmax)
class LogSoftmaxes(LogSoftmax):
    """`LogSoftmax`, its axis counted behind that of the members."""

    def forward(self, x: Any) -> Any:
        """The logarithms."""
        return type(self).function(x, _shifted(self.axis))


@stacking(PReLU)
class PReLUs(PReLU):
    """`PReLU` with slopes for each member."""

    def forward(self, x: Any) -> Any:
        """x where x > 0, else weight · x."""
        return leaky_relu(x, _per_member(self.weight, x))


@stacking(Swish)
class Swishes(Swish):
    """`Swish` with a beta for each member, if it is learned."""

    def forward(self, x: Any) -> Any:
        """x · sigmoid(beta · x)."""
        return swish(x, _per_member(self.beta, x) if isinstance(self.beta, Parameter) else self.beta)


@stacking(APL)
class APLs(APL):
    """`APL` with hinges and slopes for each member."""

    def forward(self, x: Any) -> Any:
        """max(0, x) + Σₛ aₛ · max(0, bₛ - x)."""
        a, b = (_per_member(np.swapaxes(parameter, 0, 1), x) for parameter in (self.a, self.b))
        return relu(x) + np.sum(a * relu(b - x), axis=0)


@stacking(LayerNorm)
class LayerNorms(LayerNorm):
    """`LayerNorm` with a weight and a bias for each member."""

    def forward(self, x: Any) -> Any:
        """(x - mean) / √(variance + eps) · weight + bias."""
        y = layer_norm(x, self.normalized_shape, eps=self.eps)
        between = [1] * (x.ndim - 1 - len(self.normalized_shape))
        weight, bias = (
            None if parameter is None else np.reshape(parameter, (parameter.shape[0], *between, *parameter.shape[1:]))
            for parameter in (self.weight, self.bias)
        )
        y = y if weight is None else y * weight
        return y if bias is None else y + bias


def _of_groups(layer: Any, x: Any) -> Any:
    """The convolution in which each member is a group of channels, or as many groups as it has itself."""
    m, n = x.shape[:2]
    channels = np.reshape(np.swapaxes(x, 0, 1), (n, m * x.shape[2], *x.shape[3:]))
    weight = np.reshape(layer.weight, (m * layer.out_channels, *layer.weight.shape[2:]))
    bias = None if layer.bias is None else np.reshape(layer.bias, (-1,))
    y = type(layer)._function(channels, weight, bias, layer.stride, layer.padding, layer.dilation, m * layer.groups)
    return np.swapaxes(np.reshape(y, (n, m, layer.out_channels, *y.shape[2:])), 0, 1)


@stacking(Conv1d)
class Conv1ds(Conv1d):
    """`Conv1d` with kernels for each member."""

    def forward(self, x: Any) -> Any:
        """The convolution of `x`, of shape (m, N, in_channels, L)."""
        return _of_groups(self, x)


@stacking(Conv2d)
class Conv2ds(Conv2d):
    """`Conv2d` with kernels for each member."""

    def forward(self, x: Any) -> Any:
        """The convolution of `x`, of shape (m, N, in_channels, H, W)."""
        return _of_groups(self, x)


class _Cells:
    """What the cells have in common: input and states have an axis of members in front."""

    hidden_size: int
    weight_hh: Any

    def _checked(self, x: Any, *states: Any) -> tuple[Any, ...]:
        x = as_operand(x)
        zeros = np.zeros((*x.shape[:-1], self.hidden_size), self.weight_hh.dtype)
        return x, *(zeros if h is None else as_operand(h) for h in states)


@stacking(RNNCell)
class RNNCells(_Cells, RNNCell):
    """`RNNCell` with weights for each member; of a batch of sequences a step in time is ``x[..., t, :]``."""


@stacking(LSTMCell)
class LSTMCells(_Cells, LSTMCell):
    """`LSTMCell` with weights for each member; of a batch of sequences a step in time is ``x[..., t, :]``."""


@stacking(Dropout)
class Dropouts(Dropout):
    """`Dropout` with a mask for each member, drawn from the generator of its own that it has alone.

    Members without one draw all their masks from the default generator.
    """

    rng: Any

    def forward(self, x: Any) -> Any:
        """The input with elements dropped in training, the input itself in evaluation."""
        if not self.training or self.p == 0 or self.rng is None:
            return super().forward(x)
        rows = values(x)
        return x * np.stack([dropout_mask(rows[k], self.p, rng) for k, rng in enumerate(self.rng)])
