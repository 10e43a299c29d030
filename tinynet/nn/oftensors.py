"""The type of modules that give a tensor where they are given one, and else what NumPy gives."""

from typing import TYPE_CHECKING, Any, overload

from tinynet.nn.module import Module

if TYPE_CHECKING:
    from tinynet.tensor import Tensor

    class OfTensors(Module):
        """A module of one tensor or array."""

        @overload
        def __call__(self, x: Tensor) -> Tensor: ...
        @overload
        def __call__(self, x: Any) -> Any: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
else:
    OfTensors = Module

__all__ = ["OfTensors"]
