"""Type checkers accept a person's script, and what they take the types of array methods from agrees with what there is."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinynet.arraymethods import ArrayMethods

ROOT = Path(__file__).parent.parent
SCRIPT = Path(__file__).parent / "typing" / "script.py"
STUB = ROOT / "tinynet" / "arraymethods.pyi"


def run(*arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_accepts_the_script():
    pytest.importorskip("mypy")
    run("-m", "mypy", "--strict", "--follow-imports=silent", str(SCRIPT))  # as if the package were an installed one


def test_pyright_accepts_the_script():
    pytest.importorskip("pyright")
    if subprocess.run([sys.executable, "-m", "pyright", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("pyright is installed without the node that it runs on")
    run("-m", "pyright", "--pythonpath", sys.executable, str(SCRIPT))


def test_the_script_runs():
    pytest.importorskip("hypothesis")
    run("-W", "error", str(SCRIPT))


def test_the_stub_of_the_array_methods_names_them_all():
    (body,) = (node.body for node in ast.parse(STUB.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef))
    stated = {node.name for node in body if isinstance(node, ast.FunctionDef)}

    class Empty:
        __slots__ = ()

    assert stated == vars(ArrayMethods).keys() - vars(Empty).keys()  # which Python gives every class
