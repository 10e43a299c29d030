"""What a recording holds good for: the attributes of objects that it depends on, and NumPy's error state around the step.

With an object goes what it holds: the items of lists, tuples, dicts and sets at any depth, the attributes of objects among
its own attributes (but not of those that these hold in turn), and data of its class.
"""

from collections import deque
from types import FunctionType
from typing import Any

import numpy as np

from tinynet.compiler.attributes import attributes
from tinynet.compiler.held import held, is_fixed, is_library, is_still
from tinynet.compiler.private import error_state
from tinynet.compiler.surroundings import SurroundingArrays, values_around

__all__ = ["Guard", "Snapshot", "SurroundingErrors"]

_DATA = (bool, int, float, str, bytes, tuple, list, deque, dict, set, frozenset, np.ndarray)
_SPOKEN = {
    "_array": "the array", "_node": "requires_grad", "_blocks": "the arrangement", "_epoch": "epoch", "_batch": "batch",
}  # fmt: skip
_ABSENT = object()


class Snapshot:
    """The attributes of an object at one time.

    Parameters
    ----------
    owner : object
        The object.
    names : tuple of str
        Its attributes; none for all that it has.

    Attributes
    ----------
    is_announced : bool
        Whether every change of them is told by `tinynet.revision.revised`. Only the library's own classes tell, and nobody
        tells what becomes of a list, a dict or another object.
    """

    __slots__ = ("_names", "_unannounced", "_values", "is_announced", "owner")

    def __init__(self, owner: Any, names: tuple[str, ...]) -> None:
        self.owner = owner
        self._names = names
        present = self._present()
        self._values = {name: held(x, follow=not names) for name, x in present.items()}
        telling = bool(names) or (_tells(type(owner)) and not _class_data(owner))
        self._unannounced = [] if names else [name for name, x in present.items() if not is_fixed(x)] if telling else None
        self.is_announced = self._unannounced == []

    def holds(self) -> bool:
        """Whether the attributes are the same objects still, or equal numbers and texts; containers item by item."""
        now = self._present()
        return now.keys() == self._values.keys() and all(is_still(self._values[name], x) for name, x in now.items())

    def still_holds(self) -> bool:
        """The same where it held before, and no change was told since."""
        if self._unannounced is None:
            return self.holds()
        owner = self.owner
        return all(is_still(self._values[name], getattr(owner, name)) for name in self._unannounced)

    def value(self, name: str) -> Any:
        """An attribute as it was."""
        return self._values[name]

    def described(self) -> str:
        """What is another now, in a person's words, such as ``training of Dropout``."""
        now = self._present()
        names = dict.fromkeys([*self._values, *now])
        changed = [name for name in names if not is_still(self._values.get(name, _ABSENT), now.get(name, _ABSENT))]
        return f"{' and '.join(_SPOKEN.get(name, name) for name in changed)} of {type(self.owner).__name__}"

    def _present(self) -> dict[str, Any]:
        owner = self.owner
        if self._names:
            return {name: getattr(owner, name, None) for name in self._names}
        return {**_class_data(owner), **attributes(owner), **_function_data(owner)}


class SurroundingErrors:
    """What `numpy.errstate` around the step said; see `Snapshot`."""

    __slots__ = ("_seen", "_values")

    is_announced = False
    owner = None

    def __init__(self) -> None:
        self._values = (np.geterr(), np.geterrcall())
        self._seen = error_state()

    def holds(self) -> bool:
        """Whether it says the same now."""
        now = error_state()
        if now is not self._seen:
            if (np.geterr(), np.geterrcall()) != self._values:
                return False
            self._seen = now
        return True

    still_holds = holds

    def described(self) -> str:
        """What is another now, in a person's words."""
        return "np.errstate around the step"


Guard = Snapshot | SurroundingErrors | SurroundingArrays


def _tells(kind: type) -> bool:
    """Whether objects of a class tell what becomes of their attributes."""
    return all(is_library(_definer(kind, name)) for name in ("__setattr__", "__delattr__"))


def _definer(kind: type, name: str) -> type:
    return next(parent for parent in kind.__mro__ if name in vars(parent))


def _function_data(x: Any) -> dict[str, Any]:
    """The defaults of a function, and what its closure holds."""
    if not isinstance(x, FunctionType):
        return {}
    return {"__defaults__": x.__defaults__, "__kwdefaults__": x.__kwdefaults__, "__closure__": [y for _, y in values_around(x)]}


def _class_data(x: Any) -> dict[str, Any]:
    """Numbers, texts and containers among the attributes of a person's class, which an object may be asked for."""
    found: dict[str, Any] = {}
    for kind in reversed(type(x).__mro__[:-1]):
        if not is_library(kind):
            found |= {name: y for name, y in vars(kind).items() if isinstance(y, _DATA) and not name.startswith("__")}
    return found
