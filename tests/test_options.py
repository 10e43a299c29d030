"""Options given as one of NumPy's numbers are the plain numbers: their dtype does not decide that of what is computed.

The options are found in the signatures of all layers, losses, functions, optimizers and schedulers: what is a float by
default or is said to be one.
"""

from functools import partial
from inspect import Parameter, isclass, signature

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn

REQUIRED = {"normalized_shape": 3, "gamma": 0.5}
"""What arguments without a default are, if they are no number of things and no data."""


def public(*modules):
    names = [(module, name) for module in modules for name in module.__all__]
    return {f"{module.__name__}.{name}".removeprefix("tinynet."): getattr(module, name) for module, name in names}


def floats(call):
    """The options of a class or function that are floats, or tuples of them, each with a value that does not leave it off."""
    found = {}
    for p in signature(call).parameters.values():
        if type(p.default) is float or p.annotation in (float, float | None):
            found[p.name] = REQUIRED.get(p.name, 0.25) if p.default in (None, 0.0, Parameter.empty) else p.default
        elif isinstance(p.default, tuple) and p.default and all(type(x) is float for x in p.default):
            found[p.name] = p.default
    return found


def required(call):
    """The names of the arguments that have no default."""
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in signature(call).parameters.values() if p.kind in kinds and p.default is Parameter.empty]


def cases(calls):
    """A call, and one of its options as NumPy's number and as Python's."""
    found = []
    for name, call in calls.items():
        for option, value in floats(call).items():
            for kind in (np.float64, np.float32):
                numpys = tuple(map(kind, value)) if isinstance(value, tuple) else kind(value)
                pythons = tuple(map(float, numpys)) if isinstance(value, tuple) else float(numpys)
                found.append(pytest.param(call, {option: numpys}, {option: pythons}, id=f"{name}-{option}-{kind.__name__}"))
    return found


def sample(seed):
    """Single precision, probabilities except for the seed 0."""
    return np.random.default_rng(seed).uniform(-1 if seed == 0 else 0.1, 0.9, (4, 3)).astype(np.float32)


def outcome(call, arguments):
    """The output and the gradient for a random cotangent."""
    x = tn.tensor(arguments[0], requires_grad=True)
    y = call(x, *arguments[1:])
    (dx,) = tn.autograd.grad(y, [x], np.random.default_rng(3).normal(size=y.shape))
    return y.data, dx.data


def assert_same(found, expected):
    for x, y in zip(found, expected, strict=True):
        assert x.dtype == y.dtype != np.float64
        np.testing.assert_array_equal(x, y)


PUBLIC = public(tn, nn, nn.functional, tn.optim)
KINDS = {name: x for name, x in PUBLIC.items() if isclass(x)}
LAYERS = {name: x for name, x in KINDS.items() if issubclass(x, nn.Module)}
OPTIMIZERS = {name: x for name, x in KINDS.items() if issubclass(x, tn.optim.Optimizer)}
SCHEDULERS = {name: x for name, x in KINDS.items() if issubclass(x, tn.optim.Scheduler)}
OF_ARRAYS = ("x", "input", "query")
FUNCTIONS = {
    name: x for name, x in PUBLIC.items() if callable(x) and not isclass(x) and required(x) and required(x)[0] in OF_ARRAYS
}


@pytest.mark.parametrize("kind, numpys, pythons", cases(LAYERS))
def test_options_of_layers(kind, numpys, pythons):
    fixed = {name: value for name, value in (("dtype", "float32"), ("rng", 0)) if name in signature(kind).parameters}
    given = [REQUIRED.get(name, 3) for name in required(kind)]
    found = []
    for option in (numpys, pythons):
        layer = kind(*given, **{**fixed, **option})
        arguments = [sample(seed) for seed, _ in enumerate(required(layer.forward))]
        arrays = [*outcome(layer, arguments), *outcome(layer.eval(), arguments), *layer.state_dict().values()]
        found.append((repr(layer), arrays))
    assert found[0][0] == found[1][0]
    assert_same(found[0][1], found[1][1])


@pytest.mark.parametrize("function, numpys, pythons", cases(FUNCTIONS))
def test_options_of_functions(function, numpys, pythons):
    arguments = [REQUIRED.get(name, sample(seed)) for seed, name in enumerate(required(function))]
    found, expected = (outcome(partial(function, **option), arguments) for option in (numpys, pythons))
    assert_same(found, expected)
    with tn.no_grad():
        assert function(*arguments, **numpys).dtype == np.float32


@pytest.mark.parametrize("kind, numpys, pythons", cases(OPTIMIZERS))
def test_options_of_optimizers(kind, numpys, pythons):
    found = []
    for option in (numpys, pythons):
        w = tn.tensor(sample(0), requires_grad=True)
        optimizer = kind([w], **option)
        for seed in range(3):
            w.grad = sample(seed)
            optimizer.step()
        found.append((repr(optimizer), w.data))
    assert found[0][0] == found[1][0]
    assert_same([found[0][1]], [found[1][1]])


@pytest.mark.parametrize("kind, numpys, pythons", cases(SCHEDULERS))
def test_options_of_schedulers(kind, numpys, pythons):
    rates = []
    for option in (numpys, pythons):
        optimizer = tn.optim.SGD([tn.tensor(sample(0), requires_grad=True)], lr=0.3)
        scheduler = kind(optimizer, *[3 for name in required(kind)[1:] if name not in option], **option)
        for _ in range(4):
            scheduler.step()
        rates.append(scheduler.get_last_lr())
    assert rates[0] == rates[1]
    assert type(rates[0][0]) is float


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_limits_of_clipping(kind):
    w = tn.tensor(sample(0), requires_grad=True)
    for clip in (tn.optim.clip_grad_value_, tn.optim.clip_grad_norm_):
        found = []
        for limit in (kind(0.3), float(kind(0.3))):
            w.grad = sample(0)
            clip([w], limit)
            found.append([w.grad])
        assert_same(*found)


def test_the_options_are_found():
    assert len(KINDS) > 50
    assert {"nn.ELU", "nn.Dropout", "nn.CrossEntropyLoss", "nn.BatchNorm1d"} <= {x for x in LAYERS if floats(LAYERS[x])}
    assert {"elu", "nn.functional.huber_loss", "nn.functional.scaled_dot_product_attention"} <= set(FUNCTIONS)
    assert set(floats(tn.optim.Adam)) == {"lr", "betas", "eps", "weight_decay"}
    assert set(floats(tn.optim.LinearLR)) == {"start_factor", "end_factor"}


def test_an_own_operation():
    @tn.primitive
    def scaled(x, factor=2.0, *, further=1.0):
        return factor * x * further

    scaled.defvjp(lambda g, out, x, factor=2.0, further=1.0: factor * g * further)
    third, expected = np.float64(0.3), outcome(lambda x: scaled(x, 0.3), [sample(0)])
    for options in ((third,), ()), ((), {"factor": third}):
        assert_same(outcome(lambda x, given=options: scaled(x, *given[0], **dict(given[1])), [sample(0)]), expected)
    assert_same(outcome(lambda x: scaled(x, 1.0, further=third), [sample(0)]), expected)
    assert scaled(np.float32(1.0)).dtype == np.float32  # an operand keeps its dtype


def test_an_own_operation_of_any_number_of_operands():
    @tn.primitive
    def total(*xs, factor=1.0):
        return sum(xs) * factor

    x, third = sample(0), np.float64(0.3)
    assert_same([total(x, x, factor=third)], [total(x, x, factor=0.3)])
    assert total(x, third).dtype == total(third, x).dtype == np.float64  # of the operands
