"""Whether code that knows nothing of stacks computes right with an axis of members in front: `Trial` finds out."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextvars import copy_context
from typing import Any

import numpy as np

from tinynet.errors import ShapeError
from tinynet.graph import no_grad
from tinynet.mode import unrecorded
from tinynet.nn.dropout import Dropout
from tinynet.nn.lossparts import values
from tinynet.nn.memberlayers import FOR_MEMBERS
from tinynet.nn.module import Module
from tinynet.nn.parameter import StackedParameter
from tinynet.random import manual_seed
from tinynet.tensor import Tensor

__all__ = ["Trial"]

Array = np.ndarray[Any, Any]


class Trial:
    """Compares what a stack gives with what its members give one by one, whenever the stack is given something new.

    What is alike in all members cannot tell whether one was taken for another: weights that start alike (slopes, gates, the
    biases of normalisations) are changed for the trial, and inputs that members share are given to each in another order and
    scaled. Only a module that draws from the default generator cannot be compared; the layer `Dropout` drops
    nothing here.

    Parameters
    ----------
    kinds : str
        What is on trial.
    """

    def __init__(self, kinds: str) -> None:
        self._kinds = kinds
        self._passed: set[Any] = set()

    def run(self, stack: Any, x: Any) -> None:
        """Try inputs like `x`, (m, n, ...), once for each shape, in training and in evaluation.

        Raises
        ------
        ShapeError
            If the stack's output is not that of its members, or it fails where they do not.
        """
        case = x.shape, stack.training
        if case in self._passed:
            return
        with unrecorded(), no_grad(), np.errstate(all="ignore"):
            x = values(x)
            x = getattr(x, "array", x)  # of a recorder's array what it holds
            copy_context().run(self._compare, stack, x)  # default generator and all
        self._passed.add(case)

    def _compare(self, stack: Any, x: Array) -> None:
        x = np.stack([np.roll(rows, k, axis=0) for k, rows in enumerate(x)])
        tried, inputs = _varied(stack), _scaled(x)
        try:
            alone, again = (_one_by_one(tried.unstack(), inputs, seed) for seed in (0, 1))
        except Exception:  # of what was varied a member may say that it cannot be; of the rest the error is a person's to see
            tried, inputs = copy.deepcopy(stack), x
            alone, again = (_one_by_one(tried.unstack(), inputs, seed) for seed in (0, 1))
        remedy = (
            f"{self._kinds}: forward() does not do with an axis of members in front of its input's. Count axes from the end "
            "(axis=-1) and let tensors of its own have that axis too, or say with tn.nn.stacking which class does"
        )
        try:
            together = _outputs(tried.members, inputs)
        except Exception as error:
            raise ShapeError(f"stack: {remedy} ({type(error).__name__}: {error})") from error
        for output, expected, other in zip(together, alone, again, strict=True):
            if output.shape != expected.shape:
                raise ShapeError(f"stack: {remedy}. Its members give shape {expected.shape[1:]}, the stack {output.shape}")
            is_random = not np.array_equal(expected, other, equal_nan=True)  # by the default generator, which all draw from
            eps = float(np.finfo(output.dtype).eps) if output.dtype.kind == "f" else 0.0
            rounding = eps**0.5 * _size(expected)
            if not is_random and not np.allclose(output, expected, rtol=0, atol=rounding, equal_nan=True):
                raise ShapeError(f"stack: {remedy}. The stack's values are not those of its members")


def _varied(stack: Any) -> Any:
    """A copy of a stack, in which those numbers that are alike in all members are so no more.

    They change by a tenth of their size at most, 0 to 0.1, and keep their order and sign where they are those of a buffer.
    """
    varied, rng = copy.deepcopy(stack), np.random.default_rng(0)
    for x in (*varied.parameters(), *varied.buffers()):
        if x.dtype.kind == "f":
            alike = np.all(x.data == x.data[:1], axis=0)
            shape = x.shape if isinstance(x, StackedParameter) else (len(x), *[1] * (x.ndim - 1))
            x.data[...] = x.data + alike * rng.uniform(0, 0.1, shape) * (1 + np.abs(x.data))
    return varied


def _scaled(x: Array) -> Array:
    """Floating inputs, each on a scale of its own, smaller and of the same sign; random ones if all are 0 or one not finite."""
    if x.dtype.kind != "f":
        return x
    rng = np.random.default_rng(0)
    told = x.any() and np.isfinite(x).all()
    return np.asarray(x * rng.uniform(0.5, 1, x.shape) if told else rng.normal(size=x.shape)).astype(x.dtype)


def _size(x: Array) -> float:
    """The size of the largest finite element."""
    return float(np.max(np.abs(x), initial=0, where=np.isfinite(x)))


def _one_by_one(models: Sequence[Module], x: Iterable[Array], seed: int) -> list[Array]:
    manual_seed(seed)
    return [np.stack(parts) for parts in zip(*map(_outputs, models, x), strict=True)]


def _outputs(model: Module, x: Array) -> list[Array]:
    for layer in model.modules():
        if type(layer) in (Dropout, FOR_MEMBERS[Dropout]):
            layer.p = 0.0
    return list(_arrays(model(Tensor(x))))


def _arrays(output: Any) -> Iterator[Array]:
    """The arrays of a module's output, which is one, or a tuple, list or dict of them."""
    if isinstance(output, tuple | list | dict):
        for part in output.values() if isinstance(output, dict) else output:
            yield from _arrays(part)
    else:
        yield output.data if isinstance(output, Tensor) else np.asarray(output)
