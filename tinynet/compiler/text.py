"""How a program reads: calls and views as NumPy code, with the names of buffers."""

from math import prod
from typing import Any

import numpy as np

from tinynet.rules.table import name_of

__all__ = ["call_text", "declaration", "view_text"]

# Views ---------------------------------------------------------------------------------------------------------------


def view_text(view: Any) -> str:
    """A view as the code that takes it of its buffer, such as ``p0[128:144].reshape(8, 2).T``."""
    buffer, array = view.buffer, view.buffer.array
    if view.dtype != array.dtype:
        whole = buffer.whole
        seen = f"{buffer.name}.view(np.{view.dtype})"
        same_place = (view.offset, view.size * view.dtype.itemsize) == (0, array.nbytes)
        return seen if same_place and view.shape == whole.shape else f"{seen}.reshape({_listed(view.shape)})"
    for text in (_simple(view, array, buffer.name), _flat(view, array, buffer.name), _sliced(view, array, buffer.name)):
        if text:
            return text
    if 0 in view.strides and prod(view.shape):
        core = view._replace(
            shape=tuple(1 if stride == 0 else n for n, stride in zip(view.shape, view.strides, strict=True)),
            strides=tuple(stride or view.dtype.itemsize for stride in view.strides),
        )
        return f"np.broadcast_to({view_text(core)}, {view.shape})"
    return f"np.ndarray({view.shape}, np.{view.dtype}, {buffer.name}, {view.offset}, {view.strides})"


def _simple(view: Any, array: Any, name: str) -> str:
    """All of the buffer, in its own shape or another."""
    layout = (view.shape, view.strides)
    if view.offset or view.size != array.size:
        return ""
    if layout == (array.shape, array.strides):
        return name
    if layout == (array.shape[::-1], array.strides[::-1]):
        return f"{name}.T"
    return f"{name}.reshape({_listed(view.shape)})" if view.is_whole else ""


def _flat(view: Any, array: Any, name: str) -> str:
    """A part of a vector without gaps, also seen as a matrix or as the transpose of one."""
    if array.ndim != 1 or array.strides != (array.itemsize,) or not view.size:
        return ""
    start = view.offset // array.itemsize
    part = f"{name}[{start}:{start + view.size}]" if view.ndim else f"{name}[{start}]"
    if view.contiguous:
        return part if view.ndim < 2 else f"{part}.reshape({_listed(view.shape)})"
    turned = view._replace(shape=view.shape[::-1], strides=view.strides[::-1])
    return f"{part}.reshape({_listed(turned.shape)}).T" if turned.contiguous else ""


def _sliced(view: Any, array: Any, name: str) -> str:
    """A basic index, if each axis of the view runs along one of the buffer, in their order."""
    if any(stride <= 0 for stride in array.strides) or not view.size:
        return ""
    index = []
    offset = view.offset
    axes = list(zip(view.shape, view.strides, strict=True))
    for n, stride in zip(array.shape, array.strides, strict=True):
        start, offset = divmod(offset, stride)
        if axes and axes[0][1] % stride == 0 and axes[0][1] and start + (axes[0][0] - 1) * (axes[0][1] // stride) in range(n):
            length, step = axes[0][0], axes[0][1] // stride
            axes.pop(0)
            index.append(_slice(start, length, step, n))
        elif start < n:
            index.append(str(start))
        else:
            return ""
    while len(index) > 1 and index[-1] == ":":
        index.pop()
    return "" if axes or offset else f"{name}[{', '.join(index)}]"


def _slice(start: int, length: int, step: int, n: int) -> str:
    if step < 0:
        stop = start + length * step
        return f"{'' if start == n - 1 else start}:{'' if stop < 0 else stop}:{step}"
    stop = start + (length - 1) * step + 1
    text = f"{start or ''}:{'' if stop + step > n else stop}"
    return text if step == 1 else f"{text}:{step}"


def _listed(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


# Calls ---------------------------------------------------------------------------------------------------------------

_DEFAULTS = {"dtype": None, "keepdims": False, "out": None, "where": True, "initial": None}


def call_text(call: Any) -> str:
    """A call as a line of code; the shape of what is new stands behind it."""
    name = _name(call.function)
    args = [_text(x) for x in call.args]
    out = [view_text(view) for view in call.out]
    if name == "copy":
        if not _is_new(call):
            return f"{out[0]}[...] = {args[0]}"
        source, (result,) = call.args[0], call.out
        whole = args[0] if getattr(source, "shape", ()) == result.shape else f"np.broadcast_to({args[0]}, {result.shape})"
        cast = "copy()" if getattr(source, "dtype", None) == result.dtype else f"astype(np.{result.dtype})"
        return _with_shape(f"{out[0]} = {whole}.{cast}", call)
    if name == "setitem":
        return f"{args[0]}[{_index(call.args[1])}] = {args[2]}"
    args += [f"{key}={_text(x)}" for key, x in call.kwargs.items() if key not in _DEFAULTS or x is not _DEFAULTS[key]]
    code = f"{args[0]}[{_index(call.args[1])}]" if name == "getitem" else f"{name}({', '.join(args)})"
    if not out or (call.updates and call.out[0] in call.args):
        return code
    if _is_new(call):
        return _with_shape(f"{', '.join(out)} = {code}", call)
    if name == "getitem":
        return f"{out[0]}[...] = {code}"
    return f"{name}({', '.join([*args, f'out={out[0]}' if len(out) == 1 else f'out=({_joined(out)})'])})"


def _is_new(call: Any) -> bool:
    """Whether the results are arrays that the call makes."""
    return not (call.in_place or call.updates) and all(view.buffer.kind == "inside" and view.is_whole for view in call.out)


def _with_shape(line: str, call: Any) -> str:
    return f"{line}  # {', '.join(f'{view.dtype}[{_listed(view.shape)}]' for view in call.out)}"


def _joined(texts: list[str]) -> str:
    return ", ".join(texts)


def _index(x: Any) -> str:
    return ", ".join(map(_part, x)) if type(x) is tuple and x else _part(x)


def _part(x: Any) -> str:
    if not isinstance(x, slice):
        return "..." if x is Ellipsis else _text(x)
    ends = ["" if end is None else _text(end) for end in (x.start, x.stop)]
    return ":".join(ends if x.step is None else [*ends, _text(x.step)])


def _name(function: Any) -> str:
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"np.{owner.__name__}.{function.__name__}"
    if owner is not None and not isinstance(function, type(len)):
        return f"{type(owner).__name__}.{function.__name__}"
    return {"copy_to": "copy"}.get(getattr(function, "__name__", ""), "") or name_of(function).removeprefix("_operator.")


def _text(x: Any) -> str:
    if hasattr(x, "buffer") and hasattr(x, "strides"):
        return view_text(x)
    if isinstance(x, tuple | list):
        inner = ", ".join(map(_text, x))
        return f"[{inner}]" if isinstance(x, list) else f"({inner}{',' if len(x) == 1 else ''})"
    if isinstance(x, dict):
        return "{" + ", ".join(f"{key!r}: {_text(value)}" for key, value in x.items()) + "}"
    if isinstance(x, np.dtype):
        return f"np.{x}"
    if hasattr(x, "bit_generator"):
        return "rng"
    if callable(x):
        return _name(x)
    return repr(x)


# Buffers -------------------------------------------------------------------------------------------------------------

_KINDS = {"input": "argument", "outside": "array from outside", "constant": "constant"}


def declaration(buffer: Any) -> str:
    """What a buffer is, such as ``x0: float64[4, 2]  # argument``; a single constant with its value."""
    array = buffer.array
    value = f" = {array.item()}" if buffer.kind == "constant" and array.size == 1 else ""
    return f"{buffer.name}: {array.dtype}[{_listed(array.shape)}]{value}  # {_KINDS[buffer.kind]}"
