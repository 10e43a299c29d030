"""Replay: the program as a flat list of bound calls into memory of its own."""

from tinynet.compiler.calls import bound
from tinynet.compiler.memory import plan
from tinynet.compiler.private import joined
from tinynet.compiler.program import Program

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
    memory : Memory
        Where the program's buffers lie.
    inputs, outputs : list of numpy.ndarray
        The arrays in the program's memory.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.memory = plan(program)
        self.calls = joined(item for call in program.calls for item in bound(call, self.memory.array))
        self.inputs = [self.memory[buffer] for buffer in program.inputs]
        self.outputs = [self.memory.array(view) for view in program.outputs]

    def __call__(self) -> None:
        """Run."""
        for function, arguments in self.calls:
            function(*arguments)
