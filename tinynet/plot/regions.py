"""The pieces on which a piecewise linear network is linear."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinynet.errors import ShapeError
from tinynet.plot.figure import COLORS, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tinynet.inspect.regions import LinearRegions

__all__ = ["linear_regions"]


def linear_regions(
    polygons: "LinearRegions | Sequence[npt.ArrayLike]",
    ax: "Axes | None" = None,
    *,
    values: npt.ArrayLike | None = None,
    label: str = "",
    title: str = "",
) -> "Axes":
    """Draw the regions of the plane in which a network is linear, each in a colour of its own or by a number that it has.

    Parameters
    ----------
    polygons : LinearRegions, or sequence of array_like of shape (k, 2)
        What `tinynet.inspect.linear_regions` found, or the corners of each region, in order round it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without, a new figure is made.
    values : array_like of shape (regions,), optional
        A number for each region, such as its active units or the norm of its gradient; the colour bar tells its scale.
        Without, eight colours take turns.
    label : str
        What the colour bar says.
    title : str
        The title.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ShapeError
        If there is no polygon, one is not of shape (k, 2) with k of at least 3, or `values` has not one number for each.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import tinynet as tn
    >>> below, above = [[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]
    >>> ax = tn.plot.linear_regions([below, above], title="|x₁ − x₂|")
    >>> len(ax.collections[0].get_paths())
    2
    """
    corners = [np.asarray(polygon, dtype=np.float64) for polygon in getattr(polygons, "polygons", polygons)]
    for i, polygon in enumerate(corners):
        if polygon.ndim != 2 or polygon.shape[1] != 2 or len(polygon) < 3:
            raise ShapeError(f"linear_regions: polygon {i} has shape {polygon.shape}; it must be (k, 2), k corners in order")
    if not corners:
        raise ShapeError("linear_regions: there is no polygon")
    numbers = None if values is None else np.asarray(values, dtype=np.float64)
    if numbers is not None and numbers.shape != (len(corners),):
        raise ShapeError(f"linear_regions: values has shape {numbers.shape}; there are {len(corners)} polygons")
    ax = axes_or_new(ax)
    from matplotlib.collections import PolyCollection

    edges = {"edgecolors": "black", "linewidths": min(1.0, 8 / len(corners) ** 0.5)}
    if numbers is None:
        ax.add_collection(PolyCollection(corners, facecolors=[_tint(COLORS[i % 8]) for i in range(len(corners))], **edges))
    else:
        drawn = ax.add_collection(PolyCollection(corners, array=numbers, cmap="cividis", **edges))
        ax.figure.colorbar(drawn, ax=ax, label=label)
    everything = np.concatenate(corners)
    (left, bottom), (right, top) = everything.min(axis=0), everything.max(axis=0)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", title=title, xlim=(left, right), ylim=(bottom, top), aspect="equal")
    return ax


def _tint(color: str) -> tuple[float, ...]:
    """The colour, half way to white: what is drawn on top stays legible."""
    return tuple((int(color[i : i + 2], 16) / 255 + 1) / 2 for i in (1, 3, 5))
