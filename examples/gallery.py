"""Write the gallery: run the scripts in full, with their pictures, and put what they say into examples/README.md.

``python -m examples.gallery`` runs all of them; with names (``xor circle``) only these, and the other sections stay, as does
that of a script that fails.
"""

import argparse
import re
import sys
from collections.abc import Iterable

from examples.catalogue import EXAMPLES, Outcome, Script, place, run_all, scripts

__all__ = ["contents", "document", "section"]

README = EXAMPLES / "README.md"
LARGEST = 60_000  # bytes of a picture

HEAD = """\
# What activation functions do

Claims that are made of activation functions, each computed: what is said, what came of it, and the command that shows it.
They come from two articles on why neural networks need activation functions: those of the first, which sets out from XOR, are
A1 to A15; those of the second, notes on a course (cs231n), are B1 to B13.

Trainings are compared over many seeds, that is, random starts. A number with quartiles is the median of the seeds, half of
which lie between them; a 95% interval is where the true rate or median is to be expected. `.venv/bin/python -m examples` runs
all of it in some minutes (`--quick`: in about one) and prints every verdict; a claim whose verdict changes makes it fail.
Pictures need `.venv/bin/pip install -e '.[examples]'`. This page is written by `.venv/bin/python -m examples.gallery`.
"""


def document(everything: Iterable[Script], sections: dict[str, str]) -> str:
    """The whole page: the head, the claims in a table, a section for each script."""
    everything = list(everything)
    return "\n".join([HEAD, contents(everything), *(sections[script.path.stem] for script in everything)])


def contents(everything: Iterable[Script]) -> str:
    """A table of all claims with their verdicts; the ids lead to the sections."""
    rows = [(claim, script) for script in everything for claim in script.claims]
    lines = ["| | what is said | verdict |", "| --- | --- | --- |"]
    for claim, script in sorted(rows, key=lambda row: (place(row[0].id), row[1].path.name)):
        words = claim.words.replace("|", "\\|")
        lines.append(f"| [{claim.id}](#{script.path.stem}) | {words} | {claim.expected} |")
    return "\n".join(lines) + "\n"


def section(outcome: Outcome) -> str:
    """What a script is about, its picture and command, and its claims with their verdicts."""
    script = outcome.script
    name = script.path.stem
    title, _, story = script.story.strip().partition("\n")
    picture = f"pictures/{name}.png"
    lines = [f'<a id="{name}"></a>', "", f"## {title.rstrip('.')}", "", story.strip(), ""]
    for claim in script.claims:
        verdict, figures = outcome.found[claim.id]
        lines += [f"**{claim.id}. {claim.words}** *{verdict.capitalize()}*: {figures}.", ""]
    command = f".venv/bin/python examples/{name}.py --plot examples/{picture}"
    lines += [f"![{title.rstrip('.')}]({picture})", "", f"`{command}`", ""]
    return "\n".join(lines)


def present_sections() -> dict[str, str]:
    """The sections of the page as it is, by script."""
    if not README.exists():
        return {}
    parts = re.split(r'^(?=<a id="\w+"></a>\n)', README.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {part.split('"')[1]: part.rstrip("\n") + "\n" for part in parts}


def main() -> None:
    everything = scripts()
    known = {script.path.stem: script for script in everything}
    parser = argparse.ArgumentParser(prog="python -m examples.gallery", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; all unless told")
    args = parser.parse_args()
    if unknown := [name for name in args.names if name not in known]:
        parser.error(f"unknown script {unknown[0]!r}; known are {', '.join(known)}")
    sections, failures = present_sections(), []
    chosen = [known[name] for name in args.names or known]
    for outcome in run_all(chosen, pictures=True):
        name = outcome.script.path.stem
        print(f"{name}: {outcome.last}", flush=True)
        if not outcome.passed:
            failures.append(f"{name} failed")
        elif (size := (EXAMPLES / "pictures" / f"{name}.png").stat().st_size) > LARGEST:
            failures.append(f"the picture of {name} has {size} bytes (at most {LARGEST} wanted)")
        else:
            sections[name] = section(outcome)
    README.write_text(document([script for name, script in known.items() if name in sections], sections), encoding="utf-8")
    failures += [f"{name} has no section yet" for name in known if known[name] not in chosen and name not in sections]
    if failures:
        sys.exit(f"{README} is not complete: {'; '.join(failures)}")
    print(f"{README} is written.")


if __name__ == "__main__":
    main()
