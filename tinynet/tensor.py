"""`Tensor`: an array, its gradient and its place in the graph; and NumPy's two dispatch protocols, which record on it."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from tinynet.arraymethods import ArrayMethods, declines
from tinynet.dtypes import REAL_KINDS, as_array, as_real
from tinynet.errors import GradientError, ShapeError
from tinynet.graph import LEAF_NUMBER, Hook, HookHandle, Node, backward, behind_hooks, hooks_of, owned
from tinynet.mode import MODE, detector, lifted, meet
from tinynet.revision import revised
from tinynet.rules import (
    COMPOSED,
    NO_PARAMS,
    PLAIN,
    REFUSED,
    TABLE,
    UFUNC_METHODS,
    Layout,
    Rule,
    called,
    getitem,
    name_of,
    setitem,
)

__all__ = ["Tensor", "tensor"]

Array = np.ndarray[Any, Any]


_SEVERAL = (tuple, list)
_NUMBERS = (float, int)
_RESULTS = (np.generic, np.ndarray, float, int)

_LEAF = object()
"""Stands in a leaf's `_node`: the tensor is its own node, without a reference to itself."""


def _in_place(ufunc: np.ufunc, symbol: str) -> Any:
    def operator(self: Any, other: Any) -> Any:
        if MODE.get()[0]:
            self._refuse_in_place(f"x {symbol} y")
            return self.__array_ufunc__(ufunc, "__call__", self, other)
        if detector() is not None:
            self.__array_ufunc__(ufunc, "__call__", self, other)  # so that it looks at what comes of it
        ufunc(self.data, _plain(other), out=self.data)
        return self

    operator.__doc__ = f"``self {symbol} other``: a new value under the old name; under `no_grad` the array itself changes."
    return operator


class Tensor(ArrayMethods):
    """An array that remembers how it was computed.

    NumPy's functions and operators work on it (``np.exp(t)``, ``t @ u``, ``t[1:]``); where an operand requires a gradient the
    operation is recorded, and `backward` fills in the gradients.

    Parameters
    ----------
    data : array_like
        Real numbers, integers or booleans. An array is wrapped, not copied (`tinynet.tensor` copies); Python floats take
        the default dtype.
    requires_grad : bool
        Whether `backward` gives this tensor a gradient; floating dtypes only.
    dtype : dtype, optional
        The dtype to hold the data in, its own unless given.

    Attributes
    ----------
    data : numpy.ndarray
        The values.
    grad : numpy.ndarray or None
        The gradient that `backward` accumulated, of the shape and dtype of `data`; set it to None to clear it.

    Raises
    ------
    TypeError
        If the data is not real (complex numbers, objects, text), is a tensor that requires a gradient (it would silently
        become a constant), or is of integers and to require a gradient.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> x = tn.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = np.sum(np.exp(x) * 2)
    >>> y.backward()
    >>> bool(np.allclose(x.grad, 2 * np.exp(x.data)))
    True
    """

    __slots__ = ("__weakref__", "_array", "_grad", "_node", "hooks")

    # What the graph asks of a node; a leaf has no parents, and is older than whatever uses it.
    parents: tuple[Any, ...] = ()
    number: int = LEAF_NUMBER

    _grad: Array | None  # for the library, where it has told a recorder of the tensor
    hooks: dict[int, Hook] | None  # of a leaf that requires a gradient

    def __init__(self, data: npt.ArrayLike, requires_grad: bool = False, dtype: npt.DTypeLike | None = None) -> None:
        self._array = as_array(data, dtype)
        self._grad = None
        self._node: Any = None
        self.requires_grad = requires_grad

    # Properties ----------------------------------------------------------------------------------------------------------

    @property
    def data(self) -> Array:
        """The values; what is set takes their place, outside the graph."""
        recorder = MODE.get()[1]
        return self._array if recorder is None else recorder.tensor(self)

    @data.setter
    def data(self, value: npt.ArrayLike) -> None:
        array = as_array(value)
        if self._node is not None and array.dtype.kind != "f":
            raise TypeError(f"data: {array.dtype} values cannot have a gradient, which this tensor requires")
        self._array = array
        revised()

    @property
    def grad(self) -> Array | None:
        """The gradient that `backward` accumulated."""
        recorder = MODE.get()[1]
        if recorder is not None:
            recorder.tensor(self)  # which puts an array in its place that is seen
        return self._grad

    @grad.setter
    def grad(self, value: Array | None) -> None:
        recorder = MODE.get()[1]
        if recorder is not None:
            recorder.tensor(self)
        self._grad = value

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient flows to this tensor: settable on a leaf, implied on a computed one."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not self.is_leaf:
            if value:
                return
            raise GradientError("requires_grad: only a leaf's can be unset; .detach() cuts a computed tensor off its graph")
        if value and self.data.dtype.kind != "f":
            raise TypeError(f"requires_grad: {self.data.dtype} data has no gradient; convert it with .astype(float)")
        if bool(value) != self.requires_grad:
            self._node = _LEAF if value else None
            revised()
        self.hooks = getattr(self, "hooks", None)

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was made by a person, not computed from tensors that require a gradient."""
        return self._node is None or self._node is _LEAF

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        shape: tuple[int, ...] = self._array.shape
        return shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._array.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._array.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the elements."""
        dtype: np.dtype[Any] = self._array.dtype
        return dtype

    # Gradients -----------------------------------------------------------------------------------------------------------

    def backward(self, gradient: npt.ArrayLike | None = None, retain_graph: bool = False) -> None:
        """Add to each leaf's `grad` the gradient of this tensor with respect to it.

        Parameters
        ----------
        gradient : array_like, optional
            The cotangent of this tensor, of its shape; 1 for a tensor of one element.
        retain_graph : bool
            Keep the graph for another backward pass; it is freed otherwise.

        Raises
        ------
        GradientError
            If the tensor requires no gradient, or has more than one element and no `gradient` is given.
        ValueError
            If `gradient` is not of this tensor's shape.
        GraphError
            If the graph was freed by an earlier call.

        Examples
        --------
        >>> import tinynet as tn
        >>> x = tn.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).backward([1.0, 10.0])
        >>> x.grad
        array([ 2., 40.])
        """
        gradients = backward({node_of(self): cotangent(self, gradient)}, retain=retain_graph)
        meet(gradients)
        for leaf, g in gradients.items():
            leaf._grad = owned(g if leaf._grad is None else leaf._grad + g)

    def register_hook(self, hook: Hook) -> HookHandle:
        """Have a function called with this tensor's gradient in each backward pass.

        On a computed tensor that is as soon as the gradient is complete, and before it goes on; on a leaf at the end of the
        pass, before the gradient is added to `grad`. Copies and pickles of a leaf have no hooks.

        Parameters
        ----------
        hook : callable
            Takes the gradient: a read-only array, or a tensor where the graph of the derivative is built. What it returns,
            of the same shape, takes the gradient's place from there on; None leaves it as it is. Derivatives of the
            gradient, and `tinynet.jvp`, are right only if that is linear in the gradient.

        Returns
        -------
        HookHandle
            Its `remove` method takes the hook away.

        Raises
        ------
        GradientError
            If the tensor requires no gradient.

        Examples
        --------
        >>> import numpy as np, tinynet as tn
        >>> x = tn.tensor([1.0, 2.0], requires_grad=True)
        >>> h = np.exp(x)
        >>> handle = h.register_hook(lambda g: np.clip(g, -1.0, 1.0))
        >>> (h * np.array([0.5, 7.0])).sum().backward()
        >>> bool(np.all(x.grad == np.exp([1.0, 2.0]) * [0.5, 1.0]))
        True
        """
        node = node_of(self)
        if node is not self:
            return HookHandle(hooks_of(node), hook)
        self.hooks = self.hooks or {}
        return HookHandle(self.hooks, hook)

    def detach(self) -> "Tensor":
        """The same array as a tensor outside the graph; memory is shared.

        Returns
        -------
        Tensor
        """
        return wrap(self.data, None)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set `requires_grad` and return the tensor."""
        self.requires_grad = requires_grad
        return self

    def astype(self, dtype: npt.DTypeLike) -> "Tensor":
        """The same values in another dtype; the gradient comes back in this one's, and none from integers or booleans.

        Returns
        -------
        Tensor
        """
        same: Tensor = super().astype(dtype) if np.dtype(dtype).kind == "f" else Tensor(self.data.astype(dtype))
        return same

    # Conversions ---------------------------------------------------------------------------------------------------------

    def numpy(self) -> Array:
        """The array itself, for a tensor outside the graph.

        Returns
        -------
        numpy.ndarray

        Raises
        ------
        TypeError
            If the tensor requires a gradient: use ``.data`` or ``.detach()``.
        """
        return self.__array__()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self._node is not None:
            raise TypeError(
                "a tensor that requires a gradient cannot become an array unnoticed, its graph would be lost; take .data or "
                ".detach() for the values, np.stack to join tensors, and a function of NumPy or tinynet to compute"
            )
        return np.array(self.data, dtype=dtype, copy=copy)

    def item(self) -> Any:
        """The one element as a Python number.

        Returns
        -------
        float, int or bool

        Raises
        ------
        ValueError
            If the tensor has more than one element.
        """
        return self.data.item()

    def tolist(self) -> Any:
        """The values as (nested lists of) Python numbers."""
        return self.data.tolist()

    def __float__(self) -> float:
        return float(self.data.item())

    def __int__(self) -> int:
        return int(self.data.item())

    def __index__(self) -> int:
        return self.data.__index__()

    def __bool__(self) -> bool:
        return bool(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator["Tensor"]:
        if self.data.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self.data)))

    def __contains__(self, value: Any) -> bool:
        return bool((self.data == _plain(value)).any())

    def __format__(self, spec: str) -> str:
        return format(self.data.item(), spec) if spec and self.data.ndim == 0 else format(str(self), spec)

    def __repr__(self) -> str:
        values = np.array2string(self.data, separator=", ", prefix="tensor(")
        shown = [values]
        if self.data.size == 0 and self.data.ndim > 1:
            shown.append(f"shape={self.data.shape}")
        if self.data.dtype not in (np.float64, np.int64, np.bool_):
            shown.append(f"dtype={self.data.dtype}")
        if isinstance(self._node, Node):
            shown.append(f"from={behind_hooks(self._node).rule.name}")
        elif self._node is not None:
            shown.append("requires_grad=True")
        return f"tensor({', '.join(shown)})"

    def __copy__(self) -> "Tensor":
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> "Tensor":
        if not self.is_leaf:
            raise TypeError("copy: only a leaf can be copied; use .detach().copy(), or np.copy to stay in the graph")
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        twin._array, twin._node, twin.hooks = self.data.copy(), self._node, None
        twin.grad = None if self.grad is None else self.grad.copy()
        return twin

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise TypeError("pickle: only a leaf can be pickled; use .detach()")
        return _unpickle, (type(self), self.data, self.grad, self.requires_grad)

    # Indexing ------------------------------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> "Tensor":
        """``self[index]`` with everything NumPy can index by; repeated positions sum their gradients."""
        item: Tensor = _record(getitem, (self,), {"index": index})
        return item

    def __setitem__(self, index: Any, value: Any) -> None:
        """``self[index] = value``: the tensor takes a new array, so that what was computed from it before stays true.

        Views taken earlier keep the old values. Under `no_grad` the array itself is changed.
        """
        if not MODE.get()[0]:
            if detector() is not None:
                _record(setitem, (self, value), {"index": index})  # so that it looks at what comes of it
            self.data[_plain(index)] = _plain(value)
            return
        self._refuse_in_place("x[i] = value")
        if value is None:
            raise TypeError("x[i] = None: a tensor holds numbers; np.nan stands for a missing one")
        if isinstance(value, Tensor) and value.requires_grad and self.data.dtype.kind != "f":
            raise TypeError(f"x[i] = value: no gradient can flow into {self.data.dtype} data; convert x with .astype(float)")
        changed = _record(setitem, (self, value), {"index": index})
        self._array, self._node = changed._array, changed._node
        revised()

    if TYPE_CHECKING:

        def __iadd__(self, other: npt.ArrayLike) -> Self: ...
        def __isub__(self, other: npt.ArrayLike) -> Self: ...
        def __imul__(self, other: npt.ArrayLike) -> Self: ...
        def __itruediv__(self, other: npt.ArrayLike) -> Self: ...
        def __ipow__(self, other: npt.ArrayLike) -> Self: ...
        def __imatmul__(self, other: npt.ArrayLike) -> Self: ...
        def __imod__(self, other: npt.ArrayLike) -> Self: ...
        def __ifloordiv__(self, other: npt.ArrayLike) -> Self: ...

    else:
        __iadd__ = _in_place(np.add, "+=")
        __isub__ = _in_place(np.subtract, "-=")
        __imul__ = _in_place(np.multiply, "*=")
        __itruediv__ = _in_place(np.divide, "/=")
        __ipow__ = _in_place(np.power, "**=")
        __imatmul__ = _in_place(np.matmul, "@=")
        __imod__ = _in_place(np.remainder, "%=")
        __ifloordiv__ = _in_place(np.floor_divide, "//=")

    def _refuse_in_place(self, operation: str) -> None:
        if self._node is _LEAF:
            raise GradientError(
                f"{operation} on a leaf that requires a gradient would make its gradient meaningless; update it under "
                "tn.no_grad(), or compute a new tensor"
            )

    # Dispatch ------------------------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            row = TABLE.get(ufunc)
            if row is not None:
                return _record(row, inputs, NO_PARAMS)
        return _other_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        row = TABLE.get(function)
        if row is not None:
            if len(args) == row.arity and not kwargs:
                return _record(row, args, NO_PARAMS)
            return _record(row, *row.bind(args, kwargs))
        if function in COMPOSED:
            call = partial(called, function, COMPOSED[function], args, kwargs)
            return call() if (looks := detector()) is None else looks.composed(function, args, kwargs, call)
        if function in PLAIN:
            return function(*_plain(args), **_plain(kwargs))
        raise _no_rule(function)


def tensor(data: npt.ArrayLike, requires_grad: bool = False, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Make a tensor of a copy of the data.

    Parameters
    ----------
    data : array_like
        Real numbers, integers or booleans; Python floats take the default dtype.
    requires_grad : bool
        Whether `Tensor.backward` gives it a gradient; floating dtypes only.
    dtype : dtype, optional
        The dtype to hold the data in.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.tensor([[1.0, 2.0], [3.0, 4.0]], dtype="float32").shape
    (2, 2)
    """
    return Tensor(as_array(lifted(data) if isinstance(data, np.ndarray) else data, dtype, copy=True), requires_grad)


def wrap(data: Any, node: Any) -> Tensor:
    """A tensor of an array that is known to be fit, with its node (or `None`)."""
    result: Tensor = object.__new__(Tensor)
    result._array = data
    result._grad = None
    result._node = node
    return result


def _record(row: Rule, operands: Any, params: dict[str, Any]) -> Any:
    """Compute an operation, and record it if an operand requires a gradient."""
    grad_enabled, recorder = MODE.get()
    arrays: list[Any] = []
    parents = []
    tracked = False
    for x in operands:
        node = None
        if isinstance(x, Tensor):
            node = x._node
            if node is not None:
                tracked = True
                if node is _LEAF:
                    node = x
            x = x._array if recorder is None else recorder.tensor(x)
        elif type(x) not in _NUMBERS:
            x = _constant(x, row)
        arrays.append(x)
        parents.append(node)
    if params:
        params = {name: _parameter(value, name, row) for name, value in params.items()}
    try:
        if recorder is not None:
            out = recorder.run(row.forward, arrays, params)
            row = recorder.noted(row, arrays, params, out)
        else:
            out = row.forward(*arrays, **params) if params else row.forward(*arrays)
    except (ValueError, TypeError, IndexError) as error:
        raise row.explain(error, arrays) from error
    if type(out) is not np.ndarray:
        if isinstance(out, _SEVERAL):
            return _several(row, arrays, params, out, parents if tracked and grad_enabled else None)
        out = _result(out, row)
    if tracked and grad_enabled and out.dtype.kind == "f":
        return wrap(out, Node(row, arrays, params, out, parents))
    return wrap(out, None)


def _several(row: Rule, arrays: list[Any], params: dict[str, Any], results: Any, parents: list[Any] | None) -> Any:
    """The results of an operation that has several, as tensors in the same kind of tuple."""
    parts: Any = [_result(x, row) for x in results]
    if parents is not None and any(x.dtype.kind == "f" for x in parts):
        layout = Layout(parts)
        flat = layout.join(parts)
        parts = layout.apart(wrap(flat, Node(layout.rule(row), arrays, params, flat, parents)))
    tensors = [x if isinstance(x, Tensor) else wrap(x, None) for x in parts]
    return type(results)(*tensors) if hasattr(results, "_fields") else type(results)(tensors)


def _constant(x: Any, row: Rule) -> Any:
    """An operand that is no tensor, as something that the rules can compute with."""
    if (type(x) is np.ndarray and x.dtype.kind in REAL_KINDS) or x is None:
        return x
    if not isinstance(x, np.ndarray) and hasattr(type(x), "__array_function__"):
        return x  # an array type that records what is done to it
    if isinstance(row.fun, np.ufunc) and declines(x):
        raise TypeError(f"{row.name}: a {type(x).__name__} takes no part in NumPy's functions (__array_ufunc__ is None)")
    try:
        return as_array(x) if type(x) in (list, tuple) else as_real(x)
    except (TypeError, ShapeError) as error:
        raise type(error)(f"{row.name}: {error}") from None


def _parameter(value: Any, name: str, row: Rule) -> Any:
    """A parameter with its tensors as arrays; an error where a gradient would be lost."""
    if isinstance(value, Tensor):
        if value._node is not None:
            raise TypeError(f"{row.name}: no gradient flows to its parameter {name}; give {name}=t.detach() if none is wanted")
        return value.data
    return type(value)(_parameter(x, name, row) for x in value) if type(value) in (tuple, list) else value


def _result(out: Any, row: Rule) -> Any:
    """What an operation computed, as an array: NumPy makes numbers of 0-d arrays."""
    if isinstance(out, _RESULTS):
        return np.asarray(out)
    if hasattr(type(out), "__array_function__"):
        return out  # an array type that records what is done to it
    raise TypeError(f"{row.name} computed a {type(out).__name__}; an operation returns an array, or a tuple of them")


def node_of(output: Tensor) -> Any:
    """The tensor's node in the graph; an error if no gradient flows to it."""
    if output._node is None:
        raise GradientError("this tensor requires no gradient: nothing it was computed from has requires_grad=True")
    return output if output._node is _LEAF else output._node


def _plain(value: Any) -> Any:
    """The value with its tensors as arrays, for where no gradient can flow: an index, an axis, a comparison."""
    if isinstance(value, Tensor):
        return value.data
    if type(value) in (tuple, list):
        return type(value)(_plain(x) for x in value)
    if type(value) is dict:
        return {key: _plain(x) for key, x in value.items()}
    return value


def cotangent(output: Tensor, gradient: Any) -> Any:
    """The cotangent that a backward pass starts from: the given one, or 1 for a single number."""
    data = output._array
    recorder = MODE.get()[1]
    if recorder is not None:
        recorder.starts_backward(output)
    if gradient is None:
        if data.size != 1:
            raise GradientError(
                f"a gradient is of one number, this tensor has shape {data.shape}; reduce it (.sum(), .mean()), or give a "
                "cotangent of that shape (gradient= of backward, grad_outputs= of tn.autograd.grad)"
            )
        # NumPy's own scalars compute in a fraction of the time of an array
        seed: Any = np.array(1, dtype=data.dtype, ndmin=data.ndim) if data.ndim else data.dtype.type(1)
        return seed if recorder is None else recorder.lift(np.asarray(seed))
    seed = _plain(gradient)
    seed = np.array(as_real(seed), dtype=data.dtype) if not hasattr(seed, "records") else seed.astype(data.dtype)
    if seed.shape != data.shape:
        raise ShapeError(f"backward: the cotangent has shape {seed.shape}, the tensor {data.shape}; they must be equal")
    return seed


def _other_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A ufunc's call that is not simply a recorded operation."""
    name = f"np.{ufunc.__name__}" if method == "__call__" else f"np.{ufunc.__name__}.{method}"
    if any(out is not None for out in kwargs.get("out", ())):
        raise TypeError(
            f"{name}(out=...) with a tensor: an array cannot be overwritten with a tensor's values unnoticed; write "
            "a = a + t in place of a += t, or use t.data"
        )
    if ufunc in PLAIN:
        return getattr(ufunc, method)(*_plain(inputs), **_plain(kwargs))
    if ufunc in UFUNC_METHODS.get(method, ()):
        x, axis, *rest = (*inputs, kwargs.pop("axis", 0)) if len(inputs) < 2 else inputs
        return UFUNC_METHODS[method][ufunc](x, axis, *rest, **kwargs)
    if method == "outer" and ufunc in TABLE and len(inputs) == 2 and not kwargs:
        a, b = inputs
        return ufunc(np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b)
    if method == "__call__" and ufunc in TABLE and kwargs.keys() <= TABLE[ufunc].known:
        return _record(TABLE[ufunc], inputs, kwargs)
    if method == "__call__" and ufunc in TABLE:
        unknown = ", ".join(f"{key}=" for key in kwargs)
        raise TypeError(f"{name} on a tensor takes no {unknown}; use .astype or np.where around it")
    raise _no_rule(ufunc, name)


def _no_rule(function: Any, name: str = "") -> TypeError:
    name = name or name_of(function)
    if name in REFUSED:
        return TypeError(f"{name} on a tensor: {REFUSED[name]}")
    return TypeError(
        f"{name} has no gradient rule; use .data or .detach() for the value alone, or give an "
        "operation of your own a rule with tn.primitive"
    )


def _unpickle(kind: type[Tensor], data: Array, grad: Array | None, requires_grad: bool) -> Tensor:
    leaf: Tensor = object.__new__(kind)
    leaf._array, leaf._grad, leaf._node, leaf.hooks = data, grad, _LEAF if requires_grad else None, None
    return leaf
