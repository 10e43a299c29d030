"""B-splines: all basis functions of a grid at once; their derivatives are differences of the basis one order lower."""

import operator
from typing import Any

import numpy as np

from tinynet.rules.checks import refuse
from tinynet.rules.primitive import primitive
from tinynet.rules.rows import floats

__all__ = ["bspline_basis"]


def _grid(x: Any, knots: Any) -> Any:
    """The knots in the dtype of `x`, with axes of length 1 behind the first so that each knot broadcasts against `x`."""
    missing = np.ndim(x) - (knots.ndim - 1)
    return np.reshape(knots, (knots.shape[0], *[1] * missing, *knots.shape[1:])).astype(x.dtype)


def _per_span(grid: Any, order: int) -> Any:
    """1 / (tᵢ₊ₖ - tᵢ), and 0 where the knots coincide: the convention 0/0 = 0 of the recursion."""
    span = grid[order:] - grid[:-order]
    return (span > 0) / np.where(span > 0, span, 1)


@primitive
def bspline_basis(x: Any, knots: Any, order: int = 3) -> Any:
    """The values of all B-splines on a grid of knots, by the recursion of Cox and de Boor.

    The spline i of order 0 is 1 on [tᵢ, tᵢ₊₁) and 0 elsewhere, and that of order k is

        (x - tᵢ) / (tᵢ₊ₖ - tᵢ) · Bᵢ,ₖ₋₁(x) + (tᵢ₊ₖ₊₁ - x) / (tᵢ₊ₖ₊₁ - tᵢ₊₁) · Bᵢ₊₁,ₖ₋₁(x).

    Within [tₖ, t₋ₖ₋₁] they sum to 1; outside the grid, and at its last knot, all are 0 (de Boor 1978, "A practical guide to
    splines").

    Parameters
    ----------
    x : array or Tensor
        Where to compute them; any shape.
    knots : array or Tensor, shape (m,) or (m, ...)
        The grid, in ascending order along the first axis; what follows broadcasts against `x`, for grids that differ. They are
        taken in the dtype of `x` and have no derivative. Knots may coincide, a fraction of 0/0 counts as 0.
    order : int
        The degree of the pieces: 0 for steps, 1 for hats, 3 for cubic splines.

    Returns
    -------
    array or Tensor, shape (m - order - 1, ...)
        A basis function a row, then the shape of `x`. The derivative for the order k is
        k / (tᵢ₊ₖ - tᵢ) · Bᵢ,ₖ₋₁ - k / (tᵢ₊ₖ₊₁ - tᵢ₊₁) · Bᵢ₊₁,ₖ₋₁, at a knot that of the right side.

    Raises
    ------
    ValueError
        If there are fewer than order + 2 knots, they descend or are not finite, or the order is negative.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.bspline_basis(np.array([0.5, 1.0, 7.0]), np.arange(4.0), order=1)
    array([[0.5, 1. , 0. ],
           [0. , 0. , 0. ]])
    >>> tn.bspline_basis(np.array([3.0, 3.5]), np.arange(8.0))
    array([[0.16666667, 0.02083333],
           [0.66666667, 0.47916667],
           [0.16666667, 0.47916667],
           [0.        , 0.02083333]])
    """
    x, knots = floats(x), floats(knots)
    if operator.index(order) < 0 or knots.ndim == 0 or len(knots) < order + 2:
        raise ValueError(
            f"knots of shape {knots.shape} for B-splines of order {order}; the order is at least 0, and there are at least "
            "order + 2 knots"
        )
    refuse(~np.isfinite(knots), ValueError, "the knots of B-splines must be finite numbers")
    refuse(knots[1:] < knots[:-1], ValueError, "the knots of B-splines must ascend along the first axis; sort them")
    grid = _grid(x, knots)
    inside = np.minimum(np.maximum(x, np.nextafter(grid[0], -np.inf)), grid[-1])  # an infinity lies outside like any number
    distance = np.subtract(inside, grid, order="C")  # whatever the order of x, so that what follows runs along memory
    passed = distance >= 0
    basis = (passed[:-1] != passed[1:]) + 0 * inside  # NaN stays NaN
    for k in range(1, order + 1):
        part = basis * _per_span(grid, k)
        basis = distance[: -k - 1] * part[:-1] - distance[k + 1 :] * part[1:]
    return basis


def _slopes(x: Any, knots: Any, order: int) -> Any:
    part = bspline_basis(x, knots, order - 1) * (order * _per_span(_grid(x, knots), order))
    return part[:-1] - part[1:]


bspline_basis.defvjp(
    lambda g, out, x, knots, order=3: np.sum(g * _slopes(x, knots, order), axis=0) if order else np.zeros_like(g[0]),
    None,
    kinks=lambda x, knots, order=3: x - _grid(x, knots),
    at={(0.0, (0.0, 0.0, 0.0, 0.0, 1.0)): (-3.0, None), (1.0, (0.0, 1.0, 1.0, 1.0, 1.0)): (0.0, None)},
    remedy="knots[0] must broadcast against x",
    source="de Boor 1978, A practical guide to splines, chapter X",
)
