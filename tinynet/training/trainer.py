"""`Trainer`: the loop over epochs and batches."""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np
import numpy.typing as npt

from tinynet.graph import no_grad
from tinynet.nn.ensembles import Stack
from tinynet.nn.memberloss import MemberLoss
from tinynet.nn.module import Module
from tinynet.tensor import Tensor
from tinynet.training.beginning import begun
from tinynet.training.callbacks import Callback
from tinynet.training.checkpoint import Checkpoint
from tinynet.training.epoch import Epoch
from tinynet.training.failures import Updates, updates_of
from tinynet.training.feed import Feed, feed, orders
from tinynet.training.finite import forget
from tinynet.training.followed import Followed
from tinynet.training.generators import Generators
from tinynet.training.history import History
from tinynet.training.inference import EVALUATION_BATCH, mode, predict
from tinynet.training.loaded import Loaded
from tinynet.training.metrics import Metric, named
from tinynet.training.progress import progress
from tinynet.training.state import write
from tinynet.training.step import Compile, Step, loss_values
from tinynet.training.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike

    import typing_extensions  # which the type checkers bring with them
    from numpy.random import Generator

    from tinynet.optim.optimizer import Optimizer

    M = typing_extensions.TypeVar("M", bound=Module, covariant=True, default=Module)
else:
    M = TypeVar("M")  # Python before 3.13 has no defaults

__all__ = ["Trainer"]

Array = np.ndarray[Any, Any]


class Trainer(Generic[M]):
    """Trains a model on mini-batches, and evaluates it.

    Parameters
    ----------
    model : Module
        What is trained.
    loss : Module or callable
        ``loss(prediction, target)`` gives a tensor with one element (of a stack for each member, one after another, unless it
        is one of tinynet's or a `tinynet.nn.MemberLoss`): the prediction is the model's output (a tensor), the
        target a batch of `y` (an array).
    optimizer : Optimizer
        One of `tinynet.optim`, made of the model's parameters.
    metrics : iterable of str or callable
        ``"accuracy"``, ``"binary_accuracy"``, ``"r2"``, or functions ``f(prediction, target) -> float`` of arrays, which go by
        their ``__name__``. A metric is computed once an epoch, over all its predictions: R² is no average over batches. In
        training the predictions are those that the updates were made of, so they lag behind the model.
    callbacks : iterable of Callback
        What is called during the training, in this order.
    rng : int, numpy.random.Generator or None
        Where the order of the rows comes from; with None a generator of the trainer's own is split off the default one
        (`tinynet.manual_seed`), so that other random draws do not change the order. Of a stack each member has an order of its
        own: a sequence gives each member its seed or generator, a single one is split.
    compile : bool or "auto"
        Whether to compile the training step (`tinynet.compile`). "auto" does as long as model, loss and optimizer are
        tinynet's own, without hooks or methods of yours, and no callback acts on the gradients, and falls back with one
        warning if the step cannot be replayed; True does for code of your own as well, which then runs while it is recorded,
        and no more.

    Attributes
    ----------
    history : History
        What the last (or the present) call of `fit` recorded.
    data : Feed or None
        While `fit` runs, what it trains on.
    epoch, batch : int
        Where the training is, counted from 1.
    stop_training : bool
        Set by a callback: no epoch after this one.
    stopped : dict of int to int
        Of a stack: the members that a callback has ended, each with its last epoch. They stay as they are after it; the
        training ends with the last.
    failed : dict of int to (int, int)
        Of a stack: the members whose loss, gradient or update was not finite, each with its epoch and batch. Their weights
        are from before that batch; their part of the optimizer's state is lost, and begins anew with the next training.
    step : Step
        The last training step; its `repr` tells whether it is compiled, and what came of the comparison with the
        uncompiled one.

    Raises
    ------
    ValueError
        If the optimizer holds none of the parameters of `model` and `loss`, a metric is unknown, or `compile` is.
    TypeError
        If `model` is no Module, or a callback no Callback.

    Notes
    -----
    The targets go to the loss as they are: no axis is added or dropped. A model with one output, shape (n, 1), needs its
    targets as a column, ``y[:, None]``; the losses of `tinynet.nn` say so when the shapes differ. (A loss of your own in which
    (n, 1) and (n,) broadcast to (n, n) would train, on nonsense.)

    A stack (`tinynet.nn.stack`) is trained for all its members at once, and each becomes what it would alone. Data of shape
    (n, ...) are for all members, x and y of shape (m, n, ...) for each its own. The loss and the metrics are those of each
    member (see `tinynet.nn.MemberLoss`), arrays of shape (m,) in the history, in `evaluate` and for the callbacks;
    predictions have the shape (m, n, ...). Learning rates and their schedules are the same for all members, early stopping,
    the best weights and `tinynet.optim.clip_grad_norm_` each member's own. A member whose loss, gradient or update is not
    finite is left as it was, with one warning, and NaN in the history from that epoch on; the others go on, and a
    NonFiniteError ends the training if all fail.

    What goes wrong is told of, and of what was reached nothing is lost:

    - A value that is not finite, in the data, in the weights or in a gradient, ends the training before the update, with a
      NonFiniteError that names rows, parameters or gradients, and the module. The model is as it was before the batch.
    - Ctrl-C and errors leave the model as it was before the batch whose update they fell into, those of a callback's
      `on_backward_end` too; what comes after an update, `on_batch_end` say, leaves it as it is after it.
    - A process that is killed goes on from its last `tinynet.training.Checkpoint` when it is run again, with the bits that it
      would have had. Disks that are full and folders that cannot be written to leave the files that are there as they are.
    - Checkpoints that are damaged, and those of other trainings, are refused as a whole.

    Examples
    --------
    >>> import tinynet as tn
    >>> x, y = tn.data.xor()
    >>> model = tn.nn.Sequential(tn.nn.Linear(2, 8, rng=0), tn.nn.Tanh(), tn.nn.Linear(8, 1, rng=1))
    >>> optimizer = tn.optim.Adam(model.parameters(), lr=0.05)
    >>> trainer = tn.Trainer(model, tn.nn.BCEWithLogitsLoss(), optimizer, metrics=["binary_accuracy"])
    >>> history = trainer.fit(x, y[:, None], epochs=200)
    >>> history["binary_accuracy"][-1]
    1.0
    >>> (trainer.predict(x) > 0).ravel().tolist()
    [False, True, True, False]
    """

    epoch: Followed = Followed()
    batch: Followed = Followed()
    data: Feed | None
    _is_training: bool
    _under_way: Epoch | None

    def __init__(
        self,
        model: M,
        loss: "Module | Callable[[Any, Any], Tensor]",
        optimizer: "Optimizer",
        metrics: Iterable[str | Metric] = (),
        callbacks: Iterable[Callback] = (),
        rng: "int | Generator | Sequence[int | Generator] | None" = None,
        compile: Compile = "auto",
    ) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"Trainer: model is a {type(model).__name__}; it must be a tn.nn.Module")
        if compile not in (True, False, "auto"):
            raise ValueError(f"Trainer: compile is {compile!r}; it must be True, False or 'auto'")
        self.model: M = model
        self.loss = loss
        self.optimizer = optimizer
        self.metrics: dict[str, Metric] = named(metrics)
        self.callbacks: list[Callback] = list(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(f"Trainer: {callback!r} is no Callback; give an instance of a subclass of tn.training.Callback")
        self.rng: Generator | tuple[Generator, ...] = orders(rng, model)
        self.history: History = History(())
        self.epoch = self.batch = 0
        self.stop_training = False
        self.stopped: dict[int, int] = {}
        self.failed: dict[int, tuple[int, int]] = {}
        self._compile: Compile = compile
        self._loaded: Loaded | None = None  # what the next fit goes on from
        self._script: dict[str, Any] | None = None  # what the training was begun with, see tinynet.training.state
        self._left: dict[str, Any] | None = None  # the options as the last fit left them
        self._refused = ""  # why that found that the step cannot be compiled
        self._data_generators: Generators = {}
        self._set_out()
        known = {id(x) for part in (model, loss) if isinstance(part, Module) for x in part.parameters()}
        if known.isdisjoint(id(x) for x in self._optimized()):
            raise ValueError(
                "Trainer: the optimizer holds none of the model's parameters, so it would train something else; "
                "make it of model.parameters(), after the model"
            )

    def _set_out(self) -> None:
        """Be in no training, and without what is made in one, for the arrays that there are."""
        self._is_training, self.data, self._under_way = False, None, None
        self._parts: tuple[Any, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled or copied: nothing of a training that runs, for the other trainer does not."""
        made = ("step", "_updates", "_parts", "data", "_is_training", "_under_way")
        return {name: x for name, x in vars(self).items() if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._set_out()

    def fit(
        self,
        x: npt.ArrayLike | Iterable[Any],
        y: npt.ArrayLike | None = None,
        epochs: int = 1,
        batch_size: int = 32,
        validation_data: Iterable[Any] | None = None,
        shuffle: bool = True,
        verbose: int = 1,
    ) -> History:
        """Train the model, from where it stands.

        Inputs are cast to the model's dtype, and real-valued targets too; integers and booleans in `y` stay labels. Ctrl-C ends
        the training as it would end by itself, without the batch whose update it fell into; only where it falls into the update
        itself the optimizer's own state may be one step ahead of the weights.

        Parameters
        ----------
        x : array_like of shape (n, ...), or iterable of batches
            The inputs; or, without `y`, anything that gives ``(x, y)`` batches each time it is iterated over: a list, a loader.
        y : array_like of shape (n, ...), optional
            The targets.
        epochs : int
            How often to go through the data; of a training that was loaded, with the epochs before.
        batch_size : int
            The rows of a batch, where `x` is an array.
        validation_data : tuple (x, y) of arrays, or iterable of batches, optional
            What to evaluate the model on after each epoch.
        shuffle : bool
            Draw the rows anew in each epoch, where `x` is an array.
        verbose : {0, 1}
            0 shows nothing. 1 shows the progress on a terminal (where the standard error stream is one) and in a notebook: a
            bar if tqdm is installed, at most ten lines if not.

        Returns
        -------
        History
            The epochs of the training: ``loss`` (the mean over the rows), metrics, ``val_loss``, ..., ``lr``, ``seconds``.

        Raises
        ------
        NonFiniteError
            If the loss, a gradient or an updated weight is NaN or infinite. Weights and buffers are then those from before that
            batch, the last finite ones, and the optimizer has not seen the gradient; only where the update itself overflowed
            the optimizer's own state remains as that update left it.
        ValueError
            If the data are empty, `x` and `y` differ in length, `epochs`, `batch_size` or `verbose` make no sense, or data that
            last for one pass (a generator) are to last for more; or a checkpoint was loaded, or lies where a
            `tinynet.training.Checkpoint` would save, that is of another model, or of other callbacks, data or figures: trainer
            and file are as they were then.

        Warns
        -----
        RuntimeWarning
            If nothing is left to do of a training that was loaded; or if options of the optimizer, frozen parameters or data
            are others in the script than in the checkpoint, whose options and frozen parameters hold.
        """
        if not isinstance(epochs, int | np.integer) or epochs < 0:
            raise ValueError(f"fit: epochs is {epochs!r}; it must be a whole number, and not negative")
        if verbose not in (0, 1):
            raise ValueError(f"fit: verbose is {verbose!r}; it must be 0 (silent) or 1 (progress on a terminal)")
        data = feed("fit", x, y, batch_size, self.model, epochs)
        validation = None
        if validation_data is not None:
            pair = validation_data if isinstance(validation_data, tuple) else (validation_data, None)
            if len(pair) != 2:
                raise ValueError(f"fit: validation_data has {len(pair)} parts; it must be a tuple (x, y), or a list of batches")
            validation = feed("fit: validation_data", *pair, EVALUATION_BATCH, self.model, epochs)
        self._is_training, self.data = True, data
        try:
            self._fit(data, validation, epochs, self.rng if shuffle else None, progress(verbose, epochs))
        finally:
            self._is_training, self._under_way, self.data = False, None, None
        return self.history

    def save(self, path: "str | PathLike[str]") -> None:
        """Save the training as it stands: what `load` and `fit` need to go on with it, bit for bit.

        A checkpoint has parameters and buffers of the model and the loss, and which are frozen; the optimizer's state and its
        options; of the callbacks, the schedulers among them, their `state_dict`; the states of all generators that are found
        in the trainer, the model, the loss, the optimizer, the callbacks and the data, and of the default one; the history;
        and of an epoch that is under way (see `tinynet.training.Checkpoint`) which batches are done, and their figures. Code
        and data are the script's, and so is what it draws from Python's `random` or NumPy's old functions. It holds no code
        and no pickle; `tinynet.training.state` and `tinynet.archive` tell the layout.

        After `fit` the training stands as it ended: callbacks may have put the best weights back, and an epoch that was cut
        short has left its updates, but is not counted. A `tinynet.training.Checkpoint` saves before that.

        The file is replaced in one step, when the new one is complete, and the one that was there kept as ``NAME.previous``.

        Parameters
        ----------
        path : str or path
            The file, an ``.npz`` by nature.

        Raises
        ------
        OSError
            If it cannot be written; what was there before is as it was.
        TypeError
            If a callback's state holds something else than numbers, strings, None, arrays, and lists and dicts of them.
        RuntimeError
            While `fit` runs, where others have yet to act; `tinynet.training.Checkpoint` saves when all have.
        """
        self._refuse_in_training("save")
        write(self, path)

    def load(self, path: "str | PathLike[str]") -> None:
        """Take up a training that was saved; the next `fit` goes on with it, up to as many epochs in total as it is told.

        Options of the optimizer that are set between `load` and `fit` hold. Callbacks get their states in `fit`, when they have
        begun. Trainer, model, optimizer and callbacks are to be made as they were for the training that was saved, and the
        data as well. Data that shuffle themselves need a generator of their own among their attributes; where they draw from
        the default one with every batch, the order of an epoch that was under way is another.

        Parameters
        ----------
        path : str or path
            A file of `save` or of `tinynet.training.Checkpoint`.

        Raises
        ------
        FileFormatError
            If the file is damaged or is no checkpoint; nothing was changed then.
        ValueError
            If it is one of another training, with what differs; nothing was changed then. What a callback refuses, `fit` tells.
        OSError
            If it cannot be read.
        RuntimeError
            While `fit` runs.

        Warns
        -----
        RuntimeWarning
            If options of the optimizer or frozen parameters are others than those that the training had; its own hold.
        """
        self._refuse_in_training("load")
        Loaded(self, path).take_up(self)

    def _refuse_in_training(self, what: str) -> None:
        if self._is_training:
            raise RuntimeError(f"{what}: not while fit() runs; tn.training.Checkpoint acts when all other callbacks have")

    def _fit(self, data: Feed, validation: Feed | None, epochs: int, rng: Any, shown: Iterable[Callback]) -> None:
        callbacks = _checkpoints_last((*self.callbacks, *shown))
        savable = any(isinstance(x, Checkpoint) for x in callbacks)
        with begun(self, data, validation, rng, callbacks, epochs) as left:
            try:
                with mode(self.model, True):
                    for self.epoch in left:
                        epoch = self._under_way = self._under_way or Epoch(data, rng, self._tally(), savable)
                        record = self._train(epoch)
                        if validation is not None:
                            figures = self._updates.without_failed(self._evaluate(validation))
                            record.update((f"val_{name}", value) for name, value in figures.items())
                        record["lr"] = float(self.optimizer.param_groups[0]["lr"])
                        record["seconds"] = epoch.seconds
                        self.history.append(record)
                        self._under_way = None
                        for callback in callbacks:
                            callback.on_epoch_end(self, record)
                        if self._is_over:
                            break
            except KeyboardInterrupt:
                self.history.interrupted = True
            finally:
                if self.failed or self.stopped:
                    forget(self.optimizer, self.failed)

    @overload
    def evaluate(
        self: "Trainer[Stack]", x: Any, y: npt.ArrayLike | None = None, batch_size: int = EVALUATION_BATCH
    ) -> dict[str, npt.NDArray[np.float64]]: ...
    @overload
    def evaluate(self, x: Any, y: npt.ArrayLike | None = None, batch_size: int = EVALUATION_BATCH) -> dict[str, float]: ...
    def evaluate(self, x: Any, y: npt.ArrayLike | None = None, batch_size: int = EVALUATION_BATCH) -> Any:
        """The loss and the metrics on given data, in evaluation mode and without gradients.

        Parameters
        ----------
        x, y
            As in `fit`.
        batch_size : int
            The rows to compute at a time, where `x` is an array.

        Returns
        -------
        dict of str to float
            ``loss``, the mean over the rows, and the metrics; of a stack an array of the members' figures each.
        """
        return self._evaluate(feed("evaluate", x, y, batch_size, self.model))

    def predict(self, x: npt.ArrayLike, batch_size: int = EVALUATION_BATCH) -> Array:
        """The model's output, in evaluation mode and without gradients.

        Parameters
        ----------
        x : array_like of shape (n, ...)
            The inputs.
        batch_size : int
            The rows to compute at a time.

        Returns
        -------
        ndarray of shape (n, ...)
        """
        return predict(self.model, x, batch_size)

    def _tally(self) -> Tally:
        """What counts the figures of a pass over data."""
        return Tally(self.metrics, isinstance(self.model, Stack))

    def _train(self, epoch: Epoch) -> dict[str, Any]:
        """What is left of an epoch."""
        listeners = _checkpoints_last(_listeners(self.callbacks, "on_batch_end")) if self.callbacks else ()
        self._prepare()
        step, make, add = self.step, self._updates.make, epoch.tally.add
        for batch, (x, y) in enumerate(epoch, epoch.done + 1):
            self.batch = epoch.done = batch
            prediction = make(x, y)
            add(step.loss, prediction, y)
            for callback in listeners:
                callback.on_batch_end(self, step.loss)
        return self._updates.without_failed(epoch.tally.result())

    @property
    def _is_over(self) -> bool:
        """Whether a callback ended the training, or it is that of a stack of which no member is being trained any more."""
        if self.stop_training or not (self.stopped or self.failed):
            return self.stop_training
        return isinstance(self.model, Stack) and len({*self.stopped, *self.failed}) == len(self.model)

    def _prepare(self) -> None:
        """Have the step for the model, the loss and the callbacks as they are now."""
        listeners = _listeners(self.callbacks, "on_backward_end") if self.callbacks else ()
        parts = (self.model, self.loss, self.optimizer, *listeners)
        if parts != self._parts:
            before_update = [partial(callback.on_backward_end, self) for callback in listeners]
            self.step: Step = Step(self.model, self._objective, self.optimizer, before_update, self._compile, self._refused)
            self._updates: Updates = updates_of(self, self.step)
            self._parts = parts

    @property
    def _objective(self) -> Any:
        """The loss, or of a stack that of each member."""
        if not isinstance(self.model, Stack) or isinstance(self.loss, MemberLoss):
            return self.loss
        return MemberLoss(self.loss)

    def _evaluate(self, data: Feed) -> dict[str, Any]:
        tally, objective = self._tally(), self._objective
        with mode(self.model, False), no_grad():
            for x, y in data.one_pass():
                prediction = self.model(Tensor(x))
                losses = loss_values(objective(prediction, y), self.model)
                tally.add(losses if tally.of_members else losses.item(), prediction, y)
        return tally.result()

    def _optimized(self) -> list[Tensor]:
        return [x for group in self.optimizer.param_groups for x in group["params"]]


def _checkpoints_last(callbacks: Iterable[Callback]) -> list[Callback]:
    """The callbacks in their order, but checkpoints after all that have something to do at the same event."""
    return sorted(callbacks, key=lambda callback: isinstance(callback, Checkpoint))


def _listeners(callbacks: Iterable[Callback], event: str) -> list[Callback]:
    """The callbacks that define an event of their own: the others cost nothing in each batch."""
    return [callback for callback in callbacks if getattr(type(callback), event) is not getattr(Callback, event)]
