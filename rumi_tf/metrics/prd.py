"""Precision and recall for distributions (PRD): curves from joint clusterings."""

import numpy as np

from rumi_tf.metrics import checks
from rumi_tf.metrics.clustering import Clustering

# Keeps the first and last slope finite and above zero.
EDGE = 1e-10


def prd_curve(
    features_generated: np.ndarray,
    features_reference: np.ndarray,
    num_clusters: int = 20,
    num_angles: int = 1001,
    num_runs: int = 10,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Precision-recall curve of the generated distribution.

    Sajjadi et al., NeurIPS 2018, Section 3.2 and Algorithm 1: the union of both sets is clustered.
    With the shares p of reference and q of generated samples per cluster, precision(s) =
    sum min(s p, q) and recall(s) = sum min(p, q / s), at the slopes s = tan of `num_angles` angles
    evenly spaced in (0, pi / 2), averaged over clusterings. All values are in [0, 1]; along the
    arrays precision rises and recall falls; both reach 1 for equal sets. A collapsed generator has
    high precision at low recall, a noisy one the reverse.

    Histograms are normalised per set, but the larger set has more influence on the clusters, so
    published protocols use sets of equal size.

    Args:
        features_generated: (n, d).
        features_reference: (m, d).
        num_clusters: clusters of the union, at least 2.
        num_angles: points of the curve, at least 3.
        num_runs: clusterings to average over.
        seed: seed of the clusterings.

    Returns:
        Precision and recall, each (num_angles,), float64.

    Raises:
        ValueError: features that are not finite numbers of these shapes, numbers out of range, or
            fewer distinct rows in the union than clusters.
    """
    generated, reference = checks.feature_pair(
        "features_generated", features_generated, "features_reference", features_reference
    )
    num_clusters = checks.integer("num_clusters", num_clusters, 2)
    num_angles = checks.integer("num_angles", num_angles, 3)
    num_runs = checks.integer("num_runs", num_runs, 1)
    seed = checks.integer("seed", seed, 0)
    _require_distinct(generated, reference, num_clusters)
    clustering = Clustering(np.concatenate([generated, reference]), num_clusters, seed)
    is_generated = np.arange(len(generated) + len(reference)) < len(generated)
    curves = []
    for run in range(num_runs):
        labels = clustering.labels(run)
        p = np.bincount(labels[~is_generated], minlength=num_clusters) / len(reference)
        q = np.bincount(labels[is_generated], minlength=num_clusters) / len(generated)
        curves.append(_curve(p, q, num_angles))
    precision, recall = np.mean(curves, axis=0)
    return precision, recall


def prd_f_scores(precision: np.ndarray, recall: np.ndarray, beta: float = 8) -> tuple[float, float]:
    """Largest F_beta and F_(1/beta) on a precision-recall curve.

    Sajjadi et al., NeurIPS 2018, Section 4: F_b = (1 + b^2) p r / (b^2 p + r), in [0, 1]. With
    beta > 1, F_beta emphasises recall and F_(1/beta) precision.

    Args:
        precision: (n,) in [0, 1].
        recall: (n,) in [0, 1].
        beta: weight, above 0.

    Returns:
        F_beta and F_(1/beta).

    Raises:
        ValueError: invalid shapes or values, or a beta that is not above 0.
    """
    p, r = np.asarray(precision, np.float64), np.asarray(recall, np.float64)
    if p.ndim != 1 or p.shape != r.shape or not p.size:
        raise ValueError(
            f"precision has shape {p.shape} and recall {r.shape}; expected (points,) for both"
        )
    if not all(np.all((v >= 0) & (v <= 1)) for v in (p, r)):
        raise ValueError("precision and recall must be numbers in [0, 1]")
    if not (np.isfinite(beta) and beta > 0):
        raise ValueError(f"beta is {beta}; it must be above 0")
    return _best_f(p, r, beta), _best_f(p, r, 1 / beta)


def _best_f(p: np.ndarray, r: np.ndarray, beta: float) -> float:
    numerator = (1 + beta**2) * p * r
    denominator = beta**2 * p + r
    out = np.zeros_like(denominator)
    return float(np.divide(numerator, denominator, out=out, where=denominator > 0).max())


def _curve(p: np.ndarray, q: np.ndarray, num_angles: int) -> np.ndarray:
    """Precision and recall (2, num_angles) of the histograms p (reference) and q (generated)."""
    slopes = np.tan(np.linspace(EDGE, np.pi / 2 - EDGE, num_angles))
    precision = np.minimum(slopes[:, None] * p, q).sum(axis=1)
    return np.clip([precision, precision / slopes], 0, 1)


def _require_distinct(generated: np.ndarray, reference: np.ndarray, at_least: int) -> None:
    distinct = set()
    for rows in (generated, reference):
        for row in rows.astype(np.float64, copy=False):
            distinct.add(row.tobytes())
            if len(distinct) == at_least:
                return
    raise ValueError(
        f"features_generated and features_reference have {len(distinct)} distinct rows together; "
        f"num_clusters = {at_least} needs at least as many"
    )
