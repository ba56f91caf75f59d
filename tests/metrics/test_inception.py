import math

import numpy as np
import pytest

from rumi_tf.metrics import inception_score


def by_loops(rows):
    """exp of the mean KL divergence from the marginal, one term at a time."""
    marginal = [sum(row[k] for row in rows) / len(rows) for k in range(len(rows[0]))]
    total = sum(
        p * math.log(p / q) for row in rows for p, q in zip(row, marginal, strict=True) if p
    )
    return math.exp(total / len(rows))


def probabilities(n, k, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(k), n)


def test_score_is_the_definition_on_consecutive_splits():
    rows = probabilities(23, 4)
    rows[3] = [0, 1, 0, 0]
    scores = [by_loops(split.tolist()) for split in (rows[:8], rows[8:16], rows[16:])]
    mean, deviation = inception_score(rows, splits=3)
    assert mean == pytest.approx(np.mean(scores), rel=1e-12)
    assert deviation == pytest.approx(np.std(scores), rel=1e-9)


def test_minimum_and_maximum():
    assert inception_score(np.full((20, 5), 0.2)) == pytest.approx((1, 0), abs=1e-12)
    assert inception_score(np.tile([0.7, 0.2, 0.1], (20, 1))) == pytest.approx((1, 0), abs=1e-12)
    balanced = np.tile(np.eye(5), (10, 1))
    assert inception_score(balanced) == pytest.approx((5, 0), abs=1e-12)


def test_certain_predictions_of_one_and_of_two_classes():
    assert inception_score(np.tile([0.0, 1.0, 0.0], (30, 1)))[0] == pytest.approx(1)
    assert inception_score(np.tile(np.eye(6)[:2], (20, 1)))[0] == pytest.approx(2)


def test_score_is_invariant_to_the_order_of_classes():
    rows = probabilities(40, 6)
    assert inception_score(rows[:, ::-1]) == pytest.approx(inception_score(rows), rel=1e-12)


def test_low_precision_rows_are_normalised():
    rows = probabilities(50, 10)
    rounded = rows * np.linspace(0.995, 1.005, 50)[:, None]
    assert inception_score(rounded, splits=2) == pytest.approx(inception_score(rows, splits=2))


def test_default_and_maximum_number_of_splits():
    rows = probabilities(30, 3)
    assert inception_score(rows) == inception_score(rows, splits=10)
    assert inception_score(rows, splits=30) == pytest.approx((1, 0), abs=1e-12)
    with pytest.raises(ValueError, match=r"splits is 31.* 30"):
        inception_score(rows, splits=31)
