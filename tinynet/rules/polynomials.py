"""Polynomials as vectors of coefficients, the highest power first: compositions of sums, products and convolutions."""

from typing import Any

import numpy as np

from tinynet.rules.shapes import as_is
from tinynet.rules.table import composed

__all__: list[str] = []


@composed(np.polyval)
def _polyval(p: Any, x: Any) -> Any:
    """The value at `x`, by Horner's scheme."""
    y = np.zeros_like(x)
    for coefficient in p:
        y = y * x + coefficient
    return y


def _of_one_length(a1: Any, a2: Any) -> tuple[Any, Any]:
    """Both polynomials with zeros in front, where powers are missing."""
    a1, a2 = np.atleast_1d(a1, a2)
    missing = len(a1) - len(a2)
    return np.pad(a1, (max(-missing, 0), 0)), np.pad(a2, (max(missing, 0), 0))


@composed(np.polyadd)
def _polyadd(a1: Any, a2: Any) -> Any:
    """The sum of two polynomials."""
    return np.add(*_of_one_length(a1, a2))


@composed(np.polysub)
def _polysub(a1: Any, a2: Any) -> Any:
    """The difference of two polynomials."""
    return np.subtract(*_of_one_length(a1, a2))


@composed(np.polymul)
def _polymul(a1: Any, a2: Any) -> Any:
    """The product of two polynomials: the convolution of the coefficients."""
    return np.convolve(*(_trimmed(x) for x in np.atleast_1d(a1, a2)))


def _trimmed(p: Any) -> Any:
    """A polynomial without the zeros in front."""
    return np.trim_zeros(p, "f") if np.any(p) else p[-1:]


@composed(np.poly)
def _poly(seq_of_zeros: Any) -> Any:
    """The polynomial with the given roots."""
    zeros = np.atleast_1d(np.stack(seq_of_zeros) if isinstance(seq_of_zeros, list | tuple) else seq_of_zeros)
    if zeros.ndim > 1:
        raise TypeError("np.poly on a tensor takes the roots; those of a matrix are complex in general, and tensors are real")
    zeros = zeros if zeros.dtype.char in "fdg" else zeros.astype(float)
    p = np.ones(1, zeros.dtype)
    for zero in zeros:
        p = np.convolve(p, np.stack([np.ones_like(zero), -zero]))
    return p


@composed(np.polyder)
def _polyder(p: Any, m: int = 1) -> Any:
    """The m-th derivative of a polynomial."""
    if m < 0:
        raise ValueError(f"np.polyder: m={m}; the order of a derivative is not negative (np.polyint integrates)")
    for _ in range(m):
        p = p[:-1] * np.arange(len(p) - 1, 0, -1)
    return p


@composed(np.polyint)
def _polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The m-th antiderivative of a polynomial, with `k` as the constants of integration."""
    if m < 0:
        raise ValueError(f"np.polyint: m={m}; the order of an antiderivative is not negative (np.polyder differentiates)")
    constants = np.reshape(0.0 if k is None else k, -1)
    if constants.size not in (1, m):
        raise ValueError(f"np.polyint: {constants.size} constants for m={m}; it takes one for each integration, or one for all")
    for i in range(m):
        p = np.concatenate([p / np.arange(len(p), 0, -1), constants[i % constants.size :][:1]])
    return p


@composed(np.polyfit)
def _polyfit(x: Any, y: Any, deg: int, rcond: float | None = None, *, w: Any = None) -> Any:
    """The polynomial of least squared distance from the points (x, y), each times its weight: `numpy.linalg.lstsq`."""
    x, y = as_is(x) + 0.0, as_is(y) + 0.0
    if x.ndim != 1 or x.size == 0 or len(x) != len(y):
        raise ValueError(f"np.polyfit: x of shape {x.shape} and y of shape {y.shape}; both have a row for each point")
    powers = np.vander(x, deg + 1)
    if w is not None:
        powers, y = powers * np.expand_dims(w, 1), y * (np.expand_dims(w, 1) if np.ndim(y) == 2 else w)
    scale = np.sqrt(np.sum(powers * powers, axis=0))
    c = np.linalg.lstsq(powers / scale, y, len(x) * np.finfo(x.dtype).eps if rcond is None else rcond)[0]
    return np.transpose(np.transpose(c) / scale)
