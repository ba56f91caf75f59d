"""What Theorem 1 of the UAC-GAN paper says, and a search for the minimum that knows nothing of it.

The generator's distribution of points is given; what is sought is Q(y|x), with which label it makes
which point, for fixed classifiers C and Cmi.
"""

import numpy as np
from scipy.stats import norm

from rumi_tf.mixture_config import DEVIATIONS, MEANS

STEPS = 4000


def joint_density(x: np.ndarray) -> np.ndarray:
    """(n,) points -> (3, n) densities of point and label, of the paper's mixture."""
    return np.stack([norm.pdf(x, m, s) for m, s in zip(MEANS, DEVIATIONS, strict=True)]) / len(
        MEANS
    )


def tempered(classifier: np.ndarray, sharpness: float) -> np.ndarray:
    """(3, n) probabilities raised to a power and normalised: below 1 less sure, above 1 surer."""
    logits = sharpness * np.log(classifier)
    powers = np.exp(logits - logits.max(axis=0))
    return powers / powers.sum(axis=0)


def tac_minimum(classifier: np.ndarray, twin: np.ndarray) -> np.ndarray:
    """Q(y|x) of Theorem 1, (3, n): all on the label with the largest C(y|x) / Cmi(y|x).

    TAC-GAN's G minimises E_Q log(Cmi / C), which is linear in Q(y|x).
    """
    ratio = classifier / twin
    return (np.arange(len(ratio))[:, None] == ratio.argmax(axis=0)).astype(float)


def search(classifier: np.ndarray, twin: np.ndarray | None) -> np.ndarray:
    """Q(y|x), (3, n), found by gradient descent on a table of logits.

    Args:
        classifier: C(y|x), (3, n).
        twin: Cmi(y|x): what is minimised at each x is E_Q log(Cmi / C), as in TAC-GAN; or `None`:
            E_Q(-log C) - H_Q(Y|X), as in UAC-GAN with the best T, whose I_Q is H(Y) - H_Q(Y|X)
            with H(Y) fixed.
    """
    logits = np.zeros_like(classifier)
    for _ in range(STEPS):
        chosen = np.exp(logits - logits.max(axis=0))
        chosen /= chosen.sum(axis=0)
        slope = np.log(chosen + 1e-300) if twin is None else np.log(twin)
        slope = slope - np.log(classifier)
        # The natural gradient: the plain one dies away where a label is nearly certain.
        logits -= 0.05 * (slope - (chosen * slope).sum(axis=0))
    chosen = np.exp(logits - logits.max(axis=0))
    return chosen / chosen.sum(axis=0)


def total_variation(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> float:
    """Mean distance of two conditionals (3, n), weighted by points (n,): in [0, 1]."""
    distances = 0.5 * np.abs(one - other).sum(axis=0)
    return float((weights * distances).sum() / weights.sum())
