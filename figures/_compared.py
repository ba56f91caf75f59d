"""Figures 2 to 4 from runs: panels of samples, and curves of FID and of precision and recall.

What is drawn is a function of the rows and curves that the runs have left behind; every picture
has the CSV of what is in it.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from figures._cases import Found
from figures._generated import generated
from rumi_tf import plotting
from rumi_tf.experiments import paper_grid
from rumi_tf.experiments.sweep import ROOT
from rumi_tf.plotting import Band, Comparison
from rumi_tf.runs import outputs
from rumi_tf.utils.io import read_csv, write_csv

LABELS = tuple(paper_grid.MODELS.values())
PUBLISHED = ROOT / "reproduce" / "paper_values" / "figure3.csv"
PUBLISHED_EMBEDDING = "inception"


# ----- samples ------------------------------------------------------------------------------------


def save_samples(
    out: Path, name: str, found: Sequence[Found], num: int, labels: Sequence[str] = LABELS
) -> list[Path]:
    """Writes panels of real and generated images: NAME.png, NAME.pdf, and NAME.csv.

    Of several seeds the first with a result is shown. The CSV has the metrics of what is shown,
    with their provenance.

    Args:
        out: the directory.
        name: of the files.
        found: the cases, with real images.
        num: images in each panel.
        labels: titles of all models, in display order.
    """
    rows, shown = {}, []
    for case in found:
        panels = {"real": case.real.images}
        for outcome in case.outcomes:
            model = outcome.cell.place["model"]
            if model not in panels:
                panels[model] = generated(outcome.cell.config, case.real.classes, num)
                shown += _with_place(case, outcome)
        rows[f"{case.case.title}: {case.real.count:,} images"] = panels
    paths = [out / f"{name}.{kind}" for kind in ("png", "pdf", "csv")]
    columns = [c for c in ("real", *labels) if any(c in panels for panels in rows.values())]
    for path in paths[:2]:
        plotting.save_panel_rows(path, rows, columns)
    write_csv(paths[2], shown)
    return paths


def _with_place(case: Found, outcome: Any) -> list[dict]:
    place = {"case": case.case.name, "model": outcome.cell.place["model"]}
    return [{**place, **dataclasses.asdict(row)} for row in outcome.rows]


# ----- curves -------------------------------------------------------------------------------------


def save_curves(
    out: Path,
    name: str,
    found: Sequence[Found],
    published: bool = False,
    labels: Sequence[str] = LABELS,
) -> list[Path]:
    """Writes NAME.png and NAME.pdf, and what is in them: NAME_fid.csv and NAME_prd.csv.

    Args:
        out: the directory.
        name: of the files.
        found: the cases.
        published: whether to draw the authors' FID curves as well, on axes of their own: they
            are of InceptionV3's features, and each value is as smooth as a mean over all earlier
            ones. Where ours are of the same embedding, both have one scale.
        labels: titles of all models, in display order.
    """
    embeddings = dict.fromkeys(o.rows[0].embedding.partition("-")[0] for f in found
                               for o in f.outcomes)  # fmt: skip
    comparisons = [comparison(case, published) for case in found]
    paths = [out / f"{name}{end}" for end in (".png", ".pdf", "_fid.csv", "_prd.csv")]
    for path in paths[:2]:
        plotting.save_comparisons(
            path,
            comparisons,
            labels,
            f"FID ({', '.join(embeddings)} embedding)",
            f"published FID ({PUBLISHED_EMBEDDING} embedding)" if published else "",
            one_scale=list(embeddings) == [PUBLISHED_EMBEDDING],
        )
    write_csv(paths[2], [row for pair in zip(found, comparisons, strict=True)
                         for row in _fid_rows(*pair)])  # fmt: skip
    write_csv(paths[3], [row for pair in zip(found, comparisons, strict=True)
                         for row in _prd_rows(*pair)])  # fmt: skip
    return paths


def comparison(case: Found, published: bool) -> Comparison:
    """What is drawn of a case."""
    bands, curves, runs = {}, {}, {}
    for model, members in by_model(case).items():
        measured = band([fids for outcome in members if (fids := _fids(outcome))])
        if measured is not None:
            bands[model] = measured
        if of_runs := _curves(members):
            runs[model] = list(of_runs.values())
            curves[model] = mean_curve(runs[model])
    config = case.case.cells[0].config
    others = published_bands(config.dataset, config.split) if published else {}
    return Comparison(case.case.heading, bands, curves, runs, others)


def by_model(case: Found) -> dict[str, list]:
    """Title of a model -> its outcomes."""
    groups: dict[str, list] = {}
    for outcome in case.outcomes:
        groups.setdefault(outcome.cell.place["model"], []).append(outcome)
    return groups


def _curves(members: Sequence[Any]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Precision and recall of every run that has them, by seed."""
    found = {o.cell.place["run seed"]: outputs.last_curve(o.cell.config) for o in members}
    return {seed: curve for seed, curve in found.items() if curve is not None}


def _fids(outcome: Any) -> dict[int, float]:
    return {
        iteration: row.value
        for iteration, rows in outputs.evaluations(outcome.cell.config).items()
        for row in rows
        if row.metric == "fid" and row.value is not None
    }


def band(runs: Sequence[Mapping[int, float]]) -> Band | None:
    """Mean ± standard deviation over runs, at the iterations at which all of them were measured.

    Args:
        runs: of each run iteration -> value. One run alone has no deviation.

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


def mean_curve(
    curves: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """Mean precision and recall at equal slopes, as PRD averages over clusterings."""
    precision, recall = np.mean(curves, axis=0)
    return precision, recall


def published_bands(dataset: str, split: str) -> dict[str, Band]:
    """Figure 3 of the paper: mean and tolerance band over 10 runs, by model; empty if not there.

    From the arrays that the authors published. Their value at iteration 0 is left out: it is 1.01
    times that at 250 in every array, and so was not measured.
    """
    rows = [
        row for row in read_csv(PUBLISHED) if (row["dataset"], row["split"]) == (dataset, split)
    ]
    found = {}
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        values = [
            np.array([float(row[c]) for row in own]) for c in ("fid", "fid_lower", "fid_upper")
        ]
        found[model] = Band(np.array([int(row["iteration"]) for row in own]), *values)
    return found


def _fid_rows(case: Found, drawn: Comparison) -> list[dict]:
    groups = by_model(case)
    rows = []
    for model, curve in drawn.bands.items():
        first = groups[model][0].rows[0]
        source = {
            "source": "measured", "runs": len(groups[model]), "embedding": first.embedding,
            "protocol": first.protocol, "n_generated": first.n_generated,
            "n_reference": first.n_reference,
        }  # fmt: skip
        rows += _points(case, model, curve, source)
    source = {"source": "published", "runs": 10, "embedding": PUBLISHED_EMBEDDING,
              "protocol": "", "n_generated": "", "n_reference": ""}  # fmt: skip
    for model, curve in drawn.others.items():
        rows += _points(case, model, curve, source)
    return rows


def _points(case: Found, model: str, curve: Band, source: Mapping) -> list[dict]:
    columns = (curve.iterations, curve.mean, curve.lower, curve.upper)
    return [
        {
            "case": case.case.name, "model": model, "iteration": iteration, "fid": mean,
            "fid_lower": lower, "fid_upper": upper, **source,
        }
        for iteration, mean, lower, upper in zip(*(c.tolist() for c in columns), strict=True)
    ]  # fmt: skip


def _prd_rows(case: Found, drawn: Comparison) -> list[dict]:
    """The mean curve, then that of every run."""
    rows = []
    for model, members in by_model(case).items():
        if model in drawn.curves:
            for seed, curve in {"mean": drawn.curves[model], **_curves(members)}.items():
                place = {"case": case.case.name, "model": model, "run seed": seed}
                rows += [
                    {**place, "precision": precision, "recall": recall}
                    for precision, recall in zip(*(c.tolist() for c in curve), strict=True)
                ]
    return rows
