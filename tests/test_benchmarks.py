"""The benchmarks: a peer that computes something else is caught, and the short run works with NumPy alone."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cli, growth, harness, peers, runner, settings
from benchmarks.peers import BASELINE, BOUND, COMPILED, OWN, SUBJECT, plain_numpy, tinynet_eager, tuned, updates
from benchmarks.runner import Runner
from benchmarks.tasks import Gradient, Training
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).parents[1]
SMALL = [name for name in WORKLOADS if name not in ("wide", "gated")]


@pytest.fixture(scope="module")
def runners():
    """Those that are there on every machine."""
    return {name: Runner.load(name) for name in OWN}


def altered(build, alter_loss=lambda loss: loss, alter_result=lambda arrays: arrays):
    """A builder whose contestant tells something else than `build`'s."""

    def wrong(workload, lr):
        contestant = build(workload, lr)
        return peers.Contestant(
            lambda: alter_loss(contestant.step()), lambda: alter_result([np.array(a) for a in contestant.result()])
        )

    return wrong


@pytest.mark.parametrize("name", ["xor", "circle", "chain"])
@pytest.mark.parametrize(
    ("alterations", "named"),
    [
        ({"alter_loss": lambda loss: loss * (1 + 1e-4)}, "losses"),
        ({"alter_loss": lambda loss: loss * np.nan}, "losses"),
        ({"alter_result": lambda arrays: [*arrays[:-1], arrays[-1] + 1e-2]}, "weight changes|gradients"),
    ],
    ids=["loss off by 1e-4", "loss not a number", "result off"],
)
def test_a_peer_with_other_numbers_is_excluded_and_named(runners, name, alterations, named):
    liar = Runner("liar", {kind: altered(build, **alterations) for kind, build in plain_numpy.BUILDERS.items()})
    measurement = harness.measure(WORKLOADS[name], {BASELINE: runners[BASELINE], "liar": liar}, rounds=1)
    assert list(measurement.seconds) == [BASELINE]
    assert list(measurement.wrong) == ["liar"]
    assert any(f"its {what} differ" in measurement.wrong["liar"] for what in named.split("|"))


def test_a_peer_that_forgets_the_bias_correction_of_adam_is_excluded(runners):
    def careless(params, lr, beta1=0.9, beta2=0.999, eps=1e-8):
        means, squares = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]

        def update(grads):
            for p, m, s, g in zip(params, means, squares, grads, strict=True):
                m += (1 - beta1) * (g - m)
                s += (1 - beta2) * (g * g - s)
                p -= lr * m / (np.sqrt(s) + eps)

        return update

    def build(workload, lr):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(updates.BY_NAME, "adam", careless)
            return plain_numpy.training(workload, lr)

    raced = {BASELINE: runners[BASELINE], "careless": Runner("careless", {Training: build})}
    measurement = harness.measure(WORKLOADS["circle"], raced, rounds=1)
    assert list(measurement.wrong) == ["careless"]


@pytest.mark.parametrize("name", SMALL)
def test_our_own_agree_and_are_timed_in_every_round(runners, name):
    measurement = harness.measure(WORKLOADS[name], runners, rounds=2)
    assert measurement.wrong == {}
    assert measurement.failed == {}
    assert {peer: len(seconds) for peer, seconds in measurement.seconds.items()} == dict.fromkeys(OWN, 2)
    assert measurement.calls.keys() == {BOUND, COMPILED}
    assert measurement.call_cost.keys() == {COMPILED}


@pytest.mark.parametrize("axis", growth.AXES)
def test_the_networks_that_grow_are_computed_right(runners, axis):
    workload = growth.AXES[axis].network(growth.AXES[axis].sizes[1])
    reference = runners[BASELINE].ask("numbers", workload)
    for name in (BOUND, SUBJECT, COMPILED):
        assert harness.disagreement(workload, runners[name].ask("numbers", workload), reference) == "", name


@pytest.mark.parametrize("loss", ["bce", "cross_entropy", "mse"])
@pytest.mark.parametrize(("activation", "n"), [("tanh", 5), ("relu", 200)])
@pytest.mark.parametrize(("optimizer", "options"), [("sgd", {}), ("sgd", {"momentum": 0.5}), ("adam", {})])
def test_the_tuned_numpy_computes_what_the_plain_one_does(loss, activation, n, optimizer, options):
    workload = Training(
        name="any", title="", description="", dtype="float64", sizes=(3, 7, 5), activation=activation, loss=loss,
        optimizer=optimizer, options=options, lr=0.1, points=partial(labelled_points, n=n, classes=loss == "cross_entropy"),
    )  # fmt: skip
    numbers = [Runner("", builders).ask("numbers", workload) for builders in (tuned.BUILDERS, plain_numpy.BUILDERS)]
    assert harness.disagreement(workload, *numbers) == ""


def labelled_points(rng, n, classes):
    return rng.normal(size=(n, 3)), rng.integers(0, 5, n) if classes else rng.uniform(size=(n, 5))


def test_the_gradient_of_the_gated_function_is_right(runners):
    workload = Gradient(**{**vars(WORKLOADS["gated"]), "size": 300_000})
    reference = runners[BASELINE].ask("numbers", workload)
    for name in (BOUND, SUBJECT, COMPILED):
        assert harness.disagreement(workload, runners[name].ask("numbers", workload), reference) == "", name


def test_the_timed_steps_leave_the_weights_where_they_start(runners):
    workload = WORKLOADS["circle"]
    contestant = runners[SUBJECT].builders[Training](workload, workload.timed_lr)
    for _ in range(200):
        contestant.step()
    for now, start in zip(contestant.result(), workload.weights(), strict=True):
        np.testing.assert_allclose(now, start, rtol=0, atol=1e-8)


def test_a_process_answers_as_a_runner_does_with_the_threads_of_its_setting(runners):
    workload = WORKLOADS["xor"]
    process = runner.Process(BASELINE, settings.ONE)
    try:
        assert process.label == runners[BASELINE].label
        numbers = [peer.ask("numbers", workload) for peer in (process, runners[BASELINE])]
        assert harness.disagreement(workload, *numbers) == ""
        with pytest.raises(runner.Failure, match="AttributeError"):
            process.ask("no such thing")
        process.ask("prepare", workload)
        assert process.ask("block") > 0
    finally:
        process.close()


def test_a_peer_that_is_not_installed_is_missing(monkeypatch):
    monkeypatch.setitem(peers.PEERS, "no_such_library", peers.Entry("no_such_library", "no_such_library"))
    with pytest.raises(runner.Missing, match="no_such_library"):
        Runner.load("no_such_library")


def test_a_peer_that_cannot_run_a_workload_is_named(runners):
    class Unable(Runner):
        def numbers(self, workload):
            raise runner.Failure("no compiler")

    raced = {BASELINE: runners[BASELINE], "unable": Unable("unable", plain_numpy.BUILDERS)}
    measurement = harness.measure(WORKLOADS["xor"], raced, rounds=1)
    assert measurement.failed == {"unable": "no compiler"}
    assert list(measurement.seconds) == [BASELINE]


def test_a_run_with_a_disagreement_fails_names_the_peer_and_writes_nothing(monkeypatch, capsys, tmp_path):
    def process(name, setting):
        found = Runner.load(name)
        if name == SUBJECT:
            found.builders = {Training: altered(tinynet_eager.training, alter_loss=lambda loss: loss * 2)}
        found.close = lambda: None
        return found

    monkeypatch.setattr(cli, "Process", process)
    out = tmp_path / "xor.md"
    options = ["--quick", "--rounds", "1", "--only", "xor", "--peers", "--threads", settings.ONE, "--out", str(out)]
    assert cli.main(options) == 1
    assert "tinynet is excluded from xor (one thread): its losses differ by 1.0e+00" in capsys.readouterr().err
    assert not out.exists()


def test_the_quick_run_needs_numpy_alone_and_writes_only_what_it_is_told_to(tmp_path):
    before = {path: path.stat().st_mtime_ns for path in (ROOT / "benchmarks").glob("*.*")}
    out = tmp_path / "xor.md"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--rounds", "2", "--only", "xor", "--peers", "--out", str(out)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    report = out.read_text(encoding="utf-8")
    assert run.stdout.rstrip() == report.rstrip()
    assert "`python -m benchmarks --quick --rounds 2 --only xor --peers`" in report
    assert str(tmp_path) not in report
    found = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))["settings"]
    assert list(found) == list(settings.SETTINGS)
    for setting in settings.SETTINGS:
        assert list(found[setting]["xor"]["microseconds_per_step"]) == list(OWN)
    assert {path: path.stat().st_mtime_ns for path in (ROOT / "benchmarks").glob("*.*")} == before


def test_growth_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    points = {axis: {name: [(1, 1e-5), (1000, 1e-2)] for name in growth.LINES} for axis in growth.AXES}
    picture = tmp_path / "growth.png"
    growth.plot(points, picture)
    assert 10_000 < picture.stat().st_size < 100_000
