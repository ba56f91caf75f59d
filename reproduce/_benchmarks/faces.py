"""Generated JPEG files in CelebA's official layout, as large and as many as CelebA's own."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

FACES = 300
FACE = (178, 218)  # width and height of CelebA's aligned images
ATTRIBUTES = ("Male", *(f"Attribute_{k}" for k in range(2, 41)))  # as many as CelebA's list has
NOISE = 6.0  # standard deviation, of pixel values in 0 to 255


def write_faces(place: Path, count: int) -> float:
    """Writes so many JPEG files, and their list of attributes, in CelebA's official layout.

    Smooth colours and a little noise, about as large as CelebA's own files, so that they take as
    long to decode; every other one is male.

    Returns:
        The mean size of a file, in bytes.
    """
    draw = np.random.default_rng(0)
    directory = place / "img_align_celeba"
    directory.mkdir()
    sizes = []
    for number in range(1, count + 1):
        path = directory / _file_name(number)
        rough = Image.fromarray(draw.integers(0, 256, (12, 10, 3), np.uint8))
        smooth = np.asarray(rough.resize(FACE, Image.Resampling.BICUBIC), np.float32)
        pixels = np.clip(smooth + draw.normal(0, NOISE, smooth.shape), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(path, quality=75)
        sizes.append(path.stat().st_size)
    _write_list(place, count)
    return float(np.mean(sizes))


def link_faces(faces: Path, count: int, place: Path) -> None:
    """Writes the same layout with `count` files, which are links to those of `write_faces`."""
    directory = place / "img_align_celeba"
    directory.mkdir(parents=True)
    files = sorted((faces / "img_align_celeba").iterdir())
    for number in range(1, count + 1):
        os.link(files[(number - 1) % len(files)], directory / _file_name(number))
    _write_list(place, count)


def _file_name(number: int) -> str:
    return f"{number:06d}.jpg"


def _write_list(place: Path, count: int) -> None:
    signs = [" ".join([sex, *["-1"] * (len(ATTRIBUTES) - 1)]) for sex in ("-1", "1")]
    lines = (f"{_file_name(number)} {signs[number % 2]}" for number in range(1, count + 1))
    text = "\n".join([str(count), " ".join(ATTRIBUTES), *lines])
    (place / "list_attr_celeba.txt").write_text(text + "\n", encoding="utf-8")
