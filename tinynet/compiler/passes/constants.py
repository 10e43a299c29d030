"""What depends on constants alone is computed once, when the program is made.

    t0[3] = np.empty_like(x0[3])
    t0[3] = copy(2.0)                             c0: 2.0, 2.0, 2.0
    t1[3] = np.add(t0[3], 1.0)                →   t1[3] = np.multiply(x0[3], c1[3])    where c1 is c0 + 1.0
    t2[3] = np.multiply(x0[3], t1[3])

So is what depends on the shape of an array alone, such as `numpy.zeros_like`. A result far larger than what it is made of is
computed at each replay, for it would cost more memory than it saves time.

A constant that a kept call hands out, as a gradient to its tensor, is copied for it each time: who gets it may change it.
"""

from collections import Counter

import numpy as np

from tinynet.compiler.calls import bound
from tinynet.compiler.passes.accesses import draws, fills
from tinynet.compiler.program import Array, Buffer, Call, Program, View, copy_to
from tinynet.compiler.threads import make

__all__ = ["constants"]

OF_SHAPES = frozenset({np.zeros_like, np.ones_like})
"""Functions that do not look at the values in their operand."""

ALWAYS_WORTH = 1 << 18
"""How many bytes a constant may have, whatever it is made of."""


def constants(program: Program) -> Program:
    """The program with constants in place of the calls that compute them."""
    writes = Counter(view.buffer for call in program.calls for view in call.out)
    computed: dict[Buffer, Buffer] = {}

    def known(view: View) -> View:
        return view._replace(buffer=computed[view.buffer]) if view.buffer in computed else view

    calls = []
    for given in program.calls:
        call = given.replaced(known) if any(view.buffer in computed for view in given.reads()) else given
        if all(writes[view.buffer] == 1 and view.buffer.kind == "inside" for view in call.out) and _is_constant(call):
            computed |= _results(call)
        else:
            calls.append(call)
    return _handing_out_copies(Program(calls, program.inputs, [known(view) for view in program.outputs]))


def _handing_out_copies(program: Program) -> Program:
    """The program with copies of the constants that are outputs and read by kept calls, too."""
    outputs = {view.buffer for view in program.outputs if view.buffer.kind == "constant"}
    copies: dict[Buffer, Buffer] = {}

    def handed(view: View) -> View:
        return view._replace(buffer=copies[view.buffer]) if view.buffer in copies else view

    calls = []
    for call in program.calls:
        for view in call.reads() if call.kept else ():
            if view.buffer in outputs and view.buffer not in copies:
                copies[view.buffer] = Buffer("inside", np.empty_like(view.buffer.array))
                calls.append(Call(copy_to, (view.buffer.whole,), {}, (copies[view.buffer].whole,), line=call.line))
        calls.append(call.replaced(handed) if call.kept and copies else call)
    return Program(calls, program.inputs, [handed(view) for view in program.outputs])


def _is_constant(call: Call) -> bool:
    """Whether a call gives the same whenever it is made, and is worth to be made once only."""
    if call.kept or call.updates or draws(call) or not all(fills(view, view.buffer) for view in call.out):
        return False
    if call.in_place and call.function is not copy_to:
        return False
    reads = list(call.reads())
    if call.function not in OF_SHAPES and any(view.buffer.kind != "constant" for view in reads):
        return False
    made_of = sum(view.buffer.array.nbytes for view in reads if view.buffer.kind == "constant")
    return sum(view.buffer.array.nbytes for view in call.out) <= max(ALWAYS_WORTH, made_of)


def _results(call: Call) -> dict[Buffer, Buffer]:
    """For each buffer that the call writes to a constant that holds what it writes."""
    results = {view.buffer: Buffer("constant", np.empty_like(view.buffer.array)) for view in call.out}

    def array(view: View) -> Array:
        return view.on(results.get(view.buffer, view.buffer).array)

    with np.errstate(all="ignore"):  # the step has warned when it was recorded
        make(bound(call, array))
    for buffer in results.values():
        buffer.array.flags.writeable = False
    return results
