"""What the estimators are made of: layers and optimizers by name or factory."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from tinynet import optim
from tinynet.nn import activations, learnable
from tinynet.nn.containers import Sequential
from tinynet.nn.linear import Identity, Linear
from tinynet.nn.module import Module

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["ACTIVATIONS", "SOLVERS", "activation_factory", "network", "optimizer", "widths_of"]

ACTIVATIONS: dict[str, Callable[[], Module]] = {
    **{kind.lower(): getattr(file, kind) for file in (activations, learnable) for kind in file.__all__},
    "identity": Identity,
    "logistic": activations.Sigmoid,
}
"""The activations that go by a name: that of their class in lower case, and the two for which scikit-learn has its own."""

SOLVERS: dict[str, Callable[..., Any]] = {
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "sgd": partial(optim.SGD, momentum=0.9, nesterov=True),  # as in scikit-learn
    "rmsprop": optim.RMSprop,
    "adagrad": optim.Adagrad,
}


def network(widths: Iterable[int], activation: Callable[[], Module], dtype: npt.DTypeLike, rng: "Generator") -> Sequential:
    """Linear layers from width to width, with an activation of its own between each two."""
    layers: list[Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [*([activation()] if layers else []), Linear(inputs, outputs, rng=rng)]
    return Sequential(*layers).astype(dtype)


def widths_of(model: Module) -> list[int]:
    """The widths that a network was made of."""
    maps = [layer for layer in model.modules() if isinstance(layer, Linear)]
    return [maps[0].in_features, *(layer.out_features for layer in maps)]


def activation_factory(owner: str, activation: Any) -> Callable[[], Module]:
    """What makes the activation that a name or a factory stands for."""
    if isinstance(activation, str) and activation in ACTIVATIONS:
        return ACTIVATIONS[activation]
    if callable(activation) and not isinstance(activation, Module):
        return partial(_made, owner, activation)
    raise ValueError(
        f"{owner}: activation={activation!r} is neither a name nor a callable that makes a module, such as tn.nn.GELU or "
        f"functools.partial(tn.nn.LeakyReLU, 0.1); the names are {', '.join(ACTIVATIONS)}"
    )


def _made(owner: str, activation: Callable[[], Any]) -> Module:
    try:
        module = activation()
    except TypeError as error:
        raise TypeError(
            f"{owner}: activation={activation!r} is called without arguments and must make a module, such as tn.nn.GELU; a "
            f"function of arrays is the forward() of a module ({error})"
        ) from error
    if not isinstance(module, Module):
        raise TypeError(f"{owner}: activation={activation!r} made {module!r}, which is no module, such as tn.nn.GELU makes")
    return module


def optimizer(owner: str, solver: Any, model: Module, lr: float) -> Any:
    """The optimizer of a model's parameters that a name or a factory stands for."""
    make = SOLVERS.get(solver) if isinstance(solver, str) else solver
    if not callable(make):
        raise ValueError(
            f"{owner}: solver={solver!r} is neither a name nor a callable that makes an optimizer of parameters and lr=, such "
            f"as tn.optim.AdamW; the names are {', '.join(SOLVERS)}"
        )
    return make(model.parameters(), lr=lr)
