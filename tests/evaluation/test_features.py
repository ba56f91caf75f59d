import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.data.dataset import from_memory
from rumi_tf.evaluation import features
from rumi_tf.evaluation.embeddings import Embedding, image_batches
from rumi_tf.evaluation.features import extract, reference_features
from rumi_tf.evaluation.protocols import Protocol

DRAW = np.random.default_rng(0)
PIXELS = DRAW.integers(0, 256, (300, 4, 4, 1)).astype(np.uint8)
IMAGES = from_memory(PIXELS, np.zeros(300), ("a",))
PROTOCOL = Protocol("test", "pixels", 100, None)


class Pixels:
    """Pixels as features, brightness as the probability of a class; counts its calls."""

    def __init__(self, identity="pixels-1"):
        self.images = 0
        self.embedding = Embedding("pixels", identity, self.embed, (4, 4, 1), ("a", "b"), "c-1")

    def embed(self, images):
        self.images += len(images)
        flat = tf.reshape(images, (len(images), 16))
        bright = (tf.reduce_mean(flat, axis=1, keepdims=True) + 1) / 2
        return {
            "features": flat,
            "scores": flat[:, :0],
            "classes": tf.concat([bright, 1 - bright], 1),
        }


def batches(order=None, size=100):
    return image_batches(IMAGES, np.arange(300) if order is None else order, size)


def test_features_and_statistics_equal_numpy():
    result = extract(Pixels().embedding, batches())
    rows = PIXELS.reshape(300, 16) / 127.5 - 1
    assert len(result) == 300
    np.testing.assert_allclose(result.statistics.mean, rows.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(result.statistics.covariance, np.cov(rows.T), atol=1e-6)
    np.testing.assert_allclose(result.kept, rows, atol=1e-6)
    np.testing.assert_allclose(result.classes[:, 0], (rows.mean(axis=1) + 1) / 2, atol=1e-6)


def test_stored_features_are_limited_but_statistics_use_all_images(monkeypatch):
    monkeypatch.setattr(features, "MAX_STORED", 130)
    result = extract(Pixels().embedding, batches())
    assert len(result.kept) == len(result.classes) == len(result.scores) == 130
    assert len(result) == 300
    rows = PIXELS.reshape(300, 16) / 127.5 - 1
    np.testing.assert_allclose(result.statistics.covariance, np.cov(rows.T), atol=1e-6)


@pytest.mark.parametrize(
    "images, pattern",
    [
        (np.zeros((1, 4, 4, 1)), "2 images.* 1$"),
        (np.zeros((5, 4, 4)), r"\(5, 4, 4\)"),
        (np.zeros((5, 4, 4, 2)), r"\(5, 4, 4, 2\)"),
        (np.zeros((5, 6, 4, 1)), "6x4 pixels in grey.*4x4 pixels in grey"),
        (np.zeros((5, 4, 4, 3)), "4x4 pixels in colour"),
        (np.full((5, 4, 4, 1), 1.1), r"\[-1, 1\]"),
        (np.full((5, 4, 4, 1), -255.0), r"\[-1, 1\]"),
        (np.full((5, 4, 4, 1), np.nan), r"\[-1, 1\]"),
    ],
)
def test_invalid_images_raise_a_one_line_error(images, pattern):
    with pytest.raises(ValueError, match=pattern) as error:
        extract(Pixels().embedding, [images])
    assert "\n" not in str(error.value)


def test_no_images_raise_an_error():
    with pytest.raises(ValueError, match=r"2 images.* 0$"):
        extract(Pixels().embedding, [])


def cached(pixels, directory, images=IMAGES, indices=None, protocol=PROTOCOL, **keywords):
    chosen = np.arange(100, dtype=np.int64) if indices is None else indices
    return reference_features(
        pixels.embedding, images, chosen, protocol, cache_dir=directory, **keywords
    )


def same(a, b):
    np.testing.assert_allclose(a.statistics.mean, b.statistics.mean, rtol=1e-12)
    np.testing.assert_allclose(
        a.statistics.covariance, b.statistics.covariance, rtol=1e-9, atol=1e-15
    )
    for name in ("kept", "scores", "classes"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert len(a) == len(b)


def test_cached_features_are_equal_and_not_recomputed(tmp_path):
    pixels = Pixels()
    first = cached(pixels, tmp_path)
    embedded = pixels.images
    same(first, cached(pixels, tmp_path))
    assert pixels.images == embedded
    cached(pixels, tmp_path, refresh=True)
    assert pixels.images == 2 * embedded


def test_cache_key_depends_on_images_indices_seed_and_weights(tmp_path):
    pixels = Pixels()
    cached(pixels, tmp_path)
    other = from_memory(PIXELS[::-1].copy(), np.zeros(300), ("a",))
    changes = (
        {"images": other},
        {"indices": np.arange(1, 101, dtype=np.int64)},
        {"protocol": Protocol("test", "pixels", 100, None, seed=1)},
        {"pixels": Pixels("pixels-2")},
    )
    for k, change in enumerate(changes, start=2):
        arguments = {"pixels": pixels, **change}
        before = arguments["pixels"].images
        cached(directory=tmp_path, **arguments)
        assert arguments["pixels"].images > before
        assert len(list(tmp_path.glob("reference-*.npz"))) == k


def damage_truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_empty(path):
    path.write_bytes(b"")


def damage_values(path):
    with np.load(path) as file:
        arrays = dict(file)
    arrays["mean"] = arrays["mean"] + 1e-9
    np.savez(path, **arrays)


def damage_missing(path):
    with np.load(path) as file:
        arrays = dict(file)
    arrays.pop("kept")
    np.savez(path, **arrays)


def damage_text(path):
    path.write_text("not an NPZ file")


@pytest.mark.parametrize(
    "damage",
    [damage_truncate, damage_empty, damage_values, damage_missing, damage_text],
)
def test_a_damaged_cache_is_rebuilt(damage, tmp_path):
    pixels = Pixels()
    first = cached(pixels, tmp_path)
    embedded = pixels.images
    (path,) = tmp_path.glob("reference-*.npz")
    damage(path)
    same(first, cached(pixels, tmp_path))
    assert pixels.images == 2 * embedded
    same(first, cached(pixels, tmp_path))
    assert pixels.images == 2 * embedded
