"""Threads, processes and copies: each trains what is its own, to the bits that it would have alone."""

import asyncio
import copy
import multiprocessing
import pickle
import sys
import threading
import warnings

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn

THREADS = 8


def points(seed):
    x = np.random.default_rng(seed).normal(size=(24, 2))
    return x, (x[:, :1] * x[:, 1:] > 0).astype(float)


def network(rng):
    return nn.Sequential(
        nn.Linear(2, 8, rng=rng), nn.BatchNorm1d(8), nn.GELU(), nn.Dropout(0.25, rng=rng), nn.Linear(8, 1, rng=rng)
    )


def trainer_of(seed, compile="auto", callbacks=()):
    rng = np.random.default_rng(seed)
    model = network(rng)
    optimizer = tn.optim.Adam(model.parameters(), lr=0.02)
    scheduler = tn.training.Scheduler(tn.optim.ExponentialLR(optimizer, 0.98))
    return tn.Trainer(model, nn.BCEWithLogitsLoss(), optimizer, callbacks=[scheduler, *callbacks], rng=rng, compile=compile)


def bits(model):
    return [x.tobytes() for x in model.state_dict().values()]


def fitted(trainer, seed):
    history = trainer.fit(*points(seed), epochs=4, batch_size=8, verbose=0)
    return history["loss"], bits(trainer.model)


def by_a_trainer(compile):
    return lambda seed: fitted(trainer_of(seed, compile), seed)


def by_hand(seed):
    """With the default generator of the thread, no_grad, a scheduler and clipping."""
    tn.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Dropout(0.25), nn.Linear(8, 1))
    optimizer = tn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, y = points(seed)
    for _ in range(12):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        tn.optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with tn.no_grad():
            model(x)
    return bits(model)


def by_a_compiled_step(seed):
    model = network(np.random.default_rng(seed))
    optimizer = tn.optim.AdamW(model.parameters(), lr=0.02)

    @tn.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    losses = [step(*points(seed)).item() for _ in range(12)]
    return losses, bits(model)


def under_detection(seed):
    with tn.detect_anomaly():
        return by_hand(seed)


def a_stack(seed):
    members = [nn.Sequential(nn.Linear(2, 8, rng=seed), nn.Tanh(), nn.Linear(8, 1, rng=k)) for k in range(3)]
    stack = nn.stack(members)
    trainer = tn.Trainer(stack, nn.MSELoss(), tn.optim.SGD(stack.parameters(), lr=0.1), rng=seed)
    trainer.fit(*points(seed), epochs=3, batch_size=8, verbose=0)
    return bits(stack)


WAYS = {
    "trainer": by_a_trainer("auto"), "uncompiled": by_a_trainer(False), "by hand": by_hand, "compiled": by_a_compiled_step,
    "under detection": under_detection, "stack": a_stack,
}  # fmt: skip


def at_once(functions):
    """The results of functions that run in threads, all from one moment on."""
    barrier, results = threading.Barrier(len(functions)), [None] * len(functions)

    def run(i):
        barrier.wait()
        results[i] = functions[i]()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # 500 times as often as usual, so that what may go wrong does
    try:
        threads = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    return results


@pytest.mark.parametrize("way", WAYS)
def test_threads_train_the_same_bits_as_one_after_another(way):
    train = WAYS[way]
    alone = [train(seed) for seed in range(THREADS)]
    assert at_once([lambda seed=seed: train(seed) for seed in range(THREADS)]) == alone
    assert len({str(result) for result in alone}) == THREADS


def test_all_ways_at_once():
    ways = list(WAYS.values())
    alone = [train(0) for train in ways]
    assert at_once([lambda train=train: train(0) for train in ways]) == alone


def test_modes_of_one_thread_are_not_those_of_another():
    entered, done = threading.Event(), threading.Event()

    def inside():
        with tn.no_grad(), tn.detect_anomaly():
            tn.set_default_dtype("float32")
            entered.set()
            done.wait(10)
            return tn.is_grad_enabled(), tn.get_default_dtype()

    def outside():
        entered.wait(10)
        try:
            x = tn.tensor([0.0], requires_grad=True)
            with np.errstate(divide="ignore"):
                np.log(x).sum().backward()
            return tn.is_grad_enabled(), tn.get_default_dtype(), x.grad.tolist()
        finally:
            done.set()

    assert at_once([inside, outside]) == [(False, np.float32), (True, np.float64, [np.inf])]


def test_a_decorated_generator_or_coroutine_runs_in_the_mode_and_what_drives_it_does_not():
    @tn.no_grad()
    def numbers(n):
        """Counts."""
        try:
            for i in range(n):
                try:
                    assert (yield i) == f"sent {i}"
                except KeyError:
                    seen.append("thrown")
                seen.append(tn.is_grad_enabled())
            return "done"
        finally:
            seen.append(("last", tn.is_grad_enabled()))

    def through():
        nonlocal result
        result = yield from numbers(2)

    seen, result, drive = [], None, through()
    assert next(drive) == 0
    assert tn.is_grad_enabled()
    assert drive.send("sent 0") == 1
    with pytest.raises(StopIteration):
        drive.throw(KeyError)
    assert (seen, result) == ([False, "thrown", False, ("last", False)], "done")
    left = numbers(3)
    next(left)
    left.close()
    assert (seen[4:], tn.is_grad_enabled(), numbers.__doc__) == ([("last", False)], True, "Counts.")

    @tn.detect_anomaly()
    async def log(x):
        await asyncio.sleep(0)
        return np.log(x)

    async def both():
        watched = asyncio.create_task(log(tn.tensor([0.0])))
        with np.errstate(divide="ignore"):
            await asyncio.sleep(0)
            assert np.log(tn.tensor([0.0])).item() == -np.inf
            await watched

    with pytest.raises(tn.errors.AnomalyError):
        asyncio.run(both())
    with pytest.raises(TypeError, match="put a with block into it"):

        @tn.enable_grad()
        async def asynchronous():
            yield 1


# Processes -----------------------------------------------------------------------------------------------------------


def train_in_child(pipe, trainer, seed):
    pipe.send(fitted(trainer, seed))


def answer_of_child(method, *arguments):
    """What a trainer becomes in a child process."""
    context = multiprocessing.get_context(method)
    mine, its = context.Pipe()
    child = context.Process(target=train_in_child, args=(its, *arguments))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
        child.start()
    try:
        assert mine.poll(60), f"the child says nothing; it ended with {child.exitcode}"
        return mine.recv()
    finally:
        child.join(10)
        child.kill()


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_child_process_trains_to_the_same_bits(method):
    trainer = trainer_of(0, callbacks=[tn.training.Doctor(), tn.training.BestModel("loss")])
    trainer.fit(*points(0), epochs=2, batch_size=8, verbose=0)  # a compiled step, moments and generators under way
    child = answer_of_child(method, trainer, 0)
    assert child == fitted(trainer, 0)


# Copies --------------------------------------------------------------------------------------------------------------

copies = pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"])


def steps(model, optimizer, scheduler, rng, n):
    x, y = points(0)
    for _ in range(n):
        rows = rng.permutation(len(x))[:8]
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
        optimizer.step()
        scheduler.step()
    return bits(model), optimizer.param_groups[0]["lr"], rng.bit_generator.state


@copies
def test_model_optimizer_scheduler_and_generator_stay_tied_to_one_another(duplicate):
    rng = np.random.default_rng(0)
    model = network(rng)  # whose dropout draws from the same generator as the order of the rows
    optimizer = tn.optim.Adam(model.parameters(), lr=0.02)
    original = (model, optimizer, tn.optim.StepLR(optimizer, 2), rng)
    steps(*original, 3)
    before = bits(model)
    twin = duplicate(original)
    assert twin[1].param_groups[0]["params"][0] is next(twin[0].parameters())
    assert twin[0][3].rng is twin[3]
    ahead = steps(*twin, 5)
    assert bits(model) == before
    assert steps(*original, 5) == ahead


@copies
def test_a_trainer_with_its_callbacks(duplicate):
    callbacks = [tn.training.Doctor(), tn.training.EarlyStopping("loss", patience=3), tn.training.Logger(print)]
    trainer = trainer_of(0, callbacks=callbacks)
    fitted(trainer, 0)
    twin = duplicate(trainer)
    assert twin.callbacks[0].scheduler.optimizer is twin.optimizer
    before = bits(trainer.model)
    ahead = fitted(twin, 0)
    assert bits(trainer.model) == before
    assert fitted(trainer, 0) == ahead


class Learner:
    """With a step that is compiled for all instances."""

    def __init__(self, seed):
        self.model = nn.Linear(2, 1, rng=seed)
        self.optimizer = tn.optim.SGD(self.model.parameters(), lr=0.1)

    @tn.compile
    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = nn.functional.mse_loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def learn(self, n):
        return [self.step(*points(0)).item() for _ in range(n)], bits(self.model)


@copies
def test_what_has_a_compiled_method(duplicate):
    learner = Learner(0)
    learner.learn(3)
    before = bits(learner.model)
    twin = duplicate(learner)
    ahead = twin.learn(3)
    assert bits(learner.model) == before
    assert learner.learn(3) == ahead


class Step:
    def __init__(self):
        self.w = tn.tensor([1.0, 2.0], requires_grad=True)

    def __call__(self, x):
        self.w.grad = None
        ((self.w * x) ** 2).sum().backward()
        with tn.no_grad():
            self.w -= 0.1 * self.w.grad
        return self.w.data.copy()


@copies
def test_a_compiled_object_takes_what_it_works_on_along(duplicate):
    step = tn.compile(Step())
    for _ in range(3):
        now = step(np.ones(2))
    twin = duplicate(step)
    ahead = [twin(np.ones(2)).tolist() for _ in range(3)]
    assert step(np.ones(2)).tolist() == ahead[0] != now.tolist()
    assert twin.recordings == 2


def test_a_compiled_function_is_copied_as_functions_are():
    """A copy refers to what the function refers to, and records by itself."""
    w = tn.tensor([1.0], requires_grad=True)

    @tn.compile
    def double():
        w.data *= 2
        return w.data.copy()

    twin = copy.deepcopy(double)
    assert [f().item() for f in (double, twin, double, twin, double)] == [2.0, 4.0, 8.0, 16.0, 32.0]
    assert twin.recordings == double.recordings == 2
    with pytest.raises((AttributeError, pickle.PicklingError)):  # a local function, which has no name to go by
        pickle.dumps(double)
