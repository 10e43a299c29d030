"""`export`: a model as an ONNX file."""

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.dtypes import get_default_dtype
from tinynet.files import replacing
from tinynet.graph import no_grad
from tinynet.nn.ensembles import Stack
from tinynet.nn.module import Module
from tinynet.onnx.forms import converted
from tinynet.onnx.graph import OPSET, Graph, Value
from tinynet.tensor import Tensor
from tinynet.training.feed import as_inputs, is_own
from tinynet.training.inference import mode

__all__ = ["export"]


def export(model: Module, path: "str | os.PathLike[str]", example_input: npt.ArrayLike) -> None:
    """Write a model as it is used (in evaluation mode) to an ONNX file.

    Input and output are called ``input`` and ``output`` (``output_0``, ``output_1`` of an LSTMCell), their axis of rows is
    ``batch``, of any length, and the parameters go by their names in the `state_dict` (not those of a stack; and ``input``
    becomes ``input.value``). The file is written as a whole, or not at all.

    Parameters
    ----------
    model : Module
        A `Sequential` of tinynet's modules, nested as one likes, or one of them. Cells begin with a state of zeros.
    path : str or path
        The file.
    example_input : array_like of shape (n, ...)
        Rows as the model takes them, of a stack also (m, n, ...) for each of the m members its own. They tell the lengths of
        all axes but that of the rows. The graph computes in the model's dtype (of a model without parameters in that of the
        rows), but that convolutions and the error function of the exact GELU are float32's: onnxruntime has no others.

    Raises
    ------
    TypeError
        If the model is no module, or one in it has no form in ONNX: one's own is given one with `tinynet.onnx.form`. Or if the
        model's parameters are of several dtypes.
    ShapeError, ValueError
        If the example has no axis of rows, or does not fit the model.
    ImportError
        If the package onnx is not installed.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, tinynet as tn
    >>> model = tn.nn.Sequential(tn.nn.Linear(2, 8), tn.nn.Tanh(), tn.nn.Linear(8, 1)).astype("float32")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tn.onnx.export(model, os.path.join(folder, "model.onnx"), np.zeros((1, 2)))
    ...     os.listdir(folder)
    ['model.onnx']
    """
    try:
        import onnx
        from onnx import helper
    except ImportError as error:
        how = "pip install 'tinynet-autograd[onnx]'"
        raise ImportError(f"tinynet.onnx.export needs the package onnx; install it with: {how}") from error
    if not isinstance(model, Module):
        raise TypeError(f"onnx.export: the model is a {type(model).__name__}, not a tn.nn.Module")
    example = as_inputs(example_input, _dtype(model, example_input))
    if example.ndim < 2 or not example.size:
        raise ValueError(f"onnx.export: example_input has shape {example.shape}; it needs an axis of rows in front: x[:1]")
    rows = int(isinstance(model, Stack) and is_own("onnx.export", example, model))  # the axis, behind that of the members
    longer = np.concatenate([example, example.take([0], rows)], rows)
    graph = Graph(model, example.dtype)
    with mode(model, False), no_grad():
        y = converted(model, Value(graph, "input", example), "")
        with_one_more = model(longer)
    several = isinstance(y, tuple)
    results, others = (y, with_one_more) if several else ((y,), (with_one_more,))
    outputs = []
    for i, (value, other) in enumerate(zip(results, others, strict=True)):
        name = f"output_{i}" if several else "output"
        graph.nodes.append(helper.make_node("Identity", [value.name], [name], name=name))
        outputs.append(_info(name, example.dtype, np.shape(value.example), np.shape(other)))
    info = _info("input", example.dtype, example.shape, longer.shape)
    opsets = [helper.make_opsetid("", OPSET)]
    proto = helper.make_model(
        helper.make_graph(graph.nodes, type(model).__name__, [info], outputs, graph.initializers),
        opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets),
        producer_name="tinynet",
    )
    onnx.checker.check_model(proto, full_check=True)
    with replacing(path) as file:
        file.write(proto.SerializeToString())


def _dtype(model: Module, example_input: Any) -> np.dtype[Any]:
    tensors: list[Tensor] = [*model.parameters(), *model.buffers()]
    dtypes = sorted({x.dtype for x in tensors if x.dtype.kind == "f"}, key=str)
    if len(dtypes) > 1:
        names = " and ".join(map(str, dtypes))
        raise TypeError(f"onnx.export: the model's parameters are of {names}; model.astype({str(dtypes[0])!r}) makes them one")
    given = np.asarray(example_input).dtype
    return dtypes[0] if dtypes else given if given.kind == "f" else get_default_dtype()


def _info(name: str, dtype: np.dtype[Any], shape: tuple[int, ...], with_one_more: tuple[int, ...]) -> Any:
    """The type of an input or output; the axis that a further row makes longer is that of the rows."""
    from onnx import helper

    axes = ["batch" if other == length + 1 else length if other == length else None
            for length, other in zip(shape, with_one_more, strict=True)]  # fmt: skip
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), axes)
