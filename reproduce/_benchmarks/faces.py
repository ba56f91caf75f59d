"""Synthetic JPEG files in CelebA's official layout, of CelebA's file size and number."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

FACES = 300
FACE = (178, 218)  # width and height of CelebA's aligned images
ATTRIBUTES = ("Male", *(f"Attribute_{k}" for k in range(2, 41)))  # as many as CelebA's list has
NOISE = 6.0  # standard deviation, of pixel values in 0 to 255


def write_faces(root: Path, count: int) -> float:
    """Writes `count` JPEG files and their attribute list in CelebA's official layout.

    The images are smooth colours with a little noise, about as large as CelebA's files, so that
    decoding takes as long. Every other one is labelled male.

    Returns:
        The mean file size in bytes.
    """
    draw = np.random.default_rng(0)
    directory = root / "img_align_celeba"
    directory.mkdir()
    sizes = []
    for number in range(1, count + 1):
        path = directory / _file_name(number)
        rough = Image.fromarray(draw.integers(0, 256, (12, 10, 3), np.uint8))
        smooth = np.asarray(rough.resize(FACE, Image.Resampling.BICUBIC), np.float32)
        pixels = np.clip(smooth + draw.normal(0, NOISE, smooth.shape), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(path, quality=75)
        sizes.append(path.stat().st_size)
    _write_list(root, count)
    return float(np.mean(sizes))


def link_faces(faces: Path, count: int, root: Path) -> None:
    """Writes the same layout with `count` files that are hard links to those of `write_faces`."""
    directory = root / "img_align_celeba"
    directory.mkdir(parents=True)
    files = sorted((faces / "img_align_celeba").iterdir())
    for number in range(1, count + 1):
        os.link(files[(number - 1) % len(files)], directory / _file_name(number))
    _write_list(root, count)


def _file_name(number: int) -> str:
    return f"{number:06d}.jpg"


def _write_list(root: Path, count: int) -> None:
    signs = [" ".join([sex, *["-1"] * (len(ATTRIBUTES) - 1)]) for sex in ("-1", "1")]
    lines = (f"{_file_name(number)} {signs[number % 2]}" for number in range(1, count + 1))
    text = "\n".join([str(count), " ".join(ATTRIBUTES), *lines])
    (root / "list_attr_celeba.txt").write_text(text + "\n", encoding="utf-8")
