"""Derivatives of functions: functions of arrays in, functions of arrays out.

A call gives its arguments a new identity in the graph and never detaches them, so transforms nest: where the result depends
on something else that requires a gradient (an outer transform's argument, a model's parameter), it is a tensor in that
graph; where it does not, it is a plain array. Arguments and results may be nested containers (dicts, lists, tuples).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from operator import index
from typing import Any

import numpy as np

from tinynet.autograd import pull_back
from tinynet.dtypes import as_array
from tinynet.errors import GradientError, ShapeError
from tinynet.graph import LEAF_NUMBER, enable_grad, is_grad_enabled, reachable
from tinynet.rules import name_of
from tinynet.rules.elementwise import identity
from tinynet.tensor import Tensor, node_of, wrap
from tinynet.trees import leaves, leaves_like, mapped

__all__ = ["grad", "hessian", "hvp", "is_closed", "jacobian", "jvp", "named", "value_and_grad", "vjp"]

Argnums = int | tuple[int, ...]


def value_and_grad(
    f: Callable[..., Any], argnums: Argnums = 0, allow_unused: bool = True
) -> Callable[..., tuple[Any, Any]]:
    """Make the function that computes both a function's value and its gradient.

    Parameters
    ----------
    f : callable
        A function of arrays (or tensors), or of containers of them, that returns one number.
    argnums : int or tuple of int
        The positions of the arguments to differentiate with respect to.
    allow_unused : bool
        Whether an argument that does not influence the value has a gradient of zeros, or is an error.

    Returns
    -------
    callable
        Called as `f` is, it returns ``(value, gradient)``; the gradient has the argument's structure, shapes and dtypes, and
        is a tuple of such if `argnums` is one. Both hold arrays, or tensors where they depend on something else that
        requires a gradient.

    Raises
    ------
    GradientError
        When called, if `f` returns more than one number, or an argument is unused and may not be.
    TypeError
        When called, if an argument is not of a floating dtype, or `f` returns no tensor, because its graph was left.
    IndexError
        When called, if there is no argument at a position.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> value, gradient = tn.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    >>> value, gradient
    (array(5.), array([2., 4.]))
    >>> tn.grad(lambda p: p["a"] * p["b"][0])({"a": 2.0, "b": [3.0]})
    {'a': array(3.), 'b': [array(2.)]}
    """
    positions = _positions(argnums)

    def compute(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        trace = _Trace(f, args, positions, kwargs)
        value = trace.value
        if not isinstance(value, Tensor):
            raise TypeError(
                f"the gradient of {trace.name} is of one number, and it returned a {type(value).__name__}; use tn.jacobian"
            )
        if value.size != 1:
            raise GradientError(
                f"the gradient of {trace.name} is of one number, and its result has shape {value.shape}; reduce it (np.sum), "
                "or use tn.jacobian"
            )
        gradients = trace.pull([np.ones_like(value.data)], retain=False)
        if not allow_unused:
            trace.refuse_unused(gradients)
        return trace.given_back(value), trace.structured(gradients, argnums)

    return compute


def grad(f: Callable[..., Any], argnums: Argnums = 0, allow_unused: bool = True) -> Callable[..., Any]:
    """Make the gradient of a function that returns one number.

    Parameters
    ----------
    f, argnums, allow_unused
        As for `value_and_grad`.

    Returns
    -------
    callable
        Called as `f` is, it returns the gradient, as `value_and_grad` has it. It can be differentiated in turn.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> second = tn.grad(tn.grad(np.sin))
    >>> bool(second(0.5) == -np.sin(0.5))
    True
    """
    both = value_and_grad(f, argnums, allow_unused)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return named(gradient, f)


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """A function's value, and the function that pulls a cotangent of the value back to the arguments: v ↦ vᵀJ.

    Parameters
    ----------
    f : callable
        A function of arrays (or tensors), or of containers of them, that returns a tensor or a container of tensors.
    *primals
        Its arguments, of floating dtypes.

    Returns
    -------
    value
        What f returns, as arrays.
    pullback : callable
        Takes a cotangent of the structure and shapes of the value, and returns a tuple of cotangents, one a primal. It may be
        called any number of times.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> value, pullback = tn.vjp(lambda x, y: x * y, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 3., 40.]), array([ 1., 20.]))
    """
    argnums = tuple(range(len(primals)))
    trace = _Trace(f, primals, argnums, {})

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        cotangents = _fitting(cotangent, trace.value, f"the pullback of {trace.name}: the cotangent")
        gradients: tuple[Any, ...] = trace.structured(trace.pull(cotangents), argnums)
        return gradients

    return mapped(trace.given_back, trace.value), pullback


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """A function's value, and the derivative of it along a direction: Jt.

    The pullback v ↦ vᵀJ is linear in v; pulling the tangent back through the pullback itself gives Jt (Townsend 2017, "A new
    trick for calculating Jacobian vector products").

    Parameters
    ----------
    f : callable
        A function of arrays (or tensors), or of containers of them, that returns a tensor or a container of tensors.
    primals : sequence
        Its arguments, of floating dtypes.
    tangents : sequence
        The direction: one of the structure and shapes of each primal.

    Returns
    -------
    value
        What f returns, as arrays.
    tangent
        Its directional derivative, of the structure, shapes and dtypes of the value.

    Raises
    ------
    ValueError
        If a tangent is not of its primal's shape.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> value, tangent = tn.jvp(lambda x: np.sum(x**2), (np.array([1.0, 2.0]),), (np.array([1.0, 10.0]),))
    >>> value, tangent
    (array(5.), array(42.))
    """
    given = _directions(primals, tangents, f"the jvp of {name_of(f)}")
    trace = _Trace(f, tuple(primals), range(len(primals)), {})
    pushed = iter(_Pushforward(trace)(given))
    return mapped(trace.given_back, trace.value), mapped(lambda _: next(pushed), trace.value)


def jacobian(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """Make the Jacobian of a function: every derivative of every output by every input.

    It is computed row by row, one pullback an output element, or column by column, one pushforward an input element,
    whichever are fewer.

    Parameters
    ----------
    f : callable
        A function of arrays (or tensors), or of containers of them, that returns a tensor or a container of tensors.
    argnums : int or tuple of int
        The positions of the arguments to differentiate with respect to.

    Returns
    -------
    callable
        Called as `f` is, it returns an array of shape ``output.shape + input.shape`` and the dtype of the input. For containers
        it is a container like the output, of containers like the input (a tuple of them if `argnums` is one).

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    positions = _positions(argnums)

    def compute(*args: Any, **kwargs: Any) -> Any:
        trace = _Trace(f, args, positions, kwargs)
        n_out, n_in = (sum(x.size for x in tensors) for tensors in (trace.outputs, trace.inputs))
        blocks = iter(_by_rows(trace) if n_out <= n_in else _by_columns(trace))
        return mapped(lambda y: trace.structured([next(blocks) for _ in trace.inputs], argnums), trace.value)

    return named(compute, f)


def hessian(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """Make the Hessian of a function that returns one number: the Jacobian of its gradient.

    Parameters
    ----------
    f : callable
        A function of arrays (or tensors), or of containers of them, that returns one number.
    argnums : int or tuple of int
        The positions of the arguments to differentiate with respect to.

    Returns
    -------
    callable
        Called as `f` is, it returns an array of shape ``x.shape + x.shape``; for containers or several arguments, the
        blocks in a container like the arguments, of containers like the arguments.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]))
    array([[10.,  6.],
           [ 6.,  0.]])
    """
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, ...]:
    """The product of a function's Hessian with a direction, without the Hessian: the gradient of ⟨∇f, t⟩ (Pearlmutter 1994).

    Parameters
    ----------
    f : callable
        A function of arrays (or tensors), or of containers of them, that returns one number.
    primals : sequence
        Its arguments, of floating dtypes.
    tangents : sequence
        The direction: one of the structure and shapes of each primal.

    Returns
    -------
    tuple
        One product a primal, of its structure, shapes and dtypes.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.hvp(lambda x: x[0] ** 2 * x[1], (np.array([3.0, 5.0]),), (np.array([1.0, 2.0]),))
    (array([22.,  6.]),)
    """
    given = _directions(primals, tangents, f"the hvp of {name_of(f)}")
    argnums = tuple(range(len(primals)))

    def slope(*args: Any) -> Any:
        gradients = grad(f, argnums)(*args)
        terms = [np.sum(g * t) for (_, g), t in zip(leaves(gradients), given, strict=True)]
        return sum(terms[1:], start=terms[0])

    products: tuple[Any, ...] = grad(named(slope, f), argnums)(*primals)
    return products


class Variable(Tensor):
    """The leaf that stands for an argument while a transform runs its function.

    Afterwards it is closed: a result that depends on it is not for that reason a tensor to the caller.
    """

    __slots__ = ("closed",)

    def __init__(self, data: Any, requires_grad: bool) -> None:
        super().__init__(data, requires_grad)
        self.closed = False


def is_closed(node: Any) -> bool:
    """Whether a node is the variable of a transform that has run its function."""
    return isinstance(node, Variable) and node.closed


# Running f -----------------------------------------------------------------------------------------------------------


class _Trace:
    """One run of a function whose chosen arguments have a new identity in the graph.

    Attributes
    ----------
    value
        What the function returned: a tensor or a container of tensors.
    inputs, outputs : list of Tensor
        The leaves of the chosen arguments and of the value.
    nested : bool
        Whether the value depends on something else that requires a gradient, so that derivatives have to be tensors.
    """

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], positions: Sequence[int], kwargs: dict[str, Any]) -> None:
        self.name = name_of(f)
        for position in positions:
            if not -len(args) <= position < len(args):
                raise IndexError(f"argnums={position}: {self.name} was called with {len(args)} positional arguments")
        self._chosen = [position % len(args) for position in positions]
        self._paths = [f"argument {i}{path}" for i in self._chosen for path, _ in leaves(args[i])]
        recording = is_grad_enabled()
        with enable_grad():
            self._arguments = {i: mapped(self._renewed, args[i]) for i in self._chosen}
            self.inputs = [x for i in self._chosen for _, x in leaves(self._arguments[i])]
            self.value = f(*(self._arguments.get(i, x) for i, x in enumerate(args)), **kwargs)
        self.outputs = [self._checked(y) for _, y in leaves(self.value)] or [self._checked(self.value)]
        self._nodes = [node_of(x) for x in self.inputs]
        self.nested = recording and (any(not x.is_leaf for x in self.inputs) or self._depends_on_others())
        for x in self.inputs:
            if isinstance(x, Variable):
                x.closed = True

    def _renewed(self, x: Any) -> Tensor:
        """The argument under a node of its own: a new leaf, or a child of the tensor that was given."""
        if isinstance(x, Tensor) and x.requires_grad:
            renewed: Tensor = identity(x)
            return renewed
        return Variable(x, requires_grad=True)

    def _checked(self, y: Any) -> Tensor:
        if isinstance(y, Tensor):
            return y
        raise TypeError(
            f"the derivative of {self.name}: it returned {type(y).__name__}, not a tensor; compute with NumPy's "
            "functions, which math.exp, float() and the like leave, and make a constant result with tn.tensor"
        )

    def _depends_on_others(self) -> bool:
        mine = set(self._nodes)
        nodes = reachable(node_of(y) for y in self.outputs if y.requires_grad)
        return any(node.number == LEAF_NUMBER and node not in mine and not is_closed(node) for node in nodes)

    def pull(self, cotangents: Sequence[Any], retain: bool = True, create_graph: bool = False) -> list[Any]:
        """The cotangents of the inputs, given those of the outputs; None stands for zeros."""
        create_graph = create_graph or self.nested or _any_tracked(cotangents)
        pairs = [(y, v) for y, v in zip(self.outputs, cotangents, strict=True) if v is not None and y.requires_grad]
        return _pulled([node_of(y) for y, _ in pairs], [v for _, v in pairs], self._nodes, create_graph, retain)

    def refuse_unused(self, gradients: Sequence[Any]) -> None:
        """Raise if a gradient did not arrive."""
        unused = [path for path, g in zip(self._paths, gradients, strict=True) if g is None]
        if unused:
            raise GradientError(
                f"the gradient of {self.name}: its value does not depend on {', '.join(unused)}; allow_unused=True gives zeros"
            )

    def structured(self, gradients: Sequence[Any], argnums: Argnums) -> Any:
        """Gradients in the structure of the arguments, zeros where there is none."""
        zeros = np.zeros_like if not self.nested else lambda data: wrap(np.zeros_like(data), None)
        rest = iter([zeros(x.data) if g is None else g for x, g in zip(self.inputs, gradients, strict=True)])
        trees = tuple(mapped(lambda _: next(rest), self._arguments[i]) for i in self._chosen)
        return trees if isinstance(argnums, tuple) else trees[0]

    def given_back(self, y: Tensor) -> Any:
        """An output as the caller gets it."""
        return y if self.nested else y.data


class _Pushforward:
    """t ↦ Jt, the pullback of a trace's own pullback v ↦ vᵀJ, which is linear in v."""

    def __init__(self, trace: _Trace) -> None:
        self._nested = trace.nested
        self._cotangents = [Variable(np.zeros_like(y.data), requires_grad=y.requires_grad) for y in trace.outputs]
        pulled = trace.pull(self._cotangents, create_graph=True)
        self._roots = [None if g is None or not g.requires_grad else node_of(g) for g in pulled]
        for v in self._cotangents:
            v.closed = True

    def __call__(self, tangents: Sequence[Any], retain: bool = False) -> list[Any]:
        """Jt, one an output; None among the tangents stands for zeros."""
        create_graph = self._nested or _any_tracked(tangents)
        pairs = [(root, t) for root, t in zip(self._roots, tangents, strict=True) if root is not None and t is not None]
        pushed = _pulled([root for root, _ in pairs], [t for _, t in pairs], self._cotangents, create_graph, retain)
        return [np.zeros_like(v.data) if d is None else d for v, d in zip(self._cotangents, pushed, strict=True)]


def _pulled(roots: list[Any], seeds: list[Any], nodes: list[Any], create_graph: bool, retain: bool) -> list[Any]:
    if create_graph:
        seeds = [v if isinstance(v, Tensor) else wrap(v, None) for v in seeds]
    else:
        seeds = [v.data if isinstance(v, Tensor) else v for v in seeds]
    return pull_back(roots, seeds, nodes, create_graph, retain or create_graph)


# Jacobians -----------------------------------------------------------------------------------------------------------


def _by_rows(trace: _Trace) -> list[Any]:
    """The block of each output and input, one pullback an output element."""
    blocks = []
    for k, y in enumerate(trace.outputs):
        rows = [trace.pull(_only(k, v, len(trace.outputs))) for v in _units(y)]
        blocks += [_block([row[j] for row in rows], y, x, 0) for j, x in enumerate(trace.inputs)]
    return blocks


def _by_columns(trace: _Trace) -> list[Any]:
    """The block of each output and input, one pushforward an input element."""
    push = _Pushforward(trace)
    columns = [
        [push(_only(j, t, len(trace.inputs)), retain=True) for t in _units(x)] for j, x in enumerate(trace.inputs)
    ]
    return [
        _block([column[k] for column in columns[j]], y, x, -1)
        for k, y in enumerate(trace.outputs) for j, x in enumerate(trace.inputs)
    ]


def _units(x: Tensor) -> Iterator[Any]:
    """The unit vectors in the space of a tensor."""
    for i in range(x.size):
        unit = np.zeros_like(x.data, order="C")
        unit.flat[i] = 1
        yield unit


def _only(i: int, v: Any, n: int) -> list[Any]:
    return [v if k == i else None for k in range(n)]


def _block(parts: list[Any], y: Tensor, x: Tensor, axis: int) -> Any:
    """Rows or columns of the Jacobian of `y` by `x`, as one array."""
    shape, dtype = y.shape + x.shape, x.dtype
    if all(part is None for part in parts):
        return np.zeros(shape, dtype)
    zeros = np.zeros((x if axis == 0 else y).shape, dtype)
    flat = [np.reshape(zeros if part is None else part, -1) for part in parts]
    return np.stack(flat, axis).reshape(shape).astype(dtype)


# Arguments -----------------------------------------------------------------------------------------------------------


def _positions(argnums: Argnums) -> tuple[int, ...]:
    try:
        return tuple(map(index, argnums)) if isinstance(argnums, tuple) else (index(argnums),)
    except TypeError:
        raise TypeError(f"argnums={argnums!r}: it is the position of an argument, or a tuple of positions") from None


def _directions(primals: Any, tangents: Any, what: str) -> list[Any]:
    """The leaves of the tangents, one a leaf of the primals."""
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, tuple | list):
            raise TypeError(f"{what}: {name} must be a tuple of one for each argument, as in (x,), not {type(given).__name__}")
    return _fitting(tuple(tangents), tuple(primals), f"{what}: the tangent")


def _fitting(tree: Any, model: Any, what: str) -> list[Any]:
    """The leaves of a container of tangents or cotangents, each of the shape and dtype of the model's."""
    fitting = []
    for (path, x), given in zip(leaves(model), leaves_like(tree, model, what), strict=True):
        array = x.data if isinstance(x, Tensor) else as_array(x)
        if np.shape(given) != array.shape:
            raise ShapeError(f"{what}{path and f' at {path}'} has shape {np.shape(given)}; it must have {array.shape}")
        fitting.append(given if isinstance(given, Tensor) else as_array(given).astype(array.dtype, copy=False))
    return fitting


def _any_tracked(values: Sequence[Any]) -> bool:
    return any(isinstance(v, Tensor) and v.requires_grad for v in values)


def named(function: Callable[..., Any], f: Callable[..., Any]) -> Callable[..., Any]:
    """The function under the name and with the docstring of `f`."""
    return wraps(f)(function) if hasattr(f, "__name__") else function
