"""Floating-point errors: a replay warns, raises and keeps silent where the step does, with NumPy's private names or without."""

import warnings
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tests.compiler.random_programs import assert_same_outcome, program_of
from tinynet.compiler import private
from tinynet.compiler.passes import optimized
from tinynet.compiler.replay import Replay
from tinynet.errors import RecordingError

FUNCTIONS = [np.exp, np.log, np.sqrt, np.reciprocal, lambda x: np.multiply(x, 1e200), tn.sigmoid, tn.log_sigmoid]
VALUES = [1.0, 0.0, -1.0, 1e3, -1e3, 1e300, np.nan]
KINDS = ["over", "invalid", "divide"]
errors = st.dictionaries(st.sampled_from(KINDS), st.sampled_from(["ignore", "warn", "raise"]))


def behaviour(f, x, outer):
    """What a call gives, and what it warns of or raises."""
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn", under="ignore"), np.errstate(**outer):
        warnings.simplefilter("always")
        try:
            result = [y.tobytes() for y in f(x)]
        except FloatingPointError as error:
            result = str(error)
    return result, sorted({str(warning.message) for warning in caught})


@given(
    st.lists(st.tuples(st.sampled_from(FUNCTIONS), errors), min_size=1, max_size=4), errors, errors,
    st.lists(st.sampled_from(VALUES), min_size=3, max_size=3),
)  # fmt: skip
def test_a_replay_fails_where_the_step_fails(parts, whole, outer, values):
    """Only then is no error state missing, or one too many: under any state around the step, also one that came later."""

    def step(x):
        with np.errstate(**whole):
            return [under(f, x, state) for f, state in parts]

    def under(f, x, state):
        with np.errstate(**state):
            return f(x)

    compiled = tn.compile(step)
    for state in (dict.fromkeys(KINDS, "print"), outer):
        for _ in range(3):
            behaviour(compiled, np.full(3, 0.5), state)
    recordings = compiled.recordings
    x = np.array(values)
    assert behaviour(compiled, x, outer) == behaviour(step, x, outer)
    assert compiled.recordings == recordings


def test_equal_calls_under_other_states_are_two():
    def step(x):
        with np.errstate(over="ignore"):
            quiet = np.exp(x)
        return quiet, np.exp(x)

    replayed = Replay(optimized(program_of(step, np.ones(3))))
    replayed.inputs[0][:] = 1e3
    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow encountered in exp"):
        replayed()
    np.testing.assert_array_equal(replayed.outputs[0], np.inf)


def test_a_handler_of_errors_is_called():
    seen = []

    def step(x):
        with np.errstate(divide="call", call=lambda kind, flag: seen.append(kind)):
            return np.log(x)

    compiled = tn.compile(step)
    for _ in range(3):
        compiled(np.ones(2))
    compiled(np.zeros(2))
    assert seen == ["divide by zero"]


@pytest.mark.parametrize("step", [
    lambda x: np.maximum(np.max(x, axis=1), 0.5),
    lambda x: np.where(x > 0, 2.0, x) / 2 + x[0],
    lambda x: np.concatenate([np.concatenate([x, x]), np.mean(x, axis=0)[None] @ np.eye(x.shape[1])]),
    lambda x: np.sum(np.square(np.tanh(x)) ** 2),
    lambda x: x * np.sqrt(x[0, 0] * x[0, 0] + 1.0),
])  # fmt: skip
@pytest.mark.parametrize("size", [8, 300])
def test_passes_keep_the_state(step, size):
    """Whatever takes the place of calls is under their state."""

    def raising(x):
        with np.errstate(over="raise"):
            return step(x)

    x = np.random.default_rng(0).normal(size=(size, size))
    program = optimized(program_of(raising, x))
    errors = {call.errors or part.errors for call in program.calls for part in getattr(call, "calls", [call])}
    assert errors == {(("over", "raise"),)}
    assert_same_outcome(program, optimized(program_of(step, x)), x)


def test_neighbours_under_one_state_are_one_call():
    def step(x):
        with np.errstate(over="ignore"):
            y = np.exp(np.exp(x))
        return np.tanh(y)

    program = program_of(step, np.ones(3))
    assert [function for function, _ in Replay(program).calls] == [private.under, np.tanh]
    assert str(program).splitlines()[1] == "with np.errstate(over='ignore'): t0 = np.exp(x0)  # float64[3]"


# NumPy without its private names -------------------------------------------------------------------------------------


@pytest.fixture
def public(monkeypatch):
    """`tinynet.compiler.private` as it is where NumPy has none of these names."""
    for name in ("clip", "_make_extobj"):
        monkeypatch.delattr(f"numpy._core.umath.{name}")
    spec = spec_from_file_location("tinynet.compiler.private", private.__file__)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.undo()
    assert module.CLIP is None
    for user in ("calls", "replay", "tiled", "passes.cheaper"):
        for name in ("CLIP", "joined", "under"):
            monkeypatch.setattr(import_module(f"tinynet.compiler.{user}"), name, getattr(module, name), raising=False)
    return module


def test_a_state_by_public_names(public):
    def step(x):
        with np.errstate(over="ignore"):
            quiet = np.exp(x)
        return quiet, np.multiply(x, 1e300)

    replayed = Replay(optimized(program_of(step, np.ones(3))))
    assert replayed.calls[0][0] is public.under
    replayed.inputs[0][:] = 1e300
    with np.errstate(over="raise"):
        before = np.geterr()
        with pytest.raises(FloatingPointError, match="overflow encountered in multiply"):
            replayed()
        assert np.geterr() == before
    np.testing.assert_array_equal(replayed.outputs[0], np.inf)


@pytest.mark.parametrize("size", [10, 30000])
def test_clip_by_its_public_name(public, size):
    x = np.random.default_rng(1).normal(size=size)
    x[:3] = [np.nan, np.inf, -0.0]
    program = program_of(lambda x: (np.clip(x, -0.5, 0.5), np.maximum(x, 0.0), np.minimum(x, 0.3)), x)
    passed = optimized(program)
    assert_same_outcome(program, passed, x)
    functions = [getattr(function, "func", function) for function, _ in Replay(passed).calls]
    assert private.CLIP not in functions


# Calls that are joined -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3, 200000])
def test_an_optimizer_under_one_state(size):
    """Its single numbers are Python's still, and many calls share one change of the state, a tile's too."""
    w = tn.tensor(np.ones(size), requires_grad=True)
    optimizer = tn.optim.Adam([w], lr=0.1)

    def step(x):
        optimizer.zero_grad()
        np.sum(w * x).backward()
        with np.errstate(over="raise"):
            optimizer.step()

    program = optimized(program_of(step, np.full(size, 2.0)))
    assert any(type(call).__name__ == "Scalars" and call.errors for call in program.calls)
    replayed = Replay(program)
    assert [function for function, _ in replayed.calls].count(private.under) <= 8
    replayed.inputs[0][:] = 1e300
    with pytest.raises(FloatingPointError, match=r"overflow encountered in (square|multiply)"):
        replayed()


# What messages say ----------------------------------------------------------------------------------------------------


def test_a_file_in_a_folder_that_begins_like_the_librarys_is_a_persons():
    folder = Path(tn.__file__).parent
    code = compile("def step(x):\n    return x if np.sum(x) > 0 else -x", f"{folder}_experiments/train.py", "exec")
    exec(code, names := {"np": np})
    with pytest.raises(RecordingError, match=r"train\.py, line 2 looks at a value"):
        tn.compile(names["step"])(np.ones(3))


def test_an_async_function_is_no_step():
    async def step(x):
        return x

    with pytest.raises(RecordingError, match="the step is an async function"):
        tn.compile(step)(np.ones(3))


def test_an_object_that_holds_arrays_is_no_result():
    step = tn.compile(lambda x: SimpleNamespace(parts=[x * 2]))
    with pytest.raises(RecordingError, match="returns a SimpleNamespace, which holds arrays"):
        step(np.ones(3))


def test_an_object_that_is_made_in_each_call_is_no_result():
    class Box:
        pass

    step = tn.compile(lambda x: (x * 2, Box()))
    step(np.ones(3))
    with pytest.raises(RecordingError, match="what it returns: another Box in each run"):
        step(np.ones(3))
