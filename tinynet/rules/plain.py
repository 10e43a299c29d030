"""NumPy functions without a derivative: on tensors they give what NumPy gives, plain arrays and numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["PLAIN", "REFUSED"]

PLAIN: frozenset[Callable[..., Any]] = frozenset({
    # comparisons, logic and tests
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.logical_and, np.logical_or, np.logical_xor, np.logical_not,
    np.isfinite, np.isinf, np.isnan, np.signbit, np.isneginf, np.isposinf, np.isreal, np.iscomplex, np.isrealobj,
    np.iscomplexobj, np.isclose, np.allclose, np.array_equal, np.array_equiv, np.all, np.any, np.isin,
    # integers
    np.floor_divide, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift, np.gcd, np.lcm,
    # positions and counts
    np.argmax, np.argmin, np.nanargmax, np.nanargmin, np.argsort, np.argpartition, np.argwhere, np.nonzero, np.flatnonzero,
    np.searchsorted, np.digitize, np.count_nonzero, np.lexsort, np.ravel_multi_index, np.unravel_index, np.ix_,
    np.diag_indices_from, np.tril_indices_from, np.triu_indices_from, np.einsum_path, np.linalg.matrix_rank,
    # properties
    np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.common_type, np.min_scalar_type,
    np.may_share_memory, np.shares_memory, np.spacing,
    # new arrays like an old one
    np.zeros_like, np.ones_like, np.empty_like,
    # text
    np.array2string, np.array_repr, np.array_str,
})

_COMPLEX = (
    "what it takes or gives is complex in general, and complex tensors are out of scope; {} .data or .detach() gives the "
    "value alone"
)
_WRITES = "it writes to an array, and the graph would be lost; {}, and .detach() gives the value alone"
_SPECTRA = (
    "fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn",
)  # fmt: skip

REFUSED: dict[str, str] = {
    **dict.fromkeys(
        ("np.linalg.eig", "np.linalg.eigvals"), _COMPLEX.format("np.linalg.eigh takes symmetric matrices,")
    ),
    "np.roots": _COMPLEX.format("np.polyval is differentiable,"),
    **dict.fromkeys(
        (f"np.fft.{name}" for name in _SPECTRA),
        _COMPLEX.format("np.convolve filters, a product with matrices of cosines and sines is a transform,"),
    ),
    "np.copyto": _WRITES.format("np.where(condition, t, a) makes a new one, np.broadcast_to(t, shape) does np.full's work"),
    "np.put": _WRITES.format("t[positions] = values changes a tensor, tn.scatter(values, positions, shape) makes one"),
    "np.put_along_axis": _WRITES.format("t[index] = values changes a tensor, np.where(condition, values, t) makes one"),
    **dict.fromkeys(("np.place", "np.putmask"), _WRITES.format("np.where(condition, values, t) makes a new one")),
    "np.fill_diagonal": _WRITES.format("np.where(np.eye(len(t), dtype=bool), value, t) makes a new one"),
    "np.add.at": _WRITES.format("t + tn.scatter(values, index, t.shape) is the same sum"),
    "np.subtract.at": _WRITES.format("t - tn.scatter(values, index, t.shape) is the same difference"),
    "np.polydiv": "the length of its remainder depends on rounding; np.polydiv(u.data, v.data) gives the value alone",
    "np.unique": "how many results it has depends on the values; take np.unique(t.data, return_index=True) and t[index]",
    **dict.fromkeys(
        ("np.histogram", "np.histogram2d", "np.histogramdd"),
        "its edges depend on the values; np.bincount(np.digitize(t, edges), weights) sums weights between fixed edges, with "
        "their gradient, and np.histogram(t.data) counts",
    ),
}
"""The names of functions that tensors refuse, why, and what to use instead."""
