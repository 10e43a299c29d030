"""A model as a table: what its modules give for a sample of a given shape, and how many parameters they hold."""

import operator
from collections.abc import Iterable, Iterator
from contextvars import copy_context
from copy import deepcopy
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np

from tinynet.dtypes import get_default_dtype
from tinynet.graph import no_grad
from tinynet.nn.module import Module, walk
from tinynet.nn.parameter import Parameter
from tinynet.random import manual_seed
from tinynet.table import Table
from tinynet.tensor import Tensor
from tinynet.trees import leaves

__all__ = ["Called", "Held", "Summary", "holdings", "summary"]

Row = TypeVar("Row", bound=NamedTuple)
Shape = tuple[int, ...]
Call = tuple[str, list[Shape]]  # the name of a module, and the shapes of what it gave

SAMPLES = (2, 3, 5)  # how many the model is called with: a length that differs between them depends on the batch


class Called(NamedTuple):
    """A call of a module: its name in the model, its kind, the shape of what it gave, and the parameters it holds itself.

    Parameters are counted at the first row of the module that holds them; those that are shared at the first of all.
    """

    layer: str
    kind: str
    output: str
    parameters: int


class Held(NamedTuple):
    """A module in a model: its name, its kind, its settings, and how many parameters it holds itself."""

    layer: str
    kind: str
    settings: str
    parameters: int


class Summary(Table[Row]):
    """The rows of a model's table, and its totals; `Module.summary` makes it.

    Parameters
    ----------
    rows : iterable of named tuple
    model : str
        The kind of the model.
    total, trainable, buffers : int
        How many numbers there are in all parameters, in those that require a gradient, and in the buffers, shared ones once.

    Examples
    --------
    >>> import tinynet as tn
    >>> table = tn.nn.Sequential(tn.nn.Linear(2, 8), tn.nn.BatchNorm1d(8)).summary((2,))
    >>> table.total, table.trainable, table.buffers, table[1].output
    (40, 40, 17, '(n, 8)')
    """

    model: str
    total: int
    trainable: int
    buffers: int

    def __new__(cls, rows: Iterable[Row], model: str = "", total: int = 0, trainable: int = 0, buffers: int = 0) -> Self:
        table = super().__new__(cls, rows)
        table.model, table.total, table.trainable, table.buffers = model, total, trainable, buffers
        return table

    def __repr__(self) -> str:
        return f"{super().__repr__()}\n{self._totals()}" if self else self._totals()

    def _repr_html_(self) -> str:
        return f"{super()._repr_html_() if self else ''}<p>{self._totals()}</p>"

    def _totals(self) -> str:
        count = f"{self.total:,} parameter{'s' * (self.total != 1)}, {self.trainable:,} trainable"
        return f"{self.model}: {count}; {self.buffers:,} number{'s' * (self.buffers != 1)} in buffers"


def summary(model: Module, shapes: Iterable[Iterable[int]]) -> Summary[Called]:
    """The calls of a model's modules on samples of the given shapes, one for each of its inputs; see `Module.summary`."""
    samples = [_checked(shape) for shape in shapes]
    twin = _copied(model)
    calls = _watch(twin.eval())
    seen = [copy_context().run(_call, twin, calls, samples, n) for n in SAMPLES]
    names = [[name for name, _ in calls] for calls in seen]
    for n, others in zip(SAMPLES, names, strict=True):
        if others != names[0]:
            raise ValueError(f"summary: {twin!r:.60} calls other modules for {SAMPLES[0]} samples than for {n}")

    modules, held, called = dict(twin.named_modules()), dict(_held(twin)), set()
    rows = []
    for name, *outputs in zip(names[0], *([shapes for _, shapes in calls] for calls in seen), strict=True):
        again = name in called
        rows.append(Called(name, _kind(modules[name], again), _output(outputs), 0 if again else held[name]))
        called.add(name)
    if len(rows) > 1 and not held[""]:
        del rows[0]  # the model itself, which only calls the others
    rows += [
        Called(name, _kind(module), "not called", held[name])
        for name, module in modules.items() if name not in called and held[name]
    ]
    return _with_totals(rows, model)


def holdings(model: Module) -> Summary[Held]:
    """The modules in a model with what they hold, without calling any; one that is there twice has two rows."""
    held, met = dict(_held(model)), set()
    rows = []
    for name, x in walk(model, once=False):
        if isinstance(x, Module):
            again = id(x) in met
            rows.append(Held(name, _kind(x, again), x.extra_repr(), 0 if again else held[name]))
            met.add(id(x))
    if len(rows) > 1 and not held[""] and not rows[0].settings:
        del rows[0]  # the model itself, of which the last line tells
    return _with_totals(rows, model)


def _kind(module: Module, again: bool = False) -> str:
    return type(module).__name__ + " (again)" * again


def _with_totals(rows: Iterable[Row], model: Module) -> Summary[Row]:
    trainable = sum(x.size for x in model.parameters() if x.requires_grad)
    buffers = sum(x.size for x in model.buffers())
    return Summary(rows, type(model).__name__, model.num_parameters(), trainable, buffers)


def _checked(shape: Any) -> Shape:
    must = (
        f"summary: input_shape is {shape!r}; it must be the shape of one sample, as (2,) or (3, 28, 28); "
        "a model with several inputs takes one after another"
    )
    try:
        lengths = tuple(map(operator.index, shape))
    except TypeError:
        raise TypeError(must) from None
    if any(length < 0 for length in lengths):
        raise ValueError(must)
    return lengths


def _copied(model: Module) -> Module:
    """A copy without hooks: the model, its buffers, modes, generators and hooks are left alone."""
    try:
        twin = deepcopy(model)
    except Exception as error:
        error.add_note("summary calls a copy of the model, and it cannot be copied")
        raise
    for module in twin.modules():
        vars(module).pop("_forward_hooks", None)
    return twin


def _watch(model: Module) -> list[Call]:
    """The list that each module's name and output shapes will be added to when it is called, the caller before the called."""
    calls: list[Call] = []

    def watched(name: str, forward: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            shapes: list[Shape] = []
            calls.append((name, shapes))
            output = forward(*args, **kwargs)
            shapes += [np.shape(x) for _, x in leaves(output)]
            return output

        return call

    for name, module in model.named_modules():
        vars(module)["forward"] = watched(name, module.forward)
    return calls


def _call(model: Module, calls: list[Call], shapes: Iterable[Shape], n: int) -> list[Call]:
    """The calls that there are for `n` samples."""
    manual_seed(0)  # in this context: the default generator of the caller is not drawn from
    dtype = next((x.dtype for x in model.parameters()), get_default_dtype())
    inputs = [Tensor(np.zeros((n, *shape), dtype)) for shape in shapes]
    calls.clear()
    try:
        with no_grad(), np.errstate(all="ignore"):
            model(*inputs)
    except Exception as error:
        error.add_note(f"summary called the model with inputs of the shapes {', '.join(str(x.shape) for x in inputs)}")
        raise
    return list(calls)


def _held(model: Module) -> Iterator[tuple[str, int]]:
    """For each module how many numbers there are in the parameters that are first met in it, and in no module in it."""
    seen: set[int] = set()
    for name, module in model.named_modules():
        inner = {id(x) for child in module.children() for x in child.parameters()}
        own: list[Parameter] = [x for x in module.parameters() if id(x) not in seen | inner]
        seen.update(map(id, own))
        yield name, sum(x.size for x in own)


def _output(shapes: Iterable[list[Shape]]) -> str:
    """The shapes of what a call gave, which are known for each number of samples."""
    if len({len(some) for some in shapes}) > 1:
        return "?"
    return ", ".join(map(_shape, zip(*shapes, strict=True)))


def _shape(alike: tuple[Shape, ...]) -> str:
    """A shape that is known for each number of samples, with the lengths that depend on it in terms of n."""
    if len({len(shape) for shape in alike}) > 1:
        return "?"
    lengths = list(map(_length, zip(*alike, strict=True)))
    return f"({', '.join(lengths)}{',' * (len(lengths) == 1)})"


def _length(alike: tuple[int, ...]) -> str:
    slope = (alike[1] - alike[0]) // (SAMPLES[1] - SAMPLES[0])
    constant = alike[0] - slope * SAMPLES[0]
    if alike != tuple(slope * n + constant for n in SAMPLES):
        return "?"
    if not slope:
        return str(constant)
    return ("n" if slope == 1 else f"{slope}n") + (f"{constant:+d}" if constant else "")
