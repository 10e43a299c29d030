"""Whether modules that know nothing of stacks compute right with an axis of members in front: `Trial` finds out."""

import copy
from collections.abc import Iterator, Sequence
from contextvars import copy_context
from typing import Any

import numpy as np

from tinynet.errors import ShapeError
from tinynet.graph import no_grad
from tinynet.mode import unrecorded
from tinynet.nn.module import Module
from tinynet.random import manual_seed
from tinynet.tensor import Tensor

__all__ = ["Trial"]

Array = np.ndarray[Any, Any]


class Trial:
    """Compares what a stack gives with what its members give one by one, whenever the stack is given something new.

    Parameters
    ----------
    kinds : str
        What the modules are called that are on trial.
    """

    def __init__(self, kinds: str) -> None:
        self._kinds = kinds
        self._passed: set[Any] = set()

    def run(self, stack: Any, x: Any) -> None:
        """Try random inputs of the shape of `x`, (m, n, ...), once for each shape, in training and in evaluation.

        Raises
        ------
        ShapeError
            If the stack's output is not that of its members, or it fails.
        """
        case = x.shape, stack.training
        if case in self._passed:
            return
        with unrecorded(), no_grad(), np.errstate(all="ignore"):
            inputs = np.random.default_rng(0).normal(size=x.shape) if x.dtype.kind == "f" else np.zeros(x.shape)
            copy_context().run(self._compare, copy.deepcopy(stack), inputs.astype(x.dtype))  # default generator and all
        self._passed.add(case)

    def _compare(self, stack: Any, x: Array) -> None:
        remedy = (
            f"{self._kinds}: forward() does not do with an axis of members in front of its input's. Count axes from the end "
            "(axis=-1) and let tensors of its own have that axis too, or say with tn.nn.stacking which class does"
        )
        alone, again = (_one_by_one(stack.unstack(), x, seed) for seed in (0, 1))
        try:
            together = _outputs(stack.members, x)
        except (ValueError, TypeError, IndexError, AttributeError) as error:
            raise ShapeError(f"stack: {remedy} ({error})") from error
        for output, expected, other in zip(together, alone, again, strict=True):
            if output.shape != expected.shape:
                raise ShapeError(f"stack: {remedy}. Its members give shape {expected.shape[1:]}, the stack {output.shape}")
            is_random = not np.array_equal(expected, other, equal_nan=True)  # by the default generator, which all draw from
            tolerance = np.finfo(output.dtype).eps ** 0.5 if output.dtype.kind == "f" else 0
            if not is_random and not np.allclose(output, expected, rtol=tolerance, atol=tolerance, equal_nan=True):
                raise ShapeError(f"stack: {remedy}. The stack's values are not those of its members")


def _one_by_one(models: Sequence[Module], x: Array, seed: int) -> list[Array]:
    manual_seed(seed)
    return [np.stack(parts) for parts in zip(*map(_outputs, models, x), strict=True)]


def _outputs(model: Module, x: Array) -> list[Array]:
    return list(_arrays(model(Tensor(x))))


def _arrays(output: Any) -> Iterator[Array]:
    """The arrays of a module's output, which is one, or a tuple, list or dict of them."""
    if isinstance(output, tuple | list | dict):
        for part in output.values() if isinstance(output, dict) else output:
            yield from _arrays(part)
    else:
        yield output.data if isinstance(output, Tensor) else np.asarray(output)
