"""`detect_anomaly`: where the first value came from that is not finite, and who changed an array that a gradient needs.

A detector takes the recorder's place in the mode, so that operations pay nothing where there is none. It is told of each
operation with its result, looks at that, and puts a rule into the graph that looks at the gradients in turn, and at the
checksums of the arrays that were saved. So the graph itself remembers where it was written.
"""

import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from tinynet.errors import AnomalyError, RecordingError
from tinynet.graph import LEAF_NUMBER, hook, reachable
from tinynet.lines import persons_frame
from tinynet.mode import MODE, Mode, Within, detector, is_recording
from tinynet.nn.module import Module
from tinynet.optim.optimizer import Optimizer
from tinynet.rules.table import Rule, name_of
from tinynet.saved import Place, Saved, arrays_in
from tinynet.tensor import Tensor, node_of
from tinynet.trees import leaves

__all__ = ["detect_anomaly"]

Array = np.ndarray[Any, Any]


class detect_anomaly(Within):
    """Find where the first value that is not finite came from, forward or backward, and saved arrays that were changed.

    A context manager, and a decorator of functions. Within, a `tinynet.errors.AnomalyError` names the operation, the module
    that ran it and the line of your code, with its text: the innermost one that is neither tinynet's nor NumPy's, nor of
    Python's own library or of what runs searches (scikit-learn, joblib, Dask).

    - **Forward**: a result that holds NaN; or an infinity although all that it was computed from is finite. An infinity that
      comes of an infinity is let pass (a mask of -inf in front of a softmax); one that you mean to have, as ``np.log(0)``,
      is computed of plain arrays (``np.log(p.data)``) or outside. A module's own parameters must be finite when it is called,
      and its buffers hold no NaN.
    - **Backward**: the same of the gradients. The error names the operation of the forward pass whose gradient it is,
      and where that was written. A graph that was recorded within is watched in its backward pass wherever that runs; of one
      that was recorded outside, the operation alone is known. What an optimizer is about to use must be finite, too.
    - **Arrays that a gradient needs** (operands, results, indices) and that were changed in place between the forward and the
      backward pass, so that it would be wrong: found by checksums, and reported if the gradient of that operation depends on
      the values at all.

    For finding out what is wrong, not for every day: operations take several times as long. Without it they take no longer
    than if it did not exist.

    Raises
    ------
    RecordingError
        If entered in a step that is being compiled.

    Notes
    -----
    Results are the same to the last bit. Steps made with `tinynet.compile`, a `tinynet.Trainer`'s among them, are run as they
    are within, uncompiled. Operations on tensors are watched, also under `no_grad`, in functions that run again
    (`tinynet.checkpoint`) and in transforms; what plain NumPy does to plain arrays (an optimizer's update, a metric) is not:
    what comes of an update is looked at where it is used.
    NumPy's warnings about division, overflow and invalid values are not given in what is watched. In derivatives of higher
    order the gradients of each operation are looked at, not what their rules compute on the way. What the pullback of a
    `tinynet.custom_gradient` keeps by itself has no checksum. A thread is not watched because the one that started it is.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> x = tn.tensor([0.0, 4.0], requires_grad=True)
    >>> with tn.detect_anomaly():
    ...     np.sqrt(x).sum().backward()
    Traceback (most recent call last):
    ...
    tinynet.errors.AnomalyError: the gradient of np.sqrt for operand 0 is inf in 1 of 2 elements, the first at [0]; ...
    """

    def __enter__(self) -> None:
        if is_recording():
            raise RecordingError("detect_anomaly in a step that is being compiled; put it around the call of the step")
        grad, before = MODE.get()
        self._before.append(before)
        MODE.set(Mode(grad, _Detector()))

    def __exit__(self, *_: object) -> None:
        MODE.set(Mode(MODE.get().grad, self._before.pop()))


class _Detector:
    """Is told what a recorder is told, and looks.

    Parameters
    ----------
    within : _Origin, optional
        The gradient, or the function made of operations, that is being computed. What comes up on the way is not looked at.
    """

    replays = False

    def __init__(self, within: "_Origin | None" = None) -> None:
        self._within = within

    def lift(self, array: Any) -> Any:
        return array

    def tensor(self, tensor: Any) -> Any:
        return tensor._array

    def effect(self, function: Callable[[], Any], writes: Any) -> None:
        function()

    def depends(self, owner: Any, *names: str) -> None:
        """Look at the state of a module that is about to run, and at the gradients that an optimizer is about to use."""
        if isinstance(owner, Module):
            self._look_at_state(owner)
        elif isinstance(owner, Optimizer):
            self._look_at_gradients(owner)

    def _look_at_state(self, module: Module) -> None:
        of_others = {id(x) for child in module.children() for x in chain(child.parameters(), child.buffers())}
        found: list[tuple[str, str, Tensor, str]] = [
            ("parameter", name, x, "An update made it so (lower the learning rate)")
            for name, x in module.named_parameters() if not _is_finite(x)
        ]
        found += [  # infinities may be meant there: a mask
            ("buffer", name, x, "The data that it was made of were so") for name, x in module.named_buffers() if _has_nan(x)
        ]
        for kind, name, x, cause in found:
            if id(x) not in of_others:
                raise _origin(f"the call of {type(module).__name__}", self._within).error(
                    f"the {kind} {name} is not finite before its module runs: {_described(x)}. {cause}, or it was loaded"
                )

    def _look_at_gradients(self, optimizer: Optimizer) -> None:
        for i, group in enumerate(optimizer.param_groups):
            for k, x in enumerate(group["params"]):
                if x.requires_grad and not _is_finite(x._grad):
                    raise _origin(f"{type(optimizer).__name__}.step", self._within).error(
                        f"the gradient of parameter {k} of group {i}, of shape {x.shape}, is not finite before the update: "
                        f"{_described(x._grad)}. Each backward pass gave finite gradients: their sum is not, or what was done "
                        "to it since"
                    )

    def composed(self, function: Any, args: Any, kwargs: Any, call: Callable[[], Any]) -> Any:
        """Call a function that is made of operations, and look at what it gives."""
        origin = _origin(name_of(function), self._within)
        with _looking(_Detector(origin)):
            out = call()
        if self._within is None:
            _look_forward(origin, args, kwargs, out)
        return out

    def run(self, forward: Callable[..., Any], operands: Any, params: dict[str, Any]) -> Any:
        with _quiet():
            return forward(*operands, **params)

    def noted(self, rule: Rule, operands: Any, params: dict[str, Any], out: Any) -> Rule:
        """Look at an operation's result, and give its node a rule that looks too."""
        origin = _origin(rule.name, self._within)
        if self._within is None:
            _look_forward(origin, operands, params, out)
        return _watched(rule, origin, Saved(out, operands, params).checksums()) if MODE.get().grad else rule

    def starts_backward(self, output: Any) -> None:
        """Watch the nodes of a graph that was recorded outside."""
        for node in reachable([node_of(output)]) if output.requires_grad else ():
            if node.number != LEAF_NUMBER and not isinstance(node.rule.vjps, _Vjps) and node.rule.fun is not hook:
                node.rule = _watched(node.rule, _Origin(node.rule.name, None, 0, (), self._within), None)


# Where an operation was written --------------------------------------------------------------------------------------


class _Origin(NamedTuple):
    """An operation, the person's line, the modules that were running, the innermost first, and what it was computed for."""

    operation: str
    filename: str | None
    line: int
    modules: tuple[Module, ...]
    within: "_Origin | None"

    def error(self, what: str) -> AnomalyError:
        """The error that tells of an anomaly here."""
        error = AnomalyError(f"{what}{self._place()}")
        error.operation, error.module = self.operation, self._module()
        error.source = self.filename and f"{self.filename}:{self.line}"
        return error

    def operand(self, i: int, x: Any) -> str:
        """What an operand is called."""
        array = x._array if isinstance(x, Tensor) else x
        state = chain(self.modules[-1].named_parameters(), self.modules[-1].named_buffers()) if self.modules else ()
        name = next((f" (the {type(p).__name__.lower()} {name})" for name, p in state if p._array is array), "")
        return f"operand {i}{name}"

    def _place(self) -> str:
        module = self._module()
        lines = [f"\n  in {module}"] if module else []
        if self.filename is None:
            lines.append("\n  recorded outside of detect_anomaly: run the forward pass within it as well to have the line")
        else:
            text = linecache.getline(self.filename, self.line).strip()  # of code that was given as a string there is none
            lines.append(f"\n  at {self.filename}:{self.line}" + (f": {text}" if text else ""))
        if self.within is not None:
            lines.append(f"\n  computing {self.within.operation}{self.within._place()}")
        return "".join(lines)

    def _module(self) -> str | None:
        """The innermost module that is a part of the outermost; others are made where they are called."""
        if not self.modules:
            return None
        outer = self.modules[-1]
        paths = {id(module): path for path, module in outer.named_modules()}
        inner = next(module for module in self.modules if id(module) in paths)
        kind, path = type(outer).__name__, paths[id(inner)]
        return f"{kind}.{path} ({type(inner).__name__})" if path else kind


def _origin(operation: str, within: _Origin | None) -> _Origin:
    modules = []
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code is Module.__call__.__code__:
            modules.append(frame.f_locals["self"])
        frame = frame.f_back
    place = persons_frame()
    filename = place.f_code.co_filename
    linecache.lazycache(filename, place.f_globals)  # for what is imported from an archive
    return _Origin(operation, filename, place.f_lineno, tuple(modules), within)


# What is looked at ---------------------------------------------------------------------------------------------------


def _look_forward(origin: _Origin, operands: Sequence[Any], params: dict[str, Any], out: Any) -> None:
    """An error if a result holds NaN, or an infinity that comes of no other."""
    if _is_finite(out):
        return
    holders = [f"{origin.operand(i, x)}, {_described(x)}" for i, x in enumerate(operands) if not _is_finite(x)]
    holders += [f"its argument {name}, {_described(x)}" for name, x in params.items() if not _is_finite(x)]
    if not holders:
        raise origin.error(
            f"{origin.operation} of finite operands gave {_described(out)}; keep them where it is finite (np.clip, a small "
            "constant added), or compute an infinity that you want of plain arrays"
        )
    if _has_nan(out):
        raise origin.error(f"{origin.operation} gave {_described(out)}; not finite before it: {'; '.join(holders)}")


def _watched(row: Rule, origin: _Origin, checksums: dict[Place, int] | None) -> Rule:
    """The row with rules that look at what they are given and at what they give; without checksums only within."""
    watch, rule = _Watch(origin, checksums), copy(row)
    rule.vjps = _Vjps(row.vjps, watch.run)
    rule.pull = None if row.pull is None else partial(watch.run_all, row.pull)
    return rule


class _Watch:
    """Runs the rules of a node.

    Parameters
    ----------
    origin : _Origin
        Where the node was written.
    checksums : dict or None
        Those of what it saved, as it was then; None of a node that was recorded outside, and is watched only within.
    """

    def __init__(self, origin: _Origin, checksums: dict[Place, int] | None) -> None:
        self._origin = origin
        self._checksums = checksums

    def run(self, i: int, vjp: Any, g: Any, out: Any, *operands: Any, **params: Any) -> Any:
        """Run the rule for one operand."""
        if self._checksums is None and detector() is None:
            return vjp(g, out, *operands, **params)
        self._look_for_changes(vjp, g, Saved(out, operands, params))
        with _quiet(), self._apart(g):
            d = vjp(g, out, *operands, **params)
        self._look_at(i, d, g, out, operands)
        return d

    def run_all(self, pull: Any, wanted: Sequence[int], g: Any, out: Any, *operands: Any, **params: Any) -> list[Any]:
        """Run the rule for all operands that are wanted."""
        if self._checksums is None and detector() is None:
            return list(pull(wanted, g, out, *operands, **params))
        with self._apart(g):
            found = list(pull(wanted, g, out, *operands, **params))
        for i, d in zip(wanted, found, strict=True):
            self._look_at(i, d, g, out, operands)
        return found

    def _apart(self, g: Any) -> AbstractContextManager[None]:
        """Within, a rule runs on tensors, if it does: what it computes on the way is noted, and not looked at."""
        if not isinstance(MODE.get().recorder, _Detector) or not any(isinstance(x, Tensor) for _, x in leaves(g)):
            return nullcontext()
        return _looking(_Detector(self._origin._replace(operation=f"the gradient of {self._origin.operation}")))

    def _look_at(self, i: int, d: Any, g: Any, out: Any, operands: Sequence[Any]) -> None:
        """An error if a gradient holds NaN, or an infinity though what was saved in the forward pass holds none."""
        if _is_finite(d):
            return
        if _has_nan(d) or _is_finite((out, *operands)):
            what = f"the gradient of {self._origin.operation} for {self._origin.operand(i, operands[i])} is {_described(d)}"
            if not _is_finite(g):
                raise self._origin.error(f"{what}; what came back to it from the operations after it is not finite either")
            raise self._origin.error(
                f"{what}; keep the operand away from there (add a small constant), or choose by np.where what goes into the "
                "operation, not what comes out of it"
            )

    def _look_for_changes(self, vjp: Any, g: Any, saved: Saved) -> None:
        """An error if the gradient depends on an array that is no longer what it was in the forward pass."""
        if self._checksums is None:
            return
        now = saved.checksums()
        for place, checksum in self._checksums.items():
            if now[place] != checksum and saved.matters(place, vjp, g):
                kind, key = place
                part = self._origin.operand(key, saved[place]) if kind == "operand" else f"its {kind} {key or ''}".rstrip()
                raise self._origin.error(
                    f"{self._origin.operation}: {part} was changed in place between the forward and the backward pass, which "
                    "needs it as it was; make a new array (x = x + 1 in place of x += 1), or change it after backward()"
                )


@contextmanager
def _looking(detector: _Detector) -> Iterator[None]:
    """Within, another detector looks."""
    grad, before = MODE.get()
    MODE.set(Mode(grad, detector))
    try:
        yield
    finally:
        MODE.set(Mode(MODE.get().grad, before))


class _Vjps(Sequence[Any]):
    """A row's rules, each to be run by a function that is told the operand."""

    def __init__(self, vjps: Sequence[Any], run: Callable[..., Any]) -> None:
        self._vjps = vjps
        self._run = run

    def __len__(self) -> int:
        return len(self._vjps)

    def __getitem__(self, i: Any) -> Any:
        vjp = self._vjps[i]
        return None if vjp is None else partial(self._run, i, vjp)


# Values that are not finite ------------------------------------------------------------------------------------------


def _quiet() -> Any:
    """NumPy's warnings of what is looked at here."""
    return np.errstate(divide="ignore", over="ignore", invalid="ignore")


def _is_finite(part: Any) -> bool:
    return all(np.isfinite(x).all() for x in _floating(part))


def _has_nan(part: Any) -> bool:
    return any(np.isnan(x).any() for x in _floating(part))


def _floating(part: Any) -> Iterator[Any]:
    """The floating arrays and numbers in a container."""
    yield from (x for x in arrays_in(part) if x.dtype.kind == "f")
    yield from (np.asarray(x) for _, x in leaves(part) if type(x) is float)


def _described(part: Any) -> str:
    """Where an array, the first of several, is not finite, such as ``nan in 3 of 12 elements, the first at [0, 2]``."""
    x = next(x for x in map(np.asarray, _floating(part)) if not np.isfinite(x).all())
    places = np.argwhere(~np.isfinite(x))
    kinds = " and ".join(sorted({f"{value}" for value in x[~np.isfinite(x)].tolist()}))
    if x.ndim == 0:
        return kinds
    return f"{kinds} in {len(places)} of {x.size} elements, the first at {places[0].tolist()}"
