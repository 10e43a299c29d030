"""How a network fares on data: units that are dead or saturated, what its layers give, and how large their gradients are."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tinynet import autograd
from tinynet.errors import GradientError, ShapeError
from tinynet.graph import no_grad
from tinynet.inspect.pieces import check_module, has_breakpoints
from tinynet.nn import activations, learnable
from tinynet.nn.activations import LogSoftmax, Softmax
from tinynet.nn.module import Module
from tinynet.table import Table
from tinynet.tensor import Tensor
from tinynet.training.feed import as_inputs, floating_dtype
from tinynet.training.inference import mode
from tinynet.transforms import grad

__all__ = [
    "ActivationStatistics", "DeadUnits", "GradientNorm", "Saturation", "activation_statistics", "dead_units", "gradient_norms",
    "saturation",
]

Array = np.ndarray[Any, Any]

ELEMENTWISE = tuple(
    kind for part in (activations, learnable) for kind in (getattr(part, name) for name in part.__all__)
    if kind not in (Softmax, LogSoftmax)
)
"""The activations that work element by element."""


class DeadUnits(NamedTuple):
    """The dead units of one activation: their number, that of all its units, and the share."""

    layer: str
    kind: str
    units: int
    dead: int
    rate: float


class Saturation(NamedTuple):
    """How much of what one activation is given lies where it is flat, and its mean slope in magnitude."""

    layer: str
    kind: str
    units: int
    rate: float
    slope: float


class ActivationStatistics(NamedTuple):
    """What one layer gives: mean, standard deviation, least and greatest value, and the share of exact zeros."""

    layer: str
    kind: str
    mean: float
    std: float
    min: float
    max: float
    zeros: float


class GradientNorm(NamedTuple):
    """The norm of a loss's gradient by the parameters of one layer, that of the parameters, and the quotient of the two."""

    layer: str
    kind: str
    gradient: float
    parameters: float
    ratio: float


def dead_units(model: Module, x: npt.ArrayLike) -> Table[DeadUnits]:
    """The units of each activation whose slope is zero at all the data, so that nothing they are given can change by training.

    Parameters
    ----------
    model : Module
        Taken in evaluation mode. Its activations are the modules of `tinynet.nn` that work element by element, and those that
        `register` has been told of. Functions that a `forward` calls, as in ``tn.relu(self.hidden(x))``, are not seen and
        have no row. Of a stack look at the members, which ``stack.unstack()`` gives.
    x : array_like of shape (samples, ...)
        The data.

    Returns
    -------
    Table of DeadUnits
        One row an activation, in the order in which they run. A unit is an element of what the activation is given for one
        sample.

    Raises
    ------
    TypeError
        If the model is no module, or a stack.
    ShapeError
        If the data have less than two axes.
    ValueError
        If there are no data, no activation is among the model's modules, or one is given NaN.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.nn.Sequential(tn.nn.Linear(2, 4, rng=0), tn.nn.ReLU(), tn.nn.Linear(4, 1, rng=1))
    >>> model[0].bias.data[:2] = -100
    >>> tn.inspect.dead_units(model, np.random.default_rng(0).normal(size=(50, 2)))
    layer  kind  units  dead  rate
    1      ReLU      4     2   0.5
    """
    rows = []
    for name, module, slope in _slopes(model, x, "dead_units"):
        dead = int((slope == 0).all(axis=0).sum())
        rows.append(DeadUnits(name, type(module).__name__, slope[0].size, dead, dead / slope[0].size))
    return Table(rows)


def saturation(model: Module, x: npt.ArrayLike, threshold: float = 0.01) -> Table[Saturation]:
    """The share of what each activation is given at which its slope is below a threshold, over all units and data.

    Parameters
    ----------
    model : Module
        As for `dead_units`.
    x : array_like of shape (samples, ...)
        The data.
    threshold : float
        What the slope's magnitude must be below; positive. The slope of tanh is at most 1, that of the sigmoid at most ¼.

    Returns
    -------
    Table of Saturation
        One row an activation, in the order in which they run.

    Raises
    ------
    TypeError, ShapeError, ValueError
        As `dead_units` does; and if the threshold is not positive.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.nn.Sequential(tn.nn.Tanh(), tn.nn.Hardtanh())
    >>> tn.inspect.saturation(model, np.array([[-4.0, -1.0], [0.0, 4.0]]))
    layer  kind      units  rate   slope
    0      Tanh          2   0.5  0.3557
    1      Hardtanh      2     0       1
    """
    if not threshold > 0:
        raise ValueError(f"saturation: threshold={threshold} must be positive, a slope's magnitude to be below")
    rows = []
    for name, module, slope in _slopes(model, x, "saturation"):
        size = np.abs(slope)
        rate = float((size < threshold).mean())
        rows.append(Saturation(name, type(module).__name__, slope[0].size, rate, float(size.mean())))
    return Table(rows)


def activation_statistics(model: Module, x: npt.ArrayLike) -> Table[ActivationStatistics]:
    """What each layer of a model gives on some data.

    Parameters
    ----------
    model : Module
        Taken in evaluation mode. Its layers are the modules that hold no others. Of a stack look at the members.
    x : array_like of shape (samples, ...)
        The data.

    Returns
    -------
    Table of ActivationStatistics
        One row for each layer that gives an array, in the order in which they run; figures are computed in float64.

    Raises
    ------
    TypeError
        If the model is no module, or a stack.
    ValueError
        If there are no data.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.nn.Sequential(tn.nn.Identity(), tn.nn.ReLU())
    >>> tn.inspect.activation_statistics(model, np.array([[-1.0, 2.0], [-4.0, 3.0]]))
    layer  kind      mean    std  min  max  zeros
    0      Identity     0  2.739   -4    3      0
    1      ReLU      1.25  1.299    0    3    0.5
    """
    rows = []
    for name, module, _, output in _calls(model, x, "activation_statistics"):
        y = np.asarray(output, dtype=np.float64)
        figures = [float(figure) for figure in (y.mean(), y.std(), y.min(), y.max(), (y == 0).mean())]
        rows.append(ActivationStatistics(name, type(module).__name__, *figures))
    return Table(rows)


def gradient_norms(model: Module, loss: Tensor) -> Table[GradientNorm]:
    """The norm of a loss's gradient by the parameters of each layer; the parameters' own `grad` is left alone.

    Parameters
    ----------
    model : Module
        Its layers are the modules that have parameters of their own. Of a stack look at the members, each with a loss.
    loss : Tensor of one element
        A loss that was computed with the model; its graph stays usable.

    Returns
    -------
    Table of GradientNorm
        One row a layer, in the order of `Module.named_modules`. Where the loss does not depend on a layer, the gradient is 0;
        where all parameters are 0, the quotient is infinite, or NaN.

    Raises
    ------
    TypeError
        If the model is no module, or a stack.
    GradientError
        If the loss requires no gradient, or is not one number.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.nn.Sequential(tn.nn.Linear(2, 2, rng=0), tn.nn.Tanh(), tn.nn.Linear(2, 1, rng=1))
    >>> model[2].weight.data[...], model[2].bias.data[...] = [[3.0, 4.0]], 0.0
    >>> tn.inspect.gradient_norms(model, np.sum(model[2](np.array([[1.0, 2.0]]))))
    layer  kind    gradient  parameters   ratio
    0      Linear         0       1.253       0
    2      Linear     2.449           5  0.4899
    """
    check_module("gradient_norms: the model", model)
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        raise GradientError("gradient_norms: the loss must be a tensor computed with the model, such as mse_loss(model(x), y)")
    trained = [x for x in model.parameters() if x.requires_grad]
    gradients = autograd.grad(loss, trained, retain_graph=True, allow_unused=True)
    gradient_of = {id(x): g.data for x, g in zip(trained, gradients, strict=True) if g is not None}
    rows = []
    for name, module in model.named_modules():
        inner = {id(x) for child in module.children() for x in child.parameters()}
        own = [x for x in module.parameters() if id(x) not in inner]
        if own:
            gradient, size = _norm(gradient_of.get(id(x), 0.0) for x in own), _norm(x.data for x in own)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                ratio = float(np.divide(gradient, size))
            rows.append(GradientNorm(name, type(module).__name__, gradient, size, ratio))
    return Table(rows)


def _calls(model: Module, x: npt.ArrayLike, caller: str) -> list[tuple[str, Module, tuple[Any, ...], Array]]:
    """The arguments and the output of each module without modules in it, in the order in which they run."""
    check_module(f"{caller}: the model", model)
    inputs = as_inputs(x, floating_dtype(model))
    if not inputs.size:
        raise ValueError(f"{caller}: there are no data, x has shape {inputs.shape}")
    calls: list[tuple[str, Module, tuple[Any, ...], Array]] = []
    names = {id(module): name for name, module in model.named_modules()}

    def note(module: Module, args: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, Tensor | np.ndarray):
            calls.append((names[id(module)], module, args, np.asarray(_data(output))))

    handles = [module.register_forward_hook(note) for module in model.modules() if not any(module.children())]
    try:
        with mode(model, False), no_grad():
            model(Tensor(inputs))
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _slopes(model: Module, x: npt.ArrayLike, caller: str) -> list[tuple[str, Module, Array]]:
    """The slope of each activation at what it is given."""
    check_module(f"{caller}: the model", model)
    shape = np.shape(_data(x))
    if len(shape) < 2:
        raise ShapeError(f"{caller}: x has shape {shape}; it must be (samples, ...), np.atleast_2d(x) for one sample")
    calls = [call for call in _calls(model, x, caller) if isinstance(call[1], ELEMENTWISE) or has_breakpoints(call[1])]
    if not calls:
        raise ValueError(
            f"{caller}: no activation is among the modules of {type(model).__name__}; functions that its forward calls are not "
            "seen, use modules such as tn.nn.ReLU(), and tell others with tn.inspect.register"
        )
    slopes = []
    for name, module, args, _ in calls:
        if len(args) != 1:
            raise TypeError(f"{caller}: layer {name} ({type(module).__name__}) is not called with one argument, as in act(x)")
        given = np.asarray(_data(args[0]))
        if np.isnan(given).any():
            raise ValueError(f"{caller}: layer {name} ({type(module).__name__}) is given NaN, and has no slope there")
        slope = grad(lambda z, module=module: np.sum(module(z)))(given)
        slopes.append((name, module, np.asarray(_data(slope), dtype=np.float64)))
    return slopes


def _data(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def _norm(arrays: Iterable[Any]) -> float:
    """The Euclidean norm of all elements, as multiples of the largest: their squares alone may overflow, or be 0."""
    elements = np.concatenate([np.ravel(np.asarray(x, dtype=np.float64)) for x in arrays])
    largest = np.abs(elements).max(initial=0)
    if largest == 0 or not np.isfinite(largest):
        return float(largest)
    return float(largest * np.sqrt(np.sum(np.square(elements / largest))))
