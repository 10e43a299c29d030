"""The memory plan: where each buffer of a program lies."""

import numpy as np

from tinynet.compiler.program import Array, Buffer, Program

__all__ = ["plan"]


def plan(program: Program) -> dict[Buffer, Array]:
    """For each buffer the array that it is, or that it is given."""
    return {
        buffer: buffer.array if buffer.kind in ("outside", "constant") else np.empty_like(buffer.array)
        for buffer in program.buffers()
    }
