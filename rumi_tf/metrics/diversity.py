"""Diversity of images within a class and of pixels over images."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import pdist

from rumi_tf.metrics import checks

MAX_IMAGES = 1000  # images per class to compare


def intra_class_distances(
    features: np.ndarray, labels: Sequence[int] | np.ndarray
) -> dict[int, float]:
    """Mean Euclidean distance between two images of the same class, for every class.

    In [0, inf); 0 if all images of the class are equal, larger is more diverse. A conditional
    generator that avoids regions near other classes, as AC-GAN does (UAC-GAN, Section 3), has
    smaller distances than the real images.

    Args:
        features: (n, d). Only the first `MAX_IMAGES` rows of every class are used, so rows of a
            class must be in random order.
        labels: (n,) class of each row.

    Returns:
        Class -> distance, in units of the features, without classes that have one row.

    Raises:
        ValueError: features that are not finite numbers, or a different number of labels.
    """
    rows, classes = checks.feature_rows("features", features), np.asarray(labels)
    if classes.shape != (len(rows),):
        raise ValueError(f"labels has shape {classes.shape}; expected ({len(rows)},), one per row")
    members = {int(k): rows[classes == k][:MAX_IMAGES] for k in np.unique(classes)}
    return {k: float(pdist(x).mean()) for k, x in members.items() if len(x) > 1}


def diversity(images: np.ndarray) -> float:
    """Standard deviation over (N, H, W, C) images, averaged over pixels and channels."""
    return float(np.mean(np.std(np.asarray(images, np.float64), axis=0)))
