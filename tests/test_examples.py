"""The examples run as a newcomer runs them: they pass, twice with the same words, and a training too short fails."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = ["xor.py", "circle.py", "sin_vs_relu.py", "digits.py"]


def installed(name):
    return importlib.util.find_spec(name) is not None


def run(script, *args, **environment):
    command = [sys.executable, "-W", "error", str(EXAMPLES / script), *map(str, args)]
    env = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)


def needs_data(script):
    if script == "digits.py" and not installed("sklearn"):
        pytest.skip("scikit-learn is not installed")


@pytest.mark.parametrize("script", SCRIPTS)
def test_passes_and_repeats(script):
    needs_data(script)
    first, second = run(script, "--quick"), run(script, "--quick", PYTHONHASHSEED="1")
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout.splitlines()[-1].startswith("PASS: ")
    assert first.stdout == second.stdout
    assert first.stderr == ""


COMPILED_OR_NOT = """
import functools, runpy, sys
import tinynet as tn

tn.Trainer.__init__ = functools.partialmethod(tn.Trainer.__init__, compile={compile})
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("script", SCRIPTS)
def test_compiled_training_says_the_same(script):
    needs_data(script)
    outputs = []
    for compile in (True, False):
        command = [sys.executable, "-c", COMPILED_OR_NOT.format(compile=compile), str(EXAMPLES / script), "--quick"]
        env = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("script", SCRIPTS)
def test_another_seed_is_another_training(script):
    needs_data(script)
    assert run(script, "--quick", "--epochs", 2, "--seed", 1).stdout != run(script, "--quick", "--epochs", 2).stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_training_too_short_fails(script):
    needs_data(script)
    done = run(script, "--quick", "--epochs", 1)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1].startswith("FAIL: ")


@pytest.mark.parametrize("script", SCRIPTS)
def test_draws_its_picture(script, tmp_path):
    pytest.importorskip("matplotlib")
    needs_data(script)
    file = tmp_path / "picture.png"
    done = run(script, "--quick", "--epochs", 2, "--plot", file)
    assert done.stderr == ""
    assert str(file) in done.stdout
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_names_the_options(script):
    done = run(script, "--help")
    assert done.returncode == 0
    for option in ("--seed", "--epochs", "--plot", "--quick"):
        assert option in done.stdout


@pytest.mark.parametrize("options", [["--epochs", "0"], ["--epochs", "many"], ["--seed", "-1"], ["--unknown"]])
def test_bad_options_are_refused(options):
    done = run("xor.py", *options)
    assert done.returncode == 2
    assert options[0] in done.stderr and "Traceback" not in done.stderr


def test_a_picture_that_cannot_be_written_is_refused_before_the_training(tmp_path):
    pytest.importorskip("matplotlib")
    for file in (tmp_path / "missing" / "a.png", tmp_path / "a.xyz", tmp_path):
        done = run("xor.py", "--plot", file)
        assert done.returncode == 2 and done.stdout == ""
        assert f"--plot {file}" in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "package", "options"), [("digits.py", "sklearn", []), ("xor.py", "matplotlib", ["--plot", "a.png"])]
)
def test_a_missing_package_is_named(script, package, options, tmp_path):
    (tmp_path / f"{package}.py").write_text("raise ImportError('hidden by the test')", encoding="utf-8")
    done = run(script, *options, PYTHONPATH=os.pathsep.join([str(tmp_path), str(EXAMPLES.parent)]))
    assert done.returncode != 0 and done.stdout == ""
    assert "pip install -e '.[examples]'" in done.stderr and "Traceback" not in done.stderr


def test_linear_never_solves_xor_and_tanh_does():
    done = run("xor.py", "--seeds", 50)
    assert done.returncode == 0, done.stdout
    assert "linear      0 of 50" in done.stdout
