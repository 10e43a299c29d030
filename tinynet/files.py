"""Files that are whole or not there: written under another name in the same folder, and put in place in one step."""

import errno
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tinynet.errors import FileFormatError

__all__ = ["opened", "previous", "replacing"]

ABANDONED = 3600.0
"""After how many seconds without a change a temporary file is taken for one whose writer was killed, and removed."""


def previous(path: "str | os.PathLike[str]") -> Path:
    """Where `replacing` keeps the file that it replaces: beside it, as ``NAME.previous``."""
    path = Path(os.path.realpath(path))
    return path.with_name(f"{path.name}.previous")


@contextmanager
def opened(path: "str | os.PathLike[str]") -> Iterator[tuple[IO[bytes], int]]:
    """A file to read and its size; a FileFormatError if it is none of those that have one: a pipe, a folder."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # before it is opened: a pipe would keep us waiting
        raise FileFormatError(f"{path} is no ordinary file")
    with open(path, "rb") as file:
        yield file, os.fstat(file.fileno()).st_size


@contextmanager
def replacing(path: "str | os.PathLike[str]", keep_previous: bool = False) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of `path` when it is complete, at once and for good, and not at all after an error.

    Whoever opens `path` meanwhile, or after a crash or a loss of power, finds the old file or the new one, each whole. Of two
    that write to one path at a time the last to finish wins.

    Parameters
    ----------
    path : str or path
        The file; a link is followed. The rights of one that is replaced are the new one's.
    keep_previous : bool
        Keep the file that is replaced as `previous`.

    Yields
    ------
    binary file
        Open for writing and reading.

    Raises
    ------
    OSError
        Naming `path`, where the system cannot write: the folder is read-only or not there, the disk is full; or where something
        else than an ordinary file is in its place, which would be lost: a folder, a device, a pipe.

    Examples
    --------
    >>> import os, pathlib, tempfile
    >>> from tinynet.files import replacing
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "note.txt")
    ...     with replacing(path) as file:
    ...         n = file.write(b"all of it")
    ...     os.listdir(folder), path.read_text()
    (['note.txt'], 'all of it')
    """
    target = Path(os.path.realpath(path))
    temporary, old = _beside(target), _beside(target)  # two writers have two names
    try:
        try:
            _check(target)
            _remove_abandoned(target)
            with open(temporary, "x+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):
                shutil.copymode(target, temporary)
            if keep_previous:
                _link(target, old)
            os.replace(temporary, target)
        except OSError as error:
            named = error
            if error.errno is not None and error.filename in (None, *map(os.fspath, (target, temporary, old))):
                named = OSError(error.errno, error.strerror, os.fspath(path))  # not after the temporary file, or no file at all
            named.add_note("The file was not written; what was there before is as it was.")
            raise named from (None if named is error else error)
        with suppress(OSError):  # the file is there now, with its previous one or without
            # not before the new file is in place: the one that was there may be damaged, and the previous one whole
            os.replace(old, previous(target))
    finally:
        for leftover in (temporary, old):
            with suppress(OSError):
                leftover.unlink()
    _sync(target.parent)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.urandom(8).hex()}.tmp")


def _check(target: Path) -> None:
    """See that there is a folder for the file, and nothing in its place that is more than a file."""
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"There is no folder {target.parent}")
    if target.is_symlink() or (target.exists() and not target.is_file()):  # a link that leads to itself
        raise FileExistsError(errno.EEXIST, "Something else than an ordinary file is there")


def _remove_abandoned(target: Path) -> None:
    """Remove what killed writers left, which does no harm but takes room."""
    ours = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{16}}\.tmp")  # as `_beside` names them
    with suppress(OSError), os.scandir(target.parent) as entries:
        for entry in entries:
            if ours.fullmatch(entry.name):
                with suppress(OSError):  # another process may be faster
                    if time.time() - entry.stat().st_mtime > ABANDONED:
                        os.unlink(entry)


def _link(target: Path, name: Path) -> None:
    """Give a file a second name, if it is there; where the file system knows no links, a copy."""
    with suppress(FileNotFoundError):
        try:
            os.link(target, name)
        except FileNotFoundError:
            raise
        except OSError:
            shutil.copyfile(target, name)


def _sync(folder: Path) -> None:
    """Have the folder's new entries survive a loss of power, where a folder can be opened as a file."""
    if hasattr(os, "O_DIRECTORY"):
        with suppress(OSError):  # not every file system can, nor everybody who may write in it
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
