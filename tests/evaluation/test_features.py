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


def test_statistics_are_those_of_all_images():
    found = extract(Pixels().embedding, batches())
    rows = PIXELS.reshape(300, 16) / 127.5 - 1
    assert len(found) == 300
    np.testing.assert_allclose(found.statistics.mean, rows.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.statistics.covariance, np.cov(rows.T), atol=1e-6)
    np.testing.assert_allclose(found.kept, rows, atol=1e-6)
    np.testing.assert_allclose(found.classes[:, 0], (rows.mean(axis=1) + 1) / 2, atol=1e-6)


def test_memory_is_bounded_but_statistics_see_every_image(monkeypatch):
    monkeypatch.setattr(features, "KEPT", 130)
    whole = extract(Pixels().embedding, batches())
    assert len(whole.kept) == len(whole.classes) == len(whole.scores) == 130
    assert len(whole) == 300
    rows = PIXELS.reshape(300, 16) / 127.5 - 1
    np.testing.assert_allclose(whole.statistics.covariance, np.cov(rows.T), atol=1e-6)


@pytest.mark.parametrize(
    "images, words",
    [
        (np.zeros((1, 4, 4, 1)), "there are 1 images; at least 2"),
        (np.zeros((5, 4, 4)), "must be"),
        (np.zeros((5, 4, 4, 2)), "must be"),
        (np.zeros((5, 6, 4, 1)), "images are 6x4 pixels in grey, the classifier of the data set"),
        (np.zeros((5, 4, 4, 3)), "4x4 pixels in colour"),
        (np.full((5, 4, 4, 1), 1.1), r"outside \[-1, 1\], or NaN"),
        (np.full((5, 4, 4, 1), -255.0), r"outside \[-1, 1\], or NaN"),
        (np.full((5, 4, 4, 1), np.nan), r"outside \[-1, 1\], or NaN"),
    ],
)
def test_images_that_cannot_be_embedded_are_one_line(images, words):
    with pytest.raises(ValueError, match=words) as caught:
        extract(Pixels().embedding, [images])
    assert "\n" not in str(caught.value)


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="there are 0 images"):
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


def test_the_cache_saves_the_work_and_gives_the_same(tmp_path):
    pixels = Pixels()
    first = cached(pixels, tmp_path)
    seen = pixels.images
    same(first, cached(pixels, tmp_path))
    assert pixels.images == seen
    cached(pixels, tmp_path, refresh=True)
    assert pixels.images == 2 * seen


def test_what_changes_the_features_is_not_found_in_the_cache(tmp_path):
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


def damage_stranger(path):
    path.write_text("nothing of ours")


@pytest.mark.parametrize(
    "damage",
    [damage_truncate, damage_empty, damage_values, damage_missing, damage_stranger],
)
def test_a_damaged_cache_is_rebuilt(damage, tmp_path):
    pixels = Pixels()
    first = cached(pixels, tmp_path)
    seen = pixels.images
    (path,) = tmp_path.glob("reference-*.npz")
    damage(path)
    same(first, cached(pixels, tmp_path))
    assert pixels.images == 2 * seen
    same(first, cached(pixels, tmp_path))
    assert pixels.images == 2 * seen
