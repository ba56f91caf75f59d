import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.objectives import losses

SCORES = np.array([-3.0, -0.5, 0.0, 0.25, 4.0], np.float32)


def test_least_squares_is_the_mean_square_without_a_half():
    for target in (-1.0, 0.0, 1.5):
        expected = np.mean([(s - target) ** 2 for s in SCORES])
        assert float(losses.least_squares(tf.constant(SCORES), target)) == pytest.approx(expected)


def test_log_probabilities_are_those_of_the_sigmoid():
    d = 1 / (1 + np.exp(-SCORES.astype(np.float64)))
    real = float(losses.log_probability_real(tf.constant(SCORES)))
    fake = float(losses.log_probability_fake(tf.constant(SCORES)))
    assert real == pytest.approx(-np.mean(np.log(d)), rel=1e-6)
    assert fake == pytest.approx(-np.mean(np.log(1 - d)), rel=1e-6)


def test_log_probabilities_do_not_overflow():
    far = tf.constant([-1e4, 1e4])
    assert float(losses.log_probability_real(far)) == pytest.approx(5e3)
    assert float(losses.log_probability_fake(far)) == pytest.approx(5e3)
