"""A small classifier of the data set's classes, as an embedding that needs no download.

Its scores are on a different scale than Inception's and cannot be compared with published ones.
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

from rumi_tf.data.dataset import LabelledImages, translate_decoding_error
from rumi_tf.data.pipeline import batch_stream
from rumi_tf.data.splits import stratified
from rumi_tf.evaluation.embeddings.base import Embedding, image_batches, weights_digest
from rumi_tf.evaluation.embeddings.weights import load_weights
from rumi_tf.utils import locks
from rumi_tf.utils.console import with_progress
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
# Epochs by data set, 1 for others, within the limits of UPDATES.
EPOCHS = {"mnist": 3, "fashion_mnist": 5, "cifar10": 6}
UPDATES = (500, 8000)  # minimum, maximum
HELD_OUT = 0.2  # share of each class that is held out if the data set has no test part
VERSION = 1  # of the network and its training; a new version invalidates cached classifiers
MIN_RECALL = 0.5  # a class with lower recall gets a warning


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """Accuracy of a classifier on real images that it was not trained on.

    Attributes:
        images: number of images.
        accuracy: share of correctly classified images.
        recall: accuracy by class; `None` for a class without images.
    """

    images: int
    accuracy: float
    recall: tuple[float | None, ...]


def load_classifier(
    train: LabelledImages,
    test: LabelledImages | None,
    *,
    dataset: str,
    cache_dir: str | Path | None,
    seed: int = 0,
    refresh: bool = False,
) -> tuple[Embedding, Accuracy]:
    """Loads the classifier from the cache, or trains it; returns the embedding and its accuracy.

    Features are the activations of the last hidden layer, after ReLU.

    Args:
        train: labelled images to train on.
        test: images to measure the accuracy on; `None` holds out a fifth of `train`.
        dataset: name of the data set, which determines the number of epochs.
        cache_dir: cache of trained classifiers, by the content of `train` and `test`; `None`
            keeps nothing.
        seed: seed of initial weights, dropout and order.
        refresh: trains again even if there is a cached classifier.

    Raises:
        OSError: the disk is full.
    """
    network = classifier_network(train, seed)
    accuracy: Accuracy | None
    if cache_dir is None:
        accuracy = _train(network, train, test, dataset, seed)
    else:
        tested = test.fingerprint if test else "held out"
        text = json.dumps([VERSION, train.fingerprint, tested, train.image_shape, dataset, seed])
        key = hashlib.sha256(text.encode()).hexdigest()[:16]
        path = Path(cache_dir) / f"classifier-{dataset}-{key}.weights.h5"
        with locks.held(path.with_suffix(".lock")):  # a second process waits and reuses
            accuracy = None if refresh else _from_cache(network, path)
            if accuracy is None:
                accuracy = _train(network, train, test, dataset, seed)
                _save(network, path, accuracy)

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
        notes=_notes(accuracy, train.class_names),
    ), accuracy


def _save(network: keras.Model, path: Path, accuracy: Accuracy) -> None:
    for file in (path, path.with_suffix(".json")):
        remove_temporaries(path.parent, file.name)
    size = 2 * sum(weight.nbytes for weight in network.get_weights()) + 100_000
    if shutil.disk_usage(path.parent).free < size:  # HDF5 would crash the process
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    with atomic_path(path) as temporary:
        network.save_weights(temporary)
    write_json(path.with_suffix(".json"), _record(path, accuracy))


def _notes(accuracy: Accuracy, class_names: Sequence[str]) -> tuple[str, ...]:
    poor = [
        name
        for name, recall in zip(class_names, accuracy.recall, strict=True)
        if recall is not None and recall < MIN_RECALL
    ]
    if not poor:
        return ()
    names = ", ".join(poor[:5]) + (", ..." if len(poor) > 5 else "")
    return (
        f"the classifier knows fewer than half of the real images of {names}: do not trust "
        "their shares",
    )


def _record(path: Path, accuracy: Accuracy) -> dict:
    """Content of the JSON file of the weights: the accuracy, and a digest of both."""
    record = json.loads(json.dumps(dataclasses.asdict(accuracy)))
    text = json.dumps(record, sort_keys=True) + digest_of(path)
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), **record}


def _from_cache(network: keras.Model, path: Path) -> Accuracy | None:
    """Loads cached weights and returns their accuracy; `None` if missing or damaged."""
    try:
        record = read_json(path.with_suffix(".json"))
        fields = {f.name: record[f.name] for f in dataclasses.fields(Accuracy)}
        accuracy = Accuracy(**{**fields, "recall": tuple(fields["recall"])})
        if record != _record(path, accuracy):
            return None
        load_weights(network, path)
        return accuracy
    except (OSError, ValueError, KeyError, TypeError):
        return None


def classifier_network(images: LabelledImages, seed: int) -> keras.Model:
    """Blocks of two convolutions and pooling, a dense layer of `FEATURES` units, and class logits.

    Args:
        images: data set that determines the image shape and the classes.
        seed: seed of the initial weights and of dropout.

    Returns:
        (B, H, W, C) float32 in [-1, 1] -> features (B, `FEATURES`) and logits (B, K).
    """
    seeds = iter(initializer_seeds(seed, "classifier", 32))

    def seeded(layer, *args, **keywords):
        initializer = keras.initializers.HeNormal(seed=next(seeds))
        return layer(*args, kernel_initializer=initializer, **keywords)

    x = inputs = keras.Input(images.image_shape)
    size, filters = images.image_shape[0], 16 if images.image_shape[2] == 1 else 32
    while size > 4:
        for _ in range(2):
            x = seeded(layers.Conv2D, filters, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.ReLU()(x)
        x = layers.MaxPooling2D(2)(x)
        size, filters = size // 2, min(2 * filters, 128)
    x = layers.Flatten()(x)
    features = seeded(layers.Dense, FEATURES, activation="relu")(x)
    x = layers.Dropout(0.4, seed=next(seeds))(features)
    return keras.Model(inputs, [features, seeded(layers.Dense, len(images.class_names))(x)])


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
        tested, index = train, _held_out(train.labels, seed)
        chosen = np.setdiff1d(chosen, index)
    else:
        tested, index = test, np.arange(len(test))
    fit_classifier(
        network, train, chosen, updates=num_updates(dataset, len(chosen)), seed=seed,
        title=f"training the classifier of {dataset}",
    )  # fmt: skip
    return _accuracy(network, tested, index)


def num_updates(dataset: str, num: int) -> int:
    """Number of updates for a classifier trained on `num` images of a data set."""
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
        network: network with its initial weights.
        images: the data set.
        chosen: (n,) indices of the images to train on; may repeat.
        updates: number of updates.
        seed: seed of the order.
        title: title of the progress bar.
        class_weights: (K,) weight of the loss by class; `None` for 1.

    Raises:
        InvalidInput: an image cannot be decoded.
    """
    batches = batch_stream(
        images, {"all": chosen}, ({"all": "all"},), batch_size=BATCH, seed=seed, stop=updates
    )
    classifier = keras.Model(network.input, network.outputs[1])
    classifier.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, updates)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,  # XLA, the default, takes twice as long on a CPU
    )

    def inputs(update: Mapping[str, Mapping[str, tf.Tensor]]) -> tuple[tf.Tensor, ...]:
        image, label = update["all"]["image"], update["all"]["label"]
        if class_weights is None:
            return image, label
        return image, label, tf.gather(tf.constant(class_weights, tf.float32), label)

    try:
        classifier.fit(
            batches.map(inputs), steps_per_epoch=updates, epochs=1, verbose=0, shuffle=False,
            callbacks=[_ProgressBar(updates, title)],
        )  # fmt: skip
    except tf.errors.OpError as error:
        translate_decoding_error(error, images)


def predicted_labels(network: keras.Model, images: LabelledImages, index: np.ndarray) -> np.ndarray:
    """(n,) labels that a `classifier_network` predicts for the images at (n,) indices."""

    @tf.function(reduce_retracing=True)
    def label(batch: tf.Tensor) -> tf.Tensor:
        return tf.argmax(network(batch, training=False)[1], axis=1)

    return np.concatenate([label(batch).numpy() for batch in image_batches(images, index)])


def _held_out(labels: np.ndarray, seed: int) -> np.ndarray:
    """Random indices of a fifth of every class, at least one in total."""
    indices = stratified(labels, HELD_OUT, seed, "held out")
    return (
        indices if len(indices) else numpy_generator(seed, "held out").permutation(len(labels))[:1]
    )


class _ProgressBar(keras.callbacks.Callback):
    """Progress bar of the training."""

    def __init__(self, updates: int, title: str):
        super().__init__()
        self._steps: Any = with_progress(range(updates), updates, title, "it")

    def on_train_batch_end(self, batch, logs=None):
        """Advances the bar."""
        next(self._steps, None)

    def on_train_end(self, logs=None):
        """Closes the bar."""
        self._steps.close()


def _accuracy(network: keras.Model, images: LabelledImages, index: np.ndarray) -> Accuracy:
    labels = images.labels[index]
    correct = predicted_labels(network, images, index) == labels
    recall = [
        float(np.mean(correct[labels == k])) if np.any(labels == k) else None
        for k in range(len(images.class_names))
    ]
    return Accuracy(len(index), float(np.mean(correct)), tuple(recall))
