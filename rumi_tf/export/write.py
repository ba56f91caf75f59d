"""Writes a trained generator as a SavedModel or a .keras file, and its images as PNG files."""

import os
from collections.abc import Sequence

import keras
import tensorflow as tf
from PIL import Image

from rumi_tf.export.safety import METADATA, with_digests
from rumi_tf.export.sampler import Sampler, to_bytes
from rumi_tf.utils.console import with_progress
from rumi_tf.utils.io import atomic_path, folder_name, write_json
from rumi_tf.utils.tf_errors import translate_file_errors


def export_saved_model(
    generator: keras.Model, saved_model: str | os.PathLike, metadata: dict
) -> None:
    """Exports a generator as a TensorFlow SavedModel for sampling.

    Args:
        generator: (B, latent_dim) noise, and (B,) labels if it has the attribute `num_classes`, ->
            (B, H, W, C) in [-1, 1].
        saved_model: directory of the SavedModel. Its signature `serve` takes `noise`, and int32
            `label` if the generator is conditional.
        metadata: stored in the SavedModel's assets.extra.
    """
    noise = tf.TensorSpec((None, generator.latent_dim), tf.float32, name="noise")
    with atomic_path(saved_model) as temporary, translate_file_errors(saved_model):
        if hasattr(generator, "num_classes"):
            _export_conditional(generator, str(temporary), noise)
        else:
            generator.export(str(temporary), verbose=False, input_signature=[noise])
        write_json(temporary / METADATA, with_digests(metadata, temporary))


def export_keras(generator: keras.Model, path: str | os.PathLike) -> None:
    """Saves a generator as a .keras file; `path` must end in .keras."""
    with atomic_path(path) as temporary:
        generator.save(temporary)


def write_images(
    sampler: Sampler,
    directory: str | os.PathLike,
    num: int,
    seed: int,
    label: int | Sequence[int] | None = None,
) -> None:
    """Writes generated images as PNG files, in a new directory, without keeping them in memory.

    The files are named seedSEED_NUMBER.png, those of a class-conditional generator in a folder for
    each class.

    Args:
        sampler: the generator.
        directory: appears when all images are written.
        num, seed, label: see `Sampler.batches`.
    """
    labels, number = sampler.labels(num, label), 0
    with atomic_path(directory) as temporary:
        temporary.mkdir()
        for batch in with_progress(sampler.batches(num, seed, label), num, "images", "image"):
            for pixels in to_bytes(batch):
                folder = temporary
                if labels is not None:
                    folder = temporary / folder_name(sampler.class_name(labels[number]))
                    folder.mkdir(exist_ok=True)
                image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
                image.save(folder / f"seed{seed}_{number:07d}.png")
                number += 1


def _export_conditional(generator: keras.Model, path: str, noise: tf.TensorSpec) -> None:
    def serve(noise, label):
        return generator((noise, label), training=False)

    archive = keras.export.ExportArchive()
    archive.track(generator)
    label = tf.TensorSpec((None,), tf.int32, name="label")
    archive.add_endpoint("serve", serve, input_signature=[noise, label])
    archive.write_out(path, verbose=False)
