"""Canvas, colours, legends and files of all plots."""

import os
import warnings
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rumi_tf.utils.io import atomic_path

DPI = 100
# Okabe and Ito's colour-blind safe colours; line styles and markers distinguish in greyscale.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def canvas(width: float, height: float, layout: str | None = "constrained") -> Figure:
    """Returns an empty white figure, sized in inches, that needs no display."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    return figure


def legend(parent: Any, *args: Any, fontsize: float = 9, **options: Any) -> None:
    """Adds a legend to axes or a figure. Labels are literal text, without math markup."""
    for text in parent.legend(*args, frameon=False, fontsize=fontsize, **options).get_texts():
        text.set_parse_math(False)


def save(figure: Figure, path: str | os.PathLike, dpi: int = 150) -> None:
    """Writes PNG or PDF, by the suffix, atomically. The file depends only on the figure."""
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in any script
        figure.savefig(temporary, dpi=dpi, metadata={"CreationDate": None})
