"""Arrays that change behind the recorder's back: plain NumPy on a plain array is not seen, but what it did is."""

from collections.abc import Iterable

from tinynet.compiler.lines import persons_line
from tinynet.compiler.program import Array, Buffer, View
from tinynet.errors import RecordingError

__all__ = ["Watch"]

MOST_BYTES = 2**25
"""Larger arrays are not watched: a copy of a whole data set is too much to ask for."""


class Watch:
    """What arrays from outside held when a recorded call last used them.

    Parameters
    ----------
    arrays : iterable of numpy.ndarray
        Those that an earlier run of the step used: nothing but recorded calls may change them in this run.
    """

    def __init__(self, arrays: Iterable[Array]) -> None:
        self._at_start = {id(x): (x, _twin(x)) for x in arrays}
        self._seen: dict[Buffer, Array | None] = {}

    def check(self, view: View) -> None:
        """Raise if an array that a call is about to use is not as it was left."""
        array = view.buffer.array
        if view.buffer not in self._seen:
            self._seen[view.buffer] = self._at_start[id(array)][1] if id(array) in self._at_start else _twin(array)
        seen = self._seen[view.buffer]
        if seen is not None and view.on(seen).tobytes() != view.on(array).tobytes():
            raise _changed_unseen(f"before {persons_line()}", array)

    def check_all(self) -> None:
        """Raise if an array is not as it was left, at the end of the step."""
        for buffer, seen in self._seen.items():
            if seen is not None and buffer.array.tobytes() != seen.tobytes():
                raise _changed_unseen("in the step", buffer.array)

    def written(self, view: View) -> None:
        """Note what a call has written."""
        seen = self._seen.get(view.buffer)
        if seen is not None:
            view.on(seen)[...] = view.on(view.buffer.array)


def _changed_unseen(where: str, array: Array) -> RecordingError:
    return RecordingError(
        f"an array of shape {array.shape} was changed {where} by plain NumPy (v *= 0.9, v[0] = 1), which the recorder does not "
        "see; keep it in a tensor (v = tn.tensor(...), and under tn.no_grad() v *= 0.9), or give it as an "
        "argument and return it"
    )


def _twin(array: Array) -> Array | None:
    """A copy that lies in memory as the array does."""
    if array.nbytes > MOST_BYTES:
        return None
    copy = array.copy(order="K")
    return copy if copy.strides == array.strides else None
