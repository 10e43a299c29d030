"""Operations on plain data that look at its values: a quick test first, and the operation itself only where that fails.

The test is that of `tinynet.rules.patterns`: it may doubt what is right (-0.0, an ignored label), but never pass what is wrong;
the operation then decides, and says what is wrong as it always does.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.compiler.program import Array, Call
from tinynet.compiler.threads import Bound
from tinynet.rules.losses import class_labels, probabilities, shares_of_labels
from tinynet.rules.patterns import ONE, patterns

__all__ = ["CHECKS"]


MOST_CLASSES = 256
"""So many classes have a matrix of their shares."""


def _probabilities(call: Call) -> list[Bound] | None:
    """All between 0 and 1: no pattern larger than that of 1."""
    p = call.args[0]
    seen = patterns(p)
    if seen is None or p.dtype.kind != "f" or call.out:
        return None
    return [(_check, (seen.argmax, seen.item, ONE[p.dtype], call.function, call.args))]


def _class_labels(call: Call) -> list[Bound] | None:
    """All from 0 to the number of classes, and none to be ignored: the labels as they are."""
    labels, classes, ignored, _ = call.args
    seen = patterns(labels)
    if seen is None or labels.dtype != np.intp or 0 <= ignored < classes or not call.out:
        return None
    out: Any = call.out[0]
    return [(_check_and_copy, (seen.argmax, seen.item, classes - 1, out.__setitem__, call.function, call.args))]


def _shares_of_labels(call: Call) -> list[Bound] | None:
    """Rows of the matrix of all classes' shares."""
    labels, classes, _, mean = call.args
    seen = patterns(labels)
    if seen is None or labels.dtype != np.intp or classes > MOST_CLASSES:
        return None
    out: Any = call.out[0]
    rows = call.function(np.arange(classes), classes, out.dtype, mean=False) * (1 / labels.size if mean else 1)
    return [(_check_and_take, (seen.argmax, seen.item, classes - 1, rows.take, out, call.function, call.args))]


def _check(argmax: Any, item: Any, most: int, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if item(argmax()) > most:
        function(*args)


def _check_and_copy(argmax: Any, item: Any, most: int, put: Any, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    put((), function(*args) if item(argmax()) > most else args[0])


def _check_and_take(
    argmax: Any, item: Any, most: int, take: Any, out: Array, function: Callable[..., Any], args: tuple[Any, ...]
) -> None:
    if item(argmax()) > most:
        out[()] = function(*args)
    else:
        take(args[0], 0, out, "clip")


CHECKS = {
    probabilities.forward: _probabilities,
    class_labels.forward: _class_labels,
    shares_of_labels.forward: _shares_of_labels,
}
"""How each of them is called."""
