"""Activations with a shape that is learned: `PReLU`, `Swish` and `APL`; `KANLinear` learns one for every connection."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.dtypes import get_default_dtype
from tinynet.nn import functional
from tinynet.nn.channels import per_channel
from tinynet.nn.module import Module
from tinynet.nn.oftensors import OfTensors
from tinynet.nn.options import counts
from tinynet.nn.parameter import Parameter
from tinynet.tensor import Tensor

__all__ = ["APL", "PReLU", "Swish"]


class PReLU(Module):
    """x where x > 0, else weight · x with learned weights (He et al. 2015, "Delving deep into rectifiers").

    Parameters
    ----------
    num_parameters : int
        One slope for all, or one for each channel (axis 1, or the only axis).
    init : float
        What the slopes start from.
    dtype : dtype, optional
        The slopes' floating dtype, the default dtype unless given.

    Attributes
    ----------
    weight : Parameter, shape (num_parameters,)

    Raises
    ------
    ValueError
        If `num_parameters` is no integer of at least 1.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.PReLU()(np.array([-1.0, 2.0])).data
    array([-0.25,  2.  ])
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: npt.DTypeLike | None = None) -> None:
        shape = counts("PReLU", num_parameters=num_parameters)
        self.weight: Parameter = Parameter(np.full(shape, float(init), get_default_dtype() if dtype is None else dtype))

    def forward(self, x: Any) -> Tensor:
        """`tinynet.nn.functional.prelu` of `x`."""
        y: Tensor = functional.prelu(x, self.weight)
        return y

    def extra_repr(self) -> str:
        """The number of slopes."""
        return f"num_parameters={self.weight.shape[-1]}"


class Swish(OfTensors):
    """x · sigmoid(beta · x) (Ramachandran, Zoph & Le 2017, "Searching for activation functions").

    Parameters
    ----------
    beta : float
        The sharpness: 0 gives x/2, and ∞ the relu.
    learn : bool
        Whether beta is a parameter, trained like any other, that starts from the given value.
    num_parameters : int
        One learned beta for all, or one for each channel (axis 1, or the only axis).
    dtype : dtype, optional
        The floating dtype of a learned beta, the default dtype unless given.

    Attributes
    ----------
    beta : float, or Parameter of shape (num_parameters,)

    Raises
    ------
    ValueError
        If `num_parameters` is no integer of at least 1, or there are several without being learned.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.Swish(beta=2.0)(np.array([-1.0, 1.0]))
    array([-0.11920292,  0.88079708])
    >>> tn.nn.Swish(learn=True, num_parameters=8)
    Swish(beta=1, learn=True, num_parameters=8)  # 8 parameters
    """

    def __init__(
        self, beta: float = 1.0, learn: bool = False, num_parameters: int = 1, dtype: npt.DTypeLike | None = None
    ) -> None:
        shape, beta = counts("Swish", num_parameters=num_parameters), float(beta)
        if num_parameters > 1 and not learn:
            raise ValueError(f"Swish: num_parameters={num_parameters} without learn=True; a beta that stays is one number")
        dtype = get_default_dtype() if dtype is None else dtype
        self.beta: Tensor | float = Parameter(np.full(shape, beta, dtype)) if learn else beta

    def forward(self, x: Any) -> Any:
        """`tinynet.nn.functional.swish` of `x`."""
        beta = self.beta
        return functional.swish(x, per_channel("Swish", beta, x, beta.ndim == 2) if isinstance(beta, Tensor) else beta)

    def extra_repr(self) -> str:
        """Beta, of several their mean; whether it is learned, and how many there are."""
        if not isinstance(self.beta, Tensor):
            return f"beta={self.beta:.4g}, learn=False"
        count = self.beta.shape[-1]
        return f"beta={self.beta.data.mean():.4g}, learn=True" + (f", num_parameters={count}" if count > 1 else "")


class APL(Module):
    """max(0, x) + Σₛ aₛ · max(0, bₛ - x): a relu whose other side is a learned piecewise linear function.

    Agostinelli et al. 2015, "Learning activation functions to improve deep neural networks". All aₛ start from 0, so that the
    activation starts as the relu, and the hinges bₛ from the middles of `pieces` equal parts of [-1, 1], so that each is
    moved by inputs of its own.

    Parameters
    ----------
    pieces : int
        The number S of hinges.
    num_parameters : int
        One function for all, or one for each channel (axis 1, or the only axis).
    dtype : dtype, optional
        The parameters' floating dtype, the default dtype unless given.

    Attributes
    ----------
    a, b : Parameter, shape (pieces, num_parameters)
        What the slope loses left of each hinge, and the hinges.

    Raises
    ------
    ValueError
        If a number is no integer of at least 1.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> activation = tn.nn.APL(pieces=2)
    >>> activation.b.data[:, 0]
    array([-0.5,  0.5])
    >>> activation.a.data[:] = [[-0.1], [0.0]]
    >>> activation(np.array([-2.5, 0.0, 3.0])).data
    array([-0.2,  0. ,  3. ])
    """

    def __init__(self, pieces: int = 1, num_parameters: int = 1, dtype: npt.DTypeLike | None = None) -> None:
        pieces, num_parameters = counts("APL", pieces=pieces, num_parameters=num_parameters)
        dtype = get_default_dtype() if dtype is None else dtype
        middles = (2 * np.arange(pieces) + 1) / pieces - 1
        self.a: Parameter = Parameter(np.zeros((pieces, num_parameters), dtype))
        self.b: Parameter = Parameter(np.repeat(middles[:, None], num_parameters, axis=1).astype(dtype))

    def forward(self, x: Any) -> Tensor:
        """`tinynet.nn.functional.apl` of `x`."""
        y: Tensor = functional.apl(x, self.a, self.b)
        return y

    def extra_repr(self) -> str:
        """The numbers of hinges and of functions."""
        pieces, num_parameters = self.a.shape[-2:]
        return f"pieces={pieces}, num_parameters={num_parameters}"
