"""Losses and metrics of runs in mixed_bfloat16 and in float32."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from rumi_tf import plotting
from rumi_tf.experiments.sweep import objective_config
from rumi_tf.runs import outputs
from rumi_tf.training import train
from rumi_tf.utils.errors import TrainingDiverged
from rumi_tf.utils.io import read_csv, write_csv
from rumi_tf.utils.paths import FLAGFILES

TASK = FLAGFILES / "demo.flags"
SAMPLES = 5000  # generated images of an evaluation
# The last run shows the effect of the seed.
RUNS = (("float32", 0), ("mixed_bfloat16", 0), ("float32", 1))
LOSSES = ("d_loss", "g_loss")


def runs(
    runs_dir: Path, iterations: int, cache_dir: str, curves: list[dict[str, str]]
) -> Iterator[dict[str, str]]:
    """Yields a row per run: mean losses of the last quarter, and FID and KID of the classifier.

    Args:
        runs_dir: directory for the runs.
        iterations: iterations of each run.
        cache_dir: cache of the classifier.
        curves: the rows of each run's log are appended before its row is yielded.
    """
    for precision, seed in RUNS:
        given = {
            "precision": precision, "seed": seed, "iterations": iterations,
            "runs_dir": str(runs_dir), "cache_dir": cache_dir,
            "log_every": max(1, iterations // 20), "eval_every": iterations,
            "eval_samples": SAMPLES,
        }  # fmt: skip
        row = {"precision": precision, "seed": str(seed), "iterations": str(iterations)}
        config = objective_config(str(TASK), given)
        try:
            run = train.train(config)
        except TrainingDiverged as error:
            missing = dict.fromkeys(
                ("d_loss", "g_loss", "fd_classifier", "kid", "milliseconds"), "-"
            )
            yield {**row, **missing, "losses": str(error)}
            continue
        log = read_csv(run.directory / "log.csv")
        curves += [{"precision": precision, "seed": str(seed), **line} for line in log]
        measured = {m.metric: m for m in outputs.last_rows(config)}
        kid = measured["kid"]
        yield {
            **row,
            **{name: f"{last_quarter(log, name):.4f}" for name in LOSSES},
            "fd_classifier": f"{measured['fd_classifier'].value:.4g}",
            "kid": f"{kid.value:.4g} ± {kid.std:.2g}",
            "milliseconds": f"{run.summary['milliseconds_per_iteration']:.0f}",
            "losses": "finite at every iteration",  # otherwise training would have stopped
        }


def save_curves(curves: Sequence[Mapping[str, str]], table: Path, picture: Path) -> None:
    """Writes the logs of `runs` as CSV, and their losses as a plot."""
    write_csv(table, curves)
    panels: dict[str, list] = {name: [] for name in LOSSES}
    for style, (precision, seed) in enumerate(RUNS):
        key = precision, str(seed)
        log = [line for line in curves if (line["precision"], line["seed"]) == key]
        if not log:  # diverged
            continue
        iterations = np.array([int(line["iteration"]) for line in log])
        for name, lines in panels.items():
            values = np.array([float(line[name]) for line in log])
            lines.append(plotting.Curve(f"{precision}, seed {seed}", iterations, values, style))
    plotting.save_curves(picture, panels, len(panels), "iteration", ["mean loss"])


def last_quarter(log: Sequence[Mapping[str, str]], name: str) -> float:
    """Mean over the last quarter of the iterations; each row is the mean since the previous one."""
    ends = np.array([0, *(int(row["iteration"]) for row in log)])
    late = 4 * ends[:-1] >= 3 * ends[-1]
    values = np.array([float(row[name]) for row in log])
    return float(np.average(values[late], weights=np.diff(ends)[late]))
