"""What a step changes outside of itself, as it was before: so that a step that ran, or ended half-way, can be undone."""

from typing import Any

from tinynet.compiler.elsewhere import GlobalGenerators
from tinynet.compiler.program import Array, Buffer
from tinynet.random import Draws

__all__ = ["Undo"]


class Undo:
    """What is to be put back.

    Attributes
    ----------
    arrays : dict of Buffer to numpy.ndarray
        What the arrays from outside held before the step changed them.
    gradients : dict
        All tensors from outside that took part, each with the gradient that it had when it was first met.
    actors : dict
        By its identity each object that a method of was called as an effect, and its attributes before that.
    draws : Draws
        The generators that were used, and the states that they were in.
    others : GlobalGenerators
        Those that no recorded operation draws from; after a step that did not draw from them there is nothing to put back.
    """

    def __init__(self, draws: Draws) -> None:
        self.arrays: dict[Buffer, Array] = {}
        self.gradients: dict[Any, Any] = {}
        self.actors: dict[int, tuple[Any, dict[str, Any]]] = {}
        self.draws = draws
        self.others = GlobalGenerators()

    def rewind(self) -> None:
        """Put it back."""
        for buffer, content in self.arrays.items():
            buffer.array[...] = content
        for tensor, gradient in self.gradients.items():
            tensor._grad = gradient
        for actor, attributes in self.actors.values():
            vars(actor).update(attributes)
        for generator, state in self.draws.states.items():
            generator.bit_generator.state = state

    def forget(self) -> None:
        """Let go of the contents; it cannot be rewound any more."""
        self.arrays = {}
        self.gradients = dict.fromkeys(self.gradients)
