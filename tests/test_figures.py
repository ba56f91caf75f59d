import numpy as np

from figures._shares import predicted_shares


def test_predicted_shares_of_separate_classes():
    labels = np.repeat(np.arange(4), [10, 30, 25, 75])
    indices = {
        "positive": np.flatnonzero(labels % 2 == 0), "negative": np.flatnonzero(labels % 2 == 1),
    }  # fmt: skip
    positive = np.array([10, 0, 25, 0]) / 35
    negative = np.array([0, 30, 0, 75]) / 105
    for alpha_neg, share in ((-0.5, 0.5), (-0.2, 0.2), (0.0, 0.0), (1.0, 0.0)):
        found = predicted_shares(labels, indices, 0.5, alpha_neg)
        np.testing.assert_allclose(found, (1 - share) * positive + share * negative, atol=1e-9)
