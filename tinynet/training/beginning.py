"""How a training begins, anew or from where a checkpoint was made, and how it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tinynet.lines import warn
from tinynet.optim import schedulers
from tinynet.training import generators
from tinynet.training.callbacks import Callback
from tinynet.training.checkpoint import Checkpoint
from tinynet.training.epoch import Epoch
from tinynet.training.feed import Feed
from tinynet.training.history import History
from tinynet.training.loaded import Loaded, kept
from tinynet.training.state import callbacks_with_state, options, own, take_up

if TYPE_CHECKING:
    from tinynet.training.trainer import Trainer

__all__ = ["begun"]


@contextmanager
def begun(
    trainer: "Trainer", data: Feed, validation: Feed | None, rng: Any, callbacks: list[Callback], epochs: int
) -> Iterator[range]:
    """Begin a training, or go on with one that was loaded or is in the file of a Checkpoint, and end it afterwards.

    Gives the epochs that are to do. What was loaded and cannot be gone on with leaves the trainer as it was. The callbacks that
    have begun are told of the end, whatever happens.
    """
    figures = ["loss", *trainer.metrics]
    columns = [*figures, *(f"val_{name}" for name in figures if validation is not None), "lr", "seconds"]
    feeds = {"data": data} if validation is None else {"data": data, "validation": validation}
    found: generators.Generators = {f"{part}.{name}": x for part, feed in feeds.items() for name, x in feed.generators.items()}
    description = {part: feed.description(rng if feed is data else None) for part, feed in feeds.items()}
    loaded = _loaded(trainer, callbacks, columns, generators.states(found))
    undo = kept(trainer, found) if loaded is not None else None
    ready: list[Callback] = []
    try:
        if loaded is None:
            trainer.history, trainer.stop_training, trainer.stopped, trainer.failed = History(columns), False, {}, {}
            trainer._script = {**options(trainer), "data": description}
            _begin(trainer, callbacks, ready)
        else:
            trainer._under_way = _interrupted(trainer, loaded, data, rng)
            if trainer._under_way is None:
                loaded.told_of_data(description)
            if loaded is not trainer._loaded:
                loaded.take_up(trainer)
            if not trainer.history:  # it was saved before any training
                trainer.history = History(columns)
            trainer._script = {**(loaded.saved["script"] or options(trainer)), "data": description}
            state = own(trainer)
            _begin(trainer, callbacks, ready)
            loaded.to_callbacks(trainer)
            take_up(trainer, state)  # again: a beginning changes things, and schedulers set rates
            generators.put_back(loaded.saved["data_generators"], found)
            trainer._loaded = None
        trainer._data_generators = found
        for checkpoint in _checkpoints(callbacks):
            checkpoint.start(trainer)
        left = _epochs_left(trainer, epochs)
        undo = None
        yield left
    finally:
        try:
            for callback in ready:
                callback.on_fit_end(trainer)
        finally:
            if undo is not None:
                undo()
            else:
                trainer._left = options(trainer)


def _loaded(trainer: "Trainer", callbacks: list[Callback], columns: list[str], data_generators: Any) -> Loaded | None:
    """What is to be gone on with: what was loaded, or of the files of the callbacks the one that is furthest.

    A ValueError if one of them is of another training, which would be overwritten.
    """
    files = [x for checkpoint in _checkpoints(callbacks) if (x := checkpoint.read(trainer)) is not None]
    chosen = trainer._loaded or max(files, key=lambda x: x.place, default=None)
    for x in files if chosen is None or chosen in files else [chosen, *files]:
        x.check(trainer, columns, data_generators)
    return chosen


def _interrupted(trainer: "Trainer", loaded: Loaded, data: Feed, rng: Any) -> Epoch | None:
    """The epoch that a training was in when it was saved, if it was in one."""
    if loaded.saved["epoch"] is None:
        return None
    epoch = Epoch(data, rng, trainer._tally(), savable=True)
    epoch.load_state_dict(loaded.saved["epoch"])
    return epoch


def _begin(trainer: "Trainer", callbacks: list[Callback], ready: list[Callback]) -> None:
    """Have the callbacks begin, and note which have."""
    for callback in callbacks:
        callback.on_fit_begin(trainer)
        ready.append(callback)
    if _checkpoints(callbacks):
        _warn_of_schedules(trainer)


def _warn_of_schedules(trainer: "Trainer") -> None:
    """Warn of what no checkpoint knows of."""
    for callback in set(trainer.callbacks) - set(callbacks_with_state(trainer).values()):
        for name, x in vars(callback).items():
            if isinstance(x, schedulers.Scheduler):
                kind = type(callback).__name__
                warn(
                    f"{kind}.{name} is a {type(x).__name__}, and {kind} defines no state_dict(): a training that goes on from "
                    "a checkpoint would begin its schedule anew. Define state_dict and load_state_dict with those of the "
                    "schedule, or use tn.training.Scheduler"
                )


def _checkpoints(callbacks: list[Callback]) -> list[Checkpoint]:
    return [x for x in callbacks if isinstance(x, Checkpoint)]


def _epochs_left(trainer: "Trainer", epochs: int) -> range:
    """The epochs that are still to do, of so many in all; a warning if none of a training that was loaded is."""
    done, is_over = trainer.history.epochs, trainer._is_over
    last = done if is_over and trainer._under_way is None else epochs
    if done and last <= done:
        why, remedy = f"fit was asked for {epochs} in all", "ask for more epochs to go on"
        if is_over:
            why = "a callback ended it"
            remedy = "to go on, set trainer.stop_training = False (of a stack, empty .stopped) between trainer.load and fit"
        warn(f"the training has {done} epochs, and {why}: nothing is left to do; {remedy}")
    return range(done + 1, last + 1)
