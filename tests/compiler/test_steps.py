"""Random training steps, compiled and as they are: networks, losses, optimizers and what happens between the calls are drawn.

Both have the same weights, optimizer state, gradients (and which are None), losses, outputs and generators after each call.
"""

import os

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as tn
from tinynet import nn, optim
from tinynet.random import as_generator
from tinynet.trees import leaves

STEPS = int(os.environ.get("STEPS", settings.default.max_examples))

SHAKEN_BY = 64
"""By so many roundings the parameters of two more twins are changed before each call: up in one where down in the other.

By how much these differ in the end is what rounding does, and by so much a compiled step may differ: a pass may add in another
order, an optimizer divides by the size of a gradient, and what was cast to float32 stays rounded when it is cast back.
"""

A_FEW = 16
"""So many roundings a number may always differ by."""

ACTIVATIONS = [
    nn.ELU, nn.GELU, nn.SELU, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.LeakyReLU, nn.LogSigmoid, nn.LogSoftmax, nn.Mish,
    nn.PReLU, nn.ReLU, nn.ReLU6, nn.SiLU, nn.Sigmoid, nn.Sin, nn.Softmax, nn.Softplus, nn.Softsign, nn.Square, nn.Swish,
    nn.Tanh, nn.Tanhshrink, lambda: nn.Swish(1.5, learn=True), nn.APL,
    lambda: nn.GELU("tanh"), lambda: nn.Sin(2.0), nn.Identity,
]  # fmt: skip

OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.05),
    "momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01),
    "dampening": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.3),
    "Nesterov": lambda p: optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True),
    "Adam": lambda p: optim.Adam(p, lr=0.01, eps=1e-3),
    "AMSGrad": lambda p: optim.Adam(p, lr=0.01, eps=1e-3, amsgrad=True, weight_decay=0.02),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01, eps=1e-3),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, eps=1e-3, momentum=0.5),
    "centered": lambda p: optim.RMSprop(p, lr=0.01, eps=1e-2, centered=True),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.01, lr_decay=0.1, eps=1e-3),
}

SCHEDULES = {
    "StepLR": lambda o: optim.StepLR(o, 2, 0.5),
    "ExponentialLR": lambda o: optim.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda o: optim.CosineAnnealingLR(o, 5),
}


def a_loss(loss, **options):
    return lambda reduction: loss(reduction=reduction, **options)


LOSSES = {  # for each what its target is, and what makes it
    "mse": ("real", a_loss(nn.MSELoss)),
    "l1": ("real", a_loss(nn.L1Loss)),
    "huber": ("real", a_loss(nn.HuberLoss, delta=0.5)),
    "smooth l1": ("real", a_loss(nn.SmoothL1Loss, beta=0.7)),
    "bce with logits": ("binary", a_loss(nn.BCEWithLogitsLoss)),
    "weighted bce": ("binary", a_loss(nn.BCEWithLogitsLoss, weight=[0.3, 2.0, 1.0], pos_weight=[1.5, 1.0, 0.5])),
    "cross entropy": ("labels", a_loss(nn.CrossEntropyLoss)),
    "of classes with weights": (
        "labels", a_loss(nn.CrossEntropyLoss, weight=[0.5, 1.0, 2.0], ignore_index=2, label_smoothing=0.1),
    ),
    "of probabilities": ("probabilities", a_loss(nn.CrossEntropyLoss)),
    "nll": ("labels", a_loss(nn.NLLLoss)),
}  # fmt: skip
CLASSES = 3


@st.composite
def plans(draw):
    """What a step is made of, and what happens to it: plain values, so that twins can be made of it."""
    hidden = draw(st.lists(st.integers(1, 5), max_size=3))
    return {
        "seed": draw(st.integers(0, 1000)),
        "dtype": draw(st.sampled_from([np.float64, np.float32])),
        "inputs": draw(st.sampled_from([(3,), (4,), (2, 2)])),
        "hidden": hidden,
        "bias": draw(st.booleans()),
        "activations": [draw(st.sampled_from(ACTIVATIONS)) for _ in hidden],
        "dropout": draw(st.sampled_from([None, None, "own", "default"])),
        "shared": draw(st.booleans()),
        "frozen": draw(st.sampled_from([None, None, 0, -1])),
        "loss": draw(st.sampled_from(sorted(LOSSES))),
        "reduction": draw(st.sampled_from(["mean", "sum", "none"])),
        "optimizer": draw(st.sampled_from([*OPTIMIZERS, "by hand", "velocity in tensors", "velocity in arrays"])),
        "groups": draw(st.booleans()),
        "schedule": draw(st.sampled_from([None, None, *SCHEDULES])),
        "zero": draw(st.sampled_from(["start", "start", "end", "module", "never"])),
        "clip": draw(st.sampled_from([None, None, "norm", "largest", "value"])),
        "backwards": draw(st.sampled_from([1, 1, 1, 2])),
        "returns": draw(st.sampled_from(["loss", "both", "dict", "nothing"])),
        "events": draw(st.lists(st.tuples(st.sampled_from(sorted(EVENTS)), st.integers(0, 5)), min_size=4, max_size=10)),
    }


class Twin:
    """A model, an optimizer and a step, as a plan has them."""

    def __init__(self, plan, compiled):
        self.plan = plan
        self.dtype = plan["dtype"]
        self.rows = 4
        self.model = self._network(plan).astype(self.dtype)
        parameters = list(self.model.parameters())
        if plan["frozen"] is not None:
            parameters[plan["frozen"]].requires_grad = False
        self.optimizer = self._optimizer(plan, parameters)
        schedule = SCHEDULES.get(plan["schedule"])
        self.scheduler = schedule(self.optimizer) if schedule and isinstance(self.optimizer, optim.Optimizer) else None
        self.loss = LOSSES[plan["loss"]][1](plan["reduction"]).astype(self.dtype)
        step = self._step(plan)
        self.step = tn.compile(step) if compiled else step

    def _network(self, plan):
        rng = np.random.default_rng(plan["seed"])
        layers = [nn.Flatten()] if len(plan["inputs"]) > 1 else []
        width = int(np.prod(plan["inputs"]))
        for n, activation in zip(plan["hidden"], plan["activations"], strict=True):
            layers += [nn.Linear(width, n, bias=plan["bias"], rng=rng), activation()]
            if plan["shared"] and width == n:
                layers.append(layers[-2])
            width = n
        if plan["dropout"]:
            layers.append(nn.Dropout(0.4, rng=np.random.default_rng(plan["seed"]) if plan["dropout"] == "own" else None))
        layers.append(nn.Linear(width, CLASSES, rng=rng))
        if plan["loss"] == "nll":
            layers.append(nn.LogSoftmax())
        return nn.Sequential(*layers)

    def _optimizer(self, plan, parameters):
        if plan["optimizer"] not in OPTIMIZERS:
            return ByHand(parameters, plan["optimizer"])
        groups = [{"params": parameters[:1], "lr": 0.02}, {"params": parameters[1:]}]
        return OPTIMIZERS[plan["optimizer"]](groups if plan["groups"] and len(parameters) > 1 else parameters)

    def _step(self, plan):
        def step(x, y):
            if plan["zero"] == "start":
                self.optimizer.zero_grad()
            elif plan["zero"] == "module":
                self.model.zero_grad()
            for _ in range(plan["backwards"]):
                out = self.model(x)
                loss = self.loss(out, y)
                loss = np.mean(loss) if loss.ndim else loss
                loss.backward()
            if plan["clip"] == "norm":
                optim.clip_grad_norm_(self.model.parameters(), 0.5)
            elif plan["clip"] == "largest":
                optim.clip_grad_norm_(self.model.parameters(), 0.5, norm_type=np.inf)
            elif plan["clip"] == "value":
                optim.clip_grad_value_(self.model.parameters(), 0.1)
            self.optimizer.step()
            if self.scheduler is not None:
                self.scheduler.step()
            if plan["zero"] == "end":
                self.optimizer.zero_grad()
            results = {"loss": loss, "both": (loss, out), "dict": {"loss": loss, "out": [out, None, "text"]}, "nothing": None}
            return results[plan["returns"]]

        return step

    def batch(self, rng):
        shape = (self.rows, CLASSES)
        kind = LOSSES[self.plan["loss"]][0]
        if kind == "real":
            y = rng.standard_normal(shape).astype(self.dtype)
        elif kind == "binary":
            y = rng.integers(0, 2, shape).astype(self.dtype)
        elif kind == "labels":
            y = rng.integers(0, CLASSES, self.rows)
        else:
            y = rng.dirichlet(np.ones(CLASSES), self.rows).astype(self.dtype)
        x = rng.standard_normal((self.rows, *self.plan["inputs"])).astype(self.dtype)
        return x, y

    def observed(self):
        """All that a step changes."""
        found = {f"p{i}": p.data for i, p in enumerate(self.model.parameters())}
        found |= {f"gradient {i}": p.grad for i, p in enumerate(self.model.parameters())}
        state = self.optimizer.state_dict()["state"]
        found |= {f"state {i} {name}": np.asarray(x) for i, named in state.items() for name, x in named.items()}
        if isinstance(self.optimizer, optim.Optimizer):
            found |= {f"lr {i}": np.float64(group["lr"]) for i, group in enumerate(self.optimizer.param_groups)}
        if self.scheduler is not None:
            found["epoch"] = np.float64(self.scheduler.last_epoch)
        for layer in self.model:
            if isinstance(layer, nn.Dropout) and layer.rng is not None:
                found["generator"] = np.float64(layer.rng.bit_generator.state["state"]["state"] % 2**40)
        return found


class ByHand:
    """Gradient descent in plain tinynet or NumPy, with a velocity in tensors, in arrays, or none."""

    def __init__(self, parameters, kind):
        self.parameters = parameters
        self.kind = kind
        self.rate = np.array(0.05)
        zeros = [np.zeros_like(p.data) for p in parameters]
        self.velocities = {"velocity in tensors": [tn.Tensor(x) for x in zeros], "velocity in arrays": zeros}.get(kind, [])

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    def step(self):
        with tn.no_grad():
            for i, p in enumerate(self.parameters):
                if p.grad is None:
                    continue
                if self.kind == "by hand":
                    p -= 0.05 * p.grad
                elif self.kind == "velocity in tensors":
                    v = self.velocities[i]
                    v *= 0.9
                    v += p.grad
                    p -= 0.05 * v
                else:
                    v = self.velocities[i]
                    v += p.grad  # of an array and a recorded one: the array is changed
                    p -= np.multiply(p.grad, 0.01) + 0.001 * (v + 0 * p.grad)

    def state_dict(self):
        return {"state": {i: {"velocity": v.data if isinstance(v, tn.Tensor) else v} for i, v in enumerate(self.velocities)}}


# What happens between the calls --------------------------------------------------------------------------------------


def called(twin, k):
    pass


def other_rows(twin, k):
    twin.rows = 2 + k


def evaluated(twin, k):
    twin.model.train(k % 2)


def frozen(twin, k):
    parameters = list(twin.model.parameters())
    parameters[k % len(parameters)].requires_grad ^= True
    if not any(p.requires_grad for p in parameters):
        parameters[0].requires_grad = True


def loaded(twin, k):
    twin.model.load_state_dict({name: x * 0.9 for name, x in twin.model.state_dict().items()})


def replaced(twin, k):
    parameters = list(twin.model.parameters())
    p = parameters[k % len(parameters)]
    p.data = p.data * 1.1


def cast(twin, k):
    if twin.optimizer.state_dict()["state"] and isinstance(twin.optimizer, ByHand):
        return
    twin.dtype = np.float64 if k % 2 else np.float32
    twin.model.astype(twin.dtype)
    twin.loss.astype(twin.dtype)


def rate(twin, k):
    if isinstance(twin.optimizer, optim.Optimizer):
        twin.optimizer.param_groups[-1]["lr"] = 0.01 * (1 + k)


def option(twin, k):
    if isinstance(twin.optimizer, optim.Optimizer):
        twin.optimizer.param_groups[0]["weight_decay"] = 0.01 * k


def scheduled(twin, k):
    if twin.scheduler is not None:
        twin.scheduler.step()


def cleared(twin, k):
    twin.model.zero_grad()


def given_gradient(twin, k):
    parameters = list(twin.model.parameters())
    p = parameters[k % len(parameters)]
    p.grad = np.full_like(p.data, 0.01 * k)


def optimizer_loaded(twin, k):
    if isinstance(twin.optimizer, optim.Optimizer):
        twin.optimizer.load_state_dict(twin.optimizer.state_dict())


def other_activation(twin, k):
    places = [i for i, layer in enumerate(twin.model) if isinstance(layer, nn.Tanh | nn.ReLU | nn.Sigmoid)]
    if places:
        twin.model[places[0]] = nn.Softsign() if k % 2 else nn.Tanh()


def seeded(twin, k):
    tn.manual_seed(k)


EVENTS = {f.__name__: f for f in (
    called, other_rows, evaluated, frozen, loaded, replaced, cast, rate, option, scheduled, cleared, given_gradient,
    optimizer_loaded, other_activation, seeded,
)}  # fmt: skip


# The comparison ------------------------------------------------------------------------------------------------------


def shake(twin, roundings, seed):
    """Have the parameters off by up to so many roundings."""
    rng = np.random.default_rng(seed)
    for p in twin.model.parameters():
        p.data *= (1 + roundings * np.finfo(p.dtype).eps * rng.uniform(-1, 1, p.shape)).astype(p.dtype)


def norm(x):
    return np.linalg.norm(x.astype(np.float64).ravel())


def assert_alike(found, expected, shaken, what):
    if expected is None or isinstance(expected, str):
        assert found == expected, what
        return
    assert type(found) is type(expected), what
    found, expected, *shaken = (x.data if isinstance(x, tn.Tensor) else x for x in (found, expected, *shaken))
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype), what
    rounding = max(norm(x - expected) for x in shaken)
    assert norm(found - expected) <= rounding + A_FEW * np.finfo(found.dtype).eps * norm(expected), what


def run(plan):
    twins = compiled, plain, more, less = [Twin(plan, compiled) for compiled in (True, False, False, False)]
    rng = np.random.default_rng(plan["seed"])
    tn.manual_seed(plan["seed"])
    for event, k in [("called", 0), *plan["events"]]:
        for twin in twins:
            EVENTS[event](twin, k)
        for _ in range(2 + k % 3):
            if not all(np.all(np.abs(p.data) <= 100) for p in plain.model.parameters()):
                return compiled.step  # it diverges, and every rounding with it
            batch = plain.batch(rng)
            seed = rng.integers(2**32)
            shake(more, SHAKEN_BY, seed)
            shake(less, -SHAKEN_BY, seed)
            generator, results, drawn = as_generator(), [], []
            before = generator.bit_generator.state
            for twin in twins:
                generator.bit_generator.state = before
                results.append(leaves({"": twin.step(*batch)}))
                drawn.append(generator.bit_generator.state)
            assert drawn[0] == drawn[1]
            for (path, found), (_, expected), *others in zip(*results, strict=True):
                assert_alike(found, expected, [x for _, x in others], path)
            found, expected, *shaken = (twin.observed() for twin in twins)
            assert found.keys() == expected.keys()
            for name in expected:
                assert_alike(found[name], expected[name], [x[name] for x in shaken], (event, name))
    return compiled.step


@settings(max_examples=STEPS)
@given(plans())
def test_compiled_steps_are_the_steps(plan):
    run(plan)
