import numpy as np
import pytest

from rumi_tf.metrics import density_coverage, improved_precision_recall


def rng(seed=0):
    return np.random.default_rng(seed)


def radii(rows, k):
    distances = [
        sorted(np.linalg.norm(a - b) for j, b in enumerate(rows) if j != i)
        for i, a in enumerate(rows)
    ]
    return [row[k - 1] for row in distances]


def precision_recall_by_loops(generated, reference, k):
    def share(points, centres):
        balls = list(zip(centres, radii(centres, k), strict=True))
        return np.mean([any(np.linalg.norm(p - c) <= r for c, r in balls) for p in points])

    return share(generated, reference), share(reference, generated)


def density_coverage_by_loops(generated, reference, k):
    inside = np.array(
        [
            [np.linalg.norm(g - c) < r for c, r in zip(reference, radii(reference, k), strict=True)]
            for g in generated
        ]
    )
    return inside.sum() / (k * len(generated)), inside.any(axis=0).mean()


@pytest.fixture(params=[None, 30], ids=["one block", "many blocks"])
def blocks(request, monkeypatch):
    if request.param:
        monkeypatch.setattr("rumi_tf.metrics.manifold.BLOCK_VALUES", request.param)


@pytest.mark.parametrize("k", [1, 3, 6])
@pytest.mark.parametrize("d", [1, 2, 20])
def test_definitions(k, d, blocks):
    generated, reference = rng(1).standard_normal((25, d)) + 0.7, rng(2).standard_normal((18, d))
    assert improved_precision_recall(generated, reference, k) == pytest.approx(
        precision_recall_by_loops(generated, reference, k)
    )
    assert density_coverage(generated, reference, k) == pytest.approx(
        density_coverage_by_loops(generated, reference, k)
    )


@pytest.mark.parametrize("offset", [0, 1e3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_sets(offset, dtype, blocks):
    x = (rng(1).standard_normal((40, 12)) + offset).astype(dtype)
    assert improved_precision_recall(x, x[::-1]) == (1, 1)
    # Every open ball contains its centre and k - 1 neighbours; the k-th is on the sphere, outside.
    assert density_coverage(x, x[::-1]) == (1, 1)


def test_points_on_the_sphere_are_in_closed_balls_but_not_in_open_ones():
    # Equally spaced points and one more at either end, exactly one radius away up to round-off,
    # which depends on the direction.
    steps = np.arange(6)[:, None]
    for seed in range(40):
        direction = rng(seed).standard_normal(3)
        reference, generated = steps * direction, np.array([[-1.0], [6.0]]) * direction
        assert improved_precision_recall(generated, reference, k=1)[0] == 1
        assert density_coverage(generated, reference, k=1) == (0, 0)
        assert improved_precision_recall(reference, generated, k=1)[1] == 1


def test_distant_sets():
    x = rng(1).standard_normal((30, 4))
    assert improved_precision_recall(x + 100, x) == (0, 0)
    assert density_coverage(x + 100, x) == (0, 0)


def test_invariances():
    generated, reference = rng(1).standard_normal((50, 6)) + 0.8, rng(2).standard_normal((60, 6))
    rotation = np.linalg.qr(rng(3).standard_normal((6, 6)))[0]
    for metric in (improved_precision_recall, density_coverage):
        value = metric(generated, reference)
        assert 0 < value[1] < 1
        for transform in (lambda x: x + 50, lambda x: x @ rotation, lambda x: x * 1e-3):
            assert metric(transform(generated), transform(reference)) == pytest.approx(value)


def test_swapping_the_sets_swaps_precision_and_recall():
    a, b = rng(1).standard_normal((50, 3)) * 0.6, rng(2).standard_normal((60, 3))
    precision, recall = improved_precision_recall(a, b)
    assert (recall, precision) == improved_precision_recall(b, a)
    assert precision > recall


def modes(n, seed, spread=0.1):
    """Five modes on a line, ten apart."""
    x = rng(seed).standard_normal((n, 4)) * spread
    x[:, 0] += 10 * (np.arange(n) % 5)
    return x


def test_mode_dropping_gives_high_precision_and_low_recall():
    reference, generated = modes(200, 1), modes(200, 2)
    generated[:, 0] -= 10 * (np.arange(200) % 5)  # all in the first mode
    precision, recall = improved_precision_recall(generated, reference)
    density, coverage = density_coverage(generated, reference)
    assert precision > 0.8 > 0.25 > recall
    assert density > 0.7 > 0.25 > coverage


def test_noise_gives_high_recall_and_low_precision():
    reference, generated = modes(200, 1), modes(200, 2, spread=3)
    precision, recall = improved_precision_recall(generated, reference)
    density, _ = density_coverage(generated, reference)
    assert recall > 0.8 > 0.3 > precision
    assert density < 0.3


def test_a_collapsed_generator_is_not_an_error():
    reference = rng(1).standard_normal((60, 5))
    for shift in (0, 1e4):
        collapsed = np.tile(reference[7], (40, 1)) + shift
        precision, recall = improved_precision_recall(collapsed, reference + shift)
        assert precision == 1
        assert recall == pytest.approx(1 / 60)  # the row it equals, at distance 0
        density, coverage = density_coverage(collapsed, reference + shift)
        assert 0 < coverage < 0.5
        assert density * 5 == pytest.approx(coverage * 60)


def test_a_generated_outlier_inflates_recall_but_not_coverage():
    reference, generated = modes(100, 1), modes(100, 2)[::5]
    generated = np.concatenate([generated, [[200.0, 0, 0, 0]]])
    assert improved_precision_recall(generated, reference)[1] > 0.95
    assert density_coverage(generated, reference)[1] < 0.3


def test_equal_distributions_have_density_and_coverage_near_one():
    generated, reference = rng(1).standard_normal((600, 3)), rng(2).standard_normal((600, 3))
    density, coverage = density_coverage(generated, reference)
    assert density == pytest.approx(1, abs=0.1)
    assert coverage == pytest.approx(1 - 0.5**5, abs=0.03)  # Naeem et al., Lemma 2


def test_a_reference_with_zero_radii_is_rejected():
    with pytest.raises(ValueError, match=r"features_reference .*k = 3"):
        improved_precision_recall(rng().standard_normal((9, 2)), np.ones((9, 2)))
    pairs = np.repeat(rng(1).standard_normal((10, 2)), 2, axis=0)
    with pytest.raises(ValueError, match="k = 1"):
        density_coverage(pairs, pairs, k=1)
    assert density_coverage(pairs, pairs, k=2) == (1, 1)


def test_k_is_limited_by_the_number_of_rows():
    few, many = rng(1).standard_normal((4, 2)), rng(2).standard_normal((9, 2))
    with pytest.raises(ValueError, match=r"k is 4.*features_generated has 4 rows"):
        improved_precision_recall(few, many, k=4)
    with pytest.raises(ValueError, match=r"k is 4.*features_reference has 4 rows"):
        density_coverage(many, few, k=4)
    assert density_coverage(few, many, k=8)[0] > 0
