"""Loads the embedding of a configuration."""

import os
from pathlib import Path

from rumi_tf.config.run import RunConfig
from rumi_tf.data.dataset import LabelledImages
from rumi_tf.data.loaders import load_images
from rumi_tf.evaluation.embeddings.base import Embedding
from rumi_tf.evaluation.embeddings.classifier import load_classifier
from rumi_tf.evaluation.embeddings.inception import load_inception
from rumi_tf.utils.errors import InvalidInput, NoSuchPart


def cache_directory(config: RunConfig) -> Path | None:
    """Directory of cached classifiers and features of real images; created if missing.

    `None` if the configuration has no cache.

    Raises:
        InvalidInput: the directory is not writable.
    """
    if not config.cache_dir:
        return None
    path = Path(os.path.expanduser(config.cache_dir))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput("cache_dir", f"cannot write to {path}: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise InvalidInput("cache_dir", f"cannot write to {path}")
    return path


def load_embedding(
    config: RunConfig, images: LabelledImages | None, name: str, refresh: bool = False
) -> Embedding:
    """Loads the embedding `name`, with the class probabilities of the data set's classifier.

    Inception's features are combined with the classifier's class probabilities, because Inception
    does not know the classes of the data set.

    Args:
        config: resolved config with the weights, the data set and the cache.
        images: labelled training images; `None` without a data set, and thus without classes.
        name: `inception`, `inception_299` or `classifier`.
        refresh: trains the classifier again.

    Raises:
        InvalidInput: the weights of Inception, or labelled images for a classifier, are missing.
    """
    inception = None
    if name != "classifier":
        inception = load_inception(name, os.path.expanduser(config.inception_weights) or None)
        if images is None:
            return inception
    if images is None:
        raise InvalidInput(
            "embedding",
            "classifier needs a data set with classes; set --dataset or use --embedding=inception",
        )
    classifier, _ = load_classifier(
        images, test_part(config), dataset=config.dataset, cache_dir=cache_directory(config),
        refresh=refresh,
    )  # fmt: skip
    return inception.with_classes_of(classifier) if inception else classifier


def test_part(config: RunConfig) -> LabelledImages | None:
    """Test part of a data set; `None` if it has no test part."""
    try:
        return load_images(config, "test")
    except NoSuchPart:
        return None
