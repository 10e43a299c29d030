"""A parameter group: tensors that share options, seen as the mapping that torch users read and write."""

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import numpy as np

from tinynet.mode import depends, is_recording, lifted
from tinynet.revision import revised
from tinynet.tensor import Tensor

__all__ = ["ParamGroup", "validate"]

Options = dict[str, Any]

_NUMBER = (int, float, np.integer, np.floating)


class ParamGroup(MutableMapping[str, Any]):
    """Parameters and their options: ``group["lr"] = 0.01`` changes one, and refuses what the optimizer cannot use.

    Attributes
    ----------
    params : list of Tensor
        The parameters, which is also ``group["params"]``.
    lr : numpy.ndarray
        The learning rate, a 0-d float64 array that lives as long as the group, so that whoever holds it sees each change.
    options : dict
        The other options. It is never changed, only replaced: whoever derived something from it can tell by its identity.
    """

    def __init__(self, params: list[Tensor], options: Options, validate: Callable[[Options], Options]) -> None:
        self.params = params
        self.lr: np.ndarray[Any, Any] = np.zeros(())
        self._validate = validate
        self.replace(options)

    def replace(self, options: Options) -> None:
        """Take over all options, the learning rate among them, or none if one is bad."""
        options = self._validate(options)
        self.lr[...] = options.pop("lr")
        self.options = options
        revised()

    def __getitem__(self, name: str) -> Any:
        if name == "params":
            return self.params
        if name == "lr":
            return lifted(self.lr)[()] if is_recording() else self.lr.item()
        depends(self, "options")
        return self.options[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "params":
            raise TypeError('group["params"] cannot be replaced; give the optimizer further parameters with add_param_group')
        if name not in self and name != "initial_lr":  # the one option that a scheduler adds
            raise ValueError(f"unknown option {name!r}; the group knows {', '.join(self)}")
        if name == "lr":
            computed = hasattr(value, "records")  # in a step that is being compiled: of what it will be nobody knows yet
            lifted(self.lr)[...] = value if computed else self._validate({**self.options, "lr": value})["lr"]
        else:
            self.replace({**self.options, "lr": self.lr.item(), name: value})

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"option {name!r} of a parameter group cannot be deleted, only set")

    def __iter__(self) -> Iterator[str]:
        return iter(["params", "lr", *self.options])

    def __len__(self) -> int:
        return 2 + len(self.options)

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value}" for name, value in self.items() if name != "params")
        return f"ParamGroup({len(self.params)} parameters, {options})"


def validate(owner: str, options: Options) -> Options:
    """A copy of an optimizer's options in which every number is a float, if each has a value that makes sense.

    An option is a flag, a number that is not negative, or ``betas``, two numbers in [0, 1).
    """
    checked: Options = {}
    for name, value in options.items():
        if name == "betas":
            if not (isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(beta, _NUMBER) for beta in value)):
                raise TypeError(f"{owner}: betas must be two numbers, got {value!r}")
            if not all(0 <= beta < 1 for beta in value):
                raise ValueError(f"{owner}: betas must lie in [0, 1), got {value!r}")
            checked[name] = tuple(float(beta) for beta in value)
        elif isinstance(value, bool):
            checked[name] = value
        elif not isinstance(value, _NUMBER):
            raise TypeError(f"{owner}: {name} must be a number, got {value!r}")
        elif not value >= 0:
            raise ValueError(f"{owner}: {name} must not be negative (or NaN), got {value!r}")
        else:
            checked[name] = float(value)
    return checked
