"""The rule table: one row an operation, each gradient rule one plain NumPy expression.

A row is written

    rule(np.multiply, lambda g, out, x, y: g * y, lambda g, out, x, y: g * x)

one vector-Jacobian product an operand: `g` is the cotangent of the result, `out` the result, then the operands and, by
keyword, the parameters (``axis=``, ``keepdims=`` ...). A vjp may return `g` itself, a view of it, or a new array; it never
returns an operand and never writes to anything it was given. It need not undo broadcasting or care for the dtype: the
backward pass does both, once, for every operation. ``None`` in place of a vjp marks an operand without a derivative.

An operation with any number of operands gives one function for all of them, which is told the operand's position:

    rule(np.concatenate, each=lambda i, g, out, *xs, axis=0: ...)

An operation with several results (`numpy.linalg.qr`) is written no differently: `g` and `out` are then tuples, with zeros
where a result was not used.

Since a vjp is made of NumPy calls, it runs on arrays, on tensors (which builds the graph of the second derivative) and on
a recorder's arrays, all by NumPy's own dispatch.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from tinynet.errors import ShapeError

__all__ = [
    "AT_ZERO", "COMPOSED", "NO_PARAMS", "POSITIVE", "REAL", "TABLE", "UNIT", "Interval", "Rule", "called", "composed",
    "name_of", "rule",
]

Vjp = Callable[..., Any]


class Interval(NamedTuple):
    """An open interval of the real line on which an operation is defined and differentiable."""

    low: float
    high: float


REAL = Interval(-np.inf, np.inf)
POSITIVE = Interval(0.0, np.inf)
UNIT = Interval(-1.0, 1.0)


def AT_ZERO(x: Any) -> Any:
    """Kink function of an operation that is not differentiable where its operand is zero."""
    return x


NO_PARAMS: dict[str, Any] = {}
NO_CONVENTIONS: dict[tuple[Any, ...], tuple[Any, ...]] = {}

_REQUIRED = object()
"""Stands for the default of a parameter that has none."""


class _Each(Sequence[Vjp]):
    """One vjp function for every operand, seen as the sequence of its partial applications."""

    def __init__(self, vjp: Vjp) -> None:
        self._vjp = vjp

    def __getitem__(self, i: Any) -> Any:
        return partial(self._vjp, i)

    def __len__(self) -> int:
        raise TypeError("a row with each= has as many rules as its call has operands")


class Rule:
    """A row of the table.

    Attributes
    ----------
    fun : callable
        The operation: a NumPy function, or a `Primitive` where NumPy has none.
    forward : callable
        Computes the value, as ``forward(*operands, **params)``; `fun` itself unless a row says otherwise.
    vjps : sequence of callables
        One an operand: ``vjp(g, out, *operands, **params)``.
    domain : tuple of Interval
        For each operand (the last one repeats) where the operation is defined and differentiable.
    kinks : callable or None
        ``kinks(*operands, **params)`` is an array that is zero at the points without a derivative and grows with the
        distance from them; ``None`` where the operation is smooth on its domain.
    remedy : str
        What a person can do about shapes that do not fit.
    at : mapping
        The convention where there is no derivative, or a remarkable one: operands (numbers, or nested tuples of them) and
        the gradient of each for a cotangent of ones, such as ``{(1.0, 1.0): (0.5, 0.5)}`` for a tie of `numpy.maximum`.
    source : str
        Where the formula of the derivative comes from, if it is not plain calculus.
    pull : callable or None
        Where the cotangents of all operands are computed at once, ``pull(wanted, g, out, *operands, **params)`` returns those
        of the operands at the positions `wanted`.
    """

    pull: Callable[..., Sequence[Any]] | None

    def __init__(
        self,
        fun: Callable[..., Any],
        vjps: Sequence[Vjp | None],
        forward: Callable[..., Any],
        unpack: Callable[..., tuple[tuple[Any, ...], dict[str, Any]]] | None,
        domain: tuple[Interval, ...],
        kinks: Callable[..., Any] | None,
        remedy: str,
        at: Mapping[tuple[Any, ...], tuple[Any, ...]] = NO_CONVENTIONS,
        source: str = "",
    ) -> None:
        self.fun = fun
        self.vjps = vjps
        self.forward = forward
        self.domain = domain
        self.kinks = kinks
        self.remedy = remedy
        self.at = at
        self.source = source
        self.pull = None
        self._unpack = unpack
        self.arity: int = -1 if isinstance(vjps, _Each) else len(vjps)

    def __repr__(self) -> str:
        return f"<rule of {self.name}>"

    @cached_property
    def name(self) -> str:
        """The name a person knows the operation by, such as ``np.add``."""
        return name_of(self.fun)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Sort the arguments of a call into operands and parameters, as the operation's own signature has them."""
        if len(args) == self.arity and (not kwargs or kwargs.keys() <= self.known):
            return args, kwargs
        if self._unpack is not None:
            operands, params = called(self.fun, self._unpack, args, kwargs)
            return operands, params
        return self._bind_by_signature(args, kwargs)

    def _bind_by_signature(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        defaults, known = self._defaults, self.known
        params = dict(zip(defaults, args, strict=False))
        twice = params.keys() & kwargs.keys()
        params.update(kwargs)
        if twice or len(args) > len(defaults):
            raise TypeError(f"{self.name} got {len(args)} positional arguments, and {sorted(kwargs)} by keyword")
        operands = tuple(params.pop(name, default) for name, default in list(defaults.items())[: self.arity])
        for name, value in list(params.items()):
            if name not in known:
                if name in defaults and defaults[name] is value:
                    del params[name]
                    continue
                knows = f"it knows {', '.join(sorted(known))}" if known else "it knows no keyword"
                raise TypeError(f"{self.name} on a tensor takes no {name}=; {'assign the result' if name == 'out' else knows}")
        for operand, name in zip(operands, defaults, strict=False):
            if operand is _REQUIRED:
                raise TypeError(f"{self.name} is missing its argument {name!r}")
        return operands, params

    @cached_property
    def known(self) -> frozenset[str]:
        """The names of the parameters that the vjps take."""
        vjp = next((vjp for vjp in self.vjps if vjp is not None), None)
        names, takes_any = ({}, True) if vjp is None else _parameters(vjp)
        if takes_any:
            return frozenset(list(self._defaults)[self.arity :])
        return frozenset(list(names)[2 + self.arity :])

    @cached_property
    def _defaults(self) -> dict[str, Any]:
        """The names of the operation's arguments, in its own order, with their defaults."""
        if isinstance(self.fun, np.ufunc):
            return dict.fromkeys((f"x{i}" for i in range(1, self.arity + 1)), _REQUIRED)
        return _parameters(self.fun)[0]

    def explain(self, error: Exception, operands: Sequence[Any]) -> Exception:
        """NumPy's own error about a call, with the operation, the operands' shapes and the remedy added."""
        shapes = " and ".join(str(np.shape(x)) if not isinstance(x, str) else repr(x) for x in operands)
        message = f"{self.name} on shape{'s' if len(operands) > 1 else ''} {shapes}: {error}"
        if isinstance(error, np.exceptions.AxisError):
            return np.exceptions.AxisError(message)
        if isinstance(error, ValueError):
            kind = np.linalg.LinAlgError if isinstance(error, np.linalg.LinAlgError) else ShapeError
            return kind(f"{message} ({self.remedy})" if self.remedy else message)
        return IndexError(message) if isinstance(error, IndexError) else TypeError(message)


def called(fun: Callable[..., Any], stand_in: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `stand_in` makes of a call of `fun`; Python's own words about wrong arguments are told of `fun`."""
    if "out" in kwargs or len(args) > 2:
        code = stand_in.__code__
        by_position = dict(zip(code.co_varnames[: code.co_argcount], args, strict=False))
        if kwargs.get("out", by_position.get("out")) is not None:
            raise TypeError(f"{name_of(fun)} on a tensor takes no out=; assign the result")
        kwargs = {name: value for name, value in kwargs.items() if name != "out"}
    try:
        return stand_in(*args, **kwargs)
    except TypeError as error:
        name, _, complaint = str(error).partition("() ")
        if name != stand_in.__qualname__:
            raise
        raise TypeError(f"{name_of(fun)} on a tensor {complaint}") from None


def name_of(fun: Callable[..., Any]) -> str:
    """The name a person knows a function by: ``np.add``, ``np.linalg.inv``, ``tn.erf``; the bare name of a person's own."""
    module = getattr(fun, "__module__", None) or "numpy"  # a ufunc has no module before NumPy 2.2
    top, _, rest = module.partition(".")
    prefix = {"numpy": f"np.{rest}.".replace("..", "."), "tinynet": "tn."}.get(top, "")
    return f"{prefix}{getattr(fun, '__name__', type(fun).__name__)}"


def _parameters(function: Callable[..., Any]) -> tuple[dict[str, Any], bool]:
    """The names of a function's parameters with their defaults, and whether it takes keywords of any name."""
    from inspect import Parameter, signature  # 8 ms that most programs never need

    parameters = signature(function).parameters.values()
    named = [p for p in parameters if p.kind not in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)]
    defaults = {p.name: _REQUIRED if p.default is Parameter.empty else p.default for p in named}
    return defaults, any(p.kind is Parameter.VAR_KEYWORD for p in parameters)


TABLE: dict[Callable[..., Any], Rule] = {}
"""Every differentiable operation and its row."""

COMPOSED: dict[Callable[..., Any], Callable[..., Any]] = {}
"""NumPy functions that need no row, being written in operations that have one."""

_BROADCAST = "shapes are matched from the last axis back; insert axes of length 1 with x[:, None] or np.reshape"


def rule(
    fun: Callable[..., Any],
    *vjps: Vjp | None,
    each: Vjp | None = None,
    forward: Callable[..., Any] | None = None,
    unpack: Callable[..., tuple[tuple[Any, ...], dict[str, Any]]] | None = None,
    domain: Interval | tuple[Interval, ...] = REAL,
    kinks: Callable[..., Any] | None = None,
    remedy: str | None = None,
    at: Mapping[tuple[Any, ...], tuple[Any, ...]] = NO_CONVENTIONS,
    source: str = "",
) -> Rule:
    """Enter a row in the table; see this module's head for how a row is written and `Rule` for the columns.

    `unpack` sorts the arguments of a call into ``(operands, params)`` where that is not simply "the first arguments are the
    operands", as in ``np.concatenate([a, b], axis=0)``.
    """
    if remedy is None:
        remedy = _BROADCAST if isinstance(fun, np.ufunc) else ""
    domains = (domain,) if isinstance(domain, Interval) else domain
    row = Rule(fun, _Each(each) if each is not None else vjps, forward or fun, unpack, domains, kinks, remedy, at, source)
    TABLE[fun] = row
    return row


def composed(fun: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a NumPy function that is a composition of others: the decorated function, written in NumPy, runs in its place."""

    def enter(composition: Callable[..., Any]) -> Callable[..., Any]:
        COMPOSED[fun] = composition
        return composition

    return enter
