"""Options of layers that are numbers: `counts`, checked, and `number`."""

from typing import Any, TypeVar

import numpy as np

__all__ = ["counts", "number"]

T = TypeVar("T")


def counts(name: str, **options: Any) -> list[int]:
    """The values of options that must be integers of at least 1.

    Parameters
    ----------
    name : str
        The layer or function that an error speaks of.
    **options
        The options under their names.

    Returns
    -------
    list of int
        Python's integers, also of NumPy's.

    Raises
    ------
    ValueError
        If one is no integer, or less than 1.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet.nn.options import counts
    >>> counts("Conv1d", in_channels=3, out_channels=np.int64(8))
    [3, 8]
    """
    for option, value in options.items():
        if not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name}: {option}={value!r} must be an integer of at least 1")
    return [int(value) for value in options.values()]


def number(value: T) -> T:
    """An option as a Python number if it is one of NumPy's, whose dtype would make float64 of float32; else as it is.

    Parameters
    ----------
    value : object
        The option.

    Returns
    -------
    object

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet.nn.options import number
    >>> number(np.float64(0.5)), number(None)
    (0.5, None)
    """
    return value.item() if isinstance(value, np.generic) else value
