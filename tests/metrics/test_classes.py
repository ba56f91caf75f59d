import numpy as np
import pytest

from rumi_tf.metrics import class_histogram, split_shares

# The most probable classes are 0, 0, 1, 2 and 4.
ROWS = np.array(
    [
        [0.6, 0.1, 0.1, 0.1, 0.1],
        [0.3, 0.2, 0.2, 0.2, 0.1],
        [0.1, 0.5, 0.4, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0, 0.0],
        [0.2, 0.1, 0.2, 0.2, 0.3],
    ]
)


def test_histogram_counts_the_most_probable_class():
    np.testing.assert_allclose(class_histogram(ROWS), [0.4, 0.2, 0.2, 0, 0.2])


def test_shares_per_subset():
    shares = split_shares(ROWS, positive=[0, 1], negative=[1, 4])
    assert shares == pytest.approx(
        {"positive_only": 0.4, "negative_only": 0.2, "both": 0.2, "neither": 0.2}
    )


def test_swapping_the_subsets_swaps_their_shares():
    shares = split_shares(ROWS, (0, 2), (1, 2, 3))
    swapped = split_shares(ROWS, (1, 2, 3), (0, 2))
    assert shares["positive_only"] == swapped["negative_only"] == pytest.approx(0.4)
    assert shares["both"] == swapped["both"]
    assert sum(shares.values()) == pytest.approx(1)


def test_equal_subsets_overlap_entirely():
    shares = split_shares(ROWS, range(5), range(5))
    assert shares == pytest.approx(
        {"positive_only": 0, "negative_only": 0, "both": 1, "neither": 0}
    )


def test_without_negatives_all_other_classes_are_neither():
    shares = split_shares(ROWS, (0, 2), ())
    assert shares["positive_only"] == pytest.approx(class_histogram(ROWS)[[0, 2]].sum())
    assert shares["negative_only"] == shares["both"] == 0
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("positive", "negative", "value"),
    [
        ([5], [0], r"positive is 5.*\[0, 4\]"),
        ([0], [-1], "negative is -1"),
        ([0.5], [1], r"positive is 0\.5"),
    ],
)
def test_unknown_classes_are_rejected(positive, negative, value):
    with pytest.raises(ValueError, match=value):
        split_shares(ROWS, positive, negative)
