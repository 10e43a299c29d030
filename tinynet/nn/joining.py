"""The architecture of several models as one, each tensor with an axis of members in front.

Joining walks over the attributes of all models in step: tensors are stacked, generators gathered, everything else must be
alike. What holds no other layer, an activation say, may differ among members: each kind then computes for those that have it.
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from tinynet.nn.containers import Sequential
from tinynet.nn.memberlayers import FOR_MEMBERS, Alternatives
from tinynet.nn.module import Module
from tinynet.nn.parameter import Buffer, Parameter, StackedBuffer, StackedParameter
from tinynet.tensor import Tensor

__all__ = ["Origin"]

Rows = tuple[int, ...]


class Origin:
    """The members as they were given, copied, and what was made of them; no module, so that no walk comes here.

    Parameters
    ----------
    models : iterable of Module
        The members.

    Attributes
    ----------
    models : list of Module
        The copies; of these only the architecture and the generators are still in use, and their tensors hold no numbers.
    joined : Module
        The architecture with stacked tensors.

    Raises
    ------
    ValueError, TypeError
        As in `tinynet.nn.stack`.
    """

    def __init__(self, models: Iterable[Module]) -> None:
        if not isinstance(models, Iterable) or isinstance(models, Sequential):
            raise TypeError(f"stack: the models are a {type(models).__name__}; give a list of models")
        given = list(models)
        _check(given)
        self.models: list[Module] = copy.deepcopy(given)  # in one go: generators that members share stay shared
        joint = _Joint(len(given))
        self.joined: Module = joint.module("", self.models, tuple(range(len(given))))
        self._tensors, self._modules = joint.tensors, joint.modules
        for own, _, _ in chain.from_iterable(self._tensors.values()):
            own.data, own.grad = np.empty(0, own.dtype), None  # which the stacked ones hold now

    def member(self, k: int) -> Module:
        """Member k with its rows of the stacked tensors, without gradients, in the mode that the stack's layers are in."""
        copies: dict[int, Any] = {}
        model = copy.deepcopy(self.models[k], copies)
        for own, stacked, row in self._tensors.get(k, []):
            twin = copies[id(own)]
            twin.data = stacked.data[row].copy()
            twin.requires_grad = stacked.requires_grad
        for module, together in self._modules[k]:
            copies[id(module)].training = together.training
        return model


def _check(models: list[Any]) -> None:
    if not models:
        raise ValueError("stack: there is no model; give at least one")
    owners: dict[int, int] = {}
    for k, model in enumerate(models):
        if not isinstance(model, Module):
            raise TypeError(f"stack: model {k} is a {type(model).__name__}, no Module")
        if any(isinstance(x, StackedParameter | StackedBuffer) for x in (*model.parameters(), *model.buffers())):
            raise ValueError(f"stack: model {k} is a stack or holds one; put its members, .unstack(), into the new stack")
        for name, x in (*model.named_parameters(), *model.named_buffers()):
            if getattr(x, "hooks", None):
                raise ValueError(
                    f"stack: a hook is registered on {name} of model {k}, and would not see the gradient of the stack's; "
                    "register it on the stack's own, whose first axis is that of the members"
                )
        for x in model.parameters():
            if owners.setdefault(id(x), k) != k:
                raise ValueError(f"stack: models {owners[id(x)]} and {k} share a parameter; make each model anew")
        if owners.setdefault(id(model), k) != k:
            raise ValueError(f"stack: models {owners[id(model)]} and {k} are one object; make each model anew")


class _Joint:
    """Joins what members have at a place, and remembers what it made of what."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.tensors: dict[int, list[tuple[Tensor, Tensor, int]]] = {}  # of each member its tensors, each with its row
        self.modules: dict[int, list[tuple[Module, Module]]] = {}  # and its modules
        self._made: dict[Rows, Any] = {}  # by identities: what members share within themselves stays shared
        self._places: dict[int, str] = {}  # where each member's tensor was found first

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
        for row, member in zip(rows, members, strict=True):
            self.modules.setdefault(row, []).append((member, module))
        attributes = list(map(_attributes, members))
        for name in attributes[0]:
            vars(module)[name] = self._value(_inside(place, name), [own[name] for own in attributes], rows)

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
            self._check_tensors(place, tensors, rows)
            data, requires_grad = np.stack([x.data for x in tensors]), tensors[0].requires_grad
            if isinstance(tensors[0], Parameter):
                made: Tensor = StackedParameter(data, rows, self._size, requires_grad)
            elif isinstance(tensors[0], Buffer):
                made = StackedBuffer(data, rows, self._size)
            else:
                made = Tensor(data, requires_grad)
            self._made[key] = made
            for row, x in enumerate(tensors):
                self.tensors.setdefault(rows[row], []).append((x, made, row))
        tensor: Tensor = self._made[key]
        return tensor

    def _check_tensors(self, place: str, tensors: list[Tensor], rows: Rows) -> None:
        kinds = [(f"shape {x.shape}", f"dtype {x.dtype}", f"requires_grad={x.requires_grad}") for x in tensors]
        for i, kind in enumerate(kinds):
            if kind != kinds[0]:
                own, other = next((a, b) for a, b in zip(kinds[0], kind, strict=True) if a != b)
                raise ValueError(
                    f"stack: {place} has {own} in member {rows[0]} and {other} in member {rows[i]}; members must be of one "
                    "architecture: put the others in a stack of their own"
                )
        for x, row in zip(tensors, rows, strict=True):
            if self._places.setdefault(id(x), place) != place:
                raise ValueError(
                    f"stack: {self._places[id(x)]} and {place} are one tensor in member {row}, and not in every other; members "
                    "must be of one architecture: put the others in a stack of their own"
                )


def _attributes(module: Module) -> dict[str, Any]:
    """A module's attributes, with those that its class has for it until they are set."""
    return {"training": module.training, "_forward_hooks": module._forward_hooks, **vars(module)}


def _alike_groups(members: Sequence[Module]) -> list[Rows]:
    """The positions of members that are alike apart from the values of tensors and the modules in them."""
    groups: list[list[int]] = []
    for i, member in enumerate(members):
        for group in groups:
            first = members[group[0]]
            if type(first) is type(member) and not any(_differences(first, member)):
                group.append(i)
                break
        else:
            groups.append([i])
    return [tuple(group) for group in groups]


def _differences(a: Module, b: Module) -> Iterator[str]:
    """The names of the attributes in which two modules of one kind differ."""
    ours, others = _attributes(a), _attributes(b)
    for name in dict.fromkeys([*ours, *others]):
        if name not in ours or name not in others or not _alike(ours[name], others[name]):
            yield name


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
        what = f"two {type(a).__name__} with another {', '.join(_differences(a, b)).replace('_listed', 'length')}"
    raise ValueError(
        f"stack: members {rows[0]} and {rows[groups[1][0]]} have at {place or 'the top'} {what}; members must be of one "
        "architecture, and may differ in layers that hold no others, such as activations: put the others in another stack"
    )
