"""What every embedding offers: features and class probabilities of a stream of images."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from rumi_tf.data.dataset import LabelledImages, explain

BATCH = 100
OUTPUTS = ("features", "scores", "classes")


@dataclasses.dataclass(frozen=True)
class Embedding:
    """A network for the metrics.

    Attributes:
        name: `inception`, `inception_299` or `classifier`.
        identity: changes when the network's weights do.
        embed: (B, H, W, C) float32 images in [-1, 1] -> by name, (B, ...) float32: `features`
            (B, D); `scores` (B, S), the class probabilities that the Inception score is
            made of; `classes` (B, K), probabilities of the data set's own classes. S or K is 0
            where there are none.
        image_shape: the only shape of images it takes; `None` where it takes any.
        class_names: of the classes in `classes`.
        class_identity: `identity` of the network that gives `classes`.
        notes: what a reader of its numbers must know.
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
        """Outputs for a stream of images, whatever the sizes of its batches.

        Args:
            batches: arrays (n, H, W, C) in [-1, 1].
            batch_size: images that the network takes at once; does not change the result.
        """
        for images in _regrouped(batches, batch_size):
            count = len(images)
            if count < batch_size:  # one shape for all calls: no second compilation
                padding = np.repeat(images[-1:], batch_size - count, axis=0)
                images = np.concatenate([images, padding])
            outputs = self.embed(tf.constant(images, tf.float32))
            yield {name: outputs[name].numpy()[:count] for name in OUTPUTS}

    def with_classes_of(self, other: "Embedding") -> "Embedding":
        """This embedding, with the class probabilities of another one beside its features."""
        own, others = self.embed, other.embed
        return dataclasses.replace(
            self,
            embed=lambda images: {**own(images), "classes": others(images)["classes"]},
            image_shape=other.image_shape,
            class_names=other.class_names,
            class_identity=other.identity,
            notes=self.notes + other.notes,
        )


def _regrouped(batches: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    waiting: list[np.ndarray] = []
    count = 0
    for batch in batches:
        waiting.append(np.asarray(batch, np.float32))
        count += len(batch)
        if count >= size:
            pool = np.concatenate(waiting)
            whole = count // size * size
            yield from np.split(pool[:whole], whole // size)
            waiting, count = [pool[whole:]], count - whole
    if count:
        yield np.concatenate(waiting)


def image_batches(
    images: LabelledImages, indices: np.ndarray, batch_size: int = BATCH
) -> Iterator[np.ndarray]:
    """Yields the images at `indices`, in their order, as (n, H, W, C) float32 in [-1, 1].

    Raises:
        InvalidInput: an image that cannot be decoded, when its turn comes.
    """
    chosen = tf.data.Dataset.from_tensor_slices(np.asarray(indices, np.int64)).batch(batch_size)
    loaded = chosen.map(images.gather, tf.data.AUTOTUNE, deterministic=True)
    try:
        yield from loaded.prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
    except tf.errors.OpError as error:
        explain(error, images)


def weights_digest(network: keras.Model) -> str:
    """Sixteen hexadecimal digits that change when a weight does."""
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(np.ascontiguousarray(weight))
    return digest.hexdigest()[:16]
