"""A piecewise linear network seen from one point: the affine map that it is there, and the piece that each unit is on."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.errors import ShapeError
from tinynet.inspect.pieces import AffineMap, Pieces, check_finite, stages
from tinynet.nn.module import Module

__all__ = ["activation_patterns", "collapse"]

Array = np.ndarray[Any, Any]


def collapse(model: Module, x: npt.ArrayLike) -> AffineMap:
    """The affine map that a piecewise linear network is in the neighbourhood of a point.

    With the slopes dₗ of the activations at the point, the weight is Wₗ·diag(dₗ₋₁)·Wₗ₋₁·…·W₁ (Montúfar et al. 2014, "On the
    number of linear regions of deep neural networks"). Without activations the map is the same at every point. The network is
    taken in evaluation mode, and computed in float64.

    Parameters
    ----------
    model : Module
        A `Sequential` of linear layers and piecewise linear activations, or what `register` has been told of. `Flatten` may be
        among them; convolutions, though affine, may not, as points are rows of numbers here.
    x : array_like of shape (..., in)
        A point, or several. Where a unit is on a breakpoint, the piece is the one on the left, whose slope for a `ReLU` is 0.

    Returns
    -------
    AffineMap
        Its weight, of shape (..., out, in), and its bias, of shape (..., out).

    Raises
    ------
    TypeError
        If the model is no module, or a layer is not piecewise linear, as `GELU` and `Swish` are not.
    ShapeError
        If the points are not as long as the first layer wants.
    ValueError
        If a point or a parameter is not finite, or numbers in between overflow.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.nn.Sequential(tn.nn.Linear(2, 8, rng=0), tn.nn.ReLU(), tn.nn.Linear(8, 1, rng=1))
    >>> x = np.array([0.5, -2.0])
    >>> weight, bias = tn.inspect.collapse(model, x)
    >>> bool(np.allclose(weight @ x + bias, model(x).data))
    True
    >>> tn.inspect.collapse(tn.nn.Sequential(tn.nn.Linear(2, 8), tn.nn.GELU()), x)
    Traceback (most recent call last):
    ...
    TypeError: collapse: layer 1 is GELU(approximate='none'), which is not known to be piecewise linear; if it is, ...
    """
    h = _points(x, "collapse")
    columns, bias = np.eye(h.shape[-1]), np.zeros(h.shape[-1])  # the weight, its last two axes exchanged
    with np.errstate(over="ignore", invalid="ignore"):
        for _, part, given in _applied(model, h, "collapse"):
            if isinstance(part, AffineMap):
                columns, bias = np.dot(columns, part.weight.T), np.dot(bias, part.weight.T) + part.bias
            else:
                _, slope, intercept = part.at(given)
                columns, bias = columns * slope[..., None, :], slope * bias + intercept
    check_finite("collapse", columns, bias)
    weight = np.broadcast_to(columns.swapaxes(-1, -2), (*h.shape[:-1], *columns.shape[:-3:-1]))
    return AffineMap(weight + 0.0, np.broadcast_to(bias, (*h.shape[:-1], bias.shape[-1])) + 0.0)  # without negative zeros


def activation_patterns(model: Module, x: npt.ArrayLike) -> dict[str, Array]:
    """The piece that each unit of a piecewise linear network is on, at each of some points.

    Parameters
    ----------
    model : Module
        As for `collapse`.
    x : array_like of shape (..., in)
        The points.

    Returns
    -------
    dict of str to ndarray
        For each activation, by its name in the model, the pieces, of shape (..., units): the number of breakpoints on the left
        of what the unit is given. For a `ReLU` that is 0 where it is off and 1 where it is on.

    Raises
    ------
    TypeError, ShapeError, ValueError
        As `collapse` does.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.nn.Sequential(tn.nn.Identity(), tn.nn.ReLU(), tn.nn.Hardtanh())
    >>> tn.inspect.activation_patterns(model, [[-1.0, 0.5, 2.0], [3.0, 0.0, 0.0]])
    {'1': array([[0, 1, 1],
           [1, 0, 0]]), '2': array([[1, 1, 2],
           [2, 1, 1]])}
    """
    return {
        name: part.at(given)[0]
        for name, part, given in _applied(model, _points(x, "activation_patterns"), "activation_patterns")
        if isinstance(part, Pieces) and np.size(part.breakpoints)
    }


def _points(x: npt.ArrayLike, caller: str) -> Array:
    h = np.asarray(x, dtype=np.float64)
    if h.ndim == 0:
        raise ShapeError(f"{caller}: x is a number; it must be a point, of shape (in,), or points, of shape (..., in)")
    if not np.isfinite(h).all():
        raise ValueError(f"{caller}: x is not finite, and no piece reaches there")
    return h


def _applied(model: Module, h: Array, caller: str) -> Iterator[tuple[str, AffineMap | Pieces, Array]]:
    """A model's parts in order, each with what it is given at the points."""
    for name, part in stages(model, h.shape[-1], caller):
        yield name, part, h
        with np.errstate(over="ignore", invalid="ignore"):
            if isinstance(part, AffineMap):
                h = h @ part.weight.T + part.bias
            else:
                _, slope, intercept = part.at(h)
                h = slope * h + intercept
        check_finite(caller, h)
