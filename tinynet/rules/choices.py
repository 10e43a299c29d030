"""Rules of the elementwise choices and steps: magnitudes, rounding, remainders, the larger and the smaller, `numpy.where`.

Where a function has no derivative the convention is PyTorch's: |x|' = 0 at 0, a tie of `maximum` gives half to each, and one
of `fmax` all to the first. A step has the derivative 0 everywhere, also where it jumps.
"""

from typing import Any

import numpy as np

from tinynet.rules.table import AT_ZERO, POSITIVE, REAL, rule

__all__: list[str] = []


def NEAR_INTEGER(x: Any) -> Any:
    """Kink function of the operations that jump at the integers."""
    return x - np.rint(x)


# Magnitudes and signs ------------------------------------------------------------------------------------------------

rule(np.absolute, lambda g, out, x: g * np.sign(x), kinks=AT_ZERO, at={(0.0,): (0.0,)})
rule(np.fabs, lambda g, out, x: g * np.sign(x), kinks=AT_ZERO, at={(0.0,): (0.0,)})
rule(np.sign, lambda g, out, x: np.zeros_like(g), kinks=AT_ZERO, at={(0.0,): (0.0,)})
rule(
    np.copysign,
    lambda g, out, x, y: g * (np.sign(x) * np.sign(out)),
    lambda g, out, x, y: np.zeros_like(g),
    kinks=lambda x, y: x * y,
    at={(0.0, -1.0): (0.0, 0.0), (1.0, 0.0): (1.0, 0.0)},
)
rule(
    np.heaviside,
    lambda g, out, x, y: np.zeros_like(g),
    lambda g, out, x, y: np.where(x == 0, g, 0),
    kinks=lambda x, y: x,
    at={(0.0, 0.5): (0.0, 1.0)},
)

# Rounding ------------------------------------------------------------------------------------------------------------

for step in (np.floor, np.ceil, np.trunc, np.fix):
    value = np.trunc if step is np.fix else step  # what NumPy 2.5 says to take in its place
    rule(step, lambda g, out, x: np.zeros_like(g), forward=value, kinks=NEAR_INTEGER, at={(0.0,): (0.0,), (2.0,): (0.0,)})
rule(np.rint, lambda g, out, x: np.zeros_like(g), kinks=lambda x: NEAR_INTEGER(x + 0.5), at={(0.5,): (0.0,)})
for nearest in (np.round, np.around):
    rule(
        nearest,
        lambda g, out, a, decimals=0: np.zeros_like(g),
        kinks=lambda a, decimals=0: NEAR_INTEGER(a * 10.0**decimals + 0.5),
        at={(0.5,): (0.0,)},
    )
rule(np.modf, lambda g, out, x: g[0], kinks=NEAR_INTEGER, at={(2.0,): (1.0,)})

# Quotients with a remainder ------------------------------------------------------------------------------------------

rule(
    np.remainder,
    lambda g, out, x, y: g,
    lambda g, out, x, y: -g * np.floor_divide(x, y),
    domain=(REAL, POSITIVE),
    kinks=lambda x, y: NEAR_INTEGER(x / y),
    at={(6.0, 3.0): (1.0, -2.0)},
)
rule(
    np.fmod,
    lambda g, out, x, y: g,
    lambda g, out, x, y: -g * np.trunc(x / y),
    domain=(REAL, POSITIVE),
    kinks=lambda x, y: NEAR_INTEGER(x / y),
    at={(-6.0, 3.0): (1.0, 2.0)},
)
rule(
    np.divmod,
    lambda g, out, x, y: g[1],
    lambda g, out, x, y: -g[1] * out[0],
    domain=(REAL, POSITIVE),
    kinks=lambda x, y: NEAR_INTEGER(x / y),
    at={(6.0, 3.0): (1.0, -2.0)},
)

# The larger and the smaller ------------------------------------------------------------------------------------------

rule(
    np.maximum,
    lambda g, out, x, y: np.where(x == y, 0.5 * g, g * (x > y)),
    lambda g, out, x, y: np.where(x == y, 0.5 * g, g * (x < y)),
    kinks=lambda x, y: x - y,
    at={(1.0, 1.0): (0.5, 0.5)},
)
rule(
    np.minimum,
    lambda g, out, x, y: np.where(x == y, 0.5 * g, g * (x < y)),
    lambda g, out, x, y: np.where(x == y, 0.5 * g, g * (x > y)),
    kinks=lambda x, y: x - y,
    at={(1.0, 1.0): (0.5, 0.5)},
)
rule(
    np.fmax,
    lambda g, out, x, y: np.where((x >= y) | np.isnan(y), g, 0),
    lambda g, out, x, y: np.where((x >= y) | np.isnan(y), 0, g),
    kinks=lambda x, y: x - y,
    at={(1.0, 1.0): (1.0, 0.0), (np.nan, 1.0): (0.0, 1.0), (1.0, np.nan): (1.0, 0.0)},
)
rule(
    np.fmin,
    lambda g, out, x, y: np.where((x <= y) | np.isnan(y), g, 0),
    lambda g, out, x, y: np.where((x <= y) | np.isnan(y), 0, g),
    kinks=lambda x, y: x - y,
    at={(1.0, 1.0): (1.0, 0.0), (np.nan, 1.0): (0.0, 1.0), (1.0, np.nan): (1.0, 0.0)},
)


def _clip_operands(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    if (a_min is not None and min is not None) or (a_max is not None and max is not None):
        raise TypeError("np.clip: give each edge once, as a_min and a_max or as min and max")
    return (a, a_min if min is None else min, a_max if max is None else max), {}


rule(
    np.clip,  # the edges themselves belong to the inside, as for torch.clamp; where low > high the result is high
    lambda g, out, x, low, high: g * ((low is None or x >= low) & (high is None or x <= high)),
    lambda g, out, x, low, high: g * ((x < low) & (high is None or low <= high)),
    lambda g, out, x, low, high: g * ((x > high) | (False if low is None else low > high)),
    unpack=_clip_operands,
    kinks=lambda x, low, high: np.minimum(
        np.inf if low is None else np.abs(x - low), np.inf if high is None else np.abs(x - high)
    ),
    at={(0.0, 0.0, 1.0): (1.0, 0.0, 0.0), (1.0, 0.0, 1.0): (1.0, 0.0, 0.0), (0.5, 1.0, 0.0): (0.0, 0.0, 1.0)},
)

# Chosen by a condition -----------------------------------------------------------------------------------------------


def _where_operands(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    if x is None or y is None:
        raise TypeError("np.where on a tensor takes a condition and both choices; np.nonzero(t) gives positions")
    return (condition, x, y), {}


rule(
    np.where,
    None,
    lambda g, out, condition, x, y: np.where(condition, g, 0),
    lambda g, out, condition, x, y: np.where(condition, 0, g),
    unpack=_where_operands,
    remedy="the condition and both choices must broadcast",
)
rule(
    np.nan_to_num,
    lambda g, out, x, nan=0.0, posinf=None, neginf=None: np.where(np.isfinite(x), g, 0),
    at={(np.nan,): (0.0,), (np.inf,): (0.0,), (-np.inf,): (0.0,)},
)
