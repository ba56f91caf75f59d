"""What a run has left to be looked at: its evaluations, its log, its generator."""

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

BEST = "saved_model_best/saved_model.pb"
_AGAIN = "delete {}/summary.json and train once more, which exports it anew"


def evaluations(config: RunConfig) -> dict[int, list[Row]]:
    """What was measured of a run, by iteration, in their order.

    Evaluations under another protocol, embedding or number of samples than the configuration asks
    for are left out; of several at one iteration the last counts. A file that is damaged has none.
    """
    protocol = protocol_for(config)
    try:
        rows: list[Row] = read_rows(run_directory(config) / "metrics.csv")
    except ValueError:
        return {}
    found: dict[int, list[Row]] = {}
    for evaluation in by_evaluation(rows):
        first = evaluation[0]
        if (
            first.protocol == protocol.name
            and first.n_generated == protocol.num_generated
            and first.embedding.startswith(f"{protocol.embedding}-")
        ):
            found[first.iteration] = evaluation
    return dict(sorted(found.items()))


def last_rows(config: RunConfig) -> list[Row]:
    """What `evaluations` finds of the last iteration; empty if it was not measured so."""
    return evaluations(config).get(config.iterations, [])


def last_curve(config: RunConfig) -> tuple[np.ndarray, np.ndarray] | None:
    """Precision and recall, each (n,), that belong to `last_rows`; `None` if they are not there.

    A run keeps the curve of one evaluation. Its F scores tell whether it is that of the rows.
    """
    values = {row.metric: row.value for row in last_rows(config)}
    try:
        curve = read_curve(run_directory(config) / "prd.csv")
        scores = prd_f_scores(*curve)
    except ValueError:
        return None
    measured = [values.get(name) for name in ("prd_f8", "prd_f1/8")]
    return curve if None not in measured and np.allclose(scores, measured, rtol=1e-9) else None


def last_logged(config: RunConfig) -> dict[str, str]:
    """The last row of log.csv of a finished run.

    Raises:
        RunDamaged: there is none.
    """
    path = run_directory(config) / "log.csv"
    rows = rows_until(path, config.iterations)
    if not rows:
        raise RunDamaged(f"{path} has no rows")
    return rows[-1]


def sampler_of(config: RunConfig) -> Sampler:
    """The exported generator of a finished run.

    Raises:
        RunDamaged: it cannot be used.
    """
    directory = run_directory(config)
    try:
        return load_sampler(directory / "saved_model")
    except InvalidInput as error:
        raise RunDamaged(f"{error.problem}; {_AGAIN.format(directory)}") from error


def check_finished(config: RunConfig, summary: Mapping[str, Any]) -> None:
    """Raises `RunDamaged` if what a finished run has made cannot be used any more.

    Args:
        config: resolved.
        summary: what summary.json says.
    """
    directory = run_directory(config)
    rows_until(directory / "log.csv", config.iterations)
    sampler_of(config)
    try:
        with zipfile.ZipFile(directory / "generator.keras") as archive:
            whole = archive.testzip() is None
    except Exception:  # of half a dozen types, by which byte is damaged
        whole = False
    best = not summary.get("best_iteration") or (directory / BEST).is_file()
    if not (whole and best):
        name = BEST if whole else "generator.keras"
        raise RunDamaged(f"{directory / name} is missing or damaged; {_AGAIN.format(directory)}")


def check_measured(config: RunConfig) -> None:
    """Raises now what would make rows that are added to metrics.csv be of no use.

    Raises:
        RunDamaged: the run is to be evaluated, and what is there are no rows.
    """
    try:
        if config.eval_every:
            check_rows(run_directory(config) / "metrics.csv")
    except ValueError as error:
        raise RunDamaged(f"{error}; delete it to go on without its rows") from error
