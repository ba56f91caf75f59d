"""Fidelity and diversity from balls around samples: improved precision/recall, density/coverage.

The ball of a sample reaches to its k-th nearest neighbour among the other samples of its set.
Distances are computed in blocks of rows, so the memory is that of the features and one block.
"""

from collections.abc import Iterator

import numpy as np

from rumi_tf.metrics import checks

# Distances held at a time: 2^22 in float64 are 32 MB.
BLOCK_VALUES = 2**22
# Squared distances below this share of |x|^2 + |y|^2 are round-off between equal rows.
EQUAL = 16 * np.finfo(float).eps
# Squared distances this close to a squared radius are on the sphere, whatever the last digits.
ON_SPHERE = 1e-9


def improved_precision_recall(
    features_generated: np.ndarray, features_reference: np.ndarray, k: int = 3
) -> tuple[float, float]:
    """Shares of samples that lie in the manifold of the other set.

    Kynkäänniemi et al., NeurIPS 2019, Eq. 1-2; a manifold is the union of a set's closed balls.
    Precision is the share of generated samples in the reference's manifold (fidelity), recall the
    share of reference samples in the generated one (diversity). Both in [0, 1], both 1 for equal
    sets. A generator that collapsed to one good image has precision 1 and recall near 0.

    Args:
        features_generated: (n, d).
        features_reference: (m, d).
        k: which nearest neighbour a ball reaches to; below n and m.

    Returns:
        Precision and recall.

    Raises:
        ValueError: features that are not finite numbers of these shapes, k too large, or a
            reference in which every row occurs more than k times, so that no ball has a volume.
    """
    generated, reference = _pair(features_generated, features_reference)
    radii_reference = _reference_radii(reference, k)
    radii_generated = _squared_radii(
        generated, checks.neighbours(k, "features_generated", generated)
    )
    inside = 0
    covered = np.zeros(len(reference), bool)
    for rows, distances in _squared_distances(generated, reference):
        inside += (distances <= radii_reference * (1 + ON_SPHERE)).any(axis=1).sum()
        reach = radii_generated[rows, None] * (1 + ON_SPHERE)
        covered |= (distances <= reach).any(axis=0)
    return float(inside / len(generated)), float(covered.mean())


def density_coverage(
    features_generated: np.ndarray, features_reference: np.ndarray, k: int = 5
) -> tuple[float, float]:
    """How densely, and how completely, generated samples fill the reference's balls.

    Naeem et al., ICML 2020, Eq. 3-4, with open balls as in the authors' code, so that equal sets
    have density 1. Density is the number of balls that a generated sample lies in, averaged and
    divided by k: in [0, m / k], about 1 for equal distributions, above 1 where generated samples
    crowd where the reference is dense. Coverage is the share of balls that hold a generated
    sample, in [0, 1]. Balls of generated samples are not used, so its outliers do no harm.

    Args:
        features_generated: (n, d).
        features_reference: (m, d).
        k: which nearest neighbour a ball reaches to; below m.

    Returns:
        Density and coverage.

    Raises:
        ValueError: features that are not finite numbers of these shapes, k too large, or a
            reference in which every row occurs more than k times, so that no ball has a volume.
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
    """Both sets in float64 with the reference's mean at the origin, which saves digits."""
    generated, reference = checks.feature_pair(
        "features_generated", generated, "features_reference", reference
    )
    centre = reference.mean(axis=0, dtype=np.float64)
    return generated - centre, reference - centre


def _reference_radii(reference: np.ndarray, k: int) -> np.ndarray:
    radii = _squared_radii(reference, checks.neighbours(k, "features_reference", reference))
    if not radii.any():
        raise ValueError(
            f"features_reference has every row more than k = {k} times; its samples must differ"
        )
    return radii


def _squared_radii(rows: np.ndarray, k: int) -> np.ndarray:
    """(n,) squared distance of each row to its k-th nearest other row."""
    radii = np.empty(len(rows))
    for block, distances in _squared_distances(rows, rows):
        own = np.arange(len(rows))[block]
        distances[np.arange(len(own)), own] = np.inf
        radii[block] = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return radii


def _squared_distances(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of rows of x, and their squared distances (rows, m) to all of y."""
    norms_x, norms_y = np.square(x).sum(axis=1), np.square(y).sum(axis=1)
    rows = max(1, BLOCK_VALUES // len(y))
    for start in range(0, len(x), rows):
        block = slice(start, start + rows)
        scale = norms_x[block, None] + norms_y
        distances = scale - 2 * (x[block] @ y.T)
        distances[distances <= EQUAL * scale] = 0
        yield block, distances
