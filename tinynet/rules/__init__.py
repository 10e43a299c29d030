"""The gradient rules: the table (`tinynet.rules.table`) and its rows, a module a family."""

from tinynet.rules import (
    activations,
    choices,
    convolutions,
    decompositions,
    determinants,
    differences,
    elementwise,
    inverses,
    joining,
    layers,
    losses,
    matrixparts,
    normalization,
    norms,
    ordering,
    polynomials,
    products,
    quantiles,
    shapes,
    signals,
    special,
    splines,
    statistics,
)
from tinynet.rules.accumulations import ACCUMULATIONS
from tinynet.rules.indexing import getitem, scatter, setitem
from tinynet.rules.plain import PLAIN, REFUSED
from tinynet.rules.primitive import Primitive, primitive
from tinynet.rules.reductions import REDUCTIONS, logsumexp
from tinynet.rules.several import Layout
from tinynet.rules.table import COMPOSED, NO_PARAMS, TABLE, Interval, Rule, called, name_of, rule

UFUNC_METHODS = {"reduce": REDUCTIONS, "accumulate": ACCUMULATIONS}
"""For each method of ufuncs, the functions that it is: ``np.add.reduce`` is `numpy.sum`."""

__all__ = [
    "COMPOSED",
    "NO_PARAMS",
    "PLAIN",
    "REFUSED",
    "TABLE",
    "UFUNC_METHODS",
    "Interval",
    "Layout",
    "Primitive",
    "Rule",
    "activations",
    "called",
    "choices",
    "convolutions",
    "decompositions",
    "determinants",
    "differences",
    "elementwise",
    "getitem",
    "inverses",
    "joining",
    "layers",
    "logsumexp",
    "losses",
    "matrixparts",
    "name_of",
    "normalization",
    "norms",
    "ordering",
    "polynomials",
    "primitive",
    "products",
    "quantiles",
    "rule",
    "scatter",
    "setitem",
    "shapes",
    "signals",
    "special",
    "splines",
    "statistics",
]
