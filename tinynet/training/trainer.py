"""`Trainer`: the loop over epochs and batches."""

import warnings
from collections.abc import Iterable
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from tinynet.graph import no_grad
from tinynet.nn.ensembles import Stack
from tinynet.nn.memberloss import MemberLoss
from tinynet.nn.module import Module
from tinynet.tensor import Tensor
from tinynet.training.callbacks import Callback
from tinynet.training.feed import Feed, feed, orders
from tinynet.training.finite import Guard, NonFiniteError, diagnose, forget, listed
from tinynet.training.followed import Followed
from tinynet.training.history import History
from tinynet.training.inference import EVALUATION_BATCH, mode, predict
from tinynet.training.metrics import Metric, named
from tinynet.training.progress import progress
from tinynet.training.step import Compile, NotFinite, Step, loss_values
from tinynet.training.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator

__all__ = ["Trainer"]

Array = np.ndarray[Any, Any]


class Trainer:
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

    epoch = Followed()
    batch = Followed()

    def __init__(
        self,
        model: Module,
        loss: "Module | Callable[[Any, Any], Tensor]",
        optimizer: Any,
        metrics: Iterable[str | Metric] = (),
        callbacks: Iterable[Callback] = (),
        rng: "int | Generator | Sequence[int | Generator] | None" = None,
        compile: Compile = "auto",
    ) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"Trainer: model is a {type(model).__name__}; it must be a tn.nn.Module")
        if compile not in (True, False, "auto"):
            raise ValueError(f"Trainer: compile is {compile!r}; it must be True, False or 'auto'")
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.metrics = named(metrics)
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(f"Trainer: {callback!r} is no Callback; give an instance of a subclass of tn.training.Callback")
        self.rng = orders(rng, model)
        self.history = History(())
        self.epoch = self.batch = 0
        self.stop_training = False
        self.stopped: dict[int, int] = {}
        self.failed: dict[int, tuple[int, int]] = {}
        self._compile: Compile = compile
        self._set_out()
        known = {id(x) for part in (model, loss) if isinstance(part, Module) for x in part.parameters()}
        if known.isdisjoint(id(x) for x in self._optimized()):
            raise ValueError(
                "Trainer: the optimizer holds none of the model's parameters, so it would train something else; "
                "make it of model.parameters(), after the model"
            )

    def _set_out(self) -> None:
        """Be without what is made in the training, for the arrays that there are."""
        self._parts: tuple[Any, ...] = ()
        self._guard = Guard(self._optimized, lambda: self.model.buffers())

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled or copied; the other trainer records its step anew."""
        return {name: x for name, x in vars(self).items() if name not in ("step", "_parts", "_guard")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._set_out()

    def fit(
        self,
        x: Any,
        y: npt.ArrayLike | None = None,
        epochs: int = 1,
        batch_size: int = 32,
        validation_data: Any = None,
        shuffle: bool = True,
        verbose: int = 1,
    ) -> History:
        """Train the model, from where it stands.

        Inputs are cast to the model's dtype, and real-valued targets too; integers and booleans in `y` stay labels. Ctrl-C ends
        the training as it would end by itself, without the batch that it fell into; only where it falls into the update itself
        the optimizer's own state may be one step ahead of the weights.

        Parameters
        ----------
        x : array_like of shape (n, ...), or iterable of batches
            The inputs; or, without `y`, anything that gives ``(x, y)`` batches each time it is iterated over: a list, a loader.
        y : array_like of shape (n, ...), optional
            The targets.
        epochs : int
            How often to go through the data.
        batch_size : int
            The rows of a batch, where `x` is an array.
        validation_data : tuple (x, y) of arrays, or iterable of batches, optional
            What to evaluate the model on after each epoch.
        shuffle : bool
            Draw the rows anew in each epoch, where `x` is an array.
        verbose : {0, 1}
            0 shows nothing. 1 shows the progress if the standard error stream is a terminal: a bar if tqdm is installed, at
            most ten lines if not.

        Returns
        -------
        History
            The epochs of this call: ``loss`` (the mean over the rows), metrics, ``val_loss``, ..., ``lr``, ``seconds``.

        Raises
        ------
        NonFiniteError
            If the loss, a gradient or an updated weight is NaN or infinite. Weights and buffers are then those from before that
            batch, the last finite ones, and the optimizer has not seen the gradient; only where the update itself overflowed
            the optimizer's own state remains as that update left it.
        ValueError
            If the data are empty, `x` and `y` differ in length, `epochs`, `batch_size` or `verbose` make no sense, or data that
            last for one pass (a generator) are to last for more.
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
        columns = ["loss", *self.metrics]
        history = History([*columns, *(f"val_{name}" for name in columns if validation is not None), "lr", "seconds"])
        self.history, self.stop_training, self.stopped, self.failed = history, False, {}, {}
        rng = self.rng if shuffle else None
        callbacks = (*self.callbacks, *progress(verbose, epochs))
        for callback in callbacks:
            callback.on_fit_begin(self)
        try:
            with mode(self.model, True):
                for self.epoch in range(1, epochs + 1):
                    start = perf_counter()
                    record = self._train(data, rng)
                    if validation is not None:
                        figures = self._without_failed(self._evaluate(validation))
                        record.update((f"val_{name}", value) for name, value in figures.items())
                    record["lr"] = float(self.optimizer.param_groups[0]["lr"])
                    record["seconds"] = perf_counter() - start
                    history.append(record)
                    for callback in callbacks:
                        callback.on_epoch_end(self, record)
                    if self.stop_training or self._all_ended():
                        break
        except KeyboardInterrupt:
            history.interrupted = True
        finally:
            if self.failed or self.stopped:
                forget(self.optimizer, self.failed)
            for callback in callbacks:
                callback.on_fit_end(self)
        return history

    def evaluate(self, x: Any, y: npt.ArrayLike | None = None, batch_size: int = EVALUATION_BATCH) -> dict[str, float]:
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
            ``loss``, the mean over the rows, and the metrics.
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

    def _train(self, data: Feed, rng: Any) -> dict[str, Any]:
        """One epoch."""
        guard = self._guard
        tally = Tally(self.metrics, isinstance(self.model, Stack))
        listeners = _listeners(self.callbacks, "on_batch_end")
        step = self._prepared()
        for self.batch, (x, y) in enumerate(data.one_pass(rng), 1):
            guard.save()
            try:
                prediction = step(x, y)
                if isinstance(self.model, Stack):
                    self._hold(self.model, guard.bad_members(step.loss), x, y)
                elif bad := guard.bad_values():
                    self._fail(f"the update made {self._names(bad)} overflow, so lower the learning rate")
            except NotFinite as error:
                bad = guard.bad_gradients()
                guard.restore()
                found = diagnose(self.model, x, y)
                guard.restore()  # for the model ran again, and its averages with it
                what = f"the gradient of {self._names(bad)} is not finite"
                self._fail(f"the loss is {step.loss:.4g}, but {what}" if bad else str(error), *found)
            except BaseException:
                guard.restore()
                raise
            tally.add(step.loss, prediction, y)
            for callback in listeners:
                callback.on_batch_end(self, step.loss)
        return self._without_failed(tally.result())

    def _hold(self, stack: Stack, bad: Array | None, x: Array, y: Array) -> None:
        """Have the members of a stack that ended stay as they were before the batch, and those that now failed."""
        ended = {*self.stopped, *self.failed}
        new = [] if bad is None else [k for k in np.flatnonzero(bad).tolist() if k not in ended]
        self.failed.update(dict.fromkeys(new, (self.epoch, self.batch)))
        if ended or new:
            self._guard.restore({*ended, *new})
        if new:
            what = f"the loss, a gradient or the update of members {listed(list(map(str, new)))} is not finite"
            module, causes = diagnose(stack[new[0]], x[new[0]], y[new[0]])
            causes = f"Of member {new[0]}: {causes}"
            if len(self.failed) == len(stack):
                self._fail(f"{what}, and no other member is left", module, causes)
            place = f"epoch {self.epoch}, batch {self.batch}"
            outcome = f"{what}; they stay as they were before, and the others go on. {causes.rstrip()}"
            warnings.warn(f"{place}: {outcome}", RuntimeWarning, stacklevel=4)

    def _all_ended(self) -> bool:
        """Whether the model is a stack of which no member is being trained any more."""
        return isinstance(self.model, Stack) and len({*self.stopped, *self.failed}) == len(self.model)

    def _without_failed(self, figures: dict[str, Any]) -> dict[str, Any]:
        for k in self.failed:
            for column in figures.values():
                column[k] = np.nan
        return figures

    def _prepared(self) -> Step:
        """The step for the model, the loss and the callbacks as they are now."""
        listeners = _listeners(self.callbacks, "on_backward_end")
        parts = (self.model, self.loss, self.optimizer, *listeners)
        if parts != self._parts:
            before_update = [partial(callback.on_backward_end, self) for callback in listeners]
            self._parts, self.step = parts, Step(self.model, self._objective, self.optimizer, before_update, self._compile)
        return self.step

    @property
    def _objective(self) -> Any:
        """The loss, or of a stack that of each member."""
        if not isinstance(self.model, Stack) or isinstance(self.loss, MemberLoss):
            return self.loss
        return MemberLoss(self.loss)

    def _evaluate(self, data: Feed) -> dict[str, Any]:
        tally, objective = Tally(self.metrics, isinstance(self.model, Stack)), self._objective
        with mode(self.model, False), no_grad():
            for x, y in data.one_pass():
                prediction = self.model(Tensor(x))
                losses = loss_values(objective(prediction, y), self.model)
                tally.add(losses if tally.of_members else losses.item(), prediction, y)
        return tally.result()

    def _fail(self, what: str, module: str | None = None, causes: str = "") -> NoReturn:
        error = NonFiniteError(
            f"epoch {self.epoch}, batch {self.batch}: {what}. {causes}The model is as it was before this batch; the "
            f"history has {self.history.epochs} finished epochs"
        )
        error.epoch, error.batch, error.module, error.history = self.epoch, self.batch, module, self.history
        raise error

    def _optimized(self) -> list[Tensor]:
        return [x for group in self.optimizer.param_groups for x in group["params"]]

    def _names(self, tensors: Iterable[Tensor]) -> str:
        names = {id(x): name for name, x in self.model.named_parameters()}
        return listed([names.get(id(x), "a parameter outside the model") for x in tensors])


def _listeners(callbacks: Iterable[Callback], event: str) -> list[Callback]:
    """The callbacks that define an event of their own: the others cost nothing in each batch."""
    return [callback for callback in callbacks if getattr(type(callback), event) is not getattr(Callback, event)]
