"""Random programs by the command: a right table passes, a wrong rule is found, and a run can be repeated."""

import copy
import re

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tinynet.rules import TABLE
from tinynet.testing import fuzz
from tinynet.testing.independent import BACKEND, seeded


def test_a_short_run(capsys):
    assert fuzz.main(["--examples", "60", "--seed", "3", "--max-ops", "5"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^seed 3, \d+ s\n60 programs, \d\.\d operations on average, \d+ different ones$", text, re.MULTILINE)
    assert sum(map(int, re.findall(r"^ +(\d+) +[\d.]+ %", text, re.MULTILINE))) == 60


@pytest.mark.parametrize("wrong", [lambda d: 1.001 * d, lambda d: d.data if hasattr(d, "grad") else d], ids=["factor", "cut"])
def test_a_wrong_rule_is_found(capsys, monkeypatch, wrong):
    row = copy.copy(TABLE[np.sin])  # of a function that is in many programs
    right = row.vjps[0]
    row.vjps = [lambda *args, **params: wrong(right(*args, **params))]
    monkeypatch.setitem(TABLE, np.sin, row)
    found = fuzz.main(["--examples", "40"])
    text = capsys.readouterr().out
    assert found >= 1
    assert text.count("WRONG: ") == found
    assert "np.sin(" in text
    code = re.search(r"^import numpy as np\n.*?^value = f\(\*inputs\)$", text, re.MULTILINE | re.DOTALL).group()
    names = {}
    exec(code, names)
    assert names["f"](*names["inputs"]) is not None
    assert code.count(" = ") <= 4  # nothing that is not needed


def draws(seed, strategy, n=20):
    found = []

    @settings(max_examples=n, backend=BACKEND, database=None, phases=[Phase.generate])
    @given(strategy)
    def draw(value):
        found.append(value)

    with seeded(seed):
        draw()
    return found


def test_draws_are_independent_and_depend_on_the_seed_alone():
    strategy = st.tuples(st.floats(-2, 3), st.integers(0, 9), st.booleans(), st.text(max_size=3), st.binary(max_size=3))
    first = draws(1, strategy)
    assert first == draws(1, strategy)
    assert first != draws(2, strategy)
    assert len(set(first)) == len(first) == 20
    assert all(-2 <= x <= 3 for x, *_ in first)


def test_draws_without_bounds():
    assert all(isinstance(n, int) for n in draws(0, st.integers()))
    assert all(n >= 5 for n in draws(0, st.integers(min_value=5)))
    assert all(n <= 5 for n in draws(0, st.integers(max_value=5)))
    assert all(np.isfinite(x) for x in draws(0, st.floats(allow_nan=False, allow_infinity=False)))
