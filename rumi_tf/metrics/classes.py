"""What a classifier sees in generated images: which classes, and of which subset of the data."""

from collections.abc import Sequence

import numpy as np

from rumi_tf.metrics import checks


def class_histogram(probabilities: np.ndarray) -> np.ndarray:
    """Share of images by most probable class: (K,), each in [0, 1], with the sum 1.

    Args:
        probabilities: (n, K) softmax outputs; of equal ones the first class counts.

    Raises:
        ValueError: rows that are no probabilities.
    """
    rows = checks.probability_rows(probabilities)
    return np.bincount(rows.argmax(axis=1), minlength=rows.shape[1]) / len(rows)


def split_shares(
    probabilities: np.ndarray, positive: Sequence[int], negative: Sequence[int]
) -> dict[str, float]:
    """Shares of images by the subset of the data that their most probable class belongs to.

    A Rumi-GAN must keep away from `negative_only`; what it does with classes that are in both
    subsets depends on its weights (Rumi-GAN, Lemmas 3.1 and 3.2).

    Args:
        probabilities: (n, K) softmax outputs for generated images.
        positive: indices of the positive classes.
        negative: indices of the negative classes, if there are any; may share some with
            `positive`.

    Returns:
        `positive_only`, `negative_only`, `both` and `neither`, in [0, 1], with the sum 1.

    Raises:
        ValueError: rows that are no probabilities, or classes that do not exist.
    """
    shares = class_histogram(probabilities)
    inside = checks.class_indices("positive", positive, shares.size)
    outside = checks.class_indices("negative", negative, shares.size) if len(negative) else set()
    groups = {
        "positive_only": inside - outside,
        "negative_only": outside - inside,
        "both": inside & outside,
        "neither": set(range(shares.size)) - inside - outside,
    }
    return {name: float(shares[sorted(members)].sum()) for name, members in groups.items()}
