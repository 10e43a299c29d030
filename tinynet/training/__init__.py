"""Training: the `Trainer`, what it records, its metrics, and callbacks."""

from tinynet.training.callbacks import BestModel, Callback, EarlyStopping, Logger, Scheduler
from tinynet.training.checkpoint import Checkpoint
from tinynet.training.doctor import Doctor
from tinynet.training.findings import Finding
from tinynet.training.finite import NonFiniteError
from tinynet.training.history import History
from tinynet.training.metrics import accuracy, binary_accuracy, r2
from tinynet.training.trainer import Trainer

__all__ = [
    "BestModel", "Callback", "Checkpoint", "Doctor", "EarlyStopping", "Finding", "History", "Logger", "NonFiniteError",
    "Scheduler", "Trainer", "accuracy", "binary_accuracy", "r2",
]
