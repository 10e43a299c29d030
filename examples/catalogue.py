"""The scripts that show claims: which there are, and what each says when it is run."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["CLAIM_IDS", "EXAMPLES", "Outcome", "Script", "place", "run_all", "scripts"]

EXAMPLES = Path(__file__).parent
CLAIM_IDS = (*(f"A{i}" for i in range(1, 15)), *(f"A15{part}" for part in "abcd"), *(f"B{i}" for i in range(1, 14)))
"""What has to be shown by one script or another."""

LINE = re.compile(r"^([A-Z]\d+[a-z]?) +(holds with a condition|holds|does not hold|not shown): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Script:
    """A file, what its docstring says, and the claims that it declares."""

    path: Path
    story: str
    claims: tuple[Any, ...]


@dataclass(frozen=True)
class Outcome:
    """What a script said.

    Attributes
    ----------
    found : dict of str to (str, str)
        For each claim's id the verdict and the figures.
    last : str
        Its last line, which begins with PASS or FAIL; or the last line of its error or warning, if there was one.
    passed : bool
        Whether every claim came to its verdict, without an error or a warning.
    """

    script: Script
    found: dict[str, tuple[str, str]]
    last: str
    passed: bool


def scripts() -> list[Script]:
    """The scripts beside this file that declare ``CLAIMS``, in the order of their first claims."""
    sys.path.insert(0, str(EXAMPLES))  # as it is when a script is run
    try:
        declared = [path for path in EXAMPLES.glob("*.py") if re.search(r"^CLAIMS = ", path.read_text("utf-8"), re.MULTILINE)]
        loaded = [(path, _load(path)) for path in declared]
    finally:
        sys.path.remove(str(EXAMPLES))
    found = [Script(path, module.__doc__ or "", tuple(module.CLAIMS)) for path, module in loaded]
    return sorted(found, key=lambda script: (min(place(claim.id) for claim in script.claims), script.path.name))


def place(id: str) -> tuple[str, int, str]:
    """Where a claim stands among the others: A2 before A10, and A15a, a part of A15, behind it."""
    number = id[1:].rstrip("abcdefgh")
    return id[0], int(number), id[1 + len(number) :]


def run_all(chosen: Sequence[Script], *options: str, pictures: bool = False) -> Iterator[Outcome]:
    """Run scripts, as many at once as there are processors, each on one thread; what they said, in the order given."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(processors) as pool:
        yield from pool.map(lambda script: _run(script, options, pictures), chosen)


def _load(path: Path) -> Any:
    specification = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _run(script: Script, options: Sequence[str], picture: bool) -> Outcome:
    command = [sys.executable, str(script.path), *options]
    if picture:
        command += ["--plot", str(EXAMPLES / "pictures" / f"{script.path.stem}.png")]
    path = os.pathsep.join(filter(None, [str(EXAMPLES.parent), os.environ.get("PYTHONPATH")]))
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1", **threads}
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment)
    found = {id: (verdict, figures) for id, verdict, figures in LINE.findall(done.stdout)}
    said = done.stdout if done.returncode in (0, 1) and not done.stderr else done.stderr
    passed = done.returncode == 0 and not done.stderr
    return Outcome(script, found, (said.strip() or "no output").splitlines()[-1], passed)
