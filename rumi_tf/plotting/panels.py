"""Grids of images."""

import math
import os
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from rumi_tf.plotting.base import DPI, canvas, save

LABEL = 8  # points


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
    _save_rows(path, {"": panels}, DPI)


def save_panel_rows(
    path: str | os.PathLike,
    rows: Mapping[str, Mapping[str, np.ndarray]],
    columns: Sequence[str],
    across: int | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Writes rows of titled grids as PNG or PDF, by the suffix; every image pixel stays a square.

    Args:
        path: the file.
        rows: title of the row -> title of the panel -> (N, H, W, C) in [-1, 1].
        columns: titles of panels from left to right; the place of one that a row lacks stays
            empty.
        across: images in a row of a grid; default as `tile`.
        labels: title of the row -> what stands on the left of each row of images of its grids.
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
    """Rows of panels, each of which is as wide as the widest grid of its column.

    Lengths are in pixels of the PNG; `dpi` says how large letters are beside them.
    """
    scale = dpi / DPI
    margin, head, above = 12 * scale, 34 * scale, 26 * scale
    grids = {row: _enlarged(panels.values(), across) for row, panels in rows.items()}
    widths = [
        max((grid.shape[1] for grid in column if grid is not None), default=0)
        for column in zip(*grids.values(), strict=True)
    ]
    talls = {
        row: max(grid.shape[0] for grid in panels if grid is not None)
        for row, panels in grids.items()
    }
    longest = max((len(name) for names in labels.values() for name in names), default=0)
    left = margin + longest * LABEL * 0.65 * dpi / 72  # letters are narrower than high
    width = left + sum(widths) + margin * len(widths)
    height = sum(tall + head + bool(row) * above for row, tall in talls.items()) + margin
    figure = canvas(width / dpi, height / dpi, layout=None)
    y = height
    for row, panels in grids.items():
        if row:
            y -= above
            figure.text(
                margin / width, (y + 8 * scale) / height, row, fontsize=11, weight="bold",
                va="center", parse_math=False,
            )  # fmt: skip
        y -= head
        names = labels.get(row, ())
        for number, name in enumerate(names):
            middle = y - talls[row] * (number + 0.5) / len(names)
            figure.text(
                (left - margin / 2) / width, middle / height, name, fontsize=LABEL, ha="right",
                va="center", parse_math=False,
            )  # fmt: skip
        x = left
        for title, grid, panel in zip(rows[row], panels, widths, strict=True):
            if grid is not None:
                tall, wide = grid.shape[:2]
                box = (x / width, (y - tall) / height, wide / width, tall / height)
                axes = figure.add_axes(box)
                axes.imshow(grid, interpolation="nearest", aspect="auto")
                axes.set_axis_off()
                size = min(11, 1.15 * wide / scale / max(1, len(title)))  # points that fit above it
                axes.set_title(title, fontsize=size, pad=8, parse_math=False)
            x += panel + margin
        y -= talls[row]
    save(figure, path, dpi)


def _enlarged(row: Collection[np.ndarray | None], across: int | None) -> list[np.ndarray | None]:
    """The grids of a row, (height, width, 3), each pixel repeated so that about 420 are highest,
    and smaller images more often than larger ones beside them.
    """
    largest = max(len(images[0]) for images in row if images is not None)

    def enlarge(images: np.ndarray, times: int) -> np.ndarray:
        return tile(images, across).repeat(times, axis=0).repeat(times, axis=1)

    grids = [None if i is None else enlarge(i, largest // len(i[0])) for i in row]
    zoom = max(1, round(420 / max(len(grid) for grid in grids if grid is not None)))
    return [None if g is None else g.repeat(zoom, axis=0).repeat(zoom, axis=1) for g in grids]
