"""Panels of curves on one scale."""

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rumi_tf.plotting.base import COLOURS, LINES, canvas, save


@dataclasses.dataclass(frozen=True)
class Curve:
    """A curve, told apart from others by colour and dashes alike.

    Attributes:
        label: in the legend.
        x, y: (n,); where y is not a number nothing is drawn.
        style: number of its colour and line; curves of the same meaning have the same.
        band: (low, high), (n,) each, filled behind the curve.
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
    """Writes titled panels of curves under one legend, a row on one scale; PNG or PDF.

    Args:
        path: the file.
        panels: title -> curves.
        columns: panels in a row.
        xlabel: of every column.
        ylabels: of the rows; the last one is that of the rows that follow as well.
        top: upper end of the vertical axes; by default what the curves need.
    """
    rows = math.ceil(len(panels) / columns)
    figure = canvas(2.7 * columns, 2.3 * rows + 0.4)
    grid = figure.subplots(rows, columns, sharex=True, sharey="row", squeeze=False)
    named: dict[str, Any] = {}
    for axes, (title, curves) in zip(grid.flat, panels.items(), strict=False):
        for curve in curves:
            colour, line = COLOURS[curve.style % len(COLOURS)], LINES[curve.style % len(LINES)]
            (drawn,) = axes.plot(curve.x, curve.y, color=colour, linestyle=line, linewidth=1.3)
            named.setdefault(curve.label, drawn)
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
    legend = figure.legend(
        list(named.values()), list(named), loc="outside upper center", ncols=len(named),
        fontsize=8, frameon=False,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
    save(figure, path)
