"""Gradients of given outputs with respect to given inputs, without touching any tensor's `grad`."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, overload

import numpy.typing as npt

from tinynet.errors import GradientError
from tinynet.graph import backward, behind_hooks, enable_grad, owned
from tinynet.tensor import Tensor, cotangent, node_of, wrap

__all__ = ["grad"]


Cotangents = npt.ArrayLike | Sequence[npt.ArrayLike | None]


@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Cotangents | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: Literal[False] = False,
) -> tuple[Tensor, ...]: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Cotangents | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    *,
    allow_unused: bool,
) -> tuple[Tensor | None, ...]: ...
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Sum of the gradients of the outputs with respect to each input.

    Parameters
    ----------
    outputs : Tensor or sequence of Tensor
        What to differentiate.
    inputs : Tensor or sequence of Tensor
        What to differentiate with respect to: leaves, or tensors computed on the way.
    grad_outputs : array_like or sequence of array_like, optional
        The cotangent of each output, of its shape; 1 for outputs of one element.
    retain_graph : bool, optional
        Keep the graph for another pass; as `create_graph` unless given.
    create_graph : bool
        Build the graph of the gradients, so that they can be differentiated again.
    allow_unused : bool
        Give None for an input that the outputs do not depend on, instead of an error.

    Returns
    -------
    tuple of Tensor
        One gradient an input, of its shape and dtype.

    Raises
    ------
    GradientError
        If an output or input requires no gradient, an output needs a cotangent, or an input is not used.

    Examples
    --------
    >>> import tinynet as tn
    >>> x = tn.tensor(3.0, requires_grad=True)
    >>> (slope,) = tn.autograd.grad(x**2 * x, x, create_graph=True)
    >>> slope.item(), tn.autograd.grad(slope, x)[0].item()
    (27.0, 18.0)
    """
    outs, ins = (list(x) if isinstance(x, Iterable) and not isinstance(x, Tensor) else [x] for x in (outputs, inputs))
    for name, tensors in (("outputs", outs), ("inputs", ins)):
        if not all(isinstance(x, Tensor) for x in tensors):
            raise TypeError(f"autograd.grad: {name} must be a tensor or a sequence of them; of functions use tn.grad")
    given = [grad_outputs] if isinstance(outputs, Tensor) or grad_outputs is None else list(grad_outputs)
    if grad_outputs is None:
        given = [None] * len(outs)
    if len(given) != len(outs):
        raise ValueError(f"autograd.grad: {len(outs)} outputs but {len(given)} grad_outputs; give one cotangent an output")
    retain = create_graph if retain_graph is None else retain_graph
    roots = [node_of(output) for output in outs]
    seeds = [_seed(output, gradient, create_graph) for output, gradient in zip(outs, given, strict=True)]
    gradients = pull_back(roots, seeds, [node_of(x) for x in ins], create_graph, retain)
    unused = [i for i, g in enumerate(gradients) if g is None]
    if unused and not allow_unused:
        raise GradientError(f"autograd.grad: the outputs do not depend on input {unused[0]}; allow_unused=True gives None")
    return tuple(g if g is None or isinstance(g, Tensor) else wrap(g, None) for g in gradients)


def _seed(output: Tensor, gradient: Any, create_graph: bool) -> Any:
    seed = cotangent(output, gradient)
    if not create_graph:
        return seed
    return gradient if isinstance(gradient, Tensor) else wrap(seed, None)


def pull_back(
    roots: Sequence[Any], seeds: Sequence[Any], nodes: Sequence[Any], create_graph: bool, retain: bool, through: bool = True
) -> list[Any]:
    """The cotangent of each node, given those of the roots.

    Parameters
    ----------
    roots, nodes : sequence of nodes
        What to start from, and what to know the cotangents of.
    seeds : sequence of array or Tensor
        The cotangent of each root; those of a root that is named twice are summed.
    create_graph : bool
        Build the graph of the result; the seeds are tensors then.
    retain, through : bool
        As for `tinynet.graph.backward`.

    Returns
    -------
    list
        One an element of `nodes`: an array that nothing else refers to, a tensor if `create_graph`, or None where no
        cotangent arrives.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> from tinynet.autograd import pull_back
    >>> from tinynet.tensor import node_of
    >>> x = tn.tensor([1.0, 2.0], requires_grad=True)
    >>> pull_back([node_of(x * x)], [np.array([1.0, 10.0])], [node_of(x)], create_graph=False, retain=False)
    [array([ 2., 40.])]
    """
    sums: dict[Any, Any] = {}
    for root, seed in zip(roots, seeds, strict=True):
        sums[root] = sums[root] + seed if root in sums else seed
    wanted = [behind_hooks(node) for node in nodes]
    with enable_grad():
        found = backward(sums, wanted, wrap=wrap if create_graph else None, retain=retain, through=through)
    gradients: list[Any] = []
    taken = [*seeds]  # a seed that arrives untouched, or a node that is named twice: arrays must not be shared
    for g in map(found.get, wanted):
        if g is not None and not isinstance(g, Tensor):
            g = owned(g)
            g = g.copy() if any(g is other for other in taken) else g
            taken.append(g)
            g = wrap(g, None) if create_graph else g
        gradients.append(g)
    return gradients
