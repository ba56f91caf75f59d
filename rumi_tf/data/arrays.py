"""Images to be judged: any folder of PNG or JPEG files, or an NPZ file."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rumi_tf.data.dataset import LabelledImages, from_memory
from rumi_tf.data.folder import GREY_MODES, checked, decode, is_image
from rumi_tf.utils.console import tracked
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import read_npz

CLASS = ("images",)
# What pixel values of floating type may mean: lowest and highest.
RANGES = {"symmetric": (-1.0, 1.0), "unit": (0.0, 1.0), "bytes": (0.0, 255.0)}


def load_unlabelled(
    flag: str, path: Path, value_range: str | None = None, channels: int | None = None
) -> LabelledImages:
    """Images without classes, all in one size; they are not resized. They are held in memory.

    Args:
        flag: that named the path, for messages.
        path: a directory, searched with all below it for PNG and JPEG files; or an NPZ file with
            `images`, (N, H, W), (N, H, W, 1) or (N, H, W, 3), uint8 in [0, 255] or floating.
        value_range: key of `RANGES`: what floating pixel values mean.
        channels: 1 or 3: as many as the images to compare with have. Grey images that are stored
            in colour become grey for 1, grey ones are copied for 3; `None` leaves them as they are.

    Raises:
        InvalidInput: nothing there, images of different sizes, unreadable images, values that are
            NaN or out of their range.
    """
    if path.is_dir():
        pixels = _from_directory(flag, path)
    elif path.is_file() and path.suffix.lower() == ".npz":
        pixels = _from_npz(flag, path, value_range)
    else:
        raise InvalidInput(flag, f"{path} is neither a directory of images nor an NPZ file")
    if len(pixels) < 2:
        raise InvalidInput(flag, f"{path} has 1 image; at least 2 are needed")
    if channels == 3 and pixels.shape[-1] == 1:
        pixels = np.repeat(pixels, 3, axis=-1)
    if channels == 1 and pixels.shape[-1] == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., :1]
    return from_memory(pixels, np.zeros(len(pixels), np.int32), CLASS)


def _from_directory(flag: str, root: Path) -> np.ndarray:
    paths = sorted(p for p in root.rglob("*") if is_image(p))
    if not paths:
        raise InvalidInput(flag, f"there is no PNG or JPEG file in {root}")
    found: list[np.ndarray] = []
    first: dict[Any, Path] = {}  # by height and width
    for path, image in checked(tracked(paths, len(paths), f"reading {root}", "image"), _decode):
        if image is None:
            raise InvalidInput(flag, f"{path} cannot be read as an image")
        first.setdefault(image.shape[:2], path)
        if len(first) > 1:
            (one, a), (other, b) = first.items()
            raise InvalidInput(
                flag,
                f"images in {root} have different sizes, e.g. {a.relative_to(root)} {_size(one)} "
                f"and {b.relative_to(root)} {_size(other)}; resize them to one",
            )
        found.append(image)
    channels = max(image.shape[-1] for image in found)
    return np.stack([np.broadcast_to(image, (*image.shape[:2], channels)) for image in found])


def _decode(path: Path) -> np.ndarray:
    with Image.open(path, formats=("PNG", "JPEG")) as image:
        grey = image.mode in GREY_MODES
    return decode(path, None, 1 if grey else 3)


def _size(shape: tuple[int, int]) -> str:
    return f"({shape[1]}x{shape[0]})"


def _from_npz(flag: str, path: Path, value_range: str | None) -> np.ndarray:
    try:
        arrays = read_npz(path)
    except (OSError, ValueError) as error:
        raise InvalidInput(flag, f"{path} cannot be read as an NPZ file") from error
    images = arrays.get("images", next(iter(arrays.values())) if len(arrays) == 1 else None)
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
    return images if images.dtype == np.uint8 else _as_bytes(flag, path, images, value_range)


def _as_bytes(flag: str, path: Path, images: np.ndarray, value_range: str | None) -> np.ndarray:
    """Rounds to the 256 levels that image files have."""
    if images.dtype.kind not in "fiu":
        raise InvalidInput(flag, f"{path} has images of type {images.dtype}, not numbers")
    least, most = float(images.min()), float(images.max())  # both are NaN if any value is
    if np.isnan(least):
        raise InvalidInput(flag, f"{path} has NaN values")
    if images.dtype.kind in "iu":
        value_range = "bytes"
    if value_range is None:
        raise InvalidInput(
            "image_range",
            f"{path} has floating values from {least:g} to {most:g}; say whether they lie in "
            "[-1, 1] (symmetric), [0, 1] (unit) or [0, 255] (bytes)",
        )
    low, high = RANGES[value_range]
    if not (low <= least and most <= high):
        raise InvalidInput(
            flag, f"{path} has values from {least:g} to {most:g}, outside [{low:g}, {high:g}]"
        )
    return np.round((images - low) * (255 / (high - low))).astype(np.uint8)
