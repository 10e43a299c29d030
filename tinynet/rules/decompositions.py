"""Rules of the factorisations: cholesky, qr, eigh and svd.

An operation that takes a symmetric matrix reads one triangle of it, and the gradient stands in that triangle: it is what
changing one element does. (Elsewhere it may be shared between the triangles; with A = (X + Xᵀ)/2 both give the same for X.)

Singular or eigenvectors turn by an amount inverse to the distance of their values. Where two values are equal, to within
rounding, the vectors are not differentiable, and the term in which they turn into each other is 0. So functions of the values
alone that treat them alike, and of the projection on their common space, have their true gradient there; V f(w) Vᵀ has not.
"""

from typing import Any

import numpy as np

from tinynet.rules.inverses import as_read
from tinynet.rules.table import composed, rule

__all__: list[str] = []

_IDENTITY = ((1.0, 0.0), (0.0, 1.0))

# Triangular factors --------------------------------------------------------------------------------------------------


def _cholesky_vjp(g: Any, out: Any, a: Any, *, upper: bool = False) -> Any:
    """L⁻ᵀ S L⁻¹, with S half the lower triangle of Lᵀ g, mirrored."""
    g, factor = (g.mT, out.mT) if upper else (g, out)
    inner = np.tril(factor.mT @ g)
    inner = 0.5 * (inner + np.tril(inner, -1).mT)
    left = np.linalg.solve(factor.mT, inner)
    return as_read(np.linalg.solve(factor.mT, left.mT), not upper)


rule(
    np.linalg.cholesky,
    _cholesky_vjp,
    remedy="a small multiple of the identity, added to a matrix that is barely not so, makes it positive definite",
    source="Murray 2016, Differentiation of the Cholesky decomposition",
)


def _qr(a: Any, mode: str = "reduced") -> Any:
    if a.ndim < 2:
        raise np.linalg.LinAlgError("takes matrices")
    if mode == "raw" or (mode == "complete" and a.shape[-2] > a.shape[-1]):
        raise TypeError(f"mode={mode!r} has no gradient here, for it is not determined by the matrix; use mode='reduced'")
    return np.linalg.qr(a, mode)  # type: ignore[call-overload]


def _qr_vjp(g: Any, out: Any, a: Any, mode: str = "reduced") -> Any:
    """(g_Q + Q M) R⁻ᵀ, with M the lower triangle of R g_Rᵀ - g_Qᵀ Q mirrored; Q g_R for what stands right of a square."""
    if mode == "r":
        q, r = np.linalg.qr(a)[0], out
        g_q, g_r = np.zeros_like(q), g
    else:
        (g_q, g_r), (q, r) = g, out
    n = r.shape[-2]
    g_q = g_q + a[..., n:] @ g_r[..., n:].mT
    m = r[..., :n] @ g_r[..., :n].mT - g_q.mT @ q
    symmetric = np.tril(m) + np.tril(m, -1).mT
    left = np.linalg.solve(r[..., :n], (g_q + q @ symmetric).mT).mT
    return np.concatenate([left, q @ g_r[..., n:]], axis=-1)


def _qr_kinks(a: Any, mode: str = "reduced") -> Any:
    """Zero where a column depends on those before it."""
    return np.diagonal(np.linalg.qr(a, "r"), axis1=-2, axis2=-1)


rule(
    np.linalg.qr,
    _qr_vjp,
    forward=_qr,
    kinks=_qr_kinks,
    at={(((2.0,),),): (((1.0,),),)},
    remedy="the gradient wants independent columns; of a wide matrix the first square of them",
    source="Walter & Lehmann 2010, Algorithmic differentiation of linear algebra functions; for wide matrices Roberts & "
    "Roberts 2020, QR and LQ decomposition matrix backpropagation algorithms",
)

# Spectra -------------------------------------------------------------------------------------------------------------


def _reciprocal(d: Any, values: Any) -> Any:
    """1/d; 0 where d, a sum or difference of the values, is zero to within rounding."""
    near = np.abs(d) <= float(np.finfo(d.dtype).eps) * np.sum(np.abs(values), axis=-1)[..., None, None]
    return np.where(near, 0, 1 / np.where(near, 1, d))


def _skew(x: Any) -> Any:
    return x - x.mT


def _eigh_vjp(g: Any, out: Any, a: Any, UPLO: str = "L") -> Any:
    """V (diag g_w + F ∘ skew(Vᵀ g_V) / 2) Vᵀ, with F the reciprocals of the differences w_j - w_i."""
    (g_w, g_v), (w, v) = g, out
    turns = 0.5 * _skew(v.mT @ g_v) * _reciprocal(w[..., None, :] - w[..., :, None], w)
    return as_read((v * g_w[..., None, :] + v @ turns) @ v.mT, UPLO in "Ll")


def _gaps(values: Any) -> Any:
    """The distances of neighbours in an ordered spectrum."""
    return values[..., 1:] - values[..., :-1]


rule(
    np.linalg.eigh,
    _eigh_vjp,
    kinks=lambda a, UPLO="L": _gaps(np.linalg.eigvalsh(a, UPLO)),
    at={(_IDENTITY,): (_IDENTITY,)},
    source="Giles 2008, An extended collection of matrix derivative results",
)
rule(
    np.linalg.eigvalsh,
    lambda g, out, a, UPLO="L": as_read(((v := np.linalg.eigh(a, UPLO)[1]) * g[..., None, :]) @ v.mT, UPLO in "Ll"),
    kinks=lambda a, UPLO="L": _gaps(np.linalg.eigvalsh(a, UPLO)),
    at={(_IDENTITY,): (_IDENTITY,)},
    source="Giles 2008, An extended collection of matrix derivative results",
)


def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    if compute_uv and full_matrices and a.shape[-2] != a.shape[-1]:
        raise TypeError(
            "full_matrices=True has no gradient where the matrix is not square, for it does not determine all vectors; "
            "use full_matrices=False"
        )
    return np.linalg.svd(a, full_matrices, compute_uv, hermitian)  # type: ignore[call-overload]


def _svd_vjp(g: Any, out: Any, a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """U (diag g_s + (E ∘ (X + Y) + H ∘ (X - Y)) / 2) Vᵀ, and the parts of g_U and g_V outside the spaces, over s.

    X and Y are skew(Uᵀ g_U) and skew(Vᵀ g_V), E and H the reciprocals of the singular values' differences s_j - s_i and sums:
    each has its own 0/0, at equal values and at zeros.
    """
    if compute_uv:
        (g_u, g_s, g_vh), (u, s, vh) = g, out
        x, y = _skew(u.mT @ g_u), _skew(vh @ g_vh.mT)
        right, below = s[..., None, :], s[..., :, None]
        turns = 0.5 * ((x + y) * _reciprocal(right - below, s) + (x - y) * _reciprocal(right + below, s))
        inner = u @ turns
    else:
        g_s, (u, s, vh) = g, np.linalg.svd(a, full_matrices=False, hermitian=hermitian)
        inner = 0
    d = (u * (g_s * np.sign(s))[..., None, :] + inner) @ vh  # at zero a singular value has the kink of abs
    if compute_uv and a.shape[-2] > a.shape[-1]:
        d = d + ((g_u - u @ (u.mT @ g_u)) * _reciprocal(right, s)) @ vh
    if compute_uv and a.shape[-2] < a.shape[-1]:
        d = d + (u * _reciprocal(right, s)) @ (g_vh - (g_vh @ vh.mT) @ vh)
    return as_read(0.5 * (d + d.mT)) if hermitian else d


def _svd_kinks(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    s = np.linalg.svd(a, compute_uv=False, hermitian=hermitian)
    return np.concatenate([_gaps(s), s[..., -1:]], axis=-1)


rule(
    np.linalg.svd,
    _svd_vjp,
    forward=_svd,
    kinks=_svd_kinks,
    at={(_IDENTITY,): (_IDENTITY,)},
    source="Townsend 2016, Differentiating the singular value decomposition",
)


@composed(np.linalg.svdvals)
def _svdvals(x: Any, /) -> Any:
    """The singular values alone."""
    return np.linalg.svd(x, compute_uv=False)
