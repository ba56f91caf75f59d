"""Embeddings: features and class probabilities of a stream of images."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from rumi_tf.data.dataset import LabelledImages, translate_decoding_error

BATCH = 100
OUTPUTS = ("features", "scores", "classes")


@dataclasses.dataclass(frozen=True)
class Embedding:
    """A network that maps images to features for the metrics.

    Attributes:
        name: `inception`, `inception_299` or `classifier`.
        identity: name and digest of the weights.
        embed: (B, H, W, C) float32 images in [-1, 1] -> by name, (B, ...) float32: `features`
            (B, D); `scores` (B, S), class probabilities for the Inception score; `classes` (B, K),
            probabilities of the data set's classes. S and K may be 0.
        image_shape: required image shape; `None` for any.
        class_names: names of the K classes.
        class_identity: `identity` of the network that computes `classes`.
        notes: caveats for readers of the metrics.
    """

    name: str
    identity: str
    embed: Callable[[tf.Tensor], Mapping[str, tf.Tensor]]
    image_shape: tuple[int, int, int] | None = None
    class_names: tuple[str, ...] = ()
    class_identity: str = ""
    notes: tuple[str, ...] = ()

    def stream(
        self, batches: Iterable[np.ndarray], batch_size: int = BATCH
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yields outputs for a stream of images with batches of any size.

        Args:
            batches: arrays (n, H, W, C) in [-1, 1].
            batch_size: batch size of the network; does not change the result.
        """
        for images in _rebatch(batches, batch_size):
            count = len(images)
            if count < batch_size:  # one shape avoids a second compilation
                padding = np.repeat(images[-1:], batch_size - count, axis=0)
                images = np.concatenate([images, padding])
            outputs = self.embed(tf.constant(images, tf.float32))
            yield {name: outputs[name].numpy()[:count] for name in OUTPUTS}

    def with_classes_of(self, other: "Embedding") -> "Embedding":
        """Returns this embedding with the class probabilities of another one."""
        embed, classify = self.embed, other.embed
        return dataclasses.replace(
            self,
            embed=lambda images: {**embed(images), "classes": classify(images)["classes"]},
            image_shape=other.image_shape,
            class_names=other.class_names,
            class_identity=other.identity,
            notes=self.notes + other.notes,
        )


def _rebatch(batches: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Splits batches of any size into batches of `size`; the last one may be smaller."""
    pending: list[np.ndarray] = []
    count = 0
    for batch in batches:
        pending.append(np.asarray(batch, np.float32))
        count += len(batch)
        if count >= size:
            pool = np.concatenate(pending)
            end = count // size * size
            yield from np.split(pool[:end], end // size)
            pending, count = [pool[end:]], count - end
    if count:
        yield np.concatenate(pending)


def image_batches(
    images: LabelledImages, indices: np.ndarray, batch_size: int = BATCH
) -> Iterator[np.ndarray]:
    """Yields the images at `indices`, in this order, as (n, H, W, C) float32 in [-1, 1].

    Raises:
        InvalidInput: an image cannot be decoded.
    """
    batches = tf.data.Dataset.from_tensor_slices(np.asarray(indices, np.int64)).batch(batch_size)
    loaded = batches.map(images.gather, tf.data.AUTOTUNE, deterministic=True)
    try:
        yield from loaded.prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
    except tf.errors.OpError as error:
        translate_decoding_error(error, images)


def weights_digest(network: keras.Model) -> str:
    """Digest of all weights, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(np.ascontiguousarray(weight))
    return digest.hexdigest()[:16]
