"""The reference of operations, tinynet/rules/README.md, is what the table and the docstrings say: complete, current and true.

`python tests/test_reference.py` writes it.
"""

import importlib
import math
import operator
import re
import sys
from functools import reduce
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn
from tinynet.rules import COMPOSED, PLAIN, REFUSED, TABLE, UFUNC_METHODS, compositions, name_of
from tinynet.rules.describe import describe
from tinynet.rules.sources import summary
from tinynet.testing.coverage import SAME

REFERENCE = Path(__file__).parent.parent / "tinynet" / "rules" / "README.md"
VERSION = ".".join(np.__version__.split(".")[:2])
FAMILIES = [  # in reading order
    "elementwise", "choices", "special", "activations", "compositions", "reductions", "statistics", "quantiles",
    "accumulations", "differences", "products", "matrixparts", "norms", "inverses", "determinants", "decompositions",
    "shapes", "joining", "indexing", "ordering", "signals", "polynomials", "splines", "losses", "layers",
    "convolutions", "normalization",
]  # fmt: skip
HEAD = """# Operations with a derivative

What NumPy's functions and tinynet's own do on tensors. This page is made from the rule table and the docstrings by
`python tests/test_reference.py`, with NumPy {version}; `tn.describe(np.maximum)` tells the same of one operation, and its
gradient rule. {functions} functions of NumPy have a derivative, those that have two names counted once, and {own} of tinynet.

A function stands under the file of this folder that has its rule. The remarks are its domain, if that is not the whole real
line; its conventions where it has no derivative or a remarkable one, as the gradient for each operand that a cotangent of
1 leads to; and, of a function that is composed of others, what it is made of. A rule without such a remark is smooth.
"""


def is_public(fun):
    """Whether a person calls the function by the name that it is told by."""
    if fun is operator.getitem or name_of(fun).startswith("np."):
        return True
    return getattr(tn, fun.__name__, getattr(tn.nn.functional, fun.__name__, None)) is fun


OWN = [getattr(compositions, name) for name in compositions.__all__]
LISTED = {fun: describe(fun) for fun in (*TABLE, *COMPOSED, *OWN) if name_of(fun).startswith(("np.", "tn.", "getitem"))}


def cell(text):
    return text.replace("|", "\\|")


def row(fun):
    """A line of the table: the call, its other names, what it computes; domain, conventions, or what it is composed of."""
    told = LISTED[fun]
    signature = "t[index]" if fun is operator.getitem else told.signature
    names = f"`{signature}`" + "".join(f", `{alias}`" for alias in told.aliases)
    domain = ", ".join(f"{operand} in {interval}" for operand, interval in told.domain.items())
    composed = summary(COMPOSED[fun]) if fun in COMPOSED else ""
    return f"| {cell(names)} | {cell(told.summary)} | {cell('; '.join(filter(None, [domain, *told.conventions, composed])))} |"


def section(family):
    module = importlib.import_module(f"tinynet.rules.{family}")
    title = module.__doc__.partition("\n")[0]
    members = [fun for fun, told in LISTED.items() if told.family == module.__name__ and is_public(fun)]
    if not members:
        return ""
    return "\n".join([f"## {family}", "", title, "", "| function | value | remarks |", "|---|---|---|", *map(row, members)])


def names(functions):
    return ", ".join(f"`{name}`" for name in sorted(map(name_of, functions)))


def reference():
    """The page."""
    numpys = [fun for fun in LISTED if name_of(fun).startswith("np.")]
    own = [fun for fun in LISTED if is_public(fun) and fun not in numpys]
    blocks = [fun for fun in LISTED if not is_public(fun)]
    methods = [f"- `{method}`: {', '.join(f'`np.{ufunc.__name__}`' for ufunc in of)}" for method, of in UFUNC_METHODS.items()]
    reasons = {}
    for name, reason in REFUSED.items():
        reasons.setdefault(reason, []).append(f"`{name}`")
    parts = [
        HEAD.format(version=VERSION, functions=len({name_of(fun) for fun in numpys} - SAME.keys()), own=len(own)).rstrip(),
        *filter(None, map(section, FAMILIES)),
        "\n".join(["## Methods of ufuncs", "", *methods, "- `outer`: every ufunc of two operands"]),
        "\n".join(["## Building blocks", "", "Operations that the rules above are made of, not for calling by hand.", ""] + [
            f"- `{told.signature.removeprefix('tn.')}` ({told.family.rpartition('.')[2]}): {told.summary}"
            for told in map(LISTED.get, blocks)
        ]),
        "\n".join(["## Without a derivative", "", "On tensors these give plain arrays and numbers.", "", f"{names(PLAIN)}."]),
        "\n".join(["## Refused", ""] + [f"- {', '.join(who)}: {why}." for why, who in reasons.items()]),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def test_every_family_has_its_place():
    assert {told.family.removeprefix("tinynet.rules.") for told in LISTED.values()} <= set(FAMILIES)


def test_the_reference_is_current():
    text = REFERENCE.read_text(encoding="utf-8")
    if f"with NumPy {VERSION};" not in text:
        pytest.skip(f"it is written with another NumPy than {VERSION}")
    assert text == reference(), "python tests/test_reference.py writes it anew"


def test_every_operation_is_listed():
    text = REFERENCE.read_text(encoding="utf-8")
    listed = set(re.findall(r"(?<=`)[\w.]+(?=[(`\[])", text))
    functions = [*TABLE, *COMPOSED, *OWN]
    assert [name_of(fun) for fun in functions if name_of(fun).startswith("np.") and name_of(fun) not in listed] == []


LINES = re.findall(r"^\| `(np|tn)\.([\w.]+)\(.*?`((?:, `[\w.]+`)*) \|", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_lines_are_found():
    assert len(LINES) > 200


@pytest.mark.parametrize(("package", "path", "aliases"), LINES, ids=[f"{package}.{path}" for package, path, _ in LINES])
def test_a_listed_function_is_differentiable_by_that_name(package, path, aliases):
    spaces = {"np": np, "tn": tn}
    try:
        fun = reduce(getattr, path.split("."), spaces[package])
    except AttributeError:
        fun = getattr(tn.nn.functional, path, None) if package == "tn" else None
        if fun is None:
            pytest.skip(f"NumPy {VERSION} has no {path}")
    assert fun in TABLE or fun in COMPOSED or fun in OWN
    for alias in re.findall(r"np\.([\w.]+)", aliases):
        assert reduce(lambda space, part: getattr(space, part, fun), alias.split("."), np) is fun


# Describing one operation --------------------------------------------------------------------------------------------


def slope_at(x, slope):
    """The slope of either side."""
    return np.where(x > 1, slope, 1)


def in_half(x):
    return 0.5 * x


@pytest.fixture
def bent():
    @tn.primitive
    def bent(x, label, slope=0.5):
        """A line that is bent at 1. That is all."""
        return np.where(x > 1, 1 + slope * (x - 1), x)

    bent.defvjp(
        lambda g, out, x, label, slope=0.5: (
            g * slope_at(x, slope) + in_half(0)
        ), None,
        domain=(tn.rules.Interval(-np.inf, 4.0), tn.rules.Interval(0.0, 1.0)), kinks=lambda x, label, slope=0.5: x - 1,
        at={(1.0, 0.0): (1.0, None), ((1.0, 2.0), 0.0): ((1.0, 0.5), None)}, source="Euclid",
    )  # fmt: skip
    yield bent
    del TABLE[bent]


def test_everything_about_an_operation(bent):
    assert describe(TABLE[bent]) == describe(bent)
    assert str(describe(bent)) == repr(describe(bent)) == """\
bent(x, label, slope=0.5)
  value       A line that is bent at 1.
  gradient    of each operand, with g the gradient of the result and out the result
    x         g * slope_at(x, slope) + in_half(0)
    label     no derivative
              slope_at: The slope of either side.
              in_half(x) = 0.5 * x
  domain      x in (-∞, 4), label in (0, 1)
  kinks       where x - 1 is 0
  convention  at (1, 0) the gradients are 1 and none
  convention  at ((1, 2), 0) the gradients are (1, 0.5) and none
  source      Euclid"""


def test_each_lambda_of_a_line_is_told_apart():
    assert describe(np.multiply).rules == {"x": "g * y", "y": "g * x"}
    assert describe(np.multiply).signature == "np.multiply(x, y)"


def test_rules_of_unusual_form():
    @tn.primitive
    def scaled(x, factor):
        return x * factor

    try:
        scaled.defvjp(None, None)
        assert describe(scaled).rules == {"x": "no derivative", "factor": "no derivative"}
        scaled.defvjp(lambda g, out, *operands: g * operands[1], lambda g, out, *operands: g * operands[0])
        assert describe(scaled).rules == {"*operands": "g * operands[1]", "operand 1": "g * operands[0]"}
    finally:
        del TABLE[scaled]


def test_a_rule_whose_source_is_lost_is_told_by_its_arguments():
    space = {"tn": tn}
    exec("@tn.primitive\ndef lost(x): return x\nlost.defvjp(lambda g, out, x: g)", space)
    try:
        assert describe(space["lost"]).rules == {"x": "<lambda>(g, out, x)"}
    finally:
        del TABLE[space["lost"]]


def test_other_kinds_of_functions():
    assert "composed of other operations: x / (1 + np.abs(x))" in str(describe(tn.softsign))
    assert "no derivative: gives a plain array" in str(describe(np.argmax))


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (np.linalg.eigvals, ["eigvals", "complex"]),
        (np.hamming, ["hamming"]),
        (math.tanh, ["tanh", "np.tanh"]),
        ("np.max", ["'np.max'"]),
        ([1], ["[1]"]),
    ],
)
def test_what_is_no_operation(thing, words):
    with pytest.raises(TypeError) as caught:
        describe(thing)
    assert [word for word in words if word not in str(caught.value)] == []


if __name__ == "__main__":
    sys.exit(REFERENCE.write_text(reference(), encoding="utf-8") == 0)
