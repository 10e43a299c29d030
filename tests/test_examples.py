"""The examples run as a newcomer runs them: they say the same twice, compiled or not, and fail where a training is too short.

That each claim comes to its verdict is seen where all of them are run: ``python -m examples --quick``.
"""

import functools
import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples import catalogue, gallery

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py") if "\nCLAIMS = " in path.read_text(encoding="utf-8"))
SHORT = {  # a training that need not come to a verdict, but moves the weights
    "xor.py": ("--steps", 100), "circle.py": ("--epochs", 4), "sin_vs_relu.py": ("--steps", 40), "digits.py": ("--epochs", 2),
    "universal_approximation.py": ("--steps", 40), "square.py": ("--steps", 40), "only_activations.py": ("--steps", 40),
    "calibration.py": ("--steps", 20), "learnable.py": ("--steps", 40), "linear_collapse.py": ("--steps", 100),
    "expressive_power.py": ("--steps", 40), "gates.py": ("--epochs", 1), "landscape.py": ("--steps", 40),
    "zoo.py": ("--steps", 20),
}  # fmt: skip
UNCOMPILED = """
import functools, runpy, sys
import tinynet as tn

tn.Trainer.__init__ = functools.partialmethod(tn.Trainer.__init__, compile=False)
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def installed(name):
    return importlib.util.find_spec(name) is not None


def needs_data(script):
    if script == "digits.py" and not installed("sklearn"):
        pytest.skip("scikit-learn is not installed")


def run(script, *args, how=(), **environment):
    command = [sys.executable, "-W", "error", *how, str(EXAMPLES / script), *map(str, args)]
    env = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300, env=env)


def few(script):
    seeds = [] if script == "digits.py" else ["--seeds", 2]
    return ["--quick", *seeds, *SHORT.get(script, ())]


@functools.cache
def said(script):
    """What a short run says."""
    done = run(script, *few(script))
    assert done.stderr == "" and done.stdout.splitlines()[-1].startswith(("PASS: ", "FAIL: ")), done.stderr
    return done.stdout


@pytest.mark.parametrize("script", [*SCRIPTS, "digits.py"])
def test_says_the_same_twice_and_uncompiled_and_draws_its_picture(script, tmp_path):
    needs_data(script)
    file = tmp_path / "picture.png"
    plot = ["--plot", file] if installed("matplotlib") else []
    done = run(script, *few(script), *plot, how=("-c", UNCOMPILED), PYTHONHASHSEED="1")
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if line and line != f"The picture is in {file}."]
    assert lines == [line for line in said(script).splitlines() if line]
    if plot:
        assert f"The picture is in {file}." in done.stdout
        assert file.read_bytes().startswith(b"\x89PNG") and file.stat().st_size < 100_000


@pytest.mark.parametrize("script", SHORT)
def test_another_seed_is_another_training(script):
    needs_data(script)
    assert run(script, *few(script), "--seed", 1).stdout != said(script)


@pytest.mark.parametrize("script", SHORT)
def test_a_training_too_short_fails(script):
    needs_data(script)
    done = run(script, "--quick", SHORT[script][0], 1)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1].startswith("FAIL: ")


@pytest.mark.parametrize("script", [*SCRIPTS, "digits.py"])
def test_help_names_the_options(script, monkeypatch, capsys):
    module = importlib.import_module(f"examples.{script.removesuffix('.py')}")
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit) as end:
        module.main()
    assert end.value.code == 0
    told = capsys.readouterr().out
    for option in ("--seed", "--plot", "--quick", SHORT.get(script, ["--seed"])[0], *["--seeds"] * (script in SCRIPTS)):
        assert option in told


def test_a_script_runs_as_a_module():
    command = [sys.executable, "-m", "examples.xor", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=EXAMPLES.parent, check=True)
    assert "--seeds" in done.stdout


def test_a_missing_package_is_named(tmp_path):
    (tmp_path / "sklearn.py").write_text("raise ImportError('hidden by the test')", encoding="utf-8")
    done = run("digits.py", PYTHONPATH=os.pathsep.join([str(tmp_path), str(EXAMPLES.parent)]))
    assert done.returncode != 0 and done.stdout == ""
    assert "pip install -e '.[examples]'" in done.stderr and "Traceback" not in done.stderr


def test_activations_to_compare_are_chosen():
    done = run("circle.py", "--quick", "--seeds", 6, "--activations", "sin,linear")
    assert done.returncode == 0, done.stderr
    assert "sin   " in done.stdout and "tanh" not in done.stdout
    done = run("circle.py", "--activations", "linear")
    assert (done.returncode, done.stdout) == (1, "") and "name others" in done.stderr


def test_every_claim_has_a_script_and_a_place_in_the_gallery():
    told = {claim.id for script in catalogue.scripts() for claim in script.claims}
    assert sorted(told, key=catalogue.place) == list(catalogue.CLAIM_IDS)
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert gallery.contents(catalogue.scripts()) in page, "python -m examples.gallery puts it in"
    sections = gallery.present_sections()
    for script in catalogue.scripts():
        name = script.path.stem
        assert script.story.strip().partition("\n")[2].strip() in sections[name] and f"(pictures/{name}.png)" in sections[name]
        assert (EXAMPLES / "pictures" / f"{name}.png").stat().st_size <= gallery.LARGEST
