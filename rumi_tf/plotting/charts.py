"""Line charts and bar charts."""

import dataclasses
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rumi_tf.plotting.base import COLOURS, LINES, MARKERS, canvas, legend, save

HATCHES = ("", "///", "...", "xx", "\\\\\\")
SHARE_HATCHES = HATCHES[:4]


@dataclasses.dataclass(frozen=True)
class Curve:
    """A curve of `save_curves`.

    Attributes:
        label: label in the legend.
        x, y: (n,) coordinates; NaN in y leaves a gap.
        style: index of the colour and line style; curves with the same meaning share it.
        band: (low, high), each (n,), filled behind the curve.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    style: int
    band: tuple[np.ndarray, np.ndarray] | None = None


def save_curves(
    path: str | os.PathLike,
    panels: Mapping[str, Sequence[Curve]],
    columns: int,
    xlabel: str,
    ylabels: Sequence[str],
    top: float | None = None,
) -> None:
    """Draws titled panels of curves with one legend and one scale per row as PNG or PDF.

    Args:
        path: the file.
        panels: title -> curves.
        columns: panels per row.
        xlabel: label of all horizontal axes.
        ylabels: label of the vertical axes by row; the last one is used for all further rows.
        top: upper limit of the vertical axes; `None` fits the curves.
    """
    rows = math.ceil(len(panels) / columns)
    figure = canvas(2.7 * columns, 2.3 * rows + 0.4)
    grid = figure.subplots(rows, columns, sharex=True, sharey="row", squeeze=False)
    handles: dict[str, Any] = {}
    for axes, (title, curves) in zip(grid.flat, panels.items(), strict=False):
        for curve in curves:
            colour, line = COLOURS[curve.style % len(COLOURS)], LINES[curve.style % len(LINES)]
            (handle,) = axes.plot(curve.x, curve.y, color=colour, linestyle=line, linewidth=1.3)
            handles.setdefault(curve.label, handle)
            if curve.band is not None:
                axes.fill_between(curve.x, *curve.band, color=colour, alpha=0.22, linewidth=0)
        axes.set_title(title, fontsize=9, parse_math=False)
        axes.tick_params(labelsize=7)
        axes.grid(color="0.92")
        axes.set_axisbelow(True)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes in grid[-1]:
        axes.set_xlabel(xlabel, fontsize=8)
    for row, axes in enumerate(grid[:, 0]):
        axes.set_ylabel(ylabels[min(row, len(ylabels) - 1)], fontsize=8)
    ends = [curve.x[[0, -1]] for curves in panels.values() for curve in curves]
    grid.flat[0].set_xlim(np.min(ends), np.max(ends))
    for axes in grid[:, 0]:
        axes.set_ylim(0, top)
    legend(
        figure, list(handles.values()), list(handles), fontsize=8, loc="outside upper center",
        ncols=len(handles),
    )  # fmt: skip
    save(figure, path)


def save_prd(path: str | os.PathLike, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Draws precision-recall curves of distributions (PRD) as PNG or PDF, by the suffix.

    Args:
        path: the file.
        curves: label -> (precision, recall), each (n,) in [0, 1].
    """
    figure = canvas(4.2, 4.0)
    axes = figure.add_subplot()
    for k, (label, (precision, recall)) in enumerate(curves.items()):
        axes.plot(
            recall, precision, color=COLOURS[k % len(COLOURS)], linestyle=LINES[k % len(LINES)],
            linewidth=1.6, label=label,
        )  # fmt: skip
    axes.set(xlim=(0, 1.01), ylim=(0, 1.01), xlabel="recall", ylabel="precision", aspect="equal")
    axes.grid(color="0.9")
    legend(axes, loc="lower left")
    save(figure, path)


# ----- class shares -------------------------------------------------------------------------------


def save_shares(
    path: str | os.PathLike, names: Sequence[str], shares: Mapping[str, np.ndarray]
) -> None:
    """Draws a bar chart of class shares as PNG or PDF, by the suffix.

    Args:
        path: the file.
        names: names of the K classes.
        shares: label -> (K,) shares in [0, 1].
    """
    figure = canvas(_width(names, shares), 3.2)
    _draw_shares(figure.add_subplot(), names, shares)
    save(figure, path)


def save_share_panels(
    path: str | os.PathLike,
    names: Sequence[str],
    panels: Mapping[str, Mapping[str, np.ndarray]],
    columns: int = 2,
) -> None:
    """Draws bar charts of class shares on one scale as PNG or PDF, by the suffix.

    Args:
        path: the file.
        names: names of the K classes.
        panels: title -> shares as in `save_shares`.
        columns: charts per row.
    """
    rows = math.ceil(len(panels) / columns)
    width = _width(names, next(iter(panels.values())))
    figure = canvas(0.85 * width * columns, 2.4 * rows)
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, (title, shares) in zip(grid.flat, panels.items(), strict=False):
        _draw_shares(axes, names, shares)
        axes.set_title(title, fontsize=9, parse_math=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    all_shares = [values for shares in panels.values() for values in shares.values()]
    grid.flat[0].set_ylim(0, _upper_limit(all_shares))
    save(figure, path)


def _width(names: Sequence[str], shares: Mapping[str, np.ndarray]) -> float:
    return max(4.5, 0.4 * len(names) * len(shares) ** 0.5 + 1.5)


def _upper_limit(shares: Iterable[np.ndarray]) -> float:
    """Upper limit of an axis with room for a legend above the bars."""
    return 1.25 * max(float(np.max(values)) for values in shares) or 1.0


def _draw_shares(axes: Any, names: Sequence[str], shares: Mapping[str, np.ndarray]) -> None:
    width = 0.8 / len(shares)
    positions = np.arange(len(names))
    for k, (label, values) in enumerate(shares.items()):
        axes.bar(
            positions + (k - (len(shares) - 1) / 2) * width, values, width, label=label,
            hatch=SHARE_HATCHES[k % len(SHARE_HATCHES)], color=COLOURS[k % len(COLOURS)],
            edgecolor="white",
        )  # fmt: skip
    axes.set(ylim=(0, _upper_limit(shares.values())), xlabel="class", ylabel="share of images")
    axes.set_xticks(positions)
    long = max(map(len, names)) * len(names) > 60
    texts = axes.set_xticklabels(
        names, rotation=45 if long else 0, ha="right" if long else "center"
    )
    for text in texts:
        text.set_parse_math(False)
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    legend(axes, loc="upper right", ncols=len(shares))


# ----- repeated runs ------------------------------------------------------------------------------


def save_bars(
    path: str | os.PathLike,
    names: Sequence[str],
    runs: Mapping[str, np.ndarray],
    title: str = "",
) -> None:
    """Draws means over runs as bars, with standard deviations and a marker for each run.

    Args:
        path: PNG or PDF, by the suffix.
        names: names of the K values.
        runs: label -> (R, K) values of R >= 1 runs in [0, 1]; NaN for a missing value.
        title: title of the chart.
    """
    figure = canvas(max(4.8, 0.45 * len(names) * len(runs) + 1.5), 3.6)
    axes = figure.add_subplot()
    width = 0.8 / len(runs)
    positions = np.arange(len(names))
    for k, (label, values) in enumerate(runs.items()):
        x = positions + (k - (len(runs) - 1) / 2) * width
        axes.bar(
            x, _mean_and_deviation(values)[0], 0.92 * width, label=label,
            color=COLOURS[k % len(COLOURS)], hatch=HATCHES[k % len(HATCHES)], edgecolor="white",
            alpha=0.85,
        )  # fmt: skip
        _draw_runs(axes, x, np.asarray(values, np.float64), width)
    axes.set(ylim=(0, 1.13), yticks=np.linspace(0, 1, 6))
    axes.set_xticks(positions, names)
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    axes.set_title(title, fontsize=10, parse_math=False)
    legend(figure, loc="outside lower center", ncols=len(runs))
    save(figure, path)


def _draw_runs(axes: Any, x: np.ndarray, values: np.ndarray, width: float) -> None:
    """Draws markers of (R, K) values at (K,) positions, error bars, and the means as text."""
    means, deviations = _mean_and_deviation(values)
    axes.errorbar(x, means, deviations, fmt="none", ecolor="black", capsize=4, elinewidth=1.2)
    for number, row in enumerate(values):
        shift = 0.44 * width * (number / (len(values) - 1) - 0.5) if len(values) > 1 else 0.0
        axes.plot(
            x + shift, row, linestyle="none", marker=MARKERS[number % len(MARKERS)], markersize=4,
            color="white", markeredgecolor="black", markeredgewidth=0.8,
        )  # fmt: skip
    for position, mean, deviation, column in zip(x, means, deviations, values.T, strict=True):
        if not np.isnan(mean):
            top = max(mean + deviation, np.nanmax(column))
            axes.annotate(
                f"{mean:.3f}", (position, top), (0, 5), textcoords="offset points", ha="center",
                fontsize=8,
            )  # fmt: skip


def _mean_and_deviation(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K,) means and sample standard deviations, ignoring NaN; a single run has deviation 0."""
    columns = [column[~np.isnan(column)] for column in np.asarray(values, np.float64).T]
    means = [np.mean(c) if len(c) else np.nan for c in columns]
    return np.array(means), np.array([np.std(c, ddof=1) if len(c) > 1 else 0.0 for c in columns])
