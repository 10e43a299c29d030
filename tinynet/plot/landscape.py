"""The loss round a trained network, in a plane through its weights."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinynet.errors import ShapeError
from tinynet.graph import no_grad
from tinynet.nn.module import Module
from tinynet.plot.figure import Array, axes_or_new
from tinynet.random import as_generator
from tinynet.training.inference import mode

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.random import Generator

__all__ = ["filter_direction", "loss_grid", "loss_landscape"]


def filter_direction(model: Module, rng: "int | Generator | None" = None) -> dict[str, Array]:
    """A random direction in the space of a model's weights, scaled to them filter by filter.

    A filter is what leads to one unit: a row of a `Linear` weight, a kernel of a convolution. For each a Gaussian d is drawn
    and scaled to the filter's own length, ``d · ‖w‖ / ‖d‖``, so that a step of 1 is as long as the filter itself. Biases and
    other vectors stay as they are: their direction is 0. One seed gives models of one shape the same directions but for this
    scale, whatever their activations, so that pictures of them can be compared.

    By Li et al. (2018), "Visualizing the Loss Landscape of Neural Nets", section 4: without the scale, a network whose weights
    are large looks flat only because the step is small against them.

    Parameters
    ----------
    model : Module
        What the direction is for; of a stack take a member, ``stack[k]``.
    rng : int, numpy.random.Generator or None
        Where the randomness comes from (`tinynet.manual_seed`).

    Returns
    -------
    dict of str to ndarray
        For each parameter's name an array of its shape and dtype.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> layer = tn.nn.Linear(3, 2, rng=0)
    >>> direction = tn.plot.filter_direction(layer, rng=1)
    >>> lengths = np.linalg.norm(direction["weight"], axis=1)
    >>> np.allclose(lengths, np.linalg.norm(layer.weight.data, axis=1)), direction["bias"].tolist()
    (True, [0.0, 0.0])
    """
    generator = as_generator(rng)
    direction = {}
    for name, parameter in model.named_parameters():
        weight = parameter.data
        drawn = generator.standard_normal(weight.shape)
        axes = tuple(range(1, weight.ndim))
        length, drawn_length = (np.sqrt(np.sum(np.square(w), axis=axes, keepdims=True)) for w in (weight, drawn))
        direction[name] = (drawn * length / drawn_length if weight.ndim > 1 else np.zeros_like(drawn)).astype(weight.dtype)
    return direction


def loss_grid(
    model: Module,
    loss: Callable[[Module], Any],
    directions: tuple[Mapping[str, Array], Mapping[str, Array]],
    steps: npt.ArrayLike,
) -> Array:
    """The loss at the corners of a grid in the plane that two directions span, with the model in its middle.

    Parameters
    ----------
    model : Module
        The centre, in evaluation mode. Its parameters are moved about and are at the end what they were, to the bit.
    loss : callable
        ``loss(model)`` gives one number, as in ``lambda model: loss_function(model(x), y)``.
    directions : two mappings of str to ndarray
        Of `filter_direction`, or any others: an array for each parameter that moves.
    steps : array_like of shape (n,)
        How far to go along each direction, such as ``numpy.linspace(-1, 1, 25)``.

    Returns
    -------
    ndarray of shape (n, n), float64
        Element ``[i, j]`` is the loss at ``weights + steps[j] · first + steps[i] · second``: a column goes up along the second.

    Raises
    ------
    KeyError
        If a direction has a name that is no parameter's.
    ShapeError
        If a direction has not its parameter's shape, or `steps` is not of shape (n,).

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.nn.Linear(1, 1, bias=False, rng=0)
    >>> one = {"weight": np.array([[1.0]])}
    >>> w = model.weight.item()
    >>> grid = tn.plot.loss_grid(model, lambda model: np.sum((model.weight - w) ** 2), (one, one), [-1.0, 0.0, 1.0])
    >>> grid.tolist()
    [[4.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 4.0]]
    """
    places = np.asarray(steps, dtype=np.float64)
    if places.ndim != 1:
        raise ShapeError(f"loss_grid: steps has shape {places.shape}; it must be (n,)")
    parameters = {name: parameter.data for name, parameter in model.named_parameters()}
    for direction in directions:
        for name, array in direction.items():
            if name not in parameters:
                raise KeyError(f"loss_grid: the model has no parameter {name!r}; it has {', '.join(parameters)}")
            if array.shape != parameters[name].shape:
                raise ShapeError(f"loss_grid: the direction of {name} has shape {array.shape}, not {parameters[name].shape}")
    centre = {name: array.copy() for name, array in parameters.items()}
    grid = np.empty((len(places), len(places)))
    try:
        with mode(model, False), no_grad():
            for i, j in np.ndindex(grid.shape):
                for name, array in parameters.items():
                    array[...] = centre[name]
                for step, direction in zip((places[j], places[i]), directions, strict=True):
                    for name, array in direction.items():
                        parameters[name] += step * array
                grid[i, j] = float(loss(model))
    finally:
        for name, array in parameters.items():
            array[...] = centre[name]
    return grid


def loss_landscape(
    grid: npt.ArrayLike, steps: npt.ArrayLike, ax: "Axes | None" = None, *, levels: npt.ArrayLike | None = None, title: str = ""
) -> "Axes":
    """Draw the losses of `loss_grid` as a map with lines of equal loss; a cross marks the model.

    Parameters
    ----------
    grid : array_like of shape (n, n)
        Losses.
    steps : array_like of shape (n,)
        What they were computed at.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without, a new figure is made.
    levels : array_like, optional
        The losses of the lines, ascending: the same for maps that are to be compared. Unless told, ten from the grid's least
        loss to its largest, in equal ratios where all losses are positive.
    title : str
        The title.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ShapeError
        If the grid is not of shape (n, n) for n steps.
    ValueError
        If a loss is not finite, or all are equal and there are no `levels`.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> steps = np.linspace(-1, 1, 21)
    >>> ax = tn.plot.loss_landscape(1 + steps**2 + 4 * steps[:, None] ** 2, steps, title="a bowl")
    >>> ax.get_title(), ax.get_xlabel()
    ('a bowl', 'first direction')
    """
    losses, places = np.asarray(grid, dtype=np.float64), np.asarray(steps, dtype=np.float64)
    if places.ndim != 1 or losses.shape != (len(places), len(places)):
        raise ShapeError(f"loss_landscape: a grid of shape {losses.shape} for steps of shape {places.shape}; see loss_grid")
    if not np.isfinite(losses).all():
        raise ValueError("loss_landscape: a loss is not finite; take smaller steps")
    low, high = losses.min(), losses.max()
    if levels is None:
        if low == high:
            raise ValueError(f"loss_landscape: every loss is {low:g}; there is no line to draw")
        levels = np.geomspace(low, high, 10) if low > 0 else np.linspace(low, high, 10)
    from matplotlib.colors import BoundaryNorm
    from matplotlib.patheffects import withStroke

    ax = axes_or_new(ax)
    bounds = np.asarray(levels, dtype=np.float64)
    norm = BoundaryNorm(bounds, 256, extend="both")
    ax.contourf(places, places, losses, levels=bounds, cmap="cividis", norm=norm, extend="both")
    lines = ax.contour(places, places, losses, levels=bounds, colors="white", linewidths=0.6)
    margin = 0.06 * np.ptp(places)
    for text in ax.clabel(lines, fmt="%.2g", fontsize=8, inline=False):
        text.set_path_effects([withStroke(linewidth=2, foreground="black")])  # legible on dark and on bright ground
        left, right = min(text.get_position()), max(text.get_position())
        if left < places.min() + margin or right > places.max() - margin:
            text.remove()  # the edge would cut it off
    ax.plot(0, 0, marker="+", color="white", markersize=10, markeredgewidth=2)
    ax.set(xlabel="first direction", ylabel="second direction", title=title, aspect="equal")
    return ax
