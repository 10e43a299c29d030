"""`Classifier`."""

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import validate_data

from tinynet.nn.losses import BCEWithLogitsLoss, CrossEntropyLoss
from tinynet.nn.module import Module
from tinynet.rules.activations import log_sigmoid, log_softmax, sigmoid, softmax
from tinynet.sklearn.base import DTYPES, Estimator, goes_on
from tinynet.sklearn.objective import accuracy, subset_accuracy
from tinynet.training.metrics import Metric

__all__ = ["Classifier"]

Array = np.ndarray[Any, Any]


class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A network that tells classes apart, in the place of `sklearn.neural_network.MLPClassifier`.

    Its parameters have scikit-learn's names, defaults and meaning; `activation` and `solver` take any of tinynet's. It is
    trained on cross-entropy, of two classes with one output; and on binary cross-entropy of each label, where a row may have
    several. The weights start as `tinynet.nn.Linear` has them.

    Parameters
    ----------
    hidden_layer_sizes : int or tuple of int
        The width of each hidden layer; without any, the model is a linear one.
    activation : str or callable
        Between the layers: the name of one of tinynet's in lower case (``"relu"``, ``"gelu"``, ``"sin"``, ``"prelu"``; or
        ``"identity"``, ``"logistic"``), or what makes a module, anew for each layer: ``tn.nn.GELU``, or
        ``functools.partial(tn.nn.LeakyReLU, 0.1)``.
    solver : str or callable
        ``"adam"``, ``"adamw"``, ``"sgd"`` (with Nesterov's momentum of 0.9), ``"rmsprop"`` or ``"adagrad"``, or what makes an
        optimizer of parameters and ``lr=``: ``functools.partial(tn.optim.SGD, momentum=0.5)``.
    alpha : float
        The strength of the L2 term alpha · Σ w² / 2n in the loss, of the weights and for the n rows of a batch.
    batch_size : int or "auto"
        The rows of a batch; "auto" is 200, or all if there are fewer.
    learning_rate_init : float
        The learning rate, which stays.
    max_iter : int
        The number of epochs, unless the training ends before. If it does not, there is a ConvergenceWarning.
    shuffle : bool
        Draw the rows anew in each epoch.
    random_state : int, numpy.random.RandomState or None
        Where weights, order and held-out rows come from; with None NumPy's global state, as all of scikit-learn.
    tol, n_iter_no_change : float, int
        The training ends after more than so many epochs in a row whose loss was not by `tol` lower than the lowest before.
    verbose : bool
        Show the progress, on a terminal.
    warm_start : bool
        Have `fit` go on from the weights that there are.
    early_stopping : bool
        Hold `validation_fraction` of the rows out, go by their score in place of the loss, and end with the best weights.
    validation_fraction : float
        See there.

    Attributes
    ----------
    classes_ : ndarray of shape (classes,)
        The classes in order; of labels their numbers.
    model_ : tinynet.nn.Sequential
        The network, with logits as its output: for `tinynet.onnx.export`, `tinynet.inspect`, and so on.
    history_ : tinynet.History
        Of the last call of `fit` or `partial_fit`.
    loss_curve_ : list of float
        The loss of each epoch, with the L2 term.
    n_iter_ : int
        The number of epochs, with those that `warm_start` and `partial_fit` went on from.
    n_features_in_, feature_names_in_
        As in all of scikit-learn.

    Raises
    ------
    ValueError
        When fitted, if a parameter makes no sense, or the data do not fit: as in all of scikit-learn, and if there is one class
        only. The estimator is as it was before then, but for the weights that `warm_start` or `partial_fit` went on from.
    NonFiniteError
        When fitted, if the loss or a gradient is not finite: the learning rate is too high, or the inputs are not scaled.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from tinynet.sklearn import Classifier
    >>> x, y = load_iris(return_X_y=True)
    >>> network = Classifier((16,), "gelu", learning_rate_init=0.02, tol=0.001, random_state=0)
    >>> scores = cross_val_score(make_pipeline(StandardScaler(), network), x, y)
    >>> bool(scores.mean() > 0.94)
    True
    """

    _multilabel: bool

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on rows and their classes.

        Parameters
        ----------
        X : array_like of shape (n, features)
            Float32 stays float32; everything else is computed in float64.
        y : array_like of shape (n,) or (n, labels)
            The class of each row: integers, strings, whatever has an order. Or for each label whether the row has it, 0 or 1.
        sample_weight : array_like of shape (n,), optional
            How much each row counts, at least 0: a row of weight 2 as two of them.
            `sklearn.utils.class_weight.compute_sample_weight` makes classes count alike.

        Returns
        -------
        Classifier
            The estimator itself.
        """
        with self._as_before_if_it_fails():
            x, y, weights = self._that_count(*self._checked(X, y, reset=True), sample_weight)
            classes = self._told_apart(_classes(y), "y holds")
            continued = self.warm_start and hasattr(self, "classes_")
            if continued and not (self._multilabel is (y.ndim == 2) and np.array_equal(classes, self.classes_)):
                raise ValueError(
                    f"{self._name}: warm_start=True goes on with the classes {self.classes_}, and y holds {classes}; use "
                    "warm_start=False"
                )
            self.classes_: Array = classes
            self._multilabel = y.ndim == 2
            return self._drawing(self._train, x, self._encoded(y), weights)

    @available_if(goes_on)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Go through given rows once, from where the last call ended.

        Parameters
        ----------
        X : array_like of shape (n, features)
            As in `fit`.
        y : array_like of shape (n,) or (n, labels)
            As in `fit`; not all classes need be there.
        sample_weight : array_like of shape (n,), optional
            As in `fit`.
        classes : array_like, optional
            All classes: needed at the first call, but for labels.

        Returns
        -------
        Classifier
            The estimator itself.
        """
        with self._as_before_if_it_fails():
            x, y = self._checked(X, y, reset=not hasattr(self, "model_"))
            if not hasattr(self, "classes_"):
                if classes is None and y.ndim == 1:
                    raise ValueError(f"{self._name}: the first call of partial_fit needs classes=, all that there will be")
                self.classes_ = _classes(y) if classes is None else self._told_apart(np.unique(classes), "classes= has")
                self._multilabel = y.ndim == 2
            elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
                raise ValueError(f"{self._name}: classes={classes!r} are not those of the first call, {self.classes_}")
            x, y, weights = self._that_count(x, y, sample_weight)
            return self._drawing(self._train_once, x, self._encoded(y), weights)

    def _told_apart(self, classes: Array, where: str) -> Array:
        """Classes, of which there must be several."""
        if len(classes) < 2:
            raise ValueError(f"{self._name}: {where} one class alone, {classes[0]}; there must be at least two to tell apart")
        return classes

    def predict(self, X: Any) -> Array:
        """The most likely class of each row, or whether it has each label.

        Parameters
        ----------
        X : array_like of shape (n, features)
            The rows.

        Returns
        -------
        ndarray of shape (n,) or (n, labels)
        """
        logits = self._predict(X)
        if self._multilabel:
            return (logits > 0).astype(int)
        classes: Array = self.classes_[logits.argmax(axis=1) if self._exclusive else (logits[:, 0] > 0).astype(int)]
        return classes

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class or label.

        Parameters
        ----------
        X : array_like of shape (n, features)
            The rows.

        Returns
        -------
        ndarray of shape (n, classes) or (n, labels)
            In the order of ``classes_``; rows of classes sum to 1.
        """
        logits = self._predict(X)
        if self._exclusive:
            return np.asarray(softmax(logits))
        return np.asarray(sigmoid(logits if self._multilabel else np.concatenate([-logits, logits], axis=1)))

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of the probability of each class or label, finite where the probability itself is 0.

        Parameters
        ----------
        X : array_like of shape (n, features)
            The rows.

        Returns
        -------
        ndarray of shape (n, classes) or (n, labels)
            In the order of ``classes_``.
        """
        logits = self._predict(X)
        if self._exclusive:
            return np.asarray(log_softmax(logits))
        return np.asarray(log_sigmoid(logits if self._multilabel else np.concatenate([-logits, logits], axis=1)))

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Array, Array]:
        """Inputs, and classes of shape (n,) or labels of shape (n, labels)."""
        x, y = validate_data(self, X, y, dtype=DTYPES, multi_output=True, reset=reset)
        check_classification_targets(y)
        if type_of_target(y) == "multilabel-indicator":
            y = y.toarray() if hasattr(y, "toarray") else y
            if (other := np.setdiff1d(y, [0, 1])).size:
                raise ValueError(f"{self._name}: y holds {other}; whether a row has a label is 0 or 1")
            return x, y
        return x, column_or_1d(y, warn=True)

    def _encoded(self, y: Array) -> Array:
        """Targets as the loss takes them: of several classes the number of each row's, of two a column of 0 and 1."""
        if self._multilabel is not (y.ndim == 2):
            kinds = ("labels", "classes") if self._multilabel else ("classes", "labels")
            raise ValueError(f"{self._name}: the first call had {kinds[0]} for y, and this one has {kinds[1]}")
        if (unknown := np.setdiff1d(_classes(y), self.classes_)).size:
            raise ValueError(f"{self._name}: y holds {unknown}, which are not among the classes {self.classes_}")
        if self._multilabel:
            return y.astype(float)
        codes = np.searchsorted(self.classes_, y)
        return codes if self._exclusive else codes[:, None].astype(float)

    @property
    def _exclusive(self) -> bool:
        """Whether there is an output for each of several classes, one of which a row has."""
        return len(self.classes_) > 2 and not self._multilabel

    def _weighted(self, y: Array, weights: Array | None) -> Array:
        one_hot = weights is not None and self._exclusive
        return super()._weighted(np.eye(len(self.classes_))[y] if one_hot else y, weights)

    def _targets(self) -> tuple[int, Module, Metric]:
        if self._exclusive:
            return len(self.classes_), CrossEntropyLoss(), accuracy
        return len(self.classes_) if self._multilabel else 1, BCEWithLogitsLoss(), subset_accuracy

    def _strata(self, y: Array) -> Array | None:
        return None if self._multilabel else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _classes(y: Array) -> Array:
    """The classes that there are, or the numbers of the labels."""
    return np.arange(y.shape[1]) if y.ndim == 2 else np.unique(y)
