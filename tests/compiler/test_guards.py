"""What a recording depends on besides its arguments is noticed when it changes, wherever it lies."""

import copy
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from tinynet.compiler.guards import Snapshot
from tinynet.compiler.signature import signature

X = np.array([[1.0, 2.0]])


def model_with(forward, bases=(tn.nn.Module,), **attributes):
    """An object of a class of its own."""
    model = type("Own", bases, {"forward": forward})()
    for name, value in attributes.items():
        setattr(model, name, value)
    return model


def assert_noticed(step, change, *args):
    """A compiled step does what the step does, before a change and after it, in the replays too."""
    compiled = tn.compile(step)
    for _ in range(4):
        np.testing.assert_array_equal(compiled(*args), step(*args))
    before = step(*args)
    change()
    assert not np.array_equal(step(*args), before)
    for _ in range(4):
        np.testing.assert_array_equal(compiled(*args), step(*args))
    recordings = compiled.recordings
    compiled(*args)
    assert compiled.recordings == recordings


class Telling:
    """A class that looks after its attributes, and tells nobody else."""

    def __init__(self):
        self.scale = 2.0

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)


class Slotted:
    __slots__ = ("__hidden", "scale")

    def __init__(self):
        self.scale, self.__hidden = 2.0, 1.0

    def hide(self):
        self.__hidden = 3.0

    def product(self):
        return self.scale * self.__hidden


class WithData:
    scale = 2.0


OBJECTS = {
    "its own __setattr__": (Telling(), lambda c: c.scale, lambda c: setattr(c, "scale", 5.0)),
    "a slot": (Slotted(), lambda c: c.scale, lambda c: setattr(c, "scale", 5.0)),
    "a private slot": (Slotted(), lambda c: c.product(), lambda c: c.hide()),
    "data of its class": (WithData(), lambda c: c.scale, lambda c: setattr(WithData, "scale", 5.0)),
    "an attribute over it": (WithData(), lambda c: c.scale, lambda c: setattr(c, "scale", 7.0)),
    "an object in it": (
        SimpleNamespace(a=SimpleNamespace(scale=2.0)), lambda c: c.a.scale, lambda c: setattr(c.a, "scale", 5.0),
    ),
    "a list of objects in it": (
        SimpleNamespace(a=[Telling()]), lambda c: c.a[0].scale, lambda c: setattr(c.a[0], "scale", 5.0),
    ),
    "a list in a tuple": (SimpleNamespace(a=([2.0],)), lambda c: c.a[0][0], lambda c: c.a[0].__setitem__(0, 5.0)),
    "a private dict": (SimpleNamespace(_a={"b": 2.0}), lambda c: c._a["b"], lambda c: c._a.update(b=5.0)),
    "a deleted attribute": (
        SimpleNamespace(scale=2.0), lambda c: getattr(c, "scale", 1.0), lambda c: delattr(c, "scale"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OBJECTS)
def test_a_change_of_an_argument_is_noticed(name):
    thing, value, change = OBJECTS[name]
    assert_noticed(lambda x, thing: x * value(thing), lambda: change(thing), X, thing)


def test_an_equal_value_of_an_immutable_class_is_no_change():
    from fractions import Fraction

    step = tn.compile(lambda x, f: x * float(f))
    for _ in range(4):
        np.testing.assert_array_equal(step(X, Fraction(1, 2)), X / 2)
    assert step.recordings == 2


MODULES = {
    "a private dict": (
        model_with(lambda m, x: x * m._a["b"], _a={"b": 2.0}), lambda m: m._a.update(b=5.0),
    ),
    "a list in a tuple": (
        model_with(lambda m, x: x * m.a[0][0], a=([2.0],)), lambda m: m.a[0].__setitem__(0, 5.0),
    ),
    "an object in it": (
        model_with(lambda m, x: x * m.a.scale, a=SimpleNamespace(scale=2.0)), lambda m: setattr(m.a, "scale", 5.0),
    ),
    "a deleted attribute": (
        model_with(lambda m, x: x * (0.5 if m.training else 3.0), training=False), lambda m: delattr(m, "training"),
    ),
    "a module more in a list": (
        model_with(lambda m, x: m.layers[0](x) * len(m.layers), layers=tn.nn.ModuleList([tn.nn.Tanh()])),
        lambda m: m.layers.append(tn.nn.Tanh()),
    ),
    "another module in a list": (
        model_with(lambda m, x: sum(f(x) for f in m.layers), layers=tn.nn.ModuleList([tn.nn.Tanh(), tn.nn.Tanh()])),
        lambda m: m.layers.__setitem__(0, tn.nn.ReLU()),
    ),
    "a module less in a list": (
        model_with(lambda m, x: sum(f(x) for f in m.layers), layers=tn.nn.ModuleList([tn.nn.Tanh(), tn.nn.Tanh()])),
        lambda m: m.layers.pop(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_a_change_of_a_module_is_noticed(name):
    model, change = MODULES[name]

    def step(x):
        with tn.no_grad():
            return model(tn.Tensor(x)).data

    assert_noticed(step, lambda: change(model), X)


def test_data_of_a_persons_module_class_is_looked_at():
    model = model_with(lambda m, x: x * m.scale)
    type(model).scale = 2.0
    assert_noticed(lambda x: model(x), lambda: setattr(type(model), "scale", 5.0), X)


def test_changes_of_the_librarys_own_modules_are_announced():
    """They cost a replay nothing as long as there is none."""
    model = tn.nn.Sequential(tn.nn.Linear(2, 3), tn.nn.Dropout(0.5, rng=0), tn.nn.ModuleList([tn.nn.Tanh()]))
    assert all(Snapshot(module, ()).is_announced for module in model.modules())
    assert Snapshot(model_with(None, scale=2.0, sizes=(1, 2)), ()).is_announced
    assert not Snapshot(model_with(None, sizes=[1, 2]), ()).is_announced


def test_what_changed_is_named():
    thing = SimpleNamespace(a=1.0, b=[2.0])
    snapshot = Snapshot(thing, ())
    assert snapshot.holds()
    thing.b.append(3.0)
    thing.c = 1
    assert not snapshot.holds()
    assert snapshot.described() == "b and c of SimpleNamespace"


# The optimizer's options ---------------------------------------------------------------------------------------------


def test_a_step_may_report_its_learning_rate():
    def run(compile):
        p = tn.tensor([1.0, 2.0], requires_grad=True)
        optimizer = tn.optim.SGD([p], lr=0.1)
        scheduler = tn.optim.StepLR(optimizer, 3, 0.1)

        def step(x):
            optimizer.zero_grad()
            np.sum(p * p * x).backward()
            optimizer.step()
            scheduler.step()
            group = optimizer.param_groups[0]
            return group["lr"], x * group["lr"], x * group["momentum"]

        step = tn.compile(step) if compile else step
        results = []
        for i in range(8):
            if i == 4:
                optimizer.param_groups[0]["lr"] = 0.5
                optimizer.param_groups[0]["momentum"] = 0.25
            results.append([float(np.sum(y)) for y in step(np.ones(2))])
        return results, p.data.tolist()

    assert run(True) == run(False)


def test_a_step_may_set_its_learning_rate():
    def run(compile):
        p = tn.tensor([1.0, 2.0], requires_grad=True)
        optimizer = tn.optim.SGD([p], lr=0.5)
        group = optimizer.param_groups[0]

        def step(x):
            optimizer.zero_grad()
            np.sum(p * x).backward()
            optimizer.step()
            group["lr"] = group["lr"] * 0.5

        step = tn.compile(step) if compile else step
        return [(step(np.ones(2)), group["lr"], p.data.tolist())[1:] for _ in range(6)]

    assert run(True) == run(False)


# NumPy's error state -------------------------------------------------------------------------------------------------


def test_a_state_of_the_step_that_is_the_callers_too_is_kept():
    def step(x):
        with np.errstate(over="ignore"):
            return np.exp(x)

    compiled = tn.compile(step)
    with np.errstate(all="ignore"):
        for _ in range(3):
            compiled(np.ones(2))
    with np.errstate(over="raise"):
        for _ in range(4):
            np.testing.assert_array_equal(compiled(np.full(2, 1e3)), np.inf)
    assert compiled.recordings == 4
    with np.errstate(all="ignore"):  # the first recording still holds, under a state that is another object
        compiled(np.ones(2))
    assert compiled.recordings == 4


def test_a_step_without_states_of_its_own_is_replayed_under_any():
    compiled = tn.compile(np.exp)
    with np.errstate(all="ignore"):
        for _ in range(3):
            compiled(np.ones(2))
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        compiled(np.full(2, 1e3))
    assert compiled.recordings == 2


def test_what_of_the_surroundings_changes_all_the_time_is_told():
    def step(x):
        with np.errstate(over="ignore"):
            return np.exp(x)

    compiled = tn.compile(step)
    handlers = [lambda *_, k=k: k for k in range(20)]
    with pytest.warns(RuntimeWarning, match="What changed last: np.errstate around the step"):
        for handler in handlers:
            with np.errstate(call=handler):
                compiled(np.ones(2))


# What the code refers to -----------------------------------------------------------------------------------------------

SCALE = tn.tensor([2.0, 3.0])
SHIFT = np.array([1.0, 1.0])


def scaled(x):
    return x * SCALE


@pytest.mark.parametrize("step", [
    lambda x: x * SCALE, lambda x: scaled(x), lambda x: [x * SCALE for _ in range(2)][1], partial(scaled),
], ids=["global", "called", "inner", "partial"])  # fmt: skip
def test_a_global_tensor_may_be_replaced(step, monkeypatch):
    compiled = tn.compile(step)
    for factor in ([2.0, 3.0], [5.0, 7.0]):
        monkeypatch.setitem(globals(), "SCALE", tn.tensor(factor))
        for _ in range(4):
            np.testing.assert_array_equal(compiled(X).data, X * factor)
    assert compiled.recordings == 4


def test_an_array_in_the_closure_may_be_replaced():
    weight = np.ones(2)

    def replace():
        nonlocal weight
        weight = np.full(2, 3.0)

    assert_noticed(lambda x: np.tanh(x) * weight, replace, X)


def test_what_became_of_an_array_in_the_closure_is_told():
    weight = np.ones(2)
    step = tn.compile(lambda x: x * weight)
    with pytest.warns(RuntimeWarning, match="What changed last: the array weight that the step's code refers to"):
        for i in range(40):
            weight = np.full(2, float(i))
            np.testing.assert_array_equal(step(X), X * i)


def test_a_name_of_an_attribute_is_no_global_one(monkeypatch):
    batch = SimpleNamespace(SHIFT=X)
    step = tn.compile(lambda x: x * batch.SHIFT)
    for i in range(4):
        monkeypatch.setitem(globals(), "SHIFT", np.full(2, float(i)))
        step(X)
    assert step.recordings == 2


def test_the_content_of_an_array_in_the_closure_may_change():
    weight = np.ones(2)
    step = tn.compile(lambda x: x * weight)
    for i in range(5):
        weight[...] = i // 2
        np.testing.assert_array_equal(step(X), X * (i // 2))
    assert step.recordings == 2


@pytest.mark.parametrize("parts", ["__defaults__", "__kwdefaults__", "__closure__"])
def test_what_a_function_among_the_arguments_holds_is_looked_at(parts):
    held = [2.0]

    def by_default(x, factor=held):
        return x * factor[0]

    def by_keyword(x, *, factor=held):
        return x * factor[0]

    def by_closure(x):
        return x * held[0]

    functions = {"__defaults__": by_default, "__kwdefaults__": by_keyword, "__closure__": by_closure}

    def change():
        held[0] = 3.0

    assert_noticed(lambda x, function: function(x), change, X, functions[parts])


@pytest.mark.parametrize(("a", "b"), [
    (0j, complex(0.0, -0.0)), (complex(-0.0, 0.0), 0j), (frozenset({1}), frozenset({1.0})), (frozenset({1}), frozenset({True})),
    ({1: 2}, {True: 2}), ({1: 2}, {1.0: 2}), (0.0, -0.0), ((1,), (True,)), (np.float64(1), 1.0),
])  # fmt: skip
def test_equal_values_that_are_not_the_same_have_signatures_of_their_own(a, b):
    assert signature(a) != signature(b)
    assert signature(a) == signature(copy.deepcopy(a))
