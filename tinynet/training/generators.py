"""The random generators that a training draws from: found, and put back into the states that they were in."""

import sys
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.nn.joining import Origin
from tinynet.nn.module import Module
from tinynet.tensor import Tensor

if TYPE_CHECKING:
    from numpy.random import Generator, RandomState

__all__ = ["Generators", "differences", "generators_of", "put_back", "states"]

Generators = Mapping[str, "Generator | RandomState"]

_OPAQUE = (
    type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, Tensor, np.ndarray, np.generic, str, bytes, int, float,
    Origin,
)  # fmt: skip
"""What is not looked into: it holds no generator, or those of everybody, or of the models that a stack was made of."""


def generators_of(*beyond: Any, **parts: Any) -> "dict[str, Generator | RandomState]":
    """The generators in given objects by the ways to them, such as ``model.1.rng``.

    Looked at are generators, the attributes of objects, and what lies in lists, tuples and dicts, however deep; of modules also
    those in them. A generator that is reached in several ways has several names; an object is looked into once.

    Parameters
    ----------
    *beyond
        Objects that are not looked into.
    **parts
        The objects, by the names that the ways begin with.
    """
    seen = {id(x) for x in beyond}
    return {name: x for part, thing in parts.items() for name, x in _found(part, thing, seen)}


def _found(part: str, thing: Any, seen: set[int]) -> "Iterator[tuple[str, Generator | RandomState]]":
    todo = [(part, thing)]
    while todo:
        name, x = todo.pop()
        if _is_generator(x):
            yield name, x
        elif x is not None and not isinstance(x, _OPAQUE) and id(x) not in seen:
            inner = dict(x.named_modules()) if isinstance(x, Module) else {"": x}  # by the names that they have there
            seen.update(map(id, inner.values()))
            held = [(f"{name}.{way}.{key}".replace("..", "."), y) for way, z in inner.items() for key, y in _held(z)]
            todo += reversed(held)


def _held(x: Any) -> Iterator[tuple[Any, Any]]:
    """What an object holds, and by which name."""
    if isinstance(x, dict):
        yield from x.items()
    elif isinstance(x, list | tuple):
        yield from enumerate(x)
    package = type(x).__module__.partition(".")[0]
    if package not in sys.stdlib_module_names:  # threads, loggers, and much that they know of
        yield from getattr(x, "__dict__", {}).items()


def _is_generator(x: Any) -> bool:
    random = sys.modules.get("numpy.random")  # whose import takes long: where it is not loaded, there is no generator
    return random is not None and isinstance(x, random.Generator | random.RandomState)


def _state(x: Any) -> dict[str, Any]:
    state: dict[str, Any] = x.bit_generator.state if hasattr(x, "bit_generator") else x.get_state(legacy=False)
    return state


def states(generators: Generators) -> dict[str, Any]:
    """The states of generators, one for those that are the same, and which of them has which."""
    order = {id(x): x for x in generators.values()}
    position = {key: i for i, key in enumerate(order)}
    return {
        "states": [_state(x) for x in order.values()],
        "users": {name: position[id(x)] for name, x in generators.items()},
    }


def differences(saved: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[str]:
    """What keeps generators whose own states are given from being put into saved ones, in words."""
    users = saved["users"]
    if users.keys() != own["users"].keys():
        yield f"it has the generators {_listed(users)}, and here are {_listed(own['users'])}"
        return
    pairs = {(i, own["users"][name]) for name, i in users.items()}
    if not len(pairs) == len(own["states"]) == len(saved["states"]):
        yield f"of the generators {_listed(users)} others are one and the same"
    for name, i in users.items():
        kind, own_kind = map(_kind, (saved["states"][i], own["states"][own["users"][name]]))
        if kind != own_kind:
            yield f"the generator {name} is a {kind} in it and a {own_kind} here"


def _kind(state: Mapping[str, Any]) -> str:
    return f"{state['bit_generator']}{' of a RandomState' if 'has_gauss' in state else ''}"


def put_back(saved: Mapping[str, Any], generators: Generators) -> None:
    """Put generators, of which `differences` finds none, into saved states."""
    for name, i in saved["users"].items():
        state, generator = saved["states"][i], generators.get(name)
        if generator is None:
            raise ValueError(f"there is no generator {name} any more")
        if not _is_possible(state):
            raise ValueError(f"the state of the generator {name} is none that it can be in")
        if hasattr(generator, "bit_generator"):
            generator.bit_generator.state = state
        else:
            generator.set_state(state)


def _is_possible(state: Mapping[str, Any]) -> bool:
    """Whether the position in a buffer lies in it; bit generators do not look, and would read beyond."""
    if state["bit_generator"] == "MT19937":
        return bool(0 <= state["state"]["pos"] <= 624)
    return state["bit_generator"] != "Philox" or bool(0 <= state["buffer_pos"] <= 4)


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(names) or "none"
