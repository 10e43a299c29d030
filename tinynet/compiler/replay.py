"""Replay: the program as a flat list of bound calls into memory of its own."""

from collections.abc import Callable, Collection
from typing import Any

# what numpy.errstate is made of: by itself it would take as long as three calls
from numpy._core.umath import _extobj_contextvar as _errors
from numpy._core.umath import _make_extobj as _error_state

from tinynet.compiler.calls import bound
from tinynet.compiler.memory import plan
from tinynet.compiler.program import Program

__all__ = ["Replay"]


class Replay:
    """A program that is ready to run.

    Parameters
    ----------
    program : Program
        Its inputs are to be filled in before each run, its outputs to be read after it.
    quiet : collection of str
        What the calls are not to warn of, as `numpy.errstate` has it.

    Attributes
    ----------
    calls : list of tuple
        ``(function, arguments)``, in order.
    memory : Memory
        Where the program's buffers lie.
    inputs, outputs : list of numpy.ndarray
        The arrays in the program's memory.
    """

    def __init__(self, program: Program, quiet: Collection[str] = ()) -> None:
        self.program = program
        self._quiet: dict[str, Any] = dict.fromkeys(quiet, "ignore")
        self.memory = plan(program)
        self.calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        for call in program.calls:
            self.calls += bound(call, self.memory.array)
        self.inputs = [self.memory[buffer] for buffer in program.inputs]
        self.outputs = [self.memory.array(view) for view in program.outputs]

    def __call__(self) -> None:
        """Run."""
        token = _errors.set(_error_state(**self._quiet)) if self._quiet else None
        try:
            for function, arguments in self.calls:
                function(*arguments)
        finally:
            if token is not None:
                _errors.reset(token)
