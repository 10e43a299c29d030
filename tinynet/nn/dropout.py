"""`Dropout`: in training, elements are set to zero at random."""

from typing import TYPE_CHECKING, Any

from tinynet.nn.lossparts import values
from tinynet.nn.oftensors import OfTensors
from tinynet.nn.options import number
from tinynet.random import as_generator
from tinynet.rules.layers import dropout_mask

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["Dropout"]


class Dropout(OfTensors):
    """Set each element to zero with probability `p`, and divide the others by ``1 - p``, so that means stay.

    In evaluation (after ``model.eval()``) the layer gives back its input. Srivastava et al. 2014, "Dropout: a simple way to
    prevent neural networks from overfitting", in the inverted form.

    Parameters
    ----------
    p : float
        The probability, from 0 to 1.
    rng : int, numpy.random.Generator or None
        What the layer draws from, pass after pass; None means the default generator at the time of each pass.

    Raises
    ------
    ValueError
        If `p` is not a probability.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> layer = tn.nn.Dropout(0.5, rng=0)
    >>> layer(np.ones(6))
    array([2., 0., 0., 0., 2., 2.])
    >>> layer.eval()(np.ones(6))
    array([1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, rng: "int | Generator | None" = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout(p={p}): a probability lies between 0 and 1")
        self.p = number(p)
        self.rng: Generator | None = None if rng is None else as_generator(rng)

    def forward(self, x: Any) -> Any:
        """The input with elements dropped in training, the input itself in evaluation."""
        if not self.training or self.p == 0:
            return x
        return x * dropout_mask(values(x), self.p, as_generator(self.rng))

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"
