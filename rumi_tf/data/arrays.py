"""Unlabelled images to evaluate: an array, a directory of PNG or JPEG files, or an NPZ file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rumi_tf.data.dataset import LabelledImages, from_memory
from rumi_tf.data.folder import GREY_MODES, checked, decode, is_image
from rumi_tf.utils.console import with_progress
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import read_npz

CLASS = ("images",)
# Lowest and highest value of floating-point pixels.
ROUNDING = 1e-4  # tolerated excess of floating-point pixels, relative to the range
RANGES = {"symmetric": (-1.0, 1.0), "unit": (0.0, 1.0), "bytes": (0.0, 255.0)}


def load_unlabelled(
    flag: str,
    source: Path | np.ndarray,
    value_range: str | Sequence[float] | None = None,
    channels: int | None = None,
) -> LabelledImages:
    """Loads images without classes into memory; all must have the same size.

    Args:
        flag: flag or argument that set the source, for error messages.
        source: a directory, searched recursively for PNG and JPEG files; an NPZ file with
            `images`; or these images: (N, H, W), (N, H, W, 1) or (N, H, W, 3), integers in
            [0, 255] or floating point. Floating-point pixels are rounded to 8 bits.
        value_range: lowest and highest value of floating-point pixels, or a key of `RANGES`.
            Integers are always in [0, 255].
        channels: 1 or 3, the channels of the images to compare with. With 1, grey images stored
            as RGB become grey; with 3, grey images are repeated. `None` changes nothing.

    Raises:
        InvalidInput: no images, different sizes, unreadable files, NaN or out-of-range values.
    """
    name = "the array" if isinstance(source, np.ndarray) else str(source)
    if isinstance(source, np.ndarray):
        pixels = _from_array(flag, name, source, value_range)
    elif source.is_dir():
        pixels = _from_directory(flag, source)
    elif source.is_file() and source.suffix.lower() == ".npz":
        pixels = _from_array(flag, name, _read_npz(flag, source), value_range)
    else:
        raise InvalidInput(flag, f"{name} is neither a directory nor an NPZ file")
    if len(pixels) < 2:
        count = "1 image" if len(pixels) else "0 images"
        raise InvalidInput(flag, f"{name} has {count}; at least 2 are needed")
    if channels == 3 and pixels.shape[-1] == 1:
        pixels = np.repeat(pixels, 3, axis=-1)
    if channels == 1 and pixels.shape[-1] == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., :1]
    return from_memory(pixels, np.zeros(len(pixels), np.int32), CLASS)


def _from_directory(flag: str, root: Path) -> np.ndarray:
    paths = sorted(p for p in root.rglob("*") if is_image(p))
    if not paths:
        raise InvalidInput(flag, f"no PNG or JPEG file in {root}")
    images: list[np.ndarray] = []
    first_path: dict[Any, Path] = {}  # by (height, width)
    for path, image in checked(
        with_progress(paths, len(paths), f"reading {root}", "image"), _decode
    ):
        if image is None:
            raise InvalidInput(flag, f"{path} cannot be read as an image")
        first_path.setdefault(image.shape[:2], path)
        if len(first_path) > 1:
            sizes = " and ".join(
                f"{p.relative_to(root)} ({width}x{height})"
                for (height, width), p in first_path.items()
            )
            raise InvalidInput(
                flag, f"images in {root} have different sizes, e.g. {sizes}; resize them"
            )
        images.append(image)
    channels = max(image.shape[-1] for image in images)
    return np.stack([np.broadcast_to(image, (*image.shape[:2], channels)) for image in images])


def _decode(path: Path) -> np.ndarray:
    with Image.open(path, formats=("PNG", "JPEG")) as image:
        grey = image.mode in GREY_MODES
    return decode(path, None, 1 if grey else 3)


def _read_npz(flag: str, path: Path) -> np.ndarray:
    try:
        arrays = read_npz(path)
    except (OSError, ValueError) as error:
        raise InvalidInput(flag, f"{path} cannot be read as an NPZ file") from error
    images = arrays.get("images", next(iter(arrays.values())) if len(arrays) == 1 else None)
    if images is None:
        raise InvalidInput(flag, f"{path} has no array named images")
    return images


def _from_array(
    flag: str, name: str, images: np.ndarray, value_range: str | Sequence[float] | None
) -> np.ndarray:
    """(N, H, W, C) uint8 pixels of an array, which messages call `name`."""
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape[1:]:
        raise InvalidInput(
            flag,
            f"images in {name} have shape {images.shape}; expected (N, H, W), (N, H, W, 1) or "
            "(N, H, W, 3)",
        )
    if images.dtype == np.uint8 or not len(images):
        return images
    if images.dtype.kind not in "fiu":
        raise InvalidInput(flag, f"images in {name} have dtype {images.dtype}; expected numbers")
    smallest, largest = float(images.min()), float(images.max())  # NaN if any value is
    if np.isnan(smallest):
        raise InvalidInput(flag, f"{name} has NaN values")
    if images.dtype.kind in "iu":
        value_range = "bytes"
    if value_range is None:
        raise InvalidInput(
            "value_range",
            f"{name} has floating-point values from {smallest:g} to {largest:g}; set their range: "
            "symmetric is [-1, 1], unit [0, 1], bytes [0, 255]",
        )
    low, high = _bounds(value_range)
    slack = ROUNDING * (high - low)
    if not (low - slack <= smallest and largest <= high + slack):
        raise InvalidInput(
            flag, f"{name} has values in [{smallest:g}, {largest:g}], outside [{low:g}, {high:g}]"
        )
    return np.clip(np.round((images - low) * (255 / (high - low))), 0, 255).astype(np.uint8)


def _bounds(value_range: str | Sequence[float]) -> tuple[float, float]:
    """Lowest and highest value of floating-point pixels."""
    try:
        low, high = RANGES[value_range] if isinstance(value_range, str) else value_range
        low, high = float(low), float(high)
    except (KeyError, TypeError, ValueError):
        low = high = 0.0
    if not -np.inf < low < high < np.inf:
        raise InvalidInput(
            "value_range",
            f"{value_range!r} is neither one of {', '.join(RANGES)} nor a pair of finite "
            "numbers, the lower one first",
        )
    return low, high
