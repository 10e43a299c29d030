"""Weights in safetensors files, which other frameworks read and write."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.errors import FileFormatError
from tinynet.files import opened, replacing

__all__ = ["load_safetensors", "save_safetensors"]

_LONGEST_HEADER = 100_000_000  # the format's own limit


def save_safetensors(
    path: "str | os.PathLike[str]", state_dict: Mapping[str, npt.ArrayLike], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays, such as a model's `state_dict`, to a safetensors file; needs the package ``safetensors``.

    The file takes the place of one that is there in one step, when it is complete.

    Parameters
    ----------
    path : str or path
        The file.
    state_dict : mapping of str to array_like
        The arrays, of any shapes, each of a dtype from bool to 64-bit floats and integers.
    metadata : mapping of str to str, optional
        Text to keep in the file's header.

    Raises
    ------
    TypeError
        If a name is no string, an array is of another dtype, or the metadata are no strings; nothing is written then.
    OSError
        If the file cannot be written; what was there before is as it was.

    Examples
    --------
    >>> import os, tempfile
    >>> import tinynet as tn
    >>> model = tn.nn.Linear(3, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     tn.save_safetensors(path, model.state_dict())
    ...     model.load_state_dict(tn.load_safetensors(path))
    LoadedKeys(missing_keys=[], unexpected_keys=[])
    """
    numpy_format = _numpy_format("save_safetensors")
    # the package takes the memory as it lies there, whatever the strides
    arrays = {name: np.asarray(x, order="C") for name, x in state_dict.items()}
    for name, x in arrays.items():
        if not isinstance(name, str) or name == "__metadata__" or x.dtype.kind not in "fiub" or x.dtype.itemsize > 8:
            raise TypeError(
                f"save_safetensors: {name!r} is an array of dtype {x.dtype}; names must be strings (and not '__metadata__'), "
                "arrays booleans, integers or floats of at most 64 bits"
            )
    for key, text in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise TypeError(f"save_safetensors: metadata[{key!r}] is {text!r}; keys and values must be strings")
    data = numpy_format.save(arrays, None if metadata is None else dict(metadata))
    with replacing(path) as file:
        file.write(data)


def load_safetensors(path: "str | os.PathLike[str]") -> dict[str, np.ndarray[Any, Any]]:
    """Read the arrays of a safetensors file; needs the package ``safetensors``.

    The format has no checksum: that the file has the right length and a sound header is all that can be seen. A checkpoint
    of a `tinynet.Trainer` shows every change.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    dict of str to numpy.ndarray
        By name.

    Raises
    ------
    FileFormatError
        If the file is damaged, is no safetensors file, or holds a dtype that NumPy has not (bfloat16).
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, tinynet as tn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "arrays.safetensors")
    ...     tn.save_safetensors(path, {"a": np.arange(3)})
    ...     tn.load_safetensors(path)
    {'a': array([0, 1, 2])}
    """
    numpy_format = _numpy_format("load_safetensors")
    from safetensors import SafetensorError

    with opened(path) as (file, size):
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, _LONGEST_HEADER) or file.read(1) != b"{":
            raise FileFormatError(f"{path} is no safetensors file, or is truncated: its header cannot be right")
        file.seek(0)
        try:
            arrays: dict[str, np.ndarray[Any, Any]] = numpy_format.load(file.read(size))
        except KeyError as error:
            raise FileFormatError(
                f"{path} holds arrays of dtype {error.args[0]}, which NumPy has not; convert them to float32 where they were "
                "made"
            ) from error
        except (SafetensorError, ValueError, OverflowError) as error:
            raise FileFormatError(f"{path} is a damaged safetensors file: {error!s:.200}") from error
    return arrays


def _numpy_format(function: str) -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(f"{function} needs the package safetensors: pip install 'tinynet-autograd[safetensors]'") from error
    return safetensors.numpy
