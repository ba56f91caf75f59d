"""Curves and bars of metrics."""

import itertools
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rumi_tf.plotting.base import COLOURS, LINES, canvas, legend, save


def save_prd(path: str | os.PathLike, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Writes precision-recall curves of distributions as PNG or PDF, by the suffix.

    Args:
        path: the file.
        curves: label -> (precision, recall), each (n,) in [0, 1].
    """
    figure = canvas(4.2, 4.0)
    axes = figure.add_subplot()
    styles = zip(itertools.cycle(COLOURS), itertools.cycle(LINES), strict=False)
    for (label, (precision, recall)), (colour, line) in zip(curves.items(), styles, strict=False):
        axes.plot(recall, precision, color=colour, linestyle=line, linewidth=1.6, label=label)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.01), xlabel="recall", ylabel="precision", aspect="equal")
    axes.grid(color="0.9")
    legend(axes, loc="lower left")
    save(figure, path)


def save_shares(
    path: str | os.PathLike, names: Sequence[str], shares: Mapping[str, np.ndarray]
) -> None:
    """Writes a bar chart of the shares of classes as PNG or PDF, by the suffix.

    Args:
        path: the file.
        names: of the K classes.
        shares: label -> (K,) shares in [0, 1].
    """
    figure = canvas(_width(names, shares), 3.2)
    _bars(figure.add_subplot(), names, shares)
    save(figure, path)


def save_share_panels(
    path: str | os.PathLike,
    names: Sequence[str],
    panels: Mapping[str, Mapping[str, np.ndarray]],
    columns: int = 2,
) -> None:
    """Writes several bar charts of the shares of classes on one scale; PNG or PDF.

    Args:
        path: the file.
        names: of the K classes.
        panels: title -> what `save_shares` takes.
        columns: charts in a row.
    """
    rows = math.ceil(len(panels) / columns)
    width = _width(names, next(iter(panels.values())))
    figure = canvas(0.85 * width * columns, 2.4 * rows)
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, (title, shares) in zip(grid.flat, panels.items(), strict=False):
        _bars(axes, names, shares)
        axes.set_title(title, fontsize=9, parse_math=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    grid.flat[0].set_ylim(0, _top([v for shares in panels.values() for v in shares.values()]))
    save(figure, path)


def _width(names: Sequence[str], shares: Mapping[str, np.ndarray]) -> float:
    return max(4.5, 0.4 * len(names) * len(shares) ** 0.5 + 1.5)


def _top(shares: Iterable[np.ndarray]) -> float:
    """Of an axis with room for a legend above the bars."""
    return 1.25 * max(float(np.max(values)) for values in shares) or 1.0


def _bars(axes: Any, names: Sequence[str], shares: Mapping[str, np.ndarray]) -> None:
    width = 0.8 / len(shares)
    hatches = itertools.cycle(("", "///", "...", "xx"))
    places = np.arange(len(names))
    for k, ((label, values), hatch) in enumerate(zip(shares.items(), hatches, strict=False)):
        axes.bar(
            places + (k - (len(shares) - 1) / 2) * width, values, width, label=label, hatch=hatch,
            color=COLOURS[k % len(COLOURS)], edgecolor="white",
        )  # fmt: skip
    axes.set(ylim=(0, _top(shares.values())), xlabel="class", ylabel="share of images")
    axes.set_xticks(places)
    long = max(map(len, names)) * len(names) > 60
    texts = axes.set_xticklabels(
        names, rotation=45 if long else 0, ha="right" if long else "center"
    )
    for text in texts:
        text.set_parse_math(False)
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    legend(axes, "upper right", ncols=len(shares))
