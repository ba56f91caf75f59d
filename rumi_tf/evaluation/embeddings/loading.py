"""The embedding that a configuration asks for."""

import os
from pathlib import Path

from rumi_tf.config.run import RunConfig
from rumi_tf.data.dataset import LabelledImages
from rumi_tf.data.loaders import load_images
from rumi_tf.evaluation.embeddings.base import Embedding
from rumi_tf.evaluation.embeddings.classifier import load_classifier
from rumi_tf.evaluation.embeddings.inception import load_inception
from rumi_tf.utils.errors import InvalidInput, NoSuchPart


def cache_directory(config: RunConfig) -> Path:
    """Where classifiers and statistics of real images are kept.

    Raises:
        InvalidInput: nothing can be written there.
    """
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
    """The embedding `name`, with the classes of the data set if there is one.

    Inception knows nothing of the classes of a data set: beside its features, the classifier
    tells which classes generated images belong to.

    Args:
        config: resolved; names the weights, the data set and the cache.
        images: labelled training images of the data set; `None` if there is none.
        name: `inception`, `inception_299` or `classifier`.
        refresh: trains the classifier anew.

    Raises:
        InvalidInput: the weights of Inception, or labelled images for a classifier, are missing.
    """
    plain = None
    if name != "classifier":
        plain = load_inception(name, os.path.expanduser(config.inception_weights) or None)
        if images is None:
            return plain
    if images is None:
        raise InvalidInput(
            "embedding",
            "classifier needs a data set with classes to learn from; name one with --dataset, or "
            "use --embedding=inception",
        )
    learnt, _ = load_classifier(
        images, test_part(config), dataset=config.dataset, cache_dir=cache_directory(config),
        refresh=refresh,
    )  # fmt: skip
    return plain.with_classes_of(learnt) if plain else learnt


def test_part(config: RunConfig) -> LabelledImages | None:
    """The test part of a data set; `None` where it has none."""
    try:
        return load_images(config, "test")
    except NoSuchPart:
        return None
