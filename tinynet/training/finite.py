"""A NaN must be seen before the update: `NonFiniteError`, the `Guard` that keeps the last finite weights, and the diagnosis."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.graph import no_grad
from tinynet.nn.module import Module
from tinynet.nn.parameter import StackedBuffer, StackedParameter
from tinynet.revision import REVISION
from tinynet.tensor import Tensor

if TYPE_CHECKING:
    from tinynet.training.history import History

__all__ = ["Guard", "NonFiniteError", "diagnose", "forget", "is_finite", "listed"]

Array = np.ndarray[Any, Any]


class NonFiniteError(FloatingPointError):
    """A loss, a gradient or an update that is NaN or infinite ended the training.

    Attributes
    ----------
    epoch, batch : int
        Where it happened, counted from 1.
    module : str or None
        The dotted name of the first module whose output is not finite ("" is the model itself), None if all outputs are.
    history : History
        The finished epochs.
    """

    epoch: int
    batch: int
    module: str | None
    history: "History"


class Guard:
    """Copies of what a training step changes, from before the step, and the checks that tell whether to go back to them.

    Every step is checked twice, before the update (so that a bad gradient does not spoil the optimizer's moments) and after
    it (so that the copies are finite, whenever the next step makes them). A copy and a check are a pass over the memory each,
    of an optimizer's flat vector where the parameters lie in one.

    Parameters
    ----------
    parameters : callable
        Gives the tensors that the optimizer updates; checked and kept.
    buffers : callable
        Gives the tensors that a forward pass may update; kept.
    """

    def __init__(self, parameters: Callable[[], Iterable[Tensor]], buffers: Callable[[], Iterable[Tensor]]) -> None:
        self._find = parameters, buffers
        self._revision = -1

    def save(self) -> None:
        """Keep the values as they are now."""
        if self._revision != REVISION.number:  # there may be other tensors, or one was given another array
            self._revision = REVISION.number
            self._parameters, buffers = (list(find()) for find in self._find)
            vectors = list(_vectors(self._parameters))
            self._checked = [vector for vector, _ in vectors]
            self._kept, self._parts = [], []
            for vector, members in chain(vectors, _vectors(buffers)):
                kept = np.empty_like(vector)
                self._kept.append((vector, kept))
                self._parts += [(x, kept if x.data is vector else kept[place].reshape(x.shape)) for x, place in members]
        for vector, kept in self._kept:
            kept[...] = vector

    def restore(self, members: Iterable[int] | None = None) -> None:
        """Go back to the values that were kept, in the arrays that are there; those of given members of a stack alone."""
        chosen = None if members is None else set(members)
        for x, kept in self._parts:
            if chosen is None:
                x.data[...] = kept
            elif isinstance(x, StackedBuffer | StackedParameter):
                rows = [row for row, member in enumerate(x.members) if member in chosen]
                x.data[rows] = kept[rows]

    def bad_gradients(self) -> list[Tensor]:
        """The parameters whose gradient is not finite."""
        return [x for x in self._parameters if (g := x.grad) is not None and not is_finite(g)]

    def bad_values(self) -> list[Tensor]:
        """The parameters that the update made not finite: those that it passed over, frozen ones say, are as they were."""
        if self._revision == REVISION.number and all(map(is_finite, self._checked)):
            return []
        return [x for x in self._parameters if x.grad is not None and x.requires_grad and not is_finite(x.data)]

    def bad_members(self, losses: Array) -> Array | None:
        """For each member of a stack whether its loss or its update is not finite; None if all are."""
        bad = self.bad_values()
        if not bad and is_finite(losses):
            return None
        wrong = ~np.isfinite(losses)
        for x in bad:
            if not isinstance(x, StackedParameter):
                return np.ones_like(wrong)
            wrong[list(x.members)] |= ~np.isfinite(x.data).reshape(len(x.members), -1).all(axis=1)
        return wrong


def forget(optimizer: Any, members: Iterable[int]) -> None:
    """Have an optimizer begin anew with members of a stack, and with whatever it remembers of others that is not finite."""
    chosen, saved = list(members), optimizer.state_dict()
    parameters = [x for group in optimizer.param_groups for x in group["params"]]
    for index, state in saved["state"].items():
        if isinstance(x := parameters[index], StackedParameter):
            for name in state.keys() - {"step"}:  # which all members share
                finite = np.isfinite(state[name]).reshape(len(x), -1).all(axis=1)
                state[name][np.isin(x.members, chosen) | ~finite] = 0
    optimizer.load_state_dict(saved)


def _vectors(tensors: list[Tensor]) -> Iterator[tuple[Array, list[tuple[Tensor, slice]]]]:
    """The flat vectors that tensors fill, each with its tensors and where they lie in it; other tensors by themselves."""
    by_base: dict[int, list[Tensor]] = {}
    for x in tensors:
        by_base.setdefault(id(x.data.base if x.data.flags.c_contiguous else x), []).append(x)
    for members in by_base.values():
        vector = members[0].data.base
        if isinstance(vector, np.ndarray) and vector.ndim == 1 and sum(x.size for x in members) == vector.size:
            address = vector.__array_interface__["data"][0]
            starts = [(x.data.__array_interface__["data"][0] - address) // vector.itemsize for x in members]
            yield vector, [(x, slice(start, start + x.size)) for x, start in zip(members, starts, strict=True)]
        else:
            for x in members:
                yield x.data, [(x, slice(None))]


def is_finite(array: Array) -> bool:
    """Whether no element is NaN or infinite, mostly in one pass: only a sum of squares that overflows needs another look."""
    return isfinite(np.vdot(array, array)) or bool(np.isfinite(array).all())  # unlike `dot`, `vdot` does not warn of it


def diagnose(model: Module, x: Array, y: Array) -> tuple[str | None, str]:
    """Run a batch again to see where the first NaN or infinity comes from.

    Returns
    -------
    module : str or None
        The name of the first module, in the order of computing, whose output is not finite.
    description : str
        Sentences about inputs, parameters and modules, each with a blank after it.
    """
    found: list[str] = []

    def watch(name: str) -> Any:
        def look(module: Module, args: Any, output: Any) -> None:
            outputs = output if isinstance(output, tuple | list) else (output,)
            if not all(np.isfinite(x.data).all() for x in outputs if isinstance(x, Tensor)):
                found.append(name)

        return look

    modules = dict(model.named_modules())
    handles = [module.register_forward_hook(watch(name)) for name, module in modules.items()]
    try:
        with no_grad(), np.errstate(all="ignore"):
            model(Tensor(x))
    finally:
        for handle in handles:
            handle.remove()
    sentences = []
    for kind, array in (("inputs", x), ("targets", y)):
        if array.dtype.kind == "f" and not is_finite(array):
            row = np.argwhere(~np.isfinite(array))[0, 0]
            sentences.append(f"The {kind} of the batch are not finite, row {row} the first. ")
    bad = [name for name, parameter in model.named_parameters() if not is_finite(parameter.data)]
    if bad:
        sentences.append(f"These parameters were not finite before the batch: {listed(bad)}. ")
    if found:
        kind = type(modules[found[0]]).__name__
        sentences.append(f"The first module whose output is not finite is {f'{found[0]} ({kind})' if found[0] else kind}. ")
        return found[0], "".join(sentences)
    sentences.append("In a second run of the batch the output of every module is finite. ")
    return None, "".join(sentences)


def listed(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
