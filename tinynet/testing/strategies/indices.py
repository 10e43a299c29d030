"""A strategy for indices of every kind."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinynet.testing.strategies.arrays import shapes

__all__ = ["indices"]


@st.composite
def indices(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """Everything that NumPy indexes by: integers, slices, None, Ellipsis, masks, arrays of integers, and mixtures.

    Parameters
    ----------
    shape : tuple of int
        The shape of the array to index.

    Returns
    -------
    SearchStrategy
        Of indices that fit; arrays of integers may name a position several times, or none.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> from hypothesis import given, settings
    >>> x = np.arange(6.0).reshape(2, 3)
    >>> @settings(max_examples=20)
    ... @given(tn.testing.strategies.indices(x.shape))
    ... def check(index):
    ...     assert np.array_equal(tn.tensor(x)[index].data, x[index])
    >>> check()
    """
    kinds: list[st.SearchStrategy[Any]] = [hnp.basic_indices(shape, allow_newaxis=True), hnp.arrays(bool, shape)]
    if shape:
        at = st.integers(-shape[0], shape[0] - 1)
        several = st.one_of(st.lists(at, max_size=4), hnp.arrays(np.intp, shapes(), elements=at), hnp.arrays(bool, shape[:1]))
        rest: list[Any] = [(), (Ellipsis,), (None,), (Ellipsis, None)]
        if len(shape) > 1:
            rest += [(0,), (slice(None, None, -1),), (Ellipsis, -1), (slice(0, 1), None), (None, [0])]
        mixed = st.tuples(several, st.sampled_from(rest)).map(lambda parts: (parts[0], *parts[1]))
        kinds += [several, mixed, hnp.integer_array_indices(shape)]
    return draw(st.one_of(kinds))
