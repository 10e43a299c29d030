"""Rules of the inverses and of linear equations: inv, solve, pinv, lstsq, and their forms for more axes.

The rule of the pseudo-inverse, and so that of least squares, holds where the rank does not change nearby; wide matrices, whose
solution is the shortest of many, are no exception.
"""

from math import prod
from operator import index
from typing import Any

import numpy as np

from tinynet.rules.table import composed, rule

__all__ = ["as_read"]


def as_read(d: Any, lower: bool = True) -> Any:
    """The gradient for a symmetric matrix, moved to the triangle that the operation reads: the other one gets zeros."""
    return np.tril(d) + np.tril(d.mT, -1) if lower else np.triu(d) + np.triu(d.mT, 1)


rule(
    np.linalg.inv,
    lambda g, out, a: -out.mT @ g @ out.mT,
    remedy="np.linalg.pinv takes any matrix",
    source="Giles 2008, An extended collection of matrix derivative results",
)

# Linear equations ----------------------------------------------------------------------------------------------------


def _solve_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    """-(A⁻ᵀ g) xᵀ."""
    if b.ndim == 1:
        g, out = g[..., None], out[..., None]
    return -np.linalg.solve(a.mT, g) @ out.mT


def _solve_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    """A⁻ᵀ g."""
    return np.linalg.solve(a.mT, g[..., None])[..., 0] if b.ndim == 1 else np.linalg.solve(a.mT, g)


rule(
    np.linalg.solve,
    _solve_left,
    _solve_right,
    remedy="b is one vector, or matrices with as many rows as a; np.linalg.lstsq takes singular equations",
    source="Giles 2008, An extended collection of matrix derivative results",
)


@composed(np.linalg.tensorsolve)
def _tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """The x of ``tensordot(a, x, x.ndim) == b``: `numpy.linalg.solve` of the flattened axes."""
    order = [i for i in range(a.ndim) if axes is None or i not in {k % a.ndim for k in axes}]
    a = np.transpose(a, order + [k % a.ndim for k in axes or ()])
    shape = a.shape[-(a.ndim - np.ndim(b)) :]  # as NumPy has it: all axes where none is left
    n = prod(shape)
    if a.size != n**2:
        raise np.linalg.LinAlgError(
            f"np.linalg.tensorsolve on shapes {a.shape} and {np.shape(b)}: "
            "a must have as many elements in its first axes as in the others"
        )
    return np.linalg.solve(a.reshape(n, n), np.ravel(b)).reshape(shape)


@composed(np.linalg.tensorinv)
def _tensorinv(a: Any, ind: int = 2) -> Any:
    """`numpy.linalg.inv` of the matrix that the first `ind` axes and the others make."""
    if index(ind) < 1:
        raise ValueError(f"np.linalg.tensorinv: ind={ind} must be positive")
    return np.linalg.inv(a.reshape(prod(a.shape[ind:]), -1)).reshape(a.shape[ind:] + a.shape[:ind])


# Least squares -------------------------------------------------------------------------------------------------------
# With P the pseudo-inverse of A, dP = -P dA P + P Pᵀ dAᵀ (1 - A P) + (1 - P A) dAᵀ Pᵀ P.


def _pinv_vjp(g: Any, out: Any, a: Any, rcond: Any = None, hermitian: bool = False, **params: Any) -> Any:
    """-Pᵀ g Pᵀ + (1 - A P) gᵀ P Pᵀ + Pᵀ P gᵀ (1 - P A)."""
    t = out.mT
    if hermitian:
        a = np.tril(a) + np.tril(a, -1).mT
    d = (g.mT - a @ (out @ g.mT)) @ out @ t + t @ out @ (g.mT - (g.mT @ out) @ a) - t @ g @ t
    return as_read(d) if hermitian else d


rule(np.linalg.pinv, _pinv_vjp, source="Golub & Pereyra 1973, The differentiation of pseudo-inverses")


def _columns(x: Any) -> Any:
    return x[:, None] if x.ndim == 1 else x


def _lstsq_left(g: Any, out: Any, a: Any, b: Any, rcond: Any = None) -> Any:
    """r (P y)ᵀ + (Pᵀ x) (g - Aᵀ y)ᵀ - y xᵀ with y = Pᵀ g, r = b - A x; -2 r g xᵀ for Σ r²; U diag(g) Vᵀ for the spectrum."""
    g, g_squares, _, g_s = g
    g, x, b = _columns(g), _columns(out[0]), _columns(b)
    y, z = np.linalg.lstsq(a.mT, g, rcond)[0], np.linalg.lstsq(a.mT, x, rcond)[0]
    rest = b - a @ x
    d = rest @ np.linalg.lstsq(a, y, rcond)[0].mT + z @ (g - a.mT @ y).mT - y @ x.mT
    if g_squares.size:
        d = d - (rest * (2 * g_squares)) @ x.mT
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    return d + (u * g_s) @ vh


def _lstsq_right(g: Any, out: Any, a: Any, b: Any, rcond: Any = None) -> Any:
    """Pᵀ g; 2 r g for Σ r²."""
    g, g_squares, *_ = g
    d = np.linalg.lstsq(a.mT, _columns(g), rcond)[0]
    if g_squares.size:
        d = d + (_columns(b) - a @ _columns(out[0])) * (2 * g_squares)
    return d.reshape(b.shape)


rule(
    np.linalg.lstsq,
    _lstsq_left,
    _lstsq_right,
    remedy="takes one matrix and as many right-hand sides as b has columns, each as long as the matrix has rows",
    source="Golub & Pereyra 1973, The differentiation of pseudo-inverses",
)
