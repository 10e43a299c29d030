"""Rows of figures that print as a table, and show as one in a notebook."""

from collections.abc import Iterable
from html import escape
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np

__all__ = ["Table"]

Row = TypeVar("Row", bound=NamedTuple)


class Table(tuple[Row, ...]):
    """A tuple of named tuples of one kind, which prints as a table, and shows as one in a notebook.

    Parameters
    ----------
    rows : iterable of named tuple

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.nn.Sequential(tn.nn.Linear(2, 8, rng=0), tn.nn.ReLU(), tn.nn.Linear(8, 1, rng=1))
    >>> table = tn.inspect.activation_statistics(model, np.random.default_rng(0).normal(size=(100, 2)))
    >>> table
    layer  kind       mean     std      min    max   zeros
    0      Linear  -0.1008  0.7448   -2.452  2.468       0
    1      ReLU     0.2444  0.3813        0  2.468  0.5387
    2      Linear   0.2126  0.2272  -0.1896  1.021       0
    >>> table[1].kind, table.column("mean").shape
    ('ReLU', (3,))
    """

    __slots__ = ()

    def __new__(cls, rows: Iterable[Row]) -> Self:
        return super().__new__(cls, rows)

    def column(self, name: str) -> np.ndarray[Any, Any]:
        """The values of one column.

        Parameters
        ----------
        name : str

        Returns
        -------
        ndarray, shape (rows,)

        Raises
        ------
        KeyError
            If there is no such column.
        """
        if self and name not in self[0]._fields:
            raise KeyError(f"there is no column {name!r}; the columns are {', '.join(self[0]._fields)}")
        return np.array([getattr(row, name) for row in self])

    def __repr__(self) -> str:
        if not self:
            return "no rows"
        cells = [list(self[0]._fields), *self._cells()]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        left = self._left()
        lines = (
            "  ".join(x.ljust(n) if text else x.rjust(n) for x, n, text in zip(line, widths, left, strict=True)).rstrip()
            for line in cells
        )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if not self:
            return "no rows"
        sides = ["left" if text else "right" for text in self._left()]
        head, *body = (
            "".join(
                f'<{tag} style="text-align:{side}">{escape(text)}</{tag}>' for text, side in zip(cells, sides, strict=True)
            )
            for tag, cells in [("th", self[0]._fields), *(("td", cells) for cells in self._cells())]
        )
        rows = "".join(f"<tr>{row}</tr>" for row in body)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def _cells(self) -> list[list[str]]:
        return [[_shown(value) for value in row] for row in self]

    def _left(self) -> list[bool]:
        """For each column whether it holds text, which starts at the left."""
        return [isinstance(value, str) for value in self[0]]


def _shown(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
