"""Rules of the products: matmul and dot in all of NumPy's cases and their kin, chains and powers, einsum."""

from math import prod
from typing import Any

import numpy as np

from tinynet.errors import ShapeError
from tinynet.rules.shapes import axes_in
from tinynet.rules.table import composed, rule

__all__: list[str] = []

# matmul --------------------------------------------------------------------------------------------------------------
# A vector on the left is a matrix of one row, one on the right a matrix of one column; the cotangent is given the axes
# that the product dropped, and the results lose them again. Batch axes broadcast and are summed by the backward pass.


def _transposed(x: Any) -> Any:
    return x.T if x.ndim == 2 else np.swapaxes(x, -1, -2)


def _as_matrix(g: Any, x: Any, y: Any) -> Any:
    if y.ndim == 1:
        g = np.expand_dims(g, -1)
    return np.expand_dims(g, -2) if x.ndim == 1 else g


def _matmul_left(g: Any, x: Any, y: Any) -> Any:
    d = np.matmul(_as_matrix(g, x, y), _transposed(y[:, None] if y.ndim == 1 else y))
    return d[..., 0, :] if x.ndim == 1 else d


def _matmul_right(g: Any, x: Any, y: Any) -> Any:
    d = np.matmul(_transposed(x[None, :] if x.ndim == 1 else x), _as_matrix(g, x, y))
    return d[..., 0] if y.ndim == 1 else d


_MATMUL_REMEDY = "the last axis of the left operand must be as long as the second-to-last of the right; transpose one with .T"

rule(
    np.matmul,
    lambda g, out, x, y: _matmul_left(g, x, y),
    lambda g, out, x, y: _matmul_right(g, x, y),
    remedy=_MATMUL_REMEDY,
)

# dot and its kin -----------------------------------------------------------------------------------------------------


def _dot_left(g: Any, a: Any, b: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return g * b
    if b.ndim == 1:
        return g[..., None] * b
    if a.ndim == b.ndim == 2:
        return g.dot(b.T)
    shared = [*range(b.ndim - 2), b.ndim - 1]
    return np.tensordot(g, b, (list(range(a.ndim - 1, g.ndim)), shared))


def _dot_right(g: Any, a: Any, b: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return g * a
    if a.ndim == b.ndim == 2:
        return np.dot(a.T, g)  # not a.T.dot(g): an array's method does not dispatch on a tensor
    rows = list(range(a.ndim - 1))
    d = np.tensordot(a, g, (rows, rows))
    return d if b.ndim == 1 else np.moveaxis(d, 0, -2)


rule(np.dot, lambda g, out, a, b: _dot_left(g, a, b), lambda g, out, a, b: _dot_right(g, a, b), remedy=_MATMUL_REMEDY)


@composed(np.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    if np.ndim(axes) == 0:
        axes = (tuple(range(np.ndim(a) - axes, np.ndim(a))), tuple(range(axes)))
    summed_a, summed_b = (list(axes_in(np.tensordot, x, which)) for x, which in zip((a, b), axes, strict=True))
    if [np.shape(a)[i] for i in summed_a] != [np.shape(b)[i] for i in summed_b]:
        raise ShapeError(
            f"np.tensordot on shapes {np.shape(a)} and {np.shape(b)}: the summed axes {summed_a} and {summed_b} must "
            "be equally long in pairs"
        )
    kept_a = [i for i in range(np.ndim(a)) if i not in summed_a]
    kept_b = [i for i in range(np.ndim(b)) if i not in summed_b]
    shape_a, shape_b = [np.shape(a)[i] for i in kept_a], [np.shape(b)[i] for i in kept_b]
    length = prod(np.shape(a)[i] for i in summed_a)
    left = np.transpose(a, kept_a + summed_a).reshape(prod(shape_a), length)
    right = np.transpose(b, summed_b + kept_b).reshape(length, prod(shape_b))
    return np.matmul(left, right).reshape(shape_a + shape_b)


@composed(np.outer)
def _outer(a: Any, b: Any, out: None = None) -> Any:
    return np.ravel(a)[:, None] * np.ravel(b)


@composed(np.inner)
def _inner(a: Any, b: Any) -> Any:
    return a * b if np.ndim(a) == 0 or np.ndim(b) == 0 else np.tensordot(a, b, (-1, -1))


@composed(np.vdot)
def _vdot(a: Any, b: Any) -> Any:
    return np.dot(np.ravel(a), np.ravel(b))


@composed(np.kron)
def _kron(a: Any, b: Any) -> Any:
    """Blocks a[i, j] · b: the axes of the two alternate, then merge in pairs."""
    ndim = max(np.ndim(a), np.ndim(b))
    outside, inside = ((1,) * (ndim - np.ndim(x)) + np.shape(x) for x in (a, b))
    left = np.reshape(a, [length for n in outside for length in (n, 1)])
    right = np.reshape(b, [length for n in inside for length in (1, n)])
    return np.reshape(left * right, [m * n for m, n in zip(outside, inside, strict=True)])


@composed(np.cross)
def _cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """a₁b₂ - a₂b₁, a₂b₀ - a₀b₂, a₀b₁ - a₁b₀ (vectors of length 3; those of length 2 are on their way out of NumPy)."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ShapeError(f"np.cross: vectors have length 3, not {a.shape[-1]} and {b.shape[-1]}; append a zero with np.pad")
    (a0, a1, a2), (b0, b1, b2) = ([x[..., i] for i in range(3)] for x in (a, b))
    return np.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=axisc)


def _vecdot_vjp(g: Any, x: Any, other: Any, axis: int) -> Any:
    """g · other; the axis is counted in each operand by itself, and so put back from the end."""
    return np.moveaxis(g[..., None] * np.moveaxis(other, axis, -1), -1, axis if axis < 0 else axis - x.ndim)


rule(
    np.vecdot,
    lambda g, out, x1, x2, axis=-1: _vecdot_vjp(g, x1, x2, axis),
    lambda g, out, x1, x2, axis=-1: _vecdot_vjp(g, x2, x1, axis),
)

if hasattr(np, "matvec"):  # NumPy 2.2
    rule(
        np.matvec,
        lambda g, out, x1, x2: g[..., :, None] * x2[..., None, :],
        lambda g, out, x1, x2: np.vecmat(g, x1),
        remedy=_MATMUL_REMEDY,
    )
    rule(
        np.vecmat,
        lambda g, out, x1, x2: np.matvec(x2, g),
        lambda g, out, x1, x2: x1[..., :, None] * g[..., None, :],
        remedy=_MATMUL_REMEDY,
    )

# The array API's names -----------------------------------------------------------------------------------------------


@composed(np.linalg.matmul)
def _linalg_matmul(x1: Any, x2: Any, /) -> Any:
    """`numpy.matmul`."""
    return np.matmul(x1, x2)


@composed(np.linalg.tensordot)
def _linalg_tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """`numpy.tensordot`."""
    return np.tensordot(x1, x2, axes)


@composed(np.linalg.vecdot)
def _linalg_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """`numpy.vecdot`."""
    return np.vecdot(x1, x2, axis=axis)  # type: ignore[call-overload]


@composed(np.linalg.outer)
def _linalg_outer(x1: Any, x2: Any, /) -> Any:
    """`numpy.outer` of vectors."""
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ShapeError(f"np.linalg.outer: takes vectors, not shapes {np.shape(x1)} and {np.shape(x2)}; np.outer ravels them")
    return np.outer(x1, x2)


@composed(np.linalg.cross)
def _linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """`numpy.cross`."""
    return np.cross(x1, x2, axis=axis)


# Chains and powers ---------------------------------------------------------------------------------------------------


def _multi_dot_vjp(i: int, g: Any, out: Any, *arrays: Any) -> Any:
    """The cotangent between the transposes of what stands left and right of operand `i`, in a chain of the same length."""
    if len(arrays) == 2:  # which NumPy takes for a dot, with as many axes as that may have
        return (_dot_left if i == 0 else _dot_right)(g, *arrays)
    rows, columns = arrays[0].shape[:-1], arrays[-1].shape[1:]  # () where a chain begins or ends with a vector
    chain = [arrays[0][None] if rows == () else arrays[0], *arrays[1:]]
    if columns == ():
        chain[-1] = chain[-1][:, None]
    g = np.reshape(g, (*(rows or (1,)), *(columns or (1,))))
    left, right = [x.T for x in chain[:i]], [x.T for x in chain[i + 1 :]]
    return np.linalg.multi_dot([*left[::-1], g, *right[::-1]]).reshape(arrays[i].shape)


rule(
    np.linalg.multi_dot,
    each=_multi_dot_vjp,
    forward=lambda *arrays: np.linalg.multi_dot(arrays),
    unpack=lambda arrays: (tuple(arrays), {}),
    remedy=_MATMUL_REMEDY,
)


def _block_triangular(a: Any, corner: Any) -> Any:
    """The block matrix [[a, corner], [0, a]]."""
    above = np.concatenate([a, corner], axis=-1)
    below = np.concatenate([np.zeros_like(a), a], axis=-1)
    return np.concatenate([above, below], axis=-2)


rule(
    np.linalg.matrix_power,  # a function of [[A, E], [0, A]] has its derivative at A in the direction E in the upper corner
    lambda g, out, a, n: np.linalg.matrix_power(_block_triangular(a.mT, g), n)[..., : a.shape[-1], a.shape[-1] :],
    source="Mathias 1996, A chain rule for matrix functions and applications",
)

# einsum --------------------------------------------------------------------------------------------------------------


_LETTERS = "".join(map(chr, [*range(65, 91), *range(97, 123)]))  # as in `string`, whose import takes a millisecond


def _explicit(subscripts: str, operands: Any) -> tuple[list[str], str]:
    """The labels of each operand and of the result, with ``...`` and an implied result written out."""
    subscripts = subscripts.replace(" ", "")
    left, arrow, result = subscripts.partition("->")
    terms = left.split(",")
    free = [letter for letter in _LETTERS if letter not in subscripts]
    pairs = zip(terms, operands, strict=True)
    widths = [np.ndim(x) - len(term.replace("...", "")) if "..." in term else 0 for term, x in pairs]
    dots = "".join(free[: max(widths, default=0)])
    if not arrow:
        letters = left.replace(",", "").replace(".", "")
        result = "..." + "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    terms = [term.replace("...", dots[len(dots) - width :]) for term, width in zip(terms, widths, strict=True)]
    return terms, result.replace("...", dots)


def _einsum_operands(*args: Any, optimize: Any = False) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(args[0], str):
        subscripts, operands = args[0], args[1:]
    else:  # operands, each with its list of labels, and perhaps the result's list
        operands = args[: len(args) - len(args) % 2 : 2]
        lists = [*args[1::2], args[-1]] if len(args) % 2 else args[1::2]
        terms = ["".join("..." if label is Ellipsis else _LETTERS[label] for label in labels) for labels in lists]
        subscripts = ",".join(terms[: len(operands)]) + ("->" + terms[-1] if len(args) % 2 else "")
    return operands, {"subscripts": subscripts, "optimize": optimize}


def _einsum_vjp(i: int, g: Any, out: Any, *operands: Any, subscripts: str, optimize: Any) -> Any:
    """One einsum of the cotangent with the other operands.

    A label that only operand `i` has was summed: it comes back as a vector of ones, also where the others have it with
    length 1. A label that operand `i` repeats took its diagonal: the repeats get labels of their own, tied to the first
    by identity matrices.
    """
    terms, result = _explicit(subscripts, operands)
    factors = [g] + [x for j, x in enumerate(operands) if j != i]
    labels = [result] + [term for j, term in enumerate(terms) if j != i]
    lengths: dict[str, int] = {}  # of each label in the other factors; 1 broadcasts
    for term, x in zip(labels, factors, strict=True):
        lengths.update({label: n for label, n in zip(term, np.shape(x), strict=True) if lengths.get(label, 1) == 1})
    free = iter([letter for letter in _LETTERS if letter not in "".join(terms)])
    target = ""
    for label, n in zip(terms[i], operands[i].shape, strict=True):
        if label in target:
            twin = next(free)
            factors.append(np.eye(n, dtype=g.dtype))
            labels.append(label + twin)
            target += twin
            continue
        if lengths.get(label) != n:
            factors.append(np.ones(n, dtype=g.dtype))
            labels.append(label)
        target += label
    return np.einsum(f"{','.join(labels)}->{target}", *factors, optimize=optimize)


rule(
    np.einsum,
    each=_einsum_vjp,
    forward=lambda *operands, subscripts, optimize: np.einsum(subscripts, *operands, optimize=optimize),
    unpack=_einsum_operands,
    remedy="a label stands for one length in all operands",
)
