"""Functions whose gradient is found in another way than by what they record: given by a person, recomputed, or none."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tinynet.autograd import pull_back
from tinynet.errors import GradientError
from tinynet.graph import Node, enable_grad, is_grad_enabled, next_number, no_grad
from tinynet.random import rewound, watched
from tinynet.rules import NO_PARAMS, Layout, Rule, name_of
from tinynet.rules.table import REAL
from tinynet.tensor import Tensor, node_of, wrap
from tinynet.transforms import is_closed, named
from tinynet.trees import leaves, leaves_like, mapped

__all__ = ["checkpoint", "custom_gradient", "stop_gradient"]


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


def custom_gradient(f: Callable[..., tuple[Any, Callable[..., Any]]]) -> Callable[..., Any]:
    """Give a function of tensors a gradient of one's own.

    Parameters
    ----------
    f : callable
        Takes tensors (or arrays) and returns ``(value, pullback)``: a tensor or a container of tensors, and a function that
        takes the value's cotangent, of the same structure, and returns the arguments': a tuple, or a single one if there is
        one argument; None stands for zeros. Written in NumPy operations on the arguments, it can be differentiated in turn.

    Returns
    -------
    callable
        Called as `f` is, it returns the value alone. No gradient flows to what `f` closes over.

    Raises
    ------
    TypeError
        In the backward pass, if the pullback returns something of another structure than the arguments.

    Examples
    --------
    A gradient that is clipped on its way back:

    >>> import numpy as np, tinynet as tn
    >>> @tn.custom_gradient
    ... def gentle(x):
    ...     return x, lambda g: np.clip(g, -1.0, 1.0)
    >>> tn.grad(lambda x: np.sum(gentle(x) ** 2))(np.array([0.25, 3.0]))
    array([0.5, 1. ])
    """
    what = f"what the pullback of {name_of(f)} returns"

    def call(*args: Any, **kwargs: Any) -> Any:
        operands = [x for _, x in leaves(args) if isinstance(x, Tensor)]
        with no_grad():
            value, saved = f(*stop_gradient(args), **kwargs)
        if not is_grad_enabled() or not any(x.requires_grad for x in operands):
            return value

        def run(xs: Iterable[Any]) -> Any:
            rest = iter(xs)
            return f(*mapped(lambda x: _as_tensor(next(rest)) if isinstance(x, Tensor) else x, args), **kwargs)

        def pull(g: Any, out: Any, *xs: Any) -> list[Any]:
            if isinstance(out, Tensor):  # for a second derivative the pullback has to know of the arguments' own nodes
                found = run(xs)[1](opaque.apart(g))
            else:
                with no_grad():
                    found = saved(opaque.apart(_as_tensor(g)))
            if len(args) == 1 and not (isinstance(found, tuple) and len(found) == 1):
                found = (found,)
            pairs = zip(leaves_like(found, args, what), leaves(args), strict=True)
            parts = [d for d, (_, x) in pairs if isinstance(x, Tensor)]
            return parts if isinstance(out, Tensor) else [_as_array(d) for d in parts]

        opaque = _Opaque(value)
        rule = Rule(f, _AllAtOnce(pull, len(operands)), lambda *xs: opaque.join(run(xs)[0]), None, (REAL,), None, "")
        return opaque.record(value, rule, [(_tracked(x), x.data) for x in operands])

    return named(call, f)


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Have a function keep nothing for the backward pass but its inputs, and run again there.

    Memory for time: a chain of n layers keeps the activations of all; in √n checkpointed groups it keeps √n inputs and the
    activations of one group at a time, for one more forward pass (Chen et al. 2016, "Training deep nets with sublinear memory
    cost"). Parameters that `f` closes over, such as a module's, get their gradients.

    Parameters
    ----------
    f : callable
        A function of tensors, such as a module, that returns a tensor or a container of tensors. It must compute the same when
        it runs again; generators that it draws from by `tinynet.random.as_generator`, as dropout does, are rewound.

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
        with watched() as states:
            value = f(*args, **kwargs)
        inputs = {node: x for node, x in _inputs(value, start).items() if not is_closed(node)}
        if not inputs:
            return value
        # The arguments are kept as nodes: their arrays are the node's operands, which the backward pass frees.
        kept = mapped(lambda x: _Input(behind) if (behind := _tracked(x)) in inputs else x, (args, kwargs))
        nodes = list(inputs)

        def pull(g: Any, out: Any, *xs: Any) -> list[Any]:
            tensors = {node: x if isinstance(x, Tensor) else wrap(x, node) for node, x in zip(nodes, xs, strict=True)}
            args, kwargs = mapped(lambda x: tensors[x.node] if isinstance(x, _Input) else x, kept)
            start = next_number()
            with enable_grad(), rewound(states):
                again = f(*args, **kwargs)
            same = np.array_equal(opaque.join(again), _as_array(out), equal_nan=True)
            if not same or not set(nodes) <= _inputs(again, start).keys():
                raise GradientError(f"checkpoint: {name_of(f)} computed something else when it ran again in the backward pass")
            pairs = zip(opaque.tensors(again), opaque.layout.apart(g), strict=True)
            roots, seeds = zip(*((node_of(y), v) for y, v in pairs if y.requires_grad), strict=True)
            differentiable = isinstance(out, Tensor)
            return pull_back(roots, seeds, nodes, differentiable, differentiable, through=False)

        opaque = _Opaque(value)
        rule = Rule(f, _AllAtOnce(pull, len(nodes)), _only_as_a_whole, None, (REAL,), None, "")
        return opaque.record(value, rule, list(inputs.items()))

    return named(call, f)


class _Input:
    """Stands for the tensor of a node."""

    def __init__(self, node: Any) -> None:
        self.node = node


class _Opaque:
    """A container of tensors as one flat node of the graph, whatever they were computed by."""

    def __init__(self, value: Any) -> None:
        self._differentiable = mapped(lambda y: isinstance(y, Tensor) and y.dtype.kind == "f", value)
        self.layout = Layout([y.data for y in self.tensors(value)])

    def tensors(self, value: Any) -> list[Any]:
        """The leaves of a container like the value, where the value has tensors with a derivative."""
        pairs = zip(leaves(value), leaves(self._differentiable), strict=True)
        return [y for (_, y), (_, differentiable) in pairs if differentiable]

    def join(self, value: Any) -> Any:
        """The flat array."""
        return self.layout.join([y.data for y in self.tensors(value)])

    def apart(self, flat: Any) -> Any:
        """A flat array or tensor as a container like the value."""
        parts = iter(self.layout.apart(flat))
        return mapped(lambda differentiable: next(parts) if differentiable else None, self._differentiable)

    def record(self, value: Any, rule: Rule, inputs: Sequence[tuple[Any, Any]]) -> Any:
        """The value as computed by one node, given the nodes and arrays of its inputs."""
        flat = self.join(value)
        parents, operands = [node for node, _ in inputs], [x for _, x in inputs]
        parts = iter(self.layout.apart(wrap(flat, Node(rule, operands, NO_PARAMS, flat, parents))))
        flags = leaves(self._differentiable)
        return mapped(lambda y: next(parts) if next(flags)[1] else y, value)


class _AllAtOnce(Sequence[Any]):
    """Vjps of which each gives its part of what one function computes for all operands; it runs once a pass."""

    def __init__(self, pull: Callable[..., Sequence[Any]], n: int) -> None:
        self._pull = pull
        self._n = n
        self._g: Any = None
        self._parts: dict[int, Any] = {}

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, i: Any) -> Any:
        def part(g: Any, out: Any, *operands: Any) -> Any:
            if g is not self._g or i not in self._parts:
                self._g, self._parts = g, dict(enumerate(self._pull(g, out, *operands)))
            d = self._parts.pop(i)  # what is handed out need not be kept
            self._g = g if self._parts else None
            return np.zeros_like(operands[i]) if d is None else d

        return part


def _only_as_a_whole(*_: Any) -> Any:
    raise NotImplementedError("a checkpointed function is no function of the arrays that it was found to use")


def _inputs(value: Any, start: int) -> dict[Any, Any]:
    """The nodes older than `start` that the value was computed from, with their arrays."""
    pairs = [(_tracked(y), y.data) for _, y in leaves(value) if isinstance(y, Tensor)]
    found: dict[Any, Any] = {}
    seen: set[Any] = set()
    while pairs:
        node, array = pairs.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.number < start:
            found[node] = array
        else:
            pairs.extend(zip(node.parents, node.operands, strict=True))
    return found


def _tracked(x: Any) -> Any:
    """The node of a tensor that requires a gradient."""
    return node_of(x) if isinstance(x, Tensor) and x.requires_grad else None


def _as_tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else wrap(x, None)


def _as_array(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x
