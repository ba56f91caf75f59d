import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from rumi_tf.utils import rng
from rumi_tf.utils.rng import epoch_shuffle, initializer_seeds, normal, numpy_generator


@pytest.mark.parametrize("size", [1, 2, 3, 7, 200, 1000])
def test_every_epoch_is_a_permutation(size):
    epochs = epoch_shuffle(np.arange(5 * size), size, 3, "s").numpy().reshape(5, size)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(size), (5, 1)))


def test_epochs_seeds_and_streams_give_different_orders():
    first = epoch_shuffle(np.arange(200), 200, 3, "s").numpy()
    for positions, seed, stream in (
        (np.arange(200, 400), 3, "s"), (np.arange(200), 4, "s"), (np.arange(200), 3, "t"),
    ):  # fmt: skip
        other = epoch_shuffle(positions, 200, seed, stream).numpy()
        assert np.mean(first == other) < 0.1


def test_index_depends_only_on_its_position():
    together = epoch_shuffle(np.arange(95, 130), 100, 0, "s").numpy()
    single = [int(epoch_shuffle(np.array([p]), 100, 0, "s")[0]) for p in range(95, 130)]
    assert together.tolist() == single


def test_permutations_are_approximately_uniform():
    epochs = epoch_shuffle(np.arange(3 * 6000), 3, 1, "s").numpy().reshape(-1, 3)
    _, counts = np.unique(epochs, axis=0, return_counts=True)
    assert len(counts) == 6
    assert counts.min() > 0.7 * counts.mean()  # the underlying cipher is not exactly uniform


def test_normal_is_deterministic_and_standard():
    draw = normal((500, 100), 1, "noise", 7)
    np.testing.assert_array_equal(draw, normal((500, 100), 1, "noise", 7))
    assert stats.kstest(draw.numpy().ravel(), "norm").pvalue > 1e-3
    for other in (
        normal((500, 100), 2, "noise", 7), normal((500, 100), 1, "grid", 7),
        normal((500, 100), 1, "noise", 8), normal((500, 100), 1, "noise", 7, draw=1),
    ):  # fmt: skip
        assert abs(np.corrcoef(draw.numpy().ravel(), other.numpy().ravel())[0, 1]) < 0.02


def test_normal_is_equal_in_graph_mode():
    compiled = tf.function(lambda step: normal((7, 5), 1, "noise", step))
    drawn = compiled(tf.constant(3, tf.int64))
    np.testing.assert_array_equal(drawn, normal((7, 5), 1, "noise", 3))


def test_normal_is_stable_over_releases():
    """A run that is resumed after an update of TensorFlow must draw the same numbers."""
    np.testing.assert_allclose(
        normal((3,), 1, "noise", 7), [-0.27195743, 1.2110465, 1.2937709], rtol=1e-6
    )


def test_seeds_of_streams_are_reproducible_and_distinct():
    assert initializer_seeds(0, "a", 8) == initializer_seeds(0, "a", 8)
    assert len(set(initializer_seeds(0, "a", 8) + initializer_seeds(0, "b", 8))) == 16
    assert numpy_generator(1, "a").random() == numpy_generator(1, "a").random()


def test_labels_follow_their_shares():
    shares = np.array([0.0, 0.5, 0.0, 0.2, 0.3, 0.0])
    drawn = rng.labels(20_000, shares, 1, "labels", 3).numpy()
    np.testing.assert_allclose(np.bincount(drawn, minlength=6) / 20_000, shares, atol=0.02)
    assert set(drawn) == {1, 3, 4}
    np.testing.assert_array_equal(drawn, rng.labels(20_000, shares, 1, "labels", 3))
    for other in ((2, "labels", 3, 0), (1, "x", 3, 0), (1, "labels", 4, 0), (1, "labels", 3, 1)):
        assert not np.array_equal(drawn, rng.labels(20_000, shares, *other))


def test_uniform_numbers_are_uniform():
    drawn = rng.uniform((10_000,), 1, "u", 3).numpy()
    assert drawn.min() >= 0 and drawn.max() < 1
    np.testing.assert_allclose(np.quantile(drawn, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.02)
