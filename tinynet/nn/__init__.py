"""Neural networks: modules, activations, losses and initialisers, with PyTorch's names, shapes and defaults."""

from tinynet.nn import functional, init
from tinynet.nn.activations import (
    ELU,
    GELU,
    SELU,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Sin,
    Softmax,
    Softplus,
    Softsign,
    Square,
    Tanh,
    Tanhshrink,
)
from tinynet.nn.containers import ModuleList, Sequential
from tinynet.nn.convolution import Conv1d, Conv2d
from tinynet.nn.dropout import Dropout
from tinynet.nn.ensembles import Stack, ensemble, stack
from tinynet.nn.kan import KANLinear
from tinynet.nn.learnable import APL, PReLU, Swish
from tinynet.nn.linear import Flatten, Identity, Linear
from tinynet.nn.losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, L1Loss, MSELoss, NLLLoss, SmoothL1Loss
from tinynet.nn.memberlayers import stacking
from tinynet.nn.memberloss import MemberLoss
from tinynet.nn.module import Module
from tinynet.nn.normalization import BatchNorm1d, LayerNorm
from tinynet.nn.parameter import Buffer, Parameter
from tinynet.nn.recurrent import LSTMCell, RNNCell

__all__ = [
    "APL",
    "ELU",
    "GELU",
    "SELU",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "Buffer",
    "Conv1d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "HuberLoss",
    "Identity",
    "KANLinear",
    "L1Loss",
    "LSTMCell",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MemberLoss",
    "Mish",
    "Module",
    "ModuleList",
    "NLLLoss",
    "PReLU",
    "Parameter",
    "RNNCell",
    "ReLU",
    "ReLU6",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Sin",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "Softsign",
    "Square",
    "Stack",
    "Swish",
    "Tanh",
    "Tanhshrink",
    "ensemble",
    "functional",
    "init",
    "stack",
    "stacking",
]
