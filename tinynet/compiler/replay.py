"""Replay: the program as a flat list of bound calls into memory of its own."""

from collections.abc import Callable
from typing import Any

from tinynet.compiler.calls import bound
from tinynet.compiler.memory import plan
from tinynet.compiler.program import Array, Program, View

__all__ = ["Replay"]


class Replay:
    """A program that is ready to run.

    Parameters
    ----------
    program : Program
        Its inputs are to be filled in before each run, its outputs to be read after it.

    Attributes
    ----------
    calls : list of tuple
        ``(function, arguments)``, in order.
    inputs, outputs : list of numpy.ndarray
        The arrays in the program's memory.
    """

    def __init__(self, program: Program) -> None:
        self._memory = plan(program)
        self.program = program
        self.calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        for call in program.calls:
            self.calls += bound(call, self.array)
        self.inputs = [self.array(buffer.whole) for buffer in program.inputs]
        self.outputs = [self.array(view) for view in program.outputs]

    def array(self, view: View) -> Array:
        """The array that a view is in the program's memory."""
        root = self._memory[view.buffer]
        if view.shape == root.shape and view.strides == root.strides and view.dtype == root.dtype:
            return root
        return view.on(root)

    def __call__(self) -> None:
        """Run."""
        for function, arguments in self.calls:
            function(*arguments)
