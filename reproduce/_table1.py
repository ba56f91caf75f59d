"""What Table 1 of the Rumi-GAN paper says of finished cells."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reproduce import _grid
from rumi_tf.files import read_csv

if TYPE_CHECKING:
    from reproduce._cells import Outcome

COLUMNS = ("fid", "kid", "prd_f8", "prd_f1/8", "share_positive_only")
PAPER = Path(__file__).resolve().parent / "paper_values" / "table1.csv"


def published() -> dict[tuple[str, str], float]:
    """The paper's FID: (data set, model) -> mean over the classes."""
    return {(row["dataset"], row["model"]): float(row["fid"]) for row in read_csv(PAPER)}


def summarise(outcomes: Iterable["Outcome"]) -> list[dict[str, str]]:
    """Rows of Table 1: per data set and model the mean over classes, its deviation over seeds."""
    paper = published()
    table = []
    for (dataset, model), members in _grid.by_model(outcomes).items():
        row = {"data set": dataset, "model": model}
        for metric in COLUMNS:
            row[metric] = _mean_over_classes(members, metric)
        embedding = members[0].rows[0].embedding.partition("-")[0]
        value = paper.get((dataset, model))
        comparable = value is not None and embedding == "inception"
        classes = {found.cell.place["class"] for found in members}
        seeds = {found.cell.place["run seed"] for found in members}
        row |= {
            "n": f"{len(members)} ({len(classes)} classes, {len(seeds)} seeds)",
            "paper's fid": "" if value is None else f"{value:g}",
            "difference": f"{_seed_means(members, 'fid').mean() - value:+.4g}" if comparable else
            "other embedding" if value is not None else "",
            "embedding": embedding,
            "iterations": str(members[0].rows[0].iteration),
        }  # fmt: skip
        table.append(row)
    return table


def _seed_means(members: Sequence["Outcome"], metric: str) -> np.ndarray:
    """(seeds,) means over the classes."""
    by_seed: dict[str, list[float]] = {}
    for found in members:
        if (value := found.value(metric)) is not None:
            by_seed.setdefault(found.cell.place["run seed"], []).append(value)
    return np.array([np.mean(values) for values in by_seed.values()])


def _mean_over_classes(members: Sequence["Outcome"], metric: str) -> str:
    means = _seed_means(members, metric)
    if not len(means):
        return ""
    deviation = f" ± {means.std(ddof=1):.2g}" if len(means) > 1 else ""
    return f"{means.mean():.4g}{deviation}"
