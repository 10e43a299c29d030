"""What the examples share: a script that shows claims, its command line and its last word, and the page made of them."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from examples import __main__ as everything
from examples import catalogue, gallery
from examples.common import ACTIVATIONS, CONDITION, DOES_NOT_HOLD, HOLDS, Claim, mlp, output

ROOT = Path(__file__).parent.parent
FEW = "; too few seeds to judge: 4, take at least 6"
SCRIPT = '''
"""A story in a line.

And what more there is to say of it.
"""

from common import CONDITION, DOES_NOT_HOLD, HOLDS, Claim, start

CLAIMS = (
    Claim("A2", "The first claim.", HOLDS),
    Claim("A10", "The second claim.", CONDITION),
    Claim("B3", "The third claim.", DOES_NOT_HOLD),
)

def main():
    run = start(__doc__, CLAIMS, seeds=(4, 2), steps=(30, 3), activations=("ReLU", "tanh"))
    print(list(run.seeds), run.args.steps, list(run.activations))
    run.claim("A2", True, "figures of A2")
    run.claim("A10", run.args.steps > 1, "figures of A10")
    run.claim("B3", run.args.steps > 2, "what does hold")
    if run.plot:
        import tinynet as tn

        figure, axes = tn.plot.subplots(size=(8.3, 3))
        tn.plot.curves({"loss": [2.0, 1.0]}, ax=axes[0, 0])
        run.save(figure)
    run.end()

if __name__ == "__main__":
    main()
'''


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "story.py"
    path.write_text(textwrap.dedent(SCRIPT).lstrip(), encoding="utf-8")
    return path


def run(script, *args, path=()):
    search = os.pathsep.join(map(str, [*path, ROOT / "examples", ROOT]))
    command = [sys.executable, "-W", "error", str(script), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": search})


def test_claims_are_judged_and_the_last_line_sums_up(script):
    done = run(script)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "[0, 1, 2, 3] 30 ['ReLU', 'tanh']",
        "A2   holds: figures of A2",
        "A10  holds with a condition: figures of A10",
        "B3   does not hold: what does hold",
        "",
        "PASS: A2 holds, A10 holds with a condition, B3 does not hold",
    ]


def test_counts_names_and_the_first_seed_are_chosen(script):
    done = run(script, "--seed", 7, "--seeds", 2, "--steps", 9, "--activations", "sin,relu,SIN")
    assert done.stdout.startswith("[7, 8] 9 ['sin', 'ReLU']\n")
    assert run(script, "--quick").stdout.startswith("[0, 1] 3 [")
    assert run(script, "--quick", "--seeds", 1).stdout.startswith("[0] 3 [")


def test_a_claim_that_the_figures_do_not_bear_out_fails_the_script(script):
    done = run(script, "--steps", 1)
    assert done.returncode == 1
    assert "A10  not shown: figures of A10\n" in done.stdout
    last = "FAIL: A10 not shown, expected: holds with a condition; B3 not shown, expected: does not hold"
    assert done.stdout.splitlines()[-1] == last + FEW


def test_a_failure_on_few_seeds_says_so(script):
    last = run(script, "--steps", 1, "--seeds", 5).stdout.splitlines()[-1]
    assert last.startswith("FAIL: A10 not shown") and last.endswith("; too few seeds to judge: 5, take at least 6")
    assert "too few" not in run(script, "--steps", 1, "--seeds", 6).stdout + run(script, "--seeds", 5).stdout


def test_a_claim_that_is_forgotten_fails_the_script(script):
    script.write_text(script.read_text(encoding="utf-8").replace('run.claim("A2"', 'print("A2"'), encoding="utf-8")
    done = run(script)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1] == "FAIL: A2 not judged, expected: holds" + FEW


@pytest.mark.parametrize(
    "change", [('run.claim("A2"', 'run.claim("A3"'), ('run.claim("A10"', 'run.claim("A2"'), ("HOLDS)", "True)")]
)
def test_a_claim_that_is_unknown_or_judged_twice_or_misdeclared_is_an_error(script, change):
    script.write_text(script.read_text(encoding="utf-8").replace(*change, 1), encoding="utf-8")
    done = run(script)
    assert done.returncode == 1 and "Error" in done.stderr and "PASS" not in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "0"], "'0' is not a whole number of at least 1"),
        (["--seeds", "many"], "'many' is not a whole number"),
        (["--seed", "-1"], "--seed"),
        (["--steps", "1.5"], "'1.5' is not a whole number"),
        (["--activations", "relu,swosh"], f"unknown activation 'swosh'; known are {', '.join(ACTIVATIONS)}"),
        (["--activations", ""], "unknown activation ''"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_bad_options_are_refused_before_anything_runs(script, options, message):
    done = run(script, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr and "Traceback" not in done.stderr


def test_help_tells_story_claims_and_options(script):
    said = run(script, "--help").stdout
    for part in ("A story in a line.", "what more there is", "A10  The second claim.", "default 30, with --quick 3", "--plot"):
        assert part in said


def test_a_picture_that_cannot_be_written_is_refused_before_the_training(script, tmp_path):
    pytest.importorskip("matplotlib")
    before = sorted(tmp_path.iterdir())
    for file in (tmp_path / "missing" / "a.png", tmp_path / "a.pgf", tmp_path / "a", tmp_path):
        done = run(script, "--plot", file)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"--plot {file}" in done.stderr and "Traceback" not in done.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_a_picture_is_drawn_at_the_width_of_readme_and_small(script, tmp_path):
    image = pytest.importorskip("PIL.Image", reason="matplotlib brings it")
    pytest.importorskip("matplotlib")
    (tmp_path / "a.png").write_bytes(b"the picture before")
    for name in ("a.png", "b.PNG"):
        done = run(script, "--plot", tmp_path / name)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"The picture is in {tmp_path / name}." in done.stdout
        with image.open(tmp_path / name) as picture:
            assert (picture.width, picture.mode) == (830, "P")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.PNG").read_bytes()
    run(script, "--plot", tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_without_matplotlib_the_text_still_runs(script, tmp_path):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "matplotlib.py").write_text("raise ImportError('hidden by the test')", encoding="utf-8")
    done = run(script, "--plot", tmp_path / "a.png", path=[tmp_path / "hidden"])
    assert done.returncode == 0 and done.stdout == run(script).stdout
    assert "pip install -e '.[plot]'" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "a.png").exists()


def test_a_terminal_without_the_letters_gets_question_marks(script, monkeypatch):
    script.write_text(script.read_text(encoding="utf-8").replace("figures of A2", "x₁ is ½"), encoding="utf-8")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = run(script)
    assert (done.returncode, done.stderr) == (0, "") and "A2   holds: x? is ?\n" in done.stdout


def test_networks_are_made_of_sizes_and_a_seed():
    model, other = mlp((2, 5, 4, 1), tn.nn.Tanh, 3), mlp((2, 5, 4, 1), tn.nn.ReLU, np.random.default_rng(3))
    assert [type(part).__name__ for part in model] == ["Linear", "Tanh", "Linear", "Tanh", "Linear"]
    assert all((a.data == b.data).all() for a, b in zip(model.parameters(), other.parameters(), strict=True))
    x = np.random.default_rng(0).normal(size=(7, 2))
    w = [part.data for part in model.parameters()]
    expected = np.tanh(np.tanh(x @ w[0].T + w[1]) @ w[2].T + w[3]) @ w[4].T + w[5]
    assert isinstance(output(model, x), np.ndarray) and output(model, x) == pytest.approx(expected, rel=1e-12)
    assert output(tn.nn.stack([model, mlp((2, 5, 4, 1), tn.nn.Tanh, 4)]), x)[0] == pytest.approx(expected, rel=1e-12)
    assert (output(tn.nn.ReLU(), x) == np.maximum(x, 0)).all()


@pytest.fixture
def stories(script, monkeypatch):
    """The catalogue with the one script of these tests in it."""
    monkeypatch.setattr(catalogue, "EXAMPLES", script.parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "examples"), str(ROOT)]))
    monkeypatch.syspath_prepend(ROOT / "examples")
    return catalogue.scripts()


def test_scripts_are_found_by_their_claims(stories, script):
    [story] = stories
    assert story.path == script and story.story.startswith("A story in a line.")
    assert [claim.id for claim in story.claims] == ["A2", "A10", "B3"]


def test_what_a_script_says_is_read(stories):
    [outcome] = catalogue.run_all(stories)
    assert outcome.passed and outcome.last.startswith("PASS: ")
    assert outcome.found["A10"] == ("holds with a condition", "figures of A10")
    [outcome] = catalogue.run_all(stories, "--steps", "1")
    assert not outcome.passed and outcome.last.startswith("FAIL: ") and outcome.found["B3"] == ("not shown", "what does hold")


def test_a_script_that_breaks_down_is_told_by_its_error(stories, script):
    script.write_text("raise RuntimeError('broken by the test')", encoding="utf-8")
    [outcome] = catalogue.run_all(stories)
    assert (outcome.passed, outcome.found, outcome.last) == (False, {}, "RuntimeError: broken by the test")


def test_a_script_that_warns_or_cannot_draw_has_not_passed(stories, script):
    (script.parent / "matplotlib.py").write_text("raise ImportError('hidden by the test')", encoding="utf-8")
    (script.parent / "pictures").mkdir()
    [outcome] = catalogue.run_all(stories, pictures=True)
    assert not outcome.passed and outcome.last.endswith("install it with: pip install -e '.[plot]'")
    warning = "    __import__('warnings').warn('odd')\n    run.end()"
    script.write_text(script.read_text(encoding="utf-8").replace("    run.end()", warning), encoding="utf-8")
    [outcome] = catalogue.run_all(stories)
    assert not outcome.passed and outcome.found["A2"][0] == HOLDS


def test_claims_go_by_letter_and_number():
    assert sorted(sorted(catalogue.CLAIM_IDS), key=catalogue.place) == list(catalogue.CLAIM_IDS)
    assert len(catalogue.CLAIM_IDS) == 31
    assert sorted(["B1", "A15b", "A15", "A15a"], key=catalogue.place) == ["A15", "A15a", "A15b", "B1"]


def test_the_page_tells_each_claim_with_verdict_picture_and_command(stories):
    [outcome] = catalogue.run_all(stories)
    page = gallery.document(stories, {"story": gallery.section(outcome)})
    assert "| [A10](#story) | The second claim. | holds with a condition |" in page
    assert "## A story in a line\n" in page and "And what more there is to say of it." in page
    assert "**B3. The third claim.** *Does not hold*: what does hold." in page
    assert "![A story in a line](pictures/story.png)" in page
    assert "`.venv/bin/python examples/story.py --plot examples/pictures/story.png`" in page


def test_sections_are_found_again_in_the_page(stories, monkeypatch, tmp_path):
    [outcome] = catalogue.run_all(stories)
    other = SimpleNamespace(path=Path("other.py"), claims=(Claim("A1", "|x| is no line.", HOLDS),), story="Other.")
    sections = {
        "story": gallery.section(outcome),
        "other": gallery.section(catalogue.Outcome(other, {"A1": (HOLDS, "yes")}, "PASS: ", True)),
    }
    monkeypatch.setattr(gallery, "README", tmp_path / "README.md")
    assert gallery.present_sections() == {}
    page = gallery.document([other, *stories], sections)
    gallery.README.write_text(page, encoding="utf-8")
    assert gallery.present_sections() == sections
    assert page.index("](#other)") < page.index("](#story)") and "| \\|x\\| is no line. |" in page


def test_the_verdicts_are_three():
    for expected in (HOLDS, CONDITION, DOES_NOT_HOLD):
        assert Claim("A1", "words", expected).expected == expected
    with pytest.raises(ValueError, match="A1"):
        Claim("A1", "words", "perhaps")


@pytest.mark.parametrize(("wanted", "steps", "code", "last"), [
    (("A2", "A10", "B3"), 30, 0, "PASS: 3 claims in 1 scripts"),
    (("A2", "A3", "A10", "B3"), 30, 1, "FAIL: nothing is said of A3"),
    (("A2", "A10", "B3"), 2, 1, f"FAIL: story.py (FAIL: B3 not shown, expected: does not hold{FEW})"),
])
def test_one_command_prints_every_verdict(stories, script, monkeypatch, capsys, wanted, steps, code, last):
    script.write_text(script.read_text(encoding="utf-8").replace("(30, 3)", f"({steps}, 3)"), encoding="utf-8")
    monkeypatch.setattr(everything, "scripts", lambda: stories)
    monkeypatch.setattr(everything, "CLAIM_IDS", wanted)
    monkeypatch.setattr(sys, "argv", ["examples"])
    with pytest.raises(SystemExit) as end:
        everything.main()
    lines = capsys.readouterr().out.splitlines()
    assert (int(end.value.code), lines[-1]) == (code, last)
    assert lines[0].split() == ["id", "verdict", "script", "figures"]
    assert [line.split()[0] for line in lines[1:4]] == ["A2", "A10", "B3"]
    assert " ".join(lines[2].split()) == "A10 holds with a condition story.py figures of A10"


def test_the_gallery_is_written_when_every_script_has_its_section(stories, script, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    page = script.parent / "README.md"
    (script.parent / "pictures").mkdir()
    for name, value in {"scripts": lambda: stories, "README": page, "EXAMPLES": script.parent}.items():
        monkeypatch.setattr(gallery, name, value)
    monkeypatch.setattr(sys, "argv", ["gallery"])
    gallery.main()
    assert "**A2. The first claim.** *Holds*: figures of A2." in page.read_text(encoding="utf-8")
    assert (script.parent / "pictures" / "story.png").exists()
    monkeypatch.setattr(sys, "argv", ["gallery", "tale"])
    with pytest.raises(SystemExit):
        gallery.main()
    assert "unknown script 'tale'; known are story" in capsys.readouterr().err
    before = page.read_text(encoding="utf-8")
    monkeypatch.setattr(gallery, "LARGEST", 100)
    monkeypatch.setattr(sys, "argv", ["gallery", "story"])
    with pytest.raises(SystemExit, match=r"not complete: the picture of story has \d+ bytes"):
        gallery.main()
    assert page.read_text(encoding="utf-8") == before
