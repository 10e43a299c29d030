"""Attention: each query takes a weighted mean of values, by how well their keys match it."""

from typing import Any

import numpy as np

from tinynet.errors import ShapeError
from tinynet.nn.lossparts import as_operand, values
from tinynet.nn.options import number
from tinynet.rules.activations import softmax

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, *, is_causal: bool = False, scale: float | None = None
) -> Any:
    """softmax(query · keyᵀ · scale) · value (Vaswani et al. 2017, "Attention is all you need").

    Parameters
    ----------
    query : array or Tensor, shape (..., L, E)
        The queries.
    key : array or Tensor, shape (..., S, E)
        The keys; the axes in front broadcast.
    value : array or Tensor, shape (..., S, V)
        The value of each key.
    attn_mask : array or Tensor, broadcasts to shape (..., L, S), optional
        Bools, True where a query may see a key; or floats that are added to the scores, -inf to hide a key. A query that
        sees no key gives zeros.
    is_causal : bool
        Whether a query sees no key behind its own position, and there is no `attn_mask`.
    scale : float, optional
        The factor of the scores, 1/√E unless given.

    Returns
    -------
    array or Tensor, shape (..., L, V)
        Of the dtype of queries, keys and values; a mask and a scale of higher precision do not change it.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or there is no key.
    ValueError
        If there are both a mask and `is_causal`.
    TypeError
        If the mask is neither of bools nor of floats.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> query, key, value = np.array([[100.0, 0.0]]), np.eye(2), np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    >>> tn.nn.functional.scaled_dot_product_attention(query, key, value)
    array([[1., 2., 3.]])
    """
    query, key, value = map(as_operand, (query, key, value))
    _check(query, key, value)
    scores = np.matmul(query * (query.shape[-1] ** -0.5 if scale is None else number(scale)), key.swapaxes(-1, -2))
    if is_causal:
        if attn_mask is not None:
            raise ValueError("scaled_dot_product_attention: give attn_mask or is_causal=True, not both")
        weights = softmax(np.where(np.tri(*scores.shape[-2:], dtype=np.bool_), scores, -np.inf))
    else:
        weights = softmax(scores) if attn_mask is None else _masked(scores, as_operand(attn_mask))
    return np.matmul(weights, value)


def _masked(scores: Any, mask: Any) -> Any:
    """The weights of keys of which a mask hides some."""
    if mask.dtype.kind not in "bf":
        raise TypeError(
            f"scaled_dot_product_attention: the mask is of {mask.dtype}; it must be of bools or floats: mask.astype(bool) if "
            "its ones are what a query may see"
        )
    try:
        np.broadcast_to(mask, scores.shape)
    except ValueError as error:
        raise ShapeError(
            f"scaled_dot_product_attention: the mask has shape {mask.shape}, the scores {scores.shape}: it must broadcast to "
            "them, with a row for each query and a column for each key"
        ) from error
    visible = values(mask) if mask.dtype.kind == "b" else values(mask) != -np.inf
    masked = scores + mask if mask.dtype.kind == "f" else scores
    sees = np.any(visible, axis=-1, keepdims=True)
    hidden = np.where(sees, -np.inf, 0.0).astype(masked.dtype)  # a row that is hidden altogether must not shift -∞ by -∞
    weights = softmax(np.where(visible, masked, hidden)) * sees
    # cast last, for the lowest number of a mask of higher precision would be -∞ in the dtype of the scores
    return weights if weights.dtype == scores.dtype else weights.astype(scores.dtype)


def _check(query: Any, key: Any, value: Any) -> None:
    fits = min(query.ndim, key.ndim, value.ndim) >= 2 and query.shape[-1] == key.shape[-1] > 0
    if fits and key.shape[-2] == value.shape[-2] > 0:
        try:
            np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
        except ValueError:
            pass
        else:
            return
    raise ShapeError(
        f"scaled_dot_product_attention: the queries have shape {query.shape}, the keys {key.shape}, the values {value.shape}; "
        "they must be (..., L, E), (..., S, E) and (..., S, V), with at least one key, and axes in front that broadcast"
    )
