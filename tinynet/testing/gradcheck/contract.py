"""The gradient by the rules, each held to its contract: pure, linear in the cotangent, of the right dtype and shape."""

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.errors import RuleError
from tinynet.graph import backward
from tinynet.rules import Rule
from tinynet.tensor import Tensor, node_of
from tinynet.testing.gradcheck.evaluation import operations, read_only
from tinynet.testing.gradcheck.report import GradcheckError

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["pulled_back"]

Array = np.ndarray[Any, Any]

_LARGE = 1000.0
_FACTOR = -3.0
_NUDGE = 2.0**-20
_MUCH = 1000.0


def pulled_back(
    outputs: Sequence[Tensor], cotangents: Sequence[Array], leaves: Sequence[Tensor], generator: "Generator"
) -> list[Array | None]:
    """The gradients of ⟨cotangents, outputs⟩ by the rules, which are watched; None where no gradient arrives."""
    seeds: dict[Any, Array] = {}
    for y, v in zip(outputs, cotangents, strict=True):
        if y.requires_grad:
            seeds[node_of(y)] = seeds[node_of(y)] + v if node_of(y) in seeds else v
    rules = [(node, node.rule) for node in operations(outputs)]
    try:
        for node, rule in rules:
            node.rule = _watched(rule, len(node.parents), generator)
        with np.errstate(all="ignore"):
            found = backward(seeds, leaves, retain=True)
    except RuleError as error:
        raise GradcheckError(str(error)) from error
    finally:
        for node, rule in rules:  # f may have closed over some of them
            node.rule = rule
    return [found.get(leaf) for leaf in leaves]


def _watched(row: Rule, n: int, generator: "Generator") -> Rule:
    """The row, its rules held to their contract."""

    def watch(i: int) -> Callable[..., Any] | None:
        vjp = row.vjps[i]
        if vjp is None:
            return None
        whose = f"the gradient rule of {row.name} for operand {i}"

        def watched(g: Any, *arguments: Any, **params: Any) -> Any:
            given = [read_only(x) if isinstance(x, np.ndarray) else x for x in arguments]
            params = {key: read_only(x) if isinstance(x, np.ndarray) else x for key, x in params.items()}

            def pull(v: Any) -> Any:
                try:
                    return vjp(read_only(v) if isinstance(v, np.ndarray) else v, *given, **params)
                except np.linalg.LinAlgError:
                    raise
                except Exception as error:
                    if "read-only" in str(error):
                        raise GradcheckError(f"{whose} writes to an array it was given: {error}") from error
                    shapes = ", ".join(str(np.shape(x)) for x in arguments[1:])
                    raised = f"{whose} raised {type(error).__name__} for a cotangent of shape {np.shape(v)}"
                    raise GradcheckError(f"{raised} and operands of {shapes}: {error}") from error

            d = pull(g)
            dtype = getattr(d, "dtype", g.dtype)
            if np.promote_types(dtype, g.dtype) != dtype or dtype.kind != "f":
                raise GradcheckError(f"{whose} returned {dtype} for a cotangent of {g.dtype}")
            if g.dtype == np.float32 and dtype != g.dtype and all(_is_single(x) for x in arguments[1:]):
                raise GradcheckError(f"{whose} returned {dtype} for operands and a cotangent of float32: a constant is float64")
            if hasattr(d, "shape") and np.isfinite(d).all():
                r = (_LARGE * generator.standard_normal(g.shape)).astype(g.dtype, copy=False)
                _check_linear(pull, g, r, d, whose)
            return d

        return watched

    watched = copy.copy(row)
    watched.vjps, watched.pull = [watch(i) for i in range(n)], None
    return watched


def _is_single(x: Any) -> bool:
    return bool(getattr(x, "dtype", None) == np.float32)


def _check_linear(pull: Callable[[Any], Any], g: Any, r: Any, d: Any, whose: str) -> None:
    """Raise if the pullback of a combination of cotangents is not the combination of their pullbacks."""
    first, both = pull(r), pull(r + _FACTOR * g)
    rounding = np.finfo(g.dtype).eps ** 0.5
    if not _close(both, first + _FACTOR * d, rounding):
        if not _close(pull(g), d, rounding) or not _close(pull(r), first, rounding):
            raise GradcheckError(f"{whose} is not deterministic: it returned two different arrays for the same arguments")
        if both.shape == first.shape == d.shape:
            # An ill-conditioned rule rounds as much after the smallest change, one that is not linear is then nearly so.
            noise = np.abs(pull(r + _NUDGE * g) - (first + _NUDGE * d)).max()
            if np.abs(both - (first + _FACTOR * d)).max() <= _MUCH * noise:
                return
        raise GradcheckError(
            f"{whose} is not linear in its cotangent g: what it returns for r - 3g is not what it returns for r, less three "
            "times what it returns for g"
        )


def _close(x: Any, y: Any, rounding: float) -> bool:
    """Whether arrays are equal up to rounding, relative to the largest number in them."""
    if x.shape != y.shape:
        return False
    return not (np.abs(x - y) > rounding * np.abs(y).max(initial=0.0)).any()
