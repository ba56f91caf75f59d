"""Plots of densities on lines and planes."""

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import PowerNorm

from rumi_tf.plotting.base import DPI, canvas, save


@dataclasses.dataclass(frozen=True)
class Densities:
    """Densities on the cells of a grid, with a title.

    Attributes:
        title: one or two lines.
        edges: (n + 1,) edges of the cells along each axis.
        values: label -> (n,) or (n, n) densities; at most four.
    """

    title: str
    edges: np.ndarray
    values: Mapping[str, np.ndarray]


# Distinguishable in greyscale: dashed, dotted, a filled area, and solid.
CURVES = (
    {"color": "#0072b2", "linestyle": (0, (5, 2)), "linewidth": 1.3},
    {"color": "#d55e00", "linestyle": (0, (1, 1.2)), "linewidth": 1.6},
    {"color": "#c8c8c8", "fill": True, "linewidth": 0},
    {"color": "black", "linewidth": 1.1},
)


def save_densities(path: str | os.PathLike, cases: Sequence[Densities], columns: int = 3) -> None:
    """Draws densities on lines as curves, and on planes as rows of maps; PNG or PDF.

    Args:
        path: the file.
        cases: at least one; those on lines are drawn first.
        columns: panels of curves per row.
    """
    lines = [case for case in cases if _dimension(case) == 1]
    planes = [case for case in cases if _dimension(case) == 2]
    rows = math.ceil(len(lines) / columns)
    heights = [2.3] * rows + [3.0] * len(planes)
    figure = canvas(3.6 * columns, sum(heights) + 0.4)
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    for row in range(rows):
        row_cases = lines[row * columns : (row + 1) * columns]
        axes = parts[row].subplots(1, columns, squeeze=False)[0]
        for panel, case in zip(axes, row_cases, strict=False):
            _draw_curves(panel, case)
        for panel in axes[len(row_cases) :]:
            panel.set_axis_off()
        if row == 0:
            figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    for part, case in zip(parts[rows:], planes, strict=True):
        _draw_maps(part, case)
    save(figure, path, DPI)


def _dimension(case: Densities) -> int:
    return next(iter(case.values.values())).ndim


def _draw_curves(axes: Any, case: Densities) -> None:
    for (label, density), style in zip(case.values.items(), CURVES, strict=False):
        axes.stairs(
            density, case.edges, baseline=0 if "fill" in style else None, label=label, **style
        )
    longest = max(map(len, case.title.splitlines()))
    axes.set_title(case.title, fontsize=min(9, 390 / longest), parse_math=False)
    axes.set_xlabel("x", fontsize=8, labelpad=1)
    axes.set_ylabel("density", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_xlim(case.edges[0], case.edges[-1])
    axes.set_ylim(bottom=0)


def _draw_maps(part: Any, case: Densities) -> None:
    """Draws one map per density on a common scale, darker for larger values.

    A square-root scale keeps a broad density visible next to a narrow one.
    """
    axes = part.subplots(1, len(case.values), sharex=True, sharey=True, squeeze=False)[0]
    scale = PowerNorm(0.5, 0, max(density.max() for density in case.values.values()))
    for panel, (label, density) in zip(axes, case.values.items(), strict=True):
        mesh = panel.pcolormesh(
            case.edges, case.edges, density.T, cmap="Greys", norm=scale, rasterized=True
        )
        panel.set_title(label, fontsize=9, parse_math=False)
        panel.set_aspect("equal")
        panel.set_xlabel("x", fontsize=8, labelpad=1)
        panel.tick_params(labelsize=7)
    axes[0].set_ylabel("y", fontsize=8)
    part.colorbar(mesh, ax=axes, fraction=0.02, pad=0.01, label="density").ax.tick_params(
        labelsize=7
    )
    part.suptitle("; ".join(case.title.splitlines()), fontsize=9, parse_math=False)
