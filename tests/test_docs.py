"""Every example in the package's docstrings runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import tinynet
from tinynet.rules import TABLE

MODULES = ["tinynet", *(module.name for module in pkgutil.walk_packages(tinynet.__path__, "tinynet."))]
NEEDS = {
    "tinynet.plot": "matplotlib", "tinynet.testing": "hypothesis", "tinynet.onnx": "onnx", "tinynet.sklearn": "sklearn",
    "tinynet.weights": "safetensors",
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_row_stays():
    """Operations that examples define leave the table again."""
    rows = set(TABLE)
    yield
    for fun in set(TABLE) - rows:
        del TABLE[fun]


def doctests(name):
    module = importlib.import_module(name)
    return [test for test in doctest.DocTestFinder().find(module, globs={}) if test.examples]  # they import what they use


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    for part, package in NEEDS.items():
        if name.startswith(part):
            pytest.importorskip(package)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    report = []
    for test in doctests(name):
        runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)


def test_examples_of_primitives_are_found():
    names = {test.name for test in doctests("tinynet.rules.reductions")}
    assert "tinynet.rules.reductions.logsumexp" in names
