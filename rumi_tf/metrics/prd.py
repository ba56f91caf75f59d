"""Precision and recall of distributions (PRD): curves from clusterings of both sets."""

import numpy as np

from rumi_tf.metrics import checks
from rumi_tf.metrics.clustering import Clustering

# Keeps the slopes of the first and the last angle finite and above zero.
EDGE = 1e-10


def prd_curve(
    features_generated: np.ndarray,
    features_reference: np.ndarray,
    num_clusters: int = 20,
    num_angles: int = 1001,
    num_runs: int = 10,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall that a mixture of both distributions can have at once.

    Sajjadi et al., NeurIPS 2018, Section 3.2 and Algorithm 1: the union of both sets is clustered,
    and with the shares p of the reference and q of the generated samples per cluster,
    precision(s) = sum min(s p, q) and recall(s) = sum min(p, q / s), at the slopes s = tan of
    `num_angles` angles evenly spaced in (0, pi / 2). Averaged over clusterings. All values are in
    [0, 1]; along the arrays precision rises and recall falls; both reach 1 for equal sets. A
    collapsed generator keeps a high precision at a low recall, a noisy one the reverse.

    Histograms are normalised per set, but the larger set decides more about where the clusters
    are, so published protocols use sets of equal size.

    Args:
        features_generated: (n, d).
        features_reference: (m, d).
        num_clusters: clusters of the union, at least 2.
        num_angles: points of the curve, at least 3.
        num_runs: clusterings that are averaged.
        seed: of the clusterings.

    Returns:
        Precision and recall, each (num_angles,), float64.

    Raises:
        ValueError: features that are not finite numbers of these shapes, bad numbers, or fewer
            different rows in the union than clusters.
    """
    generated, reference = checks.feature_pair(
        "features_generated", features_generated, "features_reference", features_reference
    )
    num_clusters = checks.whole_number("num_clusters", num_clusters, 2)
    num_angles = checks.whole_number("num_angles", num_angles, 3)
    num_runs = checks.whole_number("num_runs", num_runs, 1)
    seed = checks.whole_number("seed", seed, 0)
    _require_different(generated, reference, num_clusters)
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
    """The largest F_beta and F_(1/beta) on a curve: one number for recall, one for precision.

    Sajjadi et al., NeurIPS 2018, Section 4: F_b = (1 + b^2) p r / (b^2 p + r), in [0, 1]. With
    beta > 1 the first weighs recall higher and the second precision.

    Args:
        precision: (n,) in [0, 1].
        recall: (n,) in [0, 1], of the same points.
        beta: weight, above 0.

    Returns:
        F_beta and F_(1/beta).

    Raises:
        ValueError: arrays of other shapes or values, or a beta that is not above 0.
    """
    p, r = np.asarray(precision, np.float64), np.asarray(recall, np.float64)
    if p.ndim != 1 or p.shape != r.shape or not p.size:
        raise ValueError(
            f"precision has shape {p.shape} and recall {r.shape}; both must be (points,)"
        )
    if not all(np.all((v >= 0) & (v <= 1)) for v in (p, r)):
        raise ValueError("precision and recall must be numbers in [0, 1]")
    if not (np.isfinite(beta) and beta > 0):
        raise ValueError(f"beta is {beta}; it must be a number above 0")
    return _best_f(p, r, beta), _best_f(p, r, 1 / beta)


def _best_f(p: np.ndarray, r: np.ndarray, beta: float) -> float:
    scale = beta**2 * p + r
    products = (1 + beta**2) * p * r
    return float(np.divide(products, scale, out=np.zeros_like(scale), where=scale > 0).max())


def _curve(p: np.ndarray, q: np.ndarray, num_angles: int) -> np.ndarray:
    """(2, num_angles) precision and recall of the histograms p (reference) and q (generated)."""
    slopes = np.tan(np.linspace(EDGE, np.pi / 2 - EDGE, num_angles))
    precision = np.minimum(slopes[:, None] * p, q).sum(axis=1)
    return np.clip([precision, precision / slopes], 0, 1)


def _require_different(generated: np.ndarray, reference: np.ndarray, at_least: int) -> None:
    seen = set()
    for rows in (generated, reference):
        for row in rows.astype(np.float64, copy=False):
            seen.add(row.tobytes())
            if len(seen) == at_least:
                return
    raise ValueError(
        f"features_generated and features_reference have {len(seen)} different rows together; "
        f"num_clusters = {at_least} needs at least as many"
    )
