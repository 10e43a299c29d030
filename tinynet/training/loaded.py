"""`Loaded`: a training that was read from a file, and that no `fit` has gone on with yet."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import TYPE_CHECKING

from tinynet.lines import warn
from tinynet.training import generators
from tinynet.training.state import FORMAT, VERSION, State, callbacks_with_state, differences, of_trainer, options, own, take_up

if TYPE_CHECKING:
    from os import PathLike

    from tinynet.training.trainer import Trainer

__all__ = ["Loaded", "kept"]


class Loaded:
    """The state in a checkpoint, of which is known that it fits a trainer.

    Model, optimizer, generators and history are taken up at once (`take_up`), the callbacks go on from it when they have begun
    (`to_callbacks`): what a callback keeps may not be there before.

    Parameters
    ----------
    trainer : Trainer
        Which is to take it up; nothing of it is changed.
    path : str or path
        The file.

    Attributes
    ----------
    saved : dict
        See `tinynet.training.state`.

    Raises
    ------
    FileFormatError
        If the file is damaged or is no checkpoint.
    ValueError
        If it is one of another training.
    OSError
        If it cannot be read.
    """

    def __init__(self, trainer: "Trainer", path: "str | PathLike[str]") -> None:
        from tinynet.archive import read_archive

        self.path = path
        self.saved: State = read_archive(path, FORMAT, VERSION)
        self.check(trainer)

    @property
    def place(self) -> tuple[int, int]:
        """How far it is: finished epochs, and batches of the one that is under way."""
        columns, epoch = list(self.saved["history"].values()), self.saved["epoch"]
        return len(columns[0]) if columns else 0, 0 if epoch is None else int(epoch["done"])

    def check(self, trainer: "Trainer", columns: list[str] | None = None, data_generators: State | None = None) -> None:
        """A ValueError if it is not of a trainer as it is now; with the rest, if it is not of a call of `fit`."""
        try:
            found = differences(trainer, self.saved)
            if not found and columns is not None and list(self.saved["history"]) not in ([], columns):
                names = ", ".join(self.saved["history"])
                found.append(f"its history has the columns {names}, and would have {', '.join(columns)} here")
            if not found and data_generators is not None:
                found += generators.differences(self.saved["data_generators"], data_generators)
            if not found and min(self.place) < 0:
                found.append(f"it is at epoch {self.place[0]}, batch {self.place[1]}")
        except Exception as error:
            raise self._refusal(error) from error
        if found:
            raise self._refusal("; ".join(found))

    def take_up(self, trainer: "Trainer") -> None:
        """Put the trainer into the state, but for its callbacks; on an error nothing is changed."""
        undo, here = kept(trainer), options(trainer)
        try:
            take_up(trainer, self.saved)
            if self.saved["epoch"] is not None:
                trainer.epoch, trainer.batch = trainer.epoch + 1, self.place[1]
            trainer._loaded, left = self, trainer._left
            trainer._left = options(trainer)
            if changed := list(self._changed(here, trainer._left, left)):
                warn(
                    f"the training goes on with the options that it was saved with, not with those set here: "
                    f"{'; '.join(changed)}. To change them, set them between trainer.load({str(self.path)!r}) and fit; to "
                    "train anew, remove the file"
                )
        except BaseException as error:
            undo()
            if isinstance(error, Exception) and not isinstance(error, Warning):
                raise self._refusal(error) from error
            raise

    def to_callbacks(self, trainer: "Trainer") -> None:
        """Have the callbacks, which have begun, go on from the state."""
        for name, callback in callbacks_with_state(trainer).items():
            try:
                callback.load_state_dict(deepcopy(self.saved["callbacks"][name]))
            except Exception as error:
                raise self._refusal(error) from error

    def told_of_data(self, here: State) -> None:
        """Warn if the data, as far as they were described, are others than those that it was trained on."""
        before = (self.saved["script"] or {}).get("data", here)
        changed = [
            f"{name} of {part} is {value}, and was {before[part][name]}"
            for part, description in here.items()
            for name, value in description.items()
            if part in before and before[part].get(name, value) != value
        ]
        if changed:
            warn(f"the training in {self.path} goes on with other data: {'; '.join(changed)}; to train anew, remove the file")

    def _changed(self, here: State, now: State, left: State | None) -> Iterator[str]:
        """Which options somebody has set, who then loaded others: not the training, and not as they were when it began."""
        known = [x for x in (now, self.saved["script"], left) if x is not None]
        for i, (group, new) in enumerate(zip(here["groups"], now["groups"], strict=True)):
            for name in group.keys() & new.keys():
                if all(group[name] != x["groups"][i].get(name) for x in known):
                    yield f"{name} of group {i} is {new[name]} (here {group[name]})"
        for part, names in here["frozen"].items():
            for name in sorted({*names, *now["frozen"][part]}):
                if all((name in names) != (name in x["frozen"][part]) for x in known):
                    ways = ("frozen", "trained") if name in now["frozen"][part] else ("trained", "frozen")
                    yield f"{name} of the {part} is {ways[0]} (here {ways[1]})"

    def _refusal(self, why: str | Exception) -> ValueError:
        if isinstance(why, Exception):
            why = str(why) if isinstance(why, ValueError) else f"{type(why).__name__}: {why}"
        return ValueError(
            f"{self.path} is no checkpoint of this training, which is as it was: {why}. Make model, optimizer, callbacks and "
            "data as they were; to train anew, take a new trainer, and another path or remove the file"
        )


def kept(trainer: "Trainer", further: generators.Generators | None = None) -> Callable[[], None]:
    """What puts a trainer, all but its callbacks, and further generators back into the state that they are in now."""
    names = ("history", "epoch", "batch", "_loaded", "_script", "_left", "_data_generators")
    values = [getattr(trainer, name) for name in names]
    state, found = own(trainer), of_trainer(trainer)
    others = further or {}
    theirs = generators.states(others)

    def undo() -> None:
        take_up(trainer, state, found)
        generators.put_back(theirs, others)
        for name, value in zip(names, values, strict=True):
            setattr(trainer, name, value)

    return undo
