"""Flat vectors: parameters of one dtype that are stepped together, their gradients and their state, each in one vector."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from tinynet.declared import constant, scratch
from tinynet.mode import lifted
from tinynet.optim.groups import ParamGroup
from tinynet.tensor import Tensor

__all__ = ["Block"]

Array = np.ndarray[Any, Any]

CHUNK = 32768
"""How many elements of the vectors an update works on at a time, so that all of them stay in the cache."""


class Block:
    """Parameters that have always been stepped together, as slices of flat vectors.

    Making a block moves the parameters: each one's ``.data`` becomes a view of `data`. All arrays that a step reads and
    writes, apart from the gradients and the group's learning rate, are here.

    Parameters
    ----------
    group : ParamGroup
        The group of the parameters.
    params : sequence of Tensor
        The parameters, of one dtype.
    states : sequence of mappings
        For each parameter its state as `states` gives it, all with equal names and step counts.

    Attributes
    ----------
    data, grad : numpy.ndarray
        The values and the gathered gradients, 1-d.
    state : dict of str to numpy.ndarray
        The optimizer's vectors, such as Adam's moments, of the dtype of the parameters.
    step : numpy.ndarray
        How many steps were made, 0-d float64; counted if there is a state.
    options, constants : dict
        The group's options that the block was tuned to, and the optimizer's constants made of them, numbers as 0-d arrays.
    rates : list of numpy.ndarray
        Places for the scalars that change from step to step.
    chunks : list of tuple
        ``(data, grad, scratch, state)``, chunk by chunk.
    """

    def __init__(self, group: ParamGroup, params: Sequence[Tensor], states: Sequence[Mapping[str, Any]]) -> None:
        self.group = group
        self.params = params
        self._shapes = [p.data.shape for p in params]
        self.data: Array = np.concatenate([p.data for p in params], axis=None)
        self.grad: Array = scratch(np.empty_like(self.data))
        self._members = list(zip(params, self._unflatten(self.data), self._shapes, strict=True))
        self._places = self._unflatten(self.grad)
        for p, data, _ in self._members:
            p.data = data
        saved = dict(states[0])
        # torch's SGD keeps no counter: that there is a state shows that a step was made
        self.step: Array = np.array(saved.pop("step", float(bool(saved))), dtype=np.float64)
        self.state: dict[str, Array] = {
            name: np.concatenate([state[name] for state in states], axis=None, dtype=self.data.dtype, casting="same_kind")
            for name in saved
        }
        self.options: dict[str, Any] = {}

    def tune(self, constants: Mapping[str, Any], vectors: Mapping[str, float], rates: int) -> None:
        """Fit the block to its group's options: the optimizer's constants, its vectors with their initial values, its rates."""
        self.options = self.group.options
        # a 0-d array of the right dtype is the scalar that a ufunc takes in least time
        self.rates: list[Array] = [np.empty((), self.data.dtype) for _ in range(rates)]
        self.constants: dict[str, Any] = {
            name: value if isinstance(value, bool) else constant(np.array(value, dtype=self.data.dtype))
            for name, value in constants.items()
        }
        for name, initial in vectors.items():
            if name not in self.state:
                self.state[name] = np.full_like(self.data, initial)
        scratch = np.empty_like(self.data[:CHUNK])
        self.chunks: list[Any] = []
        for start in range(0, self.data.size, CHUNK):
            part = slice(start, start + CHUNK)
            data, grad = self.data[part], self.grad[part]
            self.chunks.append((data, grad, scratch[: data.size], {name: x[part] for name, x in self.state.items()}))

    def parts(self) -> list[tuple[Any, Any, Any, Any]]:
        """The chunks; for a recorder all in one, since the compiler cuts large arrays itself, and shares them among threads."""
        data = lifted(self.data)
        return self.chunks if data is self.data else [(data, self.grad, np.empty_like(data), self.state)]

    def gradients(self) -> list[Array] | None:
        """The gradient of each parameter; none if no parameter has one, and `None` if the block must be made anew.

        It must where only some of the parameters have a gradient, where a parameter's ``.data`` was replaced, and where a
        gradient has a wrong shape.
        """
        found = []
        for p, data, shape in self._members:
            g = p._grad
            if g is not None and p._node is not None:
                if p._array is not data or g.shape != shape:
                    return None
                found.append(g)
        return found if not found or len(found) == len(self._members) else None

    def gather(self) -> bool | None:
        """Copy the gradients to `grad`, and tell whether there are any; `None` as in `gradients`."""
        found = self.gradients()
        if found:
            for place, g in zip(lifted(self._places), found, strict=True):
                place[...] = g
        return None if found is None else bool(found)

    def states(self) -> list[dict[str, Any]]:
        """For each parameter its step count and its slices of the state, in its shape; empty before the first step."""
        if not self.step:
            return [{} for _ in self.params]
        columns = {name: self._unflatten(flat) for name, flat in self.state.items()}
        return [{"step": self.step, **{name: xs[i] for name, xs in columns.items()}} for i in range(len(self.params))]

    def _unflatten(self, flat: Array) -> list[Array]:
        ends = np.cumsum([prod(shape) for shape in self._shapes])
        return [x.reshape(shape) for x, shape in zip(np.split(flat, ends[:-1]), self._shapes, strict=True)]
