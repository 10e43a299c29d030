"""Archives: nested values and arrays in one file that shows when it was damaged, and from which nothing but values comes.

Layout, version 1. An archive is an ``.npz`` file, a zip file of arrays, which `numpy.load` reads as well:

- ``content.json``, UTF-8: ``{"archive": 1, "format": "...", "version": ..., "content": ...}``. ``archive`` is the version of
  this layout, ``format`` and ``version`` say what the content is. Numbers are written so that they are read as the same
  ones; NaN and Infinity stand as such, as Python's `json` writes them. Where an array belongs stands ``{"$array": "NAME"}``.
- ``NAME.npy`` for each array: NumPy's format, version 1.0, of real numbers, integers or booleans, in C order.
- All of them are stored, not compressed, and bear no date, so that equal contents make equal files.
- The comment of the zip file, its last 71 bytes: ``sha256:`` and the digest, in hexadecimal, of all bytes before it.

A reader checks the digest before it looks at anything else, and the sizes that headers tell against the size of the file
before it allocates memory. Nothing is unpickled, evaluated or decompressed.
"""

import errno
import hashlib
import json
import os
import re
import struct
import zipfile
from math import inf, prod
from typing import IO, Any

import numpy as np

from tinynet.errors import FileFormatError
from tinynet.files import opened, replacing

__all__ = ["CONTENT", "SEALED", "LaterVersionError", "read_archive", "seal", "write_archive"]

LAYOUT = 1
CONTENT = "content.json"
ARRAY = "$array"
KINDS = "fiub"
SEAL = b"sha256:"
SEALED = len(SEAL) + 64
"""How many bytes at the end of the file are the digest of those before."""

_DATELESS = (1980, 1, 1, 0, 0, 0)
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': '([<>|][fiub]\d{1,2})', 'fortran_order': False, 'shape': \(((?:\d+, ?)*\d*)\), \} *\n",
    re.DOTALL,
)
_MALFORMED = (
    zipfile.BadZipFile, struct.error, EOFError, LookupError, NotImplementedError, OverflowError, RecursionError, RuntimeError,
    TypeError, ValueError,
)  # fmt: skip


class LaterVersionError(FileFormatError):
    """A file that may be sound, and that a later tinynet can read."""


def write_archive(
    path: "str | os.PathLike[str]", format: str, version: int, content: Any, keep_previous: bool = False
) -> None:
    """Write an archive, as `tinynet.files.replacing` writes files.

    Parameters
    ----------
    path : str or path
        The file.
    format, version : str, int
        What the content is, and the version of that.
    content : dict, list, tuple, str, int, float, bool, None or numpy.ndarray
        Nested as need be, with strings for keys. Tuples are read as lists, NumPy's scalars as Python's.
    keep_previous : bool
        Keep the file that is replaced as `tinynet.files.previous`.

    Raises
    ------
    TypeError
        If the content holds something else, or an array of another kind than real numbers, integers and booleans; nothing is
        written then.
    OSError
        If the file cannot be written; what was there before is as it was.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from tinynet.archive import read_archive, write_archive
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "state.npz")
    ...     write_archive(path, "example", 1, {"rate": 0.1, "weights": np.zeros(2)})
    ...     read_archive(path, "example", 1), np.load(path)["weights"]
    ({'rate': 0.1, 'weights': array([0., 0.])}, array([0., 0.]))
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    head = {"archive": LAYOUT, "format": format, "version": version, "content": _packed(content, "", arrays)}
    text = json.dumps(head).encode()
    with replacing(path, keep_previous) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.comment = SEAL + bytes(64)
            archive.writestr(zipfile.ZipInfo(CONTENT, _DATELESS), text)
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy", _DATELESS), "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, array, version=(1, 0), allow_pickle=False)
        size = file.seek(0, os.SEEK_END) - SEALED
        sealed = seal(file, size)
        file.seek(size)
        file.write(sealed)


def _packed(value: Any, place: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """The value as JSON can hold it; its arrays go to `arrays`."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.bool_ | np.integer | np.floating) and isinstance(value.item(), bool | int | float):
        return value.item()  # that of a longdouble is none of Python's numbers
    if isinstance(value, list | tuple):
        return [_packed(x, f"{place}/{i}", arrays) for i, x in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key == ARRAY:
                raise TypeError(f"{place or 'the content'} has the key {key!r}; a key must be a string, and not {ARRAY!r}")
        return {key: _packed(x, f"{place}/{key}", arrays) for key, x in value.items()}
    if isinstance(value, np.ndarray) and value.dtype.kind in KINDS:
        name = re.sub(r"[^\w./-]", "_", place.removeprefix("/"))
        name += f"~{len(arrays)}" if name in arrays else ""
        arrays[name] = np.asarray(value, order="C")
        return {ARRAY: name}
    kind = f"an array of dtype {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
    raise TypeError(
        f"{place or 'the content'} is {kind}; a file can hold numbers, strings, None, arrays of real numbers, integers or "
        "booleans, and dicts and lists of these"
    )


def read_archive(path: "str | os.PathLike[str]", format: str, version: int) -> Any:
    """Read an archive.

    Parameters
    ----------
    path : str or path
        The file.
    format : str
        What it must be.
    version : int
        The latest version of the format that the caller knows.

    Returns
    -------
    dict, list, str, int, float, bool, None or numpy.ndarray
        The content.

    Raises
    ------
    FileFormatError
        If it is no such file or is damaged; a LaterVersionError if it is of a later version.
    OSError
        If it cannot be read.
    """
    with opened(path) as (file, size):
        _check_seal(path, file, size)
        try:
            entries = _entries(file, size)
            head = json.loads(entries.pop(CONTENT))
            layout, kind, own_version = head["archive"], head["format"], head["version"]
        except _MALFORMED as error:
            raise FileFormatError(f"{path} is no archive of tinynet: {_brief(error)}") from error
        if not _is_version(layout, LAYOUT):
            kind_of_error = LaterVersionError if _is_version(layout) else FileFormatError
            raise kind_of_error(f"{path}: its layout has version {layout!s:.50}, and this tinynet reads {LAYOUT}")
        if kind != format or not _is_version(own_version, version):
            kind_of_error = LaterVersionError if kind == format and _is_version(own_version) else FileFormatError
            raise kind_of_error(
                f"{path} is a {kind!s:.50} of version {own_version!s:.50}; wanted is a {format} of version {version} or "
                "earlier (a later one needs a later tinynet)"
            )
        try:
            return _unpacked(head["content"], entries)
        except _MALFORMED as error:
            raise FileFormatError(f"{path} is a damaged {format}: {_brief(error)}") from error


def _is_version(version: Any, last: float = inf) -> bool:
    return type(version) is int and 1 <= version <= last


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {error!s:.200}"


def _check_seal(path: Any, file: IO[bytes], size: int) -> None:
    if size == 0:
        raise FileFormatError(f"{path} is empty")
    if file.read(4) != b"PK\x03\x04":
        raise FileFormatError(f"{path} is no .npz file; if it was one, its beginning is damaged")
    file.seek(max(size - SEALED, 0))
    found = file.read(SEALED)
    if not found.startswith(SEAL):
        raise FileFormatError(f"{path} does not end with its checksum: it is truncated, or was not written by tinynet")
    if found != seal(file, size - SEALED):
        raise FileFormatError(f"{path} is damaged: its content is not that of its checksum")


def seal(file: IO[bytes], size: int) -> bytes:
    """What an archive ends with: the digest of its first `size` bytes."""
    sha = hashlib.sha256()
    file.seek(0)
    while size > 0 and (block := file.read(min(size, 1 << 20))):
        sha.update(block)
        size -= len(block)
    return SEAL + sha.hexdigest().encode()


def _entries(file: IO[bytes], size: int) -> dict[str, bytes]:
    """The entries of a zip file by name, as bytes: no more of them than the file has."""
    try:
        with zipfile.ZipFile(file) as archive:
            found = archive.infolist()
            if any(x.compress_type != zipfile.ZIP_STORED or x.file_size != x.compress_size or x.file_size < 0 for x in found):
                raise ValueError("an entry is compressed")
            if sum(x.file_size for x in found) > size or len({x.filename for x in found}) < len(found):
                raise ValueError("its entries overlap")
            return {x.filename: archive.read(x) for x in found}
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise ValueError("an entry lies outside of it") from error


def _unpacked(value: Any, entries: dict[str, bytes]) -> Any:
    if isinstance(value, list):
        return [_unpacked(x, entries) for x in value]
    if isinstance(value, dict):
        return _array(entries.pop(f"{value[ARRAY]}.npy")) if ARRAY in value else {
            key: _unpacked(x, entries) for key, x in value.items()
        }  # fmt: skip
    return value


def _array(entry: bytes) -> np.ndarray[Any, Any]:
    """The array of an ``.npy`` file of exactly the length that its header tells."""
    header = _HEADER.match(entry)
    if header is None or len(entry[: header.end()]) != 10 + int.from_bytes(header[1], "little"):
        raise ValueError("an array has a header that is not NumPy's")
    dtype = np.dtype(header[2].decode())
    shape = tuple(int(n) for n in header[3].replace(b",", b" ").split())
    if prod(shape) * dtype.itemsize != len(entry) - header.end():
        raise ValueError(f"an array of shape {shape} and dtype {dtype} has {len(entry) - header.end()} bytes")
    array = np.frombuffer(entry, dtype, offset=header.end()).reshape(shape).copy()  # one that can be written to
    if dtype.kind == "b" and array.view(np.uint8).max(initial=0) > 1:
        raise ValueError("an array of booleans holds other values")
    return array
