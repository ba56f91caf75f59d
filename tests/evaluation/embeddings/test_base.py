import keras
import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.data.dataset import from_memory
from rumi_tf.evaluation.embeddings import Embedding, image_batches
from rumi_tf.evaluation.embeddings.base import weights_digest

IMAGES = np.random.default_rng(0).uniform(-1, 1, (57, 4, 4, 1)).astype(np.float32)


def linear(shapes):
    """A linear embedding that appends the shapes of its inputs, and its weights."""
    weights = np.random.default_rng(1).normal(size=(16, 5)).astype(np.float32)

    def embed(images):
        shapes.append(images.shape)
        features = tf.reshape(images, (len(images), 16)) @ weights
        return {"features": features, "scores": features[:, :0], "classes": features[:, :0]}

    return Embedding("linear", "linear-1", embed), weights


@pytest.mark.parametrize("incoming", [1, 7, 20, 57, 100])
@pytest.mark.parametrize("batch_size", [1, 10, 57, 64])
def test_features_do_not_depend_on_batch_sizes(incoming, batch_size):
    shapes = []
    embedding, weights = linear(shapes)
    batches = (IMAGES[k : k + incoming] for k in range(0, len(IMAGES), incoming))
    parts = [out["features"] for out in embedding.stream(batches, batch_size)]
    expected = IMAGES.reshape(57, 16).astype(np.float64) @ weights
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=1e-4, atol=1e-5)
    assert set(shapes) == {(batch_size, 4, 4, 1)}, "a second shape compiles the network again"


def test_streams_are_read_lazily():
    embedding, _ = linear([])
    drawn = []

    def batches():
        for k in range(1000):
            drawn.append(k)
            yield IMAGES[:10]

    next(embedding.stream(batches(), batch_size=20))
    assert len(drawn) == 2


def test_images_are_in_the_order_of_the_indices():
    pixels = np.arange(30, dtype=np.uint8).reshape(30, 1, 1, 1)
    images = from_memory(pixels, np.zeros(30), ("a",))
    index = np.random.default_rng(0).permutation(30)
    parts = list(image_batches(images, index, batch_size=7))
    assert [len(part) for part in parts] == [7, 7, 7, 7, 2]
    np.testing.assert_allclose(np.concatenate(parts).ravel(), index / 127.5 - 1, atol=1e-6)


def test_with_classes_of_combines_features_and_classes():
    embedding, weights = linear([])
    other = Embedding(
        "classifier", "classifier-2",
        lambda images: {"features": images[:, 0, 0], "scores": images[:, 0, 0],
                        "classes": tf.ones((len(images), 2)) / 2},
        (4, 4, 1), ("a", "b"), "classifier-2", ("note",),
    )  # fmt: skip
    combined = embedding.with_classes_of(other)
    out = next(combined.stream([IMAGES]))
    np.testing.assert_allclose(out["features"], IMAGES.reshape(57, 16) @ weights, rtol=1e-4)
    assert out["classes"].shape == (57, 2) and out["scores"].shape == (57, 0)
    assert (combined.identity, combined.class_identity) == ("linear-1", "classifier-2")
    assert combined.class_names == ("a", "b") and combined.notes == ("note",)


def test_weights_digest_depends_on_the_weights():
    layer = keras.layers.Dense(3)
    network = keras.Sequential([keras.Input((2,)), layer])
    digest = weights_digest(network)
    assert weights_digest(network) == digest and len(digest) == 16
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel, bias + 1e-7])
    assert weights_digest(network) != digest
