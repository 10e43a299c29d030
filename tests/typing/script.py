"""A person's script, as mypy --strict and pyright see it; `tests/test_typing.py` has them check it, and it also runs."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, assert_type

import numpy as np
import numpy.typing as npt

import tinynet as tn
from tinynet import nn

Floats = npt.NDArray[np.float64]

# Tensors: operators, methods, indexing -------------------------------------------------------------------------------

t = tn.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
u = tn.Tensor(np.ones((2, 2)), requires_grad=True, dtype="float64")
array = np.ones((2, 2))

assert_type(t + u, tn.Tensor)
assert_type(t @ array, tn.Tensor)
assert_type(2.0 * t, tn.Tensor)
assert_type(1 / (t**2 + [1.0, 2.0]), tn.Tensor)
assert_type(-t, tn.Tensor)
assert_type(t[0], tn.Tensor)
assert_type(t[:, None, ...], tn.Tensor)
assert_type(t[array > 0], tn.Tensor)
assert_type(t.sum(), tn.Tensor)
assert_type(t.mean(axis=0, keepdims=True), tn.Tensor)
assert_type(t.reshape(4), tn.Tensor)
assert_type(t.reshape((1, -1)).T, tn.Tensor)
assert_type(t.astype(np.float32), tn.Tensor)
assert_type(t.detach().clip(0, None), tn.Tensor)
assert_type(t < u, npt.NDArray[np.bool_])
assert_type(t == 0, npt.NDArray[np.bool_])
assert_type(t.argmax(), np.intp)
assert_type(t.shape, tuple[int, ...])
assert_type(float(t.sum()), float)
assert_type(t.data, np.ndarray[Any, Any])
for row in t:
    assert_type(row, tn.Tensor)
v = t * 2
v += 1
assert_type(v, tn.Tensor)
assert_type(t.register_hook(lambda g: 2 * g).remove(), None)
(t * u).sum().backward()
if t.grad is not None:
    t.grad = t.grad.clip(-1, 1)
(slope,) = tn.autograd.grad((t**3).sum(), t, create_graph=True)
assert_type(slope, tn.Tensor)
assert_type(tn.autograd.grad(slope.sum(), [t, u], allow_unused=True), tuple[tn.Tensor | None, ...])

# NumPy's functions and operators, of which NumPy's stubs say what they say of arrays -----------------------------------

exponentials: Any = np.exp(t)
stacked: Any = np.stack([t, u])
difference: Any = array - t
assert isinstance(difference, tn.Tensor)
(np.asarray(exponentials.data) * stacked).sum()
assert_type(tn.stop_gradient(t), tn.Tensor)

# Transforms ------------------------------------------------------------------------------------------------------------


def energy(x: Floats, k: float = 1.0) -> Any:
    return k * np.sum(np.sin(x) ** 2)


point = np.array([1.0, 2.0])
both: tuple[Floats, Floats] = tn.grad(energy, argnums=(0, 1))(point, 2.0)[:2]
value, gradient = tn.value_and_grad(energy)(point, k=3.0)
value, (by_x, by_k) = tn.value_and_grad(energy, (0, 1))(point, 3.0)
tn.grad(np.sin)(0.5)
hessian: Floats = tn.hessian(energy)(point)
rows: Floats = tn.jacobian(np.cumsum)(point)
output, pullback = tn.vjp(energy, point)
assert_type(pullback(1.0), tuple[Any, ...])
assert_type(tn.jvp(energy, (point,), (point,)), tuple[Any, Any])
assert_type(tn.hvp(energy, (point,), (point,)), tuple[Any, ...])


@tn.custom_gradient
def gentle(x: tn.Tensor) -> tuple[tn.Tensor, Any]:
    return x, lambda g: np.clip(g, -1, 1)


assert_type(gentle(t), tn.Tensor)


@tn.primitive
def cube(x: Any) -> Any:
    return x * x * x


cube.defvjp(lambda g, out, x: 3 * g * x**2)
cubed: tn.Tensor = cube(t)


# Modules ---------------------------------------------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self, width: int, seed: int = 0) -> None:
        self.inner = nn.Linear(width, width, rng=seed)
        self.scale = nn.Parameter(np.ones(width))

    def forward(self, x: tn.Tensor, times: int = 1) -> tn.Tensor:
        for _ in range(times):
            x = x + self.scale * tn.relu(self.inner(x))
        return x


block = Residual(2)
assert_type(block(t, times=2), tn.Tensor)
assert_type(nn.Linear(2, 3)(array), tn.Tensor)
assert_type(block.scale, nn.Parameter)
assert_type(block.scale * 2, tn.Tensor)
assert_type(block.train().eval(), Residual)
assert_type(block.state_dict(), dict[str, np.ndarray[Any, Any]])
block.load_state_dict(block.state_dict(), strict=True)
assert_type(nn.MSELoss()(block(t), array), tn.Tensor)
assert_type(nn.GELU()(t), tn.Tensor)
activated: Floats = nn.GELU()(array)
assert_type(tn.checkpoint(block)(t), tn.Tensor)

for layer in (nn.Flatten(), nn.Identity(), nn.Dropout(0.0), nn.LayerNorm(2), nn.BatchNorm1d(2), nn.PReLU(), nn.Sequential()):
    assert isinstance(layer(t), tn.Tensor)
assert_type(nn.Flatten()(t), tn.Tensor)
assert_type(nn.Dropout()(block.scale), tn.Tensor)
assert_type(nn.Sequential(nn.Linear(2, 3), nn.ReLU())(t), tn.Tensor)
assert_type(nn.LSTMCell(2, 3)(t), tuple[tn.Tensor, tn.Tensor])
assert_type(tn.sigmoid(t) * tn.softmax(t, axis=-1) + tn.gelu(t, approximate="tanh"), tn.Tensor)
assert_type(nn.functional.mse_loss(t, array, reduction="sum"), tn.Tensor)
assert_type(nn.functional.cross_entropy(input=t, target=np.array([0, 1])), tn.Tensor)
assert_type(nn.functional.prelu(t, block.scale), tn.Tensor)


class Classifier(nn.Module):
    """What is declared to give a tensor gives one, and no Any that a checker would complain of."""

    def __init__(self) -> None:
        self.layers = nn.Sequential(nn.Linear(2, 4, rng=0), nn.Mish(), nn.Linear(4, 3, rng=1))
        self.blocks = nn.ModuleList([nn.Tanh(), nn.Dropout(0.1)])

    def forward(self, x: tn.Tensor) -> tn.Tensor:
        x = self.layers(x)
        for block in self.blocks:
            x = block(x)
        return tn.log_softmax(x)

    def loss(self, x: tn.Tensor, labels: npt.NDArray[np.int64]) -> tn.Tensor:
        loss = nn.functional.nll_loss(self(x), labels)
        for parameter in self.parameters():
            loss += 0.01 * (parameter**2).sum()
        return loss


assert_type(Classifier()(t), tn.Tensor)
Classifier().loss(t, np.array([0, 2])).backward()

model = nn.Sequential(nn.Linear(2, 8, rng=0), nn.Tanh(), nn.Sequential(Residual(8), nn.Dropout(0.1)), nn.Linear(8, 1, rng=1))
names: dict[str, nn.Parameter] = dict(model.named_parameters())
handle = model[0].register_forward_hook(lambda module, args, output: None)
handle.remove()
table = model.summary((2,))
assert_type(table.total, int)
assert_type([row.output for row in table], list[str])
model.load_state_dict(model.state_dict())

# Optimizers, and a training loop of one's own ----------------------------------------------------------------------------

optimizer = tn.optim.Adam(model.parameters(), lr=0.01)
scheduler = tn.optim.StepLR(optimizer, step_size=10)
x, y = tn.data.xor()
loss_function = nn.BCEWithLogitsLoss()


@tn.compile
def step(x: Floats, y: Floats) -> tn.Tensor:
    optimizer.zero_grad()
    loss: tn.Tensor = loss_function(model(x), y)
    loss.backward()
    tn.optim.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss


assert_type(step(x, y[:, None]), tn.Tensor)
assert_type(step.recordings, int)


@tn.compile(check=True)
def double(x: Floats, by: float = 2.0) -> Floats:
    return x * by


assert_type(double(x, by=2.0), Floats)


class Steps:
    @tn.compile
    def run(self, x: Floats) -> Floats:
        return x * 2


assert_type(Steps().run(x), Floats)
scheduler.step()
with tn.no_grad():
    for parameter in model.parameters():
        parameter -= 0.01 * np.ones(parameter.shape)


@tn.no_grad()
def predicted(x: Floats) -> tn.Tensor:
    output: tn.Tensor = model(x)
    return output


assert_type(predicted(x), tn.Tensor)

# The trainer -------------------------------------------------------------------------------------------------------------


class Print(tn.training.Callback):
    def on_epoch_end(self, trainer: tn.Trainer, record: Mapping[str, Any]) -> None:
        if trainer.history.epochs > 3:
            trainer.stop_training = True


def share(prediction: Floats, target: Floats) -> float:
    return float(np.mean((prediction > 0) == target))


trainer = tn.Trainer(model, loss_function, optimizer, metrics=["binary_accuracy", share], callbacks=[Print()], rng=0)
history = trainer.fit(x, y[:, None], epochs=2, validation_data=(x, y[:, None]), verbose=0)
assert_type(history, tn.History)
last: float = history["loss"][-1]
assert_type(trainer.model, nn.Sequential)
assert_type(trainer.evaluate(x, y[:, None]), dict[str, float])
assert_type(trainer.predict(x), np.ndarray[Any, Any])

models = nn.stack([nn.Sequential(nn.Linear(2, 4, rng=seed), nn.ReLU(), nn.Linear(4, 1)) for seed in range(3)])
assert_type(models[0], nn.Module)
outputs: tn.Tensor = models(x)
together = tn.Trainer(models, nn.MSELoss(), tn.optim.SGD(models.parameters(), lr=0.1))
assert_type(together.fit(x, y[:, None], epochs=1, verbose=0).member(0), tn.History)
assert_type(together.evaluate(x, y[:, None]), dict[str, npt.NDArray[np.float64]])

# Data, gradcheck, inspection -----------------------------------------------------------------------------------------------


def loader() -> Iterator[tuple[Floats, Floats]]:
    yield from tn.data.batches(x, y[:, None], batch_size=2, rng=0)


trainer.fit(list(loader()), epochs=1, verbose=0)
spirals, labels = tn.data.spirals(50, rng=0)
assert_type(tn.testing.gradcheck(energy, (point,)), tn.testing.GradcheckReport)
regions = tn.inspect.linear_regions(nn.Sequential(nn.Linear(2, 4, rng=0), nn.ReLU()), ((-1.0, 1.0), (-1.0, 1.0)))
statistics = tn.inspect.activation_statistics(model, x)
assert_type([row.mean for row in statistics], list[float])
assert_type(tn.inspect.dot(nn.MSELoss()(block(t), array), block).upper(), str)
assert_type(tn.inspect.report(np.tanh).symmetry, str)
assert_type(tn.manual_seed(0), np.random.Generator)

# Mistakes that a type checker finds: a comment that has nothing to ignore is itself an error to mypy -----------------------

if TYPE_CHECKING:
    t.bakward()  # type: ignore[attr-defined]
    t.sum(axes=0)  # type: ignore[call-arg]
    nn.Linear(2, 3)(t, t)  # type: ignore[call-arg]
    nn.Dropout()(t, t)  # type: ignore[call-overload]
    nn.functional.mse_loss(t)  # type: ignore[call-overload]
    nn.functional.mse_loss(t, array, reduce="sum")  # type: ignore[call-overload]
    tn.gelu(t, approximate=1)  # type: ignore[call-overload]
    block(t, times="2")  # type: ignore[arg-type]
    step(x)  # type: ignore[call-arg]
    double(x, by="2")  # type: ignore[arg-type]
    trainer.fit(x, y, epochs="3")  # type: ignore[arg-type]
    tn.Trainer(model, loss_function, "adam")  # type: ignore[arg-type]
    nn.Parameter("w") + t.shape + object()  # type: ignore[operator]
