"""A model as it is used, not trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.graph import no_grad
from tinynet.nn.ensembles import Stack
from tinynet.nn.module import Module
from tinynet.tensor import Tensor
from tinynet.training.feed import as_inputs, feed, floating_dtype

__all__ = ["EVALUATION_BATCH", "mode", "output_array", "predict"]

EVALUATION_BATCH = 256
"""How many rows are computed at a time where no gradient is needed, unless told."""


@contextmanager
def mode(model: Module, training: bool) -> Iterator[None]:
    """Put a model into training or evaluation mode, and each module in it back into its own afterwards."""
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, was in before:
            module.training = was


def predict(model: Module, x: npt.ArrayLike, batch_size: int = EVALUATION_BATCH) -> np.ndarray[Any, Any]:
    """The model's output for an array of inputs; see `Trainer.predict`."""
    inputs = as_inputs(x, floating_dtype(model))
    rows = feed("predict", inputs, inputs, batch_size, model)
    with mode(model, False), no_grad():
        parts = [output_array(model(Tensor(batch))) for batch, _ in rows.one_pass()]
    return np.concatenate(parts, axis=1 if isinstance(model, Stack) else 0)


def output_array(output: Any) -> np.ndarray[Any, Any]:
    """The array of a model's output."""
    if not isinstance(output, Tensor):
        raise TypeError(f"the model returned a {type(output).__name__}; predictions and metrics need one tensor")
    return output.data
