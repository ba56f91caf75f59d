"""Reads logs of a run: rows up to a checkpoint, the best evaluation and its weights."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from rumi_tf.evaluation.results import FRECHET
from rumi_tf.utils.errors import RunDamaged
from rumi_tf.utils.io import read_csv


def rows_until(path: Path, iteration: int) -> list[dict[str, str]]:
    """Rows of a log up to and including an iteration.

    Raises:
        RunDamaged: the file cannot be read as a log.
    """
    try:
        return [row for row in read_csv(path) if int(row["iteration"]) <= iteration]
    except (KeyError, TypeError, ValueError) as error:
        problem = f" ({error})" if isinstance(error, ValueError) else ""
        raise RunDamaged(
            f"{path} is damaged{problem}; delete it to continue without its rows"
        ) from error


def best_iteration(rows: Iterable[Mapping[str, str]]) -> int | None:
    """First iteration with the lowest Fréchet distance; `None` without one.

    Only evaluations with the protocol, embedding and number of images of the newest one count,
    since others are not comparable.
    """
    distances = [row for row in rows if row["metric"] in FRECHET and row["value"]]
    candidates = [
        (float(row["value"]), int(row["iteration"]))
        for row in distances
        if all(row[key] == distances[-1][key] for key in ("protocol", "embedding", "n_generated"))
    ]
    return min(candidates)[1] if candidates else None


def saved_best_iterations(directory: Path) -> list[int]:
    """Sorted iterations with a file `best_weights_path`."""
    return sorted(int(p.stem) for p in directory.glob(".best/*.npz") if p.stem.isdecimal())


def best_weights_path(directory: Path, iteration: int) -> Path:
    """File of the generator's weights at an evaluation that was the best so far.

    An unfinished run may have several, because resuming can go back to before the best one.
    """
    return directory / ".best" / f"{iteration}.npz"
