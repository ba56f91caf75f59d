"""Networks that map images to features and class probabilities for the metrics."""

from rumi_tf.evaluation.embeddings.base import Embedding, image_batches
from rumi_tf.evaluation.embeddings.classifier import Accuracy, load_classifier
from rumi_tf.evaluation.embeddings.inception import load_inception
from rumi_tf.evaluation.embeddings.loading import cache_directory, load_embedding, test_part

__all__ = [
    "Accuracy", "Embedding", "cache_directory", "image_batches", "load_classifier",
    "load_embedding", "load_inception", "test_part",
]  # fmt: skip
