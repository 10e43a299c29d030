"""`Optimizer`: what all optimizers share: parameter groups, flat vectors, stepping, and the state dict."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import compress, count, islice
from operator import not_
from typing import Any

import numpy as np

from tinynet.dtypes import REAL_KINDS
from tinynet.errors import GradientError, ShapeError
from tinynet.mode import MODE, depends, lifted, meet, unrecorded
from tinynet.optim.blocks import Block
from tinynet.optim.groups import ParamGroup, validate
from tinynet.revision import revised
from tinynet.tensor import Tensor

__all__ = ["Optimizer"]

Array = np.ndarray[Any, Any]
Options = dict[str, Any]
State = Mapping[str, Any]


class Optimizer:
    """The base of every optimizer; use one of its subclasses, or write one.

    The parameters of a group and dtype, and their state, lie in one flat vector each, and the gradients are gathered into
    one at each step, so that an update is a handful of NumPy calls however many parameters there are. A parameter's ``.data``
    is therefore a view of such a vector: an array taken from it *before* the optimizer was made is no longer the parameter's.
    Where ``.data`` is replaced later (values loaded, another dtype, a second optimizer for the same parameters) the next step
    takes it over, and keeps the state. A parameter whose gradient is None, or that requires none, is skipped.

    A subclass defines `update`, and `vectors`, `constants` and `rates` where its formula needs them.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The parameters; or parameter groups, dicts with the tensors under ``"params"`` and options of their own.
    defaults : dict
        Every option of the optimizer, with the value for groups that do not set it.

    Attributes
    ----------
    param_groups : list of ParamGroup
        The groups, mappings like torch's: ``optimizer.param_groups[0]["lr"] = 0.01``.
    defaults : dict
        The options of a group that does not set them.

    Raises
    ------
    ValueError
        If there is no parameter, one is given twice, or an option is unknown or has a value out of range.
    TypeError
        If a parameter is no tensor.
    GradientError
        If a parameter was computed from others.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> class SignSGD(tn.optim.Optimizer):
    ...     def __init__(self, params, lr=0.01):
    ...         super().__init__(params, {"lr": lr})
    ...     def update(self, data, grad, scratch, state, rates, constants):
    ...         np.sign(grad, out=scratch)
    ...         np.multiply(scratch, rates[0], out=scratch)
    ...         np.subtract(data, scratch, out=data)
    >>> w = tn.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = SignSGD([w], lr=0.5)
    >>> np.sum(w * w).backward()
    >>> optimizer.step()
    >>> w
    tensor([0.5, 1.5], requires_grad=True)
    """

    def __init__(self, params: Iterable[Any], defaults: Options) -> None:
        if isinstance(params, Tensor | Mapping | set):
            raise TypeError(f"{self._name}: give the parameters as a list of tensors or groups, not as {_kind(params)}")
        given = list(params)
        self.defaults = defaults
        self.param_groups: list[ParamGroup] = []
        for group in given if given and isinstance(given[0], Mapping) else [{"params": given}]:
            self.param_groups.append(self._new_group(group))
        if not any(group.params for group in self.param_groups):
            raise ValueError(f"{self._name} got an empty parameter list; is the model's .parameters() empty?")
        self._arrange({})

    def __repr__(self) -> str:
        return f"{self._name}({', '.join(map(repr, self.param_groups))})"

    # What a subclass defines ---------------------------------------------------------------------------------------------

    @classmethod
    def validate(cls, options: Options) -> Options:
        """A checked copy of a group's options, numbers as floats; a subclass adds what must hold between them."""
        return validate(cls.__name__, options)

    def vectors(self, options: Options) -> dict[str, float]:
        """The names of the state vectors that the update needs, with their initial values."""
        return {}

    def constants(self, options: Options) -> Options:
        """What the update needs of the options: flags, and numbers, which become 0-d arrays of the parameters' dtype."""
        return options

    def rates(self, step: Array, lr: Array, options: Options) -> tuple[Any, ...]:
        """The scalars that change from step to step, computed in float64.

        `step` is the number of this step, counted from 1 if the optimizer has vectors. It and `lr` are 0-d arrays that
        are to be used in NumPy calls alone, so that a step that was recorded can be replayed with new values.
        """
        return (lr,)

    def update(
        self, data: Array, grad: Array, scratch: Array, state: dict[str, Array], rates: list[Array], constants: Options
    ) -> None:
        """Update the vectors `data` and `state`, or a part of them, in place; `scratch` may be overwritten, `grad` not.

        `rates` are those of the method of that name, as 0-d arrays of the vectors' dtype.
        """
        raise NotImplementedError(f"{self._name} has no update(); define it")

    # Stepping ------------------------------------------------------------------------------------------------------------

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to None."""
        if MODE.get().recorder is not None:
            meet(self._params())
        for p in self._params():
            p._grad = None

    def step(self, inspect: Callable[[Array], object] | None = None) -> None:
        """Update every parameter that has a gradient and requires one.

        Parameters
        ----------
        inspect : callable, optional
            Is called with each flat vector of gradients before anything is changed; it may raise an error.

        Raises
        ------
        ShapeError
            If a gradient is not of its parameter's shape, or a parameter of another shape than its state. Nothing was
            changed then.
        TypeError
            If a parameter that is to be updated is no longer of a floating dtype. Nothing was changed then.
        """
        if MODE.get().recorder is not None:
            depends(self, "_blocks")
            meet(self._params())
        ready = [block.gather() for block in self._blocks]
        if None in ready:
            with unrecorded():
                self._resettle(ready)
            ready = [block.gather() for block in self._blocks]
        if inspect is not None:
            for block in compress(self._blocks, ready):
                inspect(lifted(block.grad))
        for block in compress(self._blocks, ready):
            depends(block.group, "options")
            options = block.group.options
            if block.options is not options and block.options != options:
                self._tune(block)
            depends(block, "chunks")
            step, lr, rates, parts = lifted((block.step, block.group.lr, block.rates, block.parts()))
            if block.state:
                step[...] = step[()] + 1  # NumPy's own scalars take a sixth of the time of a ufunc
            for place, rate in zip(rates, self.rates(step, lr, options), strict=True):
                place[...] = rate
            for data, grad, scratch, state in parts:
                self.update(data, grad, scratch, state, rates, block.constants)

    # Groups and blocks ---------------------------------------------------------------------------------------------------

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add a group of parameters.

        Parameters
        ----------
        group : mapping
            The tensors under ``"params"``, and options that differ from the optimizer's defaults.

        Raises
        ------
        ValueError, TypeError, GradientError
            As for the optimizer itself; nothing was changed then.
        """
        new = self._new_group(group)
        self.param_groups.append(new)
        revised()
        self._blocks += self._new_blocks(new, [(p, {}) for p in new.params])

    def _new_group(self, group: Any) -> ParamGroup:
        place = f"group {len(self.param_groups)}"
        if not isinstance(group, Mapping) or "params" not in group:
            raise TypeError(f"{self._name}: {place} must be a dict with the tensors under 'params', got {_kind(group)}")
        options = {name: value for name, value in group.items() if name != "params"}
        self._refuse_unknown(options, place)
        params = group["params"]
        if isinstance(params, set):
            raise TypeError(f"{self._name}: the parameters of {place} are a set, which has no order; give a list")
        params = [params] if isinstance(params, Tensor) else list(params)
        seen = {id(p): f"parameter {i} of group {j}" for j, g in enumerate(self.param_groups) for i, p in enumerate(g.params)}
        for i, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise TypeError(f"{self._name}: parameter {i} of {place} is no tensor but {_kind(p)}")
            if not p.is_leaf:
                raise GradientError(f"{self._name}: parameter {i} of {place} was computed; give the leaf it came from")
            if id(p) in seen:
                raise ValueError(f"{self._name}: parameter {i} of {place} is given twice, it is also {seen[id(p)]}")
            seen[id(p)] = f"parameter {i} of {place}"
        return ParamGroup(params, {**self.defaults, **options}, self.validate)

    def _refuse_unknown(self, options: Iterable[str], place: str) -> None:
        unknown = sorted(set(options) - self.defaults.keys() - {"initial_lr"})
        if unknown:
            raise ValueError(f"{self._name}: {place} has an unknown option {unknown[0]!r}; it knows {', '.join(self.defaults)}")

    def _arrange(self, states: Mapping[int, State]) -> None:
        """Make the blocks of all parameters anew, each with the state that is given under its index, if any."""
        members = ((p, states.get(i, {})) for i, p in enumerate(self._params()))
        self._blocks = []
        revised()
        for group in self.param_groups:
            self._blocks += self._new_blocks(group, islice(members, len(group.params)))

    def _new_blocks(self, group: ParamGroup, members: Iterable[tuple[Tensor, State]]) -> list[Block]:
        """Blocks of members of a group: one, if all are of one dtype and have equally many steps behind them."""
        alike: dict[Any, list[tuple[Tensor, State]]] = {}
        for p, state in members:
            alike.setdefault((p.data.dtype, float(state.get("step", 0)), *state), []).append((p, state))
        blocks = [Block(group, *zip(*pairs, strict=True)) for pairs in alike.values()]
        for block in blocks:
            self._tune(block)
        return blocks

    def _tune(self, block: Block) -> None:
        options = block.group.options
        rates = self.rates(block.step + 1, block.group.lr, options)
        block.tune(self.constants(options), self.vectors(options), len(rates))

    def _resettle(self, ready: Iterable[bool | None]) -> None:
        """Split or make anew the blocks that are not ready, or none if a parameter is unfit."""
        self._check_members()
        blocks = []
        for block, is_ready in zip(self._blocks, ready, strict=True):
            if is_ready is not None:
                blocks.append(block)
                continue
            members = list(zip(block.params, block.states(), strict=True))
            stepped = [p.grad is not None and p.requires_grad for p in block.params]
            blocks += self._new_blocks(block.group, compress(members, stepped))
            blocks += self._new_blocks(block.group, compress(members, map(not_, stepped)))
        self._blocks = blocks
        revised()

    def _check_members(self) -> None:
        states = self._states()
        for i, p in enumerate(self._params()):
            if p.grad is not None and p.requires_grad and p.grad.shape != p.data.shape:
                raise ShapeError(
                    f"{self._name}.step: the gradient of parameter {i} has shape {p.grad.shape}, the parameter {p.data.shape}; "
                    "clear stale gradients with zero_grad()"
                )
            for name, x in states.get(i, {}).items():
                if name != "step" and x.shape != p.data.shape:
                    raise ShapeError(
                        f"{self._name}.step: parameter {i} has shape {p.data.shape} now, its {name} {x.shape}; "
                        "make a new optimizer for parameters of another shape"
                    )

    def _params(self) -> Iterator[Tensor]:
        for group in self.param_groups:
            yield from group.params

    def _states(self) -> dict[int, State]:
        """The state of every parameter that was stepped, by index, as views."""
        index = {id(p): i for i, p in enumerate(self._params())}
        found = {index[id(p)]: state for block in self._blocks for p, state in zip(block.params, block.states(), strict=True)}
        return {i: found[i] for i in sorted(found) if found[i]}

    @property
    def _name(self) -> str:
        return type(self).__name__

    # State dict, copies --------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's state in torch's layout, as copies.

        Returns
        -------
        dict
            ``{"state": {index: {"step": ..., name: array}}, "param_groups": [{"params": [index, ...], "lr": ...}]}``;
            arrays have their parameter's shape, parameters are counted through all groups, and one that was never stepped
            has no state.
        """
        index = count()
        return {
            "state": {i: {name: x.copy() for name, x in state.items()} for i, state in self._states().items()},
            "param_groups": [{**group, "params": list(islice(index, len(group.params)))} for group in self.param_groups],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a state of `state_dict`, options included; arrays are copied and take their parameter's dtype.

        Parameters
        ----------
        state_dict : mapping
            The state of an optimizer of this class whose groups have as many parameters.

        Raises
        ------
        ValueError
            If the groups, an option or the shape of an array does not fit; nothing was changed then.
        """
        saved = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in saved]
        own_sizes = [len(group.params) for group in self.param_groups]
        if sizes != own_sizes:
            raise ValueError(f"{self._name}.load_state_dict: the saved groups have {sizes} parameters, its own {own_sizes}")
        options = [{name: value for name, value in group.items() if name != "params"} for group in saved]
        for i, new in enumerate(options):
            self._refuse_unknown(new, f"saved group {i}")
            self.validate({**self.param_groups[i].options, **new})
        keys = [key for group in saved for key in group["params"]]
        strangers = [key for key in state_dict["state"] if key not in keys]
        if strangers:
            raise ValueError(
                f"{self._name}.load_state_dict: there is a state of {strangers[0]!r}, which is in none of the saved groups; "
                "the keys are positions, as integers (JSON makes text of them)"
            )
        states = {}
        for i, (key, p) in enumerate(zip(keys, self._params(), strict=True)):
            states[i] = {name: np.asarray(x) for name, x in state_dict["state"].get(key, {}).items() if x is not None}
            for name, x in states[i].items():
                if x.dtype.kind not in REAL_KINDS:
                    raise ValueError(f"{self._name}.load_state_dict: {name} of parameter {i} is {x.dtype}, not real numbers")
                expected = () if name == "step" else p.data.shape
                if x.shape != expected:
                    raise ShapeError(
                        f"{self._name}.load_state_dict: {name} of parameter {i} has shape {x.shape}, it must have {expected}"
                    )
        for group, new in zip(self.param_groups, options, strict=True):
            group.replace({**group.options, "lr": group["lr"], **new})
        self._arrange(states)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_blocks": self._states()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._arrange(state["_blocks"])


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"
