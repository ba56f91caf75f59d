"""Batch normalisation by the fused kernel against Keras's own layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.networks.normalization import BatchNormalization

SHAPES = [(7, 5), (1, 3), (4, 6, 6, 3), (2, 1, 8, 5)]


def twins(shape, **how):
    """Ours and Keras's with the same weights, which are not those of the beginning."""
    draw = np.random.default_rng(1)
    made = [kind(momentum=0.8, epsilon=2e-3, **how) for kind in (BatchNormalization, KERAS)]
    for layer in made:
        layer.build((None, *shape[1:]))
    weights = [np.abs(draw.normal(1, 0.3, w.shape)) for w in made[0].get_weights()]
    for layer in made:
        layer.set_weights(weights)
    return made


KERAS = keras.layers.BatchNormalization


def inputs(shape, dtype=tf.float32):
    return tf.cast(np.random.default_rng(0).normal(0.5, 2, shape), dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("how", [{}, {"scale": False}, {"center": False}])
@pytest.mark.parametrize("compiled", [False, True])
def test_outputs_gradients_and_moving_statistics_are_those_of_keras(shape, how, compiled):
    x, direction = inputs(shape), tf.cos(inputs(shape) * 3)

    def results(layer):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y * direction)
        return [y, *tape.gradient(loss, [x, *[v.value for v in layer.trainable_variables]])]

    ours, theirs = twins(shape, **how)
    run = tf.function(results) if compiled else results
    for mine, other in zip(run(ours), run(theirs), strict=True):
        assert mine.shape == other.shape
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=2e-5)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)
    assert not np.allclose(ours.moving_mean, twins(shape, **how)[0].moving_mean)


def test_the_gradient_of_a_gradient_is_that_of_keras():
    """Penalties need it."""
    x = inputs((4, 3, 3, 2))

    def second(layer):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(layer(x, training=True) ** 3)
            slope = tf.reduce_sum(tape.gradient(loss, x) ** 2)
        return outer.gradient(slope, x)

    ours, theirs = (second(layer) for layer in twins(x.shape))
    np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3 * np.abs(theirs).max())


@pytest.mark.parametrize("how", [{"training": False}, {}])
def test_inference_uses_the_moving_statistics(how):
    x = inputs((4, 3, 3, 2))
    ours, theirs = twins(x.shape)
    np.testing.assert_array_equal(ours(x, **how), theirs(x, **how))
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_in_bfloat16_it_is_keras_layer_to_the_precision_of_bfloat16():
    x = inputs((16, 5, 5, 4), tf.bfloat16)
    ours, theirs = twins(x.shape, dtype="mixed_bfloat16")
    mine, other = (layer(x, training=True) for layer in (ours, theirs))
    assert mine.dtype == other.dtype == tf.bfloat16
    np.testing.assert_allclose(
        tf.cast(mine, tf.float32), tf.cast(other, tf.float32), rtol=2**-7, atol=2**-7
    )
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-3)


def test_a_batch_of_unknown_size_keeps_the_other_axes():
    layer = BatchNormalization()

    @tf.function(input_signature=[tf.TensorSpec((None, 4, 4, 3))])
    def train(x):
        y = layer(x, training=True)
        assert y.shape.as_list() == [None, 4, 4, 3]
        return y

    assert train(inputs((5, 4, 4, 3))).shape == (5, 4, 4, 3)
