"""Inception score of class probabilities."""

import numpy as np
from scipy.special import rel_entr

from rumi_tf.metrics import checks


def inception_score(probabilities: np.ndarray, splits: int = 10) -> tuple[float, float]:
    """exp(E_x KL(p(y|x) || p(y))) on consecutive parts of the samples: mean and deviation.

    Salimans et al., NeurIPS 2016, Section 4; p(y) is the mean of p(y|x) over the same part. Every
    part's score is in [1, K]: 1 if all images have the same probabilities, K if every image is
    certain and all K classes are equally frequent. A part of r rows has at most r. Fewer samples
    score lower. The parts are consecutive, so rows must be in random order, not sorted by class.

    Args:
        probabilities: (n, K) softmax outputs for generated images, n >= splits.
        splits: number of parts.

    Returns:
        Mean and standard deviation (divisor `splits`) over the parts.

    Raises:
        ValueError: rows that are no probabilities, or fewer rows than parts.
    """
    rows = checks.probability_rows(probabilities)
    splits = checks.whole_number("splits", splits, 1)
    if splits > len(rows):
        raise ValueError(
            f"splits is {splits}, but there are {len(rows)} samples; it must be at most that"
        )
    scores = [
        np.exp(rel_entr(part, part.mean(axis=0)).sum(axis=1).mean())
        for part in np.array_split(rows, splits)
    ]
    return float(np.mean(scores)), float(np.std(scores))
