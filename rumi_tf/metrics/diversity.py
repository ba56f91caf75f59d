"""How different the images of one class are from each other."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import pdist

from rumi_tf.metrics import checks

LARGEST = 1000  # images of a class that are compared with each other


def intra_class_distances(
    features: np.ndarray, labels: Sequence[int] | np.ndarray
) -> dict[int, float]:
    """Mean Euclidean distance between two different images of a class, for every class.

    At least 0, and 0 if all images of the class are the same; larger is more diverse. A generator
    that is told a class and avoids what lies near other classes, as AC-GAN does (UAC-GAN, Section
    3), has a smaller one than the real images.

    Args:
        features: (n, d); of every class the first `LARGEST` rows count, so rows must be in random
            order within a class.
        labels: (n,) the class of each row.

    Returns:
        Class -> distance, in the unit of the features; classes with one row are left out.

    Raises:
        ValueError: features that are no finite numbers, or another number of labels.
    """
    rows, classes = checks.feature_rows("features", features), np.asarray(labels)
    if classes.shape != (len(rows),):
        raise ValueError(
            f"labels has shape {classes.shape}; it must be ({len(rows)},), one per row"
        )
    members = {int(k): rows[classes == k][:LARGEST] for k in np.unique(classes)}
    return {k: float(pdist(own).mean()) for k, own in members.items() if len(own) > 1}


def diversity(images: np.ndarray) -> float:
    """Mean over pixels and channels of the standard deviation over images, (N, H, W, C)."""
    return float(np.mean(np.std(np.asarray(images, np.float64), axis=0)))
