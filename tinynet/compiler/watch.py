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
            raise RecordingError(
                f"{persons_line()}: an array of shape {array.shape} was changed in the step by plain NumPy (x *= 2, "
                "x[0] = 1), which is not recorded, since nothing in such a call is; keep the array in a tensor (v = tn.tensor(...), "
                "and under tn.no_grad() v *= 0.9), or give it as an argument and return it"
            )

    def written(self, view: View) -> None:
        """Note what a call has written."""
        seen = self._seen.get(view.buffer)
        if seen is not None:
            view.on(seen)[...] = view.on(view.buffer.array)


def _twin(array: Array) -> Array | None:
    """A copy that lies in memory as the array does."""
    if array.nbytes > MOST_BYTES:
        return None
    copy = array.copy(order="K")
    return copy if copy.strides == array.strides else None
