"""Results with their provenance as rows of CSV files."""

import dataclasses
import hashlib
import itertools
import json
import operator
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from rumi_tf.utils import locks
from rumi_tf.utils.io import read_csv, read_header, remove_temporaries, write_csv

# Metric names of the Fréchet distance, and their titles. FID (Heusel et al., 2017) is defined for
# Inception features; the distance of a classifier's features has another name.
FRECHET = {"fid": "FID", "fd_classifier": "Fréchet distance (classifier)"}


def frechet_name(embedding: str) -> str:
    """Metric name of the Fréchet distance, for the identity of an embedding network."""
    return "fid" if embedding.startswith("inception") else "fd_classifier"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """Value of one metric.

    Attributes:
        dataset, split, target: the learning task; `target` names the positive classes.
        objective: objective of the run, or a description of the images.
        config_hash: hash of the run's config; for other images, the start of their fingerprint.
        seed: seed of the run; 0 for other images.
        iteration: number of generator updates.
        reference: the real images, with the start of their fingerprint.
        protocol: name of the protocol.
        embedding: identity of the embedding network.
        metric: name of the metric, e.g. `kid`.
        value: the number; `None` if undefined, with the reason in `note`.
        std: standard deviation over subsets or splits, if the metric has one.
        n_generated, n_reference: number of generated and real images.
        seconds: duration of the whole evaluation.
        note: caveats for the reader.
        evaluation: id of the evaluation, which its rows share; see `with_evaluation_id`.
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
    evaluation: str = ""


RowType = TypeVar("RowType", bound=Row)


def with_evaluation_id(rows: Sequence[RowType]) -> list[RowType]:
    """The rows of one evaluation with its id: a hash of all their values except `seconds`."""
    content = [dataclasses.asdict(row) | {"seconds": 0} for row in rows]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:10]
    return [dataclasses.replace(row, evaluation=digest) for row in rows]


def rows_as_text(rows: Iterable[Row]) -> list[dict[str, str]]:
    """Rows as text for a CSV file; floats keep all digits."""
    return [
        {
            name: "" if value is None else str(value)
            for name, value in dataclasses.asdict(row).items()
        }
        for row in rows
    ]


def check_rows(path: str | os.PathLike, kind: type[Row] = Row) -> None:
    """Raises `ValueError` if the file exists and has other columns or rows than `kind`."""
    header = read_header(path)
    unknown = set(header) - {field.name for field in dataclasses.fields(kind)}
    missing = [name for name in _required(kind) if header and name not in header]
    if unknown or missing:
        raise ValueError(f"{path} is not a file of results: it has other columns")
    read_rows(path, kind)


def append_rows(path: str | os.PathLike, rows: Sequence[Row]) -> None:
    """Adds rows to a CSV file, which several processes may do at once.

    If the file already contains all of the rows, ignoring `seconds`, they are replaced. So a
    command that is repeated after it was killed does not add its rows twice.

    Args:
        path: the file.
        rows: to be added.

    Raises:
        ValueError: the existing file is damaged.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with locks.held(path.with_name(f".{path.name}.lock")):
        remove_temporaries(path.parent, path.name)
        new = rows_as_text(rows)
        # A file of an older version may lack a column.
        old = [{**dict.fromkeys(new[0] if new else (), ""), **row} for row in read_csv(path)]
        results = [_result(row) for row in new]
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
    """Reads precision and recall, each (n,), from a file of `write_curve`.

    Raises:
        ValueError: the file is missing or is not such a curve.
    """
    try:
        pairs = np.array([(row["precision"], row["recall"]) for row in read_csv(path)], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a precision-recall curve") from error
    if not len(pairs) or not np.isfinite(pairs).all():
        raise ValueError(f"{path} is not a complete precision-recall curve")
    return pairs[:, 0], pairs[:, 1]


def read_rows(
    path: str | os.PathLike,
    kind: type[RowType] = Row,  # type: ignore[assignment]  # a default of a type variable
) -> list[RowType]:
    """Reads a file of rows, which may be from a version with fewer columns.

    Raises:
        ValueError: the file is damaged; names the line that is not a row.
    """
    kinds: dict[str, Any] = {f.name: f.type for f in dataclasses.fields(kind)}
    required = _required(kind)
    rows = []
    for number, text in enumerate(read_csv(path), start=2):
        try:
            values = {name: text[name] for name in kinds if name in text or name in required}
            if values["metric"] == "fid":
                values["metric"] = frechet_name(values["embedding"])
            rows.append(
                kind(**{name: _parsed(kinds[name], value) for name, value in values.items()})
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}, line {number} is not a row of results") from error
    return rows


def by_evaluation(rows: Iterable[RowType]) -> list[list[RowType]]:
    """Groups adjacent rows of the same evaluation, in order."""
    # Rows of older versions have no id.
    groups = itertools.groupby(rows, key=operator.attrgetter("evaluation", "iteration"))
    return [list(members) for _, members in groups]


def _required(kind: type[Row]) -> list[str]:
    """The columns that every file of rows has."""
    fields = dataclasses.fields(kind)
    return [field.name for field in fields if field.default is dataclasses.MISSING]


def _parsed(kind: type, text: str) -> Any:
    if kind is str or kind is int or kind is float:
        return kind(text)
    return float(text) if text else None
