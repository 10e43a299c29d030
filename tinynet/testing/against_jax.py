"""Comparison of an operation with its counterpart in jax: value and gradient, in float64, for a random cotangent.

jax is loaded when something is compared; see `JaxLacks` for what it cannot be asked.
"""

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from tinynet.autograd import grad
from tinynet.random import as_generator
from tinynet.rules import name_of
from tinynet.tensor import Tensor

__all__ = ["OK", "JaxLacks", "agreement", "counterpart", "difference", "gradients_by_jax"]

Call = tuple[tuple[Any, ...], dict[str, Any]]

OK = "ok"

_RTOL = 1e-9  # of the largest element: XLA's special functions and LAPACK's results differ from NumPy's in the last digits

_ELSEWHERE = {
    "getitem": "numpy.asarray",
    "np.fix": "numpy.trunc",
    "tn.erf": "scipy.special.erf",
    "tn.hardtanh": "nn.hard_tanh",
    "tn.logsumexp": "scipy.special.logsumexp",
    "tn.normal_cdf": "scipy.special.ndtr",
} | {f"tn.{name}": f"nn.{name}" for name in ("elu", "leaky_relu", "log_softmax", "relu", "sigmoid", "softmax", "softplus")}
"""Where in jax the operations stand that jax.numpy does not have, or not by NumPy's name."""


def _lower(a: Any) -> Any:
    """The symmetric matrix of a lower triangle: jax takes the mean of the two triangles, where NumPy reads one."""
    from jax import numpy

    return numpy.tril(a) + numpy.swapaxes(numpy.tril(a, -1), -1, -2)


def _triangle(a: Any, UPLO: str = "L") -> Any:
    return _lower(a) if UPLO.upper() == "L" else _lower(a.swapaxes(-1, -2))


_ADAPTED: dict[str, Callable[..., Any]] = {
    "getitem": lambda f, x, index: f(x)[index],
    "np.clip": lambda f, a, a_min=None, a_max=None: f(a, a_min, a_max),
    "np.copy": lambda f, a, order="K": f(a),
    "np.gradient": lambda f, a, *spacing, edge_order=1, **params: f(
        a, *spacing, **params, **({} if edge_order == 1 else {"edge_order": edge_order})
    ),
    "np.linalg.cholesky": lambda f, a, upper=False: f(_triangle(a, "U" if upper else "L"), upper=upper),
    "np.linalg.eigh": lambda f, a, UPLO="L": f(_triangle(a, UPLO), UPLO),
    "np.linalg.eigvalsh": lambda f, a, UPLO="L": f(_triangle(a, UPLO), UPLO),
    "np.linalg.pinv": lambda f, a, rcond=None, hermitian=False, **params: f(
        _lower(a) if hermitian else a, rcond, hermitian, **params
    ),
    "np.linalg.svd": lambda f, a, full_matrices=True, compute_uv=True, hermitian=False: f(
        _lower(a) if hermitian else a, full_matrices, compute_uv, hermitian
    ),
    "np.linalg.tensorsolve": lambda f, a, b, axes=(): f(a.transpose([i for i in range(a.ndim) if i not in axes] + [*axes]), b),
}
"""How the function of jax is called that has other parameters than NumPy's, or gives them another meaning."""


_INCOMPARABLE = {"np.partition": "how it orders the elements on either side is not specified"}


class JaxLacks(Exception):
    """jax has no such function, or does not take such a call."""


def agreement(fun: Callable[..., Any], calls: Sequence[Call], count: int) -> str:
    """Whether jax agrees on some calls of an operation.

    Parameters
    ----------
    fun : callable
        A NumPy function or an operation of tinynet.
    calls : sequence of calls
        Pairs of a tuple and a dict, as `tinynet.testing.strategies.cases` draws them.
    count : int
        How many of them to compare: the largest ones that jax takes, since of one element much is equal that should not be.

    Returns
    -------
    str
        "ok"; or "n/a: " and the reason why there is nothing to compare; or "FAILED: " and the difference.
    """
    compared, reason = 0, "n/a: no calls"
    try:
        counterpart(fun)
        for call in sorted(calls, key=_elements, reverse=True):
            try:
                found = difference(fun, call)
            except JaxLacks as lack:
                reason = f"n/a: jax takes no such call ({lack})"
                continue
            if found:
                return f"FAILED: jax's {found}, {call}"
            compared += 1
            if compared == count:
                break
    except JaxLacks as lack:
        return f"n/a: {lack}"
    return OK if compared else reason


def _elements(call: Call) -> int:
    return sum(np.size(x) for x in _floating(call)[0])


def counterpart(fun: Callable[..., Any]) -> Callable[..., Any]:
    """The function of jax that computes what a function of NumPy or tinynet does.

    Parameters
    ----------
    fun : callable
        A NumPy function or an operation of tinynet.

    Returns
    -------
    callable

    Raises
    ------
    JaxLacks
        If there is none, or jax is not installed.
    """
    try:
        import jax
        import jax.scipy.special
    except ModuleNotFoundError:
        raise JaxLacks("jax: not installed") from None
    name = name_of(fun)
    if name in _INCOMPARABLE:
        raise JaxLacks(_INCOMPARABLE[name])
    path = name.replace("np.", "numpy.", 1) if name.startswith("np.") else ""
    try:
        found: Any = attrgetter(_ELSEWHERE.get(name, path))(jax)
    except AttributeError:
        raise JaxLacks("not in jax") from None
    return partial(_ADAPTED[name], found) if name in _ADAPTED else found


def gradients_by_jax(
    fun: Callable[..., Any], call: Call, cotangents: Callable[[list[tuple[int, ...]]], list[Any]]
) -> tuple[list[Any], list[Any]]:
    """jax's value and gradients for a call: the floating results, and the gradient of each floating array of the call.

    Parameters
    ----------
    fun : callable
        A NumPy function or an operation of tinynet.
    call : pair of a tuple and a dict
        The arguments, as `tinynet.testing.strategies.cases` draws them.
    cotangents : callable
        Given the results' shapes, their cotangents.

    Returns
    -------
    tuple of two lists of arrays

    Raises
    ------
    JaxLacks
        If jax has no such function, or does not take this call.
    """
    theirs = counterpart(fun)
    import jax

    inputs, put = _floating(call)

    def compute(values: list[Any]) -> list[Any]:
        args, kwargs = put(values)
        return [y for y in jax.tree.leaves(theirs(*args, **kwargs)) if y.dtype.kind == "f"]

    def differentiate(values: list[Any]) -> tuple[list[Any], list[Any]]:
        results, pull = jax.vjp(compute, values)
        (gradients,) = pull(cotangents([y.shape for y in results]))
        return results, gradients

    with jax.enable_x64(True):
        try:
            values, gradients = jax.jit(differentiate)(inputs)  # one compilation where there would be many
        except (TypeError, ValueError, IndexError):
            try:
                values, gradients = differentiate(inputs)  # some functions have to see their arguments
            except (TypeError, ValueError, IndexError, NotImplementedError) as error:
                raise JaxLacks(str(error).strip().partition("\n")[0]) from error
        except NotImplementedError as error:
            raise JaxLacks(str(error).strip().partition("\n")[0]) from error
    return list(map(np.asarray, values)), list(map(np.asarray, gradients))


def difference(fun: Callable[..., Any], call: Call, rng: Any = 0) -> str:
    """How an operation differs from jax's for a call.

    Parameters
    ----------
    fun : callable
        A NumPy function or an operation of tinynet.
    call : pair of a tuple and a dict
        The arguments, as `tinynet.testing.strategies.cases` draws them.
    rng : int, numpy.random.Generator or None
        What the cotangents are drawn with.

    Returns
    -------
    str
        Empty if the values and the gradients agree.

    Raises
    ------
    JaxLacks
        If there is nothing to compare with: no such function or call, or a result that is not finite in jax alone.
    """
    inputs, put = _floating(call)
    tensors = [Tensor(x, requires_grad=True) for x in inputs]
    args, kwargs = put(tensors)
    results = fun(*args, **kwargs)
    outputs = [y for y in (results if isinstance(results, tuple | list) else [results]) if y.requires_grad]
    generator = as_generator(rng)
    seeds = [np.asarray(generator.standard_normal(y.shape)) for y in outputs]
    shapes: list[tuple[int, ...]] = []

    def cotangents(theirs: list[tuple[int, ...]]) -> list[Any]:
        shapes[:] = theirs
        return [v if v.shape == shape else np.zeros(shape) for v, shape in zip(seeds, theirs, strict=True)]

    values, expected = gradients_by_jax(fun, call, cotangents)
    shared = [i for i, shape in enumerate(shapes) if shape == seeds[i].shape]
    if len(shared) < len(shapes) and fun not in (np.linalg.lstsq, np.polyfit):  # jax never leaves out a residual
        return f"results have the shapes {shapes}, ours {[v.shape for v in seeds]}"
    found = grad([outputs[i] for i in shared], tensors, [seeds[i] for i in shared], allow_unused=True)
    gradients = [np.zeros_like(x) if g is None else g.data for x, g in zip(inputs, found, strict=True)]
    for what, ours, theirs in (
        *(("value", outputs[i].data, values[i]) for i in shared),
        *((f"gradient {i}", g, h) for i, (g, h) in enumerate(zip(gradients, expected, strict=True))),
    ):
        if np.isfinite(ours).all() and not np.isfinite(theirs).all():
            raise JaxLacks(f"its {what} is not finite, where ours is")
        worst = float(np.max(np.abs(ours - theirs), initial=0.0)) / max(1.0, float(np.max(np.abs(theirs), initial=0.0)))
        if not worst <= _RTOL:
            return f"{what} differs by {worst:.1e}"
    return ""


def _floating(call: Call) -> tuple[list[Any], Callable[[list[Any]], Call]]:
    """The floating arrays of a call, and the function that puts others in their places."""
    import jax

    leaves, tree = jax.tree.flatten(call, is_leaf=lambda x: x is None)
    places = [i for i, x in enumerate(leaves) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]

    def put(values: list[Any]) -> Call:
        replaced = dict(zip(places, values, strict=True))
        again: Call = jax.tree.unflatten(tree, [replaced.get(i, x) for i, x in enumerate(leaves)])
        return again

    return [leaves[i] for i in places], put
