"""What a model that looks at no input could reach: the least loss of a constant prediction."""

from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np

from tinynet.autograd import grad
from tinynet.tensor import Tensor

__all__ = ["constant_level"]

Array = np.ndarray[Any, Any]


def constant_level(loss: Callable[[Any, Any], Any], prediction: Array, target: Array, steps: int = 60) -> float | None:
    """The least loss that one and the same prediction for every row has; None for a loss to which that means nothing.

    Found by gradient descent, with steps that grow while the loss falls, from the mean target, or from zeros (logits). Where
    the least is not positive (a log-density), there is no level that other losses could be compared with either.

    Parameters
    ----------
    loss : callable
        ``loss(prediction, target)`` gives a tensor of one element.
    prediction : ndarray of shape (n, ...)
        What tells the shape and the dtype of predictions.
    target : ndarray of shape (n, ...)
        The targets.
    steps : int
        How many losses to compute at most.

    Returns
    -------
    float or None

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> from tinynet.training.constant import constant_level
    >>> y = np.array([[0.0], [1.0], [2.0], [5.0]])
    >>> constant_level(tn.nn.MSELoss(), np.zeros((4, 1)), y), y.var().item()
    (3.5, 3.5)
    >>> level = constant_level(tn.nn.CrossEntropyLoss(), np.zeros((4, 2)), np.array([0, 0, 0, 1]))
    >>> round(level, 3)  # the entropy of the classes
    0.562
    """

    def at(c: Array) -> tuple[float, Any]:
        constant = Tensor(c, requires_grad=True)
        value = loss(constant + np.zeros_like(prediction), target)
        return value.item(), grad(value, constant)[0].data

    start = np.zeros_like(prediction[:1])
    if target.shape == prediction.shape:
        start += target.mean(axis=0)
    try:
        with np.errstate(all="ignore"):
            return _least(at, start, steps)
    except Exception:  # a loss of one's own need not make anything of a constant
        return None


def _least(at: Callable[[Array], tuple[float, Any]], c: Array, steps: int) -> float | None:
    value, slope = at(c)
    length = 1.0
    for _ in range(steps):
        new, its_slope = at(c - length * slope)
        if new < value:
            c, value, slope = c - length * slope, new, its_slope
            length *= 2
        else:
            length /= 4
    return value if isfinite(value) and value > 0 else None
