"""Rules of the determinant, right for singular matrices of any rank.

The gradient of det is the matrix of cofactors, and the cofactors' derivatives are polynomials in the elements as well: all of
them are one operation, `cofactors`, whose gradient is itself with one more direction. It is computed in the basis of the
singular vectors, where A is diagonal, without a division.
"""

from itertools import permutations
from math import prod
from typing import Any

import numpy as np

from tinynet.rules.primitive import primitive
from tinynet.rules.table import rule

__all__ = ["cofactors"]


@primitive
def cofactors(a: Any, *directions: Any) -> Any:
    """The gradient of det at `a`; with directions the gradient, by A, of det's derivative in these directions.

    In the singular vectors' basis the k-th derivative of det in the directions E₁ … E_k is the sum, over distinct indices and
    the permutations σ of them, of sgn σ · ∏ E_t[i_t, i_σ(t)] · (the product of the other singular values); the one direction
    that is left out here gives the result's axes.
    """
    k, n = 1 + len(directions), a.shape[-1]
    finite = np.isfinite(a).all((-2, -1), keepdims=True)
    u, s, vh = np.linalg.svd(np.where(finite, a, 0))
    sign = np.linalg.slogdet(u)[0] * np.linalg.slogdet(vh)[0]
    turned = [u.mT @ e @ vh.mT for e in directions]
    others = _products_of_others(s, k)
    letters = "ijklmnopqrstuvwxyz"[:k]
    result = np.zeros_like(u)
    for order in permutations(range(k)):
        terms = [f"...{letters[t]}{letters[order[t]]}" for t in range(1, k)]
        axes = letters[0] + (letters[order[0]] if order[0] else "")
        part = _signature(order) * np.einsum(f"{','.join([f'...{letters}', *terms])}->...{axes}", others, *turned)
        result += part if order[0] else part[..., None] * np.eye(n, dtype=s.dtype)
    return np.where(finite, sign[..., None, None] * (u @ result @ vh), np.nan)


def _cofactors_vjp(i: int, g: Any, out: Any, a: Any, *directions: Any) -> Any:
    """The cotangent is one more direction; for a direction it takes its place, since the form is symmetric in them."""
    return cofactors(a, *directions[: max(i - 1, 0)], g, *directions[i:])


cofactors.defvjp(each=_cofactors_vjp, unpack=lambda a, *directions: ((a, *directions), {}))


def _products_of_others(s: Any, k: int) -> Any:
    """For k distinct indices the product of the elements at the others; 0 where two indices are equal."""
    n = s.shape[-1]
    chosen = (np.indices((n,) * k)[..., None] == np.arange(n)).any(0)
    products = np.prod(np.where(chosen, 1, s[(..., *(None,) * k, slice(None))]), axis=-1)
    return products * (chosen.sum(-1) == k)


def _signature(order: tuple[int, ...]) -> int:
    return prod(1 if order[i] < order[j] else -1 for j in range(len(order)) for i in range(j))


rule(
    np.linalg.det,
    lambda g, out, a: g[..., None, None] * cofactors(a),
    at={(((2.0, 0.0), (0.0, 0.0)),): (((0.0, 0.0), (0.0, 2.0)),)},
    source="Jacobi's formula, with the cofactors in place of det(A) A⁻ᵀ",
)
rule(
    np.linalg.slogdet,
    lambda g, out, a: g[1][..., None, None] * np.linalg.inv(a).mT,
    remedy="the logarithm of a zero determinant is -inf, without a gradient",
    source="Giles 2008, An extended collection of matrix derivative results",
)
