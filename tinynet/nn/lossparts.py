"""What the losses share: how their arguments are taken, and how the losses of elements or samples become one number."""

from typing import Any

import numpy as np

from tinynet.dtypes import as_array
from tinynet.errors import ShapeError
from tinynet.tensor import Tensor

__all__ = ["as_operand", "check_reduction", "elementwise", "pair", "reduced", "values", "weights"]

_ARRAYS = (Tensor, np.ndarray)
KNOWN_REDUCTIONS = ("mean", "sum", "none")


def check_reduction(name: str, reduction: str, loss: Any = None) -> None:
    """Raise a ValueError if a reduction is unknown, or the mean of nothing; `name` is the loss that the error names."""
    if reduction not in KNOWN_REDUCTIONS:
        raise ValueError(f"{name}: reduction={reduction!r} is unknown; it is one of {', '.join(map(repr, KNOWN_REDUCTIONS))}")
    if reduction == "mean" and loss is not None and loss.size == 0:
        raise ValueError(f"{name}: an empty batch, of shape {loss.shape}, has no mean; leave it out, or use reduction='sum'")


def elementwise(name: str, operation: Any, input: Any, target: Any, reduction: str, **params: Any) -> Any:
    """The loss of every element by an operation that reduces it itself."""
    check_reduction(name, reduction, input)
    if reduction != "mean":
        params["reduction"] = reduction
    return operation(input, target, **params)


def reduced(name: str, loss: Any, reduction: str) -> Any:
    """Reduce a loss.

    Parameters
    ----------
    name : str
        The loss that an error names.
    loss : array or Tensor
        One value for each element or sample.
    reduction : {"mean", "sum", "none"}
        The mean of nothing is an error.

    Returns
    -------
    array or Tensor
    """
    check_reduction(name, reduction, loss)
    if reduction == "none":
        return loss
    return np.sum(loss) if reduction == "sum" else np.mean(loss)


def as_operand(x: Any) -> Any:
    """The argument itself if it is an array of any kind, else an array of it."""
    return x if isinstance(x, _ARRAYS) or hasattr(x, "shape") else as_array(x)


def values(x: Any) -> Any:
    """The values alone, for what no gradient flows to."""
    return x.data if isinstance(x, Tensor) else as_operand(x)


def weights(weight: Any, loss: Any) -> Any:
    """Weights as an array of the loss's dtype; no gradient flows to them."""
    if isinstance(weight, Tensor) and weight.requires_grad:
        raise TypeError("a loss gives its weights no gradient; use w.detach(), or multiply a loss with reduction='none'")
    return values(weight).astype(loss.dtype, copy=False)


def pair(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Prediction and target as arrays of one shape: broadcasting them would compare every element with every other.

    Integer targets take the prediction's dtype.
    """
    input, target = as_operand(input), as_operand(target)
    if input.shape != target.shape:
        remedy = f"take target.reshape{input.shape}" if input.size == target.size else "each prediction needs one target"
        raise ShapeError(f"{name}: the prediction has shape {input.shape}, the target {target.shape}, not the same; {remedy}")
    if target.dtype.kind in "iub":  # classes 0 and 1 take part in arithmetic: they must not turn float32 into float64
        target = target.astype(input.dtype)
    return input, target
