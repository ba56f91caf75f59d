"""A user's own images: one sub-folder of PNG or JPEG files per class."""

import dataclasses
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
from rumi_tf.data.dataset import LabelledImages, from_loader, from_memory
from rumi_tf.utils.console import printable
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import digest_of, is_text

SUFFIXES = (".png", ".jpg", ".jpeg")
# Decoded images up to this many bytes stay in memory; larger folders are decoded batch by batch.
MEMORY_LIMIT = 2 * 2**30
DARK = 8192  # a highest value of 16 bits below which all of an image is dark
GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F")
# By the value of the EXIF tag Orientation: what undoes it.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def load_folder(config: RunConfig, memory_limit: int = MEMORY_LIMIT) -> LabelledImages:
    """Reads `config.data_dir`; every image is decoded once, so that bad ones are found now.

    Images are resized to a square of `config.image_size` pixels, bilinear with antialiasing,
    without regard to their aspect ratio. They are grey if all of them are, else RGB;
    transparency is laid over white; 16-bit images keep their upper 8 bits.

    Raises:
        InvalidInput: no such directory, no class, a class without images, unreadable images
            (unless `config.skip_unreadable`).
    """
    root = Path(config.data_dir)
    if not config.data_dir or not root.is_dir():
        raise InvalidInput(
            "data_dir",
            f"{config.data_dir!r} is not a directory; --dataset=folder needs one that "
            "holds a sub-folder of PNG or JPEG images per class",
        )
    classes = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(classes) < 2:
        deeper = [c for c in classes if sum(p.is_dir() for p in c.iterdir()) > 1]
        raise InvalidInput(
            "data_dir",
            f"{root} has {len(classes)} sub-folders; one per class, at least two"
            + (f"; did you mean {deeper[0]}?" if deeper else ""),
        )
    for directory in classes:
        if not is_text(directory.name):
            raise InvalidInput("data_dir", f"the name of {directory} is not UTF-8 text")
    paths: list[Path] = []
    named: list[int] = []  # the class of every path
    others: list[Path] = []
    for label, directory in enumerate(classes):
        others += (p for p in directory.iterdir() if not is_image(p) and p.name[0] != ".")
        found = sorted(p for p in directory.iterdir() if is_image(p))
        paths += found
        named += [label] * len(found)
    modes = dict(checked(paths, _mode))
    channels = 1 if all(mode in GREY_MODES for mode in modes.values() if mode) else 3
    size = config.image_size
    in_memory = len(paths) * size * size * channels <= memory_limit
    readable: dict[Path, bool] = {}
    decoded: dict[Path, Any] = {}
    for path, image in checked(paths, lambda p: decode(p, size, channels)):
        readable[path] = image is not None
        if in_memory:
            decoded[path] = image
    keep = _readable(root, paths, readable, config.skip_unreadable)
    names = tuple(directory.name for directory in classes)
    chosen, labels = [paths[k] for k in keep], np.array(named, np.int32)[keep]
    for label, name in enumerate(names):
        if label not in labels:
            raise InvalidInput("data_dir", f"class {name} in {root} has no readable PNG or JPEG")
    note = _note(root, others, len(paths) - len(chosen), _dark(chosen, modes))
    if in_memory:
        images = from_memory(np.stack([decoded[path] for path in chosen]), labels, names)
        return dataclasses.replace(images, note=note)
    images = from_loader(
        _loader(chosen, size, channels),
        labels,
        names,
        (size, size, channels),
        content=os.fsencode("\n".join(f"{p.relative_to(root)} {digest_of(p)}" for p in chosen)),
        name=lambda k: str(chosen[k].relative_to(root)),
    )
    return dataclasses.replace(images, note=note)


def _note(root: Path, others: Sequence[Path], skipped: int, dark: str) -> str:
    """What was left out, and what looks wrong, for the user."""
    parts = []
    folders = sorted(path for path in others if path.is_dir())
    if len(others) > len(folders):
        parts.append(f"{len(others) - len(folders)} files are no PNG or JPEG")
    if folders:
        parts.append(
            f"{len(folders)} folders lie inside of class folders, the first is "
            f"{printable(str(folders[0].relative_to(root)))}"
        )
    if skipped:
        parts.append(f"{skipped} images cannot be read")
    left_out = " and ".join(parts) + "; they were left out" if parts else ""
    return "; ".join(filter(None, [left_out, dark]))


def _dark(paths: Sequence[Path], modes: Mapping[Path, str]) -> str:
    """What is to be said if the upper 8 of 16 bits, which are what is kept, are nearly empty."""
    deep = [path for path in paths if modes[path].startswith(("I", "F"))]
    values = [value for _, value in checked(deep, _highest) if value is not None]
    highest = max(values, default=DARK)
    if highest >= DARK:
        return ""
    return (
        f"no value of the {len(deep)} images of 16 bits is above {highest:g} of 65,535, so they "
        "are nearly black: multiply them first"
    )


def _highest(path: Path) -> float:
    with Image.open(path, formats=("PNG", "JPEG")) as image:
        return float(np.max(np.asarray(image)))


def decode(path: Path, size: int | None, channels: int) -> np.ndarray:
    """One image file as a (size, size, channels) uint8 array; in its own size for `None`.

    Raises:
        OSError, SyntaxError, ValueError, Image.DecompressionBombError: it cannot be read.
    """
    with Image.open(path, formats=("PNG", "JPEG")) as file:
        if file.width * file.height > Image.MAX_IMAGE_PIXELS:
            raise ValueError(f"{file.width}x{file.height} pixels are more than Pillow's limit")
        file.load()
        image = _upright(file)
        if image.mode.startswith(("I", "F")):  # 16 bits: Pillow's own conversion would clip
            image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8))
        elif image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("L" if channels == 1 else "RGB")
        if size is not None:
            image = image.resize((size, size), Image.Resampling.BILINEAR)
        return np.asarray(image, np.uint8).reshape(image.height, image.width, channels)


def _upright(image: Image.Image) -> Image.Image:
    """The image as it is to be looked at: a phone's photo is stored as its sensor lies.

    Pillow's `exif_transpose` also writes the other tags anew, and fails at one that is damaged.
    """
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # Pillow raises half a dozen types, by which byte is damaged
        return image
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def is_image(path: Path) -> bool:
    """Whether a path is that of a PNG or JPEG file, by its name."""
    return path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _mode(path: Path) -> str:
    with Image.open(path, formats=("PNG", "JPEG")) as image:
        return image.mode


def checked(paths: Iterable[Path], function: Callable[[Path], Any]) -> Iterator[tuple[Path, Any]]:
    """Pairs of a path and the function's result, `None` for an unreadable image; in order."""

    def attempt(path: Path) -> tuple[Path, Any]:
        try:
            return path, function(path)
        except _UNREADABLE:
            return path, None

    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        # `decode` refuses too large images itself; other remarks of Pillow are no news to users.
        warnings.filterwarnings("ignore", module="PIL")
        yield from pool.map(attempt, paths)


def _readable(root: Path, paths: list[Path], readable: dict[Path, bool], skip: bool) -> list[int]:
    bad = [path for path in paths if not readable[path]]
    if bad and not skip:
        raise InvalidInput(
            "data_dir",
            f"{len(bad)} of {len(paths)} images in {root} cannot be read, the first is "
            f"{bad[0].relative_to(root)}; mend them, or leave them out with --skip_unreadable",
        )
    return [k for k, path in enumerate(paths) if readable[path]]


def _loader(paths: list[Path], size: int, channels: int) -> Callable[[tf.Tensor], tf.Tensor]:
    def load(index: tf.Tensor) -> tf.Tensor:
        image = tf.numpy_function(lambda k: decode(paths[k], size, channels), [index], tf.uint8)
        return tf.ensure_shape(image, (size, size, channels))

    return load
