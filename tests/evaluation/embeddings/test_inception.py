"""Tests with random weights: preprocessing, outputs and errors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.evaluation.embeddings import load_inception
from rumi_tf.utils.errors import InvalidInput

pytestmark = pytest.mark.slow
GREY = np.random.default_rng(0).uniform(-1, 1, (5, 28, 28, 1)).astype(np.float32)


def save_random(path, **arguments):
    """Saves and returns Keras's InceptionV3 with random weights."""
    keras.utils.set_random_seed(3)
    network = keras.applications.InceptionV3(weights=None, **arguments)
    network.save_weights(path)
    return network


@pytest.fixture(scope="module")
def without_top(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "notop.weights.h5"
    return save_random(path, include_top=False, pooling="avg", input_shape=(80, 80, 3)), path


def resize_numpy(images, size):
    """Bilinear resizing with pixel centres at half-integers."""
    n = images.shape[1]
    position = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    low = np.minimum(position.astype(int), n - 2)
    share = position - low
    matrix = np.zeros((size, n))
    matrix[np.arange(size), low], matrix[np.arange(size), low + 1] = 1 - share, share
    return np.einsum("yi,nijc,xj->nyxc", matrix, images, matrix)


def test_features_at_80_pixels_equal_keras_for_any_batch_size(without_top):
    network, path = without_top
    embedding = load_inception("inception", str(path))
    out = next(embedding.stream([GREY], batch_size=5))
    large = np.repeat(resize_numpy(GREY, 80), 3, axis=-1)
    expected = network(tf.constant(large, tf.float32), training=False).numpy()
    assert out["features"].shape == (5, 2048) and out["scores"].shape == (5, 0)
    np.testing.assert_allclose(out["features"], expected, rtol=1e-3, atol=1e-5)
    small_batches = np.concatenate([o["features"] for o in embedding.stream([GREY], batch_size=2)])
    np.testing.assert_allclose(small_batches, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.exhaustive
def test_class_probabilities_at_299_pixels_equal_keras(tmp_path):
    path = tmp_path / "top.weights.h5"
    network = save_random(path)
    out = next(load_inception("inception_299", str(path)).stream([GREY[:2]], batch_size=2))
    large = np.repeat(resize_numpy(GREY[:2], 299), 3, axis=-1)
    expected = network(tf.constant(large, tf.float32), training=False).numpy()
    assert out["features"].shape == (2, 2048)
    np.testing.assert_allclose(out["scores"], expected, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(out["scores"].sum(axis=1), 1, rtol=1e-5)


def test_missing_or_wrong_weights_raise_a_one_line_error(without_top, tmp_path):
    (tmp_path / "text.weights.h5").write_text("not weights")
    for name, path in (
        ("inception", tmp_path / "absent.h5"),
        ("inception", tmp_path / "text.weights.h5"),
        ("inception_299", without_top[1]),
    ):
        with pytest.raises(InvalidInput, match=path.name) as error:
            load_inception(name, str(path))
        assert error.value.flag == "inception_weights" and "\n" not in str(error.value)


def test_error_of_a_failed_download_names_the_alternatives(monkeypatch):
    def offline(*_, **__):
        raise OSError("no network\nand a second line")

    monkeypatch.setattr(keras.applications, "InceptionV3", offline)
    with pytest.raises(InvalidInput, match=r"--inception_weights=PATH.*--embedding=classifier"):
        load_inception("inception")
