"""What all pictures share: canvas, colours, and files that are the same for the same content."""

import os
import warnings
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rumi_tf.utils.io import atomic_path

DPI = 100
# Okabe and Ito's colours, told apart by the colour-blind; the line styles tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def canvas(width: float, height: float, layout: str | None = "constrained") -> Figure:
    """An empty white figure, in inches, that needs no display."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    return figure


def legend(axes: Any, loc: str = "best", ncols: int = 1) -> None:
    """A legend whose labels are taken literally."""
    for text in axes.legend(frameon=False, fontsize=9, loc=loc, ncols=ncols).get_texts():
        text.set_parse_math(False)


def save(figure: Figure, path: str | os.PathLike, dpi: int = 150) -> None:
    """Writes PNG or PDF, by the suffix, atomically."""
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in any script
        # The date is left out of the file, so that the same picture is the same bytes.
        pdf = {"metadata": {"CreationDate": None}} if temporary.suffix == ".pdf" else {}
        figure.savefig(temporary, dpi=dpi, **pdf)
