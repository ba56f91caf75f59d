"""Plots as PNG and PDF files. Importing this package loads matplotlib, without a display."""

from rumi_tf.plotting.charts import (
    Curve,
    save_bars,
    save_curves,
    save_prd,
    save_share_panels,
    save_shares,
)
from rumi_tf.plotting.comparisons import Band, Comparison, save_comparisons
from rumi_tf.plotting.densities import Densities, save_densities
from rumi_tf.plotting.panels import save_grid, save_panel_rows, save_panels, tile

__all__ = [
    "Band", "Comparison", "Curve", "Densities", "save_bars", "save_comparisons", "save_curves",
    "save_densities", "save_grid", "save_panel_rows", "save_panels", "save_prd",
    "save_share_panels", "save_shares", "tile",
]  # fmt: skip
