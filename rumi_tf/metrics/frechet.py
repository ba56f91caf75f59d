"""Fréchet distance of Gaussians fitted to two sets of features (FID), exact and streaming."""

from typing import Any

import numpy as np
from scipy import linalg
from scipy.linalg import blas, lapack
from threadpoolctl import threadpool_limits

from rumi_tf.metrics import checks

# Rows converted to float64 at a time; bounds the memory of an update, not its result.
BLOCK = 4096
# Round-off admitted in a distance: relative to itself, or to what it is the difference of.
ROUND_OFF = 1e-7
ROUND_OFF_OF_PARTS = 1e-10
# A column whose deviation is below this share of its mean is constant but for round-off.
CONSTANT = 1e-13


class GaussianStatistics:
    """Count, mean and covariance of a stream of features, in float64 and O(d^2) memory.

    Batches are centred on their own mean and combined by the update of Chan, Golub and LeVeque
    (COMPSTAT 1982), so that a large mean costs no digits. In which batches the rows come changes
    the result by round-off only.
    """

    def __init__(self):
        self.count = 0
        # Absent until there is a sample.
        self._mean: Any = None
        self._scatter: Any = None  # sum of (x - mean)(x - mean)^T: lower triangle, zeros above

    @classmethod
    def from_moments(
        cls, count: int, mean: np.ndarray, covariance: np.ndarray
    ) -> "GaussianStatistics":
        """Statistics that were computed before, for example a stored reference set.

        Args:
            count: number of samples, at least 2.
            mean: (d,).
            covariance: (d, d), unbiased: divided by count - 1.

        Raises:
            ValueError: shapes that do not fit, values that are not finite, a covariance that is
                not symmetric or has a negative variance.
        """
        self = cls()
        self.count = checks.whole_number("count", count, 2)
        self._mean = checks.feature_rows("mean", np.atleast_2d(mean), 1)[0].astype(np.float64)
        rows = checks.feature_rows("covariance", covariance, 1).astype(np.float64)
        if rows.shape != (self._mean.size,) * 2 or np.ndim(mean) != 1:
            raise ValueError(
                f"mean has shape {np.shape(mean)} and covariance {rows.shape}; they must be (d,) "
                "and (d, d)"
            )
        asymmetry = np.abs(rows - rows.T).max()
        if asymmetry > 1e-6 * np.abs(rows).max() or rows.diagonal().min() < 0:
            raise ValueError("covariance is not one: it must be symmetric with variances >= 0")
        self._scatter = np.asfortranarray(np.tril(rows) * (self.count - 1))
        return self

    @property
    def mean(self) -> np.ndarray:
        """(d,) mean of all samples so far.

        Raises:
            ValueError: no samples yet.
        """
        self._require(1)
        return self._mean.copy()

    @property
    def covariance(self) -> np.ndarray:
        """(d, d) unbiased covariance (divided by count - 1) of all samples so far.

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
            ValueError: features that are not finite numbers of that shape, or of another width
                than before. Nothing has been added then.
        """
        rows = checks.feature_rows("batch", batch, at_least=1)
        if self._mean is None:
            self._mean = np.zeros(rows.shape[1])
            self._scatter = np.zeros((rows.shape[1],) * 2, order="F")
        self._require_width(rows.shape[1])
        for start in range(0, len(rows), BLOCK):
            self._add(rows[start : start + BLOCK])
        return self

    def merge(self, other: "GaussianStatistics") -> "GaussianStatistics":
        """Adds the samples of other statistics, which stay as they are, and returns itself.

        Raises:
            ValueError: statistics of another width.
        """
        if not other.count:
            return self
        if self._mean is None:
            self._mean, self._scatter = np.zeros_like(other._mean), np.zeros_like(other._scatter)
        self._require_width(other._mean.size)
        shift = self._advance(other._mean, other.count)
        self._scatter += other._scatter + np.tril(np.outer(shift, shift))
        return self

    def _add(self, rows: np.ndarray) -> None:
        centred = np.empty((len(rows) + 1, rows.shape[1]))
        centred[:-1] = rows
        mean = centred[:-1].mean(axis=0)
        centred[:-1] -= mean
        # The shift of the mean is one more row of the product.
        centred[-1] = self._advance(mean, len(rows))
        self._scatter = blas.dsyrk(
            1.0, centred.T, beta=1.0, c=self._scatter, lower=1, overwrite_c=1
        )

    def _advance(self, mean: np.ndarray, count: int) -> np.ndarray:
        """Moves count and mean; returns the vector whose square corrects the scatter."""
        total = self.count + count
        difference = mean - self._mean
        scale = np.sqrt(self.count / total * count)
        self._mean = self._mean + difference * (count / total)
        self.count = total
        return difference * scale

    def _lower_covariance(self) -> np.ndarray:
        """The covariance's lower triangle, with zeros above: all that LAPACK reads."""
        self._require(2)
        return self._scatter / (self.count - 1)

    def _require(self, count: int) -> None:
        if self.count < count:
            raise ValueError(f"statistics of {self.count} samples; at least {count} are needed")

    def _require_width(self, width: int) -> None:
        if width != self._mean.size:
            raise ValueError(
                f"batch has {width} columns, the statistics have {self._mean.size}; both must "
                "come from the same embedding"
            )


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2)), with unbiased covariances A and B.

    Heusel et al., NeurIPS 2017, Eq. 6 (Dowson and Landau, 1982). In [0, inf), in squared units of
    the features, symmetric, 0 for equal sets. Biased upwards for finite samples, the more so the
    fewer there are: compare values of equal counts only (see `small_sample_note`,
    `extrapolated_frechet_distance`). A set of equal rows has the zero covariance and a well
    defined distance (see `constant_set_note`).

    No matrix square root is taken. With A = F F^T and B = G G^T, tr (A B)^(1/2) is the sum of the
    singular values of F^T G, for any factors: F^T G has the squares of its singular values as the
    eigenvalues of A B. The centred samples themselves are such a factor, and the smaller one if
    there are fewer samples than dimensions; see `frechet_distance_from_statistics` for the rest.

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
    # With very few samples on one side even a long factor of the other is cheaper than d x d.
    few = 3 * fewest <= dimension
    mean_a, factor_a = _mean_and_factor(a, few)
    mean_b, factor_b = _mean_and_factor(b, few)
    parts = sum(np.square(part).sum() for part in (mean_a - mean_b, factor_a, factor_b))
    return _distance(parts, _nuclear_norm(factor_a.T @ factor_b))


def frechet_distance_from_statistics(a: GaussianStatistics, b: GaussianStatistics) -> float:
    """The same as `frechet_distance`, from streamed or stored statistics.

    The eigenvalues of A B come from the symmetric-definite problem that one Cholesky
    factorisation reduces it to. Their roots lose digits where A B is nearly singular. If they may
    have lost too many, or if there is no factorisation, the singular values of the product of two
    pivoted Cholesky factors are used: two to three times as long, and accurate for any rank.

    Args:
        a: statistics of at least 2 samples.
        b: statistics of at least 2 samples, of the same width.

    Raises:
        ValueError: fewer samples, or different widths.
    """
    mean_a, mean_b = a.mean, b.mean
    if mean_a.size != mean_b.size:
        raise ValueError(
            f"statistics of {mean_a.size} and of {mean_b.size} columns; both must come from the "
            "same embedding"
        )
    lower_a, lower_b = a._lower_covariance(), b._lower_covariance()
    parts = np.square(mean_a - mean_b).sum() + np.trace(lower_a) + np.trace(lower_b)
    varying = (lower_a.diagonal() > np.square(CONSTANT * mean_a)) & (
        lower_b.diagonal() > np.square(CONSTANT * mean_b)
    )
    if not varying.any():
        return float(parts)
    if not varying.all():  # dead units of an embedding; they have no part in A B
        chosen = np.ix_(varying, varying)
        lower_a, lower_b = lower_a[chosen], lower_b[chosen]
    root = _root_from_eigenvalues(lower_a, lower_b, parts)
    if root is None:
        root = _nuclear_norm(_factor(lower_a).T @ _factor(lower_b))
    return _distance(parts, root)


def extrapolated_frechet_distance(
    features_generated: np.ndarray,
    features_reference: "np.ndarray | GaussianStatistics",
    seed: int = 0,
    num_points: int = 15,
) -> float:
    """The Fréchet distance that infinitely many generated samples would have.

    Chong and Forsyth, CVPR 2020, Section 3: the bias falls as 1/n, so a line is fitted to the
    distances of random subsets over 1/n, and its intercept returned. Sizes are evenly spaced from
    a tenth of the set, but twice the dimension if half of the set is that large (below, the
    distance is not linear in 1/n), to the whole set. The reference stays whole, so its own, fixed,
    bias stays in. Same units as `frechet_distance`; an estimate, so it may fall slightly below 0.

    Args:
        features_generated: (n, d), n >= 4.
        features_reference: (m, d), m >= 2, or their statistics.
        seed: of the subsets.
        num_points: number of subsets, at least 2.

    Raises:
        ValueError: features that are not finite numbers of these shapes, or bad numbers.
    """
    target = features_reference
    if not isinstance(target, GaussianStatistics):
        _, rows = checks.feature_pair(
            "features_generated", features_generated, "features_reference", target
        )
        target = GaussianStatistics().update(rows)
    generated = checks.feature_rows("features_generated", features_generated, at_least=4)
    count, dimension = generated.shape
    num_points = checks.whole_number("num_points", num_points, 2)
    rng = np.random.default_rng(checks.whole_number("seed", seed, 0))
    smallest = max(2, count // 10, min(2 * dimension, count // 2))
    sizes = np.linspace(smallest, count, num_points).round().astype(int)
    distances = [
        frechet_distance_from_statistics(
            GaussianStatistics().update(generated[rng.permutation(count)[:size]]), target
        )
        for size in sizes
    ]
    _, intercept = np.polyfit(1.0 / sizes, distances, 1)
    return float(intercept)


def _mean_and_factor(rows: np.ndarray, few: bool) -> tuple[np.ndarray, np.ndarray]:
    """(d,) mean and a matrix F of d rows, with F F^T the covariance."""
    if not few and len(rows) > rows.shape[1]:
        statistics = GaussianStatistics().update(rows)
        return statistics.mean, _factor(statistics._lower_covariance())
    rows = rows.astype(np.float64)
    mean = rows.mean(axis=0)
    rows -= mean
    return mean, rows.T / np.sqrt(len(rows) - 1)


def _distance(parts: float, root: float) -> float:
    return float(max(parts - 2 * root, 0.0))


def _root_from_eigenvalues(lower_a: np.ndarray, lower_b: np.ndarray, parts: float) -> float | None:
    """tr (A B)^(1/2) by the eigenvalues of A B, or None if that is not accurate enough."""
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
    # Round-off moves an eigenvalue by less than this, and twice its root by that over the root;
    # as signs differ, the sum by the root of the squares (measured: by less than a tenth of it).
    moved = np.finfo(float).eps * _norm(lower_a) * _norm(lower_b)
    admitted = max(ROUND_OFF * (parts - 2 * roots.sum()), ROUND_OFF_OF_PARTS * parts)
    return float(roots.sum()) if linalg.norm(moved / roots) <= admitted else None


def _norm(lower: np.ndarray) -> float:
    """Frobenius norm of the symmetric matrix with this lower triangle."""
    return np.sqrt(2 * np.linalg.norm(lower) ** 2 - np.linalg.norm(lower.diagonal()) ** 2)


def _factor(lower: np.ndarray) -> np.ndarray:
    """F of shape (d, rank) with F F^T = A, from A's lower triangle, by Cholesky with pivoting.

    Pivots at the level of round-off end it: what is left is noise, and its roots would not be
    small.
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
    """One BLAS thread for reductions to tridiagonal or bidiagonal form.

    They synchronise at every column and wait for memory: a second thread gains little, and costs
    ten times the time if another process has its core.
    """
    return threadpool_limits(1, user_api="blas")
