import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.data.dataset import from_loader, from_memory, joined


def constant_images(*levels, names=("a", "b"), shape=(4, 4, 1)):
    pixels = np.zeros((len(levels), *shape)) + np.array(levels).reshape(-1, 1, 1, 1)
    return from_memory(pixels, np.arange(len(levels)) % 2, names)


def levels_at(images, *indices):
    pixels = images.gather(tf.constant(indices, tf.int64)).numpy()
    assert pixels.shape == (len(indices), *images.image_shape)
    return np.round((pixels[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist()


def test_joined_images_keep_their_order_and_labels():
    both = joined(constant_images(0, 10, 20), constant_images(100, 110))
    assert len(both) == 5 and both.labels.tolist() == [0, 1, 0, 0, 1]
    assert levels_at(both, 4, 0, 3, 3, 2) == [110, 0, 100, 100, 20]
    assert levels_at(both, 1, 2) == [10, 20] and levels_at(both, 3, 4) == [100, 110]


def test_joined_images_in_memory_and_loaded_lazily_are_gathered_in_a_graph():
    lazy = from_loader(
        lambda k: tf.fill((4, 4, 1), tf.cast(k, tf.float32)), np.array([0, 1]), ("a", "b"),
        (4, 4, 1), b"", "file {}".format,
    )  # fmt: skip
    both = joined(lazy, constant_images(100))
    batches = tf.data.Dataset.from_tensor_slices([[0, 1], [2, 1], [2, 2]]).map(both.gather)
    levels = [np.round((b[:, 0, 0, 0] + 1) * 127.5).tolist() for b in batches.as_numpy_iterator()]
    assert levels == [[0, 1], [100, 1], [100, 100]]
    assert (both.name(1), both.name(2)) == ("file 1", "image 0")


def test_fingerprint_of_joined_images_depends_on_both_and_their_order():
    a, b = constant_images(1), constant_images(2)
    pairs = [(a, b), (b, a), (a, a), (b, b)]
    assert len({joined(*pair).fingerprint for pair in pairs}) == 4
    assert joined(a, b).fingerprint == joined(a, b).fingerprint


@pytest.mark.parametrize("difference", [{"names": ("a", "c")}, {"shape": (4, 4, 3)}])
def test_images_with_different_classes_or_shapes_are_not_joined(difference):
    with pytest.raises(ValueError):
        joined(constant_images(1), constant_images(1, **difference))
