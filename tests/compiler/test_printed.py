"""How a recorded program reads."""

import numpy as np

import tinynet as tn
from tinynet.compiler.recording import record


def test_a_program_is_printed_as_numpy_code():
    w = tn.tensor(np.ones((2, 3)), requires_grad=True)
    total = np.zeros(2)

    def step(x, rows):
        h = np.tanh(x @ w.T) * 0.5
        np.add(total, np.sum(h.data, axis=0), out=total)
        first = h.data[:, 0].astype(np.float32)
        parts = np.zeros((4, 2))
        parts[1:3, 0] += x[::2, -1]
        np.copyto(parts[3], h.data[0])
        return np.concatenate([tn.Tensor(parts)[rows], h.data * 1]), first, x[1:]

    assert str(record(step, (np.ones((4, 3)), np.array([2, 0])), {}).program).splitlines() == PRINTED.splitlines()[1:]


PRINTED = """
x0: float64[4, 3]  # argument
x1: int64[2]  # argument
p0: float64[2, 3]  # array from outside
p1: float64[2]  # array from outside
c0: float64[4, 2]  # constant
t0 = np.matmul(x0, p0.T)  # float64[4, 2]
t1 = np.tanh(t0)  # float64[4, 2]
t2 = np.multiply(t1, 0.5)  # float64[4, 2]
t3 = np.sum(t2, axis=0)  # float64[2]
np.add(p1, t3, out=p1)
t4 = t2[:, 0].astype(np.float32)  # float32[4]
t5 = c0.copy()  # float64[4, 2]
np.add(t5[1:3, 0], x0[::2, 2], out=t5[1:3, 0])
t5[3][...] = t2[0]
t6 = t5[x1]  # float64[2, 2]
t7 = np.multiply(t2, 1)  # float64[4, 2]
t8 = np.concatenate((t6, t7), axis=0)  # float64[6, 2]
return t8, t4, x0[1:]
"""
