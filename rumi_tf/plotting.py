"""Pictures as files. Importing this module loads matplotlib, without a display."""

import itertools
import math
import os
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
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
    _save(figure, path, DPI)


# Okabe and Ito's colours, told apart by the colour-blind; the line styles tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))


def save_prd(path: str | os.PathLike, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Writes precision-recall curves of distributions as PNG or PDF, by the suffix.

    Args:
        path: the file.
        curves: label -> (precision, recall), each (n,) in [0, 1].
    """
    figure = _figure(4.2, 4.0)
    axes = figure.add_subplot()
    styles = zip(itertools.cycle(COLOURS), itertools.cycle(LINES), strict=False)
    for (label, (precision, recall)), (colour, line) in zip(curves.items(), styles, strict=False):
        axes.plot(recall, precision, color=colour, linestyle=line, linewidth=1.6, label=label)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.01), xlabel="recall", ylabel="precision", aspect="equal")
    axes.grid(color="0.9")
    _legend(axes, loc="lower left")
    _save(figure, path)


def save_shares(
    path: str | os.PathLike, names: Sequence[str], shares: Mapping[str, np.ndarray]
) -> None:
    """Writes a bar chart of the shares of classes as PNG or PDF, by the suffix.

    Args:
        path: the file.
        names: of the K classes.
        shares: label -> (K,) shares in [0, 1].
    """
    figure = _figure(max(4.5, 0.4 * len(names) * len(shares) ** 0.5 + 1.5), 3.2)
    axes = figure.add_subplot()
    width = 0.8 / len(shares)
    hatches = itertools.cycle(("", "///", "...", "xx"))
    places = np.arange(len(names))
    for k, ((label, values), hatch) in enumerate(zip(shares.items(), hatches, strict=False)):
        axes.bar(
            places + (k - (len(shares) - 1) / 2) * width, values, width, label=label, hatch=hatch,
            color=COLOURS[k % len(COLOURS)], edgecolor="white",
        )  # fmt: skip
    tallest = max(float(np.max(values)) for values in shares.values())
    axes.set(ylim=(0, min(1.0, 1.15 * tallest) or 1.0), xlabel="class", ylabel="share of images")
    axes.set_xticks(places)
    long = max(map(len, names)) * len(names) > 60
    texts = axes.set_xticklabels(
        names, rotation=45 if long else 0, ha="right" if long else "center"
    )
    for text in texts:
        text.set_parse_math(False)
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    _legend(axes)
    _save(figure, path)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _legend(axes, loc: str = "best") -> None:
    for text in axes.legend(frameon=False, fontsize=9, loc=loc).get_texts():
        text.set_parse_math(False)


def _save(figure: Figure, path: str | os.PathLike, dpi: int = 150) -> None:
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in any script
        # The date is left out of the file, so that the same picture is the same bytes.
        pdf = {"metadata": {"CreationDate": None}} if temporary.suffix == ".pdf" else {}
        figure.savefig(temporary, dpi=dpi, **pdf)
