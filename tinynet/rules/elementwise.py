"""Rules of the smooth elementwise functions: arithmetic, exponentials, trigonometry.

Where a formula would give 0 · ∞ or 0 / 0 the convention is a finite number, as the rows' column `at` says.
"""

from typing import Any

import numpy as np

from tinynet.rules.primitive import primitive
from tinynet.rules.table import AT_ZERO, POSITIVE, REAL, UNIT, Interval, rule

__all__ = ["cast", "identity", "minus_log"]

LN2 = np.log(2.0).item()
LN10 = np.log(10.0).item()

# Arithmetic ----------------------------------------------------------------------------------------------------------

rule(np.add, lambda g, out, x, y: g, lambda g, out, x, y: g)
rule(np.subtract, lambda g, out, x, y: g, lambda g, out, x, y: -g)
rule(np.multiply, lambda g, out, x, y: g * y, lambda g, out, x, y: g * x)
rule(
    np.divide,
    lambda g, out, x, y: g / y,
    lambda g, out, x, y: -g * out / y,
    kinks=lambda x, y: y,
    at={(1.0, 0.0): (np.inf, -np.inf)},
)
rule(np.negative, lambda g, out, x: -g)
rule(np.positive, lambda g, out, x: g)
rule(np.reciprocal, lambda g, out, x: -g * out * out, kinks=AT_ZERO, at={(0.0,): (-np.inf,)})
rule(np.square, lambda g, out, x: g * (2.0 * x))
rule(np.sqrt, lambda g, out, x: g * 0.5 / out, domain=POSITIVE, at={(0.0,): (np.inf,)})
rule(np.cbrt, lambda g, out, x: g / (3 * out * out), kinks=AT_ZERO, at={(0.0,): (np.inf,)})
for power in (np.power, np.float_power):
    rule(
        power,  # at 0**0 the base is replaced where its power or its logarithm would be infinite
        lambda g, out, x, y: g * y * np.power(np.where((x == 0) & (y == 0), 1, x), y - 1.0),
        lambda g, out, x, y: g * out * np.log(np.where((x == 0) & (y >= 0), 1, x)),
        domain=(POSITIVE, REAL),
        at={(0.0, 0.0): (0.0, 0.0), (0.0, 1.0): (1.0, 0.0), (0.0, 2.0): (0.0, 0.0)},
    )

# Exponentials and logarithms -----------------------------------------------------------------------------------------


def _at_least(x: Any, low: float) -> Any:
    """The operand, and NaN where it is below the domain, as the value is."""
    return np.where(x < low, np.nan, x)


rule(np.exp, lambda g, out, x: g * out)
rule(np.exp2, lambda g, out, x: g * (LN2 * out))
rule(np.expm1, lambda g, out, x: g * (out + 1))
rule(np.log, lambda g, out, x: g / _at_least(x, 0), domain=POSITIVE)
rule(np.log2, lambda g, out, x: g / (LN2 * _at_least(x, 0)), domain=POSITIVE)
rule(np.log10, lambda g, out, x: g / (LN10 * _at_least(x, 0)), domain=POSITIVE)
rule(np.log1p, lambda g, out, x: g / (1 + _at_least(x, -1)), domain=Interval(-1.0, np.inf))


def minus_log(x: Any, out: Any) -> Any:
    """The logarithm of the share of exp(x) in exp(out); -inf where both are nothing, 0 where both are infinite."""
    all_of_it = x == np.inf
    return np.where(all_of_it, 0, x - np.where(all_of_it | (out == -np.inf), 0, out))


def _share(exp: Any, x: Any, y: Any, out: Any) -> Any:
    """The share of exp(x) in exp(x) + exp(y); they are set against each other, since of large numbers `out` is rounded."""
    p, q = exp(minus_log(x, out)), exp(minus_log(y, out))
    return p / np.where(out == -np.inf, 1, p + q)


rule(
    np.logaddexp,
    lambda g, out, x, y: g * _share(np.exp, x, y, out),
    lambda g, out, x, y: g * _share(np.exp, y, x, out),
    at={(-np.inf, -np.inf): (0.0, 0.0), (np.inf, 1.0): (1.0, 0.0), (-1e4, 1e4): (0.0, 1.0)},
)
rule(
    np.logaddexp2,
    lambda g, out, x, y: g * _share(np.exp2, x, y, out),
    lambda g, out, x, y: g * _share(np.exp2, y, x, out),
    at={(-np.inf, -np.inf): (0.0, 0.0), (np.inf, 1.0): (1.0, 0.0), (-1e4, 1e4): (0.0, 1.0)},
)

# Trigonometric and hyperbolic functions ------------------------------------------------------------------------------

rule(np.sin, lambda g, out, x: g * np.cos(x))
rule(np.cos, lambda g, out, x: -g * np.sin(x))
rule(np.tan, lambda g, out, x: g * (1 + out * out), kinks=lambda x: np.cos(x), at={(0.0,): (1.0,), (np.pi,): (1.0,)})
rule(np.arcsin, lambda g, out, x: g / np.sqrt((1 - x) * (1 + x)), domain=UNIT)
rule(np.arccos, lambda g, out, x: -g / np.sqrt((1 - x) * (1 + x)), domain=UNIT)
rule(np.arctan, lambda g, out, x: g / (r := np.hypot(1, x)) / r)  # 1 + x² may overflow
rule(
    np.arctan2,
    lambda g, out, y, x: g * (x / (r := np.hypot(x, y))) / r,  # x² + y² itself may underflow
    lambda g, out, y, x: -g * (y / (r := np.hypot(x, y))) / r,
    kinks=lambda y, x: np.hypot(y, np.maximum(x, 0)),  # the cut, on the negative side of x
    at={(0.0, 1.0): (1.0, 0.0), (0.0, -1.0): (-1.0, 0.0)},
)
rule(np.sinh, lambda g, out, x: g * np.cosh(x))
rule(np.cosh, lambda g, out, x: g * np.sinh(x))
rule(np.tanh, lambda g, out, x: g - g * out * out)
rule(np.arcsinh, lambda g, out, x: g / np.hypot(x, 1))
rule(np.arccosh, lambda g, out, x: g / (np.sqrt(x - 1) * np.sqrt(x + 1)), domain=Interval(1.0, np.inf))  # NaN below -1 too
rule(np.arctanh, lambda g, out, x: g / _at_least((1 - x) * (1 + x), 0), domain=UNIT)
rule(
    np.hypot,  # 0 at (0, 0), where the cone has no slope, as is every derivative of a norm there
    lambda g, out, x, y: g * (x / np.where(out == 0, np.inf, out)),
    lambda g, out, x, y: g * (y / np.where(out == 0, np.inf, out)),
    kinks=lambda x, y: np.hypot(x, y),
    at={(0.0, 0.0): (0.0, 0.0)},
)
for degrees in (np.rad2deg, np.degrees):
    rule(degrees, lambda g, out, x: np.rad2deg(g))
for radians in (np.deg2rad, np.radians):
    rule(radians, lambda g, out, x: np.deg2rad(g))

# The parts of a number that is real ----------------------------------------------------------------------------------

rule(np.real, lambda g, out, val: g)
rule(np.imag, lambda g, out, val: np.zeros_like(g))
rule(np.conjugate, lambda g, out, x: g)
rule(np.real_if_close, lambda g, out, a, tol=100: g)
rule(np.angle, lambda g, out, z, deg=False: np.zeros_like(g), kinks=lambda z, deg=False: z, at={(0.0,): (0.0,)})

# The parts of a floating number: mantissa and exponent, and its neighbours -------------------------------------------

rule(np.ldexp, lambda g, out, x, n: np.ldexp(g, n), None)
rule(
    np.frexp,
    lambda g, out, x: np.ldexp(g[0], -out[1]),
    kinks=lambda x: x * np.minimum((m := np.abs(np.frexp(x)[0])) - 0.5, 1 - m),  # the mantissa jumps at powers of two
    at={(0.0,): (1.0,), (1.0,): (0.5,)},
)
rule(np.nextafter, lambda g, out, x, y: g, lambda g, out, x, y: np.zeros_like(g))

# Themselves ----------------------------------------------------------------------------------------------------------


@primitive
def cast(x: Any, dtype: Any) -> Any:
    """The array in another dtype; the gradient comes back in the operand's."""
    return x.astype(dtype)


cast.defvjp(lambda g, out, x, dtype: g)


@primitive
def identity(x: Any) -> Any:
    """The array itself, under a node of its own."""
    return x


identity.defvjp(lambda g, out, x: g)
