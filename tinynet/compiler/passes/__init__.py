"""The passes: each takes a program and gives one that computes the same with fewer or cheaper calls. They run in this order."""

from collections.abc import Callable

from tinynet.compiler.passes.algebra import algebra
from tinynet.compiler.passes.cheaper import cheaper
from tinynet.compiler.passes.constants import constants
from tinynet.compiler.passes.copies import copies
from tinynet.compiler.passes.dead import dead
from tinynet.compiler.passes.equal import equal
from tinynet.compiler.passes.scalars import scalars
from tinynet.compiler.passes.tiles import tiles
from tinynet.compiler.passes.transposed import transposed
from tinynet.compiler.program import Program

__all__ = ["PASSES", "optimized"]

PASSES: tuple[Callable[[Program], Program], ...] = (
    dead,  # an array that numpy.empty_like made is no constant, and its copy not made once
    constants,
    algebra,
    equal,
    transposed,
    copies,  # also those that algebra leaves
    dead,
    cheaper,
    scalars,
    tiles,
)


def optimized(program: Program) -> Program:
    """The program after all passes."""
    for improve in PASSES:
        program = improve(program)
    return program
