"""Wrong gradient rules of every kind: each is rejected, with a message that points at the cause.

``pytest tests/test_planted.py -k cause -s`` prints them with their messages.
"""

from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinynet as tn
from tinynet.rules import TABLE
from tinynet.testing import GradcheckError, gradcheck

X = np.array([[0.5, -1.25, 2.0], [1.5, 0.75, -0.5]])
SQUARE = np.array([[1.0, 2.0, 0.5], [-0.5, 1.5, 1.0], [0.25, -1.0, 3.0]])
WEIGHTS = np.array([[0.5, 1.0], [-1.5, 0.25], [2.0, -0.75]])
LINE = np.array([0.5, -1.25, 2.0, 1.5, 0.75, -0.5])


class Planted(NamedTuple):
    """An operation with wrong rules, called with `inputs` and `params`, and what the message must say."""

    forward: Any
    vjps: tuple[Any, ...]
    expected: str
    inputs: tuple[Any, ...] = (X,)
    params: dict[str, Any] = {}  # noqa: RUF012
    options: dict[str, Any] = {}  # noqa: RUF012


# Operations ----------------------------------------------------------------------------------------------------------


def cube(x):
    return x**3


def tilt(x):
    return x * np.exp(x)


def soft(x):
    e = np.exp(x)
    return e / np.sum(e, axis=-1, keepdims=True)


def scaled(x, y):
    return x * y


def product(a, b):
    return a @ b


def running_sum(x):
    return np.cumsum(x, axis=0)


def total(x, axis=0, keepdims=False):
    return np.sum(x**2, axis=axis, keepdims=keepdims)


def running(x, axis=0):
    return np.cumsum(x, axis=axis)


def differences(x):
    return x[1:] - x[:-1]


def neighbours(x):
    return np.append(x[1:], 0.0) * 1.0


def picked(x):
    return x[np.array([0, 2, 0])]


def ramp(x):
    return np.maximum(x, 0.0)


def largest(x):
    return np.max(x, axis=-1)


def logistic(x):
    return 1 / (1 + np.exp(-x))


def mirrored(x):
    return x + x.T


# Wrong rules ---------------------------------------------------------------------------------------------------------


def cut(x):
    """The value without its graph."""
    return x.detach() if isinstance(x, tn.Tensor) else x


def once_cut(x):
    """The value, whose graph is there for one derivative and not for the next."""
    return twice_right(x)


def with_spike(d):
    d = d.copy()
    d[1, 2] += 5.0
    return d


def scattered_without_add(g, out, x):
    d = np.zeros_like(x)
    d[np.array([0, 2, 0])] = g
    return d


def changing(argument):
    def vjp(g, out, x):
        d = 3 * g * x**2
        {"g": g, "out": out, "x": x}[argument][...] = 0.0
        return d

    return vjp


class Noisy:
    """A rule that draws anew at each call."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __call__(self, g, out, x):
        return 3 * g * x**2 * (self.rng.random(x.shape) > 0.3) / 0.7


class Keeping:
    """An operation that keeps its argument for its rule, and so forgets the call before."""

    __name__ = "keeping"

    def __call__(self, x):
        self.x = x
        return x**3

    def vjp(self, g, out, x):
        return 3 * g * self.x**2


@tn.primitive
def twice_right(x):
    return x * 1.0


twice_right.defvjp(lambda g, out, x: cut(g) * 1.0)


keeping = Keeping()
right = lambda g, out, x: 3 * g * x**2  # noqa: E731
OWN = "for operand {} is wrong on its own: {}".format
SINGLE = X.astype(np.float32)
PLANTED = {
    # by its value
    "a sign": Planted(cube, (lambda g, out, x: -3 * g * x**2,), OWN(0, "its sign is wrong")),
    "a factor": Planted(cube, (lambda g, out, x: 2 * g * x**2,), OWN(0, "it is 0.666667 times what it should be")),
    "a factor of 1.0001": Planted(cube, (lambda g, out, x: 3.0003 * g * x**2,), OWN(0, "it is 1.0001 times")),
    "zero": Planted(cube, (lambda g, out, x: np.zeros_like(x),), OWN(0, "it is zero")),
    "a missing term": Planted(tilt, (lambda g, out, x: g * out,), "the rule of tilt for operand 0 is wrong on its own"),
    "NaN": Planted(cube, (lambda g, out, x: g * np.full_like(x, np.nan),), OWN(0, "it is not finite")),
    "one element": Planted(cube, (lambda g, out, x: right(with_spike(g) * 1.0, out, x),), "is not linear in its cotangent"),
    "one element, by a factor": Planted(
        cube, (lambda g, out, x: right(g, out, x) * with_spike(np.ones_like(x)),), OWN(0, "at index (1, 2) alone")
    ),
    "where x is negative": Planted(
        cube, (lambda g, out, x: 3 * g * x * np.abs(x),), OWN(0, "where the operand is negative")
    ),
    # by the axis, the index, the shape
    "the axis of a sum": Planted(
        soft, (lambda g, out, x: out * (g - np.sum(g * out, axis=0, keepdims=True)),), "the rule of soft for operand 0"
    ),
    "a parameter ignored": Planted(
        running, (lambda g, out, x, axis=0: np.flip(np.cumsum(np.flip(g, 0), 0), 0),), OWN(0, "it is the same without axis=1"),
        params={"axis": 1},
    ),
    "keepdims ignored": Planted(
        total, (lambda g, out, x, axis=0, keepdims=False: 2 * np.expand_dims(g, axis) * x,),
        OWN(0, "it is the same without keepdims=True"), params={"axis": 1, "keepdims": True},
    ),
    "the direction": Planted(
        running_sum, (lambda g, out, x: np.cumsum(g, axis=0),), "the rule of running_sum for operand 0"
    ),
    "reversed": Planted(cube, (lambda g, out, x: np.flip(3 * g * x**2, 1),), OWN(0, "it is reversed along axis 1")),
    "off by one": Planted(
        neighbours, (lambda g, out, x: np.append(g[1:], g[0]) * 1.0,), "the rule of neighbours for operand 0", inputs=(LINE,)
    ),
    "shifted by one": Planted(cube, (lambda g, out, x: np.roll(right(g, out, x), 1),), OWN(0, "it is shifted"), inputs=(LINE,)),
    "a window's end": Planted(
        differences, (lambda g, out, x: np.append(0.0, g) - np.append(g[:-1], [0.0, 0.0]),), OWN(0, "at index (4,) alone"),
        inputs=(LINE,),
    ),
    "a repeated index": Planted(picked, (scattered_without_add,), OWN(0, "at index (0,) alone"), inputs=(LINE[:3],)),
    "transposed": Planted(cube, (lambda g, out, x: (3 * g * x**2).T,), OWN(0, "it is transposed"), inputs=(SQUARE,)),
    "right only for square matrices": Planted(
        product, (lambda g, out, a, b: g @ b, lambda g, out, a, b: a.T @ g),
        "the gradient rule of product for operand 0 raised ValueError", inputs=(X, WEIGHTS),
    ),
    "right only for symmetric matrices": Planted(
        product, (lambda g, out, a, b: g @ b.T, lambda g, out, a, b: a @ g), "the rule of product for operand 1",
        inputs=(SQUARE, SQUARE + 1),
    ),
    "off by a broadcast": Planted(
        scaled, (lambda g, out, x, y: g * y, lambda g, out, x, y: np.sum(g * x, axis=1)),
        "the gradient rule of scaled for operand 1 returned an array of shape (2,)", inputs=(X, np.ones(3)),
    ),
    "a broadcast to the wrong axis": Planted(
        scaled, (lambda g, out, x, y: g * y, lambda g, out, x, y: np.broadcast_to(np.mean(g * x, axis=0), g.shape)),
        "the rule of scaled for operand 1", inputs=(SQUARE, np.array([[2.0], [3.0], [4.0]])),
    ),
    "swapped operands": Planted(
        scaled, (lambda g, out, x, y: g * x, lambda g, out, x, y: g * y), OWN(0, "it is that of operand 1"), inputs=(X, X + 3)
    ),
    "an operand dropped": Planted(
        scaled, (lambda g, out, x, y: g * y, None), "the rule of scaled for operand 1 is None", inputs=(X, X + 3)
    ),
    # by the cotangent
    "right only for ones": Planted(
        cube, (lambda g, out, x: 3 * np.mean(g) * x**2,), OWN(0, "it is right for a cotangent of ones alone")
    ),
    "softmax, zero for ones": Planted(soft, (lambda g, out, x: g * 0,), OWN(0, "it is zero")),
    "the cotangent left out": Planted(cube, (lambda g, out, x: 3 * x**2,), "is not linear in its cotangent"),
    "the cotangent's magnitude": Planted(cube, (lambda g, out, x: 3 * np.abs(g) * x**2,), "is not linear in its cotangent"),
    "the cotangent clipped": Planted(
        cube, (lambda g, out, x: 3 * np.clip(g, -10, 10) * x**2,), "is not linear in its cotangent"
    ),
    # by ties and kinks
    "a tie, to each in full": Planted(
        largest, (lambda g, out, x: np.expand_dims(g, -1) * (x == np.expand_dims(out, -1)),),
        "largest has the tie: its rule must share", inputs=(np.array([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]]),),
    ),
    "a tie, to three a half each": Planted(
        largest, (lambda g, out, x: np.expand_dims(g, -1) * (x == np.expand_dims(out, -1)) * 0.5,),
        "largest has the tie: its rule must share", inputs=(np.array([3.0, 3.0, 3.0]),),
    ),
    "ramp'(0) = 2": Planted(
        ramp, (lambda g, out, x: g * np.where(x == 0, 2, x > 0),), "ramp has the kink: at it, a rule may give anything",
        inputs=(np.array([-1.0, 0.0, 2.0]),),
    ),
    # by the dtype
    "float32 from float64": Planted(
        cube, (lambda g, out, x: right(g, out, x).astype(np.float32),), "returned float32 for a cotangent of float64"
    ),
    "integers": Planted(cube, (lambda g, out, x: right(g, out, x).astype(int),), "returned int64 for a cotangent of float64"),
    "complex numbers": Planted(cube, (lambda g, out, x: right(g, out, x) + 0j,), "returned complex128"),
    "float64 from float32": Planted(
        cube, (lambda g, out, x: np.float64(3) * g * x**2,), "returned float64 for operands and a cotangent of float32",
        inputs=(SINGLE,),
    ),
    "precision lost in float32": Planted(
        tilt, (lambda g, out, x: g * (1e6 + out + np.exp(x) - 1e6),), "the rule of tilt for operand 0 loses it on its own",
        inputs=(SINGLE,),
    ),
    # by what it does
    "changes the cotangent": Planted(cube, (changing("g"),), "writes to an array it was given"),
    "changes the result": Planted(cube, (changing("out"),), "writes to an array it was given"),
    "changes the operand": Planted(cube, (changing("x"),), "writes to an array it was given"),
    "another result each time": Planted(cube, (Noisy(),), "is not deterministic"),
    "a value from another call": Planted(keeping, (keeping.vjp,), "the rule of keeping uses what its operation has kept"),
    "no array": Planted(cube, (lambda g, out, x: 1.0,), "returned float 1.0"),
    "nothing": Planted(cube, (lambda g, out, x: None,), "returned NoneType None"),
    # by order
    "the graph dropped": Planted(
        cube, (lambda g, out, x: 3 * g * cut(x) ** 2,), "the rule of cube is right, but wrong when it is differentiated again",
        options={"order": 2},
    ),
    "half of the graph dropped": Planted(
        cube, (lambda g, out, x: 3 * g * x * cut(x),), "the rule of cube is right, but wrong when it is differentiated again",
        options={"order": 2},
    ),
    "the cotangent's graph dropped": Planted(
        cube, (lambda g, out, x: 3 * cut(g) * x**2,), "the rule of cube is right, but wrong when it is differentiated again",
        options={"order": 2},
    ),
    "wrong only in third order": Planted(
        cube, (lambda g, out, x: 3 * g * once_cut(x) * x,), "but wrong when it is differentiated twice more",
        options={"order": 3, "atol": 1e-4, "rtol": 1e-4},
    ),
    "forward mode": Planted(
        cube, (lambda g, out, x: 3 * cut(g) * x**2,), "one of which does not record what it does with its cotangent",
        options={"modes": ("vjp", "jvp")},
    ),
    "forward mode alone": Planted(
        cube, (lambda g, out, x: 2 * g * x**2,), OWN(0, "it is 0.666667 times what it should be"), options={"modes": ("jvp",)}
    ),
    "one element of many": Planted(
        cube, (lambda g, out, x: right(g, out, x) * np.where(np.arange(x.size) == 1234, 1.001, 1.0),),
        "is wrong at index (1234,)", inputs=(np.linspace(1, 2, 5000),),
    ),
}  # fmt: skip


@contextmanager
def operation(planted):
    """The planted operation; its row leaves the table afterwards."""
    fun = tn.primitive(planted.forward)
    fun.defvjp(*planted.vjps)
    try:
        yield fun
    finally:
        del TABLE[fun]


def message(name):
    planted = PLANTED[name]
    with operation(planted) as fun, pytest.raises(GradcheckError) as caught:
        gradcheck(lambda *xs: np.sin(fun(*(x * 1 for x in xs), **planted.params)), list(planted.inputs), **planted.options)
    return str(caught.value)


@pytest.mark.parametrize("name", PLANTED)
def test_a_wrong_rule_is_rejected_and_its_fault_named(name):
    text = message(name)
    assert PLANTED[name].expected in text
    assert len(text.splitlines()) <= 3


RIGHT = {
    "cube": Planted(cube, (right,), ""),
    "tilt": Planted(tilt, (lambda g, out, x: g * (out + np.exp(x)),), ""),
    "soft": Planted(soft, (lambda g, out, x: out * (g - np.sum(g * out, axis=-1, keepdims=True)),), ""),
    "scaled": Planted(
        scaled, (lambda g, out, x, y: g * y, lambda g, out, x, y: g * x), "", inputs=(X, np.array([2.0, 3.0, 4.0]))
    ),
    "product": Planted(
        product, (lambda g, out, a, b: g @ b.T, lambda g, out, a, b: a.T @ g), "", inputs=(X, WEIGHTS)
    ),
    "running": Planted(
        running, (lambda g, out, x, axis=0: np.flip(np.cumsum(np.flip(g, axis), axis), axis),), "", params={"axis": 1}
    ),
    "ramp": Planted(ramp, (lambda g, out, x: g * (x > 0),), "", inputs=(np.array([-1.0, 0.0, 2.0]),)),
    "ramp, 1 at 0": Planted(ramp, (lambda g, out, x: g * (x >= 0),), "", inputs=(np.array([-1.0, 0.0, 2.0]),)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_rule_is_accepted(name, dtype):
    planted = RIGHT[name]
    with operation(planted) as fun:
        inputs = [x.astype(dtype) for x in planted.inputs]
        assert gradcheck(lambda *xs: np.sin(fun(*xs, **planted.params)), inputs, order=3, atol=1e-5, modes=("vjp", "jvp"))
