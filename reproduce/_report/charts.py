"""Geometry of line charts, for the template that draws them as SVG."""

import dataclasses
import math
from collections.abc import Callable, Sequence

from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 380, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 22, 10, 36
MAX_POINTS = 160  # per line; longer lines keep the extremes of each interval
MAX_DOTS = 20  # lines with at most this many points show them as dots
LOGARITHMIC = 50  # ratio of values above which the scale is logarithmic
LIMIT = 1e300  # larger values are not drawn

Points = Sequence[tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class Line:
    """A line in SVG units.

    Attributes:
        label: label in the legend.
        last: last value as text; empty if x is not an iteration.
        path: `x,y x,y ...`.
        dots: (x, y, tooltip) of every point, if there are at most `MAX_DOTS`.
    """

    label: str
    last: str
    path: str
    dots: Sequence[tuple[str, str, str]]


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart; positions are in SVG units, `WIDTH` by `HEIGHT`.

    Attributes:
        title: title above the chart.
        xlabel: label of the horizontal axis.
        x_ticks, y_ticks: (position, label).
        lines: lines in the order of the legend.
        note: note next to the title, such as `logarithmic scale`.
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
    """A value as text, with four significant digits and thousands separators."""
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
        title: title of the chart.
        series: label and (x, y) pairs of each line; values that are not finite are left out.
        xlabel: label of the horizontal axis.
        limits: limits of both axes; by default they fit the values, and the vertical scale is
            logarithmic if all values are positive and span more than `LOGARITHMIC`.
    """
    series = [
        (label, [(x, y) for x, y in points if abs(x) < LIMIT and abs(y) < LIMIT])
        for label, points in series
    ]
    series = [(label, points) for label, points in series if points]
    if not series:
        return None
    xs, ys = ([point[k] for _, points in series for point in points] for k in (0, 1))
    logarithmic = limits is None and min(ys) > 0 and max(ys) / min(ys) > LOGARITHMIC
    x_scale, x_ticks = _linear(*(limits or (min(xs), max(xs))), LEFT, WIDTH - RIGHT)
    make_scale = _logarithmic if logarithmic else _linear
    y_scale, y_ticks = make_scale(*(limits or (min(ys), max(ys))), HEIGHT - BOTTOM, TOP)

    def line(label: str, points: Points) -> Line:
        positions = [(f"{x_scale(x):.1f}", f"{y_scale(y):.1f}") for x, y in thinned(points)]
        dots = []
        if len(points) <= MAX_DOTS:
            dots = [
                (*position, f"{label}, {xlabel} {number(x)}: {number(y)}")
                for position, (x, y) in zip(positions, points, strict=True)
            ]
        last = "" if limits else number(points[-1][1])
        return Line(label, last, " ".join(",".join(p) for p in positions), dots)

    return Chart(
        title, xlabel, x_ticks, y_ticks, [line(*each) for each in series],
        "logarithmic scale" if logarithmic else "",
    )  # fmt: skip


def thinned(points: Points) -> Points:
    """At most `MAX_POINTS` points: the first, the last, and the extremes of each interval."""
    if len(points) <= MAX_POINTS:
        return points
    intervals = (MAX_POINTS - 2) // 2
    indices = {0, len(points) - 1}
    for k in range(intervals):
        interval = range(len(points) * k // intervals, len(points) * (k + 1) // intervals)
        indices |= {choose(interval, key=lambda i: points[i][1]) for choose in (min, max)}
    return [points[i] for i in sorted(indices)]


def _linear(
    low: float, high: float, begin: float, end: float
) -> tuple[Callable[[float], float], list[tuple[str, str]]]:
    """A function value -> position for positions from `begin` to `end`, and the ticks."""
    if low == high:
        half = abs(low) / 2 or 0.5
        low, high = low - half, high + half

    def scale(value: float) -> float:
        return begin + (end - begin) * (value - low) / (high - low)

    ticks = MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    slack = 1e-9 * (high - low)
    shown = [float(t) for t in ticks if low - slack <= t <= high + slack]
    return scale, [(f"{scale(t):.1f}", f"{t:,.0f}" if abs(t) >= 1e3 else f"{t:g}") for t in shown]


def _logarithmic(
    low: float, high: float, begin: float, end: float
) -> tuple[Callable[[float], float], list[tuple[str, str]]]:
    scale, _ = _linear(math.log10(low), math.log10(high), begin, end)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    step = max(1, len(powers) // 5)
    ticks = [10.0**k for k in powers if k % step == 0]
    if len(powers) <= 3:
        ticks = [m * 10.0**k for k in powers for m in (1, 2, 5)]
    shown = [t for t in ticks if low <= t <= high]
    return lambda v: scale(math.log10(v)), [
        (f"{scale(math.log10(t)):.1f}", f"{t:,.0f}" if 1e3 <= t < 1e7 else f"{t:g}") for t in shown
    ]
