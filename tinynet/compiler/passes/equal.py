"""Equal calls are made once: the same function of the same contents gives the same result.

    t0[8] = np.tanh(x0[8])
    t1[8] = np.add(x0[8], 1.0)        t0[8] = np.tanh(x0[8])
    t2[8] = np.tanh(x0[8])        →   t1[8] = np.add(x0[8], 1.0)
    t3[8] = np.add(1.0, x0[8])        return t0[8], t1[8], t1[8]
    return t2[8], t1[8], t3[8]

The operands of a sum or a product may be in either order. (Not of a maximum: which of +0 and -0 it gives, it may tell by
their order.) Calls that draw random numbers are never equal. Where the caller gets both results, both are computed: he may
change one of them.
"""

from collections import Counter
from collections.abc import Hashable
from typing import Any

import numpy as np

from tinynet.compiler.passes.accesses import is_pure
from tinynet.compiler.program import Buffer, Call, Program, View

__all__ = ["equal"]

COMMUTATIVE = frozenset({
    np.add, np.multiply, np.equal, np.not_equal, np.logical_and, np.logical_or, np.logical_xor, np.bitwise_and, np.bitwise_or,
    np.bitwise_xor,
})  # fmt: skip


def equal(program: Program) -> Program:
    """The program with one call in place of equal ones."""
    writes = Counter(view.buffer for call in program.calls for view in call.out)
    outputs = {view.buffer for view in program.outputs}
    versions: Counter[Buffer] = Counter()
    known: dict[Hashable, Call] = {}
    same: dict[Buffer, Buffer] = {}

    def first(view: View) -> View:
        return view._replace(buffer=same[view.buffer]) if view.buffer in same else view

    calls = []
    for given in program.calls:
        call = given.replaced(first) if any(view.buffer in same for view in given.reads()) else given
        if is_pure(call) and all(writes[view.buffer] == 1 for view in call.out):
            key = _key(call, versions)
            twin = known.setdefault(key, call)
            shares = {view.buffer: other.buffer for view, other in zip(call.out, twin.out, strict=False)}
            if twin is not call and not (outputs & shares.keys() and outputs & set(shares.values())):
                same |= shares
                outputs |= {shares[buffer] for buffer in outputs & shares.keys()}
                continue
        calls.append(call)
        versions.update(view.buffer for view in call.out)
    return Program(calls, program.inputs, [first(view) for view in program.outputs])


def _key(call: Call, versions: Counter[Buffer]) -> Hashable:
    """What equal calls have in common; something that no other call has if an argument cannot be compared."""
    args: Any = tuple(_part(x, versions) for x in call.args)
    if call.function in COMMUTATIVE and len(args) == 2:
        args = frozenset(args) if args[0] != args[1] else args[:1]
    key = call.function, args, _part(call.kwargs, versions), tuple(view[1:] for view in call.out), call.errors
    try:
        hash(key)
    except TypeError:
        return id(call)
    return key


def _part(x: Any, versions: Counter[Buffer]) -> Any:
    if type(x) is View:
        return x, versions[x.buffer]
    if isinstance(x, tuple | list):
        return type(x), *(_part(item, versions) for item in x)
    if isinstance(x, dict):
        return dict, *((name, _part(item, versions)) for name, item in x.items())
    if isinstance(x, slice):
        return slice, _part((x.start, x.stop, x.step), versions)
    if isinstance(x, float | complex | np.generic):
        return type(x), np.asarray(x).tobytes()  # 0.0 and -0.0 are equal, but not the same
    return type(x), x
