"""CelebA from the official directory layout or from TFDS; images are decoded per batch."""

import csv
import functools
import hashlib
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rumi_tf.config.run import RunConfig
from rumi_tf.data.class_names import class_names
from rumi_tf.data.dataset import LabelledImages, from_loader
from rumi_tf.utils.errors import InvalidInput, NoSuchPart

# Face crop of the aligned 178x218 images, as in the published code: (y, x, side).
CROP = (38, 18, 140)
# Possible image directories: a common mirror's, next to the lists, the official one.
IMAGES = ("img_align_celeba/img_align_celeba", "img_align_celeba", "Img/img_align_celeba")


def load_celeba(config: RunConfig, tfds_builder: Callable[[], Any], part: str) -> LabelledImages:
    """Loads CelebA with two classes: without (0) and with (1) `config.attribute`.

    Args:
        config: configuration with resolved `attribute` and `image_size`.
        tfds_builder: () -> prepared TFDS builder; called if `config.data_dir` does not have the
            official layout.
        part: `train` or `test`. Without list_eval_partition all images are `train`.

    Raises:
        InvalidInput: unknown attribute, missing files or malformed list.
    """
    root = Path(config.data_dir) if config.data_dir else None
    if root is not None and _attribute_file(root):
        return _from_directory(root, config, part)
    return _from_tfds(tfds_builder(), config, part)


@functools.cache
def celeba_digest(data_dir: str) -> str:
    """Digest of the names and sizes of the files in the official layout; empty for TFDS."""
    root = Path(data_dir)
    if not data_dir or not _attribute_file(root):
        return ""
    digest = hashlib.sha256()
    for directory in (root, root / "Anno", root / "Eval", *(root / name for name in IMAGES)):
        if directory.is_dir():
            entries = [(e.name, e.stat().st_size) for e in os.scandir(directory) if e.is_file()]
            digest.update(os.fsencode(f"{sorted(entries)}\n"))
    return digest.hexdigest()[:16]


def _attribute_file(root: Path) -> Path | None:
    for name in ("list_attr_celeba.txt", "list_attr_celeba.csv"):
        for directory in (root, root / "Anno"):
            if (directory / name).is_file():
                return directory / name
    return None


def _check_attribute(attribute: str, known: Sequence[str]) -> None:
    if attribute not in known:
        matches = [name for name in known if name.lower() == attribute.lower()]
        hint = f"did you mean {matches[0]}?" if matches else f"choose from {', '.join(known)}"
        raise InvalidInput("attribute", f"CelebA has no attribute {attribute!r}; {hint}")


def _crop_and_resize(jpeg: tf.Tensor, size: int) -> tf.Tensor:
    image = tf.io.decode_jpeg(jpeg, channels=3)
    image = tf.image.crop_to_bounding_box(image, *CROP[:2], CROP[2], CROP[2])
    # Bilinear without antialiasing, as for the published numbers.
    return tf.image.resize(image, (size, size), method="bilinear")


# ----- official layout ------------------------------------------------------------------------


def read_attributes(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Reads list_attr_celeba.txt (the official table) or .csv (its common mirror).

    Returns:
        File names (N,), attribute names (A,), and an (N, A) boolean array.

    Raises:
        InvalidInput: malformed list; the message has the line number.
    """
    lines = iter(_text_lines(path))
    rows: Iterator[list[str]]
    names: list[str]
    if path.suffix == ".csv":
        rows, header_line = _csv_rows(lines, path), 1
        names = next(rows, [])[1:]
    else:
        rows, header_line = (line.split() for line in lines), 2
        next(rows, None)  # number of images
        names = next(rows, [])
    if len(set(names)) < len(names):
        raise InvalidInput("data_dir", f"{path}, line {header_line}: duplicate attribute")
    # Bytes, since 200,000 x 40 strings would take more memory than training.
    files, values = [], bytearray()
    for number, row in enumerate(rows, start=header_line + 1):
        if not row:
            continue
        if len(row) != len(names) + 1 or not set(row[1:]) <= {"-1", "0", "1"}:
            raise InvalidInput(
                "data_dir",
                f"{path}, line {number}: expected a file name and {len(names)} values of -1 or 1",
            )
        if os.path.basename(row[0]) != row[0]:
            raise InvalidInput("data_dir", f"{path}, line {number}: {row[0]!r} is not a file name")
        files.append(row[0])
        values.extend(value == "1" for value in row[1:])
    if not files:
        raise InvalidInput("data_dir", f"{path} lists no images")
    return files, names, np.frombuffer(values, bool).reshape(len(files), len(names))


def _csv_rows(lines: Iterable[str], path: Path) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines, strict=True)
    except csv.Error as error:
        raise InvalidInput("data_dir", f"{path} is not a CSV file: {error}") from error


def _text_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InvalidInput("data_dir", f"{path} is not a text file") from None


def _files_of_part(root: Path, part: str) -> set[str] | None:
    """File names in a part of the official partition; `None` (all files) if there is no list."""
    for name in ("list_eval_partition.txt", "list_eval_partition.csv"):
        for path in (root / name, root / "Eval" / name):
            if path.is_file():
                code = {"train": "0", "test": "2"}[part]
                rows = [line.replace(",", " ").split() for line in _text_lines(path)]
                chosen = {row[0] for row in rows if len(row) == 2 and row[1] == code}
                if not chosen:
                    raise InvalidInput("data_dir", f"{path} lists no images of the {part} part")
                return chosen
    if part != "train":
        raise NoSuchPart("data_dir", f"{root} has no list_eval_partition and so no {part} part")
    return None


def _from_directory(root: Path, config: RunConfig, part: str) -> LabelledImages:
    table = _attribute_file(root)
    names, attributes, values = read_attributes(table)
    _check_attribute(config.attribute, attributes)
    directories = [root / name for name in IMAGES if (root / name).is_dir()]
    if not directories:
        raise InvalidInput("data_dir", f"{root} holds {table.name} but no img_align_celeba/")
    directory = directories[0]
    sizes = {entry.name: entry.stat().st_size for entry in os.scandir(directory)}
    missing = [name for name in names if name not in sizes]
    if missing:
        raise InvalidInput(
            "data_dir",
            f"{len(missing)} of {len(names)} images in {table.name} are not in {directory}, "
            f"the first is {missing[0]}",
        )
    files_of_part = _files_of_part(root, part)
    in_part = np.array([files_of_part is None or name in files_of_part for name in names])
    selected = [name for name, included in zip(names, in_part, strict=True) if included]
    labels = values[in_part, attributes.index(config.attribute)].astype(np.int32)
    paths = tf.constant([str(directory / name) for name in selected])
    return from_loader(
        lambda index: _crop_and_resize(tf.io.read_file(paths[index]), config.image_size),
        labels,
        class_names("celeba", attribute=config.attribute),
        (config.image_size, config.image_size, 3),
        content="\n".join(f"{name} {sizes[name]}" for name in selected).encode(),
        name=selected.__getitem__,
    )


# ----- TFDS -------------------------------------------------------------------------------------


def record_offsets(path: str | os.PathLike) -> np.ndarray:
    """Locates the records of a TFRecord file.

    TFDS has no random access to TFRecord files, and a shuffle buffer of encoded images would be
    neither stateless nor small. A record is length (8 bytes, little-endian), checksum (4 bytes),
    data and checksum (4 bytes), so reading the lengths is enough.

    Returns:
        (n, 2) int64: offset and length of each record's data, in bytes.

    Raises:
        InvalidInput: truncated file.
    """
    offsets, position = [], 0
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        while position < size:
            file.seek(position)
            header = file.read(12)
            length = struct.unpack("<Q", header[:8])[0] if len(header) == 12 else size
            if position + 16 + length > size:
                raise InvalidInput("data_dir", f"{path} is truncated at byte {position}")
            offsets.append((position + 12, length))
            position += 16 + length
    return np.array(offsets, np.int64).reshape(-1, 2)


def _from_tfds(builder: Any, config: RunConfig, part: str) -> LabelledImages:
    import tensorflow_datasets as tfds

    features = builder.info.features
    _check_attribute(config.attribute, sorted(features["attributes"]))
    files = [str(path) for path in builder.info.splits[part].filepaths]
    if "TFRECORD" not in str(builder.info.file_format).upper():
        raise InvalidInput("data_dir", f"CelebA in {builder.data_dir} must be in TFRecord format")
    offsets_by_file = [record_offsets(path) for path in files]
    shard = np.repeat(np.arange(len(files)), [len(rows) for rows in offsets_by_file])
    offsets = np.concatenate(offsets_by_file)
    attribute_only = tfds.decode.PartialDecoding({"attributes": {config.attribute: True}})
    examples = builder.as_dataset(
        split=part,
        decoders=attribute_only,
        read_config=tfds.ReadConfig(interleave_cycle_length=1),  # in file order
    )
    labels = np.array(
        [bool(e["attributes"][config.attribute]) for e in examples.as_numpy_iterator()], np.int32
    )
    if len(labels) != len(offsets):
        raise InvalidInput(
            "data_dir",
            f"{builder.data_dir} has {len(offsets)} {part} records, but {len(labels)} labels",
        )

    def read(position: np.ndarray) -> bytes:
        with open(files[shard[position]], "rb") as file:
            file.seek(offsets[position, 0])
            return file.read(offsets[position, 1])

    def load(position: tf.Tensor) -> tf.Tensor:
        record = tf.ensure_shape(tf.numpy_function(read, [position], tf.string), ())
        spec = {"image": tf.io.FixedLenFeature((), tf.string)}
        return _crop_and_resize(
            tf.io.parse_single_example(record, spec)["image"], config.image_size
        )

    return from_loader(
        load,
        labels,
        class_names("celeba", attribute=config.attribute),
        (config.image_size, config.image_size, 3),
        content=str((builder.info.full_name, offsets.tolist())).encode(),
        name="record {}".format,
    )
