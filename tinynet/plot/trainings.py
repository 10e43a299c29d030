"""Losses against time: of one training, and of many with different seeds."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinynet.errors import ShapeError
from tinynet.plot.figure import Array, axes_or_new, line_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["bands", "curves"]


def curves(
    history: Mapping[str, list[Any]],
    columns: Iterable[str] | None = None,
    ax: "Axes | None" = None,
    *,
    label: str = "",
    log: bool = False,
) -> "Axes":
    """Draw columns of a training's history against the epoch; of a stack the median of its members with a band, as in `bands`.

    Parameters
    ----------
    history : History or mapping
        Lists with one number an epoch, or an array of the members' numbers.
    columns : iterable of str, optional
        What to draw: ``loss``, and ``val_loss`` if it is there, unless told.
    ax : matplotlib.axes.Axes, optional
        Where to draw, beside what is there already; without, a new figure is made.
    label : str
        What the legend says before each column's name, to tell trainings apart.
    log : bool
        A logarithmic axis for the values.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    KeyError
        If the history has not such a column.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import tinynet as tn
    >>> ax = tn.plot.curves({"loss": [1.0, 0.5, 0.25]}, label="tanh", log=True)
    >>> ax.get_xlabel(), ax.get_ylabel(), [line.get_label() for line in ax.lines]
    ('epoch', 'loss', ['tanh loss'])
    """
    names = [name for name in ("loss", "val_loss") if name in history] if columns is None else list(columns)
    values = [history[name] for name in names]
    ax = axes_or_new(ax)
    for name, value in zip(names, values, strict=True):
        at = np.arange(1, len(value) + 1)
        how = {**line_style(len(ax.lines)), "label": f"{label} {name}".strip()}
        how["linestyle"] = "--" if name.startswith("val_") else how["linestyle"].replace("--", "-.")
        if np.ndim(value) == 2:
            _band(ax, at, np.transpose(value), how)
        else:
            ax.plot(at, value, **how)
    kinds = {name.removeprefix("val_") for name in names}
    ax.set(xlabel="epoch", ylabel=kinds.pop() if len(kinds) == 1 else "value", yscale="log" if log else "linear")
    ax.legend()
    return ax


def bands(
    runs: Mapping[str, npt.ArrayLike],
    ax: "Axes | None" = None,
    *,
    x: npt.ArrayLike | None = None,
    xlabel: str = "epoch",
    ylabel: str = "loss",
    log: bool = False,
) -> "Axes":
    """Draw the median over seeds against time (or width, or depth), with a band from the lower to the upper quartile.

    Parameters
    ----------
    runs : mapping of str to array_like of shape (seeds, n)
        For each method the curves of its seeds, a row a seed; of a stack's history ``numpy.transpose(history["loss"])``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without, a new figure is made.
    x : array_like of shape (n,), optional
        Where the columns stand; from 1 on unless told.
    xlabel, ylabel : str
        What the axes say.
    log : bool
        A logarithmic axis for the values.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ShapeError
        If the curves of a method are not of shape (seeds, n), or `x` is not of shape (n,).
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> losses = np.random.default_rng(0).uniform(1, 2, (20, 50)) / np.arange(1, 51)
    >>> ax = tn.plot.bands({"tanh": losses, "ReLU": 2 * losses}, log=True)
    >>> [line.get_label() for line in ax.lines]
    ['tanh', 'ReLU']
    """
    curves = {name: np.asarray(values, dtype=np.float64) for name, values in runs.items()}
    for name, values in curves.items():
        if values.ndim != 2 or 0 in values.shape:
            raise ShapeError(f"bands: the curves of {name!r} have shape {values.shape}; they must be (seeds, n), a row a seed")
        if x is not None and np.shape(x) != values.shape[1:]:
            raise ShapeError(f"bands: x has shape {np.shape(x)}; the curves of {name!r} have {values.shape[1]} points")
    ax = axes_or_new(ax)
    for name, values in curves.items():
        at = np.arange(1, values.shape[1] + 1) if x is None else np.asarray(x)
        _band(ax, at, values, {"label": name, **line_style(len(ax.lines))})
    ax.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    ax.legend()
    return ax


def _band(ax: "Axes", at: Array, runs: Array, style: dict[str, Any]) -> None:
    method: Any = "nearest" if np.isinf(runs).any() else "linear"  # inf − inf in an interpolation would be NaN
    low, middle, high = np.quantile(runs, (0.25, 0.5, 0.75), axis=0, method=method)
    ax.plot(at, middle, **style)
    ax.fill_between(at, low, high, color=style["color"], alpha=0.2, linewidth=0)
