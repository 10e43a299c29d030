"""A history drawn as SVG, for notebooks: the losses over the epochs, without any package."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from html import escape
from math import ceil, floor, log10
from typing import Any

import numpy as np

__all__ = ["chart", "quartiles"]

Array = np.ndarray[Any, Any]

WIDTH, HEIGHT = 520, 240
LEFT, RIGHT, TOP, BOTTOM = 62, 30, 26, 38  # the margins; the left one grows with its labels
DIGIT = 7  # how wide one is
COLORS = ("#1f88c9", "#d55e00", "#009e73", "#cc79a7")  # as of Okabe and Ito (2008), with a blue that is seen on black too
LARGEST = float(np.finfo(np.float64).max)
LOGARITHMIC_FROM = 20  # times that the largest value is the smallest


def chart(columns: Mapping[str, Sequence[Any]]) -> str:
    """Curves over epochs as an SVG element.

    Parameters
    ----------
    columns : mapping of str to sequence
        For each curve's name a number an epoch, or an array of them (the members of a stack: their median is drawn, in a band
        from the lower to the upper quartile). What is not finite is left out.

    Returns
    -------
    str
        ``<svg ...>...</svg>``; the vertical axis is logarithmic if the values are positive and differ much.

    Examples
    --------
    >>> from tinynet.training.chart import chart
    >>> drawn = chart({"loss": [1.0, 0.5, 0.25]})
    >>> drawn.startswith("<svg"), drawn.count("<path")
    (True, 6)
    """
    curves = {name: quartiles(values) for name, values in columns.items()}
    drawn = np.concatenate([curve.ravel() for curve in curves.values()])
    drawn = drawn[np.isfinite(drawn)]
    low, high = (float(drawn.min()), float(drawn.max())) if drawn.size else (0.0, 1.0)
    logarithmic = low > 0 and high / LOGARITHMIC_FROM > low
    if low == high:
        beside = abs(low) / 2 or 1.0
        low, high = max(low - beside, -LARGEST), min(high + beside, LARGEST)
    ticks = _decades(low, high) if logarithmic else _ticks(low, high)
    labels = _labels(ticks)
    left = max([LEFT, *(12 + DIGIT * len(label) for label in labels)])
    epochs = max(len(values) for values in columns.values())
    first, last = (1, epochs) if epochs > 1 else (0, 2)  # one epoch stands in the middle
    place = np.log if logarithmic else partial(np.multiply, 0.5)  # half of a value: the difference of two cannot overflow

    def across(epoch: Any) -> Any:
        return left + (epoch - first) / (last - first) * (WIDTH - left - RIGHT)

    def up(value: Any) -> Any:
        share = (place(value) - place(low)) / (place(high) - place(low))
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<rect x="{left}" y="{TOP}" width="{WIDTH - left - RIGHT}" height="{HEIGHT - TOP - BOTTOM}" fill="none" '
        'stroke="currentColor" stroke-opacity="0.4"/>'
    ]
    for tick, label in zip(ticks, labels, strict=True):
        y = up(tick)
        parts.append(_line(f"M{left},{y:.1f}H{WIDTH - RIGHT}", "currentColor", 0.15))
        parts.append(_text(left - 6, y + 4, label, "end"))
    for epoch in _epochs(epochs):
        parts.append(_text(across(epoch), HEIGHT - BOTTOM + 15, f"{epoch:,}", "middle"))
    parts.append(_text((WIDTH + left - RIGHT) / 2, HEIGHT - 6, "epoch", "middle"))
    for i, (name, curve) in enumerate(curves.items()):
        color = COLORS[i % len(COLORS)]
        parts += _curve(curve, across, up, color)
        parts.append(_line(f"M{left + 130 * i},14h18", color, 1))
        parts.append(_text(left + 130 * i + 23, 18, escape(name), "start"))
    style = "font-family:sans-serif;font-size:11px"
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" style="{style}">{"".join(parts)}</svg>'


def quartiles(values: Sequence[Any]) -> Array:
    """The lower quartile, the median and the upper quartile of what is finite in each epoch; shape (epochs, 3)."""
    rows = np.array(values, dtype=np.float64).reshape(len(values), -1)
    rows = np.sort(np.where(np.isfinite(rows), rows, np.nan), axis=1)  # NaN comes last
    last = np.maximum(np.isfinite(rows).sum(axis=1, keepdims=True) - 1, 0)
    place = last * np.array([0.25, 0.5, 0.75])
    below = place.astype(int)
    low, high = (np.take_along_axis(rows, np.minimum(k, last), axis=1) for k in (below, below + 1))
    between: Array = low * (1 - place + below) + high * (place - below)
    return between.clip(low, high)  # those of equal members are not rounded


def _curve(curve: Array, across: Any, up: Any, color: str) -> Iterable[str]:
    """A curve with its band, broken where there is nothing to draw."""
    epochs = np.arange(1, len(curve) + 1)
    there = np.isfinite(curve[:, 1])
    pieces = np.split(epochs[there], np.flatnonzero(np.diff(epochs[there]) > 1) + 1)
    for piece in pieces if there.any() else []:
        shown = _shown(piece, curve[piece - 1, 1])
        low, middle, high = (list(zip(across(shown), up(curve[shown - 1, k]), strict=True)) for k in range(3))
        if (curve[shown - 1, 0] < curve[shown - 1, 2]).any():
            yield f'<path d="{_path(low + high[::-1])}Z" fill="{color}" stroke="{color}" opacity="0.2"/>'
        if len(piece) == 1:
            x, y = middle[0]
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{color}"/>'
        else:
            yield _line(_path(middle), color, 1)


def _shown(epochs: Array, values: Array) -> Array:
    """Those of the epochs that show in a picture: of more than there are pixels each pixel's first, last and extreme ones."""
    if len(epochs) <= 2 * WIDTH:
        return epochs
    groups = np.array_split(np.arange(len(epochs)), WIDTH)
    picked = [(k[0], k[values[k].argmin()], k[values[k].argmax()], k[-1]) for k in groups]
    return epochs[np.unique(picked)]


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _line(path: str, color: str, opacity: float) -> str:
    return f'<path d="{path}" fill="none" stroke="{color}" stroke-width="1.5" stroke-opacity="{opacity}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor">{text}</text>'


def _epochs(last: int) -> list[int]:
    """The epochs that the axis names: the first, the last, and round ones that are not close to these."""
    if last <= 1:
        return [1]
    between = sorted({round(tick) for tick in _ticks(1, last)})
    return [1, *(tick for tick in between if 1 + last * 0.08 < tick < last * 0.92), last]


def _labels(ticks: Sequence[float]) -> list[str]:
    """Numbers as text, four digits or as many as tell them apart."""
    for digits in range(4, 18):
        labels = [f"{tick:.{digits}g}" for tick in ticks]
        if len(set(labels)) == len(set(ticks)):
            break
    return labels


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between two values, about four."""
    rough = high / 4 - low / 4
    unit = 10.0 ** floor(log10(rough))
    step = min((unit * factor for factor in (1, 2, 5, 10)), key=lambda step: abs(step - rough))
    return [float(k * step) for k in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten between two values, at most six of them; where there is none or one, some numbers between."""
    first, last = ceil(log10(low) - 1e-9), floor(log10(high) + 1e-9)
    if last <= first:
        exponents = range(floor(log10(low)), ceil(log10(high)) + 1)
        return [tick for e in exponents for tick in (10.0**e, 2 * 10.0**e, 5 * 10.0**e) if low <= tick <= high]
    return [10.0**e for e in range(first, last + 1, -(-(last - first + 1) // 6))]
