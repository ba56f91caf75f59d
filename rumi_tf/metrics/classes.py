"""Shares of classes and of class subsets among generated images, by a classifier."""

from collections.abc import Sequence

import numpy as np

from rumi_tf.metrics import checks


def class_histogram(probabilities: np.ndarray) -> np.ndarray:
    """Share of images per most probable class, (K,) in [0, 1], summing to 1.

    Args:
        probabilities: (n, K) softmax outputs; ties count for the first class.

    Raises:
        ValueError: invalid probabilities.
    """
    rows = checks.probability_rows(probabilities)
    return np.bincount(rows.argmax(axis=1), minlength=rows.shape[1]) / len(rows)


def split_shares(
    probabilities: np.ndarray, positive: Sequence[int], negative: Sequence[int]
) -> dict[str, float]:
    """Shares of images per subset of the data, by their most probable class.

    A Rumi-GAN must avoid `negative_only`. How often it generates classes in both subsets depends
    on its weights (Rumi-GAN, Lemmas 3.1 and 3.2).

    Args:
        probabilities: (n, K) softmax outputs for generated images.
        positive: indices of the positive classes.
        negative: indices of the negative classes; may be empty or overlap with `positive`.

    Returns:
        `positive_only`, `negative_only`, `both` and `neither`, each in [0, 1], summing to 1.

    Raises:
        ValueError: invalid probabilities or unknown classes.
    """
    shares = class_histogram(probabilities)
    positives = checks.class_indices("positive", positive, shares.size)
    negatives = checks.class_indices("negative", negative, shares.size) if len(negative) else set()
    groups = {
        "positive_only": positives - negatives,
        "negative_only": negatives - positives,
        "both": positives & negatives,
        "neither": set(range(shares.size)) - positives - negatives,
    }
    return {name: float(shares[sorted(members)].sum()) for name, members in groups.items()}
