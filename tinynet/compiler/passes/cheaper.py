"""Calls of one function become calls of others that come to the same in less time, on arrays that fit in the cache.

On small arrays the way in costs more than the work. A product with ones skips what a reduction prepares; a ufunc whose
operands all have one shape and dtype skips its iterator. A row of the table `REWRITES` says what takes the place of a call.
For 32 x 16 float32 numbers x, in nanoseconds:

    t0 = np.add(x, b)  # b is [16]                   850       t0 = np.broadcast_to(b, (32, 16)).copy()          420
                                                               t1 = np.add(x, t0)
    t0 = np.multiply(x, mask)                        840       t0 = mask.astype(np.float32)                      380
                                                               t1 = np.multiply(x, t0)
    t0 = np.maximum(x, 0.0)                          530       t0 = np.maximum(x, c0)  # c0 is [32, 16]          360
    t0 = np.add.reduce(x, axis=1)                   1150       t0 = np.dot(x, c0)  # c0 is [16]                  220
    t0 = np.maximum.reduce(x, axis=1)               2350       t0 = np.argmax(x, axis=1)                         810
                                                               t1 = np.add(t0, c0)  # where each row begins
                                                               t2 = np.take(x.reshape(512), t1)
    t0 = np.matmul(x, w)  # w is [16, 16]           1010       t0 = np.dot(x, w)                                 490
    t0 = np.matmul(y, v.swapaxes(1, 2))             9090       t0 = v.swapaxes(1, 2).copy()                     2560
    # y is 32 of x, v of w                                     t1 = np.matmul(y, t0)                            4660

Bits are kept but for these. A sum or a mean as a product adds up in another order, no more than `SHORT` numbers, for which that
is about as accurate, and gives 0.0 where all are -0.0; of the largest numbers it may overflow where the other order does not,
or not where that does, as a mean that divides before it adds. A product of matrices rounds as BLAS does for its shape and for
how its operands lie; that of a column and a row may be -0.0. Of +0.0 and -0.0, both the greatest, the first is taken. The
second power, which NumPy before 2.4 may miss by a bit, is the square.
"""

from collections.abc import Callable, Hashable
from math import copysign, inf, prod
from typing import Any

import numpy as np

from tinynet.compiler.passes.numbers import known_number
from tinynet.compiler.private import CLIP
from tinynet.compiler.program import Array, Buffer, Call, Program, View, copy_to, is_elementwise
from tinynet.compiler.ufuncs import loop_dtypes, named
from tinynet.rules.rows import SHORT, starts

__all__ = ["cheaper"]

SMALL = 16384
"""Up to so many elements an array is broadcast or cast, and a constant spelled out, before it is used."""

FEW = 512
"""From so many elements on it pays to compare with an array of a number, also if that must be made each time."""

MANY = 16384
"""From so many elements on a choice between them is made by arithmetic."""

LARGE = 65536
"""Reductions of more elements are left as they are: they may be made tile by tile."""

Constant = Callable[[tuple[int, ...], float, np.dtype[Any]], View]
"""``constant(shape, value, dtype)``."""

Rewrite = Callable[[Call, Constant], list[Call] | None]


def cheaper(program: Program) -> Program:
    """The program with cheaper calls."""

    known: dict[Hashable, View] = {}

    def constant(shape: tuple[int, ...], value: float, dtype: np.dtype[Any]) -> View:
        key = shape, dtype, np.array(value, dtype).tobytes()  # 0.0 and -0.0 are equal, but not the same
        if key not in known:
            known[key] = _constant(np.full(shape, value, dtype))
        return known[key]

    calls = [new for call in program.calls for new in _rewritten(call, constant)]
    return Program(calls, program.inputs, program.outputs)


def _rewritten(call: Call, constant: Constant) -> list[Call]:
    """What takes the place of a call: itself, or calls that are rewritten in turn."""
    if len(call.out) != 1:
        return [call]
    new = None
    if call.function in REWRITES:
        new = REWRITES[call.function](call, constant)
    if new is None and is_elementwise(call.function):
        new = _alike(call, constant)
    return [call] if new is None else [last for x in new for last in _rewritten(x, constant)]


# Views and calls -----------------------------------------------------------------------------------------------------

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def _constant(array: Array) -> View:
    array.flags.writeable = False
    return Buffer("constant", array).whole


def _new(shape: tuple[int, ...], dtype: Any) -> View:
    return Buffer("inside", np.empty(shape, dtype)).whole


def _reshaped(view: View, *shape: int) -> View:
    """A contiguous view in another shape."""
    strides = tuple(view.dtype.itemsize * prod(shape[i + 1 :]) for i in range(len(shape)))
    return view._replace(shape=shape, strides=strides)


def _instead(call: Call, function: Callable[..., Any], *args: Any, out: View | None = None, **kwargs: Any) -> Call:
    """A call in the place of another."""
    results = call.out if out is None else (out,)
    return call.another(function, args, kwargs, results, in_place=call.in_place)


# Reductions ----------------------------------------------------------------------------------------------------------


def _parts(call: Call, array: str, axis: Any) -> tuple[View, int, int, int] | None:
    """The operand of a reduction, and its shape as before, in and after the reduced axes: neighbours, of a contiguous array.

    `array` is what the function calls its operand, and `axis` what it reduces unless told.
    """
    given = named(call, (array, "axis", "dtype", "out", "keepdims"))
    x, out = given.get(array), call.out[0]
    if not isinstance(x, View) or x.dtype not in FLOATS or not x.contiguous or not x.size or not x.ndim:
        return None
    if x.buffer is out.buffer or out.dtype != x.dtype or not out.contiguous:
        return None
    if given.keys() - {array, "axis", "dtype", "keepdims"} or given.get("dtype") not in (None, x.dtype):
        return None
    axis = given.get("axis", axis)
    axes = sorted(i % x.ndim for i in (range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)))
    if not axes or axes != list(range(axes[0], axes[-1] + 1)):
        return None
    return x, prod(x.shape[: axes[0]]), prod(x.shape[axes[0] : axes[-1] + 1]), prod(x.shape[axes[-1] + 1 :])


def _sum(array: str, axis: Any = None, mean: bool = False) -> Rewrite:
    """A sum or a mean: a product with ones, or with 1/n."""

    def rewrite(call: Call, constant: Constant) -> list[Call] | None:
        parts = _parts(call, array, axis)
        if parts is None or parts[2] > SHORT or parts[0].size > LARGE:
            return None
        x, before, n, after = parts
        share = 1 / n if mean else 1.0
        (out,) = call.out
        if before > 1 and after > 1:
            factors = constant((1, n), share, x.dtype)
            return [_instead(call, np.matmul, factors, _reshaped(x, before, n, after), out=_reshaped(out, before, 1, after))]
        factors = constant((n,), share, x.dtype)
        if before > 1:
            return [_instead(call, np.dot, _reshaped(x, before, n), factors, out=_reshaped(out, before))]
        if after > 1:
            return [_instead(call, np.dot, factors, _reshaped(x, n, after), out=_reshaped(out, after))]
        return [_instead(call, np.dot, factors, _reshaped(x, n), out=_reshaped(out))]

    return rewrite


def _greatest(array: str, axis: Any = None) -> Rewrite:
    """The greatest, or least, of each row: its place, which NumPy finds in a sixth of the time, and what is there."""

    def rewrite(call: Call, constant: Constant) -> list[Call] | None:
        parts = _parts(call, array, axis)
        if parts is None or parts[3] > 1 or not 1 < parts[2] <= SHORT or parts[0].size > LARGE:
            return None
        x, rows, n, _ = parts
        is_least = call.function in (np.min, np.minimum.reduce)
        place = _new((rows,), np.intp)
        found = call.another(np.argmin if is_least else np.argmax, (_reshaped(x, rows, n),), {"axis": 1}, (place,))
        index = _new((rows,), np.intp)
        added = call.another(np.add, (place, _constant(starts(rows, n))), {}, (index,))
        flat, out = _reshaped(x, x.size), _reshaped(call.out[0], rows)
        return [found, added, _instead(call, np.take, flat, index, mode="clip", out=out)]

    return rewrite


# Products ------------------------------------------------------------------------------------------------------------


def _matmul(call: Call, constant: Constant) -> list[Call] | None:
    """`numpy.matmul` of matrices or vectors: `numpy.dot`; of columns and rows: `numpy.multiply`.

    Many small products with transposed matrices: with copies of these, over which BLAS takes half as long where it has kernels
    for small matrices; where it has none, the copies cost up to a fifth.
    """
    a, b = call.args
    (out,) = call.out
    if not (isinstance(a, View) and isinstance(b, View)) or call.kwargs or not out.contiguous:
        return None
    if not a.dtype == b.dtype == out.dtype or a.dtype not in FLOATS or not a.size or not b.size:
        return None
    if a.ndim <= 2 and b.ndim <= 2:
        return [_instead(call, np.dot, a, b)]
    if a.ndim > 2 and b.ndim <= 2 and a.contiguous:
        rows, *columns = prod(a.shape[:-1]), *b.shape[1:]
        return [_instead(call, np.dot, _reshaped(a, rows, a.shape[-1]), b, out=_reshaped(out, rows, *columns))]
    if a.ndim == b.ndim and a.shape[-1] == 1:
        return [_instead(call, np.multiply, a, b)]
    if a.ndim == b.ndim and _are_transposed(b) and max(b.shape[-2:]) <= MOST_COLUMNS and a.shape[-2] >= 2 * b.shape[-1]:
        laid = _new(b.shape, b.dtype)
        return [call.another(copy_to, (b,), {}, (laid,)), _instead(call, np.matmul, a, laid)]
    return None


MOST_COLUMNS = 64
"""Up to so many rows and columns, and with at least two rows of the result a column, it pays to lay a transposed matrix out."""


def _are_transposed(x: View) -> bool:
    """Whether the matrices of a stack lie column after column."""
    return prod(x.shape[:-2]) > 1 < min(x.shape[-2:]) and x.strides[-2] == x.dtype.itemsize


# Elementwise ---------------------------------------------------------------------------------------------------------


def _extreme(call: Call, constant: Constant) -> list[Call] | None:
    """The greater, or smaller, of an array and a number.

    Two arrays are compared four times as fast as an array and a number. Where an array of the number would be large, the ufunc
    of `numpy.clip` is as fast; it keeps -0.0 beside 0.0, and adding 0.0 mends that.
    """
    (out,) = call.out
    x, number = call.args
    if call.kwargs or not isinstance(x, View) or x.dtype != out.dtype or x.dtype not in FLOATS or x.shape != out.shape:
        return None
    if isinstance(number, View) and _is_alike(number, x.shape, x.dtype) and x.size > 1:
        return None
    value = known_number(number)
    if value is None:
        if not isinstance(number, View) or number.size > 1 or number.dtype != x.dtype or not FEW < x.size <= SMALL:
            return None
        numbers = _new(x.shape, x.dtype)
        return [call.another(copy_to, (number,), {}, (numbers,)), _instead(call, call.function, x, numbers)]
    if 1 < x.size <= SMALL:
        return [_instead(call, call.function, x, constant(x.shape, value, x.dtype))]
    if CLIP is None or (copysign(1, value) == -1 and not value):
        return None
    bounds = (value, inf) if call.function is np.maximum else (-inf, value)
    clipped = _instead(call, CLIP, x, *(constant((), bound, x.dtype) for bound in bounds))
    zero = constant((), 0.0, x.dtype)
    return [clipped] if value else [clipped, call.another(np.add, (out, zero), {}, (out,), in_place=True)]


def _power(call: Call, constant: Constant) -> list[Call] | None:
    """The second power: the square, which it equals in less time."""
    (out,) = call.out
    x, exponent = call.args
    if call.kwargs or known_number(exponent) != 2 or not isinstance(x, View) or x.dtype not in FLOATS:
        return None
    return [_instead(call, np.square, x)] if (x.shape, x.dtype) == (out.shape, out.dtype) else None


def _where(call: Call, constant: Constant) -> list[Call] | None:
    """Three-operand `numpy.where` of many: bits chosen by arithmetic, y ^ ((x ^ y) · mask).

    A choice element by element stalls the processor wherever it guesses wrong, in a random mask every other time.
    """
    (out,) = call.out
    if len(call.args) != 3 or call.kwargs or call.in_place or out.size < MANY or out.dtype not in FLOATS or not out.contiguous:
        return None
    mask, *choices = (constant((), x, out.dtype) if isinstance(x, int | float) else x for x in call.args)
    if not isinstance(mask, View) or mask.dtype != np.bool_ or mask.shape != out.shape:
        return None
    if any(not isinstance(x, View) or x.dtype != out.dtype or x.shape not in ((), out.shape) for x in choices):
        return None
    bits = np.dtype(f"i{out.dtype.itemsize}")
    x, y = (x._replace(dtype=bits) for x in choices)
    chosen, change, result = _new(out.shape, bits), _new(out.shape, bits), out._replace(dtype=bits)
    return [
        call.another(copy_to, (mask,), {}, (chosen,)),
        call.another(np.bitwise_xor, (x, y), {}, (change,)),
        call.another(np.multiply, (change, chosen), {}, (change,), in_place=True),
        _instead(call, np.bitwise_xor, y, change, out=result),
    ]


def _alike(call: Call, constant: Constant) -> list[Call] | None:
    """An elementwise call on operands of its own shape and dtype: one that must be cast or broadcast is copied before."""
    (out,) = call.out
    if call.kwargs or not 1 < out.size <= SMALL or len(call.args) < 2:
        return None
    dtypes = loop_dtypes(call)
    if dtypes is None:
        return None
    copies, args = [], []
    for x, dtype in zip(call.args, dtypes, strict=False):
        if isinstance(x, View) and x.size > 1 and any(x.strides) and not _is_alike(x, out.shape, dtype):
            if x.buffer.kind == "constant":
                x = _constant(np.broadcast_to(x.on(x.buffer.array), out.shape).astype(dtype, order="C"))
            else:
                copies.append(call.another(copy_to, (x,), {}, (_new(out.shape, dtype),)))
                x = copies[-1].out[0]
        args.append(x)
    same = all(x is y for x, y in zip(args, call.args, strict=True))
    return None if same else [*copies, _instead(call, call.function, *args)]


def _is_alike(x: View, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    return x.shape == shape and x.dtype == dtype and all(stride or n == 1 for n, stride in zip(shape, x.strides, strict=True))


REWRITES: dict[Any, Rewrite] = {
    np.add.reduce: _sum("array", 0),
    np.sum: _sum("a"),
    np.mean: _sum("a", mean=True),
    np.maximum.reduce: _greatest("array", 0),
    np.minimum.reduce: _greatest("array", 0),
    np.max: _greatest("a"),
    np.min: _greatest("a"),
    np.matmul: _matmul,
    np.maximum: _extreme,
    np.minimum: _extreme,
    np.power: _power,
    np.where: _where,
}
"""What takes the place of calls of each function; that of other ufuncs is `_alike`."""
