"""The graph: what a node holds, when operations are recorded, and the backward pass.

A node is not a tensor: it holds an operation's row, its operands as plain arrays, its result and its parents' nodes.
Nodes are numbered as they are made, so taking them newest first is a reverse topological order: no recursion, one visit a
node. A leaf is any object with the number `LEAF_NUMBER`, no parents, and `hooks` (a tensor is its own leaf): older
than every node.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import count
from operator import attrgetter
from typing import Any

import numpy as np

from tinynet.errors import GraphError, RuleError
from tinynet.mode import MODE, Mode, Within
from tinynet.revision import revised
from tinynet.rules.table import REAL, Rule

__all__ = [
    "LEAF_NUMBER", "Hook", "HookHandle", "Node", "backward", "behind_hooks", "enable_grad", "hooks_of",
    "is_grad_enabled", "next_number", "no_grad", "owned", "reachable", "unbroadcast",
]

next_number: Callable[[], int] = count().__next__
LEAF_NUMBER = -1


class Node:
    """One recorded operation: its row, operands, parameters, result, and for each operand its node (`None`: no gradient)."""

    __slots__ = ("number", "operands", "out", "params", "parents", "rule")

    def __init__(self, rule: Rule, operands: Any, params: dict[str, Any], out: Any, parents: Any) -> None:
        self.rule: Rule = rule
        self.operands: Any = operands
        self.params: dict[str, Any] = params
        self.out: Any = out
        self.parents: Any = parents
        self.number: float = next_number()


def backward(
    seeds: Mapping[Any, Any],
    wanted: Iterable[Any] | None = None,
    *,
    wrap: Callable[[Any, Any], Any] | None = None,
    retain: bool = False,
    through: bool = True,
) -> dict[Any, Any]:
    """Pull cotangents back through the graph.

    Parameters
    ----------
    seeds : mapping
        The cotangent of each output's node.
    wanted : iterable of nodes, optional
        The nodes to know the cotangents of, all leaves unless told; operations that do not lead to them are not visited.
    wrap : callable, optional
        ``wrap(array, node)`` makes a tensor. When given, the rules run on tensors, which builds the graph of the derivative.
    retain : bool
        Keep the nodes usable for another pass.
    through : bool
        Whether a cotangent goes on behind a wanted node to the wanted nodes that this one was computed from, and passes through
        the hooks of leaves. If not, each wanted node is taken for an independent variable.

    Returns
    -------
    dict
        The cotangent of each wanted node that has one; see `owned`.
    """
    targets = set(wanted or ())
    useful = None if wanted is None else _leading_to(targets, seeds)
    pending = dict(seeds)
    found: dict[Any, Any] = {}
    # The newest node that has a cotangent is next: whatever used its result is newer still, so the cotangent is complete.
    queue = [(-node.number, node) for node in seeds if node.number != LEAF_NUMBER]
    heapify(queue)
    while queue:
        node = heappop(queue)[1]
        g = pending.pop(node)
        if useful is not None and node in targets:
            found[node] = g
            if not through or useful.isdisjoint(node.parents):
                continue  # nothing is asked of what lies behind, which may be asked for later
        rule, operands, params, out, parents = node.rule, node.operands, node.params, node.out, node.parents
        if operands is None:
            raise _freed()
        if wrap is not None:
            g = g if hasattr(g, "requires_grad") else wrap(g if hasattr(g, "records") else np.asarray(g), None)  # a constant
            operands = [x if parent is None else wrap(x, parent) for x, parent in zip(operands, parents, strict=True)]
            out = wrap(out, node)
        vjps = rule.vjps if rule.pull is None else _dealt(rule.pull, node, useful, (g, out, *operands))
        for i, parent in enumerate(parents):
            if parent is None or (useful is not None and parent not in useful):
                continue
            vjp = vjps[i]
            if vjp is None:
                continue
            try:
                d = vjp(g, out, *operands, **params) if params else vjp(g, out, *operands)
            except np.linalg.LinAlgError as error:
                raise rule.explain(error, operands) from error
            x = operands[i]
            try:
                if d.shape != x.shape:
                    d = unbroadcast(d, x.shape)
                if d.dtype != x.dtype:
                    d = d.astype(x.dtype)
            except (AttributeError, RuleError) as error:
                raise _bad_cotangent(rule, i, d, x) from error
            if parent in pending:
                pending[parent] = pending[parent] + d
                continue
            is_leaf = parent.number == LEAF_NUMBER
            if not is_leaf:
                heappush(queue, (-parent.number, parent))
            if d is g and (is_leaf if useful is None else parent in targets):
                d = d.copy()  # two results must not share one array
            pending[parent] = d
        if not retain and rule is not _HOOKED:
            node.operands = node.out = node.params = None  # a later pass through this node is an error
    leaves = pending if useful is None else {leaf: g for leaf, g in pending.items() if leaf in targets}
    found.update(leaves)
    if through:
        for leaf, g in leaves.items():
            if leaf.hooks:
                found[leaf] = hooked(g, leaf.hooks)
    return found


def _dealt(pull: Callable[..., Any], node: Node, useful: set[Any] | None, arguments: Sequence[Any]) -> Sequence[Any]:
    """The vjps of a node whose rule computes the cotangents of all operands at once: each hands out its own."""
    wanted = [i for i, parent in enumerate(node.parents) if parent is not None and (useful is None or parent in useful)]
    parts = dict(zip(wanted, pull(wanted, *arguments, **node.params), strict=True))
    return [lambda *_, i=i, **__: parts.pop(i) for i in range(len(node.parents))]


def owned(g: Any) -> Any:
    """A cotangent that `backward` found, as an array that nothing else refers to."""
    if type(g) is np.ndarray and g.base is None:
        return g
    return np.copy(g) if hasattr(g, "records") else np.array(g)


def reachable(roots: Iterable[Any]) -> list[Any]:
    """All nodes that the roots were computed from and the roots themselves, newest first."""
    seen = set(roots)
    stack = list(seen)
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=attrgetter("number"), reverse=True)


# Hooks ---------------------------------------------------------------------------------------------------------------

Hook = Callable[[Any], Any]


def hooks_of(node: Node) -> dict[int, Hook]:
    """The functions that a node's cotangent passes through before it goes on, by the key of their `HookHandle`.

    A hook is an operation: the node becomes the identity of what it was, whose rule calls the functions, and what was
    computed from it before goes through them too.
    """
    if node.operands is None:
        raise _freed()
    if node.rule is not _HOOKED:
        inner = Node(node.rule, node.operands, node.params, node.out, node.parents)
        inner.number = node.number - 0.5  # older than the node, newer than its parents
        node.rule, node.operands, node.params, node.parents = _HOOKED, (node.out,), {"hooks": {}}, (inner,)
    hooks: dict[int, Hook] = node.params["hooks"]
    return hooks


def behind_hooks(node: Any) -> Any:
    """The node that receives the cotangent when the hooks have run."""
    return node.parents[0] if isinstance(node, Node) and node.rule is _HOOKED else node


def hooked(g: Any, hooks: dict[int, Hook]) -> Any:
    """The cotangent after each hook has run: what it returned, if it returned something."""
    for function in list(hooks.values()):
        plain = not hasattr(g, "requires_grad")
        if isinstance(g, np.ndarray | np.generic):
            g = np.asarray(g).view()
            g.flags.writeable = False  # others may see the same array
        with no_grad() if plain else enable_grad():  # a hook may compute with tensors that require a gradient
            d = function(g)
        if d is None:
            continue
        if np.shape(d) != g.shape:
            raise RuleError(f"a gradient hook returned shape {np.shape(d)} for a gradient of shape {g.shape}; it must keep it")
        if hasattr(g, "records"):  # d is such an array too, or a tensor of one
            g = (d.data if hasattr(d, "requires_grad") else d).astype(g.dtype)
        else:
            g = np.asarray(d).astype(g.dtype, casting="same_kind") if plain or not hasattr(d, "dtype") else d
    return g


def hook(x: Any, hooks: dict[int, Hook]) -> Any:
    """The operation that a hook is: it gives back its operand."""
    return x


_HOOKED = Rule(hook, [lambda g, out, x, hooks: hooked(g, hooks)], hook, None, (REAL,), None, "")


class HookHandle:
    """What `Tensor.register_hook` returns, to take the hook away again."""

    def __init__(self, hooks: dict[int, Hook], function: Hook) -> None:
        if not callable(function):
            raise TypeError(f"a gradient hook is a function of the gradient, not {type(function).__name__}")
        self._hooks = hooks
        self._key = next_number()
        hooks[self._key] = function
        revised()

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self._hooks.pop(self._key, None)
        revised()


def _freed() -> GraphError:
    return GraphError(
        "the graph was freed by an earlier backward(); run the forward pass again, or call backward(retain_graph=True) the "
        "first time"
    )


def _leading_to(targets: set[Any], roots: Iterable[Any]) -> set[Any]:
    """The targets and the nodes between them and the roots."""
    useful = set(targets)
    for node in reversed(reachable(roots)):
        if not useful.isdisjoint(node.parents):
            useful.add(node)
    return useful


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum a cotangent over the axes along which an operand of the given shape was broadcast."""
    extra = g.ndim - len(shape)
    if g.shape[extra:] == shape and extra > 0:
        return np.add.reduce(g, axis=0 if extra == 1 else tuple(range(extra)))
    stretched = [i for i, n in enumerate(shape, extra) if n == 1 and g.shape[i] != 1] if extra >= 0 else []
    if extra < 0 or any(n not in (1, g.shape[i]) for i, n in enumerate(shape, extra)):
        raise RuleError(f"a cotangent of shape {g.shape} does not come from an operand of shape {shape}")
    return np.add.reduce(g, axis=(*range(extra), *stretched)).reshape(shape)


def _bad_cotangent(rule: Rule, i: int, d: Any, x: Any) -> RuleError:
    got = f"an array of shape {d.shape}" if hasattr(d, "shape") else f"{type(d).__name__} {d!r}"
    return RuleError(
        f"the gradient rule of {rule.name} for operand {i} returned {got}; it must return an array of the operand's "
        f"shape {np.shape(x)}, or one that sums to it over broadcast axes"
    )


def is_grad_enabled() -> bool:
    """Tell whether operations on tensors are recorded in this thread or coroutine.

    Returns
    -------
    bool

    Examples
    --------
    >>> import tinynet as tn
    >>> with tn.no_grad():
    ...     tn.is_grad_enabled()
    False
    """
    return MODE.get().grad


class _GradMode(Within):
    """Sets whether operations are recorded."""

    enabled: bool

    def __enter__(self) -> None:
        before, recorder = MODE.get()
        self._before.append(before)
        MODE.set(Mode(self.enabled, recorder))

    def __exit__(self, *_: object) -> None:
        # not reset(token): a generator may be left in another context than it entered
        MODE.set(Mode(self._before.pop(), MODE.get().recorder))


class no_grad(_GradMode):
    """Record nothing within: results require no gradient, and in-place changes reach the arrays themselves.

    A context manager, and a decorator of functions.

    Examples
    --------
    >>> import tinynet as tn
    >>> w = tn.tensor([1.0, 2.0], requires_grad=True)
    >>> with tn.no_grad():
    ...     w -= 0.5
    >>> w
    tensor([0.5, 1.5], requires_grad=True)
    """

    enabled = False


class enable_grad(_GradMode):
    """Record operations again inside a `no_grad` block.

    Examples
    --------
    >>> import tinynet as tn
    >>> w = tn.tensor(3.0, requires_grad=True)
    >>> with tn.no_grad(), tn.enable_grad():
    ...     loss = w * w
    >>> loss.requires_grad
    True
    """

    enabled = True
