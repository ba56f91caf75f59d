import numpy as np
import pytest
from sklearn.cluster import MiniBatchKMeans

from rumi_tf.metrics import prd_curve, prd_f_scores


def rng(seed=0):
    return np.random.default_rng(seed)


def curve_by_loops(p, q, num_angles):
    """Precision and recall at evenly spaced angles of reference shares p and generated shares q."""
    precision, recall = [], []
    for angle in np.linspace(1e-10, np.pi / 2 - 1e-10, num_angles):
        slope = np.tan(angle)
        precision.append(sum(min(slope * a, b) for a, b in zip(p, q, strict=True)))
        recall.append(sum(min(a, b / slope) for a, b in zip(p, q, strict=True)))
    return np.array(precision), np.array(recall)


def published(generated, reference, seed, clusters=20, angles=101, runs=10):
    """The published procedure with scikit-learn."""
    union = np.concatenate([generated, reference])
    curves = []
    for run in range(runs):
        labels = MiniBatchKMeans(clusters, n_init=1, random_state=seed + run).fit(union).labels_
        q = np.bincount(labels[: len(generated)], minlength=clusters) / len(generated)
        p = np.bincount(labels[len(generated) :], minlength=clusters) / len(reference)
        curves.append(curve_by_loops(p, q, angles))
    return np.mean(curves, axis=0)


def modes(shares, n, seed, spread=0.1):
    """Samples of well-separated modes with exactly these shares."""
    counts = (np.array(shares) * n).round().astype(int)
    centres = rng(99).standard_normal((len(shares), 8)) * 20
    return np.repeat(centres, counts, axis=0) + rng(seed).standard_normal((n, 8)) * spread


def test_curve_of_separated_modes_is_that_of_their_shares():
    p, q = [0.5, 0.3, 0.2, 0.0], [0.1, 0.4, 0.0, 0.5]
    generated, reference = modes(q, 700, 1), modes(p, 400, 2)
    precision, recall = prd_curve(generated, reference, num_clusters=4, num_angles=51, num_runs=3)
    expected = curve_by_loops(p, q, 51)
    np.testing.assert_allclose(precision, expected[0], atol=1e-9)
    np.testing.assert_allclose(recall, expected[1], atol=1e-9)
    assert precision.max() == pytest.approx(0.5)  # share of q in the modes of p
    assert recall.max() == pytest.approx(0.8)  # share of p in the modes of q


def blobs(weights, n, d, seed, spread):
    centres = rng(5).standard_normal((len(weights), d)) * 2
    return centres[rng(seed).choice(len(weights), n, p=weights)] + spread * rng(
        [seed, 1]
    ).standard_normal((n, d))


EVEN = np.full(10, 0.1)
UNEVEN = np.r_[np.full(5, 0.04), np.full(5, 0.16)]
PAIRS = {
    "blobs": (blobs(UNEVEN, 2500, 32, 1, 0.8), blobs(EVEN, 1500, 32, 2, 1.0)),
    "shifted noise": (rng(1).standard_normal((2500, 32)) + 0.2, rng(2).standard_normal((1500, 32))),
    "equal": (blobs(EVEN, 1500, 16, 1, 1.0), blobs(EVEN, 2500, 16, 2, 1.0)),
    # Outliers become centres and must be reassigned.
    "heavy tails": (rng(1).standard_t(1.5, (2000, 8)), rng(2).standard_t(1.5, (2000, 8)) * 1.3),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n == "shifted noise" else pytest.mark.exhaustive) for n in PAIRS],
)
def test_curve_is_that_of_the_published_procedure(name):
    expected = published(*PAIRS[name], seed=0, runs=30)
    for dtype in (np.float32, np.float64):
        generated, reference = (x.astype(dtype) for x in PAIRS[name])
        ours = prd_curve(generated, reference, num_angles=101, num_runs=30)
        assert np.abs(np.array(ours) - expected).max() < 0.02


def test_identical_sets_have_the_ideal_curve():
    x = blobs(EVEN, 500, 6, 1, 1.0)
    precision, recall = prd_curve(x, x[::-1])
    slopes = np.tan(np.linspace(1e-10, np.pi / 2 - 1e-10, 1001))
    np.testing.assert_allclose(precision, np.minimum(slopes, 1), atol=1e-12)
    np.testing.assert_allclose(recall, np.minimum(1 / slopes, 1), atol=1e-12)
    assert prd_f_scores(precision, recall) == pytest.approx((1, 1))


def test_disjoint_sets_have_zero_precision_and_recall():
    precision, recall = prd_curve(modes([1.0], 300, 1), modes([1.0], 300, 2) + 500)
    assert precision.max() == recall.max() == 0
    assert prd_f_scores(precision, recall) == (0, 0)


def test_shape_range_and_monotonicity():
    precision, recall = prd_curve(*PAIRS["blobs"], num_angles=7, num_runs=2)
    assert precision.shape == recall.shape == (7,)
    assert precision.dtype == recall.dtype == np.float64
    assert (np.diff(precision) >= 0).all() and (np.diff(recall) <= 0).all()
    for values in (precision, recall):
        assert values.min() >= 0 and 0.5 < values.max() <= 1


def test_swapping_the_sets_swaps_precision_and_recall():
    a, b = modes([0.7, 0.3], 200, 1), modes([0.2, 0.8], 300, 2)
    precision, recall = prd_curve(a, b, num_clusters=2, num_angles=11)
    swapped = prd_curve(b, a, num_clusters=2, num_angles=11)
    np.testing.assert_allclose(swapped[0], recall[::-1], atol=1e-9)
    np.testing.assert_allclose(swapped[1], precision[::-1], atol=1e-9)


def test_mode_dropping_gives_high_precision_and_low_recall():
    reference = modes([0.2] * 5, 1000, 1)
    generated = modes([1.0, 0, 0, 0, 0], 1000, 2)
    precision, recall = prd_curve(generated, reference, num_clusters=5)
    assert precision.max() > 0.99 and recall.max() == pytest.approx(0.2, abs=0.01)
    f_8, f_1_8 = prd_f_scores(precision, recall)
    assert f_1_8 > 0.9 > 0.3 > f_8


def test_noise_gives_high_recall_and_low_precision():
    reference = modes([0.2, 0.2, 0.2, 0.2, 0.2, 0.0], 1000, 1)
    generated = modes([0.06, 0.06, 0.06, 0.06, 0.06, 0.7], 1000, 2)
    precision, recall = prd_curve(generated, reference, num_clusters=6)
    assert recall.max() > 0.99 and precision.max() == pytest.approx(0.3, abs=0.01)
    f_8, f_1_8 = prd_f_scores(precision, recall)
    assert f_8 > 0.9 > 0.4 > f_1_8


def test_a_collapsed_generator_is_not_an_error():
    reference = blobs(EVEN, 600, 6, 1, 1.0)
    precision, recall = prd_curve(np.tile(reference[0], (600, 1)), reference)
    assert precision.max() > 0.99 > 0.15 > recall.max()
    f_8, f_1_8 = prd_f_scores(precision, recall)
    assert f_1_8 > 0.5 > 0.15 > f_8


def test_curve_is_invariant_to_shift_and_scale():
    generated, reference = PAIRS["shifted noise"]
    expected = np.array(prd_curve(generated, reference, num_angles=21, num_runs=5))
    for transform in (lambda x: 1e12 * x, lambda x: 1e-12 * x, lambda x: x + 1e4):
        curve = np.array(prd_curve(transform(generated), transform(reference), 20, 21, 5))
        np.testing.assert_allclose(curve, expected, atol=0.02)


def test_curve_is_a_function_of_its_seed():
    generated, reference = (x[:800] for x in PAIRS["shifted noise"])
    first = prd_curve(generated, reference, num_angles=21, num_runs=2, seed=1)
    again = prd_curve(generated, reference, num_angles=21, num_runs=2, seed=1)
    other = prd_curve(generated, reference, num_angles=21, num_runs=2, seed=2)
    np.testing.assert_array_equal(first, again)
    assert np.abs(np.array(first) - other).max() > 1e-4


def test_curve_is_the_average_over_different_clusterings():
    generated, reference = (x[:800] for x in PAIRS["shifted noise"])
    first, mean = (np.array(prd_curve(generated, reference, 20, 21, runs)) for runs in (1, 2))
    second = 2 * mean - first
    assert np.abs(second - first).max() > 1e-4
    assert second.min() >= -1e-12 and second.max() <= 1 + 1e-12


def test_arguments_are_not_modified():
    generated, reference = (x.copy() for x in PAIRS["equal"])
    prd_curve(generated, reference, num_runs=1)
    np.testing.assert_array_equal(generated, PAIRS["equal"][0])
    np.testing.assert_array_equal(reference, PAIRS["equal"][1])


def test_f_scores_are_the_maxima_over_the_curve():
    precision, recall = np.array([0.0, 0.3, 0.6, 0.9]), np.array([0.8, 0.7, 0.3, 0.0])

    def best(beta):
        return max(
            (1 + beta**2) * p * r / (beta**2 * p + r)
            for p, r in zip(precision, recall, strict=True)
        )

    assert prd_f_scores(precision, recall) == pytest.approx((best(8), best(1 / 8)))
    assert prd_f_scores(precision, recall, beta=1) == pytest.approx((best(1), best(1)))


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (([0.5], [0.5, 0.6]), r"\(1,\).*\(2,\)"),
        (([], []), r"\(0,\)"),
        (([0.5], [1.5]), r"\[0, 1\]"),
        (([np.nan], [0.5]), r"\[0, 1\]"),
        (([0.5], [0.5], 0), "beta is 0"),
    ],
)
def test_f_scores_check_their_arguments(arguments, value):
    with pytest.raises(ValueError, match=value):
        prd_f_scores(*arguments)


def test_clusters_are_limited_by_the_number_of_distinct_rows():
    x = np.repeat(rng().standard_normal((6, 3)), 10, axis=0)
    with pytest.raises(ValueError, match=r"6 distinct rows.*num_clusters = 7"):
        prd_curve(x, x, num_clusters=7)
    precision, _ = prd_curve(x, x, num_clusters=6, num_runs=1)
    assert precision[-1] == pytest.approx(1, abs=1e-12)
