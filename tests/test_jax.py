"""Every operation that jax has, too, against it: value, gradient for a random cotangent, conventions at kinks.

jax compiles each call anew, so there are few of them.
"""

import numpy as np
import pytest
from hypothesis import settings

import tinynet as tn
from tinynet.rules import COMPOSED, TABLE, name_of
from tinynet.testing.against_jax import OK, JaxLacks, agreement, counterpart, gradients_by_jax
from tinynet.testing.coverage import calls_of

pytest.importorskip("jax")


def in_jax(functions):
    """The functions that have a counterpart, by name."""
    found = {}
    for fun in functions:
        try:
            counterpart(fun)
        except JaxLacks:
            continue
        found[name_of(fun)] = fun
    return found


SHARED = in_jax([*TABLE, *COMPOSED])
NOT_COMPARED = {
    "np.nextafter": "jax has no derivative of it",
    "np.piecewise": "the functions it calls are NumPy's, which take no array of jax",
    "np.trim_zeros": "how much is cut off depends on the values",
}


@pytest.mark.parametrize("name", SHARED)
def test_value_and_gradient_are_those_of_jax(name):
    found = agreement(SHARED[name], calls_of(SHARED[name], 20), count=max(2, settings.default.max_examples // 40))
    assert found == OK or (name in NOT_COMPARED and found.startswith("n/a"))


@pytest.mark.parametrize(
    ("fun", "wrong"),
    [
        (np.linalg.inv, lambda d: np.swapaxes(d, -1, -2)),
        (np.linalg.eigh, lambda d: 1.001 * d),
        (tn.softmax, np.zeros_like),
        (np.exp, np.negative),
    ],
)
def test_a_wrong_rule_does_not_agree(fun, wrong, monkeypatch):
    right = TABLE[fun].vjps[0]
    monkeypatch.setattr(TABLE[fun], "vjps", [lambda *args, **params: wrong(right(*args, **params))])
    assert agreement(fun, calls_of(fun, 20), count=2).startswith("FAILED: jax's gradient")


# Conventions ---------------------------------------------------------------------------------------------------------

OTHERWISE = {
    # at a kink jax takes the slope of the right side; ours is 0, or that of the left side, as for torch
    ("np.absolute", (0.0,)): (1.0,),
    ("np.fabs", (0.0,)): (1.0,),
    ("np.copysign", (0.0, -1.0)): (-1.0, 0.0),
    ("tn.leaky_relu", (0.0, 0.01)): (1.0, 0.0),
    ("tn.hardtanh", (-1.0,)): (1.0,),
    ("tn.hardtanh", (1.0,)): (1.0,),
    # a tie of fmax goes to the second operand in jax, to the first in torch
    ("np.fmax", (1.0, 1.0)): (0.0, 1.0),
    ("np.fmin", (1.0, 1.0)): (0.0, 1.0),
    # jax's clip is a maximum and a minimum, which share a tie; torch's edge belongs to the inside
    ("np.clip", (0.0, 0.0, 1.0)): (0.5, 0.5, 0.0),
    ("np.clip", (1.0, 0.0, 1.0)): (0.5, 0.0, 0.5),
    # beside an infinite operand jax gives the other one's exponential
    ("np.logaddexp", (np.inf, 1.0)): (1.0, np.e),
    ("np.logaddexp2", (np.inf, 1.0)): (1.0, 2.0),
    # jax's hypot scales by the larger operand, and shares the tie
    ("np.hypot", (0.0, 0.0)): (0.5, 0.5),
    # on both sides of the jump the slope is 1; jax has that of neither
    ("np.unwrap", ((0.0, np.pi),)): ((2.0, 0.0),),
}
NAN_IN_JAX = {"np.power", "np.float_power", "np.logaddexp", "np.logaddexp2", "np.angle", "np.std", "tn.logsumexp",
              "np.linalg.eigh", "np.linalg.svd"}  # fmt: skip
"""Operations whose convention is a finite value where jax gives NaN."""

POINTS = [(name, point) for name, fun in SHARED.items() if fun in TABLE for point in TABLE[fun].at]


@pytest.mark.parametrize(("name", "point"), POINTS, ids=[f"{name} at {point}" for name, point in POINTS])
def test_conventions_are_those_of_jax_but_for_those_listed(name, point):
    operands = tuple(np.array(x, dtype=float) for x in point)
    ours = TABLE[SHARED[name]].at[point]
    _, found = gradients_by_jax(SHARED[name], (operands, {}), lambda shapes: list(map(np.ones, shapes)))
    if name in NAN_IN_JAX and np.isnan(np.concatenate(found, axis=None)).any():
        return
    for gradient, value in zip(found, OTHERWISE.get((name, point), ours), strict=True):
        np.testing.assert_allclose(gradient, value, rtol=1e-12)


def test_the_listed_differences_are_differences():
    assert [key for key, theirs in OTHERWISE.items() if TABLE[SHARED[key[0]]].at.get(key[1], theirs) == theirs] == []
