"""Which activation at which width reads handwritten digits best? A grid search, dealt out to the workers of a Dask cluster.

Every activation at every width is trained and judged five times, each time on another part of the training pictures; then the
best is trained on all of them, and has to read at least 96 % of the pictures held out. The search is scikit-learn's, the
network one of its estimators (`tinynet.sklearn.Classifier`), and joblib hands the trainings to Dask: to processes on this
machine, or with the environment variable DASK_SCHEDULER_ADDRESS=tcp://HOST:8786 to a cluster that is there, of as many machines
as it has. The outcome is the same wherever the trainings run, for each has its seed.
"""

import os
import sys
from typing import Any

import numpy as np

import tinynet as tn
from common import ACTIVATIONS, parse, verdict
from digits import load

WANTED = 0.96
WIDTHS, QUICK_WIDTHS = (16, 64, 256), (8, 64)


def search(x: Any, y: Any, activations: Any, widths: Any, args: Any) -> Any:
    """The search when it is over, and how many workers there were."""
    try:
        import joblib
        from distributed import Client
        from sklearn.model_selection import GridSearchCV
    except ImportError as error:
        sys.exit(f"search.py needs scikit-learn and distributed ({error}); install them with: pip install -e '.[examples]'")
    network = tn.sklearn.Classifier(
        learning_rate_init=0.01, batch_size=64, max_iter=200, tol=0.001, n_iter_no_change=5, random_state=args.seed
    )
    grid = {"activation": [ACTIVATIONS[name] for name in activations], "hidden_layer_sizes": [(width,) for width in widths]}
    grid_search = GridSearchCV(network, grid, cv=args.folds)
    here = {"n_workers": args.workers, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": "ERROR"}
    with Client(**({} if "DASK_SCHEDULER_ADDRESS" in os.environ else here)) as client:
        with joblib.parallel_config(backend="dask", scatter=[x, y]):
            grid_search.fit(x, y)
        return grid_search, len(client.nthreads())


def plot(scores: Any, activations: Any, widths: Any, file: Any) -> None:
    figure, [[ax]] = tn.plot.subplots(size=(4.6, 4.2))
    ax.imshow(scores, cmap="Blues", aspect="auto")
    for row, column in np.ndindex(scores.shape):
        colour = "white" if scores[row, column] > (scores.min() + scores.max()) / 2 else "black"
        ax.text(column, row, f"{scores[row, column]:.1%}", ha="center", va="center", color=colour)
    ax.set(xticks=range(len(widths)), xticklabels=widths, yticks=range(len(activations)), yticklabels=activations)
    ax.set(xlabel="width", title="digits read right, in cross-validation")
    figure.savefig(file, dpi=120)


def main() -> None:
    names = ("linear", "sigmoid", "tanh", "ReLU", "GELU", "Swish", "sin", "square")
    args = parse(__doc__, names, workers=(2, 2), folds=(5, 3))
    widths = QUICK_WIDTHS if args.quick else WIDTHS
    activations = ("linear", "tanh", "ReLU") if args.quick and args.activations == names else args.activations
    x, y, x_test, y_test = load(args.seed)
    found, workers = search(x, y, activations, widths, args)

    shape = len(activations), len(widths)
    scores, spreads = (found.cv_results_[f"{what}_test_score"].reshape(shape) for what in ("mean", "std"))
    dealt_out = f"{scores.size * args.folds} trainings on {workers} worker{'s' * (workers > 1)}"
    print(f"{dealt_out}; {len(x)} pictures, {args.folds} folds, seed {args.seed}")
    print("digits read right in cross-validation, mean and standard deviation over the folds\n")
    print(f"{'width':10}" + "".join(f"{width:>16}" for width in widths))
    for name, *row in zip(activations, scores, spreads, strict=True):
        print(f"{name:10}" + "".join(f"{f'{mean:.1%} ± {spread:.1%}':>16}" for mean, spread in zip(*row, strict=True)))
    row, column = divmod(found.best_index_, len(widths))
    accuracy = found.score(x_test, y_test)
    print(f"\nthe best: {activations[row]}, {widths[column]} wide, {found.best_estimator_.n_iter_} epochs")
    if args.plot is not None:
        plot(scores, activations, widths, args.plot)
        print(f"\nThe picture is in {args.plot}.")
    verdict(accuracy >= WANTED, f"{accuracy:.1%} of {len(x_test)} test pictures read right (at least {WANTED:.0%} wanted)")


if __name__ == "__main__":
    main()
