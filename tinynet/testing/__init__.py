"""Tools for testing gradients, of functions and of operations of one's own.

`gradcheck` compares the gradients of a function with finite differences at one point, `assert_gradients` at random ones;
`check_rule` tests an operation and its gradient rules in every way that the built-in ones are tested. `strategies` has
hypothesis strategies of arrays, tensors, indices, axes, calls of every operation, random programs and networks.

All but `gradcheck` need hypothesis and are loaded when they are first used.

Examples
--------
An operation of one's own, the step from each element to the next one along an axis, in a circle. Its rule forgets the axis:

>>> import numpy as np, tinynet as tn
>>> @tn.primitive
... def steps(x, axis=-1):
...     return np.roll(x, -1, axis) - x
>>> rule = steps.defvjp(lambda g, out, x, axis=-1: np.roll(g, 1, -1) - g)

One array at the default axis finds nothing; calls of every kind do, and the smallest one that fails is told, as code:

>>> report = tn.testing.gradcheck(steps, np.array([[1.0, 2.0, 4.0], [0.5, -1.0, 3.0]]))
>>> from hypothesis import strategies as st
>>> from tinynet.testing.strategies import arrays
>>> calls = st.tuples(st.tuples(arrays((2, 2))), st.fixed_dictionaries({"axis": st.integers(-2, 1)}))
>>> tn.testing.check_rule(steps, calls=calls)
Traceback (most recent call last):
...
tinynet.testing.gradcheck.report.GradcheckError: steps: gradient
  the gradient of input 0 is wrong at index ..., at 4 of 4 elements in all
  analytic ..., numeric ... ± ...: difference ..., tolerance ...
  the rule of steps for operand 0 is wrong on its own: ...
  the smallest call found: steps(np.array([[0.0, 0.0], [0.0, 0.0]]), axis=0)

With ``np.roll(g, 1, axis) - g`` it is right, in every derivative, in float32, and so on:

>>> rule = steps.defvjp(lambda g, out, x, axis=-1: np.roll(g, 1, axis) - g)
>>> tn.testing.check_rule(steps, calls=calls).checks["third derivative"]
'ok'
>>> tn.testing.assert_gradients(lambda x: np.sum(steps(np.sin(x), axis=0) ** 2), (3, 2), order=2)
"""

from importlib import import_module
from typing import Any

from tinynet.testing.gradcheck import GradcheckError, GradcheckReport, InconclusiveError, gradcheck

__all__ = [
    "GradcheckError", "GradcheckReport", "InconclusiveError", "RuleReport", "assert_gradients", "check_rule", "gradcheck",
    "strategies",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "strategies":
        return import_module("tinynet.testing.strategies")
    if name in ("RuleReport", "assert_gradients", "check_rule"):
        return getattr(import_module("tinynet.testing.checks"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
