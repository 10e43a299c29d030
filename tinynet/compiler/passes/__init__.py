"""The passes: each takes a program and gives one that computes the same with fewer or cheaper calls. They run in this order."""

from collections.abc import Callable

from tinynet.compiler.passes.scalars import scalars
from tinynet.compiler.passes.tiles import tiles
from tinynet.compiler.program import Program

__all__ = ["PASSES", "optimized"]

PASSES: tuple[Callable[[Program], Program], ...] = (scalars, tiles)


def optimized(program: Program) -> Program:
    """The program after all passes."""
    for improve in PASSES:
        program = improve(program)
    return program
