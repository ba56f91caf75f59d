"""Runs in mixed_bfloat16 beside the same in float32: their losses, and what their images are."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from rumi_tf import plotting
from rumi_tf.config.flags import FLAGFILES
from rumi_tf.experiments.sweep import objective_config
from rumi_tf.runs import outputs
from rumi_tf.training import train
from rumi_tf.utils.errors import TrainingDiverged
from rumi_tf.utils.io import read_csv, write_csv

TASK = FLAGFILES / "demo.flags"
SAMPLES = 5000  # generated images that a run is judged by
# The last is what another seed, and nothing else, makes of the first.
RUNS = (("float32", 0), ("mixed_bfloat16", 0), ("float32", 1))
LOSSES = ("d_loss", "g_loss")


def runs(
    place: Path, iterations: int, cache_dir: str, curves: list[dict[str, str]]
) -> Iterator[dict[str, str]]:
    """Yields a row per run: mean losses of its last quarter, and FID and KID by the classifier.

    Args:
        place: directory for the runs.
        curves: is given the rows of their logs, of the run that is yielded next.
        iterations: of each.
        cache_dir: keeps the classifier.
    """
    for precision, seed in RUNS:
        given = {
            "precision": precision, "seed": seed, "iterations": iterations,
            "runs_dir": str(place), "cache_dir": cache_dir, "log_every": max(1, iterations // 20),
            "eval_every": iterations, "eval_samples": SAMPLES,
        }  # fmt: skip
        row = {"precision": precision, "seed": str(seed), "iterations": str(iterations)}
        config = objective_config(str(TASK), given)
        try:
            run = train.train(config)
        except TrainingDiverged as error:
            found = dict.fromkeys(("d_loss", "g_loss", "fid", "kid", "milliseconds"), "-")
            yield {**row, **found, "losses": str(error)}
            continue
        log = read_csv(run.directory / "log.csv")
        curves += [{"precision": precision, "seed": str(seed), **line} for line in log]
        measured = {m.metric: m for m in outputs.last_rows(config)}
        kid = measured["kid"]
        yield {
            **row,
            **{name: f"{last_quarter(log, name):.4f}" for name in LOSSES},
            "fid": f"{measured['fid'].value:.4g}",
            "kid": f"{kid.value:.4g} ± {kid.std:.2g}",
            "milliseconds": f"{run.summary['milliseconds_per_iteration']:.0f}",
            "losses": "finite at every iteration",  # else training would have ended
        }


def save_curves(curves: Sequence[Mapping[str, str]], table: Path, picture: Path) -> None:
    """Writes the logs of `runs` as a table, and their losses as a picture."""
    write_csv(table, curves)
    panels: dict[str, list] = {name: [] for name in LOSSES}
    for style, (precision, seed) in enumerate(RUNS):
        key = precision, str(seed)
        own = [line for line in curves if (line["precision"], line["seed"]) == key]
        if not own:  # it has diverged
            continue
        iterations = np.array([int(line["iteration"]) for line in own])
        for name, lines in panels.items():
            values = np.array([float(line[name]) for line in own])
            lines.append(plotting.Curve(f"{precision}, seed {seed}", iterations, values, style))
    plotting.save_curves(picture, panels, len(panels), "iteration", ["mean loss"])


def last_quarter(log: Sequence[Mapping[str, str]], name: str) -> float:
    """The mean over the last quarter of the iterations, of rows that are means since the last."""
    ends = np.array([0, *(int(row["iteration"]) for row in log)])
    late = 4 * ends[:-1] >= 3 * ends[-1]
    values = np.array([float(row[name]) for row in log])
    return float(np.average(values[late], weights=np.diff(ends)[late]))
