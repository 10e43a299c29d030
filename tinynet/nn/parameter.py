"""`Parameter` and `Buffer`: the tensors that make up a module's state, and those of many models at once."""

from typing import Any

import numpy.typing as npt

from tinynet.tensor import Tensor

__all__ = ["Buffer", "Parameter", "StackedBuffer", "StackedParameter"]


class Parameter(Tensor):
    """A tensor that belongs to a module and is trained.

    Parameters
    ----------
    data : array_like
        The values, of a floating dtype. An array is wrapped, not copied.
    requires_grad : bool
        False freezes the parameter.
    dtype : dtype, optional
        The dtype to hold the data in, its own unless given.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.nn.Parameter(np.ones(2))
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: npt.ArrayLike, requires_grad: bool = True, dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(data, requires_grad, dtype)


class Buffer(Tensor):
    """A tensor that belongs to a module's state and is not trained: running statistics, a mask.

    Parameters
    ----------
    data : array_like
        The values. An array is wrapped, not copied.
    dtype : dtype, optional
        The dtype to hold the data in, its own unless given.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> module = tn.nn.Module()
    >>> module.mean = tn.nn.Buffer(np.zeros(2))
    >>> module.state_dict()
    {'mean': array([0., 0.])}
    """

    __slots__ = ()

    def __init__(self, data: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(data, dtype=dtype)


class _OfMembers:
    """A tensor of several models, one row for each; it stays so when it is copied."""

    __slots__ = ()

    members: tuple[int, ...]
    stack_size: int

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        twin: Any = super().__deepcopy__(memo)  # type: ignore[misc]
        twin.members, twin.stack_size = self.members, self.stack_size
        return twin

    def __reduce__(self) -> Any:
        return _restored, (super().__reduce__(), self.members, self.stack_size)


class StackedParameter(_OfMembers, Parameter):
    """A parameter of the members of a stack; see `tinynet.nn.stack`.

    Parameters
    ----------
    data : array_like
        The values, the members along the first axis.
    members : tuple of int
        The numbers of the members that the rows belong to.
    stack_size : int
        How many members the stack has.
    requires_grad : bool
        False freezes the parameter.

    Attributes
    ----------
    members : tuple of int
    stack_size : int

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet.nn.parameter import StackedParameter
    >>> StackedParameter(np.ones((2, 3)), (0, 4), 5).members
    (0, 4)
    """

    __slots__ = ("members", "stack_size")

    def __init__(
        self, data: npt.ArrayLike, members: tuple[int, ...], stack_size: int, requires_grad: bool = True
    ) -> None:
        super().__init__(data, requires_grad)
        self.members: tuple[int, ...] = members
        self.stack_size: int = stack_size


class StackedBuffer(_OfMembers, Buffer):
    """A buffer of the members of a stack, as `StackedParameter` is a parameter.

    Parameters
    ----------
    data : array_like
        The values, the members along the first axis.
    members : tuple of int
        The numbers of the members that the rows belong to.
    stack_size : int
        How many members the stack has.

    Attributes
    ----------
    members : tuple of int
    stack_size : int

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet.nn.parameter import StackedBuffer
    >>> StackedBuffer(np.ones((2, 3)), (4, 5), 6).members
    (4, 5)
    """

    __slots__ = ("members", "stack_size")

    def __init__(self, data: npt.ArrayLike, members: tuple[int, ...], stack_size: int) -> None:
        super().__init__(data)
        self.members: tuple[int, ...] = members
        self.stack_size: int = stack_size


def _restored(reduced: Any, members: tuple[int, ...], stack_size: int) -> Any:
    make, arguments = reduced
    tensor = make(*arguments)
    tensor.members, tensor.stack_size = members, stack_size
    return tensor
