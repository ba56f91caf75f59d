import numpy as np
import pytest
from scipy.linalg import sqrtm

from rumi_tf.metrics import (
    GaussianStatistics,
    extrapolated_frechet_distance,
    frechet_distance,
    frechet_distance_from_statistics,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def textbook(a, b):
    """The definition, with SciPy's matrix square root."""
    root = sqrtm(np.cov(a, rowvar=False) @ np.cov(b, rowvar=False)).real
    traces = np.trace(np.cov(a, rowvar=False) + np.cov(b, rowvar=False) - 2 * root)
    return np.sum((a.mean(0) - b.mean(0)) ** 2) + traces


def from_statistics(a, b):
    return frechet_distance_from_statistics(
        GaussianStatistics().update(a), GaussianStatistics().update(b)
    )


def rotation(d, seed=7):
    return np.linalg.qr(rng(seed).standard_normal((d, d)))[0]


def isometry(rows, d):
    """Embeds points in d dimensions, in a random subspace."""
    return rows @ np.linalg.qr(rng(8).standard_normal((d, rows.shape[1])))[0].T


def with_moments(n, mean, covariance, seed=0):
    """Samples with exactly this sample mean and covariance."""
    x = rng(seed).standard_normal((n, len(mean)))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ np.linalg.cholesky(covariance).T + mean


SPECTRA = {
    "flat": np.ones(40),
    "decaying": np.arange(1.0, 41) ** -2,
    "steep": np.logspace(0, -7, 40),
    "stepped": np.r_[np.ones(20), np.full(20, 1e-6)],
}


@pytest.mark.parametrize("distance", [frechet_distance, from_statistics])
@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
@pytest.mark.parametrize("rotated", [False, True])
def test_distance_of_full_rank_sets_is_that_of_the_matrix_square_root(distance, spectrum, rotated):
    a = rng(1).standard_normal((300, 40)) * np.sqrt(spectrum)
    b = rng(2).standard_normal((150, 40)) * np.sqrt(spectrum) * 1.3 + 0.1
    if rotated:
        a, b = a @ rotation(40), b @ rotation(40)
    assert distance(a, b) == pytest.approx(textbook(a, b), rel=1e-6)


@pytest.mark.parametrize("order", [1, -1])
def test_columns_of_rising_variance_lose_no_precision(order):
    # Roots of the eigenvalues of A B have errors of 1e-6 and more for rising variances.
    scale = np.logspace(0, -5.5, 300)[::order]
    a, b = (rng(s).standard_normal((900, 300)) * scale for s in (1, 2))
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    left, right = np.linalg.qr(a - a.mean(0), "r"), np.linalg.qr(b - b.mean(0), "r")
    root = np.linalg.svd(left @ right.T / 899, compute_uv=False).sum()
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(cov_a + cov_b) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(
    ("n", "m"), [(20, 25), (20, 500), (70, 500), (70, 80), (500, 20), (100, 101), (101, 102)]
)
@pytest.mark.parametrize("distance", [frechet_distance, from_statistics])
def test_fewer_samples_than_dimensions(n, m, distance):
    a, b = rng(1).standard_normal((n, 12)), rng(2).standard_normal((m, 12)) * 0.8 + 0.2
    expected = textbook(a, b)
    assert distance(isometry(a, 100), isometry(b, 100)) == pytest.approx(expected, rel=1e-6)
    # Samples of maximal rank.
    c, d = rng(3).standard_normal((n, 100)), rng(4).standard_normal((m, 100)) + 0.1
    left, right = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (c, d))
    root = np.linalg.svd(left @ right.T, compute_uv=False).sum()
    expected = ((c.mean(0) - d.mean(0)) ** 2).sum() + (left**2).sum() + (right**2).sum() - 2 * root
    assert distance(c, d) == pytest.approx(expected, rel=1e-9)


def test_one_singular_and_one_full_rank_covariance():
    a = isometry(rng(1).standard_normal((400, 15)), 60)
    b = rng(2).standard_normal((300, 60))
    root_b = sqrtm(np.cov(b, rowvar=False)).real
    values = np.linalg.eigvalsh(root_b @ np.cov(a, rowvar=False) @ root_b)
    root = np.sqrt(values[-15:]).sum()  # the others are zero
    traces = np.trace(np.cov(a, rowvar=False)) + np.trace(np.cov(b, rowvar=False))
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + traces - 2 * root
    for distance in (frechet_distance, from_statistics):
        assert distance(a, b) == pytest.approx(expected, rel=1e-9)
        assert distance(b, a) == pytest.approx(expected, rel=1e-9)


def test_dead_and_constant_columns_contribute_only_means_and_variances():
    a, b = rng(1).standard_normal((200, 6)), rng(2).standard_normal((300, 6)) + 0.3
    a[:, 1], b[:, 1] = 0, 0
    a[:, 3], b[:, 3] = 0.1, 0.3  # 0.1 is not exact in binary, so neither is its mean
    a[:, 4] = 0.7
    rest = [0, 2, 5]
    expected = textbook(a[:, rest], b[:, rest]) + 0.2**2
    expected += (0.7 - b[:, 4].mean()) ** 2 + b[:, 4].var(ddof=1)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("distance", [frechet_distance, from_statistics])
@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
@pytest.mark.parametrize("n", [15, 30, 400])
def test_identical_sets_have_distance_zero(distance, spectrum, n):
    a = (rng(1).standard_normal((n, 40)) * 5 * np.sqrt(spectrum)) @ rotation(40) + 3
    assert 0 <= distance(a, a) < 1e-10
    assert 0 <= distance(a, rng(2).permutation(a)) < 1e-10


def test_identical_sets_of_few_samples_in_2048_dimensions():
    a = rng(1).standard_normal((200, 2048)).astype(np.float32)
    assert 0 <= frechet_distance(a, a.copy()) < 1e-6
    low_rank = isometry(rng(1).standard_normal((700, 50)) * 10, 256)
    assert 0 <= frechet_distance(low_rank, low_rank) < 1e-6
    assert 0 <= from_statistics(low_rank[:100], low_rank[:100]) < 1e-6


def test_gaussians_in_closed_form():
    variances_a, variances_b = np.array([4.0, 1.0, 9.0]), np.array([1.0, 16.0, 9.0])
    q = rotation(3)
    shift = np.array([1.0, -2.0, 0.5])
    a = with_moments(50, np.zeros(3), q @ np.diag(variances_a) @ q.T, 1)
    b = with_moments(40, shift, q @ np.diag(variances_b) @ q.T, 2)
    expected = np.sum(shift**2) + 1 + 9  # (2 - 1)^2 + (1 - 4)^2
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


def test_one_dimension_in_closed_form():
    a, b = rng(1).normal(2, 3, (50, 1)), rng(2).normal(-1, 1, (20, 1))
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [10, 25, 90])
def test_invariances(n):
    a, b = rng(1).standard_normal((n, 30)), rng(2).standard_normal((60, 30)) * 1.5 + 0.2
    value = frechet_distance(a, b)
    assert value > 1
    assert frechet_distance(b, a) == pytest.approx(value, rel=1e-10)
    assert frechet_distance(a + 7, b + 7) == pytest.approx(value, rel=1e-10)
    assert frechet_distance(a @ rotation(30), b @ rotation(30)) == pytest.approx(value, rel=1e-10)
    assert frechet_distance(3 * a, 3 * b) == pytest.approx(9 * value, rel=1e-10)


def test_a_set_of_equal_rows_has_zero_covariance():
    a, b = np.full((30, 5), 0.3), rng(1).standard_normal((40, 5))
    expected = np.sum((0.3 - b.mean(0)) ** 2) + np.trace(np.cov(b, rowvar=False))
    for distance in (frechet_distance, from_statistics):
        assert distance(a, b) == pytest.approx(expected, rel=1e-12)
        assert distance(a[:3], b) == pytest.approx(expected, rel=1e-12)
        assert distance(a, a) == pytest.approx(0, abs=1e-25)
        assert distance(a, b[:4]) == pytest.approx(
            np.sum((0.3 - b[:4].mean(0)) ** 2) + b[:4].var(axis=0, ddof=1).sum(), rel=1e-12
        )


def test_float32_and_integer_features_are_computed_in_float64():
    a = (rng(1).standard_normal((90, 8)) + 1e3).astype(np.float32)
    b = (rng(2).standard_normal((80, 8)) + 1e3).astype(np.float32)
    expected = textbook(a.astype(np.float64), b.astype(np.float64))
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    c = rng(3).integers(0, 255, (50, 8), dtype=np.uint8)
    assert frechet_distance(c, b) == pytest.approx(textbook(c.astype(float), b.astype(float)))


def test_statistics_of_a_stream_are_those_of_the_whole_set():
    x = rng(1).standard_normal((1000, 7)) @ rng(2).standard_normal((7, 7)) + 1e6
    stream = GaussianStatistics()
    for part in np.split(x, [1, 3, 500, 501]):
        stream.update(part)
    assert stream.count == 1000
    np.testing.assert_allclose(stream.mean, x.mean(0), rtol=1e-14)
    # With a mean of 1e6 a naive sum of squares loses 12 of 16 digits.
    np.testing.assert_allclose(stream.covariance, np.cov(x - 1e6, rowvar=False), rtol=1e-8)


def test_splitting_long_batches_does_not_change_the_result(monkeypatch):
    x = rng(1).standard_normal((50, 4))
    whole = GaussianStatistics().update(x)
    monkeypatch.setattr("rumi_tf.metrics.frechet.BLOCK", 7)
    parts = GaussianStatistics().update(x)
    assert parts.count == 50
    np.testing.assert_allclose(parts.covariance, whole.covariance, rtol=1e-12)
    np.testing.assert_allclose(parts.covariance, np.cov(x, rowvar=False), rtol=1e-12)


def test_distance_of_streams_is_that_of_the_sets():
    a, b = rng(1).standard_normal((333, 20)), rng(2).standard_normal((99, 20)) + 0.2
    streams = GaussianStatistics(), GaussianStatistics()
    for stream, rows in zip(streams, (a, b), strict=True):
        for part in np.array_split(rows, 4):
            stream.update(part)
    assert frechet_distance_from_statistics(*streams) == pytest.approx(
        frechet_distance(a, b), rel=1e-10
    )


def test_stored_moments_give_the_same_distance():
    a, b = rng(1).standard_normal((50, 6)), rng(2).standard_normal((60, 6)) + 1
    stored = GaussianStatistics.from_moments(50, a.mean(0), np.cov(a, rowvar=False))
    np.testing.assert_allclose(stored.covariance, np.cov(a, rowvar=False), rtol=1e-14)
    value = frechet_distance_from_statistics(stored, GaussianStatistics().update(b))
    assert value == pytest.approx(textbook(a, b), rel=1e-9)


def test_invalid_updates_raise_and_leave_statistics_unchanged():
    stream = GaussianStatistics()
    with pytest.raises(ValueError, match="0 samples"):
        _ = stream.mean
    stream.update(np.ones((1, 3)))
    with pytest.raises(ValueError, match="1 samples"):
        _ = stream.covariance
    for bad in (np.ones((2, 4)), np.full((2, 3), np.nan), np.ones(3)):
        with pytest.raises(ValueError):
            stream.update(bad)
    assert stream.count == 1
    np.testing.assert_array_equal(stream.mean, np.ones(3))
    other = GaussianStatistics().update(rng().standard_normal((9, 4)))
    with pytest.raises(ValueError, match=r"4 columns.* 3"):
        frechet_distance_from_statistics(other, stream.update(np.zeros((1, 3))))


@pytest.mark.parametrize(
    ("moments", "value"),
    [
        ((1, np.zeros(2), np.eye(2)), "count is 1"),
        ((5, np.zeros(3), np.eye(2)), r"\(3,\).*\(2, 2\)"),
        ((5, np.zeros((1, 2)), np.eye(2)), r"\(1, 2\)"),
        ((5, np.zeros(2), np.array([[1.0, 0.5], [0.0, 1.0]])), "covariance"),
        ((5, np.zeros(2), -np.eye(2)), "covariance"),
        ((5, np.array([0, np.nan]), np.eye(2)), "mean"),
    ],
)
def test_stored_moments_are_checked(moments, value):
    with pytest.raises(ValueError, match=value):
        GaussianStatistics.from_moments(*moments)


def test_extrapolation_removes_most_of_the_bias():
    d = 10
    reference = with_moments(2000, np.zeros(d), np.eye(d))
    raw, extrapolated = [], []
    for seed in range(12):
        generated = rng(seed).standard_normal((400, d)) + 0.1
        raw.append(frechet_distance(generated, reference))
        extrapolated.append(extrapolated_frechet_distance(generated, reference, seed=seed))
    truth = 0.01 * d
    spread = np.std(extrapolated) / np.sqrt(12)
    bias = np.mean(raw) - truth
    assert bias > 6 * spread  # large enough to measure its removal
    assert abs(np.mean(extrapolated) - truth) < 0.3 * bias


def test_extrapolation_of_a_distance_without_bias():
    reference = rng(1).standard_normal((100, 4))
    constant = np.full((50, 4), 2.0)
    value = extrapolated_frechet_distance(constant, reference)
    assert value == pytest.approx(frechet_distance(constant, reference), rel=1e-9)


def test_extrapolation_is_a_function_of_its_seed():
    a, b = rng(1).standard_normal((200, 4)), rng(2).standard_normal((100, 4))
    first = extrapolated_frechet_distance(a, b, seed=3)
    assert extrapolated_frechet_distance(a, b, seed=3) == first
    assert extrapolated_frechet_distance(a, b, seed=4) != first
