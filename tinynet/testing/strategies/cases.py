"""Calls of every operation of the rule table: elementwise ones by themselves, the others from the lists of cases."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinynet.rules import COMPOSED, TABLE, Interval, Primitive, Rule, name_of
from tinynet.testing.strategies import layers, matrices, moves, orders, statistics, values
from tinynet.testing.strategies.arrays import arrays, bounds, broadcastable_shapes, clear_of_kinks
from tinynet.testing.strategies.calls import Call

__all__ = ["cases", "is_elementwise"]


def cases(operation: Callable[..., Any] | Rule) -> st.SearchStrategy[Call]:
    """Calls of an operation of the rule table, with operands in its domain and away from its kinks.

    Parameters
    ----------
    operation : callable or Rule
        A NumPy function that tensors support, a primitive, or a row of the table.

    Returns
    -------
    SearchStrategy
        Of pairs ``(args, kwargs)`` to call the operation with. Floating operands are float64 arrays; shapes broadcast,
        axes and other parameters take all their forms, positional and by keyword.

    Raises
    ------
    LookupError
        If the operation is not elementwise and has no case: a row that would go untested.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5)
    ... @given(tn.testing.strategies.cases(np.sum))
    ... def check(call):
    ...     args, kwargs = call
    ...     np.sum(*args, **kwargs)
    >>> check()
    """
    fun = operation.fun if isinstance(operation, Rule) else operation
    if fun in _LISTED:
        return _LISTED[fun]
    row = TABLE.get(fun)
    if row is None and fun not in COMPOSED:
        raise LookupError(f"{getattr(fun, '__name__', fun)} is not in the rule table")
    if row is not None:
        elementwise = _elementwise_calls(row)
        if elementwise is not None:
            return elementwise
    raise LookupError(
        f"{name_of(fun)} is not elementwise and has no case: give calls=, a strategy of pairs (args, kwargs), or the rule its "
        "domain= if it is elementwise in one"
    )


_LISTED = values.CASES | moves.CASES | statistics.CASES | matrices.CASES | orders.CASES | layers.CASES


@cache
def _elementwise_calls(row: Rule) -> st.SearchStrategy[Call] | None:
    return _elementwise(row) if is_elementwise(row) else None


def is_elementwise(row: Rule) -> bool:
    """Whether a row's operation is a ufunc, or is seen to map one element to one element."""
    if isinstance(row.fun, np.ufunc):
        return row.fun.signature is None
    if not isinstance(row.fun, Primitive) or row.arity < 1:
        return False
    operands = [np.linspace(*bounds(_domain(row, i)), 7)[1 + i : 4 + i] for i in range(row.arity)]
    try:
        whole = row.forward(*operands)
        parts = [row.forward(*(x[i : i + 1] for x in operands)) for i in range(3)]
    except Exception:  # it wants other arguments than arrays of one shape
        return False
    return np.shape(whole) == (3,) and np.shape(parts) == (3, 1) and np.allclose(whole, np.ravel(parts))


def _domain(row: Rule, i: int) -> Interval:
    return row.domain[min(i, len(row.domain) - 1)]


@st.composite
def _elementwise(draw: st.DrawFn, row: Rule) -> Call:
    operands = [
        draw(arrays(shape, domain=_domain(row, i))) for i, shape in enumerate(draw(broadcastable_shapes(row.arity)))
    ]
    if row.kinks is not None:
        operands = clear_of_kinks(operands, row.kinks)
    for i, x in enumerate(operands):
        if x.ndim == 0 and row.arity > 1 and any(isinstance(y, np.ndarray) for y in operands[:i] + operands[i + 1 :]):
            operands[i] = draw(st.sampled_from([x, x.item()]))
    return tuple(operands), {}
