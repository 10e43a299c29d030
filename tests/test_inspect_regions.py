"""Linear regions, in a window and along a segment: against a dense grid, by their areas, and in degenerate cases."""

import copy
from fractions import Fraction
from itertools import combinations, pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as tn
from tinynet import nn
from tinynet.errors import ShapeError
from tinynet.inspect import Pieces, activation_patterns, collapse, linear_regions, linear_segments, register
from tinynet.inspect import regions as regions_module

WINDOW = ((-2.0, 1.5), (-1.0, 2.0))


def network(sizes, activation=nn.ReLU, seed=0):
    rng = np.random.default_rng(seed)
    layers = [layer for m, n in pairwise(sizes) for layer in (nn.Linear(m, n, rng=rng), activation())]
    return nn.Sequential(*layers[:-1])


def patterns_at(model, x):
    return np.concatenate(list(activation_patterns(model, x).values()), axis=-1).astype(np.int8)


def grid(window, n):
    """Points inside a window, close to each other."""
    (left, right), (bottom, top) = window
    share = (np.arange(n) + 0.5 + np.sin(np.arange(n)) / 7) / n
    return np.stack(np.meshgrid(left + (right - left) * share, bottom + (top - bottom) * share), axis=-1).reshape(-1, 2)


def clear(model, x):
    """Whether no unit is within rounding of a breakpoint at a point: other biases, by a very little, change no pattern."""
    patterns, still = patterns_at(model, x), np.ones(len(x), dtype=bool)
    for seed, sign in product(range(3), (-1, 1)):
        other, rng = copy.deepcopy(model), np.random.default_rng(seed)
        for parameter in other.parameters():
            if parameter.ndim == 1:
                parameter.data += sign * 1e-9 * rng.uniform(-1, 1, size=parameter.shape)
        still &= (patterns_at(other, x) == patterns).all(axis=1)
    return still


def assert_is_a_partition(model, regions, window=WINDOW, points=60):
    """The polygons fill the window, and each has the pattern and the map that the network has in its middle.

    The share of the middles at which rounding cannot change the pattern is given back: only there it is compared.
    """
    (left, right), (bottom, top) = window
    assert abs(regions.areas.sum() / ((right - left) * (top - bottom)) - 1) < 1e-9
    assert len(np.unique(regions.patterns, axis=0)) == len(regions)
    for polygon in regions.polygons:
        sides = np.roll(polygon, -1, axis=0) - polygon
        turns = sides[:, 0] * np.roll(sides[:, 1], -1) - sides[:, 1] * np.roll(sides[:, 0], -1)
        assert turns.min() > -1e-9
        assert (polygon >= np.array(window)[:, 0]).all() and (polygon <= np.array(window)[:, 1]).all()
    middles = np.array([polygon.mean(axis=0) for polygon in regions.polygons])
    wide = clear(model, middles)
    assert (regions.areas > 0).all()
    np.testing.assert_array_equal(patterns_at(model, middles)[wide], regions.patterns[wide])
    value = np.einsum("roi,ri->ro", regions.weight, middles) + regions.bias
    np.testing.assert_allclose(value, model(middles).data, rtol=1e-9, atol=1e-9)
    found, dense = {pattern.tobytes() for pattern in regions.patterns.astype(np.int8)}, grid(window, points)
    assert {pattern.tobytes() for pattern in patterns_at(model, dense)[clear(model, dense)]} <= found
    return wide.mean()


@pytest.mark.parametrize("seed", range(20))
def test_every_region_that_a_dense_grid_finds_is_there_and_the_areas_add_up(seed):
    rng = np.random.default_rng(seed)
    sizes = (2, *rng.integers(3, 25, size=rng.integers(1, 4)).tolist(), int(rng.integers(1, 3)))
    activation = [nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.Hardtanh, nn.ReLU6, nn.Hardsigmoid, lambda: nn.APL(2)][seed % 7]
    model = network(sizes, activation, seed)
    for x in model.parameters():
        x.data *= 2
    assert assert_is_a_partition(model, linear_regions(model, WINDOW), points=200) > 0.9


def test_lines_in_general_position_make_the_number_of_regions_that_geometry_says():
    """n lines of which k pairs cross in the window make 1 + n + k regions, if all of them meet it."""
    model = network((2, 12, 1), seed=3)
    (a, c), window = (model[0].weight.data, model[0].bias.data), ((-50, 50), (-50, 50))
    crossings = np.array([np.linalg.solve(a[[i, j]], -c[[i, j]]) for i, j in combinations(range(12), 2)])
    inside = (np.abs(crossings) < 50).all(axis=1).sum()
    regions = linear_regions(model, window)
    assert len(regions) == 1 + 12 + inside
    assert len(regions.neighbours) == 12 + 2 * inside  # a line is cut into one piece more than there are crossings on it


def integer_network(draw, sizes):
    model = network(sizes, draw(st.sampled_from([nn.ReLU, lambda: nn.LeakyReLU(0.5), nn.Hardtanh])))
    for x in model.parameters():
        x.data[...] = np.reshape(draw(st.lists(st.integers(-2, 2), min_size=x.size, max_size=x.size)), x.shape)
    return model


@st.composite
def degenerate_networks(draw):
    """Weights that are small integers: lines coincide, run through corners and through each other's crossings, or are none."""
    return integer_network(draw, draw(st.sampled_from([(2, 3, 1), (2, 6, 1), (2, 4, 3, 1), (2, 3, 3, 2, 2)])))


@given(degenerate_networks())
def test_degenerate_lines(model):
    window = ((-2, 2), (-2, 2))
    regions = linear_regions(model, window)
    assert_is_a_partition(model, regions, window)
    touching = {tuple(sorted(pair)) for pair in regions.neighbours.tolist()}
    assert len(touching) == len(regions.neighbours)
    if len(regions) <= 30:
        pairs = combinations(range(len(regions)), 2)
        assert touching == {(i, j) for i, j in pairs if touch(regions.polygons[i], regions.polygons[j])}
    for i, j in touching:
        one_map = np.allclose(regions.weight[i], regions.weight[j]) and np.allclose(regions.bias[i], regions.bias[j])
        assert (regions.pieces[i] == regions.pieces[j]) == one_map
    for piece in range(regions.pieces.max() + 1):
        members = np.nonzero(regions.pieces == piece)[0]
        np.testing.assert_allclose(regions.weight[members] - regions.weight[members[0]], 0, atol=1e-12)


def touch(polygon, other):
    """Whether two polygons have a stretch of their sides in common, side by side."""
    for p, q in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        along = (q - p) / np.hypot(*(q - p))
        t, off = (other - p) @ along, (other - p) @ [-along[1], along[0]]
        on = np.abs(off) < 1e-9
        for i, k in enumerate(np.roll(np.arange(len(other)), -1)):
            if on[i] and on[k] and min(max(t[i], t[k]), np.hypot(*(q - p))) - max(min(t[i], t[k]), 0) > 1e-9:
                return True
    return False


PIECES = {
    nn.ReLU: ([0], [0, 1], [0, 0]), nn.LeakyReLU: ([0], [0.5, 1], [0, 0]), nn.Hardtanh: ([-1, 1], [0, 1, 0], [-1, 0, 1]),
}  # fmt: skip


def exact_areas(model, window):
    """The area of each region by its pattern, in fractions: unit by unit each cell is clipped to each piece."""
    (left, right), (bottom, top) = [[Fraction(end) for end in ends] for ends in window]
    corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
    cells = {(): (corners, [(1, 0, 0), (0, 1, 0)])}  # by pattern the polygon, and two slopes and a constant for each unit
    for layer in model:
        if isinstance(layer, nn.Linear):
            rows = [[Fraction(x) for x in row] for row in np.c_[layer.weight.data, layer.bias.data].tolist()]
            for pattern, (polygon, maps) in cells.items():
                terms = np.array([*maps, (0, 0, 1)], dtype=object)
                cells[pattern] = polygon, [tuple(np.array(row, dtype=object) @ terms) for row in rows]
            continue
        breakpoints, slopes, intercepts = PIECES[type(layer)]
        for unit in range(len(next(iter(cells.values()))[1])):
            split = {}
            for pattern, (polygon, maps) in cells.items():
                x, y, c = maps[unit]
                for piece, (slope, intercept) in enumerate(zip(map(Fraction, slopes), intercepts, strict=True)):
                    part = polygon
                    if piece > 0:
                        part = clipped(part, [x * p + y * q + c - breakpoints[piece - 1] for p, q in part])
                    if piece < len(breakpoints) and part:
                        part = clipped(part, [breakpoints[piece] - x * p - y * q - c for p, q in part], flat=True)
                    if area(part):
                        bent = (slope * x, slope * y, slope * c + intercept)
                        split[(*pattern, piece)] = part, [*maps[:unit], bent, *maps[unit + 1 :]]
            cells = split
    return {pattern: float(area(polygon)) for pattern, (polygon, _) in cells.items()}


def clipped(polygon, heights, flat=False):
    """The part of a polygon that has a height of 0 or more; nothing, or with `flat` all, where it is 0 everywhere."""
    if max(heights) == 0 and not (flat and min(heights) == 0):
        return []
    part = []
    for k, (p, h) in enumerate(zip(polygon, heights, strict=True)):
        before, g = polygon[k - 1], heights[k - 1]
        if g * h < 0:
            part.append(tuple(a + (b - a) * g / (g - h) for a, b in zip(before, p, strict=True)))
        if h >= 0:
            part.append(p)
    return part


def area(polygon):
    return sum(p[0] * q[1] - q[0] * p[1] for p, q in zip(polygon, polygon[1:] + polygon[:1], strict=True)) / 2


@settings(max_examples=25)
@given(degenerate_networks())
def test_degenerate_lines_against_exact_arithmetic(model):
    window = ((-2, 2), (-1, 2))
    regions, exact = linear_regions(model, window), exact_areas(model, window)
    assert set(map(tuple, regions.patterns.tolist())) == set(exact)
    np.testing.assert_allclose(regions.areas, [exact[tuple(pattern)] for pattern in regions.patterns.tolist()], rtol=1e-9)


def test_xor_net_of_two_coinciding_lines_has_two_regions():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    model.load_state_dict({"0.weight": [[1, -1], [-1, 1]], "2.weight": [[1, 1]]})
    regions = linear_regions(model, ((0, 1), (0, 1)))
    assert sorted(map(tuple, regions.patterns.tolist())) == [(0, 1), (1, 0)]
    assert sorted(regions.weight[:, 0].tolist()) == [[-1, 1], [1, -1]]
    np.testing.assert_allclose(regions.areas, 0.5)


def test_regions_with_one_map_are_one_piece_only_where_they_touch():
    register(Tent, lambda module: Pieces([-1, 0, 1], [0, 1, -1, 0], [0, 1, 1, 0]))
    model = nn.Sequential(nn.Linear(2, 1, bias=False), Tent())
    model[0].weight.data[...] = [[1.0, 0.0]]
    regions = linear_regions(model, ((-2, 2), (0, 1)))
    assert sorted(regions.weight[:, 0, 0].tolist()) == [-1, 0, 0, 1]  # the two flat ones have the same map
    assert sorted(regions.pieces.tolist()) == [0, 1, 2, 3]
    identity = nn.Sequential(nn.Linear(2, 5, rng=0), nn.PReLU(init=1.0), nn.Linear(5, 1, rng=1))
    everywhere = linear_regions(identity, WINDOW)
    assert len(everywhere) > 5 and not everywhere.pieces.any()
    assert repr(everywhere).startswith(f"LinearRegions({len(everywhere)} activation regions, 1 linear piece, window [-2, 1.5]")


class Tent(nn.Module):
    """A tent on [-1, 1], and 0 elsewhere."""

    def forward(self, x):
        return tn.relu(1 - np.abs(x))


def test_network_without_activation_is_one_region():
    regions = linear_regions(network((2, 3, 2), nn.Identity), WINDOW)
    assert len(regions) == 1 and regions.patterns.shape == (1, 0) and len(regions.neighbours) == 0
    np.testing.assert_allclose(regions.areas, 3.5 * 3)
    np.testing.assert_array_equal(regions.polygons[0], [[-2, -1], [1.5, -1], [1.5, 2], [-2, 2]])


@pytest.mark.parametrize("window", [
    ((0, 1e6), (0, 1e-9)), ((0, 1e-9), (0, 1e6)), ((1, 1 + 1e-9), (-1e3, 1e3)), ((0, 1e-200), (-1, 1)),
])  # fmt: skip
def test_regions_of_a_thin_window_are_neighbours(window):
    regions = linear_regions(network((2, 10, 10, 1)), window)
    reached = {0}
    for _ in range(len(regions)):
        reached |= {k for pair in regions.neighbours.tolist() if reached & set(pair) for k in pair}
    assert reached == set(range(len(regions))) and len(regions) >= 1
    assert abs(regions.areas.sum() / np.prod(np.ptp(window, axis=1)) - 1) < 1e-9


@pytest.mark.parametrize("activation", [nn.ReLU, nn.LeakyReLU, nn.Hardtanh, lambda: nn.APL(2), nn.PReLU])
def test_windows_whose_edges_and_corners_are_on_kinks(activation):
    model = network((2, 6, 4, 1), activation, seed=1)
    model[0].weight.data[...] = [[1, 0], [0, 1], [1, 0], [0, 1], [1, -1], [1, 1]]
    model[0].bias.data[...] = [0, 0, -1, -1, 0, -1]
    for window in (((0, 1), (0, 1)), ((-1, 1), (0, 2)), ((0, 0.5), (0.5, 1))):
        assert_is_a_partition(model, linear_regions(model, window), window)


def test_lines_through_one_point_and_duplicated_units():
    model = network((2, 9, 1), seed=2)
    model[0].bias.data[...] = 0
    assert len(linear_regions(model, ((-1, 1), (-1, 1)))) == len(linear_regions(model, ((-1e-9, 1e-9), (-1e-9, 1e-9)))) == 18
    model[0].weight.data[5:] = model[0].weight.data[:4] * [[-3.0], [1 / 3], [1.0], [-0.1]]
    regions = linear_regions(model, ((-1, 1), (-1, 1)))
    assert len(regions) == len(regions.neighbours) == 10
    assert_is_a_partition(model, regions, ((-1, 1), (-1, 1)))


def test_neighbours_far_from_the_origin_and_along_a_line_that_a_thin_window_makes_steep():
    model, point = network((2, 9, 1), seed=2), np.array([1e4 + 0.37, 1e4 + 0.61])
    model[0].bias.data[...] = -model[0].weight.data @ point
    regions = linear_regions(model, ((1e4, 1e4 + 1), (1e4, 1e4 + 1)))
    assert len(regions) == len(regions.neighbours) == 18
    steep = network((2, 1, 1))
    steep[0].weight.data[...], steep[0].bias.data[...] = [[1e-13, 1.0]], -5e-8
    assert linear_regions(steep, ((0, 1e6), (0, 1e-9))).neighbours.tolist() in ([[0, 1]], [[1, 0]])


def test_lines_that_differ_by_rounding_behind_slopes_below_zero_are_one():
    model = nn.Sequential(nn.Linear(2, 1), nn.PReLU(init=-1.0), nn.Linear(1, 2), nn.ReLU())
    model.load_state_dict({
        "0.weight": [[1.0, 0.0]], "0.bias": [0.0], "1.weight": [-1.0], "2.weight": [[1.0], [1.0]], "2.bias": [-0.3, -(0.1 * 3)],
    })  # fmt: skip
    assert 0.1 * 3 != 0.3 and len(linear_regions(model, ((-1, 1), (0, 1)))) == 4


def test_one_map_is_one_in_all_outputs():
    model = network((2, 6, 2))
    model[2].weight.data[1] = 0
    regions = linear_regions(model, WINDOW)
    assert regions.pieces.tolist() == list(range(len(regions))) and len(regions) > 6


def test_a_dead_network_is_one_region():
    model = network((2, 8, 8, 1))
    model[0].bias.data[...] = -100
    regions = linear_regions(model, WINDOW)
    assert len(regions) == 1 and not regions.weight.any() and not regions.patterns[0, :8].any()
    for x in model.parameters():
        x.data[...] = 0
    assert len(linear_regions(model, WINDOW)) == 1


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_scale_of_the_inputs_does_not_matter(scale):
    model = network((2, 10, 10, 1), seed=5)
    regions = linear_regions(model, WINDOW)
    model[0].weight.data /= scale
    scaled = linear_regions(model, tuple((scale * low, scale * high) for low, high in WINDOW))
    assert len(scaled) == len(regions) and len(np.unique(scaled.pieces)) == len(np.unique(regions.pieces))
    np.testing.assert_allclose(np.sort(scaled.areas), scale**2 * np.sort(regions.areas), rtol=1e-6, atol=1e-12 * scale**2)


def test_regions_are_a_sequence():
    regions = linear_regions(network((2, 4, 1)), WINDOW)
    assert [region.area for region in regions] == regions.areas.tolist()
    assert regions[-1].area == regions.areas[-1] and len(regions[1:3]) == 2
    with pytest.raises(IndexError):
        regions[len(regions)]


@pytest.mark.parametrize("window", [
    ((0, 0), (0, 1)), ((1, 0), (0, 1)), ((0, np.inf), (0, 1)), (0, 1), ((0, np.nan), (0, 1)), ((0, 1), (0,)),
    (("a", 1), (0, 1)), ((0, 1), (0, 1j)), None, ((1, 1 + 1e-14), (0, 1)), ((-1e200, 1e200), (-1e200, 1e200)),
    ((-1e308, 1e308), (0, 1)), ((0, 1e-200), (0, 1e-200)),
])  # fmt: skip
def test_bad_windows(window):
    with pytest.raises(ValueError, match=r"linear_regions: the window .* is not \(\(low, high\), \(low, high\)\)"):
        linear_regions(network((2, 3, 1)), window)


def test_bad_networks():
    with pytest.raises(ShapeError, match=r"layer 0 .* takes 3 .* is given 2.*window is of two inputs.*linear_segments"):
        linear_regions(network((3, 3, 1)), WINDOW)
    with pytest.raises(TypeError, match=r"linear_regions: layer 1 is GELU\(approximate='none'\), which is not known"):
        linear_regions(network((2, 3, 1), nn.GELU), WINDOW)
    model = network((2, 3, 1))
    model[0].weight.data[...] = 1e300
    for look in (lambda: linear_regions(model, ((0, 1e10), (0, 1))), lambda: linear_segments(model, [0.0, 0.0], [1e10, 1.0])):
        with pytest.raises(ValueError, match=r"linear_(regions|segments): numbers within the network are too large"):
            look()
    model[0].weight.data[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"layer 0 .* parameters that are not finite"):
        linear_regions(model, WINDOW)


# Deep networks -------------------------------------------------------------------------------------------------------


def deep(inputs, width, depth, seed=0):
    """A network at the start of He et al. (2015), at which numbers stay of one size from layer to layer."""
    rng = np.random.default_rng(seed)
    model = network((inputs, *[width] * depth, 1))
    for layer in model[::2]:
        layer.weight.data[...] = rng.normal(size=layer.weight.shape) * np.sqrt(2 / layer.in_features)
        layer.bias.data[...] = 0.1 * rng.normal(size=layer.bias.shape)
    return model


def test_regions_of_a_deep_network_in_the_plane():
    model, window = deep(2, 24, 26), ((0.5, 0.7), (0.5, 0.7))
    regions = linear_regions(model, window)
    middles = np.array([polygon.mean(axis=0) for polygon in regions.polygons])
    np.testing.assert_array_equal(patterns_at(model, middles), regions.patterns)
    np.testing.assert_allclose(regions.weight, collapse(model, middles).weight, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(regions.areas.sum(), 0.04, rtol=1e-12)
    seen = {pattern.tobytes() for pattern in patterns_at(model, grid(window, 60))}
    assert len(seen) > 200 and seen <= {pattern.tobytes() for pattern in regions.patterns.astype(np.int8)}


def test_segment_through_a_deep_network():
    model = deep(3, 64, 20)
    segments = linear_segments(model, [-0.03, 0.02, 0.0], [0.02, -0.01, 0.03])
    middles = (segments.points[1:] + segments.points[:-1]) / 2
    np.testing.assert_array_equal(patterns_at(model, middles), segments.patterns)
    t = (segments.breakpoints[1:] + segments.breakpoints[:-1]) / 2
    value = segments.slope * t[:, None] + segments.intercept
    np.testing.assert_allclose(value, model(middles).data, rtol=0, atol=1e-12 * np.abs(value).max())
    assert len(segments) > 50


def test_a_small_part_of_a_deep_sawtooth():
    segments = linear_segments(nn.Sequential(*[tent()] * 18), 1365 / 2**11, 1366 / 2**11)  # about its fixed point, ⅔
    assert len(segments) == 2**7 == segments.pieces[-1] + 1
    np.testing.assert_allclose(segments.breakpoints, np.arange(2**7 + 1) / 2**7, rtol=0, atol=1e-9)


def test_what_rounding_hides_is_an_error():
    model = network((1, 2, 1, 1, 1), lambda: nn.LeakyReLU(0.5))
    for layer, weight in zip(model[::2], ([[0.1 * 3], [0.3]], [[1, -1]], [[1e16]], [[1]]), strict=True):
        layer.weight.data[...], layer.bias.data[...] = weight, 0  # 0.1 * 3 - 0.3 is 6e-17
    model[4].bias.data[...] = 0.1
    with pytest.raises(ValueError, match=r"linear_segments: rounding grows so much .* that float64 cannot tell the regions"):
        linear_segments(model, -1, 1)
    model.insert(0, nn.Linear(2, 1, rng=0))
    with pytest.raises(ValueError, match="linear_regions: rounding grows so much"):
        linear_regions(model, WINDOW)


def test_regions_that_the_network_itself_contradicts_are_an_error():
    part = Pieces([0], [0, 1], [0, 0])
    h, margins = np.array([[1.0, 1e-12]]), np.full((1, 2), 1e-12)
    regions_module._check_patterns(h, [part], np.array([[1, 0]]), margins, "linear_regions")
    with pytest.raises(ValueError, match="linear_regions: rounding grows so much"):
        regions_module._check_patterns(h, [part], np.array([[0, 0]]), margins, "linear_regions")


# Along a segment -----------------------------------------------------------------------------------------------------


def tent():
    """2x up to ½, 2 - 2x after it."""
    model = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    model.load_state_dict({"0.weight": [[1], [1]], "0.bias": [0, -0.5], "2.weight": [[2, -4]], "2.bias": [0]})
    return model


@pytest.mark.parametrize("depth", range(1, 11))
def test_sawtooth_of_depth_l_has_2_to_the_l_pieces(depth):
    segments = linear_segments(nn.Sequential(*[tent()] * depth), 0, 1)
    assert len(segments) == 2**depth and segments.pieces.tolist() == list(range(2**depth))
    np.testing.assert_allclose(segments.breakpoints, np.arange(2**depth + 1) / 2**depth, rtol=0, atol=1e-12)
    np.testing.assert_allclose(segments.slope[:, 0], np.tile([2.0**depth, -(2.0**depth)], 2 ** (depth - 1)))


@pytest.mark.parametrize("sizes", [(1, 20, 1), (5, 16, 16, 3), (40, 30, 2)])
@pytest.mark.parametrize("activation", [nn.ReLU, nn.Hardtanh, lambda: nn.APL(3)])
def test_segment_against_a_dense_grid(sizes, activation):
    model = network(sizes, activation, seed=1)
    rng = np.random.default_rng(2)
    for x in model.parameters():
        x.data += rng.normal(size=x.shape)
    start, end = rng.normal(-4, 1, sizes[0]), rng.normal(4, 1, sizes[0])
    segments = linear_segments(model, start, end)
    t = (np.arange(20_000) + 0.5) / 20_000
    x = start + (end - start) * t[:, None]
    region = np.searchsorted(segments.breakpoints, t) - 1
    np.testing.assert_array_equal(patterns_at(model, x), segments.patterns[region])
    value = segments.slope[region] * t[:, None] + segments.intercept[region]
    np.testing.assert_allclose(value, model(x).data, rtol=1e-8, atol=1e-8)
    assert len(segments) > 10 and (np.diff(segments.breakpoints) > 0).all()
    np.testing.assert_allclose(segments.points[[0, -1]], [start, end])
    changed = (segments.patterns[1:] != segments.patterns[:-1]).any(axis=1)
    assert changed.all()


def test_segment_through_a_window_passes_the_regions_of_the_window():
    model = network((2, 12, 8, 1), seed=4)
    segments = linear_segments(model, [-2.0, -1.0], [1.5, 2.0])
    regions = linear_regions(model, WINDOW)
    assert set(map(tuple, segments.patterns.tolist())) <= set(map(tuple, regions.patterns.tolist()))


def test_segment_agrees_with_collapse():
    model = network((3, 8, 8, 2), seed=6)
    start, end = np.array([-1.0, 2.0, 0.5]), np.array([2.0, -1.0, 1.0])
    segments = linear_segments(model, start, end)
    middles = (segments.points[1:] + segments.points[:-1]) / 2
    np.testing.assert_allclose(collapse(model, middles).weight @ (end - start), segments.slope, atol=1e-12)


def test_linear_pieces_along_a_segment():
    model = nn.Sequential(nn.Linear(1, 4, rng=0), nn.PReLU(init=1.0), nn.Linear(4, 1, rng=1))
    segments = linear_segments(model, -10, 10)
    assert len(segments) == 5 and not segments.pieces.any()
    assert repr(segments) == "LinearSegments(5 activation regions, 1 linear piece)"


@pytest.mark.parametrize("start, end, error", [
    ([0.0], [1.0, 2.0], ShapeError), ([[0.0]], [[1.0]], ShapeError), ([0.0, 1.0], [0.0, 1.0], ValueError),
    ([0.0, 1.0], [np.inf, 1.0], ValueError), ([0.0], [1.0], ShapeError), ([1.0, 1.0], [1 + 1e-15, 1.0], ValueError),
    ([], [], ValueError), ([-1e308, 0.0], [1e308, 0.0], ValueError),
])  # fmt: skip
def test_bad_segments(start, end, error):
    with pytest.raises(error, match="linear_segments"):
        linear_segments(network((2, 3, 1)), start, end)
