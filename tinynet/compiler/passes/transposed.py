"""A product of matrices of which only the transpose is used is computed as the transpose.

    t0[2, 3, 4] = np.matmul(x0[2, 3, 5], x1[2, 5, 4])          t0[2, 4, 3] = np.matmul(x1.T[2, 4, 5], x0.T[2, 5, 3])
    t1[2, 4, 3] = copy(t0.T[2, 4, 3])                     →    t1[2, 4, 3] = copy(t0[2, 4, 3])

The copy can be left out then. BLAS rounds the one as well as the other, but not always to the same bits.
"""

from collections import Counter

import numpy as np

from tinynet.compiler.program import Buffer, Call, Program, View

__all__ = ["transposed"]


def transposed(program: Program) -> Program:
    """The program with some products of matrices the other way round."""
    writes = Counter(view.buffer for call in program.calls for view in call.out)
    seen = {call.out[0].buffer: _swapped(call.out[0]) for call in program.calls if _is_product(call)}
    for view in (*(view for call in program.calls for view in call.reads()), *program.outputs):
        if view.buffer in seen and not (_same(view, seen[view.buffer]) and writes[view.buffer] == 1):
            del seen[view.buffer]
    instead = {buffer: Buffer("inside", np.empty(view.shape, view.dtype)).whole for buffer, view in seen.items()}

    def changed(view: View) -> View:
        return instead.get(view.buffer, view)

    calls = []
    for call in program.calls:
        if call.out and call.out[0].buffer in instead:
            a, b = map(changed, call.args)
            call = call.another(call.function, (_swapped(b), _swapped(a)), {}, (changed(call.out[0]),))
        elif any(view.buffer in instead for view in call.reads()):
            call = call.replaced(changed)
        calls.append(call)
    return Program(calls, program.inputs, [changed(view) for view in program.outputs])


def _is_product(call: Call) -> bool:
    """Whether a call is a product of matrices, or of stacks of them, that makes a new array."""
    if call.function not in (np.matmul, np.dot) or call.kwargs or call.in_place:
        return False
    if not all(isinstance(x, View) for x in call.args):
        return False
    (out,), dimensions = call.out, {x.ndim for x in call.args}
    return min(dimensions) >= 2 and (call.function is np.matmul or dimensions == {2}) and out == out.buffer.whole


def _swapped(x: View) -> View:
    """A stack of matrices, each transposed."""
    return x._replace(
        shape=(*x.shape[:-2], x.shape[-1], x.shape[-2]), strides=(*x.strides[:-2], x.strides[-1], x.strides[-2])
    )


def _same(x: View, y: View) -> bool:
    """Whether views of one buffer are the same array; strides along axes of length 1 say nothing."""
    strides = zip(x.shape, x.strides, y.strides, strict=False)
    return (x.shape, x.dtype, x.offset) == (y.shape, y.dtype, y.offset) and all(n == 1 or a == b for n, a, b in strides)
