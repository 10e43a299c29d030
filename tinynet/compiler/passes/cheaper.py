"""Calls of one function become calls of others that come to the same in less time, on arrays that fit in the cache.

On small arrays the way in costs more than the work. A product with ones skips what a reduction prepares; a ufunc whose
operands all have one shape and dtype skips its iterator. A row of the table `REWRITES` says what takes the place of a call; for
32 x 16 float32 numbers, in nanoseconds:

    t0[32, 16] = np.add(x[32, 16], b[16])               850    t0[32, 16] = copy(b[16])                          590
                                                               t1[32, 16] = np.add(x[32, 16], t0[32, 16])
    t0[32, 16] = np.multiply(x[32, 16], mask[32, 16])   840    t0[32, 16] = copy(mask[32, 16]), as numbers       380
                                                               t1[32, 16] = np.multiply(x[32, 16], t0[32, 16])
    t0[32, 16] = np.maximum(x[32, 16], 0.0)             530    t0[32, 16] = np.maximum(x[32, 16], c0[32, 16])    360
    t0[32] = np.add.reduce(x[32, 16], axis=1)          1150    t0[32] = np.dot(x[32, 16], c0[16])                220
    t0[32] = np.maximum.reduce(x[32, 16], axis=1)      2350    t0[32] = np.argmax(x[32, 16], axis=1)             950
                                                               t1[32] = np.add(t0[32], c0[32])
                                                               t2[32] = np.take(x.reshape(512), t1[32])
    t0[32, 16] = np.matmul(x[32, 16], w[16, 16])       1010    t0[32, 16] = np.dot(x[32, 16], w[16, 16])         490

Bits are kept but for these. A sum or a mean as a product adds up in another order and takes no more than `SHORT` numbers in a
row, for which that is as accurate; -0.0 is 0.0 in a sum. A product of matrices rounds as BLAS does for its shape. Of +0.0 and
-0.0, both the greatest, the first is taken.
"""

from collections.abc import Callable
from functools import cache
from math import copysign, prod
from typing import Any

import numpy as np

from tinynet.compiler.calls import CLIP, loop_dtypes, named
from tinynet.compiler.program import Array, Buffer, Call, Program, View, copy_to

__all__ = ["cheaper"]

SHORT = 1024
"""So many numbers are added up by a product with ones."""

SMALL = 16384
"""Up to so many elements an array is broadcast, and a constant spelled out, before it is used."""

Constant = Callable[[tuple[int, ...], float, np.dtype[Any]], View]
"""``constant(shape, value, dtype)``."""

Rewrite = Callable[[Call, Constant], list[Call] | None]


def cheaper(program: Program) -> Program:
    """The program with cheaper calls."""

    @cache
    def constant(shape: tuple[int, ...], value: float, dtype: np.dtype[Any]) -> View:
        return _constant(np.full(shape, value, dtype))

    calls = [new for call in program.calls for new in _rewritten(call, constant)]
    return Program(calls, program.inputs, program.outputs)


def _rewritten(call: Call, constant: Constant) -> list[Call]:
    if call.updates or call.kept or len(call.out) != 1:
        return [call]
    ufunc = isinstance(call.function, np.ufunc) and call.function.signature is None
    for rewrite in (*REWRITES.get(call.function, ()), *((_alike,) if ufunc else ())):
        new = rewrite(call, constant)
        if new is not None:
            return [last for x in new for last in _rewritten(x, constant)]
    return [call]


# Views and calls -----------------------------------------------------------------------------------------------------

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def _constant(array: Array) -> View:
    array.flags.writeable = False
    return Buffer("constant", array).whole


def _new(shape: tuple[int, ...], dtype: Any) -> View:
    return Buffer("inside", np.empty(shape, dtype)).whole


def _reshaped(view: View, *shape: int) -> View:
    """A contiguous view in another shape."""
    strides = (*np.cumprod((view.dtype.itemsize, *shape[:0:-1]))[::-1].tolist(),) if shape else ()
    return view._replace(shape=shape, strides=strides)


def _instead(call: Call, function: Callable[..., Any], *args: Any, out: View | None = None, **kwargs: Any) -> Call:
    """A call in the place of another."""
    results = call.out if out is None else (out,)
    return Call(function, args, kwargs, results, in_place=call.in_place and out is None, line=call.line)


# Reductions ----------------------------------------------------------------------------------------------------------


def _block(call: Call, parameters: tuple[str, ...], axis: Any = None) -> tuple[View, int, int, int] | None:
    """The operand of a reduction, and its shape as (before, reduced, after): axes that stand together, of a contiguous array."""
    given = named(call, parameters)
    x = given.get("array")
    if not isinstance(x, View) or x.dtype not in FLOATS or not x.contiguous or not x.size or not call.out[0].contiguous:
        return None
    if call.out[0].dtype != x.dtype or given.get("dtype") not in (None, x.dtype) or not given.keys() <= _PLAIN:
        return None
    axis = given.get("axis", axis)
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = sorted(i % x.ndim for i in axes)
    if not axes or axes != list(range(axes[0], axes[-1] + 1)):
        return None
    return x, prod(x.shape[: axes[0]]), prod(x.shape[axes[0] : axes[-1] + 1]), prod(x.shape[axes[-1] + 1 :])


_PLAIN = {"array", "axis", "dtype", "keepdims"}
_NUMPYS = ("array", "axis", "dtype", "out", "keepdims")


def _sum(call: Call, constant: Constant) -> list[Call] | None:
    """``np.sum``."""
    return _as_product(call, constant, _block(call, _NUMPYS), mean=False)


def _add_reduce(call: Call, constant: Constant) -> list[Call] | None:
    """``np.add.reduce``, which reduces the first axis unless told."""
    return _as_product(call, constant, _block(call, _NUMPYS, axis=0), mean=False)


def _mean(call: Call, constant: Constant) -> list[Call] | None:
    """``np.mean``."""
    return _as_product(call, constant, _block(call, ("array", *_NUMPYS[1:])), mean=True)


def _as_product(call: Call, constant: Constant, block: tuple[View, int, int, int] | None, mean: bool) -> list[Call] | None:
    if block is None or block[2] > SHORT:
        return None
    x, before, n, after = block
    out = call.out[0]
    share = 1 / n if mean else 1.0
    if before == 1 or after == 1:
        factors = constant((n,), share, x.dtype)
        shapes = [n if length == 1 else length for length in ()]
        del shapes
        if before == after == 1:
            new = _instead(call, np.dot, factors, _reshaped(x, n))
            target = _reshaped(out)
        elif after == 1:
            new = _instead(call, np.dot, _reshaped(x, before, n), factors)
            target = _reshaped(out, before)
        else:
            new = _instead(call, np.dot, factors, _reshaped(x, n, after))
            target = _reshaped(out, after)
    else:
        new = _instead(call, np.matmul, constant((1, n), share, x.dtype), _reshaped(x, before, n, after))
        target = _reshaped(out, before, 1, after)
    new.out = (target,)
    return [new]
