"""`Followed`: numbers that tell where a training is, which a compiled step may look at."""

from typing import Any, Self, overload

from tinynet.mode import depends, is_recording
from tinynet.revision import revised

__all__ = ["Followed"]


class Followed:
    """An attribute, an int, whose changes are told as soon as a recorded step has looked at it.

    Whoever is recorded looks at the present value, which the replay would repeat; told of the change, it is recorded anew. As
    long as nobody looks, a change costs nothing.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._place, self._is_told = f"_{name}", f"_{name}_is_told"

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: Any, kind: type) -> int: ...
    def __get__(self, owner: Any, kind: type) -> Any:
        if owner is None:
            return self
        if is_recording():
            depends(owner, self._place)
            vars(owner)[self._is_told] = True
        return vars(owner)[self._place]

    def __set__(self, owner: Any, value: int) -> None:
        attributes = owner.__dict__  # twice a batch: vars() takes longer
        attributes[self._place] = value
        if self._is_told in attributes:
            revised()
