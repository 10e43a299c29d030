"""Randomness is an argument: an int seed, a `numpy.random.Generator`, or the default generator of this thread or coroutine."""

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.errors import RecordingError
from tinynet.mode import is_recording

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator

__all__ = ["Draws", "as_generator", "manual_seed", "rewound", "watched"]

_default: ContextVar["Generator"] = ContextVar("tinynet_default_generator")
_watched: ContextVar["Draws | None"] = ContextVar("tinynet_watched_generators", default=None)


def manual_seed(seed: int) -> "Generator":
    """Seed the default generator, which everything random draws from unless it is given an ``rng``.

    The default generator belongs to the current thread or coroutine; until it is seeded it starts from fresh entropy, as
    NumPy's does.

    Parameters
    ----------
    seed : int
        A non-negative integer.

    Returns
    -------
    numpy.random.Generator
        The generator.

    Raises
    ------
    RecordingError
        Within a step that is being compiled: a replay would not seed anew.

    Examples
    --------
    >>> import tinynet as tn
    >>> first = tn.manual_seed(0).random()
    >>> tn.manual_seed(0).random() == first
    True
    """
    if is_recording():
        raise RecordingError(
            "manual_seed in a step that is being compiled: a replay would not seed anew; seed before the step, or give what "
            "draws a generator of its own (rng=) and rewind that outside"
        )
    generator = np.random.default_rng(seed)
    _default.set(generator)
    return generator


def as_generator(rng: "int | Generator | None" = None) -> "Generator":
    """The generator that an ``rng`` argument stands for.

    Parameters
    ----------
    rng : int, numpy.random.Generator or None
        A seed makes a new generator, a generator is used as it is, None means the default one (see `manual_seed`).

    Returns
    -------
    numpy.random.Generator
    """
    generator = np.random.default_rng(rng) if rng is not None else _default.get(None)
    if generator is None:
        generator = np.random.default_rng()
        _default.set(generator)
    draws = _watched.get()
    if draws is not None:
        draws.note(generator, is_default=rng is None)
    return generator


class Draws:
    """Which generators were asked for, in what state each was then, and which was the default one."""

    def __init__(self, outer: "Draws | None" = None) -> None:
        self.states: dict[Generator, Any] = {}
        self.default: Generator | None = None
        self._outer = outer

    def note(self, generator: "Generator", is_default: bool) -> None:
        """Note a generator that is about to be used."""
        self.states.setdefault(generator, generator.bit_generator.state)
        self.default = generator if is_default else self.default
        if self._outer is not None:
            self._outer.note(generator, is_default)


@contextmanager
def watched() -> "Iterator[Draws]":
    """Note the state that each generator is in when it is first asked for within; see `rewound`."""
    draws = Draws(_watched.get())
    token = _watched.set(draws)
    try:
        yield draws
    finally:
        _watched.reset(token)


@contextmanager
def rewound(draws: Draws) -> "Iterator[None]":
    """Put generators back into noted states, so that they draw the same again, and afterwards where they were.

    The default generator is the one that was, whatever thread this is.
    """
    now = {generator: generator.bit_generator.state for generator in draws.states}
    token = None if draws.default is None else _default.set(draws.default)
    try:
        for generator, state in draws.states.items():
            generator.bit_generator.state = state
        yield
    finally:
        for generator, state in now.items():
            generator.bit_generator.state = state
        if token is not None:
            _default.reset(token)
