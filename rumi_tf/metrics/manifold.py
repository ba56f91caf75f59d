"""Improved precision and recall, and density and coverage, from k-nearest-neighbour balls.

The radius of a sample's ball is the distance to its k-th nearest neighbour in its set. Distances
are computed in blocks of rows, so memory is that of the features and one block.
"""

from collections.abc import Iterator

import numpy as np

from rumi_tf.metrics import checks

# Distances per block: 2^22 in float64 are 32 MB.
BLOCK_VALUES = 2**22
# Squared distances below this share of |x|^2 + |y|^2 are round-off: the rows are equal.
EQUAL = 16 * np.finfo(float).eps
# Squared distances this close to a squared radius, relatively, count as on the sphere.
ON_SPHERE = 1e-9


def improved_precision_recall(
    features_generated: np.ndarray, features_reference: np.ndarray, k: int = 3
) -> tuple[float, float]:
    """Shares of samples in the manifold of the other set.

    Kynkäänniemi et al., NeurIPS 2019, Eq. 1-2; the manifold of a set is the union of its closed
    balls. Precision is the share of generated samples in the reference manifold (fidelity), recall
    the share of reference samples in the generated manifold (diversity). Both are in [0, 1] and 1
    for equal sets. A generator collapsed to one good image has precision 1 and recall near 0.

    Args:
        features_generated: (n, d).
        features_reference: (m, d).
        k: nearest neighbour that sets the radius; below n and m.

    Returns:
        Precision and recall.

    Raises:
        ValueError: features that are not finite numbers of these shapes, k too large, or a
            reference in which every row occurs more than k times.
    """
    generated, reference = _pair(features_generated, features_reference)
    radii_reference = _reference_radii(reference, k)
    radii_generated = _squared_radii(
        generated, checks.num_neighbours(k, "features_generated", generated)
    )
    inside = 0
    covered = np.zeros(len(reference), bool)
    for rows, distances in _squared_distances(generated, reference):
        inside += (distances <= radii_reference * (1 + ON_SPHERE)).any(axis=1).sum()
        radii = radii_generated[rows, None] * (1 + ON_SPHERE)
        covered |= (distances <= radii).any(axis=0)
    return float(inside / len(generated)), float(covered.mean())


def density_coverage(
    features_generated: np.ndarray, features_reference: np.ndarray, k: int = 5
) -> tuple[float, float]:
    """Density and coverage of the reference balls by generated samples.

    Naeem et al., ICML 2020, Eq. 3-4, with open balls as in the authors' code, so that equal sets
    have density 1. Density is the mean number of balls that contain a generated sample, divided by
    k: in [0, m / k], about 1 for equal distributions, above 1 if generated samples concentrate
    where the reference is dense. Coverage is the share of balls with a generated sample, in
    [0, 1]. Both are robust to generated outliers, since only reference samples have balls.

    Args:
        features_generated: (n, d).
        features_reference: (m, d).
        k: nearest neighbour that sets the radius; below m.

    Returns:
        Density and coverage.

    Raises:
        ValueError: features that are not finite numbers of these shapes, k too large, or a
            reference in which every row occurs more than k times.
    """
    generated, reference = _pair(features_generated, features_reference)
    radii = _reference_radii(reference, k)
    hits = 0
    covered = np.zeros(len(reference), bool)
    for _, distances in _squared_distances(generated, reference):
        inside = distances < radii * (1 - ON_SPHERE)
        hits += inside.sum()
        covered |= inside.any(axis=0)
    return float(hits / (k * len(generated))), float(covered.mean())


def _pair(generated: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both sets in float64, centred on the mean of the reference for precision."""
    generated, reference = checks.feature_pair(
        "features_generated", generated, "features_reference", reference
    )
    centre = reference.mean(axis=0, dtype=np.float64)
    return generated - centre, reference - centre


def _reference_radii(reference: np.ndarray, k: int) -> np.ndarray:
    radii = _squared_radii(reference, checks.num_neighbours(k, "features_reference", reference))
    if not radii.any():
        raise ValueError(
            f"features_reference has every row more than k = {k} times; all radii are zero"
        )
    return radii


def _squared_radii(rows: np.ndarray, k: int) -> np.ndarray:
    """Squared distance of each row to its k-th nearest other row, (n,)."""
    radii = np.empty(len(rows))
    for block, distances in _squared_distances(rows, rows):
        indices = np.arange(len(rows))[block]
        distances[np.arange(len(indices)), indices] = np.inf
        radii[block] = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return radii


def _squared_distances(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields blocks of rows of x with their squared distances (rows, m) to all rows of y."""
    norms_x, norms_y = np.square(x).sum(axis=1), np.square(y).sum(axis=1)
    rows = max(1, BLOCK_VALUES // len(y))
    for start in range(0, len(x), rows):
        block = slice(start, start + rows)
        scale = norms_x[block, None] + norms_y
        distances = scale - 2 * (x[block] @ y.T)
        distances[distances <= EQUAL * scale] = 0
        yield block, distances
