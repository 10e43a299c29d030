"""How layers compute for the members of a stack (see `tinynet.nn.ensembles`): a table, and tinynet's own layers in it.

Most do as they are: they work element by element, or over axes counted from the end.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Never, TypeVar

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinynet.errors import ShapeError
from tinynet.nn import activations
from tinynet.nn.activations import LogSoftmax, Softmax
from tinynet.nn.containers import ModuleList, Sequential
from tinynet.nn.convolution import Conv1d, Conv2d
from tinynet.nn.dropout import Dropout
from tinynet.nn.kan import KANLinear
from tinynet.nn.learnable import APL, PReLU, Swish
from tinynet.nn.linear import Flatten, Identity, Linear
from tinynet.nn.lossparts import as_operand, values
from tinynet.nn.module import Module
from tinynet.nn.normalization import BatchNorm1d, LayerNorm, over_features
from tinynet.nn.recurrent import LSTMCell, RNNCell
from tinynet.rules.layers import dropout_mask

__all__ = ["FOR_MEMBERS", "Alternatives", "stacking"]

Kind = TypeVar("Kind", bound=type[Module])

FOR_MEMBERS: dict[type[Module], type[Module]] = {}
"""For a kind of layer the class that computes for all members in its place."""


def stacking(kind: type[Module]) -> Callable[[Kind], Kind]:
    """Say which class computes for all members of a stack in place of a kind of layer; a decorator of that class.

    The class need not be made: it is given the attributes of the layers that it stands for, tensors with an axis of members
    in front, a tuple of all members' generators, and what is alike in all members as it is. Its `forward` is given inputs
    with the axis of members in front of those that the layer itself would be given.

    A kind of layer that nobody spoke for computes by its own `forward`, as one does to which a person added a hook, a method
    or a function, and each shape of input that such a stack sees for the first time, in training and in evaluation, is tried
    out: what the stack gives must be what its members give one by one. Where a layer draws from the default generator, for
    other purposes than `Dropout`, only the shape can be compared.

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
    Sequential, ModuleList, Linear, Identity, APL, PReLU, Swish, activations.ELU, activations.GELU, activations.Hardsigmoid,
    activations.Hardswish, activations.Hardtanh, activations.LeakyReLU, activations.LogSigmoid, activations.Mish,
    activations.ReLU, activations.ReLU6, activations.SELU, activations.SiLU, activations.Sigmoid, activations.Sin,
    activations.Softplus, activations.Softsign, activations.Square, activations.Tanh, activations.Tanhshrink,
):  # fmt: skip
    stacking(_kind)(_kind)


# With the axis of members --------------------------------------------------------------------------------------------


def _of_one(x: Any) -> Any:
    """What the first member is given; the layer's own checks look at its shape, and their errors speak of it."""
    return values(x)[0]


@stacking(Flatten)
class Flattens(Flatten):
    """`Flatten`, its axes counted behind that of the members."""

    def forward(self, x: Any) -> Any:
        """The input with the axes merged."""
        return np.reshape(x, (x.shape[0], *super().forward(_of_one(x)).shape))


class _AlongAnAxis:
    """What `Softmax` and `LogSoftmax` have in common: their axis is counted behind that of the members."""

    axis: int

    def forward(self, x: Any) -> Any:
        """The probabilities, or their logarithms."""
        function: Callable[..., Any] = type(self).function  # type: ignore[attr-defined]
        return function(x, normalize_axis_index(self.axis, x.ndim - 1) + 1)


@stacking(Softmax)
class Softmaxes(_AlongAnAxis, Softmax):
    """`Softmax`, its axis counted behind that of the members."""


@stacking(LogSoftmax)
class LogSoftmaxes(_AlongAnAxis, LogSoftmax):
    """`LogSoftmax`, its axis counted behind that of the members."""


@stacking(KANLinear)
class KANLinears(KANLinear):
    """`KANLinear` with functions for each member; they are looked at, and their grids updated, in a member."""

    def edges(self, x: Any) -> Never:
        """Of a member: ``stack[k]`` has its functions."""
        raise TypeError("KANLinear.edges: the layer is of a stack; ask a member, stack[k]")

    def update_grid(self, x: Any) -> Never:
        """Of a member, before it is stacked."""
        raise TypeError(
            "KANLinear.update_grid: the layer is of a stack; update the grids of its members, stack.unstack(), and stack them "
            "anew"
        )


@stacking(LayerNorm)
class LayerNorms(LayerNorm):
    """`LayerNorm` with a weight and a bias for each member."""

    def forward(self, x: Any) -> Any:
        """(x - mean) / √(variance + eps) · weight + bias."""
        shape = self.normalized_shape
        if x.ndim <= len(shape) or x.shape[-len(shape) :] != shape:
            raise ShapeError(
                f"LayerNorm({self.extra_repr()}): the input of a member has shape {x.shape[1:]}; its last axes must have the "
                f"normalised shape {shape}"
            )
        between = [1] * (x.ndim - 1 - len(shape))
        weight, bias = (
            None if parameter is None else np.reshape(parameter, (parameter.shape[0], *between, *parameter.shape[1:]))
            for parameter in (self.weight, self.bias)
        )
        return over_features(x, shape, weight, bias, self.eps)


@stacking(BatchNorm1d)
class BatchNorm1ds(BatchNorm1d):
    """`BatchNorm1d` with averages, a weight and a bias for each member, of inputs (m, N, C) or (m, N, C, L)."""

    _in_front = 1


def _of_groups(layer: Any, x: Any) -> Any:
    """The convolution in which each member is a group of channels, or as many groups as it has itself."""
    if x.ndim != layer._space + 3 or x.shape[2] != layer.in_channels:
        lengths = ("N", str(layer.in_channels), *["length"] * layer._space)
        raise ShapeError(
            f"Conv{layer._space}d({layer.extra_repr()}): the input of a member has shape {x.shape[1:]}; it must be "
            f"({', '.join(lengths)}): nn.stack(models, sample_axes={layer._space + 1})"
        )
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

    def _checked(self, x: Any, *states: Any) -> tuple[Any, ...]:
        x = as_operand(x)
        _, *zeros = super()._checked(_of_one(x), *[None] * len(states))  # type: ignore[misc]
        shape = (len(x), *zeros[0].shape)
        states = tuple(np.zeros(shape, zeros[0].dtype) if h is None else as_operand(h) for h in states)
        if any(h.shape != shape for h in states):
            raise ShapeError(
                f"{type(self).__name__}: for an input of shape {x.shape}, the members first, the state has shape "
                f"{' and '.join(str(h.shape) for h in states)}; it must be {shape}, as the cell returns it, or None for zeros"
            )
        return x, *states


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


class Alternatives(Module):
    """Layers of several kinds at one place of a stack, each for those members that have it.

    Parameters
    ----------
    groups : iterable of Module
        The layers.
    positions : sequence of tuple of int
        For each the positions of its members.
    """

    def __init__(self, groups: Iterable[Module], positions: Sequence[tuple[int, ...]]) -> None:
        self.groups: ModuleList = ModuleList(groups)
        self._positions = tuple(_as_index(rows) for rows in positions)
        order = np.argsort(np.concatenate(positions))
        self._order = _as_index(tuple(order.tolist()))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Each layer's output for its members, put together again; what a layer is given or gives may be tuples, as states."""
        parts = zip(self.groups, self._positions, strict=True)
        return self._together([layer(*_rows(args, rows), **_rows(kwargs, rows)) for layer, rows in parts])

    def _together(self, outputs: Sequence[Any]) -> Any:
        if isinstance(outputs[0], tuple | list):
            return tuple(self._together(parts) for parts in zip(*outputs, strict=True))
        shapes = [np.shape(y)[1:] for y in outputs]
        if shapes.count(shapes[0]) != len(shapes):
            kinds = ", ".join(f"{type(layer).__name__} {shape}" for layer, shape in zip(self.groups, shapes, strict=True))
            raise ShapeError(f"stack: the layers that members differ in give outputs of several shapes: {kinds}")
        joined = np.concatenate(outputs)
        return joined if isinstance(self._order, slice) else joined[self._order]


def _rows(x: Any, rows: Any) -> Any:
    """Those rows of an array, or of the arrays of a tuple or dict; what is no array, None say, is for all."""
    if isinstance(x, dict):
        return {name: _rows(part, rows) for name, part in x.items()}
    if isinstance(x, tuple | list):
        return tuple(_rows(part, rows) for part in x)
    return x[rows] if np.ndim(x) else x


def _as_index(rows: tuple[int, ...]) -> Any:
    """The positions as a slice, if they are one."""
    return slice(rows[0], rows[-1] + 1) if rows == tuple(range(rows[0], rows[-1] + 1)) else np.array(rows)
