"""Models of one variable against what they were to learn."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinynet.errors import ShapeError
from tinynet.nn.module import Module
from tinynet.plot.figure import Array, axes_or_new, line_style
from tinynet.tensor import Tensor
from tinynet.training.inference import predict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["fits"]


def fits(
    models: Mapping[str, Module | Callable[[Array], Any]],
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    ax: "Axes | None" = None,
    *,
    target: Callable[[Array], Any] | None = None,
    span: tuple[float, float] | None = None,
    points: int = 401,
    title: str = "",
) -> "Axes":
    """Draw what models of one variable predict, the points that they were fitted to, and the function these come from.

    Parameters
    ----------
    models : mapping of str to Module or callable
        By the name in the legend a module, which is run in evaluation mode, or a function of an array; either takes shape
        (m, 1) and gives m numbers.
    x, y : array_like of shape (n,) or (n, 1)
        The points.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without, a new figure is made.
    target : callable, optional
        The true function, of an array of shape (m, 1).
    span : (float, float), optional
        From where to where to draw; over the points unless told. Where it goes beyond the points, their range is shaded.
    points : int
        At how many places the curves are computed.
    title : str
        The title.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ShapeError
        If `x` and `y` differ in length or are no columns, or a model does not give a number for each place.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> x, y = tn.data.sine_wave(20)
    >>> ax = tn.plot.fits({"zero": np.zeros_like}, x, y, target=lambda x: np.sin(2 * np.pi * x), span=(-2, 2))
    >>> ax.get_legend_handles_labels()[1]
    ['target', 'data', 'zero']
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if xs.size != ys.size or not xs.size or any(a.shape not in ((a.size,), (a.size, 1)) for a in (xs, ys)):
        raise ShapeError(f"fits: x has shape {xs.shape} and y {ys.shape}; they must be (n,) or (n, 1), a number for each point")
    low, high = (xs.min(), xs.max()) if span is None else span
    places = np.linspace(low, high, points)[:, None]
    lines = {name: _numbers(name, model, places) for name, model in models.items()}
    true = None if target is None else _numbers("target", target, places)
    ax = axes_or_new(ax)
    if low < xs.min() or high > xs.max():
        ax.axvspan(xs.min(), xs.max(), color="0.93", zorder=0)
    if true is not None:
        ax.plot(places[:, 0], true, color="black", linewidth=4, alpha=0.25, label="target")
    ax.plot(xs.ravel(), ys.ravel(), "o", color="black", markersize=3, label="data")
    for i, (name, line) in enumerate(lines.items()):
        ax.plot(places[:, 0], line, label=name, **line_style(i))
    bottom, top = ax.get_ylim()
    ax.set(xlabel="$x$", ylabel="$y$", title=title, xlim=(low, high), ylim=(bottom, top + 0.3 * (top - bottom)))
    ax.legend(loc="upper center", ncols=2)  # in the room just made
    return ax


def _numbers(name: str, model: Module | Callable[[Array], Any], places: Array) -> Array:
    output = predict(model, places) if isinstance(model, Module) else model(places)
    values = output.data if isinstance(output, Tensor) else np.asarray(output)
    if values.size != len(places):
        raise ShapeError(f"fits: {name!r} gave shape {values.shape} for {len(places)} places; one number each is needed")
    return values.reshape(len(places))
