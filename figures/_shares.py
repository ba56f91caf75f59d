"""What a lemma predicts for the classes of a data set."""

from collections.abc import Mapping

import numpy as np

from rumi_tf.theory import rumi_sgan_optimum


def predicted_shares(
    labels: np.ndarray, indices: Mapping[str, np.ndarray], alpha_pos: float, alpha_neg: float
) -> np.ndarray:
    """(K,) shares of the classes at the optimum of Lemma 3.1.

    Exact where a class has one density in positives and negatives: the classes are the cells.

    Args:
        labels: (N,) labels of the data set.
        indices: of the images of its `positive` and `negative` subsets.
        alpha_pos, alpha_neg: the weights.
    """
    count = int(labels.max()) + 1
    sides = [np.bincount(labels[indices[side]], minlength=count) / len(indices[side])
             for side in ("positive", "negative")]  # fmt: skip
    return rumi_sgan_optimum(*sides, alpha_pos=alpha_pos, alpha_neg=alpha_neg).generator
