import numpy as np
import pytest

from rumi_tf.metrics import kernel_distance, polynomial_mmd2


def rng(seed=0):
    return np.random.default_rng(seed)


def by_loops(x, y, degree, gamma, coef0):
    """The definition, one pair at a time."""

    def k(a, b):
        return (gamma * sum(p * q for p, q in zip(a, b, strict=True)) + coef0) ** degree

    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return xx + yy - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize(
    ("degree", "gamma", "coef0"), [(1, 1.0, 1.0), (2, 1.0, 1.0), (3, 0.5, 2.0), (4, 2.0, 0.0)]
)
@pytest.mark.parametrize("sizes", [(5, 5), (7, 4), (2, 9)])
def test_mmd_is_the_double_sum(d, degree, gamma, coef0, sizes):
    x, y = rng(1).normal(1, 2, (sizes[0], d)), rng(2).normal(0, 1, (sizes[1], d))
    expected = by_loops(x, y, degree, gamma, coef0)
    assert polynomial_mmd2(x, y, degree, gamma, coef0) == pytest.approx(expected, rel=1e-9)


def test_one_dimensional_mmd_accepts_vectors_and_columns():
    x, y = rng(1).standard_normal(6), rng(2).standard_normal(8) + 1
    expected = by_loops(x[:, None], y[:, None], 2, 1, 1)
    assert polynomial_mmd2(x, y) == pytest.approx(expected, rel=1e-10)
    assert polynomial_mmd2(x[:, None], y) == polynomial_mmd2(x, y)


def test_one_dimensional_mmd_is_precise_for_a_large_mean():
    # Integers make the double sum in Python exact; its terms are about 1e12.
    x, y = rng(1).integers(1000, 1010, 30), rng(2).integers(1000, 1010, 20)
    exact = by_loops([[int(v)] for v in x], [[int(v)] for v in y], 2, 1, 1)
    assert polynomial_mmd2(x, y) == pytest.approx(exact, rel=1e-8)


def test_block_size_does_not_change_the_result(monkeypatch):
    x, y = rng(1).standard_normal((23, 3)), rng(2).standard_normal((17, 3)) + 0.4
    whole = polynomial_mmd2(x, y, degree=3)
    monkeypatch.setattr("rumi_tf.metrics.kernel.BLOCK_VALUES", 40)
    assert polynomial_mmd2(x, y, degree=3) == pytest.approx(whole, rel=1e-11)
    assert whole == pytest.approx(by_loops(x, y, 3, 1, 1), rel=1e-9)


def test_mmd_of_gaussians_approaches_its_expectation():
    # 2 (E x - E y)^2 + (E x^2 - E y^2)^2 for N(0, 1) and N(3, 2)
    x, y = rng(1).normal(0, 1, 400_000), rng(2).normal(3, 2, 400_000)
    assert polynomial_mmd2(x, y) == pytest.approx(2 * 9 + (1 - 13) ** 2, rel=0.02)


def test_mmd_and_kid_are_unbiased():
    """The mean over many draws from equal distributions is 0 within its standard error."""
    values = {"kid": [], "mmd": [], "biased": []}
    for seed in range(400):
        x, y = rng([1, seed]).standard_normal((15, 4)), rng([2, seed]).standard_normal((25, 4))
        values["kid"].append(kernel_distance(x, y)[0])
        values["mmd"].append(polynomial_mmd2(x[:, 0], y[:, 0]))
        # The biased estimate includes the diagonals and must fail the bound below.
        kernels = ((a @ b.T / 4 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
        xx, yy, xy = (k.mean() for k in kernels)
        values["biased"].append(xx + yy - 2 * xy)
    score = {k: np.mean(v) / (np.std(v) / np.sqrt(len(v))) for k, v in values.items()}
    assert abs(score["kid"]) < 4
    assert abs(score["mmd"]) < 4
    assert score["biased"] > 20
    assert min(values["kid"]) < 0  # not clipped


def test_kid_of_whole_sets_is_the_cubic_mmd():
    x, y = rng(1).standard_normal((9, 5)), rng(2).standard_normal((12, 5)) + 0.5
    mean, deviation = kernel_distance(x, y)
    assert mean == pytest.approx(by_loops(x, y, 3, 1 / 5, 1), rel=1e-10)
    assert deviation == 0


def test_kid_draws_subsets_without_replacement():
    # Subsets omit one of nine rows of x, so there are nine possible values.
    x, y = rng(1).standard_normal((9, 3)), rng(2).standard_normal((8, 3)) + 0.5
    possible = np.array([by_loops(np.delete(x, i, axis=0), y, 3, 1 / 3, 1) for i in range(9)])
    for seed in range(5):
        mean, deviation = kernel_distance(x, y, subsets=1, subset_size=8, seed=seed)
        assert np.abs(possible - mean).min() < 1e-12
        assert deviation == 0
    mean, deviation = kernel_distance(x, y, subsets=3000, subset_size=8)
    assert mean == pytest.approx(possible.mean(), abs=5 * possible.std() / np.sqrt(3000))
    assert deviation == pytest.approx(possible.std(), rel=0.1)


def test_kid_grows_with_the_shift_and_is_symmetric_for_whole_sets():
    x, y = rng(1).standard_normal((200, 8)), rng(2).standard_normal((200, 8))
    values = [kernel_distance(x, y + shift)[0] for shift in (0, 0.2, 0.5, 1)]
    assert abs(values[0]) < 0.05 < values[1] < values[2] < values[3]
    assert kernel_distance(y, x)[0] == pytest.approx(values[0], rel=1e-9)


def test_kid_is_invariant_to_rotation():
    rotation = np.linalg.qr(rng(3).standard_normal((6, 6)))[0]
    x, y = rng(1).standard_normal((40, 6)), rng(2).standard_normal((50, 6)) + 0.3
    assert kernel_distance(x @ rotation, y @ rotation, subsets=4, subset_size=20) == pytest.approx(
        kernel_distance(x, y, subsets=4, subset_size=20), rel=1e-9
    )


def test_kid_is_a_function_of_its_seed():
    x, y = rng(1).standard_normal((40, 3)), rng(2).standard_normal((40, 3))
    first = kernel_distance(x, y, subsets=3, subset_size=10, seed=1)
    assert kernel_distance(x, y, subsets=3, subset_size=10, seed=1) == first
    assert kernel_distance(x, y, subsets=3, subset_size=10, seed=2) != first


def test_kid_of_a_set_of_equal_rows():
    x, y = np.full((5, 2), 0.5), rng(1).standard_normal((6, 2))
    assert kernel_distance(x, y)[0] == pytest.approx(by_loops(x, y, 3, 1 / 2, 1), rel=1e-10)
    assert kernel_distance(x, x)[0] == pytest.approx(0, abs=1e-14)
