"""Random programs against finite differences: ``python -m tinynet.testing.fuzz --examples 100000 --seed 0``.

Each program is drawn by `strategies.expressions`, independently of the others. Its value on tensors is compared with that on
arrays; its gradient, its jvp, and for one in four its second derivative with central quotients along a random direction, for
a random cotangent, and where these differ `gradcheck` decides. A wrong program is cut down to the steps that are wrong by
themselves and printed as code that can be pasted. Counted apart are programs at a kink, and those that finite differences
are too inexact for.
"""

import argparse
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, settings

from tinynet.autograd import grad
from tinynet.tensor import Tensor
from tinynet.testing.gradcheck import GradcheckError, GradcheckReport, InconclusiveError, gradcheck
from tinynet.testing.gradcheck.differences import STEP
from tinynet.testing.gradcheck.evaluation import random_cotangent
from tinynet.testing.independent import BACKEND, seeded
from tinynet.testing.strategies.expressions import Expression, expressions
from tinynet.transforms import jvp

__all__ = ["main"]

_BATCH = 500
_SECOND_ORDER = 4
_ATOL, _RTOL = 1e-6, 1e-6


class _Tally:
    """What the programs came to."""

    def __init__(self) -> None:
        self.programs = 0
        self.kinds: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.steps = 0
        self.wrong = 0

    def check(self, f: Expression, order: int) -> None:
        """Check one program."""
        self.programs += 1
        self.steps += len(f.steps)
        self.operations.update(f.operations)
        self.rejected.update(f.rejected)
        self.kinds[self._verdict(f, order)] += 1

    def _verdict(self, f: Expression, order: int) -> str:
        if _agrees(f, order, self.programs):
            return f"confirmed, order {order}"
        try:
            report = _checked(f, order)
        except InconclusiveError as error:
            return f"inconclusive: {str(error).splitlines()[0].rpartition(': ')[2]}"
        except Exception as error:  # a wrong gradient, or an operation that does not take what NumPy takes
            print(f"WRONG: {_told(error)}\n\n{f.smallest(lambda part: _fails(part, order))}\n", flush=True)
            self.wrong += 1
            return "WRONG"
        return "within the slopes of a kink" if report.kinks else f"confirmed at the second look, order {order}"

    def __str__(self) -> str:
        mean = self.steps / max(self.programs, 1)
        lines = [f"{self.programs} programs, {mean:.1f} operations on average, {len(self.operations)} different ones"]
        lines += [f"  {n:9d}  {100 * n / self.programs:6.2f} %  {kind}" for kind, n in self.kinds.most_common()]
        lines.append(f"  attempts to add a call that were given up, for {self.steps} that are in the programs:")
        lines += [f"  {n:9d}  {why}" for why, n in self.rejected.most_common()]
        rare = [f"{name} ({n})" for name, n in self.operations.most_common()[:-11:-1]]
        return "\n".join([*lines, f"  rarest operations: {', '.join(rare)}"])


def _agrees(f: Expression, order: int, seed: int) -> bool:
    """Whether derivatives along one random direction agree at the first look with central quotients.

    Compared with the quotient of ⟨v, f⟩ along u are its gradient times u, and the jvp of u times v; for the second order, with
    that of ⟨gradient, u⟩ along w, the gradient's gradient times w.
    """
    rng = np.random.default_rng(seed)
    u, w = ([random_cotangent(rng, x.shape) for x in f.inputs] for _ in range(2))
    try:
        values = _as_list(f(*f.inputs))
        cotangents = [random_cotangent(rng, y.shape) for y in values]
        gradients = _gradients(f, f.inputs, cotangents, create_graph=order > 1)
        slope = _quotient(lambda *xs: _dot(cotangents, _as_list(f(*xs))), f.inputs, u)
        again, pushed = jvp(f, tuple(f.inputs), tuple(u))
        if not _same_values(_as_list(again), values):
            return False
        found = [(_dot(gradients[1], u), slope), (_dot(cotangents, _as_list(pushed)), slope)]
        if order > 1:
            found.append(_second(f, cotangents, gradients, u, w))
    except Exception:
        return False  # the second look tells
    return all(abs(derivative - quotient) <= _ATOL + _RTOL * abs(quotient) for derivative, quotient in found)


def _same_values(on_tensors: list[Any], on_arrays: list[Any]) -> bool:
    """Whether values have the same shapes and, but for rounding, the same numbers."""
    pairs = [(y.data if isinstance(y, Tensor) else np.asarray(y), x) for y, x in zip(on_tensors, on_arrays, strict=True)]
    return all(y.shape == x.shape and np.allclose(y, x, rtol=1e-9, atol=1e-9) for y, x in pairs)


def _second(f: Expression, cotangents: Any, gradients: Any, u: Any, w: Any) -> tuple[float, float]:
    leaves, first = gradients
    reached = [(g, direction) for g, direction in zip(first, u, strict=True) if isinstance(g, Tensor) and g.requires_grad]
    second: Any = [None] * len(leaves)
    if reached:
        second = grad([g for g, _ in reached], leaves, [direction for _, direction in reached], allow_unused=True)

    def slope(*xs: Any) -> float:
        return _dot(_gradients(f, xs, cotangents)[1], u)

    return _dot(second, w), _quotient(slope, f.inputs, w)


def _gradients(f: Expression, xs: Any, cotangents: Any, create_graph: bool = False) -> tuple[list[Tensor], Any]:
    leaves = [Tensor(x, requires_grad=True) for x in xs]
    outputs = _as_list(f(*leaves))
    used = [(y, v) for y, v in zip(outputs, cotangents, strict=True) if y.requires_grad]
    found = grad([y for y, _ in used], leaves, [v for _, v in used], create_graph=create_graph, allow_unused=True)
    return leaves, found


def _quotient(f: Callable[..., float], xs: Sequence[Any], u: Sequence[Any]) -> float:
    low, high = (f(*(x + t * d for x, d in zip(xs, u, strict=True))) for t in (-STEP, STEP))
    return (high - low) / (2 * STEP)


def _dot(xs: Any, ys: Any) -> float:
    pairs = zip(xs, ys, strict=True)
    return float(sum(np.vdot(x.data if isinstance(x, Tensor) else x, y) for x, y in pairs if x is not None))


def _as_list(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


def _checked(f: Expression, order: int) -> GradcheckReport:
    leaves = [Tensor(x, requires_grad=True) for x in f.inputs]
    if not _same_values(_as_list(f(*leaves)), _as_list(f(*f.inputs))):
        raise GradcheckError("the value on tensors is not that on arrays")
    return gradcheck(f, f.inputs, order=order, modes=("vjp", "jvp"), fast=True, rtol=1e-5)


def _fails(f: Expression, order: int) -> bool:
    try:
        _checked(f, order)
    except InconclusiveError:
        return False
    except Exception:
        return True
    return False


def _told(error: Exception) -> str:
    if isinstance(error, GradcheckError):
        return str(error)
    where = "".join(traceback.format_tb(error.__traceback__)[-3:])
    return f"{where}{type(error).__name__}: {error}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the number of wrong programs found."""
    parser = argparse.ArgumentParser(prog="python -m tinynet.testing.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=1000, help="how many programs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-ops", type=int, default=8, help="the largest number of drawn operations in a program")
    options = parser.parse_args(arguments)
    if options.examples < 1:
        parser.error(f"--examples {options.examples} checks nothing")
    tally, start = _Tally(), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for batch in range(-(-options.examples // _BATCH)):
            examples = min(_BATCH, options.examples - batch * _BATCH)
            order = 2 if batch % _SECOND_ORDER == 0 else 1
            with seeded(options.seed + 1_000_003 * batch):
                _run(tally, examples, options.max_ops, order)
            print(f"{tally.programs} programs in {time.perf_counter() - start:.0f} s, {tally.wrong} wrong", flush=True)
    print(f"seed {options.seed}, {time.perf_counter() - start:.0f} s\n{tally}", flush=True)
    return tally.wrong


def _run(tally: _Tally, examples: int, max_ops: int, order: int) -> None:
    """Check a number of programs."""

    @settings(
        max_examples=examples, backend=BACKEND, database=None, deadline=None, phases=[Phase.generate],
        verbosity=Verbosity.quiet, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(expressions(max_ops))
    def check(f: Expression) -> None:
        tally.check(f, order)

    check()


if __name__ == "__main__":
    raise SystemExit(min(main(), 1))
