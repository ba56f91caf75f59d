"""Fréchet distance between Gaussians fitted to two sets of features (FID), exact and streaming."""

from typing import Any

import numpy as np
from scipy import linalg
from scipy.linalg import blas, lapack
from threadpoolctl import threadpool_limits

from rumi_tf.metrics import checks

# Rows converted to float64 at a time; limits the memory of an update.
BLOCK = 4096
# Tolerated round-off, relative to the distance and to the terms it is the difference of.
TOLERANCE = 1e-7
TOLERANCE_OF_TERMS = 1e-10
# A column whose deviation is below this share of its mean is constant up to round-off.
CONSTANT = 1e-13


class GaussianStatistics:
    """Count, mean and covariance of a stream of features, in float64 and O(d^2) memory.

    Batches are centred on their mean and combined by the update of Chan, Golub and LeVeque
    (COMPSTAT 1982), so that a large mean costs no precision. Batch boundaries change the result
    only by round-off.
    """

    def __init__(self):
        self.count = 0
        # `None` until the first sample.
        self._mean: Any = None
        self._scatter: Any = None  # lower triangle of the sum of (x - mean)(x - mean)^T

    @classmethod
    def from_moments(
        cls, count: int, mean: np.ndarray, covariance: np.ndarray
    ) -> "GaussianStatistics":
        """Restores statistics that were computed before, e.g. of a reference set.

        Args:
            count: number of samples, at least 2.
            mean: (d,).
            covariance: (d, d), unbiased: divided by count - 1.

        Raises:
            ValueError: mismatched shapes, values that are not finite, or a covariance that is not
                symmetric or has a negative variance.
        """
        self = cls()
        self.count = checks.integer("count", count, 2)
        self._mean = checks.feature_rows("mean", np.atleast_2d(mean), 1)[0].astype(np.float64)
        rows = checks.feature_rows("covariance", covariance, 1).astype(np.float64)
        if rows.shape != (self._mean.size,) * 2 or np.ndim(mean) != 1:
            raise ValueError(
                f"mean has shape {np.shape(mean)} and covariance {rows.shape}; expected (d,) and "
                "(d, d)"
            )
        asymmetry = np.abs(rows - rows.T).max()
        if asymmetry > 1e-6 * np.abs(rows).max() or rows.diagonal().min() < 0:
            raise ValueError("covariance must be symmetric with variances >= 0")
        self._scatter = np.asfortranarray(np.tril(rows) * (self.count - 1))
        return self

    @property
    def mean(self) -> np.ndarray:
        """Mean of all samples so far, (d,).

        Raises:
            ValueError: no samples.
        """
        self._require_count(1)
        return self._mean.copy()

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased covariance (divided by count - 1) of all samples so far, (d, d).

        Raises:
            ValueError: fewer than two samples.
        """
        lower = self._lower_covariance()
        return lower + np.tril(lower, -1).T

    def update(self, batch: np.ndarray) -> "GaussianStatistics":
        """Adds samples and returns itself.

        Args:
            batch: (n, d) features, n >= 1.

        Raises:
            ValueError: features that are not finite numbers of that shape, or another d than
                before. The statistics are unchanged.
        """
        rows = checks.feature_rows("batch", batch, at_least=1)
        if self._mean is None:
            self._mean = np.zeros(rows.shape[1])
            self._scatter = np.zeros((rows.shape[1],) * 2, order="F")
        if rows.shape[1] != self._mean.size:
            raise ValueError(
                f"batch has {rows.shape[1]} columns and the statistics have {self._mean.size}; "
                "both must come from the same embedding"
            )
        for start in range(0, len(rows), BLOCK):
            self._add(rows[start : start + BLOCK])
        return self

    def _add(self, rows: np.ndarray) -> None:
        centred = np.empty((len(rows) + 1, rows.shape[1]))
        centred[:-1] = rows
        mean = centred[:-1].mean(axis=0)
        centred[:-1] -= mean
        total = self.count + len(rows)
        shift = mean - self._mean
        # The correction for the shift of the mean is one more row of the product.
        centred[-1] = shift * np.sqrt(self.count / total * len(rows))
        self._mean = self._mean + shift * (len(rows) / total)
        self.count = total
        self._scatter = blas.dsyrk(
            1.0, centred.T, beta=1.0, c=self._scatter, lower=1, overwrite_c=1
        )

    def _lower_covariance(self) -> np.ndarray:
        """Lower triangle of the covariance, all that LAPACK reads, with zeros above."""
        self._require_count(2)
        return self._scatter / (self.count - 1)

    def _require_count(self, count: int) -> None:
        if self.count < count:
            raise ValueError(f"statistics have {self.count} samples; at least {count} are needed")


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2)), with unbiased covariances A and B.

    Heusel et al., NeurIPS 2017, Eq. 6 (Dowson and Landau, 1982). In [0, inf), in squared units of
    the features, symmetric, 0 for equal sets. Biased upwards for finite samples, more for fewer:
    compare only values of equal counts (see `small_sample_note`, `extrapolated_frechet_distance`).
    A set of equal rows has zero covariance and a well-defined distance (see `constant_set_note`).

    No matrix square root is computed. With A = F F^T and B = G G^T, tr (A B)^(1/2) is the sum of
    the singular values of F^T G for any factors F and G, since their squares are the eigenvalues
    of A B. With fewer samples than dimensions the centred samples are the smallest factor;
    otherwise see `frechet_distance_from_statistics`.

    Args:
        features_a: (n, d), n >= 2.
        features_b: (m, d), m >= 2.

    Raises:
        ValueError: features that are not finite numbers of these shapes.
    """
    a, b = checks.feature_pair("features_a", features_a, "features_b", features_b)
    fewest, dimension = min(len(a), len(b)), a.shape[1]
    if fewest > dimension:
        return frechet_distance_from_statistics(
            GaussianStatistics().update(a), GaussianStatistics().update(b)
        )
    # With very few samples in one set even many samples of the other are cheaper than d x d.
    use_samples = 3 * fewest <= dimension
    mean_a, factor_a = _mean_and_factor(a, use_samples)
    mean_b, factor_b = _mean_and_factor(b, use_samples)
    terms = sum(np.square(term).sum() for term in (mean_a - mean_b, factor_a, factor_b))
    return _distance(terms, _nuclear_norm(factor_a.T @ factor_b))


def frechet_distance_from_statistics(a: GaussianStatistics, b: GaussianStatistics) -> float:
    """Computes `frechet_distance` from streamed or stored statistics.

    The eigenvalues of A B come from a symmetric-definite problem, reduced by one Cholesky
    factorisation. Their roots are inaccurate if A B is nearly singular. If they are too inaccurate,
    or the factorisation fails, the singular values of the product of two pivoted Cholesky factors
    are used, which takes two to three times as long and is accurate for any rank.

    Args:
        a: statistics of at least 2 samples.
        b: statistics of at least 2 samples with as many columns.

    Raises:
        ValueError: too few samples, or different numbers of columns.
    """
    mean_a, mean_b = a.mean, b.mean
    if mean_a.size != mean_b.size:
        raise ValueError(
            f"a has {mean_a.size} columns and b has {mean_b.size}; both must come from the same "
            "embedding"
        )
    lower_a, lower_b = a._lower_covariance(), b._lower_covariance()
    terms = np.square(mean_a - mean_b).sum() + np.trace(lower_a) + np.trace(lower_b)
    varying = (lower_a.diagonal() > np.square(CONSTANT * mean_a)) & (
        lower_b.diagonal() > np.square(CONSTANT * mean_b)
    )
    if not varying.any():
        return float(terms)
    if not varying.all():  # dead units of an embedding do not contribute to A B
        block = np.ix_(varying, varying)
        lower_a, lower_b = lower_a[block], lower_b[block]
    root = _root_from_eigenvalues(lower_a, lower_b, terms)
    if root is None:
        root = _nuclear_norm(_factor(lower_a).T @ _factor(lower_b))
    return _distance(terms, root)


def extrapolated_frechet_distance(
    features_generated: np.ndarray,
    features_reference: "np.ndarray | GaussianStatistics",
    seed: int = 0,
    num_points: int = 15,
) -> float:
    """Extrapolates the Fréchet distance to infinitely many generated samples.

    Chong and Forsyth, CVPR 2020, Section 3: the bias falls as 1/n, so the intercept of a line
    fitted to the distances of random subsets over 1/n is returned. Subset sizes are evenly spaced
    up to the whole set. The smallest is a tenth of the set, raised to min(2 d, n / 2) if that is
    larger, since distances of fewer samples are not linear in 1/n. The reference is always whole,
    so its bias remains. Same units as `frechet_distance`; an estimate, which may be slightly
    negative.

    Args:
        features_generated: (n, d), n >= 4.
        features_reference: (m, d), m >= 2, or their statistics.
        seed: seed of the subsets.
        num_points: number of subsets, at least 2.

    Raises:
        ValueError: features that are not finite numbers of these shapes, or numbers out of range.
    """
    reference = features_reference
    if not isinstance(reference, GaussianStatistics):
        _, rows = checks.feature_pair(
            "features_generated", features_generated, "features_reference", reference
        )
        reference = GaussianStatistics().update(rows)
    generated = checks.feature_rows("features_generated", features_generated, at_least=4)
    count, dimension = generated.shape
    num_points = checks.integer("num_points", num_points, 2)
    rng = np.random.default_rng(checks.integer("seed", seed, 0))
    smallest = max(2, count // 10, min(2 * dimension, count // 2))
    sizes = np.linspace(smallest, count, num_points).round().astype(int)
    distances = [
        frechet_distance_from_statistics(
            GaussianStatistics().update(generated[rng.permutation(count)[:size]]), reference
        )
        for size in sizes
    ]
    _, intercept = np.polyfit(1.0 / sizes, distances, 1)
    return float(intercept)


def _mean_and_factor(rows: np.ndarray, use_samples: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) and a matrix F with d rows such that F F^T is the covariance."""
    if not use_samples and len(rows) > rows.shape[1]:
        statistics = GaussianStatistics().update(rows)
        return statistics.mean, _factor(statistics._lower_covariance())
    rows = rows.astype(np.float64)
    mean = rows.mean(axis=0)
    rows -= mean
    return mean, rows.T / np.sqrt(len(rows) - 1)


def _distance(terms: float, root: float) -> float:
    return float(max(terms - 2 * root, 0.0))


def _root_from_eigenvalues(lower_a: np.ndarray, lower_b: np.ndarray, terms: float) -> float | None:
    """Computes tr (A B)^(1/2) from the eigenvalues of A B; `None` if not accurate enough."""
    try:
        with _one_thread():
            values = linalg.eigh(
                lower_a, lower_b, type=2, eigvals_only=True, driver="gv", check_finite=False
            )
    except linalg.LinAlgError:
        return None
    if values[0] <= 0:
        return None
    roots = np.sqrt(values)
    # Eigenvalues have errors below `error`, and twice their roots have errors below error / root.
    # Signs differ, so the error of the sum is about the norm (measured: less than a tenth of it).
    error = np.finfo(float).eps * _norm(lower_a) * _norm(lower_b)
    tolerance = max(TOLERANCE * (terms - 2 * roots.sum()), TOLERANCE_OF_TERMS * terms)
    return float(roots.sum()) if linalg.norm(error / roots) <= tolerance else None


def _norm(lower: np.ndarray) -> float:
    """Frobenius norm of the symmetric matrix with this lower triangle."""
    return np.sqrt(2 * np.linalg.norm(lower) ** 2 - np.linalg.norm(lower.diagonal()) ** 2)


def _factor(lower: np.ndarray) -> np.ndarray:
    """Pivoted Cholesky: F of shape (d, rank) with F F^T = A, from the lower triangle of A.

    Stops at pivots of the size of round-off: the rest is noise, whose roots would not be small.
    """
    packed, pivots, rank, _ = lapack.dpstrf(lower, lower=1)
    factor = np.empty((len(lower), rank))
    factor[pivots - 1] = np.tril(packed)[:, :rank]
    return factor


def _nuclear_norm(matrix: np.ndarray) -> float:
    if not matrix.size:  # a factor of a zero covariance has no columns
        return 0.0
    with _one_thread():
        return float(linalg.svdvals(matrix, overwrite_a=True, check_finite=False).sum())


def _one_thread() -> threadpool_limits:
    """Limits BLAS to one thread for reductions to tridiagonal or bidiagonal form.

    They synchronise at every column and are memory-bound: a second thread gains little, and takes
    ten times as long if another process uses its core.
    """
    return threadpool_limits(1, user_api="blas")
