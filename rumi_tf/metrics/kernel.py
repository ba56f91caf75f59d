"""Unbiased squared MMD with polynomial kernels: KID, and Table 1 of UAC-GAN."""

import math

import numpy as np

from rumi_tf.metrics import checks

# Kernel values per block: 2^22 in float64 are 32 MB.
BLOCK_VALUES = 2**22


def polynomial_mmd2(
    x: np.ndarray, y: np.ndarray, degree: int = 2, gamma: float = 1.0, coef0: float = 1.0
) -> float:
    """Unbiased estimate of the squared MMD with the kernel k(a, b) = (gamma a.b + coef0)^degree.

    Gretton et al., JMLR 2012, Eq. 3: sum_{i != j} k(x_i, x_j) / (n(n-1)) plus the same for y,
    minus 2 mean_{i,j} k(x_i, y_j). No root, no scaling; symmetric in x and y. The expectation is 0
    for equal distributions, so estimates may be negative. With the defaults, one-dimensional data
    have the expectation 2 (E x - E y)^2 + (E x^2 - E y^2)^2.

    One-dimensional data take O(n + m): by the binomial theorem the estimate is
    sum_l C(degree, l) gamma^l coef0^(degree - l) times
    (mean x^l - mean y^l)^2 - var(x^l) / n - var(y^l) / m with unbiased variances, which avoids
    cancellation. Other data take O(n m), in blocks.

    Args:
        x: (n,), (n, 1) or (n, d) samples, n >= 2.
        y: (m,), (m, 1) or (m, d) samples, m >= 2.
        degree: at least 1.
        gamma: factor of the scalar product, above 0.
        coef0: added constant, at least 0.

    Raises:
        ValueError: samples that are not finite numbers of these shapes, a kernel that is not
            positive definite, or values too large for the degree.
    """
    degree = checks.integer("degree", degree, 1)
    if not (math.isfinite(gamma) and gamma > 0):
        raise ValueError(f"gamma is {gamma}; it must be above 0")
    if not (math.isfinite(coef0) and coef0 >= 0):
        raise ValueError(f"coef0 is {coef0}; it must be at least 0")
    x, y = checks.feature_pair("x", _column(x), "y", _column(y))
    mmd2 = _mmd2_from_moments if x.shape[1] == 1 else _mmd2_in_blocks
    with np.errstate(over="ignore", invalid="ignore"):
        value = mmd2(x.astype(np.float64), y.astype(np.float64), degree, gamma, coef0)
    if not math.isfinite(value):
        raise ValueError(f"x and y are too large for a kernel of degree {degree}; scale them down")
    return value


def kernel_distance(
    features_a: np.ndarray,
    features_b: np.ndarray,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Mean and standard deviation of the kernel distance (KID) over random subsets.

    Bińkowski et al., ICLR 2018, Section 4: the unbiased squared MMD with the kernel
    (a.b / d + 1)^3. Its expectation does not depend on the number of samples and is 0 for equal
    distributions, else positive; estimates may be negative. In units of the kernel; publications
    often report it times 100 or 1,000.

    Args:
        features_a: (n, d), n >= 2.
        features_b: (m, d), m >= 2.
        subsets: number of pairs of subsets.
        subset_size: rows per subset, drawn without replacement; a smaller set is used whole. If
            both sets are used whole, the deviation is 0 and meaningless.
        seed: seed of the subsets.

    Returns:
        Mean and standard deviation (divisor `subsets`; that of one subset, not of the mean).

    Raises:
        ValueError: features that are not finite numbers of these shapes, or numbers out of range.
    """
    a, b = checks.feature_pair("features_a", features_a, "features_b", features_b)
    subsets = checks.integer("subsets", subsets, 1)
    subset_size = checks.integer("subset_size", subset_size, 2)
    rng = np.random.default_rng(checks.integer("seed", seed, 0))
    if subset_size >= max(len(a), len(b)):
        subsets = 1  # all subsets would be equal
    values = [
        _mmd2_in_blocks(
            _subset(a, subset_size, rng), _subset(b, subset_size, rng), 3, 1 / a.shape[1], 1.0
        )
        for _ in range(subsets)
    ]
    return float(np.mean(values)), float(np.std(values))


def _column(values: np.ndarray) -> np.ndarray:
    array = np.asarray(values)
    return array[:, None] if array.ndim == 1 else array


def _subset(rows: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    if len(rows) > size:
        rows = rows[rng.choice(len(rows), size, replace=False)]
    return rows.astype(np.float64)


def _mmd2_from_moments(
    x: np.ndarray, y: np.ndarray, degree: int, gamma: float, coef0: float
) -> float:
    power_x, power_y, total = np.ones(len(x)), np.ones(len(y)), 0.0
    for order in range(1, degree + 1):  # order 0 is constant and cancels
        power_x, power_y = power_x * x[:, 0], power_y * y[:, 0]
        weight = math.comb(degree, order) * gamma**order * coef0 ** (degree - order)
        bias = power_x.var(ddof=1) / len(x) + power_y.var(ddof=1) / len(y)
        total += weight * ((power_x.mean() - power_y.mean()) ** 2 - bias)
    return float(total)


def _mmd2_in_blocks(x: np.ndarray, y: np.ndarray, degree: int, gamma: float, coef0: float) -> float:
    def within(rows):
        pairs = len(rows) * (len(rows) - 1)
        diagonal = _power(gamma * np.einsum("ij,ij->i", rows, rows) + coef0, degree)
        return (_kernel_sum(rows, rows, degree, gamma, coef0) - diagonal.sum()) / pairs

    between = _kernel_sum(x, y, degree, gamma, coef0) / (len(x) * len(y))
    return float(within(x) + within(y) - 2 * between)


def _kernel_sum(x: np.ndarray, y: np.ndarray, degree: int, gamma: float, coef0: float) -> float:
    rows = max(1, BLOCK_VALUES // len(y))
    return sum(
        _power(gamma * (x[start : start + rows] @ y.T) + coef0, degree).sum()
        for start in range(0, len(x), rows)
    )


def _power(values: np.ndarray, degree: int) -> np.ndarray:
    """Computes values ** degree by products; NumPy's power is much slower above degree 2."""
    result = values.copy()
    for _ in range(degree - 1):
        result *= values
    return result
