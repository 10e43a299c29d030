"""`Regressor`."""

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from tinynet.nn.module import Module
from tinynet.sklearn.base import DTYPES, Estimator, goes_on
from tinynet.sklearn.objective import HalfSquaredError, r2
from tinynet.training.metrics import Metric

__all__ = ["Regressor"]

Array = np.ndarray[Any, Any]


class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A network that predicts numbers, in the place of `sklearn.neural_network.MLPRegressor`.

    It is trained on half the squared error, Σ (prediction - target)² / 2n. Scale targets as well as inputs, or it takes long:
    `sklearn.compose.TransformedTargetRegressor` does.

    Parameters
    ----------
    hidden_layer_sizes, activation, solver, ...
        As in `Classifier`.

    Attributes
    ----------
    n_outputs_ : int
        How many numbers are predicted for a row.
    model_, history_, loss_curve_, n_iter_, n_features_in_, feature_names_in_
        As in `Classifier`.

    Raises
    ------
    ValueError, NonFiniteError
        As in `Classifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet.sklearn import Regressor
    >>> x = np.linspace(-3, 3, 200)[:, None]
    >>> y = np.column_stack([np.sin(x[:, 0]), np.cos(x[:, 0])])  # two numbers for each row
    >>> model = Regressor((32,), "sin", learning_rate_init=0.02, tol=1e-5, random_state=0).fit(x, y)
    >>> model.predict(x).shape, bool(model.score(x, y) > 0.99)
    ((200, 2), True)
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on rows and their targets.

        Parameters
        ----------
        X : array_like of shape (n, features)
            Float32 stays float32; everything else is computed in float64.
        y : array_like of shape (n,) or (n, outputs)
            One number for each row, or several.
        sample_weight : array_like of shape (n,), optional
            How much each row counts, at least 0: a row of weight 2 as two of them.

        Returns
        -------
        Regressor
            The estimator itself.
        """
        with self._as_before_if_it_fails():
            x, y = self._checked(X, y, reset=True)
            self.n_outputs_: int = y.shape[1]
            return self._drawing(self._train, *self._that_count(x, y, sample_weight))

    @available_if(goes_on)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Go through given rows once, from where the last call ended.

        Parameters
        ----------
        X, y, sample_weight : array_like
            As in `fit`.

        Returns
        -------
        Regressor
            The estimator itself.
        """
        first = not hasattr(self, "model_")
        with self._as_before_if_it_fails():
            x, y = self._checked(X, y, reset=first)
            if not first and y.shape[1] != self.n_outputs_:
                raise ValueError(
                    f"{self._name}: y holds {y.shape[1]} numbers for each row, and the first call {self.n_outputs_}"
                )
            self.n_outputs_ = y.shape[1]
            return self._drawing(self._train_once, *self._that_count(x, y, sample_weight))

    def predict(self, X: Any) -> Array:
        """The predicted numbers.

        Parameters
        ----------
        X : array_like of shape (n, features)
            The rows.

        Returns
        -------
        ndarray of shape (n,) or (n, outputs)
        """
        y = self._predict(X)
        return y[:, 0] if self.n_outputs_ == 1 else y

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Array, Array]:
        """Inputs, and targets with an axis of outputs."""
        x, y = validate_data(self, X, y, dtype=DTYPES, multi_output=True, y_numeric=True, reset=reset)
        if y.shape[1:] in ((), (1,)):
            y = column_or_1d(y, warn=True)[:, None]
        return x, y.astype(x.dtype)

    def _targets(self) -> tuple[int, Module, Metric]:
        return self.n_outputs_, HalfSquaredError(), r2

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
