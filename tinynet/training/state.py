"""The state of a training: what it needs, besides its code and its data, to go on bit for bit. A checkpoint is the file of it.

A checkpoint is an archive (`tinynet.archive`) of the format "checkpoint", version 1, whose content is a dict with

- ``model``, ``loss``: ``arrays``, the `state_dict`, and ``frozen``, the names of the parameters that require no gradient;
  None for a loss that is no module.
- ``optimizer``: ``kind``, the name of its class, and of its `state_dict` ``groups`` and ``state``, the latter a list of pairs.
- ``callbacks``: by the name of its class (of a second one ``NAME.2``) the `state_dict` of each callback that has one.
- ``generators``: ``states``, of their bit generators, and ``users``, for each place where one was found the position of its
  state; ``data_generators``, the same of those that the data hold.
- ``history``: its columns, an array with a row for each finished epoch.
- ``stop_training``: whether a callback ended the training; ``stopped`` and ``failed``, of a stack: lists of a member and its
  last epoch, and of a member and its epoch and batch.
- ``refused``: why the step cannot be compiled, if that was seen.
- ``epoch``: of an epoch that is under way its `tinynet.training.epoch.Epoch.state_dict`, otherwise None.
- ``script``: what the training was begun with, of what it may change itself: ``groups``, the options of the optimizer, and
  ``frozen``, the parameters that require no gradient; and ``data``, what is known of the data. None before any training.

Read and taken up it is by `tinynet.training.loaded.Loaded`.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.nn.module import Module
from tinynet.random import as_generator
from tinynet.training import generators
from tinynet.training.callbacks import Callback
from tinynet.training.finite import listed
from tinynet.training.history import History

if TYPE_CHECKING:
    from os import PathLike

    from tinynet.training.trainer import Trainer

__all__ = [
    "FORMAT", "VERSION", "State", "callbacks_with_state", "differences", "gather", "of_trainer", "options", "own", "take_up",
    "write",
]

FORMAT, VERSION = "checkpoint", 1

State = Mapping[str, Any]


def write(trainer: "Trainer", path: "str | PathLike[str]", keep_previous: bool = True) -> None:
    """Save the state of a training; see `Trainer.save`."""
    from tinynet.archive import write_archive  # not before it is needed: zip files take a while to load

    loaded, epoch = trainer._loaded, trainer._under_way
    if loaded is not None:  # what the next fit will put back is still in it alone
        state = {**own(trainer), **{name: loaded.saved[name] for name in ("callbacks", "epoch", "data_generators", "script")}}
    else:
        state = {
            **gather(trainer),
            "epoch": None if epoch is None else epoch.state_dict(),
            "data_generators": generators.states(trainer._data_generators),
            "script": trainer._script,
        }
    write_archive(path, FORMAT, VERSION, state, keep_previous)
    if trainer._parts:
        trainer.step.renew()


def gather(trainer: "Trainer") -> dict[str, Any]:
    """The state that a training is in, without that of an epoch that is under way."""
    return {**own(trainer), "callbacks": {name: x.state_dict() for name, x in callbacks_with_state(trainer).items()}}


def own(trainer: "Trainer") -> dict[str, Any]:
    """The part of a training's state that no callback needs to be asked for."""
    optimizer = trainer.optimizer.state_dict()
    return {
        "model": _of_module(trainer.model),
        "loss": _of_module(trainer.loss),
        "optimizer": {
            "kind": type(trainer.optimizer).__name__,
            "groups": optimizer["param_groups"],
            "state": list(optimizer["state"].items()),
        },
        "generators": generators.states(of_trainer(trainer)),
        "history": {name: np.array(column) for name, column in trainer.history.items()},
        "stop_training": trainer.stop_training,
        "stopped": [[k, epoch] for k, epoch in trainer.stopped.items()],
        "failed": [[k, *place] for k, place in trainer.failed.items()],
        "refused": trainer.step.refused if trainer._parts else trainer._refused,
    }


def differences(trainer: "Trainer", saved: State) -> list[str]:
    """What keeps a trainer from taking up a state, in words."""
    here = own(trainer)
    missing = (here.keys() | {"callbacks", "epoch", "data_generators", "script"}) - saved.keys()
    if missing:
        return [f"it has no {', '.join(sorted(missing))}"]
    found: list[str] = []
    for part in ("model", "loss"):
        found += _unequal_arrays(part, saved[part], here[part])
    optimizers = [x["optimizer"] for x in (saved, here)]
    kind, own_kind = (x["kind"] for x in optimizers)
    if kind != own_kind:
        found.append(f"its optimizer is a {kind}, the trainer's a {own_kind}")
    sizes, own_sizes = ([len(group["params"]) for group in x["groups"]] for x in optimizers)
    if sizes != own_sizes:
        found.append(f"the groups of its optimizer have {sizes} parameters, those of the trainer's {own_sizes}")
    callbacks = [saved["callbacks"], callbacks_with_state(trainer)]
    if callbacks[0].keys() != callbacks[1].keys():
        names = [", ".join(x) or "none" for x in callbacks]
        found.append(f"the callbacks with a state are {names[0]} in it, of the trainer {names[1]}")
    found += generators.differences(saved["generators"], here["generators"])
    return found


def take_up(trainer: "Trainer", saved: State, found: generators.Generators | None = None) -> None:
    """Put a trainer that has no `differences` from it into a state, but for its callbacks.

    The generators are those that it has now, if not those that it once had are given.
    """
    _into_module(trainer.model, saved["model"])
    _into_module(trainer.loss, saved["loss"])
    optimizer = saved["optimizer"]
    trainer.optimizer.load_state_dict({"param_groups": optimizer["groups"], "state": dict(optimizer["state"])})
    generators.put_back(saved["generators"], of_trainer(trainer) if found is None else found)
    trainer.history = History(saved["history"])
    for figures in zip(*saved["history"].values(), strict=True):
        trainer.history.append(dict(zip(saved["history"], figures, strict=True)))
    trainer.epoch, trainer.batch = trainer.history.epochs, 0
    trainer.stop_training, trainer._refused = saved["stop_training"], saved["refused"]
    trainer._parts = ()  # so that a step is made that knows of it
    trainer.stopped = dict(saved["stopped"])
    trainer.failed = {k: (epoch, batch) for k, epoch, batch in saved["failed"]}


def options(trainer: "Trainer") -> dict[str, Any]:
    """What a script sets and a training may change: the options of the optimizer, and which parameters are frozen."""
    groups = [
        {name: _plain(group[name]) for name in group if name not in ("params", "initial_lr")}  # which is told of with the rate
        for group in trainer.optimizer.param_groups
    ]
    parts = {"model": trainer.model, "loss": trainer.loss}
    frozen = {part: _frozen(module) for part, module in parts.items() if isinstance(module, Module)}
    return {"groups": groups, "frozen": frozen}


def _plain(option: Any) -> Any:
    """An option as it is read from a file again."""
    return [_plain(x) for x in option] if isinstance(option, list | tuple) else np.asarray(option).item()


def _frozen(module: Module) -> list[str]:
    return [name for name, x in module.named_parameters() if not x.requires_grad]


def _of_module(module: Any) -> dict[str, Any] | None:
    if not isinstance(module, Module):
        return None
    return {"arrays": module.state_dict(), "frozen": _frozen(module)}


def _into_module(module: Any, saved: State | None) -> None:
    if saved is not None:
        module.load_state_dict(saved["arrays"])
        for name, x in module.named_parameters():
            if x.requires_grad == (name in saved["frozen"]):
                x.requires_grad = not x.requires_grad


def _unequal_arrays(part: str, saved: State | None, own: State | None) -> Iterator[str]:
    if saved is None or own is None:
        if saved is not own:
            yield f"the {part} is a module in {'the trainer' if saved is None else 'it'} alone"
        return
    arrays, own_arrays = saved["arrays"], own["arrays"]
    for where, extra in (("it", arrays.keys() - own_arrays.keys()), ("the trainer", own_arrays.keys() - arrays.keys())):
        if extra:
            yield f"the {part} has {listed(sorted(extra))} in {where} alone"
    for name, x in arrays.items():
        y = own_arrays.get(name)
        if y is not None and (x.shape, x.dtype) != (y.shape, y.dtype):
            yield f"{name} of the {part} has shape {x.shape} and dtype {x.dtype} in it, {y.shape} and {y.dtype} in the trainer"


def callbacks_with_state(trainer: "Trainer") -> dict[str, Callback]:
    """The callbacks that define a state, by name."""
    return {name: x for name, x in _named(trainer.callbacks) if type(x).state_dict is not Callback.state_dict}


def _named(callbacks: list[Callback]) -> Iterator[tuple[str, Callback]]:
    kinds = [type(callback).__name__ for callback in callbacks]
    for i, (kind, callback) in enumerate(zip(kinds, callbacks, strict=True)):
        earlier = kinds[:i].count(kind)
        yield f"{kind}.{earlier + 1}" if earlier else kind, callback


def of_trainer(trainer: "Trainer") -> generators.Generators:
    """All generators that the training draws from, but for those of its data."""
    return generators.generators_of(
        trainer,
        default=as_generator(None),
        order=trainer.rng,
        model=trainer.model,
        loss=trainer.loss,
        optimizer=trainer.optimizer,
        **{f"callbacks.{name}": callback for name, callback in _named(trainer.callbacks)},
    )
