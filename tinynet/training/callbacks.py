"""Callbacks: what is to happen besides the training itself."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tinynet.nn.ensembles import Stack
from tinynet.training.history import describe
from tinynet.training.metrics import METRICS

if TYPE_CHECKING:
    from os import PathLike

    from tinynet.training.trainer import Trainer

__all__ = ["BestModel", "Callback", "EarlyStopping", "Logger", "Scheduler"]


class Callback:
    """Something that a `tinynet.Trainer` calls while it trains; a subclass defines the events it wants.

    The callbacks of a trainer are called in their order. Through the trainer they reach everything: ``trainer.model``,
    ``trainer.optimizer``, ``trainer.history``, ``trainer.epoch`` and ``trainer.batch`` (both counted from 1);
    ``trainer.stop_training = True`` ends the training after the epoch, ``trainer.stopped[k] = trainer.epoch`` that of a member
    of a stack.

    Examples
    --------
    >>> from tinynet.training import Callback
    >>> class Announce(Callback):
    ...     def on_epoch_end(self, trainer, record):
    ...         print(trainer.epoch, record["loss"])
    """

    def on_fit_begin(self, trainer: "Trainer") -> None:
        """Called before the first epoch; the history has its columns, and no epoch unless the training is resumed."""

    def on_backward_end(self, trainer: "Trainer") -> None:
        """Called when a batch's gradients are there, before the update: the place to clip them."""

    def on_batch_end(self, trainer: "Trainer", loss: Any) -> None:
        """Called after each update of the weights; of a stack with an array of its members' losses."""

    def on_epoch_end(self, trainer: "Trainer", record: Mapping[str, Any]) -> None:
        """Called after an epoch, its validation and its entry (`record`) in the history."""

    def on_fit_end(self, trainer: "Trainer") -> None:
        """Called when the training ends, for whatever reason: finished, stopped, interrupted or failed.

        Also if it cannot begin, where `on_fit_begin` was called and raised no error.
        """

    def state_dict(self) -> dict[str, Any]:
        """What the callback keeps from one event to the next; a checkpoint has that of each callback that defines it.

        `fit` calls it after `on_fit_begin`, `tinynet.Trainer.save` whenever it is called.

        Returns
        -------
        dict
            Numbers, strings, None, arrays, and lists and dicts of them. Generators among the attributes are taken care of.
        """
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`; called after `on_fit_begin` where a training is resumed."""


class BestModel(Callback):
    """Keep the weights of the best epoch, and put them back into the model when the training ends.

    Of a stack (`tinynet.nn.stack`) each member has a best epoch of its own.

    Parameters
    ----------
    monitor : str
        The column of the history that tells which epoch is best.
    min_delta : float
        How much better an epoch must be to count as better.
    mode : {"min", "max"}, optional
        Whether low or high is good; known for losses and the metrics that tinynet has.
    restore_best : bool
        Put the best weights back when the training ends, for whatever reason; without, the model stays as it was last.

    Attributes
    ----------
    best : float or None
        The best value so far; of a stack an array of them, NaN for none.
    best_epoch : int
        Its epoch, counted from 1; of a stack an array of them, 0 for none.
    best_weights : dict or None
        The model's ``state_dict()`` after that epoch; of a stack each member's rows of it after its own.

    Raises
    ------
    ValueError
        If `min_delta` is negative, or `mode` is not known or cannot be guessed; when the training starts, if the history
        has no column `monitor`.

    Examples
    --------
    >>> import tinynet as tn
    >>> keep = tn.training.BestModel("val_accuracy")
    >>> keep.mode
    'max'
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        mode: Literal["min", "max"] | None = None,
        restore_best: bool = True,
    ) -> None:
        if not min_delta >= 0:
            raise ValueError(f"{type(self).__name__}: min_delta is {min_delta}; it must not be negative")
        self.monitor = monitor
        self.min_delta = min_delta
        self.mode = _mode(type(self).__name__, monitor) if mode is None else mode
        if self.mode not in ("min", "max"):
            raise ValueError(f"{type(self).__name__}: mode is {mode!r}; it must be 'min' or 'max'")
        self.restore_best = restore_best
        self._forget()

    def _forget(self) -> None:
        self.best: Any = None
        self.best_epoch: Any = 0
        self.best_weights: dict[str, Any] | None = None

    def on_fit_begin(self, trainer: "Trainer") -> None:
        if self.monitor not in trainer.history:
            hint = "; val_ columns need validation_data" if self.monitor.startswith("val_") else ""
            raise ValueError(
                f"{type(self).__name__}: nothing is called {self.monitor!r} to monitor; there are "
                f"{', '.join(trainer.history)}{hint}"
            )
        self._forget()
        if isinstance(trainer.model, Stack):
            self._set_out(len(trainer.model))

    def _set_out(self, members: int) -> None:
        self.best, self.best_epoch = np.full(members, np.nan), np.zeros(members, int)

    def state_dict(self) -> dict[str, Any]:
        return {name: vars(self)[name] for name in self._kept()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        if state_dict["monitor"] != self.monitor or state_dict["mode"] != self.mode:
            raise ValueError(
                f"{type(self).__name__} watched the {state_dict['mode']} of {state_dict['monitor']}, and now is to watch the "
                f"{self.mode} of {self.monitor}"
            )
        for name in self._kept():
            vars(self)[name] = state_dict[name]

    def _kept(self) -> tuple[str, ...]:
        return ("monitor", "mode", "best", "best_epoch", "best_weights")

    def on_epoch_end(self, trainer: "Trainer", record: Mapping[str, Any]) -> None:
        value = record[self.monitor]
        if isinstance(trainer.model, Stack):
            values = np.broadcast_to(value, self.best.shape)
            self._keep(self._of_members(values, trainer), values, trainer)
        elif self._better(value):
            self.best, self.best_epoch, self.best_weights = value, trainer.epoch, trainer.model.state_dict()

    def _better(self, value: float) -> bool:
        if self.best is None:
            return value == value  # a NaN is never the best
        gain: float = self.best - value if self.mode == "min" else value - self.best
        return gain > self.min_delta

    def _of_members(self, values: Any, trainer: "Trainer") -> Any:
        """For each member of a stack whether its value is the best so far; a member that has ended gets no better."""
        gain = self.best - values if self.mode == "min" else values - self.best
        better = np.where(np.isnan(self.best), ~np.isnan(values), gain > self.min_delta)
        better[[k for k, epoch in trainer.stopped.items() if epoch < trainer.epoch]] = False
        return better

    def _keep(self, better: Any, values: Any, trainer: "Trainer") -> None:
        """Keep the weights of those members of a stack that got better."""
        if better.any():
            self.best[better], self.best_epoch[better] = values[better], trainer.epoch
            self.best_weights = rows_replaced(self.best_weights, trainer.model, better)

    def on_fit_end(self, trainer: "Trainer") -> None:
        if self.restore_best and self.best_weights is not None:
            weights = self.best_weights
            if isinstance(trainer.model, Stack):  # a member that was never good stays as it is
                weights = rows_replaced(weights, trainer.model, self.best_epoch == 0)
            trainer.model.load_state_dict(weights)


class EarlyStopping(BestModel):
    """End the training when it gets no better, with the best weights.

    Of a stack (`tinynet.nn.stack`) each member ends by itself: from then on its weights stay as they are, as they would alone,
    and its figures in the history are those of these weights, until the last member ends.

    Parameters
    ----------
    monitor : str
        The column of the history to watch.
    patience : int
        How many epochs in a row may pass without a new best one.
    min_delta, mode, restore_best
        As in `BestModel`.

    Attributes
    ----------
    best, best_epoch, best_weights
        As in `BestModel`.
    stopped : ndarray of bool
        Of a stack: which members have ended.

    Raises
    ------
    ValueError
        As in `BestModel`, and if `patience` is less than 1.

    Examples
    --------
    >>> import tinynet as tn
    >>> stopper = tn.training.EarlyStopping("val_loss", patience=5, min_delta=1e-4)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        mode: Literal["min", "max"] | None = None,
        restore_best: bool = True,
    ) -> None:
        super().__init__(monitor, min_delta, mode, restore_best)
        if patience < 1:
            raise ValueError(f"EarlyStopping: patience is {patience}; it must be at least 1")
        self.patience = patience

    def _forget(self) -> None:
        super()._forget()
        self.stopped: Any = False

    def _kept(self) -> tuple[str, ...]:
        return (*super()._kept(), "stopped")

    def on_epoch_end(self, trainer: "Trainer", record: Mapping[str, Any]) -> None:
        super().on_epoch_end(trainer, record)
        waited = trainer.epoch - self.best_epoch >= self.patience
        if isinstance(trainer.model, Stack):
            self.stopped |= waited
            for k in np.flatnonzero(waited).tolist():
                trainer.stopped.setdefault(k, trainer.epoch)
        elif waited:
            trainer.stop_training = True

    def _set_out(self, members: int) -> None:
        super()._set_out(members)
        self.stopped = np.zeros(members, bool)


class Scheduler(Callback):
    """Step a learning-rate scheduler after each epoch, or after each batch.

    Parameters
    ----------
    scheduler : object with a ``step()`` method
        One of `tinynet.optim`, made of the trainer's optimizer.
    every : {"epoch", "batch"}
        When to step it.

    Raises
    ------
    ValueError
        If `every` is neither.

    Examples
    --------
    >>> import tinynet as tn
    >>> model = tn.nn.Linear(2, 1)
    >>> optimizer = tn.optim.SGD(model.parameters(), lr=0.1)
    >>> callback = tn.training.Scheduler(tn.optim.CosineAnnealingLR(optimizer, T_max=100))
    """

    def __init__(self, scheduler: Any, every: Literal["epoch", "batch"] = "epoch") -> None:
        if every not in ("epoch", "batch"):
            raise ValueError(f"Scheduler: every is {every!r}; it must be 'epoch' or 'batch'")
        self.scheduler = scheduler
        self.every = every

    def state_dict(self) -> dict[str, Any]:
        if not hasattr(self.scheduler, "state_dict"):
            raise TypeError(f"Scheduler: a {type(self.scheduler).__name__} has no state_dict(), which a checkpoint needs")
        return {"scheduler": self.scheduler.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.scheduler.load_state_dict(state_dict["scheduler"])

    def on_batch_end(self, trainer: "Trainer", loss: Any) -> None:
        if self.every == "batch":
            self.scheduler.step()

    def on_epoch_end(self, trainer: "Trainer", record: Mapping[str, Any]) -> None:
        if self.every == "epoch":
            self.scheduler.step()


class Logger(Callback):
    """Write each epoch's figures to a CSV file, or as a line of text to a function.

    Parameters
    ----------
    destination : str, path or callable
        The CSV file, which is written anew by each training and has its header first (of a stack with a column for each
        member, ``loss[0]``); or what is called with each line, such as ``print`` or ``logging.getLogger("training").info``.

    Examples
    --------
    >>> import tinynet as tn
    >>> callback = tn.training.Logger(print)
    """

    def __init__(self, destination: "str | PathLike[str] | Callable[[str], object]") -> None:
        self.destination = destination

    def on_fit_begin(self, trainer: "Trainer") -> None:
        if not callable(self.destination):
            with open(self.destination, "w", encoding="utf-8") as file:
                model = trainer.model
                names = trainer.history if not isinstance(model, Stack) else _columns(trainer.history, len(model))
                print("epoch", *names, sep=",", file=file)
                resumed = zip(*trainer.history.values(), strict=True)
                for epoch, figures in enumerate(resumed, 1):
                    print(epoch, *_numbers(figures), sep=",", file=file)

    def on_epoch_end(self, trainer: "Trainer", record: Mapping[str, Any]) -> None:
        if callable(self.destination):
            self.destination(f"epoch {trainer.epoch}  {describe(record)}")
        else:
            with open(self.destination, "a", encoding="utf-8") as file:
                print(trainer.epoch, *_numbers(record.values()), sep=",", file=file)


def _columns(names: Iterable[str], members: int) -> Iterator[str]:
    """The names of a history's columns with those of a stack's members told apart: loss[0], loss[1], ..."""
    for name in names:
        yield from [name] if name in ("lr", "seconds") else (f"{name}[{k}]" for k in range(members))


def _numbers(figures: Iterable[Any]) -> Iterator[float]:
    """An epoch's figures, of a stack those of all members."""
    return (x for figure in figures for x in np.ravel(figure).tolist())


def rows_replaced(weights: dict[str, Any] | None, model: Any, members: Any) -> dict[str, Any]:
    """A stack's `state_dict` with the present rows of some members, and the others' as they were in given weights."""
    now: dict[str, Any] = model.state_dict()
    if weights is not None:
        for name, rows in model.rows().items():
            now[name][~members[rows]] = weights[name][~members[rows]]
    return now


def _mode(owner: str, monitor: str) -> Literal["min", "max"]:
    name = monitor.removeprefix("val_")
    if name == "loss":
        return "min"
    if name in METRICS:
        return "max"
    raise ValueError(f"{owner}: is a low or a high {monitor!r} good? give mode='min' or mode='max'")
