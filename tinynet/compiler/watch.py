"""Arrays that change behind the recorder's back: plain NumPy on a plain array is not seen, but what it did is."""

from collections.abc import Iterable
from zlib import crc32

import numpy as np

from tinynet.compiler.program import Array, Buffer, View
from tinynet.errors import RecordingError
from tinynet.lines import persons_line

__all__ = ["Watch"]

MOST_BYTES = 2**25
"""Of larger arrays a checksum is kept: a copy of a whole data set is too much to ask for."""


class Watch:
    """What arrays from outside held when a recorded call last used them.

    Parameters
    ----------
    arrays : iterable of numpy.ndarray
        Those that an earlier run of the step used: nothing but recorded calls may change them in this run.
    """

    def __init__(self, arrays: Iterable[Array]) -> None:
        self._at_start = {id(x): (x, _memory_of(x)) for x in arrays}
        self._memories: dict[Buffer, _Copy | _Checksum] = {}

    def check(self, view: View) -> None:
        """Raise if an array that a call is about to use is not as it was left."""
        array = view.buffer.array
        memory = self._memories.get(view.buffer)
        if memory is None:
            known = self._at_start.get(id(array))
            memory = self._memories[view.buffer] = known[1] if known else _memory_of(array)
        if not memory.holds(view):
            raise _changed_unseen(f"before {persons_line()}", array)

    def check_all(self) -> None:
        """Raise if an array is not as it was left, at the end of the step."""
        for buffer, memory in self._memories.items():
            if not memory.holds_all(buffer.array):
                raise _changed_unseen("in the step", buffer.array)

    def written(self, view: View) -> None:
        """Note what a call has written."""
        self._memories[view.buffer].note(view)


class _Copy:
    """All that an array held."""

    def __init__(self, array: Array) -> None:
        self._twin = array.copy(order="K")

    def holds(self, view: View) -> bool:
        """Whether a part of the array is the same still."""
        return view.on(self._twin).tobytes() == view.on(view.buffer.array).tobytes()

    def holds_all(self, array: Array) -> bool:
        """Whether all of it is."""
        return self._twin.tobytes() == array.tobytes()

    def note(self, view: View) -> None:
        """Take over a part."""
        view.on(self._twin)[...] = view.on(view.buffer.array)


class _Checksum:
    """The checksum of a large array, or of one that a copy would not lie in memory as. It is looked at once between writes."""

    def __init__(self, array: Array) -> None:
        self._sum = _checksum(array)
        self._is_fresh = False

    def holds(self, view: View) -> bool:
        """Whether the array is the same still."""
        self._is_fresh = self._is_fresh or self.holds_all(view.buffer.array)
        return self._is_fresh

    def holds_all(self, array: Array) -> bool:
        """Whether it is, looked at in any case."""
        return _checksum(array) == self._sum

    def note(self, view: View) -> None:
        """Take over what was written."""
        self._sum = _checksum(view.buffer.array)


def _memory_of(array: Array) -> _Copy | _Checksum:
    gapless = array.flags.c_contiguous or array.flags.f_contiguous
    return _Copy(array) if gapless and array.nbytes <= MOST_BYTES else _Checksum(array)


def _checksum(array: Array) -> int:
    return crc32(np.ascontiguousarray(array.T if array.flags.f_contiguous else array).data.cast("B"))


def _changed_unseen(where: str, array: Array) -> RecordingError:
    return RecordingError(
        f"an array of shape {array.shape} was changed {where} by plain NumPy (v *= 0.9, v[0] = 1), which the recorder does not "
        "see; keep it in a tensor (v = tn.tensor(...), and under tn.no_grad() v *= 0.9), or give it as an "
        "argument and return it"
    )
