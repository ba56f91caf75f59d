"""Writes the model cards of a finished run."""

import contextlib
from collections.abc import Mapping
from typing import Any

from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation.results import Row, by_evaluation, read_rows
from rumi_tf.export.card import model_card
from rumi_tf.export.safety import read_metadata
from rumi_tf.runs.directories import run_directory
from rumi_tf.runs.outputs import REMEDY
from rumi_tf.utils.errors import RunDamaged
from rumi_tf.utils.io import write_text

NAME = "README.md"


def write_cards(config: RunConfig, summary: Mapping[str, Any]) -> None:
    """Writes a card into each SavedModel of a run, and one for generator.keras beside it.

    Args:
        config: resolved.
        summary: content of summary.json.

    Raises:
        RunDamaged: a SavedModel is damaged.
    """
    directory = run_directory(config)
    rows: list[Row] = []
    # The last evaluation of each iteration, with whatever settings.
    with contextlib.suppress(ValueError):  # damaged: the cards have no metrics
        rows = read_rows(directory / "metrics.csv")
    evaluated = {each[0].iteration: each for each in by_evaluation(rows)}
    settings = {name: value for name, value in config.identity().items() if value is not None}
    counts = {side: summary[f"{side}s"] for side in ("positive", "negative")}
    last, best = config.iterations, summary.get("best_iteration")
    for place, iteration in (("", last), ("saved_model", last), ("saved_model_best", best)):
        if iteration is None:
            continue
        try:
            metadata = read_metadata(directory / (place or "saved_model"))
        except ValueError as error:
            raise RunDamaged(f"{error}; {REMEDY.format(directory)}") from error
        rows = evaluated.get(iteration, [])
        evaluation = ""
        if rows:
            evaluation = (
                f"{rows[0].n_generated:,} generated images against {rows[0].reference}; "
                f"embedding {rows[0].embedding}."
            )
            notes = dict.fromkeys(row.note for row in rows if row.note)
            evaluation += "".join(f"\n\nNote: {note}." for note in notes)
        metrics = {row.metric: row.value for row in rows}
        card = model_card(metadata, settings, counts, metrics, evaluation, keras_file=not place)
        write_text(directory / place / NAME, card)
