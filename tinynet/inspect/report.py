"""What a function of one number is like, as an activation: its range, slopes, minima, fixed points, limits and symmetry."""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinynet.errors import ShapeError
from tinynet.graph import no_grad
from tinynet.inspect.pieces import described
from tinynet.inspect.zeros import jumps, limit, zeros
from tinynet.nn.module import Module
from tinynet.rules import name_of
from tinynet.tensor import Tensor
from tinynet.training.inference import mode
from tinynet.transforms import grad

__all__ = ["ActivationReport", "FixedPoint", "report"]

Array = np.ndarray[Any, Any]
Function = Callable[[Array], Array]


class FixedPoint(NamedTuple):
    """A number that a function leaves as it is.

    Attributes
    ----------
    x : float
    slope : float
        The function's slope there.
    kind : str
        ``attracting`` where |slope| < 1, so that applying the function again and again leads there from nearby; ``repelling``
        where |slope| > 1; ``neutral`` where the slope does not tell, as where it is ±1 or NaN, or the function jumps.
    """

    x: float
    slope: float
    kind: str


@dataclass(frozen=True, eq=False, repr=False)
class ActivationReport:
    """What `report` found; it prints as a list. Points and intervals are those in the interval that was looked at.

    Attributes
    ----------
    name : str
        The function.
    x, f, slope, curvature : ndarray, shape (points,)
        The grid, and on it f, f′ and f″.
    range : (float, float)
        The least and the greatest value, on the grid, where f turns, and beside its jumps.
    monotone : str
        ``increasing``, ``decreasing``, ``non-decreasing``, ``non-increasing``, ``constant``, or ``no``.
    minima, maxima : list of (float, float)
        The x and f(x) of each inner point at which f turns.
    slope_zeros : list of float
        Where f′ is 0, but for the intervals in `flat`.
    flat : list of (float, float)
        The intervals on which f′ is 0 throughout, or too small for a float64.
    kinks, jumps : list of float
        Where f′ jumps, and where f itself does, as at a pole.
    fixed_points : list of FixedPoint
        Where f(x) = x, but for the intervals in `fixed_intervals`.
    fixed_intervals : list of (float, float)
        The intervals on which f(x) = x throughout.
    idempotent : bool
        Whether f(f(x)) = f(x).
    change_on_repeat : float
        The greatest |f(f(x)) - f(x)|, on the grid and beside fixed points.
    limits : (float or None, float or None)
        What f tends to at -∞ and at +∞, as far as numbers can tell; None where no limit was found.
    symmetry : str
        ``odd``, ``even``, ``odd and even`` (zero) or ``none``.
    lipschitz : float
        The greatest slope in magnitude, on the grid and between neighbours on it, at zeros of f″, in `fixed_points` and beside
        kinks; infinite where f jumps, and NaN where the slope is NaN somewhere.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> found = tn.inspect.report(np.tanh)
    >>> found.symmetry, found.monotone, found.limits, found.fixed_points
    ('odd', 'increasing', (-1.0, 1.0), [FixedPoint(x=0.0, slope=1.0, kind='neutral')])
    """

    name: str
    x: Array
    f: Array
    slope: Array
    curvature: Array
    range: tuple[float, float]
    monotone: str
    minima: list[tuple[float, float]]
    maxima: list[tuple[float, float]]
    slope_zeros: list[float]
    flat: list[tuple[float, float]]
    kinks: list[float]
    jumps: list[float]
    fixed_points: list[FixedPoint]
    fixed_intervals: list[tuple[float, float]]
    idempotent: bool
    change_on_repeat: float
    limits: tuple[float | None, float | None]
    symmetry: str
    lipschitz: float

    def __repr__(self) -> str:
        stretches = [f"all of {_interval(interval)}" for interval in self.fixed_intervals]
        fixed = [f"{_number(point.x)} ({point.kind}, slope {_number(point.slope)})" for point in self.fixed_points]
        left, right = ("none found" if x is None else _number(x) for x in self.limits)
        lines = {
            "range": f"{_number(self.range[0])} to {_number(self.range[1])}",
            "monotone": self.monotone,
            "minima": _listed(f"f({_number(x)}) = {_number(y)}" for x, y in self.minima),
            "maxima": _listed(f"f({_number(x)}) = {_number(y)}" for x, y in self.maxima),
            "slope 0": _listed([*map(_number, self.slope_zeros), *(f"all of {_interval(x)}" for x in self.flat)]),
            "kinks": _listed(map(_number, self.kinks)),
            "jumps": _listed(map(_number, self.jumps)),
            "fixed points": _listed([*fixed, *stretches]),
            "idempotent": "yes" if self.idempotent else f"no: f(f(x)) and f(x) differ by up to {self.change_on_repeat:.4g}",
            "limits": f"{left} at -∞, {right} at ∞",
            "symmetry": self.symmetry,
            "Lipschitz": _number(self.lipschitz),
        }
        head = f"{self.name} on {_interval((self.x[0], self.x[-1]))}"
        return "\n".join([head, *(f"  {name:12}  {text}" for name, text in lines.items())])


def report(f: Callable[[Any], Any], low: float = -6.0, high: float = 6.0, points: int = 4001) -> ActivationReport:
    """Look at a function of one number on an interval, with the derivatives that tinynet has of it.

    Zeros, minima, kinks and fixed points are found between grid points too, to the precision of float64; two of them between
    the same two grid points are not told apart.

    Parameters
    ----------
    f : callable
        Element by element, of arrays and tensors: a module, or a function written with those of NumPy and tinynet.
    low, high : float
        The interval.
    points : int
        The points of the grid.

    Returns
    -------
    ActivationReport

    Raises
    ------
    ValueError
        If the interval is not one, there are fewer than 3 points or more than there are numbers, `f` is not finite on it, or
        does not work element by element.
    ShapeError
        If `f` does not keep the shape.
    TypeError
        If `f` cannot be differentiated.

    Examples
    --------
    >>> import tinynet as tn
    >>> report = tn.inspect.report(tn.nn.Swish())
    >>> report
    Swish(beta=1, learn=False) on [-6, 6]
      range         -0.2784645428 to 5.985164261
      monotone      no
      minima        f(-1.278464543) = -0.2784645428
      maxima        none
      slope 0       -1.278464543
      kinks         none
      jumps         none
      fixed points  0 (attracting, slope 0.5)
      idempotent    no: f(f(x)) and f(x) differ by up to 0.2785
      limits        0 at -∞, inf at ∞
      symmetry      none
      Lipschitz     1.09983932
    >>> report.minima[0][0]
    -1.278464542761...
    >>> tn.inspect.report(tn.relu).idempotent
    True
    """
    if not (np.isfinite([low, high]).all() and low < high) or points < 3:
        raise ValueError(f"report: {points} points from {low} to {high}; it takes an interval, low below high, and 3 points")
    x = np.linspace(low, high, points)
    if not (np.diff(x) > 0).all():
        raise ValueError(f"report: there are no {points} different numbers from {low!r} to {high!r}; take a wider interval")
    name = described(f) if isinstance(f, Module) else name_of(f)
    with no_grad(), mode(f, False) if isinstance(f, Module) else nullcontext(), np.errstate(all="ignore"):
        _check(f, name, x)
        return _report(f, name, x)


def _report(f: Callable[[Any], Any], name: str, x: Array) -> ActivationReport:
    def value(z: Array) -> Array:
        return np.asarray(_data(f(z)), dtype=np.float64)

    def slope(z: Array) -> Array:
        return np.asarray(_data(grad(lambda t: np.sum(f(t)))(z)), dtype=np.float64)

    def curvature(z: Array) -> Array:
        return np.asarray(_data(grad(lambda s: np.sum(grad(lambda t: np.sum(f(t)))(s)))(z)), dtype=np.float64)

    def off(z: Array) -> Array:
        """f(z) - z, without what may be rounding."""
        y = value(z)
        rounding = np.isfinite(y) & (np.abs(y - z) <= 4 * np.finfo(float).eps * (np.abs(y) + np.abs(z)))
        return np.where(rounding, 0.0, y - z)

    y, dy = value(x), slope(x)
    stationary, fixed = zeros(slope, x, curvature), zeros(off, x, lambda z: slope(z) - 1)
    minima, maxima = _turns(x, dy, slope, value)
    height = max(np.ptp(y), 1e-3 * np.abs(y).max())
    steps = jumps(value, x, slope, height)
    bends = jumps(slope, x, curvature, np.nanmax(np.abs(dy), initial=height / np.ptp(x)))
    edges = steps.ravel()
    within = (edges[:, None] >= fixed.intervals[:, 0]) & (edges[:, None] <= fixed.intervals[:, 1])
    isolated = edges[(off(edges) == 0) & ~within.any(axis=1)]
    beside = _within(x, *np.nextafter(steps, [-np.inf, np.inf]).T)  # on the two sides of a pole
    values = np.concatenate([y, [v for _, v in (*minima, *maxima)], value(edges), value(beside)])
    aside = 1e-12 * np.ptp(x)
    once = np.concatenate([y, value(_within(x, fixed.points - 1e3 * aside, fixed.points + 1e3 * aside))])
    again = np.nan_to_num(np.abs(value(once) - once), nan=np.inf, posinf=np.inf)
    inflections = zeros(curvature, x, curvature).points
    steepest = slope(np.concatenate([x, inflections, fixed.points, _within(x, bends[:, 0] - aside, bends[:, 1] + aside)]))
    steepness = np.abs(np.append(steepest, np.diff(y) / np.diff(x))).max()
    return ActivationReport(
        name=name, x=x, f=y, slope=dy, curvature=curvature(x),
        range=(float(values.min()), float(values.max())),
        monotone=_direction(y, dy),
        minima=minima, maxima=maxima,
        slope_zeros=stationary.points.tolist(), flat=_pairs(stationary.intervals),
        kinks=_places(bends, x), jumps=_places(steps, x),
        fixed_points=sorted(
            [FixedPoint(p, s, _kind(s)) for p, s in _rows(np.setdiff1d(fixed.points, isolated), slope)]
            + [FixedPoint(p, s, "neutral") for p, s in _rows(isolated, slope)]
        ),
        fixed_intervals=_pairs(fixed.intervals),
        idempotent=bool(again.max() <= 4 * np.finfo(float).eps * np.abs(y).max()), change_on_repeat=float(again.max()),
        limits=(limit(value, -1.0), limit(value, 1.0)),
        symmetry=_symmetry(value, max(abs(x[0]), abs(x[-1])), len(x)),
        lipschitz=np.inf if len(steps) else float(steepness),
    )  # fmt: skip


def _check(f: Callable[[Any], Any], name: str, x: Array) -> None:
    """An error if `f` is not a function of numbers, finite on the grid, that can be differentiated."""
    some = slice(-2, 0, -3)  # in another order, and without the ends
    try:
        y, part = (np.asarray(_data(f(z)), dtype=np.float64) for z in (x, x[some]))
        if y.shape == x.shape:
            grad(lambda t: np.sum(f(t)))(x)
    except (TypeError, ValueError) as error:
        kind = next(kind for kind in (ShapeError, TypeError, ValueError) if isinstance(error, kind))
        message = f"report: {name} must work on arrays and tensors, with functions of NumPy and tinynet: {error}"
        raise kind(message) from error
    if y.shape != x.shape:
        raise ShapeError(f"report: {name} gave shape {y.shape} for {x.shape}; it must work element by element")
    if not np.isfinite(y).all():
        raise ValueError(f"report: {name} is {y[~np.isfinite(y)][0]} at {x[~np.isfinite(y)][0]:g}; choose another interval")
    if part.shape != x[some].shape or not np.allclose(part, y[some], rtol=1e-9, atol=1e-12):
        raise ValueError(f"report: what {name} gives for a number depends on the others; it must work element by element")


def _turns(x: Array, dy: Array, slope: Function, value: Function) -> tuple[list[Any], list[Any]]:
    """The minima and the maxima: where the slope changes its sign, in a zero or in a jump, or over a flat stretch."""
    seen = np.nonzero(np.nan_to_num(dy))[0]
    before = seen[:-1][np.sign(dy[seen[:-1]]) != np.sign(dy[seen[1:]])]
    after = seen[1:][np.sign(dy[seen[:-1]]) != np.sign(dy[seen[1:]])]
    a, b = x[before], x[after]
    rising = dy[after] > 0
    for _ in range(70 if len(before) else 0):
        middle = (a + b) / 2
        s = np.sign(slope(middle)) * np.where(rising, 1, -1)
        a, b = np.where(s <= 0, middle, a), np.where(s >= 0, middle, b)
    turns = (a + b) / 2 + 0.0
    found = list(zip(turns.tolist(), (value(turns) + 0.0).tolist(), strict=True))
    return [p for p, up in zip(found, rising, strict=True) if up], [p for p, up in zip(found, rising, strict=True) if not up]


def _direction(y: Array, dy: Array) -> str:
    """In which way the values go; where the slope is 0, what differs by rounding alone is equal."""
    steps, rounding = np.diff(y), 4 * np.finfo(float).eps * (np.abs(y[1:]) + np.abs(y[:-1]))
    steps[(dy[1:] == 0) & (dy[:-1] == 0) & (np.abs(steps) <= rounding)] = 0
    if not steps.any():
        return "constant"
    for sign, word in ((1, "increasing"), (-1, "decreasing")):
        if (sign * steps > 0).all():
            return word
        if (sign * steps >= 0).all():
            return {"increasing": "non-decreasing", "decreasing": "non-increasing"}[word]
    return "no"


def _symmetry(value: Function, reach: float, points: int) -> str:
    x = np.linspace(0, reach, points)
    right, left = value(x), value(-x)
    close = 1e-12 * np.abs(right).max()
    found = [word for word, sign in (("odd", -1), ("even", 1)) if (np.abs(left - sign * right) <= close).all()]
    return " and ".join(found) or "none"


def _kind(slope: float) -> str:
    return "attracting" if abs(slope) < 1 - 1e-9 else "repelling" if abs(slope) > 1 + 1e-9 else "neutral"  # as where it is NaN


def _within(x: Array, *points: Array) -> Array:
    """Points, put on the ends of a grid where they are beyond them."""
    points_within: Array = np.clip(np.concatenate(points), x[0], x[-1])
    return points_within


def _rows(points: Array, slope: Function) -> Iterable[tuple[float, float]]:
    """Each point with the slope there."""
    return zip(points.tolist(), slope(points).tolist(), strict=True)


def _places(found: Array, x: Array) -> list[float]:
    """Where the jumps are that were `found` on a grid, as one number each."""
    return [0.0 if abs(place) < 1e-15 * np.ptp(x) else place for place in found[:, 1].tolist()]


def _data(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def _pairs(intervals: Array) -> list[tuple[float, float]]:
    return [(start, end) for start, end in intervals.tolist()]


def _number(x: float) -> str:
    return f"{0.0 if abs(x) < 1e-12 else x:.10g}"


def _interval(ends: tuple[float, float]) -> str:
    return f"[{_number(ends[0])}, {_number(ends[1])}]"


def _listed(texts: Iterable[str]) -> str:
    all_texts = list(texts)
    more = len(all_texts) - 6
    return ", ".join(all_texts[:6] + [f"and {more} more"] * (more > 0)) or "none"
