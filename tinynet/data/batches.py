"""Mini-batches of arrays."""

from collections.abc import Iterator
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinynet.random import as_generator

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["batches"]


def batches(
    x: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    batch_size: int = 32,
    shuffle: bool = False,
    rng: "int | Generator | None" = None,
    drop_last: bool = False,
) -> Iterator[Any]:
    """Cut arrays into batches along their first axis, for one pass over the data.

    Parameters
    ----------
    x : array_like of shape (n, ...)
        The inputs.
    y : array_like of shape (n, ...), optional
        The targets, one for each input.
    batch_size : int
        How many rows make a batch; the last batch has what is left.
    shuffle : bool
        Draw the rows in random order. Where all rows fit in one batch there is no order to draw, and none is drawn.
    rng : int, numpy.random.Generator or None
        Where the order comes from (`tinynet.manual_seed`); an int gives the same order at every call.
    drop_last : bool
        Leave the last batch out if it is not full.

    Returns
    -------
    iterator
        Of pairs ``(x_batch, y_batch)``, or of ``x_batch`` alone where there is no `y`. Unshuffled batches are views.

    Raises
    ------
    ValueError
        If there is no row, `x` and `y` are of different length, or `batch_size` is less than 1; at the call, not at the
        first batch.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> for x, y in tn.data.batches(np.arange(5), np.arange(5) ** 2, batch_size=2):
    ...     print(x, y)
    [0 1] [0 1]
    [2 3] [4 9]
    [4] [16]
    """
    inputs = np.asarray(x)
    targets = None if y is None else np.asarray(y)
    n = _length(inputs, "x")
    if targets is not None and _length(targets, "y") != n:
        raise ValueError(f"batches: x has {n} rows and y has {len(targets)}; each input needs one target")
    if n == 0:
        raise ValueError(f"batches: the data are empty, x has shape {inputs.shape}")
    if index(batch_size) < 1:
        raise ValueError(f"batches: batch_size is {batch_size}; it must be at least 1")
    order = as_generator(rng).permutation(n) if shuffle and n > batch_size else None
    return _cut(inputs, targets, batch_size, order, n - n % batch_size if drop_last else n)


def _length(array: np.ndarray[Any, Any], name: str) -> int:
    if array.ndim == 0:
        raise ValueError(f"batches: {name} is the single value {array!r}; it needs an axis of rows")
    return len(array)


def _cut(x: Any, y: Any, batch_size: int, order: Any, stop: int) -> Iterator[Any]:
    for start in range(0, stop, batch_size):
        rows: Any = slice(start, start + batch_size)
        if order is not None:
            rows = order[rows]
        yield _rows(x, rows) if y is None else (_rows(x, rows), _rows(y, rows))


def _rows(array: np.ndarray[Any, Any], rows: Any) -> Any:
    """``array[rows]``; `take` is faster where it can copy whole rows, and slower elsewhere."""
    whole = array.ndim > 1 and array.flags.c_contiguous and not isinstance(rows, slice)
    return array.take(rows, 0) if whole else array[rows]
