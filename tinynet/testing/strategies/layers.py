"""Cases of the operations that layers are made of: convolutions and normalisations."""

from typing import Any

from hypothesis import strategies as st

from tinynet.rules import convolutions, normalization
from tinynet.rules.convolutions import Sliding
from tinynet.testing.strategies.arrays import arrays, shapes
from tinynet.testing.strategies.calls import Call, Cases, spelled

__all__ = ["CASES"]

CASES = Cases()

Shape = tuple[int, ...]

_LENGTHS = st.integers(1, 3)
_STEPS = st.sampled_from([1, 2])


def _geometry(draw: st.DrawFn) -> tuple[Sliding, Shape, Shape, Shape]:
    """How a kernel slides; the shapes of an input, a kernel and the result."""
    groups, batch, inputs, outputs = draw(st.sampled_from([(1, 2, 1, 2), (1, 1, 2, 1), (2, 1, 1, 1), (2, 2, 1, 2)]))
    axes = [_axis(draw) for _ in range(draw(st.integers(1, 2)))]
    lengths, kernels, places, strides, paddings, dilations = zip(*axes, strict=True)
    return (
        Sliding(strides, paddings, dilations, groups),
        (batch, inputs * groups, *lengths), (outputs * groups, inputs, *kernels), (batch, outputs * groups, *places),
    )  # fmt: skip


def _axis(draw: st.DrawFn) -> tuple[int, int, int, int, tuple[int, int], int]:
    """Along one axis the lengths of an input, a kernel and the result; stride, padding and dilation."""
    kernel, places, stride, dilation = draw(_LENGTHS), draw(_LENGTHS), draw(_STEPS), draw(_STEPS)
    unused = draw(st.integers(0, stride - 1))
    padded = stride * (places - 1) + dilation * (kernel - 1) + 1 + unused
    before = draw(st.integers(0, min(padded - 1, 2)))
    after = draw(st.integers(0, min(padded - 1 - before, 1)))
    return padded - before - after, kernel, places, stride, (before, after), dilation


@CASES.of(convolutions.correlation)
def _correlation(draw: st.DrawFn, fun: Any) -> Call:
    how, x, weight, _ = _geometry(draw)
    bias = {"bias": draw(arrays(weight[:1]))} if draw(st.booleans()) else {}
    return spelled(draw, {"x": draw(arrays(x)), "weight": draw(arrays(weight))} | bias, how=how)


@CASES.of(convolutions.to_input)
def _to_input(draw: st.DrawFn, fun: Any) -> Call:
    how, x, weight, g = _geometry(draw)
    return spelled(draw, {"g": draw(arrays(g)), "weight": draw(arrays(weight)), "shape": x, "how": how})


@CASES.of(convolutions.to_weight)
def _to_weight(draw: st.DrawFn, fun: Any) -> Call:
    how, x, weight, g = _geometry(draw)
    return spelled(draw, {"x": draw(arrays(x)), "g": draw(arrays(g)), "shape": weight, "how": how})


@CASES.of(normalization.centred, normalization.scaled_to_one)
def _normalization(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(draw(shapes(min_dims=1))))
    axes = tuple(draw(st.lists(st.integers(0, x.ndim - 1), min_size=1, unique=True)))
    if draw(st.booleans()):
        axes = tuple(range(-len(axes), 0))
    eps = {"eps": draw(st.sampled_from([0.1, 1.0]))} if fun is normalization.scaled_to_one else {}
    return spelled(draw, {"x": x, "axes": axes} | eps)
