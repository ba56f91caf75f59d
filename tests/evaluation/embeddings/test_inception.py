"""With locally made random weights: what is tested is everything around them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.evaluation.embeddings import load_inception
from rumi_tf.utils.errors import InvalidInput

pytestmark = pytest.mark.slow
GREY = np.random.default_rng(0).uniform(-1, 1, (5, 28, 28, 1)).astype(np.float32)


def saved(path, **arguments):
    """The bare network of Keras with random weights, and the file it was saved to."""
    keras.utils.set_random_seed(3)
    network = keras.applications.InceptionV3(weights=None, **arguments)
    network.save_weights(path)
    return network


@pytest.fixture(scope="module")
def without_top(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "notop.weights.h5"
    return saved(path, include_top=False, pooling="avg", input_shape=(80, 80, 3)), path


def by_hand(images, size):
    """Bilinear resizing with pixel centres at halves, in NumPy."""
    n = images.shape[1]
    place = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    low = np.minimum(place.astype(int), n - 2)
    share = place - low
    matrix = np.zeros((size, n))
    matrix[np.arange(size), low], matrix[np.arange(size), low + 1] = 1 - share, share
    return np.einsum("yi,nijc,xj->nyxc", matrix, images, matrix)


def test_features_are_those_of_the_network_at_80_pixels_in_any_batches(without_top):
    network, path = without_top
    embedding = load_inception("inception", str(path))
    out = next(embedding.stream([GREY], batch_size=5))
    large = np.repeat(by_hand(GREY, 80), 3, axis=-1)
    expected = network(tf.constant(large, tf.float32), training=False).numpy()
    assert out["features"].shape == (5, 2048) and out["scores"].shape == (5, 0)
    np.testing.assert_allclose(out["features"], expected, rtol=1e-3, atol=1e-5)
    apart = np.concatenate([o["features"] for o in embedding.stream([GREY], batch_size=2)])
    np.testing.assert_allclose(apart, expected, rtol=1e-3, atol=1e-5)


def test_at_299_pixels_there_are_class_probabilities(tmp_path):
    path = tmp_path / "top.weights.h5"
    network = saved(path)
    out = next(load_inception("inception_299", str(path)).stream([GREY[:2]], batch_size=2))
    large = np.repeat(by_hand(GREY[:2], 299), 3, axis=-1)
    expected = network(tf.constant(large, tf.float32), training=False).numpy()
    assert out["features"].shape == (2, 2048)
    np.testing.assert_allclose(out["scores"], expected, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(out["scores"].sum(axis=1), 1, rtol=1e-5)


def test_weights_that_cannot_be_had_are_one_line_and_never_random(without_top, tmp_path):
    (tmp_path / "text.weights.h5").write_text("not weights")
    for name, path, words in (
        ("inception", tmp_path / "absent.h5", "is not a file"),
        ("inception", tmp_path / "text.weights.h5", "does not hold weights"),
        ("inception_299", without_top[1], "with its top"),
    ):
        with pytest.raises(InvalidInput, match=words) as caught:
            load_inception(name, str(path))
        assert caught.value.flag == "inception_weights" and "\n" not in str(caught.value)


def test_a_failed_download_names_both_ways_out(monkeypatch):
    def offline(*_, **__):
        raise OSError("no network\nand a second line")

    monkeypatch.setattr(keras.applications, "InceptionV3", offline)
    with pytest.raises(InvalidInput, match=r"--inception_weights=PATH.*--embedding=classifier"):
        load_inception("inception")
