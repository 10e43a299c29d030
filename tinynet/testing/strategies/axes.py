"""A strategy for the axes that a reduction may run over."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

__all__ = ["axes"]


def axes(shape: tuple[int, ...], min_size: int = 0) -> st.SearchStrategy[Any]:
    """Every form of an ``axis`` argument: None, one axis, or a tuple of axes, each counted from either end.

    Parameters
    ----------
    shape : tuple of int
        The shape of the array.
    min_size : int
        The fewest axes of a tuple; an empty tuple reduces nothing.

    Returns
    -------
    SearchStrategy
        Of None, integers and tuples of different integers.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> from hypothesis import given, settings
    >>> x = np.ones((2, 3))
    >>> @settings(max_examples=20)
    ... @given(tn.testing.strategies.axes(x.shape))
    ... def check(axis):
    ...     assert np.sum(tn.tensor(x), axis).shape == np.sum(x, axis).shape
    >>> check()
    """
    ndim = len(shape)
    choices: list[st.SearchStrategy[Any]] = [st.none(), hnp.valid_tuple_axes(ndim, min_size=min(min_size, ndim))]
    return st.one_of(*choices, *([st.integers(-ndim, ndim - 1)] if ndim else []))
