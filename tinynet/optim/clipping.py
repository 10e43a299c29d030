"""Clipping of gradients, by their common norm or value by value."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinynet.mode import meet
from tinynet.tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_"]

Array = np.ndarray[Any, Any]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Any:
    """Scale all gradients by one factor, so that their norm, as of one long vector, is at most `max_norm`.

    The factor is ``min(1, max_norm / (norm + 1e-6))``, as torch's.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        The parameters; those without a gradient do not count.
    max_norm : float
        The largest norm that is left alone.
    norm_type : float
        The order p > 0 of the norm ``(sum |g|**p)**(1/p)``; ``inf`` for the largest absolute value.
    error_if_nonfinite : bool
        Whether a norm that is not finite is an error; otherwise gradients become NaN or 0 then.

    Returns
    -------
    numpy.float64
        The norm before clipping, computed in float64 without overflow.

    Raises
    ------
    ValueError
        If `max_norm` is negative or `norm_type` is not positive.
    RuntimeError
        If the norm is not finite and `error_if_nonfinite` is set; nothing was changed then.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> w = tn.tensor([3.0, 4.0], requires_grad=True)
    >>> np.sum(w * w).backward()
    >>> float(tn.optim.clip_grad_norm_([w], max_norm=1.0))
    10.0
    >>> w.grad.round(6)
    array([0.6, 0.8])
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm must not be negative, got {max_norm}")
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: norm_type must be positive, got {norm_type}")
    pairs = _with_gradients(parameters)
    norm = _norm([g for _, g in pairs], norm_type)
    if error_if_nonfinite and not np.isfinite(norm):
        raise RuntimeError(
            f"clip_grad_norm_: the norm of the gradients is {norm}; look for the loss or layer that overflowed, or set "
            "error_if_nonfinite=False"
        )
    factor = np.minimum(max_norm / (norm + 1e-6), 1.0)  # which stays NaN for a NaN
    for p, g in pairs:
        p.grad = (g * factor.astype(g.dtype))[...]  # a new array: a person may have given one to several parameters
    return norm


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clip each element of the gradients to ``[-clip_value, clip_value]``.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        The parameters; those without a gradient are left alone.
    clip_value : float
        The largest absolute value to be left alone.

    Raises
    ------
    ValueError
        If `clip_value` is negative.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> w = tn.tensor([0.1, -3.0], requires_grad=True)
    >>> np.sum(w * w).backward()
    >>> tn.optim.clip_grad_value_([w], 1.0)
    >>> w.grad
    array([ 0.2, -1. ])
    """
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value_: clip_value must not be negative, got {clip_value}")
    for p, g in _with_gradients(parameters):
        p.grad = np.minimum(np.maximum(g, -clip_value), clip_value)[...]


def _with_gradients(parameters: Tensor | Iterable[Tensor]) -> list[tuple[Tensor, Array]]:
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    meet(tensors)
    return [(p, p.grad) for p in tensors if p.grad is not None]


def _norm(arrays: list[Array], order: float) -> Any:
    """The norm of the arrays as of one vector, scaled by its largest element so that no power overflows."""
    if not sum(g.size for g in arrays):
        return np.float64(0)
    sizes = np.abs(np.concatenate(arrays, axis=None)).astype(np.float64)
    largest = np.maximum.reduce(sizes)
    if order == np.inf:
        return largest
    scale = np.where((largest > 0) & (largest < np.inf), largest, 1.0)
    sizes = sizes / scale
    return scale * (np.sqrt(sizes.dot(sizes)) if order == 2 else np.add.reduce(sizes**order) ** (1 / order))
