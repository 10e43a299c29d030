"""Strategies for arrays in the domain of an operation and away from its kinks, and for shapes that broadcast."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import reject
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinynet.graph import unbroadcast
from tinynet.rules.table import REAL, Interval

__all__ = ["arrays", "broadcastable_shapes", "clear_of_kinks", "shapes"]

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

_MARGIN = 0.1  # the distance from the edges of a domain, and from the kinks of elementwise operations
_LEAD = 0.01  # the same for reductions, whose kinks (ties, constant data) lie closer together
_REACH = 3.0


@cache
def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 3) -> st.SearchStrategy[Shape]:
    """Shapes of small arrays."""
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


@cache
def broadcastable_shapes(
    count: int, *, max_dims: int = 3, min_side: int = 1, max_side: int = 3
) -> st.SearchStrategy[tuple[Shape, ...]]:
    """Several shapes that broadcast together."""
    drawn = hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=max_dims, min_side=min_side, max_side=max_side)
    return drawn.map(lambda several: several.input_shapes)


@st.composite
def arrays(
    draw: st.DrawFn,
    shape: Shape | st.SearchStrategy[Shape],
    dtype: npt.DTypeLike = np.float64,
    domain: Interval = REAL,
    avoid: Callable[[Array], Any] | None = None,
) -> Array:
    """Arrays of moderate numbers in a domain, fit for finite differences.

    Parameters
    ----------
    shape : tuple of int, or a strategy of such
        The shape.
    dtype : dtype
        A floating dtype.
    domain : Interval
        An open interval of the real line, as in a row of the rule table; the numbers keep 0.1 away from its ends.
    avoid : callable, optional
        A function of the array that is zero at points to stay away from, as the `kinks` of a row are.

    Returns
    -------
    SearchStrategy
        Of arrays.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> from hypothesis import given
    >>> @given(tn.testing.strategies.arrays((2, 3), avoid=lambda x: x - 1))
    ... def check(x):
    ...     assert np.all(abs(x - 1) >= 0.1)
    >>> check()
    """
    x: Array = draw(_numbers(shape if isinstance(shape, tuple) else draw(shape), domain)).astype(dtype)
    return x if avoid is None else clear_of_kinks([x], avoid)[0]


@cache
def _numbers(shape: Shape, domain: Interval) -> st.SearchStrategy[Array]:
    """Kept, since hypothesis takes longer to prepare a strategy than to draw from it."""
    return hnp.arrays(np.float64, shape, elements=st.floats(*bounds(domain), allow_subnormal=False), fill=st.nothing())


def bounds(domain: Interval) -> tuple[float, float]:
    """The ends of the part of a domain that numbers are drawn from."""
    low = domain.low + _MARGIN if np.isfinite(domain.low) else min(-_REACH, domain.high - _REACH)
    high = domain.high - _MARGIN if np.isfinite(domain.high) else max(_REACH, domain.low + _REACH)
    return float(low), float(high)


def clear_of_kinks(operands: Sequence[Any], kinks: Callable[..., Any]) -> list[Any]:
    """The operands, moved a little wherever the operation has a kink nearby."""
    operands = list(operands)
    for attempt in range(8):
        distance = np.abs(kinks(*operands))
        near = [_near(distance, x) if _is_real(x) else None for x in operands]
        if not any(mask is not None and mask.any() for mask in near):
            break
        for i, mask in enumerate(near):
            if mask is not None:
                offsets = _offsets(mask.shape, start=0.31 * attempt + 0.77 * i).astype(operands[i].dtype)
                operands[i] = np.where(mask, operands[i] + offsets, operands[i])
    else:
        reject()
    return operands


def _is_real(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def _near(distance: Array, x: Array) -> Array:
    """Which elements of `x` to move away from a kink: where it is elementwise those nearby, else all or none."""
    try:
        elementwise = np.broadcast_shapes(distance.shape, x.shape) == distance.shape
    except ValueError:
        elementwise = False
    if elementwise:
        return np.asarray(unbroadcast((distance < _MARGIN).astype(float), x.shape) > 0)
    return np.full(x.shape, (distance < _LEAD).any())


def _offsets(shape: Shape, start: float) -> Array:
    """Numbers between 0.1 and 1.1 of which no two are close together: multiples of the golden ratio."""
    return (0.1 + (start + 0.6180339887 * np.arange(np.prod(shape, dtype=int))) % 1).reshape(shape)
