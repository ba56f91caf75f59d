"""Reads a run's outputs: evaluations, log and generator."""

import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation.protocols import protocol_for
from rumi_tf.evaluation.results import Row, by_evaluation, check_rows, read_curve, read_rows
from rumi_tf.export.sampler import Sampler, load_sampler
from rumi_tf.metrics import prd_f_scores
from rumi_tf.runs.directories import run_directory
from rumi_tf.runs.log import rows_until
from rumi_tf.utils.errors import InvalidInput, RunDamaged

COLLAPSED = 0.5  # healthy runs have a ratio of 0.9, and collapsed ones of 0.05
BEST = "saved_model_best/saved_model.pb"
REMEDY = "delete {}/summary.json and rerun the command to export it again"


def evaluations(config: RunConfig) -> dict[int, list[Row]]:
    """Rows of a run's evaluations by iteration, sorted.

    Only evaluations with the config's protocol, embedding and number of samples count, and only
    the last one of an iteration. Empty if metrics.csv is missing or damaged.
    """
    protocol = protocol_for(config)
    try:
        rows: list[Row] = read_rows(run_directory(config) / "metrics.csv")
    except ValueError:
        return {}
    matching: dict[int, list[Row]] = {}
    for evaluation in by_evaluation(rows):
        first = evaluation[0]
        if (
            first.protocol == protocol.name
            and first.n_generated == protocol.num_generated
            and first.embedding.startswith(f"{protocol.embedding}-")
        ):
            matching[first.iteration] = evaluation
    return dict(sorted(matching.items()))


def last_rows(config: RunConfig) -> list[Row]:
    """Rows of the evaluation at the last iteration; empty without one, see `evaluations`."""
    return evaluations(config).get(config.iterations, [])


def last_curve(config: RunConfig) -> tuple[np.ndarray, np.ndarray] | None:
    """Precision and recall, each (n,), of the evaluation in `last_rows`; `None` without them.

    A run stores only one curve, which is returned if its F scores equal those of the rows.
    """
    values = {row.metric: row.value for row in last_rows(config)}
    try:
        curve = read_curve(run_directory(config) / "prd.csv")
        scores = prd_f_scores(*curve)
    except ValueError:
        return None
    expected = [values.get(name) for name in ("prd_f8", "prd_f1/8")]
    return curve if None not in expected and np.allclose(scores, expected, rtol=1e-9) else None


def last_logged(config: RunConfig) -> dict[str, str]:
    """Last row of log.csv of a finished run.

    Raises:
        RunDamaged: the log has no rows.
    """
    path = run_directory(config) / "log.csv"
    rows = rows_until(path, config.iterations)
    if not rows:
        raise RunDamaged(f"{path} has no rows")
    return rows[-1]


def collapse_note(config: RunConfig) -> str:
    """Warning that the last samples of a finished run look alike; else, or without a log, empty."""
    rows = rows_until(run_directory(config) / "log.csv", config.iterations)
    if not rows:
        return ""
    try:
        ratio = float(rows[-1]["sample_std"]) / max(float(rows[-1]["real_std"]), 1e-9)
    except (KeyError, ValueError):  # a damaged log is reported where it matters
        return ""
    if ratio >= COLLAPSED:
        return ""
    remedies = ["more --iterations", "another --seed"]
    if config.objective.startswith("rumi_"):
        remedies.append(f"--objective={config.objective.removeprefix('rumi_')}")
    return (
        f"the samples look alike: pixels vary {ratio:.2f} times as much as those of real images; "
        f"try {' or '.join(remedies)}"
    )


def sampler_of(config: RunConfig) -> Sampler:
    """Loads the exported generator of a finished run.

    Raises:
        RunDamaged: the SavedModel is missing or damaged.
    """
    directory = run_directory(config)
    try:
        return load_sampler(directory / "saved_model")
    except InvalidInput as error:
        raise RunDamaged(f"{error.problem}; {REMEDY.format(directory)}") from error


def check_finished(config: RunConfig, summary: Mapping[str, Any]) -> None:
    """Raises `RunDamaged` if outputs of a finished run are missing or damaged.

    Args:
        config: resolved.
        summary: content of summary.json.
    """
    directory = run_directory(config)
    log = directory / "log.csv"
    if log.exists():
        rows = rows_until(log, config.iterations)
        if not rows or int(rows[-1]["iteration"]) != config.iterations:
            raise RunDamaged(f"{log} is damaged; delete it to continue without its rows")
    sampler_of(config)
    try:
        with zipfile.ZipFile(directory / "generator.keras") as archive:
            intact = archive.testzip() is None
    except Exception:  # the type depends on the damaged byte
        intact = False
    has_best = not summary.get("best_iteration") or (directory / BEST).is_file()
    if not (intact and has_best):
        name = BEST if intact else "generator.keras"
        raise RunDamaged(f"{directory / name} is missing or damaged; {REMEDY.format(directory)}")


def check_metrics_file(config: RunConfig) -> None:
    """Fails early if evaluations are due and metrics.csv cannot be appended to.

    Raises:
        RunDamaged: metrics.csv is damaged.
    """
    try:
        if config.eval_every:
            check_rows(run_directory(config) / "metrics.csv")
    except ValueError as error:
        raise RunDamaged(f"{error}; delete it to continue without its rows") from error
