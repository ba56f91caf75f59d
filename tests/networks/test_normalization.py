"""Batch normalisation with the fused kernel against Keras's layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.networks.normalization import BatchNormalization

SHAPES = [(7, 5), (1, 3), (4, 6, 6, 3), (2, 1, 8, 5)]


def layer_pair(shape, **options):
    """Our layer and Keras's with the same random weights."""
    draw = np.random.default_rng(1)
    kinds = (BatchNormalization, keras.layers.BatchNormalization)
    layers = [kind(momentum=0.8, epsilon=2e-3, **options) for kind in kinds]
    for layer in layers:
        layer.build((None, *shape[1:]))
    weights = [np.abs(draw.normal(1, 0.3, w.shape)) for w in layers[0].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    return layers


def inputs(shape, dtype=tf.float32):
    return tf.cast(np.random.default_rng(0).normal(0.5, 2, shape), dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}])
@pytest.mark.parametrize("compiled", [False, True])
def test_outputs_gradients_and_moving_statistics_equal_keras(shape, options, compiled):
    x, direction = inputs(shape), tf.cos(inputs(shape) * 3)

    def results(layer):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y * direction)
        return [y, *tape.gradient(loss, [x, *[v.value for v in layer.trainable_variables]])]

    ours, theirs = layer_pair(shape, **options)
    run = tf.function(results) if compiled else results
    for our, their in zip(run(ours), run(theirs), strict=True):
        assert our.shape == their.shape
        np.testing.assert_allclose(our, their, rtol=1e-4, atol=2e-5)
    for our, their in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-5, atol=1e-6)
    assert not np.allclose(ours.moving_mean, layer_pair(shape, **options)[0].moving_mean)


def test_second_order_gradient_equals_keras():
    """Gradient penalties need it."""
    x = inputs((4, 3, 3, 2))

    def gradient_of_squared_gradient(layer):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(layer(x, training=True) ** 3)
            slope = tf.reduce_sum(tape.gradient(loss, x) ** 2)
        return outer.gradient(slope, x)

    ours, theirs = (gradient_of_squared_gradient(layer) for layer in layer_pair(x.shape))
    np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3 * np.abs(theirs).max())


@pytest.mark.parametrize("call_options", [{"training": False}, {}])
def test_inference_uses_the_moving_statistics(call_options):
    x = inputs((4, 3, 3, 2))
    ours, theirs = layer_pair(x.shape)
    np.testing.assert_array_equal(ours(x, **call_options), theirs(x, **call_options))
    for our, their in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(our, their)


def test_bfloat16_equals_keras_within_rounding():
    x = inputs((16, 5, 5, 4), tf.bfloat16)
    ours, theirs = layer_pair(x.shape, dtype="mixed_bfloat16")
    our_output, their_output = (layer(x, training=True) for layer in (ours, theirs))
    assert our_output.dtype == their_output.dtype == tf.bfloat16
    np.testing.assert_allclose(
        tf.cast(our_output, tf.float32), tf.cast(their_output, tf.float32), rtol=2**-7, atol=2**-7
    )
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-3)


def test_unknown_batch_size_keeps_the_static_shape_of_other_axes():
    layer = BatchNormalization()

    @tf.function(input_signature=[tf.TensorSpec((None, 4, 4, 3))])
    def train(x):
        y = layer(x, training=True)
        assert y.shape.as_list() == [None, 4, 4, 3]
        return y

    assert train(inputs((5, 4, 4, 3))).shape == (5, 4, 4, 3)
