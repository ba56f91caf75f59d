"""Atomic output: a file or directory appears under its name complete, or not at all.

A CSV file can have a seal, a digest in a hidden file beside it, which tells damage from content.
"""

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

NAME_BYTES = 120  # of the 255 that file systems allow; more than one word makes a name


def is_text(value: str) -> bool:
    """Whether a string can be written as UTF-8 and be a part of a path."""
    return "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value)


def file_name(word: str) -> str:
    """The letters and digits of a word from outside, so that it names a file and no other place."""
    safe = "".join(c if c.isalnum() else "_" for c in word).encode()
    return safe[:NAME_BYTES].decode(errors="ignore")


# Refusals that no flag foresees: no room, a failing disk, one that became read-only.
_UNFORESEEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


def is_foreseen(error: OSError) -> bool:
    """Whether a refusal of the system says that a flag names a wrong place."""
    return error.errno not in _UNFORESEEN


@contextlib.contextmanager
def atomic_path(target: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary sibling path; what is written there replaces `target` on success.

    Works for files and directories. The temporary name keeps the target's suffix, because
    writers such as Keras choose the format by it. An exception leaves `target` as it was. What is
    written survives the death of the process at any moment, not a loss of power.

    Raises:
        IsADirectoryError: a file was written, and `target` is a directory.
        leases.Lost: another process has taken over what this one was writing.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    mark = f"{_machine()}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
    temporary = target.with_name(f".tmp-{mark}-{target.name}")
    try:
        yield temporary
        locks.check()
        if temporary.is_dir() and target.is_dir():
            # A directory that holds files cannot be renamed over, only moved away.
            old = target.with_name(f".tmp-{mark}-old-{target.name}")
            os.replace(target, old)
            os.replace(temporary, target)
            _remove(old)
        else:
            os.replace(temporary, target)
    except OSError as error:
        told = error.filename
        if error.errno and (told is None or mark in os.fsdecode(told)):
            error.filename, error.filename2 = str(target), None
        raise
    finally:
        _remove(temporary)


def reserve(path: str | os.PathLike, size: int) -> None:
    """Raises `OSError` unless there is room for so many bytes at `path`; leaves nothing there.

    For writers that do not live to tell it: HDF5 ends the process where a disk is full.
    """
    try:
        with open(path, "wb") as file:
            file.write(bytes(size))
    finally:
        Path(path).unlink(missing_ok=True)


def remove_leftovers(directory: str | os.PathLike) -> None:
    """Deletes what writers of this machine that have ended left in `directory`; needs no lock.

    What the system does not let it delete stays.
    """
    for path in Path(directory).glob(f".tmp-{_machine()}.*-*"):
        process = path.name.split(".")[2]
        if process.isdecimal() and not _is_alive(int(process)):
            with contextlib.suppress(OSError):
                _remove(path)


def _machine() -> str:
    """Tells apart the machines that share a directory, and the containers on one of them, where
    process numbers do not.
    """
    name = socket.gethostname()
    with contextlib.suppress(OSError):  # a link that Linux alone has
        name += os.readlink("/proc/self/ns/pid")
    return f"{zlib.crc32(name.encode()):08x}"


def _is_alive(process: int) -> bool:
    if os.name != "posix":  # elsewhere a signal that is none would end it
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
    """Deletes what killed writers left in `directory`; call it only while holding its lock.

    Args:
        directory: searched with all below it, unless a name is given.
        name: of the one file they wrote, if the lock is of that file alone.
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


def write_csv(
    path: str | os.PathLike, rows: Sequence[Mapping[str, Any]], sealed: bool = False
) -> None:
    """Writes rows atomically; the first row's keys, in order, are the columns.

    Args:
        path: of the file.
        rows: values by column.
        sealed: keeps a digest beside the file, by which `read_csv` tells that it is as written.
    """
    buffer = io.StringIO()
    if rows:
        writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    text = buffer.getvalue()
    if sealed:
        # Both that of what comes and that of what is there: whenever the process dies, one fits.
        digests = [hashlib.sha256(text.encode()).hexdigest()]
        with contextlib.suppress(FileNotFoundError):
            digests.append(digest_of(path))
        write_text(seal_of(path), "\n".join(digests) + "\n")
    write_text(path, text)


def seal_of(path: str | os.PathLike) -> Path:
    """Where the seal of a file is, if it has one."""
    return Path(path).with_name(f".{Path(path).name}.sha256")


def read_csv(path: str | os.PathLike) -> list[dict[str, str]]:
    """Reads rows as strings; a file that is absent has none.

    Raises:
        ValueError: it is no CSV file, a row is too short or too long, or the seal does not fit.
    """
    header, *lines = _cells(path)
    for number, line in enumerate(lines, start=2):
        if line and len(line) != len(header):
            raise ValueError(f"{path}, line {number} has {len(line)} of {len(header)} columns")
    return [dict(zip(header, line, strict=True)) for line in lines if line]


def read_header(path: str | os.PathLike) -> list[str]:
    """Names of the columns; none of a file that is empty or absent. Raises as `read_csv`."""
    return _cells(path)[0]


def _cells(path: str | os.PathLike) -> list[list[str]]:
    """The cells of a CSV file by line; at least one line, though it be empty."""
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        return [[]]
    except IsADirectoryError as error:
        raise ValueError(f"{path} is a directory") from error
    seal = seal_of(path)
    if seal.is_file():
        known = seal.read_text(encoding="utf-8", errors="replace").split()
        if hashlib.sha256(content).hexdigest() not in known:
            raise ValueError(
                f"{path} is not as it was written; if it was changed on purpose, delete {seal}"
            )
    try:
        text = io.StringIO(content.decode("utf-8"), newline="")
        return list(csv.reader(text, strict=True)) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as a CSV file") from error
