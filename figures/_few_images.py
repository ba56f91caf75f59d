"""Runs and tables of figures.few_images. Importing this module does not load TensorFlow."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from figures import _cases
from rumi_tf.config import recipes
from rumi_tf.evaluation.results import FRECHET
from rumi_tf.experiments import paper_grid
from rumi_tf.utils.console import without_empty_columns

# Name of a model -> its title, its objective, and the recipe's settings that it uses.
MODELS = {
    "lsgan": ("LSGAN", "lsgan", ()),
    "rumi_lsgan": ("Rumi-LSGAN", "rumi_lsgan", ()),
    "rumi_lsgan_augmented": ("Rumi-LSGAN + DiffAugment", "rumi_lsgan", ("d_augment",)),
    "lsgan_few_images": (
        "LSGAN + DiffAugment + EMA", "lsgan", ("d_augment", "generator_ema"),
    ),
    "rumi_lsgan_few_images": (
        "Rumi-LSGAN + DiffAugment + EMA", "rumi_lsgan", ("d_augment", "generator_ema"),
    ),
}  # fmt: skip
LABELS = tuple(title for title, _, _ in MODELS.values())
METRICS = {
    "fid": "FID", "fd_classifier": "FD", "kid": "KID", "prd_f8": "PRD F8", "prd_f1/8": "PRD F1/8",
    "precision": "precision", "recall": "recall", "coverage": "coverage",
    "share_positive_only": "share in class",
}  # fmt: skip


def cases_of(
    names: Sequence[str],
    seeds: Sequence[int],
    given: Mapping[str, Any],
    sizes: Sequence[int],
    models: Sequence[str],
) -> list[_cases.Case]:
    """A case for each class and number of images.

    Args:
        names: DATASET_CLASS.
        seeds: seeds of the runs.
        given: fields of `RunConfig` that apply to all runs.
        sizes: numbers of images of the class.
        models: keys of `MODELS`.

    Raises:
        InvalidInput: a case is unknown, or a setting is invalid.
    """
    cases: dict[str, _cases.Case] = {}
    for name in names:
        dataset, minority = _cases.dataset_and_class(name)
        task = paper_grid.unbalanced_task("cases", dataset, minority)
        minority = task["minority_class"]
        recipe = recipes.settings("few_images", dataset)
        for size in sizes:
            place = {"data set": dataset, "class": minority, "images": str(size)}
            cells = []
            for model in dict.fromkeys(models):
                title, objective, remedies = MODELS[model]
                fields = {"minority_size": size, **{remedy: recipe[remedy] for remedy in remedies}}
                cells += paper_grid.cells(
                    {**task, **fields}, place, [objective], seeds, given, {objective: title}
                )
            case = f"{dataset}_{minority}_{size}"
            cases[case] = _cases.Case(case, _cases.class_title(dataset, minority), cells, size)
    return list(cases.values())


def seed_means(result: _cases.CaseResults) -> list[dict[str, Any]]:
    """Mean and standard deviation over seeds for each model, iteration and metric.

    Only iterations at which every seed was evaluated are included.
    """
    from figures import _compared
    from rumi_tf.runs import outputs

    rows = []
    for label, members in _compared.by_model(result).items():
        evaluations = [outputs.evaluations(o.cell.config) for o in members]
        for iteration in sorted(set.intersection(*map(set, evaluations))):
            values: dict[str, list[float]] = {}
            for row in (row for each in evaluations for row in each[iteration]):
                if row.value is not None:
                    values.setdefault(row.metric, []).append(row.value)
            first = evaluations[0][iteration][0]
            rows += [
                {
                    "case": result.case.name, "images": members[0].cell.config.minority_size,
                    "model": label, "iteration": iteration, "metric": metric,
                    "mean": float(np.mean(sample)),
                    "std": float(np.std(sample, ddof=1)) if len(sample) > 1 else "",
                    "seeds": len(sample), "embedding": first.embedding,
                    "n_generated": first.n_generated, "n_reference": first.n_reference,
                }
                for metric, sample in values.items()
            ]  # fmt: skip
    return rows


def _by_model(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], list]:
    groups: dict[tuple[str, str], list] = {}
    for row in rows:
        groups.setdefault((row["case"], row["model"]), []).append(row)
    return groups


def distance_by_iteration(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Table of the Fréchet distance by iteration."""
    iterations = sorted({row["iteration"] for row in rows})
    table = []
    for (case, model), members in _by_model(rows).items():
        means = {r["iteration"]: _number(r["mean"]) for r in members if r["metric"] in FRECHET}
        columns = {f"{iteration:,}": means.get(iteration, "") for iteration in iterations}
        table.append({"case": case, "model": model, **columns})
    return table


def at_the_end(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Table of `METRICS` at the last iteration."""
    table = []
    for (case, model), members in _by_model(rows).items():
        last = max(row["iteration"] for row in members)
        values = {row["metric"]: row for row in members if row["iteration"] == last}
        columns = {
            title: _spread(values[metric]) if metric in values else ""
            for metric, title in METRICS.items()
        }
        seeds = {"seeds": str(max(row["seeds"] for row in values.values()))}
        table.append({"case": case, "model": model, **columns, **seeds})
    return without_empty_columns(table)


def _spread(row: Mapping[str, Any]) -> str:
    return _number(row["mean"]) + (f" ± {_number(row['std'], 2)}" if row["std"] != "" else "")


def _number(value: float, digits: int = 3) -> str:
    """`value` with `digits` significant digits and no exponent."""
    return np.format_float_positional(
        value, precision=digits, unique=False, fractional=False, trim="-"
    )
