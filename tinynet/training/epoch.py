"""An epoch that is under way: which of its batches are done, and what came of them."""

from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Any

import numpy as np

from tinynet.training import generators
from tinynet.training.feed import Feed
from tinynet.training.tally import Tally

__all__ = ["Epoch"]

Array = np.ndarray[Any, Any]


class Epoch:
    """The batches of a pass over the data, and the figures of those that are done.

    Parameters
    ----------
    data : Feed
        Where the batches come from.
    rng : Generator, tuple of them or None
        What their order is drawn from.
    tally : Tally
        What counts the batches that are done.
    savable : bool
        Whether to note what `state_dict` tells of the start.

    Attributes
    ----------
    tally : Tally
    done : int
        How many batches are done, with the one that was given out last.
    """

    def __init__(self, data: Feed, rng: Any, tally: Tally, savable: bool) -> None:
        self.tally = tally
        self.done: int = 0
        self._data = data
        self._rng = rng
        self._start: Any = generators.states(data.drawn_from(rng)) if savable else None
        self._began = perf_counter()

    @property
    def seconds(self) -> float:
        """How long it took so far."""
        return perf_counter() - self._began

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        """The batches that are not done yet; who goes through them counts them."""
        return self._undone() if self.done else self._data.one_pass(self._rng)

    def _undone(self) -> Iterator[tuple[Array, Array]]:
        """The batches after those that are done, in the order that is drawn from where the generators were at the start."""
        drawn_from = self._data.drawn_from(self._rng)
        now = generators.states(drawn_from)
        generators.put_back(self._start, drawn_from)
        batches = self._data.one_pass(self._rng)
        for i in range(self.done):
            if next(batches, None) is None:
                raise ValueError(
                    f"the checkpoint is from after batch {self.done} of an epoch, and the data give {i} batches; go on with "
                    "the data as they were"
                )
        generators.put_back(now, drawn_from)
        return batches

    def state_dict(self) -> dict[str, Any]:
        """What it needs to go on in another process.

        Returns
        -------
        dict
            ``done``; ``data``, what is known of them; ``start``, the states in which the epoch found the generators that the
            data draw from; ``tally``; ``seconds``.
        """
        return {
            "done": self.done,
            "data": self._data.description(self._rng),
            "start": self._start,
            "tally": self.tally.state_dict(),
            "seconds": self.seconds,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Stand where another epoch stood when it gave its `state_dict`.

        Parameters
        ----------
        state_dict : mapping
            The state of an epoch over the same data.

        Raises
        ------
        ValueError
            If its data were others, as far as is known of them; nothing was changed then.
        """
        saved, own = state_dict["data"], self._data.description(self._rng)
        names = [name for name in {**saved, **own} if saved.get(name) != own.get(name)]
        found = [f"{name} was {saved.get(name)}, and is {own.get(name)}" for name in names]
        found += generators.differences(state_dict["start"], generators.states(self._data.drawn_from(self._rng)))
        if found:
            raise ValueError(
                f"the checkpoint is from the middle of an epoch, over other data: {'; '.join(found)}. Go on with the data as "
                "they were, or with a checkpoint from the end of an epoch"
            )
        self.tally.load_state_dict(state_dict["tally"])
        self.done, self._start = state_dict["done"], state_dict["start"]
        self._began = perf_counter() - state_dict["seconds"]
