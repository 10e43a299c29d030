"""Stacks of modules of a person's own: what computes right with the members in front is let through, all else refused."""

import copy

import numpy as np
import pytest

import tinynet as tn
from tests.stacks import Recurrent, Residual, mlp, randomised, rng_of
from tinynet import nn
from tinynet.errors import ShapeError
from tinynet.nn.memberlayers import FOR_MEMBERS

N = 7


class OnAxisOne(Residual):
    def forward(self, x):
        y = self.blocks["first"](x)
        return np.concatenate([x, y], axis=1)


class Scale(nn.Module):
    def __init__(self, seed):
        self.factor = nn.Parameter(1.0 + seed)

    def forward(self, x):
        return self.factor * x


class Centred(nn.Module):
    def forward(self, x):
        return x - np.mean(x, axis=0)


def test_a_module_of_ones_own_is_walked_through():
    stack = nn.ensemble(Residual, 3)
    x = rng_of(0).normal(size=(N, 2))
    np.testing.assert_allclose(stack(x).data, [Residual(seed)(x).data for seed in range(3)], rtol=1e-12)
    assert "members.blocks.rest.0.weight" in stack.state_dict()


def test_recurrent_cells():
    stack = nn.ensemble(Recurrent, 3, sample_axes=2)
    x = rng_of(0).normal(size=(N, 4, 2))
    np.testing.assert_allclose(stack(x).data, [Recurrent(seed)(x).data for seed in range(3)], rtol=1e-12)


def test_cells_may_differ_as_activations_may():
    models = [Recurrent(0), Recurrent(1, nonlinearity="relu"), Recurrent(2, bias=False), Recurrent(3)]
    models[1].cell = nn.LSTMCell(2, 3, bias=False, rng=5)  # whose state is a pair
    x = rng_of(0).normal(size=(N, 4, 2))
    np.testing.assert_allclose(nn.stack(models, sample_axes=2)(x).data, [model(x).data for model in models], rtol=1e-12)


class Normed(nn.BatchNorm1d):
    pass


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("n", [4, 7])
def test_a_layer_that_nobody_stacked_is_refused(training, n):
    stack = nn.stack([nn.Sequential(nn.Linear(2, 4, rng=seed), Normed(4)) for seed in range(4)])
    with pytest.raises(ShapeError, match=r"Normed: forward.*stacking"):
        stack.train(training)(np.ones((n, 2)))


@pytest.mark.parametrize("make", [OnAxisOne, lambda seed: Scale(seed), lambda seed: Centred()], ids=["axis", "scale", "mean"])
@pytest.mark.parametrize("n", [1, 2, 3, 7])  # also where the shapes happen to fit
def test_a_module_that_would_compute_something_else_is_refused(make, n):
    with pytest.raises(ShapeError, match=r"(OnAxisOne|Scale|Centred): forward\(\) does not do with an axis.*stacking"):
        nn.ensemble(make, 2)(rng_of(0).normal(size=(n, 2)))


class Slope(nn.Module):
    """A learned number that starts alike in all members: with as many columns as members it fits a wrong axis."""

    def __init__(self):
        self.alpha = nn.Parameter(0.25)

    def forward(self, x):
        return np.maximum(x, 0) + self.alpha * np.minimum(x, 0)


class Shift(nn.Module):
    def __init__(self):
        self.bias = nn.Parameter(np.zeros(4))

    def forward(self, x):
        return x + self.bias


class Offset(nn.Module):
    def __init__(self):
        self.mean = nn.Buffer(np.zeros(4))

    def forward(self, x):
        return x - self.mean


class Gate(nn.Module):
    """Of which nothing is seen as long as the gate is shut."""

    def __init__(self):
        self.gate = nn.Parameter(np.zeros((1, 1)))

    def forward(self, x):
        return x + self.gate * (x - np.mean(x, axis=0))


class Weighted(nn.Module):
    """Weights that are alike among themselves, too."""

    def __init__(self):
        self.logits = nn.Parameter(np.zeros(4))

    def forward(self, x):
        return x * nn.functional.softmax(self.logits, -1)


class Highest(nn.Module):
    def forward(self, x):
        return x - np.max(x, axis=0)


class Looked(nn.Module):
    """Fails with another error than those of shapes."""

    def forward(self, x):
        return {2: x}[np.ndim(x)]


@pytest.mark.parametrize("n", [4, 7])
@pytest.mark.parametrize("make", [Slope, Shift, Offset, Gate, Weighted, Centred, Looked])
@pytest.mark.parametrize("first", [np.zeros, np.ones, lambda shape: np.full(shape, np.nan)], ids=["0", "1", "nan"])
def test_what_is_alike_in_all_members_does_not_hide_a_mistake(make, n, first):
    stack = nn.stack([nn.Sequential(nn.Linear(2, 4, rng=seed), make(), nn.Dropout(0.5)) for seed in range(4)])
    with pytest.raises(ShapeError, match=rf"{make.__name__}: forward\(\) does not do"):
        stack(first((n, 2)))


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_inputs_of_any_size_are_tried(size, dtype):
    x = rng_of(0).normal(size=(N, 2)) * (1 if dtype == "float16" else size)
    with pytest.raises(ShapeError, match="Centred"):
        nn.stack([Centred(), Centred()])(x.astype(dtype))


def test_rounding_is_no_mistake():
    class Difference(nn.Module):
        def forward(self, x):
            far = np.float32(3e6 * np.ndim(x))  # rounded in another way in a stack
            return (x + far) - (far + np.float32(1e6))

    x = (1e6 + rng_of(0).normal(size=(N, 3))).astype("float32")
    assert nn.stack([Difference(), Difference()])(x).shape == (2, N, 3)


@pytest.mark.parametrize("own", [True, False])
def test_integers_are_tried(own):
    x = rng_of(0).integers(0, 9, (3, N, 2) if own else (N, 2))
    with pytest.raises(ShapeError, match="Highest"):
        nn.stack([Highest() for _ in range(3)])(x)


def test_integers_that_members_share_are_told_apart():
    class Sorted(nn.Module):
        def forward(self, x):
            return np.sort(x, axis=0)

    with pytest.raises(ShapeError, match="Sorted"):
        nn.stack([Sorted(), Sorted()])(np.arange(8).reshape(4, 2))  # sorted they are already


def test_the_trial_asks_of_a_module_what_it_is_asked():
    class Logged(nn.Module):
        def __init__(self, seed):
            self.rate = nn.Buffer(0.95)

        def forward(self, x):
            if np.min(np.asarray(x)) <= 0 or not np.all(self.rate.data < 1):
                raise ValueError("Logged: the inputs must be positive")
            return np.log(x)

    x = rng_of(0).uniform(1, 2, (N, 2))
    np.testing.assert_array_equal(nn.ensemble(Logged, 3)(x), [np.log(x)] * 3)
    with pytest.raises(ValueError, match=r"^Logged: the inputs must be positive"):
        nn.ensemble(Logged, 3)(-x)


def hooked(hook):
    def make(seed):
        model = mlp(seed)
        model[0].register_forward_hook(hook)
        return model

    return make


def replaced(forward):
    def make(seed):
        model = mlp(seed)
        model[4].forward = forward
        return model

    return make


def based(function):
    return lambda seed: nn.Sequential(nn.KANLinear(2, 3, base_activation=function, rng=seed))


def halved(module, args, output):
    return output / 2


def centred(x):
    return x - np.mean(x, axis=0)


@pytest.mark.parametrize("make, words", [
    (hooked(lambda module, args, output: centred(output)), "a hook is registered on Linear"),
    (replaced(centred), "forward of Tanh was replaced"),
    (based(centred), "base_activation of KANLinear is centred"),
], ids=["hook", "method", "function"])  # fmt: skip
def test_what_a_person_added_to_a_layer_is_tried(make, words):
    with pytest.raises(ShapeError, match=rf"\({words}\): forward\(\) does not do with"):
        nn.ensemble(make, 3)(np.ones((N, 2)))


@pytest.mark.parametrize("make", [hooked(halved), replaced(np.sin), based(np.cos), based(lambda x: x**2)])
def test_what_a_person_added_may_do(make):
    models, x = [make(seed) for seed in range(3)], rng_of(0).normal(size=(N, 2))
    np.testing.assert_allclose(nn.stack(copy.deepcopy(models))(x).data, [model(x).data for model in models], rtol=1e-12)


def test_a_hook_on_a_parameter_cannot_be_taken_over():
    model = mlp(1)
    handle = model[3].weight.register_hook(lambda g: 0 * g)
    with pytest.raises(ValueError, match=r"a hook is registered on 3\.weight of model 1, .* register it on the stack's own"):
        nn.stack([mlp(0), model])
    handle.remove()
    assert len(nn.stack([mlp(0), model])) == 2


class CentredInTraining(Centred):
    def forward(self, x):
        return super().forward(x) if self.training else x


def test_modules_are_tried_in_training_and_in_evaluation():
    stack = nn.stack([CentredInTraining(), CentredInTraining()])
    assert stack.eval()(np.ones((N, 2))).shape == (2, N, 2)
    with pytest.raises(ShapeError, match="CentredInTraining"):
        stack.train()(np.ones((N, 2)))


class Logarithm(nn.Module):
    def forward(self, x):
        return np.log(x)


def test_the_trial_leaves_no_traces():
    def make(seed):
        return nn.Sequential(Logarithm(), nn.BatchNorm1d(2), nn.Dropout(0.5, rng=seed))  # of half the trial's numbers NaN

    models, x = [make(seed) for seed in range(3)], rng_of(0).uniform(1, 2, (N, 2))
    stack = nn.stack(models)
    for _ in range(2):
        np.testing.assert_allclose(stack(x).data, [model(x).data for model in models], rtol=1e-12)
    for back, model in zip(stack.unstack(), models, strict=True):
        for name, value in model.state_dict().items():
            np.testing.assert_allclose(back.state_dict()[name], value, rtol=1e-12)


class Noisy(nn.Module):
    def __init__(self, rng=None):
        self.rng = rng

    def forward(self, x):
        return x + tn.random.as_generator(self.rng).normal(size=np.shape(x))


def test_modules_that_draw_are_tried_without_drawing():
    def numbers(*models):
        tn.manual_seed(0)
        return np.asarray(nn.stack(models)(np.ones((N, 2))))

    one, two = numbers(Noisy(), Noisy())
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal([one, two], 1 + rng_of(0).normal(size=(2, N, 2)))
    with pytest.raises(ShapeError, match="Noisy"):  # which would have to know that there is a generator for each member
        numbers(Noisy(rng_of(0)), Noisy(rng_of(1)))


def test_what_a_layer_becomes_can_be_told():
    before = dict(FOR_MEMBERS)
    try:

        @nn.stacking(Scale)
        class Scales(Scale):
            def forward(self, x):
                return self.factor[:, None, None] * x

        stack = nn.ensemble(Scale, 3)
        np.testing.assert_array_equal(stack(np.ones((N, 2))).data[:, 0, 0], [1, 2, 3])
        assert type(stack.members) is Scales and type(stack[1]) is Scale
    finally:
        FOR_MEMBERS.clear()
        FOR_MEMBERS.update(before)


def test_a_layer_derived_from_a_known_one_is_not_taken_for_it():
    class Doubled(nn.PReLU):
        def forward(self, x):
            return 2 * super().forward(x)

    models, x = [randomised(Doubled(), seed) for seed in range(3)], rng_of(0).normal(size=(N, 2))
    np.testing.assert_array_equal(nn.stack(models)(x).data, np.stack([model(x).data for model in models]))
