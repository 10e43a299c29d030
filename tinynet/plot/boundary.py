"""The plane in the colours of the classes that a model sees in it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinynet.errors import ShapeError
from tinynet.nn.module import Module
from tinynet.plot.figure import COLORS, MARKERS, Array, axes_or_new
from tinynet.tensor import Tensor
from tinynet.training.inference import predict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["decision_boundary"]


def decision_boundary(
    model: Module | Callable[[Array], Any],
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    ax: "Axes | None" = None,
    *,
    threshold: float = 0.0,
    title: str = "",
    resolution: int = 200,
) -> "Axes":
    """Colour the plane by the class that a model gives each point, and draw the data on it.

    Parameters
    ----------
    model : Module or callable
        A module, which is run in evaluation mode; or a function of an array of shape (m, 2). What it gives for m points is
        read by its kind: integers or booleans (m,) are classes, floats (m, C) with C > 1 are class scores, and floats (m,) or
        (m, 1) are logits of class 1.
    x : array_like of shape (n, 2)
        The points.
    y : array_like of shape (n,) or (n, 1)
        Their classes, from 0.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without, a new figure is made.
    threshold : float
        What a logit must exceed for class 1; ½ where the model gives probabilities.
    title : str
        The title.
    resolution : int
        The points of the grid along each axis.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ShapeError
        If `x` is not of shape (n, 2), `y` has not a class for each point, or the model gives none of the three kinds.
    ValueError
        If a point is not finite, or a class of `y` or the model is no whole number from 0 to 99.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import tinynet as tn
    >>> x, y = tn.data.circle(200, rng=0)
    >>> ax = tn.plot.decision_boundary(lambda points: 1.1 - (points**2).sum(axis=1) ** 0.5, x, y, title="radius 1.1")
    >>> ax.get_title()
    'radius 1.1'
    """
    points, labels = np.asarray(x, dtype=np.float64), np.asarray(y).ravel()
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ShapeError(f"decision_boundary: x has shape {points.shape}; it must be (n, 2), points of the plane")
    if not np.isfinite(points).all():
        raise ValueError("decision_boundary: x is not finite; leave out the points that have no place in the plane")
    if len(labels) != len(points):
        raise ShapeError(f"decision_boundary: y has shape {np.shape(y)}; each of the {len(points)} points needs one class")
    labels = _classes("y", labels)
    ax = axes_or_new(ax)
    margin = 0.1 * np.ptp(points, axis=0) + 1e-9
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    columns, rows = np.linspace(low[0], high[0], resolution), np.linspace(low[1], high[1], resolution)
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    output = predict(model, grid) if isinstance(model, Module) else model(grid)
    regions, leads = _regions(output.data if isinstance(output, Tensor) else np.asarray(output), threshold, len(grid))
    classes = int(max(labels.max(), regions.max())) + 1
    colors = [COLORS[i % len(COLORS)] for i in range(classes)]
    square = (resolution, resolution)
    ax.contourf(columns, rows, regions.reshape(square), levels=np.arange(classes + 1) - 0.5, colors=colors, alpha=0.25)
    for lead in leads:
        if lead.min() < 0 < lead.max():
            ax.contour(columns, rows, lead.reshape(square), levels=[0.0], colors="black", linewidths=1)
    for i, color in enumerate(colors):
        marker, (x1, x2) = MARKERS[i % len(MARKERS)], points[labels == i].T
        ax.scatter(x1, x2, s=22, c=color, marker=marker, edgecolors="white", linewidths=0.4, label=f"class {i}")
    ax.set(xlabel="$x_1$", ylabel="$x_2$", title=title, xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    return ax


def _classes(name: str, numbers: Array) -> Array:
    known = numbers.dtype.kind in "biuf" and bool(((numbers >= 0) & (numbers < 100) & (numbers == np.floor(numbers))).all())
    if not known:
        shown = ", ".join(map(repr, np.unique(numbers)[:5].tolist()))
        raise ValueError(f"decision_boundary: {name} must be classes, whole numbers from 0 to 99; it has {shown}")
    return numbers.astype(np.int64)


def _regions(output: Array, threshold: float, points: int) -> tuple[Array, list[Array]]:
    """The class of each point, and for each boundary to draw an array that changes its sign on it."""
    whole = output.dtype.kind != "f"
    if output.shape not in ((points,), (points, 1)) and (whole or output.ndim != 2 or len(output) != points):
        wanted = "one class each" if whole else "a logit each, or a score for each class (of a stack give a member, stack[k])"
        raise ShapeError(f"decision_boundary: the model gave shape {output.shape} for {points} points; it must give {wanted}")
    if whole:
        classes = _classes("what the model gives", output.reshape(points))
        return classes, [(classes == i) - 0.5 for i in np.unique(classes)[1:]]
    if output.size == points:
        lead = output.reshape(points) - threshold
        return (lead > 0).astype(np.int64), [lead]
    others = [np.delete(output, i, axis=1).max(axis=1) for i in range(output.shape[1])]
    return output.argmax(axis=1), [output[:, i] - other for i, other in enumerate(others)]
