"""The recorder: writes down the NumPy calls of one run of a step, with the places in memory of what they read and write.

What results from a recorded array is recorded in turn; arrays from outside that take part are referred to where they lie.
"""

from collections.abc import Callable, Iterable
from operator import getitem
from typing import Any
from weakref import ref

import numpy as np
from numpy.lib.array_utils import byte_bounds

from tinynet.compiler.draw import Draw
from tinynet.compiler.guards import Guard, Snapshot, SurroundingErrors
from tinynet.compiler.places import address, root_of
from tinynet.compiler.private import error_state
from tinynet.compiler.program import Array, Buffer, Call, View, copy_to, views_in
from tinynet.compiler.recorded import OF_CHANGING_SHAPE, ChangingShapeError, LayoutError, Recorded, plain
from tinynet.compiler.undo import Undo
from tinynet.compiler.watch import Watch
from tinynet.errors import RecordingError
from tinynet.lines import persons_line
from tinynet.mode import unrecorded
from tinynet.rules import TABLE, name_of
from tinynet.trees import mapped

__all__ = ["Recorder"]

_SELECTIONS = frozenset({TABLE[getitem].forward, *OF_CHANGING_SHAPE})
"""Of what these give the shape depends on values: it would not help to call them as a whole."""

_OF_TENSORS = ("_array", "_node", "hooks")
"""What a record depends on of a tensor from outside."""


class Recorder:
    """Writes down the calls of one run of a step.

    Parameters
    ----------
    undo : Undo
        Takes note of what the step changes.
    known : iterable of numpy.ndarray
        The arrays from outside that earlier runs of the step used.

    Attributes
    ----------
    calls : list of Call
        So far.
    made : list of weak references
        To every recorded array.
    guards : dict
        What the record holds good for; a `Snapshot` by the identity of its object and the names of the attributes.
    entered : dict
        The recorded arrays that stand for the gradients of tensors from outside, as these were before the step.
    """

    replays = True

    def __init__(self, undo: Undo, known: Iterable[Array] = ()) -> None:
        self.undo = undo
        self.calls: list[Call] = []
        self.made: list[ref[Recorded]] = []
        self.guards: dict[Any, Guard] = {}
        self.entered: dict[Any, Recorded] = {}
        self.watch = Watch(known)
        self._states: dict[Any, set[str]] = {}  # of generators after each draw that was written down
        self._outer_errors = _errors()
        self._around = error_state(), SurroundingErrors()
        self._buffers: dict[int, Buffer] = {}
        self._drawn: dict[Any, tuple[Array, View]] = {}
        self._kept: list[Array] = []  # so that no identity is given anew

    # What the library tells ----------------------------------------------------------------------------------------------

    def lift(self, array: Any) -> Any:
        """The recorded array that stands for an array: a part of a known one, or from outside."""
        return array if type(array) is Recorded else Recorded(array, self.view(array), self)

    def depends(self, owner: Any, *names: str) -> None:
        """Note that the record holds good for the present values of attributes of an object."""
        if (id(owner), names) not in self.guards:
            self.guards[id(owner), names] = Snapshot(owner, names)

    def original(self, tensor: Any) -> Any:
        """The array that a tensor from outside had at first."""
        snapshot = self.guards[id(tensor), _OF_TENSORS]
        assert isinstance(snapshot, Snapshot)
        return snapshot.value("_array")

    def tensor(self, tensor: Any) -> Recorded:
        """The recorded array of a tensor.

        Of one from outside, the gradient too is taken for an array that changes from call to call.
        """
        array = tensor._array
        if type(array) is Recorded:
            return Recorded(array.array, array.place, self) if array.is_scalar else array
        if tensor not in self.undo.gradients:
            self.depends(tensor, *_OF_TENSORS)
            self.undo.gradients[tensor] = tensor._grad
            if isinstance(tensor._grad, np.ndarray):
                tensor._grad = self.entered[tensor] = self.argument(tensor._grad)
        return Recorded(array, self.view(array), self)

    def effect(self, function: Callable[[], Any], writes: Iterable[Any]) -> None:
        """Call a function that is to be called at each replay."""
        actor = getattr(function, "__self__", None)
        if hasattr(actor, "__dict__"):
            self.undo.actors.setdefault(id(actor), (actor, dict(vars(actor))))
        out = tuple(self.view(array) for array in writes)
        self._about_to_write(out)
        with unrecorded():
            function()
        self._note(Call(function, (), {}, out, updates=True, in_place=True, kept=True))

    def starts_backward(self, output: Any) -> None:
        """Nothing is to be done where a backward pass starts: it is made of calls."""

    def noted(self, rule: Any, operands: Any, params: dict[str, Any], out: Any) -> Any:
        """The rule of a node, as it is."""
        return rule

    def argument(self, array: Array) -> Recorded:
        """A copy of an argument of the step."""
        _require_plain(array)
        copy = np.array(array, order="C")
        buffer = self._buffers[id(copy)] = Buffer("input", copy)
        return Recorded(copy, buffer.whole, self)

    # Calls ---------------------------------------------------------------------------------------------------------------

    def call(self, function: Callable[..., Any], args: Any, kwargs: dict[str, Any], kept: bool = False) -> Any:
        """Make a call of a function that returns its results, or writes them where ``out=`` says."""
        given = kwargs.get("out")
        if given is not None and any(x is not None for x in (given if type(given) is tuple else (given,))):
            return self._into(function, args, kwargs)
        kwargs = {name: x for name, x in kwargs.items() if name != "out"}
        views, named = self._read(args), self._read(kwargs)
        result = function(*plain(args), **plain(kwargs))
        if result is None:
            return self._note(Call(function, views, named, (), kept=True))  # it is there to check its operands
        results = result if isinstance(result, tuple | list) else (result,)
        if result is results and len(result) == 1:
            function, views = _only, (function, *views)
        arrays = [self._result(x, function) for x in results]
        fresh = [id(root_of(array)) not in self._buffers for array in arrays]
        if any(fresh):
            arrays = [array if new else array.copy() for array, new in zip(arrays, fresh, strict=True)]
        else:
            self._refuse_chosen_part(function, (views, named), arrays)
            if any(type(x) is Recorded and x.is_scalar for x in args):
                for array in arrays:
                    array.flags.writeable = False  # NumPy would have made a copy of a scalar: it must not be changed by a view
        recorded = [
            Recorded(array, self.view(array, "inside"), self, isinstance(x, np.generic))
            for array, x in zip(arrays, results, strict=True)
        ]
        if any(fresh) or kept:
            self._note(Call(function, views, named, tuple(x.place for x in recorded) if any(fresh) else (), kept=kept))
        if result is not results:
            return recorded[0]
        return type(result)(*recorded) if hasattr(result, "_fields") else type(result)(recorded)

    def _into(self, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        """Make a call that writes where ``out=`` says."""
        out = kwargs["out"]
        several = type(out) is tuple and len(out) > 1
        targets = tuple(self.view(_array(x)) for x in (out if type(out) is tuple else (out,)) if x is not None)
        if several and len(targets) < len(out):
            raise RecordingError(f"{persons_line()}: {name_of(function)} with out= for some of its results; give all or none")
        where = kwargs.get("where", True)
        views, named = self._read(args), self._read({name: x for name, x in kwargs.items() if name != "out"})
        self._about_to_write(targets)
        function(*plain(args), **plain(kwargs))
        self._note(Call(function, views, named, targets, updates=where is not True, in_place=True))
        return out[0] if type(out) is tuple and not several else out

    def run(self, forward: Callable[..., Any], args: Any, kwargs: dict[str, Any], kept: bool = False) -> Any:
        """Run an operation of the library or of a person: its own calls are written down, or where that cannot be, itself.

        An operation is a function of its operands alone, so that it can be called anew as a whole. One that draws random
        numbers is, and one that is there to check its operands.
        """
        generators = [x for x in (*args, *kwargs.values()) if hasattr(x, "bit_generator")]
        for generator in generators:
            self.undo.draws.note(generator, is_default=False)
        self.refuse_other_draws()
        if any(generator is self.undo.draws.default for generator in generators):
            forward = Draw(forward)
        if not kept and not generators:
            mark = len(self.calls)
            try:
                return mapped(self._followed, forward(*args, **kwargs))
            except (RecordingError, AttributeError, TypeError, ValueError) as error:
                # it may want true arrays; what is wrong with the operands is found again by the call
                if isinstance(error, LayoutError) or (isinstance(error, ChangingShapeError) and forward in _SELECTIONS):
                    raise
                del self.calls[mark:]
        if generators:
            return self._draw(forward, args, kwargs, kept, (forward, *(str(x.bit_generator.state) for x in generators)))
        return self.call(forward, args, kwargs, kept)

    def refuse_other_draws(self) -> None:
        """Raise if numbers were drawn, of generators that the library hands out, by what is no recorded operation."""
        for generator, state in self.undo.draws.states.items():
            if str(generator.bit_generator.state) not in {str(state), *self._states.get(generator, ())}:
                raise _unrecorded_draw(persons_line())

    def refuse_any_other_draws(self) -> None:
        """Raise, at the end of the step, also if numbers were drawn of Python's or NumPy's global generators."""
        self.refuse_other_draws()
        if self.undo.others.changed():
            raise _unrecorded_draw("random or np.random")

    def _draw(self, forward: Callable[..., Any], args: Any, kwargs: dict[str, Any], kept: bool, state: Any) -> Any:
        """Make a call that draws random numbers; if the generator was rewound, the numbers are those that were drawn before."""
        drawn = self.call(forward, args, kwargs, kept)
        for x in (*args, *kwargs.values()):
            if hasattr(x, "bit_generator"):
                self._states.setdefault(x, set()).add(str(x.bit_generator.state))
        if type(drawn) is Recorded:
            array, place = self._drawn.setdefault(state, (drawn.array, drawn.place))
            if array is not drawn.array and np.array_equal(array, drawn.array):
                del self.calls[-1]
                return Recorded(array, place, self)
        return drawn

    def _followed(self, x: Any) -> Any:
        """A result as a recorded array, if recorded calls have filled it."""
        if not isinstance(x, np.ndarray) or id(root_of(x)) not in self._buffers:
            return x
        followed = self.lift(x)
        self._read(followed)
        return followed

    def change(self, function: Callable[..., Any], args: Any, kwargs: dict[str, Any] | None = None) -> None:
        """Make a call of a function that changes a part of its first argument."""
        kwargs = kwargs or {}
        views, named = self._read(args), self._read(kwargs)
        target = self.view(_array(args[0]))
        self._about_to_write((target,))
        function(*plain(args), **plain(kwargs))
        self._note(Call(function, views, named, (target,), updates=True, in_place=True))

    def copyto(self, dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
        """`numpy.copyto`."""
        if where is not True:
            return self.change(np.copyto, (dst, src), {"casting": casting, "where": where})
        source, target = self._read(src), self.view(_array(dst))
        self._about_to_write((target,))
        np.copyto(_array(dst), plain(src), casting=casting)
        return self._note(Call(copy_to, (source,), {}, (target,), in_place=True))

    def cast(self, x: Recorded, dtype: np.dtype[Any], order: Any, is_scalar: bool = False) -> Recorded:
        """A copy in another dtype."""
        source = self._read(x)
        array = x.array.astype(dtype, order=order)
        copy = Recorded(array, self.view(array, "inside"), self, is_scalar)
        self._note(Call(copy_to, (source,), {}, (copy.place,)))
        return copy

    # Places --------------------------------------------------------------------------------------------------------------

    def view(self, array: Array, kind: str = "outside") -> View:
        """Where an array lies, in a buffer that is known or a new one of the given kind."""
        _require_plain(array)
        root = root_of(array)
        buffer = self._buffers.get(id(root))
        if buffer is None:
            buffer = self._buffers[id(root)] = self._same_memory(root) or Buffer(kind, root)
            self._kept.append(root)
        return View(buffer, address(array) - address(buffer.array), array.shape, array.strides, array.dtype)

    def _same_memory(self, root: Array) -> Buffer | None:
        """The buffer that an array is a part of which lies in memory that is no array's own (`numpy.frombuffer`), if any is."""
        if root.base is None:
            return None
        first, last = byte_bounds(root)
        for buffer in {buffer for buffer in self._buffers.values() if buffer.array.base is not None}:
            begin, end = byte_bounds(buffer.array)
            if begin <= first and last <= end:
                return buffer
            if begin < last and first < end:
                raise RecordingError(
                    f"{persons_line()}: two arrays, of shape {buffer.array.shape} and {root.shape}, share a part of their "
                    "memory, which is no array's own (numpy.frombuffer); make one array of all of it, of which they are views"
                )
        return None

    def _read(self, x: Any) -> Any:
        """An argument with views in place of arrays, about to be read."""
        if type(x) is Recorded:
            view = x.place
        elif isinstance(x, np.ndarray):
            view = self.view(x)
        elif type(x) in (tuple, list):
            return type(x)(map(self._read, x))
        else:
            return {key: self._read(item) for key, item in x.items()} if type(x) is dict else x
        if view.buffer.kind == "outside":
            self.watch.check(view)
        return view

    def _about_to_write(self, targets: Iterable[View]) -> None:
        for view in targets:
            buffer = view.buffer
            if buffer.kind == "input" and not any(g.place.buffer is buffer for g in self.entered.values()):
                raise RecordingError(
                    f"{persons_line()} changes an argument of the step in place, which a replay would not do to the caller's "
                    "array; compute a new array (x = x + 1 in place of x += 1), or return it"
                )
            if buffer.kind == "outside":
                self.watch.check(view)
                if buffer not in self.undo.arrays:
                    self.undo.arrays[buffer] = buffer.array.copy(order="K")

    def _note(self, call: Call) -> None:
        call.line = persons_line()
        outer, guard = self._around
        if error_state() is not outer:  # and of what a numpy.errstate of the step says the rest may come from around it
            self.guards[SurroundingErrors] = guard
            call.errors = tuple(sorted(_errors().items() - self._outer_errors.items()))
        for view in call.out:
            if view.buffer.kind == "outside":
                self.watch.written(view)
        self.calls.append(call)

    def _result(self, x: Any, function: Callable[..., Any]) -> Array:
        if isinstance(x, np.ndarray | np.generic):
            return np.asarray(x)
        raise RecordingError(
            f"{persons_line()}: {name_of(function)} gives a Python {type(x).__name__}, made of values that change from call to "
            "call; use a function that gives an array, or do it outside the step"
        )

    def _refuse_chosen_part(self, function: Callable[..., Any], arguments: Any, results: list[Array]) -> None:
        """Raise if the part of an array that a function gives may depend on values."""
        seen = {id(root_of(array)) for array in results}
        chooses = [view for view in views_in(arguments) if view.dtype.kind in "iu" and id(view.buffer.array) not in seen]
        if any(view.buffer.kind in ("input", "inside") for view in chooses):
            raise RecordingError(
                f"{persons_line()}: which part of the array {name_of(function)} gives depends on values, and a compiled step "
                "has fixed ones; give it integers that are no array, or use np.take"
            )


def _unrecorded_draw(where: str) -> RecordingError:
    return RecordingError(
        f"{where}: the step draws random numbers by a function that is not recorded (a data set, initial weights, a "
        "generator's own method), and a replay would have the same ones each time; draw them outside and give them as an "
        "argument, or make an operation of the drawing with tn.primitive and give it the generator"
    )


def _only(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The one thing in what a function returns."""
    (result,) = function(*args, **kwargs)
    return result


def _errors() -> dict[str, Any]:
    """What `numpy.errstate` would be told to have the present state."""
    return {**np.geterr(), "call": np.geterrcall()}


def _require_plain(array: Any) -> None:
    if type(array) is not np.ndarray and type(array) is not np.memmap:
        raise RecordingError(
            f"{persons_line()}: what a {type(array).__name__} means besides its numbers cannot be recorded; give np.asarray(x)"
        )


def _array(x: Any) -> Array:
    array: Array = x.array if type(x) is Recorded else x
    return array
