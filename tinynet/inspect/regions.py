"""The linear regions of a piecewise linear network, exactly: as convex polygons of a window, and as intervals of a segment.

A cell on which the network's first layers are one affine map is cut by the line on which each unit of the next layer meets a
breakpoint; each part has an affine map again. So the layers are gone through one by one, with all cells at once.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tinynet.errors import ShapeError
from tinynet.inspect.cells import Intervals, Polygons
from tinynet.inspect.pieces import AffineMap, Pieces, check_finite, stages
from tinynet.nn.module import Module

__all__ = ["LinearRegions", "LinearSegments", "Region", "linear_regions", "linear_segments"]

Array = np.ndarray[Any, Any]

SNAP = 1e-13
"""What is nearer to a breakpoint than this share of the terms that it is the sum of is on it: rounding makes no regions."""

THIN = 1000 * SNAP
"""A window or a segment is refused where it is shorter than this share of its numbers: rounding would be seen in it."""

LOST = 1e-6
"""Where rounding may be a larger share than this, and a unit's breakpoint is anywhere, there is nothing to be told."""

PROBES = 4
"""How many random roundings are followed through the network."""

_TOO_DEEP = (
    "rounding grows so much from layer to layer that float64 cannot tell the regions; take fewer layers, or weights and biases "
    "that cancel less"
)


class Region(NamedTuple):
    """One activation region of a network of two inputs.

    Attributes
    ----------
    polygon : ndarray, shape (corners, 2)
        The corners, counterclockwise.
    weight : ndarray, shape (out, 2)
    bias : ndarray, shape (out,)
        The network is ``weight @ x + bias`` there.
    pattern : ndarray, shape (units,)
        The piece that each unit is on, layer after layer.
    area : float
    """

    polygon: Array
    weight: Array
    bias: Array
    pattern: Array
    area: float


class LinearRegions(Sequence[Region]):
    """The regions of a network in a window of the plane; a sequence of `Region`.

    Attributes
    ----------
    window : tuple
        ``((low, high), (low, high))``, the interval of each input.
    polygons : list of ndarray, each of shape (corners, 2)
        The corners of each activation region, counterclockwise.
    weight : ndarray, shape (regions, out, 2)
    bias : ndarray, shape (regions, out)
    patterns : ndarray of int, shape (regions, units)
        The piece that each unit is on, layer after layer; no two rows are equal.
    areas : ndarray, shape (regions,)
    neighbours : ndarray of int, shape (pairs, 2)
        The pairs of regions that meet in more than a point.
    pieces : ndarray of int, shape (regions,)
        The linear piece that each region belongs to: neighbouring regions with one affine map are one piece, from 0 on.

    Examples
    --------
    The clip to [-1, 1] of both inputs makes nine:

    >>> import numpy as np, tinynet as tn
    >>> regions = tn.inspect.linear_regions(tn.nn.Hardtanh(), ((-2, 2), (-2, 2)))
    >>> len(regions), float(regions.areas.sum()), len(regions.neighbours)
    (9, 16.0, 12)
    >>> [region.polygon.tolist() for region in regions if region.pattern.tolist() == [1, 2]]
    [[[1.0, 1.0], [1.0, 2.0], [-1.0, 2.0], [-1.0, 1.0]]]
    """

    def __init__(self, cells: Polygons, maps: Array, patterns: Array, errors: Array, window: Any) -> None:
        self.window = window
        self.polygons: list[Array] = [corners[:size] for corners, size in zip(cells.corners, cells.sizes, strict=True)]
        self.weight: Array = maps[:, :-1].swapaxes(1, 2) + 0.0  # without negative zeros
        self.bias: Array = maps[:, -1] + 0.0
        self.patterns = patterns
        self.areas: Array = cells.areas()
        self._cells = cells
        self._maps = maps
        self._errors = errors

    @cached_property
    def neighbours(self) -> Array:
        """The pairs of regions that meet in more than a point."""
        return self._cells.neighbours()

    @cached_property
    def pieces(self) -> Array:
        """The linear piece that each region belongs to."""
        reach = np.array([*np.abs(self.window).max(axis=1), 1.0])
        pairs = self.neighbours[_one_map(self._maps, self._errors, self.neighbours[:, 0], self.neighbours[:, 1], reach)]
        root = list(range(len(self)))

        def find(i: int) -> int:
            while root[i] != i:
                root[i] = i = root[root[i]]
            return i

        for i, j in pairs.tolist():
            i, j = sorted((find(i), find(j)))
            root[j] = i
        return np.unique([find(i) for i in range(len(self))], return_inverse=True)[1]

    def __len__(self) -> int:
        return len(self.areas)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        return Region(
            self.polygons[index], self.weight[index], self.bias[index], self.patterns[index], float(self.areas[index])
        )

    def __iter__(self) -> Iterator[Region]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        (left, right), (bottom, top) = self.window
        return (
            f"LinearRegions({_count(len(self), 'activation region')}, {_count(self.pieces.max() + 1, 'linear piece')}, "
            f"window [{left:g}, {right:g}] × [{bottom:g}, {top:g}])"
        )


class LinearSegments:
    """The pieces of a network along a segment.

    Attributes
    ----------
    breakpoints : ndarray, shape (regions + 1,)
        Where each region begins, and the last one ends, as shares of the way: from 0 to 1.
    points : ndarray, shape (regions + 1, in)
        The same as points.
    slope, intercept : ndarray, shape (regions, out)
        The network at the share t of the way is ``slope * t + intercept`` there.
    patterns : ndarray of int, shape (regions, units)
        The piece that each unit is on, layer after layer.
    pieces : ndarray of int, shape (regions,)
        The linear piece that each region belongs to: neighbouring regions with one affine map are one piece, from 0 on.

    Examples
    --------
    >>> import tinynet as tn
    >>> segments = tn.inspect.linear_segments(tn.nn.ReLU(), [-1, -2], [1, 1])
    >>> segments.points.round(3).tolist()
    [[-1.0, -2.0], [0.0, -0.5], [0.333, 0.0], [1.0, 1.0]]
    >>> segments.patterns.tolist(), segments.slope.tolist()
    ([[0, 0], [1, 0], [1, 1]], [[0.0, 0.0], [2.0, 0.0], [2.0, 3.0]])
    """

    def __init__(self, cells: Intervals, maps: Array, patterns: Array, errors: Array, start: Array, end: Array) -> None:
        order = np.argsort(cells.corners[:, 0, 0])
        maps, errors, here = maps[order], errors[order], np.arange(len(order))
        self.breakpoints: Array = np.append(cells.corners[order, 0, 0], 1.0)
        self.points: Array = start + (end - start) * self.breakpoints[:, None]
        self.slope: Array = maps[:, 0]
        self.intercept: Array = maps[:, 1]
        self.patterns: Array = patterns[order]
        self.pieces: Array = np.cumsum(~_one_map(maps, errors, here, np.maximum(here - 1, 0), np.ones(2)))

    def __len__(self) -> int:
        return len(self.slope)

    def __repr__(self) -> str:
        return f"LinearSegments({_count(len(self), 'activation region')}, {_count(self.pieces[-1] + 1, 'linear piece')})"


def linear_regions(model: Module, window: tuple[tuple[float, float], tuple[float, float]]) -> LinearRegions:
    """All linear regions of a piecewise linear network of two inputs in a window: polygons, not a count of pixels.

    An activation region is where each unit stays on one of its pieces; it is a convex polygon, on which the network is one
    affine map. A linear piece is what is left when neighbouring regions with the same map are taken together. Regions of no
    area, where a point or a line has a pattern of its own, are not among them, nor are those so narrow that rounding could have
    made them: as a rule 1e-13 of the window's largest coordinate. Where rounding grows beyond that within the network, it is
    measured, and it is an error where it leaves nothing to be told (Montúfar et al. 2014, "On the number of linear
    regions of deep neural networks"; Hanin & Rolnick 2019, "Complexity of linear regions in deep networks").

    Parameters
    ----------
    model : Module
        As for `collapse`, of two inputs.
    window : ((float, float), (float, float))
        The interval of the first and of the second input.

    Returns
    -------
    LinearRegions

    Raises
    ------
    TypeError
        If a layer is not piecewise linear.
    ShapeError
        If the network has not two inputs.
    ValueError
        If the window has no area, or one too small for float64 where it is, if a parameter is not finite, numbers overflow, or
        the network is so deep that rounding hides its regions.

    Examples
    --------
    The network of XOR with |x₁ - x₂| in it has two lines that are one:

    >>> import numpy as np, tinynet as tn
    >>> model = tn.nn.Sequential(tn.nn.Linear(2, 2, bias=False), tn.nn.ReLU(), tn.nn.Linear(2, 1, bias=False))
    >>> keys = model.load_state_dict({"0.weight": [[1.0, -1.0], [-1.0, 1.0]], "2.weight": [[1.0, 1.0]]})
    >>> regions = tn.inspect.linear_regions(model, ((-1, 2), (-1, 2)))
    >>> regions
    LinearRegions(2 activation regions, 2 linear pieces, window [-1, 2] × [-1, 2])
    >>> [(region.pattern.tolist(), region.weight.tolist(), region.area) for region in regions]
    [([0, 1], [[-1.0, 1.0]], 4.5), ([1, 0], [[1.0, -1.0]], 4.5)]
    """
    box = _box(window)
    try:
        parts = [part for _, part in stages(model, 2, "linear_regions")]
    except ShapeError as error:
        raise ShapeError(
            f"{error}; the window is of two inputs: for a network of n put a Linear(2, n) before it, which lays a plane into "
            "its inputs, or take tn.inspect.linear_segments"
        ) from error
    cells = Polygons(box[:, 0], box[:, 1])
    limits = tuple((low, high) for low, high in box.tolist())
    return LinearRegions(cells, *_enumerated(cells, parts, np.abs(box).max(axis=1), "linear_regions"), limits)


def linear_segments(model: Module, start: npt.ArrayLike, end: npt.ArrayLike) -> LinearSegments:
    """All linear regions that a segment passes through, of a piecewise linear network of any number of inputs.

    Parameters
    ----------
    model : Module
        As for `collapse`.
    start, end : array_like of shape (in,)
        The ends of the segment; numbers do where there is one input.

    Returns
    -------
    LinearSegments

    Raises
    ------
    TypeError
        If a layer is not piecewise linear.
    ShapeError
        If the ends are not points of the network's inputs.
    ValueError
        If an end or a parameter is not finite, both ends are one point, but for rounding, numbers overflow, or the
        network is so deep that rounding hides its regions.

    Examples
    --------
    A tent has 2 pieces, and a tent of a tent 4 (Telgarsky 2016, "Benefits of depth in neural networks"):

    >>> import tinynet as tn
    >>> tent = tn.nn.Sequential(tn.nn.Linear(1, 2), tn.nn.ReLU(), tn.nn.Linear(2, 1))
    >>> keys = tent.load_state_dict({"0.weight": [[1], [1]], "0.bias": [0, -0.5], "2.weight": [[2, -4]], "2.bias": [0]})
    >>> pieces = tn.inspect.linear_segments(tn.nn.Sequential(tent, tent), 0, 1)
    >>> pieces
    LinearSegments(4 activation regions, 4 linear pieces)
    >>> pieces.breakpoints.tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    a, b = np.atleast_1d(np.asarray(start, dtype=np.float64)), np.atleast_1d(np.asarray(end, dtype=np.float64))
    if a.ndim != 1 or a.shape != b.shape:
        raise ShapeError(f"linear_segments: start has shape {a.shape} and end {b.shape}; both must be points of shape (in,)")
    if not np.isfinite([a, b]).all() or (np.abs(b / 2 - a / 2) <= THIN / 2 * np.abs([a, b]).max(initial=0)).all():
        raise ValueError(f"linear_segments: from {start!r} to {end!r} there is no segment; take two finite, different points")
    with np.errstate(over="ignore"):
        way = AffineMap((b - a)[:, None], a)
    parts = [way, *(part for _, part in stages(model, len(a), "linear_segments"))]
    cells = Intervals()
    return LinearSegments(cells, *_enumerated(cells, parts, np.ones(1), "linear_segments"), a, b)


def _box(window: Any) -> Array:
    """A window as an array of shape (2, 2), a row an input."""
    try:
        box = np.asarray(window, dtype=np.float64)
    except (TypeError, ValueError):
        box = np.zeros(0)
    if box.shape == (2, 2) and np.isfinite(box).all():
        with np.errstate(over="ignore"):
            sides = box[:, 1] - box[:, 0]
            if (sides > THIN * np.abs(box).max(axis=1)).all() and 0 < sides.prod() < np.inf:
                return box
    raise ValueError(
        f"linear_regions: the window {window!r} is not ((low, high), (low, high)), each low below its high, of an area that a "
        "float64 can tell from 0 and ∞"
    )


@np.errstate(over="ignore", invalid="ignore")
def _enumerated(cells: Any, parts: Sequence[AffineMap | Pieces], reach: Array, caller: str) -> tuple[Array, Array, Array]:
    """Cut the one cell there is into the regions of a network whose inputs are within `reach`.

    Rounding is measured, cell by cell, by probes that go through the network beside the maps. At each step they are given
    random shares of what the terms of the step's sums come to, as rounding would be, and are amplified as it is. (A bound,
    with |weight| at each layer, would soon be larger than the numbers themselves.)

    Returns
    -------
    maps : ndarray, shape (regions, inputs + 1, out)
        The slope along each input, and after them the constant.
    patterns : ndarray of int, shape (regions, units)
    errors : ndarray, shape (regions, out)
        What is less than that may be rounding, where an output is concerned.
    """
    inputs, whole, rng = len(reach), np.append(reach, 1.0), np.random.default_rng(0)
    maps = np.concatenate([np.eye(inputs), np.zeros((1 + PROBES, inputs))])[None]
    errors = SNAP * reach[None]
    patterns, margins = np.zeros((1, 0), dtype=np.int64), np.zeros((1, 0))
    for part in parts:
        sizes = np.einsum("d,rdo->ro", whole, np.abs(maps[:, : inputs + 1]))
        if isinstance(part, AffineMap):
            maps, shift = np.dot(maps, part.weight.T), part.bias
            terms = np.dot(sizes, np.abs(part.weight.T)) + np.abs(shift)
        else:
            breakpoints, slopes, intercepts = part.of_units(maps.shape[2])
            before, pattern = _cut(cells, breakpoints, maps[:, : inputs + 1], errors)
            units = np.arange(maps.shape[2])
            slope, shift = slopes[pattern, units], intercepts[pattern, units]
            patterns, margins = patterns[before], margins[before]
            if len(breakpoints):
                patterns = np.concatenate([patterns, pattern], axis=1)
                margins = np.concatenate([margins, errors[before]], axis=1)
            maps = maps[before] * slope[:, None]
            terms = sizes[before] * np.abs(slope) + np.abs(shift)
        maps[:, inputs] += shift
        maps[:, inputs + 1 :] += terms[:, None] * rng.normal(size=(PROBES, terms.shape[1]))
        errors = SNAP * np.maximum(terms, np.abs(maps[:, inputs + 1 :]).max(axis=1))
        check_finite(caller, maps, errors)
        largest = terms.max(axis=1)
        if (errors.max(axis=1) > LOST * largest)[largest > 0].any():  # 0 is exact: of integers, or where nothing is alive
            raise ValueError(f"{caller}: {_TOO_DEEP}")
    _check_patterns(cells.corners.mean(axis=1), parts, patterns, margins, caller)
    return maps[:, : inputs + 1], patterns, errors


def _cut(cells: Any, breakpoints: Array, maps: Array, errors: Array) -> tuple[Array, Array]:
    """Cut the cells where a unit meets a breakpoint: which cell each was part of before, and the piece of each unit on it."""
    before = np.arange(len(maps))
    pattern = np.zeros((len(maps), maps.shape[2]), dtype=np.int64)
    for unit in range(maps.shape[2]):
        for breakpoint in breakpoints[:, unit]:
            line = maps[before, :, unit]
            heights = np.einsum("rcd,rd->rc", cells.corners, line[:, :-1]) + (line[:, -1:] - breakpoint)
            heights[np.abs(heights) <= errors[before, unit, None]] = 0
            below, above = heights.min(axis=1) < 0, heights.max(axis=1) > 0
            pattern[:, unit] += above & ~below
            which = np.nonzero(above & below)[0]
            if len(which):
                cells.cut(which, heights[which], line[which, :-1])
                before = np.append(before, before[which])
                pattern = np.append(pattern, pattern[which], axis=0)
                pattern[-len(which) :, unit] += 1
    return before, pattern


def _check_patterns(h: Array, parts: Sequence[AffineMap | Pieces], patterns: Array, margins: Array, caller: str) -> None:
    """A `ValueError` if the network itself is on other pieces, at a point of each region, by more than the margin of a unit."""
    first = 0
    for part in parts:
        if isinstance(part, AffineMap):
            h = h @ part.weight.T + part.bias
            continue
        pattern, slope, intercept = part.at(h)
        if np.size(part.breakpoints):
            here = slice(first, first + h.shape[1])
            first, found, margin = here.stop, patterns[:, here], 2 * margins[:, here]
            if (found != pattern).any() and ((found < part.at(h - margin)[0]) | (found > part.at(h + margin)[0])).any():
                raise ValueError(f"{caller}: {_TOO_DEEP}")
        h = slope * h + intercept


def _one_map(maps: Array, errors: Array, i: Array, j: Array, reach: Array) -> Array:
    """Whether the maps of two regions, at the indices `i` and `j`, are one but for rounding."""
    apart = np.einsum("d,rdo->ro", reach, np.abs(maps[i] - maps[j]))
    same: Array = (apart <= errors[i] + errors[j]).all(axis=1)
    return same


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
