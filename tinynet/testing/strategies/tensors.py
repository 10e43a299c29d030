"""Strategies for tensors, and for arrays whose shapes broadcast."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from tinynet.rules.table import REAL, Interval
from tinynet.tensor import Tensor
from tinynet.testing.strategies.arrays import Array, Shape, arrays, broadcastable_shapes, clear_of_kinks

__all__ = ["broadcastable", "tensors"]


@st.composite
def broadcastable(
    draw: st.DrawFn,
    n: int,
    dtype: npt.DTypeLike = np.float64,
    domain: Interval = REAL,
    avoid: Callable[..., Any] | None = None,
    *,
    max_dims: int = 3,
    min_side: int = 1,
    max_side: int = 3,
) -> tuple[Array, ...]:
    """Several arrays whose shapes broadcast together.

    Parameters
    ----------
    n : int
        How many.
    dtype, domain
        As for `arrays`.
    avoid : callable, optional
        A function of the `n` arrays that is zero at points to stay away from, such as ``lambda x, y: x - y`` for ties.
    max_dims : int
        The largest number of axes.
    min_side, max_side : int
        The lengths of an axis; with ``min_side=0`` some arrays are empty.

    Returns
    -------
    SearchStrategy
        Of tuples of `n` arrays.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=20)
    ... @given(tn.testing.strategies.broadcastable(2, avoid=lambda x, y: x - y))
    ... def check(pair):
    ...     assert tn.testing.gradcheck(np.maximum, pair)
    >>> check()
    """
    shapes = draw(broadcastable_shapes(n, max_dims=max_dims, min_side=min_side, max_side=max_side))
    several = [draw(arrays(shape, dtype, domain)) for shape in shapes]
    return tuple(several if avoid is None else clear_of_kinks(several, avoid))


def tensors(
    shape: Shape | st.SearchStrategy[Shape],
    dtype: npt.DTypeLike = np.float64,
    domain: Interval = REAL,
    avoid: Callable[[Array], Any] | None = None,
) -> st.SearchStrategy[Tensor]:
    """Tensors that require a gradient; the arguments are those of `arrays`.

    Parameters
    ----------
    shape, dtype, domain, avoid
        As for `arrays`.

    Returns
    -------
    SearchStrategy
        Of leaf tensors.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=20)
    ... @given(tn.testing.strategies.tensors((3,)))
    ... def check(x):
    ...     np.sum(np.square(x)).backward()
    ...     assert np.array_equal(x.grad, 2 * x.data)
    >>> check()
    """
    return arrays(shape, dtype, domain, avoid).map(lambda x: Tensor(x, requires_grad=True))
