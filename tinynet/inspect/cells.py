"""Cells that lines cut: intervals of a segment, and convex polygons of the plane; many of them in arrays, cut all at once.

A cut is told by its heights: how far above it each corner of each cell lies. Corners on it, of height exactly 0, belong to both
sides, so that what the caller snaps to 0 makes no slivers.
"""

from typing import Any

import numpy as np

__all__ = ["Intervals", "Polygons"]

Array = np.ndarray[Any, Any]


class Intervals:
    """Intervals of [0, 1].

    Attributes
    ----------
    corners : ndarray, shape (cells, 2, 1)
        The ends, the lower one first.
    """

    def __init__(self) -> None:
        self.corners: Array = np.array([[[0.0], [1.0]]])

    def cut(self, which: Array, heights: Array, normals: Array) -> None:
        """Cut the cells at the indices `which`; the parts below keep their places, those above are put after the last."""
        first, last = heights[:, :1], heights[:, 1:]
        start, end = self.corners[which, 0], self.corners[which, 1]
        middle = start + (end - start) * (first / (first - last))
        lower, upper = np.stack([start, middle], axis=1), np.stack([middle, end], axis=1)
        rising = (first < last)[:, :, None]
        self.corners[which] = np.where(rising, lower, upper)
        self.corners = np.concatenate([self.corners, np.where(rising, upper, lower)])


class Polygons:
    """Convex polygons, counterclockwise, that fill a rectangle.

    Attributes
    ----------
    corners : ndarray, shape (cells, most, 2)
        The corners of each; after the last one the first is repeated.
    sizes : ndarray, shape (cells,)
        How many corners each has.
    cuts : ndarray, shape (cells, most)
        For the side from each corner to the next the number of the cut that made it, from 1 on, negative for the cell below the
        cut; 0 for the rectangle's sides, and after the last corner.
    normals : ndarray, shape (cuts, 2)
        For each cut a vector that points above it.
    """

    def __init__(self, low: Array, high: Array) -> None:
        (left, bottom), (right, top) = low, high
        self.corners: Array = np.array([[[left, bottom], [right, bottom], [right, top], [left, top]]])
        self.sizes: Array = np.array([4])
        self.cuts: Array = np.zeros((1, 4), dtype=np.int64)
        self.normals: Array = np.zeros((0, 2))

    def cut(self, which: Array, heights: Array, normals: Array) -> None:
        """Cut the cells at the indices `which`; the parts below keep their places, those above are put after the last."""
        corners, sizes, cuts = self.corners[which], self.sizes[which], self.cuts[which]
        new = len(self.normals) + 1 + np.arange(len(which))[:, None]
        self.normals = np.concatenate([self.normals, normals])
        here = np.arange(corners.shape[1])
        inside = here < sizes[:, None]
        following = np.where(here + 1 < sizes[:, None], here + 1, 0)
        ahead = np.take_along_axis(heights, following, axis=1)
        crossing = inside & ((heights > 0) & (ahead < 0) | (heights < 0) & (ahead > 0))
        share = np.divide(heights, heights - ahead, out=np.zeros_like(heights), where=crossing)
        step = np.take_along_axis(corners, following[:, :, None], axis=1) - corners
        points = np.stack([corners, corners + step * share[:, :, None]], axis=2)  # each corner, and what is cut behind it
        parts = []
        for sign in (-1, 1):
            h, h_ahead = sign * heights, sign * ahead
            keep = np.stack([inside & (h >= 0), crossing], axis=2)
            leaving = np.stack([(h == 0) & (h_ahead < 0), h > 0], axis=2)
            parts.append(_packed(points, keep, np.where(leaving, sign * new[:, :, None], cuts[:, :, None])))
        most = max(self.corners.shape[1], *(part[0].shape[1] for part in parts))
        (self.corners, self.sizes, self.cuts), below, above = (
            _widened(*part, most) for part in ((self.corners, self.sizes, self.cuts), *parts)
        )
        for mine, lower in zip((self.corners, self.sizes, self.cuts), below, strict=True):
            mine[which] = lower
        self.corners = np.concatenate([self.corners, above[0]])
        self.sizes = np.concatenate([self.sizes, above[1]])
        self.cuts = np.concatenate([self.cuts, above[2]])

    def areas(self) -> Array:
        """The area of each polygon, by the shoelace formula about its first corner."""
        x, y = np.moveaxis(self.corners - self.corners[:, :1], 2, 0)
        areas: Array = 0.5 * (x[:, :-1] * y[:, 1:] - x[:, 1:] * y[:, :-1]).sum(axis=1)
        return areas

    def neighbours(self) -> Array:
        """The pairs of polygons that have more than a point of their sides in common, shape (pairs, 2).

        The cells above a cut and those below it fill the same stretch of it: where two overlap there, they touch.
        """
        cell, side = np.nonzero(self.cuts)
        cut = self.cuts[cell, side]
        order = np.argsort(np.abs(cut), kind="stable")
        cell, side, cut = cell[order], side[order], cut[order]
        low, high = self.corners.min(axis=(0, 1)), self.corners.max(axis=(0, 1))
        corners = (self.corners - low) / (high - low)  # of a square, however thin the rectangle is
        normals = self.normals[np.abs(cut) - 1]
        x, y = (normals / np.abs(normals).max(axis=1, keepdims=True) * ((high - low) / (high - low).max())).T
        along = np.stack([-y, x], axis=1) / np.hypot(x, y)[:, None]
        start = corners[cell, side]
        end = corners[cell, np.where(side + 1 < self.sizes[cell], side + 1, 0)]
        ends = np.sort([(start * along).sum(axis=1), (end * along).sum(axis=1)], axis=0)
        above, below = np.nonzero(cut > 0)[0], np.nonzero(cut < 0)[0]
        first = np.searchsorted(-cut[below], cut[above], side="left")
        count = np.searchsorted(-cut[below], cut[above], side="right") - first
        i = np.repeat(above, count)
        j = below[np.repeat(first - (np.cumsum(count) - count), count) + np.arange(len(i))]
        overlap = np.minimum(ends[1, i], ends[1, j]) - np.maximum(ends[0, i], ends[0, j])
        rounding = np.abs(along[i]) @ (1e-12 * np.maximum(np.abs(low), np.abs(high)) / (high - low))
        touching = overlap > rounding
        pairs: Array = np.stack([cell[i], cell[j]], axis=1)[touching]
        return pairs


def _packed(points: Array, keep: Array, cuts: Array) -> tuple[Array, Array, Array]:
    """Polygons of the points that are kept, in their order, without gaps."""
    keep, points, cuts = keep.reshape(len(keep), -1), points.reshape(len(points), -1, 2), cuts.reshape(len(cuts), -1)
    sizes = keep.sum(axis=1)
    order = np.argsort(~keep, axis=1, kind="stable")[:, : sizes.max()]
    kept = np.arange(order.shape[1]) < sizes[:, None]
    order = np.where(kept, order, order[:, :1])
    corners = np.take_along_axis(points, order[:, :, None], axis=1)
    return corners, sizes, np.where(kept, np.take_along_axis(cuts, order, axis=1), 0)


def _widened(corners: Array, sizes: Array, cuts: Array, most: int) -> tuple[Array, Array, Array]:
    """The same polygons with room for more corners."""
    more = most - corners.shape[1]
    if not more:
        return corners, sizes, cuts
    repeated, none = np.repeat(corners[:, :1], more, axis=1), np.zeros((len(cuts), more), dtype=np.int64)
    return np.concatenate([corners, repeated], axis=1), sizes, np.concatenate([cuts, none], axis=1)
