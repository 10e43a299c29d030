"""The table of what is supported and how it is tested: ``python -m tinynet.testing.coverage``.

One line an operation, one column a check of `tinynet.testing.check_rule`, and one for the comparison with jax. A cell that is
no tick has a letter, a capital one for a failure, and the reasons stand below the table; then come the counts, and what
other libraries differentiate that tinynet does not.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable, Sequence
from string import ascii_lowercase
from textwrap import shorten
from typing import Any, NamedTuple

import numpy as np

from tinynet.rules import COMPOSED, TABLE, name_of
from tinynet.testing.against_jax import OK, agreement
from tinynet.testing.checks import check_rule
from tinynet.testing.gradcheck import GradcheckError
from tinynet.testing.peers import PEERS, WHY_NOT, missing
from tinynet.testing.rulechecks import on_every
from tinynet.testing.strategies import cases

__all__ = ["SAME", "calls_of", "main"]

SAME = {
    "np.amax": "np.max", "np.amin": "np.min", "np.around": "np.round", "np.degrees": "np.rad2deg", "np.radians": "np.deg2rad",
    "np.linalg.matmul": "np.matmul", "np.linalg.tensordot": "np.tensordot", "np.linalg.vecdot": "np.vecdot",
    "np.linalg.outer": "np.outer", "np.linalg.matrix_transpose": "np.matrix_transpose",
}  # fmt: skip
"""Functions that NumPy has under two names without their being one object; they count once."""


_COLUMNS = {
    "value": "value", "gradient": "1st", "second derivative": "2nd", "third derivative": "3rd",
    "directional derivative": "jvp", "float32": "float32", "empty arrays": "empty", "broadcasting": "stretch",
    "conventions": "kinks", "sensitivity": "sensitive",
}  # fmt: skip
"""The checks that make the table, and what stands above their columns."""

_SENSITIVE = 50  # as many calls as may be needed to tell that a rule for a rare operand is wrong


class Line(NamedTuple):
    """An operation, and for each column of the table "ok" or what is to be said instead."""

    name: str
    cells: dict[str, str]


def calls_of(fun: Callable[..., Any], count: int) -> list[Any]:
    """Calls of an operation, as its case draws them: always the same ones, the simplest first."""
    calls: list[Any] = []
    on_every(calls.append, cases(fun), count)
    return calls


def main(arguments: Sequence[str] | None = None) -> int:
    """Check every operation and print the table.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the command line.

    Returns
    -------
    int
        The exit status: 0 if no check has failed.
    """
    parser = argparse.ArgumentParser(prog="python -m tinynet.testing.coverage", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--examples", type=int, default=10, help="how many calls are drawn for a check (default: 10)")
    parser.add_argument("--only", default="", metavar="PATTERN", help="operations whose name matches a regular expression")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    names = {name_of(fun): fun for fun in (*TABLE, *COMPOSED) if name_of(fun).startswith(("np.", "tn.", "getitem"))}
    chosen = {name: fun for name, fun in names.items() if re.search(options.only, name)}
    if not chosen:
        parser.error(f"no operation's name matches {options.only!r}")
    table = _Table(_COLUMNS | {"forms": "forms", "jax": "jax"}, max(map(len, chosen), default=0))
    for name, fun in sorted(chosen.items(), key=lambda item: (not item[0].startswith("np."), item[0])):
        table.add(_line(name, fun, options.examples))
    table.end()
    explained = bool(options.only) or _print_peers()
    print(f"\n{time.perf_counter() - start:.0f} s")
    return int(table.failed or not explained)


# One operation -------------------------------------------------------------------------------------------------------


def _line(name: str, fun: Callable[..., Any], examples: int) -> Line:
    cells = {}
    for check in _COLUMNS:
        try:
            enough = _SENSITIVE if check == "sensitivity" else examples
            cells[check] = check_rule(fun, max_examples=enough, only=[check]).checks[check]
        except GradcheckError as error:
            cells[check] = shorten(f"FAILED: {error}", 400)
    calls = calls_of(fun, 20)
    cells["forms"] = str(len({_form(call) for call in calls}))
    cells["jax"] = shorten(agreement(fun, calls, max(1, examples // 2)), 400)
    return Line(name, cells)


def _form(call: Any) -> Any:
    """A call without its numbers: the number of axes of each array, and the other arguments."""
    if isinstance(call, np.ndarray):
        return call.ndim, call.dtype.kind
    if isinstance(call, dict):
        return tuple((key, _form(value)) for key, value in call.items())
    return tuple(map(_form, call)) if isinstance(call, tuple | list) else repr(call)


# The table -----------------------------------------------------------------------------------------------------------


class _Table:
    """Prints a line as soon as it is known, and at the end what the letters mean and the counts."""

    def __init__(self, columns: dict[str, str], width: int) -> None:
        self.columns = columns
        self.lines: list[Line] = []
        self.reasons: dict[str, str] = {}
        self.failed = False
        self._width = width
        print(f"{'':{width}}  {'  '.join(columns.values())}")

    def add(self, line: Line) -> None:
        marks = (f"{self._mark(line.cells[column]):^{len(head)}}" for column, head in self.columns.items())
        print(f"{line.name:{self._width}}  {'  '.join(marks)}".rstrip(), flush=True)
        self.lines.append(line)

    def _mark(self, cell: str) -> str:
        if cell == OK or cell.isdigit():
            return "✓" if cell == OK else cell
        letter = self.reasons.setdefault(cell, _letter(len(self.reasons)))
        if not cell.startswith("FAILED"):
            return letter
        self.failed = True
        return letter.upper()

    def end(self) -> None:
        print()
        for reason, letter in self.reasons.items():
            print(f"{letter:>3}  {reason}")
        functions = {line.name for line in self.lines if line.name.startswith("np.")}
        print(
            f"\n{len(functions - SAME.keys())} distinct functions of NumPy ({len(functions)} by name), "
            f"{len(self.lines) - len(functions)} of tinynet's own"
        )
        for column, head in self.columns.items():
            cells = [line.cells[column] for line in self.lines]
            if column == "forms":
                print(f"  {head:9}  {sum(map(int, cells))} combinations of axes, parameters and spellings in 20 calls of each")
                continue
            ok, failed = cells.count(OK), sum(cell.startswith("FAILED") for cell in cells)
            told = "agreement with jax" if column == "jax" else column
            print(f"  {head:9}  {told}: {ok} ok, {len(cells) - ok - failed} with a reason, {failed} failed")


def _letter(i: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    return ascii_lowercase[i] if i < 26 else _letter(i // 26 - 1) + ascii_lowercase[i % 26]


# Other libraries -----------------------------------------------------------------------------------------------------

_NO_REASON = "FAILED: no reason is given"


def _print_peers() -> bool:
    """Print what other libraries differentiate and this one does not; whether a reason is given for all of it."""
    print("\nWhat other libraries differentiate:")
    without: dict[str, list[str]] = {}
    for library, functions in PEERS.items():
        try:
            names = functions()
        except ModuleNotFoundError:
            print(f"  {library}: not installed")
            continue
        print(f"  {library}: all but {len(missing(names))} are here")
        for name in missing(names):
            without.setdefault(name, []).append(library)
    absent = without or {name: [] for name in WHY_NOT}  # where no library is installed to be asked
    print("\nNot here, and why:")
    for reason in dict.fromkeys(WHY_NOT.get(name, _NO_REASON) for name in sorted(absent)):
        members = [name for name in sorted(absent) if WHY_NOT.get(name, _NO_REASON) == reason]
        who = ", ".join(sorted({library for name in members for library in absent[name]}))
        print(f"  {', '.join(members)}{who and f' ({who})'}: {reason}")
    return all(name in WHY_NOT for name in absent)


if __name__ == "__main__":
    sys.exit(main())
