"""What each module is in ONNX: the table `FORMS`, and `form` to add one's own.

The operators are those that onnxruntime computes in float64 too, as far as there are such: an ELU is written out, for the
operator of that name takes float32 alone and keeps its option as such a number. Two have no stand-in, and compute in float32
whatever the model's dtype (`_in_float32`): the convolution, and the error function in the exact GELU.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet import nn
from tinynet.nn.channels import per_channel
from tinynet.nn.module import Module
from tinynet.onnx.graph import Value
from tinynet.rules.compositions import SELU_ALPHA, SELU_SCALE
from tinynet.tensor import Tensor
from tinynet.training.feed import is_own

__all__ = ["FORMS", "converted", "form"]

Form = Callable[[Any, Any], Any]

FORMS: dict[type[Module], Form] = {}


def form(*kinds: type[Module]) -> Callable[[Form], Form]:
    """Say what modules are in ONNX.

    Parameters
    ----------
    *kinds : type
        The classes; those derived of them are given forms of their own.

    Returns
    -------
    callable
        A decorator for a function ``f(module, x)`` that adds, in evaluation mode, the module's nodes to the graph of the
        `Value` x, which is its input, and returns its output, a `Value` as well.

    Raises
    ------
    TypeError
        If something else than a class of modules is given.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> class Cube(tn.nn.Module):
    ...     def forward(self, x):
    ...         return x * x * x
    >>> @tn.onnx.form(Cube)
    ... def cube(module, x):
    ...     return x * x * x
    """

    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Module)):
            raise TypeError(f"onnx.form: {kind!r} is no class of modules; decorate a function with @tn.onnx.form(MyModule)")

    def decorator(function: Form) -> Form:
        FORMS.update(dict.fromkeys(kinds, function))
        return function

    return decorator


def converted(module: Module, x: Any, name: str) -> Any:
    """The output of a module, called `name` in errors, whose nodes are added to the graph of its input.

    Raises
    ------
    TypeError
        If the module has no form, or one that gives no `Value`, or if its code was changed.
    """
    kind = type(module)
    function = FORMS.get(kind)
    if function is None and isinstance(module, nn.Sequential) and kind.forward is nn.Sequential.forward:
        function = _sequential
    changed = "forward" in vars(module) or bool(module._forward_hooks)
    if function is None or changed:
        what = "has a hook, or another forward() than its class" if changed else "has no form in ONNX"
        remedy = "take it off before the export" if changed else (
            f"give it one with @tn.onnx.form({kind.__name__}), or make it of tinynet's modules in a Sequential"
        )  # fmt: skip
        raise TypeError(f"onnx.export: {kind.__name__}, {name or 'the model itself'}, {what}; {remedy}")
    example = module(x.example)
    graph, outer = x.graph, x.graph.place
    graph.place = name
    y = function(module, x)
    graph.place = outer
    if not isinstance(y, Value | tuple):
        raise TypeError(
            f"onnx.export: the form of {kind.__name__}, {name or 'the model itself'}, gave {y!r}, which is no Value"
        )
    return _with_example(y, example)


def _with_example(y: Any, example: Any) -> Any:
    if isinstance(y, tuple):
        return tuple(map(_with_example, y, example))
    return Value(y.graph, y.name, example)


# Containers ----------------------------------------------------------------------------------------------------------


@form(nn.Sequential)
def _sequential(module: Any, x: Any) -> Any:
    place = x.graph.place
    for i, child in enumerate(module):
        x = converted(child, x, f"{place}.{i}".removeprefix("."))
    return x


@form(nn.Stack)
def _stack(module: Any, x: Any) -> Any:
    own = is_own("onnx.export", x.example, module)
    place, outputs = x.graph.place, []
    for k, member in enumerate(module.unstack()):
        its = Value(x.graph, x.node("Gather", np.array(k), axis=0).name, x.example[k]) if own else x
        outputs.append(converted(member, its, f"{place}.members.{k}".removeprefix(".")).node("Unsqueeze", np.array([0])))
    return outputs[0].node("Concat", *outputs[1:], axis=0)


# Activations ---------------------------------------------------------------------------------------------------------


def _where(condition: Any, x: Any, y: Any) -> Any:
    return condition.node("Where", x, y)


def _softplus(x: Any) -> Any:
    return x.node("Relu") + _log1p((-x.node("Abs")).node("Exp"))


def _log1p(x: Any) -> Any:
    """log(1 + x) exact to the last digits for small x, too: what 1 + x loses by rounding is made up for (Kahan)."""
    y = x + 1
    return _where(y > 1, y.node("Log") * (x / (y - 1)), x)


def _elu(x: Any, alpha: float) -> Any:
    half = (x / 2).node("Tanh")  # exp x - 1 would lose the digits of a small x
    return _where(x > 0, x, half * (2 * alpha) / (1 - half))


def _log_softmax(x: Any, axis: int) -> Any:
    if x.graph.dtype == np.float32:
        return x.node("LogSoftmax", axis=axis)
    axes = np.array([axis])  # in float64 onnxruntime's operator misses a NaN
    x = x - x.node("ReduceMax", axes)
    return x - x.node("Exp").node("ReduceSum", axes).node("Log")


def _in_float32(x: Any, operator: str, *inputs: Any, **attributes: Any) -> Any:
    """An operator that onnxruntime has in float32 alone, with its result in the model's dtype again."""
    from onnx import TensorProto, helper

    if x.graph.dtype == np.float32:
        return x.node(operator, *inputs, **attributes)
    first, *others = (x.constant(y).node("Cast", to=TensorProto.FLOAT) for y in (x, *inputs))
    return first.node(operator, *others, **attributes).node("Cast", to=helper.np_dtype_to_tensor_dtype(x.graph.dtype))


def _hardsigmoid(x: Any) -> Any:
    return (x + 3).node("Clip", 0.0, 6.0) / 6


def _gelu(module: Any, x: Any) -> Any:
    if module.approximate == "none":
        return x * (_in_float32(x / 2**0.5, "Erf") + 1) * 0.5
    return x * ((x + x * x * x * 0.044715) * (8 / np.pi) ** 0.5).node("Sigmoid")


FORMS |= {
    nn.ReLU: lambda module, x: x.node("Relu"),
    nn.ReLU6: lambda module, x: x.node("Clip", 0.0, 6.0),
    nn.SELU: lambda module, x: _elu(x, SELU_ALPHA) * SELU_SCALE,
    nn.SiLU: lambda module, x: x * x.node("Sigmoid"),
    nn.Mish: lambda module, x: x * _softplus(x).node("Tanh"),
    nn.Sigmoid: lambda module, x: x.node("Sigmoid"),
    nn.LogSigmoid: lambda module, x: -_softplus(-x),
    nn.Tanh: lambda module, x: x.node("Tanh"),
    nn.Tanhshrink: lambda module, x: x - x.node("Tanh"),
    nn.Softsign: lambda module, x: x / (x.node("Abs") + 1),
    nn.Hardsigmoid: lambda module, x: _hardsigmoid(x),
    nn.Hardswish: lambda module, x: x * _hardsigmoid(x),
    nn.Square: lambda module, x: x * x,
    nn.LeakyReLU: lambda module, x: _where(x > 0, x, x * module.negative_slope),
    nn.ELU: lambda module, x: _elu(x, module.alpha),
    nn.GELU: _gelu,
    nn.Softplus: lambda module, x: _softplus(x * module.beta) / module.beta,
    nn.Hardtanh: lambda module, x: x.node("Clip", module.min_val, module.max_val),
    nn.Sin: lambda module, x: (x * module.omega).node("Sin"),
    nn.Softmax: lambda module, x: x.node("Softmax", axis=module.axis),
    nn.LogSoftmax: lambda module, x: _log_softmax(x, module.axis),
}


# Activations with parameters -----------------------------------------------------------------------------------------


def _per_channel(parameter: Any, x: Any) -> Any:
    """A parameter, with the axes that `tinynet.nn.channels.per_channel` gives it beside an input."""
    shape = np.shape(per_channel("onnx.export", parameter.data, x.example))
    return x.constant(parameter).node("Reshape", np.array(shape))


@form(nn.PReLU)
def _prelu(module: Any, x: Any) -> Any:
    return _where(x > 0, x, x * _per_channel(module.weight, x))


@form(nn.Swish)
def _swish(module: Any, x: Any) -> Any:
    beta = _per_channel(module.beta, x) if isinstance(module.beta, Tensor) else module.beta
    return x * (x * beta).node("Sigmoid")


@form(nn.APL)
def _apl(module: Any, x: Any) -> Any:
    bends = _per_channel(module.a, x) * (_per_channel(module.b, x) - x).node("Relu")
    return x.node("Relu") + bends.node("ReduceSum", np.array([0]), keepdims=0)


# Layers --------------------------------------------------------------------------------------------------------------


@form(nn.Identity, nn.Dropout)
def _identity(module: Any, x: Any) -> Any:
    return x


@form(nn.Flatten)
def _flatten(module: Any, x: Any) -> Any:
    shape = np.shape(x.example)
    start, end = (axis % len(shape) for axis in (module.start_axis, module.end_axis))
    return x.node("Reshape", np.array([0] * start + [-1, *shape[end + 1 :]]))  # a 0 leaves an axis as it is


def _linear(x: Any, weight: Any, bias: Any) -> Any:
    if np.ndim(x.example) == 2:
        return x.node("Gemm", weight, *([] if bias is None else [bias]), transB=1)
    y = x @ x.constant(weight).node("Transpose", perm=[1, 0])
    return y if bias is None else y + bias


@form(nn.Linear)
def _linear_layer(module: Any, x: Any) -> Any:
    return _linear(x, module.weight, module.bias)


@form(nn.Conv1d, nn.Conv2d)
def _convolution(module: Any, x: Any) -> Any:
    if module.padding == "same":
        extra = [dilation * (length - 1) for dilation, length in zip(module.dilation, module.kernel_size, strict=True)]
        pads = [n // 2 for n in extra] + [n - n // 2 for n in extra]
    else:
        pads = [0] * 2 * len(module.kernel_size) if module.padding == "valid" else [*module.padding, *module.padding]
    bias = [] if module.bias is None else [module.bias]
    options = {"strides": module.stride, "pads": pads, "dilations": module.dilation, "group": module.groups}
    return _in_float32(x, "Conv", module.weight, *bias, **options)


@form(nn.LayerNorm)
def _layer_norm(module: Any, x: Any) -> Any:
    axes = np.arange(-len(module.normalized_shape), 0)
    return _affine(_scaled_to_one(x, axes, module.eps), module.weight, module.bias)


@form(nn.BatchNorm1d)
def _batch_norm(module: Any, x: Any) -> Any:
    space = np.ndim(x.example) - 2
    mean, variance, weight, bias = (
        None if y is None else x.constant(y).node("Reshape", np.array([-1, 1][: space + 1]))
        for y in (module.running_mean, module.running_var, module.weight, module.bias)
    )
    if mean is None:
        y = _scaled_to_one(x, np.array([0, 2][: space + 1]), module.eps)
    else:
        y = (x - mean) / (variance + module.eps).node("Sqrt")
    return _affine(y, weight, bias)


def _scaled_to_one(x: Any, axes: Any, eps: float) -> Any:
    centre = x - x.node("ReduceMean", axes)
    size = centre.node("Abs").node("ReduceMax", axes).node("Max", 1.0)  # the square of a large number is infinite
    centre = centre / size
    return centre / ((centre * centre).node("ReduceMean", axes) + size.constant(eps) / size / size).node("Sqrt")


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


@form(nn.RNNCell)
def _rnn_cell(module: Any, x: Any) -> Any:
    return _gates(module, x).node("Tanh" if module.nonlinearity == "tanh" else "Relu")


@form(nn.LSTMCell)
def _lstm_cell(module: Any, x: Any) -> Any:
    i, _, g, o = _gates(module, x).node("Split", outputs=4, axis=-1, num_outputs=4)
    c = i.node("Sigmoid") * g.node("Tanh")
    return o.node("Sigmoid") * c.node("Tanh"), c


def _gates(module: Any, x: Any) -> Any:
    """The affine map of the input and of the state of zeros that a cell begins with."""
    y = _linear(x, module.weight_ih, module.bias_ih)
    return y if module.bias_hh is None else y + module.bias_hh


# Kolmogorov-Arnold networks ------------------------------------------------------------------------------------------

_OF_FUNCTION = {getattr(kind, "function", None): kind for kind in FORMS if not getattr(kind, "options", True)}


@form(nn.KANLinear)
def _kan_linear(module: Any, x: Any) -> Any:
    outputs, rank = module.out_features, np.ndim(x.example)
    basis = _bspline_basis(x, module.grid.data, module.spline_order).node("Reshape", np.array([0] * (rank - 1) + [-1]))
    splines = x.constant(module.spline_weight).node("Reshape", np.array([outputs, -1])).node("Transpose", perm=[1, 0])
    base = x.constant(module.base_weight).node("Transpose", perm=[1, 0])
    return _base_activation(module, x) @ base + basis @ splines


def _base_activation(module: Any, x: Any) -> Any:
    activation, place = module.base_activation, f"{x.graph.place}.base_activation".removeprefix(".")
    if isinstance(activation, Module):
        return converted(activation, x, place)
    if activation in _OF_FUNCTION:
        return converted(_OF_FUNCTION[activation](), x, place)
    raise TypeError(f"onnx.export: {place} is {activation!r}, which has no form in ONNX; give KANLinear a module")


def _bspline_basis(x: Any, grid: Any, order: int) -> Any:
    """The splines of `tinynet.bspline_basis` on an axis behind all others, for the knots (inputs, m) of a layer."""
    low, high = np.nextafter(grid[:, 0], -np.inf), grid[:, -1]
    distance = x.node("Min", high).node("Max", low).node("Unsqueeze", np.array([-1])) - grid
    passed = _where(distance >= 0.0, 1.0, 0.0)
    basis = _cut(passed, 0, -1) - _cut(passed, 1)
    for k in range(1, order + 1):
        part = basis * (1 / (grid[:, k:] - grid[:, :-k]))
        basis = _cut(distance, 0, -k - 1) * _cut(part, 0, -1) - _cut(distance, k + 1) * _cut(part, 1)
    return basis


def _cut(x: Any, start: int, end: int = np.iinfo(np.int64).max) -> Any:
    return x.node("Slice", np.array([start]), np.array([end]), np.array([-1]))
