"""Calls on single numbers, such as an optimizer's bias corrections, are made in Python's own floats.

A ufunc takes as long for one number as for a hundred. Python's floats are the same float64, and take a tenth of that:

    t0[] = np.power(0.9, p0[])              with Python floats:
    t1[] = np.subtract(1, t0[])        →        t0[] = np.power(0.9, p0[])
    t2[] = np.divide(p1[], t1[])                ...

The calls of a group run where the first of their results is needed. All keep their bits but `numpy.power`, of which NumPy
itself has two: for arrays, and, as Python, for its own single numbers.
"""

from collections import Counter

import numpy as np

from tinynet.compiler.passes.accesses import meet
from tinynet.compiler.program import Buffer, Call, Program, View, copy_to
from tinynet.compiler.scalars import FORMULAS, Scalars, place

__all__ = ["scalars"]


def scalars(program: Program) -> Program:
    """Neighbouring calls on single numbers, as one."""
    uses = Counter(view.buffer for call in program.calls for view in (*call.reads(), *call.out))
    uses.update(view.buffer for view in program.outputs)
    calls: list[Call] = []
    group: list[Call] = []
    for call in program.calls:
        if _is_scalar(call) and not _reads_single(call, group) and call.errors == (group or [call])[0].errors:
            group.append(call)
        elif group and _needs(call, group):
            calls += [*_joined(group, uses), call]
            group = []
        else:
            calls.append(call)
    return Program([*calls, *_joined(group, uses)], program.inputs, program.outputs)


def _is_scalar(call: Call) -> bool:
    if call.function not in FORMULAS or call.kwargs or call.updates or call.kept or len(call.out) != 1:
        return False
    (out,) = call.out
    if out.size != 1 or not (out.dtype == "float64" or (out.dtype == "float32" and call.function is copy_to)):
        return False
    return all(
        x.size == 1 and x.dtype == "float64" if isinstance(x, View) else type(x) in (int, float) for x in call.args
    )


def _reads_single(call: Call, group: list[Call]) -> bool:
    """Whether a call reads what the group rounds to float32."""
    rounded = {place(x.out[0]) for x in group if x.out[0].dtype == "float32"}
    return any(place(view) in rounded for view in call.reads())


def _needs(call: Call, group: list[Call]) -> bool:
    """Whether a call must come after the group: it uses what that computes, changes what that reads, or may end the step."""
    written = [view for x in group for view in x.out]
    if call.kept and any(view.buffer.kind == "outside" for view in written):
        return True
    read = [view for x in group for view in x.reads()]
    uses = (*call.reads(), *call.out)
    return any(meet(a, b) for a in uses for b in written) or any(meet(a, b) for a in call.out for b in read)


def _joined(group: list[Call], uses: Counter[Buffer]) -> list[Call]:
    if not any(isinstance(call.function, np.ufunc) for call in group):
        return group  # copies alone are as quick as they are
    here = Counter(view.buffer for call in group for view in (*call.reads(), *call.out))
    private = dict.fromkeys(buffer for buffer, n in here.items() if buffer.kind == "inside" and n == uses[buffer])
    return [Scalars(group, private)]
