"""What a run has logged: rows up to a checkpoint, and the weights of its best evaluation."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from rumi_tf.utils.errors import RunDamaged
from rumi_tf.utils.io import read_csv


def rows_until(path: Path, iteration: int) -> list[dict[str, str]]:
    """The rows of a log up to an iteration.

    Raises:
        RunDamaged: the file is not such a log.
    """
    try:
        return [row for row in read_csv(path) if int(row["iteration"]) <= iteration]
    except (KeyError, TypeError, ValueError) as error:
        problem = f" ({error})" if isinstance(error, ValueError) else ""
        raise RunDamaged(
            f"{path} is damaged{problem}; delete it to go on without its rows"
        ) from error


def best_iteration(rows: Iterable[Mapping[str, str]]) -> int | None:
    """The iteration at which FID was lowest, the first of several; `None` if it is in no row.

    Of the evaluations that were made as the newest one: others do not compare with it.
    """
    measured = [row for row in rows if row["metric"] == "fid" and row["value"]]
    found = [
        (float(row["value"]), int(row["iteration"]))
        for row in measured
        if all(row[key] == measured[-1][key] for key in ("protocol", "embedding", "n_generated"))
    ]
    return min(found)[1] if found else None


def kept_weights(directory: Path) -> list[int]:
    """Iterations of which there are `best_weights`, in order."""
    return sorted(int(p.stem) for p in directory.glob(".best/*.npz") if p.stem.isdecimal())


def best_weights(directory: Path, iteration: int) -> Path:
    """Where a run keeps the generator's weights of an evaluation.

    Until it is finished there may be those of several, since a start may go back behind the best.
    """
    return directory / ".best" / f"{iteration}.npz"
