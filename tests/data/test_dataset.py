import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.data.dataset import from_loader, from_memory, joined


def coloured(*levels, names=("a", "b"), shape=(4, 4, 1)):
    pixels = np.zeros((len(levels), *shape)) + np.array(levels).reshape(-1, 1, 1, 1)
    return from_memory(pixels, np.arange(len(levels)) % 2, names)


def levels_at(images, *indices):
    found = images.gather(tf.constant(indices, tf.int64)).numpy()
    assert found.shape == (len(indices), *images.image_shape)
    return np.round((found[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist()


def test_joined_images_keep_their_order_and_labels():
    both = joined(coloured(0, 10, 20), coloured(100, 110))
    assert len(both) == 5 and both.labels.tolist() == [0, 1, 0, 0, 1]
    assert levels_at(both, 4, 0, 3, 3, 2) == [110, 0, 100, 100, 20]
    assert levels_at(both, 1, 2) == [10, 20] and levels_at(both, 3, 4) == [100, 110]


def test_joined_images_are_gathered_in_a_graph_also_if_one_part_is_loaded_one_by_one():
    lazy = from_loader(
        lambda k: tf.fill((4, 4, 1), tf.cast(k, tf.float32)), np.array([0, 1]), ("a", "b"),
        (4, 4, 1), b"", "file {}".format,
    )  # fmt: skip
    both = joined(lazy, coloured(100))
    batches = tf.data.Dataset.from_tensor_slices([[0, 1], [2, 1], [2, 2]]).map(both.gather)
    found = [np.round((b[:, 0, 0, 0] + 1) * 127.5).tolist() for b in batches.as_numpy_iterator()]
    assert found == [[0, 1], [100, 1], [100, 100]]
    assert (both.name(1), both.name(2)) == ("file 1", "image 0")


def test_fingerprint_of_joined_images_depends_on_both_and_their_order():
    one, two = coloured(1), coloured(2)
    made = [joined(one, two), joined(two, one), joined(one, one), joined(two, two)]
    assert len({images.fingerprint for images in made}) == 4
    assert joined(one, two).fingerprint == made[0].fingerprint


@pytest.mark.parametrize("other", [coloured(1, names=("a", "c")), coloured(1, shape=(4, 4, 3))])
def test_images_that_differ_in_kind_are_not_joined(other):
    with pytest.raises(ValueError, match="images differ"):
        joined(coloured(1), other)
