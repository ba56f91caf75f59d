"""User data sets: one sub-folder of PNG or JPEG files per class."""

import contextlib
import dataclasses
import functools
import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import ExifTags, Image

from rumi_tf.config.run import RunConfig
from rumi_tf.data.class_names import class_directories
from rumi_tf.data.dataset import LabelledImages, from_loader, from_memory
from rumi_tf.utils.console import printable
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import digest_of, is_text

SUFFIXES = (".png", ".jpg", ".jpeg")
# Largest data set kept decoded in memory, in bytes; larger ones are decoded per batch.
MEMORY_LIMIT = 2 * 2**30
DARK = 8192  # 16-bit images without any value this high are nearly black
GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F")
# EXIF orientation -> the transpose that undoes it.
_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def load_folder(config: RunConfig, memory_limit: int = MEMORY_LIMIT) -> LabelledImages:
    """Loads the images in `config.data_dir`. Decodes each one now, to find unreadable files early.

    Images are resized to `config.image_size` x `config.image_size`, bilinear with antialiasing,
    ignoring the aspect ratio. They become grey if all are grey, else RGB. Transparent pixels are
    blended with white. 16-bit images keep their upper 8 bits.

    Args:
        config: configuration with `data_dir`, `image_size` and `skip_unreadable`.
        memory_limit: largest decoded data set to keep in memory, in bytes.

    Raises:
        InvalidInput: missing directory, fewer than two classes, a class without images, or
            unreadable images without `config.skip_unreadable`.
    """
    root = Path(config.data_dir)
    if not config.data_dir or not root.is_dir():
        raise InvalidInput(
            "data_dir",
            f"{config.data_dir!r} is not a directory; --dataset=folder needs a directory with one "
            "sub-folder of PNG or JPEG images per class",
        )
    classes = class_directories(root)
    if len(classes) < 2:
        nested = [c for c in classes if sum(p.is_dir() for p in c.iterdir()) > 1]
        raise InvalidInput(
            "data_dir",
            f"{root} has {len(classes)} sub-folders; it needs one per class, at least two"
            + (f"; did you mean {nested[0]}?" if nested else ""),
        )
    for directory in classes:
        if not is_text(directory.name):
            raise InvalidInput("data_dir", f"the name of {directory} is not UTF-8 text")
    paths: list[Path] = []
    path_labels: list[int] = []
    ignored: list[Path] = []
    for label, directory in enumerate(classes):
        ignored += (p for p in directory.iterdir() if not is_image(p) and p.name[0] != ".")
        class_paths = sorted(p for p in directory.iterdir() if is_image(p))
        paths += class_paths
        path_labels += [label] * len(class_paths)
    modes = dict(checked(paths, _mode))
    channels = 1 if all(mode in GREY_MODES for mode in modes.values() if mode) else 3
    size = config.image_size
    in_memory = len(paths) * size * size * channels <= memory_limit
    readable: list[bool] = []
    decoded: dict[Path, Any] = {}
    for path, image in checked(paths, lambda p: decode(p, size, channels)):
        readable.append(image is not None)
        if in_memory:
            decoded[path] = image
    bad = [path for path, good in zip(paths, readable, strict=True) if not good]
    if bad and not config.skip_unreadable:
        raise InvalidInput(
            "data_dir",
            f"{len(bad)} of {len(paths)} images in {root} cannot be read, the first is "
            f"{bad[0].relative_to(root)}; fix or remove them, or pass --skip_unreadable",
        )
    names = tuple(directory.name for directory in classes)
    good_paths = [path for path, good in zip(paths, readable, strict=True) if good]
    labels = np.array(path_labels, np.int32)[np.array(readable, bool)]
    for label, name in enumerate(names):
        if label not in labels:
            raise InvalidInput("data_dir", f"class {name} in {root} has no readable images")
    note = _note(root, ignored, len(bad), _dark_images_note(good_paths, modes))
    if in_memory:
        images = from_memory(np.stack([decoded[path] for path in good_paths]), labels, names)
        return dataclasses.replace(images, note=note)
    images = from_loader(
        _loader(good_paths, size, channels),
        labels,
        names,
        (size, size, channels),
        content=os.fsencode("\n".join(f"{p.relative_to(root)} {digest_of(p)}" for p in good_paths)),
        name=lambda k: str(good_paths[k].relative_to(root)),
    )
    return dataclasses.replace(images, note=note)


def folder_digest(data_dir: str) -> str:
    """Digest of the names and contents of the images in the sub-folders of a directory.

    Empty if there is no such directory. Digests of unchanged files are cached.
    """
    root = Path(data_dir)
    if not data_dir or not root.is_dir():
        return ""
    digest = hashlib.sha256()
    paths: list[Path] = []
    with contextlib.suppress(OSError):  # reported when the images are loaded
        for directory in class_directories(root):
            paths += sorted(p for p in directory.iterdir() if is_image(p))
    for path in paths:
        content = "unreadable"
        with contextlib.suppress(OSError):
            stat = path.stat()
            content = _file_digest(str(path), stat.st_size, stat.st_mtime_ns)
        digest.update(os.fsencode(f"{path.relative_to(root)} {content}\n"))
    return digest.hexdigest()[:16]


@functools.cache
def _file_digest(path: str, size: int, changed: int) -> str:
    return digest_of(path)


def _note(root: Path, ignored: Sequence[Path], num_unreadable: int, dark_note: str) -> str:
    """Describes skipped files and suspicious images."""
    skipped = []
    folders = sorted(path for path in ignored if path.is_dir())
    if len(ignored) > len(folders):
        skipped.append(f"{len(ignored) - len(folders)} files that are not PNG or JPEG")
    if folders:
        skipped.append(
            f"{len(folders)} folders inside class folders, the first is "
            f"{printable(str(folders[0].relative_to(root)))}"
        )
    if num_unreadable:
        skipped.append(f"{num_unreadable} unreadable images")
    return "; ".join(filter(None, [skipped and "skipped " + " and ".join(skipped), dark_note]))


def _dark_images_note(paths: Sequence[Path], modes: Mapping[Path, str]) -> str:
    """Warns about 16-bit images that look black, because only the upper 8 bits are kept."""
    paths_16_bit = [path for path in paths if modes[path].startswith(("I", "F"))]
    values = [value for _, value in checked(paths_16_bit, _highest_value) if value is not None]
    highest = max(values, default=DARK)
    if highest >= DARK:
        return ""
    return (
        f"the highest value of the {len(paths_16_bit)} 16-bit images is {highest:g} of 65,535, so "
        "they are nearly black; rescale them"
    )


def _highest_value(path: Path) -> float:
    with Image.open(path, formats=("PNG", "JPEG")) as image:
        return float(np.max(np.asarray(image)))


def decode(path: Path, size: int | None, channels: int) -> np.ndarray:
    """Decodes an image file to (size, size, channels) uint8; `None` keeps the original size.

    Raises:
        OSError, SyntaxError, ValueError, Image.DecompressionBombError: unreadable file.
    """
    with Image.open(path, formats=("PNG", "JPEG")) as file:
        if file.width * file.height > Image.MAX_IMAGE_PIXELS:
            raise ValueError(f"{file.width}x{file.height} pixels exceed Pillow's limit")
        file.load()
        image = _upright(file)
        if image.mode.startswith(("I", "F")):  # 16 bits: Pillow's conversion would clip
            image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8))
        elif image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("L" if channels == 1 else "RGB")
        if size is not None:
            image = image.resize((size, size), Image.Resampling.BILINEAR)
        return np.asarray(image, np.uint8).reshape(image.height, image.width, channels)


def _upright(image: Image.Image) -> Image.Image:
    """Applies the EXIF orientation.

    Pillow's `exif_transpose` also rewrites the other tags and fails on damaged ones.
    """
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged tags raise many types
        return image
    transpose = _TRANSPOSES.get(orientation)
    return image if transpose is None else image.transpose(transpose)


def is_image(path: Path) -> bool:
    """True for a visible file with a PNG or JPEG suffix."""
    return path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _mode(path: Path) -> str:
    with Image.open(path, formats=("PNG", "JPEG")) as image:
        return image.mode


def checked(paths: Iterable[Path], function: Callable[[Path], Any]) -> Iterator[tuple[Path, Any]]:
    """Yields each path with the function's result, `None` for an unreadable image, in order."""

    def attempt(path: Path) -> tuple[Path, Any]:
        try:
            return path, function(path)
        except _UNREADABLE:
            return path, None

    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        # `decode` rejects too large images; Pillow's other warnings do not help users.
        warnings.filterwarnings("ignore", module="PIL")
        yield from pool.map(attempt, paths)


def _loader(paths: list[Path], size: int, channels: int) -> Callable[[tf.Tensor], tf.Tensor]:
    def load(index: tf.Tensor) -> tf.Tensor:
        image = tf.numpy_function(lambda k: decode(paths[k], size, channels), [index], tf.uint8)
        return tf.ensure_shape(image, (size, size, channels))

    return load
