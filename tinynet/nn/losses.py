"""Losses as modules, under PyTorch's names; the functions are in `tinynet.nn.functional`.

A loss is called with the prediction and the target. Its `reduction` is "mean", "sum", or "none" for the loss of every element
or sample.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy.typing as npt

from tinynet.nn import functional
from tinynet.nn.lossparts import check_reduction
from tinynet.nn.module import Module
from tinynet.nn.options import number
from tinynet.nn.parameter import Buffer
from tinynet.tensor import Tensor

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "HuberLoss", "L1Loss", "MSELoss", "NLLLoss", "SmoothL1Loss",
]

Weights = npt.ArrayLike | None


class _Loss(Module):
    """A function of the prediction, the target and, by keyword, the attributes named in `options`."""

    function: ClassVar[Callable[..., Any]]
    options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, reduction: str = "mean") -> None:
        check_reduction(type(self).__name__, reduction)
        self.reduction = reduction

    if TYPE_CHECKING:

        @overload
        def __call__(self, input: Tensor, target: Any) -> Tensor: ...
        @overload
        def __call__(self, input: Any, target: Any) -> Any: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of the prediction `input` with the target."""
        return self.reduced(input, target, self.reduction)

    def reduced(self, input: Any, target: Any, reduction: str) -> Any:
        """The loss, reduced in another way."""
        options = {name: getattr(self, name) for name in self.options}
        return type(self).function(input, target, **options, reduction=reduction)

    def extra_repr(self) -> str:
        """The options that are set; weights by their shape."""
        values = {name: getattr(self, name) for name in (*self.options, "reduction")}
        return ", ".join(
            f"{name}=array of shape {x.shape}" if isinstance(x, Buffer) else f"{name}={x!r}"
            for name, x in values.items() if x is not None
        )


def _buffer(weight: Weights) -> Buffer | None:
    """Weights as a part of a module's state."""
    return None if weight is None else Buffer(weight)


class MSELoss(_Loss):
    """The squared error, (prediction - target)².

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        What becomes of the elements' losses.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> float(tn.nn.MSELoss()(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    """

    function = functional.mse_loss


class L1Loss(_Loss):
    """The absolute error, abs(prediction - target).

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        What becomes of the elements' losses.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> float(tn.nn.L1Loss()(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    1.0
    """

    function = functional.l1_loss


class HuberLoss(_Loss):
    """d²/2 within ±delta, else delta · (abs(d) - delta/2), with d = prediction - target (Huber 1964).

    Parameters
    ----------
    delta : float
        Where the parabola goes over into lines; positive.
    reduction : {"mean", "sum", "none"}
        What becomes of the elements' losses.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.HuberLoss(delta=2.0, reduction="none")(np.array([0.5, 3.0]), np.zeros(2))
    array([0.125, 4.   ])
    """

    function = functional.huber_loss
    options = ("delta",)

    def __init__(self, delta: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.delta = number(delta)


class SmoothL1Loss(_Loss):
    """d²/(2 beta) within ±beta, else abs(d) - beta/2, with d = prediction - target (Girshick 2015, "Fast R-CNN").

    Parameters
    ----------
    beta : float
        Where the parabola goes over into lines; 0 makes it `L1Loss`.
    reduction : {"mean", "sum", "none"}
        What becomes of the elements' losses.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.SmoothL1Loss(beta=2.0, reduction="none")(np.array([0.5, 3.0]), np.zeros(2))
    array([0.0625, 2.    ])
    """

    function = functional.smooth_l1_loss
    options = ("beta",)

    def __init__(self, beta: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.beta = number(beta)


class BCELoss(_Loss):
    """Binary cross-entropy of probabilities; `BCEWithLogitsLoss` is the stable way to have it of a network's output.

    Parameters
    ----------
    weight : array_like, optional
        A factor for each element's loss.
    reduction : {"mean", "sum", "none"}
        What becomes of the elements' losses.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> round(float(tn.nn.BCELoss()(np.array([0.5, 0.5]), np.array([0.0, 1.0]))), 6)
    0.693147
    """

    function = functional.binary_cross_entropy
    options = ("weight",)

    def __init__(self, weight: Weights = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.weight: Buffer | None = _buffer(weight)


class BCEWithLogitsLoss(_Loss):
    """Binary cross-entropy of sigmoid(prediction), computed without overflow, underflow or cancellation.

    Parameters
    ----------
    weight : array_like, optional
        A factor for each element's loss.
    pos_weight : array_like, optional
        A factor for the loss of class 1, of a shape that broadcasts against the prediction.
    reduction : {"mean", "sum", "none"}
        What becomes of the elements' losses.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> float(tn.nn.BCEWithLogitsLoss()(np.array([-1000.0, 1000.0]), np.array([1.0, 1.0])))
    500.0
    """

    function = functional.binary_cross_entropy_with_logits
    options = ("weight", "pos_weight")

    def __init__(self, weight: Weights = None, *, pos_weight: Weights = None, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.weight: Buffer | None = _buffer(weight)
        self.pos_weight: Buffer | None = _buffer(pos_weight)


class CrossEntropyLoss(_Loss):
    """-log softmax(prediction) of the target's class, or the mean of it over the target's probabilities.

    Parameters
    ----------
    weight : array_like, shape (C,), optional
        A factor for each class; the mean over labels divides by the sum of their weights.
    ignore_index : int
        The label of samples to leave out.
    label_smoothing : float
        How much of the target, from 0 to 1, is spread evenly over the classes (Szegedy et al. 2016).
    reduction : {"mean", "sum", "none"}
        What becomes of the samples' losses.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> loss = tn.nn.CrossEntropyLoss(reduction="sum")
    >>> float(loss(np.array([[1000.0, 0.0], [0.0, -1000.0]]), np.array([1, 1])))
    2000.0
    """

    function = functional.cross_entropy
    options = ("weight", "ignore_index", "label_smoothing")

    def __init__(
        self, weight: Weights = None, *, ignore_index: int = -100, label_smoothing: float = 0.0, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.weight: Buffer | None = _buffer(weight)
        self.ignore_index = ignore_index
        self.label_smoothing = number(label_smoothing)


class NLLLoss(_Loss):
    """Minus the log-probability of the target's class, for the output of `LogSoftmax`.

    Parameters
    ----------
    weight : array_like, shape (C,), optional
        A factor for each class; the mean divides by the sum of the labels' weights.
    ignore_index : int
        The label of samples to leave out.
    reduction : {"mean", "sum", "none"}
        What becomes of the samples' losses.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> float(tn.nn.NLLLoss()(np.array([[-0.5, -0.9], [-0.1, -2.5]]), np.array([0, 1])))
    1.5
    """

    function = functional.nll_loss
    options = ("weight", "ignore_index")

    def __init__(self, weight: Weights = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.weight: Buffer | None = _buffer(weight)
        self.ignore_index = ignore_index
