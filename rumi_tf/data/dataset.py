"""Labelled images with random access, held in memory or decoded on demand."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from rumi_tf.utils.errors import InvalidInput


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """A data set with random access.

    Attributes:
        labels: (N,) int32, in [0, len(class_names)).
        class_names: name of each class.
        image_shape: (height, width, channels).
        gather: (B,) int64 indices -> (B, height, width, channels) float32 in [-1, 1]; usable
            eagerly and inside tf.data.
        fingerprint: hexadecimal digest of the content; for CelebA, which is too large to read at
            every start, of file names and sizes.
        name: index -> name of the image in messages.
        note: information for the user, e.g. which files were skipped.
    """

    labels: np.ndarray
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    gather: Callable[[tf.Tensor], tf.Tensor]
    fingerprint: str
    name: Callable[[int], str] = "image {}".format
    note: str = ""

    def __len__(self) -> int:
        return len(self.labels)


def scale(images: tf.Tensor) -> tf.Tensor:
    """Maps pixel values [0, 255] of any dtype to float32 in [-1, 1]."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def from_memory(
    images: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...]
) -> LabelledImages:
    """Creates a data set from (N, H, W, C) uint8 images in memory."""
    images = np.ascontiguousarray(images, np.uint8)
    labels = np.asarray(labels, np.int32)
    with tf.device("cpu"):
        tensor = tf.constant(images)
    digest = hashlib.sha256(images)
    digest.update(labels)
    return LabelledImages(
        labels=labels,
        class_names=class_names,
        image_shape=tuple(images.shape[1:]),
        gather=lambda indices: scale(tf.gather(tensor, tf.cast(indices, tf.int64))),
        fingerprint=digest.hexdigest(),
    )


def from_loader(
    load: Callable[[tf.Tensor], tf.Tensor],
    labels: np.ndarray,
    class_names: tuple[str, ...],
    image_shape: tuple[int, int, int],
    content: bytes,
    name: Callable[[int], str],
) -> LabelledImages:
    """Creates a data set that loads images one by one when a batch needs them.

    Args:
        load: scalar int64 index -> (height, width, channels) pixel values in [0, 255].
        labels: (N,) integer labels.
        class_names: name of each class.
        image_shape: shape of what `load` returns.
        content: bytes that change with the images; hashed for the fingerprint.
        name: index -> name of the image in messages.
    """

    def gather(indices: tf.Tensor) -> tf.Tensor:
        signature = tf.TensorSpec(image_shape, tf.float32)

        def load_one(index: tf.Tensor) -> tf.Tensor:
            return tf.ensure_shape(tf.cast(load(index), tf.float32), image_shape)

        return scale(tf.map_fn(load_one, tf.cast(indices, tf.int64), fn_output_signature=signature))

    labels = np.asarray(labels, np.int32)
    digest = hashlib.sha256(content)
    digest.update(labels)
    return LabelledImages(labels, class_names, image_shape, gather, digest.hexdigest(), name)


def joined(first: LabelledImages, second: LabelledImages) -> LabelledImages:
    """Concatenates two data sets.

    Raises:
        ValueError: different classes or image shapes.
    """
    if (first.class_names, tuple(first.image_shape)) != (
        second.class_names,
        tuple(second.image_shape),
    ):
        raise ValueError(
            f"data sets must have the same classes and image shape; got {first.image_shape} and "
            f"{second.image_shape}"
        )
    count = len(first)

    def gather(indices: tf.Tensor) -> tf.Tensor:
        indices = tf.cast(indices, tf.int64)
        source = tf.cast(indices >= count, tf.int32)
        positions = tf.dynamic_partition(tf.range(tf.size(indices)), source, 2)
        of_first, of_second = tf.dynamic_partition(indices, source, 2)
        images = [first.gather(of_first), second.gather(of_second - count)]
        return tf.ensure_shape(tf.dynamic_stitch(positions, images), (None, *first.image_shape))

    digest = hashlib.sha256(f"{first.fingerprint} {second.fingerprint}".encode())
    return LabelledImages(
        labels=np.concatenate([first.labels, second.labels]),
        class_names=first.class_names,
        image_shape=first.image_shape,
        gather=gather,
        fingerprint=digest.hexdigest(),
        name=lambda k: first.name(k) if k < count else second.name(k - count),
        note="; ".join(filter(None, [first.note, second.note])),
    )


def unreadable(images: LabelledImages) -> np.ndarray:
    """Indices of the images that cannot be decoded. Slow: decodes every image."""
    indices = tf.data.Dataset.range(len(images))
    decoded = indices.map(lambda k: (k, images.gather(k[tf.newaxis])), tf.data.AUTOTUNE)
    readable = [int(k) for k, _ in decoded.ignore_errors()]
    return np.setdiff1d(np.arange(len(images)), readable)


def translate_decoding_error(error: tf.errors.OpError, images: LabelledImages) -> None:
    """Raises `InvalidInput` if undecodable images caused an error, else re-raises the error."""
    bad: Sequence[int] | np.ndarray = ()
    # Images do not cause out-of-memory errors.
    if not isinstance(error, tf.errors.ResourceExhaustedError):
        bad = unreadable(images)
    if not len(bad):
        raise error
    raise InvalidInput(
        "data_dir",
        f"{len(bad)} of {len(images)} images cannot be decoded, the first is "
        f"{images.name(int(bad[0]))}; fix or remove them, or pass --skip_unreadable",
    ) from error


def without(images: LabelledImages, dropped: np.ndarray) -> LabelledImages:
    """Returns the data set without the images at the `dropped` indices."""
    remaining = np.setdiff1d(np.arange(len(images)), dropped)
    index = tf.constant(remaining, tf.int64)
    return dataclasses.replace(
        images,
        labels=images.labels[remaining],
        gather=lambda indices: images.gather(tf.gather(index, tf.cast(indices, tf.int64))),
        fingerprint=hashlib.sha256(images.fingerprint.encode() + remaining.tobytes()).hexdigest(),
        name=lambda k: images.name(int(remaining[k])),
    )
