"""Nested containers of arrays: dicts, lists and tuples (named ones too), seen as the sequence of what they hold.

`None` holds nothing; whatever is no container is a leaf.
"""

from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

__all__ = ["leaves", "leaves_like", "mapped"]


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves in order, each with the way to it, such as ``['weights'][0]``."""
    for step, branch in _branches(tree):
        if step is None:
            yield path, branch
        else:
            yield from leaves(branch, f"{path}[{step!r}]")


def leaves_like(tree: Any, model: Any, what: str) -> list[Any]:
    """The leaves of `tree` in the order of those of `model`, of which it has the structure; None may stand for a branch."""
    found = []
    for step, branch in _branches(model):
        if step is None:
            found.append(tree)
            continue
        if tree is None:
            found += leaves_like(None, branch, what)
            continue
        if _kind(tree) is not _kind(model) or len(tree) != len(model) or (isinstance(model, dict) and step not in tree):
            raise TypeError(f"{what} must have the structure of what it is for: got {_form(tree)}, wanted {_form(model)}")
        found += leaves_like(tree[step], branch, what)
    return found


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """The same containers with the function's results in place of the leaves."""
    if isinstance(tree, dict):
        twin = copy(tree)  # so that an ordered or a default dict stays one
        for key, branch in tree.items():
            twin[key] = mapped(function, branch)
        return twin
    if isinstance(tree, list | tuple):
        branches = [mapped(function, branch) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)
    return None if tree is None else function(tree)


def _branches(tree: Any) -> Iterator[tuple[Any, Any]]:
    """What a container holds, by key or position; a leaf itself has the step None."""
    if isinstance(tree, dict):
        yield from tree.items()
    elif isinstance(tree, list | tuple):
        yield from enumerate(tree)
    elif tree is not None:
        yield None, tree


def _kind(tree: Any) -> type | None:
    return next((kind for kind in (dict, list, tuple) if isinstance(tree, kind)), None)


def _form(tree: Any) -> str:
    if isinstance(tree, dict):
        return f"a dict with the keys {list(tree)}"
    return f"a {type(tree).__name__} of {len(tree)}" if isinstance(tree, list | tuple) else type(tree).__name__
