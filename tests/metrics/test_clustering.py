"""The clustering of PRD, compared with scikit-learn's MiniBatchKMeans."""

import numpy as np
import pytest
from sklearn.cluster import MiniBatchKMeans

from rumi_tf.metrics.clustering import Clustering


def rng(seed=0):
    return np.random.default_rng(seed)


def inertia(rows, labels):
    """Sum of squared distances to the cluster means."""
    return sum(((rows[labels == k] - rows[labels == k].mean(0)) ** 2).sum() for k in set(labels))


@pytest.mark.parametrize("name", ["blobs", pytest.param("noise", marks=pytest.mark.exhaustive)])
def test_inertia_equals_that_of_scikit_learn(name):
    rows = rng(1).standard_normal((5000, 8))
    if name == "blobs":
        rows += rng(2).standard_normal((10, 8))[rng(3).integers(10, size=5000)] * 3
    clustering = Clustering(rows, 20, seed=0)
    ours = [inertia(rows, clustering.labels(run)) for run in range(20)]
    expected = [
        inertia(rows, MiniBatchKMeans(20, n_init=1, random_state=run).fit(rows).labels_)
        for run in range(20)
    ]
    error = np.hypot(np.std(ours), np.std(expected)) / np.sqrt(20)
    assert np.mean(ours) == pytest.approx(np.mean(expected), abs=4 * error)
    assert 4 * error < 0.02 * np.mean(expected)  # the tolerance is tight enough


def test_separated_clusters_are_found_and_labels_are_in_row_order():
    truth = rng(1).integers(5, size=3000)
    rows = rng(2).standard_normal((3000, 4)) * 0.1 + 20 * rng(3).standard_normal((5, 4))[truth]
    clustering = Clustering(rows, 5, seed=0)
    for run in range(5):
        labels = clustering.labels(run)
        assert len({(a, b) for a, b in zip(truth, labels, strict=True)}) == 5


def test_labels_are_a_function_of_seed_and_run():
    rows = rng(1).standard_normal((400, 3))
    labels = Clustering(rows, 6, seed=1).labels(4)
    clustering = Clustering(rows, 6, seed=1)
    clustering.labels(0)
    np.testing.assert_array_equal(clustering.labels(4), labels)
    assert (clustering.labels(5) != labels).any()
    assert (Clustering(rows, 6, seed=2).labels(4) != labels).any()


def test_as_many_clusters_as_rows():
    rows = rng(1).standard_normal((7, 3))
    assert sorted(Clustering(rows, 7, seed=0).labels(0)) == list(range(7))
