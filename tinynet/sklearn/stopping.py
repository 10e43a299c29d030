"""When a training ends: scikit-learn's rule."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tinynet.training import Callback

if TYPE_CHECKING:
    from tinynet.training import Trainer

__all__ = ["Converged"]


class Converged(Callback):
    """End the training after more than `patience` epochs in a row that are not by `tol` better than the best before them.

    An epoch that is better by less becomes the best one, and yet counts among them: a training that creeps ends, which
    `tinynet.training.EarlyStopping` lets go on.

    Parameters
    ----------
    monitor : str
        The column of the history to watch.
    tol, patience : float, int
        See above.
    mode : {"min", "max"}
        Whether low or high is good.
    """

    def __init__(self, monitor: str, tol: float, patience: int, mode: str = "min") -> None:
        self.monitor = monitor
        self.tol = tol
        self.patience = patience
        self._sign = 1 if mode == "max" else -1
        self._best = float("-inf")
        self._waited = 0

    def on_epoch_end(self, trainer: "Trainer", record: Mapping[str, Any]) -> None:
        goodness = self._sign * record[self.monitor]
        self._waited = 0 if goodness >= self._best + self.tol else self._waited + 1
        self._best = max(self._best, goodness)
        trainer.stop_training = self._waited > self.patience
