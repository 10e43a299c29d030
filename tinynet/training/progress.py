"""What a training shows while it runs: a bar with tqdm, a few plain lines without, nothing where nobody looks on.

Somebody looks on where the standard error stream is a terminal, and in a notebook.
"""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tinynet.training.callbacks import Callback
from tinynet.training.history import describe

if TYPE_CHECKING:
    from tinynet.training.trainer import Trainer

__all__ = ["progress"]

LINES = 10  # how many plain lines a training prints at most


def progress(verbose: int, epochs: int) -> tuple[Callback, ...]:
    """The callback that shows the progress of a training, or none where nobody looks on."""
    if not verbose or not epochs or sys.stderr is None or not (sys.stderr.isatty() or _in_notebook()):
        return ()
    try:
        from tqdm.auto import tqdm  # a widget in a notebook, text on a terminal
    except ImportError:
        return (Lines(epochs),)
    return (Bar(tqdm, epochs),)


class Bar(Callback):
    """A tqdm bar that advances by an epoch."""

    def __init__(self, tqdm: Any, epochs: int) -> None:
        self._tqdm = tqdm
        self._epochs = epochs

    def on_fit_begin(self, trainer: "Trainer") -> None:
        self._bar = self._tqdm(total=self._epochs, initial=trainer.history.epochs, unit="epoch", file=sys.stderr)

    def on_epoch_end(self, trainer: "Trainer", record: Mapping[str, Any]) -> None:
        self._bar.set_postfix_str(describe(_shown(record)), refresh=False)
        self._bar.update()

    def on_fit_end(self, trainer: "Trainer") -> None:
        self._bar.close()


class Lines(Callback):
    """At most ten lines of text, spread evenly over the epochs."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def on_epoch_end(self, trainer: "Trainer", record: Mapping[str, Any]) -> None:
        epoch = trainer.epoch
        if epoch * LINES // self._epochs > (epoch - 1) * LINES // self._epochs:
            print(f"epoch {epoch}/{self._epochs}  {describe(_shown(record))}", file=sys.stderr)


def _in_notebook() -> bool:
    """Whether this is the kernel of a notebook; IPython on a terminal has a shell too, but no kernel."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def _shown(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("lr", "seconds")}
