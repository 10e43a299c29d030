"""One update of a model on one batch, compiled where that is sure to be right."""

from collections.abc import Callable, Sequence
from itertools import chain
from math import isfinite
from typing import Any, Literal

import numpy as np

from tinynet.errors import RecordingError, ShapeError
from tinynet.lines import warn
from tinynet.mode import is_recording
from tinynet.nn.ensembles import Stack
from tinynet.nn.foreign import foreign_code
from tinynet.nn.memberloss import MemberLoss
from tinynet.nn.module import Module
from tinynet.revision import REVISION
from tinynet.rules import primitive
from tinynet.tensor import Tensor
from tinynet.training.finite import is_finite

__all__ = ["Compile", "NotFinite", "Step", "loss_values"]

Array = np.ndarray[Any, Any]
Compile = bool | Literal["auto"]


class NotFinite(ArithmeticError):
    """The loss or a gradient is NaN or infinite; nothing was updated."""


class Step:
    """The forward pass, the loss, the backward pass and the update.

    Parameters
    ----------
    model, loss, optimizer
        As a `tinynet.Trainer` has them.
    before_update : sequence of callables
        Called without arguments when the gradients are there.
    compile : bool or "auto"
        Whether to compile it. "auto" does where all of its code is tinynet's own, as it is at each call, and where it turns
        out not to be replayable runs the step as it is, after one warning.

    refused : str
        Why it is known that it cannot be replayed, if it is: it was tried before.

    Attributes
    ----------
    refused : str
    loss : float, or ndarray of shape (m,)
        Of the last batch; of a stack the loss of each member.
    """

    def __init__(
        self,
        model: Module,
        loss: Any,
        optimizer: Any,
        before_update: Sequence[Callable[[], Any]],
        compile: Compile,
        refused: str = "",
    ) -> None:
        self._last_loss: Any = 0.0
        self._model = model
        self._is_stack = isinstance(model, Stack)
        self._loss_function = loss
        self._optimizer = optimizer
        self._before_update = before_update
        self._seen_loss = primitive(self._see_loss)  # operations, which a replay repeats
        self._seen_gradient = primitive(_see_gradient)
        self._compile = compile
        self._compiled: Any = None
        self._obstacle = ""  # why it is not compiled now
        self.refused: str = refused
        self._look()

    def __call__(self, x: Array, y: Array) -> Any:
        """Make the update, and return the model's output.

        Raises
        ------
        NotFinite
            If the loss or a gradient is not finite; not of a stack.
        """
        if self._revision != REVISION.number:
            self._look()
        if self._obstacle:
            return self._update(x, y)
        try:
            return self._compiled(x, y)
        except RecordingError as error:
            if self._compile != "auto":
                raise
            self._obstacle = self.refused = str(error)
            warn(f"the training step is not compiled: {error}")
        return self._update(x, y)

    def renew(self) -> None:
        """From now on compile, or not, what a step that begins now would: that of a training that goes on from here."""
        if self._compiled is not None:
            self._compiled.renew()

    @property
    def loss(self) -> Any:
        if is_recording():
            raise RecordingError("a callback looks at the loss within the training step; look at it in on_batch_end")
        return self._last_loss

    def __repr__(self) -> str:
        if self._obstacle:
            return f"<training step, not compiled: {self._obstacle}>"
        checked = f"{self._compiled.recordings} runs compared with the uncompiled step, largest deviation"
        return f"<training step, compiled: {checked} {self._compiled.deviation:.1e}>"

    def _update(self, x: Array, y: Array) -> Any:
        self._optimizer.zero_grad()
        prediction = self._model(Tensor(x))
        loss = self._loss_function(prediction, y)
        self._seen_loss(loss_values(loss, self._model))
        (loss.sum() if self._is_stack else loss).backward()
        for function in self._before_update:
            function()
        with np.errstate(over="ignore", invalid="ignore"):
            self._optimizer.step(None if self._is_stack else self._seen_gradient)
        return prediction

    def _see_loss(self, loss: Array) -> None:
        if self._is_stack:  # of which a member that fails does not end the others' training
            self._last_loss = loss.copy()
            return
        self._last_loss = float(loss.item())
        if not isfinite(self._last_loss):
            raise NotFinite(f"the loss is {self._last_loss}")

    def _look(self) -> None:
        """See whether something keeps the step from being compiled, again whenever a part of it has changed."""
        self._revision = REVISION.number
        self._obstacle = "compile=False" if not self._compile else ""
        if self._compile == "auto":
            self._obstacle = self.refused or self._what_is_not_ours()
        if not self._obstacle and self._compiled is None:
            from tinynet.compiler import Compiled  # not before it is needed: it takes a while to load

            self._compiled = Compiled(self._update, check=False, name="the training step")

    def _what_is_not_ours(self) -> str:
        """Code that may do more than compute, of which two runs cannot tell whether it is the same each time."""
        if self._before_update:
            return "a callback acts on the gradients; compile=True compiles it with the step"
        loss = self._loss_function.loss if isinstance(self._loss_function, MemberLoss) else self._loss_function
        if not isinstance(loss, Module):
            return f"the loss is {loss!r}, no module of tinynet; compile=True compiles it"
        parts = chain([self._optimizer], self._loss_function.modules(), self._model.modules())
        found = next(filter(None, map(foreign_code, parts)), "")
        return found and f"{found}; compile=True compiles it"


def _see_gradient(gradient: Array) -> None:
    if not is_finite(gradient):
        raise NotFinite("a gradient is not finite")


def loss_values(loss: Any, model: Module) -> Array:
    """The value of a loss, 0-d, or of a stack that of each member; an error if it is not a tensor of such a shape."""
    if not isinstance(loss, Tensor):
        raise TypeError(f"the loss function returned a {type(loss).__name__}; it must return a tensor")
    if isinstance(model, Stack):
        if loss.shape != (len(model),):
            raise ShapeError(f"the loss has shape {loss.shape}; a stack of {len(model)} members needs one number for each")
        return loss.data
    if loss.size != 1:
        raise ShapeError(f"the loss has shape {loss.shape}; it must be one number: reduce it with .mean() or .sum()")
    return loss.data
