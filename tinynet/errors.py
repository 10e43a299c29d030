"""The exceptions of tinynet: each derives from the built-in class a person would expect."""

__all__ = ["GradientError", "GraphError", "RecordingError", "RuleError", "ShapeError"]


class ShapeError(ValueError):
    """Operands whose shapes do not fit; the message names the operation, the shapes and the remedy."""


class GradientError(RuntimeError):
    """A gradient was asked for where none can be given (no graph, a non-scalar, an in-place change of a leaf)."""


class GraphError(RuntimeError):
    """A graph was used again after `backward()` had freed it."""


class RuleError(RuntimeError):
    """A gradient rule returned something that cannot be the gradient of its argument."""


class RecordingError(RuntimeError):
    """A step that is compiled does what a record of NumPy calls cannot repeat; the message names the line and the remedy."""
