"""Grids of images."""

import math
import os
from collections.abc import Mapping

import numpy as np

from rumi_tf.plotting.base import DPI, canvas, save


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
    figure = canvas(width / DPI, height / DPI, layout=None)
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
    save(figure, path, DPI)
