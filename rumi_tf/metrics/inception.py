"""Inception score."""

import numpy as np
from scipy.special import rel_entr

from rumi_tf.metrics import checks


def inception_score(probabilities: np.ndarray, splits: int = 10) -> tuple[float, float]:
    """Mean and standard deviation of exp(E_x KL(p(y|x) || p(y))) over splits of the samples.

    Salimans et al., NeurIPS 2016, Section 4; p(y) is the mean of p(y|x) over a split. The score of
    a split is in [1, K]: 1 if all images have the same probabilities, K if every image is certain
    and all K classes are equally frequent. A split of r rows scores at most r. Fewer samples score
    lower. Splits are consecutive, so rows must be in random order, not sorted by class.

    Args:
        probabilities: (n, K) softmax outputs for generated images, n >= splits.
        splits: number of splits.

    Returns:
        Mean and standard deviation (divisor `splits`) over the splits.

    Raises:
        ValueError: invalid probabilities, or fewer rows than splits.
    """
    rows = checks.probability_rows(probabilities)
    splits = checks.integer("splits", splits, 1)
    if splits > len(rows):
        raise ValueError(
            f"splits is {splits}, but there are {len(rows)} samples; use at most {len(rows)} splits"
        )
    scores = [
        np.exp(rel_entr(part, part.mean(axis=0)).sum(axis=1).mean())
        for part in np.array_split(rows, splits)
    ]
    return float(np.mean(scores)), float(np.std(scores))
