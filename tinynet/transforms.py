"""Derivatives of functions: functions of arrays in, functions of arrays out.

A call gives its arguments a new identity in the graph and never detaches them, so transforms nest: where the result depends
on something else that requires a gradient (an outer transform's argument, a model's parameter), it is a tensor in that
graph; where it does not, it is a plain array. Arguments and results may be nested containers (dicts, lists, tuples).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from operator import index
from typing import Any, overload

import numpy as np

from tinynet.errors import GradientError
from tinynet.rules import name_of
from tinynet.tensor import Tensor
from tinynet.trace import Pushforward, Trace, fitting
from tinynet.trees import leaves, mapped

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]

Argnums = int | tuple[int, ...]


@overload
def value_and_grad(
    f: Callable[..., Any], argnums: int = 0, allow_unused: bool = True
) -> Callable[..., tuple[Any, Any]]: ...
@overload
def value_and_grad(
    f: Callable[..., Any], argnums: tuple[int, ...], allow_unused: bool = True
) -> Callable[..., tuple[Any, tuple[Any, ...]]]: ...
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
        Whether an argument that does not influence the value has a gradient of zeros, or is an error. (Unlike that of
        `tinynet.autograd.grad`, which gives None, this one is True unless told.)

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
    positions = _positions(f, argnums)

    def compute(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        trace = Trace(f, args, positions, kwargs)
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
        if value.dtype.kind != "f":
            raise TypeError(f"the gradient of {trace.name}: its result is of {value.dtype}, and only real numbers have one")
        gradients = trace.pull([np.ones_like(value.data)], retain=False)
        if not allow_unused:
            trace.refuse_unused(gradients)
        return trace.given_back(value), trace.structured(gradients, isinstance(argnums, tuple))

    return compute


@overload
def grad(f: Callable[..., Any], argnums: int = 0, allow_unused: bool = True) -> Callable[..., Any]: ...
@overload
def grad(
    f: Callable[..., Any], argnums: tuple[int, ...], allow_unused: bool = True
) -> Callable[..., tuple[Any, ...]]: ...
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

    return _named(gradient, "grad", f)


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
        Takes a cotangent of the structure and shapes of the value, in which None stands for zeros, and returns a tuple of
        cotangents, one a primal. It may be called any number of times.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> value, pullback = tn.vjp(lambda x, y: x * y, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 3., 40.]), array([ 1., 20.]))
    """
    argnums = tuple(range(len(primals)))
    trace = Trace(f, primals, argnums, {})

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        cotangents = fitting(cotangent, trace.value, f"the pullback of {trace.name}: the cotangent")
        gradients: tuple[Any, ...] = trace.structured(trace.pull(cotangents), several=True)
        return gradients

    return mapped(trace.given_back, trace.value), pullback


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """A function's value, and the derivative of it along a direction: Jt.

    The pullback v ↦ vᵀJ is linear in v; pulling the tangent back through the pullback itself gives Jt (Townsend 2017, "A new
    trick for calculating Jacobian vector products"). So the gradients of `f` must be linear in the cotangent, as true ones
    are: a hook or custom gradient that clips is not.

    Parameters
    ----------
    f : callable
        A function of arrays (or tensors), or of containers of them, that returns a tensor or a container of tensors.
    primals : sequence
        Its arguments, of floating dtypes.
    tangents : sequence
        The direction: one of the structure and shapes of each primal, in which None stands for zeros.

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
    trace = Trace(f, tuple(primals), range(len(primals)), {})
    pushed = iter(Pushforward(trace)(given))
    return mapped(trace.given_back, trace.value), mapped(lambda _: next(pushed), trace.value)


def jacobian(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """Make the Jacobian of a function: every derivative of every output by every input.

    It is computed row by row, one pullback an output element, or column by column, one pushforward (`jvp`) an input element,
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
    positions = _positions(f, argnums)

    def compute(*args: Any, **kwargs: Any) -> Any:
        trace = Trace(f, args, positions, kwargs)
        n_out, n_in = (sum(x.size for x in tensors) for tensors in (trace.outputs, trace.inputs))
        blocks = iter(_by_rows(trace) if n_out <= n_in else _by_columns(trace))
        return mapped(lambda y: trace.structured([next(blocks) for _ in trace.inputs], isinstance(argnums, tuple)), trace.value)

    return _named(compute, "jacobian", f)


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
        The direction: one of the structure and shapes of each primal, in which None stands for zeros.

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
        pairs = zip(leaves(gradients), given, strict=True)
        terms = [np.sum(g * t) for (_, g), t in pairs if t is not None] or [Tensor(0.0)]
        return sum(terms[1:], start=terms[0])

    products: tuple[Any, ...] = grad(slope, argnums)(*primals)
    return products


# Jacobians -----------------------------------------------------------------------------------------------------------


def _by_rows(trace: Trace) -> list[Any]:
    """The block of each output and input, one pullback an output element."""
    blocks = []
    for k, y in enumerate(trace.outputs):
        rows = [trace.pull(_only(k, v, len(trace.outputs))) for v in _units(y)]
        blocks += [_block(trace, [row[j] for row in rows], y, x, 0) for j, x in enumerate(trace.inputs)]
    return blocks


def _by_columns(trace: Trace) -> list[Any]:
    """The block of each output and input, one pushforward an input element."""
    push = Pushforward(trace)
    columns = [
        [push(_only(j, t, len(trace.inputs)), retain=True) for t in _units(x)] for j, x in enumerate(trace.inputs)
    ]
    return [
        _block(trace, [column[k] for column in columns[j]], y, x, -1)
        for k, y in enumerate(trace.outputs) for j, x in enumerate(trace.inputs)
    ]


def _units(x: Tensor) -> Iterator[Any]:
    """The unit vectors in the space of a tensor."""
    for i in range(x.size):
        unit = np.zeros(x.size, x.dtype)
        unit[i] = 1
        yield unit.reshape(x.shape)


def _only(i: int, v: Any, n: int) -> list[Any]:
    return [v if k == i else None for k in range(n)]


def _block(trace: Trace, parts: list[Any], y: Tensor, x: Tensor, axis: int) -> Any:
    """Rows or columns of the Jacobian of `y` by `x`, as one array."""
    shape, dtype = y.shape + x.shape, x.dtype
    if all(part is None for part in parts):
        return trace.zeros(shape, dtype)
    zeros = np.zeros((x if axis == 0 else y).shape, dtype)
    flat = [np.reshape(zeros if part is None else part, -1) for part in parts]
    return np.stack(flat, axis).reshape(shape).astype(dtype)


# Arguments -----------------------------------------------------------------------------------------------------------


def _positions(f: Any, argnums: Argnums) -> tuple[int, ...]:
    if not callable(f):
        raise TypeError(f"a transform takes a function, not {type(f).__name__}")
    several = argnums if isinstance(argnums, tuple) else (argnums,)
    if not several or any(isinstance(i, bool) or not hasattr(i, "__index__") for i in several):
        raise TypeError(f"argnums={argnums!r}: it is the position of an argument, or a tuple of positions")
    return tuple(map(index, several))


def _directions(primals: Any, tangents: Any, what: str) -> list[Any]:
    """The leaves of the tangents, one a leaf of the primals."""
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, tuple | list):
            raise TypeError(f"{what}: {name} must be a tuple of one for each argument, as in (x,), not {type(given).__name__}")
    return fitting(tuple(tangents), tuple(primals), f"{what}: the tangent")


def _named(function: Callable[..., Any], transform: str, f: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the signature and docstring of `f`, under a name that says what it is of it."""
    if hasattr(f, "__name__"):
        function = wraps(f)(function)
    function.__name__ = f"{transform}({name_of(f)})"
    function.__module__ = "tinynet"
    return function
