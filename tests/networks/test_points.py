"""Networks for points, against NumPy matrix products."""

import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.networks.mine import STATISTICS
from rumi_tf.networks.points import POINT_NETWORKS, PointDiscriminator
from rumi_tf.networks.registry import conditional_pair

COMMON = {"image_shape": (1,), "num_classes": 3, "seed": 1}


def by_hand(x, weights, activations):
    for k, activation in enumerate(activations):
        matrix, bias = weights[2 * k : 2 * k + 2]
        x = x @ matrix.T + bias[:, 0]
        x = np.tanh(x) if activation == "tanh" else x
    return x


@pytest.mark.parametrize("network", POINT_NETWORKS)
def test_networks_equal_numpy(network):
    spec, draw = POINT_NETWORKS[network], np.random.default_rng(0)
    generator, discriminator = (
        kind(network=network, **COMMON) for kind in conditional_pair(network)
    )
    noise, labels = draw.normal(size=(5, 2)).astype(np.float32), np.array([0, 2, 1, 1, 0])
    embedding, *weights = (v.numpy() for v in generator.trainable_variables)
    expected = by_hand(
        np.concatenate([noise, embedding.T[labels]], 1), weights, (*spec.generator, "linear")
    )
    points = generator((tf.constant(noise), tf.constant(labels)))
    assert points.shape == (5, 1)
    np.testing.assert_allclose(points, expected, rtol=1e-5, atol=1e-6)
    outputs = discriminator(points)
    weights = [v.numpy() for v in discriminator.trainable_variables]
    features = by_hand(points.numpy(), weights, spec.discriminator)
    np.testing.assert_allclose(outputs["features"], features, rtol=1e-5, atol=1e-6)
    score = by_hand(features, weights[-2:], ("linear",))[:, 0]
    np.testing.assert_allclose(outputs["score"], score, rtol=1e-4, atol=1e-6)
    assert len(discriminator.trunk_variables) == 2 * len(spec.discriminator)


@pytest.mark.parametrize("network", POINT_NETWORKS)
def test_initial_weights_have_the_scale_of_the_variant(network):
    generator, discriminator = conditional_pair(network)
    deviation = POINT_NETWORKS[network].deviation
    discriminators = [discriminator(network=network, **{**COMMON, "seed": s}) for s in range(12)]
    matrix = np.stack([d.trainable_variables[2].numpy() for d in discriminators])  # 10 inputs
    bias = np.stack([d.trainable_variables[3].numpy() for d in discriminators])
    bound = 10**-0.5
    assert 0.9 * bound < np.abs(bias).max() <= bound
    assert bias.std() == pytest.approx(bound / 3**0.5, rel=0.1)
    expected = bound / 3**0.5 if deviation is None else deviation
    assert matrix.std() == pytest.approx(expected, rel=0.1)
    weights = generator(network=network, **COMMON).trainable_variables
    assert np.abs(weights[3]).max() <= bound  # G's weights are uniform in every variant
    same_seed = [discriminator(network=network, **COMMON).trainable_variables[0] for _ in range(2)]
    np.testing.assert_array_equal(*same_seed)


def test_projection_head_has_normal_weights_and_no_bias():
    _, discriminator = conditional_pair("points_v1")
    discriminators = [
        discriminator(network="points_v1", heads=("class", "projection"), **{**COMMON, "seed": s})
        for s in range(20)
    ]
    weights = np.stack([d.trainable_variables[-1].numpy() for d in discriminators])
    assert weights.shape == (20, 3, 10)  # last variable: no bias
    assert weights.std() == pytest.approx(1, rel=0.1)


def test_concat_of_points_and_labels_equals_numpy():
    concat = STATISTICS["concat"](network="points_v1", features=10, **COMMON)
    weights = [v.numpy() for v in concat.trainable_variables]
    points, labels = np.float32([[0.3], [-1.0]]), np.array([2, 0])
    joined = np.concatenate([points, np.eye(3)[labels]], 1)
    expected = by_hand(joined, weights, ("tanh", "tanh", "linear", "linear"))[:, 0]
    statistics = concat((tf.constant(points), tf.constant(labels)))
    np.testing.assert_allclose(statistics, expected, rtol=1e-5)


def test_batch_normalisation_is_rejected():
    with pytest.raises(ValueError, match="batch_norm"):
        PointDiscriminator(network="points_v1", batch_norm=True, **COMMON)
