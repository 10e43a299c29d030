"""scikit-learn estimators: networks for pipelines, cross-validation and searches, under the names of `MLPClassifier`.

`Classifier` and `Regressor` take the place of `sklearn.neural_network.MLPClassifier` and `MLPRegressor`, with any activation
and optimizer of tinynet, or of one's own. They need scikit-learn, and are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinynet.sklearn.classifier import Classifier
    from tinynet.sklearn.regressor import Regressor

__all__ = ["Classifier", "Regressor"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"tinynet.sklearn.{name.lower()}"), name)
    except ImportError as error:
        raise ImportError(
            "tinynet.sklearn needs scikit-learn, 1.6 or newer; install it with: pip install 'tinynet-autograd[sklearn]'"
        ) from error
