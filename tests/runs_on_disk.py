"""Writes run directories as training does, without training."""

import dataclasses

import numpy as np
from PIL import Image

from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation.results import Row, append_rows, frechet_name, with_evaluation_id
from rumi_tf.runs import resolve
from rumi_tf.utils.io import write_csv, write_json, write_text

METRICS = {"kid": 0.25, "prd_f8": 0.75, "prd_f1/8": 0.5, "share_positive_only": 0.9}


def make_run(
    runs_dir,
    fids=None,
    finished=True,
    embedding="classifier-0123456789",
    name=None,
    target=None,
    note="",
    log_rows=12,
    **fields,
):
    """Writes a run; returns its directory.

    Args:
        runs_dir: parent directory.
        fids: iteration -> FID of the evaluations.
        finished: writes a summary.
        embedding, target, note: columns of metrics.csv.
        name: name of the directory; by default that of the config.
        log_rows: number of rows in log.csv.
        fields: fields of `RunConfig`.
    """
    fields = {"minority_class": "5", "iterations": 100, "eval_every": 50, **fields}
    config = RunConfig(runs_dir=str(runs_dir), **fields)
    if "<" not in str(config.minority_class):
        config = resolve.resolve(config)
    directory = runs_dir / (name or config.name())
    write_text(directory / "config.json", config.to_json())
    write_json(directory / "data.json", {"fingerprint": "ab", "images": 9})
    start = {"tensorflow": "2.21.0", "python": "3.11.7", "devices": ["CPU:0"],
             "started": "2026-01-02T03:04:05+00:00"}  # fmt: skip
    write_json(directory / "environment.json", {"starts": [start]})
    steps = np.linspace(0, config.iterations, log_rows + 1).astype(int)[1:]
    generator = np.random.default_rng(config.seed)
    losses = generator.normal(size=(log_rows, 2)).tolist()
    write_csv(
        directory / "log.csv",
        [
            {"iteration": int(i), "d_loss": d, "g_loss": g, "sample_std": 0.1, "real_std": 0.3}
            for i, (d, g) in zip(steps, losses, strict=True)
        ],
    )
    for iteration, fid in (fids or {}).items():
        row = Row(
            dataset=config.dataset, split=str(config.split),
            target=target or str(config.minority_class), objective=config.objective,
            config_hash=config.hash(), seed=config.seed, iteration=iteration,
            reference="digits 5 ab", protocol="rumi_unbalanced", embedding=embedding,
            metric=frechet_name(embedding), value=fid, std=None, n_generated=1000,
            n_reference=143, seconds=1.5, note=note,
        )  # fmt: skip
        other_rows = [dataclasses.replace(row, metric=m, value=v) for m, v in METRICS.items()]
        append_rows(directory / "metrics.csv", with_evaluation_id([row, *other_rows]))
    pixels = generator.integers(0, 256, (300, 500), np.uint8)
    (directory / "samples").mkdir()
    grid = Image.fromarray(pixels)
    grid.save(directory / "samples" / f"iteration_{int(steps[-1]):06d}.png")
    if finished:
        summary = {"iterations": config.iterations, "milliseconds_per_iteration": 12.5,
                   "seconds_evaluating": 3.0, "positives": 50, "negatives": 1292}  # fmt: skip
        write_json(directory / "summary.json", summary)
    return directory
