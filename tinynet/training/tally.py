"""The figures of a pass over the data: the mean loss and the metrics, of a stack for each member."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinynet.training.inference import output_array
from tinynet.training.metrics import Metric

__all__ = ["Tally"]

Array = np.ndarray[Any, Any]


class Tally:
    """The mean loss over the rows, and what the metrics need.

    Parameters
    ----------
    metrics : dict of str to callable
        The metrics by name.
    of_members : bool
        Whether losses, predictions and targets have an axis of members in front.
    """

    def __init__(self, metrics: dict[str, Metric], of_members: bool) -> None:
        self.of_members = of_members
        self._axis = 1 if of_members else 0  # of the rows
        self._metrics = metrics
        self._total: Any = 0.0
        self._rows = 0
        self._predictions: list[Array] = []
        self._targets: list[Array] = []

    def add(self, loss: Any, prediction: Any, target: Array) -> None:
        """Count a batch, with its mean loss."""
        rows = target.shape[self._axis]
        self._total = self._total + loss * rows
        self._rows += rows
        if self._metrics:
            self._predictions.append(output_array(prediction))
            self._targets.append(target)

    def state_dict(self) -> dict[str, Any]:
        """The sums so far, and the predictions and targets where there are metrics."""
        joined = [np.concatenate(parts, self._axis) if parts else None for parts in (self._predictions, self._targets)]
        return {"total": self._total, "rows": self._rows, "predictions": joined[0], "targets": joined[1]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Have counted what another tally had when it gave its `state_dict`."""
        self._total, self._rows = state_dict["total"], state_dict["rows"]
        self._predictions, self._targets = (
            [] if state_dict[name] is None else [state_dict[name]] for name in ("predictions", "targets")
        )

    def result(self) -> dict[str, Any]:
        """The figures of all batches."""
        figures = {"loss": self._total / self._rows}
        if self._metrics:
            prediction, target = (np.concatenate(parts, self._axis) for parts in (self._predictions, self._targets))
            figures.update((name, self._figure(metric, prediction, target)) for name, metric in self._metrics.items())
        return figures

    def _figure(self, metric: Metric, prediction: Array, target: Array) -> Any:
        if self.of_members:
            return np.array([float(metric(own, y)) for own, y in zip(prediction, target, strict=True)])
        return float(metric(prediction, target))
