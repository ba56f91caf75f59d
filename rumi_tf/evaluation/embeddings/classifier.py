"""A small classifier of a data set's own classes: an embedding that needs no download.

Its scores are of another scale than Inception's and cannot be compared with published ones.
"""

import dataclasses
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from rumi_tf.data.dataset import LabelledImages, explain
from rumi_tf.data.pipeline import batch_stream
from rumi_tf.data.splits import stratified
from rumi_tf.evaluation.embeddings.base import Embedding, image_batches, weights_digest
from rumi_tf.evaluation.embeddings.weights import load_weights
from rumi_tf.utils import locks
from rumi_tf.utils.console import tracked
from rumi_tf.utils.io import (
    atomic_path,
    digest_of,
    read_json,
    remove_temporaries,
    write_json,
)
from rumi_tf.utils.rng import initializer_seeds, numpy_generator

FEATURES = 128
BATCH = 64
# Passes over the training images. Small sets are gone through more often, large ones in part.
EPOCHS = {"mnist": 3, "fashion_mnist": 5, "cifar10": 6}
UPDATES = (500, 8000)  # at least, at most
HELD_OUT = 0.2  # share of each class, where the data set has no test part
# Of the network and its training: a change makes every classifier in a cache a stale one.
VERSION = 1
POOR = 0.5  # below this recall a class's share of the generated images says little


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """How well a classifier knows real images that it was not trained on.

    Attributes:
        images: how many were judged.
        accuracy: share that was put in the right class.
        recall: the same, by class; `None` for a class without such images.
    """

    images: int
    accuracy: float
    recall: tuple[float | None, ...]


def load_classifier(
    train: LabelledImages,
    test: LabelledImages | None,
    *,
    dataset: str,
    cache_dir: str | Path,
    seed: int = 0,
    refresh: bool = False,
) -> tuple[Embedding, Accuracy]:
    """The embedding and its accuracy; trained here, or taken from the cache.

    Features are the units before the class scores, after their ReLU.

    Args:
        train: labelled images to train on.
        test: images to measure the accuracy on; `None` holds out a fifth of `train`.
        dataset: its name, which decides the number of epochs.
        cache_dir: where trained classifiers are kept, by the content of `train` and `test`.
        seed: of initial weights, dropout and order.
        refresh: trains anew even if there is a cached one.

    Raises:
        OSError: the disk is full.
    """
    judged = test.fingerprint if test else "held out"
    text = json.dumps([VERSION, train.fingerprint, judged, train.image_shape, dataset, seed])
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = Path(cache_dir) / f"classifier-{dataset}-{key}.weights.h5"
    network = classifier_network(train, seed)
    with locks.held(path.with_suffix(".lock")):  # of two processes, one waits and reuses
        found = None if refresh else _from_cache(network, path)
        if found is None:
            for file in (path, path.with_suffix(".json")):
                remove_temporaries(path.parent, file.name)
            found = _train(network, train, test, dataset, seed)
            size = 2 * sum(weight.nbytes for weight in network.get_weights()) + 100_000
            if shutil.disk_usage(path.parent).free < size:  # HDF5 would crash the process
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            with atomic_path(path) as temporary:
                network.save_weights(temporary)
            write_json(path.with_suffix(".json"), _record(path, found))

    @tf.function(reduce_retracing=True)
    def embed(images: tf.Tensor) -> dict[str, tf.Tensor]:
        features, logits = network(images, training=False)
        probabilities = tf.nn.softmax(logits)
        return {"features": features, "scores": probabilities, "classes": probabilities}

    identity = f"classifier-{weights_digest(network)}"
    return Embedding(
        "classifier",
        identity,
        embed,
        image_shape=train.image_shape,
        class_names=train.class_names,
        class_identity=identity,
        notes=_notes(found, train.class_names),
    ), found


def _notes(found: Accuracy, class_names: Sequence[str]) -> tuple[str, ...]:
    poor = [
        name
        for name, recall in zip(class_names, found.recall, strict=True)
        if recall is not None and recall < POOR
    ]
    if not poor:
        return ()
    names = ", ".join(poor[:5]) + (", ..." if len(poor) > 5 else "")
    return (
        f"the classifier knows fewer than half of the real images of {names}: do not trust "
        "their shares",
    )


def _record(path: Path, found: Accuracy) -> dict:
    """What stands beside the weights, with a digest of both."""
    record = json.loads(json.dumps(dataclasses.asdict(found)))
    text = json.dumps(record, sort_keys=True) + digest_of(path)
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), **record}


def _from_cache(network: keras.Model, path: Path) -> Accuracy | None:
    """Loads the weights and returns their record; `None` if they are absent or damaged."""
    try:
        record = read_json(path.with_suffix(".json"))
        fields = {f.name: record[f.name] for f in dataclasses.fields(Accuracy)}
        found = Accuracy(**{**fields, "recall": tuple(fields["recall"])})
        if record != _record(path, found):
            return None
        load_weights(network, path)
        return found
    except (OSError, ValueError, KeyError, TypeError):
        return None


def classifier_network(images: LabelledImages, seed: int) -> keras.Model:
    """Blocks of two convolutions and pooling, then `FEATURES` units, then class scores.

    Args:
        images: whose shape and classes it is for.
        seed: of the initial weights and of dropout.

    Returns:
        (B, H, W, C) float32 in [-1, 1] -> the features, (B, `FEATURES`), and the scores, (B, K).
    """
    seeds = iter(initializer_seeds(seed, "classifier", 32))

    def weights(layer, *args, **keywords):
        start = keras.initializers.HeNormal(seed=next(seeds))
        return layer(*args, kernel_initializer=start, **keywords)

    x = inputs = keras.Input(images.image_shape)
    size, filters = images.image_shape[0], 16 if images.image_shape[2] == 1 else 32
    while size > 4:
        for _ in range(2):
            x = weights(layers.Conv2D, filters, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.ReLU()(x)
        x = layers.MaxPooling2D(2)(x)
        size, filters = size // 2, min(2 * filters, 128)
    x = layers.Flatten()(x)
    features = weights(layers.Dense, FEATURES, activation="relu")(x)
    x = layers.Dropout(0.4, seed=next(seeds))(features)
    return keras.Model(inputs, [features, weights(layers.Dense, len(images.class_names))(x)])


def _train(
    network: keras.Model,
    train: LabelledImages,
    test: LabelledImages | None,
    dataset: str,
    seed: int,
) -> Accuracy:
    """Trains in place; returns the accuracy on images that were not trained on."""
    chosen = np.arange(len(train))
    if test is None:
        judged, index = train, _held_out(train.labels, seed)
        chosen = np.setdiff1d(chosen, index)
    else:
        judged, index = test, np.arange(len(test))
    fit_classifier(
        network, train, chosen, updates=num_updates(dataset, len(chosen)), seed=seed,
        title=f"training the classifier of {dataset}",
    )  # fmt: skip
    return _judge(network, judged, index)


def num_updates(dataset: str, num: int) -> int:
    """How many updates a classifier of `num` images of a data set is trained for."""
    return int(np.clip(EPOCHS.get(dataset, 1) * num // BATCH, *UPDATES))


def fit_classifier(
    network: keras.Model,
    images: LabelledImages,
    chosen: np.ndarray,
    *,
    updates: int,
    seed: int,
    title: str,
    class_weights: np.ndarray | None = None,
) -> None:
    """Trains a `classifier_network` in place: Adam with cosine decay, batches of `BATCH`.

    Args:
        network: with its initial weights.
        images: the data set.
        chosen: (n,) indices of the images to train on; one may occur several times.
        updates: how many.
        seed: of the order.
        title: of the progress bar.
        class_weights: (K,) factors of the loss of an image, by its class; `None` for 1.

    Raises:
        InvalidInput: an image that cannot be decoded.
    """
    batches = batch_stream(
        images, {"all": chosen}, ({"all": "all"},), batch_size=BATCH, seed=seed, stop=updates
    )
    scores = keras.Model(network.input, network.outputs[1])
    scores.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, updates)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,  # Keras's own choice, XLA, takes twice as long on a CPU
    )

    def pair(update: Mapping[str, Mapping[str, tf.Tensor]]) -> tuple[tf.Tensor, ...]:
        image, label = update["all"]["image"], update["all"]["label"]
        if class_weights is None:
            return image, label
        return image, label, tf.gather(tf.constant(class_weights, tf.float32), label)

    try:
        scores.fit(
            batches.map(pair), steps_per_epoch=updates, epochs=1, verbose=0, shuffle=False,
            callbacks=[_Bar(updates, title)],
        )  # fmt: skip
    except tf.errors.OpError as error:
        explain(error, images)


def predicted_labels(network: keras.Model, images: LabelledImages, index: np.ndarray) -> np.ndarray:
    """(n,) labels that a `classifier_network` gives the images at (n,) indices."""

    @tf.function(reduce_retracing=True)
    def label(batch: tf.Tensor) -> tf.Tensor:
        return tf.argmax(network(batch, training=False)[1], axis=1)

    return np.concatenate([label(batch).numpy() for batch in image_batches(images, index)])


def _held_out(labels: np.ndarray, seed: int) -> np.ndarray:
    """Indices of a fifth of every class, at random; at least one in all."""
    held = stratified(labels, HELD_OUT, seed, "held out")
    return held if len(held) else numpy_generator(seed, "held out").permutation(len(labels))[:1]


class _Bar(keras.callbacks.Callback):
    """Shows how much of the training is done, on a terminal."""

    def __init__(self, updates: int, title: str):
        super().__init__()
        self._steps: Any = tracked(range(updates), updates, title, "it")

    def on_train_batch_end(self, batch, logs=None):
        """Counts."""
        next(self._steps, None)

    def on_train_end(self, logs=None):
        """Takes the bar away."""
        self._steps.close()


def _judge(network: keras.Model, images: LabelledImages, index: np.ndarray) -> Accuracy:
    labels = images.labels[index]
    right = predicted_labels(network, images, index) == labels
    recall = [
        float(np.mean(right[labels == k])) if np.any(labels == k) else None
        for k in range(len(images.class_names))
    ]
    return Accuracy(len(index), float(np.mean(right)), tuple(recall))
