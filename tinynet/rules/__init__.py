"""The gradient rules: the table (`tinynet.rules.table`) and its rows, a module a family."""

from tinynet.rules import activations, elementwise, layers, linalg, losses, shapes, special
from tinynet.rules.indexing import getitem, scatter, setitem
from tinynet.rules.plain import PLAIN
from tinynet.rules.primitive import Primitive, primitive
from tinynet.rules.reductions import REDUCTIONS, logsumexp
from tinynet.rules.several import Layout
from tinynet.rules.table import COMPOSED, NO_PARAMS, TABLE, Interval, Rule, called, name_of, rule

UFUNC_METHODS = {"reduce": REDUCTIONS}
"""For each method of ufuncs, the functions that it is: ``np.add.reduce`` is `numpy.sum`."""

__all__ = [
    "COMPOSED",
    "NO_PARAMS",
    "PLAIN",
    "TABLE",
    "UFUNC_METHODS",
    "Interval",
    "Layout",
    "Primitive",
    "Rule",
    "activations",
    "called",
    "elementwise",
    "getitem",
    "layers",
    "linalg",
    "logsumexp",
    "losses",
    "name_of",
    "primitive",
    "rule",
    "scatter",
    "setitem",
    "shapes",
    "special",
]
