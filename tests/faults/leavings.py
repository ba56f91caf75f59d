"""Reads outputs of commands in a form that can be compared.

Leaves out what differs between any two executions: times, environment.json, and the names that
TensorFlow gives to the functions of a SavedModel.
"""

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

TIMES = {"seconds", "resumed_at", "iterations_timed", "milliseconds_per_iteration",
         "seconds_evaluating", "sha256"}  # fmt: skip
UNREADABLE = "unreadable"


def outputs(directory: Path) -> dict[str, object]:
    """Relative path -> content of every output file; raises any error if a file is damaged."""
    contents = {}
    for path in sorted(p for p in directory.rglob("*") if p.is_file()):
        name = path.relative_to(directory)
        if read := _reader(name):
            contents[name.as_posix()] = read(path)
    for board in directory.rglob("tensorboard"):
        contents[board.relative_to(directory).as_posix()] = points(board)
    return contents


def temporaries(directory: Path) -> list[str]:
    """Temporary files of killed writers."""
    names = [path.relative_to(directory) for path in directory.rglob("*")]
    return [str(name) for name in names if name.name.startswith(".tmp-") or _is_part(name)]


def _is_part(path: Path) -> bool:
    """True for parts of a checkpoint that TensorFlow had not finished."""
    return "tempstate" in path.name or any(part.endswith("_temp") for part in path.parts)


def _reader(path: Path) -> Callable[[Path], object] | None:
    """Function that reads a file of this relative path; `None` for files that are not outputs."""
    parts = set(path.parts)
    hidden = any(part.startswith(".") for part in parts)
    if hidden or path.suffix == ".lock" or re.match(r"lock($|\.break\.)", path.name):
        return None
    if _is_part(path):
        return None
    if parts & {"tensorboard", "logs"} or path.name in ("environment.json", "fingerprint.pb"):
        return None
    if path.name == "variables.index":  # Keras numbers variables in the order of a set
        return lambda path: sorted(_checkpoint(path).values())
    if path.suffix == ".index":
        return _checkpoint
    if ".data-" in path.name or path.suffix == ".pb":
        return lambda path: "exists"
    return _READERS.get(path.suffix, lambda path: path.read_bytes())


def _digest(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    def one(array) -> str:
        array = np.asarray(array)
        return f"{array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"

    return {name: one(array) for name, array in arrays.items()}


def _checkpoint(path: Path) -> dict | str:
    try:
        reader = tf.train.load_checkpoint(str(path.with_suffix("")))
    except (RuntimeError, tf.errors.OpError):  # killed while writing the index
        return UNREADABLE
    names = [n for n in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in n]
    return _digest({n: reader.get_tensor(n) for n in sorted(names) if "seconds" not in n})


def rows(path: Path) -> list[dict]:
    """Rows of a CSV file without times; raises if a row is truncated."""
    header, *lines = list(csv.reader(io.StringIO(path.read_text("utf-8")))) or [[]]
    assert all(len(line) == len(header) for line in lines), f"{path} is truncated"
    return [
        {name: value for name, value in zip(header, line, strict=True) if name not in TIMES}
        for line in lines
    ]


def _json(path: Path) -> object:
    value = json.loads(path.read_text("utf-8"))
    if isinstance(value, dict):
        return {name: each for name, each in value.items() if name not in TIMES}
    return value


def _npz(path: Path) -> dict:
    with np.load(path) as file:
        return _digest(file)


def _h5(file) -> dict:
    arrays = {}
    with h5py.File(file) as weights:
        weights.visititems(
            lambda name, item: arrays.update({name: item[()]}) if hasattr(item, "shape") else None
        )
    return _digest(arrays)


def _keras(path: Path) -> dict:
    with zipfile.ZipFile(path) as archive:
        return {
            "config": archive.read("config.json"),
            **_h5(io.BytesIO(archive.read("model.weights.h5"))),
        }


def _png(path: Path) -> bytes:
    with Image.open(path) as image:
        image.load()
    return path.read_bytes()


_READERS = {
    ".csv": rows, ".json": _json, ".npz": _npz, ".h5": _h5, ".keras": _keras, ".png": _png,
}  # fmt: skip


def points(board: Path) -> list[tuple]:
    """Sorted steps, tags and values of TensorBoard's files."""
    values = []
    for path in board.glob("events.*"):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                content = value.tensor.SerializeToString()
                values.append((event.step, value.tag, hashlib.sha256(content).hexdigest()))
    return sorted(values)
