"""A product of matrices of which only the transpose is used is computed as the transpose.

    t0[2, 3, 4] = np.matmul(x0[2, 3, 5], x1[2, 5, 4])          t0[2, 4, 3] = np.matmul(x1.T[2, 4, 5], x0.T[2, 5, 3])
    t1[2, 4, 3] = copy(t0.T[2, 4, 3])                     →    t1[2, 4, 3] = copy(t0[2, 4, 3])

The copy can be left out then. BLAS rounds the one as well as the other, but not always to the same bits.

A copy that NumPy lays out as its source, in another order than that of its axes, is laid out in their order if nobody computes
with it: if it is copied again, given to the caller or handed out as a gradient.
"""

from collections import Counter

import numpy as np

from tinynet.compiler.program import Buffer, Call, Program, View, copy_to

__all__ = ["transposed"]


def transposed(program: Program) -> Program:
    """The program with some products of matrices the other way round."""
    return _with_turned_products(_with_laid_out_copies(program))


def _with_laid_out_copies(program: Program) -> Program:
    writes = Counter(view.buffer for call in program.calls for view in call.out)
    copies = {call.out[0].buffer: call.out[0] for call in program.calls if call.function is copy_to and not call.in_place}
    for call in program.calls:
        for view in call.reads():
            if view.buffer in copies and (view != copies[view.buffer] or (call.function is not copy_to and call.out)):
                del copies[view.buffer]
    for view in program.outputs:
        if view != copies.get(view.buffer, view):
            del copies[view.buffer]
    instead = {
        buffer: Buffer("inside", np.empty(view.shape, view.dtype)).whole
        for buffer, view in copies.items()
        if not view.contiguous and view == buffer.whole and writes[buffer] == 1
    }

    def changed(view: View) -> View:
        return instead.get(view.buffer, view)

    calls = [call.replaced(changed) for call in program.calls] if instead else program.calls
    return Program(calls, program.inputs, [changed(view) for view in program.outputs])


def _with_turned_products(program: Program) -> Program:
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
