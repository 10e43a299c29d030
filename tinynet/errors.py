"""The exceptions of tinynet: each derives from the built-in class a person would expect."""

__all__ = ["AnomalyError", "FileFormatError", "GradientError", "GraphError", "RecordingError", "RuleError", "ShapeError"]


class ShapeError(ValueError):
    """Operands whose shapes do not fit; the message names the operation, the shapes and the remedy."""


class AnomalyError(RuntimeError):
    """Under `tinynet.detect_anomaly`: a value that is not finite, or a saved array that was changed in place.

    Attributes
    ----------
    operation : str
        The operation, of an anomaly in the backward pass that of the forward pass whose gradient it is.
    module : str or None
        The module that ran it, by the way to it from the outermost module that was called, such as ``Sequential.2 (Linear)``.
    source : str or None
        The person's line that it was written in, such as ``train.py:12``; None where it was recorded outside.
    """

    operation: str
    module: str | None
    source: str | None


class GradientError(RuntimeError):
    """A gradient was asked for where none can be given (no graph, a non-scalar, an in-place change of a leaf)."""


class GraphError(RuntimeError):
    """A graph was used again after `backward()` had freed it."""


class RuleError(RuntimeError):
    """A gradient rule returned something that cannot be the gradient of its argument."""


class FileFormatError(ValueError):
    """A file that is damaged, truncated or none of its kind; the message names the file and what is wrong."""


class RecordingError(RuntimeError):
    """A step that is compiled does what a record of NumPy calls cannot repeat; the message names the line and the remedy."""
