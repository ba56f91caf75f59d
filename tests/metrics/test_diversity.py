import numpy as np
import pytest

from rumi_tf.metrics import diversity, intra_class_distances


def test_distance_is_the_mean_over_pairs_of_a_class():
    draw = np.random.default_rng(0)
    features, labels = draw.normal(size=(60, 5)).astype(np.float32), draw.integers(0, 3, 60)
    distances = intra_class_distances(features, labels)
    assert set(distances) == {0, 1, 2}
    for label, distance in distances.items():
        rows = features[labels == label].astype(float)
        pairs = [np.linalg.norm(a - b) for i, a in enumerate(rows) for b in rows[:i]]
        assert distance == pytest.approx(np.mean(pairs), rel=1e-6)


def test_two_points_and_equal_points():
    points = [[0.0, 0.0], [9.0, 9.0], [3.0, 4.0], [9.0, 9.0]]
    assert intra_class_distances(points, [4, 7, 4, 7]) == {4: 5.0, 7: 0.0}


def test_distance_of_gaussians_is_proportional_to_their_deviation():
    # For x, y ~ N(m, s^2 I) in d dimensions, |x - y| / (s sqrt(2)) is chi-distributed with d.
    points = np.random.default_rng(1).normal(size=(1000, 64))
    expected = np.sqrt(2) * np.sqrt(64 - 0.5)  # the mean of chi is about sqrt(d - 1/2)
    for scale, shift in ((1, 0), (3, 50)):
        (distance,) = intra_class_distances(scale * points + shift, np.zeros(1000)).values()
        assert distance == pytest.approx(scale * expected, rel=0.01)


def test_classes_with_one_image_are_omitted_and_large_ones_truncated(monkeypatch):
    assert set(intra_class_distances([[0.0], [1.0], [2.0]], [0, 1, 1])) == {1}
    monkeypatch.setattr(diversity, "MAX_IMAGES", 2)
    assert intra_class_distances([[0.0], [1.0], [50.0]], [0, 0, 0]) == {0: 1.0}


def test_labels_must_match_the_rows():
    with pytest.raises(ValueError, match=r"\(2,\)"):
        intra_class_distances(np.zeros((3, 2)), [0, 1])
