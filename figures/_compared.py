"""Figures 2 to 4 from runs: panels of samples, and curves of FID and of precision and recall.

Figures are drawn from the metrics and curves that the runs have saved. Every figure has a CSV file
with its data.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from figures._cases import CaseResults
from rumi_tf import plotting
from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation.results import FRECHET, frechet_name
from rumi_tf.experiments import paper_grid
from rumi_tf.plotting import Band, Comparison
from rumi_tf.runs import outputs
from rumi_tf.utils.io import read_csv, write_csv
from rumi_tf.utils.paths import PAPER_VALUES

LABELS = tuple(paper_grid.MODELS.values())
PUBLISHED = PAPER_VALUES / "figure3.csv"
PUBLISHED_EMBEDDING = "inception"


# ----- samples ------------------------------------------------------------------------------------


def generate(config: RunConfig, positive_classes: Sequence[int], num: int) -> np.ndarray:
    """(num, H, W, C) float32 images in [-1, 1] of a finished run, always the same ones.

    A conditional generator is given the labels in `positive_classes`, in turn.

    Args:
        config: resolved config of the run.
        positive_classes: labels of the positive classes.
        num: number of images.
    """
    sampler = outputs.sampler_of(config)
    label = positive_classes if sampler.conditional else None
    return sampler.sample(num, label=label, seed=config.seed)


def save_samples(
    out: Path, name: str, results: Sequence[CaseResults], num: int, labels: Sequence[str] = LABELS
) -> list[Path]:
    """Writes panels of real and generated images: NAME.png, NAME.pdf and NAME.csv.

    For each model the first seed with a result is shown. The CSV file has the metrics of the runs
    shown, with their provenance.

    Args:
        out: output directory.
        name: name of the files.
        results: results of the cases, with real images.
        num: images in each panel.
        labels: titles of all models, in display order.
    """
    rows, metrics = {}, []
    for result in results:
        panels = {"real": result.real.images}
        for outcome in result.outcomes:
            model = outcome.cell.place["model"]
            if model not in panels:
                panels[model] = generate(outcome.cell.config, result.real.classes, num)
                metrics += [
                    {"case": result.case.name, "model": model, **dataclasses.asdict(row)}
                    for row in outcome.rows
                ]
        rows[f"{result.case.title}: {result.real.count:,} images"] = panels
    paths = [out / f"{name}.{kind}" for kind in ("png", "pdf", "csv")]
    columns = [c for c in ("real", *labels) if any(c in panels for panels in rows.values())]
    for path in paths[:2]:
        plotting.save_panel_rows(path, rows, columns)
    write_csv(paths[2], metrics)
    return paths


# ----- curves -------------------------------------------------------------------------------------


def save_curves(
    out: Path,
    name: str,
    results: Sequence[CaseResults],
    published: bool = False,
    labels: Sequence[str] = LABELS,
) -> list[Path]:
    """Writes NAME.png and NAME.pdf, and their data as NAME_fid.csv and NAME_prd.csv.

    Args:
        out: output directory.
        name: name of the files.
        results: results of the cases.
        published: whether to also draw the authors' FID curves, on separate axes: they use
            InceptionV3's features, and each value is as smooth as a mean over all earlier ones.
            If ours use the same embedding, both have the same scale.
        labels: titles of all models, in display order.
    """
    names = dict.fromkeys(
        frechet_name(outcome.rows[0].embedding) for result in results for outcome in result.outcomes
    )
    comparisons = [comparison(result, published) for result in results]
    paths = [out / f"{name}{end}" for end in (".png", ".pdf", "_frechet.csv", "_prd.csv")]
    for path in paths[:2]:
        plotting.save_comparisons(
            path,
            comparisons,
            labels,
            " or ".join(FRECHET[name] for name in names),
            f"published FID ({PUBLISHED_EMBEDDING} embedding)" if published else "",
            one_scale=list(names) == ["fid"],
        )
    pairs = list(zip(results, comparisons, strict=True))
    write_csv(paths[2], [row for pair in pairs for row in _distance_rows(*pair)])
    write_csv(paths[3], [row for pair in pairs for row in _prd_rows(*pair)])
    return paths


def comparison(result: CaseResults, published: bool) -> Comparison:
    """The curves of a case."""
    bands, curves, runs = {}, {}, {}
    for model, members in by_model(result).items():
        drawn = band([values for outcome in members if (values := _distances(outcome))])
        if drawn is not None:
            bands[model] = drawn
        if seed_curves := _curves(members):
            runs[model] = list(seed_curves.values())
            # Averaged at equal slopes, as PRD averages over clusterings.
            precision, recall = np.mean(runs[model], axis=0)
            curves[model] = precision, recall
    config = result.case.cells[0].config
    others = published_bands(config.dataset, config.split) if published else {}
    return Comparison(result.case.heading, bands, curves, runs, others)


def by_model(result: CaseResults) -> dict[str, list]:
    """Title of a model -> its outcomes."""
    groups: dict[str, list] = {}
    for outcome in result.outcomes:
        groups.setdefault(outcome.cell.place["model"], []).append(outcome)
    return groups


def _curves(members: Sequence[Any]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Seed -> precision and recall, for the runs that have a PRD curve."""
    curves = {o.cell.place["run seed"]: outputs.last_curve(o.cell.config) for o in members}
    return {seed: curve for seed, curve in curves.items() if curve is not None}


def _distances(outcome: Any) -> dict[int, float]:
    return {
        iteration: row.value
        for iteration, rows in outputs.evaluations(outcome.cell.config).items()
        for row in rows
        if row.metric in FRECHET and row.value is not None
    }


def band(runs: Sequence[Mapping[int, float]]) -> Band | None:
    """Mean ± standard deviation over runs, at the iterations at which all runs were measured.

    Args:
        runs: iteration -> value, for each run. The band of a single run has no width.

    Returns:
        `None` if there is no such iteration.
    """
    iterations = sorted(set.intersection(*map(set, runs))) if runs else []
    if not iterations:
        return None
    values = np.array([[run[k] for k in iterations] for run in runs], np.float64)
    mean = values.mean(axis=0)
    deviation = values.std(axis=0, ddof=1) if len(runs) > 1 else np.zeros_like(mean)
    return Band(np.array(iterations, np.int64), mean, mean - deviation, mean + deviation)


def published_bands(dataset: str, split: str) -> dict[str, Band]:
    """Figure 3 of the paper: mean and tolerance band over 10 runs, by model; empty if unpublished.

    From the arrays that the authors published. Their value at iteration 0 is left out: in every
    array it is 1.01 times the value at iteration 250, so it was not measured.
    """
    rows = [
        row for row in read_csv(PUBLISHED) if (row["dataset"], row["split"]) == (dataset, split)
    ]
    bands = {}
    for model in dict.fromkeys(row["model"] for row in rows):
        points = [row for row in rows if row["model"] == model]
        values = [
            np.array([float(row[c]) for row in points]) for c in ("fid", "fid_lower", "fid_upper")
        ]
        bands[model] = Band(np.array([int(row["iteration"]) for row in points]), *values)
    return bands


def _distance_rows(result: CaseResults, drawn: Comparison) -> list[dict]:
    groups = by_model(result)
    rows = []
    for model, curve in drawn.bands.items():
        first = groups[model][0].rows[0]
        source = {
            "metric": frechet_name(first.embedding), "source": "measured",
            "runs": len(groups[model]), "embedding": first.embedding,
            "protocol": first.protocol, "n_generated": first.n_generated,
            "n_reference": first.n_reference,
        }  # fmt: skip
        rows += _points(result, model, curve, source)
    source = {"metric": "fid", "source": "published", "runs": 10, "embedding": PUBLISHED_EMBEDDING,
              "protocol": "", "n_generated": "", "n_reference": ""}  # fmt: skip
    for model, curve in drawn.others.items():
        rows += _points(result, model, curve, source)
    return rows


def _points(result: CaseResults, model: str, curve: Band, source: Mapping) -> list[dict]:
    columns = (curve.iterations, curve.mean, curve.lower, curve.upper)
    return [
        {
            "case": result.case.name, "model": model, "iteration": iteration, "value": mean,
            "lower": lower, "upper": upper, **source,
        }
        for iteration, mean, lower, upper in zip(*(c.tolist() for c in columns), strict=True)
    ]  # fmt: skip


def _prd_rows(result: CaseResults, drawn: Comparison) -> list[dict]:
    """Points of the mean curve, then those of each run."""
    rows = []
    for model, members in by_model(result).items():
        if model in drawn.curves:
            for seed, curve in {"mean": drawn.curves[model], **_curves(members)}.items():
                place = {"case": result.case.name, "model": model, "run seed": seed}
                rows += [
                    {**place, "precision": precision, "recall": recall}
                    for precision, recall in zip(*(c.tolist() for c in curve), strict=True)
                ]
    return rows
