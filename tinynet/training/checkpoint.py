"""`Checkpoint`: a training that goes on where it was killed."""

import operator
import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.errors import FileFormatError
from tinynet.lines import warn
from tinynet.nn.parameter import StackedParameter
from tinynet.tensor import Tensor
from tinynet.training.callbacks import Callback
from tinynet.training.finite import is_finite, listed
from tinynet.training.loaded import Loaded
from tinynet.training.state import write

if TYPE_CHECKING:
    from tinynet.training.trainer import Trainer

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Save the training at the end of each epoch, and go on from there where `fit` is called again, in another process say.

    A script that was killed, at whatever moment, is simply run again: weights, optimizer, history and random draws become
    what they would have become without the interruption, to the last bit (see `tinynet.Trainer.save` for what it takes). The
    file stands for one training: with it, the ``epochs`` of `fit` are those of the training as a whole, and a training that
    is finished is taken up as it ended. To train anew, remove the file or take another. What `tinynet.Trainer.load` has taken
    up comes before it; of several Checkpoints the file that is furthest is gone on with. A file of another training is never
    overwritten.

    Files are replaced in one step, so that there is a whole one at every moment; the one before is kept as ``NAME.previous``,
    and is taken, with a warning, where the newest turns out to be damaged; one that a later tinynet has written is an error. A
    file that cannot be written at the beginning of a training is an error; later on (the disk is full) it is a warning, and
    the training goes on and tries again. A model that is not finite, which only code of yours can make of it, is not saved.

    Whatever its place among the callbacks, it acts after all others. A subclass may define other moments: it calls `save` in
    events of its own.

    Parameters
    ----------
    path : str or path
        The file, an ``.npz`` by nature; its folder must exist.
    every_batches : int, optional
        Save also whenever so many batches of an epoch are done.

    Raises
    ------
    ValueError
        If `every_batches` is less than 1; when a training starts, if the file is that of another one, and
        `tinynet.errors.FileFormatError` if it is damaged and there is no other.
    TypeError
        If `every_batches` is no whole number.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, tinynet as tn
    >>> def train(path, epochs):
    ...     model = tn.nn.Linear(1, 1, rng=0)
    ...     optimizer = tn.optim.SGD(model.parameters(), lr=0.1)
    ...     keep = tn.training.Checkpoint(path)
    ...     trainer = tn.Trainer(model, tn.nn.MSELoss(), optimizer, callbacks=[keep], rng=0)
    ...     x = np.arange(4.0)[:, None]
    ...     return trainer.fit(x, 2 * x, epochs=epochs, batch_size=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = train(os.path.join(folder, "first.npz"), epochs=5)
    ...     part = train(os.path.join(folder, "second.npz"), epochs=2)
    ...     whole = train(os.path.join(folder, "second.npz"), epochs=5)
    >>> whole.epochs, whole["loss"] == first["loss"]
    (5, True)
    """

    def __init__(self, path: "str | os.PathLike[str]", every_batches: int | None = None) -> None:
        if every_batches is not None and operator.index(every_batches) < 1:
            raise ValueError(f"Checkpoint: every_batches is {every_batches}; it must be at least 1")
        self.path: str = os.path.abspath(path)  # wherever the script goes
        self.every_batches = every_batches
        self._is_damaged = False

    def read(self, trainer: "Trainer") -> Loaded | None:
        """Read the file, or the one before if it is damaged; called by `fit` before everything else.

        Parameters
        ----------
        trainer : Trainer
            The trainer, which stays as it is.

        Returns
        -------
        Loaded or None
            The training in it, None if there is no file.

        Raises
        ------
        FileFormatError
            If it is damaged and there is no other, or of a later version.
        ValueError
            If it is of another training.
        """
        from tinynet.archive import LaterVersionError  # not before they are needed
        from tinynet.files import previous

        self._is_damaged = False
        if not os.path.exists(self.path):
            return None
        try:
            return Loaded(trainer, self.path)
        except LaterVersionError:
            raise
        except FileFormatError as error:
            earlier = previous(self.path)
            if not earlier.exists():
                raise FileFormatError(f"{error}; to train anew, remove the file or give another path") from error
            loaded = Loaded(trainer, earlier)
            self._is_damaged = True
            warn(f"Checkpoint: {error}; the training goes on from {earlier}")
            return loaded

    def start(self, trainer: "Trainer") -> None:
        """Save the training as it begins if there is no file; called by `fit` when all callbacks have begun.

        Parameters
        ----------
        trainer : Trainer
            The trainer.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        if not os.path.exists(self.path):
            self._write(trainer)

    def on_batch_end(self, trainer: "Trainer", loss: Any) -> None:
        if self.every_batches is not None and trainer.batch % self.every_batches == 0:
            self.save(trainer)

    def on_epoch_end(self, trainer: "Trainer", record: Mapping[str, Any]) -> None:
        self.save(trainer)

    def save(self, trainer: "Trainer") -> None:
        """Save the training, or warn that it cannot be.

        Parameters
        ----------
        trainer : Trainer
            The trainer.

        Warns
        -----
        RuntimeWarning
            If the file cannot be written, or a parameter of the model is not finite; the file that is there stays.
        """
        bad = [name for name, x in trainer.model.named_parameters() if not is_finite(_trained_part(x, trainer.failed))]
        try:
            if not bad:
                self._write(trainer)
                return
            why = f"{listed(bad)} of the model is not finite"
        except OSError as error:
            why = str(error)
        warn(
            f"Checkpoint: {self.path} stays as it was, without epoch {trainer.epoch}, batch {trainer.batch}: {why}; the "
            "training goes on"
        )

    def _write(self, trainer: "Trainer") -> None:
        write(trainer, self.path, keep_previous=not self._is_damaged)  # a damaged file does not replace the one before
        self._is_damaged = False


def _trained_part(x: Tensor, failed: Collection[int]) -> np.ndarray[Any, Any]:
    """The values of a parameter, of a stack those of members that have not failed."""
    if not failed or not isinstance(x, StackedParameter):
        return x.data
    return x.data[[row for row, member in enumerate(x.members) if member not in failed]]
