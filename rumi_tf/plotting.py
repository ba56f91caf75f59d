"""Pictures as files. Importing this module loads matplotlib, without a display."""

import dataclasses
import math
import os
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from rumi_tf.files import atomic_path

DPI = 100


def tile(images: np.ndarray, columns: int | None = None, gap: int = 2) -> np.ndarray:
    """Lays images out row by row.

    Args:
        images: (N, H, W, C) in [-1, 1], C = 1 or 3.
        columns: images per row; default is the smallest number that makes no more rows.
        gap: white pixels between images.

    Returns:
        (height, width, 3) float32 in [0, 1].
    """
    images = np.clip((np.asarray(images, np.float32) + 1) / 2, 0, 1)
    images = np.broadcast_to(images, (*images.shape[:3], 3))
    columns = columns or math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    height, width = images.shape[1] + gap, images.shape[2] + gap
    canvas = np.ones((rows * height - gap, columns * width - gap, 3), np.float32)
    for k, image in enumerate(images):
        y, x = k // columns * height, k % columns * width
        canvas[y : y + images.shape[1], x : x + images.shape[2]] = image
    return canvas


def save_grid(path: str | os.PathLike, images: np.ndarray, title: str) -> None:
    """Writes a titled grid of images, (N, H, W, C) in [-1, 1], as a PNG file."""
    save_panels(path, {title: images})


def save_panels(path: str | os.PathLike, panels: Mapping[str, np.ndarray]) -> None:
    """Writes titled grids side by side as PNG or PDF, by the suffix.

    Every image pixel stays a square.

    Args:
        path: the file.
        panels: title -> (N, H, W, C) in [-1, 1].
    """
    grids = {title: tile(images) for title, images in panels.items()}
    tallest = max(grid.shape[0] for grid in grids.values())
    zoom = max(1, round(420 / tallest))
    widths = [grid.shape[1] * zoom for grid in grids.values()]
    margin, head = 12, 34
    width = sum(widths) + margin * (len(grids) + 1)
    height = tallest * zoom + head + margin
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    x = margin
    for (title, grid), panel in zip(grids.items(), widths, strict=True):
        tall = grid.shape[0] * zoom
        box = (x / width, (height - head - tall) / height, panel / width, tall / height)
        axes = figure.add_axes(box)
        axes.imshow(grid, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        size = min(11, 1.75 * panel / max(1, len(title)))  # points that fit above the panel
        axes.set_title(title, fontsize=size, pad=8, parse_math=False)
        x += panel + margin
    _save(figure, path)


@dataclasses.dataclass(frozen=True)
class Densities:
    """Densities on the cells of a grid, and what to write above them.

    Attributes:
        title: one or two lines.
        edges: (n + 1,) edges of the cells along every axis.
        values: label -> (n,) or (n, n) densities, at most four.
    """

    title: str
    edges: np.ndarray
    values: Mapping[str, np.ndarray]


# Told apart without colour: two kinds of broken line, a filled area, and a full line.
CURVES = (
    {"color": "#0072b2", "linestyle": (0, (5, 2)), "linewidth": 1.3},
    {"color": "#d55e00", "linestyle": (0, (1, 1.2)), "linewidth": 1.6},
    {"color": "#c8c8c8", "fill": True, "linewidth": 0},
    {"color": "black", "linewidth": 1.1},
)


def save_densities(path: str | os.PathLike, cases: Sequence[Densities], columns: int = 3) -> None:
    """Draws densities on lines as curves and those on planes as rows of maps; PNG or PDF.

    Args:
        path: the file.
        cases: at least one; those on lines come first in the picture.
        columns: panels of curves in a row.
    """
    lines = [case for case in cases if _dimension(case) == 1]
    planes = [case for case in cases if _dimension(case) == 2]
    rows = math.ceil(len(lines) / columns)
    heights = [2.3] * rows + [3.0] * len(planes)
    figure = Figure(figsize=(3.6 * columns, sum(heights) + 0.4), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    figure.set_layout_engine("constrained")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    for row in range(rows):
        chosen = lines[row * columns : (row + 1) * columns]
        axes = parts[row].subplots(1, columns, squeeze=False)[0]
        for place, case in zip(axes, chosen, strict=False):
            _curves(place, case)
        for place in axes[len(chosen) :]:
            place.set_axis_off()
        if row == 0:
            figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    for part, case in zip(parts[rows:], planes, strict=True):
        _maps(part, case)
    _save(figure, path)


def _dimension(case: Densities) -> int:
    return next(iter(case.values.values())).ndim


def _curves(axes, case: Densities) -> None:
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


def _maps(part, case: Densities) -> None:
    """One map for each density, all on the same scale, darker where there is more.

    The scale is that of the root, which keeps a broad density visible beside a narrow one.
    """
    axes = part.subplots(1, len(case.values), sharex=True, sharey=True, squeeze=False)[0]
    scale = PowerNorm(0.5, 0, max(density.max() for density in case.values.values()))
    for place, (label, density) in zip(axes, case.values.items(), strict=True):
        mesh = place.pcolormesh(
            case.edges, case.edges, density.T, cmap="Greys", norm=scale, rasterized=True
        )
        place.set_title(label, fontsize=9, parse_math=False)
        place.set_aspect("equal")
        place.set_xlabel("x", fontsize=8, labelpad=1)
        place.tick_params(labelsize=7)
    axes[0].set_ylabel("y", fontsize=8)
    part.colorbar(mesh, ax=axes, fraction=0.02, pad=0.01, label="density").ax.tick_params(
        labelsize=7
    )
    part.suptitle("; ".join(case.title.splitlines()), fontsize=9, parse_math=False)


def _save(figure: Figure, path: str | os.PathLike) -> None:
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in any script
        # The date is left out of the file, so that the same picture is the same bytes.
        pdf = {"metadata": {"CreationDate": None}} if temporary.suffix == ".pdf" else {}
        figure.savefig(temporary, dpi=DPI, **pdf)
