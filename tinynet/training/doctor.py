"""`Doctor`: a callback that looks at how a training fares, and says in a sentence what is wrong and what helps."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinynet.graph import no_grad
from tinynet.lines import warn
from tinynet.nn.ensembles import Stack
from tinynet.nn.module import Module
from tinynet.random import as_generator
from tinynet.tensor import Tensor
from tinynet.training import generators
from tinynet.training.callbacks import Callback
from tinynet.training.constant import constant_level
from tinynet.training.feed import ArrayFeed, feed
from tinynet.training.findings import (
    LEARNED,
    Finding,
    bad_gradients,
    bad_units,
    diverged,
    rate_too_high,
    rate_too_low,
    stuck_loss,
    times,
)
from tinynet.training.finite import NonFiniteError
from tinynet.training.inference import mode
from tinynet.training.step import loss_values

if TYPE_CHECKING:
    from tinynet.training.trainer import Trainer

__all__ = ["Doctor"]

Array = np.ndarray[Any, Any]

ROWS, ROWS_OF_LEVEL = 512, 4096
"""How many rows of the training data the network is looked at with, and of how many the targets, unless some are given."""

RECENT = 5
"""Of so many epochs the losses are those of now: the median of them, since one may be high by chance."""


WARM = 50
"""After so many updates running statistics are those of the data, and a network that has some can be looked at."""


class Doctor(Callback):
    """Looks at a training now and then, and tells what is wrong with it: each thing once, in a sentence with a remedy.

    It finds dead and saturated units (`tinynet.inspect.dead_units`, `tinynet.inspect.saturation`), a gradient that vanishes or
    explodes from layer to layer (`tinynet.inspect.gradient_norms`), a learning rate that is too high or too low, and a loss
    that is stuck where a model would be that predicts one and the same for every input. Of a network whose loss is less than
    half of that level it has nothing to say: what units die or saturate there does no harm. The training goes on as it would
    without it, to the last bit, and is compiled as it would be.

    Parameters
    ----------
    data : tuple (x, y) of array_like, optional
        A small batch to look at the network with, in evaluation mode; 512 rows spread over the training data unless given.
    every : int, optional
        After how many epochs to look, each time. Unless given it looks after 1, 2, 4, 8, ... epochs and at the end, so that
        it costs next to nothing in a long training.
    tell : callable
        Is called with each `Finding`.

    Attributes
    ----------
    findings : list of Finding
        Those of the last (or the present) training.
    level : float or None
        The least loss of a constant prediction, on up to 4096 rows; None without data, or for a loss that has none.

    Raises
    ------
    TypeError
        When the training starts, if the model is a stack: it looks at one network.
    ValueError
        If `every` is less than 1, or `data` is no pair of arrays of as many rows.

    Notes
    -----
    Activations are seen that are modules, not functions that a module's ``forward`` calls. The loss is taken for a mean over
    the rows: with a sum (``reduction="sum"``) it is compared with that of more of them, and too little is found.
    Of a training on an iterable of batches it has no data unless they are given: it judges the losses alone then. A training
    that is resumed is looked at from there on.

    Examples
    --------
    >>> import tinynet as tn
    >>> x, y = tn.data.xor()
    >>> model = tn.nn.Sequential(tn.nn.Linear(2, 8, rng=0), tn.nn.ReLU(), tn.nn.Linear(8, 1, rng=1))
    >>> model[0].bias.data -= 10
    >>> optimizer = tn.optim.SGD(model.parameters(), lr=0.1)
    >>> doctor = tn.training.Doctor()
    >>> trainer = tn.Trainer(model, tn.nn.BCEWithLogitsLoss(), optimizer, callbacks=[doctor])
    >>> history = trainer.fit(x, y[:, None], epochs=1)
    8 of the 8 units of layer 1 (ReLU) are dead: their slope is 0 at all 4 rows looked at, and nothing before them learns. ...
    >>> doctor.findings[0].kind
    'dead units'
    """

    def __init__(
        self,
        data: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
        every: int | None = None,
        tell: Callable[[Finding], object] = print,
    ) -> None:
        if every is not None and every < 1:
            raise ValueError(f"Doctor: every is {every}; it must be at least 1")
        if data is not None and (not isinstance(data, tuple) or len(data) != 2):
            raise ValueError("Doctor: data must be a tuple (x, y) of arrays, a batch to look at the network with")
        self.data = data
        self.every = every
        self.tell = tell
        self._forget()

    def _forget(self) -> None:
        self.findings: list[Finding] = []
        self._losses: list[float] = []
        self._steps = self._batches = self._looked_at = 0
        self._first = self._last = 0.0
        self._sample: tuple[Array, Array] | None = None
        self.level: float | None = None
        self._before: list[Array] = []

    # Events --------------------------------------------------------------------------------------------------------------

    def on_fit_begin(self, trainer: "Trainer") -> None:
        if isinstance(trainer.model, Stack):
            raise TypeError(
                "Doctor: it looks at one network, and the model is a stack; train a member by itself (stack.unstack()) to have "
                "it looked at"
            )
        self._forget()
        data = trainer.data if self.data is None else feed("Doctor", *self.data, 1, trainer.model)
        self._sample = data.sample(ROWS) if isinstance(data, ArrayFeed) else None
        if isinstance(data, ArrayFeed):
            with self._apart(trainer):
                self.level = _level(trainer, *data.sample(ROWS_OF_LEVEL))
        self._before = [x.data.copy() for x in trainer.model.parameters()]
        self._look_at_network(trainer)

    def on_batch_end(self, trainer: "Trainer", loss: Any) -> None:
        self._last = loss
        if not self._steps:
            self._first = loss
        self._steps += 1

    def on_epoch_end(self, trainer: "Trainer", record: Mapping[str, Any]) -> None:
        self._losses.append(record["loss"])
        self._batches = trainer.batch
        epoch = trainer.epoch
        if epoch & (epoch - 1) == 0 if self.every is None else epoch % self.every == 0:
            self._look(trainer)

    def on_fit_end(self, trainer: "Trainer") -> None:
        if len(self._losses) > self._looked_at:
            self._look(trainer)
        if trainer.epoch > len(self._losses) and isinstance(sys.exception(), NonFiniteError):
            self._say(diverged(self._steps, self._first, self._last, self._base))
        self._sample, self._before = None, []

    # Looking -------------------------------------------------------------------------------------------------------------

    def _look(self, trainer: "Trainer") -> None:
        self._looked_at = len(self._losses)
        if self._has_learned(float(np.median(self._losses[-RECENT:]))):
            return
        self._look_at_network(trainer)
        self._say(rate_too_high(self._losses, self._steps, self._first, self._base))
        if self.level is not None:
            self._say(stuck_loss(self._losses, self._batches, self.level))

    @property
    def _base(self) -> float:
        """What losses are compared with."""
        return self._first if self.level is None else self.level

    def _has_learned(self, loss: float) -> bool:
        return loss < times(self._base, LEARNED)

    def _look_at_network(self, trainer: "Trainer") -> None:
        """Say what is wrong with the units, or else with the gradient, which that would explain, or else with its pace."""
        if self._sample is None or (self._steps < WARM and list(trainer.model.buffers())):
            return
        x, y = self._sample
        found: list[Finding] = []
        with self._apart(trainer):
            loss = trainer.loss(trainer.model(Tensor(x)), y)
            value = float(loss_values(loss, trainer.model).item())
            if not self._steps:
                self._first = value
            if self._has_learned(value):
                return
            found = list(bad_units(trainer.model, x))
            found = found or list(bad_gradients(trainer.model, loss, self._base))
            found = found or list(rate_too_low(trainer.model, self._before, loss, self._steps))
        for finding in found:
            self._say(finding)

    @contextmanager
    def _apart(self, trainer: "Trainer") -> Iterator[None]:
        """Within, model and loss are in evaluation mode; whatever they draw or raise is no matter of the training."""
        loss = trainer.loss
        drawn_from = generators.generators_of(default=as_generator(None), model=trainer.model, loss=loss)
        states = generators.states(drawn_from)
        evaluated = mode(loss, False) if isinstance(loss, Module) else nullcontext()
        try:
            with mode(trainer.model, False), evaluated, np.errstate(all="ignore"):
                yield
        except Exception as error:
            self._sample = None
            warn(f"Doctor: it cannot look at this network ({type(error).__name__}: {error}); it judges the losses alone")
        finally:
            generators.put_back(states, drawn_from)

    def _say(self, finding: Finding | None) -> None:
        """Tell of a finding, if there is one and it is new."""
        if finding is not None and not any(finding[:2] == other[:2] for other in self.findings):
            self.findings.append(finding)
            self.tell(finding)


def _level(trainer: "Trainer", x: Array, y: Array) -> float | None:
    """What predicting one and the same costs; None of a model with another output than a tensor."""
    with no_grad():
        output = trainer.model(Tensor(x[:1]))
    return constant_level(trainer.loss, np.repeat(output.data, len(y), axis=0), y) if isinstance(output, Tensor) else None
