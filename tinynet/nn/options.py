"""Options of layers that are numbers of things, checked: `counts`."""

from typing import Any

import numpy as np

__all__ = ["counts"]


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
