"""Clipping of gradients, by their common norm or value by value."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.mode import meet
from tinynet.nn.options import number
from tinynet.nn.parameter import StackedParameter
from tinynet.tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_"]

Array = np.ndarray[Any, Any]
Norms = np.float64 | npt.NDArray[np.float64]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Norms:
    """Scale all gradients by one factor, so that their norm, as of one long vector, is at most `max_norm`.

    The factor is ``min(1, max_norm / (norm + 1e-6))``, as torch's. Of a stack (`tinynet.nn.stack`) each member's gradients are
    scaled by a factor of their own, as if the member were alone.

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
    numpy.float64, or ndarray of shape (m,)
        The norm before clipping, computed in float64 without overflow; of a stack that of each member.

    Raises
    ------
    ValueError
        If `max_norm` is negative or `norm_type` is not positive, or some of the parameters are of a stack and others are not.
    TypeError
        If one is no tensor.
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
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    pairs = _with_gradients("clip_grad_norm_", tensors)
    owners = [p.members if isinstance(p, StackedParameter) else None for p, _ in pairs]
    gradients = [g for _, g in pairs]
    size = max((p.stack_size for p in tensors if isinstance(p, StackedParameter)), default=0)
    norm: Norms = _norm(_by_member(gradients, owners, size) if size else _flat(gradients), norm_type)
    if error_if_nonfinite and not np.all(np.isfinite(norm)):
        raise RuntimeError(
            f"clip_grad_norm_: the norm of the gradients is {norm}; look for the loss or layer that overflowed, or set "
            "error_if_nonfinite=False"
        )
    factor = np.minimum(max_norm / (norm + 1e-6), 1.0)  # which stays NaN for a NaN
    for (p, g), members in zip(pairs, owners, strict=True):
        own = factor if members is None else factor[list(members)].reshape(-1, *[1] * (g.ndim - 1))
        p.grad = (g * own.astype(g.dtype))[...]  # a new array: a person may have given one to several parameters
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
    TypeError
        If one is no tensor.

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
    clip_value = number(clip_value)
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for p, g in _with_gradients("clip_grad_value_", tensors):
        p.grad = np.minimum(np.maximum(g, -clip_value), clip_value)[...]


def _with_gradients(name: str, tensors: list[Tensor]) -> list[tuple[Tensor, Array]]:
    for p in tensors:
        if not isinstance(p, Tensor):
            raise TypeError(f"{name}: the parameters hold a {type(p).__name__}; give tensors, whose .grad is clipped")
    meet(tensors)
    return [(p, p.grad) for p in tensors if p.grad is not None]


def _flat(arrays: list[Array]) -> Array:
    """The sizes of all elements in one vector."""
    return np.abs(np.concatenate(arrays, axis=None)).astype(np.float64) if arrays else np.zeros(0)


def _by_member(arrays: list[Array], owners: list[tuple[int, ...] | None], count: int) -> Array:
    """The sizes of the elements of a stack's gradients, a row for each member; 0 where a member has no part in an array."""
    blocks = [np.zeros((count, 0))]
    for g, members in zip(arrays, owners, strict=True):
        if members is None:
            raise ValueError(
                f"clip_grad_norm_: some parameters are of a stack, and one of shape {g.shape} is not, so that nobody can "
                "tell whose norm it belongs to; clip them in a call of their own"
            )
        block = np.abs(g).reshape(len(members), math.prod(g.shape[1:])).astype(np.float64)
        if len(members) < count:
            places = np.full(count, len(members))
            places[list(members)] = np.arange(len(members))
            block = np.concatenate([block, np.zeros((1, block.shape[1]))])[places]
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


def _norm(sizes: Array, order: float) -> Any:
    """The norm over the last axis, scaled by the largest element so that no power overflows."""
    if not sizes.shape[-1]:
        return np.add.reduce(sizes, axis=-1)
    largest = np.maximum.reduce(sizes, axis=-1)
    if order == np.inf:
        return largest
    scale = np.where((largest > 0) & (largest < np.inf), largest, 1.0)
    sizes = sizes / scale[..., None]
    if order != 2:
        return scale * np.add.reduce(sizes**order, axis=-1) ** (1 / order)
    return scale * np.sqrt(sizes.dot(sizes) if sizes.ndim == 1 else np.add.reduce(sizes * sizes, axis=-1))
