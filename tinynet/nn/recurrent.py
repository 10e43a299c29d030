"""The cells of recurrent networks: `RNNCell` and `LSTMCell` make one step in time."""

from collections.abc import Callable
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
from tinynet.rules.activations import relu, sigmoid
from tinynet.rules.layers import linear
from tinynet.tensor import Tensor

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["LSTMCell", "RNNCell"]

_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"tanh": np.tanh, "relu": relu}


class _Cell(Module):
    """What the cells have in common: the affine maps of input and state, of one or several gates."""

    _gates: int

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        rng: "int | Generator | None" = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        input_size, hidden_size = counts(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        rng = as_generator(rng)
        dtype = get_default_dtype() if dtype is None else dtype
        bound, rows = hidden_size**-0.5, self._gates * hidden_size
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.weight_ih: Parameter = Parameter(np.empty((rows, input_size), dtype))
        self.weight_hh: Parameter = Parameter(np.empty((rows, hidden_size), dtype))
        self.bias_ih: Parameter | None = Parameter(np.empty(rows, dtype)) if bias else None
        self.bias_hh: Parameter | None = Parameter(np.empty(rows, dtype)) if bias else None
        for parameter in self.parameters():
            uniform_(parameter, -bound, bound, rng=rng)

    def _checked(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """The input and the states, zeros for those that are None."""
        x = as_operand(x)
        shape = (*x.shape[:-1], self.hidden_size)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}({self.extra_repr()}): the input has shape {x.shape}; it must be (N, {self.input_size}) "
                f"or ({self.input_size},): give one step in time, x[:, t] of a batch of sequences"
            )
        states = tuple(np.zeros(shape, self.weight_hh.dtype) if h is None else as_operand(h) for h in states)
        if any(h.shape != shape for h in states):
            raise ShapeError(
                f"{type(self).__name__}({self.extra_repr()}): for an input of shape {x.shape} the state has shape "
                f"{' and '.join(str(h.shape) for h in states)}; it must be {shape}, as the cell returns it, or None for zeros"
            )
        return x, *states

    def _affine(self, x: Any, h: Any) -> Any:
        return linear(x, self.weight_ih, self.bias_ih) + linear(h, self.weight_hh, self.bias_hh)

    def extra_repr(self) -> str:
        """The sizes, and the options that are not the default."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias_ih is not None else ", bias=False")


class RNNCell(_Cell):
    """h' = tanh(weight_ih · x + bias_ih + weight_hh · h + bias_hh), a step of the simple recurrent network (Elman 1990).

    The parameters start from the uniform distribution on ±1/√hidden_size, as torch's do.

    Parameters
    ----------
    input_size, hidden_size : int
        The length I of the input at one time, and the length H of the state.
    bias : bool
        Whether there are biases; without, both are None.
    nonlinearity : {"tanh", "relu"}
        What the sum goes through.
    rng : int, numpy.random.Generator or None
        What the parameters are drawn from; None means the default generator.
    dtype : dtype, optional
        The parameters' floating dtype, the default dtype unless given.

    Attributes
    ----------
    weight_ih : Parameter, shape (H, I)
    weight_hh : Parameter, shape (H, H)
    bias_ih, bias_hh : Parameter or None, shape (H,)

    Raises
    ------
    ValueError
        If a size is no integer of at least 1, or the nonlinearity unknown.
    ShapeError
        When called, if input or state do not fit.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> cell, h = tn.nn.RNNCell(2, 3, rng=0), None
    >>> for x in np.ones((5, 4, 2)):
    ...     h = cell(x, h)
    >>> h.shape
    (4, 3)
    """

    _gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        rng: "int | Generator | None" = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        if nonlinearity not in _ACTIVATIONS:
            raise ValueError(f"RNNCell: nonlinearity={nonlinearity!r} is unknown; it is 'tanh' or 'relu'")
        super().__init__(input_size, hidden_size, bias, rng, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, x: Any, hx: Any = None) -> Tensor:
        """The next state, of shape (N, H), for the input `x`, of shape (N, I), and the state `hx`, zeros if None.

        Both may be without N.
        """
        h: Tensor = _ACTIVATIONS[self.nonlinearity](self._affine(*self._checked(x, hx)))
        return h

    def extra_repr(self) -> str:
        """The sizes, and the options that are not the default."""
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")


class LSTMCell(_Cell):
    """A step of the long short-term memory: gates decide what is written, what is kept, and what is shown.

    With the gates i, f, g, o the four parts of weight_ih · x + bias_ih + weight_hh · h + bias_hh,

        c' = σ(f) · c + σ(i) · tanh(g),    h' = σ(o) · tanh(c').

    Hochreiter & Schmidhuber 1997, with the forget gate of Gers, Schmidhuber & Cummins 2000. The parameters start from the
    uniform distribution on ±1/√hidden_size, as torch's do.

    Parameters
    ----------
    input_size, hidden_size : int
        The length I of the input at one time, and the length H of the state.
    bias : bool
        Whether there are biases; without, both are None.
    rng : int, numpy.random.Generator or None
        What the parameters are drawn from; None means the default generator.
    dtype : dtype, optional
        The parameters' floating dtype, the default dtype unless given.

    Attributes
    ----------
    weight_ih : Parameter, shape (4 H, I)
        The rows of i first, then those of f, g and o, as in torch.
    weight_hh : Parameter, shape (4 H, H)
    bias_ih, bias_hh : Parameter or None, shape (4 H,)

    Raises
    ------
    ValueError
        If a size is no integer of at least 1.
    ShapeError
        When called, if input or state do not fit.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> cell, state = tn.nn.LSTMCell(2, 3, rng=0), None
    >>> for x in np.ones((5, 4, 2)):
    ...     state = cell(x, state)
    >>> [part.shape for part in state]
    [(4, 3), (4, 3)]
    """

    _gates = 4

    def forward(self, x: Any, hx: Any = None) -> tuple[Tensor, Tensor]:
        """The next state (h, c), of shapes (N, H), for the input `x`, of shape (N, I), and the state `hx`, zeros if None.

        All may be without N.
        """
        hx = (None, None) if hx is None else hx
        if not (isinstance(hx, tuple | list) and len(hx) == 2):
            raise TypeError(f"LSTMCell({self.extra_repr()}): the state is a pair (h, c), as the cell returns it, or None")
        x, h, c = self._checked(x, *hx)
        i, f, g, o = np.split(self._affine(x, h), 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
