"""What a network is made of, where it is piecewise linear: affine maps, and functions of one number with linear pieces."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tinynet.errors import ShapeError
from tinynet.nn.activations import Hardsigmoid, Hardtanh, LeakyReLU, ReLU, ReLU6
from tinynet.nn.containers import Sequential
from tinynet.nn.dropout import Dropout
from tinynet.nn.ensembles import Stack
from tinynet.nn.learnable import APL, PReLU
from tinynet.nn.linear import Flatten, Identity, Linear
from tinynet.nn.module import Module
from tinynet.nn.normalization import BatchNorm1d

__all__ = ["AffineMap", "Pieces", "check_finite", "check_module", "described", "has_breakpoints", "register", "stages"]

Array = np.ndarray[Any, Any]


class AffineMap(NamedTuple):
    """The map ``weight @ x + bias``.

    Attributes
    ----------
    weight : ndarray, shape (..., out, in)
    bias : ndarray, shape (..., out)

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> weight, bias = tn.inspect.AffineMap(np.eye(2), np.zeros(2))
    """

    weight: Array
    bias: Array


class Pieces(NamedTuple):
    """A piecewise linear function of one number: ``slopes[k] * x + intercepts[k]`` on piece ``k``.

    Piece ``k`` reaches from ``breakpoints[k - 1]``, which is not in it, to ``breakpoints[k]``, which is.

    Attributes
    ----------
    breakpoints : array_like, shape (m,) or (m, units)
        In ascending order; of each unit, where units differ.
    slopes, intercepts : array_like, shape (m + 1,) or (m + 1, units)

    Examples
    --------
    The clip to [-1, 1]:

    >>> import tinynet as tn
    >>> clip = tn.inspect.Pieces(breakpoints=[-1, 1], slopes=[0, 1, 0], intercepts=[-1, 0, 1])
    """

    breakpoints: npt.ArrayLike
    slopes: npt.ArrayLike
    intercepts: npt.ArrayLike

    def of_units(self, units: int) -> tuple[Array, Array, Array]:
        """Breakpoints, slopes and intercepts, as arrays of float64 with a column for each of so many units."""

        def columns(values: npt.ArrayLike) -> Array:
            array = np.asarray(values, dtype=np.float64)
            return np.broadcast_to(array[:, None] if array.ndim == 1 else array, (len(array), units))

        return columns(self.breakpoints), columns(self.slopes), columns(self.intercepts)

    def at(self, z: Array) -> tuple[Array, Array, Array]:
        """On which piece each element of `z` is, of shape (..., units), and that piece's slope and intercept."""
        units = z.shape[-1]
        breakpoints, slopes, intercepts = self.of_units(units)
        index = (z[..., None, :] > breakpoints).sum(axis=-2)
        return index, slopes[index, np.arange(units)], intercepts[index, np.arange(units)]


Parts = Pieces | AffineMap | Iterable[Module]

_PARTS: dict[type[Module], Callable[[Any], Parts | None]] = {}


def register(kind: type[Module], parts: Callable[[Any], Parts | None]) -> None:
    """Say what a kind of module is made of, so that networks with such modules can be looked into.

    Parameters
    ----------
    kind : type
        A class of modules. Classes derived from it are what it is, unless they define a `forward` of their own.
    parts : callable
        ``parts(module)`` gives the `Pieces` of an activation, the `AffineMap` of a linear layer, the modules that the module
        applies one after another, or None where this one is not piecewise linear.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> class Abs(tn.nn.Module):
    ...     def forward(self, x):
    ...         return np.abs(x)
    >>> tn.inspect.register(Abs, lambda module: tn.inspect.Pieces([0], slopes=[-1, 1], intercepts=[0, 0]))
    >>> weight, bias = tn.inspect.collapse(Abs(), [3.0, -2.0])
    >>> weight
    array([[ 1.,  0.],
           [ 0., -1.]])

    A model that calls its layers by itself:

    >>> class Net(tn.nn.Module):
    ...     def __init__(self):
    ...         self.hidden, self.out = tn.nn.Linear(2, 4, rng=0), tn.nn.Linear(4, 1, rng=1)
    ...     def forward(self, x):
    ...         return self.out(tn.relu(self.hidden(x)))
    >>> tn.inspect.register(Net, lambda net: [net.hidden, tn.nn.ReLU(), net.out])
    >>> tn.inspect.collapse(Net(), [1.0, 1.0]).weight.shape
    (1, 2)
    """
    if not (isinstance(kind, type) and issubclass(kind, Module)):
        raise TypeError(f"register: {kind!r} is not a class of modules; derive one from tn.nn.Module")
    _PARTS[kind] = parts


def has_breakpoints(module: Module) -> bool:
    """Whether a module is known to be a piecewise linear activation."""
    made = _parts_of(module)
    return isinstance(made, Pieces) and np.size(made.breakpoints) > 0


def check_module(what: str, thing: Any) -> None:
    """A `TypeError` if a thing is not a module, or the modules of several models at once."""
    if not isinstance(thing, Module):
        raise TypeError(f"{what} is a {type(thing).__name__}; it must be a tn.nn.Module")
    if isinstance(thing, Stack):
        raise TypeError(f"{what} is a stack of {len(thing)} models; look at each of its members, which stack.unstack() gives")


def check_finite(caller: str, *arrays: Array) -> None:
    """A `ValueError` if numbers have overflowed."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(f"{caller}: numbers within the network are too large for a float64; scale its weights or inputs down")


def described(module: Module) -> str:
    """A module in one line."""
    return f"{type(module).__name__}({module.extra_repr()})"


def stages(model: Module, features: int, caller: str) -> list[tuple[str, AffineMap | Pieces]]:
    """The affine maps and activations that a model applies one after another, each with its name.

    Parameters
    ----------
    model : Module
    features : int
        The length of the model's input.
    caller : str
        The function that errors are told of.

    Raises
    ------
    TypeError
        If a layer is not known to be piecewise linear.
    ShapeError
        If a layer's sizes do not fit.
    ValueError
        If a parameter is not finite, or what was registered is malformed.
    """
    check_module(f"{caller}: the model", model)
    found = []
    for name, module, part in _flat("", model, caller):
        layer = f"{caller}: layer {name} ({described(module)})" if name else f"{caller}: {described(module)}"
        if isinstance(part, AffineMap):
            if part.weight.ndim != 2 or part.bias.shape != part.weight.shape[:1]:
                raise ValueError(
                    f"{layer} has a weight of shape {part.weight.shape} and a bias of shape {part.bias.shape}; "
                    "an affine map has (out, in) and (out,)"
                )
            gives, takes = part.weight.shape
        else:
            takes = gives = _checked(part, features, layer)
        if takes != features:
            raise ShapeError(f"{layer} takes {takes} numbers and is given {features}; give the model inputs of another length")
        if not all(np.isfinite(values).all() for values in part):
            raise ValueError(f"{layer} has parameters that are not finite, which have no linear pieces")
        found.append((name, part))
        features = gives
    return found


def _flat(name: str, module: Module, caller: str) -> Iterator[tuple[str, Module, AffineMap | Pieces]]:
    """A module's parts, down to those without parts of their own."""
    check_module(f"{caller}: layer {name}", module)
    made = _parts_of(module)
    if made is None:
        raise TypeError(
            f"{caller}: {f'layer {name}' if name else 'the model'} is {described(module)}, which is not known to be piecewise "
            "linear; if it is, tell its pieces with tn.inspect.register, and if it is not, tn.jacobian(model) has the slope at "
            "a point"
        )
    if isinstance(made, AffineMap):
        yield name, module, AffineMap(np.asarray(made.weight, dtype=np.float64), np.asarray(made.bias, dtype=np.float64))
    elif isinstance(made, Pieces):
        yield name, module, made
    elif not isinstance(made, Iterable):
        raise TypeError(f"{caller}: {described(module)} is registered as {made!r}; it must be Pieces, an AffineMap or modules")
    else:
        for i, part in enumerate(made):
            yield from _flat(f"{name}.{i}".removeprefix("."), part, caller)


def _parts_of(module: Module) -> Parts | None:
    """What a module is made of, as registered for its class, or for the one that it has its `forward` from."""
    for kind in type(module).__mro__:
        if kind in _PARTS:
            return _PARTS[kind](module)
        if "forward" in vars(kind):
            return None
    return None


def _checked(pieces: Pieces, units: int, layer: str) -> int:
    """The number of units that a layer's pieces are for: those given, unless the pieces are of units that differ."""
    breakpoints, slopes, intercepts = arrays = [np.asarray(values) for values in pieces]
    widths = {array.shape[1] for array in arrays if array.ndim == 2}
    if not {array.ndim for array in arrays} <= {1, 2} or len(widths) > 1:
        raise ValueError(
            f"{layer} has breakpoints, slopes and intercepts of the shapes {', '.join(str(array.shape) for array in arrays)}; "
            "each has a row a piece, and a column for each unit or no columns"
        )
    if not len(breakpoints) + 1 == len(slopes) == len(intercepts):
        raise ValueError(
            f"{layer} has {len(breakpoints)} breakpoints, {len(slopes)} slopes and {len(intercepts)} intercepts; of the "
            "latter two there must be one more than breakpoints"
        )
    if not (np.diff(breakpoints, axis=0) >= 0).all():
        raise ValueError(f"{layer} has the breakpoints {breakpoints.tolist()}; they must be in ascending order")
    return max(widths, default=units)


# What the layers of tinynet are made of ------------------------------------------------------------------------------


def _linear(module: Linear) -> AffineMap:
    return AffineMap(module.weight.data, np.zeros(module.out_features) if module.bias is None else module.bias.data)


def _flatten(module: Flatten) -> Pieces | None:
    """The identity, of points that have one axis behind that of the batch; None where the two would be merged."""
    return Pieces([], [1], [0]) if module.start_axis in (1, -1) else None


def _kinked(left: Any, right: float = 1.0) -> Pieces:
    """The two slopes on the sides of 0."""
    slopes = np.stack([left, np.full_like(left, right)])
    return Pieces(np.zeros(1), slopes, np.zeros_like(slopes))


def _prelu(module: PReLU) -> Pieces:
    weight = np.asarray(module.weight.data, dtype=np.float64)
    return _kinked(weight if weight.size > 1 else weight[0])


def _apl(module: APL) -> Pieces:
    """Going right, the slope grows by 1 at 0 and by aₛ at each hinge."""
    a, b = (np.asarray(x.data, dtype=np.float64) for x in (module.a, module.b))
    zero = np.zeros((1, b.shape[1]))
    hinges, gains = np.concatenate([zero, b]), np.concatenate([zero + 1, a])
    order = np.argsort(hinges, axis=0)
    hinges, gains = np.take_along_axis(hinges, order, axis=0), np.take_along_axis(gains, order, axis=0)
    slopes = np.cumsum(np.concatenate([-a.sum(axis=0, keepdims=True), gains]), axis=0)
    intercepts = np.cumsum(np.concatenate([(a * b).sum(axis=0, keepdims=True), -gains * hinges]), axis=0)
    columns = (x if b.shape[1] > 1 else x[:, 0] for x in (hinges, slopes, intercepts))
    return Pieces(*columns)


def _batch_norm(module: BatchNorm1d) -> Pieces | None:
    """In evaluation a slope and an intercept for each feature; None where the layer uses the batch then too."""
    if module.running_mean is None or module.running_var is None:
        return None
    mean, variance = (np.asarray(x.data, dtype=np.float64) for x in (module.running_mean, module.running_var))
    scale = (1.0 if module.weight is None else module.weight.data) / np.sqrt(variance + module.eps)
    shift = (0.0 if module.bias is None else module.bias.data) - mean * scale
    return Pieces([], scale[None], shift[None])


def _clip(low: float, high: float) -> Pieces:
    return Pieces([low, high], [0, 1, 0], [low, 0, high])


register(Sequential, list)
register(Linear, _linear)
register(Identity, lambda module: Pieces([], [1], [0]))
register(Flatten, _flatten)
register(Dropout, lambda module: Pieces([], [1], [0]))  # in evaluation
register(BatchNorm1d, _batch_norm)
register(ReLU, lambda module: _kinked(0.0))
register(LeakyReLU, lambda module: _kinked(float(module.negative_slope)))
register(PReLU, _prelu)
register(APL, _apl)
register(ReLU6, lambda module: _clip(0, 6))
register(Hardtanh, lambda module: _clip(module.min_val, module.max_val))
register(Hardsigmoid, lambda module: Pieces([-3, 3], [0, 1 / 6, 0], [0, 0.5, 1]))
