"""Hypothesis strategies: arrays fit for an operation, calls of every operation, random programs and networks."""

try:
    import hypothesis  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "tinynet.testing.strategies needs hypothesis: pip install hypothesis, or install tinynet with its extra [test]"
    ) from error

from tinynet.testing.strategies.arrays import arrays
from tinynet.testing.strategies.axes import axes
from tinynet.testing.strategies.cases import cases
from tinynet.testing.strategies.expressions import expressions
from tinynet.testing.strategies.indices import indices
from tinynet.testing.strategies.networks import networks
from tinynet.testing.strategies.operations import operations
from tinynet.testing.strategies.tensors import broadcastable, tensors

__all__ = ["arrays", "axes", "broadcastable", "cases", "expressions", "indices", "networks", "operations", "tensors"]
