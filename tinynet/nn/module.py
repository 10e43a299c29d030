"""`Module`, the base of every layer, loss and model. No magic: an ordered walk over the attributes finds what is in it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from tinynet.errors import ShapeError
from tinynet.mode import MODE, meet
from tinynet.nn.parameter import Buffer, Parameter
from tinynet.revision import revised
from tinynet.tensor import Tensor

if TYPE_CHECKING:
    from tinynet.nn.summary import Called, Summary

__all__ = ["Buffer", "HookHandle", "LoadedKeys", "Module", "Parameter", "walk"]

Hook = Callable[[Any, tuple[Any, ...], Any], Any]
P = ParamSpec("P")
Output = TypeVar("Output", covariant=True)


class _Forward(Protocol[P, Output]):
    """A module as its call sees it: the arguments and the result are those of its `forward`."""

    @property
    def _forward_hooks(self) -> tuple["HookHandle", ...]: ...

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> Output: ...


class LoadedKeys(NamedTuple):
    """What `Module.load_state_dict` found no value for, and no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class HookHandle:
    """A registered hook; `remove` takes it off its module again."""

    def __init__(self, module: "Module", hook: Hook) -> None:
        self.module = module
        self.hook = hook

    def remove(self) -> None:
        """Take the hook off; doing so twice does no harm."""
        left = tuple(handle for handle in self.module._forward_hooks if handle is not self)
        if left:
            self.module._forward_hooks = left
        elif "_forward_hooks" in vars(self.module):
            del self.module._forward_hooks  # as it was before there were any: a compiled step need not be recorded again


class Module:
    """A function with parameters; the base of every layer, loss and model.

    A subclass sets parameters, buffers and other modules as attributes, singly or in lists, tuples and dicts, and defines
    `forward`. They are found by walking over the attributes in the order in which they were set, and are named by the way
    to them: ``layers.0.weight``. There is nothing to register, and no ``super().__init__()`` to remember.

    Attributes
    ----------
    training : bool
        Whether the module is being trained; see `train` and `eval`.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> class Affine(tn.nn.Module):
    ...     def __init__(self):
    ...         self.scale = tn.nn.Parameter(2.0)
    ...         self.shift = tn.nn.Parameter(1.0)
    ...     def forward(self, x):
    ...         return self.scale * x + self.shift
    >>> model = Affine()
    >>> model(np.array([1.0, 2.0])).data
    array([3., 5.])
    >>> [name for name, _ in model.named_parameters()]
    ['scale', 'shift']
    """

    training: bool = True
    _forward_hooks: tuple[HookHandle, ...] = ()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the module's output; a subclass defines it, and calling the module runs it."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(); define forward(self, x)")

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        revised()

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        revised()

    def __call__(self: "_Forward[P, Output]", *args: P.args, **kwargs: P.kwargs) -> Output:
        recorder = MODE.get()[1]
        if recorder is not None:
            recorder.depends(self)
        output = self.forward(*args, **kwargs)
        for handle in self._forward_hooks:
            changed = handle.hook(self, args, output)
            if changed is not None:
                output = changed
        return output

    def register_forward_hook(self, hook: Hook) -> HookHandle:
        """Have a function called after each forward pass of this module.

        Parameters
        ----------
        hook : callable
            ``hook(module, args, output)``; what it returns, unless None, takes the place of the output.

        Returns
        -------
        HookHandle
            Its ``remove()`` takes the hook off again.

        Examples
        --------
        >>> import numpy as np, tinynet as tn
        >>> layer = tn.nn.Linear(3, 2)
        >>> handle = layer.register_forward_hook(lambda module, args, output: print(output.shape))
        >>> y = layer(np.ones((5, 3)))
        (5, 2)
        >>> handle.remove()
        """
        handle = HookHandle(self, hook)
        self._forward_hooks = (*self._forward_hooks, handle)
        return handle

    # What is in the module -----------------------------------------------------------------------------------------------

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """The parameters of this module and all modules in it, each once, with the first of its names.

        A module's own parameters come before those of the modules in it.
        """
        return ((name, x) for name, x in walk(self, once=True) if isinstance(x, Parameter))

    def parameters(self) -> Iterator[Parameter]:
        """The parameters, in the order of `named_parameters`; a shared one once."""
        return (x for _, x in self.named_parameters())

    def num_parameters(self) -> int:
        """The number of elements of all parameters, shared ones counted once.

        Returns
        -------
        int
        """
        return sum(x.size for x in self.parameters())

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """The buffers of this module and all modules in it, each once, with the first of its names."""
        return ((name, x) for name, x in walk(self, once=True) if isinstance(x, Buffer))

    def buffers(self) -> Iterator[Buffer]:
        """The buffers, in the order of `named_buffers`."""
        return (x for _, x in self.named_buffers())

    def named_modules(self) -> Iterator[tuple[str, "Module"]]:
        """This module, named ``""``, and all modules in it, each once; a module comes before what it holds."""
        return ((name, x) for name, x in walk(self, once=True) if isinstance(x, Module))

    def modules(self) -> Iterator["Module"]:
        """This module and all modules in it, in the order of `named_modules`."""
        return (x for _, x in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """The modules held directly, each once, with the first of its names."""
        seen = set()
        for name, x in _members(self._attributes()):
            if isinstance(x, Module) and id(x) not in seen:
                seen.add(id(x))
                yield name, x

    def children(self) -> Iterator["Module"]:
        """The modules held directly, in the order of `named_children`."""
        return (x for _, x in self.named_children())

    def _attributes(self) -> Iterable[tuple[str, Any]]:
        """The named values that the walk starts from."""
        return vars(self).items()

    # What is done to all of it -------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set `training` on this module and all modules in it; `Dropout`, for one, acts in training only.

        Parameters
        ----------
        mode : bool
            False is what `eval` does.

        Returns
        -------
        Module
            The module itself.
        """
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """The same as ``train(False)``: from now on the module is used, not trained.

        Returns
        -------
        Module
            The module itself.
        """
        return self.train(False)

    def zero_grad(self) -> None:
        """Clear the gradient of every parameter: it becomes None."""
        meet(self.parameters())
        for x in self.parameters():
            x._grad = None

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze every parameter (False), or have them trained again.

        Parameters
        ----------
        requires_grad : bool
            Whether the parameters require a gradient.

        Returns
        -------
        Module
            The module itself.
        """
        for x in self.parameters():
            x.requires_grad = requires_grad
        return self

    def astype(self, dtype: npt.DTypeLike) -> Self:
        """Convert the floating parameters and buffers, with their gradients, in place.

        Parameters
        ----------
        dtype : dtype
            A real floating dtype.

        Returns
        -------
        Module
            The module itself.

        Raises
        ------
        TypeError
            If `dtype` is not a real floating dtype.

        Examples
        --------
        >>> import tinynet as tn
        >>> tn.nn.Linear(3, 2).astype("float32").weight.dtype
        dtype('float32')
        """
        resolved = np.dtype(dtype)
        if resolved.kind != "f":
            raise TypeError(f"{type(self).__name__}.astype: {resolved} is not a real floating dtype; use float32 or float64")
        for _, x in walk(self, once=True):
            if isinstance(x, Tensor) and x.dtype.kind == "f":
                x.data = x.data.astype(resolved, copy=False)
                x.grad = None if x.grad is None else x.grad.astype(resolved, copy=False)
        return self

    def apply(self, fn: Callable[["Module"], Any]) -> Self:
        """Call a function on every module in this one, on those that a module holds before the module itself.

        Parameters
        ----------
        fn : callable
            ``fn(module)``; what it returns is ignored.

        Returns
        -------
        Module
            The module itself.

        Examples
        --------
        >>> import tinynet as tn
        >>> def start(module):
        ...     if isinstance(module, tn.nn.Linear):
        ...         tn.nn.init.zeros_(module.bias)
        >>> model = tn.nn.Sequential(tn.nn.Linear(2, 3), tn.nn.Linear(3, 1)).apply(start)
        >>> model[0].bias.data
        array([0., 0., 0.])
        """
        for module in _inner_first(self, set()):
            fn(module)
        return self

    # State ---------------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Copies of all parameters and buffers by name; a shared one stands under each of its names.

        Returns
        -------
        dict of str to numpy.ndarray
            In the order of the walk. The names and shapes are those of torch for the same modules.

        Examples
        --------
        >>> import tinynet as tn
        >>> model = tn.nn.Sequential(tn.nn.Linear(2, 8), tn.nn.Linear(8, 1))
        >>> {key: array.shape for key, array in model.state_dict().items()}
        {'0.weight': (8, 2), '0.bias': (8,), '1.weight': (1, 8), '1.bias': (1,)}
        """
        return {name: x.data.copy() for name, x in self._state()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> LoadedKeys:
        """Copy values into the parameters and buffers: all of them, or on an error none.

        The values go into the arrays that are there, so dtypes stay, and so do other views of the arrays.

        Parameters
        ----------
        state : mapping of str to array_like
            Arrays or tensors by name, as `state_dict` gives them; of torch tensors, those on the CPU that require no gradient.
        strict : bool
            Whether every name must be in both; otherwise what has no counterpart is left alone.

        Returns
        -------
        LoadedKeys
            The lists ``missing_keys`` and ``unexpected_keys``.

        Raises
        ------
        ShapeError
            If a value does not have the shape of what it is for.
        ValueError
            If `strict` and names are missing or unexpected; or if a value cannot be cast, as a float to an integer buffer.

        Examples
        --------
        >>> import tinynet as tn
        >>> model, twin = (tn.nn.Sequential(tn.nn.Linear(2, 3, rng=seed), tn.nn.ReLU()) for seed in (0, 1))
        >>> twin.load_state_dict(model.state_dict())
        LoadedKeys(missing_keys=[], unexpected_keys=[])

        Of the layers that torch has too, names, shapes and values are torch's, so weights travel between a model and the same
        one made of ``torch.nn``::

            model.load_state_dict(theirs.state_dict())
            theirs.load_state_dict({name: torch.from_numpy(x) for name, x in model.state_dict().items()})
        """
        own = dict(self._state())
        keys = LoadedKeys([name for name in own if name not in state], [name for name in state if name not in own])
        values = {name: x.data if isinstance(x, Tensor) else np.asarray(x) for name, x in state.items() if name in own}
        shapes = [
            f"{name} has shape {own[name].shape} in the module and {x.shape} in the state"
            for name, x in values.items() if x.shape != own[name].shape
        ]
        problems = shapes + [
            f"{name} has dtype {own[name].dtype} in the module and {x.dtype} in the state"
            for name, x in values.items() if not np.can_cast(x.dtype, own[name].dtype, "same_kind")
        ]
        problems += [f"{name} is read-only in the module" for name in values if not own[name].data.flags.writeable]
        if strict and keys.missing_keys:
            problems.append(f"missing keys {', '.join(keys.missing_keys)} (strict=False leaves them as they are)")
        if strict and keys.unexpected_keys:
            problems.append(f"unexpected keys {', '.join(map(str, keys.unexpected_keys))} (strict=False ignores them)")
        if problems:
            message = f"load_state_dict into {type(self).__name__}, which stays as it was: {'; '.join(problems)}"
            raise ShapeError(message) if shapes else ValueError(message)
        for name, x in values.items():
            own[name].data[...] = x
        return keys

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        return ((name, x) for name, x in walk(self, once=False) if isinstance(x, Tensor))

    # Description ---------------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands between the parentheses of the module's line in the `repr`; a subclass may define it.

        Returns
        -------
        str
        """
        return ""

    def __repr__(self) -> str:
        text, count = _describe(self, frozenset()), self.num_parameters()
        return f"{text} parameter{'s' * (count != 1)}" if count else text

    def _repr_html_(self) -> str:
        from tinynet.nn.summary import holdings

        return holdings(self)._repr_html_()

    def summary(self, input_shape: Iterable[int], *more: Iterable[int]) -> "Summary[Called]":
        """What each module gives for samples of a shape, and how many parameters it holds.

        A copy of the model is called, in evaluation mode and without hooks, on zeros of the dtype of its parameters; the model
        itself is left as it is.

        Parameters
        ----------
        input_shape : iterable of int
            The shape of one sample, without the axis of the batch.
        *more
            The same of further inputs, where the model has several.

        Returns
        -------
        Summary
            A row a call, the caller before the called: `layer`, `kind`, `output` (its shape, in which n is the number of
            samples) and `parameters`, each counted once. Modules that hold parameters and are not called stand at the end. The
            attributes `total`, `trainable` and `buffers` count numbers. It prints as a table, and shows as one in a notebook.

        Raises
        ------
        TypeError
            If a shape is not made of integers; and what the model itself raises on inputs of such a shape.

        Examples
        --------
        >>> import tinynet as tn
        >>> tn.nn.Sequential(tn.nn.Linear(2, 8), tn.nn.Tanh(), tn.nn.Linear(8, 1)).summary((2,))
        layer  kind    output  parameters
        0      Linear  (n, 8)          24
        1      Tanh    (n, 8)           0
        2      Linear  (n, 1)           9
        Sequential: 33 parameters, 33 trainable; 0 numbers in buffers
        """
        from tinynet.nn.summary import summary

        return summary(self, (input_shape, *more))


_Member = Parameter | Buffer | Module


def _members(items: Iterable[tuple[str, Any]], above: tuple[int, ...] = ()) -> Iterator[tuple[str, _Member]]:
    """The parameters, buffers and modules among named values, also those in lists, tuples and dicts."""
    for name, value in items:
        if isinstance(value, _Member):
            yield name, value
        elif isinstance(value, list | tuple | dict) and id(value) not in above:
            inner = value.items() if isinstance(value, dict) else enumerate(value)
            yield from _members(((f"{name}.{key}", x) for key, x in inner), (*above, id(value)))


def walk(module: Module, once: bool, prefix: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, _Member]]:
    """A module, its own parameters and buffers, then the same of each module in it, with dotted names.

    With `once` each object comes under its first name alone; without, under all its names, but no module within itself.
    """
    seen = set() if seen is None else seen
    seen.add(id(module))
    yield prefix.removesuffix("."), module
    members = list(_members(module._attributes()))
    for name, x in members:
        if isinstance(x, Tensor) and id(x) not in seen:
            if once:
                seen.add(id(x))
            yield prefix + name, x
    for name, x in members:
        if isinstance(x, Module) and id(x) not in seen:
            yield from walk(x, once, f"{prefix}{name}.", seen)
    if not once:
        seen.remove(id(module))


def _inner_first(module: Module, seen: set[int]) -> Iterator[Module]:
    """A module and all modules in it, each once; what a module holds comes before it."""
    seen.add(id(module))
    for child in module.children():
        if id(child) not in seen:
            yield from _inner_first(child, seen)
    yield module


def _describe(module: Module, above: frozenset[int]) -> str:
    """A module as text, one line a module that it holds, each with its number of parameters."""
    name = type(module).__name__
    if id(module) in above:
        return f"{name}(...)"
    lines = [
        f"({key}): {_describe(x, above | {id(module)})}".replace("\n", "\n  ")
        for key, x in _members(module._attributes()) if isinstance(x, Module)
    ]
    extra = module.extra_repr()
    body = "".join(f"\n  {line}" for line in ([extra] if extra else []) + lines) + "\n" if lines else extra
    count = module.num_parameters()
    return f"{name}({body})" + (f"  # {count:,}" if count else "")
