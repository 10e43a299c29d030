"""Updates that fail: they are taken back, and the training ends, or that of a stack goes on without the members that failed."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from tinynet.lines import warn
from tinynet.nn.ensembles import Stack
from tinynet.tensor import Tensor
from tinynet.training.finite import Guard, NonFiniteError, diagnose, listed
from tinynet.training.step import NotFinite, Step

if TYPE_CHECKING:
    from tinynet.training.trainer import Trainer

__all__ = ["MemberUpdates", "Updates", "updates_of"]

Array = np.ndarray[Any, Any]


def updates_of(trainer: "Trainer", step: Step) -> "Updates":
    """What makes a trainer's updates: for all, or for each member of a stack."""
    return (MemberUpdates if isinstance(trainer.model, Stack) else Updates)(trainer, step)


class Updates:
    """The updates of a model, which after one that fails is as it was before it.

    Parameters
    ----------
    trainer : Trainer
        Whose model is updated; it knows which batch it is.
    step : Step
        What updates it.
    """

    def __init__(self, trainer: "Trainer", step: Step) -> None:
        self._trainer = trainer
        self._step = step
        self._guard = Guard(trainer._optimized, trainer.model.buffers)

    def make(self, x: Array, y: Array) -> Any:
        """Update the model on a batch, and return its output; a NonFiniteError if that fails."""
        guard = self._guard
        guard.save()
        try:
            prediction = self._step(x, y)
            self._check(x, y)
        except NotFinite as error:
            bad = guard.bad_gradients()
            guard.restore()
            found = diagnose(self._trainer.model, x, y)
            guard.restore()  # for the model ran again, and its averages with it
            what = f"the gradient of {self._names(bad)} is not finite"
            self._fail(f"the loss is {self._step.loss:.4g}, but {what}" if bad else str(error), *found)
        except BaseException:
            guard.restore()
            raise
        return prediction

    def without_failed(self, figures: dict[str, Any]) -> dict[str, Any]:
        """The figures of a pass over data, as they belong into the history."""
        return figures

    def _check(self, x: Array, y: Array) -> None:
        """See what came of the update on a batch."""
        if bad := self._guard.bad_values():
            self._fail(f"the update made {self._names(bad)} overflow, so lower the learning rate")

    def _fail(self, what: str, module: str | None = None, causes: str = "") -> NoReturn:
        trainer = self._trainer
        error = NonFiniteError(
            f"epoch {trainer.epoch}, batch {trainer.batch}: {what}. {causes}The model is as it was before this batch; the "
            f"history has {trainer.history.epochs} finished epochs"
        )
        error.epoch, error.batch, error.module, error.history = trainer.epoch, trainer.batch, module, trainer.history
        raise error

    def _names(self, tensors: Iterable[Tensor]) -> str:
        names = {id(x): name for name, x in self._trainer.model.named_parameters()}
        return listed([names.get(id(x), "a parameter outside the model") for x in tensors])


class MemberUpdates(Updates):
    """The updates of a stack: members that fail, and those that have ended, are as they were, and the others go on."""

    def without_failed(self, figures: dict[str, Any]) -> dict[str, Any]:
        for k in self._trainer.failed:
            for column in figures.values():
                column[k] = np.nan
        return figures

    def _check(self, x: Array, y: Array) -> None:
        trainer, bad = self._trainer, self._guard.bad_members(self._step.loss)
        ended = {*trainer.stopped, *trainer.failed}
        new = [] if bad is None else [k for k in np.flatnonzero(bad).tolist() if k not in ended]
        trainer.failed.update(dict.fromkeys(new, (trainer.epoch, trainer.batch)))
        if ended or new:
            self._guard.restore({*ended, *new})
        if new:
            self._tell(new, x, y)

    def _tell(self, new: list[int], x: Array, y: Array) -> None:
        """Warn of members that have failed now, or end the training if they were the last."""
        trainer, stack, k = self._trainer, self._trainer.model, new[0]
        assert isinstance(stack, Stack)
        what = f"the loss, a gradient or the update of members {listed(list(map(str, new)))} is not finite"
        module, causes = diagnose(stack[k], x[k], y[k])
        if len(trainer.failed) == len(stack):
            self._fail(f"{what}, and no other member is left", module, f"Of member {k}: {causes}")
        place = f"epoch {trainer.epoch}, batch {trainer.batch}"
        warn(f"{place}: {what}; they stay as they were before, and the others go on. Of member {k}: {causes.rstrip()}")
