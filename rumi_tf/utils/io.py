"""Reads and writes files; a written file or directory appears complete or not at all."""

import contextlib
import csv
import errno
import glob
import hashlib
import io
import json
import os
import shutil
import socket
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rumi_tf.utils import locks

NAME_BYTES = 120  # file systems allow 255, and a file name can contain several words


def is_text(value: str) -> bool:
    """True if a string can be encoded as UTF-8 and used in a path."""
    return "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value)


def file_name(word: str) -> str:
    """Replaces all but letters and digits, and truncates, so that any word is a safe file name."""
    safe = "".join(c if c.isalnum() else "_" for c in word).encode()
    return safe[:NAME_BYTES].decode(errors="ignore")


def folder_name(class_name: str) -> str:
    """Folder name of a class, safe against class names that lead to other directories."""
    name = class_name.replace("/", "_")
    return "_" * len(name) if set(name) <= {"."} else name


# Disk full, quota exceeded, file too large, I/O error, read-only file system.
_STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


def is_user_error(error: OSError) -> bool:
    """True if the user named an unusable path; False if the storage failed, as on a full disk."""
    return error.errno not in _STORAGE_ERRORS


@contextlib.contextmanager
def atomic_path(target: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path next to `target`, which replaces `target` on success.

    Works for files and directories. The temporary name ends in the target's name, because
    writers such as Keras choose the format by the suffix. After an exception `target` is
    unchanged. Files survive a kill of the process at any moment, but not a power failure.

    Raises:
        IsADirectoryError: a file was written, but `target` is a directory.
        locks.LockLost: another process has taken over a lock of this process.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    writer = f"{_machine()}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
    temporary = target.with_name(f".tmp-{writer}-{target.name}")
    try:
        yield temporary
        locks.check()
        if temporary.is_dir() and target.is_dir():
            # A rename cannot replace a directory that is not empty, so move it away first.
            old = target.with_name(f".tmp-{writer}-old-{target.name}")
            os.replace(target, old)
            os.replace(temporary, target)
            _remove(old)
        else:
            os.replace(temporary, target)
    except OSError as error:
        # Report the target's name instead of the temporary one.
        path = error.filename
        if error.errno and (path is None or writer in os.fsdecode(path)):
            error.filename, error.filename2 = str(target), None
        raise
    finally:
        _remove(temporary)


def remove_dead_temporaries(directory: str | os.PathLike) -> None:
    """Deletes temporaries in `directory` whose writers on this machine have ended.

    Needs no lock. Files that may not be deleted stay.
    """
    for path in Path(directory).glob(f".tmp-{_machine()}.*-*"):
        process = path.name.split(".")[2]
        if process.isdecimal() and not _is_alive(int(process)):
            with contextlib.suppress(OSError):
                _remove(path)


def _machine() -> str:
    """Identifies the machine or container, since process ids are unique only within it."""
    name = socket.gethostname()
    with contextlib.suppress(OSError):  # only Linux has this link
        name += os.readlink("/proc/self/ns/pid")
    return f"{zlib.crc32(name.encode()):08x}"


def _is_alive(process: int) -> bool:
    if os.name != "posix":  # os.kill would end the process there
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_temporaries(directory: str | os.PathLike, name: str = "") -> None:
    """Deletes temporaries of killed writers; call it only while holding the lock.

    Args:
        directory: searched recursively, unless `name` is given.
        name: restricts the search to temporaries of this file in `directory` itself, for a lock
            that protects one file.
    """
    for path in Path(directory).glob(f".tmp-*-{glob.escape(name)}" if name else "**/.tmp-*"):
        if not name or path.name.split("-", 2)[2] in (name, f"old-{name}"):
            _remove(path)


def digest_of(path: str | os.PathLike) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def read_npz(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads the arrays of an NPZ file without unpickling.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is damaged or is not an NPZ file of arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except OSError:
        raise
    except Exception as error:
        # For damaged archives zipfile, zlib and NumPy raise many different types.
        raise ValueError(f"{path} cannot be read as an NPZ file") from error
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError(f"{path} contains files that are not arrays")
    return arrays


def read_json(path: str | os.PathLike) -> Any:
    """Reads the value in a JSON file.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is not JSON.
    """
    return parse_json(Path(path).read_text(encoding="utf-8"))


def parse_json(text: str) -> Any:
    """Parses JSON; raises `ValueError` if it is invalid or nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes indented JSON atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_csv(path: str | os.PathLike, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows atomically; the keys of the first row are the columns, in order."""
    buffer = io.StringIO()
    if rows:
        writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_text(path, buffer.getvalue())


def read_csv(path: str | os.PathLike) -> list[dict[str, str]]:
    """Reads rows of strings; a missing file has no rows.

    Raises:
        ValueError: the file is not CSV, or a row is too short or too long.
    """
    header, *lines = _read_lines(path)
    for number, line in enumerate(lines, start=2):
        if line and len(line) != len(header):
            raise ValueError(f"{path}, line {number} has {len(line)} of {len(header)} columns")
    return [dict(zip(header, line, strict=True)) for line in lines if line]


def read_header(path: str | os.PathLike) -> list[str]:
    """Reads the column names; a missing or empty file has none.

    Raises:
        ValueError: the file is not CSV.
    """
    return _read_lines(path)[0]


def _read_lines(path: str | os.PathLike) -> list[list[str]]:
    """Cells of a CSV file by line, with at least one line, which may be empty."""
    try:
        text = Path(path).read_bytes().decode("utf-8")
        return list(csv.reader(io.StringIO(text, newline=""), strict=True)) or [[]]
    except FileNotFoundError:
        return [[]]
    except IsADirectoryError as error:
        raise ValueError(f"{path} is a directory") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as a CSV file") from error
