"""Joining and splitting: concatenations, stacks, blocks, parts; elements put in and taken out."""

from collections.abc import Iterator
from itertools import pairwise
from operator import index
from typing import Any

import numpy as np

from tinynet.rules.shapes import along, as_is, as_positions, axes_in, axis_in
from tinynet.rules.table import composed, name_of, rule

__all__: list[str] = []

# Joining -------------------------------------------------------------------------------------------------------------


def _part(i: int, g: Any, xs: Any, axis: int | None) -> Any:
    """The part of a concatenation's cotangent that belongs to operand `i`."""
    if axis is None:
        start = sum(x.size for x in xs[:i])
        return g[start : start + xs[i].size].reshape(xs[i].shape)
    start = sum(x.shape[axis] for x in xs[:i])
    return g[along(axis % g.ndim, slice(start, start + xs[i].shape[axis]))]


def _joined(arrays: Any, axis: int | None = 0) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return tuple(np.asarray(x) if isinstance(x, int | float) else x for x in arrays), {"axis": axis}


rule(
    np.concatenate,
    each=lambda i, g, out, *xs, axis=0: _part(i, g, xs, axis),
    forward=lambda *xs, axis=0: np.concatenate(xs, axis=axis),
    unpack=_joined,
    remedy="all axes but the joined one must be equally long",
)
rule(
    np.stack,
    each=lambda i, g, out, *xs, axis=0: g[along(axis % g.ndim, i)],
    forward=lambda *xs, axis=0: np.stack(xs, axis=axis),
    unpack=_joined,
    remedy="all arrays must have the same shape",
)


@composed(np.vstack)
def _vstack(tup: Any) -> Any:
    """Joined along the first axis; vectors are rows."""
    return np.concatenate([np.atleast_2d(x) for x in tup], axis=0)


@composed(np.hstack)
def _hstack(tup: Any) -> Any:
    """Joined along the second axis, or the only one of vectors."""
    parts = [np.atleast_1d(x) for x in tup]
    return np.concatenate(parts, axis=0 if parts and parts[0].ndim == 1 else 1)


@composed(np.dstack)
def _dstack(tup: Any) -> Any:
    """Joined along the third axis."""
    return np.concatenate([np.atleast_3d(x) for x in tup], axis=2)


@composed(np.column_stack)
def _column_stack(tup: Any) -> Any:
    """Joined along the second axis; vectors are columns."""
    return np.concatenate([np.reshape(x, (-1, 1)) if np.ndim(x) < 2 else x for x in tup], axis=1)


@composed(np.append)
def _append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """The concatenation of two arrays, flattened unless an axis is given."""
    return np.concatenate([arr, values], axis=axis)


@composed(np.block)
def _block(arrays: Any) -> Any:
    """Concatenations of concatenations: the innermost lists along the last axis, those around them along the one before."""
    depths, ndims = zip(*_blocks(arrays, 0), strict=True)
    depth, ndim = depths[0], max(*depths, *ndims)
    if any(d != depth for d in depths):
        raise ValueError(f"np.block: its lists are nested {sorted(set(depths))} deep; all blocks must be at one depth")

    def joined(part: Any, axis: int) -> Any:
        if isinstance(part, list):
            return np.concatenate([joined(inner, axis + 1) for inner in part], axis=axis)
        return np.reshape(part, (1,) * (ndim - np.ndim(part)) + np.shape(part))

    return joined(arrays, -depth)


def _blocks(part: Any, depth: int) -> Iterator[tuple[int, int]]:
    """For each block in nested lists how deep it lies and how many axes it has."""
    if isinstance(part, tuple):
        raise TypeError("np.block: blocks are nested in lists, not in tuples")
    if not isinstance(part, list):
        yield depth, np.ndim(part)
    elif not part:
        raise ValueError("np.block: a list of blocks is empty")
    else:
        for inner in part:
            yield from _blocks(inner, depth + 1)


# Splitting -----------------------------------------------------------------------------------------------------------


@composed(np.array_split)
def _array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """The slices between the given positions, or that many of lengths as equal as can be."""
    ary = as_is(ary)
    axis = axis_in(np.array_split, ary, axis)
    n = ary.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        sections = index(indices_or_sections)
        if sections < 1:
            raise ValueError(f"np.array_split: {sections} sections; there must be one at least")
        each, longer = divmod(n, sections)
        cuts = [i * each + min(i, longer) for i in range(sections + 1)]
    else:
        cuts = [0, *(index(i) for i in indices_or_sections), n]
    return [ary[along(axis, slice(i, j))] for i, j in pairwise(cuts)]


@composed(np.split)
def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """`numpy.array_split` into equal sections, or at positions."""
    n = np.shape(ary)[axis_in(np.split, ary, axis)]
    if np.ndim(indices_or_sections) == 0 and (indices_or_sections < 1 or n % indices_or_sections):
        raise ValueError(
            f"np.split: {n} elements on axis {axis} do not divide into {indices_or_sections} equal sections; "
            "np.array_split makes unequal ones"
        )
    return np.array_split(ary, indices_or_sections, axis)


def _enough_axes(fun: Any, x: Any, fewest: int) -> None:
    if np.ndim(x) < fewest:
        raise ValueError(f"{name_of(fun)} on shape {np.shape(x)}: it splits arrays of {fewest} axes or more")


@composed(np.vsplit)
def _vsplit(ary: Any, indices_or_sections: Any) -> Any:
    """`numpy.split` along the first axis."""
    _enough_axes(np.vsplit, ary, 2)
    return np.split(ary, indices_or_sections, 0)


@composed(np.hsplit)
def _hsplit(ary: Any, indices_or_sections: Any) -> Any:
    """`numpy.split` along the second axis, or the only one of a vector."""
    _enough_axes(np.hsplit, ary, 1)
    return np.split(ary, indices_or_sections, min(np.ndim(ary) - 1, 1))


@composed(np.dsplit)
def _dsplit(ary: Any, indices_or_sections: Any) -> Any:
    """`numpy.split` along the third axis."""
    _enough_axes(np.dsplit, ary, 3)
    return np.split(ary, indices_or_sections, 2)


if hasattr(np, "unstack"):  # NumPy 2.1

    @composed(np.unstack)
    def _unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
        """The parts ``x[i]`` of an axis, as `numpy.stack` joins them."""
        axis = axis_in(np.unstack, x, axis)
        return tuple(x[along(axis, i)] for i in range(x.shape[axis]))


# Putting in and taking out -------------------------------------------------------------------------------------------


@composed(np.delete)
def _delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """What is left of an axis without the given positions."""
    arr = as_is(arr)
    if axis is None:
        arr, axis = np.ravel(arr), 0
    axis = axis_in(np.delete, arr, axis)
    return arr[along(axis, np.delete(np.arange(arr.shape[axis]), as_positions(obj)))]


@composed(np.insert)
def _insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """The elements of both arrays, laid out as NumPy itself lays out their positions."""
    arr, values = as_is(arr), as_is(values)
    if axis is not None:
        axis_in(np.insert, arr, axis)
    old = np.arange(arr.size).reshape(arr.shape)
    new = arr.size + np.arange(values.size).reshape(values.shape)
    return np.concatenate([np.ravel(arr), np.ravel(values.astype(arr.dtype))])[np.insert(old, as_positions(obj), new, axis)]


@composed(np.trim_zeros)
def _trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """The smallest slice that holds all that is not zero."""
    if not set(trim.lower()) <= set("fb"):
        raise ValueError(f"np.trim_zeros: trim={trim!r} is unknown; it is 'f' (front), 'b' (back) or 'fb'")
    held = np.nonzero(np.atleast_1d(filt))
    for i in range(filt.ndim) if axis is None else axes_in(np.trim_zeros, filt, axis):
        first, last = (held[i].min(), held[i].max() + 1) if held[i].size else (0, 0)
        front, back = "f" in trim.lower() or last == 0, "b" in trim.lower() or last == 0
        filt = filt[along(i, slice(first if front else 0, last if back else None))]
    return filt
