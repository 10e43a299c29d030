"""Activation functions and their slopes, side by side."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.errors import ShapeError
from tinynet.plot.figure import Array, line_style, subplots
from tinynet.tensor import Tensor
from tinynet.transforms import vjp

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["activation_curves"]


def activation_curves(
    activations: Mapping[str, Callable[[Any], Any]],
    axes: "tuple[Axes, Axes] | Array | None" = None,
    *,
    span: tuple[float, float] = (-4.0, 4.0),
    points: int = 801,
) -> Array:
    """Draw activation functions f and beside them their derivatives f′, which `tinynet.vjp` computes.

    Parameters
    ----------
    activations : mapping of str to callable
        By the name in the legend a module or function that is applied to a tensor of shape (points,) element by element. Where
        it gives a plain array, as a step such as `numpy.sign` does, the slope is 0.
    axes : two matplotlib.axes.Axes, optional
        Where to draw f and f′; without, a new figure is made.
    span : (float, float)
        From where to where x goes.
    points : int
        At how many places.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (2,)
        Those of f and of f′.

    Raises
    ------
    ShapeError
        If an activation does not keep the shape.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> value, slope = tn.plot.activation_curves({"ReLU": tn.relu, "sin": np.sin, "Swish": tn.nn.Swish()})
    >>> float(slope.lines[0].get_ydata()[-1]), [line.get_label() for line in value.lines]
    (1.0, ['ReLU', 'sin', 'Swish'])
    """
    x = np.linspace(*span, points)
    drawn = [(name, *_value_and_slope(name, f, x)) for name, f in activations.items()]
    left, right = subplots(1, 2)[1][0] if axes is None else axes
    for i, (name, value, slope) in enumerate(drawn):
        left.plot(x, value, label=name, **line_style(i))
        right.plot(x, slope, label=name, **line_style(i))
    left.set(xlabel="$x$", ylabel="$f(x)$")
    right.set(xlabel="$x$", ylabel="$f\\,'(x)$")
    for ax in (left, right):
        ax.grid(color="0.9")
    right.legend(loc="upper left", bbox_to_anchor=(1, 1))  # beside the curves, which leave no room
    return np.array([left, right])


def _value_and_slope(name: str, f: Callable[[Any], Any], x: Array) -> tuple[Array, Array]:
    value, pullback = vjp(f, x)
    if np.shape(value) != x.shape:
        made = f"{name!r} made shape {np.shape(value)} of {x.shape}"
        raise ShapeError(f"activation_curves: {made}; an activation keeps the shape")
    [slope] = pullback(np.ones_like(x))
    return _array(value), _array(slope)


def _array(found: Any) -> Array:
    """Of a module with parameters what `vjp` gives is still tracked."""
    return np.asarray(found.data if isinstance(found, Tensor) else found)
