"""Rules of the parts of matrices: diagonals, triangles, the trace; and matrices made of vectors."""

from typing import Any

import numpy as np

from tinynet.errors import ShapeError
from tinynet.rules.primitive import primitive
from tinynet.rules.table import composed, rule

__all__ = ["on_diagonal"]

# Diagonals -----------------------------------------------------------------------------------------------------------


@primitive
def on_diagonal(x: Any, shape: tuple[int, ...], offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Zeros of the given shape, with the last axis of `x` along a diagonal: what `numpy.diagonal` takes out, put back."""
    out = np.zeros(shape, x.dtype)
    diagonal = np.diagonal(out, offset, axis1, axis2)
    diagonal.flags.writeable = True
    diagonal[...] = x
    return out


on_diagonal.defvjp(lambda g, out, x, shape, offset=0, axis1=0, axis2=1: np.diagonal(g, offset, axis1, axis2))

rule(
    np.diagonal,
    lambda g, out, a, offset=0, axis1=0, axis2=1: on_diagonal(g, a.shape, offset, axis1, axis2),
)


@composed(np.diag)
def _diag(v: Any, k: int = 0) -> Any:
    """The diagonal of a matrix, or the diagonal matrix of a vector."""
    if v.ndim not in (1, 2):
        raise ShapeError(f"np.diag: takes a vector or a matrix, not shape {v.shape}; np.diagonal takes stacks of matrices")
    return np.diagonal(v, k) if v.ndim == 2 else on_diagonal(v, (v.shape[0] + abs(k),) * 2, k)


@composed(np.diagflat)
def _diagflat(v: Any, k: int = 0) -> Any:
    """The diagonal matrix of all elements."""
    return np.diag(np.ravel(v), k)


@composed(np.trace)
def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Any:
    """Σ aᵢᵢ."""
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@composed(np.linalg.diagonal)
def _linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonals of a stack of matrices."""
    return np.diagonal(x, offset, -2, -1)


@composed(np.linalg.trace)
def _linalg_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The traces of a stack of matrices."""
    return np.trace(x, offset, -2, -1, dtype)


# Triangles and the transpose -----------------------------------------------------------------------------------------

rule(np.tril, lambda g, out, m, k=0: np.tril(g, k))
rule(np.triu, lambda g, out, m, k=0: np.triu(g, k))


@composed(np.matrix_transpose)
@composed(np.linalg.matrix_transpose)
def _matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged."""
    if x.ndim < 2:
        raise ShapeError(f"np.matrix_transpose: takes matrices, not shape {x.shape}; x[:, None] makes a column of a vector")
    return np.swapaxes(x, -1, -2)


# Matrices made of vectors --------------------------------------------------------------------------------------------


def _vander_vjp(g: Any, out: Any, x: Any, N: Any = None, increasing: bool = False) -> Any:
    """The derivative of x to the n is n times the column before."""
    g, powers = (g, out) if increasing else (g[:, ::-1], out[:, ::-1])
    n = np.arange(1, max(out.shape[1], 1), dtype=out.dtype)
    return np.sum(g[:, 1:] * n * powers[:, :-1], axis=-1)


rule(np.vander, _vander_vjp)
