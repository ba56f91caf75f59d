"""Images to be judged: any folder of PNG or JPEG files, or an NPZ file."""

import zipfile
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from rumi_tf.data.folder import GREY_MODES, UNREADABLE, decode, digest, is_image
from rumi_tf.data.images import LabelledImages, from_loader, from_memory
from rumi_tf.errors import InvalidInput

CLASS = ("images",)
# What pixel values of floating type may mean: lowest and highest.
RANGES = {"symmetric": (-1.0, 1.0), "unit": (0.0, 1.0), "bytes": (0.0, 255.0)}


def load_unlabelled(flag: str, path: Path, value_range: str = "symmetric") -> LabelledImages:
    """Images without classes, all in one size; they are not resized.

    Args:
        flag: that named the path, for messages.
        path: a directory, searched with all below it for PNG and JPEG files; or an NPZ file with
            `images`, (N, H, W), (N, H, W, 1) or (N, H, W, 3), uint8 in [0, 255] or floating.
        value_range: key of `RANGES`: what floating pixel values mean.

    Raises:
        InvalidInput: nothing there, images of different sizes, unreadable images, values that are
            NaN or out of their range.
    """
    if path.is_dir():
        return _from_directory(flag, path)
    if path.is_file() and path.suffix.lower() == ".npz":
        return _from_npz(flag, path, value_range)
    raise InvalidInput(flag, f"{path} is neither a directory of images nor an NPZ file")


def _from_directory(flag: str, root: Path) -> LabelledImages:
    paths = sorted(p for p in root.rglob("*") if is_image(p))
    if not paths:
        raise InvalidInput(flag, f"there is no PNG or JPEG file in {root}")
    modes, sizes = set(), {}
    for path in paths:
        try:
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                modes.add(image.mode)
                turned = image.getexif().get(0x0112, 1) >= 5  # orientation: on its side
                sizes.setdefault(image.size[::-1] if turned else image.size, path)
        except UNREADABLE as error:
            raise _unreadable(flag, path) from error
    if len(sizes) > 1:
        (one, a), (other, b) = list(sizes.items())[:2]
        raise InvalidInput(
            flag,
            f"images in {root} have different sizes, e.g. {a.relative_to(root)} {_size(one)} and "
            f"{b.relative_to(root)} {_size(other)}; resize them to one",
        )
    ((width, height),) = sizes
    channels = 1 if modes <= set(GREY_MODES) else 3

    def read(number: int) -> np.ndarray:
        try:
            return decode(paths[number], None, channels)
        except UNREADABLE as error:
            raise _unreadable(flag, paths[number]) from error

    for number in range(len(paths)):  # every image is decoded once, so that bad ones are found now
        read(number)
    shape = (height, width, channels)

    def load(index: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(read, [index], tf.uint8), shape)

    return from_loader(
        load,
        np.zeros(len(paths), np.int32),
        CLASS,
        shape,
        content="\n".join(f"{p.relative_to(root)} {digest(p)}" for p in paths).encode(),
        name=lambda k: str(paths[k].relative_to(root)),
    )


def _unreadable(flag: str, path: Path) -> InvalidInput:
    return InvalidInput(flag, f"{path} cannot be read as an image")


def _size(size: tuple[int, int]) -> str:
    return f"({size[0]}x{size[1]})"


def _from_npz(flag: str, path: Path, value_range: str) -> LabelledImages:
    try:
        with np.load(path, allow_pickle=False) as file:
            names = list(file.files)
            name = "images" if "images" in names else names[0] if len(names) == 1 else None
            images = None if name is None else file[name]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise InvalidInput(flag, f"{path} cannot be read as an NPZ file") from error
    if images is None:
        raise InvalidInput(flag, f"{path} has no array named images")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise InvalidInput(
            flag,
            f"{path} has images of shape {images.shape}; they must be (N, H, W), (N, H, W, 1) or "
            "(N, H, W, 3)",
        )
    if images.dtype != np.uint8:
        images = _as_bytes(flag, path, images, value_range)
    return from_memory(images, np.zeros(len(images), np.int32), CLASS)


def _as_bytes(flag: str, path: Path, images: np.ndarray, value_range: str) -> np.ndarray:
    """Rounds to the 256 levels that image files have."""
    if images.dtype.kind not in "fiu":
        raise InvalidInput(flag, f"{path} has images of type {images.dtype}, not numbers")
    low, high = RANGES["bytes" if images.dtype.kind in "iu" else value_range]
    least, most = float(images.min()), float(images.max())  # both are NaN if any value is
    if not (low <= least and most <= high):
        raise InvalidInput(
            flag,
            f"{path} has values from {least:g} to {most:g}, outside [{low:g}, {high:g}]; say what "
            "they mean with --image_range",
        )
    return np.round((images - low) * (255 / (high - low))).astype(np.uint8)
