"""Operations on plain data that look at its values: a quick test first, and the operation itself only where that fails.

The test is one look at the largest of the numbers' bit patterns, taken as unsigned integers: negative ones are larger than all
others, and NaN than infinity. It may doubt what is right (-0.0, an ignored label), but never pass what is wrong; the operation
then decides, and says what is wrong as it always does. For 32 float32 probabilities 250 ns instead of 890.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.compiler.program import Array, Call
from tinynet.compiler.threads import Bound
from tinynet.rules.losses import class_labels, probabilities, shares_of_labels

__all__ = ["CHECKS"]

Largest = tuple[Callable[[], Any], Callable[[Any], int]]


def _largest(x: Array, dtypes: tuple[Any, ...]) -> Largest | None:
    """``argmax, item`` of the bit patterns, where they can be seen: ``item(argmax())`` is the largest."""
    if x.dtype not in dtypes or not x.flags.c_contiguous or not x.size:
        return None
    patterns = x.reshape(-1).view(f"u{x.itemsize}")
    return patterns.argmax, patterns.item


def _probabilities(call: Call) -> list[Bound] | None:
    """All between 0 and 1: no pattern larger than that of 1."""
    p = call.args[0]
    look = _largest(p, (np.float32, np.float64))
    if look is None or call.out:
        return None
    one = int(np.ones((), p.dtype).view(f"u{p.itemsize}"))
    return [(_check, (*look, one, call.function, call.args))]


def _class_labels(call: Call) -> list[Bound] | None:
    """All from 0 to the number of classes, and none to be ignored: the labels as they are."""
    labels, classes, ignored, _ = call.args
    look = _largest(labels, (np.intp,))
    if look is None or 0 <= ignored < classes or not call.out:
        return None
    out: Any = call.out[0]
    return [(_check_and_copy, (*look, classes - 1, out.__setitem__, call.function, call.args))]


def _shares_of_labels(call: Call) -> list[Bound] | None:
    """Rows of the matrix of all classes' shares."""
    labels, classes, _, mean = call.args
    look = _largest(labels, (np.intp,))
    if look is None or classes > MOST:
        return None
    out: Any = call.out[0]
    rows = call.function(np.arange(classes), classes, out.dtype, mean=False) * (1 / labels.size if mean else 1)
    return [(_check_and_take, (*look, classes - 1, rows.take, out, call.function, call.args))]


MOST = 256
"""So many classes have a matrix of their shares."""


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
