"""Many networks at once: `stack` and `ensemble` make of models a `Stack`, whose parameters have a leading axis of members.

Joining walks over the attributes of all models in step: tensors are stacked, generators gathered, everything else must be
alike. What holds no other layer, an activation say, may differ among members: each kind then computes for those that have it.
How a layer computes with the axis of members in front stands in the table of `tinynet.nn.memberlayers`.
"""

import copy
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tinynet.errors import ShapeError
from tinynet.graph import no_grad
from tinynet.mode import unrecorded
from tinynet.nn.containers import ModuleList
from tinynet.nn.lossparts import as_operand
from tinynet.nn.memberlayers import FOR_MEMBERS
from tinynet.nn.module import Module
from tinynet.nn.parameter import Buffer, Parameter, StackedBuffer, StackedParameter
from tinynet.tensor import Tensor

__all__ = ["Alternatives", "Stack", "ensemble", "stack"]

Rows = tuple[int, ...]

def stack(models: Iterable[Module], sample_axes: int = 1) -> "Stack":
    """Make of models of one architecture a model that computes, and is trained, for all of them at once.

    Parameters
    ----------
    models : iterable of Module
        The members; they are copied, and stay as they are.
    sample_axes : int
        How many axes a sample has: 1 for a row of features, 3 for a picture of shape (channels, height, width).

    Returns
    -------
    Stack
        With optimizers and `tinynet.Trainer` it is used as any other model.

    Raises
    ------
    ValueError
        If there is no model, a model is given twice, or the models differ in more than the values of tensors and in layers
        that hold no other layer (which may differ: each member keeps its own activation), or `sample_axes` is negative.
    TypeError
        If one is no Module.

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
    chosen = range(seeds) if isinstance(seeds, int | np.integer) else list(seeds)
    if not chosen:
        raise ValueError(f"ensemble: seeds={seeds!r} gives no member; at least one seed is needed")
    return Stack([make(seed) for seed in chosen], sample_axes)


class Stack(Module):
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
    member k as an ordinary model with its weights of now.

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
        self._origin = _Origin(models)
        self.members = self._origin.joined
        kinds = {type(x) for x in self.members.modules()} - {Alternatives, *FOR_MEMBERS.values()}
        self._trial = _Trial(", ".join(sorted(kind.__name__ for kind in kinds))) if kinds else None

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
        """A copy of member k, with its weights of now."""
        m = len(self)
        k = operator.index(k)
        if not -m <= k < m:
            raise IndexError(f"member {k} of a stack of {m}")
        return self._origin.member(k % m).train(self.training)

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


class _Origin:
    """The members as they were given, copied, and what was made of them; no module, so that no walk comes here.

    Attributes
    ----------
    models : list of Module
        The copies; of these only the architecture and the generators are still in use.
    joined : Module
        The architecture with stacked tensors.
    """

    def __init__(self, models: Iterable[Module]) -> None:
        given = list(models)
        _check(given)
        self.models: list[Module] = copy.deepcopy(given)  # in one go: generators that members share stay shared
        joint = _Joint()
        self.joined = joint.module("", self.models, tuple(range(len(given))))
        self._places = joint.places

    def member(self, k: int) -> Module:
        """Member k with its rows of the stacked tensors."""
        copies: dict[int, Any] = {}
        model = copy.deepcopy(self.models[k], copies)
        for own, stacked, row in self._places.get(k, []):
            copies[id(own)].data = stacked.data[row].copy()
            copies[id(own)].requires_grad = stacked.requires_grad
        return model


def _check(models: list[Any]) -> None:
    if not models:
        raise ValueError("stack: there is no model; give at least one")
    owners: dict[int, int] = {}
    for k, model in enumerate(models):
        if not isinstance(model, Module):
            raise TypeError(f"stack: model {k} is a {type(model).__name__}, no Module")
        for x in model.parameters():
            if owners.setdefault(id(x), k) != k:
                raise ValueError(f"stack: models {owners[id(x)]} and {k} share a parameter; make each model anew")
        if owners.setdefault(id(model), k) != k:
            raise ValueError(f"stack: models {owners[id(model)]} and {k} are one object; make each model anew")


class _Joint:
    """Joins what members have at a place, and remembers what it made of what."""

    def __init__(self) -> None:
        self.places: dict[int, list[tuple[Tensor, Tensor, int]]] = {}  # of each member its tensors, each with its row
        self._made: dict[Rows, Any] = {}  # by identities: what members share within themselves stays shared

    def module(self, place: str, members: Sequence[Module], rows: Rows) -> Module:
        """The module that computes for the modules that members have at a place; `rows` are the members' numbers."""
        key = tuple(map(id, members))
        if key not in self._made:
            groups = _alike_groups(members)
            if len(groups) == 1:
                self._join(key, place, members, rows)
            else:
                _refuse_architectures(place, members, rows, groups)
                parts = [self.module(place, [members[i] for i in group], tuple(rows[i] for i in group)) for group in groups]
                self._made[key] = Alternatives(parts, groups)
        module: Module = self._made[key]
        return module

    def _join(self, key: Rows, place: str, members: Sequence[Module], rows: Rows) -> None:
        kind = type(members[0])
        module = self._made[key] = object.__new__(FOR_MEMBERS.get(kind, kind))
        for name in vars(members[0]):
            values = [vars(member)[name] for member in members]
            vars(module)[name] = self._value(_inside(place, name), values, rows)

    def _value(self, place: str, values: list[Any], rows: Rows) -> Any:
        first = values[0]
        if isinstance(first, Module):
            return self.module(place, values, rows)
        if isinstance(first, Tensor):
            return self._tensor(place, values, rows)
        if _is_generator(first):
            return tuple(values)
        if isinstance(first, list | tuple):
            return type(first)(self._value(_inside(place, i), list(x), rows) for i, x in enumerate(zip(*values, strict=True)))
        if isinstance(first, dict):
            return {name: self._value(_inside(place, name), [value[name] for value in values], rows) for name in first}
        return first

    def _tensor(self, place: str, tensors: list[Tensor], rows: Rows) -> Tensor:
        key = tuple(map(id, tensors))
        if key not in self._made:
            kinds = [(f"shape {x.shape}", f"dtype {x.dtype}", f"requires_grad={x.requires_grad}") for x in tensors]
            for i, kind in enumerate(kinds):
                if kind != kinds[0]:
                    own, other = next((a, b) for a, b in zip(kinds[0], kind, strict=True) if a != b)
                    raise ValueError(
                        f"stack: {place} has {own} in member {rows[0]} and {other} in member {rows[i]}; members must be of one "
                        "architecture: put the others in a stack of their own"
                    )
            data = np.stack([x.data for x in tensors])
            if isinstance(tensors[0], Parameter):
                made: Tensor = StackedParameter(data, rows, requires_grad=tensors[0].requires_grad)
            else:
                made = StackedBuffer(data, rows) if isinstance(tensors[0], Buffer) else Tensor(data)
            self._made[key] = made
            for row, x in enumerate(tensors):
                self.places.setdefault(rows[row], []).append((x, made, row))
        tensor: Tensor = self._made[key]
        return tensor


def _alike_groups(members: Sequence[Module]) -> list[Rows]:
    """The positions of members that are alike apart from the values of tensors and the modules in them."""
    groups: list[list[int]] = []
    for i, member in enumerate(members):
        for group in groups:
            first = members[group[0]]
            if type(first) is type(member) and _alike(vars(first), vars(member)):
                group.append(i)
                break
        else:
            groups.append([i])
    return [tuple(group) for group in groups]


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, Module):
        return isinstance(b, Module)
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor) or _is_generator(a):
        return True
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_alike, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(_alike, a.values(), b.values()))
    return a is b or bool(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b)


def _inside(place: str, name: Any) -> str:
    """The dotted name of what a place holds, as in the `state_dict`: a container's items are named by their positions."""
    return place if name == "_listed" else f"{place}.{name}".removeprefix(".")


def _is_generator(x: Any) -> bool:
    return hasattr(x, "bit_generator")  # without numpy.random, whose import takes long


def _refuse_architectures(place: str, members: Sequence[Module], rows: Rows, groups: list[Rows]) -> None:
    """An error unless the members' modules may differ as they do: layers may that hold no others, and of a kind in no sizes."""
    a, b = members[0], members[groups[1][0]]
    sizes = [{name: x.shape for name, x in module.named_parameters()} for module in (a, b)]
    resized = type(a) is type(b) and any(sizes[0][name] != sizes[1][name] for name in sizes[0].keys() & sizes[1].keys())
    if not resized and not any(list(member.children()) for member in members):
        return
    what = f"a {type(a).__name__} and a {type(b).__name__}"
    if type(a) is type(b):
        names = [name for name in vars(a) if name not in vars(b) or not _alike(vars(a)[name], vars(b)[name])]
        what = f"two {type(a).__name__} with another {', '.join(names).replace('_listed', 'length')}"
    raise ValueError(
        f"stack: members {rows[0]} and {rows[groups[1][0]]} have at {place or 'the top'} {what}; members must be of one "
        "architecture, and may differ in layers that hold no others, such as activations: put the others in another stack"
    )


class Alternatives(Module):
    """Layers of several kinds at one place of a stack, each for those members that have it.

    Parameters
    ----------
    groups : iterable of Module
        The layers.
    positions : sequence of tuple of int
        For each the positions of its members.
    """

    def __init__(self, groups: Iterable[Module], positions: Sequence[Rows]) -> None:
        self.groups = ModuleList(groups)
        self._positions = tuple(_as_index(rows) for rows in positions)
        order = np.argsort(np.concatenate(positions))
        self._order = _as_index(tuple(order.tolist()))

    def forward(self, x: Any) -> Any:
        """Each layer's output for its members, put together again."""
        outputs = [layer(x[rows]) for layer, rows in zip(self.groups, self._positions, strict=True)]
        shapes = [np.shape(y)[1:] for y in outputs]
        if shapes.count(shapes[0]) != len(shapes):
            kinds = ", ".join(f"{type(layer).__name__} {shape}" for layer, shape in zip(self.groups, shapes, strict=True))
            raise ShapeError(f"stack: the layers that members differ in give outputs of several shapes: {kinds}")
        joined = np.concatenate(outputs)
        return joined if isinstance(self._order, slice) else joined[self._order]


def _as_index(rows: Rows) -> Any:
    """The positions as a slice, if they are one."""
    return slice(rows[0], rows[-1] + 1) if rows == tuple(range(rows[0], rows[-1] + 1)) else np.array(rows)


class _Trial:
    """Finds out whether modules that know nothing of stacks compute right with an axis of members in front.

    Parameters
    ----------
    kinds : str
        What they are called.
    """

    def __init__(self, kinds: str) -> None:
        self._kinds = kinds
        self._passed: set[tuple[int, ...]] = set()

    def run(self, stack: Stack, x: Any) -> None:
        """Compare stack and members, in evaluation mode, on random inputs of the shape of `x`; once for each shape."""
        if x.shape in self._passed:
            return
        with unrecorded(), no_grad(), np.errstate(all="ignore"):
            inputs = np.random.default_rng(0).normal(size=x.shape) if x.dtype.kind == "f" else np.zeros(x.shape)
            self._compare(copy.deepcopy(stack).eval(), inputs.astype(x.dtype))
        self._passed.add(x.shape)

    def _compare(self, stack: Stack, x: Any) -> None:
        remedy = (
            f"{self._kinds}: forward() does not do with an axis of members in front of its input's. Count axes from the end "
            "(axis=-1) and let tensors of its own have that axis too, or say with tn.nn.stacking which class does"
        )
        alone = [_arrays(model(Tensor(part))) for model, part in zip(stack.unstack(), x, strict=True)]
        try:
            together = _arrays(stack.members(Tensor(x)))
        except (ValueError, TypeError, IndexError, AttributeError) as error:
            raise ShapeError(f"stack: {remedy} ({error})") from error
        for output, parts in zip(together, zip(*alone, strict=True), strict=True):
            if output.shape != (len(stack), *parts[0].shape):
                raise ShapeError(f"stack: {remedy}. Its members give shape {parts[0].shape}, the stack {output.shape}")
            expected = np.stack(parts)
            tolerance = np.finfo(output.dtype).eps ** 0.5 if output.dtype.kind == "f" else 0
            if not np.allclose(output, expected, rtol=tolerance, atol=tolerance, equal_nan=True):
                raise ShapeError(f"stack: {remedy}. The stack's values are not those of its members")


def _arrays(output: Any) -> list[np.ndarray[Any, Any]]:
    """The arrays of a module's output, which is one, or a tuple, list or dict of them."""
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, list | tuple):
        return [array for part in output for array in _arrays(part)]
    return [output.data if isinstance(output, Tensor) else np.asarray(output)]
