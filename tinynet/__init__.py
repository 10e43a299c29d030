"""tinynet: reverse-mode autograd on plain NumPy arrays, and neural networks on top of it."""

from typing import TYPE_CHECKING, Any

from tinynet import autograd, data, errors, nn, optim, training
from tinynet.allocation import keep_freed_memory
from tinynet.custom import checkpoint, custom_gradient, stop_gradient
from tinynet.dtypes import get_default_dtype, set_default_dtype
from tinynet.graph import enable_grad, is_grad_enabled, no_grad
from tinynet.random import manual_seed
from tinynet.rules import logsumexp, primitive, scatter
from tinynet.rules.activations import (
    elu,
    hardtanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    relu,
    sigmoid,
    softmax,
    softplus,
    swish,
)
from tinynet.rules.compositions import (
    gelu,
    hardsigmoid,
    hardswish,
    mish,
    relu6,
    selu,
    silu,
    softsign,
    tanhshrink,
)
from tinynet.rules.special import erf
from tinynet.rules.splines import bspline_basis
from tinynet.tensor import Tensor, tensor
from tinynet.training import History, Trainer
from tinynet.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

if TYPE_CHECKING:
    from tinynet import inspect, onnx, plot, sklearn, testing
    from tinynet.anomaly import detect_anomaly
    from tinynet.compiler import compile
    from tinynet.rules.describe import describe
    from tinynet.weights import load_safetensors, save_safetensors

__version__ = "0.1.0"

keep_freed_memory()

__all__ = [
    "History", "Tensor", "Trainer", "autograd", "bspline_basis", "checkpoint", "compile", "custom_gradient", "data",
    "describe", "detect_anomaly", "elu", "enable_grad", "erf", "errors", "gelu", "get_default_dtype", "grad", "hardsigmoid",
    "hardswish", "hardtanh", "hessian", "hvp", "inspect", "is_grad_enabled", "jacobian", "jvp", "leaky_relu",
    "load_safetensors", "log_sigmoid", "log_softmax", "logsumexp", "manual_seed", "mish", "nn", "no_grad", "onnx", "optim",
    "plot", "primitive", "relu", "relu6", "save_safetensors", "scatter", "selu", "set_default_dtype", "sigmoid", "silu",
    "sklearn", "softmax", "softplus", "softsign", "stop_gradient", "swish", "tanhshrink", "tensor", "testing", "training",
    "value_and_grad", "vjp",
]  # fmt: skip


_LATER = {
    "compile": "tinynet.compiler", "describe": "tinynet.rules.describe", "detect_anomaly": "tinynet.anomaly",
    "load_safetensors": "tinynet.weights", "save_safetensors": "tinynet.weights",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    # a third of the import, and not what every program needs
    from importlib import import_module

    if name in ("inspect", "onnx", "plot", "sklearn", "testing"):
        return import_module(f"tinynet.{name}")
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'tinynet' has no attribute {name!r}")
