"""Cases of the operations that move elements: shapes, joining, repeating, indexing."""

import operator
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinynet.rules import elementwise, indexing, reductions
from tinynet.rules import shapes as rules
from tinynet.tensor import tensor
from tinynet.testing.strategies.arrays import arrays, broadcastable_shapes, shapes
from tinynet.testing.strategies.calls import Call, Cases, axes_of, axis_of, spelled, spelled_after
from tinynet.testing.strategies.indices import indices

__all__ = ["CASES"]

CASES = Cases()

# Shapes --------------------------------------------------------------------------------------------------------------


def _laid_out(draw: st.DrawFn, shape: st.SearchStrategy[Any]) -> Any:
    """An array that lies in memory by rows or by columns."""
    return np.array(draw(arrays(shape)), order=draw(st.sampled_from("CF")))


@CASES.of(np.reshape)
def _reshape(draw: st.DrawFn, fun: Any) -> Call:
    x = _laid_out(draw, shapes())
    choices = [x.shape[::-1], (x.size,), -1, (1, x.size, 1), (*x.shape[:-1], -1), x.size]
    order = {"order": draw(st.sampled_from("CF"))} if draw(st.booleans()) else {}
    return (x, draw(st.sampled_from(choices))), order  # the shape's name is not the same in all versions of NumPy


@CASES.of(np.ravel)
def _ravel(draw: st.DrawFn, fun: Any) -> Call:
    order = {"order": draw(st.sampled_from("CF"))} if draw(st.booleans()) else {}
    return spelled(draw, {"a": _laid_out(draw, shapes())} | order)


@CASES.of(np.copy)
def _copy(draw: st.DrawFn, fun: Any) -> Call:
    return spelled(draw, {"a": _laid_out(draw, shapes()), "order": draw(st.sampled_from("CFK"))})


@CASES.of(elementwise.identity)
def _identity(draw: st.DrawFn, fun: Any) -> Call:
    return (_laid_out(draw, shapes()),), {}


@CASES.of(np.transpose)
def _transpose(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    axes = tuple(i - x.ndim if draw(st.booleans()) else i for i in draw(st.permutations(range(x.ndim))))
    return spelled(draw, {"a": x} | draw(st.sampled_from([{}, {"axes": None}, {"axes": axes}, {"axes": list(axes)}])))


@CASES.of(np.swapaxes)
def _swapaxes(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=1)))
    return spelled(draw, {"a": x, "axis1": axis_of(draw, x.ndim), "axis2": axis_of(draw, x.ndim)})


@CASES.of(np.moveaxis)
def _moveaxis(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=1)))
    n = draw(st.integers(1, x.ndim))
    source, destination = (draw(st.permutations(range(x.ndim)))[:n] for _ in range(2))
    ends: Any = (source[0] - x.ndim, destination[0]) if n == 1 else (source, tuple(destination))
    return spelled(draw, {"a": x, "source": ends[0], "destination": ends[1]})


@CASES.of(np.expand_dims)
def _expand_dims(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    axis = st.one_of(st.integers(-x.ndim - 1, x.ndim), st.sampled_from([(0, 1), (0, -1)]))
    return spelled(draw, {"a": x, "axis": draw(axis)})


@CASES.of(np.squeeze)
def _squeeze(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(max_side=2)))
    ones = tuple(i - x.ndim if draw(st.booleans()) else i for i, n in enumerate(x.shape) if n == 1)
    return spelled(draw, {"a": x} | draw(st.sampled_from([{}, {"axis": ones}, {"axis": ones[0] if ones else None}])))


@CASES.of(np.broadcast_to)
def _broadcast_to(draw: st.DrawFn, fun: Any) -> Call:
    pair = draw(broadcastable_shapes(2))
    return spelled(draw, {"array": draw(arrays(pair[0])), "shape": np.broadcast_shapes(*pair)})


@CASES.of(reductions.filled)
def _filled(draw: st.DrawFn, fun: Any) -> Call:
    shape = draw(shapes())
    return (draw(arrays(draw(st.sampled_from([(), (1,) * len(shape)])))), shape), {}


@CASES.of(np.rollaxis)
def _rollaxis(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=1)))
    start = draw(st.sampled_from([{}, {"start": draw(st.integers(-x.ndim, x.ndim))}]))
    return spelled(draw, {"a": x, "axis": axis_of(draw, x.ndim)} | start)


@CASES.of(np.atleast_1d, np.atleast_2d, np.atleast_3d)
def _atleast(draw: st.DrawFn, fun: Any) -> Call:
    return tuple(draw(st.lists(arrays(shapes(max_dims=4, max_side=2)), min_size=1, max_size=2))), {}


@CASES.of(np.broadcast_arrays)
def _broadcast_arrays(draw: st.DrawFn, fun: Any) -> Call:
    return tuple(draw(arrays(shape)) for shape in draw(broadcastable_shapes(draw(st.integers(1, 3))))), {}


@CASES.of(np.meshgrid)
def _meshgrid(draw: st.DrawFn, fun: Any) -> Call:
    vectors = draw(st.lists(arrays(shapes(max_dims=1)), min_size=1, max_size=3))
    options = {"copy": st.booleans(), "sparse": st.booleans(), "indexing": st.sampled_from(["xy", "ij"])}
    return tuple(vectors), draw(st.fixed_dictionaries({}, optional=options))


@CASES.of(np.full_like)
def _full_like(draw: st.DrawFn, fun: Any) -> Call:
    value, shape = draw(broadcastable_shapes(2))
    shape = np.broadcast_shapes(value, shape)
    like: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"a": tensor(np.ones(shape))},
                {"a": tensor(np.ones(3, int)), "dtype": float, "shape": shape},
            ]
        )
    )
    return (like.pop("a"), draw(arrays(value))), like  # the value of the first argument does not matter


if hasattr(np, "astype"):

    @CASES.of(np.astype)
    def _astype(draw: st.DrawFn, fun: Any) -> Call:
        return (draw(arrays(shapes())), np.float64), draw(st.sampled_from([{}, {"copy": False}]))


# Joining and splitting -----------------------------------------------------------------------------------------------


@CASES.of(np.concatenate)
def _concatenate(draw: st.DrawFn, fun: Any) -> Call:
    shape = draw(shapes(min_dims=1))
    axis = axis_of(draw, len(shape))
    lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    parts = [draw(arrays((*shape[: axis % len(shape)], n, *shape[axis % len(shape) + 1 :]))) for n in lengths]
    choices: list[dict[str, Any]] = [{"axis": axis}, {"axis": None}, *([{}] if axis % len(shape) == 0 else [])]
    params = draw(st.sampled_from(choices))
    return spelled_after(draw, draw(st.sampled_from([tuple, list]))(parts), params)


@CASES.of(np.stack)
def _stack(draw: st.DrawFn, fun: Any) -> Call:
    shape = draw(shapes(max_dims=2))
    parts = [draw(arrays(shape)) for _ in range(draw(st.integers(1, 3)))]
    return spelled_after(draw, parts, draw(st.sampled_from([{}, {"axis": axis_of(draw, len(shape) + 1)}])))


@CASES.of(np.split)
def _split(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=1, max_side=4)))
    axis = axis_of(draw, x.ndim)
    n = x.shape[axis]
    sections = st.sampled_from([i for i in range(1, n + 1) if n % i == 0])
    cuts = st.lists(st.integers(0, n), max_size=3).map(sorted)
    return spelled(draw, {"ary": x, "indices_or_sections": draw(st.one_of(sections, cuts)), "axis": axis})


@CASES.of(np.vstack, np.hstack, np.dstack, np.column_stack)
def _stacks(draw: st.DrawFn, fun: Any) -> Call:
    shape = draw(shapes(max_dims=3 if fun is not np.column_stack else 2))
    axis = {np.vstack: 0, np.hstack: min(len(shape) - 1, 1), np.dstack: 2, np.column_stack: 1}[fun]
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        joined = 0 <= axis < len(shape) and (len(shape) > 1 or fun is np.hstack)
        side = (draw(st.integers(1, 3)),) if joined else ()
        parts.append(draw(arrays(shape[:axis] + side + shape[axis + 1 :] if joined else shape)))
    return (draw(st.sampled_from([tuple, list]))(parts),), {}


@CASES.of(np.append)
def _append(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    if x.ndim == 0 or draw(st.booleans()):
        flat = draw(st.sampled_from([{}, {"axis": None}]))
        return spelled(draw, {"arr": x, "values": draw(arrays(shapes(max_dims=2)))} | flat)
    return spelled(draw, {"arr": x, "values": draw(arrays(x.shape)), "axis": axis_of(draw, x.ndim)})


@CASES.of(np.block)
def _block(draw: st.DrawFn, fun: Any) -> Call:
    rows, columns = (draw(st.lists(st.integers(1, 2), min_size=1, max_size=2)) for _ in range(2))
    batch = draw(st.sampled_from([(), (2,)]))
    blocks: Any = [[draw(arrays((*batch, m, n))) for n in columns] for m in rows]
    vectors = [draw(arrays(shape)) for shape in draw(st.lists(st.sampled_from([(), (1,), (2,)]), min_size=1, max_size=3))]
    return (draw(st.sampled_from([blocks, blocks[0], blocks[0][0], vectors, [vectors]])),), {}


@CASES.of(np.array_split)
def _array_split(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=1, max_side=4)))
    axis = axis_of(draw, x.ndim)
    cuts = st.lists(st.integers(-1, x.shape[axis] + 1), max_size=3)
    return spelled(draw, {"ary": x, "indices_or_sections": draw(st.one_of(st.integers(1, 5), cuts)), "axis": axis})


@CASES.of(np.hsplit, np.vsplit, np.dsplit)
def _splits(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims={np.hsplit: 1, np.vsplit: 2, np.dsplit: 3}[fun], max_side=4)))
    n = x.shape[{np.hsplit: min(x.ndim - 1, 1), np.vsplit: 0, np.dsplit: 2}[fun]]
    return spelled(draw, {"ary": x, "indices_or_sections": draw(st.sampled_from([1, n, [1], [0, n], [n // 2, n // 2]]))})


if hasattr(np, "unstack"):

    @CASES.of(np.unstack)
    def _unstack(draw: st.DrawFn, fun: Any) -> Call:
        x = draw(arrays(shapes(min_dims=1)))
        return (x,), draw(st.sampled_from([{}, {"axis": axis_of(draw, x.ndim)}]))


def _axis_or_flat(draw: st.DrawFn, x: Any) -> tuple[Any, int]:
    """An axis or None, and how many elements it has."""
    axis = draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1))) if x.ndim else None
    return axis, x.size if axis is None else x.shape[axis]


def _positions(draw: st.DrawFn, n: int, *, beyond: int = 0) -> Any:
    """Positions on an axis of length `n`: one, a list of them, or a slice."""
    several = st.lists(st.integers(-n, n - 1 + beyond), max_size=3)
    return draw(st.one_of(st.integers(-n, n - 1 + beyond), several.map(partial(np.array, dtype=np.intp)), st.slices(n)))


@CASES.of(np.delete)
def _delete(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    axis, n = _axis_or_flat(draw, x)
    return spelled(draw, {"arr": x, "obj": _positions(draw, n), "axis": axis})


@CASES.of(np.insert)
def _insert(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(max_dims=2)))
    axis, n = _axis_or_flat(draw, x)
    obj = _positions(draw, n, beyond=1)
    count = np.insert(np.zeros(n), obj, 0.0).size - n
    others = () if axis is None else x.shape[: axis % x.ndim] + x.shape[axis % x.ndim + 1 :]
    at_one = np.ndim(obj) == 0 and not isinstance(obj, slice)
    several = () if at_one and axis is not None else (count,)
    full = others if axis is None or at_one else (*others[: axis % x.ndim], count, *others[axis % x.ndim :])
    choices = [(), several] if axis is None else [(), full]
    return spelled(draw, {"arr": x, "obj": obj, "values": draw(arrays(draw(st.sampled_from(choices)))), "axis": axis})


@CASES.of(np.trim_zeros)
def _trim_zeros(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=1, max_dims=1), avoid=lambda x: x))  # it jumps at a zero, where there is something to trim
    return spelled(draw, {"filt": x} | draw(st.sampled_from([{}, {"trim": "f"}, {"trim": "bf"}])))


@CASES.of(np.repeat)
def _repeat(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    axis = draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1))) if x.ndim else None
    n = x.size if axis is None else x.shape[axis]
    each = st.lists(st.integers(0, 2), min_size=n, max_size=n)
    return spelled(draw, {"a": x, "repeats": draw(st.one_of(st.integers(0, 3), each)), "axis": axis})


@CASES.of(np.tile)
def _tile(draw: st.DrawFn, fun: Any) -> Call:
    reps = st.one_of(st.integers(0, 3), st.lists(st.integers(0, 2), max_size=3), shapes(max_dims=4, max_side=2))
    return spelled(draw, {"A": draw(arrays(shapes(max_dims=2))), "reps": draw(reps)})


@CASES.of(np.flip)
def _flip(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    return spelled(draw, {"m": x, "axis": axes_of(draw, x.ndim)})


@CASES.of(np.fliplr, np.flipud)
def _flips(draw: st.DrawFn, fun: Any) -> Call:
    return spelled(draw, {"m": draw(arrays(shapes(min_dims=2 if fun is np.fliplr else 1)))})


@CASES.of(np.rot90)
def _rot90(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=2)))
    axes = draw(st.permutations(range(x.ndim)))[:2]
    given = {"axes": tuple(i - x.ndim if draw(st.booleans()) else i for i in axes)}
    return spelled(draw, {"m": x, "k": draw(st.integers(-5, 5))} | draw(st.sampled_from([{}, given])))


@CASES.of(np.resize)
def _resize(draw: st.DrawFn, fun: Any) -> Call:
    return spelled(draw, {"a": draw(arrays(shapes())), "new_shape": draw(st.one_of(st.integers(0, 5), shapes(min_side=0)))})


@CASES.of(np.fft.fftshift, np.fft.ifftshift)
def _fftshift(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=1, max_side=4)))
    return spelled(draw, {"x": x, "axes": axes_of(draw, x.ndim, fewest=1)})


@CASES.of(np.roll)
def _roll(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    axis = axes_of(draw, x.ndim, fewest=1) if x.ndim else None
    shifts = st.integers(-4, 4)
    shift = draw(st.lists(shifts, min_size=len(axis), max_size=len(axis)).map(tuple) if isinstance(axis, tuple) else shifts)
    return spelled(draw, {"a": x, "shift": shift, "axis": axis})


@CASES.of(np.pad)
def _pad(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=1, max_dims=2)))
    n = st.integers(0, 3)
    width = draw(st.one_of(n, st.tuples(n, n), st.tuples(*[st.tuples(n, n)] * x.ndim)))
    mode = draw(st.sampled_from([None, "constant", "edge", "reflect", "symmetric", "wrap"]))
    value = {"constant_values": draw(st.sampled_from([0, 1.5, (1.0, 2.0)]))} if mode == "constant" else {}
    return spelled(draw, {"array": x, "pad_width": width} | ({"mode": mode} if mode else {}), **value)


@CASES.of(rules.pad_constant)
def _pad_constant(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes(min_dims=1)))
    n = st.integers(0, 2)
    return spelled(draw, {"x": x, "widths": [draw(st.tuples(n, n)) for _ in x.shape], "value": draw(st.sampled_from([0, 2.5]))})


# Indexing ------------------------------------------------------------------------------------------------------------


@CASES.of(operator.getitem)
def _getitem(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    return (x, draw(indices(x.shape))), {}


@CASES.of(indexing.scatter)
def _scatter(draw: st.DrawFn, fun: Any) -> Call:
    shape = draw(shapes())
    index = draw(indices(shape))
    return spelled(draw, {"values": draw(arrays(np.empty(shape)[index].shape)), "index": index, "shape": shape})


@CASES.of(indexing.with_values)
def _with_values(draw: st.DrawFn, fun: Any) -> Call:
    x = draw(arrays(shapes()))
    index = draw(indices(x.shape))
    shape = x[index].shape
    fitting = [value for value in (shape, (1, *shape), (), shape[1:], (1,) * len(shape)) if _can_assign(x, index, value)]
    return spelled(draw, {"x": x, "v": draw(arrays(draw(st.sampled_from(fitting)))), "index": index})


def _can_assign(x: Any, index: Any, shape: tuple[int, ...]) -> bool:
    """Whether NumPy takes a value of that shape at that index."""
    try:
        x.copy()[index] = np.zeros(shape)
    except (ValueError, TypeError):
        return False
    return True
