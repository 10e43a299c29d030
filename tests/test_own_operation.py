"""A worked example: a person writes an operation of their own, tests it, and the test finds the bug in it.

The operation is the difference of each element and the next one along an axis, in a circle. Its first rule forgets the axis,
as rules do: at the default axis it is right, so that a look at one array finds nothing.
"""

import numpy as np
import pytest
from hypothesis import strategies as st

import tinynet as tn
from tinynet.rules import TABLE
from tinynet.testing import GradcheckError, assert_gradients, check_rule, gradcheck
from tinynet.testing.strategies import arrays


@tn.primitive
def steps(x, axis=-1):
    """From each element to the next one along an axis, and from the last to the first."""
    return np.roll(x, -1, axis) - x


@st.composite
def calls(draw):
    """How a person calls it: arrays with one to three axes, and each of their axes."""
    x = draw(arrays(draw(st.sampled_from([(3,), (2, 2), (2, 1, 3)]))))
    return (x,), draw(st.sampled_from([{}, {"axis": draw(st.integers(-x.ndim, x.ndim - 1))}]))


@pytest.fixture(autouse=True)
def no_row_stays():
    yield
    TABLE.pop(steps, None)


def test_the_bug_is_found():
    steps.defvjp(lambda g, out, x, axis=-1: np.roll(g, 1, -1) - g)
    assert gradcheck(steps, np.array([[1.0, 2.0, 4.0], [0.5, -1.0, 3.0]]))  # one array at the default axis is not enough
    with pytest.raises(GradcheckError) as caught:
        check_rule(steps, calls=calls())
    report = str(caught.value).splitlines()
    assert report[0] == "steps: gradient"
    assert report[1].startswith("  the gradient of input 0 is wrong at index (")
    assert report[3].startswith("  the rule of steps for operand 0 is wrong on its own")
    assert report[-1] in (
        "  the smallest call found: steps(np.array([[0.0, 0.0], [0.0, 0.0]]), axis=0)",
        "  the smallest call found: steps(np.array([[0.0, 0.0], [0.0, 0.0]]), axis=-2)",
    )


def test_the_mended_rule_passes_every_check():
    steps.defvjp(lambda g, out, x, axis=-1: np.roll(g, 1, axis) - g)
    report = check_rule(
        steps, calls=calls(), reference=lambda x, axis=-1: np.diff(np.concatenate([x, np.take(x, [0], axis)], axis), axis=axis)
    )
    assert {name for name, verdict in report.checks.items() if verdict != "ok"} == {
        "empty arrays", "broadcasting", "conventions",
    }  # fmt: skip
    assert_gradients(lambda x: np.sum(steps(np.sin(x), axis=0) ** 2), (3, 2), order=2, modes=("vjp", "jvp"))


def test_a_rule_that_is_wrong_only_in_second_order_is_found():
    steps.defvjp(lambda g, out, x, axis=-1: np.roll(g.data if isinstance(g, tn.Tensor) else g, 1, axis) - g)
    with pytest.raises(GradcheckError, match="steps: second derivative\n  the gradient of the gradient") as caught:
        check_rule(steps, calls=calls())
    assert "the smallest call found: steps(np.array([0.0, 0.0, 0.0]))" in str(caught.value)


def test_a_function_that_uses_it_can_be_tested_too():
    steps.defvjp(lambda g, out, x, axis=-1: np.roll(g, 1, axis) - g)

    def roughness(x):
        return np.sum(np.exp(steps(x)) * steps(x).data)  # .data is what is not differentiated

    with pytest.raises(GradcheckError) as caught:
        assert_gradients(roughness, (3,))
    text, _, code = str(caught.value).partition("the smallest inputs found:\n")
    assert "a part of f is not recorded (.data" in text
    with pytest.raises(GradcheckError):
        exec(code, {"roughness": roughness})
