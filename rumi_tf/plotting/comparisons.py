"""Comparison of models: a distance during training, and precision-recall curves."""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from rumi_tf.plotting.base import COLOURS, LINES, MARKERS, canvas, legend, save

# Light colours come last, because they have little contrast in greyscale.
PALETTE = (*COLOURS[:4], *reversed(COLOURS[4:]))
LOWEST_SPREAD = 0.2  # lower limit of the spread on a logarithmic axis, as a share of the mean
DECADE = 10.0  # a larger ratio of values is drawn on a logarithmic axis


@dataclasses.dataclass(frozen=True)
class Band:
    """A curve over iterations with a spread; all arrays are (n,), n >= 1.

    Attributes:
        iterations: ascending.
        mean: the curve.
        lower, upper: the spread; equal to `mean` for no spread.
    """

    iterations: np.ndarray
    mean: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Results of one task; the keys of all mappings are labels of models.

    Attributes:
        title: title of the task.
        bands: the distance during training.
        curves: (precision, recall), each (n,) in [0, 1].
        runs: (precision, recall) of the single runs, drawn faintly.
        others: the distance from another source, drawn on separate axes.
    """

    title: str
    bands: Mapping[str, Band]
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]]
    runs: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]]
    others: Mapping[str, Band] = dataclasses.field(default_factory=dict)


def save_comparisons(
    path: str | os.PathLike,
    comparisons: Sequence[Comparison],
    labels: Sequence[str],
    distance: str,
    other_distance: str = "",
    one_scale: bool = False,
) -> None:
    """Draws a column of panels per task as PNG or PDF, by the suffix; a single task is a row.

    A band of a single point is drawn as a marker with an error bar.

    Args:
        path: the file.
        comparisons: at least one.
        labels: all labels; the position determines colour, line style and marker.
        distance: axis label of `bands`.
        other_distance: axis label of `others`; empty to omit them.
        one_scale: `others` have the same axis limits as `bands`.
    """
    kinds = ["bands", *(["others"] if other_distance else []), "curves"]
    styles = {label: _style(number) for number, label in enumerate(labels)}
    shape = (len(kinds), len(comparisons))
    if len(comparisons) == 1:
        figure = canvas(3.4 * shape[0], 3.6)
        grid = figure.subplots(1, shape[0], squeeze=False).T
        figure.suptitle(comparisons[0].title, fontsize=11).set_parse_math(False)
    else:
        figure = canvas(3.4 * shape[1] + 0.4, 2.7 * (shape[0] - 1) + 3.8)
        heights = [2.7] * (shape[0] - 1) + [3.3]
        grid = figure.subplots(*shape, squeeze=False, height_ratios=heights)
        for axes, comparison in zip(grid[0], comparisons, strict=True):
            axes.set_title(comparison.title, fontsize=10, parse_math=False)
    for kind, ylabel, row in zip(kinds[:-1], (distance, other_distance), grid, strict=False):
        mappings = [getattr(comparison, kind) for comparison in comparisons]
        logarithmic = _spans_a_decade(band for bands in mappings for band in bands.values())
        for axes, bands in zip(row, mappings, strict=True):
            _draw_bands(axes, bands, styles, ylabel, logarithmic)
    if one_scale and other_distance:
        for ours, theirs in zip(*grid[:2], strict=True):
            _share_limits(ours, theirs)
    for axes, comparison in zip(grid[-1], comparisons, strict=True):
        _draw_curves(axes, comparison, styles)
    shown = [label for label in labels if any(_contains(c, label) for c in comparisons)]
    handles = [Line2D([], [], label=label, **styles[label]) for label in shown]
    # In characters: 13 per inch, and a line sample takes 9. Two rows if one would be too long.
    length = sum(len(label) + 9 for label in shown)
    columns = len(shown) if length <= 13 * figure.get_figwidth() else (len(shown) + 1) // 2
    legend(figure, handles=handles, loc="outside lower center", ncols=columns, handlelength=3.2)
    save(figure, path, 200)


def _style(number: int) -> dict:
    colour, line, marker = (values[number % len(values)] for values in (PALETTE, LINES, MARKERS))
    return {
        "color": colour, "linestyle": line, "marker": marker, "linewidth": 1.7,
        "markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.5,
    }  # fmt: skip


def _contains(comparison: Comparison, label: str) -> bool:
    return any(label in m for m in (comparison.bands, comparison.others, comparison.curves))


def _spans_a_decade(bands: Iterable[Band]) -> bool:
    """Returns whether a logarithmic axis is possible and needed."""
    means = [band.mean for band in bands]
    lowest, highest = (min(map(np.min, means)), max(map(np.max, means))) if means else (0.0, 0.0)
    return bool(lowest > 0 and highest > DECADE * lowest)


def _draw_bands(
    axes: Any, bands: Mapping[str, Band], styles: Mapping[str, dict], ylabel: str, logarithmic: bool
) -> None:
    if logarithmic:
        _make_logarithmic(axes)
    for number, (label, band) in enumerate(bands.items()):
        style = styles[label]
        # mean - deviation may be negative, which a logarithmic axis cannot show.
        lower = np.maximum(band.lower, LOWEST_SPREAD * band.mean) if logarithmic else band.lower
        every = 1 if len(band.mean) <= 25 else (0.03 * number, 0.14)
        axes.plot(band.iterations, band.mean, markevery=every, zorder=3, **style)
        if np.any(band.upper > band.lower):
            if len(band.mean) == 1:
                bar = np.abs([band.mean - lower, band.upper - band.mean])
                axes.errorbar(
                    band.iterations, band.mean, bar, fmt="none", ecolor=style["color"], capsize=4,
                    elinewidth=1,
                )  # fmt: skip
            else:
                axes.fill_between(
                    band.iterations, lower, band.upper, color=style["color"], alpha=0.13,
                    linewidth=0,
                )  # fmt: skip
    axes.set_xlim(0, 1.03 * max((band.iterations[-1] for band in bands.values()), default=1))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel("iteration", fontsize=9)
    axes.set_ylabel(ylabel, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(color="0.9", which="both")
    axes.set_axisbelow(True)
    if not bands:
        axes.text(0.5, 0.5, "none", ha="center", va="center", transform=axes.transAxes)


def _make_logarithmic(axes: Any) -> None:
    """Sets a logarithmic y axis with plain numbers at 1, 2 and 5 times powers of ten."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _share_limits(*pair: Any) -> None:
    """Gives axes common limits, and a logarithmic scale if one of them has it."""
    logarithmic = any(axes.get_yscale() == "log" for axes in pair)
    limits = np.array([axes.get_ylim() for axes in pair])
    lowest = limits[limits > 0].min() if logarithmic else limits.min()
    for axes in pair:
        if logarithmic:
            _make_logarithmic(axes)
        axes.set_ylim(lowest, limits.max())
        axes.set_xlim(0, max(other.get_xlim()[1] for other in pair))


def _draw_curves(axes: Any, comparison: Comparison, styles: Mapping[str, dict]) -> None:
    for number, (label, (precision, recall)) in enumerate(comparison.curves.items()):
        style = styles[label]
        runs = comparison.runs.get(label, ())
        for p, r in runs if len(runs) > 1 else ():
            axes.plot(r, p, color=style["color"], linewidth=0.7, alpha=0.35)
        # Markers at equal distances, because the points are dense at the ends of a curve; a curve
        # without an extent gets one marker.
        extent = max(np.ptp(precision), np.ptp(recall))
        every = (0.02 + 0.03 * number, 0.2) if extent > 0.02 else [0]
        axes.plot(recall, precision, markevery=every, clip_on=False, zorder=3, **style)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.01), aspect="equal")
    axes.set_xlabel("recall", fontsize=9)
    axes.set_ylabel("precision", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(color="0.9")
