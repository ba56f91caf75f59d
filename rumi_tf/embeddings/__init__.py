"""Networks that turn images into features and class probabilities, for the metrics."""

from rumi_tf.embeddings.base import Embedding, image_batches
from rumi_tf.embeddings.classifier import Accuracy, load_classifier
from rumi_tf.embeddings.inception import load_inception
from rumi_tf.embeddings.loading import cache_directory, load_embedding, test_part

__all__ = [
    "Accuracy", "Embedding", "cache_directory", "image_batches", "load_classifier",
    "load_embedding", "load_inception", "test_part",
]  # fmt: skip
