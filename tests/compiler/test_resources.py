"""A compiled step in several threads and processes, and its memory over many calls."""

import os
import threading
import time
import tracemalloc
import warnings

import numpy as np
import pytest

import tinynet as tn
from tests.compiler.networks import batch, network, training


def test_threads_take_turns():
    step = tn.compile(lambda x: np.sum(np.tanh(x) * 2))
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(200):
            x = rng.normal(size=50)
            if not np.isclose(step(x), np.sum(np.tanh(x) * 2), rtol=1e-12):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_two_threads_record_at_once():
    barrier = threading.Barrier(2)
    results = {}

    def work(factor):
        w = tn.tensor(np.full(3, factor), requires_grad=True)

        def step(x):
            barrier.wait()
            loss = np.sum(np.tanh(w * x))
            barrier.wait()
            loss.backward()
            return loss.data, w.grad

        compiled = tn.compile(step)
        results[factor] = [compiled(np.arange(3.0)), compiled(np.arange(3.0))]

    threads = [threading.Thread(target=work, args=(factor,)) for factor in (0.5, 2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for factor, ((loss, _), _) in results.items():
        np.testing.assert_allclose(loss, np.sum(np.tanh(factor * np.arange(3.0))), rtol=1e-12)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_child_that_is_forked_while_another_thread_runs_the_step_does_not_hang():
    step = tn.compile(lambda x: np.sum(np.tanh(x)))
    x = np.ones(50000)
    for _ in range(3):
        step(x)
    stop = threading.Event()

    def work():
        while not stop.is_set():
            step(x)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
            child = os.fork()
        if child == 0:
            step(x)
            os._exit(0)
        for _ in range(200):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            time.sleep(0.05)
        else:
            os.kill(child, 9)
            os.waitpid(child, 0)
        assert done and status == 0
    finally:
        stop.set()
        thread.join()


def test_replays_grow_no_memory():
    model = network()
    step = training(model)
    x, y = batch()
    for _ in range(50):
        step(x, y)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            step(x, y)
        assert tracemalloc.get_traced_memory()[0] - before < 2000
    finally:
        tracemalloc.stop()
