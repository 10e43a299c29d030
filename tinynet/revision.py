"""How many changes there were of what somebody may have derived something from: arrays replaced, modules reconfigured."""

from itertools import count

__all__ = ["REVISION", "revised"]


class _Revision:
    """Counts the changes of what a record may depend on."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


REVISION = _Revision()


_next = count(1).__next__  # no number twice, whichever threads ask at once


def revised() -> None:
    """Tell whoever recorded something to look whether it still holds: an array was replaced, a module reconfigured."""
    REVISION.number = _next()
