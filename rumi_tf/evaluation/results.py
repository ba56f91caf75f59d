"""Measured numbers as rows with their provenance, kept in CSV files."""

import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from rumi_tf.utils import locks
from rumi_tf.utils.io import read_csv, read_header, remove_temporaries, write_csv


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One measured number.

    Attributes:
        dataset, split, target: what was to be learnt; `target` names the positive classes.
        objective: what was trained, or what the images are.
        config_hash: of the run; for images from elsewhere, the start of their fingerprint.
        seed: of the run; 0 for images from elsewhere.
        iteration: generator updates before the measurement.
        reference: the real images, with the start of their fingerprint.
        protocol: named bundle of embedding, sample counts and reference.
        embedding: identity of the network behind the features.
        metric: e.g. `fid`.
        value: the number, `None` if it has none, which `note` explains; `std` its standard
            deviation over subsets or splits, if it has one.
        n_generated, n_reference: images on either side.
        seconds: that the evaluation took, for all its metrics together.
        note: what a reader must know to read the number rightly.
    """

    dataset: str
    split: str
    target: str
    objective: str
    config_hash: str
    seed: int
    iteration: int
    reference: str
    protocol: str
    embedding: str
    metric: str
    value: float | None
    std: float | None
    n_generated: int
    n_reference: int
    seconds: float
    note: str = ""


RowType = TypeVar("RowType", bound=Row)


def rows_as_text(rows: Iterable[Row]) -> list[dict[str, str]]:
    """Rows as they stand in a CSV file; floats keep all their digits."""
    return [
        {
            name: "" if value is None else str(value)
            for name, value in dataclasses.asdict(row).items()
        }
        for row in rows
    ]


def check_rows(path: str | os.PathLike, kind: type[Row] = Row) -> None:
    """Raises `ValueError` unless the file has rows of a kind and no others, or does not exist."""
    header = read_header(path)
    if header not in ([], [field.name for field in dataclasses.fields(kind)]):
        raise ValueError(f"{path} is a table of something else; its columns are not those of a row")
    read_rows(path, kind)


def append_rows(path: str | os.PathLike, rows: Sequence[Row]) -> None:
    """Adds rows to a CSV file, which several processes may do at once.

    Rows that are all there already, but for their seconds, give way to the new ones, so that a
    command that was killed after it had added rows does not add them twice.

    Args:
        path: of the file.
        rows: to be added.

    Raises:
        ValueError: what is there is damaged.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with locks.held(path.with_name(f".{path.name}.lock")):
        remove_temporaries(path.parent, path.name)
        new = rows_as_text(rows)
        old, results = read_csv(path), [_result(row) for row in new]
        if all(result in map(_result, old) for result in results):
            old = [row for row in old if _result(row) not in results]
        write_csv(path, old + new)


def _result(row: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if name != "seconds"}


def write_curve(path: str | os.PathLike, prd: tuple[np.ndarray, np.ndarray]) -> None:
    """Writes a PRD curve, precision and recall, as a CSV file."""
    pairs = zip(*(values.tolist() for values in prd), strict=True)
    write_csv(path, [{"precision": p, "recall": r} for p, r in pairs])


def read_curve(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Reads precision and recall, each (n,), of a file that `write_curve` wrote.

    Raises:
        ValueError: there is no such curve.
    """
    try:
        pairs = np.array([(row["precision"], row["recall"]) for row in read_csv(path)], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a precision-recall curve") from error
    if not len(pairs) or not np.isfinite(pairs).all():
        raise ValueError(f"{path} is not a whole precision-recall curve")
    return pairs[:, 0], pairs[:, 1]


def read_rows(
    path: str | os.PathLike,
    kind: type[RowType] = Row,  # type: ignore[assignment]  # a default of a type variable
) -> list[RowType]:
    """Reads a file of rows of a kind.

    Raises:
        ValueError: naming the line that is not a row, or the file if it is damaged otherwise.
    """
    kinds: dict[str, Any] = {f.name: f.type for f in dataclasses.fields(kind)}
    rows = []
    for number, text in enumerate(read_csv(path), start=2):
        try:
            rows.append(kind(**{name: _parsed(kinds[name], text[name]) for name in kinds}))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}, line {number} is not a row of results") from error
    return rows


def by_evaluation(rows: Iterable[RowType]) -> list[list[RowType]]:
    """Rows divided into evaluations, in their order; every evaluation starts with `fid`."""
    found: list[list[RowType]] = []
    for row in rows:
        if row.metric == "fid":
            found.append([])
        if found:
            found[-1].append(row)
    return found


def _parsed(kind: type, text: str) -> Any:
    if kind is str or kind is int or kind is float:
        return kind(text)
    return float(text) if text else None
