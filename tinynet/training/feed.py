"""Where batches come from: arrays or any iterable of batches, checked and cast to the model's dtype.

The rows of a batch are on its first axis, or behind that of the members of a stack.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from tinynet.data.batches import batches
from tinynet.dtypes import REAL_KINDS, get_default_dtype
from tinynet.errors import ShapeError
from tinynet.nn.ensembles import Stack
from tinynet.nn.module import Module
from tinynet.random import as_generator
from tinynet.tensor import Tensor
from tinynet.training.generators import Generators, generators_of

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["ArrayFeed", "BatchFeed", "Feed", "MemberFeed", "as_inputs", "feed", "floating_dtype", "is_own", "orders"]

Array = np.ndarray[Any, Any]


class ArrayFeed:
    """Passes over arrays, which are cast once."""

    generators: ClassVar[Generators] = {}  # arrays hold none

    def __init__(self, name: str, x: Any, y: Any, batch_size: int, dtype: np.dtype[Any]) -> None:
        self._x = as_inputs(x, dtype)
        self._y = _as_targets(y, dtype)
        self._batch_size = batch_size
        _check(name, self._x, self._y, batch_size)

    def one_pass(self, rng: "Generator | None" = None) -> Iterator[tuple[Array, Array]]:
        """The batches, in an order drawn from `rng` if there is one."""
        return batches(self._x, self._y, self._batch_size, rng is not None, rng)

    def drawn_from(self, rng: "Generator | None") -> "dict[str, Generator]":
        """The generators that a pass changes, by name."""
        return {} if rng is None or len(self._x) <= self._batch_size else {"order": rng}

    def description(self, rng: Any) -> dict[str, Any]:
        """What distinguishes its batches from others, as far as it can be told in a few words."""
        return {"rows": len(self._x), "batch_size": self._batch_size, "shuffle": rng is not None}

    def sample(self, rows: int) -> tuple[Array, Array]:
        """Some of the rows, spread over all of them."""
        chosen = np.linspace(0, len(self._x) - 1, min(rows, len(self._x))).astype(int)
        return self._x[chosen], self._y[chosen]


class MemberFeed:
    """Passes over arrays for the members of a stack, which share them or have each its own: batches of shape (m, n, ...)."""

    generators: ClassVar[Generators] = {}  # arrays hold none

    def __init__(self, name: str, x: Any, y: Any, batch_size: int, dtype: np.dtype[Any], stack: Stack) -> None:
        self._x, self._y = as_inputs(x, dtype), _as_targets(y, dtype)
        self._members, self._batch_size = len(stack), batch_size
        self._own = is_own(name, self._x, stack)
        if not self._own and self._members != len(self._x) and self._y.shape[:2] == (self._members, len(self._x)):
            raise ValueError(
                f"{name}: x has shape {self._x.shape}, for all members, and y {self._y.shape}, for each its own; x must be "
                "each member's own as well (np.broadcast_to makes it so)"
            )
        if self._own and self._y.shape[:2] != self._x.shape[:2]:
            raise ValueError(
                f"{name}: x has shape {self._x.shape}, for each member its own, and y {self._y.shape}; y must be each member's "
                "own as well (np.broadcast_to makes it so)"
            )
        of_one, its_targets = (self._x[0], self._y[0]) if self._own else (self._x, self._y)
        _check(name, of_one, its_targets, batch_size)
        self._rows = len(of_one)

    def one_pass(self, rng: "Sequence[Generator] | None" = None) -> Iterator[tuple[Array, Array]]:
        """The batches; those of a member in the order that its generator gives it alone."""
        order = None
        if rng is not None and self._rows > self._batch_size:
            order = np.stack([generator.permutation(self._rows) for generator in rng])
        for start in range(0, self._rows, self._batch_size):
            part = slice(start, start + self._batch_size)
            yield self._taken(self._x, part, order), self._taken(self._y, part, order)

    def drawn_from(self, rng: "Sequence[Generator] | None") -> "dict[str, Generator]":
        """The generators that a pass changes, by name."""
        drawn = () if rng is None or self._rows <= self._batch_size else rng
        return {f"order.{k}": generator for k, generator in enumerate(drawn)}

    def description(self, rng: Any) -> dict[str, Any]:
        """What distinguishes its batches from others, as far as it can be told in a few words."""
        return {"rows": self._rows, "batch_size": self._batch_size, "shuffle": rng is not None, "own": self._own}

    def _taken(self, array: Array, part: slice, order: Array | None) -> Array:
        if order is None:
            return array[:, part] if self._own else np.broadcast_to(array[part], (self._members, *array[part].shape))
        rows = order[:, part]
        return array[np.arange(self._members)[:, None], rows] if self._own else array.take(rows, 0)


class BatchFeed:
    """Passes over an iterable of ``(x, y)`` batches, in its own order."""

    def __init__(self, source: Iterable[Any], dtype: np.dtype[Any], stack: Stack | None = None) -> None:
        self._source = source
        self._dtype = dtype
        self._stack = stack

    def one_pass(self, rng: Any = None) -> Iterator[tuple[Array, Array]]:
        """The batches; `rng` is not used, the source may shuffle itself."""
        number = 0
        for number, batch in enumerate(self._source, 1):
            if not isinstance(batch, tuple | list) or len(batch) != 2:
                raise ValueError(f"batch {number} of the data is {_brief(batch)}; it must be a pair (x, y) of arrays")
            x, y = as_inputs(batch[0], self._dtype), _as_targets(batch[1], self._dtype)
            if self._stack is not None:
                yield next(MemberFeed(f"batch {number} of the data", x, y, max(x.size, 1), self._dtype, self._stack).one_pass())
                continue
            if x.ndim == 0 or y.ndim == 0 or len(x) != len(y) or len(x) == 0:
                raise ValueError(
                    f"batch {number} of the data: x has shape {x.shape} and y {y.shape}; they need as many rows, at least one"
                )
            yield x, y
        if number == 0:
            raise ValueError(
                "the data gave no batches; give a list, or an object whose __iter__ starts a new pass each time it is called"
            )

    @cached_property
    def generators(self) -> Generators:
        """The generators among the source's attributes, by name."""
        return generators_of(source=None if isinstance(self._source, list | tuple) else self._source)

    def drawn_from(self, rng: Any) -> Generators:
        """The generators that a pass may change, by name: those of the source, and the default one."""
        return {**self.generators, "default": as_generator(None)}

    def description(self, rng: Any) -> dict[str, Any]:
        """Nothing can be told."""
        return {}


def _check(name: str, x: Array, y: Array, batch_size: int) -> None:
    """The checks of `batches`, before anything is done."""
    try:
        batches(x, y, batch_size)
    except ValueError as error:
        raise ValueError(f"{name}: {str(error).removeprefix('batches: ')}") from None


Feed = ArrayFeed | MemberFeed | BatchFeed


def feed(name: str, x: Any, y: Any, batch_size: int, model: Module, passes: int = 1) -> Feed:
    """The source of batches that the arguments `x` and `y` of the trainer's methods stand for."""
    dtype, stack = floating_dtype(model), model if isinstance(model, Stack) else None
    if y is not None and stack is not None:
        return MemberFeed(name, x, y, batch_size, dtype, stack)
    if y is not None:
        return ArrayFeed(name, x, y, batch_size, dtype)
    if isinstance(x, np.ndarray | Tensor):
        raise TypeError(f"{name}: x is an array and y is missing; give the targets (y=x for a model of its own input)")
    if not isinstance(x, Iterable):
        raise TypeError(f"{name}: give arrays x and y, or an iterable of (x, y) batches, not {_brief(x)}")
    if passes > 1 and isinstance(x, Iterator):
        raise ValueError(
            f"{name}: {_brief(x)} lasts for one pass, and there are {passes} epochs; give arrays, or a list of batches"
        )
    return BatchFeed(x, dtype, stack)


def orders(rng: Any, model: Module) -> "Generator | tuple[Generator, ...]":
    """The generator of the rows' order, of a stack one for each member."""
    if np.ndim(rng):
        if not isinstance(model, Stack) or len(rng) != len(model):
            members = f"a stack of {len(model)} members" if isinstance(model, Stack) else "one model"
            raise ValueError(f"Trainer: rng has {len(rng)} generators or seeds for {members}; give one for each member")
        return tuple(map(as_generator, rng))
    generator = as_generator(None).spawn(1)[0] if rng is None else as_generator(rng)
    return tuple(generator.spawn(len(model))) if isinstance(model, Stack) else generator


def is_own(name: str, x: Array, stack: Stack) -> bool:
    """Whether inputs are each member's own, (m, n, ...), or those of all, (n, ...); a ShapeError if neither."""
    if x.ndim == stack.sample_axes + 1 or (x.ndim == stack.sample_axes + 2 and len(x) == len(stack)):
        return x.ndim == stack.sample_axes + 2
    raise ShapeError(
        f"{name}: x has shape {x.shape}; for a stack of {len(stack)} members, with samples of {stack.sample_axes} axes, it "
        f"must be (n, ...) for all members or ({len(stack)}, n, ...) for each its own; tn.nn.stack(models, sample_axes=...) "
        "tells how many axes a sample has"
    )


def floating_dtype(model: Module) -> np.dtype[Any]:
    """The dtype of the model's first floating parameter, the default dtype if it has none."""
    return next((x.dtype for x in model.parameters() if x.dtype.kind == "f"), get_default_dtype())


def as_inputs(x: npt.ArrayLike, dtype: np.dtype[Any]) -> Array:
    """Inputs as an array of the model's dtype."""
    return _as_numbers("x", x).astype(dtype, copy=False)


def _as_targets(y: npt.ArrayLike, dtype: np.dtype[Any]) -> Array:
    """Targets as an array: real numbers of the model's dtype, labels (integers, booleans) as they are."""
    targets = _as_numbers("y", y)
    return targets.astype(dtype, copy=False) if targets.dtype.kind == "f" else targets


def _as_numbers(name: str, data: Any) -> Array:
    array = data.data if isinstance(data, Tensor) else np.asarray(data)
    if array.dtype.kind not in REAL_KINDS:
        raise TypeError(f"{name} is {_brief(data)} of dtype {array.dtype}; it must hold real numbers, integers or booleans")
    return array


def _brief(value: Any) -> str:
    kind = type(value).__name__
    return f"a {kind} of length {len(value)}" if isinstance(value, tuple | list) else f"a {kind}"
