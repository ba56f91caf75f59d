"""Means of repeated runs as bars."""

import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rumi_tf.plotting.base import COLOURS, MARKERS, canvas, save

HATCHES = ("", "///", "...", "xx", "\\\\\\")


def save_bars(
    path: str | os.PathLike,
    names: Sequence[str],
    runs: Mapping[str, np.ndarray],
    title: str = "",
) -> None:
    """Writes bars of means in [0, 1], with bars of one standard deviation and a mark for each run.

    Args:
        path: PNG or PDF, by the suffix.
        names: of the K values.
        runs: label -> (R, K) values of R runs, at least one; NaN where there is none.
        title: of the picture.
    """
    figure = canvas(max(4.8, 0.45 * len(names) * len(runs) + 1.5), 3.6)
    axes = figure.add_subplot()
    width = 0.8 / len(runs)
    places = np.arange(len(names))
    styles = zip(itertools.cycle(COLOURS), itertools.cycle(HATCHES), strict=False)
    for k, ((label, values), (colour, hatch)) in enumerate(zip(runs.items(), styles, strict=False)):
        x = places + (k - (len(runs) - 1) / 2) * width
        axes.bar(
            x, _summary(values)[0], 0.92 * width, label=label, color=colour, hatch=hatch,
            edgecolor="white", alpha=0.85,
        )  # fmt: skip
        _draw_runs(axes, x, np.asarray(values, np.float64), width)
    axes.set(ylim=(0, 1.13), yticks=np.linspace(0, 1, 6))
    axes.set_xticks(places, names)
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    axes.set_title(title, fontsize=10, parse_math=False)
    texts = figure.legend(
        loc="outside lower center", ncols=len(runs), frameon=False, fontsize=9
    ).get_texts()
    for text in texts:
        text.set_parse_math(False)
    save(figure, path)


def _draw_runs(axes: Any, x: np.ndarray, values: np.ndarray, width: float) -> None:
    """Marks of (R, K) values at (K,) places, their deviations, and their means in figures."""
    means, deviations = _summary(values)
    axes.errorbar(x, means, deviations, fmt="none", ecolor="black", capsize=4, elinewidth=1.2)
    for number, row in enumerate(values):
        shift = 0.44 * width * (number / (len(values) - 1) - 0.5) if len(values) > 1 else 0.0
        axes.plot(
            x + shift, row, linestyle="none", marker=MARKERS[number % len(MARKERS)], markersize=4,
            color="white", markeredgecolor="black", markeredgewidth=0.8,
        )  # fmt: skip
    for place, mean, deviation, column in zip(x, means, deviations, values.T, strict=True):
        if not np.isnan(mean):
            top = max(mean + deviation, np.nanmax(column))
            axes.annotate(
                f"{mean:.3f}", (place, top), (0, 5), textcoords="offset points", ha="center",
                fontsize=8,
            )  # fmt: skip


def _summary(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K,) means and (K,) sample deviations over the runs that have a value; 0 of a single one."""
    columns = [column[~np.isnan(column)] for column in np.asarray(values, np.float64).T]
    means = [np.mean(c) if len(c) else np.nan for c in columns]
    return np.array(means), np.array([np.std(c, ddof=1) if len(c) > 1 else 0.0 for c in columns])
