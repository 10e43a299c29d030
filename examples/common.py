"""What the examples share: their command line, the claims that they show, their networks and pictures, and the last word.

A script tells one story. It declares the claims that the story shows, each in words of its own and with the verdict that it
is expected to come to; then it computes, says for each claim what came of it, draws its picture, and ends::

    '''What the script is about, in a sentence or three: `--help` says it, and so does the gallery.'''

    import tinynet as tn
    from common import CONDITION, DOES_NOT_HOLD, HOLDS, Claim, start
    from stats import median, rate

    CLAIMS = (
        Claim("A2", "No straight line tells the zeros of XOR from its ones.", HOLDS),
        Claim("A6", "A network that could solve XOR need not learn to.", HOLDS),
    )

    def main() -> None:
        run = start(__doc__, CLAIMS, seeds=(500, 20), steps=(3000, 500))  # the usual value, and the one with --quick
        solved = [train(seed, run.args.steps) for seed in run.seeds]
        run.claim("A2", best == 3, f"the best of all lines is right on {best} of 4 points")
        run.claim("A6", 0 < sum(solved) < len(solved), f"solved by {rate(sum(solved), len(solved))}")
        if run.plot:
            run.save(picture(solved))
        run.end()

    if __name__ == "__main__":
        main()

which prints, for each claim, a line with its id, the verdict and the figures, and ends with exit code 0 or 1::

    A2   holds: the best of all lines is right on 3 of 4 points
    A6   holds: solved by 329 of 500, 66% (95% interval 62% to 70%)

    PASS: A2 holds, A6 holds

The truth that `claim` is given is whether the figures bear out the *expected verdict*: for a claim that does not hold it is
true when the counterexample was found. If they do not, the line says "not shown", and the script fails. `figures` completes
the sentence "it holds: ..." and goes into the gallery as it stands: with numbers of seeds, an interval, and the condition
where there is one. Text may be printed before (tables, drawings of letters); nothing that differs from run to run, such as
seconds. A picture is 8.3 inches wide (830 pixels, what README and the gallery show) and made with `tinynet.plot`.
"""

import argparse
import io
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

import tinynet as tn

__all__ = [
    "ACTIVATIONS", "CONDITION", "DOES_NOT_HOLD", "HOLDS", "NOT_SHOWN", "WIDTH", "Claim", "Run", "mlp", "output", "parse",
    "start", "verdict",
]  # fmt: skip

HOLDS, CONDITION, DOES_NOT_HOLD = "holds", "holds with a condition", "does not hold"
NOT_SHOWN = "not shown"
FEWEST = 6
"""Seeds that it takes: with fewer the 95 % interval of a median is everything (see `stats.center`)."""

WIDTH = 8.3
"""The width of a picture in inches; with `DPI` pixels an inch it is as wide as README's column."""
DPI = 100
COLORS = 128  # in a picture's palette: no difference to the eye, and a third of the size
KINDS = (".pdf", ".png", ".svg")
"""What a picture's name may end in: what matplotlib writes without any further program."""

ACTIVATIONS: dict[str, Callable[[], tn.nn.Module]] = {
    "linear": tn.nn.Identity, "ReLU": tn.nn.ReLU, "LeakyReLU": tn.nn.LeakyReLU, "PReLU": tn.nn.PReLU,
    "ELU": tn.nn.ELU, "Softplus": tn.nn.Softplus, "GELU": tn.nn.GELU, "Swish": tn.nn.Swish,
    "tanh": tn.nn.Tanh, "sigmoid": tn.nn.Sigmoid, "sin": tn.nn.Sin, "square": tn.nn.Square,
}  # fmt: skip
"""The activations that can be asked for by name."""


def mlp(sizes: Sequence[int], activation: Callable[[], tn.nn.Module], rng: Any) -> tn.nn.Sequential:
    """Linear layers from size to size with an activation between them; `rng` is what `numpy.random.default_rng` takes."""
    generator = np.random.default_rng(rng)
    linear = [tn.nn.Linear(n, m, rng=generator) for n, m in pairwise(sizes)]
    return tn.nn.Sequential(linear[0], *(part for layer in linear[1:] for part in (activation(), layer)))


def output(model: tn.nn.Module, x: Any) -> "np.ndarray[Any, Any]":
    """What a model makes of x, as an array; of a stack what each member makes of it."""
    with tn.no_grad():
        return model(tn.Tensor(x)).data


MEANINGS = {
    "epochs": "passes over the data",
    "steps": "training steps",
    "seeds": "how many random starts, with the seeds S, S+1, ...",
}


@dataclass(frozen=True)
class Claim:
    """What is said of activation functions, and what is expected to come of it.

    Parameters
    ----------
    id : str
        A letter and a number, such as A6; once in a script, so that parts of a claim are A15a, A15b.
    words : str
        The claim, in a sentence or two that need no context.
    expected : str
        `HOLDS`, `CONDITION` or `DOES_NOT_HOLD`.
    """

    id: str
    words: str
    expected: str

    def __post_init__(self) -> None:
        if self.expected not in (HOLDS, CONDITION, DOES_NOT_HOLD):
            raise ValueError(f"claim {self.id}: the expected verdict {self.expected!r} is none of the three")


class Run:
    """A script at work: made by `start`.

    Attributes
    ----------
    args : argparse.Namespace
        The command line: ``quick`` and the counts that the script asked for.
    seeds : range
        The random seeds, as many as ``--seeds`` says from ``--seed`` on.
    plot : Path or None
        The file to draw the picture in; None where no picture is wanted or can be made.
    activations : dict of str to callable
        The chosen activations by name, for a script that lets them be chosen.
    """

    def __init__(self, claims: Iterable[Claim], args: argparse.Namespace) -> None:
        self.args = args
        self.seeds = range(args.seed, args.seed + args.seeds)
        self.plot: Path | None = args.plot
        self.activations = {name: ACTIVATIONS[name] for name in getattr(args, "activations", ())}
        self._claims = {claim.id: claim for claim in claims}
        self._found: dict[str, str] = {}

    def claim(self, id: str, shown: Any, figures: str) -> None:
        """Say what came of a claim: its verdict if the figures bear it out, and the figures."""
        if id in self._found:
            raise ValueError(f"claim {id} is judged twice")
        self._found[id] = self._claims[id].expected if shown else NOT_SHOWN
        print(f"{id:3}  {self._found[id]}: {figures}", flush=True)

    def save(self, figure: Any) -> None:
        """Write the picture to the file of ``--plot``; a PNG with a palette, which is small."""
        assert self.plot is not None, "save the picture only if run.plot"
        if self.plot.suffix.lower() == ".png":
            from PIL import Image

            pixels = io.BytesIO()
            figure.savefig(pixels, dpi=DPI, format="png")
            method, dither = Image.Quantize.MAXCOVERAGE, Image.Dither.NONE  # a rare colour is kept as well as a frequent one
            picture = Image.open(pixels).convert("RGB").quantize(COLORS, method=method, dither=dither)
            picture.save(self.plot, optimize=True)
        else:
            figure.savefig(self.plot)
        print(f"\nThe picture is in {self.plot}.")

    def end(self) -> NoReturn:
        """The last word: PASS and exit code 0 if each claim came to the verdict expected of it; a hint if seeds are few."""
        found = [(claim, self._found.get(claim.id, "not judged")) for claim in self._claims.values()]
        wrong = [f"{claim.id} {what}, expected: {claim.expected}" for claim, what in found if what != claim.expected]
        if wrong and len(self.seeds) < FEWEST:
            wrong.append(f"too few seeds to judge: {len(self.seeds)}, take at least {FEWEST}")
        verdict(not wrong, "; ".join(wrong) or ", ".join(f"{claim.id} {what}" for claim, what in found))


def start(
    description: str | None,
    claims: Iterable[Claim],
    *,
    seeds: tuple[int, int],
    activations: Iterable[str] = (),
    **counts: tuple[int, int],
) -> Run:
    """Read the command line of a script that shows claims.

    Parameters
    ----------
    description : str
        What ``--help`` says first: the script's docstring.
    claims : iterable of Claim
        What the script shows; ``--help`` says them too.
    seeds : (int, int)
        How many seeds are usual, and how many with ``--quick``.
    activations : iterable of str
        The names in `ACTIVATIONS` that are looked at unless ``--activations`` says others; without any there is no such option.
    **counts : (int, int)
        For each further count (``epochs``, ``steps``) its usual value and the one with ``--quick``.

    Returns
    -------
    Run

    Raises
    ------
    SystemExit
        With exit code 2 and a line that says what is wrong with the command line. A picture that cannot be written is wrong;
        where matplotlib is missing, standard error says what to install, and the script runs without the picture.
    """
    claims = tuple(claims)
    said = "\n".join(f"{claim.id:3}  {claim.words}" for claim in claims)
    return Run(claims, parse(f"{description}\n\nThe claims:\n\n{said}", activations, seeds=seeds, **counts))


def parse(description: str | None, activations: Iterable[str] = (), **counts: tuple[int, int]) -> argparse.Namespace:
    """The command line of an example; see `start`."""
    sys.stdout.reconfigure(errors="replace")  # a terminal that has no ₁ or π gets a question mark
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=_at_least(0), default=0, metavar="S", help="the (first) random seed (default 0)")
    for name, (usual, quick) in counts.items():
        shown = f"default {usual}" if usual == quick else f"default {usual}, with --quick {quick}"
        parser.add_argument(f"--{name}", type=_at_least(1), metavar="N", help=f"{MEANINGS.get(name, name)} ({shown})")
    if chosen := tuple(activations):
        shown = f"those of {', '.join(ACTIVATIONS)} to look at (default {','.join(chosen)})"
        parser.add_argument("--activations", type=_names, default=chosen, metavar="NAME,...", help=shown)
    parser.add_argument("--plot", type=Path, metavar="FILE", help=f"draw the picture in this file ({', '.join(KINDS)})")
    parser.add_argument("--quick", action="store_true", help="a short run, for a first look and for tests")
    args = parser.parse_args()
    for name, (usual, quick) in counts.items():
        if getattr(args, name) is None:
            setattr(args, name, quick if args.quick else usual)
    if args.plot is not None:
        if problem := _cannot_write(args.plot):
            parser.error(f"--plot {args.plot}: {problem}")
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            print("--plot: no picture without matplotlib; install it with: pip install -e '.[plot]'", file=sys.stderr)
            args.plot = None
    return args


def verdict(passed: Any, text: str) -> NoReturn:
    """Print how it went and end the script, with exit code 0 or 1."""
    print(f"\n{'PASS' if passed else 'FAIL'}: {text}")
    sys.exit(0 if passed else 1)


def _at_least(low: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {low}")
        return int(text)

    return number


def _names(text: str) -> tuple[str, ...]:
    known = {name.lower(): name for name in ACTIVATIONS}
    chosen = [name.strip() for name in text.split(",")]
    if unknown := [name for name in chosen if name.lower() not in known]:
        raise argparse.ArgumentTypeError(f"unknown activation {unknown[0]!r}; known are {', '.join(ACTIVATIONS)}")
    return tuple(dict.fromkeys(known[name.lower()] for name in chosen))


def _cannot_write(path: Path) -> str | None:
    """Why no picture can be written there: found out before the training rather than after it."""
    if path.suffix.lower() not in KINDS:
        return f"the name must end in one of {', '.join(KINDS)}"
    new = not path.exists()
    try:
        path.open("ab").close()
    except OSError as error:
        return f"the file cannot be written ({error.strerror})"
    if new:
        path.unlink()
    return None
