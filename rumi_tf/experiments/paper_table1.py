"""Summarises finished cells as Table 1 of the Rumi-GAN paper."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rumi_tf.data.class_names import class_names
from rumi_tf.evaluation.results import frechet_name
from rumi_tf.experiments import paper_grid
from rumi_tf.utils.io import read_csv
from rumi_tf.utils.paths import PAPER_VALUES

if TYPE_CHECKING:
    from rumi_tf.experiments.sweep import Outcome

COLUMNS = ("fid", "fd_classifier", "kid", "prd_f8", "prd_f1/8", "share_positive_only")
PAPER = PAPER_VALUES / "table1.csv"


def published() -> dict[tuple[str, str], float]:
    """The paper's FID: (data set, model) -> mean over the classes."""
    return {(row["dataset"], row["model"]): float(row["fid"]) for row in read_csv(PAPER)}


def summarise(outcomes: Iterable["Outcome"]) -> list[dict[str, str]]:
    """Rows of Table 1: mean over classes and standard deviation over seeds of each model."""
    paper = published()
    table = []
    for (dataset, model), members in paper_grid.by_model(outcomes).items():
        row = {"data set": dataset, "model": model}
        for metric in COLUMNS:
            row[metric] = _mean_over_classes(members, metric)
        embedding = members[0].rows[0].embedding
        value = paper.get((dataset, model))
        classes, means = _seed_means(members, frechet_name(embedding))
        config = members[0].cell.config  # members differ only in class and seed
        row |= {
            "n": f"{len(classes) * len(means)} ({len(classes)} classes, {len(means)} seeds)",
            "paper's fid": "" if value is None else f"{value:g}",
            "difference": "" if value is None else _difference(members, classes, means, value),
            "embedding": embedding.partition("-")[0],
            "image size": str(config.image_size),
            "iterations": str(members[0].rows[0].iteration),
            "width": f"{config.width:g}",
            "learning rate": f"{config.learning_rate:g}",
            "batch": str(config.batch_size),
        }  # fmt: skip
        table.append(row)
    return table


def _difference(
    members: Sequence["Outcome"], classes: set[str], means: np.ndarray, paper: float
) -> str:
    """Difference from the paper's value, or why the two are not comparable.

    Args:
        members: outcomes of the row.
        classes, means: see `_seed_means`.
        paper: the paper's value.
    """
    dataset = members[0].cell.place["data set"]
    if not members[0].rows[0].embedding.startswith("inception-"):
        return "other embedding"
    if classes != set(class_names(dataset)):
        return "not all classes"
    if not all(_is_published(outcome, dataset) for outcome in members):
        return "other settings"
    return f"{means.mean() - paper:+.4g}"


def _is_published(outcome: "Outcome", dataset: str) -> bool:
    config, minority = outcome.cell.config, outcome.cell.place["class"]
    (cell,) = paper_grid.unbalanced_cells("classes", dataset, minority, [config.objective], [0], {})
    return paper_grid.is_published(outcome, cell.config)


def _seed_means(members: Sequence["Outcome"], metric: str) -> tuple[set[str], np.ndarray]:
    """Classes that every seed has, and (seeds,) means over these classes.

    Without a common class the means are empty.
    """
    by_seed: dict[str, dict[str, float]] = {}
    for outcome in members:
        if (value := outcome.value(metric)) is not None:
            place = outcome.cell.place
            by_seed.setdefault(place["run seed"], {})[place["class"]] = value
    common = set.intersection(*map(set, by_seed.values())) if by_seed else set()
    means = [np.mean([values[k] for k in common]) for values in by_seed.values() if common]
    return common, np.array(means)


def _mean_over_classes(members: Sequence["Outcome"], metric: str) -> str:
    _, means = _seed_means(members, metric)
    if not len(means):
        return ""
    deviation = f" ± {means.std(ddof=1):.2g}" if len(means) > 1 else ""
    return f"{means.mean():.4g}{deviation}"
