"""Attention: values, gradients and second derivatives against torch's and finite differences; masks; errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinynet as tn
from tinynet.errors import ShapeError
from tinynet.nn.functional import scaled_dot_product_attention as attention
from tinynet.testing import gradcheck


@st.composite
def masks(draw, scores):
    """Options for scores of the given shape: no mask, one of bools, one of floats in which some are -inf, or is_causal."""
    shape = draw(st.sampled_from([scores, scores[-2:], (*scores[:-2], 1, scores[-1])]))
    seen = draw(hnp.arrays(bool, shape))
    added = np.where(seen, np.random.default_rng(draw(st.integers(0, 99))).standard_normal(shape), -np.inf)
    return draw(st.sampled_from([{}, {"attn_mask": seen}, {"attn_mask": added}, {"is_causal": True}]))


@given(data=st.data())
def test_values_and_gradients_are_torchs(data):
    torch = pytest.importorskip("torch")
    batch = data.draw(st.sampled_from([(), (0,), (2,), (2, 3)]))
    length, size, e, v = (data.draw(st.integers(1, 4)) for _ in range(4))
    keywords = data.draw(masks((*batch, length, size)))
    scale = data.draw(st.sampled_from([None, 0.7]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    arrays = [rng.standard_normal((*batch, *shape)) for shape in ((length, e), (size, e), (size, v))]
    mask = keywords.get("attn_mask")
    if mask is not None and mask.dtype == np.float64:
        arrays.append(mask)
    ours, theirs = [tn.tensor(x, requires_grad=True) for x in arrays], [torch.tensor(x, requires_grad=True) for x in arrays]
    options = {key: x for key, x in keywords.items() if key != "attn_mask"}
    if mask is not None and mask.dtype == bool:
        found = attention(*ours, mask, scale=scale)
        expected = torch.nn.functional.scaled_dot_product_attention(*theirs, torch.from_numpy(mask), scale=scale)
    else:
        found = attention(*ours, **options, scale=scale)
        expected = torch.nn.functional.scaled_dot_product_attention(*theirs, **options, scale=scale)
    cotangent = rng.standard_normal(found.shape)
    found.backward(cotangent)
    expected.backward(torch.from_numpy(cotangent))
    np.testing.assert_allclose(found.data, expected.detach().numpy(), rtol=0, atol=1e-12, strict=True)
    for a, b in zip(ours, theirs, strict=True):
        if b.grad is None:  # torch's, of the mask of an empty batch
            assert not np.any(a.grad)
            continue
        np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=0, atol=1e-10, strict=True)


@pytest.mark.parametrize(
    "options",
    [
        {}, {"scale": 2.0}, {"is_causal": True}, {"attn_mask": np.array([[True, False, True], [False, False, False]])},
        {"attn_mask": np.array([[0.5, -np.inf, 0.0], [1.0, -1.0, -np.inf]])},
    ],
    ids=["plain", "scale", "causal", "bools", "floats"],
)  # fmt: skip
def test_second_derivatives(options):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((2, 2), (3, 2), (3, 1))]
    gradcheck(lambda q, k, v: attention(q, k, v, **options), arrays, order=2)
    if not options:
        gradcheck(attention, [*arrays, rng.standard_normal((2, 3))], order=2)


def test_a_lookup():
    """Queries equal to keys, sharp enough, read the values that belong to them."""
    key, value = np.eye(4), np.arange(8.0).reshape(4, 2)
    np.testing.assert_allclose(attention(key[[2, 0]], key, value, scale=1000.0), value[[2, 0]])


def test_the_weights_sum_to_one():
    rng = np.random.default_rng(0)
    query, key = rng.standard_normal((3, 4)), rng.standard_normal((5, 4))
    np.testing.assert_allclose(attention(query, key, np.ones((5, 1))), 1, rtol=1e-14)


def test_a_query_that_sees_no_key_gives_zeros():
    rng = np.random.default_rng(0)
    query, key, value = (tn.tensor(rng.standard_normal((2, 3)), requires_grad=True) for _ in range(3))
    for mask in (np.array([[False, False], [True, False]]), np.array([[-np.inf, -np.inf], [0.0, -np.inf]])):
        query.grad = None
        y = attention(query, key, value, mask)
        np.testing.assert_array_equal(y.data, [[0, 0, 0], value.data[0]])
        y.backward(rng.standard_normal((2, 3)))
        np.testing.assert_array_equal(query.grad, 0.0)


def test_a_hidden_key_stays_hidden_beside_the_lowest_numbers():
    """The lowest finite number, which many a library puts where it hides a key, is not -inf: what it hides is seen first."""
    query, key, value = np.ones((1, 2)), np.ones((2, 2)), np.array([[1.0], [2.0]])
    for lowest in (np.finfo(float).min, -1e308, -1e30):
        np.testing.assert_array_equal(attention(query, key, value, np.array([[-np.inf, lowest]])), [[2.0]])
        np.testing.assert_array_equal(attention(query, key, value, np.array([[lowest, lowest]])), [[1.5]])


def test_nan_in_a_mask_is_seen_and_behind_a_mask_is_not():
    query, key, value = np.ones((2, 2)), np.ones((3, 2)), np.ones((3, 1))
    y = attention(query, key, value, np.array([[np.nan, 0.0, 0.0], [0.0, 0.0, -np.inf]]))
    assert np.isnan(y).tolist() == [[True], [False]]
    key[0] = np.nan
    assert not np.isnan(attention(query, key, value, np.array([False, True, True]))).any()
    assert not np.isnan(attention(query, key[::-1], value, is_causal=True)).any()


def test_what_lies_ahead_is_not_seen():
    rng = np.random.default_rng(0)
    query, key, value = (rng.standard_normal((4, 3)) for _ in range(3))
    before = attention(query, key, value, is_causal=True)
    key[3:], value[3:] = 100.0, -100.0
    np.testing.assert_array_equal(attention(query, key, value, is_causal=True)[:3], before[:3])
    assert np.max(np.abs(before[0] - value[0])) == 0


def test_leading_axes_broadcast():
    rng = np.random.default_rng(0)
    query, key, value = rng.standard_normal((2, 1, 4, 3)), rng.standard_normal((5, 6, 3)), rng.standard_normal((6, 2))
    y = attention(query, key, value)
    assert y.shape == (2, 5, 4, 2)
    np.testing.assert_allclose(y[1, 3], attention(query[1, 0], key[3], value), rtol=1e-14)
    gradcheck(attention, [query, key, value], fast=True)


@pytest.mark.parametrize(
    "options", [{}, {"attn_mask": np.tri(2, 3, dtype=bool)}, {"attn_mask": np.tri(2, 3, dtype=np.float32)}, {"is_causal": True}]
)
def test_float32_stays(options):
    tensors = [tn.tensor(np.ones(shape, np.float32), requires_grad=True) for shape in ((2, 4), (3, 4), (3, 5))]
    y = attention(*tensors, **options)
    np.sum(y).backward()
    assert {y.dtype, *(x.grad.dtype for x in tensors)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(
    "options",
    [
        {"scale": 1 / np.sqrt(4)}, {"scale": np.int64(1)}, {"attn_mask": np.where(np.tri(2, 3), 0.0, -np.inf)},
        {"attn_mask": np.where(np.tri(2, 3), 0.0, np.finfo(float).min)}, {"attn_mask": np.full((2, 3), np.finfo(float).min)},
        {"attn_mask": np.array([[-np.inf, -np.inf, -np.inf], [0.3, -1.0, -np.inf]])},
    ],
    ids=["scale", "integer scale", "mask", "lowest", "all lowest", "hidden"],
)  # fmt: skip
def test_scale_and_mask_in_double_precision_leave_the_dtype(options, dtype):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in ((2, 4), (3, 4), (3, 5))]
    tensors, twins = ([tn.tensor(x.astype(kind), requires_grad=True) for x in arrays] for kind in (dtype, float))
    y, expected = attention(*tensors, **options), attention(*twins, **options)
    v = rng.standard_normal(y.shape).astype(dtype)
    y.backward(v)
    expected.backward(v.astype(float))
    for a, b in zip((y.data, *(x.grad for x in tensors)), (expected.data, *(x.grad for x in twins)), strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=8 * np.finfo(dtype).eps * max(np.abs(b).max(), 1))


Q, K, V = np.ones((2, 3, 4)), np.ones((2, 5, 4)), np.ones((2, 5, 6))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((Q, K[..., :3], V), r"\(2, 3, 4\), the keys \(2, 5, 3\), the values \(2, 5, 6\)"),
        ((Q, K, V[:, :4]), r"the values \(2, 4, 6\)"),
        ((Q, K[:, :0], V[:, :0]), "at least one key"),
        ((Q[..., :0], K[..., :0], V), r"\(2, 3, 0\)"),
        ((Q[0, 0], K, V), r"\(4,\)"),
        ((Q, np.ones((3, 5, 4)), V), "axes in front that broadcast"),
        ((Q, K, V, np.ones((5, 3), bool)), r"the mask has shape \(5, 3\), the scores \(2, 3, 5\)"),
        ((Q, K, V, np.ones((1, 2, 3, 5), bool)), r"the mask has shape \(1, 2, 3, 5\)"),
    ],
)
def test_shapes_that_do_not_fit(args, words):
    for kind in (lambda x: x, lambda x: tn.tensor(x, requires_grad=x.dtype == np.float64)):
        with pytest.raises(ShapeError, match=f"scaled_dot_product_attention: .*{words}"):
            attention(*map(kind, args))


def test_masks_that_are_refused():
    with pytest.raises(TypeError, match=r"of int64; it must be of bools or floats: mask\.astype\(bool\)"):
        attention(Q, K, V, np.ones((3, 5), np.int64))
    with pytest.raises(ValueError, match="give attn_mask or is_causal=True, not both"):
        attention(Q, K, V, np.ones((3, 5), bool), is_causal=True)
