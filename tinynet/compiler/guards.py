"""What a recording holds good for: the attributes of objects that it depends on, as they were."""

from typing import Any

__all__ = ["Snapshot"]

_VALUES = (bool, int, float, str, tuple, frozenset)
_SPOKEN = {"_array": "the array", "_node": "requires_grad", "_blocks": "the arrangement"}


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
        Whether every change of them is told by `tinynet.mode.revised`. That of a list or dict is not, nor that of an attribute
        of an object that is not the library's.
    """

    __slots__ = ("_names", "_owner", "_values", "is_announced")

    def __init__(self, owner: Any, names: tuple[str, ...]) -> None:
        self._owner = owner
        self._names = names
        self._values = self._present()
        public = () if names else (value for name, value in vars(owner).items() if not name.startswith("_"))
        tells = bool(names) or "__setattr__" in {name for kind in type(owner).__mro__[:-1] for name in vars(kind)}
        self.is_announced = tells and not any(isinstance(value, list | dict | set) for value in public)

    def holds(self) -> bool:
        """Whether the attributes are the same objects still, or equal numbers and texts; lists and dicts item by item."""
        now = self._present()
        return len(now) == len(self._values) and all(map(_same, now, self._values))

    def value(self, name: str) -> Any:
        """An attribute as it was."""
        return self._values[self._names.index(name)]

    def described(self) -> str:
        """What is another now, in a person's words, such as ``training of Dropout``."""
        names = self._names or tuple(vars(self._owner))
        pairs = zip(names, self._present(), self._values, strict=False)
        changed = [_SPOKEN.get(name, name) for name, a, b in pairs if not _same(a, b)] or ["the attributes"]
        return f"{' and '.join(changed)} of {type(self._owner).__name__}"

    def _present(self) -> list[Any]:
        if self._names:
            return [_frozen(getattr(self._owner, name, None)) for name in self._names]
        return [_frozen(item) for item in vars(self._owner).items()]


def _frozen(x: Any) -> Any:
    """A list or dict as a tuple of what is in it."""
    if type(x) is list or type(x) is tuple:
        return tuple(_frozen(item) for item in x)
    if type(x) is set:
        return frozenset(x)
    return tuple(_frozen(item) for item in x.items()) if type(x) is dict else x


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if type(a) is not type(b) or not isinstance(a, _VALUES):
        return False
    return len(a) == len(b) and all(map(_same, a, b)) if isinstance(a, tuple) else bool(a == b)
