"""Atomic output: a file or directory appears under its name complete, or not at all."""

import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

NAME_BYTES = 120  # of the 255 that file systems allow; more than one word makes a name


def is_text(value: str) -> bool:
    """Whether a string can be written as UTF-8 and be a part of a path."""
    return "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value)


def file_name(word: str) -> str:
    """The letters and digits of a word from outside, so that it names a file and no other place."""
    safe = "".join(c if c.isalnum() else "_" for c in word).encode()
    return safe[:NAME_BYTES].decode(errors="ignore")


@contextlib.contextmanager
def atomic_path(target: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary sibling path; what is written there replaces `target` on success.

    Works for files and directories. The temporary name keeps the target's suffix, because
    writers such as Keras choose the format by it. An exception leaves `target` as it was. What is
    written survives the death of the process at any moment, not a loss of power.

    Raises:
        IsADirectoryError: a file was written, and `target` is a directory.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".tmp-{os.getpid()}-{target.name}")
    _remove(temporary)
    try:
        yield temporary
        if temporary.is_dir() and target.is_dir():
            # A directory that holds files cannot be renamed over, only moved away.
            old = target.with_name(f".tmp-{os.getpid()}-old-{target.name}")
            os.replace(target, old)
            os.replace(temporary, target)
            _remove(old)
        else:
            os.replace(temporary, target)
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_temporaries(directory: str | os.PathLike) -> None:
    """Deletes what killed writers left in `directory`; call it only while holding its lock."""
    for path in Path(directory).rglob(".tmp-*"):
        _remove(path)


def digest_of(path: str | os.PathLike) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def read_npz(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays of an NPZ file; nothing is unpickled.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is not an undamaged NPZ file of arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except OSError:
        raise
    except Exception as error:
        # Damaged archives raise whatever zip, zlib, or the parser of headers happens to meet.
        raise ValueError(f"{path} cannot be read as an NPZ file") from error
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError(f"{path} holds files that are no arrays")
    return arrays


def read_json(path: str | os.PathLike) -> Any:
    """The value in a JSON file.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is not JSON.
    """
    return parse_json(Path(path).read_text(encoding="utf-8"))


def parse_json(text: str) -> Any:
    """The value of a JSON text; `ValueError` if it is none, or nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes indented JSON atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_csv(path: str | os.PathLike, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows atomically; the first row's keys, in order, are the columns."""
    buffer = io.StringIO()
    if rows:
        writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_text(path, buffer.getvalue())


def read_csv(path: str | os.PathLike) -> list[dict[str, str]]:
    """Reads rows as strings; a file that is absent has none.

    Raises:
        ValueError: it is no CSV file, or a row has another number of cells than the first line.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        return []
    except (IsADirectoryError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as a CSV file") from error
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise ValueError(f"{path}: row {number} has more or fewer cells than the first line")
    return rows
