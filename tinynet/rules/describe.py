"""What the table says of an operation, in words: `describe` reads the rules' own source text, so that it cannot go stale."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from tinynet.rules import compositions, plain
from tinynet.rules.plain import PLAIN, REFUSED
from tinynet.rules.primitive import Primitive
from tinynet.rules.table import COMPOSED, REAL, TABLE, Interval, Rule, name_of

__all__ = ["Description", "describe"]


class Description(NamedTuple):
    """What is known of an operation; as text, all of it.

    Attributes
    ----------
    name : str
        The name a person knows the operation by, such as ``np.maximum``.
    signature : str
        Its call, with the parameters that a tensor takes.
    summary : str
        What it computes: the first line of its docstring.
    rules : dict of str to str
        For each operand the source text of its vector-Jacobian product; empty for a composed function.
    notes : tuple of str
        What the helpers are that the rules call.
    composition : str
        What a composed function is made of, in words or as an expression; empty for any other.
    domain : dict of str to str
        For each operand where the operation is defined and differentiable, if that is not the whole real line.
    kinks : str
        The source text of what is zero where there is no derivative; empty for an operation that is smooth.
    conventions : tuple of str
        The gradients at points where there is no derivative, or a remarkable one.
    source : str
        Where the formula comes from, if it is not plain calculus.
    aliases : tuple of str
        NumPy's other names for the function.
    family : str
        The module that the rule stands in.
    """

    name: str
    signature: str
    summary: str
    rules: dict[str, str]
    notes: tuple[str, ...]
    composition: str
    domain: dict[str, str]
    kinks: str
    conventions: tuple[str, ...]
    source: str
    aliases: tuple[str, ...]
    family: str

    def __str__(self) -> str:
        lines = list(self._lines())
        width = max(len(label) for label, _ in lines)
        return "\n".join([self.signature, *(f"  {label:<{width}}  {text}".rstrip() for label, text in lines)])

    def __repr__(self) -> str:
        return str(self)

    def _lines(self) -> Iterator[tuple[str, str]]:
        """Labels and texts, of what there is to tell."""
        if self.summary:
            yield "value", self.summary
        if self.aliases:
            yield "also", ", ".join(self.aliases)
        if self.rules:
            yield "gradient", "of each operand, with g the gradient of the result and out the result"
        else:
            yield "gradient", f"composed of {self.composition}" if self.composition else "no derivative: gives a plain array"
        yield from ((f"  {operand}", text) for operand, text in self.rules.items())
        yield from (("", note) for note in self.notes)
        if self.domain:
            yield "domain", ", ".join(f"{operand} in {interval}" for operand, interval in self.domain.items())
        if self.kinks:
            yield "kinks", f"where {self.kinks} is 0"
        yield from (("convention", text) for text in self.conventions)
        if self.source:
            yield "source", self.source


def describe(operation: Callable[..., Any] | Rule) -> Description:
    """What tinynet knows of an operation: its value, gradient rule, domain, kinks, conventions and sources.

    Parameters
    ----------
    operation : callable or Rule
        A NumPy function or ufunc, an operation of tinynet, one made by `tn.primitive`, or a row of the table.

    Returns
    -------
    Description
        Shows itself as text, and has the parts as attributes.

    Raises
    ------
    TypeError
        If tensors know no such operation; the message has the nearest names.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.describe(np.sqrt)
    np.sqrt(x)
      value       Return the non-negative square-root of an array, element-wise.
      gradient    of each operand, with g the gradient of the result and out the result
        x         g * 0.5 / out
      domain      x in (0, ∞)
      convention  at 0 the gradient is inf
    >>> tn.describe(np.argmax).rules
    {}
    """
    if isinstance(operation, Rule):
        return _of_row(operation)
    if not callable(operation):
        raise TypeError(_unknown(operation))
    if operation in TABLE:
        return _of_row(TABLE[operation])
    composition = _compositions().get(operation)
    if composition is None and operation not in PLAIN:
        raise TypeError(_unknown(operation))
    from tinynet.rules import sources  # ast and inspect take milliseconds to load

    return Description(
        name=name_of(operation),
        signature=name_of(operation) + sources.signature(composition or operation),
        summary=sources.summary(operation),
        rules={},
        notes=(),
        composition="" if composition is None else _made_of(operation, composition),
        domain={},
        kinks="",
        conventions=(),
        source="",
        aliases=_aliases(operation),
        family=plain.__name__ if composition is None else composition.__module__,
    )


def _of_row(row: Rule) -> Description:
    from tinynet.rules import sources

    vjps: list[Any] = list(row.vjps) if row.arity >= 0 else [row.vjps[0].func]  # type: ignore[union-attr]  # of each=
    written = [vjp for vjp in vjps if vjp is not None]
    known = sources.parameters(written[0])[2 if row.arity >= 0 else 3 :] if written else sources.parameters(row.forward)
    operands = [str(parameter).partition("=")[0] for parameter in known[: len(vjps)]]
    operands += [f"operand {i}" for i in range(len(operands), len(vjps))]  # of a rule that takes *operands
    functions = written if row.kinks is None else [*written, row.kinks]
    call = row.fun.forward if isinstance(row.fun, Primitive) else row._unpack
    domain = zip(operands, [*row.domain, *row.domain[-1:] * len(operands)], strict=False)
    return Description(
        name=row.name,
        signature=row.name + (f"({', '.join(map(str, known))})" if call is None else sources.signature(call)),
        summary=sources.summary(row.fun),
        rules={
            name: "no derivative" if vjp is None else sources.expression(vjp)
            for name, vjp in zip(operands, vjps, strict=True)
        },
        notes=tuple(dict.fromkeys(note for function in functions for note in sources.helpers(function))),
        composition="",
        domain={name: _interval(part) for name, part in domain if part != REAL},
        kinks="" if row.kinks is None else sources.expression(row.kinks),
        conventions=tuple(_convention(point, gradients) for point, gradients in row.at.items()),
        source=row.source,
        aliases=_aliases(row.fun),
        family=(written or [row.forward])[0].__module__,
    )


@cache
def _namespaces() -> dict[str, Any]:
    """The names that a person calls NumPy's functions by."""
    spaces = {"np": np, "np.linalg": np.linalg, "np.fft": np.fft}
    return {f"{space}.{name}": thing for space, module in spaces.items() for name, thing in vars(module).items()}


def _aliases(operation: Any) -> tuple[str, ...]:
    """NumPy's other names for a function."""
    return tuple(sorted(name for name, thing in _namespaces().items() if thing is operation and name != name_of(operation)))


def _compositions() -> dict[Any, Callable[..., Any]]:
    """The functions that are written in other operations, and what they are written as."""
    own = (getattr(compositions, name) for name in compositions.__all__)
    return COMPOSED | {fun: fun for fun in own}


def _made_of(operation: Callable[..., Any], composition: Callable[..., Any]) -> str:
    from tinynet.rules import sources

    told = "" if composition is operation else sources.summary(composition)  # its own is the summary of its value
    told = told or sources.expression(composition)
    return "other operations" if told.startswith(f"{composition.__name__}(") else f"other operations: {told}"


def _interval(interval: Interval) -> str:
    low, high = ("∞" if abs(end) == np.inf else f"{end:g}" for end in interval)
    return f"({'-' if interval.low == -np.inf else ''}{low}, {high})"


def _convention(point: tuple[Any, ...], gradients: tuple[Any, ...]) -> str:
    at, *slopes = (_number(x) for x in (point[0] if len(point) == 1 else point, *gradients))
    return f"at {at} the gradient{'s are' if len(slopes) > 1 else ' is'} {' and '.join(slopes)}"


def _number(x: Any) -> str:
    """A number, or nested tuples of them."""
    return f"({', '.join(map(_number, x))})" if isinstance(x, tuple | list) else "none" if x is None else f"{x:g}"


def _unknown(operation: Any) -> str:
    """What to say of something that is no operation: why tensors refuse it, or the names that are nearest."""
    from difflib import get_close_matches

    name = name_of(operation) if hasattr(operation, "__name__") else repr(operation)
    if name in REFUSED:
        return f"describe: tensors refuse {name}: {REFUSED[name]}"
    known = {name_of(fun).rpartition(".")[2]: name_of(fun) for fun in (*TABLE, *_compositions(), *PLAIN)}
    near = [known[match] for match in get_close_matches(name.rpartition(".")[2], known, n=3)]
    return f"describe: {name} is no operation that tensors know" + (f"; did you mean {' or '.join(near)}?" if near else "")
