"""Theorem 1 of the UAC-GAN paper, and a search for the minimum that does not use the theorem.

The generator's distribution of points is given; the search is for Q(y|x), the distribution of the
label for each point, with fixed classifiers C and Cmi.
"""

import numpy as np
from scipy.special import log_softmax, softmax
from scipy.stats import norm

from rumi_tf.config.mixture import DEVIATIONS, MEANS

STEPS = 4000


def joint_density(x: np.ndarray) -> np.ndarray:
    """(n,) points -> (3, n) joint densities of point and label of the paper's mixture."""
    return np.stack([norm.pdf(x, m, s) for m, s in zip(MEANS, DEVIATIONS, strict=True)]) / len(
        MEANS
    )


def tempered(log_classifier: np.ndarray, sharpness: float) -> np.ndarray:
    """(3, n) log-probabilities raised to a power and normalised; below 1 they are less certain."""
    return log_softmax(sharpness * log_classifier, axis=0)


def tac_minimum(log_classifier: np.ndarray, log_twin: np.ndarray) -> np.ndarray:
    """Q(y|x) of Theorem 1, (3, n): all mass on the label with the largest C(y|x) / Cmi(y|x).

    TAC-GAN's G minimises E_Q log(Cmi / C), which is linear in Q(y|x).
    """
    ratio = log_classifier - log_twin
    return (np.arange(len(ratio))[:, None] == ratio.argmax(axis=0)).astype(float)


def search(log_classifier: np.ndarray, log_twin: np.ndarray | None) -> np.ndarray:
    """Minimises G's loss over Q(y|x), (3, n), by gradient descent on a table of logits.

    Args:
        log_classifier: log C(y|x), (3, n).
        log_twin: log Cmi(y|x), (3, n); the loss at each x is E_Q log(Cmi / C), as in TAC-GAN. With
            `None` it is E_Q(-log C) - H_Q(Y|X), as in UAC-GAN with the optimal T, whose I_Q is
            H(Y) - H_Q(Y|X) with H(Y) fixed.
    """
    logits = np.zeros_like(log_classifier)
    # With a twin, the scale of the slope does not affect the location of the minimum.
    rate = 0.05 if log_twin is None else 0.3 / np.abs(log_twin - log_classifier).mean()
    for _ in range(STEPS):
        probabilities = softmax(logits, axis=0)
        slope = log_softmax(logits, axis=0) if log_twin is None else log_twin
        slope = slope - log_classifier
        # Natural gradient: the plain gradient vanishes where a label is nearly certain.
        logits -= rate * (slope - (probabilities * slope).sum(axis=0))
    return softmax(logits, axis=0)


def total_variation(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> float:
    """Mean total variation of two conditionals (3, n), in [0, 1]; weights (n,) are per point."""
    distances = 0.5 * np.abs(one - other).sum(axis=0)
    return float((weights * distances).sum() / weights.sum())
