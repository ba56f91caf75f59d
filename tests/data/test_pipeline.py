import itertools

import numpy as np
import pytest

from rumi_tf.data.dataset import from_memory
from rumi_tf.data.pipeline import batch_stream

# Image k has the value k in every pixel, so that batches tell which images they hold.
IMAGES = from_memory(
    np.broadcast_to(np.arange(60, dtype=np.uint8)[:, None, None, None], (60, 2, 2, 1)),
    np.arange(60) % 3,
    ("a", "b", "c"),
)
SUBSETS = {"positive": np.arange(0, 7), "negative": np.arange(10, 60)}
SPLIT = ({"positive": "positive"}, {"negative": "negative"})


def numbers(part):
    return np.round((part["image"].numpy()[:, 0, 0, 0] + 1) * 127.5).astype(int)


def take(count, updates=SPLIT, **keywords):
    keywords = {"batch_size": 5, "seed": 0, **keywords}
    return list(itertools.islice(batch_stream(IMAGES, SUBSETS, updates, **keywords), count))


def drawn(batches, update, role):
    return np.concatenate([numbers(batch[update][role]) for batch in batches])


def test_each_side_cycles_in_permutations_at_its_own_length():
    batches = take(70)
    positive, negative = drawn(batches, 0, "positive"), drawn(batches, 1, "negative")
    assert (np.sort(positive.reshape(50, 7), axis=1) == np.arange(7)).all()
    assert (np.sort(negative.reshape(7, 50), axis=1) == np.arange(10, 60)).all()
    assert len({tuple(epoch) for epoch in positive.reshape(50, 7)}) > 45


def test_labels_belong_to_their_images():
    for batch in take(10):
        part = batch[1]["negative"]
        np.testing.assert_array_equal(part["label"].numpy(), numbers(part) % 3)


def test_batch_t_does_not_depend_on_where_the_stream_starts():
    whole, late = take(20), take(13, start=7)
    for one, other in zip(whole[7:], late, strict=True):
        for update, role in ((0, "positive"), (1, "negative")):
            np.testing.assert_array_equal(one[update][role]["image"], other[update][role]["image"])


@pytest.mark.parametrize("of, mine", [(2, (0, 1)), (4, (2, 3))])
def test_parts_put_together_are_the_batch(of, mine):
    """In the stream of a worker its replicas' parts take turns."""
    whole, parts = take(5, batch_size=8, start=2), take(5 * len(mine), batch_size=8, start=2,
                                                        parts=mine, of=of)  # fmt: skip
    for k, element in enumerate(parts):
        part = numbers(whole[k // len(mine)][1]["negative"])
        first = 8 // of * mine[k % len(mine)]
        np.testing.assert_array_equal(numbers(element[1]["negative"]), part[first:][: 8 // of])


def test_stream_ends_at_stop():
    assert len(take(100, start=3, stop=10)) == 7


def test_a_batch_larger_than_its_subset_wraps():
    (batch,) = take(1, batch_size=20)
    counts = np.bincount(numbers(batch[0]["positive"]), minlength=7)
    assert counts.sum() == 20 and set(counts) == {2, 3}


def test_updates_that_share_a_subset_take_turns():
    twice = take(7, updates=({"real": "positive"}, {"real": "positive"}))
    in_turn = np.stack([drawn(twice, 0, "real"), drawn(twice, 1, "real")])
    in_turn = in_turn.reshape(2, 7, 5).swapaxes(0, 1).ravel()
    np.testing.assert_array_equal(in_turn, drawn(take(14), 0, "positive"))


def test_seed_changes_the_order():
    orders = [drawn(take(10, seed=seed), 1, "negative").tolist() for seed in (0, 1)]
    assert orders[0] != orders[1]


def test_pixels_are_scaled_to_minus_one_and_one():
    extremes = from_memory(np.array([0, 255]).reshape(2, 1, 1, 1), np.zeros(2), ("x",))
    assert extremes.gather([0, 1]).numpy().ravel() == pytest.approx([-1, 1])
