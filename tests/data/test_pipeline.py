import itertools

import numpy as np
import pytest

from rumi_tf.data.dataset import from_memory
from rumi_tf.data.pipeline import batch_stream

# Every pixel of image k is k, so pixels identify images.
IMAGES = from_memory(
    np.broadcast_to(np.arange(60, dtype=np.uint8)[:, None, None, None], (60, 2, 2, 1)),
    np.arange(60) % 3,
    ("a", "b", "c"),
)
SUBSETS = {"positive": np.arange(0, 7), "negative": np.arange(10, 60)}
SPLIT = ({"positive": "positive"}, {"negative": "negative"})


def image_indices(batch):
    return np.round((batch["image"].numpy()[:, 0, 0, 0] + 1) * 127.5).astype(int)


def take(count, updates=SPLIT, **keywords):
    keywords = {"batch_size": 5, "seed": 0, **keywords}
    return list(itertools.islice(batch_stream(IMAGES, SUBSETS, updates, **keywords), count))


def drawn(elements, update, role):
    return np.concatenate([image_indices(element[update][role]) for element in elements])


def test_every_epoch_of_a_subset_is_a_permutation():
    elements = take(70)
    positive, negative = drawn(elements, 0, "positive"), drawn(elements, 1, "negative")
    assert (np.sort(positive.reshape(50, 7), axis=1) == np.arange(7)).all()
    assert (np.sort(negative.reshape(7, 50), axis=1) == np.arange(10, 60)).all()
    assert len({tuple(epoch) for epoch in positive.reshape(50, 7)}) > 45


def test_labels_match_the_images():
    for element in take(10):
        batch = element[1]["negative"]
        np.testing.assert_array_equal(batch["label"].numpy(), image_indices(batch) % 3)


def test_batch_t_does_not_depend_on_the_start_of_the_stream():
    from_0, from_7 = take(20), take(13, start=7)
    for a, b in zip(from_0[7:], from_7, strict=True):
        for update, role in ((0, "positive"), (1, "negative")):
            np.testing.assert_array_equal(a[update][role]["image"], b[update][role]["image"])


@pytest.mark.parametrize("of, replicas", [(2, (0, 1)), (4, (2, 3))])
def test_replica_batches_are_consecutive_slices_of_the_global_batch(of, replicas):
    """The stream of a worker alternates between its replicas."""
    global_batches = take(5, batch_size=8, start=2)
    local_batches = take(5 * len(replicas), batch_size=8, start=2, parts=replicas, of=of)
    for k, element in enumerate(local_batches):
        expected = image_indices(global_batches[k // len(replicas)][1]["negative"])
        first = 8 // of * replicas[k % len(replicas)]
        actual = image_indices(element[1]["negative"])
        np.testing.assert_array_equal(actual, expected[first:][: 8 // of])


def test_stream_ends_at_stop():
    assert len(take(100, start=3, stop=10)) == 7


def test_a_batch_larger_than_its_subset_wraps():
    (element,) = take(1, batch_size=20)
    counts = np.bincount(image_indices(element[0]["positive"]), minlength=7)
    assert counts.sum() == 20 and set(counts) == {2, 3}


def test_updates_with_the_same_subset_take_consecutive_batches():
    elements = take(7, updates=({"real": "positive"}, {"real": "positive"}))
    batches = np.stack([drawn(elements, 0, "real"), drawn(elements, 1, "real")])
    alternating = batches.reshape(2, 7, 5).swapaxes(0, 1).ravel()
    np.testing.assert_array_equal(alternating, drawn(take(14), 0, "positive"))


def test_seed_changes_the_order():
    orders = [drawn(take(10, seed=seed), 1, "negative").tolist() for seed in (0, 1)]
    assert orders[0] != orders[1]


def test_pixels_are_scaled_to_the_range_from_minus_one_to_one():
    extremes = from_memory(np.array([0, 255]).reshape(2, 1, 1, 1), np.zeros(2), ("x",))
    assert extremes.gather([0, 1]).numpy().ravel() == pytest.approx([-1, 1])
