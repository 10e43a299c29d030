"""Order and selection: sorting, gathering along an axis, choosing among arrays, counting by weight, functions of slices."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.rules.indexing import scatter, with_values
from tinynet.rules.primitive import primitive
from tinynet.rules.shapes import along, as_is, as_plain, as_positions, axis_in
from tinynet.rules.table import composed, rule

__all__: list[str] = []

# Sorting -------------------------------------------------------------------------------------------------------------


def _along_axis(shape: tuple[int, ...], positions: Any, axis: int) -> tuple[Any, ...]:
    """The index of the elements at positions of an axis that differ from slice to slice."""
    grid: list[Any] = list(np.ogrid[tuple(slice(n) for n in shape)])
    grid[axis] = positions
    return tuple(grid)


def _put_back(g: Any, a: Any, axis: int | None, source: Any) -> Any:
    """The cotangent of a reordering of `a`, of which `source` tells where each element was."""
    if axis is None:
        return scatter(g, source, (a.size,)).reshape(a.shape)
    return scatter(g, _along_axis(a.shape, source, axis), a.shape)


def _source(out: Any, a: Any, axis: int | None) -> Any:
    """Where in `a` the elements of a reordering were; of equal ones the first was the first."""
    rank = np.argsort(np.argsort(out, axis=axis, kind="stable"), axis=axis)
    return np.take_along_axis(np.argsort(a, axis=axis, kind="stable"), rank, axis)


def _gaps(a: Any, axis: int | None) -> Any:
    """How far apart neighbours in the order are."""
    return np.diff(np.sort(a, axis=axis), axis=-1 if axis is None else axis)


rule(
    np.sort,
    lambda g, out, a, axis=-1, kind=None, stable=None: _put_back(g, a, axis, np.argsort(a, axis=axis, kind="stable")),
    kinks=lambda a, axis=-1, kind=None, stable=None: _gaps(a, axis),
    at={((2.0, 1.0, 1.0),): ((1.0, 1.0, 1.0),)},
)
rule(
    np.partition,
    lambda g, out, a, kth, axis=-1, kind="introselect": _put_back(g, a, axis, _source(out, a, axis)),
    forward=lambda a, kth, axis=-1, kind="introselect": np.partition(a, kth, axis=axis, kind=kind),
    unpack=lambda a, kth, axis=-1, kind="introselect": ((a,), {"kth": kth, "axis": axis, "kind": kind}),
)

# Gathering -----------------------------------------------------------------------------------------------------------


def _flat_unless(axis: int | None, fun: Callable[..., Any], a: Any) -> tuple[Any, int]:
    """The array and the axis counted from the front; flattened where there is none, as a number is on its axis 0."""
    a = as_is(a)
    return (np.ravel(a), 0) if axis is None or (a.ndim == 0 and axis in (0, -1)) else (a, axis_in(fun, a, axis))


@primitive
def _brought_inside(indices: Any, n: int, mode: Any) -> Any:
    """Positions on an axis of length n, counted from either end, as positions from 0 to n - 1."""
    return np.take(np.arange(n), indices, mode=mode)


@composed(np.take)
def _take(a: Any, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise") -> Any:
    """The elements at positions of an axis: ``a[:, indices]``."""
    a, axis = _flat_unless(axis, np.take, a)
    n = a.shape[axis]
    try:  # NumPy's own reading of the indices: a boolean is 0 or 1, and modes may bring them inside
        positions = _brought_inside(as_positions(indices), n, mode)
    except IndexError:
        raise IndexError(
            f"np.take on shape {a.shape}: not all indices are among the {n} of axis {axis}; mode='clip' and mode='wrap' bring "
            "them there"
        ) from None
    return a[along(axis, positions)]


@composed(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """The elements at positions that differ from slice to slice, as `numpy.argsort` gives them."""
    arr, axis = _flat_unless(axis, np.take_along_axis, arr)
    positions = as_plain(indices)
    if positions.dtype.kind not in "iu":
        raise IndexError(f"np.take_along_axis: indices are integers, not {positions.dtype}; np.argsort and np.argmax give such")
    if positions.ndim != arr.ndim:
        raise ValueError(
            f"np.take_along_axis: indices of shape {positions.shape} for an array of shape {arr.shape}; both have as many axes"
        )
    return arr[_along_axis(arr.shape, positions, axis)]


@composed(np.compress)
def _compress(condition: Any, a: Any, axis: int | None = None, out: None = None) -> Any:
    """The parts of an axis at which a condition holds."""
    a, axis = _flat_unless(axis, np.compress, a)
    if np.ndim(condition) != 1:
        raise ValueError(f"np.compress: the condition has shape {np.shape(condition)}; it has one axis")
    return a[along(axis, np.flatnonzero(condition))]


@composed(np.extract)
def _extract(condition: Any, arr: Any) -> Any:
    """The elements at which a condition holds, as a vector."""
    return np.ravel(arr)[np.flatnonzero(condition)]


# Choosing ------------------------------------------------------------------------------------------------------------


@composed(np.choose)
def _choose(a: Any, choices: Any, out: None = None, mode: str = "raise") -> Any:
    """Element by element the one of the arrays whose number `a` has."""
    n = len(choices)
    which = np.choose(as_plain(a), np.arange(n), mode=mode)  # type: ignore[call-overload]
    result = np.where(which == 0, choices[0], 0)
    for i in range(1, n):
        result = np.where(which == i, choices[i], result)
    return result


@composed(np.select)
def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """Element by element the first of the choices whose condition holds."""
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ValueError(f"np.select: {len(condlist)} conditions for {len(choicelist)} choices; each choice has one condition")
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        if as_plain(condition).dtype != np.bool_:
            raise TypeError("np.select: a condition must be of booleans; make it with a comparison")
        result = np.where(condition, choice, result)
    return result


@composed(np.piecewise)
def _piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """Functions of the elements for which their conditions hold; no function sees an element that is not its own."""
    if np.isscalar(condlist) or (np.ndim(x) and not isinstance(condlist[0], list | np.ndarray)):  # as NumPy has it
        condlist = [condlist]
    conditions = [as_plain(condition).astype(bool) for condition in condlist]
    conditions = [condition if condition.ndim else np.broadcast_to(condition, np.shape(x)) for condition in conditions]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.any(conditions, axis=0))
    if len(funclist) != len(conditions):
        raise ValueError(f"np.piecewise: {len(funclist)} functions for {len(conditions)} conditions, and one more for the rest")
    result = with_values(x, 0, ...)
    for condition, f in zip(conditions, funclist, strict=True):
        if condition.any():
            result = with_values(result, as_is(f(x[condition], *args, **kw) if callable(f) else f), condition)
    return result


# Counting ------------------------------------------------------------------------------------------------------------


@composed(np.bincount)
def _bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """How often each integer occurs, or the sum of the weights with which it does."""
    x = as_plain(x)
    counts = np.bincount(x, minlength=minlength)
    if weights is None:
        return counts
    if np.shape(weights) != x.shape:
        raise ValueError(f"np.bincount: weights of shape {np.shape(weights)} for positions of shape {x.shape}; each has one")
    return scatter(as_is(weights).astype(np.float64), x, counts.shape)


# Functions of slices -------------------------------------------------------------------------------------------------


@composed(np.apply_along_axis)
def _apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """A function's results for each vector along an axis, in its place."""
    axis = axis_in(np.apply_along_axis, arr, axis)
    vectors = np.moveaxis(arr, axis, -1)
    if 0 in vectors.shape[:-1]:
        raise ValueError(f"np.apply_along_axis on shape {arr.shape}: there is no vector along axis {axis} to apply it to")
    results = np.stack([func1d(vectors[i], *args, **kwargs) for i in np.ndindex(vectors.shape[:-1])])
    results = results.reshape((*vectors.shape[:-1], *results.shape[1:]))
    added = range(vectors.ndim - 1, results.ndim)
    return np.moveaxis(results, tuple(added), tuple(range(axis, axis + len(added))))


@composed(np.apply_over_axes)
def _apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """A function of an array and an axis, applied over one axis after the other; a reduced one is kept with length 1."""
    for axis in np.atleast_1d(axes):
        axis = axis_in(np.apply_over_axes, a, axis)
        reduced = func(a, axis)
        a = reduced if reduced.ndim == a.ndim else np.expand_dims(reduced, axis)
    return a
