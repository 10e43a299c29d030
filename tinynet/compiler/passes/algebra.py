"""Calls that give one of their operands, or what a cheaper call gives as well, to the last bit.

    t0[8] = np.multiply(x0[8], 1.0)               t0[8] = copy(x0[8])
    t1[8] = np.negative(t0[8])                →   t1[8] = np.negative(t0[8])
    t2[8] = np.negative(t1[8])                    t2[8] = copy(t0[8])
    t3[8] = np.divide(t2[8], 4.0)                 t3[8] = np.multiply(t2[8], 0.25)

Not ``x + 0.0``, which makes +0.0 of -0.0, nor ``x * 0.0``, which is NaN where x is infinite.
"""

from collections import Counter
from collections.abc import Callable
from math import copysign, frexp
from typing import Any

import numpy as np

from tinynet.compiler.passes.numbers import known_number
from tinynet.compiler.program import Call, Program, View, copy_to

__all__ = ["algebra"]

CHANGES_NOTHING: dict[Any, Callable[[float], bool]] = {
    np.multiply: lambda c: c == 1,
    np.divide: lambda c: c == 1,
    np.power: lambda c: c == 1,
    np.subtract: lambda c: c == 0 and copysign(1, c) == 1,
    np.add: lambda c: c == 0 and copysign(1, c) == -1,
}
"""For which second operand a function gives its first one."""

INVERSES = frozenset({np.negative, np.invert, np.logical_not})
"""Functions that, made twice, give the operand."""


def algebra(program: Program) -> Program:
    """The program with cheaper calls."""
    writes = Counter(view.buffer for call in program.calls for view in call.out)
    inverted: dict[View, Call] = {}
    calls = []
    for given in program.calls:
        call = given
        if _is_plain(call) and call.function in INVERSES:
            (x,), (out,) = call.args, call.out
            before = inverted.get(x)
            if before is not None and before.function is call.function and out.dtype == before.args[0].dtype:
                call = _copy(call, before.args[0])
            elif writes[x.buffer] == (x.buffer.kind == "inside") and writes[out.buffer] == 1:
                inverted[out] = call
        elif _is_plain(call) and len(call.args) == 2:
            call = _simplified(call)
        calls.append(call)
    return Program(calls, program.inputs, program.outputs)


def _is_plain(call: Call) -> bool:
    """Whether a call is of a ufunc, on all elements."""
    return isinstance(call.function, np.ufunc) and not call.kwargs and len(call.out) == 1


def _simplified(call: Call) -> Call:
    """A cheaper call of the same value where one operand is a constant number."""
    x, y = call.args
    (out,) = call.out
    number = known_number(y)
    if number is None and call.function in (np.multiply, np.add):
        x, y, number = y, x, known_number(x)
    if number is None or not isinstance(x, View) or (x.shape, x.dtype) != (out.shape, out.dtype):
        return call
    if call.function in CHANGES_NOTHING and CHANGES_NOTHING[call.function](number):
        return _copy(call, x)
    if call.function is np.divide and abs(frexp(number)[0]) == 0.5 and _are_normal(out.dtype, number, 1 / number):
        return call.another(np.multiply, (x, 1 / number), {}, call.out, in_place=call.in_place)
    return call


def _are_normal(dtype: np.dtype[Any], *numbers: float) -> bool:
    """Whether powers of two are normal numbers of a dtype, which then holds them exactly."""
    return dtype.kind == "f" and all(np.finfo(dtype).tiny <= abs(x) <= np.finfo(dtype).max for x in numbers)


def _copy(call: Call, x: View) -> Call:
    return call.another(copy_to, (x,), {}, call.out, in_place=call.in_place)
