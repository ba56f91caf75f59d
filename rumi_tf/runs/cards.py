"""Writes the model cards of a finished run."""

from collections.abc import Mapping
from typing import Any

from rumi_tf.config.run import RunConfig
from rumi_tf.export.card import model_card
from rumi_tf.export.safety import read_metadata
from rumi_tf.runs.directories import run_directory
from rumi_tf.runs.outputs import evaluations
from rumi_tf.utils.io import write_text

NAME = "README.md"


def write_cards(config: RunConfig, summary: Mapping[str, Any]) -> None:
    """Writes a card into each SavedModel of a run, and one for generator.keras beside it.

    Args:
        config: resolved.
        summary: content of summary.json.
    """
    directory, evaluated = run_directory(config), evaluations(config)
    settings = {name: value for name, value in config.identity().items() if value is not None}
    counts = {side: summary[f"{side}s"] for side in ("positive", "negative")}
    last, best = config.iterations, summary["best_iteration"]
    for place, iteration in (("", last), ("saved_model", last), ("saved_model_best", best)):
        if iteration is None:
            continue
        metadata = read_metadata(directory / (place or "saved_model"))
        rows = evaluated.get(iteration, [])
        evaluation = ""
        if rows:
            evaluation = (
                f"{rows[0].n_generated:,} generated images against {rows[0].reference}; "
                f"embedding {rows[0].embedding}."
            )
        metrics = {row.metric: row.value for row in rows}
        card = model_card(metadata, settings, counts, metrics, evaluation, keras_file=not place)
        write_text(directory / place / NAME, card)
