"""What other libraries differentiate of NumPy, and why tinynet does not where it does not."""

from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from typing import Any

import numpy as np

from tinynet.rules import COMPOSED, PLAIN, REFUSED, TABLE

__all__ = ["NOT_DIFFERENTIABLE", "PEERS", "WHY_NOT", "missing"]

_NOT_DIFFERENTIABLE = """
all allclose any argmax argmin argpartition argsort argwhere array_equal array_equiv bitwise_and bitwise_count
bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor can_cast count_nonzero digitize
equal flatnonzero floor_divide gcd greater greater_equal intersect1d invert isclose iscomplex
iscomplexobj isfinite isin isinf isnan isnat isneginf isposinf isreal isrealobj isscalar iterable lcm left_shift less
less_equal lexsort logical_and logical_not logical_or logical_xor may_share_memory min_scalar_type nanargmax nanargmin
ndim nonzero not_equal packbits ravel_multi_index result_type right_shift searchsorted shape shares_memory signbit size
spacing unpackbits unravel_index linalg.matrix_rank
arange bartlett blackman copyto diag_indices diag_indices_from empty empty_like eye frombuffer from_dlpack
fromfile fromfunction fromiter fromstring hamming hanning identity indices ix_ mask_indices ones ones_like tri
tril_indices tril_indices_from triu_indices triu_indices_from zeros zeros_like
array_repr array_str broadcast_shapes einsum_path finfo frompyfunc get_printoptions iinfo isdtype issubdtype load
printoptions promote_types save savez set_printoptions ufunc vectorize
setdiff1d setxor1d union1d unique unique_all unique_counts unique_inverse unique_values
"""
NOT_DIFFERENTIABLE = frozenset(_NOT_DIFFERENTIABLE.split())
"""Names of functions that give integers, booleans or text, make arrays of no array, or serve as tools; and of sets of
values, whose number of elements depends on the values."""

_MADE_BEFORE = "NumPy makes it of plain numbers, without asking a tensor; "
_EXPRESSION = "NumPy has no such function, and each is one expression, such as 1 / np.cos(x) or np.arccos(1 / x)"
_EXPRESSIONS = "sec csc cot sech csch coth arcsec arccsc arccot arccsch arccoth add_sequence multiply_sequence"

WHY_NOT = {
    **{name.removeprefix("np."): reason for name, reason in REFUSED.items()},
    **dict.fromkeys(_EXPRESSIONS.split(), _EXPRESSION),
    **dict.fromkeys(("array", "asarray"), "an array made of tensors would have lost their graph; np.stack joins them"),
    **dict.fromkeys(("fft.fftfreq", "fft.rfftfreq"), f"{_MADE_BEFORE}divide those of d=1 by t"),
    "histogram_bin_edges": "np.linspace(np.min(t), np.max(t), bins + 1) is differentiable",
    "full": f"{_MADE_BEFORE}np.broadcast_to(t, shape) and np.full_like(t, t) do the same",
    "kaiser": f"{_MADE_BEFORE}np.i0 is differentiable",
    "multi_matmul": "NumPy calls it np.linalg.multi_dot",
    "sort_complex": "its results are complex, and complex tensors are out of scope; np.sort",
}
"""Names of functions that another library differentiates and tinynet does not, and why."""


def _of_autograd() -> set[str]:
    """Those with a vector-Jacobian product in HIPS autograd's registry."""
    import_module("autograd.numpy")  # which fills the registry
    primitive_vjps = import_module("autograd.core").primitive_vjps
    functions = [getattr(wrapped, "fun", wrapped) for wrapped in primitive_vjps]
    modules = [getattr(fun, "__module__", None) or "numpy" for fun in functions]
    return {
        f"{module}.{fun.__name__}".removeprefix("numpy.")
        for fun, module in zip(functions, modules, strict=True)
        if module.startswith("numpy")
    }


def _of_mygrad() -> set[str]:
    """MyGrad's functions of tensors, by NumPy's names."""
    mygrad = import_module("mygrad")
    tools = {name for name in vars(mygrad) if name.startswith(("mem_", "turn_", "no_", "astensor", "tensor", "execute_"))}
    own = {name for name, thing in vars(mygrad).items() if _is_public(name, thing) and name not in tools}
    return own - {"sliding_window_view"} | {"linalg.norm", "lib.stride_tricks.sliding_window_view"}


def _of_jax() -> set[str]:
    """The public functions of jax.numpy."""
    numpy = import_module("jax.numpy")
    spaces = {"": numpy, "linalg.": numpy.linalg, "fft.": numpy.fft}
    return {
        f"{space}{name}"
        for space, module in spaces.items()
        for name in dir(module)
        if _is_public(name, getattr(module, name))
    }


def _is_public(name: str, thing: Any) -> bool:
    """Whether something in a module is a function that a person calls, not a type."""
    types = isinstance(getattr(np, name, None), type) or type(thing) is type or hasattr(thing, "dtype")
    return not name.startswith("_") and callable(thing) and not types


PEERS: dict[str, Callable[[], set[str]]] = {"HIPS autograd": _of_autograd, "MyGrad": _of_mygrad, "jax.numpy": _of_jax}
"""For each library what gives the names, such as ``linalg.inv``, of the functions that it differentiates."""


def missing(names: set[str]) -> list[str]:
    """Those of NumPy's names that have a derivative, but none here."""
    here = TABLE.keys() | COMPOSED.keys() | PLAIN
    return sorted(name for name in names - NOT_DIFFERENTIABLE if _numpys(name) not in here)


def _numpys(name: str) -> Any:
    """NumPy's function of that name, None if there is none."""
    try:
        return attrgetter(name)(np)
    except AttributeError:
        return None
