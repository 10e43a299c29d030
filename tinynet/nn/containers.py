"""Modules that hold a list of modules, named by their positions: `Sequential` and `ModuleList`."""

from collections.abc import Iterable, Iterator, MutableSequence
from typing import Any

from tinynet.mode import depends
from tinynet.nn.module import Module
from tinynet.nn.oftensors import OfTensors

__all__ = ["ModuleList", "Sequential"]


class _Numbered(Module, MutableSequence[Module]):
    """A list of modules that is a module; the names in it are the positions, ``0.weight``.

    What is listed is a tuple, which is replaced at each change, so that a recorder is told of it as of other attributes.
    """

    def __init__(self, modules: Iterable[Module]) -> None:
        self._listed = tuple(self._checked(x, i) for i, x in enumerate(modules))

    def _checked(self, x: Any, i: int) -> Module:
        if isinstance(x, Module):
            return x
        if isinstance(x, type) and issubclass(x, Module):
            remedy = f"make one with {x.__name__}()"
        elif isinstance(x, list | tuple):
            remedy = "unpack it with *"
        else:
            remedy = "derive a Module whose forward() does it"
        given = f"{type(x).__name__} {getattr(x, '__name__', '')}".rstrip()
        raise TypeError(f"{type(self).__name__}: item {i} is the {given}, not a Module; {remedy}")

    def _attributes(self) -> Iterator[tuple[str, Any]]:
        for name, value in super()._attributes():
            if name == "_listed":
                yield from ((str(i), x) for i, x in enumerate(value))
            else:
                yield name, value

    def __len__(self) -> int:
        depends(self)
        return len(self._listed)

    def __iter__(self) -> Iterator[Module]:
        depends(self)
        return iter(self._listed)

    def __getitem__(self, index: Any) -> Any:
        """The module at a position, or a new container with the modules of a slice (shared, not copied)."""
        depends(self)
        if isinstance(index, slice):
            part = object.__new__(type(self))
            _Numbered.__init__(part, self._listed[index])
            return part
        return self._listed[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        listed = list(self._listed)
        if isinstance(index, slice):
            listed[index] = [self._checked(x, i) for i, x in enumerate(value)]
        else:
            listed[index] = self._checked(value, index)
        self._listed = tuple(listed)

    def __delitem__(self, index: Any) -> None:
        listed = list(self._listed)
        del listed[index]
        self._listed = tuple(listed)

    def insert(self, index: int, value: Module) -> None:
        """Put a module before the one at a position."""
        listed = list(self._listed)
        listed.insert(index, self._checked(value, index))
        self._listed = tuple(listed)


class Sequential(_Numbered, OfTensors):
    """Modules applied one after another: each is given what the one before it returns.

    A list as well: ``len``, indexing, slicing, iteration, `append`, `insert`, ``del``.

    Parameters
    ----------
    *modules : Module
        The modules in order.

    Raises
    ------
    TypeError
        If an argument is not a module.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.nn.Sequential(tn.nn.Linear(2, 8), tn.nn.Identity(), tn.nn.Linear(8, 1))
    >>> model
    Sequential(
      (0): Linear(in_features=2, out_features=8, bias=True)  # 24
      (1): Identity()
      (2): Linear(in_features=8, out_features=1, bias=True)  # 9
    )  # 33 parameters
    >>> model(np.ones((5, 2))).shape
    (5, 1)
    >>> list(model.state_dict())
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__(modules)

    def forward(self, x: Any) -> Any:
        """The last module's output; the input itself if there is none."""
        for module in self._listed:
            x = module(x)
        return x


class ModuleList(_Numbered):
    """A list of modules, for a model whose own `forward` says how they are used.

    A plain list as an attribute does as well; this one can be a model by itself, and checks what is put in.

    Parameters
    ----------
    modules : iterable of Module
        The modules in order.

    Raises
    ------
    TypeError
        If an item is not a module.

    Examples
    --------
    >>> import tinynet as tn
    >>> layers = tn.nn.ModuleList(tn.nn.Linear(3, 3) for _ in range(4))
    >>> layers.append(tn.nn.Linear(3, 1))
    >>> len(layers), layers.num_parameters()
    (5, 52)
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__(modules)
