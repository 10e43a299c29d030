"""`History`: what a training recorded, epoch by epoch."""

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

__all__ = ["History", "describe"]


class History(Mapping[str, list[Any]]):
    """The figures of each finished epoch, column by column.

    A mapping from a column's name to a list with one number an epoch: ``loss`` and the metrics on the training data (as the
    model was while it was trained on them), the same with ``val_`` on the validation data, ``lr`` (the learning rate, at
    the epoch's end, of the optimizer's first parameter group) and ``seconds``.

    Of a stack (`tinynet.nn.stack`) an epoch's loss and metrics are arrays of shape (m,), a number for each member; `member`
    picks one out.

    Parameters
    ----------
    columns : iterable of str
        The names of the columns.

    Attributes
    ----------
    interrupted : bool
        Whether Ctrl-C ended the training. The epoch that it cut short is not recorded.

    Examples
    --------
    >>> from tinynet.training import History
    >>> history = History(["loss", "lr"])
    >>> history.append({"loss": 0.5, "lr": 0.1})
    >>> history["loss"], history.epochs
    ([0.5], 1)
    >>> history
    History of 1 epoch: loss 0.5, lr 0.1
    """

    def __init__(self, columns: Iterable[str]) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in columns}
        self.interrupted = False

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self._columns:
            raise KeyError(f"the history has no column {name!r}; it has {', '.join(self._columns)}")
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def epochs(self) -> int:
        """The number of epochs recorded."""
        return min((len(column) for column in self._columns.values()), default=0)

    def append(self, record: Mapping[str, Any]) -> None:
        """Record an epoch.

        Parameters
        ----------
        record : mapping of str to float
            A number for each column; of a stack an array of them.

        Raises
        ------
        ValueError
            If it has other columns than the history, which stays as it was.
        """
        if record.keys() != self._columns.keys():
            raise ValueError(f"History.append: the record has {', '.join(record)}; the columns are {', '.join(self._columns)}")
        given = map(record.__getitem__, self._columns)
        figures = [x.copy() if isinstance(x, np.ndarray) and x.ndim else float(x) for x in given]
        for column, x in zip(self._columns.values(), figures, strict=True):
            column.append(x)

    def to_dict(self) -> dict[str, list[Any]]:
        """The columns as plain lists of floats, which JSON can hold; of a stack lists of the members' figures.

        Returns
        -------
        dict of str to list of float
            Copies.
        """
        return {name: [x.tolist() if np.ndim(x) else x for x in column] for name, column in self._columns.items()}

    def member(self, k: int) -> "History":
        """The history of one member of a stack, as it would have been alone.

        Parameters
        ----------
        k : int
            The member.

        Returns
        -------
        History
            With one number an epoch; the learning rate and the seconds are those of all.

        Raises
        ------
        IndexError
            If there is no such member.
        ValueError
            If the history is of one model.

        Examples
        --------
        >>> import numpy as np
        >>> from tinynet.training import History
        >>> history = History(["loss"])
        >>> history.append({"loss": np.array([0.5, 0.25])})
        >>> history.member(1)["loss"]
        [0.25]
        """
        k = operator.index(k)
        sizes = [len(x) for column in self._columns.values() for x in column if np.ndim(x)]
        if self.epochs and not sizes:
            raise ValueError("History.member: the history is of one model, not of a stack")
        if not all(-m <= k < m for m in sizes):
            raise IndexError(f"member {k} of the history of a stack of {sizes[0]}")
        own = History(self._columns)
        for name, column in self._columns.items():
            own._columns[name] = [float(x[k]) if np.ndim(x) else x for x in column]
        own.interrupted = self.interrupted
        return own

    def plot(self, path_or_ax: Any = None) -> Any:
        """Draw the loss curves with `tinynet.plot.curves`; needs matplotlib.

        Parameters
        ----------
        path_or_ax : str, path or matplotlib.axes.Axes, optional
            Where to draw, or the file to write. Without either a new figure is made.

        Returns
        -------
        matplotlib.axes.Axes
            Its ``figure`` can be shown in a notebook or saved.
        """
        from tinynet.plot import curves

        if path_or_ax is None or hasattr(path_or_ax, "plot"):
            return curves(self, ax=path_or_ax)
        axes: Any = curves(self)
        axes.figure.savefig(path_or_ax)
        return axes

    def _repr_html_(self) -> str:
        from html import escape

        from tinynet.training.chart import chart

        losses = {name: self[name] for name in ("loss", "val_loss") if name in self}
        return f"<p>{escape(repr(self))}</p>" + (chart(losses) if losses and self.epochs else "")

    def __repr__(self) -> str:
        count = f"{self.epochs} epoch{'' if self.epochs == 1 else 's'}{', interrupted' if self.interrupted else ''}"
        if not self.epochs:
            return f"History of {count}"
        return f"History of {count}: {describe({name: column[-1] for name, column in self.items()}, ', ')}"


def describe(record: Mapping[str, Any], separator: str = "  ") -> str:
    """An epoch's figures in a line of text, four digits each.

    Of a stack the median of the members and their extremes, without the figures that are not finite, and how many members have
    no loss, since they failed.
    """
    parts = [f"{name} {_digits(value)}" for name, value in record.items()]
    failed = int(np.isnan(record.get("loss", 0)).sum()) if np.ndim(record.get("loss", 0)) else 0
    return separator.join([*parts, *([f"{failed} of {len(record['loss'])} failed"] if failed else [])])


def _digits(value: Any) -> str:
    if not np.ndim(value):
        return f"{value:.4g}"
    finite = value[np.isfinite(value)]
    return f"{np.median(finite):.4g} ({np.min(finite):.4g} to {np.max(finite):.4g})" if finite.size else "nan"
