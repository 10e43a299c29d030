"""Figures without pyplot, and colours that everyone can tell apart."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLORS", "MARKERS", "Array", "axes_or_new", "line_style", "subplots"]

Array = np.ndarray[Any, Any]

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
"""Colours that the colour-blind can tell apart, by Okabe and Ito (2008), "Color Universal Design"."""

MARKERS = "os^Dvp*X"

_OF_LINES = tuple(color for color in COLORS if color != "#F0E442")  # a thin yellow line is lost on white
_DASHES = ("-", "--", "-.", ":")


def subplots(rows: int = 1, columns: int = 1, size: tuple[float, float] = (4.2, 3.8)) -> "tuple[Figure, Array]":
    """A new figure and its axes.

    Parameters
    ----------
    rows, columns : int
        How many axes below and beside each other.
    size : (float, float)
        Width and height of each, in inches.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : ndarray of matplotlib.axes.Axes, shape (rows, columns)

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import tinynet as tn
    >>> figure, axes = tn.plot.subplots(1, 2)
    >>> axes.shape
    (1, 2)
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("tinynet.plot needs matplotlib; install it with: pip install -e '.[plot]'") from error
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def axes_or_new(ax: "Axes | None") -> "Axes":
    """The axes given, or those of a new figure."""
    return subplots()[1][0, 0] if ax is None else ax


def line_style(i: int) -> dict[str, Any]:
    """Colour and dashes of the i-th line of a picture: the first 28 differ."""
    return {"color": _OF_LINES[i % len(_OF_LINES)], "linestyle": _DASHES[i // len(_OF_LINES) % len(_DASHES)]}
