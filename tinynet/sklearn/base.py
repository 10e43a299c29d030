"""`Estimator`: what the classifier and the regressor have in common, which is the parameters and the training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from tinynet.lines import warn
from tinynet.nn.module import Module
from tinynet.random import manual_seed
from tinynet.sklearn.networks import activation_factory, network, optimizer, widths_of
from tinynet.sklearn.objective import Objective
from tinynet.sklearn.stopping import Converged
from tinynet.training import BestModel, History, Trainer
from tinynet.training.inference import predict
from tinynet.training.metrics import Metric

__all__ = ["DTYPES", "Estimator", "goes_on"]

Array = np.ndarray[Any, Any]

DTYPES = (np.float64, np.float32)  # that are computed in as they come; all others are cast to the first


class Estimator(BaseEstimator):  # type: ignore[misc]
    """A network with scikit-learn's parameters; see `tinynet.sklearn.Classifier`."""

    def __init__(
        self,
        hidden_layer_sizes: int | tuple[int, ...] = (100,),
        activation: str | Callable[[], Module] = "relu",
        *,
        solver: str | Callable[..., Any] = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 0.0001,
        verbose: bool = False,
        warm_start: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change

    # What a kind of estimator says --------------------------------------------------------------------------------------

    def _targets(self) -> tuple[int, Module, Metric]:
        """How many outputs there are, the loss, and the score of rows that are held out."""
        raise NotImplementedError

    def _strata(self, y: Array) -> Array | None:
        """What rows are held out in equal shares of."""
        return None

    # Training ------------------------------------------------------------------------------------------------------------

    @contextmanager
    def _as_before_if_it_fails(self) -> Iterator[None]:
        """Have a training that fails leave the estimator fitted as it was, or not at all."""
        before = dict(vars(self))
        try:
            yield
        except BaseException:
            self.__dict__ = before
            raise

    def _that_count(self, x: Array, y: Array, sample_weight: Any) -> tuple[Array, Array, Array | None]:
        """The rows whose weight is not 0, and their weights."""
        if sample_weight is None:
            return x, y, None
        weights = _check_sample_weight(sample_weight, x, dtype=x.dtype, ensure_non_negative=True)
        there = weights > 0
        if not there.any():
            raise ValueError(f"{self._name}: sample_weight is 0 for all of the {len(x)} rows, and none is left to learn from")
        return x[there], y[there], weights[there]

    def _weighted(self, y: Array, weights: Array | None) -> Array:
        """Targets for `Objective`."""
        return y if weights is None else np.column_stack([y, weights])

    def _drawing(self, train: Callable[..., None], *data: Any) -> Self:
        """Train with `random_state` for all that is drawn, by modules that draw from tinynet's default generator, too."""
        self._check_parameters()

        def drawing() -> None:
            rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
            manual_seed(int(rng.spawn(1)[0].integers(2**31)))  # in this context: the caller's generator is not drawn from
            train(rng, *data)

        copy_context().run(drawing)
        return self

    def _train(self, rng: np.random.Generator, x: Array, y: Array, weights: Array | None) -> None:
        """Train for as long as it takes, from new weights or with `warm_start` from those that there are."""
        trainer = self._new_trainer(rng, x, continued=self.warm_start and hasattr(self, "model_"))
        targets, held_out = self._weighted(y, weights), None
        trainer.callbacks = [Converged("loss", self.tol, self.n_iter_no_change)]
        if self.early_stopping:
            rows, out = self._split(y)
            held_out = x[out], targets[out]
            x, targets = x[rows], targets[rows]
            monitor = f"val_{next(iter(trainer.metrics))}"
            trainer.callbacks = [Converged(monitor, self.tol, self.n_iter_no_change, "max"), BestModel(monitor, mode="max")]
        history = self._fit_trainer(trainer, x, targets, self.max_iter, held_out)
        trainer.callbacks = []
        if history.interrupted:
            warn(f"{self._name}: the training was interrupted after {history.epochs} epochs", UserWarning)
        elif not trainer.stop_training:
            warn(
                f"{self._name}: after max_iter={self.max_iter} epochs the training was still getting better; raise max_iter "
                "or learning_rate_init",
                ConvergenceWarning,
            )

    def _split(self, y: Array) -> tuple[Array, Array]:
        """Which rows to train on, and which to hold out."""
        fraction = self.validation_fraction
        try:
            rows, out = train_test_split(
                np.arange(len(y)), test_size=fraction, random_state=self.random_state, stratify=self._strata(y)
            )
        except ValueError as error:
            raise ValueError(
                f"{self._name}: early_stopping=True cannot hold validation_fraction={fraction} of {len(y)} rows out: {error}"
            ) from error
        if len(out) < 2:
            raise ValueError(
                f"{self._name}: early_stopping=True holds {len(out)} rows out, too few to judge by; raise "
                f"validation_fraction, which is {fraction}, or give more rows"
            )
        return rows, out

    def _train_once(self, rng: np.random.Generator, x: Array, y: Array, weights: Array | None) -> None:
        """Go through the data once, from where the last training ended."""
        if hasattr(self, "_trainer"):
            self._check_design("partial_fit", "fit() trains anew", "hidden_layer_sizes", "activation", "solver")
            manual_seed(int(rng.integers(2**31)) + self.n_iter_)  # another time other draws
            self._objective.alpha = self.alpha
            for group in self._trainer.optimizer.param_groups:
                group["lr"] = self.learning_rate_init
        trainer = self._trainer if hasattr(self, "_trainer") else self._new_trainer(rng, x, continued=False)
        self._fit_trainer(trainer, x, self._weighted(y, weights), 1, None)

    def _check_design(self, what: str, remedy: str, *names: str) -> None:
        """See that parameters are what they were when the network that is there was made."""
        for name in names:
            if (now := getattr(self, name)) != (before := self._design[name]):
                raise ValueError(f"{self._name}: {what} goes on with {name}={before!r}, and it is {now!r}; {remedy}")

    def _new_trainer(self, rng: np.random.Generator, x: Array, continued: bool) -> Trainer:
        outputs, loss, metric = self._targets()
        widths = [x.shape[1], *np.ravel(self.hidden_layer_sizes).astype(int).tolist(), outputs]
        if continued:
            model = self.model_
            if (there := widths_of(model)) != widths:
                raise ValueError(
                    f"{self._name}: warm_start=True goes on with the network that is there, of the widths {there}; data and "
                    f"hidden_layer_sizes want {widths}: use warm_start=False"
                )
            self._check_design("warm_start=True", "use warm_start=False", "activation")
        else:
            model = network(widths, activation_factory(self._name, self.activation), x.dtype, rng)
        self._design = {name: getattr(self, name) for name in ("hidden_layer_sizes", "activation", "solver")}
        self._objective = Objective(loss, model, self.alpha)
        return Trainer(
            model,
            self._objective,
            optimizer(self._name, self.solver, model, self.learning_rate_init),
            metrics=[metric] if self.early_stopping else [],
            rng=rng,
        )

    def _fit_trainer(self, trainer: Trainer, x: Array, y: Array, epochs: int, held_out: Any) -> History:
        history = trainer.fit(x, y, epochs, self._rows(x), held_out, shuffle=self.shuffle, verbose=int(self.verbose))
        before = self.loss_curve_ if getattr(self, "model_", None) is trainer.model else []
        self._trainer, self.model_, self.history_ = trainer, trainer.model, history
        self.loss_curve_: list[float] = before + history["loss"]
        self.n_iter_: int = len(self.loss_curve_)
        return history

    def _rows(self, x: Array) -> int:
        """The rows of a batch."""
        return min(200 if isinstance(self.batch_size, str) else self.batch_size, len(x))

    def _check_parameters(self) -> None:
        counts = "batch_size", "max_iter", "n_iter_no_change"
        wrong = {name: "a positive whole number" for name in counts if not _is_count(getattr(self, name))}
        wrong |= {name: "a number of at least 0" for name in ("alpha", "tol") if not _is_number(getattr(self, name))}
        if not _is_number(self.learning_rate_init) or self.learning_rate_init == 0:
            wrong["learning_rate_init"] = "a positive number"
        if np.ndim(self.hidden_layer_sizes) > 1 or not all(map(_is_count, np.ravel(self.hidden_layer_sizes).tolist())):
            wrong["hidden_layer_sizes"] = "a positive whole number, or a tuple of them"
        if self.batch_size == "auto":
            del wrong["batch_size"]
        switches = "shuffle", "verbose", "warm_start", "early_stopping"
        wrong |= {name: "True or False" for name in switches if not _is_switch(getattr(self, name))}
        if not _is_number(self.validation_fraction) or not 0 < self.validation_fraction < 1:
            wrong["validation_fraction"] = "a number between 0 and 1"
        if wrong:
            name, right = next(iter(wrong.items()))
            raise ValueError(f"{self._name}: {name}={getattr(self, name)!r} must be {right}")

    @property
    def _name(self) -> str:
        return type(self).__name__

    # Use -----------------------------------------------------------------------------------------------------------------

    def _predict(self, X: Any) -> Array:
        """What the network gives for inputs, of shape (n, outputs)."""
        check_is_fitted(self, "model_")
        return predict(self.model_, validate_data(self, X, dtype=DTYPES, reset=False))


def goes_on(estimator: Estimator) -> bool:
    """Whether an estimator has `partial_fit`; an AttributeError that says why if not."""
    if estimator.early_stopping:
        raise AttributeError(f"{estimator._name}: partial_fit goes through the data once, and does no early_stopping=True")
    return True


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value > 0)


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool | np.bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int | np.floating | np.integer) and bool(0 <= value < np.inf)
