"""Gradients in float32 against those in float64, which finite differences have confirmed."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinynet.graph import unbroadcast
from tinynet.testing.gradcheck.contract import pulled_back
from tinynet.testing.gradcheck.evaluation import Function, leaves_of, operations, random_cotangent, read_only
from tinynet.testing.gradcheck.report import GradcheckError

__all__ = ["check_precision"]

Array = np.ndarray[Any, Any]

_UNITS = {2: 16, 4: 1024}
"""How many units in the last place, of the gradient's largest element, rounding may cost, by the size of a number in bytes."""
_SMALLEST = 0.01
"""A gradient smaller than this may be what is left of terms that cancelled."""


def check_precision(
    f: Function, arrays: Sequence[Array], cotangents: Sequence[Array], reference: Sequence[Array], generator: Any
) -> None:
    """Raise if the gradients in the arrays' own dtypes are not those of float64, to their precision."""
    leaves = leaves_of(arrays)
    outputs = f.outputs(leaves)
    dtype = min((x.dtype for x in arrays), key=lambda dtype: dtype.itemsize)  # what float64 meets is no more exact
    own = [read_only(v.astype(y.dtype)) for v, y in zip(cotangents, outputs, strict=True)]
    found = pulled_back(outputs, own, leaves, generator)
    for i, (x, g, exact) in enumerate(zip(arrays, found, reference, strict=True)):
        error = np.abs((np.zeros_like(x) if g is None else g) - exact)
        tolerance = _tolerance(dtype, exact)
        if not np.all(error <= tolerance):
            index = tuple(int(k) for k in np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), x.shape))
            value = 0.0 if g is None else g[index]
            raise GradcheckError(
                f"the gradient of input {i} loses precision in {dtype}, at index {index}\n"
                f"  in {dtype} {value:.8g}, in float64 {exact[index]:.8g}: difference {error[index]:.2g}, "
                f"tolerance {tolerance:.2g}\n  {_reason(outputs, generator)}"
            )


def _tolerance(dtype: Any, exact: Array) -> float:
    units = _UNITS.get(np.dtype(dtype).itemsize, _UNITS[4])
    return float(units * np.finfo(dtype).eps * max(_SMALLEST, np.max(np.abs(exact), initial=0.0)))


def _reason(outputs: Sequence[Any], generator: Any) -> str:
    """The operation whose rule gives something else on the same numbers in float64."""
    for node in operations(outputs):
        wide = [x.astype(float) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in node.operands]
        out = np.asarray(node.rule.forward(*wide, **node.params))
        v = random_cotangent(generator, out.shape).astype(node.out.dtype)
        for i, (x, parent) in enumerate(zip(node.operands, node.parents, strict=True)):
            vjp = node.rule.vjps[i]
            if parent is None or vjp is None:
                continue
            with np.errstate(all="ignore"):
                exact = unbroadcast(np.asarray(vjp(v.astype(float), out, *wide, **node.params)), x.shape)
                narrow = unbroadcast(np.asarray(vjp(v, node.out, *node.operands, **node.params)), x.shape)
            if not np.all(np.abs(narrow - exact) <= _tolerance(x.dtype, exact)):
                return f"the rule of {node.rule.name} for operand {i} loses it on its own"
    return "each operation's rule is exact on its own: cancellation, or a value that float32 cannot hold, between them"
