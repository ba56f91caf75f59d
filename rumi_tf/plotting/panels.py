"""Grids of images."""

import math
import os
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from rumi_tf.plotting.base import DPI, canvas, save

LABEL_SIZE = 8  # points


def tile(images: np.ndarray, columns: int | None = None, gap: int = 2) -> np.ndarray:
    """Arranges images in a grid, row by row.

    Args:
        images: (N, H, W, C) in [-1, 1], C = 1 or 3.
        columns: images per row; default ceil(sqrt(N)).
        gap: white pixels between images.

    Returns:
        (height, width, 3) float32 in [0, 1].
    """
    images = np.clip((np.asarray(images, np.float32) + 1) / 2, 0, 1)
    images = np.broadcast_to(images, (*images.shape[:3], 3))
    columns = columns or math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    height, width = images.shape[1] + gap, images.shape[2] + gap
    grid = np.ones((rows * height - gap, columns * width - gap, 3), np.float32)
    for k, image in enumerate(images):
        y, x = k // columns * height, k % columns * width
        grid[y : y + images.shape[1], x : x + images.shape[2]] = image
    return grid


def save_grid(
    path: str | os.PathLike, images: np.ndarray, title: str, columns: int | None = None
) -> None:
    """Writes a titled grid of images, (N, H, W, C) in [-1, 1], as a PNG file; see `tile`."""
    _save_rows(path, {"": {title: images}}, DPI, columns)


def save_panels(path: str | os.PathLike, panels: Mapping[str, np.ndarray]) -> None:
    """Writes titled grids side by side as PNG or PDF, by the suffix.

    Image pixels stay square.

    Args:
        path: the file.
        panels: title -> (N, H, W, C) in [-1, 1].
    """
    _save_rows(path, {"": panels}, DPI)


def save_panel_rows(
    path: str | os.PathLike,
    rows: Mapping[str, Mapping[str, np.ndarray]],
    columns: Sequence[str],
    across: int | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Writes rows of titled grids as PNG or PDF, by the suffix; image pixels stay square.

    Args:
        path: the file.
        rows: title of the row -> title of the panel -> (N, H, W, C) in [-1, 1].
        columns: titles of panels from left to right; a panel that a row lacks is left empty.
        across: images per row of a grid; default as `tile`.
        labels: title of the row -> labels on the left of each row of images of its grids.
    """
    aligned = {
        title: {name: panels.get(name) for name in columns} for title, panels in rows.items()
    }
    _save_rows(path, aligned, 2 * DPI, across, labels or {})


def _save_rows(
    path: str | os.PathLike,
    rows: Mapping[str, Mapping[str, np.ndarray | None]],
    dpi: int,
    across: int | None = None,
    labels: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """Draws rows of panels; each column is as wide as its widest grid.

    Lengths are in pixels of the PNG; `dpi` sets the size of text relative to them.
    """
    scale = dpi / DPI
    margin, panel_title, row_title = 12 * scale, 34 * scale, 26 * scale
    grids = {row: _enlarged(panels.values(), across) for row, panels in rows.items()}
    widths = [
        max((grid.shape[1] for grid in column if grid is not None), default=0)
        for column in zip(*grids.values(), strict=True)
    ]
    heights = {
        row: max(grid.shape[0] for grid in panels if grid is not None)
        for row, panels in grids.items()
    }
    longest = max((len(name) for names in labels.values() for name in names), default=0)
    left = margin + longest * LABEL_SIZE * 0.65 * dpi / 72  # a letter is about 0.65 wide
    width = left + sum(widths) + margin * len(widths)
    height = margin + sum(
        grid_height + panel_title + bool(row) * row_title for row, grid_height in heights.items()
    )
    figure = canvas(width / dpi, height / dpi, layout=None)
    y = height
    for row, panels in grids.items():
        if row:
            y -= row_title
            figure.text(
                margin / width, (y + 8 * scale) / height, row, fontsize=11, weight="bold",
                va="center", parse_math=False,
            )  # fmt: skip
        y -= panel_title
        names = labels.get(row, ())
        for number, name in enumerate(names):
            middle = y - heights[row] * (number + 0.5) / len(names)
            figure.text(
                (left - margin / 2) / width, middle / height, name, fontsize=LABEL_SIZE, ha="right",
                va="center", parse_math=False,
            )  # fmt: skip
        x = left
        for title, grid, column_width in zip(rows[row], panels, widths, strict=True):
            if grid is not None:
                h, w = grid.shape[:2]
                axes = figure.add_axes((x / width, (y - h) / height, w / width, h / height))
                axes.imshow(grid, interpolation="nearest", aspect="auto")
                axes.set_axis_off()
                size = min(11, 1.15 * w / scale / max(1, len(title)))  # points; fits the width
                axes.set_title(title, fontsize=size, pad=8, parse_math=False)
            x += column_width + margin
        y -= heights[row]
    save(figure, path, dpi)


def _enlarged(row: Collection[np.ndarray | None], across: int | None) -> list[np.ndarray | None]:
    """Grids of a row, (height, width, 3), with pixels repeated.

    Smaller images are enlarged to the size of the largest ones, and all grids so that the tallest
    is about 420 pixels high, or less if the widest would exceed 1,600 pixels.
    """
    largest = max(len(images[0]) for images in row if images is not None)

    def repeat(grid: np.ndarray, times: int) -> np.ndarray:
        return grid.repeat(times, axis=0).repeat(times, axis=1)

    grids = [None if i is None else repeat(tile(i, across), largest // len(i[0])) for i in row]
    sizes = np.array([grid.shape[:2] for grid in grids if grid is not None])
    height, width = sizes.max(axis=0).tolist()
    zoom = max(1, min(round(420 / height), 1600 // width))
    return [None if grid is None else repeat(grid, zoom) for grid in grids]
