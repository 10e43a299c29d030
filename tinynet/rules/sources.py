"""The source text of small functions: the expression that a lambda or a one-line function computes, and its helpers.

It is read from the file by the position that Python keeps with each compiled function. Loaded when something is described,
as `ast` and `inspect` cost milliseconds.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from types import CodeType, FunctionType
from typing import Any

__all__ = ["expression", "helpers", "parameters", "signature", "summary"]


READY = "x = floats(x)"
"""The statement that makes an operand ready, of which the expression tells nothing."""


def expression(function: Callable[..., Any]) -> str:
    """The expression that a function returns if it does nothing else, in one line; else its name and arguments."""
    node, source = _returned(function)
    if node is None:
        return f"{function.__name__}({_arguments(function)})"
    written = ast.get_source_segment(source, node) or ""
    return ast.unparse(node) if "\n" in written else written


def helpers(function: Callable[..., Any]) -> Iterator[str]:
    """What each function that an expression calls is: its docstring's first sentence, or its own expression."""
    node, _ = _returned(function)
    arguments = inspect.signature(function).parameters
    for name in [function.__name__] if node is None else _names(node):
        helper = getattr(function, "__globals__", {}).get(name)
        if isinstance(helper, FunctionType) and name not in arguments:
            if summary(helper):
                yield f"{name}: {summary(helper)}"
            elif _returned(helper)[0] is not None:
                yield f"{name}({_arguments(helper)}) = {expression(helper)}"


def summary(function: Callable[..., Any]) -> str:
    """The first sentence of a docstring; NumPy's begin with the signature, which is passed over."""
    paragraphs = [" ".join(part.split()) for part in (inspect.getdoc(function) or "").split("\n\n")]
    name = getattr(function, "__name__", "")
    first = next((text for text in paragraphs if text and not text.startswith(f"{name}(")), "")
    return re.split(r"(?<=[.])\s+(?=[A-Z])", first)[0]


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """A function's parameters, without annotations."""
    return [known.replace(annotation=inspect.Parameter.empty) for known in inspect.signature(function).parameters.values()]


def signature(function: Callable[..., Any]) -> str:
    """How a function is called, in parentheses; "(...)" where Python is not told."""
    try:
        return str(inspect.Signature(parameters(function)))
    except ValueError:
        return "(...)"


def _arguments(function: Callable[..., Any]) -> str:
    return ", ".join(inspect.signature(function).parameters)


def _returned(function: Callable[..., Any]) -> tuple[ast.expr | None, str]:
    """The syntax tree of what a lambda, or a function that does nothing else, returns; and the source that it stands in."""
    if not isinstance(function, FunctionType):
        return None, ""
    code = function.__code__
    try:
        source = "".join(inspect.findsource(code)[0])
    except OSError:  # typed at a prompt
        return None, ""
    for node in _functions(source):
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno and _contains(node.body, code):
            return node.body, source
        if isinstance(node, ast.FunctionDef) and code.co_firstlineno in (node.lineno, *(d.lineno for d in node.decorator_list)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            body = body[1:] if ast.unparse(body[0]) == READY else body
            return (body[0].value if len(body) == 1 and isinstance(body[0], ast.Return) else None), source
    return None, ""


def _names(node: ast.expr) -> list[str]:
    """The names in an expression, as they are read."""
    names = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
    return [part.id for part in sorted(names, key=lambda part: (part.lineno, part.col_offset))]


def _contains(body: ast.expr, code: CodeType) -> bool:
    """Whether a code object's instructions come from an expression: several lambdas may begin on one line."""
    start, stop = (body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)
    return any(start <= (line, left) < stop for line, _, left, right in code.co_positions() if line and left != right)


@cache
def _functions(source: str) -> list[ast.Lambda | ast.FunctionDef]:
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Lambda | ast.FunctionDef)]
