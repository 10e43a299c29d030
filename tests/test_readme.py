"""README keeps its word: its Python runs and prints what it shows, its files exist, its figures are the measured ones."""

import contextlib
import functools
import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(
    r"^```python(?: needs=(?P<needs>\S+))?\n(?P<code>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?", re.DOTALL | re.MULTILINE
)
BLOCKS = [block for block in BLOCK.finditer(README) if not block["needs"]]
FURTHER = {block["needs"]: block for block in BLOCK.finditer(README) if block["needs"]}
"""The blocks that need more than NumPy and hypothesis, by the packages that they need; each stands by itself."""


def run(block, namespace):
    """Run a block, and hold what it prints against what is shown."""
    line = README.count("\n", 0, block.start("code"))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile("\n" * line + block["code"], str(ROOT / "README.md"), "exec"), namespace)
    assert printed.getvalue() == (block["output"] or ""), f"the block at line {line + 1} of README.md"


def test_python_blocks_run_in_order_and_print_what_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # they write files
    namespace = {"__name__": "__main__"}
    assert len(BLOCKS) >= 5
    for block in BLOCKS:
        run(block, namespace)


@pytest.mark.parametrize("needs", FURTHER)
def test_blocks_that_need_more(needs, tmp_path, monkeypatch):
    for package in needs.split(","):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    run(FURTHER[needs], {"__name__": "__main__", "np": np, "tn": tn})


def test_every_block_is_run():
    assert README.count("```python") == len(BLOCKS) + len(FURTHER)


def test_files_exist():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    scripts = re.findall(r"examples/\w+\.py", README)
    local = [link for link in links if not link.startswith("http")]
    assert local and scripts
    assert [name for name in local + scripts if not (ROOT / name).exists()] == []


def test_names_exist():
    names = set(re.findall(r"\b(tn|np)\.([\w.]*\w)", README))
    assert len(names) > 30
    for package, path in names:
        functools.reduce(getattr, path.split("."), {"tn": tn, "np": np}[package])


def test_setting_up_is_one_command_each():
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    for command, goal in zip(commands, ("examples/xor.py", "pytest"), strict=True):
        assert "install" in shlex.split(command) and command.endswith(goal)
    assert "pip install tinynet" not in README  # another project has that name on the package index


def test_the_speed_of_a_stack_is_the_measured_one():
    measured = (ROOT / "benchmarks" / "members.txt").read_text(encoding="utf-8")
    eager, compiled = (float(x) for x in re.findall(r"([\d.]+) times faster", measured))
    assert f"train {eager:.0f} times faster than one after another, {compiled:.1f} times" in " ".join(README.split())


def with_measured_tables(readme):
    """README with tables of the committed benchmark results in their marked places: the first one under a heading."""
    results = (ROOT / "benchmarks" / "results.md").read_text(encoding="utf-8")

    def table(mark):
        section = results.partition(f"\n## {mark['heading']}\n")[2]
        return mark["start"] + re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)[0] + mark["end"]

    mark = r"(?P<start><!-- benchmarks/results.md: (?P<heading>.*) -->\n)(?:\|.*\n)*(?P<end><!-- end -->)"
    return re.sub(mark, table, readme)


def test_benchmark_tables_are_the_measured_ones():
    assert "<!-- benchmarks/results.md" in README
    assert with_measured_tables(README) == README, "python tests/test_readme.py puts it in"


if __name__ == "__main__":
    (ROOT / "README.md").write_text(with_measured_tables(README), encoding="utf-8")
