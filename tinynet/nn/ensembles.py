"""Many networks at once: `stack` and `ensemble` make of models a `Stack`, whose parameters have a leading axis of members.

The models are joined in `tinynet.nn.joining`; how a layer computes with the axis of members in front stands in the table of
`tinynet.nn.memberlayers`.
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tinynet.errors import ShapeError
from tinynet.nn.foreign import added_code
from tinynet.nn.joining import Origin
from tinynet.nn.lossparts import as_operand
from tinynet.nn.memberlayers import FOR_MEMBERS
from tinynet.nn.module import Module
from tinynet.nn.oftensors import OfTensors
from tinynet.nn.parameter import StackedBuffer, StackedParameter
from tinynet.nn.trial import Trial

__all__ = ["Stack", "ensemble", "stack"]


def stack(models: Iterable[Module], sample_axes: int = 1) -> "Stack":
    """Make of models of one architecture a model that computes, and is trained, for all of them at once.

    Parameters
    ----------
    models : iterable of Module
        The members; they are copied, and stay as they are. Functions among their options should be the same objects in all:
        members whose layers differ in one, in a lambda made anew for each say, are computed one by one at that place.
    sample_axes : int
        How many axes a sample has: 1 for a row of features, 3 for a picture of shape (channels, height, width).

    Returns
    -------
    Stack
        With optimizers and `tinynet.Trainer` it is used as any other model.

    Raises
    ------
    ValueError
        If there is no model, a model is given twice or is a stack itself, or the models differ in more than the values of
        tensors and in layers that hold no other layer (which may differ: each member keeps its own activation), or
        `sample_axes` is negative.
    TypeError
        If one is no Module, or the models are no list of them but a network.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> models = [tn.nn.Sequential(tn.nn.Linear(2, 8, rng=seed), tn.nn.Tanh()) for seed in range(3)]
    >>> stack = tn.nn.stack(models)
    >>> stack(np.ones((5, 2))).shape
    (3, 5, 8)
    >>> {name: x.shape for name, x in stack.named_parameters()}
    {'members.0.weight': (3, 8, 2), 'members.0.bias': (3, 8)}
    >>> bool(np.allclose(stack(np.ones((5, 2))).data[1], models[1](np.ones((5, 2))).data))
    True
    """
    return Stack(models, sample_axes)


def ensemble(make: Callable[[int], Module], seeds: int | Iterable[int], sample_axes: int = 1) -> "Stack":
    """The `stack` of the models that a function makes of seeds.

    Parameters
    ----------
    make : callable
        ``make(seed)`` gives a model.
    seeds : int or iterable of int
        The seeds; an int n stands for 0 to n - 1.
    sample_axes : int
        As in `stack`.

    Returns
    -------
    Stack

    Raises
    ------
    ValueError, TypeError
        As in `stack`, and if there is no seed.

    Examples
    --------
    >>> import tinynet as tn
    >>> def make(seed):
    ...     rng = tn.random.as_generator(seed)
    ...     return tn.nn.Sequential(tn.nn.Linear(2, 8, rng=rng), tn.nn.ReLU(), tn.nn.Linear(8, 1, rng=rng))
    >>> len(tn.nn.ensemble(make, seeds=64))
    64
    """
    if not isinstance(seeds, int | np.integer | Iterable):
        raise TypeError(f"ensemble: seeds={seeds!r} is neither a number of seeds nor seeds")
    chosen = list(range(seeds) if isinstance(seeds, int | np.integer) else seeds)
    if not chosen:
        raise ValueError(f"ensemble: seeds={seeds!r} gives no member; at least one seed is needed")
    return Stack([make(seed) for seed in chosen], sample_axes)


class Stack(OfTensors):
    """Models of one architecture as one model; `stack` and `ensemble` make it.

    Parameters
    ----------
    models : iterable of Module
        The members.
    sample_axes : int
        How many axes a sample has.

    Attributes
    ----------
    members : Module
        The members' architecture, each tensor with an axis of members in front.

    Notes
    -----
    An input with `sample_axes` + 1 axes, (n, d) say, is shared by all members; with one more in front, (m, n, d), each has its
    own. The output has the axis of members in front always. ``len(stack)`` is the number of members, ``stack[k]`` a copy of
    member k as an ordinary model, as it was given but with its weights of now, in the mode of now and without gradients.

    A sum over members of their losses (`tinynet.nn.MemberLoss`) gives each parameter the gradient that it would have alone,
    and the optimizers of `tinynet.optim` update every element by itself: members do not influence each other.

    Examples
    --------
    >>> import tinynet as tn
    >>> stack = tn.nn.stack([tn.nn.Linear(2, 1, rng=seed) for seed in range(4)])
    >>> len(stack), stack[3]
    (4, Linear(in_features=2, out_features=1, bias=True)  # 3 parameters)
    """

    def __init__(self, models: Iterable[Module], sample_axes: int = 1) -> None:
        if operator.index(sample_axes) < 0:
            raise ValueError(f"stack: sample_axes={sample_axes} must not be negative; a row of features has 1")
        self.sample_axes = sample_axes
        self._origin = Origin(models)
        self.members: Module = self._origin.joined
        self.training: bool = self.members.training
        kinds = {what for model in self._origin.models for x in model.modules() if (what := _to_try(x))}
        self._trial = Trial(", ".join(sorted(kinds))) if kinds else None

    def _attributes(self) -> Iterator[tuple[str, Any]]:
        yield "members", self.members

    def forward(self, x: Any) -> Any:
        """The members' outputs, (m, n, ...), for inputs that they share or have each its own."""
        x, m = as_operand(x), len(self)
        shape = x.shape
        if len(shape) == self.sample_axes + 1:
            x = np.broadcast_to(x, (m, *shape))
        elif len(shape) != self.sample_axes + 2 or shape[0] != m:
            sample = ", ".join("…" for _ in range(self.sample_axes))
            raise ShapeError(
                f"a stack of {m} members was given an input of shape {shape}; it takes (n, {sample}) for all members or "
                f"({m}, n, {sample}) for each its own. Samples of another number of axes than {self.sample_axes}: "
                f"stack(models, sample_axes=...)"
            )
        if self._trial is not None:
            self._trial.run(self, x)
        return self.members(x)

    def __len__(self) -> int:
        return len(self._origin.models)

    def __getitem__(self, k: int) -> Module:
        """A copy of member k, with its weights and in the mode of now, without gradients."""
        m = len(self)
        k = operator.index(k)
        if not -m <= k < m:
            raise IndexError(f"member {k} of a stack of {m}")
        return self._origin.member(k % m)

    def unstack(self) -> list[Module]:
        """The members as ordinary models, with their weights of now and their generators as they are.

        Returns
        -------
        list of Module
            Copies.

        Examples
        --------
        >>> import tinynet as tn
        >>> [tuple(model.state_dict()) for model in tn.nn.stack([tn.nn.Linear(2, 1), tn.nn.Linear(2, 1)]).unstack()]
        [('weight', 'bias'), ('weight', 'bias')]
        """
        return [self[k] for k in range(len(self))]

    def rows(self) -> dict[str, np.ndarray[Any, Any]]:
        """Whose the rows of each array of the `state_dict` are.

        Returns
        -------
        dict of str to numpy.ndarray of int
            For each name the members that have a row along the array's first axis: all of them, unless members differ in a
            layer with parameters.

        Examples
        --------
        >>> import tinynet as tn
        >>> tn.nn.stack([tn.nn.Sequential(tn.nn.PReLU()), tn.nn.Sequential(tn.nn.ReLU())]).rows()
        {'members.0.groups.0.weight': array([0])}
        """
        return {name: np.array(x.members) for name, x in self._state() if isinstance(x, StackedBuffer | StackedParameter)}

    def extra_repr(self) -> str:
        """The number of members."""
        return f"{len(self)} members"


def _to_try(layer: Module) -> str:
    """The kind of a member's layer, if it is one that nobody spoke for, or something was added to it; nothing if not."""
    kind, added = type(layer), added_code(layer)
    return f"{kind.__name__} ({added})" if added else "" if kind in FOR_MEMBERS else kind.__name__
