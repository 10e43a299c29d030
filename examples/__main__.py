"""Run all scripts that show claims, and print the verdict of every claim: ``python -m examples [--quick]``."""

import argparse
import sys

from examples.catalogue import CLAIM_IDS, place, run_all, scripts


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs")
    options = ["--quick"] if parser.parse_args().quick else []
    chosen = scripts()
    rows, failures = [], []
    for outcome in run_all(chosen, *options):
        name = outcome.script.path.name
        print(f"{name}: {outcome.last}", file=sys.stderr)
        rows += [(id, verdict, name, figures) for id, (verdict, figures) in outcome.found.items()]
        if not outcome.passed:
            failures.append(f"{name} ({outcome.last})")
    width = max(len(script.path.name) for script in chosen)
    print(f"{'id':4} {'verdict':22}  {'script':{width}}  figures")
    for id, verdict, name, figures in sorted(rows, key=lambda row: (place(row[0]), row[2])):
        print(f"{id:4} {verdict:22}  {name:{width}}  {figures}")
    if missing := [id for id in CLAIM_IDS if id not in {row[0] for row in rows}]:
        failures.append(f"nothing is said of {', '.join(missing)}")
    print(f"\nFAIL: {'; '.join(failures)}" if failures else f"\nPASS: {len(CLAIM_IDS)} claims in {len(chosen)} scripts")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
