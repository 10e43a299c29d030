"""A strategy for random programs: operations of the rule table that work on each other's results."""

import operator
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from tinynet.autograd import grad
from tinynet.errors import ShapeError
from tinynet.rules import name_of
from tinynet.tensor import Tensor
from tinynet.testing.strategies.clearance import clearance
from tinynet.testing.strategies.code import IMPORTS, call_text, is_public, literal
from tinynet.testing.strategies.operations import Operation, is_input, operations
from tinynet.trees import leaves, mapped

__all__ = ["Expression", "expressions"]

Array = np.ndarray[Any, Any]


class Ref:
    """Stands for a value of a program; the inputs come first, then the results of the steps."""

    __slots__ = ("position",)

    def __init__(self, position: int) -> None:
        self.position = position


class Step(NamedTuple):
    """One call of a program, references in the places of its floating operands.

    `results` tells for each result whether it is floating; it is None where the call gives one result and no tuple.
    """

    fun: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[bool, ...] | None

    @property
    def width(self) -> int:
        """How many values the step makes."""
        return 1 if self.results is None else len(self.results)

    def refs(self) -> list[int]:
        """The positions of the values that the step uses."""
        return [x.position for _, x in leaves((self.args, self.kwargs)) if isinstance(x, Ref)]

    def moved(self, position: Callable[[int], int]) -> "Step":
        """The step where the values it uses have other positions."""
        args, kwargs = mapped(lambda x: Ref(position(x.position)) if isinstance(x, Ref) else x, (self.args, self.kwargs))
        return self._replace(args=args, kwargs=kwargs)

    def run(self, values: Any) -> Any:
        """What the call gives, where `values` has the values so far by position."""
        args, kwargs = mapped(lambda x: values[x.position] if isinstance(x, Ref) else x, (self.args, self.kwargs))
        return self.fun(*args, **kwargs)


class Expression:
    """A random program: a function of its inputs, printed as the NumPy code that computes it.

    Attributes
    ----------
    inputs : list of numpy.ndarray
        Where to evaluate it.
    steps : list of Step
        The calls, in order.
    rejected : Counter
        Why calls were not taken into the program when it was drawn, and how often.
    """

    def __init__(self, inputs: Sequence[Array], steps: Sequence[Step], rejected: Counter[str] | None = None) -> None:
        self.inputs, self.steps = _without_what_is_unused(inputs, steps)
        self.rejected = Counter() if rejected is None else rejected

    def __call__(self, *values: Any) -> Any:
        """The floating results of the last step, with values (arrays or tensors) in the places of the inputs."""
        values_so_far = list(values)
        for step in self.steps:
            result = step.run(values_so_far)
            values_so_far.extend([result] if step.results is None else result)
        if step.results is None:
            return result
        return tuple(x for x, floating in zip(result, step.results, strict=True) if floating)

    def smallest(self, fails: Callable[["Expression"], bool]) -> "Expression":
        """The fewest of the steps that fail by themselves, others' results being given as inputs."""
        shorter = (Expression(self.inputs, self.steps[:k]) for k in range(1, len(self.steps)))
        found = next(filter(fails, shorter), self)
        k = 0
        while k < len(found.steps) - 1:
            simpler = found._with_given(k)
            if simpler is not None and fails(simpler):
                found, k = simpler, 0
            else:
                k += 1
        return found

    def _with_given(self, k: int) -> "Expression | None":
        """The program with the results of step `k` as inputs, if they are floating."""
        values: list[Any] = list(self.inputs)
        for step in self.steps[: k + 1]:
            start = len(values)
            result = step.run(values)
            values.extend([result] if step.results is None else result)
        n, stop = len(self.inputs), len(values)
        if not all(np.asarray(x).dtype == np.float64 for x in values[start:]):
            return None

        def position(i: int) -> int:
            return i if i < n or i >= stop else n + i - start if i >= start else i + stop - start

        steps = [step.moved(position) for step in (*self.steps[:k], *self.steps[k + 1 :])]
        return Expression([*self.inputs, *map(np.asarray, values[start:])], steps)

    @property
    def operations(self) -> list[str]:
        """The names of the operations, in order."""
        return [name_of(step.fun) for step in self.steps]

    def __repr__(self) -> str:
        names = [f"{letter}{turn or ''}" for turn in range(100) for letter in "abcdeghijklmnopqrstuvwxyz"]
        lines = [f"def f({', '.join(names[: len(self.inputs)])}):"]
        n = len(self.inputs)
        for step in self.steps:
            made, n = names[n : n + step.width], n + step.width
            call = call_text(step.fun, step.args, step.kwargs, lambda x: names[x.position] if isinstance(x, Ref) else None)
            lines.append(f"    {_tuple(made, step)} = {call}")
        returned = [name for name, floating in zip(made, step.results or [True], strict=True) if floating]
        lines.append(f"    return {_tuple(returned, step)}")
        return "\n".join([IMPORTS, "", *lines, "", f"inputs = {literal(self.inputs)}", "value = f(*inputs)"])


def _tuple(names: list[str], step: Step) -> str:
    return ", ".join(names) + ("," if step.results is not None and len(names) == 1 else "")


def _without_what_is_unused(inputs: Sequence[Array], steps: Sequence[Step]) -> tuple[list[Array], list[Step]]:
    """The inputs and steps that the results of the last step depend on."""
    made, n = [], len(inputs)
    for step in steps:
        made.append(range(n, n + step.width))
        n += step.width
    wanted = set(made[-1])
    for step, positions in zip(reversed(steps), reversed(made), strict=True):
        if not wanted.isdisjoint(positions):
            wanted.update(step.refs(), positions)
    order = {old: new for new, old in enumerate(sorted(wanted))}
    kept = [step.moved(order.__getitem__) for step, positions in zip(steps, made, strict=True) if positions[0] in order]
    return [x for i, x in enumerate(inputs) if i in order], kept


@st.composite
def expressions(draw: st.DrawFn, max_ops: int = 6, functions: Sequence[Callable[..., Any]] = ()) -> Expression:
    """Random programs over the rule table: several inputs, results used more than once, whatever operations there are.

    Each call is one that `cases` draws. Its operands are new inputs, or results of earlier calls: as they are, if the
    call takes them, else reshaped, or as a small change ``x + 0.05 * np.sin(result)`` of the operand
    drawn. So every program is defined at its inputs, clear of kinks, and changes moderately around them. A failing one
    shrinks to few calls of small arrays.

    Parameters
    ----------
    max_ops : int
        The largest number of drawn calls; those that fit a result into an operand's place come on top.
    functions : sequence of callables
        The operations to draw from, all of NumPy's and tinynet's that tensors support unless given.

    Returns
    -------
    SearchStrategy
        Of `Expression` objects: call one with arrays or tensors in the places of its ``inputs``; `repr` is a program that
        can be pasted and computes ``value`` anew to the last bit.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> from hypothesis import find, given, settings
    >>> @settings(max_examples=20)
    ... @given(tn.testing.strategies.expressions(max_ops=3))
    ... def check(f):
    ...     assert tn.testing.gradcheck(f, f.inputs)
    >>> check()
    >>> few = tn.testing.strategies.expressions(functions=[np.exp, np.add, np.tanh])
    >>> find(few, lambda f: "np.tanh" in f.operations)
    import numpy as np
    import tinynet as tn
    <BLANKLINE>
    def f(a):
        b = np.tanh(a)
        return b
    <BLANKLINE>
    inputs = [np.array(0.0)]
    value = f(*inputs)
    """
    program = _Program()
    source = operations(*functions)
    more = True
    while not program.steps or (more and program.calls < max_ops and not program.fails):
        operation = draw(source)
        program.add(operation, [draw(_SOURCES) for _ in operation.inputs])
        more = draw(st.integers(0, 9)) > 0  # it stands behind what belongs to a call, so that a call can be shrunk away
    return program.expression()


_NEW, _NEWEST, _ANY = range(3)
_SOURCES = st.tuples(st.sampled_from([_NEW, _NEWEST, _NEWEST, _ANY]), st.integers(0, 9))

_STEP = 1e-4
_LARGEST, _STEEPEST, _MOST_CURVED = 100.0, 100.0, 1000.0
_CLEARANCE = 0.005
_MOST_ELEMENTS = 100

Trace = tuple[Array, Array, Array]
"""A value at three points: at the inputs, a step before them, and a step behind."""


class _WildError(Exception):
    """A call is not fit for a program: why, in a few words."""


class _Program:
    """A program that grows. It runs at three nearby points at once, so that it is seen to change moderately."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails = False  # an operation does not take tensors where NumPy takes arrays: the program is to show it
        self.rejected: Counter[str] = Counter()
        self.inputs: list[Array] = []
        self.steps: list[Step] = []
        self._values: dict[int, Trace] = {}  # inputs have the positions -1, -2 ..., results of steps 0, 1 ...
        self._results = 0
        self._unused: list[int] = []

    def expression(self) -> Expression:
        n = len(self.inputs)
        steps = [step.moved(lambda i: -1 - i if i < 0 else n + i) for step in self.steps]
        return Expression(self.inputs, steps, self.rejected)

    def add(self, operation: Operation, sources: list[tuple[int, int]]) -> None:
        """Add a call that works on results so far, where it can be done."""
        self.calls += 1
        if self._unused and all(kind == _NEW for kind, _ in sources):
            sources = [(_NEWEST, 0), *sources[1:]]
        free = [self._as_it_is, self._fitted] if is_public(operation.fun) else []  # the others rely on being called rightly
        for place in (*free, self._changed, None):
            before = len(self.inputs), len(self.steps), self._results, list(self._unused)
            try:
                self._call(operation, sources, place)
            except _WildError as error:
                self.rejected[str(error)] += 1
                if place is None and error.__cause__ is not None and not isinstance(error.__cause__, Warning):
                    raise error.__cause__ from None
                inputs, steps, self._results, self._unused = before
                del self.inputs[inputs:], self.steps[steps:]
                self._values = {i: x for i, x in self._values.items() if -1 - inputs < i < self._results}
            else:
                return

    def _call(self, operation: Operation, sources: list[tuple[int, int]], place: "Callable[[int, Array], int] | None") -> None:
        chosen = iter(sources)

        def source(x: Array) -> Ref:
            kind, turn = next(chosen)
            found = None if place is None or kind == _NEW else self._pick(kind, turn, x)
            return Ref(self._new(x) if found is None or place is None else place(found, x))

        args, kwargs = mapped(lambda x: source(x) if is_input(x) else x, (operation.args, operation.kwargs))
        self._append(operation.fun, *args, **kwargs)

    # Where operands come from

    def _pick(self, kind: int, turn: int, x: Array) -> int | None:
        """The position of a value to put in the place of an operand."""
        positions = [i for i in (self._unused if kind == _NEWEST and self._unused else self._values) if self._values[i][0].size]
        if not positions or not x.size:
            return None
        return positions[-1] if kind == _NEWEST else positions[turn % len(positions)]

    def _new(self, x: Array) -> int:
        """Take the array for an input; its position."""
        self.inputs.append(x)
        direction = _STEP * np.cos(np.arange(x.size) + len(self.inputs)).reshape(x.shape)
        self._values[-len(self.inputs)] = x, np.asarray(x - direction), np.asarray(x + direction)
        return -len(self.inputs)

    def _as_it_is(self, i: int, x: Array) -> int:
        if i in self._unused:
            self._unused.remove(i)
        return i

    def _fitted(self, i: int, x: Array) -> int:
        """The value at a position, in the shape of `x`."""
        value = self._values[self._as_it_is(i, x)][0]
        if value.shape == x.shape:
            return i
        if value.size == x.size:
            return self._derived(np.reshape, Ref(i), x.shape)
        if value.size < x.size and _broadcasts(value.shape, x.shape):
            return self._derived(np.broadcast_to, Ref(i), x.shape)
        flat = i if value.ndim == 1 else self._derived(np.ravel, Ref(i))
        return self._derived(operator.getitem, Ref(flat), (np.arange(x.size) % value.size).reshape(x.shape))

    def _changed(self, i: int, x: Array) -> int:
        """The operand itself, changed a little by the value at a position."""
        wave = self._derived(np.sin, Ref(self._fitted(i, x)))
        change = self._derived(np.multiply, 0.05, Ref(wave))
        return self._derived(np.add, Ref(self._new(x)), Ref(change))

    def _derived(self, fun: Callable[..., Any], *args: Any) -> int:
        """The position of what a call gives that fits a value into its place."""
        position = self._append(fun, *args)
        self._unused.remove(position)
        return position

    # Running

    def _append(self, fun: Callable[..., Any], /, *args: Any, **kwargs: Any) -> int:
        """Run the call and add it if its results are tame; the position of the first of them."""
        step = Step(fun, args, kwargs, None)
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("error")  # of a matrix without full rank, of no degrees of freedom ...
                here, before, behind = (step.run({i: trace[k] for i, trace in self._values.items()}) for k in range(3))
                below, above = (step.run({i: self._shaken(i, sign) for i in step.refs()}) for sign in (-1, 1))
        except Exception as error:  # whatever NumPy says of shapes and values that were not drawn for it
            raise _WildError("NumPy does not take the operands") from error
        several = isinstance(here, list | tuple)
        traces, shaken = _traces(here, before, behind), _traces(here, below, above)
        floating = tuple(trace[0].dtype == np.float64 for trace in traces)
        step = step._replace(results=floating if several else None)
        pairs = zip(traces, shaken, floating, strict=True)
        if not all(_tame(trace) and _tame(other) for trace, other, real in pairs if real) or not any(floating):
            raise _WildError("large, steep or curved")
        operands = {i: Tensor(self._values[i][0], requires_grad=True) for i in step.refs()}
        try:
            results = step.run(operands)
            used = [y for y in (results if several else [results]) if y.requires_grad]
            if clearance(*used) < _CLEARANCE:
                raise _WildError("near a kink or outside a domain")
        except _WildError:
            raise
        except (TypeError, ShapeError, np.linalg.LinAlgError) as error:  # refused on tensors, or has no derivative there
            raise _WildError("refused on tensors") from error
        except Exception as error:
            if name_of(fun) in str(error):
                raise _WildError("refused on tensors") from error  # in so many words
            self.fails = True
        else:
            try:
                grad(used, list(operands.values()), [np.ones_like(y.data) for y in used], allow_unused=True)
            except np.linalg.LinAlgError as error:  # it has no derivative there
                raise _WildError("refused on tensors") from error
            except Exception:  # a rule that fails where its operation does not
                self.fails = True
        first, self._results = self._results, self._results + len(traces)
        self.steps.append(step)
        for i, (trace, real) in enumerate(zip(traces, floating, strict=True), first):
            if real:
                self._values[i] = trace
                self._unused.append(i)
        return first

    def _shaken(self, i: int, sign: int) -> Array:
        """The value at a position with a change of its own, unlike those of the other operands."""
        x = self._values[i][0]
        return np.asarray(x + sign * _STEP * np.sin(1.0 + i + 1.618 * np.arange(x.size)).reshape(x.shape))


def _traces(*points: Any) -> list[Trace]:
    """The results of a call, each at the three points where it was made."""
    several = zip(*points, strict=True) if isinstance(points[0], list | tuple) else [points]
    return [(np.asarray(x), np.asarray(y), np.asarray(z)) for x, y, z in several]


def _tame(trace: Trace) -> bool:
    """Whether a value is of moderate size, slope and curvature."""
    here, before, behind = trace
    if not here.shape == before.shape == behind.shape or here.size > _MOST_ELEMENTS:
        return False
    if not here.size:
        return True
    if not np.isfinite(trace).all():
        return False
    with np.errstate(over="ignore"):
        slope = (behind - before) / (2 * _STEP)
        curvature = (behind - here + (before - here)) / _STEP**2
    sizes = [float(np.max(np.abs(x))) for x in (here, slope, curvature)]
    return all(size <= limit for size, limit in zip(sizes, (_LARGEST, _STEEPEST, _MOST_CURVED), strict=True))


def _broadcasts(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False
