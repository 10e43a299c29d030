"""The examples run as a newcomer runs them: they pass, say the same twice, and fail where a training is too short."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples import catalogue, gallery

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py") if "\nCLAIMS = " in path.read_text(encoding="utf-8"))
TRAININGS = {
    "xor.py": "--steps", "circle.py": "--epochs", "sin_vs_relu.py": "--epochs", "digits.py": "--epochs",
    "universal_approximation.py": "--steps", "square.py": "--steps", "only_activations.py": "--steps",
    "calibration.py": "--steps", "learnable.py": "--steps",
    "linear_collapse.py": "--steps", "expressive_power.py": "--steps",
    "gates.py": "--epochs", "landscape.py": "--steps",
}  # fmt: skip


def installed(name):
    return importlib.util.find_spec(name) is not None


def run(script, *args, **environment):
    command = [sys.executable, "-W", "error", str(EXAMPLES / script), *map(str, args)]
    env = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)


def needs_data(script):
    if script == "digits.py" and not installed("sklearn"):
        pytest.skip("scikit-learn is not installed")


def few(script):
    """Options for a run that need not come to a verdict."""
    return ["--quick"] if script == "digits.py" else ["--quick", "--seeds", 2]


@pytest.mark.parametrize("script", [*SCRIPTS, "digits.py"])
def test_passes(script):
    needs_data(script)
    done = run(script, "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("PASS: ")
    assert done.stderr == ""


@pytest.mark.parametrize("script", [*SCRIPTS, "digits.py"])
def test_repeats_and_draws_its_picture(script, tmp_path):
    needs_data(script)
    file, plot = tmp_path / "picture.png", []
    if installed("matplotlib"):
        plot = ["--plot", file]
    first, second = run(script, *few(script)), run(script, *few(script), *plot, PYTHONHASHSEED="1")
    assert first.stderr == second.stderr == ""
    assert [line for line in second.stdout.splitlines() if line != f"The picture is in {file}." and line] == [
        line for line in first.stdout.splitlines() if line
    ]
    if plot:
        assert f"The picture is in {file}." in second.stdout
        assert file.read_bytes().startswith(b"\x89PNG") and file.stat().st_size < 100_000


COMPILED_OR_NOT = """
import functools, runpy, sys
import tinynet as tn

tn.Trainer.__init__ = functools.partialmethod(tn.Trainer.__init__, compile={compile!r})
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("script", TRAININGS)
def test_compiled_training_says_the_same(script):
    needs_data(script)
    outputs = []
    for compile in ("auto", False):
        code = COMPILED_OR_NOT.format(compile=compile)
        command = [sys.executable, "-c", code, str(EXAMPLES / script), *map(str, few(script))]
        env = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)
        assert done.stderr == ""
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("script", TRAININGS)
def test_another_seed_is_another_training(script):
    needs_data(script)
    options = [*few(script), TRAININGS[script], 20 if script == "xor.py" else 2]
    assert run(script, *options, "--seed", 1).stdout != run(script, *options).stdout


@pytest.mark.parametrize("script", TRAININGS)
def test_a_training_too_short_fails(script):
    needs_data(script)
    done = run(script, "--quick", TRAININGS[script], 1)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1].startswith("FAIL: ")


@pytest.mark.parametrize("script", [*SCRIPTS, "digits.py"])
def test_help_names_the_options(script):
    done = run(script, "--help")
    assert done.returncode == 0
    for option in ("--seed", "--plot", "--quick", *(["--seeds"] if script in SCRIPTS else [])):
        assert option in done.stdout


def test_a_missing_package_is_named(tmp_path):
    (tmp_path / "sklearn.py").write_text("raise ImportError('hidden by the test')", encoding="utf-8")
    done = run("digits.py", PYTHONPATH=os.pathsep.join([str(tmp_path), str(EXAMPLES.parent)]))
    assert done.returncode != 0 and done.stdout == ""
    assert "pip install -e '.[examples]'" in done.stderr and "Traceback" not in done.stderr


def test_linear_never_solves_xor_and_tanh_does():
    done = run("xor.py", "--seeds", 50)
    assert done.returncode == 0, done.stdout
    assert "linear  8 units  0 of 50, 0.0% (" in done.stdout and "tanh    8 units  50 of 50, 100.0% (" in done.stdout


def test_activations_to_compare_are_chosen():
    done = run("circle.py", "--quick", "--seeds", 6, "--activations", "sin,linear")
    assert done.returncode == 0, done.stderr
    assert "sin   " in done.stdout and "tanh" not in done.stdout
    done = run("circle.py", "--activations", "linear")
    assert (done.returncode, done.stdout) == (1, "") and "name others" in done.stderr


def test_every_claim_has_a_script_and_a_place_in_the_gallery():
    told = {claim.id.rstrip("abcdefgh") for script in catalogue.scripts() for claim in script.claims}
    assert sorted(told, key=catalogue.place) == list(catalogue.CLAIM_IDS)
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert gallery.contents(catalogue.scripts()) in page, "python -m examples.gallery puts it in"
    sections = gallery.present_sections()
    for script in catalogue.scripts():
        name = script.path.stem
        assert script.story.strip().partition("\n")[2].strip() in sections[name] and f"(pictures/{name}.png)" in sections[name]
        assert (EXAMPLES / "pictures" / f"{name}.png").stat().st_size <= gallery.LARGEST
