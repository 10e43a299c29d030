"""What the passes that drop and share calls do to a small program; and that random programs compute the same after them."""

import numpy as np
import pytest
from hypothesis import assume, given

import tinynet as tn
from tests.compiler.random_programs import arrays, assert_same_outcome, check, outcome, program_of, steps
from tinynet.compiler.passes.algebra import algebra
from tinynet.compiler.passes.constants import constants
from tinynet.compiler.passes.copies import copies
from tinynet.compiler.passes.dead import dead
from tinynet.compiler.passes.equal import equal
from tinynet.compiler.passes.scalars import scalars
from tinynet.compiler.passes.tiles import tiles
from tinynet.compiler.passes.transposed import transposed
from tinynet.compiler.program import copy_to
from tinynet.declared import constant, scratch
from tinynet.mode import lifted

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 3, 4))


def together(program):
    for improve in (dead, constants, algebra, equal, copies, dead):
        program = improve(program)
    return program


@pytest.mark.parametrize("improve", [dead, constants, algebra, equal, copies, together, transposed, scalars, tiles])
def test_random_programs_compute_the_same(improve):
    @given(steps(), arrays(), arrays())
    def check(step, x, y):
        assume(improve is not transposed or all(kind != "product" for kind, *_ in step.instructions))  # which may round
        with np.errstate(all="ignore"):
            program = program_of(step, x, y)
        improved = improve(program)
        assert len(improved.calls) <= len(program.calls) + (improve is copies)
        assert_same_outcome(program, improved, x, y)
        assert_same_outcome(program, improved, y, x)

    check()


def after(improve, step, *args):
    """The functions that a step calls after a pass, which computes the same as before it."""
    program = program_of(step, *args)
    improved = improve(program)
    assert_same_outcome(program, improved, *args)
    assert_same_outcome(program, improved, *(RNG.permuted(x) for x in args))
    return [call.function for call in improved.calls]


# dead ----------------------------------------------------------------------------------------------------------------


def test_what_nobody_reads_is_not_computed():
    def step(x):
        unused = np.exp(x)
        np.sum(unused * unused)
        return np.tanh(x)

    assert after(dead, step, X) == [np.tanh]


def test_what_is_written_anew_before_it_is_read_is_not_computed():
    def step(x):
        y = np.exp(x)
        np.tanh(x, out=y)
        return y

    assert after(dead, step, X) == [np.tanh]


def test_it_may_be_written_anew_part_by_part():
    def step(x):
        y = np.exp(x)
        y[:2] = 1.0
        y[2:] = 2.0
        return y

    assert after(dead, step, X) == [copy_to, copy_to]


def test_a_part_that_is_left_is_needed():
    def step(x):
        y = np.exp(x)
        y[:, ::3] = 1.0
        return y

    assert after(dead, step, X) == [np.exp, copy_to]


def test_what_is_changed_in_places_is_needed():
    def step(x):
        y = np.exp(x)
        np.negative(x, out=y, where=x > 0)
        return y

    assert after(dead, step, X) == [np.exp, np.greater, np.negative]


def test_what_an_array_from_outside_holds_at_the_end_is_needed():
    weight = np.zeros((3, 4))

    def step(x):
        w = lifted(weight)
        np.add(w, x, out=w)

    assert after(dead, step, X) == [np.add]


def test_what_an_array_from_outside_holds_where_a_check_may_end_the_step_is_needed():
    weight, buffer = np.zeros((3, 4)), scratch(np.zeros((3, 4)))

    def step(x):
        for array in lifted([weight, buffer]):
            array[...] = x
            check(x)
            array[...] = x + 1

    assert after(dead, step, X) == [copy_to, check.forward, np.add, copy_to, check.forward, np.add, copy_to]


def test_checks_are_made_though_nobody_reads_what_they_give():
    def step(x):
        tn.nn.functional.binary_cross_entropy(np.abs(np.sin(x)), np.abs(np.cos(x)))
        return x + 1

    functions = after(dead, step, X)
    assert np.log not in functions
    assert functions[-1] is np.add
    assert len(functions) > 1


# constants -----------------------------------------------------------------------------------------------------------


def test_what_depends_on_constants_alone_is_computed_once():
    frozen = np.arange(4.0)
    constant(frozen)

    def step(x):
        return x * (lifted(frozen) * 2 + 1)

    assert after(constants, step, X) == [np.multiply]


def test_what_depends_on_a_shape_alone_is_computed_once():
    assert after(constants, lambda x: np.zeros_like(np.exp(x)) + x, X) == [np.exp, np.add]


def test_an_array_from_outside_may_change():
    weight = np.arange(4.0)
    assert after(constants, lambda x: x * (lifted(weight) * 2), X) == [np.multiply, np.multiply]


def test_an_array_that_is_changed_later_is_no_constant():
    def step(x):
        y = np.zeros_like(x)
        y[0] = x[1]
        return y

    assert after(constants, step, X) == [np.zeros_like, copy_to]


def test_a_large_array_is_not_kept_for_the_sake_of_a_small_one():
    tall, wide = np.ones((1000, 1)), np.ones((1, 1000))
    constant(tall), constant(wide)
    assert after(constants, lambda x: np.add.reduce(lifted(tall) * wide, axis=1)[:4] * x, X)[0] is np.multiply


def gradient_after(use):
    p = tn.tensor([1.0, 2.0], requires_grad=True)

    def step(x):
        p.grad = None
        y = np.sum(p) + np.sum(x)
        y.backward()
        return y.detach()

    compiled = tn.compile(step)
    for _ in range(4):
        compiled(np.ones(2))
        use(p)
    compiled(np.ones(2))
    return p.grad


def test_a_constant_gradient_is_an_array_of_its_own():
    def halve(p):
        p.grad *= 0.5

    np.testing.assert_array_equal(gradient_after(halve), [1.0, 1.0])


def test_what_was_computed_once_cannot_be_changed():
    program = constants(program_of(lambda x: x * (np.zeros_like(x) + 1), X))
    (folded,) = [buffer for buffer in program.buffers() if buffer.kind == "constant"]
    assert not folded.array.flags.writeable


# equal ---------------------------------------------------------------------------------------------------------------


def test_equal_calls_are_made_once():
    assert after(equal, lambda x: np.tanh(x) * np.exp(np.tanh(x)), X) == [np.tanh, np.exp, np.multiply]


def test_calls_of_equal_results_are_equal():
    assert after(equal, lambda x: np.exp(x + 1) - np.exp(1 + x), X) == [np.add, np.exp, np.subtract]


def test_the_order_of_operands_matters_unless_the_function_commutes():
    assert after(equal, lambda x, y: (x - y) * (y - x) + (x * y) * (y * x), X, Y) == [
        np.subtract, np.subtract, np.multiply, np.multiply, np.multiply, np.add
    ]  # fmt: skip


@pytest.mark.parametrize("a, b", [(0.0, -0.0), (1, 1.5), (2, np.float64(3))])
def test_calls_with_different_numbers_are_not_equal(a, b):
    assert len(after(equal, lambda x: np.copysign(1, x * a) + np.copysign(1, x * b), np.abs(X))) == 5


def test_a_write_in_between_matters():
    weight = np.ones((3, 4))

    def step(x):
        w = lifted(weight)
        before = w * x
        np.add(w, x, out=w)
        return before - w * x

    assert after(equal, step, X) == [np.multiply, np.add, np.multiply, np.subtract]


def test_an_array_that_is_changed_is_not_shared():
    def step(x):
        a, b = np.exp(x), np.exp(x)
        np.add(a, 1, out=a)
        return a * b

    assert after(equal, step, X) == [np.exp, np.exp, np.add, np.multiply]


def test_the_caller_gets_two_arrays():
    assert after(equal, lambda x: (np.exp(x), np.exp(x)), X) == [np.exp, np.exp]


def test_random_draws_are_not_equal():
    dropout = tn.nn.Dropout(0.5, rng=0)
    program = program_of(lambda x: dropout(x) + dropout(x), X)
    assert [call.function for call in equal(program).calls] == [call.function for call in program.calls]


# algebra -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [lambda x: x * 1, lambda x: 1.0 * x, lambda x: x / 1, lambda x: x - 0, lambda x: x + -0.0, lambda x: np.power(x, 1)],
)
def test_calls_that_change_nothing_are_copies(step):
    assert after(algebra, step, np.array([0.0, -0.0, 2.5, np.inf, -np.inf, np.nan])) == [copy_to]


@pytest.mark.parametrize("shape, result", [(6, 6), (1, 6), ((), 6), ((), ()), ((1, 1), (1, 1)), ((), (1, 6))])
@pytest.mark.parametrize("dtype", [float, int])
def test_ones_change_nothing(shape, result, dtype):
    ones = np.ones(shape, dtype)
    constant(ones)
    one = np.broadcast_to(ones, result)
    functions = after(algebra, lambda x: lifted(one) * x, np.array([0.0, -0.0, 2.5, np.inf, -np.inf, np.nan]))
    assert functions == [np.multiply if one.ndim == 2 else copy_to]  # it has another shape then


@pytest.mark.parametrize(
    "step",
    [
        lambda x: x + 0.0, lambda x: x - -0.0, lambda x: x * 0.0, lambda x: 1.0 - x, lambda x: 1 / x, lambda x: x / 3,
        lambda x: x / 1e-308, lambda x: x / 0.0, lambda x: x * np.ones((2, 1)),
        lambda x: x * np.array([1, 1, 1, 1, 1, 2]), lambda x: x - np.array([0, 0, 0, 0, 0, -0.0]),
    ],
)  # fmt: skip
def test_calls_that_look_like_it_are_made(step):
    with np.errstate(all="ignore"):
        assert copy_to not in after(algebra, step, np.array([0.0, -0.0, 2.5, np.inf, -np.inf, np.nan]))


def test_integers_are_divided():
    assert after(algebra, lambda x: x / 1, np.arange(3)) == [np.divide]


def test_the_opposite_of_the_opposite_is_the_array():
    assert after(algebra, lambda x: np.exp(np.negative(-x)), X) == [np.negative, copy_to, np.exp]


def test_the_opposite_of_an_array_that_has_changed_is_not():
    def step(x):
        y = np.exp(x)
        z = -y
        np.add(y, 1, out=y)
        return -z

    assert copy_to not in after(algebra, step, X)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_division_by_a_power_of_two_is_a_multiplication(dtype):
    extremes = np.array([np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max, 1.0, -0.0], dtype)
    with np.errstate(all="ignore"):
        assert after(algebra, lambda x: x / 4, extremes) == [np.multiply]
        assert after(algebra, lambda x: x / 2**-3, extremes) == [np.multiply]
        assert after(algebra, lambda x: x / 2**15 / 2**15, extremes)[-1] is (np.divide if dtype == "float16" else np.multiply)


# transposed ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (1, 3, 4), (2, 1, 4), (2, 3, 1)])
def test_a_product_that_is_used_transposed_is_computed_transposed(shape):
    x, y = RNG.normal(size=(2, *shape))
    program = program_of(lambda x, y: np.exp((x @ y.swapaxes(-1, -2)).swapaxes(-1, -2)), x, y)
    turned = transposed(program)
    assert [call.function for call in turned.calls] == [call.function for call in program.calls]
    assert turned.calls[-1].args[0].is_whole
    (result,), _ = outcome(turned, x, y)
    np.testing.assert_allclose(result, np.exp(y @ x.swapaxes(-1, -2)), rtol=1e-13)


def changed(product):
    before = np.exp(product.T)
    product[...] = 1.0
    return before * product.T


@pytest.mark.parametrize(
    "step",
    [
        lambda x: np.dot(x, x) + np.dot(x, x).T, lambda x: np.dot(x, x).T[1:], lambda x: (np.dot(x, x), np.exp(x)),
        lambda x: np.dot(x, x[0]).T, lambda x: np.dot(x, 2).T, lambda x: changed(np.dot(x, x)),
    ],
)  # fmt: skip
def test_other_products_are_computed_as_they_are(step):
    def shared(x):
        return step(x)

    program = equal(program_of(shared, np.eye(3) + 0.1))
    assert str(transposed(program)) == str(program)


def test_a_copy_that_nobody_computes_with_lies_in_the_order_of_its_axes():
    flat = np.zeros(24)

    def step(x, y):
        gradient = np.copy(np.matmul(x, y.swapaxes(1, 2)).swapaxes(1, 2))
        lifted(flat)[:18].reshape(2, 3, 3)[...] = gradient
        return gradient

    x, y = RNG.normal(size=(2, 2, 3, 4))
    program = transposed(program_of(step, x, y))
    assert all(view.contiguous for call in program.calls for view in call.out)
    (product,) = copies(program).calls
    assert product.out[0].buffer.array is flat
    (result,), held = outcome(copies(program), x, y)
    np.testing.assert_allclose(result, y @ x.swapaxes(1, 2), rtol=1e-13)
    np.testing.assert_array_equal(held[id(flat)][:18].reshape(2, 3, 3), result)


def test_a_copy_that_somebody_computes_with_lies_as_its_source():
    program = program_of(lambda x: np.add.reduce(np.copy(x.T), axis=None), X)
    assert str(transposed(program)) == str(program)


def test_a_chain_of_transposed_products():
    x, y = RNG.normal(size=(2, 3, 3))
    program = transposed(program_of(lambda x, y: np.dot(np.dot(x, y).T, x).T + 1, x, y))
    (result,), _ = outcome(program, x, y)
    np.testing.assert_allclose(result, (x @ y).T.dot(x).T + 1, rtol=1e-13)
    assert program.calls[-1].args[0].is_whole


# copies --------------------------------------------------------------------------------------------------------------


def test_a_copy_that_is_only_read_is_its_source():
    def step(x):
        y = np.exp(x)
        return y * y.copy() + x.copy()

    assert after(copies, step, X) == [np.exp, np.multiply, np.add]


def test_a_copy_that_is_changed_takes_the_place_of_a_source_that_nobody_needs():
    def step(x):
        y = np.exp(x).copy()
        np.add(y, 1, out=y)
        return y

    assert after(copies, step, X) == [np.exp, np.add]


def test_a_copy_that_is_changed_keeps_its_source():
    frozen = np.ones((3, 4))
    constant(frozen)

    def step(x):
        y = np.exp(x)
        z, one = y.copy(), lifted(frozen).copy()
        np.add(z, 1, out=z)
        np.add(one, x, out=one)
        return z * y * one

    assert after(copies, step, X) == [np.exp, copy_to, copy_to, np.add, np.add, np.multiply, np.multiply]


def test_a_copy_of_a_part_is_no_copy_of_the_whole():
    weight = np.zeros((2, 4))

    def step(x):
        y, z, w = np.exp(x), np.empty_like(x), lifted(weight)
        w[...] = y[:2]
        z[:2] = np.tanh(y)[1:]
        z[2] = x[0]
        return z * y

    functions = [np.exp, copy_to, np.tanh, copy_to, copy_to, np.multiply]
    assert after(lambda program: copies(dead(program)), step, X) == functions


def test_a_result_that_changes_later_is_computed_apart():
    weight = np.ones((3, 4))

    def step(x):
        w, y = lifted(weight), np.exp(x)
        w[...] = y
        np.add(y, 1, out=y)
        return y * 2

    assert after(copies, step, X) == [np.exp, copy_to, np.add, np.multiply]


def test_a_result_is_not_computed_where_something_else_is_written_before_it_is_stored():
    weight = np.ones((3, 4))

    def step(x):
        w, y = lifted(weight), np.exp(x)
        w[0] = 1.0
        w[...] = y

    assert after(copies, step, X) == [np.exp, copy_to, copy_to]


def test_a_copy_that_is_changed_does_not_take_a_place_that_is_written_anew():
    def step(x):
        y = np.exp(x)
        z = y.copy()
        np.add(z, 1, out=z)
        y[...] = 0
        return z

    assert after(copies, step, X) == [np.exp, copy_to, np.add, copy_to]


def test_an_array_that_was_there_before_the_copy_keeps_its_place():
    def step(x):
        y, z = np.exp(x), np.tanh(x)
        w = z * 2
        z[...] = y
        return w, z * y

    assert after(copies, step, X) == [np.exp, np.tanh, np.multiply, copy_to, np.multiply]


def test_a_source_that_is_changed_keeps_its_copy():
    weight = np.ones((3, 4))

    def step(x):
        w = lifted(weight)
        before = w.copy()
        np.add(w, x, out=w)
        return before * x

    assert after(copies, step, X) == [copy_to, np.add, np.multiply]


def test_the_caller_gets_no_array_of_others():
    weight = np.ones((3, 4))

    def step(x):
        y = np.exp(x)
        return y, y.copy(), x.copy(), lifted(weight).copy()

    assert after(copies, step, X) == [np.exp, copy_to, copy_to, copy_to]


def test_a_result_is_computed_where_it_is_stored():
    weight = np.ones((3, 4))

    def step(x):
        w = lifted(weight)
        w[...] = w - np.exp(x)

    program = copies(program_of(step, X))
    assert [call.function for call in program.calls] == [np.exp, np.subtract]
    assert program.calls[1].out == program.calls[1].args[:1]
    assert after(copies, step, X) == [np.exp, np.subtract]


def test_a_product_is_not_computed_over_its_own_operand():
    weight = np.eye(4)

    def step(x):
        w = lifted(weight)
        w[...] = np.dot(x, w)

    assert after(copies, step, np.ones((4, 4))) == [np.dot, copy_to]


def gradients_of(flat, change=None):
    def step(x, y):
        a = np.dot(x.T, y)
        b = np.add.reduce(y, axis=0)
        c = a[0] * 2
        f = lifted(flat)
        np.concatenate([a.copy(), b, change(c) if change else c], axis=None, out=f)
        return a, np.sum(f)

    return step


def test_what_is_gathered_is_computed_in_its_place():
    flat = np.zeros(24)
    assert np.concatenate not in after(copies, gradients_of(flat), X, Y)
    program = copies(program_of(gradients_of(flat), X, Y))
    assert [call.function for call in program.calls if call.out[0].buffer.array is flat] == [np.dot, np.add.reduce, np.multiply]
    assert program.outputs[0].buffer.array is flat


def test_what_cannot_be_computed_in_its_place_is_copied_alone():
    big = np.zeros(12 * 4 + 4096)

    def step(x, y):
        f = lifted(big)
        np.concatenate([x, y, np.exp(y), y, np.tile(x[0], 1024)], axis=None, out=f)

    functions = after(copies, step, X, Y)
    assert functions[-2:] == [np.concatenate, copy_to]
    assert len(functions) == 4


def test_a_few_copies_take_less_time_than_a_call_for_each():
    flat = np.zeros(48)

    def step(x, y):
        np.concatenate([np.exp(x), x, np.exp(y), y], axis=None, out=lifted(flat))

    assert after(copies, step, X, Y) == [np.exp, np.exp, np.concatenate]


def test_a_part_of_itself_is_gathered_in_numpys_order():
    flat = np.arange(24.0)

    def step(x):
        f = lifted(flat)
        np.concatenate([f[12:], np.exp(x)], axis=None, out=f)

    assert after(copies, step, X) == [np.exp, np.concatenate]


def test_what_is_gathered_twice_is_copied_once():
    flat = np.zeros(24)

    def step(x):
        y = np.exp(x)
        np.concatenate([y, y], axis=None, out=lifted(flat))

    assert after(copies, step, X) == [np.exp, copy_to]


def test_what_was_gathered_stays_if_the_flat_array_changes_later():
    flat = np.zeros(24)

    def step(x, y):
        a, b = np.exp(x), np.exp(y)
        f = lifted(flat)
        np.concatenate([a, b], axis=None, out=f)
        np.multiply(f, 2, out=f)
        return a

    assert after(copies, step, X, Y) == [np.exp, np.exp, copy_to, np.multiply]


def test_a_write_to_weights_does_not_move_before_a_check():
    weight = np.ones((3, 4))

    def step(x):
        w = lifted(weight)
        new = w * 2
        tn.nn.functional.binary_cross_entropy(np.abs(np.sin(x)), np.abs(np.cos(x)))
        w[...] = new

    assert copy_to in [call.function for call in copies(program_of(step, X)).calls]


def test_a_write_moves_before_a_check_if_nobody_asks_for_what_was_there():
    weight, buffer = np.ones((3, 4)), scratch(np.ones((3, 4)))

    def step(x):
        new, gradient = x * 2, x * 3
        check(x)
        for array, value in zip(lifted([weight, buffer]), [new, gradient], strict=True):
            array[...] = value

    program = copies(program_of(step, X))
    assert [call.function for call in program.calls] == [np.multiply, np.multiply, check.forward, copy_to]
    assert [call.out[0].buffer.array is buffer for call in program.calls if call.out] == [False, True, False]


def test_a_state_keeps_its_value_if_a_check_ends_the_step():
    last = tn.Tensor(np.zeros(4))

    @tn.primitive
    def finite(x):
        if not np.isfinite(x).all():
            raise ArithmeticError("not finite")

    def step(x):
        total = np.add.reduce(x)
        finite(x)
        with tn.no_grad():
            last[...] = total
        return total

    compiled = tn.compile(step)
    for _ in range(3):
        compiled(X)
    before = last.data.copy()
    with pytest.raises(ArithmeticError):
        compiled(np.full_like(X, np.nan))
    np.testing.assert_array_equal(last.data, before)
