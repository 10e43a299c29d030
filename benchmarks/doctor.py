"""Trainings that are healthy, and such that are made sick on purpose: what a `tinynet.training.Doctor` says of them.

``python -m benchmarks.doctor`` runs all of them, with three seeds (``--seeds``), and prints false alarms and what was missed.
"""

import argparse
import warnings
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np

import tinynet as tn
from tinynet import nn, optim
from tinynet.training import Doctor, Finding, NonFiniteError

__all__ = ["HEALTHY", "SICK", "Case", "looked_at", "main"]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "gelu": nn.GELU, "silu": nn.SiLU, "elu": nn.ELU,
    "leaky relu": nn.LeakyReLU, "softplus": nn.Softplus, "mish": nn.Mish, "selu": nn.SELU,
}  # fmt: skip


class Case(NamedTuple):
    """A training, ready to start; healthy if it ends with less than `goal` times what a constant prediction costs."""

    model: nn.Module
    loss: nn.Module
    optimizer: Any
    x: Any
    y: Any
    epochs: int
    batch_size: int = 32
    goal: float = 0.5


def network(sizes: list[int], act: str, seed: int, norm: bool = False, last: tuple[nn.Module, ...] = ()) -> nn.Sequential:
    """Linear layers with activations between them."""
    rng = np.random.default_rng(seed)
    layers: list[nn.Module] = []
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        between = [ACTIVATIONS[act]()] if i < len(sizes) - 2 else []
        layers += [nn.Linear(fan_in, fan_out, rng=rng), *([nn.BatchNorm1d(fan_out)] if norm and between else []), *between]
    return nn.Sequential(*layers, *last)


def xor_data(seed: int) -> tuple[Any, Any]:
    x, y = tn.data.xor()
    return x, y[:, None]


def circle_data(seed: int, n: int = 200) -> tuple[Any, Any]:
    x, y = tn.data.circle(n, rng=seed)
    return x, y[:, None]


def sine_data(seed: int, frequency: float = 1.0) -> tuple[Any, Any]:
    x = np.linspace(-3, 3, 128)[:, None]
    return x, np.sin(frequency * x)


def digits_data(seed: int) -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.data[:600] / 16, digits.target[:600]


# Healthy -------------------------------------------------------------------------------------------------------------


def xor(act: str, seed: int) -> Case:
    model = network([2, 8, 1], act, seed)
    return Case(model, nn.BCEWithLogitsLoss(), optim.Adam(model.parameters(), lr=0.05), *xor_data(seed), 600, goal=0.1)


def xor_by_sgd(act: str, seed: int) -> Case:
    model = network([2, 8, 1], act, seed)
    optimizer = optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    return Case(model, nn.BCEWithLogitsLoss(), optimizer, *xor_data(seed), 1000, goal=0.1)


def xor_squared(act: str, seed: int) -> Case:
    model = network([2, 8, 1], act, seed, last=(nn.Sigmoid(),))
    x, y = xor_data(seed)
    return Case(model, nn.MSELoss(), optim.Adam(model.parameters(), lr=0.05), x, y.astype(float), 800, goal=0.1)


def circle(act: str, seed: int, norm: bool = False) -> Case:
    model = network([2, 16, 16, 1], act, seed, norm)
    return Case(model, nn.BCEWithLogitsLoss(), optim.Adam(model.parameters(), lr=0.01), *circle_data(seed), 60)


def circle_with_batch_norm(act: str, seed: int) -> Case:
    return circle(act, seed, norm=True)


def circle_by_sgd(act: str, seed: int) -> Case:
    model = network([2, 16, 16, 1], act, seed)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return Case(model, nn.BCEWithLogitsLoss(), optimizer, *circle_data(seed), 100)


def circle_through_a_sigmoid(act: str, seed: int) -> Case:
    model = network([2, 16, 1], act, seed, last=(nn.Sigmoid(),))
    x, y = circle_data(seed)
    return Case(model, nn.BCELoss(), optim.Adam(model.parameters(), lr=0.03), x, y.astype(float), 60)


def deep(act: str, seed: int) -> Case:
    model = network([2, *[32] * 5, 1], act, seed)
    return Case(model, nn.BCEWithLogitsLoss(), optim.Adam(model.parameters(), lr=0.003), *circle_data(seed), 60)


def deep_with_batch_norm(act: str, seed: int) -> Case:
    model = network([2, *[32] * 5, 1], act, seed, norm=True)
    return Case(model, nn.BCEWithLogitsLoss(), optim.Adam(model.parameters(), lr=0.003), *circle_data(seed), 60)


def spirals(act: str, seed: int) -> Case:
    model = network([2, 32, 32, 2], act, seed)
    data = tn.data.spirals(200, rng=seed)
    return Case(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.01), *data, 150)


def moons_with_dropout(act: str, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    model = nn.Sequential(nn.Linear(2, 64, rng=rng), ACTIVATIONS[act](), nn.Dropout(0.3, rng=rng), nn.Linear(64, 2, rng=rng))
    data = tn.data.moons(200, rng=seed)
    return Case(model, nn.CrossEntropyLoss(), optim.AdamW(model.parameters(), lr=0.01), *data, 60, goal=0.6)


def sine(act: str, seed: int) -> Case:
    model = network([1, 32, 32, 1], act, seed)
    return Case(model, nn.MSELoss(), optim.Adam(model.parameters(), lr=0.01), *sine_data(seed, 2.0), 150)


def sine_by_sgd(act: str, seed: int) -> Case:
    model = network([1, 32, 1], act, seed)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    return Case(model, nn.MSELoss(), optimizer, *sine_data(seed), 150)


def sine_absolute(act: str, seed: int) -> Case:
    model = network([1, 32, 32, 1], act, seed)
    return Case(model, nn.L1Loss(), optim.RMSprop(model.parameters(), lr=0.003), *sine_data(seed), 100)


def small_sine(act: str, seed: int) -> Case:
    model = network([1, 32, 32, 1], act, seed)
    x, y = sine_data(seed)
    return Case(model, nn.MSELoss(), optim.Adam(model.parameters(), lr=0.001), x, y / 20, 200)


def noisy_sine(act: str, seed: int) -> Case:
    model = network([1, 16, 1], act, seed)
    x, y = sine_data(seed)
    y = y + np.random.default_rng(seed).normal(size=y.shape)
    return Case(model, nn.MSELoss(), optim.Adam(model.parameters(), lr=0.01), x, y, 60, goal=1.0)


def rare_class(act: str, seed: int) -> Case:
    model = network([2, 16, 1], act, seed)
    x = np.random.default_rng(seed).normal(size=(600, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    return Case(model, nn.BCEWithLogitsLoss(), optimizer, x, (x.sum(axis=1) > 2.6)[:, None], 40, goal=0.6)


def digits(act: str, seed: int) -> Case:
    model = network([64, 64, 10], act, seed)
    return Case(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.003), *digits_data(seed), 12)


def autoencoder(act: str, seed: int) -> Case:
    model = network([64, 32, 8, 32, 64], act, seed)
    x = digits_data(seed)[0][:300]
    return Case(model, nn.MSELoss(), optim.Adam(model.parameters(), lr=0.003), x, x, 40, goal=0.7)


HEALTHY: dict[str, Callable[[str, int], Case]] = {
    task.__name__: task
    for task in (
        xor, xor_by_sgd, xor_squared, circle, circle_with_batch_norm, circle_by_sgd, circle_through_a_sigmoid, deep,
        deep_with_batch_norm, spirals, moons_with_dropout, sine, sine_by_sgd, sine_absolute, small_sine, noisy_sine, rare_class,
        digits, autoencoder,
    )
}  # fmt: skip


# Sick ----------------------------------------------------------------------------------------------------------------


def brief(case: Case, epochs: int) -> Case:
    return case._replace(epochs=epochs)


def with_weights(case: Case, factor: float, *layers: int) -> Case:
    """With the weights of some linear layers, all unless told, times a factor."""
    for i, layer in enumerate(case.model.children()):
        if isinstance(layer, nn.Linear) and (not layers or i in layers):
            layer.weight.data *= factor
    return case


def with_bias(case: Case, layer: int, value: float) -> Case:
    linear: Any = list(case.model.children())[layer]
    linear.bias.data += value
    return case


def at_rate(case: Case, kind: Any, lr: float, **options: Any) -> Case:
    return case._replace(optimizer=kind(case.model.parameters(), lr=lr, **options))


def deep_case(sizes: list[int], act: str, seed: int, factor: float, optimizer: Any, lr: float) -> Case:
    model = network(sizes, act, seed)
    x, y = circle_data(seed) if sizes[0] == 2 else sine_data(seed)
    case = Case(model, nn.MSELoss(), optimizer(model.parameters(), lr=lr), x, y.astype(float), 8)
    return with_weights(case, factor)


SICK: dict[str, tuple[str, Callable[[int], Case]]] = {
    "XOR, low biases": ("dead units", lambda seed: with_bias(brief(xor("relu", seed), 100), 0, -10)),
    "circle, low biases": ("dead units", lambda seed: with_bias(brief(circle("relu", seed), 10), 2, -20)),
    "circle, steps of SGD that kill": (
        "dead units", lambda seed: at_rate(brief(circle("relu", seed), 20), optim.SGD, 30.0)
    ),
    "digits, low biases": ("dead units", lambda seed: with_bias(brief(digits("relu", seed), 3), 0, -20)),
    "circle, large weights": ("saturated units", lambda seed: with_weights(brief(circle("tanh", seed), 10), 100)),
    "sine, inputs not scaled": (
        "saturated units", lambda seed: sine("sigmoid", seed)._replace(x=1000 * sine_data(seed)[0], epochs=10)
    ),
    "sine, targets not scaled": (
        "saturated units", lambda seed: at_rate(sine("tanh", seed)._replace(y=200 * sine_data(seed)[1] + 300), optim.Adam, 0.03)
    ),
    "digits, large weights": ("saturated units", lambda seed: with_weights(brief(digits("tanh", seed), 3), 100)),
    "ten sigmoids": ("vanishing gradient", lambda seed: deep_case([2, *[16] * 10, 1], "sigmoid", seed, 1.0, optim.SGD, 0.1)),
    "twenty tanh": ("vanishing gradient", lambda seed: deep_case([1, *[8] * 20, 1], "tanh", seed, 0.8, optim.Adam, 0.001)),
    "eight small leaky layers": (
        "vanishing gradient", lambda seed: deep_case([2, *[16] * 8, 1], "leaky relu", seed, 0.1, optim.SGD, 0.1)
    ),
    "eight large layers": (
        "exploding gradient", lambda seed: deep_case([2, *[32] * 8, 1], "relu", seed, 8.0, optim.Adam, 0.001)
    ),
    "ten large leaky layers": (
        "exploding gradient", lambda seed: deep_case([1, *[16] * 10, 1], "leaky relu", seed, 6.0, optim.SGD, 1e-6)
    ),
    "sine, SGD": ("learning rate too high", lambda seed: at_rate(sine_by_sgd("tanh", seed), optim.SGD, 5.0)),
    "sine, SGD with momentum": (
        "learning rate too high", lambda seed: at_rate(sine_by_sgd("relu", seed), optim.SGD, 3.0, momentum=0.9)
    ),
    "XOR, SGD": ("learning rate too high", lambda seed: at_rate(brief(xor("tanh", seed), 100), optim.SGD, 100.0)),
    "spirals, Adam": ("learning rate too high", lambda seed: at_rate(brief(spirals("tanh", seed), 40), optim.Adam, 3.0)),
    "digits, SGD": ("learning rate too high", lambda seed: at_rate(digits("gelu", seed), optim.SGD, 20.0)),
    "XOR, slow SGD": ("learning rate too low", lambda seed: at_rate(brief(xor("tanh", seed), 200), optim.SGD, 1e-5)),
    "circle, slow Adam": ("learning rate too low", lambda seed: at_rate(brief(circle("relu", seed), 20), optim.Adam, 1e-6)),
    "sine, slow SGD": ("learning rate too low", lambda seed: at_rate(brief(sine("gelu", seed), 30), optim.SGD, 1e-6)),
    "digits, slow SGD": ("learning rate too low", lambda seed: at_rate(brief(digits("relu", seed), 8), optim.SGD, 1e-5)),
    "XOR by a line": ("stuck loss", lambda seed: stuck(nn.BCEWithLogitsLoss(), *xor_data(seed), 1500, 1, seed)),
    "circle by a line": ("stuck loss", lambda seed: stuck(nn.BCEWithLogitsLoss(), *circle_data(seed, 400), 100, 1, seed)),
    "noise": ("stuck loss", lambda seed: stuck(nn.MSELoss(), *noise(seed), 20, 2, seed)),
    "XOR, dead": ("stuck loss", lambda seed: with_bias(brief(xor("relu", seed), 1200), 0, -10)),
}  # fmt: skip
"""By their names: what is to be found, and the training for a seed."""


def stuck(loss: nn.Module, x: Any, y: Any, epochs: int, outputs: int, seed: int) -> Case:
    model = network([2, outputs], "tanh", seed)
    return Case(model, loss, optim.Adam(model.parameters(), lr=0.01), x, y, epochs)


def noise(seed: int) -> Any:
    return np.random.default_rng(seed).normal(size=(2, 2000, 2))


# Looking at them -----------------------------------------------------------------------------------------------------


def looked_at(case: Case, every: int | None = None) -> tuple[list[Finding], bool]:
    """What a doctor finds in a training, and whether the training reached its goal."""
    doctor = Doctor(every=every, tell=lambda finding: None)
    trainer = tn.Trainer(case.model, case.loss, case.optimizer, callbacks=[doctor], rng=0)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            losses = trainer.fit(case.x, case.y, epochs=case.epochs, batch_size=case.batch_size, verbose=0)["loss"]
    except NonFiniteError:
        return doctor.findings, False
    level = doctor.level
    return doctor.findings, level is not None and losses[-1] < case.goal * level


def healthy(seeds: range) -> Iterator[str]:
    count, solved = 0, 0
    alarms = []
    for name, task in HEALTHY.items():
        for act in ACTIVATIONS:
            for seed in seeds:
                found, good = looked_at(task(act, seed))
                count, solved = count + 1, solved + good
                alarms += [(good, f"{name}, {act}, seed {seed}: {finding.kind} ({finding.figure:.3g})") for finding in found]
    yield f"healthy: {count} trainings, {solved} of which reached their goal"
    yield f"  findings in those that did, false alarms: {sum(good for good, _ in alarms)}"
    yield from (f"    {text}" for good, text in alarms if good)
    yield f"  findings in the others: {sum(not good for good, _ in alarms)}"
    yield from (f"    {text}" for good, text in alarms if not good)


def sick(seeds: range) -> Iterator[str]:
    yield "sick: what is to be found, in how many of the trainings it was, and what was found besides"
    for name, (kind, make) in SICK.items():
        found = [{finding.kind for finding in looked_at(make(seed))[0]} for seed in seeds]
        besides = {other: sum(other in kinds for kinds in found) for other in sorted(set().union(*found) - {kind})}
        hits = sum(kind in kinds for kinds in found)
        yield f"  {name:32} {kind:24} {hits}/{len(seeds)}  {', '.join(f'{other} {n}' for other, n in besides.items())}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.doctor", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds for each training")
    seeds = range(parser.parse_args(arguments).seeds)
    for line in chain(sick(seeds), healthy(seeds)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
