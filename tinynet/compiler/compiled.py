"""`tn.compile`: a step that is recorded once for each kind of arguments, checked, and replayed."""

import os
import sys
import warnings
from collections.abc import Callable
from functools import partial, update_wrapper
from operator import attrgetter
from threading import RLock
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload
from weakref import WeakSet

from tinynet.compiler.noise import measured
from tinynet.compiler.outcomes import compared
from tinynet.compiler.program import Program
from tinynet.compiler.recording import Recording, record
from tinynet.compiler.repeats import difference
from tinynet.compiler.signature import arrays_in, in_graph, signature
from tinynet.compiler.variant import Variant, entering_kinds
from tinynet.dtypes import get_default_dtype
from tinynet.errors import RecordingError
from tinynet.mode import MODE
from tinynet.rules import name_of

__all__ = ["Compiled", "compile"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")

MOST_KINDS = 16
"""After so many kinds of arguments and surroundings, a step is run as it is where it would have to be recorded for another."""

MOST_OF_ONE_KIND = 4
"""So many recordings for the same kind of arguments are kept, which differ in what they depend on besides."""

MOST_KEPT = 2 * MOST_KINDS
"""So many recordings are kept from one period to the next."""


class Compiled(Generic[P, R]):
    """A step that `compile` has made; called as the step is.

    Attributes
    ----------
    recordings : int
        How often the step was recorded: once for each kind of arguments, and once more to see that it repeats itself.
    deviation : float
        By how much a replay differed at most from the step itself, relative to the norm of each array that was compared;
        elements that are nothing but rounding noise do not count.
    """

    def __init__(self, step: Callable[P, R], check: bool, name: str = "") -> None:
        update_wrapper(self, step, updated=())
        self.recordings: int = 0
        self.deviation: float = 0.0
        self._step: Callable[..., R] = step
        self._check = check
        self._name = name or name_of(step)
        self._variants: dict[Any, list[Variant]] = {}
        self._last: Variant | None = None
        self._kinds = 0  # that were met in this period
        self._period = 0
        self._lock = RLock()
        _alive.add(self)

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self: "Compiled[Concatenate[Any, Q], R]", instance: object, owner: Any = None) -> Callable[Q, R]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> Any:
        name = getattr(self._step, "__qualname__", "")
        module = sys.modules.get(getattr(self._step, "__module__", ""))
        if _found(module, name) is self:  # a decorated function or method goes by its name, as functions do
            return name
        return Compiled, (self._step, self._check, self._name)  # a copy records anew

    def __repr__(self) -> str:
        if self._last is None:
            return f"<compiled {self._name}, not yet recorded>"
        before, replay = len(self._last.recording.program.calls), self._last.replay
        return f"<compiled {self._name}: {len(replay.calls)} NumPy calls, {before} recorded; {replay.memory}>"

    @property
    def recorded(self) -> Program:
        """The program as it was recorded, of the last kind of arguments; print it to read it."""
        return self._used().recording.program

    @property
    def program(self) -> Program:
        """The program as it is replayed, of the last kind of arguments; print it to read it."""
        return self._used().replay.program

    @property
    def replay(self) -> Callable[[], None]:
        """The replay of the last kind of arguments, without what a call does besides (copying arguments and results)."""
        return self._used().replay

    def _used(self) -> Variant:
        if self._last is None:
            raise RecordingError(f"{self._name} has not been called yet: it is recorded at its first call")
        return self._last

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        grad, recorder = MODE.get()
        if recorder is not None:  # a part of another step that is being recorded
            return self._step(*args, **kwargs)
        with self._lock:
            last = self._last
            if last is not None and not kwargs and last.grad is grad and last.dtype is get_default_dtype():
                arrays = last.arrays(args)
                if arrays is not None and last.holds():
                    result: R = last.run(arrays)
                    return result
            return self._by_signature(args, kwargs)

    def _by_signature(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        if in_graph((args, kwargs)):
            return self._step(*args, **kwargs)
        key = signature((args, kwargs)), MODE.get().grad, get_default_dtype()
        variants = self._variants.get(key, [])
        ready = next((variant for variant in variants if variant.holds()), None)
        known = [variant for variant in variants if not variant.ready and variant.stands()] if ready is None else [ready]
        if self._kinds >= MOST_KINDS and not any(x.period == self._period for x in known) and not self._check:
            self._warn(key)
            return self._step(*args, **kwargs)
        result: R
        if ready is None:
            variant, result = self._recorded(args, kwargs, known)
        else:
            variant, result = ready, ready.run(arrays_in((args, kwargs)))
        if variant is not ready or variant.period != self._period:
            self._variants[key] = [*(x for x in variants if x is not variant), variant][-MOST_OF_ONE_KIND:]
        self._kinds += variant.period != self._period
        variant.period, self._last = self._period, variant
        return result

    def renew(self) -> None:
        """Begin a new period: from now on run as a replay, or uncompiled, what a step that was not called yet would.

        What was recorded is used on, but the kinds of calls are counted from none again.
        """
        with self._lock:
            self._kinds, self._last, self._period = 0, None, self._period + 1
            latest = sorted((x for variants in self._variants.values() for x in variants), key=lambda x: x.period)[-MOST_KEPT:]
            kept = {key: [x for x in variants if x in latest] for key, variants in self._variants.items()}
            self._variants = {key: variants for key, variants in kept.items() if variants}

    def _recorded(self, args: tuple[Any, ...], kwargs: dict[str, Any], candidates: list[Variant]) -> tuple[Variant, Any]:
        """Run the step and write down what it does; then undo it, and do it again as a replay, whose results are returned.

        So the first calls round as all later ones do, and the replay is compared with what the step itself computed.
        """
        had = {x for variant in candidates for x in variant.recording.undo.gradients if x._grad is not None}
        recording = record(self._step, args, kwargs, [variant.recording for variant in candidates])
        self.recordings += 1
        try:
            variant = self._variant_of(recording, None if kwargs else args, candidates, had)
            result = self._compared(variant, recording, arrays_in((args, kwargs)))
        except BaseException:
            recording.undo.rewind()
            raise
        variant.ready = variant.recording is not recording and not self._check  # the step was seen to repeat itself
        recording.forget()
        return variant, result

    def _variant_of(
        self, recording: Recording, args: tuple[Any, ...] | None, candidates: list[Variant], had: set[Any]
    ) -> Variant:
        """The variant that a recording confirms, or a new one."""
        kinds = entering_kinds(recording)
        variant = next((x for x in candidates if entering_kinds(x.recording) == kinds), None)
        if variant is None:
            return Variant(recording, args)
        what = difference(variant.recording, recording)
        if what:
            raise RecordingError(f"{self._name} cannot be replayed: {what}")
        variant.confirm(recording, had)
        return variant

    def _compared(self, variant: Variant, recording: Recording, arrays: list[Any]) -> Any:
        """The result of a replay that did what the step did, but for the rounding that passes change.

        Elements that are nothing but rounding noise may be others, if the calls as they were recorded do what the step did.
        """
        names, truth = recording.names(), recording.outcome()
        recording.undo.rewind()
        result = variant.run(arrays)
        outcome = variant.outcome(recording)
        found = compared(names, truth, outcome)
        if not found.fault:
            self.deviation = max(self.deviation, found.deviation)
            return result
        recording.undo.rewind()
        plain = Variant(recording, None, recording.program)
        plain.run(arrays)
        unrepeated = compared(names, truth, plain.outcome(recording)).fault
        if unrepeated:
            raise RecordingError(
                f"{self._name} cannot be replayed: {unrepeated}; does the step depend on something that is neither an "
                "argument nor a tensor?"
            )
        for noise in measured(recording, arrays, truth):
            found = compared(names, truth, outcome, noise)
            if not found.fault:
                break
        else:
            raise RecordingError(
                f"{self._name} cannot be replayed: {found.fault}, though its calls do what the step did until they are "
                "optimised; please report this mistake of a pass, and leave the step uncompiled"
            )
        self.deviation = max(self.deviation, found.deviation)
        recording.undo.rewind()
        return variant.run(arrays)

    def _warn(self, key: Any) -> None:
        if self._last is not None:
            warnings.warn(
                f"{self._name} was recorded {self.recordings} times and is run uncompiled now, whenever it would have to be "
                f"recorded again. {self._reason(key)}",
                RuntimeWarning,
                stacklevel=4,
            )
            self._last = None

    def _reason(self, key: Any) -> str:
        """Why the last recording does not do."""
        earlier = self._variants.get(key)
        if earlier:
            changed = earlier[-1].changed()
            return f"What changed last: {changed}." if changed else "Which tensors have a gradient changes from call to call."
        return (
            "Its arguments are of another kind each time; give arrays of few shapes, and what changes as arrays: each Python "
            "number is a part of what is recorded."
        )


def _found(module: Any, path: str) -> Any:
    """What stands under a dotted name."""
    try:
        return attrgetter(path)(module)
    except AttributeError:
        return None


_alive: WeakSet[Compiled[Any, Any]] = WeakSet()


def _after_fork() -> None:
    for compiled in _alive:
        compiled._lock = RLock()  # another thread may have held it when the process was forked


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@overload
def compile(step: Callable[P, R], *, check: bool = False) -> Compiled[P, R]: ...
@overload
def compile(step: None = None, *, check: bool = False) -> Callable[[Callable[P, R]], Compiled[P, R]]: ...
def compile(step: Any = None, *, check: bool = False) -> Any:
    """Make a step faster: record the NumPy calls that it makes once, and from then on make these calls alone.

    A step is any function of arrays and tensors: a training step with its forward and backward pass, clipping, optimizer
    and scheduler, a part of one, or a function without any network, as ``tn.compile(tn.value_and_grad(f))``. Its first
    two calls with arguments of one kind run the Python code, compare what it does, optimise the program (print
    ``step.program``), replay it and compare the results; later calls replay. For arguments of other shapes, dtypes,
    structure or Python values, and after a change of what the step depends on (a parameter that is frozen, cast or
    replaced, a module that is switched to evaluation or given another attribute, an option of the optimizer), it is
    recorded again; values loaded into parameters and changed learning rates are simply used.

    Parameters
    ----------
    step : callable
        Its arguments are arrays, tensors, Python values, and containers of them; so is what it returns.
    check : bool
        Run the step itself in every call, too, and compare: for finding out whether a step can be replayed.

    Returns
    -------
    Compiled
        To be called as the step is. Arrays that it returns belong to the caller; tensors have no graph. The ``grad`` of
        parameters is memory of the compiled step: copy it to keep it beyond the next call.

    Raises
    ------
    RecordingError
        In a call that records, if the step looks at values (``if``, ``float()``, ``len`` of a selection by a mask), keeps
        arrays outside of itself, returns a tensor with a graph, draws random numbers that are no operation of tinynet (of
        a generator that it is given or refers to, of ``random`` or of ``np.random``), or does something else in each call.
        Arrays and generators are as before that call then.

    Warns
    -----
    RuntimeWarning
        When a step had to be recorded too often. It is run as it is from then on, where no recording holds.

    Notes
    -----
    Python code runs while the step is recorded, and no more: what it prints, counts or appends happens in the first
    calls only. What the recorder cannot see, and two calls do not show, is a Python value that the step reads from outside
    and that changes later: give such a value as an argument. Only tensors and arrays that the step, and the functions of its
    module that it calls, refer to by a global name or in a closure may be replaced by others; not those in lists, dicts and
    objects that they refer to, nor those that belong to a class.

    While a step is recorded its arrays are no ``numpy.ndarray`` and its numbers no ``float``: ``isinstance``, ``type`` and
    ``np.isscalar`` say so, and code that asks them goes another way than it would. ``try`` and ``except`` around a NumPy
    call are not repeated, so that in a replay the error reaches the caller; nor is ``warnings.catch_warnings``, so that the
    warnings do (``np.errstate`` is repeated).

    Of objects among the arguments, and of modules that are called, the attributes are looked at, with the items of their
    containers and the attributes of objects in them; not those that these hold in turn. An array that takes the place of a
    tensor's (``t.data = ...``, ``t[i] = ...``) is copied into the one that was there, so that who holds that sees it. This
    is done at the end, and not at all after an error in the step; changes in place (``t.data += ...``) are made at once.

    Results equal those of the uncompiled step to the last bit, except where a pass says that it adds in another order
    (sums of many elements). Adam and its kin enlarge such a difference where a gradient is rounding noise itself.

    Where an argument was computed from tensors that require a gradient (in `tinynet.grad` of a compiled function, say), the
    step itself runs. What is computed of plain arrays from outside by plain NumPy (``np.exp(mask)``) is not recorded but a
    constant: compute with tensors or arguments.

    One thread at a time runs a compiled step, others wait.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> @tn.compile
    ... def slope(x):
    ...     return tn.grad(lambda x: np.sum(np.tanh(x) ** 2))(x)
    >>> x = np.array([0.5, -1.0])
    >>> for _ in range(3):
    ...     g = slope(x)
    >>> bool(np.all(g == 2 * np.tanh(x) * (1 - np.tanh(x) ** 2)))
    True
    >>> slope.recordings
    2
    """
    if step is None:
        return partial(compile, check=check)
    if not callable(step):
        raise TypeError(f"compile: a step is a function, not {type(step).__name__}")
    return step if isinstance(step, Compiled) else Compiled(step, check)
