"""What can be wrong with a training, each with the figures that tell, as a sentence with a remedy."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinynet.graph import reachable
from tinynet.nn.module import Module
from tinynet.tensor import Tensor, node_of

__all__ = [
    "LEARNED", "Finding", "bad_gradients", "bad_units", "diverged", "rate_too_high", "rate_too_low", "stuck_loss", "times",
]  # fmt: skip

Array = np.ndarray[Any, Any]

LEARNED = 0.5
"""A loss below this share of what a constant prediction costs is that of a network which has learned, and fares well."""

DEAD = 0.8
"""The share of a layer's units from which on dead ones are worth a word: some die in every healthy network."""

SATURATED, FLAT = 0.8, 1e-3
"""The share of what an activation is given that lies where its slope is below the second number."""

VANISHING = 1e-4
"""How small a layer's gradient is beside the largest."""

EXPLODING = 300.0
"""By how much the loss would change, to first order, if a layer's weights doubled: so many times what a constant prediction
costs, or 1 if that is less, which is about what costs a network that starts with outputs of order 1."""

RISE, SWING = 1.5, 0.3
"""What multiple of the first loss and of a constant prediction's is too high; how far a loss jumps from epoch to epoch."""

SETTLED = 20
"""Before so many updates the losses say nothing about the learning rate."""

WINDOW = 20
"""In how many epochs jumps are looked for."""

PACE, PROMISE = 1e-5, 1e-3
"""How little the weights move at an update, where to move them by 1 % would lower the loss by such a share."""

STUCK, FALL, STUCK_STEPS, STUCK_EPOCHS = 0.03, 0.005, 500, 3
"""How near to what a constant prediction costs the loss stays, by what share of that it falls at most, and for how many
updates and epochs."""


class Finding(NamedTuple):
    """What a `Doctor` found; printed, it is its sentence.

    Attributes
    ----------
    kind : str
        ``dead units``, ``saturated units``, ``vanishing gradient``, ``exploding gradient``, ``learning rate too high``,
        ``learning rate too low`` or ``stuck loss``.
    layer : str or None
        The name of the module that it is about.
    figure : float
        The number in the sentence that tells how bad it is.
    text : str
        A sentence with the figure and a remedy.

    Examples
    --------
    >>> from tinynet.training import Finding
    >>> print(Finding("stuck loss", None, 0.69, "The loss stays at 0.69."))
    The loss stays at 0.69.
    """

    kind: str
    layer: str | None
    figure: float
    text: str

    def __str__(self) -> str:
        return self.text


def bad_units(model: Module, x: Array) -> Iterator[Finding]:
    """Layers whose units are dead or saturated at some data."""
    from tinynet.inspect.health import dead_units, saturation

    try:
        dead, saturated = dead_units(model, x), saturation(model, x, FLAT)
    except ValueError:  # no activation is a module
        return
    for of_units, of_values in zip(dead, saturated, strict=True):
        name = _named(of_units)
        if of_units.rate >= DEAD:
            yield Finding(
                "dead units", of_units.layer, of_units.rate,
                f"{of_units.dead} of the {of_units.units} units of {name} are dead: their slope is 0 at all {len(x)} rows "
                "looked at, and nothing before them learns. Lower the learning rate, start with smaller weights and biases, or "
                "take LeakyReLU or GELU.",
            )  # fmt: skip
        elif of_values.rate >= SATURATED and of_values.kind != "ReLU":  # which has one half to be flat in
            yield Finding(
                "saturated units", of_values.layer, of_values.rate,
                f"{of_values.rate:.0%} of what {name} is given lies where it is flat (slope below {FLAT:g}), and hardly any "
                "gradient comes through. Start with smaller weights (tn.nn.init.xavier_uniform_), scale the inputs, put a "
                "normalisation before it, or lower the learning rate.",
            )  # fmt: skip


def bad_gradients(model: Module, loss: Tensor, level: float) -> Iterator[Finding]:
    """The layer with the smallest gradient if it vanishes, and that with the largest if it explodes."""
    from tinynet.inspect.health import gradient_norms

    used = {id(node) for node in reachable([node_of(loss)])}
    modules = dict(model.named_modules())
    rows = [row for row in gradient_norms(model, loss) if any(id(x) in used for x in vars(modules[row.layer]).values())]
    if not rows:
        return
    least, largest = min(rows, key=lambda row: row.gradient), max(rows, key=lambda row: row.gradient)
    if least.gradient < VANISHING * largest.gradient:
        share = least.gradient / largest.gradient
        yield Finding(
            "vanishing gradient", least.layer, share,
            f"The gradient vanishes on its way to {_named(least)}: it is {share:.1e} of that of {_named(largest)}. Take ReLU "
            "or GELU in place of sigmoid or tanh, fewer layers, a normalisation between them, or another initialisation.",
        )  # fmt: skip
    worst = max(rows, key=lambda row: row.gradient * row.parameters)
    change = worst.gradient * worst.parameters
    if change > EXPLODING * max(level, 1.0):
        yield Finding(
            "exploding gradient", worst.layer, change / 100,
            f"The gradient explodes: changing the weights of {_named(worst)} by 1 % would change the loss by "
            f"{change / 100:.3g}, where predicting one and the same for every input costs {level:.3g}. Start with smaller "
            "weights, scale inputs and targets, put a normalisation between the layers, or clip the gradient "
            "(tn.optim.clip_grad_norm_).",
        )  # fmt: skip


def times(loss: float, factor: float) -> float:
    """A loss so many times as high; of a negative one, which is a log-density, as far above or below it as of a positive."""
    return loss + (factor - 1) * abs(loss)


def rate_too_high(losses: Sequence[float], steps: int, first: float, level: float) -> Finding | None:
    """Of a loss that rises, or jumps and does not fall."""
    now, highest = losses[-1], times(max(first, level), RISE)
    if steps >= SETTLED and now > highest:
        return Finding(
            "learning rate too high", None, now,
            f"The loss has risen from {first:.4g} to {now:.4g} in {steps} updates: lower the learning rate, by a factor of 10 "
            "to begin with.",
        )  # fmt: skip
    window = np.array(losses[-WINDOW:])
    if len(window) < WINDOW or steps < SETTLED or window.min() < times(level, LEARNED):  # it spiked, and may learn again
        return None
    size, jump = np.abs(window).mean(), np.abs(np.diff(window)).mean()
    if jump > SWING * size and np.median(window[WINDOW // 2 :]) > 0.9 * np.median(window[: WINDOW // 2]):
        return Finding(
            "learning rate too high", None, float(jump / size),
            f"The loss jumps by {jump / size:.0%} from epoch to epoch and does not fall: lower the learning rate, by a "
            "factor of 10 to begin with.",
        )  # fmt: skip
    return None


def diverged(steps: int, first: float, last: float, level: float) -> Finding | None:
    """Of a loss that rose until it was not finite."""
    if not steps or not last > times(max(first, level), RISE):
        return None
    return Finding(
        "learning rate too high", None, last,
        f"The loss rose from {first:.4g} to {last:.4g} in {steps} updates, and then was not finite: lower the learning rate, "
        "by a factor of 10 to begin with.",
    )  # fmt: skip


def rate_too_low(model: Module, before: Iterable[Array], loss: Tensor, steps: int) -> Iterator[Finding]:
    """Of weights that hardly move, though the loss would fall if they did."""
    from tinynet.inspect.health import gradient_norms

    size, value = _norm(x.data for x in model.parameters()), abs(loss.item())
    if not size or not value:  # of which nothing is a share
        return
    moved = _norm(x.data - start for x, start in zip(model.parameters(), before, strict=True)) / size
    promise = 0.01 * _norm(row.gradient for row in gradient_norms(model, loss)) * size / value
    if steps >= SETTLED and moved <= PACE * steps and promise >= PROMISE:
        yield Finding(
            "learning rate too low", None, moved,
            f"In {steps} updates the weights have moved by {100 * moved:.2g} % of their size, and to move them by 1 % could "
            f"lower the loss by {100 * promise:.2g} %: raise the learning rate, by a factor of 10 to begin with.",
        )  # fmt: skip


def stuck_loss(losses: Sequence[float], steps_an_epoch: int, level: float) -> Finding | None:
    """Of a loss that stays where predicting one and the same for every input leads."""
    epochs = max(STUCK_EPOCHS, -(-STUCK_STEPS // steps_an_epoch))
    window = losses[-epochs:]
    if len(losses) < epochs or any(abs(loss - level) > STUCK * level for loss in window):
        return None
    if window[0] - window[-1] > FALL * level:  # on a plateau, and about to leave it
        return None
    return Finding(
        "stuck loss", None, losses[-1],
        f"The loss stays at {losses[-1]:.4g}, and predicting one and the same for every input costs {level:.4g}: in "
        f"{epochs * steps_an_epoch} updates the network has learned nothing of its input. See whether inputs and targets "
        "belong together and are scaled, and whether all layers get a gradient (tn.inspect.gradient_norms); try more units, "
        "or another learning rate.",
    )  # fmt: skip


def _named(row: Any) -> str:
    return f"layer {row.layer} ({row.kind})" if row.layer else f"the {row.kind}"


def _norm(arrays: Iterable[Any]) -> float:
    return float(np.sqrt(sum(np.sum(np.square(x, dtype=np.float64)) for x in arrays)))
