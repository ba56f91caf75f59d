"""Line charts as geometry, for a template that makes SVG of them."""

import dataclasses
import math
from collections.abc import Callable, Sequence

from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 380, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 22, 10, 36
MOST_POINTS = 160  # of a line; more are thinned to the extremes of every part
MOST_DOTS = 20  # a line with at most so many points shows them
LOGARITHMIC = 50  # ratio of values from which the scale is
BEYOND = 1e300  # values from here on have no place on an axis

Points = Sequence[tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class Line:
    """A line in the units of the SVG.

    Attributes:
        label: in the legend.
        last: its last value, as text; empty if the line is no course of time.
        path: `x,y x,y ...`.
        dots: (x, y, what it says) of every point, if they are few.
    """

    label: str
    last: str
    path: str
    dots: Sequence[tuple[str, str, str]]


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart; positions are in the units of the SVG, `WIDTH` by `HEIGHT`.

    Attributes:
        title: above it.
        xlabel: below it.
        x_ticks, y_ticks: (position, label).
        lines: in the order of the legend.
        note: how to read it, such as that its scale is logarithmic.
    """

    title: str
    xlabel: str
    x_ticks: Sequence[tuple[str, str]]
    y_ticks: Sequence[tuple[str, str]]
    lines: Sequence[Line]
    note: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def number(value: float) -> str:
    """A value for people: four digits, thousands apart."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"


def chart(
    title: str,
    series: Sequence[tuple[str, Points]],
    xlabel: str = "iteration",
    limits: tuple[float, float] | None = None,
) -> Chart | None:
    """A chart of named lines; `None` if there is nothing to draw.

    Args:
        title: of the chart.
        series: label and (x, y) pairs; what has no place on an axis is left out.
        xlabel: of the horizontal axis.
        limits: of both axes; by default what the values need. Then the vertical scale is
            logarithmic if all values are positive and far apart.
    """
    series = [
        (label, [(x, y) for x, y in points if abs(x) < BEYOND and abs(y) < BEYOND])
        for label, points in series
    ]
    series = [(label, points) for label, points in series if points]
    if not series:
        return None
    xs, ys = ([point[k] for _, points in series for point in points] for k in (0, 1))
    logarithmic = limits is None and min(ys) > 0 and max(ys) / min(ys) > LOGARITHMIC
    x_place, x_ticks = _linear(*(limits or (min(xs), max(xs))), LEFT, WIDTH - RIGHT)
    scale = _logarithmic if logarithmic else _linear
    y_place, y_ticks = scale(*(limits or (min(ys), max(ys))), HEIGHT - BOTTOM, TOP)

    def line(label: str, points: Points) -> Line:
        placed = [(f"{x_place(x):.1f}", f"{y_place(y):.1f}") for x, y in thinned(points)]
        dots = []
        if len(points) <= MOST_DOTS:
            dots = [
                (*place, f"{label}, {xlabel} {number(x)}: {number(y)}")
                for place, (x, y) in zip(placed, points, strict=True)
            ]
        last = "" if limits else number(points[-1][1])
        return Line(label, last, " ".join(",".join(p) for p in placed), dots)

    return Chart(
        title, xlabel, x_ticks, y_ticks, [line(*each) for each in series],
        "logarithmic scale" if logarithmic else "",
    )  # fmt: skip


def thinned(points: Points) -> Points:
    """The points if they are few, else the lowest and the highest of every part, in order."""
    if len(points) <= MOST_POINTS:
        return points
    parts = (MOST_POINTS - 2) // 2
    kept = {0, len(points) - 1}
    for k in range(parts):
        part = range(len(points) * k // parts, len(points) * (k + 1) // parts)
        kept |= {min(part, key=lambda i: points[i][1]), max(part, key=lambda i: points[i][1])}
    return [points[i] for i in sorted(kept)]


def _linear(
    low: float, high: float, begin: float, end: float
) -> tuple[Callable[[float], float], list[tuple[str, str]]]:
    """Value -> position, and ticks, of a scale from `begin` to `end`."""
    if low == high:
        half = abs(low) / 2 or 0.5
        low, high = low - half, high + half

    def place(value: float) -> float:
        return begin + (end - begin) * (value - low) / (high - low)

    ticks = MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    slack = 1e-9 * (high - low)
    shown = [float(t) for t in ticks if low - slack <= t <= high + slack]
    return place, [(f"{place(t):.1f}", f"{t:,.0f}" if abs(t) >= 1e3 else f"{t:g}") for t in shown]


def _logarithmic(
    low: float, high: float, begin: float, end: float
) -> tuple[Callable[[float], float], list[tuple[str, str]]]:
    place, _ = _linear(math.log10(low), math.log10(high), begin, end)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = max(1, len(powers) // 5)
    ticks = [10.0**k for k in powers if k % every == 0]
    if len(powers) <= 3:
        ticks = [m * 10.0**k for k in powers for m in (1, 2, 5)]
    shown = [t for t in ticks if low <= t <= high]
    return lambda v: place(math.log10(v)), [
        (f"{place(math.log10(t)):.1f}", f"{t:,.0f}" if 1e3 <= t < 1e7 else f"{t:g}") for t in shown
    ]
