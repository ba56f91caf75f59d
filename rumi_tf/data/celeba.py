"""CelebA, from the official directory layout or from TFDS, decoded when a batch needs it."""

import csv
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rumi_tf.config.run import RunConfig
from rumi_tf.data.dataset import LabelledImages, from_loader
from rumi_tf.utils.errors import InvalidInput, NoSuchPart

# Square of the face in the aligned 178x218 images, as in the published code: (y, x, side).
CROP = (38, 18, 140)
# Where the images may lie: as a common mirror packs them, beside the lists, as they are published.
IMAGES = ("img_align_celeba/img_align_celeba", "img_align_celeba", "Img/img_align_celeba")


def load_celeba(config: RunConfig, tfds_builder: Callable[[], Any], part: str) -> LabelledImages:
    """CelebA with two classes: without (0) and with (1) `config.attribute`.

    Args:
        config: with `attribute` and `image_size` resolved.
        tfds_builder: () -> the prepared TFDS builder; called when `config.data_dir` does not
            hold the official layout.
        part: `train` or `test`. A local directory without list_eval_partition is all `train`.

    Raises:
        InvalidInput: unknown attribute, missing files, malformed list.
    """
    root = Path(config.data_dir) if config.data_dir else None
    if root is not None and _attribute_file(root):
        return _from_directory(root, config, part)
    return _from_tfds(tfds_builder(), config, part)


def class_names(attribute: str) -> tuple[str, str]:
    """Names of the classes without and with an attribute."""
    return ("Female" if attribute == "Male" else f"not {attribute}", attribute)


def _attribute_file(root: Path) -> Path | None:
    for name in ("list_attr_celeba.txt", "list_attr_celeba.csv"):
        for directory in (root, root / "Anno"):
            if (directory / name).is_file():
                return directory / name
    return None


def _check_attribute(attribute: str, known: Sequence[str]) -> None:
    if attribute not in known:
        near = [name for name in known if name.lower() == attribute.lower()]
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise InvalidInput("attribute", f"CelebA has no attribute {attribute!r}; {hint}")


def _crop_and_resize(jpeg: tf.Tensor, size: int) -> tf.Tensor:
    image = tf.io.decode_jpeg(jpeg, channels=3)
    image = tf.image.crop_to_bounding_box(image, *CROP[:2], CROP[2], CROP[2])
    # Bilinear without antialiasing, which is what the published numbers were computed on.
    return tf.image.resize(image, (size, size), method="bilinear")


# ----- the official layout --------------------------------------------------------------------


def read_attributes(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Reads list_attr_celeba.txt (the official table) or .csv (its common mirror).

    Returns:
        File names (N,), attribute names (A,), and an (N, A) boolean array.

    Raises:
        InvalidInput: naming the line that is not as it should be.
    """
    lines = iter(_text_lines(path))
    rows: Iterator[list[str]]
    names: list[str]
    if path.suffix == ".csv":
        rows, first = _csv_rows(lines, path), 1
        names = next(rows, [])[1:]
    else:
        rows, first = (line.split() for line in lines), 2
        next(rows, None)  # how many images there are
        names = next(rows, [])
    if len(set(names)) < len(names):
        raise InvalidInput("data_dir", f"{path}, line {first}: an attribute is named twice")
    # A list of lists of 200,000 x 40 words would take more memory than the training.
    files, values = [], bytearray()
    for number, row in enumerate(rows, start=first + 1):
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
        raise InvalidInput("data_dir", f"{path} lists no image")
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
    """Names in a part of the official partition; `None`, all of them, where it is absent."""
    for name in ("list_eval_partition.txt", "list_eval_partition.csv"):
        for path in (root / name, root / "Eval" / name):
            if path.is_file():
                code = {"train": "0", "test": "2"}[part]
                rows = [line.replace(",", " ").split() for line in _text_lines(path)]
                chosen = {row[0] for row in rows if len(row) == 2 and row[1] == code}
                if not chosen:
                    raise InvalidInput("data_dir", f"{path} has no image of its {part} part")
                return chosen
    if part != "train":
        raise NoSuchPart("data_dir", f"{root} has no list_eval_partition, so no {part} part")
    return None


def _from_directory(root: Path, config: RunConfig, part: str) -> LabelledImages:
    table = _attribute_file(root)
    names, attributes, values = read_attributes(table)
    _check_attribute(config.attribute, attributes)
    found = [root / place for place in IMAGES if (root / place).is_dir()]
    if not found:
        raise InvalidInput("data_dir", f"{root} holds {table.name} but no img_align_celeba/")
    directory = found[0]
    present = {entry.name: entry.stat().st_size for entry in os.scandir(directory)}
    missing = [name for name in names if name not in present]
    if missing:
        raise InvalidInput(
            "data_dir",
            f"{len(missing)} of {len(names)} images in {table.name} are not in {directory}, "
            f"the first is {missing[0]}",
        )
    wanted = _files_of_part(root, part)
    keep = np.array([wanted is None or name in wanted for name in names])
    chosen = [name for name, kept in zip(names, keep, strict=True) if kept]
    labels = values[keep, attributes.index(config.attribute)].astype(np.int32)
    paths = tf.constant([str(directory / name) for name in chosen])
    return from_loader(
        lambda index: _crop_and_resize(tf.io.read_file(paths[index]), config.image_size),
        labels,
        class_names(config.attribute),
        (config.image_size, config.image_size, 3),
        content="\n".join(f"{name} {present[name]}" for name in chosen).encode(),
        name=chosen.__getitem__,
    )


# ----- TFDS -------------------------------------------------------------------------------------


def record_offsets(path: str | os.PathLike) -> np.ndarray:
    """Where the records of a TFRecord file lie.

    TFDS has no random access to TFRecord files, and a shuffle buffer of encoded images would
    neither be stateless nor small. A record is: length (8 bytes, little-endian), checksum (4),
    data, checksum (4); reading the lengths alone finds every record.

    Returns:
        (n, 2) int64: offset of the data and its length, in bytes.

    Raises:
        InvalidInput: the file ends within a record.
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
    index = [record_offsets(path) for path in files]
    shard = np.repeat(np.arange(len(files)), [len(rows) for rows in index])
    offsets = np.concatenate(index)
    wanted = tfds.decode.PartialDecoding({"attributes": {config.attribute: True}})
    examples = builder.as_dataset(
        split=part,
        decoders=wanted,
        read_config=tfds.ReadConfig(interleave_cycle_length=1),  # in the order of the files
    )
    labels = np.array(
        [bool(e["attributes"][config.attribute]) for e in examples.as_numpy_iterator()], np.int32
    )
    if len(labels) != len(offsets):
        raise InvalidInput("data_dir", f"{builder.data_dir}: {part} records cannot be counted")

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
        class_names(config.attribute),
        (config.image_size, config.image_size, 3),
        content=str((builder.info.full_name, offsets.tolist())).encode(),
        name="record {}".format,
    )
