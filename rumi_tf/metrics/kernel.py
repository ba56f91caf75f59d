"""Unbiased squared maximum mean discrepancies with polynomial kernels (KID; Table 1 of UAC-GAN)."""

import math

import numpy as np

from rumi_tf.metrics import checks

# Kernel values held at a time: 2^22 in float64 are 32 MB.
BLOCK_VALUES = 2**22


def polynomial_mmd2(
    x: np.ndarray, y: np.ndarray, degree: int = 2, gamma: float = 1.0, coef0: float = 1.0
) -> float:
    """Unbiased estimate of the squared MMD with the kernel k(a, b) = (gamma a.b + coef0)^degree.

    Gretton et al., JMLR 2012, Eq. 3: sum_{i != j} k(x_i, x_j) / (n(n-1)) and the same for y, minus
    2 mean_{i,j} k(x_i, y_j). Neither rooted nor scaled; symmetric in x and y; expectation 0 for
    equal distributions, so an estimate may be negative. With the defaults, one-dimensional data
    have the expectation 2 (E x - E y)^2 + (E x^2 - E y^2)^2.

    One-dimensional data take O(n + m). By the binomial theorem the estimate is
    sum_l C(degree, l) gamma^l coef0^(degree - l) times
    (mean x^l - mean y^l)^2 - var(x^l) / n - var(y^l) / m with unbiased variances, in which no
    large numbers cancel. Other data take O(n m), in blocks.

    Args:
        x: (n,), (n, 1) or (n, d) samples, n >= 2.
        y: (m,), (m, 1) or (m, d) samples, m >= 2.
        degree: at least 1.
        gamma: factor of the scalar product, above 0.
        coef0: added constant, at least 0.

    Raises:
        ValueError: samples that are not finite numbers of these shapes, a kernel that is not
            positive definite, or values too large for this degree.
    """
    degree = checks.whole_number("degree", degree, 1)
    if not (math.isfinite(gamma) and gamma > 0):
        raise ValueError(f"gamma is {gamma}; it must be a number above 0")
    if not (math.isfinite(coef0) and coef0 >= 0):
        raise ValueError(f"coef0 is {coef0}; it must be a number of at least 0")
    x, y = checks.feature_pair("x", _column(x), "y", _column(y))
    mmd2 = _power_sums if x.shape[1] == 1 else _blocks
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
    """Mean and standard deviation, over random subsets, of the kernel distance (KID).

    Bińkowski et al., ICLR 2018, Section 4: the unbiased squared MMD with the kernel
    (a.b / d + 1)^3. Its expectation does not depend on the number of samples; 0 for equal
    distributions, else positive, but an estimate may be negative. In the units of the kernel;
    publications often print it times 100 or 1,000.

    Args:
        features_a: (n, d), n >= 2.
        features_b: (m, d), m >= 2.
        subsets: how many pairs of subsets are drawn.
        subset_size: rows of a subset, drawn without replacement; a set with fewer rows is used
            whole. If both sets are used whole, the deviation is 0 and says nothing.
        seed: of the subsets.

    Returns:
        The mean and the standard deviation (divisor `subsets`; of one subset, not of the mean).

    Raises:
        ValueError: features that are not finite numbers of these shapes, or bad numbers.
    """
    a, b = checks.feature_pair("features_a", features_a, "features_b", features_b)
    subsets = checks.whole_number("subsets", subsets, 1)
    subset_size = checks.whole_number("subset_size", subset_size, 2)
    rng = np.random.default_rng(checks.whole_number("seed", seed, 0))
    if subset_size >= max(len(a), len(b)):
        subsets = 1  # every further one would be the same
    values = [
        _blocks(_subset(a, subset_size, rng), _subset(b, subset_size, rng), 3, 1 / a.shape[1], 1.0)
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


def _power_sums(x: np.ndarray, y: np.ndarray, degree: int, gamma: float, coef0: float) -> float:
    power_x, power_y, total = np.ones(len(x)), np.ones(len(y)), 0.0
    for order in range(1, degree + 1):  # order 0 is constant and drops out
        power_x, power_y = power_x * x[:, 0], power_y * y[:, 0]
        weight = math.comb(degree, order) * gamma**order * coef0 ** (degree - order)
        noise = power_x.var(ddof=1) / len(x) + power_y.var(ddof=1) / len(y)
        total += weight * ((power_x.mean() - power_y.mean()) ** 2 - noise)
    return float(total)


def _blocks(x: np.ndarray, y: np.ndarray, degree: int, gamma: float, coef0: float) -> float:
    def within(rows):
        pairs = len(rows) * (len(rows) - 1)
        squares = _power(gamma * np.einsum("ij,ij->i", rows, rows) + coef0, degree)
        return (_kernel_sum(rows, rows, degree, gamma, coef0) - squares.sum()) / pairs

    across = _kernel_sum(x, y, degree, gamma, coef0) / (len(x) * len(y))
    return float(within(x) + within(y) - 2 * across)


def _kernel_sum(x: np.ndarray, y: np.ndarray, degree: int, gamma: float, coef0: float) -> float:
    rows = max(1, BLOCK_VALUES // len(y))
    return sum(
        _power(gamma * (x[start : start + rows] @ y.T) + coef0, degree).sum()
        for start in range(0, len(x), rows)
    )


def _power(values: np.ndarray, degree: int) -> np.ndarray:
    """values ** degree by products: NumPy's power is many times slower above squares."""
    result = values.copy()
    for _ in range(degree - 1):
        result *= values
    return result
