"""Writes generators as SavedModels or .keras files, and their images as PNG, NPZ and GIF files."""

import itertools
import os
import zipfile
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from rumi_tf.export.latents import Latents
from rumi_tf.export.safety import METADATA, with_digests
from rumi_tf.export.sampler import Label, Sampler, to_bytes
from rumi_tf.utils.console import with_progress
from rumi_tf.utils.io import atomic_path, folder_name, write_json
from rumi_tf.utils.tf_errors import translate_file_errors

FRAME_MILLISECONDS = 80
FRAME_PIXELS = 128  # smaller frames of an animation are enlarged


def export_saved_model(
    generator: keras.Model, saved_model: str | os.PathLike, metadata: dict
) -> None:
    """Exports a generator as a TensorFlow SavedModel for sampling.

    The loaded model has the function `serve(noise)`, or `serve(noise, label)` of a conditional
    generator, with positional or keyword arguments, and the signatures `serve` and
    `serving_default`, which take keyword arguments and return a dictionary.

    Args:
        generator: (B, latent_dim) noise, and (B,) labels if it has the attribute `num_classes`, ->
            (B, H, W, C) in [-1, 1].
        saved_model: directory of the SavedModel.
        metadata: stored in the SavedModel's assets.extra.
    """
    signature = [tf.TensorSpec((None, generator.latent_dim), tf.float32, name="noise")]
    serve: Callable[..., tf.Tensor]  # the names of its arguments become those of `model.serve`
    if hasattr(generator, "num_classes"):
        signature.append(tf.TensorSpec((None,), tf.int32, name="label"))
        serve = lambda noise, label: generator((noise, label), training=False)  # noqa: E731
    else:
        serve = lambda noise: generator(noise, training=False)  # noqa: E731
    archive = keras.export.ExportArchive()
    archive.track(generator)
    archive.add_endpoint("serve", serve, input_signature=signature)
    with atomic_path(saved_model) as temporary, translate_file_errors(saved_model):
        archive.write_out(str(temporary), verbose=False)
        write_json(temporary / METADATA, with_digests(metadata, temporary))


def export_keras(generator: keras.Model, path: str | os.PathLike) -> None:
    """Saves a generator as a .keras file; `path` must end in .keras."""
    with atomic_path(path) as temporary:
        generator.save(temporary)


def write_images(
    sampler: Sampler,
    directory: str | os.PathLike,
    request: Latents,
    label: Label | Sequence[Label] | None = None,
) -> None:
    """Writes generated images as PNG files, in a new directory, without keeping them in memory.

    The files of a class-conditional generator are in a folder for each class.

    Args:
        sampler: the generator.
        directory: appears when all images are written.
        request: number of images, their noise and file names.
        label: see `Sampler.batches`.
    """
    labels, number = sampler.labels(request.num, label), 0
    with atomic_path(directory) as temporary:
        temporary.mkdir()
        batches = sampler.batches(request, label)
        for batch in with_progress(batches, request.num, "images", "image"):
            for pixels in to_bytes(batch):
                folder = temporary
                if labels is not None:
                    folder = temporary / folder_name(sampler.class_name(labels[number]))
                    folder.mkdir(exist_ok=True)
                _image(pixels).save(folder / f"{request.name(number)}.png")
                number += 1


def write_npz(
    sampler: Sampler,
    path: str | os.PathLike,
    request: Latents,
    label: Label | Sequence[Label] | None = None,
) -> None:
    """Writes generated images as an NPZ file without keeping them in memory.

    The file contains `images`, (num, H, W, C) uint8, and of a conditional generator `labels`,
    (num,). The arguments are those of `write_images`.
    """
    bytes_of = map(to_bytes, sampler.batches(request, label))
    batches = with_progress(bytes_of, request.num, "images", "image")
    first = next(batches)
    header = {"descr": "|u1", "fortran_order": False, "shape": (request.num, *first.shape[1:])}
    with (
        atomic_path(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        with archive.open("images.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array_header_1_0(file, header)
            for batch in itertools.chain([first], batches):
                file.write(batch.tobytes())
        labels = sampler.labels(request.num, label)
        if labels is not None:
            with archive.open("labels.npy", "w") as file:
                np.lib.format.write_array(file, labels, allow_pickle=False)


def write_gif(path: str | os.PathLike, images: np.ndarray) -> None:
    """Writes an endless animation that plays images, (n, H, W, C) uint8, forwards and backwards."""
    scale = -(-FRAME_PIXELS // max(images.shape[1:3]))
    pixels = images.repeat(scale, axis=1).repeat(scale, axis=2)
    first, *others = [_image(frame) for frame in [*pixels, *pixels[-2:0:-1]]]
    with atomic_path(path) as temporary:
        first.save(
            temporary, save_all=True, append_images=others, duration=FRAME_MILLISECONDS, loop=0
        )


def _image(pixels: np.ndarray) -> Image.Image:
    """(H, W, C) uint8, C = 1 or 3, as an image."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
