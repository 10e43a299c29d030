"""Functions whose gradient is found in another way than by what they record: given by a person, recomputed, or none."""

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar, overload

import numpy as np

from tinynet.autograd import pull_back
from tinynet.errors import GradientError
from tinynet.graph import Node, enable_grad, is_grad_enabled, next_number, no_grad
from tinynet.mode import noted
from tinynet.random import rewound, watched
from tinynet.rules import Layout, Rule, name_of
from tinynet.rules.checks import refuse
from tinynet.rules.elementwise import identity
from tinynet.rules.table import REAL
from tinynet.tensor import Tensor, node_of, wrap
from tinynet.trace import Variable, fitting
from tinynet.trees import leaves, mapped

__all__ = ["checkpoint", "custom_gradient", "stop_gradient"]

P = ParamSpec("P")
T = TypeVar("T")


@overload
def stop_gradient(x: Tensor) -> Tensor: ...
@overload
def stop_gradient(x: T) -> T: ...
def stop_gradient(x: Any) -> Any:
    """The value of `x` as a constant: no gradient flows through it.

    Parameters
    ----------
    x : array or Tensor, or a container of them
        Any shape.

    Returns
    -------
    array or Tensor, or a container of them
        `x` itself where it is no tensor.

    Examples
    --------
    >>> import tinynet as tn
    >>> float(tn.grad(lambda x: x * tn.stop_gradient(x))(3.0))
    3.0
    """
    return mapped(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, x)


def custom_gradient(f: Callable[P, tuple[T, Callable[..., Any]]]) -> Callable[P, T]:
    """Give a function of tensors a gradient of one's own.

    Parameters
    ----------
    f : callable
        Takes tensors (or arrays) and returns ``(value, pullback)``: a tensor or a container of tensors, and a function that
        takes the value's cotangent, of the same structure, and returns the arguments', of theirs: a tuple of one for each, or
        itself if there is one argument and that is no tuple; None stands for zeros. Written in NumPy operations on the
        arguments and linear in the cotangent, it can be differentiated in turn, and serves `jvp`.

    Returns
    -------
    callable
        Called as `f` is, it returns the value alone. No gradient flows to what `f` closes over, and a keyword argument must not
        require one.

    Raises
    ------
    TypeError
        If `f` returns no pair, or a keyword argument requires a gradient; in the backward pass, if the pullback returns
        something of another structure than the arguments.
    ValueError
        In the backward pass, if it returns another shape than an argument's.

    Examples
    --------
    A gradient that is clipped on its way back (which is not linear, and so for gradients alone):

    >>> import numpy as np, tinynet as tn
    >>> @tn.custom_gradient
    ... def gentle(x):
    ...     return x, lambda g: np.clip(g, -1.0, 1.0)
    >>> tn.grad(lambda x: np.sum(gentle(x) ** 2))(np.array([0.25, 3.0]))
    array([0.5, 1. ])
    """
    def call(*args: Any, **kwargs: Any) -> Any:
        for name, x in leaves(kwargs):
            if _is_tracked(x):
                raise TypeError(f"{name_of(f)}: no gradient flows to its keyword {name}; give it by position, or .detach() it")
        with no_grad():
            pair = f(*stop_gradient(args), **kwargs)
        if not (isinstance(pair, tuple) and len(pair) == 2 and callable(pair[1])):
            raise TypeError(f"{name_of(f)}: with a custom gradient it returns (value, pullback), not {type(pair).__name__}")
        value, saved = pair
        operands = [x for _, x in leaves(args) if isinstance(x, Tensor)]
        if not is_grad_enabled() or not any(map(_is_tracked, operands)):
            return value
        inputs = [(node_of(x) if x.requires_grad else None, x.data) for x in operands]
        return _opaque(rule, value, inputs, _CustomCall(f, args, kwargs, value, saved))

    rule = _rule(f)
    return wraps(f)(call) if hasattr(f, "__name__") else call


class _CustomCall:
    """What the backward pass needs of one call of a function with a gradient of its own."""

    def __init__(self, f: Callable[..., Any], args: Any, kwargs: Any, value: Any, saved: Callable[..., Any]) -> None:
        self._f = f
        self._args = mapped(lambda x: wrap(x.data, None) if isinstance(x, Tensor) else x, args)
        self._kwargs = kwargs
        self._saved = saved
        self.parts = _Parts(value, lambda y: isinstance(y, Tensor) and y.dtype.kind == "f")

    def forward(self, xs: Iterable[Any]) -> Any:
        """The value at other arguments."""
        return self.parts.join(self._run(xs)[0])

    def _run(self, xs: Iterable[Any]) -> Any:
        rest = iter(xs)
        return self._f(*mapped(lambda x: _as_tensor(next(rest)) if isinstance(x, Tensor) else x, self._args), **self._kwargs)

    def pull(self, wanted: Sequence[int], g: Any, out: Any, xs: Sequence[Any]) -> list[Any]:
        """The cotangents of the wanted arguments."""
        differentiable = isinstance(out, Tensor)
        if differentiable:  # the pullback has to know of the arguments' own nodes
            found = self._run(xs)[1](self.parts.apart(g))
        else:
            with no_grad():
                found = self._saved(self.parts.apart(_as_tensor(g)))
        if len(self._args) == 1 and not isinstance(found, tuple):
            found = (found,)
        what = f"{name_of(self._f)}: what its pullback returns"
        pairs = zip(fitting(found, self._args, what), leaves(self._args), strict=True)
        parts = [d for d, (_, x) in pairs if isinstance(x, Tensor)]
        zeroed = [np.zeros_like(xs[i]) if parts[i] is None else parts[i] for i in wanted]
        return zeroed if differentiable else [_as_array(d) for d in zeroed]


def checkpoint(f: Callable[P, T]) -> Callable[P, T]:
    """Have a function keep nothing for the backward pass but its inputs, and run again there.

    Memory for time: a chain of n layers keeps the activations of all; in √n checkpointed groups it keeps √n inputs and the
    activations of one group at a time, for one more forward pass (Chen et al. 2016, "Training deep nets with sublinear memory
    cost"). Parameters that `f` closes over, such as a module's, get their gradients.

    Parameters
    ----------
    f : callable
        A function of tensors, such as a module, that returns a tensor or a container of tensors. It must compute the same when
        it runs again, and do nothing else, such as registering hooks on what is not its own. Generators that it draws from by
        `tinynet.random.as_generator`, as dropout does, are rewound.

    Returns
    -------
    callable
        Called as `f` is, it returns what `f` returns; derivatives of every order are those of `f`.

    Raises
    ------
    GradientError
        In the backward pass, if `f` computed something else than before.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> layer = tn.nn.Linear(3, 3, rng=0)
    >>> block = tn.checkpoint(lambda x: np.tanh(layer(np.tanh(layer(x)))))
    >>> block(np.ones((2, 3))).sum().backward()
    >>> layer.weight.grad.shape
    (3, 3)
    """
    def call(*args: Any, **kwargs: Any) -> Any:
        if not is_grad_enabled():
            return f(*args, **kwargs)
        start = next_number()
        kept = mapped(lambda x: _Input(node_of(x), x.data) if _is_tracked(x) else x, (args, kwargs))
        with watched() as draws:
            again = _CheckpointCall(f, kept, draws)
            value = again.run({})
        inputs = _inputs(value, start)
        for _, x in leaves(kept):
            if isinstance(x, _Input) and x.node in inputs:
                x.array = None  # it is an operand of the node, which the backward pass frees
        if not inputs:
            return value
        again.ran(value, list(inputs))
        return _opaque(rule, value, list(inputs.items()), again)

    rule = _rule(f)
    return wraps(f)(call) if hasattr(f, "__name__") else call


class _Input:
    """Stands for an argument that requires a gradient."""

    def __init__(self, node: Any, array: Any) -> None:
        self.node = node
        self.array = array


class _CheckpointCall:
    """What it takes to run a function again."""

    def __init__(self, f: Callable[..., Any], kept: Any, draws: Any) -> None:
        self._f = f
        self._kept = kept
        self._draws = draws
        self._nodes: list[Any] = []

    def run(self, tensors: dict[Any, Tensor]) -> Any:
        """Call the function with tensors in place of its inputs; each is its own to assign to."""

        def own(x: Any) -> Any:
            if not isinstance(x, _Input):
                return x
            return identity(tensors[x.node] if x.node in tensors else wrap(x.array, x.node))

        args, kwargs = mapped(own, self._kept)
        return self._f(*args, **kwargs)

    def ran(self, value: Any, nodes: list[Any]) -> None:
        """Note what the function returned when it ran first, and of which nodes it made use."""
        self._nodes = nodes
        self.parts = _Parts(value, _is_tracked)

    def forward(self, xs: Iterable[Any]) -> Any:
        """There is none: the function may use arrays that it closes over."""
        raise NotImplementedError("a checkpointed function is no function of the arrays that it was found to use")

    def pull(self, wanted: Sequence[int], g: Any, out: Any, xs: Sequence[Any]) -> list[Any]:
        """The cotangents of the wanted inputs, by running again."""
        start = next_number()
        tensors = {node: x if isinstance(x, Tensor) else wrap(x, node) for node, x in zip(self._nodes, xs, strict=True)}
        with enable_grad(), rewound(self._draws):
            value = self.run(tensors)
        complaint = (
            f"checkpoint: {name_of(self._f)} computed something else when it ran again in the backward pass; it must "
            "depend on nothing that changes (generators are rewound that come from as_generator)"
        )
        if not (self.parts.fit(value) and set(self._nodes) <= _inputs(value, start).keys()):
            raise GradientError(complaint)
        before, now = _as_array(out), self.parts.join(value)
        refuse((now != before) & ((now == now) | (before == before)), GradientError, complaint)
        differentiable = isinstance(out, Tensor)
        pairs = zip(self.parts.of(value), self.parts.layout.apart(g), strict=True)
        roots, seeds = zip(*((node_of(y), v) for y, v in pairs if y.requires_grad), strict=True)
        nodes = [self._nodes[i] for i in wanted]
        found = pull_back(roots, seeds, nodes, differentiable, differentiable, through=False)
        return [np.zeros_like(xs[i]) if d is None else d for i, d in zip(wanted, found, strict=True)]


# What both are -------------------------------------------------------------------------------------------------------


class _Parts:
    """The tensors of a container that have a derivative, and how they lie in one flat array."""

    def __init__(self, value: Any, has_derivative: Callable[[Any], bool]) -> None:
        self._chosen = mapped(has_derivative, value)
        if not any(chosen for _, chosen in leaves(self._chosen)):
            raise TypeError(
                f"a gradient was given to {type(value).__name__}, which has none: return a floating tensor, or several"
            )
        self.layout = Layout([y.data for y in self.of(value)])

    def of(self, value: Any) -> list[Any]:
        """These tensors of a container like the value."""
        pairs = zip(leaves(value), leaves(self._chosen), strict=True)
        return [y for (_, y), (_, chosen) in pairs if chosen]

    def fit(self, value: Any) -> bool:
        """Whether a container is like the value."""
        mine, other = list(leaves(self._chosen)), list(leaves(value))
        return [path for path, _ in mine] == [path for path, _ in other] and all(
            isinstance(y, Tensor) for (_, chosen), (_, y) in zip(mine, other, strict=True) if chosen
        )

    def join(self, value: Any) -> Any:
        """The flat array."""
        return self.layout.join([y.data for y in self.of(value)])

    def apart(self, flat: Any) -> Any:
        """A flat array or tensor as a container like the value; None where that has no derivative."""
        parts = iter(self.layout.apart(flat))
        return mapped(lambda chosen: next(parts) if chosen else None, self._chosen)

    def put(self, flat: Any, value: Any) -> Any:
        """The value with the parts of a flat tensor in the place of its own."""
        parts, flags = iter(self.layout.apart(flat)), leaves(self._chosen)
        return mapped(lambda y: next(parts) if next(flags)[1] else y, value)


def _rule(f: Callable[..., Any]) -> Rule:
    """The row of a function that is one node, whatever it computes; the node's parameter is the call."""
    if not callable(f):
        raise TypeError(f"tn.checkpoint and tn.custom_gradient take a function, not {type(f).__name__}")
    row = Rule(f, _OneByOne(), lambda *xs, call: call.forward(xs), None, (REAL,), None, "")
    row.pull = lambda wanted, g, out, *xs, call: call.pull(wanted, g, out, xs)
    return row


class _OneByOne(Sequence[Any]):
    """The vjps of such a row for who wants them apart."""

    def __len__(self) -> int:
        return 0

    def __getitem__(self, i: Any) -> Any:
        return lambda g, out, *xs, call: call.pull([i], g, out, xs)[0]


def _opaque(rule: Rule, value: Any, inputs: Sequence[tuple[Any, Any]], call: Any) -> Any:
    """The value as computed by one node, given the nodes and arrays of its inputs."""
    flat = call.parts.join(value)
    operands, params = [x for _, x in inputs], {"call": call}
    node = Node(noted(rule, operands, params, flat), operands, params, flat, [node for node, _ in inputs])
    return call.parts.put(wrap(flat, node), value)


def _inputs(value: Any, start: int) -> dict[Any, Any]:
    """The nodes older than `start` that the value was computed from, with their arrays."""
    pairs = [(node_of(y), y.data) for _, y in leaves(value) if _is_tracked(y)]
    found: dict[Any, Any] = {}
    seen: set[Any] = set()
    while pairs:
        node, array = pairs.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.number >= start:
            pairs.extend(zip(node.parents, node.operands, strict=True))
        elif not isinstance(node, Variable) or node.is_open:  # others are of transforms that ran and ended meanwhile
            found[node] = array
    return found


def _is_tracked(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def _as_tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else wrap(x, None)


def _as_array(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x
